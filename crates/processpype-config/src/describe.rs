//! What a schema wants, in words; and what is wrong with a scalar.
//!
//! # Invariant
//!
//! The texts speak of whole numbers, text, lists and maps, not of `u64` and `string`: they are
//! for whoever writes the file.
//!
//! # Two tasks
//!
//! *What would be right*: [`expected`] turns rules into a phrase that fits after "expected", such
//! as "a whole number from 1 to 65535", "one of debug, info, warn" or "a list of at least 1 item".
//! A type may say it in its own words, with `x-expected`, and addresses and durations do.
//!
//! *What is wrong*: [`wrong`] compares a scalar with one rule and says the first broken limit, in a
//! phrase that fits after the value: "is less than 1". Of several it is the one that leads to the
//! remedy soonest: the range of the Rust type first, then the schema's limits, then `multipleOf`.
//!
//! Numbers are compared exactly where the format says which integer it is; a schema's own limits
//! are floats, and enough for what people write there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use processpype_core::each;
use serde_json::Value;

use crate::duration::{self, HumanDuration};
use crate::rules::{FreeKeys, Id, Rule, Rules};
use crate::types::{Scalar, Types};

/// Alternatives that are spelled out before "or others".
const MAX_FORMS: usize = 4;

/// What a type that holds nothing wants.
const NOTHING: &str = "nothing";

/// What serde wants for a `std::time::Duration`.
const STD_DURATION: &str = "a map of `secs` and `nanos`";

/// What is valid, such as "a whole number from 10 to 60000".
///
/// The label beside the mark.
pub(crate) fn expected(rules: &Rules, ids: &[Id]) -> String {
    text(rules, ids, true)
}

/// What is valid without its limits, such as "a whole number".
///
/// For "… is not …", where limits would only confuse: the value is not even of this type.
pub(crate) fn short(rules: &Rules, ids: &[Id]) -> String {
    text(rules, ids, false)
}

/// The description of the field or of its type.
///
/// The first of the doc comments in reach, on one line; told where a key is missing.
pub(crate) fn description(rules: &Rules, ids: &[Id]) -> Option<String> {
    let all = closure(rules, ids);
    let text = all.iter().map(|id| &rules.get(*id).description).find(|text| !text.is_empty())?;
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The values of `enum` and `const` as they are written in a file.
///
/// Texts without quotes, everything else as JSON.
pub(crate) fn choices(choices: &[Value]) -> Vec<String> {
    each(choices, |choice| choice.as_str().map_or_else(|| choice.to_string(), str::to_owned))
}

/// "is not a whole number"; what takes nothing is told so.
pub(crate) fn is_not(short: &str) -> String {
    if short == NOTHING { "has no place here".to_owned() } else { format!("is not {short}") }
}

/// What is wrong with a scalar of the right type, such as "is less than 10".
pub(crate) fn wrong(rule: &Rule, scalar: &Scalar<'_>) -> Option<String> {
    let by_type = match scalar {
        Scalar::Null | Scalar::Bool(_) => None,
        Scalar::Whole(number) => wrong_whole(rule, *number),
        Scalar::Huge(number) => wrong_huge(rule, *number),
        Scalar::Float(number) => wrong_number(rule, *number),
        Scalar::Text(text) => wrong_text(rule, text),
    };
    by_type.or_else(|| {
        let choices = rule.choices.as_ref()?;
        let found = choices.iter().any(|choice| is_choice(choice, scalar));
        (!found).then(|| "is not one of the valid values".to_owned())
    })
}

/// What is wrong with the size of a list or map.
///
/// In one phrase for lists and maps; what they are called is the caller's to say.
pub(crate) fn wrong_count(min: Option<usize>, max: Option<usize>, count: usize) -> Option<String> {
    if let Some(min) = min.filter(|min| count < *min) {
        Some(format!("has {count} items, but needs at least {min}"))
    } else {
        max.filter(|max| count > *max)
            .map(|max| format!("has {count} items, but may have at most {max}"))
    }
}

/// All rules that hold in place, alternatives left out.
fn closure(rules: &Rules, ids: &[Id]) -> Vec<Id> {
    let mut all = Vec::new();
    for id in ids {
        rules.closure(*id, &mut all);
    }
    all
}

/// Whether these rules are those of a `std::time::Duration`, as serde reads it.
pub(crate) fn is_std_duration(rules: &Rules, ids: &[Id]) -> bool {
    let mut keys = ids.iter().flat_map(|id| rules.get(*id).properties.iter());
    let mut next = || keys.next().map(|(key, _)| key.as_str());
    (next(), next(), next()) == (Some("nanos"), Some("secs"), None)
}

/// The types that all of the rules together take.
pub(crate) fn types(rules: &Rules, ids: &[Id]) -> Types {
    ids.iter().map(|id| rules.types(*id)).fold(Types::ANY, Types::and)
}

/// The phrase, from what says most: own words, an address, choices, alternatives, types with
/// limits.
fn text(rules: &Rules, ids: &[Id], with_limits: bool) -> String {
    let all = closure(rules, ids);
    let involved = || all.iter().map(|id| rules.get(*id));
    if let Some(expected) = involved().find_map(|rule| rule.expected.clone()) {
        return expected;
    }
    if let Some(address) = involved().find_map(|rule| address(&rule.format)) {
        return address.to_owned();
    }
    if let Some(choices) = involved().find_map(|rule| rule.choices.as_ref()) {
        return one_of(&self::choices(choices));
    }
    if is_std_duration(rules, &all) {
        return STD_DURATION.to_owned();
    }
    let types = types(rules, ids).without(Types::NULL);
    if let Some(group) = involved().flat_map(|rule| &rule.groups).next()
        && types != Types::OBJECT
    {
        return forms(rules, &group.ids, with_limits);
    }
    let merged = Limits::of(involved());
    simple(types, &merged, with_limits)
}

/// The alternatives, texts gathered: "one of a, b, or a map".
///
/// Equal forms are told once, and past a few the rest is "another form".
fn forms(rules: &Rules, ids: &[Id], with_limits: bool) -> String {
    let mut texts = Vec::new();
    let mut forms: Vec<String> = Vec::new();
    for id in ids.iter().filter(|id| rules.types(**id) != Types::NULL) {
        match rules.texts(*id) {
            Some(known) => texts.extend(known.into_iter().map(str::to_owned)),
            None => {
                let form = text(rules, &[*id], with_limits);
                if !forms.contains(&form) {
                    forms.push(form);
                }
            }
        }
    }
    if !texts.is_empty() {
        forms.insert(0, one_of(&texts));
    }
    if forms.len() > MAX_FORMS {
        forms.truncate(MAX_FORMS);
        forms.push("another form".to_owned());
    }
    forms.join(" or ")
}

/// Few choices are named; many are listed elsewhere in the report.
fn one_of(choices: &[String]) -> String {
    match choices {
        [only] => format!("`{only}`"),
        several if several.len() <= 8 => format!("one of {}", several.join(", ")),
        _ => "one of the valid values".to_owned(),
    }
}

/// The limits of several rules together.
///
/// What several rules say together; of two limits the last one seen counts.
#[derive(Default)]
struct Limits {
    low: Option<f64>,
    high: Option<f64>,
    above: Option<f64>,
    below: Option<f64>,
    multiple_of: Option<f64>,
    min_length: Option<usize>,
    max_length: Option<usize>,
    min_items: Option<usize>,
    max_items: Option<usize>,
    pattern: Option<String>,
    free_keys: bool,
}

// === impl Limits ===

impl Limits {
    fn of(rules: impl Iterator<Item = impl std::ops::Deref<Target = Rule>>) -> Self {
        rules.fold(Self::default(), |so_far, rule| Self {
            low: rule.minimum.or_else(|| small_range(&rule.format).map(|r| r.0)).or(so_far.low),
            high: rule.maximum.or_else(|| small_range(&rule.format).map(|r| r.1)).or(so_far.high),
            above: rule.above.or(so_far.above),
            below: rule.below.or(so_far.below),
            multiple_of: rule.multiple_of.or(so_far.multiple_of),
            min_length: rule.min_length.or(so_far.min_length),
            max_length: rule.max_length.or(so_far.max_length),
            min_items: rule.min_items.or(so_far.min_items),
            max_items: rule.max_items.or(so_far.max_items),
            pattern: rule.pattern().map(|it| it.as_str().to_owned()).or(so_far.pattern),
            free_keys: so_far.free_keys || matches!(rule.free_keys, FreeKeys::Some(_)),
        })
    }

    fn numbers(&self) -> String {
        let mut text = match (self.low, self.high) {
            (Some(low), Some(high)) => format!(" from {low} to {high}"),
            (Some(low), None) => format!(" of at least {low}"),
            (None, Some(high)) => format!(" of at most {high}"),
            (None, None) => String::new(),
        };
        if let Some(above) = self.above {
            text.push_str(&format!(" greater than {above}"));
        }
        if let Some(below) = self.below {
            text.push_str(&format!(" less than {below}"));
        }
        if let Some(step) = self.multiple_of {
            text.push_str(&format!(", a multiple of {step}"));
        }
        text
    }

    fn characters(&self) -> String {
        let length = size(self.min_length, self.max_length, "character");
        match &self.pattern {
            Some(pattern) => format!("{length} that matches {pattern}"),
            None => length,
        }
    }
}

/// "of at least 2 items"; nothing if there is no limit.
fn size(min: Option<usize>, max: Option<usize>, unit: &str) -> String {
    let s = |n: usize| if n == 1 { "" } else { "s" };
    match (min, max) {
        (Some(1), Some(1)) => format!(" of exactly one {unit}"),
        (Some(min), Some(max)) if min == max => format!(" of exactly {min} {unit}s"),
        (Some(min), Some(max)) => format!(" of {min} to {max} {unit}s"),
        (Some(min), None) => format!(" of at least {min} {unit}{}", s(min)),
        (None, Some(max)) => format!(" of at most {max} {unit}{}", s(max)),
        (None, None) => String::new(),
    }
}

/// Types and limits, in a phrase.
fn simple(types: Types, limits: &Limits, with_limits: bool) -> String {
    let limit = |text: String| if with_limits { text } else { String::new() };
    let mut forms = Vec::new();
    if types.has(Types::NUMBER) {
        forms.push(format!("a number{}", limit(limits.numbers())));
    } else if types.has(Types::WHOLE) {
        forms.push(format!("a whole number{}", limit(limits.numbers())));
    }
    if types.has(Types::BOOL) {
        forms.push("true or false".to_owned());
    }
    if types.has(Types::TEXT) {
        forms.push(format!("text{}", limit(limits.characters())));
    }
    if types.has(Types::LIST) {
        forms.push(format!("a list{}", limit(size(limits.min_items, limits.max_items, "item"))));
    }
    if types.has(Types::OBJECT) {
        forms.push("a map".to_owned());
    }
    match forms.len() {
        0 => NOTHING.to_owned(),
        5 => "any value".to_owned(),
        _ => forms.join(" or "),
    }
}

/// The range of a small whole number, which people can read.
fn small_range(format: &str) -> Option<(f64, f64)> {
    match format {
        "int8" => Some((i8::MIN.into(), i8::MAX.into())),
        "int16" => Some((i16::MIN.into(), i16::MAX.into())),
        "int32" => Some((i32::MIN.into(), i32::MAX.into())),
        "uint8" => Some((0.0, u8::MAX.into())),
        "uint16" => Some((0.0, u16::MAX.into())),
        "uint32" => Some((0.0, u32::MAX.into())),
        _ => None,
    }
}

/// The exact range of a whole number's format.
///
/// `None` for formats that are no integers.
pub(crate) fn range(format: &str) -> Option<(i128, u128)> {
    let signed = |min: i128, max: i128| Some((min, max.unsigned_abs()));
    match format {
        "int8" => signed(i8::MIN.into(), i8::MAX.into()),
        "int16" => signed(i16::MIN.into(), i16::MAX.into()),
        "int32" => signed(i32::MIN.into(), i32::MAX.into()),
        "int64" | "int" => signed(i64::MIN.into(), i64::MAX.into()),
        "int128" => signed(i128::MIN, i128::MAX),
        "uint8" => Some((0, u8::MAX.into())),
        "uint16" => Some((0, u16::MAX.into())),
        "uint32" => Some((0, u32::MAX.into())),
        "uint64" | "uint" => Some((0, u64::MAX.into())),
        "uint128" => Some((0, u128::MAX)),
        _ => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "limits in a schema are floats; formats are exact")]
fn wrong_whole(rule: &Rule, number: i128) -> Option<String> {
    let range = rule.range;
    if let Some((min, _)) = range.filter(|(min, _)| number < *min) {
        return Some(format!(
            "is less than {}",
            rule.minimum.map_or(min.to_string(), |m| m.to_string())
        ));
    }
    if let Some((_, max)) = range.filter(|(_, max)| number > 0 && number.unsigned_abs() > *max) {
        return Some(format!(
            "is greater than {}",
            rule.maximum.map_or(max.to_string(), |m| m.to_string())
        ));
    }
    wrong_number(rule, number as f64)
}

#[expect(clippy::cast_precision_loss, reason = "limits in a schema are floats; formats are exact")]
fn wrong_huge(rule: &Rule, number: u128) -> Option<String> {
    match rule.range.filter(|(_, max)| number > *max) {
        Some((_, max)) => Some(format!("is greater than {max}")),
        None => wrong_number(rule, number as f64),
    }
}

fn wrong_number(rule: &Rule, number: f64) -> Option<String> {
    if rule.format == duration::FORMAT && number != 0.0 {
        return Some(format!("is not {}", duration::EXPECTED));
    }
    // It compares with nothing, so no limit below would find it.
    if number.is_nan() && has_limits(rule) {
        return Some("is not a number that can be compared".to_owned());
    }
    if let Some(min) = rule.minimum.filter(|min| number < *min) {
        return Some(format!("is less than {min}"));
    }
    if let Some(max) = rule.maximum.filter(|max| number > *max) {
        return Some(format!("is greater than {max}"));
    }
    if let Some(above) = rule.above.filter(|above| number <= *above) {
        return Some(format!("is not greater than {above}"));
    }
    if let Some(below) = rule.below.filter(|below| number >= *below) {
        return Some(format!("is not less than {below}"));
    }
    let step = rule.multiple_of.filter(|step| {
        let times = number / step;
        !times.is_finite() || (times - times.round()).abs() > 1e-9
    })?;
    Some(format!("is not a multiple of {step}"))
}

fn has_limits(rule: &Rule) -> bool {
    [rule.minimum, rule.maximum, rule.above, rule.below, rule.multiple_of]
        .iter()
        .any(Option::is_some)
}

fn wrong_text(rule: &Rule, text: &str) -> Option<String> {
    let length = || text.chars().count();
    if let Some(min) = rule.min_length.filter(|min| length() < *min) {
        let unit = if min == 1 { "character" } else { "characters" };
        return Some(match &rule.expected {
            Some(expected) => format!("is not {expected}"),
            None => format!("is shorter than {min} {unit}"),
        });
    }
    if let Some(max) = rule.max_length.filter(|max| length() > *max) {
        let unit = if max == 1 { "character" } else { "characters" };
        return Some(format!("is longer than {max} {unit}"));
    }
    if rule.format == duration::FORMAT && text.parse::<HumanDuration>().is_err() {
        return Some(format!("is not {}", duration::EXPECTED));
    }
    if let Some(expected) = wrong_address(&rule.format, text) {
        return Some(format!("is not {expected}"));
    }
    let pattern = rule.pattern().filter(|pattern| !pattern.is_match(text))?;
    Some(match &rule.expected {
        Some(expected) => format!("is not {expected}"),
        None => format!("does not match {}", pattern.as_str()),
    })
}

/// Whether texts of a format are checked for their form.
pub(crate) fn has_form(format: &str) -> bool {
    format == duration::FORMAT || address(format).is_some()
}

/// The name of an address format.
fn address(format: &str) -> Option<&'static str> {
    match format {
        "ip" => Some("an IP address"),
        "ipv4" => Some("an IPv4 address"),
        "ipv6" => Some("an IPv6 address"),
        _ => None,
    }
}

/// What an address should be, if it is none.
fn wrong_address(format: &str, text: &str) -> Option<&'static str> {
    let fine = match format {
        "ip" => text.parse::<IpAddr>().is_ok(),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        _ => true,
    };
    if fine { None } else { address(format) }
}

#[expect(clippy::cast_precision_loss, reason = "choices in a schema are floats")]
fn is_choice(choice: &Value, scalar: &Scalar<'_>) -> bool {
    match (choice, scalar) {
        (Value::Null, Scalar::Null) => true,
        (Value::Bool(a), Scalar::Bool(b)) => a == b,
        (Value::String(a), Scalar::Text(b)) => a == b,
        (Value::Number(a), Scalar::Whole(b)) => {
            a.as_i64().is_some_and(|a| i128::from(a) == *b)
                || a.as_u64().is_some_and(|a| i128::from(a) == *b)
        }
        (Value::Number(a), Scalar::Float(b)) => a.as_f64() == Some(*b),
        (Value::Number(a), Scalar::Huge(b)) => a.as_f64() == Some(*b as f64),
        _ => false,
    }
}
