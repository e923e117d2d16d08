//! `null` of a higher layer, over a value of a lower one.

use processpype_config::{Document, Format, Layer, Loader};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::types::{Sink, Ticker};

/// Where something goes, as serde writes enums by default.
#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Way {
    Mail { to: String },
    Chat { room: String },
}

#[test]
fn null_takes_away_what_a_higher_layers_choice_does_not_take() {
    let low = "t: {interval_ms: 10, sink: {kind: file, path: x, max_mb: 1}}\nway: {mail: {to: a}}";
    let over = |high: &str| {
        let loader = Loader::new().text("low.yaml", Format::Yaml, low);
        loader.text("high.yaml", Format::Yaml, high).load().unwrap()
    };
    let read = |high: &str| over(high).section(&["t"]).read::<Ticker>();
    let tagged = read("t: {sink: {kind: stdout, path: null, max_mb: ~}}").unwrap();
    assert_eq!(tagged.sink, Some(Sink::Stdout));
    let keyed = over("way: {mail: null, chat: {room: b}}").section(&["way"]).read::<Way>();
    assert_eq!(keyed.unwrap(), Way::Chat { room: "b".into() });
    let words = Loader::new().text("low.yaml", Format::Yaml, low).set("t.sink.kind=stdout");
    let path = ("PROCESSPYPE_T__SINK__PATH".to_owned(), "null".to_owned());
    let words =
        words.sections(&["t", "way"]).environment([path]).set("t.sink.max_mb=null").load().unwrap();
    assert_eq!(words.section(&["t"]).read::<Ticker>().unwrap().sink, Some(Sink::Stdout));
    // What no layer below has is a mistake like any other.
    assert!(read("t: {sink: {pth: null}}").unwrap_err().to_string().contains("`t.sink.pth`"));
}

/// As `Way`, with a variant that may hold nothing.
#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Perhaps {
    Mail(Option<String>),
    Chat { room: String },
}

#[track_caller]
fn over(low: &str, high: &str) -> Document {
    let loader = Loader::new().text("low.yaml", Format::Yaml, low);
    loader.text("high.yaml", Format::Yaml, high).load().unwrap()
}

#[test]
fn null_is_a_value_for_a_variant_that_leaves_no_other() {
    let perhaps = |high: &str| over("way: {mail: a}", high).section(&["way"]).read::<Perhaps>();
    assert_eq!(perhaps("way: {mail: null}").unwrap(), Perhaps::Mail(None));
    assert_eq!(perhaps("way: {mail: null, x-a: 1}").unwrap(), Perhaps::Mail(None));
    let chat = perhaps("way: {mail: null, chat: {room: b}}").unwrap();
    assert_eq!(chat, Perhaps::Chat { room: "b".into() });
    let way = |high: &str| {
        let way = over("way: {mail: {to: a}}", high).section(&["way"]).read::<Way>();
        way.unwrap_err().to_string()
    };
    let told = way("way: {mail: null}");
    assert!(told.contains("`way.mail") && !told.contains("unknown"), "{told}");
    let told = way("way: {mail: null, chta: {room: b}}");
    assert!(told.contains("unknown variant `chta`") && told.contains("`chat`"), "{told}");
}

#[test]
fn a_key_that_null_takes_away_is_none_to_be_known() {
    let known =
        |high| over("a: {kind: http, port: 80}", high).section(&["a"]).known_keys(&["kind"]);
    known("a: {kind: plain, port: null}").unwrap();
    assert!(known("a: {kind: plain, prot: null}").unwrap_err().to_string().contains("`a.prot`"));
}

/// What is told of `sink`, where `low` is said by a file.
fn told(low: &str, above: impl FnOnce(Loader) -> Loader, layer: &Layer) -> String {
    let low = format!("t: {{interval_ms: 10, sink: {low}}}");
    let loader = above(Loader::new().text("low.yaml", Format::Yaml, low));
    let section = loader.load().unwrap().section(&["t"]).under(layer);
    section.read::<Ticker>().unwrap_err().to_string()
}

#[test]
fn null_is_spoken_of_where_it_helps() {
    let (file, none) = ("{kind: file, path: x}", Layer::default());
    let flag = told(file, |loader| loader.set("t.sink.kind=stdout"), &none);
    assert!(flag.contains("; there, `null` for this key"), "{flag}");
    let toml = "t.sink.kind = \"stdout\"";
    let toml = told(file, |loader| loader.text("high.toml", Format::Toml, toml), &none);
    assert!(toml.contains("; in a variable or with `--set`, `null` for this key"), "{toml}");
    // A patch has no `null` for what the file says.
    let sent = Layer::from_json(br#"{"sink": {"kind": "stdout"}}"#).unwrap();
    let sent = told(file, |loader| loader, &sent);
    assert!(sent.contains("`t.sink.path`") && !sent.contains("`null`"), "{sent}");
    // Who replaced something lies below who wrote the key.
    let high = |loader: Loader| {
        let high = "t: {sink: {kind: stdout}}";
        loader.text("high.yaml", Format::Yaml, high).set("t.sink.frob=1")
    };
    let below = told("{kind: file}", high, &none);
    assert!(below.contains("`t.sink.frob`") && !below.contains("`null`"), "{below}");
}
