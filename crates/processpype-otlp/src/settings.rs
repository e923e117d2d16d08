//! What is exported, and where to.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use processpype_telemetry::{Level, RedactionConfig, Redactor};

use crate::error::OtlpError;

/// How long one delivery may take, with its retries.
///
/// The default of OpenTelemetry's own exporters.
pub const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);

/// How many headers may be sent with each delivery.
pub const HEADERS_MAX: usize = 32;

/// Where traces and logs go, and what they say of the application.
#[derive(Clone)]
#[non_exhaustive]
pub struct Settings {
    /// The collector's address for OTLP over HTTP, such as `http://localhost:4318`. Traces go to
    /// `/v1/traces` below it, logs to `/v1/logs`.
    pub endpoint: String,
    /// What is sent with each delivery, such as `authorization`.
    pub headers: BTreeMap<String, String>,
    /// Which part of the traces that begin here is kept, from 0 to 1. A trace that began elsewhere
    /// is kept if it is there.
    pub sample_ratio: f64,
    /// The least severe level of spans that are exported.
    pub level: Level,
    /// Whether lines of the log are exported too.
    pub logs: bool,
    /// How long one delivery may take, with its retries.
    pub timeout: Duration,
    /// The name of the application: `service.name` in OpenTelemetry's words.
    pub name: String,
    /// What else is said of it with everything: `service.version` and its like.
    pub resource: BTreeMap<String, String>,
    /// What is hidden by value.
    pub redactor: Redactor,
    /// What is hidden by name.
    pub redaction: RedactionConfig,
}

// === impl Settings ===

impl Settings {
    /// The defaults for a collector at `endpoint`.
    #[must_use]
    pub fn new(endpoint: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            headers: BTreeMap::new(),
            sample_ratio: 1.0,
            level: Level::Info,
            logs: true,
            timeout: EXPORT_TIMEOUT,
            name: name.into(),
            resource: BTreeMap::new(),
            redactor: Redactor::default(),
            redaction: RedactionConfig::default(),
        }
    }

    /// The address of one signal.
    pub(crate) fn address(&self, signal: &str) -> String {
        format!("{}/v1/{signal}", self.endpoint.trim_end_matches('/'))
    }
}

/// Checks an address of a collector.
///
/// # Errors
///
/// [`OtlpError::Endpoint`] says what is wrong, without the address: there may be a password in it.
pub fn check_endpoint(endpoint: &str) -> Result<(), OtlpError> {
    let wrong = |why| Err(OtlpError::Endpoint(why));
    let Some((scheme, rest)) = endpoint.split_once("://") else {
        return wrong("it does not begin with `http://` or `https://`");
    };
    if !matches!(scheme, "http" | "https") {
        return wrong("only `http://` and `https://` are spoken");
    }
    if endpoint.contains(['?', '#']) {
        return wrong("it has more than a path");
    }
    let host = rest.split('/').next().unwrap_or_default();
    if host.contains('@') {
        return wrong("it names a user; put what proves who you are into `headers`");
    }
    let Ok(uri) = endpoint.parse::<ureq::http::Uri>() else {
        return wrong("it is not an address");
    };
    match (uri.host().unwrap_or_default(), uri.authority()) {
        ("", _) | (_, None) => wrong("it names no host"),
        (host, Some(all)) if all.as_str() != host && all.port_u16().is_none() => {
            wrong("its port is no number up to 65535")
        }
        (_, Some(_)) => Ok(()),
    }
}

/// Checks a header.
///
/// # Errors
///
/// [`OtlpError::Header`] says what is wrong with it, without its value.
pub fn check_header(name: &str, value: &str) -> Result<(), OtlpError> {
    let wrong = |why| Err(OtlpError::Header { name: name.to_owned(), why });
    if name.parse::<ureq::http::HeaderName>().is_err() {
        return wrong("this is no name of a header");
    }
    if value.parse::<ureq::http::HeaderValue>().is_err() {
        return wrong("its value has characters that no header may have");
    }
    Ok(())
}

impl fmt::Debug for Settings {
    /// Values of headers are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&String> = self.headers.keys().collect();
        f.debug_struct("Settings")
            .field("endpoint", &self.endpoint)
            .field("headers", &headers)
            .field("sample_ratio", &self.sample_ratio)
            .field("logs", &self.logs)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(endpoint: &str, expected: Option<&str>) {
        let told = check_endpoint(endpoint).err().map(|error| error.to_string());
        assert_eq!(told.is_some(), expected.is_some(), "{endpoint}: {told:?}");
        assert!(told.unwrap_or_default().contains(expected.unwrap_or_default()), "{endpoint}");
    }

    #[test]
    fn addresses_of_collectors() {
        for good in [
            "http://localhost:4318",
            "http://localhost:4318/",
            "https://logfire-eu.pydantic.dev",
            "http://[::1]:4318/otlp",
        ] {
            check(good, None);
        }
        check("localhost:4318", Some("does not begin"));
        check("grpc://localhost:4317", Some("only `http://`"));
        check("http://", Some("cannot be used"));
        check("http://me:hunter2@collector:4318", Some("names a user"));
        check("http://collector:port", Some("its port"));
        check("http://collector:65536", Some("its port"));
        check("http://collector/?a=b", Some("more than a path"));
    }

    #[test]
    fn headers() {
        assert!(check_header("authorization", "Bearer x").is_ok());
        assert!(check_header("not a name", "x").is_err());
        let told = check_header("x-key", "hunter2\n").unwrap_err().to_string();
        assert!(!told.contains("hunter2"), "{told}");
    }

    #[test]
    fn what_is_sent_to_prove_who_one_is_is_not_shown() {
        let mut settings = Settings::new("http://localhost:4318", "shop");
        settings.headers.insert("authorization".to_owned(), "hunter2".to_owned());
        assert!(!format!("{settings:?}").contains("hunter2"));
        assert_eq!(settings.address("traces"), "http://localhost:4318/v1/traces");
    }
}
