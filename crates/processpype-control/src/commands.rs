//! Commands on a service: read, handed over, and waited for.
//!
//! # Invariants
//!
//! 1. From its first byte to its acceptance a command runs detached from the connection: a client
//!    that leaves at once has still given it. Only the waiting ends with the client.
//! 2. Every wait is bounded: for the body, for acceptance, for the effect.
//! 3. A command takes one of the places when all of it is there: who sends a body slowly keeps
//!    nobody else out. As many bodies are read at a time as there are connections, which have a
//!    limit of their own.
//! 4. A dry run takes the same way as a command, up to the supervisor, and changes nothing.
//! 5. The actor comes from the credential, never from the request's body.

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
use processpype_core::{ErrorKind, OperationId, Verb, each};
use processpype_runtime::{CommandError, CommandPreview, Done, Operation, Request as By, Status};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use tokio::sync::SemaphorePermit;
use tokio::time::timeout;

use crate::configuring::detached;
use crate::convert;
use crate::gate;
use crate::passage::{check_length, too_large};
use crate::precondition::Conditions;
use crate::query::Query;
use crate::refusal::{self, busy};
use crate::reply;
use crate::server::Control;
use crate::status;

/// A command as it was asked for.
#[derive(Clone, Debug)]
struct Command {
    service: String,
    verb: Verb,
    wait: Duration,
    /// What is left of this generation may run on beside the one that is started.
    orphan: Option<u64>,
    /// Only tell what would happen.
    is_dry: bool,
    conditions: Conditions,
}

/// What became of a command when it was handed over.
enum Handed {
    Operation(Operation),
    Foreseen(CommandPreview),
}

/// Carries out `POST /services/{name}/{start,stop,restart}` and `DELETE /services/{name}`.
pub(crate) async fn command(
    control: &Arc<Control>,
    id: EndpointId,
    name: &str,
    request: Request,
) -> Result<Response, Problem> {
    let now = status::known(control, name)?;
    let command = Command::asked(control, id, &now, &request)?;
    let handing_over = {
        let (control, command) = (Arc::clone(control), command.clone());
        async move { hand_over(&control, &command, request).await }
    };
    let operation = match detached(handing_over).await? {
        Handed::Operation(operation) => operation,
        Handed::Foreseen(foreseen) => return command.foreseen(control, &foreseen),
    };
    let id = operation.id();
    match timeout(command.wait, operation.outcome()).await {
        Ok(Ok(done)) => Ok(command.done(id, &done)),
        Ok(Err(CommandError::Superseded)) => Err(command.superseded(control, id)),
        Ok(Err(error)) => Err(command.refused(control, &error).operation(id.0)),
        Err(_) => command.accepted(control, id),
    }
}

/// Reads the body and gives the command to the supervisor.
async fn hand_over(
    control: &Control,
    command: &Command,
    request: Request,
) -> Result<Handed, Problem> {
    let mut by = command.conditions.on(By::by(&gate::actor(&request)));
    let limits = &control.settings.limits;
    let body: CommandBody = body(control, request).await?;
    let _place = place(control)?;
    if let Some(reason) = &body.reason {
        by = by.because(reason);
    }
    let Command { service, verb, is_dry, .. } = command;
    let asking = async {
        if *is_dry {
            control.manager.preview_command(service, *verb, by).await.map(Handed::Foreseen)
        } else {
            control.manager.command(service, *verb, by).await.map(Handed::Operation)
        }
    };
    match timeout(limits.accept_time, asking).await {
        Ok(Ok(handed)) => Ok(handed),
        Ok(Err(error)) => Err(command.refused(control, &error)),
        Err(_) => Err(busy()),
    }
}

/// Takes a place for a command that has been read.
pub(crate) fn place(control: &Control) -> Result<SemaphorePermit<'_>, Problem> {
    control.commands.try_acquire().map_err(|_| busy())
}

// === the body ===

/// Reads a command's body, within its time.
pub(crate) async fn body(control: &Control, request: Request) -> Result<CommandBody, Problem> {
    read(control, request).await
}

/// Reads a body, within its time; one that is left out reads as an empty map.
pub(crate) async fn read<T>(control: &Control, request: Request) -> Result<T, Problem>
where
    T: DeserializeOwned + JsonSchema,
{
    let limits = &control.settings.limits;
    let reading = timeout(limits.body_read_time, read_body(request, limits.body_bytes));
    let read = reading.await;
    read.map_err(|_| Problem::new(Code::RequestTimeout, "the body did not arrive in time"))?
}

/// Reads a body that is JSON, or empty, within its time; what it says is not looked at.
pub(crate) async fn json_body(control: &Control, request: Request) -> Result<Bytes, Problem> {
    let limits = &control.settings.limits;
    let reading = timeout(limits.body_read_time, read_json_body(request, limits.body_bytes));
    let read = reading.await;
    read.map_err(|_| Problem::new(Code::RequestTimeout, "the body did not arrive in time"))?
}

async fn read_body<T>(request: Request, most: usize) -> Result<T, Problem>
where
    T: DeserializeOwned + JsonSchema,
{
    parse_body(&read_json_body(request, most).await?)
}

async fn read_json_body(request: Request, most: usize) -> Result<Bytes, Problem> {
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

fn parse_body<T>(bytes: &Bytes) -> Result<T, Problem>
where
    T: DeserializeOwned + JsonSchema,
{
    let bytes = if bytes.is_empty() { &b"{}"[..] } else { bytes };
    read_json(bytes).map_err(|report| invalid_body(&report))
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
            EndpointId::Deregister => Verb::Deregister { cascade: query.flag("cascade") },
            _ => Verb::Restart { with_dependents: query.flag("with_dependents") },
        };
        let is_dry = query.flag("dry_run");
        let conditions = Conditions::take(request.headers(), &mut query);
        query.finish()?;
        let is_orphaned = now.error.as_ref().is_some_and(|it| it.kind == ErrorKind::Orphaned);
        let orphan = Some(now.generation.0).filter(|_| is_orphaned);
        Ok(Self { service: now.name.to_string(), verb, wait, orphan, is_dry, conditions })
    }

    /// Answers 200: the effect is visible.
    fn done(&self, operation: OperationId, done: &Done) -> Response {
        let effect = match self.verb {
            Verb::Start { .. } => Effect::Started,
            Verb::Restart { .. } => Effect::Restarted,
            Verb::Stop { .. } => Effect::Stopped,
            Verb::Deregister { .. } => Effect::Deregistered,
        };
        let commanded = Commanded {
            operation: operation.0,
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
            (Verb::Deregister { .. }, _) => Some(
                "if the configuration or the code has it, it is there again when the process \
                 starts anew"
                    .to_owned(),
            ),
            (Verb::Stop { .. }, _) => Some(
                "it stays stopped until it is started, or the process starts anew: what runs then \
                 is what the configuration says"
                    .to_owned(),
            ),
        }
    }

    /// Answers 200: what would happen.
    fn foreseen(&self, control: &Control, foreseen: &CommandPreview) -> Result<Response, Problem> {
        let generation = status::known(control, &self.service)?.generation.0;
        let told = convert::foreseen(self.verb.as_str(), &self.service, generation, foreseen);
        Ok(reply::json(StatusCode::OK, &told))
    }

    /// Answers 202: the command goes on.
    fn accepted(&self, control: &Control, operation: OperationId) -> Result<Response, Problem> {
        let now = status::known(control, &self.service)?;
        let accepted = Accepted {
            operation: operation.0,
            status: "accepted".to_owned(),
            command: self.verb.as_str().to_owned(),
            service: self.service.clone(),
            state: now.state.into(),
            waiting_on: convert::names(&now.waiting_on),
            location: format!("{}/operations/{}", control.prefix(), operation.0),
        };
        Ok(reply::accepted(&accepted, &accepted.location))
    }

    /// Says who took the command's place: two operators want to know of each other.
    fn superseded(&self, control: &Control, own: OperationId) -> Problem {
        let problem = self.refused(control, &CommandError::Superseded).operation(own.0);
        let status = control.manager.status(&self.service);
        let acted = status.and_then(|status| status.acted.clone());
        let Some(later) = acted.filter(|acted| acted.operation > own) else { return problem };
        let because =
            later.reason.as_ref().map_or(String::new(), |why| format!(", because: {why}"));
        let detail = format!(
            "a later command took the place of this one: {} by {} (operation {}){because}",
            later.verb, later.actor, later.operation.0
        );
        problem
            .with_detail(detail)
            .help("look at its status, or ask who gave it, before you repeat it")
    }

    /// Says why the command has no effect.
    fn refused(&self, control: &Control, error: &CommandError) -> Problem {
        let problem = refusal::problem(self.verb.as_str(), &self.service, error);
        match control.manager.state(&self.service) {
            _ if *error == CommandError::Busy => problem,
            Some(state) => problem.service(&self.service).state(state),
            None => problem.service(&self.service),
        }
    }
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
        let bytes = Bytes::copy_from_slice(body.as_bytes());
        let parsed = check_json(&headers, &bytes).and_then(|()| parse_body::<CommandBody>(&bytes));
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
