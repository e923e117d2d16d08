//! Automatic restarts of the whole application: paused, and going on.
//!
//! # Invariants
//!
//! 1. An order goes the way of all [orders](crate::orders).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use processpype_api::{EndpointId, Fault, Problem, RestartsPaused};
use processpype_runtime::{PAUSE_MAX, Paused, Request as By};

use crate::precondition::Conditions;
use crate::query::Query;
use crate::server::Control;
use crate::{convert, orders, refusal, reply};

/// How long a pause lasts unless told otherwise.
const PAUSE: Duration = Duration::from_secs(10 * 60);

/// The shortest pause.
const PAUSE_MIN: Duration = Duration::from_secs(1);

/// Carries out `POST /restarts/{pause,resume}`.
pub(crate) async fn command(
    control: &Arc<Control>,
    id: EndpointId,
    request: Request,
    by: By,
) -> Result<Response, Problem> {
    let mut query = Query::of(request.uri());
    let pauses = id == EndpointId::PauseRestarts;
    let time = if pauses { query.wait("for", PAUSE, PAUSE_MAX) } else { PAUSE };
    if time < PAUSE_MIN {
        query.fault(Fault::new("for", "a pause lasts at least 1s"));
    }
    let conditions = Conditions::take_key(request.headers(), &mut query);
    query.finish()?;
    let handing_over = {
        let (control, by) = (Arc::clone(control), conditions.on(by));
        async move { hand_over(&control, pauses.then_some(time), request, by).await }
    };
    let paused = orders::detached(handing_over).await?;
    let told = RestartsPaused {
        operation: paused.operation.0,
        changed: paused.changed,
        until: paused.until.map(convert::time),
    };
    Ok(reply::json(StatusCode::OK, &told))
}

/// Reads the body and gives the order to the supervisor: a pause for that time, or its end.
async fn hand_over(
    control: &Control,
    pause: Option<Duration>,
    request: Request,
    by: By,
) -> Result<Paused, Problem> {
    let (by, _place) = orders::reasoned(control, request, by).await?;
    let manager = &control.manager;
    let asking = async {
        match pause {
            Some(time) => manager.pause_restarts(time, by).await,
            None => manager.resume_restarts(by).await,
        }
    };
    orders::answered(control, asking, |error| refusal::problem("pause", "", &error)).await
}
