//! Automatic restarts of the whole application: paused, and going on.
//!
//! # Invariants
//!
//! 1. Once its body is read, the order is in the supervisor's queue before anything is waited for:
//!    who leaves then has still given it.

use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use processpype_api::{CommandBody, EndpointId, Fault, Problem, RestartsPaused};
use processpype_runtime::{PAUSE_MAX, Request as By};
use tokio::time::timeout;

use crate::precondition::Conditions;
use crate::query::Query;
use crate::server::Control;
use crate::{commands, convert, refusal, reply};

/// How long a pause lasts unless told otherwise.
const PAUSE: Duration = Duration::from_secs(10 * 60);

/// The shortest pause.
const PAUSE_MIN: Duration = Duration::from_secs(1);

/// Carries out `POST /restarts/{pause,resume}`.
pub(crate) async fn command(
    control: &Control,
    id: EndpointId,
    request: Request,
    mut by: By,
) -> Result<Response, Problem> {
    let mut query = Query::of(request.uri());
    let pauses = id == EndpointId::PauseRestarts;
    let time = if pauses { query.wait("for", PAUSE, PAUSE_MAX) } else { PAUSE };
    if time < PAUSE_MIN {
        query.fault(Fault::new("for", "a pause lasts at least 1s"));
    }
    let conditions = Conditions::take_key(request.headers(), &mut query);
    query.finish()?;
    by = conditions.on(by);
    let body: CommandBody = commands::body(control, request).await?;
    let _place = commands::place(control)?;
    if let Some(reason) = &body.reason {
        by = by.because(reason);
    }
    let manager = &control.manager;
    let asking = async {
        if pauses {
            manager.pause_restarts(time, by).await
        } else {
            manager.resume_restarts(by).await
        }
    };
    match timeout(control.settings.limits.accept_time, asking).await {
        Ok(Ok(paused)) => {
            let told = RestartsPaused {
                operation: paused.operation.0,
                changed: paused.changed,
                until: paused.until.map(convert::time),
            };
            Ok(reply::json(StatusCode::OK, &told))
        }
        Ok(Err(error)) => Err(refusal::problem("pause", "", &error)),
        Err(_) => Err(refusal::busy()),
    }
}
