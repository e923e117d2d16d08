//! A service with a secret, and careless about it: what it gives away must still not be seen.

use std::sync::Arc;

use processpype::config::Secret;
use processpype::{Config, Context, Error, Finding, Result, Routes, Service};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::status;

/// What the vault keeps.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct VaultConfig {
    /// The password; it is never shown.
    password: Secret<String>,
    /// Where it gives the password away, beside the log.
    gives_away: Option<Leak>,
}

/// A careless way to treat a secret.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Leak {
    /// In the public text of the error with which its start fails.
    Error,
    /// In the source of the error with which its start fails.
    Source,
    /// In the message of a panic.
    Panic,
    /// In what it says about its health, and in its metadata.
    Status,
}

/// Keeps a password.
pub(crate) struct Vault {
    config: Config<VaultConfig>,
}

// === impl Vault ===

impl Vault {
    pub(crate) fn new(config: Config<VaultConfig>) -> Self {
        Self { config }
    }
}

impl Service for Vault {
    async fn start(&self, cx: &Context) -> Result {
        let password = &self.config.password;
        // The type does not print itself; taken out of it, the value is scrubbed from the log all
        // the same.
        tracing::info!(?password, "locked with {}", password.expose());
        self.config.gives_away.map_or(Ok(()), |leak| leak.happen(cx, password.expose()))
    }

    async fn diagnose(&self, _: &Context) -> Vec<Finding> {
        let password = self.config.password.expose();
        let message = format!("somebody may know {password}");
        let careless = Finding::warning("careless", message, format!("change {password}"));
        self.config.gives_away.map(|_| careless).into_iter().collect()
    }

    fn routes(self: Arc<Self>) -> Routes {
        status::router().into()
    }
}

// === impl Leak ===

impl Leak {
    #[allow(clippy::panic, reason = "a message of a panic is one of the places")]
    fn happen(self, cx: &Context, password: &str) -> Result {
        let text = format!("the password {password} does not fit");
        match self {
            Self::Error => return Err(Error::public(text)),
            Self::Source => return Err(std::io::Error::other(text).into()),
            Self::Panic => panic!("{text}"),
            Self::Status => {
                cx.degraded(&*text);
                cx.set_error(&*text);
                cx.set_metadata("password", password);
                cx.set_metadata(password, "the password");
            }
        }
        Ok(())
    }
}
