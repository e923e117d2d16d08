//! A service with a secret, and careless about it: what it gives away must still not be seen.

use std::sync::Arc;

use processpype::config::Secret;
use processpype::{Config, Context, Result, Routes, Service};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::status;

/// What the vault keeps.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct VaultConfig {
    /// The password; it is never shown.
    password: Secret<String>,
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
    async fn start(&self, _: &Context) -> Result {
        let password = &self.config.password;
        // The type does not print itself; taken out of it, the value is scrubbed from the log all
        // the same.
        tracing::info!(?password, "locked with {}", password.expose());
        Ok(())
    }

    fn routes(self: Arc<Self>) -> Routes {
        status::router().into()
    }
}
