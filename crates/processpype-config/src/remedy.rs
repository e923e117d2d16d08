//! What to do about a value of the wrong type.
//!
//! # Invariants
//!
//! 1. A remedy is told only where the reason is nearly certain. A wrong guess would be worse than
//!    none: who follows it makes a second mistake.
//! 2. It names no value: what it says holds for any that is written here.
//!
//! # The reasons
//!
//! | written | wanted | the reason |
//! |---|---|---|
//! | `"80"` | a number | quotes make a text of it |
//! | nothing | one value | it was forgotten, or stands on the next line without a key |
//! | `80` in a body | a text | JSON has decided, and a number is none |
//! | `null`, `~` | a text | a word that means something else without quotes |
//! | `yes`, `off`, `1` | `true` or `false` | YAML 1.1, or another notation |
//! | `10MB`, `20%` | a number | a unit, which the key has in its name or its text |
//! | one value | a list | there is one item, and a list has brackets or dashes all the same |
//! | one value | a map | the short form of another program |
//! | a list | a map | dashes before keys |
//! | a map | a list | no dashes before items |
//! | a list or a map | one value | the key of a level above |
//!
//! Limits, choices and durations have their own: those are values of the right type.

use crate::check::View;
use crate::describe::types;
use crate::node::{Node, Style};
use crate::rules::{Id, Rules};
use crate::types::Types;

/// What to do about `node`, whose type is none of those that the rules `ids` allow.
pub(crate) fn remedy(rules: &Rules, ids: &[Id], view: &View<'_>, node: &Node) -> Option<String> {
    let types = types(rules, ids);
    let (text, style) = match view {
        View::Scalar(text, style) => (text, style),
        View::Seq(_) | View::Map(_) => return remedy_of_whole(types, view).map(str::to_owned),
    };
    let unquoted = types.decide(text, Style::Plain).is_some();
    match style {
        Style::Quoted if unquoted => Some("remove the quotes".to_owned()),
        _ if node.is_unwritten() && !types.has(Types::LIST.or(Types::OBJECT)) => {
            Some("write a value after the colon, or remove the key".to_owned())
        }
        Style::Typed if types.has(Types::TEXT) => Some("put it in quotes".to_owned()),
        Style::Plain if crate::node::is_null(text) && types.has(Types::TEXT) => {
            Some("put it in quotes if it is meant as text".to_owned())
        }
        _ if types.has(Types::BOOL) && is_yes_or_no(text) => Some("write true or false".to_owned()),
        _ if types.without(Types::NULL) == Types::LIST => {
            Some("write a list: [a, b], or one `- item` per line".to_owned())
        }
        _ if types.has(Types::NUMBER.or(Types::WHOLE)) && !types.has(Types::TEXT) => {
            with_unit(text, types.has(Types::NUMBER))
        }
        _ if types.without(Types::NULL) == Types::OBJECT => {
            Some("write its keys below it, one `key: value` per line".to_owned())
        }
        _ => None,
    }
}

/// What to do about `key:value` in the place of a map, which YAML takes for one word.
pub(crate) fn close_colon(text: &str, style: Style) -> Option<String> {
    let (key, value) = text.split_once(':').filter(|_| style == Style::Plain)?;
    let is_key = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let is_pair = !key.is_empty() && key.chars().all(is_key) && !value.starts_with(['/', ' ']);
    is_pair.then(|| "write a space behind the colon: `key: value`".to_owned())
}

/// What to do about a number with something behind it.
fn with_unit(text: &str, may_be_part: bool) -> Option<String> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(end);
    let number: f64 = number.parse().ok()?;
    match unit.trim() {
        "%" if may_be_part => Some(format!("write {}", number / 100.0)),
        unit if unit.chars().all(char::is_alphabetic) && !unit.is_empty() => {
            Some("write the number alone, without a unit".to_owned())
        }
        _ => None,
    }
}

/// What to do about a list or a map in the place of something else.
fn remedy_of_whole(types: Types, view: &View<'_>) -> Option<&'static str> {
    let wanted = types.without(Types::NULL);
    let is_list = matches!(view, View::Seq(_));
    if wanted == Types::OBJECT {
        is_list.then_some("write its keys below it without `-`, one `key: value` per line")
    } else if wanted == Types::LIST {
        (!is_list).then_some("put `- ` before each item, or write [a, b]")
    } else if !types.has(Types::LIST.or(Types::OBJECT)) {
        Some(if wanted == Types::NONE {
            "remove what is below it"
        } else {
            "write one value instead"
        })
    } else {
        None
    }
}

/// Whether a text would be a number of the right type, were it not so great.
pub(crate) fn is_too_great(rules: &Rules, ids: &[Id], text: &str, style: Style) -> bool {
    let types = types(rules, ids);
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
    let is_infinite = || plain && text.parse().is_ok_and(f64::is_infinite);
    style != Style::Quoted
        && ((types.has(Types::WHOLE) && is_digits) || (types.has(Types::NUMBER) && is_infinite()))
}

/// What other formats take for a truth value.
fn is_yes_or_no(text: &str) -> bool {
    ["yes", "no", "on", "off", "1", "0"].iter().any(|word| text.eq_ignore_ascii_case(word))
}
