//! The token that a client shows.
//!
//! # Invariants
//!
//! 1. A token that the environment names goes where the user asks; the one that an application has
//!    made for its own machine is shown on that machine only.
//! 2. A file that cannot be trusted is told, and no token is shown.

use std::net::IpAddr;

use processpype_config::{Secret, runtime_directory};

use crate::local_token::find_local_token_at;
use crate::print;

/// The variable with the token to show.
pub const TOKEN_VARIABLE: &str = "PROCESSPYPE_TOKEN";

/// Returns the token for an application at a host and a port, if one is known.
pub(crate) fn find(host: &str, port: u16) -> Option<Secret<String>> {
    let named = std::env::var_os(TOKEN_VARIABLE).filter(|value| !value.is_empty());
    if let Some(named) = named {
        return named.into_string().ok().map(Secret::new);
    }
    if !is_here(host) {
        return None;
    }
    find_local_token_at(runtime_directory().as_deref(), port).unwrap_or_else(|error| {
        print::remark(&format!("warning: {error}"));
        None
    })
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
