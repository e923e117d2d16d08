//! The places within a document that a link can lead to.
//!
//! # Invariants
//!
//! 1. A heading has the anchor that GitHub gives it: in lower case, blanks as `-`, without what is
//!    neither letter, digit, `-` nor `_`; the second of one text ends in `-1`.
//! 2. What stands in fenced code is no heading.

use std::collections::{BTreeMap, BTreeSet};

/// Returns every anchor of a document: those of its headings, and `<a id="…">`.
pub(crate) fn anchors(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    let mut fenced = false;
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        if fenced {
            continue;
        }
        found.extend(line.split("<a id=\"").skip(1).filter_map(named));
        let Some(slug) = heading(line).map(slug) else { continue };
        let before = times.entry(slug.clone()).or_default();
        found.insert(if *before == 0 { slug } else { format!("{slug}-{before}") });
        *before += 1;
    }
    found
}

fn named(after: &str) -> Option<String> {
    after.split_once('"').map(|(name, _)| name.to_owned())
}

/// The text behind the marks of a heading.
fn heading(line: &str) -> Option<&str> {
    line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#'))
}

fn slug(heading: &str) -> String {
    let kept = without_targets(heading).trim().to_lowercase();
    let kept = kept.chars().filter(|it| it.is_alphanumeric() || " -_".contains(*it));
    kept.map(|it| if it == ' ' { '-' } else { it }).collect()
}

/// Of a link in a heading its text alone counts.
fn without_targets(heading: &str) -> String {
    let mut pieces = heading.split("](");
    let mut kept = pieces.next().unwrap_or_default().to_owned();
    kept.extend(pieces.map(|piece| piece.split_once(')').map_or("", |(_, rest)| rest)));
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(anchors(text).into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_heading_is_spelt_as_github_does() {
        check("# A title: `code`, and more_of it", &["a-title-code-and-more_of-it"]);
        check("## Ready, degraded – and Über", &["ready-degraded--and-über"]);
        check("### See [the page](a.md#b)", &["see-the-page"]);
        check("#no heading\n####", &[]);
    }

    #[test]
    fn a_second_heading_of_one_text_is_told_apart() {
        check("# A\n## A\n## A", &["a", "a-1", "a-2"]);
    }

    #[test]
    fn an_anchor_can_be_written_and_code_has_none() {
        check("| <a id=\"one\"></a>`x` | <a id=\"two\"></a> |", &["one", "two"]);
        check("```sh\n# a comment\n```\n# B", &["b"]);
    }
}
