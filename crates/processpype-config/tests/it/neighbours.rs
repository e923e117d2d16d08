//! What stands below a secret is not in the report of another mistake on its line, keys included.

use std::collections::BTreeMap;

use processpype_config::{Format, Loader, Report, Secret};
use schemars::JsonSchema;
use serde::Deserialize;

/// What must not be told.
const CANARY: &str = "hunter2canary";

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only read")]
struct Safe {
    #[serde(default)]
    user: String,
    #[serde(default)]
    port: u16,
    #[serde(default)]
    pool: Pool,
    /// Nothing about its name says that it is a secret.
    pin: Option<Secret<BTreeMap<String, Drawer>>>,
    /// Nor the type, but for the name.
    token: Option<BTreeMap<String, Drawer>>,
    #[serde(default)]
    keys: Vec<Secret<Drawer>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only read")]
struct Pool {
    #[serde(default)]
    size: u8,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only read")]
struct Drawer {
    #[serde(default)]
    width: u8,
    #[serde(default)]
    label: Picky,
}

/// Refuses whatever is not empty.
#[derive(Debug, Default, JsonSchema)]
#[schemars(transparent)]
struct Picky(#[expect(dead_code, reason = "only its schema counts")] String);

impl<'de> Deserialize<'de> for Picky {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Err(serde::de::Error::custom(format!("is not empty: {text}")))
    }
}

/// Everything that a report says; it must not hold the canary.
#[track_caller]
fn clean(report: &Report) -> String {
    let json = serde_json::to_string(report).unwrap();
    for text in [report.to_string(), format!("{report:?}"), json] {
        assert!(!text.contains("canary"), "{text}");
    }
    report.to_string()
}

/// The report of reading `text`, in which `@` stands for what must not be told.
#[track_caller]
fn told(format: Format, text: &str) -> String {
    let text = text.replace('@', CANARY);
    let document = match Loader::new().text("app", format, text.as_str()).load() {
        Ok(document) => document,
        Err(report) => return clean(&report),
    };
    let unknown = document.root().known_keys(&["safe", "other"]).err();
    let read = document.section(&["safe"]).read::<Safe>().err();
    let reports: Vec<String> = unknown.iter().chain(&read).map(clean).collect();
    assert!(!reports.is_empty(), "no report for {text}");
    reports.join("\n")
}

/// Checks that a line of the report is `line`.
#[track_caller]
fn check(format: Format, text: &str, line: &str) {
    let told = told(format, text);
    let lines = told.lines().filter_map(|it| it.split_once(" | ").map(|(_, line)| line));
    assert!(lines.clone().any(|it| it == line), "{:?}\n{told}", lines.collect::<Vec<_>>());
}

#[test]
fn keys_below_a_secret_are_not_in_the_line_of_a_sibling() {
    check(Format::Yaml, "safe: {pin: {@: {}}, port: x}", "safe: {pin: {···: {}}, port: x}");
    check(Format::Yaml, "safe: {prt: 1, pin: {@: {}}}", "safe: {prt: ···, pin: {···: {}}}");
    check(Format::Yaml, "safe: {token: {@: {}}, port: x}", "safe: {token: {···: {}}, port: x}");
    check(
        Format::Json,
        "{\"safe\": {\"pin\": {\"@\": {}}, \"port\": \"x\"}}",
        "{\"safe\": {\"pin\": {···: {}}, \"port\": \"x\"}}",
    );
    check(
        Format::Toml,
        "safe = { pin = { @ = {} }, port = \"x\" }",
        "safe = { pin = { ··· = {} }, port = \"x\" }",
    );
    check(
        Format::Toml,
        "safe = { pin.@ = {}, port = \"x\" }",
        "safe = { pin.··· = {}, port = \"x\" }",
    );
}

#[test]
fn a_section_on_the_same_line_is_not_told_what_is_in_others() {
    let other = "other: {key: {@: x}, shelf: [{@: 1}], @: {@: x}}";
    check(
        Format::Yaml,
        &format!("{{{other}, safe: {{port: x}}}}"),
        "{other: {···: {···: ···}, ···: [{···: ···}], ···: {···: ···}}, safe: {port: x}}",
    );
    check(
        Format::Toml,
        "other.@ = 1\nother.shelf.@.@ = 1\nsafe.port = \"x\"\n",
        "safe.port = \"x\"",
    );
}

#[test]
fn what_code_has_chosen_stays_readable() {
    check(Format::Yaml, "safe: {pool: {size: 1}, port: x}", "safe: {pool: {size: ···}, port: x}");
    check(Format::Yaml, "safe: {pool: {sise: 1}}", "safe: {pool: {sise: ···}}");
    check(Format::Yaml, "safe: {pin: {@: {width: 300}}}", "safe: {pin: {···: {width: ···}}}");
    let told = told(Format::Yaml, "safe: {pin: {@: {widht: 3}}}");
    assert!(told.contains("unknown key `safe.pin.···.widht`"), "{told}");
    assert!(told.contains("did you mean `width`?"), "{told}");
}

#[test]
fn the_line_of_what_misses_a_key_says_what_is_there() {
    let text = "services:\n  vault: {user: u, port: 1}\n";
    let document = Loader::new().text("app", Format::Yaml, text).load().unwrap();
    let line = |name: &str| {
        let section = document.section(&["services", name]);
        section.read::<crate::types::Vault>().unwrap_err().to_string()
    };
    let there = line("vault");
    assert!(there.contains("2 |   vault: {user: ···, port: ···}\n"), "{there}");
    let absent = line("absent");
    assert!(absent.contains("1 | services:\n"), "{absent}");
}

#[test]
fn a_key_below_a_secret_is_in_no_message() {
    for text in [
        "safe: {pin: {@: {width: x}}}",
        "safe: {pin: {@: {@: x}}}",
        "safe: {pin: {@: 5}}",
        "safe: {pin: {@: [@]}}",
        "safe: {pin: [@, {@: x}]}",
        "safe: {token: {@: {width: x}}}",
        "safe: {token: {@: {@: x}}}",
        "safe: {keys: [{@: x}]}",
        "safe: {keys: [{@: x, width: 1}, {width: x}]}",
        "safe: {keys: {@: x}}",
        "safe: {pin: {@: {label: @}}}",
        "safe: {token: {@: {label: @}}}",
        "safe: {pasword: {@: x}, tokn: {@: {@: x}}}",
        "safe:\n  pin:\n    @:\n      width: x\n",
        "safe:\n  pin:\n    ? @\n    : width: x\n",
        "safe:\n  pin: {? @ : {width: x}}\n",
        "safe: {pin: {\"@:x\": 1}, port: x}",
        "safe: {token:@: 1, port: x}",
        "safe: {\"token:@\": 1, \"token:@\": 2}",
        "safe: {user: {@: 1}, port: {@: x}}",
    ] {
        told(Format::Yaml, text);
    }
}

#[test]
fn the_value_of_a_variable_that_sounds_like_a_secret_is_not_told() {
    for (name, is_told) in [("APP_PORT", true), ("DB_PASSWORD", false)] {
        let text = format!("safe: {{port: \"${{{name}}}\"}}");
        let loader = Loader::new().text("app", Format::Yaml, text);
        let document = loader.environment([(name.to_owned(), "hunter2".to_owned())]).load();
        let report = document.unwrap().section(&["safe"]).read::<Safe>().unwrap_err();
        assert_eq!(report.to_string().contains("hunter2"), is_told, "{report}");
        assert!(report.to_string().contains(&format!("from environment variable {name}")));
    }
}

#[test]
fn anchors_aliases_and_merged_maps_are_looked_through() {
    for text in [
        "x-a: &a {@: {width: x}}\nsafe: {pin: *a}",
        "x-a: &a {@: {width: 1}}\nsafe: {pin: *a, port: x}",
        "safe: {pin: {<<: {@: {width: x}}}, port: x}",
        "x-a: &a {@: 5}\nsafe: {pin: {<<: *a}, port: x}",
        "x-a: &@ {width: 1}\nsafe: {pin: {a: *@}, port: x}",
        "safe: {pin: &a {@: {}}, token: *a, port: x}",
        "safe: {pin: &@ {}, port: x}",
        "safe: {pin: !@ {}, port: x}",
    ] {
        told(Format::Yaml, text);
    }
}

#[test]
fn a_text_with_a_mistake_of_notation_shows_no_key_below_what_sounds_like_a_secret() {
    for text in [
        "safe: {token: {@: {width: 1, port: x}",
        "safe: {token: {@: 1, @: 2}, port: 1, port: 2}",
        "safe: {port: 1, port: 2, pin: {@: 1}}",
        "safe: {token: {a: {@: [}}}",
        "safe:\n  token: {@: 1}}\n",
        "safe:\n  token: {@: \"x}\n",
        "safe: {token: {{ @ }}}",
    ] {
        told(Format::Yaml, text);
    }
    for text in [
        "safe = { token = { @ = 1, @ = 2 } }",
        "safe = { token = { @ = 1 }, port = 1, port = 2 }",
        "safe.token.@ = 1 1\n",
        "[safe.token.@]\nport = \n",
        "[safe]\ntoken.@ = { a = 1 \n",
        "[safe.token]\n@ = 1\n[safe]\nport = \n",
    ] {
        told(Format::Toml, text);
    }
    for text in [
        "{\"safe\": {\"token\": {\"@\": 1, \"@\": 2}, \"port\": 1, \"port\": 2}}",
        "{\"safe\": {\"token\": {\"@\": 1,}}}",
        "{\"safe\": {\"tok\\u0065n\": {\"@\": 1}, \"port\": 1, \"port\": 2}}",
    ] {
        told(Format::Json, text);
    }
}

#[test]
fn tables_of_toml_hide_what_is_further_down() {
    for text in [
        "[safe.pin.@]\nwidth = \"x\"\n",
        "[safe.pin.@]\n[safe.pin.b]\nwidth = \"x\"\n",
        "[safe.tokn.@]\nwidth = 1\n[safe.tokn.b.@]\n",
        "safe.tokn.@.width = 1\n",
        "[[safe.keys]]\n@ = 1\n[[safe.keys]]\nwidth = \"x\"\n",
        "safe.keys = [{ @ = 1 }, { width = \"x\" }]\n",
        "sfe.pin.@ = 1\n",
        "[sfe.pin.@]\n",
        "[sfe]\npin = { @ = 1 }\n",
    ] {
        told(Format::Toml, text);
    }
}
