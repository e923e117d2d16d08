//! A key that stands twice is told without what may be a secret, and without what a terminal obeys.

use processpype_config::{Format, Loader};

/// The text of a load that fails.
fn refused(format: Format, text: &str) -> String {
    let loaded = Loader::new().text("app", format, text).load();
    loaded.expect_err("a key stands twice").to_string()
}

#[test]
fn a_key_that_stands_twice_draws_nothing_on_a_terminal() {
    for (format, text) in [
        (Format::Yaml, "{\"a\\e[31m\": 1, \"a\\e[31m\": 2}"),
        (Format::Json, "{\"a\\u001b[31m\": 1, \"a\\u001b[31m\": 2}"),
        (Format::Toml, "\"a\\u001b[31m\" = 1\n\"a\\u001b[31m\" = 2\n"),
    ] {
        let told = refused(format, text);
        assert!(!told.contains('\u{1b}') && told.contains("app:"), "{told}");
    }
}

#[test]
fn a_long_key_that_stands_twice_is_cut() {
    let key = "k".repeat(5000);
    for (format, text) in [
        (Format::Yaml, format!("{key}: 1\n{key}: 2\n")),
        (Format::Json, format!("{{\"{key}\": 1, \"{key}\": 2}}")),
        (Format::Toml, format!("{key} = 1\n{key} = 2\n")),
    ] {
        let told = refused(format, &text);
        assert!(told.len() < 1000, "{}: {told}", told.len());
    }
}

#[test]
fn a_value_that_became_a_key_is_not_told() {
    let told = refused(Format::Yaml, "{\"password:hunter2\": 1, \"password:hunter2\": 2}");
    assert!(!told.contains("`password:hunter2`"), "{told}");
}

#[test]
fn keys_below_a_secret_are_not_told() {
    for (format, text) in [
        (Format::Yaml, "tokens: {a: {x: 1, x: 1}}\napi_token:\n  hunter2: 1\n  hunter2: 2\n"),
        (Format::Json, "{\"api_token\": {\"hunter2\": 1,\n \"hunter2\": 2},\n \"x\": 1, \"x\": 2}"),
        (Format::Toml, "[api_token]\nhunter2 = 1\nhunter2 = 2\n"),
    ] {
        let told = refused(format, text);
        assert!(!told.contains("hunter2"), "{told}");
        assert!(format == Format::Toml || told.contains("`x`"), "others are: {told}");
    }
}
