//! The body of a request: read whole, within its time and its length, and as its type.
//!
//! # Invariants
//!
//! 1. Every mistake in it is told at once, each with its place.
//! 2. A body that is left out is an empty one; any other says that it is JSON, and is.

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use processpype_api::{Code, Fault, Problem};
use processpype_config::Report;
use processpype_core::each;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::passage::{check_length, too_large};
use crate::server::Control;

/// Reads a body, within its time; one that is left out reads as an empty map.
pub(crate) async fn read<T>(control: &Control, request: Request) -> Result<T, Problem>
where
    T: DeserializeOwned + JsonSchema,
{
    parse(&read_json(control, request).await?)
}

/// Reads a body that is JSON, or empty, within its time; what it says is not looked at.
pub(crate) async fn read_json(control: &Control, request: Request) -> Result<Bytes, Problem> {
    let limits = &control.settings.limits;
    let reading = timeout(limits.body_read_time, collect(request, limits.body_bytes));
    let read = reading.await;
    read.map_err(|_| Problem::new(Code::RequestTimeout, "the body did not arrive in time"))?
}

async fn collect(request: Request, most: usize) -> Result<Bytes, Problem> {
    let (parts, body) = request.into_parts();
    check_length(&parts.headers, most)?;
    let collected = Limited::new(body, most).collect().await;
    let bytes = collected.map(http_body_util::Collected::to_bytes).map_err(|error| {
        if error.is::<LengthLimitError>() {
            return too_large(most);
        }
        Problem::new(Code::MalformedRequest, "the body broke off, or is in no chunks")
    })?;
    check_json(&parts.headers, &bytes)?;
    Ok(bytes)
}

fn parse<T>(bytes: &Bytes) -> Result<T, Problem>
where
    T: DeserializeOwned + JsonSchema,
{
    let bytes = if bytes.is_empty() { &b"{}"[..] } else { bytes };
    processpype_config::read_json(bytes).map_err(|report| invalid_body(&report))
}

fn check_json(headers: &HeaderMap, bytes: &Bytes) -> Result<(), Problem> {
    if bytes.is_empty() {
        return Ok(());
    }
    if !is_json(headers) {
        let detail = "the body must come with `Content-Type: application/json`";
        return Err(Problem::new(Code::UnsupportedMediaType, detail));
    }
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(bytes) {
        let detail = format!("the body is not JSON: {error}");
        return Err(Problem::new(Code::MalformedBody, detail));
    }
    Ok(())
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    let media = media.trim().to_ascii_lowercase();
    media == "application/json" || (media.starts_with("application/") && media.ends_with("+json"))
}

fn invalid_body(report: &Report) -> Problem {
    let detail = "the body does not fit its schema; `errors` lists where";
    Problem::new(Code::InvalidBody, detail).errors(faults(report, str::to_owned))
}

/// Tells a report as faults; `place` makes the path in the body from the one in the report.
pub(crate) fn faults(report: &Report, place: impl Fn(&str) -> String) -> Vec<Fault> {
    let fault = |problem: &processpype_config::Problem| Fault {
        path: place(problem.path()),
        message: problem.message().to_owned(),
        valid: problem.valid_choices().to_vec(),
        help: did_you_mean(problem.nearest_choice(), problem.help_text()),
        ..Fault::default()
    };
    each(report.problems(), fault)
}

pub(crate) fn did_you_mean(near: Option<&str>, help: Option<&str>) -> Option<String> {
    near.map(|near| format!("did you mean `{near}`?")).or_else(|| help.map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use processpype_api::CommandBody;

    use super::*;

    #[track_caller]
    fn check(media: Option<&str>, body: &str, expected: Result<Option<&str>, Code>) {
        let mut headers = HeaderMap::new();
        if let Some(media) = media {
            headers.insert(CONTENT_TYPE, media.parse().expect("a header value"));
        }
        let bytes = Bytes::copy_from_slice(body.as_bytes());
        let parsed = check_json(&headers, &bytes).and_then(|()| parse::<CommandBody>(&bytes));
        let reason = parsed.map(|body| body.reason).map_err(|problem| problem.code());
        assert_eq!(reason, expected.map(|text| text.map(str::to_owned)), "{media:?} {body}");
    }

    #[test]
    fn bodies() {
        let json = Some("application/json");
        check(None, "", Ok(None));
        check(Some("application/x-www-form-urlencoded"), "", Ok(None));
        check(json, "{}", Ok(None));
        check(json, r#"{"reason":"deploy"}"#, Ok(Some("deploy")));
        check(Some("Application/JSON; charset=utf-8"), r#"{"reason":"x"}"#, Ok(Some("x")));
        check(Some("application/merge-patch+json"), "{}", Ok(None));
        for media in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
            check(media, "{}", Err(Code::UnsupportedMediaType));
        }
        for malformed in ["{", "{}{}", "{'reason':'x'}", "reason: x", "\u{feff}{}"] {
            check(json, malformed, Err(Code::MalformedBody));
        }
        let long = format!(r#"{{"reason":"{}"}}"#, "x".repeat(501));
        let invalid = [
            "null",
            r#"{"reason":1}"#,
            r#"{"reson":"x"}"#,
            r#"{"x-own":1}"#,
            "[]",
            "3",
            "\"x\"",
            &long,
        ];
        for invalid in invalid {
            check(json, invalid, Err(Code::InvalidBody));
        }
    }
}
