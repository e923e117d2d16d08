//! Operations: listed, looked at, cancelled.
//!
//! # Invariants
//!
//! 1. Reading takes nothing from the supervisor; only a cancel is asked of it, within
//!    [`Limits::accept_time`](crate::Limits::accept_time).

use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use processpype_api::{
    Code, Fault, MAX_OPERATIONS_PER_PAGE, OPERATIONS_PER_PAGE, OperationPage, Problem,
};
use processpype_core::{OperationId, ServiceName};
use processpype_runtime::{Lookup, OperationState, OperationStatus, Request as By};

use crate::convert;
use crate::orders;
use crate::precondition::Conditions;
use crate::query::{Query, did_you_mean};
use crate::refusal;
use crate::reply;
use crate::server::Control;
use crate::stream::within;

/// Which operations are asked for.
struct Filter {
    service: Option<String>,
    state: Option<OperationState>,
}

/// Carries out `GET /operations`.
pub(crate) fn page(control: &Control, uri: &Uri) -> Result<Response, Problem> {
    let mut query = Query::of(uri);
    let (after, limit) = query.page(MAX_OPERATIONS_PER_PAGE, OPERATIONS_PER_PAGE);
    let filter = Filter::take(control, &mut query);
    query.finish()?;
    let last = control.manager.last_operation().0;
    let after = within(after, last);
    let all = control.manager.operations(OperationId(after));
    let matching: Vec<_> =
        all.iter().filter(|status| filter.matches(status)).take(limit as usize).collect();
    let is_full = matching.len() as u64 == limit;
    let next = if is_full { matching.last().copied() } else { all.last() };
    let page = OperationPage {
        next: next.map_or(after, |status| status.id.0),
        operations: matching.into_iter().map(|status| convert::operation(status)).collect(),
        last,
    };
    Ok(reply::json(StatusCode::OK, &page))
}

/// Carries out `GET /operations/{id}`.
pub(crate) fn look(control: &Control, id: &str) -> Result<Response, Problem> {
    let id = parse(id)?;
    match control.manager.operation(id) {
        Lookup::Found(status) => Ok(reply::json(StatusCode::OK, &convert::operation(&status))),
        Lookup::Forgotten => {
            let detail = "the operation ended long ago and is forgotten";
            Err(Problem::new(Code::OperationForgotten, detail).operation(id.0))
        }
        // `Unknown`, and what this version does not know.
        _ => Err(unknown()),
    }
}

/// Carries out `DELETE /operations/{id}`.
pub(crate) async fn cancel(
    control: &Control,
    id: &str,
    (uri, headers): (&Uri, &HeaderMap),
    by: By,
) -> Result<Response, Problem> {
    let mut query = Query::of(uri);
    Conditions::refuse_match(headers, &mut query);
    query.finish()?;
    let id = parse(id)?;
    // The order is in the queue before the first await: who leaves has still given it.
    let refused = |error| refusal::uncancelled(id.0, &error);
    let status = orders::answered(control, control.manager.cancel(id, by), refused).await?;
    Ok(reply::json(StatusCode::OK, &convert::operation(&status)))
}

fn parse(id: &str) -> Result<OperationId, Problem> {
    id.parse().map(OperationId).map_err(|_| unknown())
}

fn unknown() -> Problem {
    Problem::new(Code::UnknownOperation, "there was no such operation")
        .help("GET /operations lists them; ids begin anew with the process")
}

// === impl Filter ===

impl Filter {
    fn take(control: &Control, query: &mut Query) -> Self {
        let service = query.text("service");
        let unknown = service.as_deref().filter(|name| control.manager.state(name).is_none());
        if let Some(name) = unknown {
            let help = did_you_mean(name, control.manager.names().iter().map(ServiceName::as_str));
            query.fault(Fault { help, ..Fault::new("service", "there is no such service") });
        }
        let word = query.text("state");
        let state = word.as_deref().map(|word| {
            let found = OperationState::ALL.iter().copied().find(|state| state.as_str() == word);
            if found.is_none() {
                let words = OperationState::ALL.iter().map(|state| state.as_str());
                let valid: Vec<&str> = words.collect();
                query.choose("state", "there is no such state", &valid);
            }
            found
        });
        Self { service, state: state.flatten() }
    }

    fn matches(&self, status: &OperationStatus) -> bool {
        let service = status.service.as_ref().map(ServiceName::as_str);
        self.service.as_deref().is_none_or(|wanted| service == Some(wanted))
            && self.state.is_none_or(|wanted| status.state() == wanted)
    }
}
