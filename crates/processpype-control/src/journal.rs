//! Pages of the journal, and the filter that pages and streams share.
//!
//! # Invariants
//!
//! 1. `limit` bounds the events that match; at most [`LOOKED_AT`] are looked at, so that an answer
//!    is never late because nothing matches, and `next` always leads on: also to whoever comes with
//!    a place of an earlier process.

use axum::http::{StatusCode, Uri};
use axum::response::Response;
use processpype_api::{
    EVENT_KINDS, EVENTS_PER_PAGE, EventPage, Fault, MAX_EVENTS_PER_PAGE, Problem,
};
use processpype_config::HumanDuration;
use processpype_core::ServiceName;
use processpype_runtime::{EVENTS_KEPT, Event};

use crate::convert;
use crate::query::{Query, did_you_mean};
use crate::reply;
use crate::server::Control;
use crate::stream::within;

/// How many events one answer looks at; as many as a journal keeps by default.
const LOOKED_AT: usize = EVENTS_KEPT;

/// Which events are asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    service: Option<String>,
    kind: Option<&'static str>,
    /// In milliseconds since 1970.
    since: Option<u64>,
}

pub(crate) fn page(control: &Control, uri: &Uri) -> Result<Response, Problem> {
    let mut query = Query::of(uri);
    let (after, limit) = query.page(MAX_EVENTS_PER_PAGE, EVENTS_PER_PAGE);
    let filter = Filter::take(control, &mut query);
    query.finish()?;
    let after = within(after, control.manager.last_event());
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

/// Takes a time, or how long ago that was.
fn since(control: &Control, query: &mut Query) -> Option<u64> {
    let text = query.text("since")?;
    if let Ok(time) = text.parse::<processpype_api::Timestamp>() {
        return Some(time.0);
    }
    let Ok(ago) = text.parse::<HumanDuration>() else {
        let message = "it is neither a time in UTC nor a duration";
        query.choose("since", message, &["2026-11-23T12:00:00Z", "15m"]);
        return None;
    };
    // What is older than time itself is all there is.
    let ago = u64::try_from(ago.as_millis()).unwrap_or(u64::MAX);
    Some(control.manager.now().0.saturating_sub(ago))
}

// === impl Filter ===

impl Filter {
    pub(crate) fn take(control: &Control, query: &mut Query) -> Self {
        let (service, kind) = (query.text("service"), query.word("kind", EVENT_KINDS));
        let filter = Self { service, kind, since: since(control, query) };
        let unknown =
            filter.service.as_deref().filter(|name| control.manager.state(name).is_none());
        if let Some(name) = unknown {
            let help = did_you_mean(name, control.manager.names().iter().map(ServiceName::as_str));
            query.fault(Fault { help, ..Fault::new("service", "there is no such service") });
        }
        filter
    }

    pub(crate) fn matches(&self, event: &Event) -> bool {
        let service = event.service.as_ref().map(ServiceName::as_str);
        self.since.is_none_or(|since| event.time.0 >= since)
            && self.service.as_deref().is_none_or(|wanted| service == Some(wanted))
            && self.kind.is_none_or(|wanted| event.kind.as_str() == wanted)
    }
}
