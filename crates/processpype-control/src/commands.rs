//! Commands on a service: read, handed over, and waited for.
//!
//! # Invariants
//!
//! 1. From its first byte to its acceptance a command runs detached from the connection: a client
//!    that leaves at once has still given it. Only the waiting ends with the client.
//! 2. Every wait is bounded: for the body, for acceptance, for the effect.
//! 3. The actor comes from the credential, never from the request's body.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use processpype_api::{Accepted, Code, CommandBody, Commanded, Effect, EndpointId, Fault, Problem};
use processpype_config::{Report, read_json};
use processpype_core::{ErrorKind, Verb};
use processpype_runtime::{CommandError, Done, Operation, Request as By, Status};
use tokio::time::timeout;

use crate::convert;
use crate::gate;
use crate::passage::{check_length, too_large};
use crate::query::Query;
use crate::reply;
use crate::server::Control;
use crate::status;

/// When to try again, in seconds, after a limit was reached.
const SOON: u64 = 1;

/// When to try again, in seconds, after the application began to close.
const AFTER_CLOSING: u64 = 10;

/// A command as it was asked for.
#[derive(Clone, Debug)]
struct Command {
    service: String,
    verb: Verb,
    wait: Duration,
    /// What is left of this generation may run on beside the one that is started.
    orphan: Option<u64>,
}

/// Carries out `POST /services/{name}/{start,stop,restart}`.
pub(crate) async fn command(
    control: &Arc<Control>,
    id: EndpointId,
    name: &str,
    request: Request,
) -> Result<Response, Problem> {
    let now = status::known(control, name)?;
    let command = Command::asked(control, id, &now, &request)?;
    let Ok(place) = Arc::clone(&control.commands).try_acquire_owned() else {
        return Err(busy());
    };
    let handing_over = {
        let (control, command) = (Arc::clone(control), command.clone());
        async move {
            let _place = place;
            hand_over(&control, &command, request).await
        }
    };
    #[expect(clippy::disallowed_methods, reason = "the command must outlive the connection")]
    let detached = tokio::spawn(handing_over);
    let operation = detached.await.map_err(|_| reply::internal("a command panicked"))??;
    match timeout(command.wait, operation.outcome()).await {
        Ok(Ok(done)) => Ok(command.done(&done)),
        Ok(Err(error)) => Err(command.refused(control, error)),
        Err(_) => command.accepted(control),
    }
}

/// Reads the body and gives the command to the supervisor.
async fn hand_over(
    control: &Control,
    command: &Command,
    request: Request,
) -> Result<Operation, Problem> {
    let mut by = By::by(&gate::actor(&request));
    let limits = &control.settings.limits;
    let reading = timeout(limits.body_read_time, read_body(request, limits.body_bytes));
    let body = reading
        .await
        .map_err(|_| Problem::new(Code::RequestTimeout, "the body did not arrive in time"))??;
    if let Some(reason) = &body.reason {
        by = by.because(reason);
    }
    let accepting = control.manager.command(&command.service, command.verb, by);
    match timeout(limits.accept_time, accepting).await {
        Ok(Ok(operation)) => Ok(operation),
        Ok(Err(error)) => Err(command.refused(control, error)),
        Err(_) => Err(busy()),
    }
}

// === the body ===

async fn read_body(request: Request, most: usize) -> Result<CommandBody, Problem> {
    let (parts, body) = request.into_parts();
    check_length(&parts.headers, most)?;
    let collected = Limited::new(body, most).collect().await;
    let bytes = collected.map(http_body_util::Collected::to_bytes).map_err(|error| {
        if error.is::<LengthLimitError>() {
            return too_large(most);
        }
        Problem::new(Code::MalformedRequest, "the body ended before its announced length")
    })?;
    parse_body(&parts.headers, &bytes)
}

fn parse_body(headers: &HeaderMap, bytes: &Bytes) -> Result<CommandBody, Problem> {
    if bytes.is_empty() {
        return Ok(CommandBody::default());
    }
    if !is_json(headers) {
        let detail = "the body must come with `Content-Type: application/json`";
        return Err(Problem::new(Code::UnsupportedMediaType, detail));
    }
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(bytes) {
        let detail = format!("the body is not JSON: {error}");
        return Err(Problem::new(Code::MalformedBody, detail));
    }
    read_json(bytes).map_err(|report| invalid_body(&report))
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    let media = media.trim().to_ascii_lowercase();
    media == "application/json" || (media.starts_with("application/") && media.ends_with("+json"))
}

fn invalid_body(report: &Report) -> Problem {
    let faults = report.problems().iter().map(|problem| Fault {
        path: problem.path().to_owned(),
        message: problem.message().to_owned(),
        valid: problem.valid_choices().to_vec(),
        help: did_you_mean(problem.nearest_choice(), problem.help_text()),
    });
    let detail = "the body does not fit its schema; `errors` lists where";
    Problem::new(Code::InvalidBody, detail).errors(faults.collect())
}

fn did_you_mean(near: Option<&str>, help: Option<&str>) -> Option<String> {
    near.map(|near| format!("did you mean `{near}`?")).or_else(|| help.map(str::to_owned))
}

// === impl Command ===

impl Command {
    /// Reads path and query.
    fn asked(
        control: &Control,
        id: EndpointId,
        now: &Status,
        request: &Request,
    ) -> Result<Self, Problem> {
        let limits = &control.settings.limits;
        let mut query = Query::of(request.uri());
        let wait = query.wait("wait", limits.default_wait, limits.max_wait);
        let verb = match id {
            EndpointId::Start => Verb::Start {
                with_dependencies: query.flag("with_dependencies"),
                force: query.flag("force"),
            },
            EndpointId::Stop => Verb::Stop { cascade: query.flag("cascade") },
            _ => Verb::Restart { with_dependents: query.flag("with_dependents") },
        };
        query.finish()?;
        let is_orphaned = now.error.as_ref().is_some_and(|it| it.kind == ErrorKind::Orphaned);
        let orphan = Some(now.generation.0).filter(|_| is_orphaned);
        Ok(Self { service: now.name.to_string(), verb, wait, orphan })
    }

    /// Answers 200: the effect is visible.
    fn done(&self, done: &Done) -> Response {
        let effect = match self.verb {
            Verb::Start { .. } => Effect::Started,
            Verb::Restart { .. } => Effect::Restarted,
            Verb::Stop { .. } => Effect::Stopped,
        };
        let commanded = Commanded {
            status: effect,
            service: self.service.clone(),
            changed: done.changed,
            generation: done.generation.0,
            affected: convert::names(&done.affected),
            note: self.note(),
        };
        reply::json(StatusCode::OK, &commanded)
    }

    /// Says what an operator should know about the effect.
    fn note(&self) -> Option<String> {
        match (self.verb, self.orphan) {
            (Verb::Start { force: true, .. }, Some(generation)) => Some(format!(
                "what is left of generation {generation} may run beside this one until the \
                 process ends"
            )),
            (Verb::Start { .. } | Verb::Restart { .. }, _) => None,
            (Verb::Stop { .. }, _) => Some(
                "it stays stopped until it is started, or the process starts anew: what runs then \
                 is what the configuration says"
                    .to_owned(),
            ),
        }
    }

    /// Answers 202: the command goes on.
    fn accepted(&self, control: &Control) -> Result<Response, Problem> {
        let now = status::known(control, &self.service)?;
        let accepted = Accepted {
            status: "accepted".to_owned(),
            command: self.word().to_owned(),
            service: self.service.clone(),
            state: now.state.into(),
            waiting_on: convert::names(&now.waiting_on),
            location: format!("{}/services/{}", control.prefix(), self.service),
        };
        Ok(reply::accepted(&accepted, &accepted.location))
    }

    /// Says why the command has no effect.
    fn refused(&self, control: &Control, error: CommandError) -> Problem {
        let name = &self.service;
        let detail = error.to_string();
        let problem = match error {
            CommandError::Unknown { .. } => Problem::new(Code::UnknownService, detail),
            CommandError::Disabled => Problem::new(Code::Disabled, detail)
                .help("set `enabled: true` in its section and restart the process"),
            CommandError::Closing => Problem::new(Code::Closing, detail).retry_after(AFTER_CLOSING),
            CommandError::Orphaned | CommandError::Failed { kind: ErrorKind::Orphaned, .. } => {
                Problem::new(Code::Orphaned, detail).help(
                    "restart the process, or start a new generation beside what is left of the old \
                     one with ?force=true",
                )
            }
            CommandError::ProviderStopped { provider } => {
                Problem::new(Code::ProviderStopped, detail)
                    .provider(provider.as_str())
                    .help(format!("start `{provider}`, or pass ?with_dependencies=true"))
            }
            CommandError::Superseded => Problem::new(Code::Superseded, detail)
                .help("`acted` in its status says which one, and who gave it"),
            CommandError::Busy => return busy(),
            CommandError::Failed { kind, message } => self.failed(kind, &message),
            _ => reply::internal("a command was refused for an unknown reason"),
        };
        match control.manager.state(name) {
            Some(state) => problem.service(name).state(state),
            None => problem.service(name),
        }
    }

    fn failed(&self, kind: ErrorKind, message: &str) -> Problem {
        let (code, what) = match self.verb {
            Verb::Stop { .. } => (Code::StopFailed, "did not stop as it should"),
            Verb::Start { .. } | Verb::Restart { .. } => (Code::StartFailed, "did not start"),
        };
        let problem =
            Problem::new(code, format!("service `{}` {what}: {message} ({kind})", self.service));
        match code {
            Code::StartFailed => {
                problem.help("`restart` in its status says whether it is tried again by itself")
            }
            _ => problem,
        }
    }

    fn word(&self) -> &'static str {
        self.verb.as_str()
    }
}

fn busy() -> Problem {
    Problem::new(Code::Busy, "too many commands are on their way").retry_after(SOON)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(media: Option<&str>, body: &str, expected: Result<Option<&str>, Code>) {
        let mut headers = HeaderMap::new();
        if let Some(media) = media {
            headers.insert(CONTENT_TYPE, media.parse().expect("a header value"));
        }
        let parsed = parse_body(&headers, &Bytes::copy_from_slice(body.as_bytes()));
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
        let invalid = ["null", r#"{"reason":1}"#, r#"{"reson":"x"}"#, "[]", "3", "\"x\"", &long];
        for invalid in invalid {
            check(json, invalid, Err(Code::InvalidBody));
        }
    }
}
