//! What endpoints take beside their bodies.
//!
//! # Invariants
//!
//! 1. A parameter means the same wherever it stands: it is defined once.

/// One parameter.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Where it stands.
    pub place: Place,
    /// What it means.
    pub description: &'static str,
    /// What it looks like.
    pub shape: Shape,
}

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the path; always required.
    Path,
    /// In the query; always optional.
    Query,
    /// In a header; always optional.
    Header,
}

/// What a parameter looks like.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Any text.
    Text,
    /// A service's name.
    Name,
    /// `true` or `false`.
    Flag,
    /// One of these words; the first if left out.
    Choice(&'static [&'static str]),
    /// One of these words; any if left out.
    Word(&'static [&'static str]),
    /// A sequence number.
    Sequence,
    /// A whole number from 1 to the first number, or from 0 without an end if that is
    /// [`u64::MAX`]; the second if left out.
    Count(u64, u64),
    /// A duration such as `10m`; there is none if left out.
    Span,
    /// A duration such as `10s`, or `0`; this one if left out.
    Duration(&'static str),
}

pub(super) const NAME: Parameter = Parameter {
    name: "name",
    place: Place::Path,
    description: "The service's name.",
    shape: Shape::Name,
};

pub(super) const WAIT: Parameter = Parameter {
    name: "wait",
    place: Place::Query,
    description: "How long to wait for the effect, at most 60s; `0` = do not wait. When it has \
        passed, the answer is 202 and the command goes on.",
    shape: Shape::Duration("10s"),
};

pub(super) const CASCADE: Parameter = Parameter {
    name: "cascade",
    place: Place::Query,
    description: "Stop the services that need this one first.",
    shape: Shape::Flag,
};

pub(super) const WITH_DEPENDENCIES: Parameter = Parameter {
    name: "with_dependencies",
    place: Place::Query,
    description: "Also start providers that an operator stopped, or that failed.",
    shape: Shape::Flag,
};

pub(super) const FORCE: Parameter = Parameter {
    name: "force",
    place: Place::Query,
    description: "Start although the last generation could not be ended and may still run: the one \
        way to two generations of a service at a time.",
    shape: Shape::Flag,
};

pub(super) const WITH_DEPENDENTS: Parameter = Parameter {
    name: "with_dependents",
    place: Place::Query,
    description: "Also restart the services that run and need this one: they stop before it and \
        start after it.",
    shape: Shape::Flag,
};

/// How a graph can be answered.
pub const GRAPH_FORMATS: &[&str] = &["json", "dot", "mermaid"];

pub(super) const FORMAT: Parameter = Parameter {
    name: "format",
    place: Place::Query,
    description: "How to answer: as JSON, or as text for Graphviz or Mermaid.",
    shape: Shape::Choice(GRAPH_FORMATS),
};

/// What kinds of events there are: the words of [`EventKind`](processpype_core::EventKind).
pub const EVENT_KINDS: &[&str] = &[
    "state",
    "health",
    "restart",
    "command",
    "handler-panic",
    "instance-leaked",
    "level-changed",
    "level-reverted",
    "configured",
    "rolled-back",
    "reloaded",
    "reload-refused",
    "application",
];

pub(super) const DRY_RUN: Parameter = Parameter {
    name: "dry_run",
    place: Place::Query,
    description: "Only tell what would happen if all goes well, and do nothing.",
    shape: Shape::Flag,
};

pub(super) const IF_MATCH: Parameter = Parameter {
    name: "If-Match",
    place: Place::Header,
    description: "Only if the service is in this generation, as in the `ETag` of its status: \
        `\"3\"`; several are separated by commas; `*` = in any.",
    shape: Shape::Text,
};

pub(super) const IDEMPOTENCY_KEY: Parameter = Parameter {
    name: "Idempotency-Key",
    place: Place::Header,
    description: "The same request under the same key is the same operation, for a day or until \
        it is forgotten. 1 to 255 visible ASCII characters.",
    shape: Shape::Text,
};

pub(super) const ONE_SERVICE: Parameter = Parameter {
    name: "service",
    place: Place::Query,
    description: "Only this service.",
    shape: Shape::Name,
};

pub(super) const EVENT_FILTERS: [Parameter; 3] = [
    Parameter {
        name: "service",
        place: Place::Query,
        description: "Only events about this service.",
        shape: Shape::Name,
    },
    Parameter {
        name: "kind",
        place: Place::Query,
        description: "Only events of this kind, such as `state`.",
        shape: Shape::Word(EVENT_KINDS),
    },
    Parameter {
        name: "since",
        place: Place::Query,
        description: "Only events from this time on: a time such as `2026-11-23T12:00:00Z`, or how \
            long ago, such as `15m`.",
        shape: Shape::Text,
    },
];

pub(super) const LAST_EVENT_ID: Parameter = Parameter {
    name: "Last-Event-ID",
    place: Place::Header,
    description: "Where a broken stream goes on; wins over `after`.",
    shape: Shape::Sequence,
};

pub(super) const AFTER: Parameter = Parameter {
    name: "after",
    place: Place::Query,
    description: "Only events with a higher sequence number. One beyond the newest is of an \
                  earlier process: then from the beginning of this one.",
    shape: Shape::Count(u64::MAX, 0),
};

#[cfg(test)]
mod tests {
    use processpype_core::EventKind;

    use super::*;

    #[test]
    fn the_kinds_are_those_of_the_core() {
        let words: Vec<&str> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(EVENT_KINDS, words);
    }
}
