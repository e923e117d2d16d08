//! The token that a client shows.
//!
//! # Invariants
//!
//! 1. A token that the user names goes where the user asks; the one that an application has made
//!    for its own machine is shown on that machine only.
//! 2. A file that cannot be trusted is told, and no token is shown.

use std::net::IpAddr;
use std::sync::Arc;

use processpype_config::{Secret, runtime_directory};

use crate::local_token::find_local_token_at;

/// The variable with the token to show.
pub const TOKEN_VARIABLE: &str = "PROCESSPYPE_TOKEN";

/// Which token is shown.
#[derive(Clone, Debug)]
pub(crate) enum Token {
    /// One that was named.
    Named {
        token: Arc<Secret<String>>,
        /// What named it.
        from: String,
    },
    /// The one that the application has left on this machine, if there is one.
    Found,
}

/// A token that is shown, and where it is from.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) secret: Arc<Secret<String>>,
    pub(crate) from: String,
}

// === impl Token ===

impl Token {
    pub(crate) fn named(token: Secret<String>, from: String) -> Self {
        Self::Named { token: Arc::new(token), from }
    }

    /// Returns the token for an application at a host and a port, if one is known, or what is wrong
    /// with the file that has it.
    pub(crate) fn find(&self, host: &str, port: u16) -> Result<Option<Shown>, String> {
        let shown = |secret, from| Some(Shown { secret, from });
        match self {
            Self::Named { token, from } => Ok(shown(Arc::clone(token), from.clone())),
            Self::Found if !is_here(host) => Ok(None),
            Self::Found => match find_local_token_at(runtime_directory().as_deref(), port) {
                Ok(Some((text, path))) => {
                    Ok(shown(Arc::new(text), format!("the file {}", path.display())))
                }
                Ok(None) => Ok(None),
                Err(error) => Err(error.to_string()),
            },
        }
    }

    /// Says where it is from.
    pub(crate) fn from(&self) -> &str {
        match self {
            Self::Named { from, .. } => from,
            Self::Found => "the file of this machine",
        }
    }
}

fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_of_this_machine_stays_on_it() {
        for host in ["localhost", "127.0.0.1", "::1", "127.8.8.8"] {
            assert!(is_here(host), "{host}");
        }
        for host in ["shop", "10.0.0.1", "localhost.example.org", "0.0.0.0"] {
            assert!(!is_here(host), "{host}");
        }
    }
}
