//! Lists that have others in them.

/// Makes one list of two.
///
/// # Panics
///
/// When compiled: if they do not have `N` members together.
pub(super) const fn both<T: Copy, const N: usize>(one: &[T], other: &[T]) -> [T; N] {
    assert!(one.len() + other.len() == N, "the length of the list says how many members it has");
    let (mut all, mut i) = ([one[0]; N], 0);
    while i < N {
        all[i] = if i < one.len() { one[i] } else { other[i - one.len()] };
        i += 1;
    }
    all
}
