//! The endpoints of services that join and leave, and of the application's end.

use processpype_core::Role;

use super::command::{COMMAND, ORDER_PROBLEMS, START_PROBLEMS, STOP_PROBLEMS};
use super::lists::both;
use super::parameter::{CASCADE, DRY_RUN, IDEMPOTENCY_KEY, IF_MATCH, NAME, Parameter, WAIT};
use super::{Access, Answer, Body, Endpoint, EndpointId, JSON, Method, READ};
use crate::problem::Code;

pub(super) const REGISTER: Endpoint = Endpoint {
    id: EndpointId::Register,
    method: Method::Post,
    path: "/services",
    tag: "services",
    summary: "Register a service of a known kind",
    description: "It is checked as at the start of the process. It stays until it is deregistered \
        or the process ends: the file is the truth, and the next start knows nothing of it. Only \
        kinds that code calls creatable, or `server.creatable_kinds` lists, can be asked for. \
        Handles of services that are there do not change.",
    parameters: &[WAIT, DRY_RUN, IDEMPOTENCY_KEY],
    access: Access::Role(Role::Admin),
    body: Some(Body { schema: Some("RegisterBody"), is_required: true }),
    answers: &[
        Answer {
            status: 201,
            description: "It is registered and, if asked for, started; see `Location`.",
            media: JSON,
            schema: Some("CommandAnswer"),
        },
        Answer {
            status: 200,
            description: "With `dry_run=true`: what would happen, and nothing has.",
            media: JSON,
            schema: Some("CommandAnswer"),
        },
        Answer {
            status: 202,
            description: "It is registered, and its start goes on; see `Location`.",
            media: JSON,
            schema: Some("Accepted"),
        },
    ],
    problems: &both::<_, 19>(
        &START_PROBLEMS,
        &[Code::KindNotCreatable, Code::NameTaken, Code::TooManyServices, Code::UnfitService],
    ),
    ..READ
};

pub(super) const DEREGISTER: Endpoint = Endpoint {
    id: EndpointId::Deregister,
    method: Method::Delete,
    path: "/services/{name}",
    summary: "Stop a service and take it out of the application",
    description: "Its routes and its status are gone then. It is refused while others depend on \
        it, by whatever edge, for their handles are bound to it; with `cascade=true` those leave \
        as well, all of them or none.",
    parameters: &[
        NAME,
        WAIT,
        Parameter {
            description: "Also stop and take out the services that depend on this one.",
            ..CASCADE
        },
        DRY_RUN,
        IF_MATCH,
        IDEMPOTENCY_KEY,
    ],
    access: Access::Role(Role::Admin),
    problems: &both::<_, 15>(&STOP_PROBLEMS, &[Code::StillNeeded]),
    ..COMMAND
};

pub(super) const SHUTDOWN: Endpoint = Endpoint {
    id: EndpointId::Shutdown,
    path: "/shutdown",
    tag: "application",
    summary: "Close the application, as SIGTERM does",
    description: "Off unless `server.shutdown_endpoint` is set. Readiness fails, services stop in \
        reverse order and on time, and the process ends.",
    parameters: &[IDEMPOTENCY_KEY],
    access: Access::Role(Role::Admin),
    answers: &[Answer {
        status: 202,
        description: "It has begun to close.",
        media: JSON,
        schema: Some("ShuttingDown"),
    }],
    problems: &both::<_, 10>(&ORDER_PROBLEMS, &[Code::ShutdownDisabled, Code::IdempotencyConflict]),
    ..COMMAND
};
