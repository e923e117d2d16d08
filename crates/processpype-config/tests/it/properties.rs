//! Laws that hold for every input.

use std::collections::BTreeMap;
use std::time::Duration;

use processpype_config::{Document, Format, HumanDuration, Loader, read_json};
use proptest::prelude::*;
use serde_json::{Map, Value};

use crate::types::Misc;

/// A map of maps and numbers, as JSON.
fn tree() -> impl Strategy<Value = Value> {
    let leaf = (0_u8..9).prop_map(Value::from).boxed();
    map_of(leaf.prop_recursive(3, 20, 4, map_of).boxed())
}

fn map_of(values: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    let map = prop::collection::btree_map("[a-c]", values, 0..4);
    map.prop_map(|map| Value::Object(map.into_iter().collect())).boxed()
}

fn load(layers: &[&Value]) -> Document {
    let add =
        |loader: Loader, layer: &&Value| loader.text("c.json", Format::Json, layer.to_string());
    layers.iter().fold(Loader::new(), add).load().unwrap()
}

fn read(document: &Document) -> Value {
    document.root().read().unwrap()
}

/// What merging means, written down in the simplest way.
fn model(low: &Value, high: &Value) -> Value {
    let (Value::Object(low), Value::Object(high)) = (low, high) else { return high.clone() };
    let mut merged: Map<String, Value> = low.clone();
    for (key, value) in high {
        let value = low.get(key).map_or_else(|| value.clone(), |low| model(low, value));
        merged.insert(key.clone(), value);
    }
    Value::Object(merged)
}

proptest! {
    #[test]
    fn halves_are_the_map_filtered(
        a in tree(),
        names in prop::sample::subsequence(vec!["a", "b", "c"], 0..3),
    ) {
        let whole = load(&[&a]).root();
        let Value::Object(map) = &a else { unreachable!("a tree is a map") };
        let side = |named: bool| -> Value {
            let kept = map.iter().filter(|(key, _)| names.contains(&key.as_str()) == named);
            kept.map(|(key, value)| (key.clone(), value.clone())).collect::<Map<_, _>>().into()
        };
        let (named, rest) = whole.split(&names);
        prop_assert_eq!(named.read::<Value>().unwrap(), side(true));
        prop_assert_eq!(rest.read::<Value>().unwrap(), side(false));
        prop_assert_eq!(named.over(&rest).read::<Value>().unwrap(), a.clone());
        let (none, all) = named.split(&["x"]);
        prop_assert!(none.names().next().is_none() && all.says_what(&named));
    }

    #[test]
    fn merging_is_the_model(a in tree(), b in tree()) {
        prop_assert_eq!(read(&load(&[&a, &b])), model(&a, &b));
    }

    #[test]
    fn sections_merge_like_layers(a in tree(), b in tree(), c in tree()) {
        let three = read(&load(&[&a, &b, &c]));
        let (a, b, c) = (load(&[&a]).root(), load(&[&b]).root(), load(&[&c]).root());
        prop_assert_eq!(c.over(&b.over(&a)).read::<Value>().unwrap(), three);
        prop_assert_eq!(a.over(&a).read::<Value>().unwrap(), a.read::<Value>().unwrap());
        prop_assert_eq!(Document::empty().root().over(&a).keys(), a.keys());
    }

    #[test]
    fn no_text_panics(text in "[a-c:{}\\[\\],\"'&*<|>#$ \\n\\t!%-]{0,60}") {
        for format in [Format::Yaml, Format::Toml, Format::Json] {
            match Loader::new().text("c", format, text.as_str()).load() {
                Ok(document) => drop(document.root().read::<Misc>().map_err(|e| e.to_string())),
                Err(report) => prop_assert!(!report.to_string().is_empty()),
            }
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        drop(read_json::<Misc>(&bytes).map_err(|e| e.to_string()));
        let text = String::from_utf8_lossy(&bytes).into_owned();
        drop(Loader::new().text("c.yaml", Format::Yaml, text).load().map_err(|e| e.to_string()));
    }

    #[test]
    fn variables_carry_any_text(name in "[a-z]{1,5}(_[a-z]{1,5})?", text in "\\PC{0,20}") {
        prop_assume!(!text.trim_start().starts_with(['[', '{']));
        let variable = format!("PROCESSPYPE_SERVICES__S__{}", name.to_uppercase());
        let document = Loader::new().environment([(variable, text.clone())]).load().unwrap();
        let read: BTreeMap<String, String> = document.section(&["services", "s"]).read().unwrap();
        prop_assert_eq!(read, BTreeMap::from([(name, text)]));
    }

    #[test]
    fn durations_round_trip(seconds in any::<u64>(), nanos in 0_u32..1_000_000_000) {
        let duration = HumanDuration::new(Duration::new(seconds, nanos));
        prop_assert_eq!(duration.to_string().parse::<HumanDuration>(), Ok(duration));
    }
}
