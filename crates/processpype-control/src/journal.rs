//! Pages of the journal, and the filter that pages and streams share.
//!
//! # Invariants
//!
//! 1. `limit` bounds the events that match; at most [`LOOKED_AT`] are looked at, so that an answer
//!    is never late because nothing matches, and `next` always leads on.

use axum::http::{StatusCode, Uri};
use axum::response::Response;
use processpype_api::{
    EVENT_KINDS, EVENTS_PER_PAGE, EventPage, Fault, MAX_EVENTS_PER_PAGE, Problem,
};
use processpype_core::ServiceName;
use processpype_runtime::{EVENTS_KEPT, Event};

use crate::convert;
use crate::query::{Query, did_you_mean};
use crate::reply;
use crate::server::Control;

/// How many events one answer looks at; as many as a journal keeps by default.
const LOOKED_AT: usize = EVENTS_KEPT;

/// Which events are asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    service: Option<String>,
    kind: Option<&'static str>,
}

pub(crate) fn page(control: &Control, uri: &Uri) -> Result<Response, Problem> {
    let mut query = Query::of(uri);
    let after = query.count("after", 0, u64::MAX, 0);
    let limit = query.count("limit", 1, MAX_EVENTS_PER_PAGE as u64, EVENTS_PER_PAGE as u64);
    let filter = Filter::take(control, &mut query);
    query.finish()?;
    let page = control.manager.events(after, LOOKED_AT);
    let matching = page.events.iter().filter(|event| filter.matches(event));
    let kept: Vec<_> = matching.take(limit as usize).collect();
    let is_full = kept.len() as u64 == limit;
    let last = if is_full { kept.last().copied() } else { page.events.last() };
    let next = last.map_or(after, |event| event.seq);
    let events = kept.into_iter().map(|event| convert::event(event)).collect();
    let page = EventPage { events, next, last: page.last, lost: page.lost };
    Ok(reply::json(StatusCode::OK, &page))
}

// === impl Filter ===

impl Filter {
    pub(crate) fn take(control: &Control, query: &mut Query) -> Self {
        let service = query.text("service");
        let filter = Self { service, kind: query.word("kind", EVENT_KINDS) };
        let unknown =
            filter.service.as_deref().filter(|name| control.manager.state(name).is_none());
        if let Some(name) = unknown {
            let help = did_you_mean(name, control.manager.names().map(ServiceName::as_str));
            query.fault(Fault { help, ..Fault::new("service", "there is no such service") });
        }
        filter
    }

    pub(crate) fn matches(&self, event: &Event) -> bool {
        let service = event.service.as_ref().map(ServiceName::as_str);
        self.service.as_deref().is_none_or(|wanted| service == Some(wanted))
            && self.kind.is_none_or(|wanted| event.kind.as_str() == wanted)
    }
}
