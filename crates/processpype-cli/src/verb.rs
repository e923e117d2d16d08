//! What can be asked of a running application. The doc comments are the help.

mod configuring;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use processpype_api::LogLevel;
use processpype_config::HumanDuration;

pub use self::configuring::{Assignment, ConfigureArgs, ReloadArgs};

/// A verb that asks a running application.
///
/// ```
/// use clap::Parser;
/// use processpype_cli::ClientVerb;
///
/// #[derive(Parser)]
/// struct Arguments {
///     #[command(subcommand)]
///     verb: ClientVerb,
/// }
///
/// let arguments = Arguments::parse_from(["program", "why", "api"]);
/// assert!(matches!(arguments.verb, ClientVerb::Why { name } if name == "api"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
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
    #[command(visible_alias = "retry")]
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
        #[arg(long, value_enum, default_value = "text")]
        format: GraphFormat,
    },
    /// Show how the start of the application really was.
    Timeline,
    /// Show what the application is: versions, build, process.
    Info,
    /// Look for what is wrong with a running application, and say what to do about it.
    Doctor {
        /// Look at the file of events of an application that is dead, instead.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Watch the services live, and act on them with keys.
    #[cfg_attr(not(feature = "top"), command(hide = true))]
    Top,
}

/// What every command takes.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct CommandArgs {
    /// The service.
    pub name: String,
    /// Why; it is kept with the event and shown by `status`.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// How long to wait for the effect, such as `30s` or `5m`; `0` = do not wait.
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    pub wait: HumanDuration,
    /// Only say what would happen, and to whom.
    #[arg(long)]
    pub dry_run: bool,
}

/// What `start` takes.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct StartArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would be shown as help")]
    pub command: CommandArgs,
    /// Also start providers that an operator stopped, or that failed.
    #[arg(long)]
    pub with_dependencies: bool,
    /// Start although what is left of the last generation may still run.
    #[arg(long)]
    pub force: bool,
}

/// What `stop` takes.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct StopArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would be shown as help")]
    pub command: CommandArgs,
    /// Stop the services that need it first.
    #[arg(long)]
    pub cascade: bool,
}

/// What `restart` takes.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct RestartArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would be shown as help")]
    pub command: CommandArgs,
    /// Also restart the services that run and need it.
    #[arg(long)]
    pub with_dependents: bool,
}

/// What `register` takes.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct RegisterArgs {
    /// Its kind; `info` lists those of which services can be made.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The file with its section, in YAML, TOML or JSON: the framework's keys and its own. `${VAR}`
    /// in it is read from the environment of this command line; `-` = standard input, in YAML.
    #[arg(long, value_name = "FILE")]
    pub section: Option<PathBuf>,
    /// The group whose last member it becomes.
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
    /// Start it as well.
    #[arg(long)]
    pub start: bool,
    /// Why; it is kept with the event.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// How long to wait for the start, such as `30s` or `5m`; `0` = do not wait.
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    pub wait: HumanDuration,
    /// Only say what would happen.
    #[arg(long)]
    pub dry_run: bool,
}

/// What `deregister` takes.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct DeregisterArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would be shown as help")]
    pub command: CommandArgs,
    /// Also stop and take out the services that depend on it.
    #[arg(long)]
    pub cascade: bool,
}

/// What `shutdown` takes.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct ShutdownArgs {
    /// Why; it is kept with the event.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// How long to wait until it has closed, such as `30s` or `5m`; `0` = do not wait.
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    pub wait: HumanDuration,
}

/// What `operations` takes.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct OperationsArgs {
    /// Only operations on this service.
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// Only operations in this state: `waiting`, `done`, `failed`, `superseded`, `cancelled` or
    /// `refused`.
    #[arg(long, value_name = "STATE")]
    pub state: Option<String>,
}

/// What `pause` takes.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct PauseArgs {
    /// How long, from 1s to 1d.
    #[arg(long = "for", value_name = "DURATION", default_value = "10m")]
    pub length: HumanDuration,
    /// Why; it is kept with the operation.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// What `resume` takes.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct ResumeArgs {
    /// Why; it is kept with the operation.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// What `events` takes.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct EventsArgs {
    /// Go on with what happens, until interrupted or the application closes.
    #[arg(short, long)]
    pub follow: bool,
    /// Only events about this service.
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// Only events of this kind, such as `state` or `command`.
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
    /// Only events with a higher sequence number. Left out: all that are held, or, with `--follow`,
    /// what happens from now on.
    #[arg(long, value_name = "NUMBER")]
    pub after: Option<u64>,
    /// Show what stands in the file of events of an application that is dead, instead.
    #[arg(long, value_name = "FILE", conflicts_with = "follow")]
    pub file: Option<PathBuf>,
    /// Show all runs in the file, not only the last one.
    #[arg(long)]
    pub all_runs: bool,
}

/// What `logs` takes.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct LogsArgs {
    /// The service; left out: the whole application.
    pub name: Option<String>,
    /// Go on with what is logged, until interrupted or the application closes.
    #[arg(short, long)]
    pub follow: bool,
    /// Only lines that are at least as severe.
    #[arg(short, long, value_enum)]
    pub level: Option<Severity>,
    /// How many of the newest lines, at most 1000.
    #[arg(
        short = 'n', long, value_name = "N", default_value_t = 100,
        value_parser = clap::value_parser!(u16).range(1..=1000)
    )]
    pub lines: u16,
    /// Only lines that are not older than this, such as `10m`.
    #[arg(long, value_name = "DURATION")]
    pub since: Option<HumanDuration>,
    /// Only lines with this text in their message or fields.
    #[arg(long, value_name = "TEXT")]
    pub contains: Option<String>,
    /// Only lines that belong to no service: the framework's own, and of libraries.
    #[arg(long, conflicts_with = "name")]
    pub outside: bool,
}

/// What `metrics` takes.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct MetricsArgs {
    /// Only metrics with this text in their name; left out: all.
    #[arg(value_name = "TEXT")]
    pub name: Option<String>,
    /// Only series of this service.
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// The answer as it came, with every series and help text.
    #[arg(long, conflicts_with_all = ["name", "service"])]
    pub raw: bool,
}

/// What `level` takes.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct LevelArgs {
    /// The service; left out: the application, or all levels.
    pub name: Option<String>,
    /// What is to hold for the service.
    #[arg(group = "change")]
    pub level: Option<LevelWord>,
    /// What is to hold for the application, where nothing more specific is said.
    #[arg(long, value_name = "LEVEL", conflicts_with = "name", group = "change")]
    pub all: Option<LevelWord>,
    /// How long, from `1s` to `1d`; then what is configured holds again. Left out: 15m.
    #[arg(long = "for", value_name = "DURATION", requires = "change")]
    pub time: Option<HumanDuration>,
    /// Why; it is kept with the event.
    #[arg(long, value_name = "TEXT", requires = "change")]
    pub reason: Option<String>,
    /// Let what is configured hold again.
    #[arg(long, conflicts_with = "change")]
    pub reset: bool,
}

/// A level of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LevelWord {
    /// Nothing at all.
    Off,
    /// What failed.
    Error,
    /// What is wrong but was survived.
    Warn,
    /// What happens, in few words.
    Info,
    /// What a developer of the service wants to see.
    Debug,
    /// Everything.
    Trace,
}

/// How severe a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Severity {
    /// Everything.
    Trace,
    /// What a developer of the service wants to see.
    Debug,
    /// What happens, in few words.
    Info,
    /// What is wrong but was survived.
    Warn,
    /// What failed.
    Error,
}

/// How a graph is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// Lines for people.
    Text,
    /// For Graphviz.
    Dot,
    /// For Mermaid.
    Mermaid,
}

// === impl LevelWord ===

impl From<LevelWord> for LogLevel {
    fn from(word: LevelWord) -> Self {
        match word {
            LevelWord::Off => Self::Off,
            LevelWord::Error => Self::Error,
            LevelWord::Warn => Self::Warn,
            LevelWord::Info => Self::Info,
            LevelWord::Debug => Self::Debug,
            LevelWord::Trace => Self::Trace,
        }
    }
}

// === impl Severity ===

impl Severity {
    /// Returns the word as it stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}
