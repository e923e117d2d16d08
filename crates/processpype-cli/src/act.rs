//! Commands: given once, waited for, and told how they ended.
//!
//! # Invariants
//!
//! 1. A command is sent once. When the application's own wait is over, the status is looked at
//!    until the effect is there or `--wait` has passed.
//! 2. Who interrupts the client changes nothing about the command.

use std::time::Duration;

use processpype_api::{
    Accepted, CommandBody, Commanded, Effect, Foreseen, ServiceDetail, ServiceState, Would,
};
use processpype_config::HumanDuration;
use tokio::time::{Instant, sleep};

use crate::error::{ClientError, Told};
use crate::exit::ClientExit;
use crate::look::{Asking, service};
use crate::print::{progress, remark, say, say_raw};
use crate::verb::{CommandArgs, RestartArgs, StartArgs, StopArgs};
use crate::view;

/// How long the application itself waits at most.
const SERVER_WAIT_MAX: Duration = Duration::from_secs(60);

/// Between two looks at a status.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

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
        let before = self.generation(asking).await?;
        let wait = (*self.args.wait).min(SERVER_WAIT_MAX);
        let (path, body) = (self.path(wait), self.body());
        let giving = asking.client.post(&path, body, wait);
        let answer = tokio::select! {
            answer = giving => answer,
            never = self.watch(asking, begun) => match never {},
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
        self.wait(asking, &accepted, before, begun).await
    }

    /// Asks what the command would do.
    async fn foresee(&self, asking: &Asking) -> Result<ClientExit, ClientError> {
        let path = format!("{}&dry_run=true", self.path(Duration::ZERO));
        let answer = asking.client.post(&path, self.body(), Duration::ZERO).await?;
        asking.print(&answer, |it: &Foreseen, _| view::foreseen(it))?;
        let is_refused = answer.read::<Foreseen>()?.would == Would::Refuse;
        Ok(if is_refused { ClientExit::Refused } else { ClientExit::Done })
    }

    /// A generation that failed has its reason; what can be done about it is the chain's to say.
    fn with_help(&self, mut error: ClientError) -> ClientError {
        if let ClientError::Problem(told) = &mut error
            && told.status == 503
        {
            told.help.get_or_insert_with(|| ask_why(&self.args.name));
        }
        error
    }

    /// Looks on after the application's own wait is over.
    async fn wait(
        &self,
        asking: &Asking,
        accepted: &Accepted,
        before: u64,
        begun: Instant,
    ) -> Result<ClientExit, ClientError> {
        let (name, verb) = (&self.args.name, self.verb);
        let end = begun + *self.args.wait;
        while Instant::now() < end {
            let status = self.status(asking).await?;
            match self.judge(&status, before) {
                Some(true) => {
                    let text =
                        format!("{name} {} (generation {})", verb.done(), generation(&status));
                    say_unless(asking.json, &text);
                    return Ok(ClientExit::Done);
                }
                Some(false) => return Err(ClientError::Problem(Box::new(failed(&status)))),
                None => progress(&self.line(&status, begun)),
            }
            sleep(LOOK_AGAIN).await;
        }
        progress("");
        let waiting = match &accepted.waiting_on[..] {
            [] => String::new(),
            names => format!(", waits for {}", names.join(", ")),
        };
        if self.args.wait.is_zero() {
            say_unless(asking.json, &format!("{name}: {} accepted{waiting}", verb.word()));
            return Ok(ClientExit::Done);
        }
        let waited = HumanDuration::from(*self.args.wait);
        let (verb, state) = (verb.word(), accepted.state.as_str());
        remark(&format!(
            "{name}: {verb} goes on after {waited}; it is {state}{waiting}\n  = help: `why {name}` \
             says what it waits for; `events -f --service {name}` follows it"
        ));
        Ok(ClientExit::StillGoing)
    }

    /// Says whether the command has its effect; none = not yet.
    fn judge(&self, status: &ServiceDetail, before: u64) -> Option<bool> {
        let status = &status.status;
        let is_new = self.verb == Verb::Start || status.generation > before;
        let given_up = status.restart.as_ref().is_none_or(|restart| restart.exhausted);
        let is_waiting = !status.waiting_on.is_empty();
        match (self.verb, status.state) {
            (Verb::Stop, ServiceState::Stopped) => Some(true),
            (Verb::Stop, ServiceState::Error) => Some(false),
            (Verb::Stop, _) => None,
            (_, ServiceState::Running) if is_new => Some(true),
            (_, ServiceState::Stopped) if is_new && status.completed && !is_waiting => Some(true),
            (_, ServiceState::Error) if is_new && given_up && !is_waiting => Some(false),
            _ => None,
        }
    }

    /// Shows how far it is. Never returns.
    async fn watch(&self, asking: &Asking, begun: Instant) -> std::convert::Infallible {
        loop {
            sleep(LOOK_AGAIN).await;
            if let Ok(status) = self.status(asking).await {
                progress(&self.line(&status, begun));
            }
        }
    }

    fn line(&self, status: &ServiceDetail, begun: Instant) -> String {
        let seconds = begun.elapsed().as_secs();
        let state = status.status.state.as_str();
        let waiting = match &status.status.waiting_on[..] {
            [] => String::new(),
            names => format!(", waits for {}", names.join(", ")),
        };
        format!("{} {}: {state}{waiting}, {seconds} s …", self.verb.word(), self.args.name)
    }

    async fn status(&self, asking: &Asking) -> Result<ServiceDetail, ClientError> {
        asking.client.get(&service(&self.args.name)).await?.read()
    }

    async fn generation(&self, asking: &Asking) -> Result<u64, ClientError> {
        self.status(asking).await.map(|status| generation(&status))
    }

    fn path(&self, wait: Duration) -> String {
        let (place, verb) = (service(&self.args.name), self.verb.word());
        let flags: String = self.flags.iter().map(|flag| format!("&{flag}=true")).collect();
        format!("{place}/{verb}?wait={}{flags}", HumanDuration::from(wait))
    }

    fn body(&self) -> String {
        let body = CommandBody { reason: self.args.reason.clone() };
        match body.reason {
            None => String::new(),
            Some(_) => serde_json::to_string(&body).unwrap_or_default(),
        }
    }
}

fn ask_why(name: &str) -> String {
    format!("`why {name}` says what can be done")
}

fn generation(status: &ServiceDetail) -> u64 {
    status.status.generation
}

/// Makes the problem that the application would have answered, had it waited.
fn failed(status: &ServiceDetail) -> Told {
    let status = &status.status;
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

fn say_unless(json: bool, text: &str) {
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
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Start => "started",
            Self::Stop => "stopped",
            Self::Restart => "restarted",
        }
    }
}
