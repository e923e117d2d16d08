//! Secrets never leave: a canary sits in every place where one could slip out.

use processpype_config::{Format, Loader, Report, Secret, read_json};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::types::{Misc, Server, Ticker, Vault};

const CANARY: &str = "hunter2canary";

/// Everything that a report can say must not hold the canary.
#[track_caller]
fn scan(report: &Report) {
    let said = [
        report.to_string(),
        report.render(true),
        format!("{report:?}"),
        format!("{report:#?}"),
        serde_json::to_string(report).unwrap(),
    ];
    for text in said {
        assert!(!text.contains("canary"), "{text}");
        assert!(!text.contains("hunter"), "{text}");
    }
}

/// Loads and reads a YAML text in every way; there must be a report, and it must be clean.
#[track_caller]
fn check(text: &str) {
    check_format("config.yaml", Format::Yaml, text);
}

#[track_caller]
fn check_format(name: &str, format: Format, text: &str) {
    let text = text.replace('@', CANARY).replace("%AT%", "@");
    let loader = Loader::new().text(name, format, text.as_str());
    assert!(!format!("{loader:?}").contains("canary"));
    let document = match loader.load() {
        Ok(document) => document,
        Err(report) => return scan(&report),
    };
    assert!(!format!("{document:?}").contains("canary"));
    let vault = document.section(&["services", "vault"]);
    let mut reports = Vec::new();
    reports.extend(vault.read::<Vault>().err());
    reports.extend(
        document
            .section(&["server"])
            .read::<Server>()
            .err()
            .filter(|_| document.section(&["server"]).exists()),
    );
    reports.extend(document.root().known_keys(&["services", "server"]).err());
    assert!(!reports.is_empty(), "no report for {text}");
    reports.iter().for_each(scan);
    for leaf in vault.effective(&schemars::schema_for!(Vault)) {
        assert!(!leaf.value.contains("canary"), "{leaf:?}");
    }
}

fn vault(body: &str) -> String {
    format!("services:\n  vault:\n{body}")
}

#[test]
fn beside_a_mistake_on_the_same_line() {
    check(&vault("    {user: u, password: @, port: x}\n"));
    check(&vault("    {\"user\": \"u\", \"password\": \"@\", \"prt\": 1}\n"));
    check("services: {vault: {user: u, password: @, keys: [@, \"@\", '@'], port: 99999}}\n");
    check(&vault("    user: u\n    password: @\n    port: x # was @\n"));
}

#[test]
fn under_a_misspelt_key_or_section() {
    check(&vault("    user: u\n    pasword: @\n"));
    check(&vault("    user: u\n    pasword:\n      a: @\n      b: [@]\n"));
    check("servces:\n  vault: {password: @}\n");
    check("secret_stuff: @\n");
    check("services: {vault: {user: u, password:@}}\n");
    check("{secret_stuff:@}\n");
}

#[test]
fn with_a_value_of_the_wrong_type() {
    check(&vault("    user: u\n    password: [@]\n"));
    check(&vault("    user: u\n    password: {a: @}\n"));
    check(&vault("    user: u\n    password: p\n    pin: @\n"));
    check(&vault("    user: u\n    password: p\n    keys: @\n"));
    check(&vault("    user: u\n    password: p\n    keys: [[@]]\n"));
    check(&vault("    user: u\n    password: p\n    auth: @\n"));
    check(&vault("    user: u\n    password: p\n    auth: {kind: basic, key: [@]}\n"));
    check(&vault("    user: u\n    password: p\n    auth: {kind: basc, key: @}\n"));
    check("services:\n  vault: @\n");
    check("server: @\n");
    check("@\n");
    check("- @\n");
}

#[test]
fn in_block_scalars_and_multi_line_text() {
    check(&vault("    user: u\n    password: |\n      @\n      key: @\n    port: x\n"));
    check(&vault("    user: u\n    pasword: >-\n      @\n      @\n"));
    check(&vault("    user: u\n    password: \"a\n      @: 1\n      b\"\n    port: x\n"));
    check(&vault("    user: u\n    password: a\n      @\n    port: x\n"));
}

#[test]
fn in_a_file_with_a_syntax_error() {
    check(&vault("    user: u\n    password: \"@\n    port: 1\n"));
    check(&vault("    user: u\n    password: '@\n    key: @\n"));
    check(&vault("    user: u\n    password: @: x\n"));
    check(&vault("    user: u\n    password: @\n   port: @\n"));
    check(&vault("    user: u\n    password: @\n\tport: @\n"));
    check(&vault("    {user: u, password: @, port: 1\n"));
    check(&vault("    {user: u, password: \"@\" port: 1}\n"));
    check(&vault("    {user: u, password: [@, @}\n"));
    check(&vault("    user: u\n    password: *@\n"));
    check(&vault("    user: u\n    password: !@\n"));
    check(&vault("    user: u\n    password: &@ [x]\n"));
    check(&vault("    user: u\n    password: {@}\n"));
    check(&vault("    user: u\n    password: {@: x}\n"));
    check(&vault("    user: u\n    password: [{@}, @: x]\n"));
    check(&vault("    user: u\n    password: %@\n"));
    check(&vault("    user: u\n    password: `@`\n"));
    check(&vault("    user: u\n    password: \"@\\q\"\n"));
    check(&vault("    user: u\n    password: @\n    user: @\n"));
}

#[test]
fn in_references() {
    check(&vault("    user: u\n    password: ${NOPE:-x}@${NOPE}\n"));
    check(&vault("    user: u\n    password: ${NOPE @\n"));
    check(&vault("    user: u\n    password: ${@ @}\n"));
    check(&vault("    user: ${NOPE}\n    password: ${NOPE:-@}\n"));
}

#[test]
fn in_urls() {
    check("server: {host: h, port: 1, api_prefix: \"http://u:@%AT%host/\"}\n");
    check(&vault("    user: u\n    password: p\n    port: \"postgres://u:@%AT%host/db\"\n"));
}

#[test]
fn in_toml_and_json() {
    let toml = |text: &str| check_format("c.toml", Format::Toml, text);
    toml("[services.vault]\nuser = \"u\"\npassword = \"@\"\nport = \"x\"\n");
    toml("services.vault = { user = \"u\", password = \"@\", port = \"x\" }\n");
    toml("[services.vault]\nuser = \"u\"\npassword = \"@\n");
    toml("[services.vault]\nuser = \"u\"\npassword = @\n");
    toml("[services.vault]\npassword = \"\"\"\na = 1\n@ = 1\n\"\"\"\nport = \n");
    toml("[services.vault]\npassword = \"@\"\npassword = \"@\"\n");
    toml("[services.vault]\nport = \"x\" # @\npasword = '@'\n");
    let json = |text: &str| check_format("c.json", Format::Json, text);
    json("{\"services\": {\"vault\": {\"user\": \"u\", \"password\": \"@\", \"port\": \"x\"}}}");
    json("{\"services\": {\"vault\": {\"user\": \"u\", \"password\": \"@\", }}}");
    json("{\"services\": {\"vault\": {\"user\": \"u\", \"password\": \"@\n\"}}}");
    json("{\"services\": {\"vault\": {\"user\": \"u\", \"password\": @}}}");
}

#[test]
fn in_variables_and_flags() {
    let load = |name: &str, set: &str| {
        Loader::new()
            .text("c.yaml", Format::Yaml, "services: {vault: {user: u, password: p}}")
            .environment([(name.to_owned(), CANARY.to_owned())])
            .set(&set.replace('@', CANARY))
            .load()
            .and_then(|document| document.section(&["services", "vault"]).read::<Vault>())
    };
    let fine = "services.vault.port=1";
    for name in ["PASWORD", "PASSWORD__X", "PIN", "KEYS", "AUTH", "AUTH__KIND__X"] {
        scan(&load(&format!("PROCESSPYPE_SERVICES__VAULT__{name}"), fine).unwrap_err());
    }
    scan(&load("PROCESSPYPE_SERVCES__X", fine).unwrap_err());
    for set in [
        "services.vault.pasword=@",
        "services.vault.pin=@",
        "servces.x=@",
        "services.vault.keys=[@",
        "@",
    ] {
        scan(&load("OTHER", set).unwrap_err());
    }
}

#[test]
fn in_request_bodies() {
    let body =
        |text: &str| scan(&read_json::<Vault>(text.replace('@', CANARY).as_bytes()).unwrap_err());
    body("{\"user\": \"u\", \"password\": \"@\", \"port\": 99999}");
    body("{\"user\": \"u\", \"pasword\": \"@\"}");
    body("{\"user\": \"u\", \"password\": \"@\"");
    body("\"@\"");
    body("@");
}

/// Refuses everything and quotes it, as careless implementations do.
#[derive(Debug)]
struct Quoting;

impl<'de> Deserialize<'de> for Quoting {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Err(serde::de::Error::custom(format!("cannot use {text}")))
    }
}

impl JsonSchema for Quoting {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Quoting".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "x-secret": true})
    }
}

/// Says nothing about itself, and quotes what it refuses.
#[derive(Debug)]
struct Anything;

impl<'de> Deserialize<'de> for Anything {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        Err(serde::de::Error::custom(format!("cannot use {value}")))
    }
}

impl JsonSchema for Anything {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Anything".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        true.into()
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only read")]
struct Careless {
    #[serde(default)]
    anything: Option<Anything>,
    #[serde(default)]
    token: Option<Quoting>,
    wrapped: Option<Secret<Quoting>>,
}

#[test]
fn in_errors_of_hand_written_implementations() {
    for body in
        ["{\"anything\": [\"@\"]}", "{\"token\": \"@\"}", "{\"token\": \"a\", \"wrapped\": \"@\"}"]
    {
        scan(&read_json::<Careless>(body.replace('@', CANARY).as_bytes()).unwrap_err());
    }
}

#[test]
fn resolved_secrets_are_collected_for_the_redactor() {
    let text = "services: {vault: {user: u, password: \"${secret://v:KEY}\", keys: [k1]}}
secrets: {backends: {v: {kind: env}}}";
    let document = Loader::new()
        .text("c.yaml", Format::Yaml, text)
        .environment([("KEY".to_owned(), CANARY.to_owned())])
        .load()
        .unwrap();
    let mut sink = Vec::new();
    let vault: Vault = document.section(&["services", "vault"]).read_collecting(&mut sink).unwrap();
    assert_eq!(vault.password.expose(), CANARY);
    assert_eq!(sink, [CANARY, "k1"]);
    assert!(!format!("{vault:?}").contains("canary"));
}

#[test]
fn backends_read_files_and_hide_what_they_read() {
    let folder = std::env::temp_dir().join(format!("processpype-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("one"), format!("{CANARY}1\n")).unwrap();
    std::fs::write(folder.join(".env"), format!("# x\nexport TWO=\"{CANARY}2\"\n")).unwrap();
    let path = folder.display();
    let text = format!(
        "secrets:\n  backends:\n    f: {{kind: file, path: \"{path}\"}}\n    d: {{kind: dotenv, \
         path: \"{path}/.env\"}}\nv:\n  user: \"${{secret://f:one}}\"\n  password: \
         \"${{secret://d:TWO}}\"\nbad:\n  user: \"${{secret://f:../one}}\"\n  password: \
         \"${{secret://d:NO}}\"\n  port: \"${{secret://f:one}}\"\n"
    );
    let document = Loader::new().text("c.yaml", Format::Yaml, text).load().unwrap();
    let mut sink = Vec::new();
    let vault: Vault = document.section(&["v"]).read_collecting(&mut sink).unwrap();
    assert_eq!(sink.len(), 2, "a secret in a plain text is collected too");
    assert_eq!(vault.user, format!("{CANARY}1"));
    assert_eq!(vault.password.expose(), &format!("{CANARY}2"));
    let report = document.section(&["bad"]).read::<Vault>().unwrap_err();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(report.count(), 3, "{report}");
    scan(&report);
}

#[test]
fn other_types_are_read_without_showing_strangers() {
    let text =
        format!("services: {{t: {{interval_ms: 10, unknown: {CANARY}}}, m: {{x: {CANARY}}}}}");
    let document = Loader::new().text("c.yaml", Format::Yaml, text).load().unwrap();
    scan(&document.section(&["services", "t"]).read::<Ticker>().unwrap_err());
    scan(&document.section(&["services", "m"]).read::<Misc>().unwrap_err());
}
