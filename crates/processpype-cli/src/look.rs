//! From a verb to its answer.

use std::path::{Path, PathBuf};
use std::pin::Pin;

use processpype_api::{
    Answered, ApplicationStatus, Graph, Info, Plan, ServiceDetail, ServiceList, Timeline, Why,
};

use crate::clean::clean_lines;
use crate::connect::{NoDestination, Session};
use crate::error::ClientError;
use crate::exit::ClientExit;
use crate::http::{Answer, Client};
use crate::paths::{SNAPSHOT, service};
use crate::print::{ERROR, remark, say, say_error, say_raw, width};
use crate::verb::{ClientVerb, EventsArgs, GraphFormat};
use crate::view::{self, Paper};
use crate::{act, configure, doctor, follow, level, logs, membership, metrics, operate, past, top};

/// Asks the application that `session` leads to, prints its answer, and returns how that went.
/// Whether all of it could be printed, [`written`](crate::written) tells.
///
/// It makes a small runtime of its own and blocks until the answer is there; every wait in it has
/// an end, but for a stream that is followed.
#[must_use]
pub fn ask(verb: &ClientVerb, session: &Session<'_>) -> ClientExit {
    ask_or_read(verb, session, &|| None)
}

/// Asks as [`ask`] does. Where an application asks itself and nobody answers, `events` and `doctor`
/// are answered from the file of events that `file` names.
///
/// That nobody answers is what `doctor` finds first: it is [`ClientExit::Unreachable`] unless the
/// file tells of another problem.
#[must_use]
pub fn ask_or_read(
    verb: &ClientVerb,
    session: &Session<'_>,
    file: &dyn Fn() -> Option<PathBuf>,
) -> ClientExit {
    if let ClientVerb::Events(EventsArgs { file: Some(file), .. })
    | ClientVerb::Doctor { file: Some(file) } = verb
    {
        return ask_file(verb, file, session.json);
    }
    let asking = match Asking::of(session) {
        Ok(asking) => asking,
        Err(exit) => return exit,
    };
    match wait(Box::pin(asking.answer(verb))) {
        Ok(Ok(exit)) => exit,
        Ok(Err(error)) if error.exit() == ClientExit::Unreachable => {
            let file = if session.connect.is_own() { file() } else { None };
            past::unanswered(&asking, verb, &error, file.as_deref())
        }
        Ok(Err(error)) => tell(&error, session.json),
        Err(exit) => exit,
    }
}

/// Answers `events` and `doctor` from the file of events of an application that is dead.
///
/// Any other verb needs an application that runs, and is [`ClientExit::Unreachable`].
fn ask_file(verb: &ClientVerb, file: &Path, json: bool) -> ClientExit {
    match verb {
        ClientVerb::Events(args) if !args.follow => past::events(file, args, json),
        ClientVerb::Doctor { .. } => past::doctor(file, json),
        _ => ClientExit::Unreachable,
    }
}

/// Asks the application that `session` leads to for its plan, and prints it as [`plan_text`]
/// shows it.
///
/// [`plan_text`]: crate::plan_text
#[must_use]
pub fn ask_plan(session: &Session<'_>) -> ClientExit {
    let show = |plan: &Plan, _| view::plan_text(plan);
    match Asking::of(session) {
        Ok(asking) => run(Box::pin(asking.show("/plan", show)), session.json),
        Err(exit) => exit,
    }
}

/// Asks the application that `session` leads to for the configuration that holds, of a service or
/// of all.
#[must_use]
pub fn ask_config(session: &Session<'_>, service: Option<&str>) -> ClientExit {
    match Asking::of(session) {
        Ok(asking) => run(Box::pin(configure::config(&asking, service)), session.json),
        Err(exit) => exit,
    }
}

/// How to ask, and how to show the answer.
#[derive(Clone, Debug)]
pub(crate) struct Asking {
    pub(crate) client: Client,
    pub(crate) json: bool,
}

/// One verb that asks, in a box: else a runtime is compiled around each, and with it several copies
/// of the largest.
type Asked<'a> = Pin<Box<dyn Future<Output = Result<ClientExit, ClientError>> + 'a>>;

/// Runs one verb to its end.
fn run(asking: Asked<'_>, json: bool) -> ClientExit {
    match wait(asking) {
        Ok(Ok(exit)) | Err(exit) => exit,
        Ok(Err(error)) => tell(&error, json),
    }
}

/// Waits for an answer; without a runtime there is none.
fn wait(asking: Asked<'_>) -> Result<Result<ClientExit, ClientError>, ClientExit> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        remark(&format!("error: cannot wait for answers: {error}"));
        ClientExit::Unreadable
    })?;
    Ok(runtime.block_on(asking))
}

/// Tells why there is no answer, and how the verb ends with that.
///
/// A failure that the client has seen by itself, after the application's own wait, is no answer
/// that could be printed as it came: it is told as text.
fn tell(error: &ClientError, json: bool) -> ClientExit {
    if let (ClientError::Problem(told), true) = (error, json)
        && !told.raw.is_empty()
    {
        say_raw(&told.raw);
    } else {
        say_error(error);
    }
    error.exit()
}

// === impl Asking ===

impl Asking {
    /// Finds out whom to ask; tells what is in the way.
    fn of(session: &Session<'_>) -> Result<Self, ClientExit> {
        match session.destination() {
            Ok(destination) => Ok(Self { client: Client::new(destination), json: session.json }),
            Err(NoDestination { text, exit }) => {
                remark(&format!("{ERROR}error{ERROR:#}: {text}"));
                Err(exit)
            }
        }
    }

    async fn answer(&self, verb: &ClientVerb) -> Result<ClientExit, ClientError> {
        match verb {
            ClientVerb::Status { name: None } => {
                self.show(SNAPSHOT, |status: &ApplicationStatus, paper| {
                    view::application(status, paper)
                })
                .await
            }
            ClientVerb::Status { name: Some(name) } => {
                self.show(&service(name), |it: &ServiceDetail, paper| view::service(it, paper))
                    .await
            }
            ClientVerb::Services => {
                self.show("/services", |it: &ServiceList, paper| view::services(it, paper)).await
            }
            ClientVerb::Why { name } => {
                let path = format!("{}/-/why", service(name));
                self.show(&path, |it: &Why, paper| view::why(it, paper)).await
            }
            ClientVerb::Start(args) => act::start(self, args).await,
            ClientVerb::Stop(args) => act::stop(self, args).await,
            ClientVerb::Restart(args) => act::restart(self, args).await,
            ClientVerb::Configure(args) => configure::configure(self, args).await,
            ClientVerb::Reload(args) => configure::reload(self, args).await,
            ClientVerb::Register(args) => membership::register(self, args).await,
            ClientVerb::Deregister(args) => act::deregister(self, args).await,
            ClientVerb::Shutdown(args) => membership::shut_down(self, args).await,
            ClientVerb::Operations(args) => operate::operations(self, args).await,
            ClientVerb::Operation { id } => operate::operation(self, id).await,
            ClientVerb::Cancel { id } => operate::cancel(self, id).await,
            ClientVerb::Pause(args) => operate::pause(self, args).await,
            ClientVerb::Resume(args) => operate::resume(self, args).await,
            ClientVerb::Events(args) => follow::events(self, args).await,
            ClientVerb::Logs(args) => logs::logs(self, args).await,
            ClientVerb::Metrics(args) => metrics::metrics(self, args).await,
            ClientVerb::Level(args) => level::level(self, args).await,
            ClientVerb::Graph { format } => self.graph(*format).await,
            ClientVerb::Timeline => {
                self.show("/timeline", |it: &Timeline, paper| view::timeline(it, paper)).await
            }
            ClientVerb::Info => self.show("/info", |it: &Info, paper| view::info(it, paper)).await,
            ClientVerb::Doctor { .. } => doctor::doctor(self).await,
            ClientVerb::Top => top::top(self).await,
        }
    }

    async fn graph(&self, format: GraphFormat) -> Result<ClientExit, ClientError> {
        let drawn = match format {
            GraphFormat::Dot if !self.json => "dot",
            GraphFormat::Mermaid if !self.json => "mermaid",
            _ => return self.show("/graph", |it: &Graph, paper| view::graph(it, paper)).await,
        };
        let answer = self.client.get(&format!("/graph?format={drawn}")).await?;
        say_raw(&clean_lines(&answer.text));
        Ok(ClientExit::Done)
    }

    /// Reads what is at `path`, and shows it.
    pub(crate) async fn show<T: Answered>(
        &self,
        path: &str,
        view: impl FnOnce(&T, Paper) -> String,
    ) -> Result<ClientExit, ClientError> {
        let answer = self.client.get(path).await?;
        self.print(&answer, view)?;
        Ok(ClientExit::Done)
    }

    /// Shows an answer.
    pub(crate) fn print<T: Answered>(
        &self,
        answer: &Answer,
        view: impl FnOnce(&T, Paper) -> String,
    ) -> Result<(), ClientError> {
        if self.json {
            say_raw(&answer.text);
        } else {
            let paper = Paper { width: width(), now: answer.now };
            say(&view(&answer.read()?, paper));
        }
        Ok(())
    }
}
