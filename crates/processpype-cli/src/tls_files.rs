//! The files that TLS with an application needs: whom to believe, and who to be.
//!
//! # Invariants
//!
//! 1. A certificate and its key come from one place: the nearest that names one of them names both.

use std::path::PathBuf;

use clap::Args;

use crate::connect::HEADING;

/// The variable that names the file of an authority to believe.
pub(crate) const CACERT_VARIABLE: &str = "PROCESSPYPE_CACERT";

/// The variable that names the file with the own certificate.
pub(crate) const CERT_VARIABLE: &str = "PROCESSPYPE_CERT";

/// The variable that names the file with its key.
pub(crate) const KEY_VARIABLE: &str = "PROCESSPYPE_KEY";

/// The files of TLS, as flags with the names that curl gives them.
///
/// Nothing is read before a connection is made, and nothing but `https://` reads them.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = HEADING)]
pub struct TlsFiles {
    /// The PEM file of the authority to believe, instead of the system's; also the variable
    /// PROCESSPYPE_CACERT.
    #[arg(long, value_name = "FILE", global = true)]
    pub cacert: Option<PathBuf>,
    /// The PEM file of the certificate to show; also the variable PROCESSPYPE_CERT.
    #[arg(long, value_name = "FILE", global = true)]
    pub cert: Option<PathBuf>,
    /// The PEM file of its key, if that is another one; also the variable PROCESSPYPE_KEY.
    #[arg(long, value_name = "FILE", global = true)]
    pub key: Option<PathBuf>,
}

// === impl TlsFiles ===

impl TlsFiles {
    /// Takes from a farther place what this one does not name.
    pub(crate) fn or(self, farther: Self) -> Self {
        let is_somebody = self.cert.is_some() || self.key.is_some();
        let (cert, key) =
            if is_somebody { (self.cert, self.key) } else { (farther.cert, farther.key) };
        Self { cacert: self.cacert.or(farther.cacert), cert, key }
    }

    /// Returns what the variables of the process name; an empty one counts as none.
    pub(crate) fn of_process() -> Self {
        let named = |name| std::env::var_os(name).filter(|text| !text.is_empty());
        let [cacert, cert, key] = [CACERT_VARIABLE, CERT_VARIABLE, KEY_VARIABLE]
            .map(|name| named(name).map(PathBuf::from));
        Self { cacert, cert, key }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: [&str; 3]) -> TlsFiles {
        let [cacert, cert, key] = names.map(|name| (!name.is_empty()).then(|| PathBuf::from(name)));
        TlsFiles { cacert, cert, key }
    }

    #[test]
    fn a_certificate_and_its_key_come_from_one_place() {
        for (near, far, both) in [
            (["", "", ""], ["a", "c", "k"], ["a", "c", "k"]),
            (["A", "", ""], ["a", "c", "k"], ["A", "c", "k"]),
            (["", "C", ""], ["a", "c", "k"], ["a", "C", ""]),
            (["", "", "K"], ["a", "c", "k"], ["a", "", "K"]),
            (["A", "C", "K"], ["a", "c", "k"], ["A", "C", "K"]),
        ] {
            assert_eq!(files(near).or(files(far)), files(both), "{near:?} {far:?}");
        }
    }
}
