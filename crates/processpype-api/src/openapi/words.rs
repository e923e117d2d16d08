//! Enumerations of words, as clients can use them.
//!
//! `schemars` writes an enumeration whose words are documented as a choice between constants. That
//! is right, and generators of clients make as many types of it as there are words, or read the
//! first one only. An `enum` with the texts beside it says the same to all of them.

use schemars::Schema;
use serde_json::{Map, Value};

/// Where the texts of an enumeration's words are; the name is the one that Redocly reads.
const TEXTS: &str = "x-enumDescriptions";

/// Writes a choice between constant words as an enumeration.
pub(super) fn enumerate(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    let words = object.get("oneOf").and_then(Value::as_array).and_then(|all| words(all));
    let Some((words, texts)) = words else { return };
    object.remove("oneOf");
    object.insert("type".into(), "string".into());
    object.insert("enum".into(), Value::Array(words));
    if !texts.is_empty() {
        object.insert(TEXTS.into(), Value::Object(texts));
    }
}

/// Returns the words of a choice, and the texts about them, if there is nothing else in it.
fn words(choices: &[Value]) -> Option<(Vec<Value>, Map<String, Value>)> {
    let (mut words, mut texts) = (Vec::new(), Map::new());
    for choice in choices {
        if choice["type"] != "string" {
            return None;
        }
        match (choice["const"].as_str(), choice["enum"].as_array()) {
            (Some(word), None) => {
                words.push(word.into());
                if let Some(text) = choice.get("description") {
                    texts.insert(word.to_owned(), text.clone());
                }
            }
            (None, Some(several)) => words.extend(several.iter().cloned()),
            (Some(_), Some(_)) | (None, None) => return None,
        }
    }
    (!words.is_empty()).then_some((words, texts))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(before: &Value, after: &Value) {
        let mut schema = Schema::try_from(before.clone()).expect("a schema");
        enumerate(&mut schema);
        assert_eq!(schema.to_value(), *after);
    }

    #[test]
    fn words_become_an_enumeration_and_nothing_else_does() {
        check(
            &json!({ "description": "d", "oneOf": [
                { "type": "string", "enum": ["a", "b"] },
                { "type": "string", "const": "c", "description": "The third." },
            ] }),
            &json!({ "description": "d", "type": "string", "enum": ["a", "b", "c"],
                "x-enumDescriptions": { "c": "The third." } }),
        );
        for other in [
            json!({ "oneOf": [{ "type": "string", "const": "a" }, { "type": "object" }] }),
            json!({ "oneOf": [{ "type": "string" }] }),
            json!({ "oneOf": [] }),
            json!({ "type": "string" }),
            json!(true),
        ] {
            check(&other, &other);
        }
    }
}
