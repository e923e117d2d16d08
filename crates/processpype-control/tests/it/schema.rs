//! A validator for the JSON Schema that our documents use; what it does not know, it refuses.

use serde_json::Value;

/// Returns what is wrong with `value`, or nothing.
pub(crate) fn faults(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    check(document, schema, value, "", &mut faults);
    faults
}

fn check(document: &Value, schema: &Value, value: &Value, path: &str, faults: &mut Vec<String>) {
    let Some(object) = schema.as_object() else {
        assert!(schema == &Value::Bool(true), "schema {schema}");
        return;
    };
    for (keyword, rule) in object {
        let good = match keyword.as_str() {
            "$ref" => {
                let target = resolve(document, rule.as_str().expect("a reference"));
                check(document, target, value, path, faults);
                true
            }
            "allOf" => {
                each(rule).for_each(|one| check(document, one, value, path, faults));
                true
            }
            "anyOf" | "oneOf" => {
                each(rule).filter(|one| self::faults(document, one, value).is_empty()).count() == 1
            }
            "type" => each_or_one(rule).any(|name| has_type(value, name)),
            "enum" => each(rule).any(|one| one == value),
            "const" => rule == value,
            "minimum" => value.as_f64().is_none_or(|number| Some(number) >= rule.as_f64()),
            "maximum" => value.as_f64().is_none_or(|number| Some(number) <= rule.as_f64()),
            "required" => each(rule).all(|key| value.get(key.as_str().expect("a key")).is_some()),
            "items" => {
                for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(document, rule, item, &format!("{path}[{i}]"), faults);
                }
                true
            }
            "properties" => {
                for (key, one) in rule.as_object().expect("properties") {
                    if let Some(inner) = value.get(key) {
                        check(document, one, inner, &format!("{path}.{key}"), faults);
                    }
                }
                true
            }
            "additionalProperties" => {
                let known =
                    |key: &String| object.get("properties").is_some_and(|p| p.get(key).is_some());
                for (key, inner) in
                    value.as_object().into_iter().flatten().filter(|(k, _)| !known(k))
                {
                    if rule == &Value::Bool(false) {
                        faults.push(format!("{path}.{key} is unknown"));
                    } else {
                        check(document, rule, inner, &format!("{path}.{key}"), faults);
                    }
                }
                true
            }
            "format" => rule != "date-time" || !value.is_string() || is_time(value),
            "description" | "title" | "default" | "examples" | "maxLength" => true,
            "x-enumDescriptions" => true,
            other => panic!("keyword `{other}` is not known to the test's validator"),
        };
        if !good {
            faults.push(format!("{path}: {value} breaks {keyword} {rule}"));
        }
    }
}

pub(crate) fn resolve<'a>(document: &'a Value, reference: &str) -> &'a Value {
    let pointer = reference.strip_prefix('#').expect("a reference into the document");
    document.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere"))
}

fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().expect("a list").iter()
}

fn each_or_one(value: &Value) -> impl Iterator<Item = &str> {
    let one = std::slice::from_ref(value);
    value.as_array().map_or(one, Vec::as_slice).iter().filter_map(Value::as_str)
}

fn has_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        other => panic!("type `{other}`"),
    }
}

fn is_time(value: &Value) -> bool {
    let shape = |c: char| if c.is_ascii_digit() { '0' } else { c };
    let text: String = value.as_str().unwrap_or_default().chars().map(shape).collect();
    text == "0000-00-00T00:00:00.000Z"
}

#[test]
fn the_validator_finds_faults() {
    let document = serde_json::json!({ "s": { "type": "object", "required": ["a"],
        "properties": { "a": { "type": ["string", "null"] } }, "additionalProperties": false } });
    let schema = serde_json::json!({ "$ref": "#/s" });
    let count = |value| faults(&document, &schema, &value).len();
    assert_eq!(count(serde_json::json!({ "a": null })), 0);
    assert_eq!(count(serde_json::json!({ "a": 1 })), 1);
    assert_eq!(count(serde_json::json!({ "b": 1 })), 2);
    assert_eq!(count(serde_json::json!([])), 2);
}
