//! TLS of a listener: which files, and what is wrong with them.
//!
//! What speaks TLS is built in with the feature `tls`; what is said about it can be read without.
//!
//! # Invariants
//!
//! 1. An error names the file, what is wrong with it, and what to do; it never shows what is in it.
//! 2. Without the feature a listener with TLS is refused, never opened without it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use processpype_runtime::Timestamp;

#[cfg(not(feature = "tls"))]
mod absent;
#[cfg(feature = "tls")]
mod acceptor;
#[cfg(feature = "tls")]
mod material;
#[cfg(feature = "tls")]
mod subject;

#[cfg(not(feature = "tls"))]
pub(crate) use self::absent::{Acceptor, TlsStream, check};
#[cfg(feature = "tls")]
pub(crate) use self::acceptor::{Acceptor, TlsStream};
#[cfg(feature = "tls")]
pub(crate) use self::material::check;

/// How often the files of a listener are looked at for new ones, unless it says otherwise.
pub const TLS_RELOAD: Duration = Duration::from_secs(30);

/// TLS of a listener: PEM files, read at the start and whenever they have changed.
///
/// ```
/// use processpype_control::{Tls, TlsKey};
///
/// let tls = Tls::new("/etc/shop/tls.crt", "/etc/shop/tls.key");
/// let error = tls.check(processpype_runtime::Timestamp(0)).expect_err("they are not there");
/// // Without the feature `tls` that is what is told, and no file is looked at.
/// assert!(matches!(error.key(), TlsKey::Certificate | TlsKey::Whole));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tls {
    /// The certificate, followed by those that lead to a root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Whose certificates of clients are believed; `None`: clients are not asked for one.
    pub client_ca: Option<PathBuf>,
    /// What becomes of a client without a certificate; counts with `client_ca` only.
    pub client_auth: ClientAuth,
    /// How often to look for new files. At least a second.
    pub reload: Duration,
}

/// What becomes of a client that shows no certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// It is not let in.
    #[default]
    Required,
    /// It may prove otherwise who it is.
    Optional,
}

/// Files that are not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) why: String,
    pub(crate) help: String,
}

/// Which of the settings is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsKey {
    /// All of it.
    Whole,
    /// `certificate`.
    Certificate,
    /// `key`.
    Key,
    /// `client_ca`.
    ClientCa,
}

/// Why there can be no TLS with these files.
#[derive(Debug)]
pub struct TlsError {
    key: TlsKey,
    path: PathBuf,
    fault: TlsFault,
}

/// What is wrong with a file.
#[derive(Debug)]
#[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "without TLS nothing else is found"))]
pub(crate) enum TlsFault {
    #[cfg_attr(all(feature = "tls", not(test)), expect(dead_code, reason = "it is built in"))]
    NotBuiltIn,
    Unreadable(io::Error),
    TooLong(u64),
    NoCertificate,
    NoKey,
    Malformed(String),
    Mismatch,
    Expired(Timestamp),
    NotYetValid(Timestamp),
}

// === impl Tls ===

impl Tls {
    /// Makes TLS without certificates of clients, of these two files.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            certificate: certificate.into(),
            key: key.into(),
            client_ca: None,
            client_auth: ClientAuth::Required,
            reload: TLS_RELOAD,
        }
    }

    /// Reads the files and checks that they fit together and hold now.
    ///
    /// # Errors
    ///
    /// Returns the first thing that is wrong with them, and always if the feature `tls` is not
    /// built in.
    pub fn check(&self, now: Timestamp) -> Result<(), TlsError> {
        check(self, now)
    }
}

// === impl TlsError ===

impl TlsError {
    pub(crate) fn new(key: TlsKey, path: &Path, fault: TlsFault) -> Self {
        Self { key, path: path.to_owned(), fault }
    }

    /// Returns which of the settings it is about.
    #[must_use]
    pub fn key(&self) -> TlsKey {
        self.key
    }

    #[cfg(feature = "tls")]
    pub(crate) fn fault(&self) -> &TlsFault {
        &self.fault
    }

    /// Says what to do about it.
    #[must_use]
    pub fn help(&self) -> String {
        let path = self.path.display();
        match &self.fault {
            TlsFault::NotBuiltIn => "build the application with the feature `tls` of \
                 `processpype`, or remove `tls` and let a proxy speak it"
                .to_owned(),
            TlsFault::Unreadable(_) => {
                "write the path of a file that the process may read".to_owned()
            }
            TlsFault::TooLong(_) | TlsFault::NoCertificate => {
                "it has to begin with `-----BEGIN CERTIFICATE-----`, the server's own first, then \
                 those that lead to the root"
                    .to_owned()
            }
            TlsFault::NoKey => {
                "it has to hold one private key without a passphrase: `-----BEGIN PRIVATE \
                 KEY-----`, or `RSA` or `EC` before `PRIVATE`"
                    .to_owned()
            }
            TlsFault::Malformed(_) => format!(
                "look at it with `openssl x509 -noout -text -in {path}`, or have it made anew"
            ),
            TlsFault::Mismatch => {
                "give both files of the same issue: `openssl x509 -noout -pubkey -in CERTIFICATE` \
                 and `openssl pkey -pubout -in KEY` print the same"
                    .to_owned()
            }
            TlsFault::Expired(_) => "have it renewed; no client would believe it".to_owned(),
            TlsFault::NotYetValid(_) => {
                "is the clock of this machine right? Once its time has come it can be used"
                    .to_owned()
            }
        }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.fault {
            TlsFault::NotBuiltIn => f.write_str("this application is built without TLS"),
            TlsFault::Unreadable(error) => write!(f, "cannot read {path}: {error}"),
            TlsFault::TooLong(most) => write!(f, "{path} has more than {most} bytes"),
            TlsFault::NoCertificate => write!(f, "{path} has no certificate in it"),
            TlsFault::NoKey => write!(f, "{path} has no private key in it that can be used"),
            TlsFault::Malformed(why) => write!(f, "{path} cannot be used: {why}"),
            TlsFault::Mismatch => write!(f, "{path} is not the key of the certificate"),
            TlsFault::Expired(at) => write!(f, "{path} expired at {}", told(*at)),
            TlsFault::NotYetValid(from) => write!(f, "{path} is not valid before {}", told(*from)),
        }
    }
}

impl std::error::Error for TlsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.fault {
            TlsFault::Unreadable(error) => Some(error),
            _ => None,
        }
    }
}

/// Writes a time as the API does.
fn told(time: Timestamp) -> processpype_api::Timestamp {
    processpype_api::Timestamp(time.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_feature_it_is_said_how_to_have_it() {
        let error = TlsError::new(TlsKey::Whole, Path::new("a.crt"), TlsFault::NotBuiltIn);
        assert_eq!(error.to_string(), "this application is built without TLS");
        assert!(error.help().starts_with("build the application with the feature `tls` of "));
    }
}
