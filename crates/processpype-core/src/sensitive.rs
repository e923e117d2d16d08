//! Words that tell that something is a secret.
//!
//! # Invariant
//!
//! There is one list: what hides a value in a report, in a listing and in a log line knows the same
//! words.

/// The words in a name that make its value a secret, whatever its type says; in lower case, with
/// `_` between the parts of one.
///
/// Where in a name a word counts is decided by whoever looks for it.
///
/// ```
/// assert!(processpype_core::SECRET_WORDS.contains(&"password"));
/// ```
pub const SECRET_WORDS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "authorization",
    "credential",
    "credentials",
    "cookie",
    "dsn",
    "apikey",
    "api_key",
    "private_key",
];
