//! The endpoints of probes.

use super::{Access, Endpoint, EndpointId, READ, ok};
use crate::problem::Code;

const PROBE: Endpoint =
    Endpoint { is_prefixed: false, tag: "health", access: Access::Probe, problems: &[], ..READ };

pub(super) const LIVE: Endpoint = Endpoint {
    id: EndpointId::Live,
    path: "/health/live",
    summary: "Is the process alive?",
    description: "Looks at no service.",
    answers: &[ok("It is.", "Probe")],
    ..PROBE
};

pub(super) const READY: Endpoint = Endpoint {
    id: EndpointId::Ready,
    path: "/health/ready",
    summary: "Can it do its work?",
    description: "Fails while a service that should run, and whose readiness is required, is \
        neither ready nor completed, and from the moment closing begins.",
    answers: &[ok("It can.", "Probe")],
    problems: &[Code::NotReady, Code::Closing],
    ..PROBE
};

pub(super) const STARTUP: Endpoint = Endpoint {
    id: EndpointId::Startup,
    path: "/health/startup",
    summary: "Is the start over?",
    description: "Succeeds for ever once every service has settled.",
    answers: &[ok("It is.", "Probe")],
    problems: &[Code::NotStarted],
    ..PROBE
};
