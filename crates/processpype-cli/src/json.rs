//! Reads what applications answer.
//!
//! All answers are read by one [`Deserializer`], which offers each type what an answer can have for
//! it and no more: a structure is an object and a word is a text. serde makes a reader of every
//! type for every deserializer, and those of `serde_json` try structures as lists and words as
//! objects as well.
//!
//! # Invariants
//!
//! 1. What is read to be shown is clean, keys included; only [`read_as_it_is`] reads the rest.

use serde::de::value::StringDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, Expected, IntoDeserializer,
    MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde_json::{Error, Map, Result, Value};

use crate::clean::cleaned;

/// Reads JSON to be shown, with every text in it clean.
pub(crate) fn read<T: DeserializeOwned>(json: &str) -> Result<T> {
    T::deserialize(Reader { value: serde_json::from_str(json)?, text: cleaned })
}

/// Reads JSON as it is, for who takes care of its texts.
pub(crate) fn read_as_it_is<T: DeserializeOwned>(json: &str) -> Result<T> {
    T::deserialize(Reader { value: serde_json::from_str(json)?, text: |text| text })
}

/// A value that is read.
struct Reader {
    value: Value,
    text: fn(String) -> String,
}

/// The key of an entry: the name of a field, or a text. No answer has other keys.
struct Key(String);

/// The items of a list.
struct Items {
    left: std::vec::IntoIter<Value>,
    text: fn(String) -> String,
}

/// The entries of an object.
struct Entries {
    left: serde_json::map::IntoIter,
    value: Option<Value>,
    text: fn(String) -> String,
}

// === impl Reader ===

impl Reader {
    fn items(&self, items: Vec<Value>) -> Items {
        Items { left: items.into_iter(), text: self.text }
    }

    fn entries(&self, map: Map<String, Value>) -> Entries {
        Entries { left: map.into_iter(), value: None, text: self.text }
    }

    // What follows is the same for all types, so that no type brings a copy of it.

    fn into_items(mut self, expected: &dyn Expected) -> Result<Items> {
        match self.value.take() {
            Value::Array(it) => Ok(self.items(it)),
            other => Err(Error::invalid_type(kind(&other), expected)),
        }
    }

    fn into_entries(mut self, expected: &dyn Expected) -> Result<Entries> {
        match self.value.take() {
            Value::Object(it) => Ok(self.entries(it)),
            other => Err(Error::invalid_type(kind(&other), expected)),
        }
    }

    fn into_text(mut self, expected: &dyn Expected) -> Result<String> {
        match self.value.take() {
            Value::String(it) => Ok((self.text)(it)),
            other => Err(Error::invalid_type(kind(&other), expected)),
        }
    }
}

impl<'de> Deserializer<'de> for Reader {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value> {
        match self.value.take() {
            Value::Null => visitor.visit_unit(),
            Value::Bool(it) => visitor.visit_bool(it),
            Value::Number(it) => it.deserialize_any(visitor),
            Value::String(it) => visitor.visit_string((self.text)(it)),
            Value::Array(it) => visitor.visit_seq(self.items(it)),
            Value::Object(it) => visitor.visit_map(self.entries(it)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let items = self.into_items(&visitor)?;
        visitor.visit_seq(items)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let entries = self.into_entries(&visitor)?;
        visitor.visit_map(entries)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_map(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let text = self.into_text(&visitor)?;
        visitor.visit_string(text)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_string(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let word: StringDeserializer<Error> = self.into_text(&visitor)?.into_deserializer();
        visitor.visit_enum(word)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        tuple tuple_struct identifier
    }
}

/// Says what stands where something else was expected.
fn kind(value: &Value) -> Unexpected<'_> {
    match value {
        Value::Null => Unexpected::Unit,
        Value::Bool(it) => Unexpected::Bool(*it),
        Value::Number(_) => Unexpected::Other("number"),
        Value::String(_) => Unexpected::Other("text"),
        Value::Array(_) => Unexpected::Seq,
        Value::Object(_) => Unexpected::Map,
    }
}

// === impl Key ===

impl<'de> Deserializer<'de> for Key {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_string(self.0)
    }

    /// Every structure brings a copy of this.
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_str(&self.0)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum ignored_any
    }
}

// === impl Items ===

impl Items {
    fn next(&mut self) -> Option<Reader> {
        self.left.next().map(|value| Reader { value, text: self.text })
    }
}

impl<'de> SeqAccess<'de> for Items {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        match self.next() {
            Some(item) => seed.deserialize(item).map(Some),
            None => Ok(None),
        }
    }
}

// === impl Entries ===

impl Entries {
    fn next_key(&mut self) -> Option<Key> {
        let (key, value) = self.left.next()?;
        self.value = Some(value);
        Some(Key((self.text)(key)))
    }

    fn value(&mut self) -> Reader {
        // Serde asks for a value after its key alone.
        Reader { value: self.value.take().unwrap_or_default(), text: self.text }
    }
}

impl<'de> MapAccess<'de> for Entries {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        match self.next_key() {
            Some(key) => seed.deserialize(key).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value> {
        seed.deserialize(self.value())
    }
}

#[cfg(test)]
mod tests {
    use processpype_api::{ErrorReport, Lagged, ServiceDetail, ServiceState};

    use super::*;

    #[test]
    fn every_text_is_clean_whatever_holds_it() {
        let json = r#"{"a\u001b":["\u001b[2J", {"b":"x\ny"}], "c":"\u202e", "d":"ä 1", "e":7}"#;
        let value: Value = read(json).expect("it is JSON");
        let expected =
            r#"{"a\\u{1b}":["\\u{1b}[2J",{"b":"x\\u{a}y"}],"c":"\\u{202e}","d":"ä 1","e":7}"#;
        assert_eq!(value.to_string(), expected);
        let value: Value = read_as_it_is(json).expect("it is JSON");
        assert_eq!(value["a\u{1b}"][0], "\u{1b}[2J");
    }

    #[test]
    fn every_shape_of_an_answer_is_read() {
        let service = r#"{"name": "db", "kind": "db", "state": "error", "metadata": {"a": "b"},
            "error": {"kind": "panic", "message": "no\u001b", "at": "2026-11-26T10:00:00.000Z"},
            "is_configured": true, "enabled": true, "ready": false, "completed": false,
            "generation": 1, "since": "2026-11-26T10:00:00.000Z", "desired": "running",
            "waiting_on": ["x"], "restart": null, "degraded": null, "last_error": null,
            "acted": null, "history": [], "tasks": 3, "newer": {"than": ["this"]}}"#;
        let detail: ServiceDetail = read(service).expect("a service");
        assert_eq!((detail.status.state, detail.tasks), (ServiceState::Error, 3));
        let plain = service.replace("\\u001b", "\\\\u{1b}");
        assert_eq!(detail, serde_json::from_str(&plain).expect("the same"));
        let error: ErrorReport = detail.status.error.expect("an error");
        assert_eq!(error.message, "no\\u{1b}");
    }

    #[track_caller]
    fn refused<T: DeserializeOwned + std::fmt::Debug>(json: &str, expected: &str) {
        assert_eq!(read::<T>(json).expect_err("it is refused").to_string(), expected);
    }

    #[test]
    fn what_an_answer_cannot_be_is_refused() {
        refused::<Lagged>("[1]", "invalid type: sequence, expected struct Lagged");
        refused::<Vec<u64>>("{}", "invalid type: map, expected a sequence");
        refused::<String>("null", "invalid type: null, expected a string");
        refused::<ServiceState>("7", "invalid type: number, expected enum ServiceState");
        refused::<u8>("\"7\"", "invalid type: string \"7\", expected u8");
        refused::<u8>("[", "EOF while parsing a list at line 1 column 1");
    }
}
