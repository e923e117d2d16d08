//! The types of JSON Schema, and what a raw scalar is for a target that wants some of them.
//!
//! # Invariant
//!
//! The target decides: `1.10` is text for a text and a number for a number. Only a target that
//! takes anything gets YAML's own reading of a plain scalar.
//!
//! # The decision
//!
//! For a scalar, in this order:
//!
//! 1. In quotes: text, or nothing at all. `"80"` for a number is a mistake with a remedy.
//! 2. Nothing, `~`, `null`: null where that is possible; otherwise a mistake, also for text.
//! 3. It looks like a number and a number is wanted: that. Whole numbers before others, so that `5`
//!    for "anything" is whole.
//! 4. `true` and `false` in YAML 1.2's three spellings, where a truth value is wanted; `yes` and
//!    `on` never.
//! 5. Text, where text is wanted.
//!
//! In the body of a request (*typed*) JSON has decided: a number is never text, and `null` is no
//! map. Too great a number is none, whatever the notation: `1e400` must not become infinity, which
//! serde's own readers of numbers refuse as well.
//!
//! From a variable or a flag (*loose*) there are no quotes, so 1 does not apply: `80` becomes text
//! for a text and a number for a number. An empty variable is an empty text where text is wanted.

use std::borrow::Cow;

use serde_json::Value;

use crate::node::{Style, is_null};

/// A set of types; the empty set is none, the full set is "anything".
///
/// A bit for each. `number` includes `integer`, as in JSON Schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Types(u8);

/// A scalar after its type was decided.
///
/// Text borrows from the file as long as nothing was put into it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scalar<'a> {
    Null,
    Bool(bool),
    Whole(i128),
    /// A whole number above `i128::MAX`.
    Huge(u128),
    Float(f64),
    Text(Cow<'a, str>),
}

// === impl Types ===

impl Types {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const NULL: Self = Self(1);
    pub(crate) const BOOL: Self = Self(2);
    pub(crate) const WHOLE: Self = Self(4);
    pub(crate) const NUMBER: Self = Self(8);
    pub(crate) const TEXT: Self = Self(16);
    pub(crate) const LIST: Self = Self(32);
    pub(crate) const OBJECT: Self = Self(64);
    pub(crate) const ANY: Self = Self(127);
    /// Everything but lists and maps.
    pub(crate) const SCALAR: Self = Self(31);

    /// The set that the keyword `type` names.
    pub(crate) fn of_schema(types: &Value) -> Self {
        match types {
            Value::String(name) => Self::named(name),
            Value::Array(names) => {
                names.iter().filter_map(Value::as_str).map(Self::named).fold(Self::NONE, Self::or)
            }
            _ => Self::ANY,
        }
    }

    /// A name that JSON Schema does not have means anything, to be on the safe side of refusing.
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "null" => Self::NULL,
            "boolean" => Self::BOOL,
            "integer" => Self::WHOLE,
            "number" => Self(Self::NUMBER.0 | Self::WHOLE.0),
            "string" => Self::TEXT,
            "array" => Self::LIST,
            "object" => Self::OBJECT,
            _ => Self::ANY,
        }
    }

    /// What is in one of the two.
    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in the first alone.
    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether one of `other` is in the set.
    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl Default for Types {
    fn default() -> Self {
        Self::ANY
    }
}

impl Types {
    /// Decides what a scalar is; `None` if it is none of these types.
    pub(crate) fn decide<'a>(self, text: &Cow<'a, str>, style: Style) -> Option<Scalar<'a>> {
        if style == Style::Quoted {
            return self.has(Self::TEXT).then(|| Scalar::Text(text.clone()));
        }
        if style == Style::Typed {
            return self.without(Self::TEXT).decide_bare(text, true);
        }
        self.decide_bare(text, style == Style::Plain || self.loosely_null(text))
    }

    /// Decides what a scalar without quotes is.
    fn decide_bare<'a>(self, text: &Cow<'a, str>, may_be_null: bool) -> Option<Scalar<'a>> {
        let nothing = is_null(text) && may_be_null;
        if nothing {
            return self.has(Self::NULL).then_some(Scalar::Null);
        }
        self.decide_number(text)
            .or_else(|| self.has(Self::BOOL).then(|| truth(text)).flatten().map(Scalar::Bool))
            .or_else(|| self.has(Self::TEXT).then(|| Scalar::Text(text.clone())))
    }

    /// A variable that is empty is an empty text where text is wanted, and nothing elsewhere.
    const fn loosely_null(self, text: &str) -> bool {
        self.has(Self::NULL) && !(text.is_empty() && self.has(Self::TEXT))
    }

    fn decide_number(self, text: &str) -> Option<Scalar<'static>> {
        if !matches!(text.as_bytes(), [b'0'..=b'9' | b'+' | b'-' | b'.', ..]) {
            return None;
        }
        if self.has(Self::WHOLE)
            && let Some(number) = whole(text)
        {
            return Some(number);
        }
        if self.has(Self::NUMBER) { float(text).map(Scalar::Float) } else { None }
    }
}

/// A truth value as YAML 1.2 writes it.
fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// A whole number: decimal, `0x` or `0o`.
fn whole(text: &str) -> Option<Scalar<'static>> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    // What fits is read in the way that costs least.
    if let Ok(number) = digits.parse::<u64>() {
        let number = i128::from(number);
        return Some(Scalar::Whole(if negative { -number } else { number }));
    }
    let number = match digits.get(..2) {
        Some("0x") => u128::from_str_radix(digits.get(2..)?, 16),
        Some("0o") => u128::from_str_radix(digits.get(2..)?, 8),
        _ => digits.parse(),
    }
    .ok()?;
    match i128::try_from(number) {
        Ok(number) => Some(Scalar::Whole(if negative { -number } else { number })),
        Err(_) if negative => {
            (number == i128::MIN.unsigned_abs()).then_some(Scalar::Whole(i128::MIN))
        }
        Err(_) => Some(Scalar::Huge(number)),
    }
}

/// A number with YAML's names for infinity and "not a number".
fn float(text: &str) -> Option<f64> {
    match text {
        ".inf" | ".Inf" | ".INF" | "+.inf" => Some(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Some(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => Some(f64::NAN),
        _ => {
            let plain = text.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
            // Too great for a number is none: it must not become infinity by accident.
            plain.then(|| text.parse().ok()).flatten().filter(|number: &f64| number.is_finite())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Scalar, Types};
    use crate::node::Style;

    #[track_caller]
    fn check<'a>(
        types: Types,
        text: &'a str,
        style: Style,
        expected: impl Into<Option<Scalar<'a>>>,
    ) {
        assert_eq!(types.decide(&text.into(), style), expected.into(), "{text:?}");
    }

    #[test]
    fn the_target_decides() {
        let text = |text: &'static str| Some(Scalar::Text(text.into()));
        check(Types::TEXT, "1.10", Style::Plain, text("1.10"));
        check(Types::TEXT, "no", Style::Plain, text("no"));
        check(Types::ANY, "1.10", Style::Plain, Some(Scalar::Float(1.1)));
        check(Types::WHOLE, "80", Style::Quoted, None);
        check(Types::WHOLE, "80", Style::Loose, Some(Scalar::Whole(80)));
        check(Types::BOOL, "yes", Style::Plain, None);
        check(Types::TEXT, "80", Style::Typed, None);
        check(Types::TEXT, "true", Style::Typed, None);
        check(Types::TEXT, "null", Style::Typed, None);
        check(Types::ANY, "80", Style::Typed, Some(Scalar::Whole(80)));
        check(Types::ANY, "null", Style::Typed, Some(Scalar::Null));
        check(Types::NUMBER, "1e400", Style::Plain, None);
        check(Types::TEXT, "", Style::Loose, text(""));
        check(Types::TEXT, "", Style::Plain, None);
    }

    #[test]
    fn whole_numbers_reach_their_ends() {
        let max = u128::MAX.to_string();
        check(Types::WHOLE, &max, Style::Plain, Some(Scalar::Huge(u128::MAX)));
        let min = i128::MIN.to_string();
        check(Types::WHOLE, &min, Style::Plain, Some(Scalar::Whole(i128::MIN)));
        check(Types::WHOLE, "0x1F", Style::Plain, Some(Scalar::Whole(31)));
        check(Types::WHOLE, "-", Style::Plain, None);
        check(Types::WHOLE, "1e3", Style::Plain, None);
    }
}
