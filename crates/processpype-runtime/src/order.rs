//! What is asked of the supervisor's loop, on its way there.
//!
//! # Invariants
//!
//! 1. All of it goes through one bounded queue, in the order in which it was given.
//! 2. Whoever wants an answer sends along where it goes; the loop never waits for one that is gone.

use std::sync::Arc;
use std::time::Duration;

use processpype_core::{OperationId, ServiceId, ServiceName, Verb};
use tokio::sync::oneshot;

use crate::diagnosis::Asked;
use crate::levels::{LevelOrder, Leveled};
use crate::newcomer::Joining;
use crate::operation::{CancelError, CommandError, CommandPreview, Operation, Paused, Shutdown};
use crate::recording::Recording;
use crate::register::OperationStatus;
use crate::request::Request;
use crate::supervisor::{ChangeOrder, ReloadOrder, Reloading};

/// What is asked of the supervisor through its bounded queue.
#[derive(Debug)]
pub(crate) enum Order {
    Command(Command),
    Register(Box<Joining>),
    Foresee(ServiceId, Verb, Request, oneshot::Sender<CommandPreview>),
    Cancel(OperationId, Request, oneshot::Sender<Result<Arc<OperationStatus>, CancelError>>),
    /// Pause automatic restarts for a time.
    Pause(Duration, Request, oneshot::Sender<Result<Paused, CommandError>>),
    /// Let them go on.
    Resume(Request, oneshot::Sender<Result<Paused, CommandError>>),
    /// Change a level of the log, or take a change back.
    Level(LevelOrder, oneshot::Sender<Result<Leveled, CommandError>>),
    /// Close the application.
    Shutdown(Request, oneshot::Sender<Result<Shutdown, CommandError>>),
    /// Take over what somebody configured.
    Change(Box<ChangeOrder>, oneshot::Sender<Result<Operation, CommandError>>),
    /// Take over what is in the files.
    Reload(Box<ReloadOrder>, oneshot::Sender<Result<Reloading, CommandError>>),
    /// Why a reload would be refused, if it would be.
    ForeseeReload(Box<ReloadOrder>, oneshot::Sender<Result<(), CommandError>>),
    /// What has become of a reload that was given under this key.
    Reloaded(Request, oneshot::Sender<Result<Option<Reloading>, CommandError>>),
    /// What is in the files is wrong: who asked, and the first problem.
    ReloadRefused(Request, Arc<str>),
    /// How the durable journal is doing, with the cause and the text of an event.
    Recording(&'static str, Arc<str>, Recording),
    /// What happened to the application, with the cause and the text of an event.
    Note(&'static str, Arc<str>),
    /// Asks services that run what is wrong with them: one, or all.
    Diagnose(Option<ServiceId>, oneshot::Sender<Vec<(ServiceName, Asked)>>),
    /// Says that the supervisor takes orders.
    Answer(oneshot::Sender<()>),
}

/// A command on its way to the supervisor.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) service: ServiceId,
    pub(crate) verb: Verb,
    pub(crate) by: Request,
    pub(crate) accepted: oneshot::Sender<Result<Operation, CommandError>>,
}
