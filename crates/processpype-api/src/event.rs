//! Events on the wire.

use serde::Serialize;

use crate::answered::answered;
use crate::status::ServiceState;
use crate::time::Timestamp;

/// How many events one page holds unless asked for.
pub const EVENTS_PER_PAGE: usize = 100;

/// How many events one page may hold.
pub const MAX_EVENTS_PER_PAGE: usize = 1000;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Event {
    /// Its place in the journal: from 1, without gaps.
    pub seq: u64,
    /// When.
    pub time: Timestamp,
    /// What kind of event: `state` for a transition of a service.
    #[cfg_attr(test, schemars(extend("examples" = ["state", "health", "command", "application"])))]
    pub kind: String,
    /// The service it is about.
    pub service: Option<String>,
    /// The generation it is about.
    pub generation: Option<u64>,
    /// The state before, for a transition.
    pub from: Option<ServiceState>,
    /// The state after, for a transition.
    pub to: Option<ServiceState>,
    /// What made it happen, as a stable word.
    pub cause: String,
    /// Who made it happen, if somebody did.
    pub actor: Option<String>,
    /// The operation that it is a part of.
    pub operation: Option<u64>,
    /// A text for people, without internals.
    pub message: Option<String>,
}

answered!(Event {
    seq,
    time,
    kind,
    service,
    generation,
    from,
    to,
    cause,
    actor,
    operation,
    message,
});

/// Some events, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EventPage {
    /// The events that match.
    pub events: Vec<Event>,
    /// What to pass as `after` to go on from here.
    pub next: u64,
    /// The newest sequence number there is; when `next` equals it, nothing newer is known.
    pub last: u64,
    /// How many events after the asked-for place are no longer held.
    pub lost: u64,
}

answered!(EventPage { events, next, last, lost });

/// Data of the stream's `lagged` event: the reader was too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Lagged {
    /// How many events it will never see.
    pub lost: u64,
}

answered!(Lagged { lost });
