//! Commands: given once, waited for, and told how they ended.
//!
//! # Invariants
//!
//! 1. A command is sent once. When the application's own wait is over, the status is looked at
//!    until the effect is there or `--wait` has passed.
//! 2. Who interrupts the client changes nothing about the command.

use std::time::Duration;

use processpype_api::{
    Accepted, CommandBody, Commanded, Effect, Foreseen, ServiceState, ServiceStatus, Would,
};
use processpype_config::HumanDuration;
use tokio::time::{Instant, sleep};

use crate::error::{ClientError, Told};
use crate::exit::ClientExit;
use crate::http::Answer;
use crate::look::Asking;
use crate::paths::service;
use crate::print::{progress, remark, say, say_raw};
use crate::verb::{CommandArgs, DeregisterArgs, RestartArgs, StartArgs, StopArgs};
use crate::view;
use crate::watch::{LOOK_AGAIN, Watch};

/// How long the application itself waits at most.
pub(crate) const SERVER_WAIT_MAX: Duration = Duration::from_secs(60);

/// One command.
struct Command<'a> {
    args: &'a CommandArgs,
    verb: Verb,
    flags: Vec<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Start,
    Stop,
    Restart,
    Deregister,
}

pub(crate) async fn start(asking: &Asking, args: &StartArgs) -> Result<ClientExit, ClientError> {
    let flags = [(args.with_dependencies, "with_dependencies"), (args.force, "force")];
    Command::new(&args.command, Verb::Start, &flags).give(asking).await
}

pub(crate) async fn stop(asking: &Asking, args: &StopArgs) -> Result<ClientExit, ClientError> {
    let flags = [(args.cascade, "cascade")];
    Command::new(&args.command, Verb::Stop, &flags).give(asking).await
}

pub(crate) async fn restart(
    asking: &Asking,
    args: &RestartArgs,
) -> Result<ClientExit, ClientError> {
    let flags = [(args.with_dependents, "with_dependents")];
    Command::new(&args.command, Verb::Restart, &flags).give(asking).await
}

pub(crate) async fn deregister(
    asking: &Asking,
    args: &DeregisterArgs,
) -> Result<ClientExit, ClientError> {
    let flags = [(args.cascade, "cascade")];
    Command::new(&args.command, Verb::Deregister, &flags).give(asking).await
}

// === impl Command ===

impl<'a> Command<'a> {
    fn new(args: &'a CommandArgs, verb: Verb, flags: &[(bool, &'static str)]) -> Self {
        let flags = flags.iter().filter(|(is_set, _)| *is_set).map(|(_, name)| *name).collect();
        Self { args, verb, flags }
    }

    async fn give(&self, asking: &Asking) -> Result<ClientExit, ClientError> {
        if self.args.dry_run {
            return self.foresee(asking).await;
        }
        let begun = Instant::now();
        let mut watch =
            Watch { asking, name: &self.args.name, verb: self.verb.word(), begun, before: None };
        let known = watch.status().await?;
        watch.before = known.acted.map(|acted| acted.operation);
        let wait = (*self.args.wait).min(SERVER_WAIT_MAX);
        let path = self.path(wait);
        let answer = tokio::select! {
            answer = self.send(asking, &path, wait) => answer,
            never = watch.go_on() => match never {},
        };
        progress("");
        let answer = answer.map_err(|error| self.with_help(error))?;
        if answer.status != 202 {
            asking.print(&answer, |done: &Commanded, _| told(done))?;
            return Ok(ClientExit::Done);
        }
        if asking.json {
            say_raw(&answer.text);
        }
        let accepted: Accepted = answer.read()?;
        self.wait(&watch, &accepted, known.generation).await
    }

    async fn send(
        &self,
        asking: &Asking,
        path: &str,
        wait: Duration,
    ) -> Result<Answer, ClientError> {
        let body = reason(self.args.reason.as_deref());
        match self.verb {
            Verb::Deregister => asking.client.delete_within(path, body, wait).await,
            Verb::Start | Verb::Stop | Verb::Restart => asking.client.post(path, body, wait).await,
        }
    }

    /// Asks what the command would do.
    async fn foresee(&self, asking: &Asking) -> Result<ClientExit, ClientError> {
        let path = format!("{}&dry_run=true", self.path(Duration::ZERO));
        let answer = self.send(asking, &path, Duration::ZERO).await?;
        foreseen(asking, &answer)
    }

    /// A generation that failed has its reason; what can be done about it is the chain's to say.
    fn with_help(&self, mut error: ClientError) -> ClientError {
        if let ClientError::Problem(told) = &mut error
            && matches!(told.code.as_str(), "start-failed" | "stop-failed")
        {
            told.help = Some(ask_why(&self.args.name));
        }
        error
    }

    /// Looks on after the application's own wait is over.
    async fn wait(
        &self,
        watch: &Watch<'_>,
        accepted: &Accepted,
        before: u64,
    ) -> Result<ClientExit, ClientError> {
        let (name, verb, json) = (&self.args.name, self.verb, watch.asking.json);
        let end = watch.begun + *self.args.wait;
        while Instant::now() < end {
            let status = match watch.status().await {
                Ok(status) => status,
                Err(error) if verb == Verb::Deregister && is_gone(&error) => {
                    progress("");
                    say_unless(json, &format!("{name} {}", verb.done()));
                    return Ok(ClientExit::Done);
                }
                Err(error) => return Err(error),
            };
            match self.judge(&status, before) {
                Some(true) => {
                    progress("");
                    let generation = status.generation;
                    say_unless(json, &format!("{name} {} (generation {generation})", verb.done()));
                    return Ok(ClientExit::Done);
                }
                Some(false) => return Err(ClientError::Problem(Box::new(failed(&status)))),
                None => watch.show(&status),
            }
            sleep(LOOK_AGAIN).await;
        }
        progress("");
        Ok(still_going(verb.word(), accepted, self.args.wait, json))
    }

    /// Says whether the command has its effect; none = not yet.
    fn judge(&self, status: &ServiceStatus, before: u64) -> Option<bool> {
        let is_new = self.verb == Verb::Start || status.generation > before;
        let given_up = status.restart.as_ref().is_none_or(|restart| restart.exhausted);
        let is_waiting = !status.waiting_on.is_empty();
        match (self.verb, status.state) {
            (Verb::Stop, ServiceState::Stopped) => Some(true),
            (Verb::Stop | Verb::Deregister, ServiceState::Error) => Some(false),
            (Verb::Stop | Verb::Deregister, _) => None,
            (_, ServiceState::Running) if is_new => Some(true),
            (_, ServiceState::Stopped) if is_new && status.completed && !is_waiting => Some(true),
            (_, ServiceState::Error) if is_new && given_up && !is_waiting => Some(false),
            _ => None,
        }
    }

    fn path(&self, wait: Duration) -> String {
        let place = service(&self.args.name);
        let place = match self.verb {
            Verb::Deregister => place,
            verb => format!("{place}/{}", verb.word()),
        };
        let flags: String = self.flags.iter().map(|flag| format!("&{flag}=true")).collect();
        format!("{place}?wait={}{flags}", HumanDuration::from(wait))
    }
}

/// The body of a command: nothing, where there is nothing to say.
pub(crate) fn reason(reason: Option<&str>) -> String {
    let body = reason.map(|reason| CommandBody { reason: Some(reason.to_owned()) });
    body.map_or(String::new(), |body| serde_json::to_string(&body).unwrap_or_default())
}

/// Shows what a command would do.
pub(crate) fn foreseen(asking: &Asking, answer: &Answer) -> Result<ClientExit, ClientError> {
    asking.print(answer, |it: &Foreseen, _| view::foreseen(it))?;
    let is_refused = answer.read::<Foreseen>()?.would == Would::Refuse;
    Ok(if is_refused { ClientExit::Refused } else { ClientExit::Done })
}

/// Says that a command goes on after the wait for it.
pub(crate) fn still_going(
    verb: &str,
    accepted: &Accepted,
    wait: HumanDuration,
    json: bool,
) -> ClientExit {
    let Accepted { service: name, operation, state, waiting_on, .. } = accepted;
    let waiting = match &waiting_on[..] {
        [] => String::new(),
        names => format!(", waits for {}", names.join(", ")),
    };
    if wait.is_zero() {
        say_unless(json, &format!("{name}: {verb} accepted (operation {operation}){waiting}"));
        return ClientExit::Done;
    }
    let state = state.as_str();
    remark(&format!(
        "{name}: {verb} (operation {operation}) goes on after {wait}; it is {state}{waiting}\n  \
         = help: `why {name}` says what it waits for; `events -f --service {name}` follows it"
    ));
    ClientExit::StillGoing
}

fn is_gone(error: &ClientError) -> bool {
    matches!(error, ClientError::Problem(told) if told.code == "unknown-service")
}

pub(crate) fn ask_why(name: &str) -> String {
    format!("`why {name}` says what can be done")
}

/// Makes the problem that the application would have answered, had it waited.
fn failed(status: &ServiceStatus) -> Told {
    let error = status.error.as_ref();
    let detail = error.map_or_else(
        || "it did not come to what was asked".to_owned(),
        |error| format!("service `{}`: {} ({})", status.name, error.message, error.kind),
    );
    Told {
        title: "The command failed".to_owned(),
        code: error.map_or_else(|| "failed".to_owned(), |error| error.kind.clone()),
        detail,
        help: Some(ask_why(&status.name)),
        ..Told::default()
    }
}

pub(crate) fn say_unless(json: bool, text: &str) {
    if !json {
        say(text);
    }
}

/// Says what a command has done.
pub(crate) fn told(done: &Commanded) -> String {
    let (effect, already) = match done.status {
        Effect::Started => ("started", "is running already"),
        Effect::Stopped => ("stopped", "is stopped already"),
        Effect::Registered => ("registered", "is there already"),
        Effect::Deregistered => ("deregistered", "is gone already"),
        Effect::Restarted => ("restarted", "is running already"),
    };
    let what = if done.changed { effect } else { already };
    let mut text = format!("{} {what} (generation {})", done.service, done.generation);
    if !done.affected.is_empty() {
        text.push_str(&format!("\n  affected: {}", done.affected.join(", ")));
    }
    if let Some(note) = &done.note {
        text.push_str(&format!("\n  = note: {note}"));
    }
    text
}

// === impl Verb ===

impl Verb {
    fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Deregister => "deregister",
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Start => "started",
            Self::Stop => "stopped",
            Self::Restart => "restarted",
            Self::Deregister => "deregistered",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A command to `db` that has this effect, or found it.
    fn done(status: Effect, changed: bool) -> Commanded {
        let (service, affected) = ("db".to_owned(), Vec::new());
        Commanded { operation: 1, status, service, changed, generation: 3, affected, note: None }
    }

    #[track_caller]
    fn check(status: Effect, changed: bool, expected: &str) {
        assert_eq!(told(&done(status, changed)), format!("db {expected} (generation 3)"));
    }

    #[test]
    fn it_is_told_what_was_done_and_what_was_so_before() {
        check(Effect::Started, true, "started");
        check(Effect::Started, false, "is running already");
        check(Effect::Stopped, true, "stopped");
        check(Effect::Stopped, false, "is stopped already");
        check(Effect::Restarted, true, "restarted");
        check(Effect::Registered, true, "registered");
        check(Effect::Registered, false, "is there already");
        check(Effect::Deregistered, true, "deregistered");
        check(Effect::Deregistered, false, "is gone already");
    }

    #[test]
    fn who_was_concerned_and_what_to_know_is_told_too() {
        let affected = vec!["web".to_owned(), "mail".to_owned()];
        let note = Some("for now".to_owned());
        let done = Commanded { affected, note, ..done(Effect::Stopped, true) };
        let expected = "db stopped (generation 3)\n  affected: web, mail\n  = note: for now";
        assert_eq!(told(&done), expected);
    }
}
