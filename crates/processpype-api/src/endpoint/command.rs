//! The endpoints of commands on a service.

use processpype_core::Role;

use super::lists::both;
use super::parameter::{
    CASCADE, DRY_RUN, FORCE, IDEMPOTENCY_KEY, IF_MATCH, NAME, WAIT, WITH_DEPENDENCIES,
    WITH_DEPENDENTS,
};
use super::{ACCEPTED, Access, COMMAND_BODY, COMMANDED, Endpoint, EndpointId, Method, READ};
use crate::problem::Code;

/// What can be wrong with any body and query, and with the moment.
pub(super) const ORDER_PROBLEMS: [Code; 8] = [
    Code::RequestTimeout,
    Code::BodyTooLarge,
    Code::UnsupportedMediaType,
    Code::MalformedBody,
    Code::InvalidBody,
    Code::InvalidQuery,
    Code::Closing,
    Code::Busy,
];

/// Why a start can fail, or not come about.
pub(super) const START_PROBLEMS: [Code; 15] = both(
    &ORDER_PROBLEMS,
    &[
        Code::IdempotencyConflict,
        Code::Disabled,
        Code::Superseded,
        Code::Cancelled,
        Code::ProviderStopped,
        Code::Orphaned,
        Code::StartFailed,
    ],
);

/// Why a stop can fail, or not come about.
pub(super) const STOP_PROBLEMS: [Code; 14] = both(
    &ORDER_PROBLEMS,
    &[
        Code::UnknownService,
        Code::StalePrecondition,
        Code::IdempotencyConflict,
        Code::Superseded,
        Code::Orphaned,
        Code::StopFailed,
    ],
);

/// Why a service that is there may not start.
const START_AGAIN_PROBLEMS: [Code; 17] =
    both(&START_PROBLEMS, &[Code::UnknownService, Code::StalePrecondition]);

pub(super) const COMMAND: Endpoint = Endpoint {
    method: Method::Post,
    tag: "services",
    access: Access::Role(Role::Operator),
    body: Some(COMMAND_BODY),
    answers: &[COMMANDED, ACCEPTED],
    ..READ
};

pub(super) const START: Endpoint = Endpoint {
    id: EndpointId::Start,
    path: "/services/{name}/start",
    summary: "Start a service",
    description: "Clears its error, and starts providers that were never started.",
    parameters: &[NAME, WAIT, WITH_DEPENDENCIES, FORCE, DRY_RUN, IF_MATCH, IDEMPOTENCY_KEY],
    problems: &START_AGAIN_PROBLEMS,
    access: Access::Loopback(Role::Operator),
    ..COMMAND
};

pub(super) const STOP: Endpoint = Endpoint {
    id: EndpointId::Stop,
    path: "/services/{name}/stop",
    summary: "Stop a service and keep it stopped",
    description: "Always wins: also over a start under way, and from `error`. Running \
        dependents go on, unless `cascade=true` stops them; `affected` lists them.",
    parameters: &[NAME, WAIT, CASCADE, DRY_RUN, IF_MATCH, IDEMPOTENCY_KEY],
    problems: &STOP_PROBLEMS,
    access: Access::Loopback(Role::Operator),
    ..COMMAND
};

pub(super) const RESTART: Endpoint = Endpoint {
    id: EndpointId::Restart,
    path: "/services/{name}/restart",
    summary: "Stop a service, if it runs, and start a new generation",
    parameters: &[NAME, WAIT, WITH_DEPENDENTS, DRY_RUN, IF_MATCH, IDEMPOTENCY_KEY],
    problems: &START_AGAIN_PROBLEMS,
    access: Access::Loopback(Role::Operator),
    ..COMMAND
};
