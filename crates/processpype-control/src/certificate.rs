//! Certificates of clients: who shows which is whom.
//!
//! # Invariants
//!
//! 1. A rule is looked at only for a certificate that a listener's `client_ca` has vouched for.
//! 2. Names are compared whole: no patterns, no parts.
//! 3. The first rule that matches decides.

use std::fmt;

use processpype_core::Role;

use crate::auth::{TOKEN_NAME_MAX, is_name, unhex};

/// Whom a certificate stands for.
///
/// ```
/// use processpype_control::{CertificateRule, Whose};
/// use processpype_core::Role;
///
/// let rule = CertificateRule::new("ci", Role::Operator, Whose::Dns("ci.shop.internal".into()))?;
/// assert_eq!((rule.name(), rule.role()), ("ci", Role::Operator));
/// assert!(CertificateRule::new("two words", Role::Viewer, Whose::Anybody).is_err());
/// # Ok::<(), processpype_control::InvalidCertificateRule>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRule {
    name: String,
    role: Role,
    whose: Whose,
}

/// Which certificates a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Whose {
    /// Every one that the authority has issued.
    Anybody,
    /// Those with this common name, and no other, in their subject.
    CommonName(String),
    /// Those with this DNS name among their alternative names; letter case does not count.
    Dns(String),
    /// Those with this URI among their alternative names, such as a SPIFFE ID.
    Uri(String),
    /// The one with this SHA-256 over its DER form, in hexadecimal digits; colons may stand
    /// between, as `openssl x509 -fingerprint -sha256` writes it.
    Sha256(String),
}

/// Why something is no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidCertificateRule {
    /// Its name is no name.
    Name,
    /// What to look for is empty.
    Empty,
    /// Its fingerprint is not 64 hexadecimal digits.
    Fingerprint,
}

/// What a certificate says about its owner.
#[cfg(any(feature = "tls", test))]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) common_names: Vec<String>,
    pub(crate) dns: Vec<String>,
    pub(crate) uris: Vec<String>,
    pub(crate) sha256: [u8; 32],
}

// === impl CertificateRule ===

impl CertificateRule {
    /// Makes a rule.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with its name, or with what it looks for.
    pub fn new(name: &str, role: Role, whose: Whose) -> Result<Self, InvalidCertificateRule> {
        if !is_name(name) {
            return Err(InvalidCertificateRule::Name);
        }
        match &whose {
            Whose::CommonName(text) | Whose::Dns(text) | Whose::Uri(text) if text.is_empty() => {
                return Err(InvalidCertificateRule::Empty);
            }
            Whose::Sha256(hex) if fingerprint(hex).is_none() => {
                return Err(InvalidCertificateRule::Fingerprint);
            }
            _ => {}
        }
        Ok(Self { name: name.to_owned(), role, whose })
    }

    /// Returns whom it stands for: the actor of what is done with it is `certificate:` and this.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns what it allows.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    #[cfg(any(feature = "tls", test))]
    pub(crate) fn matches(&self, subject: &Subject) -> bool {
        match &self.whose {
            Whose::Anybody => true,
            Whose::CommonName(name) => subject.common_names == [name.as_str()],
            Whose::Dns(name) => subject.dns.iter().any(|dns| dns.eq_ignore_ascii_case(name)),
            Whose::Uri(uri) => subject.uris.contains(uri),
            Whose::Sha256(hex) => fingerprint(hex) == Some(subject.sha256),
        }
    }
}

/// Returns the place of the first rule that matches.
#[cfg(any(feature = "tls", test))]
pub(crate) fn first_match(rules: &[CertificateRule], subject: &Subject) -> Option<u16> {
    let at = rules.iter().position(|rule| rule.matches(subject))?;
    u16::try_from(at).ok()
}

fn fingerprint(hex: &str) -> Option<[u8; 32]> {
    unhex(&hex.replace(':', ""))
}

// === impl InvalidCertificateRule ===

impl fmt::Display for InvalidCertificateRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => {
                write!(f, "its name has at most {TOKEN_NAME_MAX} letters, digits, `-`, `_` and `.`")
            }
            Self::Empty => f.write_str("what it looks for is empty"),
            Self::Fingerprint => f.write_str(
                "a fingerprint has 64 hexadecimal digits, as `openssl x509 -noout -fingerprint \
                 -sha256` prints them",
            ),
        }
    }
}

impl std::error::Error for InvalidCertificateRule {}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject {
        Subject {
            common_names: vec!["ci".to_owned()],
            dns: vec!["ci.shop".to_owned(), "ci2.shop".to_owned()],
            uris: vec!["spiffe://shop/ci".to_owned()],
            sha256: [0xab; 32],
        }
    }

    #[track_caller]
    fn check(whose: Whose, expected: bool) {
        let rule = CertificateRule::new("ci", Role::Operator, whose).expect("a good rule");
        assert_eq!(rule.matches(&subject()), expected, "{rule:?}");
    }

    #[test]
    fn names_are_compared_whole() {
        check(Whose::Anybody, true);
        for (name, expected) in [("ci", true), ("CI", false), ("c", false), ("ci ", false)] {
            check(Whose::CommonName(name.into()), expected);
        }
        for (name, expected) in
            [("ci.shop", true), ("CI2.Shop", true), ("shop", false), ("*.shop", false)]
        {
            check(Whose::Dns(name.into()), expected);
        }
        check(Whose::Uri("spiffe://shop/ci".into()), true);
        check(Whose::Uri("spiffe://shop/".into()), false);
        check(Whose::Sha256("ab".repeat(32)), true);
        check(Whose::Sha256(["AB"; 32].join(":")), true);
        check(Whose::Sha256("ac".repeat(32)), false);
    }

    #[test]
    fn one_of_two_common_names_is_none() {
        let rule = CertificateRule::new("ci", Role::Admin, Whose::CommonName("ci".into()));
        let names = vec!["ci".to_owned(), "root".to_owned()];
        let subject = Subject { common_names: names, ..Subject::default() };
        assert!(!rule.expect("a good rule").matches(&subject));
    }

    #[test]
    fn the_first_rule_decides() {
        let rule = |name, whose| CertificateRule::new(name, Role::Viewer, whose).expect("good");
        let rules = [rule("a", Whose::Dns("x".into())), rule("b", Whose::Anybody)];
        assert_eq!(first_match(&rules, &subject()), Some(1));
        assert_eq!(first_match(&rules[..1], &subject()), None);
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        let new = |name: &str, whose| CertificateRule::new(name, Role::Viewer, whose).err();
        assert_eq!(new("a b", Whose::Anybody), Some(InvalidCertificateRule::Name));
        assert_eq!(new("a", Whose::Dns(String::new())), Some(InvalidCertificateRule::Empty));
        for hex in ["", "ab", &"x".repeat(64)] {
            let whose = Whose::Sha256(hex.to_owned());
            assert_eq!(new("a", whose), Some(InvalidCertificateRule::Fingerprint));
        }
    }
}
