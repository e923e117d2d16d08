//! JSON Schemas in words.
//!
//! # Invariants
//!
//! 1. What is not understood is shown as `any`, never left out and never guessed.

use std::fmt::Write as _;

use processpype_core::each;
use serde_json::Value;

use super::{entries, escape, inline, list, text};

/// How deep a schema inside a schema is spelt out.
const DEPTH: usize = 4;

/// The keywords that limit a value, in words.
const LIMITS: [(&str, &str); 10] = [
    ("minimum", "from"),
    ("exclusiveMinimum", "above"),
    ("maximum", "to"),
    ("exclusiveMaximum", "below"),
    ("minLength", "at least this many characters:"),
    ("maxLength", "at most this many characters:"),
    ("minItems", "at least this many:"),
    ("maxItems", "at most this many:"),
    ("pattern", "like"),
    ("default", "default"),
];

/// Returns the type of a schema in words, with its limits, as HTML.
pub(super) fn shape(schema: &Value) -> String {
    let mut html = kind(schema, DEPTH);
    let examples: Vec<String> = each(list(&schema["examples"]), literal);
    if !examples.is_empty() {
        let _ = write!(html, " <small>such as {}</small>", examples.join(", "));
    }
    for (keyword, word) in LIMITS {
        // Examples say more than a pattern does.
        let is_said = !examples.is_empty() && matches!(keyword, "pattern" | "minLength");
        if let Some(value) = schema.get(keyword).filter(|value| !value.is_null() && !is_said) {
            let _ = write!(html, " <small>{word} {}</small>", literal(value));
        }
    }
    html
}

/// Returns the properties of an object as a table, or the type of anything else.
pub(super) fn properties(schema: &Value) -> String {
    let known = entries(&schema["properties"]);
    if known.clone().next().is_none() {
        return format!("<p>{}</p>{}", shape(schema), values(schema));
    }
    let required = list(&schema["required"]);
    let mut table = String::from("<table>");
    for (name, one) in known {
        let mark = if required.iter().any(|r| r == name) { "" } else { "<small>optional</small>" };
        let _ = write!(
            table,
            "<tr><td><code>{}</code>{mark}</td><td>{}</td><td>{}</td></tr>",
            escape(name),
            shape(one),
            inline(text(&one["description"])),
        );
    }
    table.push_str("</table>");
    table
}

/// Returns the anchor of a schema.
pub(super) fn anchor(name: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    name.chars().map(legal).collect()
}

fn kind(schema: &Value, depth: usize) -> String {
    if depth == 0 {
        return "…".to_owned();
    }
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return format!("<a href=\"#schema-{}\">{}</a>", anchor(name), escape(name));
    }
    if let Some(value) = schema.get("const") {
        return literal(value);
    }
    for keyword in ["enum", "anyOf", "oneOf", "allOf"] {
        let Some(choices) = schema[keyword].as_array() else { continue };
        let word = if keyword == "allOf" { " and " } else { " or " };
        let one =
            |choice| if keyword == "enum" { literal(choice) } else { kind(choice, depth - 1) };
        return each(choices, one).join(word);
    }
    match &schema["type"] {
        Value::Array(names) => {
            let names = names.iter().map(|name| plain(schema, text(name), depth));
            names.collect::<Vec<_>>().join(" or ")
        }
        name => plain(schema, text(name), depth),
    }
}

fn plain(schema: &Value, name: &str, depth: usize) -> String {
    match name {
        "array" => format!("list of {}", kind(&schema["items"], depth - 1)),
        "object" if schema["additionalProperties"].is_object() => {
            format!("map of {}", kind(&schema["additionalProperties"], depth - 1))
        }
        "string" if schema["format"] == "date-time" => "time".to_owned(),
        "string" if schema["x-secret"] == true => "secret".to_owned(),
        "" => "any".to_owned(),
        name => escape(name),
    }
}

/// Returns the values of an enumeration, each with its description.
fn values(schema: &Value) -> String {
    let described = list(&schema["oneOf"]).iter().filter(|one| one.get("const").is_some());
    let choices = described.map(|one| (&one["const"], &one["description"]));
    let texts = &schema["x-enumDescriptions"];
    let words = list(&schema["enum"]).iter().filter(|_| texts.is_object());
    let words = words.map(|word| (word, &texts[text(word)]));
    let row = |(word, about)| {
        format!("<tr><td>{}</td><td>{}</td></tr>", literal(word), inline(text(about)))
    };
    let rows: String = choices.chain(words).map(row).collect();
    if rows.is_empty() { rows } else { format!("<table>{rows}</table>") }
}

fn literal(value: &Value) -> String {
    let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    format!("<code>{}</code>", escape(&shown))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "the cases read better")]
    fn check(schema: Value, expected: &str) {
        assert_eq!(shape(&schema), expected);
    }

    #[test]
    fn shapes() {
        check(json!({}), "any");
        check(json!(true), "any");
        check(json!({ "type": "string" }), "string");
        check(json!({ "type": ["string", "null"] }), "string or null");
        check(json!({ "type": "string", "format": "date-time" }), "time");
        check(json!({ "type": "array", "items": { "type": "integer" } }), "list of integer");
        check(json!({ "$ref": "#/components/schemas/A.b" }), "<a href=\"#schema-A.b\">A.b</a>");
        check(json!({ "enum": ["a", 1] }), "<code>a</code> or <code>1</code>");
        let limited = json!({ "type": "integer", "minimum": 1, "default": 5 });
        check(
            limited,
            "integer <small>from <code>1</code></small> <small>default <code>5</code></small>",
        );
        let example = json!({ "type": "string", "pattern": "^[0-9]+s$", "examples": ["2s"] });
        check(example, "string <small>such as <code>2s</code></small>");
        check(json!({ "type": "string", "x-secret": true }), "secret");
        let map = json!({ "type": "object", "additionalProperties": { "type": "string" } });
        check(map, "map of string");
    }

    #[test]
    fn words_are_told_with_their_texts() {
        let said = "<tr><td><code>a</code></td><td>The first.</td></tr>";
        let bare = "<tr><td><code>b</code></td><td></td></tr>";
        let words = json!({ "type": "string", "enum": ["a", "b"],
            "x-enumDescriptions": { "a": "The first." } });
        assert!(properties(&words).ends_with(&format!("<table>{said}{bare}</table>")));
        let choice = json!({ "oneOf": [{ "const": "a", "description": "The first." }] });
        assert!(properties(&choice).ends_with(&format!("<table>{said}</table>")));
        let neither = json!({ "type": "string", "enum": ["a", "b"] });
        assert!(!properties(&neither).contains("<table>"));
    }
}
