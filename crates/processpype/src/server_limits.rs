//! What clients of the control plane may take of it: the section `server.limits`.
//!
//! # Invariants
//!
//! 1. What is not said is the control plane's own default: a number stands in one place.

use std::time::Duration;

use processpype_config::HumanDuration;
use processpype_control::{Limits, Rate};
use serde::Deserialize;

/// What clients may take of the control plane.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct ServerLimitsSection {
    /// Open connections, for each listener. When more clients come, whoever has been there for a
    /// second without need gives up its place; until then they wait in the kernel. Default: 512.
    #[cfg_attr(test, schemars(range(min = 1, max = 100_000)))]
    connections: Option<u32>,
    /// Open connections of one client (an address; of IPv6 the first 64 bits; a user on a Unix
    /// socket), for each listener; for more, its own idle ones make room. Behind a proxy all
    /// clients are one. Default: 256.
    #[cfg_attr(test, schemars(range(min = 1, max = 100_000)))]
    connections_per_peer: Option<u32>,
    /// Open event streams; more are answered with `busy`. Default: 64.
    #[cfg_attr(test, schemars(range(min = 1, max = 100_000)))]
    streams: Option<u32>,
    /// Open event streams of one client; more are answered with `too-many-requests`. Default: 16.
    #[cfg_attr(test, schemars(range(min = 1, max = 100_000)))]
    streams_per_peer: Option<u32>,
    /// Commands that are being read or handed over at a time; more are answered with `busy`.
    /// Default: 64.
    #[cfg_attr(test, schemars(range(min = 1, max = 100_000)))]
    commands: Option<u32>,
    /// Commands of one client (a token, a rule about certificates, else as for connections); more
    /// are answered with `too-many-requests`. Default: 200 at once, 50 per second.
    writes: RateSection,
    /// Wrong tokens of one client; more are answered with `too-many-requests`. Default: 20 at once,
    /// 1 per second.
    failures: RateSection,
    /// Bytes of a request's head; a longer one is answered with 431. Up to half as much again may
    /// pass. Default: 32768.
    #[cfg_attr(test, schemars(range(min = 8192, max = 1_048_576)))]
    header_bytes: Option<u32>,
    /// Headers of a request; more are answered with 431. Default: 100.
    #[cfg_attr(test, schemars(range(min = 1, max = 1000)))]
    headers: Option<u32>,
    /// Bytes of a request's address; a longer one is answered with 414. Default: 8192.
    #[cfg_attr(test, schemars(range(min = 64, max = 65_536)))]
    uri_bytes: Option<u32>,
    /// Bytes of a command's body; a longer one is answered with 413. Default: 65536.
    #[cfg_attr(test, schemars(range(min = 1, max = 1_048_576)))]
    body_bytes: Option<u32>,
    /// Bytes of a body sent to a service's own route; a longer one is answered with 413. Default:
    /// 16777216.
    #[cfg_attr(test, schemars(range(min = 1, max = 1_073_741_824)))]
    service_body_bytes: Option<u32>,
    /// How long the handshake of TLS may take. Default: 10s.
    handshake_time: Option<HumanDuration>,
    /// From the start of a connection, or the end of its handshake, to the first byte of its first
    /// request. Default: 10s.
    first_byte_time: Option<HumanDuration>,
    /// From the first byte of a request's head to its end. Default: 15s.
    header_read_time: Option<HumanDuration>,
    /// From the end of an answer to the first byte of the next request; a proxy in front should
    /// give up sooner than this. Default: 75s.
    idle_time: Option<HumanDuration>,
    /// To the end of a command's body, and between two pieces of a body sent to a service.
    /// Default: 10s.
    body_read_time: Option<HumanDuration>,
    /// To the end of a body sent to a service's own route, counted while the service waits for it;
    /// a slower one is answered with 408. Default: 2m.
    service_body_time: Option<HumanDuration>,
    /// How long a client may take nothing of what is sent to it. Default: 30s.
    write_stall_time: Option<HumanDuration>,
    /// Bytes per second that a client takes at least of an answer whose length is known; it may
    /// fall behind by `write_stall_time`, and is cut then. Streams are not held to it. Default:
    /// 1024.
    #[cfg_attr(test, schemars(range(min = 1, max = 1_073_741_824)))]
    answer_rate: Option<u32>,
}

/// How often one client may do something.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct RateSection {
    /// How many at once, after a quiet time.
    #[cfg_attr(test, schemars(range(min = 1, max = 100_000)))]
    burst: Option<u32>,
    /// How many per second from then on.
    #[cfg_attr(test, schemars(range(min = 1, max = 100_000)))]
    per_second: Option<u32>,
}

// === impl ServerLimitsSection ===

impl ServerLimitsSection {
    /// Lays what is said over what holds otherwise.
    pub(crate) fn over(&self, limits: &mut Limits) {
        let counts = [
            (self.connections, &mut limits.connections),
            (self.connections_per_peer, &mut limits.connections_per_peer),
            (self.streams, &mut limits.streams),
            (self.streams_per_peer, &mut limits.streams_per_peer),
            (self.commands, &mut limits.commands),
            (self.header_bytes, &mut limits.header_bytes),
            (self.headers, &mut limits.headers),
            (self.uri_bytes, &mut limits.uri_bytes),
            (self.body_bytes, &mut limits.body_bytes),
            (self.service_body_bytes, &mut limits.service_body_bytes),
        ];
        for (said, count) in counts {
            *count = said.map_or(*count, |said| said as usize);
        }
        let times = [
            &mut limits.handshake_time,
            &mut limits.first_byte_time,
            &mut limits.header_read_time,
            &mut limits.idle_time,
            &mut limits.body_read_time,
            &mut limits.service_body_time,
            &mut limits.write_stall_time,
        ];
        for ((_, said), time) in self.times().into_iter().zip(times) {
            *time = said.map_or(*time, Duration::from);
        }
        limits.answer_rate = self.answer_rate.unwrap_or(limits.answer_rate);
        self.writes.over(&mut limits.writes);
        self.failures.over(&mut limits.failures);
    }

    /// Returns the keys of times that leave no time for anything.
    pub(crate) fn zero_times(&self) -> impl Iterator<Item = &'static str> {
        let zero = |(key, said): (_, Option<HumanDuration>)| {
            said.is_some_and(|it| it.is_zero()).then_some(key)
        };
        self.times().into_iter().filter_map(zero)
    }

    /// Returns the keys of times, with what they say.
    pub(crate) fn times(&self) -> [(&'static str, Option<HumanDuration>); 7] {
        [
            ("handshake_time", self.handshake_time),
            ("first_byte_time", self.first_byte_time),
            ("header_read_time", self.header_read_time),
            ("idle_time", self.idle_time),
            ("body_read_time", self.body_read_time),
            ("service_body_time", self.service_body_time),
            ("write_stall_time", self.write_stall_time),
        ]
    }
}

// === impl RateSection ===

impl RateSection {
    fn over(&self, rate: &mut Rate) {
        rate.burst = self.burst.unwrap_or(rate.burst);
        rate.per_second = self.per_second.unwrap_or(rate.per_second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_lies_over_the_defaults_key_by_key() {
        let text = r#"{"connections": 9, "idle_time": "5m", "writes": {"burst": 3}}"#;
        let section: ServerLimitsSection = serde_json::from_str(text).expect("it fits");
        let mut limits = Limits::default();
        section.over(&mut limits);
        let mut expected = Limits::default();
        expected.connections = 9;
        expected.idle_time = Duration::from_secs(300);
        expected.writes.burst = 3;
        assert_eq!(limits, expected);
    }

    #[test]
    fn a_time_that_leaves_no_time_is_refused_where_it_stands() {
        let text = "server: {limits: {idle_time: 0s, headers: 9}}";
        let app = crate::Application::new();
        let app = app.config_text("a.yaml", processpype_config::Format::Yaml, text.to_owned());
        let error = app.environment([]).check().expect_err("it is refused").to_string();
        assert!(error.contains("a.yaml:1:30") && error.contains("in time"), "{error}");
    }
}
