//! Sorting, with little code for each type.

use std::cmp::Ordering;

/// Sorts as [`slice::sort_by`] does: what is equal stays in its order.
///
/// The standard library compiles its whole sort anew for each type and each comparison, some 2,800
/// lines of LLVM where nothing is inlined. Here places are sorted, by code that is compiled once.
/// It takes a list of places besides, and a call through a pointer for each comparison, so a hot
/// path sorts by itself.
///
/// ```
/// let mut words = ["three", "one", "two", "six"];
/// processpype_core::sort_by(&mut words, |one, other| one.len().cmp(&other.len()));
/// assert_eq!(words, ["one", "two", "six", "three"]);
/// ```
pub fn sort_by<T>(items: &mut [T], mut compare: impl FnMut(&T, &T) -> Ordering) {
    let swaps = swaps(items.len(), &mut |one, other| compare(&items[one], &items[other]));
    for (one, other) in swaps {
        items.swap(one, other);
    }
}

/// Sorts by the order of the type itself; see [`sort_by`].
///
/// ```
/// let mut words = vec!["web", "api", "db"];
/// processpype_core::sort(&mut words);
/// assert_eq!(words, ["api", "db", "web"]);
/// ```
pub fn sort<T: Ord>(items: &mut [T]) {
    sort_by(items, T::cmp);
}

/// Returns what to swap, in turn, so that what stands in so many places is sorted.
fn swaps(len: usize, compare: &mut dyn FnMut(usize, usize) -> Ordering) -> Vec<(usize, usize)> {
    let mut order: Vec<usize> = (0..len).collect();
    order.sort_by(|&one, &other| compare(one, other));
    let mut swaps = Vec::new();
    for first in 0..len {
        // What belongs here stands at the next place of this cycle, until that is the first.
        let mut here = first;
        loop {
            let next = std::mem::replace(&mut order[here], here);
            if next == first || next == here {
                break;
            }
            swaps.push((here, next));
            here = next;
        }
    }
    swaps
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::{sort, sort_by, swaps};

    proptest! {
        #[test]
        fn it_sorts_as_the_standard_library_does(items in vec(any::<(u8, u8)>(), 0..200)) {
            let (mut ours, mut theirs) = (items.clone(), items.clone());
            sort_by(&mut ours, |one, other| (one.0 % 8).cmp(&(other.0 % 8)));
            theirs.sort_by_key(|it| it.0 % 8);
            prop_assert_eq!(&ours, &theirs);
            sort(&mut ours);
            theirs.sort();
            prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn what_is_sorted_is_left_alone() {
        assert_eq!(swaps(1000, &mut |one, other| one.cmp(&other)), []);
    }
}
