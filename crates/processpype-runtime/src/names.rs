//! Services by name, while an application is put together.
//!
//! # Invariants
//!
//! 1. They are in the order of their keys: names that cannot stand in one application are
//!    neighbours.
//!
//! Specifications come in the order of names, which is nearly that of keys, so putting them in
//! order is one pass over them.

use std::cmp::Ordering;

use processpype_core::{ServiceId, ServiceName, each, sort, sort_by};

/// The names of all services, with their ids.
#[derive(Debug)]
pub(crate) struct Names(Vec<(ServiceName, ServiceId)>);

// === impl Names ===

impl Names {
    /// Puts names in order; each has the id of its place.
    pub(crate) fn of(names: impl Iterator<Item = ServiceName>) -> Self {
        let mut all: Vec<_> = names.zip((0..).map(ServiceId)).collect();
        sort_by(&mut all, |(one, _), (other, _)| order(one.as_str(), other.as_str()));
        Self(all)
    }

    pub(crate) fn get(&self, name: &str) -> Option<ServiceId> {
        let place = self.0.binary_search_by(|(other, _)| order(other.as_str(), name)).ok()?;
        Some(self.0[place].1)
    }

    /// Lists the names in alphabetical order.
    pub(crate) fn sorted(&self) -> Vec<&str> {
        let mut names: Vec<&str> = each(&self.0, |(name, _)| name.as_str());
        sort(&mut names);
        names
    }

    /// Returns each name that cannot stand beside the one before it.
    pub(crate) fn clashes(&self) -> impl Iterator<Item = (&ServiceName, &ServiceName)> {
        let pairs = self.0.windows(2).map(|pair| (&pair[0].0, &pair[1].0));
        pairs.filter(|(one, other)| key(one.as_str()).eq(key(other.as_str())))
    }
}

/// The bytes of [`ServiceName::key`], without the text.
fn key(name: &str) -> impl Iterator<Item = u8> {
    name.bytes().map(|byte| if byte == b'-' { b'_' } else { byte })
}

fn order(one: &str, other: &str) -> Ordering {
    key(one).cmp(key(other)).then_with(|| one.cmp(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_and_clashes_told() {
        let names = ["b", "a_b", "a-c", "a-b", "a", "b"].map(|name| name.parse().expect("a name"));
        let all = Names::of(names.iter().cloned());
        for name in ["a", "a-b", "a_b", "a-c"] {
            let found = all.get(name).expect("it is there");
            assert_eq!(names[found.index()].as_str(), name);
        }
        assert_eq!(all.get("a_c"), None, "a key is no name");
        let clashes = all.clashes().map(|(one, other)| (one.as_str(), other.as_str()));
        assert_eq!(clashes.collect::<Vec<_>>(), [("a-b", "a_b"), ("b", "b")]);
        assert_eq!(all.sorted(), ["a", "a-b", "a-c", "a_b", "b", "b"]);
        for name in &names {
            assert!(key(name.as_str()).eq(name.key().bytes()), "{name}");
        }
    }
}
