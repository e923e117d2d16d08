//! Looking at operations, and asking what a command would do.

use std::sync::Arc;
use std::time::Duration;

use processpype_core::{OperationId, Verb};
use tokio::sync::oneshot;

use super::Manager;
use crate::operation::{CancelError, CommandError, CommandPreview, PauseInfo, Paused, Shutdown};
use crate::order::Order;
use crate::register::{Lookup, OperationStatus};
use crate::request::Request;

// === impl Manager ===

impl Manager {
    /// Returns what is known about one operation, also after its end.
    ///
    /// A snapshot: ask again for news, or follow the events that carry its id.
    #[must_use]
    pub fn operation(&self, id: OperationId) -> Lookup {
        self.shared.register.get(id)
    }

    /// Returns every operation that is known and has an id above `after`, in the order of ids.
    ///
    /// At most [`OPERATIONS_KEPT`](crate::OPERATIONS_KEPT) that have ended, and
    /// [`OPERATIONS_PENDING`](crate::OPERATIONS_PENDING) that have not.
    #[must_use]
    pub fn operations(&self, after: OperationId) -> Vec<Arc<OperationStatus>> {
        self.shared.register.after(after)
    }

    /// Returns the id of the newest operation; 0 if there was none.
    #[must_use]
    pub fn last_operation(&self) -> OperationId {
        self.shared.register.last()
    }

    /// Cancels a start or restart that goes on, and returns how it ended.
    ///
    /// A generation that has begun goes on, and so does what the command has pulled in. A service
    /// that only waits does not start any more, unless it should have been running before the
    /// command, or somebody else gave the same command and still waits.
    ///
    /// Of a reload, what has not begun ends: one part by its own id, or all such parts by that of
    /// the reload. That goes on while others do, and ends as cancelled with them. Whom the one
    /// needs that stays, stays too, and who needs the one that does not join is left out. The
    /// files still say it: the next reload tries it again.
    ///
    /// # Errors
    ///
    /// Returns [`CancelError`] if there is no such operation, if it has ended, if it is a stop,
    /// which always wins and is undone by a start, or if all of a reload has begun.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the operation may or may not have been cancelled.
    pub async fn cancel(
        &self,
        id: OperationId,
        by: Request,
    ) -> Result<Arc<OperationStatus>, CancelError> {
        let (sender, answer) = oneshot::channel();
        self.ask(Order::Cancel(id, by, sender), answer).await
    }

    /// Returns what a command would do if all goes well, without doing it; over HTTP it is
    /// `dry_run=true`.
    ///
    /// It is asked of the supervisor, as the command would be; `by` matters for what it expects.
    ///
    /// # Errors
    ///
    /// Returns [`CommandError`] if there is no such service or nobody to ask. What would be refused
    /// is told by [`CommandPreview::result`].
    ///
    /// # Cancel safety
    ///
    /// Safe: asking changes nothing.
    pub async fn preview_command(
        &self,
        name: &str,
        verb: impl Into<crate::Verb>,
        by: Request,
    ) -> Result<CommandPreview, CommandError> {
        let verb = Verb::from(verb.into());
        let cell = self.known(name)?;
        let (sender, answer) = oneshot::channel();
        self.give::<CommandError>(Order::Foresee(cell.id(), verb, by, sender))?;
        let foreseen = answer.await.map_err(|_| CommandError::Closing)?;
        match foreseen.result {
            // It has left meanwhile.
            Some(Err(CommandError::Unknown { .. })) => {
                Err(CommandError::Unknown { name: name.to_owned() })
            }
            _ => Ok(foreseen),
        }
    }

    /// Pauses all automatic restarts, at most for [`PAUSE_MAX`](crate::PAUSE_MAX); a pause that
    /// lasts already gets this end.
    ///
    /// Restarts that come due are held until then. What an operator starts goes on, and so do first
    /// starts and stops. It is not kept over the process.
    ///
    /// # Errors
    ///
    /// Returns [`CommandError`] if the application is closing, or too many commands are on the way.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, restarts may or may not be paused.
    pub async fn pause_restarts(
        &self,
        time: Duration,
        by: Request,
    ) -> Result<Paused, CommandError> {
        let (sender, answer) = oneshot::channel();
        self.ask(Order::Pause(time, by, sender), answer).await
    }

    /// Lets automatic restarts go on; who was held comes in turn.
    ///
    /// # Errors
    ///
    /// As [`pause_restarts`](Self::pause_restarts).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, restarts may or may not go on.
    pub async fn resume_restarts(&self, by: Request) -> Result<Paused, CommandError> {
        let (sender, answer) = oneshot::channel();
        self.ask(Order::Resume(by, sender), answer).await
    }

    /// Closes the application as [`close`](Self::close) does, and keeps in the journal who asked.
    ///
    /// Unlike `close` it takes a place in the queue of commands. It answers once closing has begun.
    ///
    /// # Errors
    ///
    /// Returns [`CommandError`] if too many commands are on the way, or everything has ended.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the application may or may not close.
    pub async fn shut_down(&self, by: Request) -> Result<Shutdown, CommandError> {
        let (sender, answer) = oneshot::channel();
        self.ask(Order::Shutdown(by, sender), answer).await
    }

    /// Returns until when automatic restarts are paused, and by whom; `None` if they are not.
    #[must_use]
    pub fn pause(&self) -> Option<Arc<PauseInfo>> {
        self.shared.pause.load_full()
    }

    /// Waits until the supervisor takes orders; false once it has ended.
    ///
    /// For a look from outside at an application that seems to hang: put it in a timeout.
    ///
    /// # Cancel safety
    ///
    /// Safe: asking changes nothing.
    pub async fn answers(&self) -> bool {
        let (sender, answer) = oneshot::channel();
        self.commands.try_send(Order::Answer(sender)).is_ok() && answer.await.is_ok()
    }
}
