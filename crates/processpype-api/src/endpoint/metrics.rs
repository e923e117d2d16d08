//! The endpoint of metrics.

use super::{Access, Endpoint, EndpointId, READ, file};
use crate::problem::Code;

pub(super) const METRICS: Endpoint = Endpoint {
    id: EndpointId::Metrics,
    path: "/metrics",
    is_prefixed: false,
    tag: "health",
    summary: "Numbers about it all, for Prometheus",
    description: "Prometheus' text format 0.0.4, or OpenMetrics 1.0 for who asks for it with \
        `Accept`. Beside the framework's metrics stand those of the services, with the label \
        `service`. `docs/metrics.md` lists the former.",
    answers: &[
        file("The metrics now.", "text/plain"),
        file("The metrics now.", "application/openmetrics-text"),
    ],
    problems: &[Code::InvalidQuery, Code::Busy],
    access: Access::Metrics,
    ..READ
};
