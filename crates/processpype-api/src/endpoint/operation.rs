//! The endpoints of operations.

use processpype_core::Role;

use super::parameter::{IDEMPOTENCY_KEY, Parameter, Place, Shape};
use super::{Access, COMMAND_BODY, Endpoint, EndpointId, Method, READ, ok};
use crate::operation::{MAX_OPERATIONS_PER_PAGE, OPERATIONS_PER_PAGE};
use crate::problem::Code;

const ID: Parameter = Parameter {
    name: "id",
    place: Place::Path,
    description: "The operation's id.",
    shape: Shape::Sequence,
};

const OPERATION: Endpoint =
    Endpoint { path: "/operations/{id}", tag: "operations", parameters: &[ID], ..READ };

pub(super) const OPERATIONS: Endpoint = Endpoint {
    id: EndpointId::Operations,
    path: "/operations",
    tag: "operations",
    summary: "What was asked, and how it ended",
    description: "Those that go on, and the last 1024 that have ended, in the order of acceptance.",
    parameters: &[
        Parameter {
            name: "after",
            place: Place::Query,
            description: "Only operations with a higher id. One beyond the newest is of an \
                          earlier process: then from the beginning of this one.",
            shape: Shape::Count(u64::MAX, 0),
        },
        Parameter {
            name: "limit",
            place: Place::Query,
            description: "How many operations to answer with, at most.",
            shape: Shape::Count(MAX_OPERATIONS_PER_PAGE as u64, OPERATIONS_PER_PAGE as u64),
        },
        Parameter {
            name: "service",
            place: Place::Query,
            description: "Only operations on this service.",
            shape: Shape::Name,
        },
        Parameter {
            name: "state",
            place: Place::Query,
            description: "Only operations in this state, such as `waiting`.",
            shape: Shape::Text,
        },
    ],
    answers: &[ok("A page of operations.", "OperationPage")],
    ..READ
};

pub(super) const LOOK: Endpoint = Endpoint {
    id: EndpointId::Operation,
    summary: "One operation, also after its end",
    answers: &[ok("The operation now.", "Operation")],
    problems: &[Code::UnknownOperation, Code::OperationForgotten, Code::InvalidQuery],
    ..OPERATION
};

pub(super) const CANCEL: Endpoint = Endpoint {
    id: EndpointId::CancelOperation,
    method: Method::Delete,
    access: Access::Role(Role::Operator),
    summary: "Cancel a start or restart that goes on",
    description: "A generation that has begun goes on, and so does what the command pulled in. A \
        service that only waits does not start any more, unless it should have been running before \
        the command. A stop cannot be cancelled: it always wins. Parts of a reload that have not \
        begun are left out, one by its own id, or all by that of the reload, which then ends as \
        cancelled with what has begun.",
    answers: &[ok("It is cancelled.", "Operation")],
    problems: &[
        Code::UnknownOperation,
        Code::OperationForgotten,
        Code::NotCancellable,
        Code::InvalidQuery,
        Code::Closing,
        Code::Busy,
    ],
    ..OPERATION
};

const ON_RESTARTS: Endpoint = Endpoint {
    method: Method::Post,
    access: Access::Role(Role::Operator),
    tag: "application",
    parameters: &[IDEMPOTENCY_KEY],
    body: Some(COMMAND_BODY),
    answers: &[ok("It is so now.", "RestartsPaused")],
    problems: &[
        Code::RequestTimeout,
        Code::BodyTooLarge,
        Code::UnsupportedMediaType,
        Code::MalformedBody,
        Code::InvalidBody,
        Code::InvalidQuery,
        Code::IdempotencyConflict,
        Code::Closing,
        Code::Busy,
    ],
    ..READ
};

pub(super) const PAUSE: Endpoint = Endpoint {
    id: EndpointId::PauseRestarts,
    path: "/restarts/pause",
    summary: "Pause all automatic restarts for a time",
    description: "Restarts that come due are held until then. What an operator starts, first \
        starts and stops go on. A pause that lasts already gets this end.",
    parameters: &[
        Parameter {
            name: "for",
            place: Place::Query,
            description: "How long, from 1s to 1d.",
            shape: Shape::Duration("10m"),
        },
        IDEMPOTENCY_KEY,
    ],
    ..ON_RESTARTS
};

pub(super) const RESUME: Endpoint = Endpoint {
    id: EndpointId::ResumeRestarts,
    path: "/restarts/resume",
    summary: "Let automatic restarts go on",
    description: "Who was held comes in turn.",
    ..ON_RESTARTS
};
