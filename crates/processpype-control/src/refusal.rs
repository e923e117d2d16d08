//! From what the supervisor refuses to the problem that a client sees.
//!
//! # Invariants
//!
//! 1. A refusal has one code, whether it is told by the command's answer, by its operation, or by a
//!    dry run.

use processpype_api::{Code, Problem};
use processpype_core::{ErrorKind, each};
use processpype_runtime::{CHECKS_AT_ONCE, CancelError, CommandError};

use crate::server::Control;
use crate::{logs, reply};

/// When to try again, in seconds, after a limit was reached.
const SOON: u64 = 1;

/// When to try again, in seconds, after a check of configuration was not over in time.
const AFTER_CHECK: u64 = 10;

/// When to try again, in seconds, after the application began to close.
const AFTER_CLOSING: u64 = 10;

/// Returns why a command on `service` has no effect.
pub(crate) fn problem(verb: &str, service: &str, error: &CommandError) -> Problem {
    let detail = error.to_string();
    match error {
        CommandError::Orphaned | CommandError::Failed { kind: ErrorKind::Orphaned, .. }
            if verb == "deregister" =>
        {
            Problem::new(Code::Orphaned, detail)
                .help("it stays until nothing of it is left: restart the process")
        }
        CommandError::Unknown { .. } => Problem::new(Code::UnknownService, detail),
        CommandError::Disabled => Problem::new(Code::Disabled, detail)
            .help("set `enabled: true` in its section and reload, or configure it so"),
        CommandError::Closing => Problem::new(Code::Closing, detail).retry_after(AFTER_CLOSING),
        CommandError::Orphaned | CommandError::Failed { kind: ErrorKind::Orphaned, .. } => {
            Problem::new(Code::Orphaned, detail).help(
                "restart the process, or start a new generation beside what is left of the old \
                 one with ?force=true",
            )
        }
        CommandError::ProviderStopped { provider } => Problem::new(Code::ProviderStopped, detail)
            .provider(provider.as_str())
            .help(format!("start `{provider}`, or pass ?with_dependencies=true")),
        CommandError::Needed { by } => Problem::new(Code::StillNeeded, detail).help(format!(
            "deregister {} first, or pass ?cascade=true",
            each(by, |name| format!("`{name}`")).join(", ")
        )),
        CommandError::Superseded => Problem::new(Code::Superseded, detail)
            .help("`acted` in its status says which one, and who gave it"),
        CommandError::Cancelled => Problem::new(Code::Cancelled, detail),
        CommandError::Stale { generation } => Problem::new(Code::StalePrecondition, detail)
            .help(format!("look at its status again, then send `If-Match: \"{generation}\"`")),
        CommandError::KeyReused { operation } => Problem::new(Code::IdempotencyConflict, detail)
            .operation(operation.0)
            .help("choose a new `Idempotency-Key` for a new request"),
        CommandError::NoLog => logs::unavailable(),
        CommandError::Panicked => reply::internal("checking the configuration panicked"),
        CommandError::CheckHangs => Problem::new(Code::Busy, detail)
            .retry_after(AFTER_CHECK)
            .help("look at the files and what they are on; restart the process if it stays so"),
        CommandError::Lost => reply::internal("the supervisor panicked"),
        CommandError::RolledBack { message, is_back, .. } => {
            let how = match is_back {
                true => "goes on with its old configuration",
                false => "has its old configuration, and is not back yet",
            };
            let detail = format!("service `{service}` {how}: {message}");
            Problem::new(Code::RolledBack, detail).help("mend the configuration and send it again")
        }
        CommandError::Unjoinable { .. } => Problem::new(Code::InvalidConfig, detail)
            .help("mend the files, or deregister what is in the way, and reload again"),
        CommandError::NotConfigurable => Problem::new(Code::NotConfigurable, detail),
        CommandError::Moved => Problem::new(Code::Busy, detail).retry_after(SOON),
        CommandError::Busy => busy(),
        CommandError::Failed { kind, message } => failed(verb, service, *kind, message),
        _ => reply::internal("a command was refused for an unknown reason"),
    }
}

fn failed(verb: &str, service: &str, kind: ErrorKind, message: &str) -> Problem {
    let (code, what) = match verb {
        "stop" | "deregister" => (Code::StopFailed, "did not stop as it should"),
        _ => (Code::StartFailed, "did not start"),
    };
    let problem = Problem::new(code, format!("service `{service}` {what}: {message} ({kind})"));
    match code {
        Code::StartFailed => problem.help(format!(
            "GET /services/{service}/-/why says whether it is tried again by itself, and what \
                 can be done"
        )),
        _ => problem,
    }
}

/// Returns why an operation cannot be cancelled.
pub(crate) fn uncancelled(id: u64, error: &CancelError) -> Problem {
    let detail = error.to_string();
    let problem = match error {
        CancelError::Unknown => Problem::new(Code::UnknownOperation, detail),
        CancelError::Forgotten => Problem::new(Code::OperationForgotten, detail),
        CancelError::Ended(_) => Problem::new(Code::NotCancellable, detail),
        CancelError::IsStop => Problem::new(Code::NotCancellable, detail)
            .help("start the service: the later command wins"),
        CancelError::IsConfigured => Problem::new(Code::NotCancellable, detail),
        CancelError::HasBegun => Problem::new(Code::NotCancellable, detail).help(
            "GET /operations lists them: a start among them can be cancelled by its own id; all \
             else is undone by the files as they were, and another reload",
        ),
        CancelError::Busy => return busy(),
        CancelError::Closed => Problem::new(Code::Closing, detail).retry_after(AFTER_CLOSING),
        _ => reply::internal("a cancel was refused for an unknown reason"),
    };
    problem.operation(id)
}

/// Too many commands are on their way.
pub(crate) fn busy() -> Problem {
    Problem::new(Code::Busy, "too many commands are on their way").retry_after(SOON)
}

/// What had to be checked was not accepted in time.
pub(crate) fn unchecked(control: &Control) -> Problem {
    let running = control.manager.checks_running();
    if running == 0 {
        return busy();
    }
    let detail = format!(
        "the configuration could not be checked in time, and nothing has changed: \
         {running} of {CHECKS_AT_ONCE} checks go on"
    );
    Problem::new(Code::Busy, detail).retry_after(AFTER_CHECK).help(
        "if that stays so, a file, or code that reads configuration, hangs: each that does keeps \
         its place until the process ends",
    )
}

#[cfg(test)]
mod tests {
    use processpype_core::{Generation, OperationId};

    use super::*;

    #[test]
    fn every_refusal_has_the_status_that_its_type_promises() {
        let (kind, message) = (ErrorKind::Failed, String::new);
        let orphaned = CommandError::Failed { kind: ErrorKind::Orphaned, message: message() };
        let rolled_back = |is_back| CommandError::RolledBack { kind, message: message(), is_back };
        let provider = "store".parse().expect("a name");
        let all = [
            (404, "unknown-service", CommandError::Unknown { name: message() }),
            (409, "disabled", CommandError::Disabled),
            (503, "closing", CommandError::Closing),
            (409, "orphaned", CommandError::Orphaned),
            (409, "provider-stopped", CommandError::ProviderStopped { provider }),
            (409, "still-needed", CommandError::Needed { by: Vec::new() }),
            (409, "superseded", CommandError::Superseded),
            (409, "cancelled", CommandError::Cancelled),
            (409, "stale-precondition", CommandError::Stale { generation: Generation(1) }),
            (422, "idempotency-conflict", CommandError::KeyReused { operation: OperationId(1) }),
            (503, "start-failed", CommandError::Failed { kind, message: message() }),
            (409, "orphaned", orphaned),
            (500, "internal", CommandError::Panicked),
            (503, "busy", CommandError::CheckHangs),
            (500, "internal", CommandError::Lost),
            (501, "logs-unavailable", CommandError::NoLog),
            (409, "rolled-back", rolled_back(true)),
            (409, "rolled-back", rolled_back(false)),
            (409, "not-configurable", CommandError::NotConfigurable),
            (503, "busy", CommandError::Moved),
            (503, "busy", CommandError::Busy),
        ];
        for (status, code, error) in all {
            let problem = problem("start", "store", &error);
            assert_eq!((problem.status(), problem.code().as_str()), (status, code), "{error:?}");
        }
        // What is said before the detail is not said again in it.
        let message = "the generation could not be ended: `run` blocks".to_owned();
        let failed = CommandError::Failed { kind: ErrorKind::Orphaned, message };
        for orphaned in [CommandError::Orphaned, failed] {
            let problem = problem("stop", "store", &orphaned);
            let text = format!("{}: {}", problem.code().title(), problem.detail());
            assert_eq!(text.matches("could not be ended").count(), 1, "{text}");
        }
        let failed = CommandError::Failed { kind, message: String::new() };
        for verb in ["stop", "deregister"] {
            let problem = problem(verb, "store", &failed);
            assert_eq!((problem.status(), problem.code().as_str()), (503, "stop-failed"), "{verb}");
        }
    }
}
