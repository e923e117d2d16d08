//! Whatever stands in any layer: no panic, and every problem says where it is.

use std::collections::BTreeMap;

use processpype_config::{Format, Layer, Loader, Origin, Report};
use proptest::prelude::*;
use schemars::schema_for;

use crate::types::Misc;

/// A layer with any text in it.
#[derive(Clone, Debug)]
enum Any {
    File(u8, String),
    Variable(String, String),
    Flag(String),
}

/// Texts that look like configuration more often than chance would have it, and any others.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("services".to_owned()),
        Just("misc".to_owned()),
        Just("${".to_owned()),
        Just("secret://a:b}".to_owned()),
        Just("{".to_owned()),
        Just("[".to_owned()),
        Just(": ".to_owned()),
        Just("\n  ".to_owned()),
        Just("\"".to_owned()),
        Just("=".to_owned()),
        Just("&a ".to_owned()),
        Just("*a".to_owned()),
        Just("<<".to_owned()),
        Just(".".to_owned()),
        "\\PC{0,6}",
        "[0-9.eE+-]{0,6}",
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn layer() -> impl Strategy<Value = Any> {
    let name = "(PROCESSPYPE_)?(SERVICES|SERVER|X)?(__[A-Za-z\\PC]{0,5}){0,3}";
    prop_oneof![
        (0_u8..3, text()).prop_map(|(format, text)| Any::File(format, text)),
        (name, text()).prop_map(|(name, text)| Any::Variable(name, text)),
        text().prop_map(Any::Flag),
        ("(services|server)(\\.[a-z]{1,5}){0,3}", text())
            .prop_map(|(path, text)| Any::Flag(format!("{path}={text}"))),
    ]
}

fn loader(layers: &[Any]) -> Loader {
    let mut loader = Loader::new().sections(&["server", "services"]);
    let mut variables = Vec::new();
    for layer in layers {
        loader = match layer {
            Any::File(0, text) => loader.text("a.yaml", Format::Yaml, text.as_str()),
            Any::File(1, text) => loader.text("a.toml", Format::Toml, text.as_str()),
            Any::File(_, text) => loader.text("a.json", Format::Json, text.as_str()),
            Any::Variable(name, value) => {
                variables.push((name.clone(), value.clone()));
                loader
            }
            Any::Flag(flag) => loader.set(flag),
        };
    }
    loader.environment(variables)
}

/// Checks that every problem has a place, or is about a key that no layer wrote.
fn located(report: &Report) -> Result<(), TestCaseError> {
    for problem in report.problems() {
        let is_missing = problem.message().starts_with("missing key");
        prop_assert!(problem.origin().is_some() || is_missing, "{}", problem);
        if let Some(Origin::File { line, column, .. }) = problem.origin() {
            prop_assert!(*line > 0 && *column > 0, "{}", problem);
        }
        let text = problem.to_string();
        let is_harmless = |c: char| !c.is_control() || c == '\n';
        prop_assert!(text.chars().all(is_harmless), "{:?}", text);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text_in_any_layer_is_read_or_told_with_its_place(
        layers in prop::collection::vec(layer(), 1..5),
    ) {
        match loader(&layers).load() {
            Err(report) => located(&report)?,
            Ok(document) => {
                for read in [
                    document.section(&["services", "misc"]).read::<Misc>().map(drop),
                    document.root().known_keys(&["server", "services"]),
                ] {
                    if let Err(report) = read {
                        located(&report)?;
                    }
                }
            }
        }
    }

    /// What `config` lists is what a flag can say: nothing is lost on the way.
    #[test]
    fn what_is_listed_can_be_set_again(
        texts in prop::collection::btree_map("[a-c]{1,3}", "\\PC{0,20}", 0..5),
    ) {
        let is_as_written =
            |text: &String| !text.trim_start().starts_with(['[', '{']) && !text.contains("://");
        prop_assume!(texts.values().all(is_as_written));
        let schema = schema_for!(BTreeMap<String, String>);
        let listed = |loader: Loader| {
            let all = loader.load().unwrap().section(&["app"]).effective(&schema);
            all.into_iter().map(|it| (it.path, it.value)).collect::<Vec<_>>()
        };
        let file = serde_json::json!({ "app": texts }).to_string();
        let first = listed(Loader::new().text("a.json", Format::Json, file));
        prop_assert_eq!(first.len(), texts.len());
        let set = |loader: Loader, (path, value): &(String, String)| {
            loader.set(&format!("{path}={value}"))
        };
        prop_assert_eq!(&listed(first.iter().fold(Loader::new(), set)), &first);
    }
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Kebab {
    max_conns: u32,
}

#[test]
fn a_key_that_a_variable_laid_is_overridden_by_its_own_spelling() -> Result<(), Report> {
    let variable = ("PROCESSPYPE_SERVICES__DB__MAX_CONNS".to_owned(), "1".to_owned());
    let document = Loader::new().environment([variable]).load()?;
    let section = document.section(&["services", "db"]);
    assert_eq!(section.read::<Kebab>()?.max_conns, 1);
    let layer = Layer::from_json(br#"{"max-conns": 2}"#)?;
    assert_eq!(section.under(&layer).read::<Kebab>()?.max_conns, 2);
    Ok(())
}

/// What is told of a variable that sets nothing: nothing, or what was meant perhaps.
#[track_caller]
fn check_stray(variable: &str, value: &str, expected: Option<Option<&str>>) {
    let text =
        "server: {host: a, log-level: b, bind: {port: 1}}\nx-own: \"${PROCESSPYPE_OWN:-1}\"\n";
    let set = (variable.to_owned(), value.to_owned());
    let loader = Loader::new().text("app.yaml", Format::Yaml, text).environment([set]);
    let document = loader.load().unwrap();
    let told = document.stray_variables().iter().map(|it| (it.name.as_str(), it.meant.as_deref()));
    let expected: Vec<_> = expected.into_iter().map(|meant| (variable, meant)).collect();
    assert_eq!(told.collect::<Vec<_>>(), expected);
}

#[test]
fn a_variable_that_sets_nothing_is_told() {
    check_stray("PROCESSPYPE_SERVER_HOST", "x", Some(Some("PROCESSPYPE_SERVER__HOST")));
    check_stray("PROCESSPYPE_SERVR_PORT", "1", Some(Some("PROCESSPYPE_SERVER__PORT")));
    let level = "PROCESSPYPE_SERVER__LOG_LEVEL_X";
    check_stray("PROCESSPYPE_SERVER_LOG_LEVEL_X", "1", Some(Some(level)));
    let port = "PROCESSPYPE_SERVER__BIND__PORT";
    check_stray("PROCESSPYPE_SERVER_BIND_PORT", "1", Some(Some(port)));
    check_stray("PROCESSPYPE_HOME", "/x", Some(None));
    check_stray("PROCESSPYPE_SERVER__HOST", "x", None);
    check_stray("PROCESSPYPE_OWN", "7", None);
    check_stray("PROCESSPYPE", "7", None);
    check_stray("OTHER_SERVER_HOST", "x", None);
    for (name, value) in [
        ("SERVICE_HOST", "10.0.0.1"),
        ("SERVICE_PORT", "80"),
        ("SERVICE_PORT_HTTP", "80"),
        ("PORT", "tcp://10.0.0.1:80"),
        ("PORT_80_TCP_ADDR", "10.0.0.1"),
        ("WEB_SERVICE_HOST", "10.0.0.1"),
    ] {
        check_stray(&format!("PROCESSPYPE_{name}"), value, None);
    }
}

#[cfg(unix)]
#[test]
fn a_link_to_nowhere_says_where_it_leads() {
    let link = std::env::temp_dir().join(format!("processpype-link-{}.yaml", std::process::id()));
    std::os::unix::fs::symlink("nowhere.yaml", &link).unwrap();
    let report = Loader::new().file(&link).load().unwrap_err().to_string();
    std::fs::remove_file(link).unwrap();
    assert!(report.contains("it is a link to nowhere.yaml"), "{report}");
}

#[test]
fn a_file_that_holds_nothing_is_told() {
    let file = |text: &str| {
        let name = format!("processpype-vacant-{}-{}.yaml", std::process::id(), text.len());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        let found = Loader::new().file(&path).load().unwrap().vacant_files().len();
        std::fs::remove_file(path).unwrap();
        found
    };
    let found = ["", "# a", "---\n", "services:\n"].map(file);
    assert_eq!(found, [1, 1, 1, 0]);
}

#[test]
fn the_end_of_a_name_says_the_notation_in_whatever_case() {
    for (end, text) in [("YAML", "a: 1"), ("Yml", "a: 1"), ("TOML", "a = 1"), ("JSON", "{\"a\":1}")]
    {
        let name = format!("processpype-capital-{}.{end}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        let document = Loader::new().file(&path).load();
        let _ = std::fs::remove_file(&path);
        let document = document.unwrap_or_else(|report| panic!("{report}"));
        assert_eq!(document.section(&["a"]).read::<u8>().unwrap(), 1, "{end}");
    }
}
