//! The endpoints of configuration.

use processpype_core::Role;

use super::parameter::{DRY_RUN, IDEMPOTENCY_KEY, IF_MATCH, NAME, Parameter, Place, Shape, WAIT};
use super::{ACCEPTED, Access, Answer, Body, COMMAND_BODY, Endpoint, EndpointId, JSON, Method};
use super::{READ, ok};
use crate::problem::Code;

const REASON: Parameter = Parameter {
    name: "reason",
    place: Place::Query,
    description: "Why; kept with the event and shown as `acted.reason`. At most 500 characters.",
    shape: Shape::Text,
};

/// A section as it would stand in a file, in JSON.
const SECTION: Body = Body { schema: None, is_required: false };

const CHANGED: Answer = Answer {
    status: 200,
    description: "It holds, and what follows from that is visible. With `dry_run=true`: what would \
        happen, and nothing has.",
    media: JSON,
    schema: Some("ConfigAnswer"),
};

const CHANGE: Endpoint = Endpoint {
    method: Method::Post,
    tag: "configuration",
    access: Access::Role(Role::Operator),
    parameters: &[NAME, WAIT, DRY_RUN, REASON, IF_MATCH, IDEMPOTENCY_KEY],
    body: Some(SECTION),
    answers: &[CHANGED, ACCEPTED],
    problems: &[
        Code::UnknownService,
        Code::RequestTimeout,
        Code::Disabled,
        Code::Superseded,
        Code::RolledBack,
        Code::StalePrecondition,
        Code::IdempotencyConflict,
        Code::ProviderStopped,
        Code::Orphaned,
        Code::NotConfigurable,
        Code::BodyTooLarge,
        Code::UnsupportedMediaType,
        Code::MalformedBody,
        Code::InvalidBody,
        Code::InvalidConfig,
        Code::InvalidQuery,
        Code::Closing,
        Code::Busy,
    ],
    ..READ
};

pub(super) const CONFIG: Endpoint = Endpoint {
    id: EndpointId::Config,
    path: "/services/{name}/-/config",
    tag: "configuration",
    summary: "What holds for a service: every value, and where it comes from",
    description: "Defaults too. Secrets are masked, and so is what no schema knows; `${…}` is \
        shown as it was written.",
    parameters: &[NAME],
    access: Access::Role(Role::Operator),
    answers: &[ok("The configuration now.", "ServiceConfig")],
    problems: &[Code::UnknownService, Code::NotConfigurable, Code::InvalidQuery],
    ..READ
};

pub(super) const PUT: Endpoint = Endpoint {
    id: EndpointId::PutConfig,
    method: Method::Put,
    path: "/services/{name}/-/config",
    summary: "Replace what came over the API for a service",
    description: "The body lies over files, variables and flags: maps merge, other values replace, \
        and `null` hides what lies below. A generation that runs takes it over or is restarted; if \
        it fails, the old configuration holds again. It ends with the process.",
    ..CHANGE
};

pub(super) const REMOVE: Endpoint = Endpoint {
    id: EndpointId::RemoveConfig,
    method: Method::Delete,
    path: "/services/{name}/-/config",
    summary: "Remove what came over the API for a service",
    description: "Then files, variables and flags hold alone.",
    body: None,
    ..CHANGE
};

pub(super) const CONFIGURE: Endpoint = Endpoint {
    id: EndpointId::Configure,
    path: "/services/{name}/configure",
    summary: "Change what came over the API for a service",
    description: "The body is a JSON Merge Patch (RFC 7396) of what came over the API before: \
        `null` takes a key out of it, so that the files hold again.",
    ..CHANGE
};

pub(super) const CONFIGURE_AND_START: Endpoint = Endpoint {
    id: EndpointId::ConfigureAndStart,
    path: "/services/{name}/configure_and_start",
    summary: "Change what came over the API for a service, and start it",
    description: "As `configure`; a service that does not run is started with it. If that fails, \
        it is as it was before.",
    ..CHANGE
};

pub(super) const RELOAD: Endpoint = Endpoint {
    id: EndpointId::Reload,
    path: "/reload",
    summary: "Load the configuration's files again",
    description: "All of it, or, if anything is wrong, nothing. Only services whose own section \
        differs are touched, each as by `configure`. Instances of kinds that the files do not name \
        any more leave; then those join, and start, that they name anew. What needs a restart of \
        the process is listed. `dry_run=true` tells what would happen.",
    parameters: &[WAIT, DRY_RUN, IDEMPOTENCY_KEY],
    body: Some(COMMAND_BODY),
    answers: &[
        ok("It is over.", "Reloaded"),
        Answer {
            status: 202,
            description: "The files hold, and some services are not done yet; see `Location`.",
            media: JSON,
            schema: Some("Reloaded"),
        },
    ],
    problems: &[
        Code::RequestTimeout,
        Code::NotConfigurable,
        Code::BodyTooLarge,
        Code::UnsupportedMediaType,
        Code::MalformedBody,
        Code::InvalidBody,
        Code::InvalidConfig,
        Code::InvalidQuery,
        Code::IdempotencyConflict,
        Code::Closing,
        Code::Busy,
    ],
    ..CHANGE
};
