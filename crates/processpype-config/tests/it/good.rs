//! Configurations that are right, and what they become.

use std::collections::{BTreeMap, HashMap};

use processpype_config::{Document, Format, Loader, Origin, Report, Section, read_json};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::types::{Adjacent, Item, Level, Misc, Restart, Server, Sink, Target, Ticker};

#[track_caller]
fn load(text: &str) -> Document {
    Loader::new().text("c.yaml", Format::Yaml, text).load().unwrap_or_else(|e| panic!("{e}"))
}

/// Reads a whole YAML text as a type.
#[track_caller]
fn read<T: DeserializeOwned + JsonSchema>(text: &str) -> T {
    load(text).root().read().unwrap_or_else(|e| panic!("{e}"))
}

/// Reads `v` of a YAML text as a type.
#[track_caller]
fn value<T: DeserializeOwned + JsonSchema>(text: &str) -> T {
    load(&format!("v: {text}")).section(&["v"]).read().unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn layers_win_in_their_order() {
    let var = |k: &str, v: &str| (k.to_owned(), v.to_owned());
    let document = Loader::new()
        .text("a.yaml", Format::Yaml, "server: {host: a, port: 1, workers: 1}\nlist: [1, 2]")
        .text("b.toml", Format::Toml, "list = [3]\n[server]\nport = 2\nworkers = 2")
        .environment([var("PROCESSPYPE_SERVER__WORKERS", "3"), var("OTHER", "x")])
        .set("server.workers=4")
        .load()
        .unwrap();
    let server: Server = document.section(&["server"]).read().unwrap();
    assert_eq!((server.host.as_str(), server.port, server.workers), ("a", 2, Some(4)));
    assert_eq!(document.section(&["list"]).read::<Vec<u8>>().unwrap(), [3]);
    let workers = document.section(&["server", "workers"]);
    assert_eq!(workers.origin(), Some(Origin::command_line("--set server.workers")));
    let port = document.section(&["server", "port"]);
    assert_eq!(port.origin(), Some(Origin::file("b.toml", 3, 8)));
    let overrides = port.problem("").overrides().to_vec();
    assert_eq!(overrides, [Origin::file("a.yaml", 1, 25)]);
}

#[test]
fn raw_text_is_kept_and_the_target_decides() {
    assert_eq!(value::<String>("1.10"), "1.10");
    assert_eq!(value::<String>("no"), "no");
    assert_eq!(value::<String>("0x1F"), "0x1F");
    assert_eq!(value::<f64>("1.10"), 1.1);
    assert_eq!(value::<u8>("0x1F"), 31);
    assert_eq!(value::<Option<String>>("~"), None);
    assert_eq!(value::<Option<String>>("'~'"), Some("~".to_owned()));
    assert!(value::<f64>(".nan").is_nan());
    assert_eq!(value::<f32>("3"), 3.0);
}

#[test]
fn whole_numbers_reach_their_ends() {
    assert_eq!(value::<u64>("18446744073709551615"), u64::MAX);
    assert_eq!(value::<i64>("-9223372036854775808"), i64::MIN);
    assert_eq!(value::<u128>(&u128::MAX.to_string()), u128::MAX);
    assert_eq!(value::<i128>(&i128::MIN.to_string()), i128::MIN);
    assert_eq!(value::<i8>("-128"), i8::MIN);
}

#[test]
fn shapes_of_serde() {
    assert_eq!(value::<(u8, String)>("[1, 2]"), (1, "2".to_owned()));
    assert_eq!(value::<[u8; 2]>("[1, 2]"), [1, 2]);
    assert_eq!(value::<char>("x"), 'x');
    assert_eq!(value::<Vec<Option<bool>>>("[true, null, false]"), [Some(true), None, Some(false)]);
    assert_eq!(value::<HashMap<u16, Level>>("{80: info}"), HashMap::from([(80, Level::Info)]));
    assert_eq!(value::<BTreeMap<String, u8>>("{x-a: 1}"), BTreeMap::from([("x-a".into(), 1)]));
    value::<()>("");
    let json: serde_json::Value = value("{a: [1, x, 1.5, null, true, '1']}");
    assert_eq!(json, serde_json::json!({"a": [1, "x", 1.5, null, true, "1"]}));
}

#[test]
fn enums() {
    let ticker = |text: &str| read::<Ticker>(&format!("interval_ms: 10\n{text}"));
    assert_eq!(ticker("restart: never").restart, Some(Restart::Never));
    let backoff = Restart::Backoff { initial: 1, factor: 2.0 };
    assert_eq!(ticker("restart: {backoff: {initial: 1, factor: 2}}").restart, Some(backoff));
    assert_eq!(ticker("sink: {kind: stdout}").sink, Some(Sink::Stdout));
    let file = Sink::File { path: "1.10".to_owned(), max_mb: 3 };
    assert_eq!(ticker("sink: {kind: file, path: 1.10, max_mb: 3}").sink, Some(file));
    assert_eq!(ticker("target: 80").target, Some(Target::Port(80)));
    let address = Target::Address { host: "7".to_owned(), port: 7 };
    assert_eq!(ticker("target: {host: 7, port: 7}").target, Some(address));
    assert_eq!(ticker("target: [7, 7]").target, Some(Target::Pair("7".to_owned(), 7)));
    assert_eq!(read::<Misc>("adjacent: {t: one, c: 1}").adjacent, Some(Adjacent::One(1)));
    assert_eq!(
        read::<Misc>("adjacent: {t: two, c: {x: 1}}").adjacent,
        Some(Adjacent::Two { x: 1 })
    );
    let items = read::<Misc>("items: [{id: 1, children: [{id: 2}]}]").items.unwrap();
    assert_eq!(items[0].children, [Item { id: 2, children: vec![] }]);
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
struct Flat {
    id: u8,
    #[serde(flatten)]
    sink: Sink,
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
struct Open {
    id: u8,
    #[serde(flatten)]
    rest: BTreeMap<String, u8>,
}

#[test]
fn flattened_enums_and_maps() {
    let flat: Flat = read("{id: 1, kind: file, path: 2, max_mb: 3}");
    assert_eq!(flat, Flat { id: 1, sink: Sink::File { path: "2".to_owned(), max_mb: 3 } });
    let open: Open = read("{id: 1, more: 4}");
    assert_eq!(open.rest, BTreeMap::from([("more".to_owned(), 4)]));
    let report = load("{id: 1, kind: stdout, mor: 3}").root().read::<Flat>().unwrap_err();
    assert_eq!(report.count(), 1, "{report}");
}

#[test]
fn own_keys_are_the_users() {
    let server: Server = read("{host: h, port: 1, x-note: {any: thing}}");
    assert_eq!(server.host, "h");
    load("x-a: 1\nserver: {}").root().known_keys(&["server"]).unwrap();
}

#[test]
fn aliases_and_merge_keys() {
    let text = "x-base: &base {interval_ms: 10, retries: 1}\nt:\n  <<: *base\n  retries: 2";
    let ticker: Ticker = load(text).section(&["t"]).read().unwrap();
    assert_eq!((ticker.interval_ms, ticker.retry.retries), (10, 2));
}

#[test]
fn variables_find_keys_whatever_their_spelling() {
    let var = |k: &str, v: &str| (k.to_owned(), v.to_owned());
    let document = Loader::new()
        .text("c.yaml", Format::Yaml, "services: {my-Service: {interval_ms: 10}}")
        .environment([
            var("PROCESSPYPE_SERVICES__MY_SERVICE__INTERVAL_MS", "20"),
            var("PROCESSPYPE_SERVICES__MY_SERVICE__PORTS", "[1, 2]"),
            var("PROCESSPYPE_SERVICES__MY_SERVICE__LABELS__A", "1.10"),
            var("PROCESSPYPE_SERVICES__OTHER_ONE__HOST", ""),
            var("PROCESSPYPE_LOG", "not ours"),
        ])
        .load()
        .unwrap();
    let ticker: Ticker = document.section(&["services", "my-Service"]).read().unwrap();
    assert_eq!((ticker.interval_ms, ticker.ports), (20, vec![1, 2]));
    assert_eq!(ticker.labels, BTreeMap::from([("a".to_owned(), "1.10".to_owned())]));
    let other = document.section(&["services", "other-one"]);
    assert!(other.exists());
    // The path is the one that was asked for, not as the variable spells it.
    assert_eq!(other.path(), "services.other-one");
    assert_eq!(other.get("host").path(), "services.other-one.host");
    assert!(other.get("host").exists());
    assert!(!document.section(&["log"]).exists());
}

#[test]
fn references_are_resolved_late_and_lazily() {
    let text = "a: {host: \"${HOST:-h}\", port: \"${PORT}\"}\nb: {host: \"${NOPE}\"}\nc: $${X}";
    let document = Loader::new()
        .text("c.yaml", Format::Yaml, text)
        .environment([("PORT".to_owned(), "80".to_owned())])
        .load()
        .unwrap();
    let server: Server = document.section(&["a"]).read().unwrap();
    assert_eq!((server.host.as_str(), server.port), ("h", 80));
    assert_eq!(document.section(&["c"]).read::<String>().unwrap(), "${X}");
    assert!(document.section(&["b"]).read::<Server>().is_err());
}

#[test]
fn sections_split_and_lie_over_defaults() {
    let document = load("defaults: {workers: 2, host: d}\ns: {port: 1, host: h}\nempty:");
    let (framework, own) = document.section(&["s"]).split(&["port"]);
    assert_eq!(framework.keys().len(), 1);
    assert_eq!(own.keys()[0].0, "host");
    let merged = document.section(&["s"]).over(&document.section(&["defaults"]));
    let server: Server = merged.read().unwrap();
    assert_eq!((server.host.as_str(), server.workers), ("h", Some(2)));
    assert_eq!(merged.path(), "s");
    assert_eq!(merged.get("workers").origin(), Some(Origin::file("c.yaml", 1, 21)));
    let empty = document.section(&["empty"]).over(&document.section(&["defaults"]));
    assert_eq!(empty.keys().len(), 2);
}

#[test]
fn halves_of_a_section_are_sections() {
    let document = load("s: {a: 1, b: {c: 2}, d: 3}\nother: {a: 4, e: 5}");
    let whole = document.section(&["s"]);
    let names = |section: &Section| -> String {
        section.keys().into_iter().map(|(key, _)| key).collect::<Vec<_>>().join(" ")
    };
    let (named, rest) = whole.split(&["a", "b", "x"]);
    assert_eq!((names(&named).as_str(), names(&rest).as_str()), ("a b", "d"));
    assert_eq!(named.get("b").get("c").read::<u8>().unwrap(), 2);
    assert_eq!(rest.get("b").path(), "s.b");
    assert!(!rest.get("b").exists() && rest.get("b").origin().is_none());
    assert!(rest.problem("here").to_string().contains("c.yaml:1:1"));
    assert!(named.says_what(&load("s: {b: {c: 2}, a: 1}").section(&["s"])));
    assert!(!named.says_what(&whole));
    // A half lies over, and is split, as what it shows.
    let merged = rest.over(&document.section(&["other"]));
    assert_eq!(names(&merged), "a e d");
    assert_eq!(merged.get("a").read::<u8>().unwrap(), 4);
    let (first, second) = named.split(&["a", "d"]);
    assert_eq!((names(&first).as_str(), names(&second).as_str()), ("a", "b"));
    // What stands beside a half may have been meant.
    let map = |section: &Section| section.known_keys(&["zzz"]).unwrap_err().to_string();
    let (_, rest) = load("s: {ab: 1, abd: 2}").section(&["s"]).split(&["ab"]);
    assert!(map(&rest).contains("did you mean `ab`?"), "{}", map(&rest));
    assert!(rest.read::<Server>().unwrap_err().to_string().contains("did you mean `ab`?"));
}

#[test]
fn large_maps_are_maps() {
    let lines = |range: std::ops::Range<usize>| -> String {
        range.map(|at| format!("  \"key-{at}\": {at}\n")).collect()
    };
    let text = format!("base: &base\n{}m:\n  <<: *base\n{}", lines(0..40), lines(20..300));
    let document = Loader::new()
        .text("c.yaml", Format::Yaml, text)
        .environment([("PROCESSPYPE_M__KEY_7".to_owned(), "70".to_owned())])
        .set("m.new=1")
        .load()
        .unwrap();
    let map = document.section(&["m"]);
    assert_eq!(map.keys().len(), 301);
    for at in (0..300).filter(|at| *at != 7) {
        assert_eq!(map.get(&format!("key-{at}")).read::<usize>().unwrap(), at);
    }
    assert_eq!(map.get("key-7").read::<usize>().unwrap(), 70);
    assert_eq!(map.get("new").read::<usize>().unwrap(), 1);
    assert!(!map.get("key-300").exists());
    let (named, rest) = map.split(&["key-2", "key-299", "nothing"]);
    assert_eq!((named.keys().len(), rest.keys().len()), (2, 299));
    let twice = format!("m:\n{}{}", lines(0..40), lines(39..41));
    let report = Loader::new().text("c.yaml", Format::Yaml, twice).load().unwrap_err();
    assert!(report.to_string().contains("c.yaml:42:3"), "{report}");
    assert!(report.to_string().contains("first written at c.yaml:41:3"), "{report}");
    assert_eq!(report.problems().len(), 1);
}

#[test]
fn absent_sections_read_as_empty_maps() {
    let section = Document::empty().section(&["services", "counter"]);
    assert!(!section.exists() && section.origin().is_none());
    assert_eq!(section.path(), "services.counter");
    section.read::<()>().unwrap();
    section.read::<Misc>().unwrap();
    assert!(Section::empty("a.b").read::<Server>().unwrap_err().to_string().contains("a.b.port"));
}

#[test]
fn effective_lists_every_leaf_with_its_origin() {
    let document = Loader::new()
        .text("a.yaml", Format::Yaml, "server: {host: h, port: 1}")
        .text("b.yaml", Format::Yaml, "server: {port: 2, unknown: x}")
        .load()
        .unwrap();
    let list = document.section(&["server"]).effective(&schemars::schema_for!(Server));
    let rows: Vec<String> =
        list.iter().map(|l| format!("{}={} {}", l.path, l.value, l.origin)).collect();
    let expected = [
        "server.host=h a.yaml:1:16",
        "server.port=2 b.yaml:1:16",
        "server.unknown=*** b.yaml:1:28",
        "server.api_prefix= default",
    ];
    assert_eq!(rows, expected);
    assert_eq!(list[1].overrides, [Origin::file("a.yaml", 1, 25)]);
}

#[test]
fn bodies_are_checked_like_files() {
    let report: Report =
        read_json::<Server>(b"{\"host\": \"h\", \"port\": 0, \"x\": 1}").unwrap_err();
    let places: Vec<_> = report.problems().iter().map(|p| (p.path(), p.position())).collect();
    assert_eq!(places, [("port", Some((1, 23))), ("x", Some((1, 26)))]);
    assert!(report.problems().iter().all(|p| p.origin() == Some(&Origin::Body)));
    assert_eq!(read_json::<String>(b"\"${HOME}\"").unwrap(), "${HOME}");
    assert!(read_json::<Server>(b"host: h\nport: 1").is_err());
}

/// Reads a body as `T`; a refused one gives its first message, or nothing.
#[track_caller]
fn body<T: DeserializeOwned + JsonSchema + PartialEq + std::fmt::Debug>(
    text: &str,
    expected: Result<T, &str>,
) {
    match (read_json::<T>(text.as_bytes()), expected) {
        (Ok(read), Ok(expected)) => assert_eq!(read, expected, "{text}"),
        (Err(report), Err(words)) => assert!(report.to_string().contains(words), "{report}"),
        (read, expected) => panic!("{text}: {read:?} in place of {expected:?}"),
    }
}

#[test]
fn a_body_says_itself_what_is_text() {
    let text = |text: &'static str| Ok(text.to_owned());
    body("\"80\"", text("80"));
    body("\"null\"", text("null"));
    for word in ["80", "-0", "1e3", "true", "false"] {
        body::<String>(word, Err("put it in quotes"));
        body::<Option<String>>(word, Err("put it in quotes"));
    }
    body::<String>("null", Err("null is not text"));
    body("null", Ok(None::<String>));
    body::<std::collections::BTreeMap<String, u8>>("null", Err("null is not a map"));
    body::<u16>("\"80\"", Err("remove the quotes"));
    body::<bool>("\"true\"", Err("remove the quotes"));
    body::<Vec<u8>>("null", Err("null is not a list"));
}

#[test]
fn numbers_of_a_body_keep_to_their_range() {
    body("0", Ok(0_u8));
    body("-0", Ok(0_i8));
    body("18446744073709551615", Ok(u64::MAX));
    body("-9223372036854775808", Ok(i64::MIN));
    body("1e2", Ok(100.0_f64));
    body::<u64>("18446744073709551616", Err("invalid value"));
    body::<i64>("-9223372036854775809", Err("invalid value"));
    body::<u64>(&"9".repeat(4000), Err("invalid value"));
    body::<u8>("256", Err("invalid value"));
    body::<u8>("-1", Err("invalid value"));
    body::<u8>("1.0", Err("invalid value"));
    body::<u8>("1e1", Err("invalid value"));
    body::<f64>("1e400", Err("invalid value"));
    body::<serde_json::Value>("[1e400]", Err("invalid value"));
    for malformed in ["01", "+1", "0x1F", "0o7", ".5", "1.", "NaN", ".inf", "Infinity", "-"] {
        body::<f64>(malformed, Err("not valid JSON"));
    }
}

#[test]
fn texts_of_a_body_are_read_as_json_writes_them() {
    body(r#""\ud83d\ude00\/\b\u0000""#, Ok("\u{1f600}/\u{8}\0".to_owned()));
    body(
        "\"\u{7f}\u{85}\u{2028}\u{feff}\u{fffe}\"",
        Ok("\u{7f}\u{85}\u{2028}\u{feff}\u{fffe}".to_owned()),
    );
    body::<String>(r#""\ud83d""#, Err("surrogate"));
    let long = "k".repeat(100_000);
    let map = std::collections::BTreeMap::from([(long.clone(), long.clone())]);
    body(&format!("{{\"{long}\":\"{long}\"}}"), Ok(map));
    body("\t{\r\n\t\"a\"\t:\t[ ]\n}\n", Ok(serde_json::json!({"a": []})));
    body("{\"<<\": {\"a\": 1}, \"~\": \"*a\"}", Ok(serde_json::json!({"<<": {"a": 1}, "~": "*a"})));
    body::<serde_json::Value>(r#"{"a": 1, "\u0061": 2}"#, Err("duplicate key `a`"));
    body::<serde_json::Value>("{\"a\": 1} {}", Err("not valid JSON"));
    body::<serde_json::Value>("", Err("not valid JSON"));
}

#[test]
fn documents_are_shared_between_threads() {
    fn shared<T: Send + Sync + Clone>(_: &T) {}
    shared(&Document::empty());
    shared(&Document::empty().root());
}

#[derive(Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Strict {
    max_size: Option<std::num::NonZeroU16>,
    path: std::path::PathBuf,
    inner: Option<Box<Strict>>,
    wrapped: Wrapped,
    pairs: Vec<(String, u8)>,
    by_level: BTreeMap<Key, Option<u8>>,
    either: Option<Either>,
    #[serde(skip)]
    hidden: u8,
}

#[derive(Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(transparent)]
struct Wrapped {
    value: u8,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Key {
    Low,
    High,
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
enum Either {
    Number(u8),
    Both(u8, String),
    Inner(Wrapped),
    Boxed(Box<Strict>),
    Nothing,
}

#[test]
fn more_shapes_of_serde() {
    let strict: Strict = read(
        "{x-own: 1, maxSize: 7, path: 1.10, inner: {wrapped: 3}, wrapped: 4, pairs: [[1, 2]], \
         byLevel: {low: 1, high: null}}",
    );
    assert_eq!(strict.max_size.map(std::num::NonZero::get), Some(7));
    assert_eq!(strict.path.to_str(), Some("1.10"));
    assert_eq!(strict.inner.unwrap().wrapped, Wrapped { value: 3 });
    assert_eq!(strict.pairs, [("1".to_owned(), 2)]);
    assert_eq!(strict.by_level, BTreeMap::from([(Key::Low, Some(1)), (Key::High, None)]));
    let either = |text: &str| read::<Strict>(&format!("either: {text}")).either.unwrap();
    assert_eq!(either("Nothing"), Either::Nothing);
    assert_eq!(either("{Number: 1}"), Either::Number(1));
    assert_eq!(either("{Both: [1, 2]}"), Either::Both(1, "2".to_owned()));
    assert_eq!(either("{Inner: 5}"), Either::Inner(Wrapped { value: 5 }));
    assert_eq!(either("{Boxed: {}}"), Either::Boxed(Box::default()));
    let report = load("{maxSize: 0, hidden: 1}").root().read::<Strict>().unwrap_err();
    assert_eq!(report.count(), 2, "{report}");
}

#[test]
fn variables_reach_keys_in_camel_case() {
    let variable = ("PROCESSPYPE_SERVICES__S__MAX_SIZE".to_owned(), "9".to_owned());
    let document = Loader::new().environment([variable]).load().unwrap();
    let report = document.section(&["services", "s"]).read::<Strict>().unwrap_err();
    assert!(report.to_string().contains("did you mean `maxSize`?"), "{report}");
    let variable = ("PROCESSPYPE_SERVICES__S__MAXSIZE".to_owned(), "9".to_owned());
    let document = Loader::new().environment([variable]).load().unwrap();
    let strict: Strict = document.section(&["services", "s"]).read().unwrap();
    assert_eq!(strict.max_size.map(std::num::NonZero::get), Some(9));
}

#[test]
fn where_the_schema_takes_anything_a_struct_is_read_from_a_map_alone() {
    #[derive(Debug, Deserialize, JsonSchema)]
    struct Outer {
        #[schemars(with = "serde_json::Value")]
        inner: Inner,
        #[schemars(with = "serde_json::Value")]
        word: Word,
    }
    #[derive(Debug, Deserialize)]
    struct Inner {
        a: u8,
    }
    #[derive(Debug, Deserialize, PartialEq)]
    enum Word {
        Yes,
    }
    let read = |inner: &str, word: &str| {
        let text = format!("inner: {inner}\nword: {word}\n");
        let document = Loader::new().text("a.yaml", Format::Yaml, text).load().expect("YAML");
        document.root().read::<Outer>()
    };
    let outer = read("{a: 1}", "Yes").expect("both fit");
    assert_eq!((outer.inner.a, outer.word), (1, Word::Yes));
    for inner in ["[1]", "17", "text", "[]"] {
        let told = read(inner, "Yes").expect_err("it is no map").to_string();
        assert!(told.contains("`inner`: ") && told.contains("expected struct Inner"), "{told}");
    }
    for word in ["[Yes]", "{Yes: , No: }", "{}"] {
        let told = read("{a: 1}", word).expect_err("it is no word").to_string();
        assert!(told.contains("`word`: ") && told.contains("expected enum Word"), "{told}");
    }
}
