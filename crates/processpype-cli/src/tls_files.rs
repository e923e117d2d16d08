//! The files that TLS with an application needs: whom to believe, and who to be.
//!
//! # Invariants
//!
//! 1. A certificate and its key come from one place: the nearest that names one of them names both.

use std::path::PathBuf;

use clap::{ArgMatches, Command};

use crate::argument::{file_option, path};

/// The variable that names the file of an authority to believe.
pub(crate) const CACERT_VARIABLE: &str = "PROCESSPYPE_CACERT";

/// The variable that names the file with the own certificate.
pub(crate) const CERT_VARIABLE: &str = "PROCESSPYPE_CERT";

/// The variable that names the file with its key.
pub(crate) const KEY_VARIABLE: &str = "PROCESSPYPE_KEY";

/// The files of TLS, as flags with the names that curl gives them.
///
/// Nothing is read before a connection is made, and nothing but `https://` reads them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// The PEM file of the authority to believe, instead of the system's; also the variable
    /// PROCESSPYPE_CACERT.
    pub cacert: Option<PathBuf>,
    /// The PEM file of the certificate to show; also the variable PROCESSPYPE_CERT.
    pub cert: Option<PathBuf>,
    /// The PEM file of its key, if that is another one; also the variable PROCESSPYPE_KEY.
    pub key: Option<PathBuf>,
}

// === impl TlsFiles ===

impl TlsFiles {
    pub(crate) fn add_to(command: Command) -> Command {
        let cacert = "The PEM file of the authority to believe, instead of the system's; also the \
                      variable PROCESSPYPE_CACERT";
        let cert = "The PEM file of the certificate to show; also the variable PROCESSPYPE_CERT";
        let key =
            "The PEM file of its key, if that is another one; also the variable PROCESSPYPE_KEY";
        command
            .arg(file_option("cacert", cacert).global(true))
            .arg(file_option("cert", cert).global(true))
            .arg(file_option("key", key).global(true))
    }

    pub(crate) fn read(written: &mut ArgMatches) -> Self {
        let [cacert, cert, key] = ["cacert", "cert", "key"].map(|id| path(written, id));
        Self { cacert, cert, key }
    }

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
