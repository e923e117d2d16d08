//! The endpoints of levels.

use processpype_core::Role;

use super::command::ORDER_PROBLEMS;
use super::lists::both;
use super::parameter::{IDEMPOTENCY_KEY, NAME};
use super::{Access, Body, Endpoint, EndpointId, Method, READ, ok};
use crate::problem::Code;

const CHANGE_PROBLEMS: [Code; 10] =
    both(&ORDER_PROBLEMS, &[Code::LogsUnavailable, Code::IdempotencyConflict]);

const RESET_PROBLEMS: [Code; 5] = [
    Code::InvalidQuery,
    Code::IdempotencyConflict,
    Code::LogsUnavailable,
    Code::Closing,
    Code::Busy,
];

const CHANGE: Endpoint = Endpoint {
    method: Method::Put,
    access: Access::Role(Role::Operator),
    tag: "logs",
    description: "It ends by itself, and what is configured holds again; a change that holds \
        already gets this level and this end. What is to stay belongs to the configuration.",
    parameters: &[IDEMPOTENCY_KEY],
    body: Some(Body { schema: Some("LevelBody"), is_required: true }),
    answers: &[ok("It holds.", "LevelChanged")],
    problems: &CHANGE_PROBLEMS,
    ..READ
};

const RESET: Endpoint = Endpoint {
    method: Method::Delete,
    access: Access::Role(Role::Operator),
    tag: "logs",
    parameters: &[IDEMPOTENCY_KEY],
    answers: &[ok("It is so now.", "LevelChanged")],
    problems: &RESET_PROBLEMS,
    ..READ
};

const SERVICE_PATH: &str = "/services/{name}/-/level";

pub(super) const SERVICE_LEVEL: Endpoint = Endpoint {
    id: EndpointId::ServiceLevel,
    path: SERVICE_PATH,
    tag: "logs",
    summary: "How much is logged of a service",
    parameters: &[NAME],
    answers: &[ok("The level now.", "LevelStatus")],
    problems: &[Code::UnknownService, Code::InvalidQuery, Code::LogsUnavailable],
    ..READ
};

pub(super) const CHANGE_SERVICE_LEVEL: Endpoint = Endpoint {
    id: EndpointId::ChangeServiceLevel,
    path: SERVICE_PATH,
    summary: "Change how much is logged of a service, for a while",
    parameters: &[NAME, IDEMPOTENCY_KEY],
    problems: &both::<_, 11>(&CHANGE_PROBLEMS, &[Code::UnknownService]),
    ..CHANGE
};

pub(super) const RESET_SERVICE_LEVEL: Endpoint = Endpoint {
    id: EndpointId::ResetServiceLevel,
    path: SERVICE_PATH,
    summary: "Let the configured level of a service hold again",
    parameters: &[NAME, IDEMPOTENCY_KEY],
    problems: &both::<_, 6>(&RESET_PROBLEMS, &[Code::UnknownService]),
    ..RESET
};

pub(super) const LEVELS: Endpoint = Endpoint {
    id: EndpointId::Levels,
    path: "/levels",
    tag: "logs",
    summary: "How much is logged: of the application, its services and modules",
    answers: &[ok("The levels now.", "Levels")],
    problems: &[Code::InvalidQuery, Code::LogsUnavailable],
    ..READ
};

pub(super) const CHANGE_LEVEL: Endpoint = Endpoint {
    id: EndpointId::ChangeLevel,
    path: "/levels",
    summary: "Change how much is logged where nothing more specific is said, for a while",
    ..CHANGE
};

pub(super) const RESET_LEVEL: Endpoint = Endpoint {
    id: EndpointId::ResetLevel,
    path: "/levels",
    summary: "Let the configured level of the application hold again",
    ..RESET
};
