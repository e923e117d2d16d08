//! A duration is the same in every notation: a text with a unit, or the number 0.

use std::collections::BTreeMap;
use std::time::Duration;

use processpype_config::{Format, HumanDuration, Loader, Report, read_json};
use schemars::schema_for;

type Times = BTreeMap<String, HumanDuration>;

/// Reads `word` as YAML, JSON, TOML and as the body of a request.
fn read(word: &str) -> [Result<Duration, Report>; 4] {
    let file = |format, text: String| {
        let document = Loader::new().text("app", format, text).load()?;
        document.section(&["t"]).read::<HumanDuration>().map(HumanDuration::get)
    };
    let body = read_json::<Times>(format!("{{\"t\": {word}}}").as_bytes()).map(|it| *it["t"]);
    [
        file(Format::Yaml, format!("t: {word}\n")),
        file(Format::Json, format!("{{\"t\": {word}}}")),
        file(Format::Toml, format!("t = {word}\n")),
        body,
    ]
}

#[test]
fn zero_may_be_a_number_everywhere() {
    for word in ["0", "\"0\"", "\"0s\""] {
        for found in read(word) {
            assert_eq!(found.unwrap_or_else(|report| panic!("{word}: {report}")), Duration::ZERO);
        }
    }
}

#[test]
fn any_other_number_is_refused_with_what_to_write() {
    for (word, help) in
        [("5", "write 5s or 5ms"), ("\"5\"", "write 5s or 5ms"), ("-1", ""), ("1.5", "")]
    {
        for (at, found) in read(word).into_iter().enumerate() {
            let told = found.expect_err(word).to_string();
            assert!(told.contains("a duration with a unit, such as 500ms"), "{told}");
            // What a body says is not told again.
            assert!(at == 3 || told.contains(help), "{told}");
        }
    }
}

#[test]
fn the_schema_says_so() {
    let schema = schema_for!(HumanDuration);
    let said = ["type", "minimum", "maximum"].map(|key| schema.get(key).unwrap().to_string());
    assert_eq!(said, ["[\"string\",\"integer\"]", "0", "0"]);
}
