//! Reading a section: what is written goes over what holds without it.
//!
//! # Invariants
//!
//! 1. The schema has accepted every value before it is read, and a key of the user's own is passed
//!    over; so nothing here tells of mistakes but what a value's own type tells.
//!
//! serde's derive reads each field into an option of its own, and asks for the names by a type of
//! its own, which is three times the code of this.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

/// A section whose keys may all be left out.
pub(crate) trait Section: Default {
    /// The names of its keys.
    const KEYS: &'static [&'static str];

    /// Reads the value of one of its keys over what it holds.
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, from: &mut A) -> Result<(), A::Error>;
}

/// Lets serde read a [`Section`] whose keys are its fields.
macro_rules! section {
    ($type:ty { $($field:ident $(by $read:ident)?),* $(,)? }) => {
        impl $crate::settings::section::Section for $type {
            const KEYS: &'static [&'static str] = &[$(stringify!($field)),*];

            fn read<'de, A: serde::de::MapAccess<'de>>(
                &mut self,
                key: &str,
                from: &mut A,
            ) -> Result<(), A::Error> {
                // Every field is named, or this does not compile.
                let Self { $($field),* } = self;
                match key {
                    $(stringify!($field) => *$field = section!(@value from $($read)?),)*
                    _ => {}
                }
                Ok(())
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                $crate::settings::section::read(from)
            }
        }
    };
    (@value $from:ident) => { $from.next_value()? };
    (@value $from:ident entries) => {
        $from.next_value::<$crate::settings::entries::Read<_>>()?.0
    };
}

pub(crate) use section;

struct Filled<S>(S);

/// Which of so many keys a key is.
struct KeyOf(&'static [&'static str]);

/// Reads a section that begins as its default.
pub(crate) fn read<'de, D: Deserializer<'de>, S: Section>(from: D) -> Result<S, D::Error> {
    from.deserialize_struct("section", S::KEYS, Filled(S::default()))
}

// === impl Filled ===

impl<'de, S: Section> Visitor<'de> for Filled<S> {
    type Value = S;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut from: A) -> Result<S, A::Error> {
        while let Some(key) = from.next_key_seed(KeyOf(S::KEYS))? {
            match key {
                Some(key) => self.0.read(key, &mut from)?,
                None => {
                    from.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(self.0)
    }
}

// === impl KeyOf ===

impl<'de> DeserializeSeed<'de> for KeyOf {
    type Value = Option<&'static str>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_identifier(self)
    }
}

impl Visitor<'_> for KeyOf {
    type Value = Option<&'static str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().find(|known| **known == key).copied())
    }
}
