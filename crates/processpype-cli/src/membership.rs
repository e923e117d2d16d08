//! Services that join, and the end of the application.
//!
//! # Invariants
//!
//! 1. A section is read here, and every value of it is sent as it is meant: as text, number or
//!    map. What it should be, the application says.
//! 2. What stands in a section is never shown.

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use processpype_api::{
    Accepted, Commanded, Info, Operation, OperationState, RegisterBody, ShuttingDown, Timestamp,
};
use processpype_config::limits::MAX_BODY_BYTES;
use processpype_config::{Format, HumanDuration, Loader, Report};
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep};

use crate::act::{self, SERVER_WAIT_MAX, ask_why, foreseen, say_unless, still_going};
use crate::error::{ClientError, Told};
use crate::exit::ClientExit;
use crate::look::Asking;
use crate::print::{progress, remark, say_raw};
use crate::verb::{RegisterArgs, ShutdownArgs};
use crate::watch::{LOOK_AGAIN, Watch};

/// The file name that means standard input.
const STANDARD_INPUT: &str = "-";

/// What the variables begin with that belong to the application's own file.
const OWN_VARIABLES: &str = "PROCESSPYPE_";

pub(crate) async fn register(
    asking: &Asking,
    args: &RegisterArgs,
) -> Result<ClientExit, ClientError> {
    let body = RegisterBody {
        name: args.name.clone(),
        kind: args.kind.clone(),
        config: args.section.as_deref().map_or(Ok(Map::new()), section)?,
        start: args.start,
        group: args.group.clone(),
        reason: args.reason.clone(),
        ..RegisterBody::default()
    };
    let body = serde_json::to_string(&body).unwrap_or_default();
    if args.dry_run {
        let path = "/services?dry_run=true";
        return foreseen(asking, &asking.client.post(path, body, Duration::ZERO).await?);
    }
    let begun = Instant::now();
    let watch = Watch { asking, name: &args.name, verb: "register", begun, before: None };
    let wait = (*args.wait).min(SERVER_WAIT_MAX);
    let path = format!("/services?wait={}", HumanDuration::from(wait));
    let answer = tokio::select! {
        answer = asking.client.post(&path, body, wait) => answer,
        never = watch.go_on() => match never {},
    };
    progress("");
    let answer = answer.map_err(|error| with_help(error, &args.name))?;
    if answer.status != 202 {
        asking.print(&answer, |done: &Commanded, _| act::told(done))?;
        return Ok(ClientExit::Done);
    }
    if asking.json {
        say_raw(&answer.text);
    }
    wait_for_start(&watch, &answer.read()?, args.wait).await
}

/// Looks at the operation until the start has ended.
async fn wait_for_start(
    watch: &Watch<'_>,
    accepted: &Accepted,
    wait: HumanDuration,
) -> Result<ClientExit, ClientError> {
    let (asking, name) = (watch.asking, watch.name);
    let path = format!("/operations/{}", accepted.operation);
    while watch.begun.elapsed() < *wait {
        let operation: Operation = asking.client.get(&path).await?.read()?;
        match operation.state {
            OperationState::Waiting => {
                if let Ok(status) = watch.status().await {
                    watch.show(&status);
                }
            }
            OperationState::Done => {
                progress("");
                say_unless(asking.json, &format!("{name} started"));
                return Ok(ClientExit::Done);
            }
            _ => {
                progress("");
                return Err(ClientError::Problem(Box::new(not_started(name, operation))));
            }
        }
        sleep(LOOK_AGAIN).await;
    }
    progress("");
    Ok(still_going("register", accepted, wait, asking.json))
}

fn not_started(name: &str, operation: Operation) -> Told {
    let detail = operation.detail.unwrap_or_else(|| "its start did not come to its end".to_owned());
    Told {
        title: "The service is registered, and was not started".to_owned(),
        code: operation.code.unwrap_or_else(|| "failed".to_owned()),
        detail,
        help: Some(undo(name)),
        ..Told::default()
    }
}

/// A start that failed leaves the service registered.
fn with_help(mut error: ClientError, name: &str) -> ClientError {
    if let ClientError::Problem(told) = &mut error
        && told.code == "start-failed"
    {
        told.help = Some(undo(name));
    }
    error
}

fn undo(name: &str) -> String {
    format!("it is registered all the same: {}, `deregister {name}` undoes it", ask_why(name))
}

/// Closes the application, and waits until nothing of it answers.
pub(crate) async fn shut_down(
    asking: &Asking,
    args: &ShutdownArgs,
) -> Result<ClientExit, ClientError> {
    let begun = Instant::now();
    let Info { started_at, .. } = asking.client.get("/info").await?.read()?;
    let body = act::reason(args.reason.as_deref());
    let answer = asking.client.post("/shutdown", body, Duration::ZERO).await?;
    if asking.json {
        say_raw(&answer.text);
    }
    let told: ShuttingDown = answer.read()?;
    let operation = told.operation;
    if args.wait.is_zero() {
        let within = HumanDuration::from(Duration::from_millis(told.closing_timeout_ms));
        let text = format!("the application closes (operation {operation}), within {within}");
        say_unless(asking.json, &text);
        return Ok(ClientExit::Done);
    }
    while begun.elapsed() < *args.wait {
        if let Some(text) = closed(asking, started_at).await {
            progress("");
            say_unless(asking.json, text);
            return Ok(ClientExit::Done);
        }
        let seconds = begun.elapsed().as_secs();
        progress(&format!("shutdown (operation {operation}): closing, {seconds} s …"));
        sleep(LOOK_AGAIN).await;
    }
    progress("");
    remark(&format!(
        "shutdown (operation {operation}) goes on after {}\n  = help: `status` says what has not \
         stopped",
        args.wait
    ));
    Ok(ClientExit::StillGoing)
}

/// Says how it is known that the application has closed; none while it closes.
async fn closed(asking: &Asking, started_at: Timestamp) -> Option<&'static str> {
    match asking.client.get("/info").await {
        Err(ClientError::Unreachable { .. }) => Some("the application has closed"),
        // Whatever else is wrong may be so because it closes.
        Err(_) => None,
        Ok(answer) => (answer.read::<Info>().ok()?.started_at != started_at)
            .then_some("the application has closed, and another process answers at its address"),
    }
}

// === the section ===

/// Reads the section of a service from a file.
fn section(path: &Path) -> Result<Map<String, Value>, ClientError> {
    let cannot = |why: String| ClientError::Section { why };
    let text = text(path).map_err(|error| cannot(format!("{}: {error}", path.display())))?;
    if text.len() > MAX_BODY_BYTES {
        return Err(cannot(format!("it is longer than {MAX_BODY_BYTES} bytes")));
    }
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    parse(path, text, variables).map_err(|report| cannot(report.to_string()))
}

/// Reads a file, but no more than is looked at.
fn text(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let most = MAX_BODY_BYTES as u64 + 1;
    if path.as_os_str() == STANDARD_INPUT {
        std::io::stdin().lock().take(most).read_to_string(&mut text)?;
    } else {
        std::fs::File::open(path)?.take(most).read_to_string(&mut text)?;
    }
    Ok(text)
}

fn parse(
    path: &Path,
    text: String,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<Map<String, Value>, Report> {
    let ending = path.extension().and_then(std::ffi::OsStr::to_str);
    let format = match ending.map(str::to_ascii_lowercase).as_deref() {
        Some("json") => Format::Json,
        Some("toml") => Format::Toml,
        _ => Format::Yaml,
    };
    let is_own = |name: &str| name.starts_with(OWN_VARIABLES);
    let name = match path.to_str() {
        Some(STANDARD_INPUT) => "standard input".to_owned(),
        _ => path.display().to_string(),
    };
    let loader = Loader::new().text(&name, format, text);
    let document = loader.environment(variables.filter(|(name, _)| !is_own(name))).load()?;
    document.root().read()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, text: &str, expected: &str) {
        let variables = [("WHERE", "here"), ("PROCESSPYPE_SERVER__PORT", "1")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let read = parse(Path::new(name), text.to_owned(), variables.into_iter());
        assert_eq!(Value::Object(read.expect("it is right")).to_string(), expected, "{text}");
    }

    #[test]
    fn a_section_is_sent_as_it_is_meant() {
        check("-", "", "{}");
        check(
            "a.yaml",
            "step: 5\nname: five\nquoted: \"5\"",
            r#"{"name":"five","quoted":"5","step":5}"#,
        );
        check(
            "-",
            "{\"a\": [1, true, null], \"b\": {\"c\": 1.5}}",
            r#"{"a":[1,true,null],"b":{"c":1.5}}"#,
        );
        check("A.TOML", "a = 1", r#"{"a":1}"#);
        check("a.json", "{\"x-own\": \"$${A}\"}", r#"{"x-own":"${A}"}"#);
        check(
            "a.toml",
            "at = \"${WHERE}\"\nlost = \"${NOWHERE:-there}\"",
            r#"{"at":"here","lost":"there"}"#,
        );
    }

    #[test]
    fn what_is_no_section_is_refused_without_its_values() {
        for text in
            ["[kanarie]", "kanarie", "a: \"kanarie", "a: ${UNSET}kanarie", "a: kanarie\na: kanarie"]
        {
            let refused = parse(Path::new("-"), text.to_owned(), std::iter::empty());
            let report = refused.expect_err(text).to_string();
            assert!(report.contains("standard input") && !report.contains("kanarie"), "{report}");
        }
    }
}
