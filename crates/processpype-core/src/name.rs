//! Names of services: safe in a path, in a variable and in a metric.
//!
//! # Invariants
//!
//! 1. A [`ServiceName`] matches `[a-z][a-z0-9]*([_-][a-z0-9]+)*` and has at most
//!    [`ServiceName::MAX_LEN`] bytes.
//! 2. Two names with the same [`ServiceName::key`] cannot stand in one application.

use std::fmt;
use std::sync::Arc;

/// The checked name of one service of an application.
///
/// Cheap to clone. Words are lower-case letters and digits, joined by single `_` or `-`; the first
/// character is a letter. It dereferences to its text.
///
/// ```
/// # use processpype_core as processpype;
/// use processpype::ServiceName;
///
/// let name: ServiceName = "mail-queue".parse()?;
/// assert_eq!((name.len(), name.key().as_str()), (10, "mail_queue"));
/// assert!("Mail".parse::<ServiceName>().is_err());
/// # Ok::<(), processpype_core::InvalidName>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceName(Arc<str>);

/// A text that is no service name, with what is wrong about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidName {
    text: String,
    fault: &'static str,
}

// === impl ServiceName ===

impl ServiceName {
    /// The longest name, in bytes (a DNS label's limit).
    pub const MAX_LEN: usize = 63;

    /// Checks `text`.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidName`] with the first rule that `text` breaks.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        match fault(text) {
            None => Ok(Self(text.into())),
            Some(fault) => Err(InvalidName { text: text.to_owned(), fault }),
        }
    }

    /// Makes the default name of a type: its last path segment in snake case.
    ///
    /// `type_name` is what [`std::any::type_name`] gives: `shop::MailQueue` → `mail_queue`. Where
    /// the type is defined is of no account, be it within a function or a method.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidName`] for generic types, closures and other types without a plain name:
    /// they need an explicit one.
    pub fn of_type(type_name: &str) -> Result<Self, InvalidName> {
        let (path, last) = type_name.rsplit_once("::").unwrap_or(("", type_name));
        if !last.chars().all(is_of_word) || !is_path(path) {
            let fault = "the type is generic, or has no name of its own otherwise";
            return Err(InvalidName { text: type_name.to_owned(), fault });
        }
        Self::new(&snake_case(last))
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name as it stands in a variable or a metric: `-` becomes `_`.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.replace('-', "_")
    }
}

impl std::str::FromStr for ServiceName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        Self::new(text)
    }
}

/// As a `String` does, so that `manager.status(&name)` takes one.
impl std::ops::Deref for ServiceName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for ServiceName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for ServiceName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

// === impl InvalidName ===

impl InvalidName {
    /// Returns the rule that the text breaks.
    #[must_use]
    pub fn fault(&self) -> &'static str {
        self.fault
    }
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a service name: {}", self.text, self.fault)
    }
}

impl std::error::Error for InvalidName {}

fn fault(text: &str) -> Option<&'static str> {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if text.is_empty() {
        Some("it is empty")
    } else if text.len() > ServiceName::MAX_LEN {
        Some("it is longer than 63 characters")
    } else if !text.starts_with(|c: char| c.is_ascii_lowercase()) {
        Some("it must begin with a letter from `a` to `z`")
    } else if !text.chars().all(|c| word(c) || c == '_' || c == '-') {
        Some("only the letters `a` to `z`, digits, `_` and `-` are allowed")
    } else if text.split(['_', '-']).any(str::is_empty) {
        Some("`_` and `-` must stand singly between letters or digits")
    } else {
        None
    }
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether a text leads to where a type is defined, and is no part of the type itself, as `&shop`
/// is.
///
/// A type of a function's own may stand in a closure, as in every test that is `async`, or in a
/// method of a generic type or of a trait: `test::{{closure}}`, `<Cache<_> as Load>::load`.
fn is_path(text: &str) -> bool {
    let mut depth = 0_u32;
    text.chars().all(|c| {
        match c {
            '<' => depth += 1,
            '>' => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return false,
            },
            _ => return depth > 0 || is_of_word(c) || ":{}#".contains(c),
        }
        true
    })
}

/// `HTTPServer2` → `http_server2`, `MailQueue` → `mail_queue`.
fn snake_case(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len() + 4);
    for (i, &c) in chars.iter().enumerate() {
        let after_lower = i > 0 && (chars[i - 1].is_lowercase() || chars[i - 1].is_ascii_digit());
        let before_lower = chars.get(i + 1).is_some_and(|next| next.is_lowercase());
        let after_upper = i > 0 && chars[i - 1].is_uppercase();
        if c.is_uppercase() && (after_lower || (after_upper && before_lower)) {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, valid: bool) {
        assert_eq!(ServiceName::new(text).is_ok(), valid, "{text:?}");
    }

    #[test]
    fn names_follow_the_rule() {
        for good in ["a", "a1", "mail_queue", "mail-queue", "a-1_b", &"a".repeat(63)] {
            check(good, true);
        }
        let long = "a".repeat(64);
        for bad in ["", "1a", "_a", "a_", "a__b", "a-_b", "A", "a.b", "a/b", "ä", "a b", &long] {
            check(bad, false);
        }
    }

    #[track_caller]
    fn check_type(type_name: &str, expected: Option<&str>) {
        let name = ServiceName::of_type(type_name).ok();
        assert_eq!(name.as_ref().map(ServiceName::as_str), expected, "{type_name}");
    }

    #[test]
    fn default_names_are_the_types_in_snake_case() {
        check_type("Counter", Some("counter"));
        check_type("shop::mail::MailQueue", Some("mail_queue"));
        check_type("HTTPServer2", Some("http_server2"));
        check_type("S3Store", Some("s3_store"));
        check_type("shop::Cache<u8>", None);
        check_type("shop::main::{{closure}}", None);
        check_type("shop::test::{{closure}}::Fake", Some("fake"));
        check_type("shop::test::{{closure}}::Fake<u8>", None);
        check_type("<u8 as shop::Load>::load::Fake", Some("fake"));
        check_type("<shop::Cache<_> as shop::Load>::load::Fake", Some("fake"));
        check_type("shop::Cache<_>::load::Fake", Some("fake"));
        for none in
            ["&shop::Fake", "(a::A, b::B)", "[a::A; 3]", "a::A<b::B>", "dyn a::A", "*mut a::A"]
        {
            check_type(none, None);
        }
    }

    #[test]
    fn keys_fold_hyphens() {
        assert_eq!(ServiceName::new("a-b_c").map(|n| n.key()), Ok("a_b_c".to_owned()));
    }
}
