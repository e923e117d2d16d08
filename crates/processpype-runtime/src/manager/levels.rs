//! Changing levels of the log, and looking at what is changed.

use std::sync::Arc;
use std::time::Duration;

use processpype_core::LogLevel;
use tokio::sync::oneshot;

use super::Manager;
use crate::levels::{LevelChanges, LevelOrder, Leveled};
use crate::operation::CommandError;
use crate::order::Order;
use crate::request::Request;

// === impl Manager ===

impl Manager {
    /// Lets `level` hold for a service, or for the application, in place of what is configured, at
    /// most for [`LEVEL_MAX`](crate::LEVEL_MAX). It ends by itself; a change that holds already
    /// gets this level and this end. It is not kept over the process.
    ///
    /// # Errors
    ///
    /// Returns [`CommandError`] if there is no such service, the log is not the application's
    /// ([`CommandError::NoLog`]), the application is closing, or too many commands are on the way.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the level may or may not be changed.
    pub async fn change_level(
        &self,
        service: Option<&str>,
        level: LogLevel,
        time: Duration,
        by: Request,
    ) -> Result<Leveled, CommandError> {
        self.level(service, Some((level, time)), by).await
    }

    /// Lets what is configured hold again.
    ///
    /// # Errors
    ///
    /// As [`change_level`](Self::change_level).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the change may or may not hold on.
    pub async fn reset_level(
        &self,
        service: Option<&str>,
        by: Request,
    ) -> Result<Leveled, CommandError> {
        self.level(service, None, by).await
    }

    /// Returns the changes that hold.
    #[must_use]
    pub fn level_changes(&self) -> Arc<LevelChanges> {
        self.shared.levels.load_full()
    }

    async fn level(
        &self,
        service: Option<&str>,
        change: Option<(LogLevel, Duration)>,
        by: Request,
    ) -> Result<Leveled, CommandError> {
        let cell = service.map(|name| self.known(name)).transpose()?;
        let service = cell.map(|cell| cell.name().clone());
        let (sender, answer) = oneshot::channel();
        self.ask(Order::Level(LevelOrder { service, change, by }, sender), answer).await
    }
}
