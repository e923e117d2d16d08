//! How serde goes through lists and maps.
//!
//! serde makes a copy of each method here for every type that is read. So a method does by itself
//! only what depends on the type, and calls what is the same for all; that is also why errors are
//! matched instead of mapped: a closure would be one more function for each type.
//!
//! # Invariants
//!
//! 1. An error that passes learns its place, if nothing further in knew it, and then the index or
//!    the key that it came from.

use std::borrow::Cow;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess};

use super::{De, Error, Typed};
use crate::key::Key;

/// The items of a list.
///
/// Gives each error that passes the index that it came from.
pub(super) struct Items<'t, 'a> {
    items: &'t [Typed<'a>],
    next: usize,
}

impl<'t, 'a> Items<'t, 'a> {
    /// At the first item.
    pub(super) fn of(items: &'t [Typed<'a>]) -> Self {
        Self { items, next: 0 }
    }

    /// What becomes of an error of the item that was read last.
    fn passed(&self, error: Error) -> Error {
        let at = self.next - 1;
        self.items[at].locate(error).below(at.to_string())
    }
}

impl<'de> SeqAccess<'de> for Items<'_, '_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some(item) = self.items.get(self.next) else { return Ok(None) };
        self.next += 1;
        match seed.deserialize(De(item)) {
            Ok(read) => Ok(Some(read)),
            Err(error) => Err(self.passed(error)),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len() - self.next)
    }
}

/// The entries of a map; also the one variant of an enum.
///
/// Gives each error that passes the key that it came from.
pub(super) struct Entries<'t, 'a> {
    entries: &'t [(Cow<'a, str>, Typed<'a>)],
    next: usize,
}

impl<'t, 'a> Entries<'t, 'a> {
    /// At the first entry.
    pub(super) fn of(entries: &'t [(Cow<'a, str>, Typed<'a>)]) -> Self {
        Self { entries, next: 0 }
    }

    /// The value of the key that was read last; none if serde asks for more than there are.
    fn value(&mut self) -> Result<De<'t, 'a>, Error> {
        let Some((_, value)) = self.entries.get(self.next) else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        self.next += 1;
        Ok(De(value))
    }

    /// What becomes of an error of the value that was read last.
    fn passed(&self, error: Error) -> Error {
        let (key, value) = &self.entries[self.next - 1];
        value.locate(error).below(key.as_ref())
    }
}

impl<'de> MapAccess<'de> for Entries<'_, '_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        match self.entries.get(self.next) {
            Some((key, _)) => seed.deserialize(Key(key)).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        let value = self.value()?;
        match seed.deserialize(value) {
            Ok(read) => Ok(read),
            Err(error) => Err(self.passed(error)),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len() - self.next)
    }
}
