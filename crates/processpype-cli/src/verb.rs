//! What can be asked of a running application.

mod commanding;
mod configuring;
mod looking;
#[cfg(test)]
mod tests;
mod word;

use std::path::PathBuf;

use clap::{ArgMatches, Command};

pub use self::commanding::{
    CommandArgs, DeregisterArgs, RegisterArgs, RestartArgs, ShutdownArgs, StartArgs, StopArgs,
};
pub use self::configuring::{Assignment, ConfigureArgs, ReloadArgs};
pub use self::looking::{
    EventsArgs, LevelArgs, LogsArgs, MetricsArgs, OperationsArgs, PauseArgs, ResumeArgs,
};
pub use self::word::GraphFormat;
use crate::argument::{
    file_option, option, path, place, required, service, text, verb, word, words,
};

/// A verb that asks a running application.
///
/// ```
/// use clap::Command;
/// use processpype_cli::ClientVerb;
///
/// let program = Command::new("program").subcommands(ClientVerb::commands());
/// let mut written = program.get_matches_from(["program", "why", "api"]);
/// let (name, mut written) = written.remove_subcommand().expect("a verb");
/// let verb = ClientVerb::read(&name, &mut written);
/// assert!(matches!(verb, Some(ClientVerb::Why { name }) if name == "api"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientVerb {
    /// Show a running application, or one of its services.
    Status {
        /// The service.
        name: Option<String>,
    },
    /// List the services of a running application, with kind, group and what they wait for.
    Services,
    /// Start a service, and the providers of it that were never started.
    Start(StartArgs),
    /// Stop a service and keep it stopped; those that need it go on.
    Stop(StopArgs),
    /// Stop a service, if it runs, and start a new generation.
    Restart(RestartArgs),
    /// Change the configuration of a service while it runs; it lies over the files.
    Configure(ConfigureArgs),
    /// Load the configuration's files again; if anything in them is wrong, nothing changes.
    Reload(ReloadArgs),
    /// Register a service of a known kind; the next start of the process knows nothing of it.
    Register(RegisterArgs),
    /// Stop a service and take it out of the application.
    Deregister(DeregisterArgs),
    /// Close the application, as SIGTERM does, if its configuration allows it.
    Shutdown(ShutdownArgs),
    /// List what was asked, and how it ended.
    Operations(OperationsArgs),
    /// Show one operation, also after its end.
    Operation {
        /// Its id.
        id: String,
    },
    /// Cancel a start or restart that goes on.
    Cancel {
        /// The operation's id.
        id: String,
    },
    /// Pause all automatic restarts for a time; what an operator starts is not held.
    Pause(PauseArgs),
    /// Let automatic restarts go on.
    Resume(ResumeArgs),
    /// Show what happened, and follow what happens.
    Events(EventsArgs),
    /// Show the newest log lines of the application or of a service, and follow them.
    Logs(LogsArgs),
    /// Show the numbers that Prometheus reads, as a table.
    Metrics(MetricsArgs),
    /// Show how much is logged, or change it for a while.
    Level(LevelArgs),
    /// Say why a service is as it is, and what can be done.
    Why {
        /// The service.
        name: String,
    },
    /// Show who needs whom.
    Graph {
        /// How to draw it; `--json` wins.
        format: GraphFormat,
    },
    /// Show how the start of the application really was.
    Timeline,
    /// Show what the application is: versions, build, process.
    Info,
    /// Look for what is wrong with a running application, and say what to do about it.
    Doctor {
        /// Look at the file of events of an application that is dead, instead.
        file: Option<PathBuf>,
    },
    /// Watch the services live, and act on them with keys.
    Top,
}

// === impl ClientVerb ===

impl ClientVerb {
    /// Returns the verbs as commands of [`clap`], for a command line that has others beside them.
    #[must_use]
    pub fn commands() -> Vec<Command> {
        vec![
            verb("status", "Show a running application, or one of its services").arg(service()),
            services(),
            StartArgs::command(),
            StopArgs::command(),
            RestartArgs::command(),
            ConfigureArgs::command(),
            ReloadArgs::command(),
            RegisterArgs::command(),
            DeregisterArgs::command(),
            ShutdownArgs::command(),
            OperationsArgs::command(),
            of_operation("operation", "Show one operation, also after its end", "Its id"),
            of_operation("cancel", "Cancel a start or restart that goes on", "The operation's id"),
            PauseArgs::command(),
            ResumeArgs::command(),
            EventsArgs::command(),
            LogsArgs::command(),
            MetricsArgs::command(),
            LevelArgs::command(),
            verb("why", "Say why a service is as it is, and what can be done")
                .arg(service().required(true)),
            graph(),
            verb("timeline", "Show how the start of the application really was"),
            verb("info", "Show what the application is: versions, build, process"),
            doctor(),
            verb("top", "Watch the services live, and act on them with keys")
                .hide(!cfg!(feature = "top")),
        ]
    }

    /// Reads what was written for the verb of this name. `None` if it is none of
    /// [`commands`](Self::commands).
    ///
    /// # Panics
    ///
    /// If another command was read than the one that has this name there.
    #[must_use]
    pub fn read(name: &str, written: &mut ArgMatches) -> Option<Self> {
        Some(match name {
            "status" => Self::Status { name: text(written, "name") },
            "services" => Self::Services,
            "start" => Self::Start(StartArgs::read(written)),
            "stop" => Self::Stop(StopArgs::read(written)),
            "restart" => Self::Restart(RestartArgs::read(written)),
            "configure" => Self::Configure(ConfigureArgs::read(written)),
            "reload" => Self::Reload(ReloadArgs::read(written)),
            "register" => Self::Register(RegisterArgs::read(written)),
            "deregister" => Self::Deregister(DeregisterArgs::read(written)),
            "shutdown" => Self::Shutdown(ShutdownArgs::read(written)),
            "operations" => Self::Operations(OperationsArgs::read(written)),
            "operation" => Self::Operation { id: required(text(written, "id")) },
            "cancel" => Self::Cancel { id: required(text(written, "id")) },
            "pause" => Self::Pause(PauseArgs::read(written)),
            "resume" => Self::Resume(ResumeArgs::read(written)),
            "events" => Self::Events(EventsArgs::read(written)),
            "logs" => Self::Logs(LogsArgs::read(written)),
            "metrics" => Self::Metrics(MetricsArgs::read(written)),
            "level" => Self::Level(LevelArgs::read(written)),
            "why" => Self::Why { name: required(text(written, "name")) },
            "graph" => {
                Self::Graph { format: required(word(written, "format", &GraphFormat::WORDS)) }
            }
            "timeline" => Self::Timeline,
            "info" => Self::Info,
            "doctor" => Self::Doctor { file: path(written, "file") },
            "top" => Self::Top,
            _ => return None,
        })
    }
}

fn services() -> Command {
    let about = "List the services of a running application, with kind, group and what they wait \
                 for";
    verb("services", about)
}

fn of_operation(name: &'static str, about: &'static str, id: &'static str) -> Command {
    verb(name, about).arg(place("id", "ID", id).required(true))
}

fn graph() -> Command {
    let format = option("format", "FORMAT", "How to draw it; `--json` wins")
        .value_parser(words(&GraphFormat::WORDS))
        .default_value("text");
    verb("graph", "Show who needs whom").arg(format)
}

fn doctor() -> Command {
    let about = "Look for what is wrong with a running application, and say what to do about it";
    let file = "Look at the file of events of an application that is dead, instead";
    verb("doctor", about).arg(file_option("file", file))
}
