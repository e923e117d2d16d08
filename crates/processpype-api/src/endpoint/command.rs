//! The endpoints of commands on a service.

use processpype_core::Role;

use super::parameter::{
    CASCADE, DRY_RUN, FORCE, IDEMPOTENCY_KEY, IF_MATCH, NAME, WAIT, WITH_DEPENDENCIES,
    WITH_DEPENDENTS,
};
use super::{ACCEPTED, Access, COMMAND_BODY, COMMANDED, Endpoint, EndpointId, Method, READ};
use crate::problem::Code;

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
    problems: &[
        Code::UnknownService,
        Code::RequestTimeout,
        Code::Disabled,
        Code::Superseded,
        Code::Cancelled,
        Code::StalePrecondition,
        Code::IdempotencyConflict,
        Code::ProviderStopped,
        Code::Orphaned,
        Code::BodyTooLarge,
        Code::UnsupportedMediaType,
        Code::MalformedBody,
        Code::InvalidBody,
        Code::InvalidQuery,
        Code::StartFailed,
        Code::Closing,
        Code::Busy,
    ],
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
    problems: &[
        Code::UnknownService,
        Code::RequestTimeout,
        Code::Superseded,
        Code::StalePrecondition,
        Code::IdempotencyConflict,
        Code::Orphaned,
        Code::BodyTooLarge,
        Code::UnsupportedMediaType,
        Code::MalformedBody,
        Code::InvalidBody,
        Code::InvalidQuery,
        Code::StopFailed,
        Code::Closing,
        Code::Busy,
    ],
    access: Access::Loopback(Role::Operator),
    ..COMMAND
};

pub(super) const RESTART: Endpoint = Endpoint {
    id: EndpointId::Restart,
    path: "/services/{name}/restart",
    summary: "Stop a service, if it runs, and start a new generation",
    parameters: &[NAME, WAIT, WITH_DEPENDENTS, DRY_RUN, IF_MATCH, IDEMPOTENCY_KEY],
    problems: &[
        Code::UnknownService,
        Code::RequestTimeout,
        Code::Disabled,
        Code::Superseded,
        Code::Cancelled,
        Code::StalePrecondition,
        Code::IdempotencyConflict,
        Code::ProviderStopped,
        Code::Orphaned,
        Code::BodyTooLarge,
        Code::UnsupportedMediaType,
        Code::MalformedBody,
        Code::InvalidBody,
        Code::InvalidQuery,
        Code::StartFailed,
        Code::Closing,
        Code::Busy,
    ],
    access: Access::Loopback(Role::Operator),
    ..COMMAND
};
