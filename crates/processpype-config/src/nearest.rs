//! The nearest known word to a misspelt one.
//!
//! # Invariant
//!
//! A far-fetched suggestion is worse than none: at most a third of the letters may differ.
//!
//! # How near is near
//!
//! The distance is Damerau and Levenshtein's, since most misspellings are one letter too many, too
//! few, wrong, or two in the wrong order. Before comparing, words are made plain: lower case, `-`
//! as `_`. A third of the letters, rounded up, may differ; so `prot` finds `port`, and `zebra`
//! finds nothing. Words beyond a bound are not compared: the cost is the product of both lengths.

/// Letters beyond which a word is not compared at all.
const MAX_WORD: usize = 64;

/// Returns the known word that `word` most probably meant.
///
/// Distance counts insertions, deletions, replacements and swaps of neighbours; case and the
/// difference between `-` and `_` cost nothing. Of equally near words the first wins.
///
/// # Example
///
/// ```
/// # mod processpype { pub use processpype_config as config; }
/// use processpype::config::nearest;
///
/// assert_eq!(nearest("prot", ["host", "port"]), Some("port"));
/// assert_eq!(nearest("zebra", ["host", "port"]), None);
/// ```
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut known = known.into_iter();
    among(word, &mut || known.next())
}

/// The search is the same for every list, so that no list brings a copy of it.
fn among<'a>(word: &str, next: &mut dyn FnMut() -> Option<&'a str>) -> Option<&'a str> {
    if word.len() > MAX_WORD {
        return None;
    }
    let plain = plain(word);
    let mut best: Option<(usize, &str)> = None;
    for candidate in std::iter::from_fn(next).filter(|c| c.len() <= MAX_WORD) {
        let distance = strsim::damerau_levenshtein(&plain, &self::plain(candidate));
        if distance <= allowed(&plain) && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// The form in which words are compared.
pub(crate) fn plain(word: &str) -> String {
    word.to_lowercase().replace('-', "_")
}

/// How many letters may differ: a third, but at least one.
fn allowed(word: &str) -> usize {
    let letters = word.chars().count();
    if letters < 3 { 1 } else { letters.div_ceil(3) }
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[track_caller]
    fn check(word: &str, known: &[&str], expected: Option<&str>) {
        assert_eq!(nearest(word, known.iter().copied()), expected);
    }

    #[test]
    fn swaps_case_and_dashes_are_near() {
        check("hsot", &["port", "host"], Some("host"));
        check("Log-Level", &["log_level"], Some("log_level"));
        check("interval", &["interval_ms", "sink"], Some("interval_ms"));
    }

    #[test]
    fn strangers_are_not_suggested() {
        check("x", &["port", "host"], None);
        check("password", &["port", "host"], None);
        check("", &["port"], None);
    }
}
