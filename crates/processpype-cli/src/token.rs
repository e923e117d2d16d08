//! The token that a client shows.
//!
//! # Invariants
//!
//! 1. A token that the user names goes where the user asks; the one that an application has made
//!    for its own machine is shown on that machine only, and only to who answers at the address
//!    that this application has bound.
//! 2. A file that cannot be trusted is told, and no token is shown.
//! 3. A token that a killed process has left may be of nobody by now: who is refused with it asks
//!    once more without one, as most of what only looks needs none on the own machine, and shows
//!    none that was left from then on.

use std::net::IpAddr;
use std::sync::Arc;

use processpype_api::is_bound_at;
use processpype_config::{Secret, runtime_directory};

use crate::local_token::{FoundToken, find_local_tokens_at};
use crate::target::{Place, Target};

/// The variable with the token to show.
pub(crate) const TOKEN_VARIABLE: &str = "PROCESSPYPE_TOKEN";

/// What is said of a file whose process has ended without removing it.
const LEFT: &str = ", which a process left behind that was killed";

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
    /// Whether the process is known to have ended that has made it.
    pub(crate) is_left: bool,
    /// Who may see it: who answers at this address of this machine. None: whoever was asked.
    bound: Option<IpAddr>,
}

/// The tokens for one place; which one is shown depends on who answers there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tokens(Vec<Shown>);

// === impl Token ===

impl Token {
    pub(crate) fn named(token: Secret<String>, from: String) -> Self {
        Self::Named { token: Arc::new(token), from }
    }

    /// Returns the tokens for an application somewhere, as far as they are known, or what is wrong
    /// with the file that has one.
    ///
    /// For a socket none is looked for: there the kernel says who asks.
    pub(crate) fn find(&self, target: &Target) -> Result<Tokens, String> {
        match (self, target.place()) {
            (Self::Named { token, from }, _) => {
                let secret = Arc::clone(token);
                let from = from.clone();
                Ok(Tokens(vec![Shown { secret, from, is_left: false, bound: None }]))
            }
            (Self::Found, Place::Unix(_)) => Ok(Tokens::default()),
            (Self::Found, Place::Tcp { host, .. }) if !is_here(Place::bare(host)) => {
                Ok(Tokens::default())
            }
            (Self::Found, Place::Tcp { port, .. }) => {
                let found = find_local_tokens_at(runtime_directory().as_deref(), *port);
                let found = found.map_err(|error| error.to_string())?.into_iter();
                let shown = found.map(|FoundToken { text, path, bound, is_left }| Shown {
                    secret: Arc::new(text),
                    from: format!("the file {}{}", path.display(), if is_left { LEFT } else { "" }),
                    is_left,
                    bound: Some(bound),
                });
                Ok(Tokens(shown.collect()))
            }
        }
    }

    /// Says where it is from, if it is one of `tokens`.
    pub(crate) fn from(&self, tokens: &Tokens) -> String {
        match self {
            Self::Named { from, .. } => from.clone(),
            Self::Found if tokens.are_left() => format!("the file of this machine{LEFT}"),
            Self::Found => "the file of this machine".to_owned(),
        }
    }
}

// === impl Tokens ===

impl Tokens {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there are some, and every process that made one has ended.
    fn are_left(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|it| it.is_left)
    }

    /// Returns the one that whoever answers at `peer` may see; a socket has no address.
    pub(crate) fn for_peer(&self, peer: Option<IpAddr>) -> Option<Shown> {
        let is_at = |bound| peer.is_some_and(|peer| is_bound_at(bound, peer));
        let may_see = |it: &&Shown| it.bound.is_none_or(is_at);
        self.0.iter().find(may_see).cloned()
    }
}

fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_found_token_is_shown_only_to_who_has_its_address() {
        let shown = |bound: Option<&str>| Shown {
            secret: Arc::new(Secret::new("secret".to_owned())),
            from: bound.unwrap_or("named").to_owned(),
            is_left: false,
            bound: bound.map(|bound| bound.parse().expect("an address")),
        };
        let peer = |text: &str| text.parse::<IpAddr>().ok();
        let check = |tokens: &[Option<&str>], at: &str, expected: Option<&str>| {
            let tokens = Tokens(tokens.iter().map(|bound| shown(*bound)).collect());
            let token = tokens.for_peer(peer(at));
            assert_eq!(token.as_ref().map(|token| &*token.from), expected, "{at}");
        };
        check(&[Some("127.0.0.1")], "127.0.0.1", Some("127.0.0.1"));
        check(&[Some("127.0.0.1")], "::1", None);
        check(&[Some("127.0.0.1"), Some("::1")], "::1", Some("::1"));
        check(&[None], "10.0.0.1", Some("named"));
        let socket = "";
        check(&[Some("127.0.0.1")], socket, None);
        check(&[None], socket, Some("named"));
    }

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
