//! The endpoints of the log.

use super::lists::both;
use super::parameter::{LAST_EVENT_ID, NAME, Parameter, Place, Shape};
use super::{Endpoint, EndpointId, READ, file, ok};
use crate::log::{LOG_LINES_PER_PAGE, LOG_SCOPES, MAX_LOG_LINES_PER_PAGE, SEVERITIES};
use crate::problem::Code;

const AFTER: Parameter = Parameter {
    name: "after",
    place: Place::Query,
    description: "Only lines with a higher number, oldest first. One beyond the newest is of an \
                  earlier process: then from the beginning of this one. Left out: the newest \
                  lines.",
    shape: Shape::Sequence,
};

const LIMIT: Parameter = Parameter {
    name: "limit",
    place: Place::Query,
    description: "How many lines to answer with, at most.",
    shape: Shape::Count(MAX_LOG_LINES_PER_PAGE as u64, LOG_LINES_PER_PAGE as u64),
};

const LEVEL: Parameter = Parameter {
    name: "level",
    place: Place::Query,
    description: "Only lines that are at least as severe.",
    shape: Shape::Choice(SEVERITIES),
};

const CONTAINS: Parameter = Parameter {
    name: "contains",
    place: Place::Query,
    description: "Only lines with this text in their message or fields.",
    shape: Shape::Text,
};

const SINCE: Parameter = Parameter {
    name: "since",
    place: Place::Query,
    description: "Only lines that are not older than this. Left out: however old.",
    shape: Shape::Span,
};

const SCOPE: Parameter = Parameter {
    name: "scope",
    place: Place::Query,
    description: "All lines, or only those that belong to no service: the framework's own, and of \
        libraries outside services. Each has its own numbers.",
    shape: Shape::Choice(LOG_SCOPES),
};

const STREAM_AFTER: Parameter = Parameter {
    description: "Only lines with a higher number. Left out: what is logged from now on.",
    ..AFTER
};

const PAGE_PARAMETERS: [Parameter; 5] = [AFTER, LIMIT, LEVEL, CONTAINS, SINCE];

const STREAM_PARAMETERS: [Parameter; 4] = [STREAM_AFTER, LEVEL, CONTAINS, LAST_EVENT_ID];

const PAGE: Endpoint = Endpoint {
    tag: "logs",
    description: "The newest lines are kept in memory, as they were logged: after levels and \
        redaction.",
    answers: &[ok("Some lines.", "LogPage")],
    ..READ
};

const STREAM: Endpoint = Endpoint {
    tag: "logs",
    description: "Each message is a line as JSON, its id the line's number; lines of a burst come \
        together, within 100 ms. A message of type `lagged` tells how many lines were lost; one of \
        type `closing` is the last.",
    answers: &[file("The stream; comments keep it alive.", "text/event-stream")],
    ..READ
};

pub(super) const SERVICE_LOGS: Endpoint = Endpoint {
    id: EndpointId::ServiceLogs,
    path: "/services/{name}/-/logs",
    summary: "The newest log lines of a service",
    parameters: &both::<_, 6>(&[NAME], &PAGE_PARAMETERS),
    problems: &[Code::UnknownService, Code::InvalidQuery, Code::LogsUnavailable],
    ..PAGE
};

pub(super) const SERVICE_LOG_STREAM: Endpoint = Endpoint {
    id: EndpointId::ServiceLogStream,
    path: "/services/{name}/-/logs/stream",
    summary: "What a service logs, as server-sent events",
    parameters: &both::<_, 5>(&[NAME], &STREAM_PARAMETERS),
    problems: &[Code::UnknownService, Code::InvalidQuery, Code::Busy, Code::LogsUnavailable],
    ..STREAM
};

pub(super) const LOGS: Endpoint = Endpoint {
    id: EndpointId::Logs,
    path: "/logs",
    summary: "The newest log lines of the application",
    parameters: &both::<_, 6>(&[SCOPE], &PAGE_PARAMETERS),
    problems: &[Code::InvalidQuery, Code::LogsUnavailable],
    ..PAGE
};

pub(super) const LOG_STREAM: Endpoint = Endpoint {
    id: EndpointId::LogStream,
    path: "/logs/stream",
    summary: "What the application logs, as server-sent events",
    parameters: &both::<_, 5>(&[SCOPE], &STREAM_PARAMETERS),
    problems: &[Code::InvalidQuery, Code::Busy, Code::LogsUnavailable],
    ..STREAM
};
