//! Maps of names in a section.
//!
//! They have few entries, and as lists they are a tenth of the code of a tree.

use std::fmt;
use std::marker::PhantomData;

use processpype_core::SortedMap;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

struct Entries<V>(PhantomData<V>);

/// Reads a map, for `deserialize_with`.
pub(crate) fn read<'de, D: Deserializer<'de>, V: Deserialize<'de>>(
    from: D,
) -> Result<SortedMap<String, V>, D::Error> {
    from.deserialize_map(Entries(PhantomData))
}

// === impl Entries ===

impl<'de, V: Deserialize<'de>> Visitor<'de> for Entries<V> {
    type Value = SortedMap<String, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
        let mut map = SortedMap::default();
        while let Some((name, value)) = from.next_entry()? {
            map.insert(name, value);
        }
        Ok(map)
    }
}
