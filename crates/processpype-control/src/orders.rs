//! What all orders to the supervisor share, from the connection to the answer that they go on.
//!
//! An order is whatever changes something: a command to a service, a configuration, a level, a
//! pause, who joins and who leaves.
//!
//! # Invariants
//!
//! 1. From its body's first byte to its acceptance an order runs detached from the connection: a
//!    client that leaves at once has still given it. Only the waiting ends with the client.
//! 2. Every wait is bounded: for the body, for acceptance, for the effect.
//! 3. An order takes one of the places when all of it is there: who sends a body slowly keeps
//!    nobody else out. As many bodies are read at a time as there are connections, which have a
//!    limit of their own.
//! 4. The actor comes from the credential, never from the request's body.

use std::any::Any;

use axum::extract::Request;
use axum::response::Response;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use processpype_api::{Accepted, CommandBody, Problem};
use processpype_runtime::Request as By;
use tokio::sync::{SemaphorePermit, oneshot};
use tokio::time::timeout;

use crate::refusal::busy;
use crate::server::Control;
use crate::{body, convert, reply, status};

/// Does what must not end with the connection.
pub(crate) async fn detached<T: Send + 'static>(
    work: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    let working = async { Box::new(work.await) as Made };
    let made = made_apart(working.boxed()).await?;
    *made.downcast().expect("it is what the work made")
}

/// What was made apart from the connection, of any kind: tokio's code for a task and for what it
/// tells is compiled for each type of it.
type Made = Box<dyn Any + Send>;

async fn made_apart(working: BoxFuture<'static, Made>) -> Result<Made, Problem> {
    let (tell, told) = oneshot::channel();
    let working = async move {
        // Nobody waits for it if the connection has ended.
        let _ = tell.send(working.await);
    };
    #[expect(clippy::disallowed_methods, reason = "the order must outlive the connection")]
    tokio::spawn(working.boxed());
    told.await.map_err(|_| reply::internal("an order panicked"))
}

/// Answers 202: what was ordered of a service goes on.
pub(crate) fn accepted(
    control: &Control,
    operation: u64,
    command: &str,
    service: &str,
) -> Result<Response, Problem> {
    let now = status::known(control, service)?;
    let accepted = Accepted {
        operation,
        status: "accepted".to_owned(),
        command: command.to_owned(),
        service: service.to_owned(),
        state: now.state.into(),
        waiting_on: convert::names(&now.waiting_on),
        location: control.operation_at(operation),
    };
    Ok(reply::accepted(&accepted, &accepted.location))
}

/// Reads the body of an order that says at most why, and takes its place.
pub(crate) async fn reasoned(
    control: &Control,
    request: Request,
    by: By,
) -> Result<(By, SemaphorePermit<'_>), Problem> {
    let body: CommandBody = body::read(control, request).await?;
    let place = place(control)?;
    Ok((because(by, body.reason.as_ref()), place))
}

/// Waits until the supervisor has accepted an order, or refused it, for as long as that may take.
pub(crate) async fn answered<T, E>(
    control: &Control,
    asking: impl Future<Output = Result<T, E>>,
    refused: impl FnOnce(E) -> Problem,
) -> Result<T, Problem> {
    let answer = timeout(control.settings.limits.accept_time, asking).await;
    answer.map_err(|_| busy())?.map_err(refused)
}

/// Adds the reason to an order, if one was given.
pub(crate) fn because(by: By, reason: Option<&String>) -> By {
    match reason {
        Some(reason) => by.because(reason),
        None => by,
    }
}

/// Takes a place for an order that has been read.
pub(crate) fn place(control: &Control) -> Result<SemaphorePermit<'_>, Problem> {
    control.commands.try_acquire().map_err(|_| busy())
}
