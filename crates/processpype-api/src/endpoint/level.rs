//! The endpoints of levels.

use processpype_core::Role;
use schemars::SchemaGenerator;

use super::parameter::NAME;
use super::{Access, Body, Endpoint, EndpointId, Method, READ, ok};
use crate::level::{LevelBody, LevelChanged, LevelStatus, Levels};
use crate::problem::Code;

const CHANGE: Endpoint = Endpoint {
    method: Method::Put,
    access: Access::Role(Role::Operator),
    tag: "logs",
    description: "It ends by itself, and what is configured holds again; a change that holds \
        already gets this level and this end. What is to stay belongs to the configuration.",
    body: Some(Body(SchemaGenerator::subschema_for::<LevelBody>)),
    answers: &[ok("It holds.", SchemaGenerator::subschema_for::<LevelChanged>)],
    problems: &[
        Code::RequestTimeout,
        Code::BodyTooLarge,
        Code::UnsupportedMediaType,
        Code::MalformedBody,
        Code::InvalidBody,
        Code::InvalidQuery,
        Code::LogsUnavailable,
        Code::Closing,
        Code::Busy,
    ],
    ..READ
};

const RESET: Endpoint = Endpoint {
    method: Method::Delete,
    access: Access::Role(Role::Operator),
    tag: "logs",
    answers: &[ok("It is so now.", SchemaGenerator::subschema_for::<LevelChanged>)],
    problems: &[Code::InvalidQuery, Code::LogsUnavailable, Code::Closing, Code::Busy],
    ..READ
};

const SERVICE_PATH: &str = "/services/{name}/-/level";

pub(super) const SERVICE_LEVEL: Endpoint = Endpoint {
    id: EndpointId::ServiceLevel,
    path: SERVICE_PATH,
    tag: "logs",
    summary: "How much is logged of a service",
    parameters: &[NAME],
    answers: &[ok("The level now.", SchemaGenerator::subschema_for::<LevelStatus>)],
    problems: &[Code::UnknownService, Code::InvalidQuery, Code::LogsUnavailable],
    ..READ
};

pub(super) const CHANGE_SERVICE_LEVEL: Endpoint = Endpoint {
    id: EndpointId::ChangeServiceLevel,
    path: SERVICE_PATH,
    summary: "Change how much is logged of a service, for a while",
    parameters: &[NAME],
    problems: &[
        Code::UnknownService,
        Code::RequestTimeout,
        Code::BodyTooLarge,
        Code::UnsupportedMediaType,
        Code::MalformedBody,
        Code::InvalidBody,
        Code::InvalidQuery,
        Code::LogsUnavailable,
        Code::Closing,
        Code::Busy,
    ],
    ..CHANGE
};

pub(super) const RESET_SERVICE_LEVEL: Endpoint = Endpoint {
    id: EndpointId::ResetServiceLevel,
    path: SERVICE_PATH,
    summary: "Let the configured level of a service hold again",
    parameters: &[NAME],
    problems: &[
        Code::UnknownService,
        Code::InvalidQuery,
        Code::LogsUnavailable,
        Code::Closing,
        Code::Busy,
    ],
    ..RESET
};

pub(super) const LEVELS: Endpoint = Endpoint {
    id: EndpointId::Levels,
    path: "/levels",
    tag: "logs",
    summary: "How much is logged: of the application, its services and modules",
    answers: &[ok("The levels now.", SchemaGenerator::subschema_for::<Levels>)],
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
