//! Few entries in the order of their keys.

use std::borrow::Borrow;

/// A map of few entries in one sorted list.
///
/// It is for what a person writes or a program declares: keys of a section, names of metrics,
/// children of a service. Finding one takes a binary search. Adding one is quick behind the last
/// key and moves all that follow elsewhere, as taking one out does, so what has a hundred thousand
/// entries in any order belongs into a [`BTreeMap`](std::collections::BTreeMap). Each pair of types
/// costs a program a tenth of the code that a `BTreeMap` costs it.
///
/// ```
/// # use processpype_core as processpype;
/// use processpype::SortedMap;
///
/// let mut ages: SortedMap<&str, u32> = [("web", 3), ("api", 1), ("web", 4)].into_iter().collect();
/// *ages.get_or_insert_with("cache", || 0) += 2;
/// assert_eq!(ages.remove("api"), Some(1));
/// assert_eq!(ages.iter().collect::<Vec<_>>(), [(&"cache", &2), (&"web", &4)]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortedMap<K, V>(Vec<(K, V)>);

// === impl SortedMap ===

impl<K, V> SortedMap<K, V> {
    /// Makes an empty map.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Returns how many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the entries in the order of their keys.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> + ExactSizeIterator {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// Returns the entries in the order of their keys, to change the values.
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = (&K, &mut V)> {
        self.0.iter_mut().map(|(key, value)| (&*key, value))
    }

    /// Returns the keys in their order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + ExactSizeIterator {
        self.0.iter().map(|(key, _)| key)
    }

    /// Returns the values in the order of their keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> + ExactSizeIterator {
        self.0.iter().map(|(_, value)| value)
    }

    /// Keeps the entries of which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.0.retain_mut(|(key, value)| keep(key, value));
    }

    /// Returns where the key is, or else where it would be.
    fn place<Q>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        match self.0.last() {
            Some((last, _)) if last.borrow() < key => Err(self.0.len()),
            _ => self.0.binary_search_by(|(one, _)| one.borrow().cmp(key)),
        }
    }

    /// Returns the value of a key.
    #[must_use]
    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.place(key).ok().map(|at| &self.0[at].1)
    }

    /// Returns the value of a key, to change it.
    #[must_use]
    pub fn get_mut<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.place(key).ok().map(|at| &mut self.0[at].1)
    }

    /// Returns the entry of a key, to change its value.
    #[must_use]
    pub fn get_entry_mut<Q>(&mut self, key: &Q) -> Option<(&K, &mut V)>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let (key, value) = self.place(key).ok().map(|at| &mut self.0[at])?;
        Some((key, value))
    }

    /// Returns whether there is an entry with this key.
    #[must_use]
    pub fn contains_key<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.place(key).is_ok()
    }

    /// Takes an entry out and returns its value.
    pub fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.place(key).ok().map(|at| self.0.remove(at).1)
    }
}

impl<K: Ord, V> SortedMap<K, V> {
    /// Adds an entry; returns the value that this key had before.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.place(&key) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, value)),
            Err(at) => {
                self.0.insert(at, (key, value));
                None
            }
        }
    }

    /// Returns the value of a key, which is made if there is none.
    pub fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let at = match self.place(&key) {
            Ok(at) => at,
            Err(at) => {
                self.0.insert(at, (key, make()));
                at
            }
        };
        &mut self.0[at].1
    }
}

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Ord, V> Extend<(K, V)> for SortedMap<K, V> {
    /// Adds the entries; of those with one key the last holds.
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for SortedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::new();
        map.extend(entries);
        map
    }
}

impl<K, V> IntoIterator for SortedMap<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::SortedMap;

    proptest! {
        #[test]
        fn it_does_what_a_tree_does(steps in vec(any::<(u8, u8, u8)>(), 0..200)) {
            let (mut list, mut tree) = (SortedMap::new(), BTreeMap::new());
            for (step, key, value) in steps {
                let key = key % 32;
                match step % 4 {
                    0 | 1 => prop_assert_eq!(list.insert(key, value), tree.insert(key, value)),
                    2 => prop_assert_eq!(list.remove(&key), tree.remove(&key)),
                    _ => {
                        let one = *list.get_or_insert_with(key, || value);
                        prop_assert_eq!(one, *tree.entry(key).or_insert(value));
                    }
                }
                if value == 0 {
                    list.retain(|key, _| key % 2 == 0);
                    tree.retain(|key, _| key % 2 == 0);
                }
                prop_assert_eq!(list.get(&key), tree.get(&key));
                let entry = list.get_entry_mut(&key).map(|(key, value)| (*key, *value));
                prop_assert_eq!(entry, tree.get_key_value(&key).map(|(key, value)| (*key, *value)));
                prop_assert_eq!(list.contains_key(&key), tree.contains_key(&key));
                prop_assert_eq!(list.len(), tree.len());
                prop_assert_eq!(list.iter().collect::<Vec<_>>(), tree.iter().collect::<Vec<_>>());
            }
            let again: SortedMap<u8, u8> = tree.into_iter().rev().collect();
            prop_assert_eq!(again, list);
        }
    }
}
