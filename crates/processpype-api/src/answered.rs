//! Reading what an application answered, from a tree of JSON.
//!
//! serde makes a reader of every type for every deserializer, each of which tries a structure as a
//! list as well and a word as a number. Here a type asks an object for its fields, and what is the
//! same for all of them is compiled once.
//!
//! # Invariants
//!
//! 1. A field that a type does not know is passed over: version 1 only grows.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{Error as _, Unexpected};
use serde_json::{Error, Map, Value};

/// What can be read from JSON that an application answered.
///
/// The types of answers implement [`Deserialize`] by this; who has the tree already reads it
/// directly.
///
/// ```
/// use processpype_api::{Answered, Lagged};
///
/// let lagged = Lagged::read(serde_json::json!({ "lost": 3, "newer": true }))?;
/// assert_eq!(lagged.lost, 3);
/// let error = Lagged::read(serde_json::json!({})).expect_err("it lacks a field");
/// assert_eq!(error.to_string(), "missing field `lost`");
/// # Ok::<(), serde_json::Error>(())
/// ```
pub trait Answered: Sized {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// Says what stands where something else was expected.
    fn read(json: Value) -> Result<Self, Error>;

    /// Returns what a field of this type is that is not there, if it need not be.
    #[must_use]
    fn absent() -> Option<Self> {
        None
    }
}

/// The fields of an object that is read.
///
/// ```
/// use processpype_api::Fields;
///
/// let mut fields = Fields::of(serde_json::json!({ "code": "busy" }), "a problem")?;
/// assert_eq!(fields.take::<String>("code")?, "busy");
/// assert_eq!(fields.take::<Option<String>>("help")?, None);
/// assert_eq!(fields.take_or("status", 503_u16)?, 503);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug)]
pub struct Fields(Map<String, Value>);

// === impl Fields ===

impl Fields {
    /// Takes an object apart.
    ///
    /// # Errors
    ///
    /// Says what was `expected` if it is none.
    pub fn of(json: Value, expected: &str) -> Result<Self, Error> {
        match json {
            Value::Object(it) => Ok(Self(it)),
            other => Err(unexpected(&other, expected)),
        }
    }

    /// Takes a field out.
    ///
    /// # Errors
    ///
    /// Says which field is missing, or what stands in it.
    pub fn take<T: Answered>(&mut self, name: &'static str) -> Result<T, Error> {
        match self.0.remove(name) {
            Some(json) => T::read(json),
            None => T::absent().ok_or_else(|| Error::missing_field(name)),
        }
    }

    /// Returns what was not taken, for the type that is written into this one.
    pub(crate) fn rest(self) -> Value {
        Value::Object(self.0)
    }

    /// Takes a field out; it is `absent` if it is not there.
    ///
    /// # Errors
    ///
    /// Says what stands in it.
    pub fn take_or<T: Answered>(&mut self, name: &str, absent: T) -> Result<T, Error> {
        match self.0.remove(name) {
            Some(json) => T::read(json),
            None => Ok(absent),
        }
    }
}

// === impl Answered ===

/// Reads a structure by the names of its fields; one that need not be there has what it is then.
macro_rules! answered {
    ($name:ident { $($field:ident $(: $absent:expr)?),* $(,)? }) => {
        impl crate::answered::Answered for $name {
            fn read(json: serde_json::Value) -> Result<Self, serde_json::Error> {
                let expected = concat!("struct ", stringify!($name));
                let mut fields = crate::answered::Fields::of(json, expected)?;
                Ok(Self { $($field: crate::answered::field!(fields, $field $(, $absent)?)),* })
            }
        }

        crate::answered::deserialize!($name);
    };
}

/// Reads a word by its variants.
macro_rules! words {
    ($name:ident { $($variant:ident: $word:literal),* $(,)? }) => {
        impl crate::answered::Answered for $name {
            fn read(json: serde_json::Value) -> Result<Self, serde_json::Error> {
                match &*crate::answered::word(json, concat!("enum ", stringify!($name)))? {
                    $($word => Ok(Self::$variant),)*
                    other => Err(crate::answered::unknown(other, &[$($word),*])),
                }
            }
        }

        crate::answered::deserialize!($name);
    };
}

macro_rules! field {
    ($fields:ident, $field:ident) => {
        $fields.take(stringify!($field))?
    };
    ($fields:ident, $field:ident, $absent:expr) => {
        $fields.take_or(stringify!($field), $absent)?
    };
}

/// Lets serde read what is [`Answered`], by way of the tree.
macro_rules! deserialize {
    ($name:ident) => {
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let json = serde_json::Value::deserialize(from)?;
                crate::answered::Answered::read(json).map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use {answered, deserialize, field, words};

/// Returns the text of a word.
pub(crate) fn word(json: Value, expected: &str) -> Result<String, Error> {
    match json {
        Value::String(it) => Ok(it),
        other => Err(unexpected(&other, expected)),
    }
}

/// Says that a word is none of those that there are.
pub(crate) fn unknown(word: &str, words: &'static [&'static str]) -> Error {
    Error::unknown_variant(word, words)
}

/// Says what stands where something else was expected.
fn unexpected(value: &Value, expected: &str) -> Error {
    let kind = match value {
        Value::Null => Unexpected::Other("null"),
        Value::Bool(it) => Unexpected::Bool(*it),
        Value::Number(_) => Unexpected::Other("number"),
        Value::String(_) => Unexpected::Other("text"),
        Value::Array(_) => Unexpected::Seq,
        Value::Object(_) => Unexpected::Map,
    };
    Error::invalid_type(kind, &expected)
}

impl Answered for Value {
    fn read(json: Value) -> Result<Self, Error> {
        Ok(json)
    }
}

impl Answered for String {
    fn read(json: Value) -> Result<Self, Error> {
        word(json, "a string")
    }
}

/// Numbers and `bool` are what serde says they are.
macro_rules! plain {
    ($($name:ident)*) => {
        $(impl Answered for $name {
            fn read(json: Value) -> Result<Self, Error> {
                Self::deserialize(json)
            }
        })*
    };
}

plain!(bool u16 u32 u64 f64);

impl<T: Answered> Answered for Option<T> {
    fn read(json: Value) -> Result<Self, Error> {
        if json.is_null() { Ok(None) } else { T::read(json).map(Some) }
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: Answered> Answered for Vec<T> {
    fn read(json: Value) -> Result<Self, Error> {
        let items = match json {
            Value::Array(it) => it,
            other => return Err(unexpected(&other, "a sequence")),
        };
        let mut read = Self::with_capacity(items.len());
        for item in items {
            read.push(T::read(item)?);
        }
        Ok(read)
    }
}

impl<T: Answered> Answered for BTreeMap<String, T> {
    fn read(json: Value) -> Result<Self, Error> {
        let entries = match json {
            Value::Object(it) => it,
            other => return Err(unexpected(&other, "a map")),
        };
        let mut read = Self::new();
        for (key, value) in entries {
            read.insert(key, T::read(value)?);
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use serde::Serialize;
    use serde_json::json;

    use super::*;
    use crate::{
        ApplicationState, CommandAnswer, ConfigAnswer, ConfigChange, ConfigEffect, Desired,
        Diagnosis, Effect, LogLevel, OperationState, ServiceState, StepAction, Timestamp, Would,
    };

    /// Reads each of the words, and writes it again.
    #[track_caller]
    fn words<T: Answered + Serialize + Debug>(words: &[&str]) {
        for &word in words {
            let read = T::read(json!(word)).expect("it is one of the words");
            assert_eq!(serde_json::to_value(&read).expect("it can be written"), word);
        }
        let error = T::read(json!("else")).expect_err("it is none of them").to_string();
        let count = error.matches('`').count() / 2 - 1;
        assert_eq!(count, words.len(), "{error}");
    }

    #[test]
    fn every_word_is_read_as_it_is_written() {
        words::<ApplicationState>(&["starting", "running", "stopping", "stopped"]);
        words::<ConfigChange>(&["added", "removed", "changed"]);
        words::<ConfigEffect>(&[
            "unchanged",
            "applied",
            "restarted",
            "started",
            "stopped",
            "kept",
            "offered",
            "joined",
            "left",
        ]);
        words::<Desired>(&["stopped", "running"]);
        words::<Effect>(&["started", "stopped", "restarted", "registered", "deregistered"]);
        words::<LogLevel>(&["off", "error", "warn", "info", "debug", "trace"]);
        words::<OperationState>(&[
            "waiting",
            "done",
            "failed",
            "superseded",
            "cancelled",
            "refused",
        ]);
        words::<ServiceState>(&["stopped", "starting", "running", "stopping", "error"]);
        words::<StepAction>(&["stop", "start"]);
        words::<Would>(&["succeed", "wait", "refuse"]);
    }

    #[test]
    fn a_field_that_need_not_be_there_has_what_it_is_then() {
        let diagnosis = Diagnosis::read(json!({ "findings": [] })).expect("it is one");
        assert!(diagnosis.application.is_empty());
        let answer = json!({ "would": "kept", "service": "db", "differences": [] });
        let foreseen = ConfigAnswer::read(answer).expect("it is one");
        assert!(matches!(foreseen, ConfigAnswer::Foreseen(_)), "{foreseen:?}");
    }

    #[track_caller]
    fn refused<T: Answered + Debug>(json: Value, expected: &str) {
        assert_eq!(T::read(json).expect_err("it is refused").to_string(), expected);
    }

    #[test]
    fn what_stands_in_the_wrong_place_is_named() {
        refused::<CommandAnswer>(
            json!({ "would": 1 }),
            "invalid type: number, expected enum Would",
        );
        refused::<CommandAnswer>(json!({}), "missing field `operation`");
        refused::<CommandAnswer>(json!(["a"]), "invalid type: sequence, expected struct Commanded");
        refused::<Timestamp>(json!("soon"), "`soon` is no time");
        refused::<Vec<u64>>(json!([1, -1]), "invalid value: integer `-1`, expected u64");
        refused::<BTreeMap<String, u64>>(json!(null), "invalid type: null, expected a map");
        refused::<bool>(json!("yes"), "invalid type: string \"yes\", expected a boolean");
        refused::<Desired>(json!("up"), "unknown variant `up`, expected `stopped` or `running`");
    }
}
