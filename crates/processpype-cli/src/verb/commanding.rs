//! What the verbs take that command services and their application.

use std::path::PathBuf;

use clap::{ArgMatches, Command};
use processpype_config::HumanDuration;

use crate::argument::{
    duration, duration_option, file_option, flag, is_set, option, path, place, reason, required,
    service, text, verb,
};

/// What every command takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandArgs {
    /// The service.
    pub name: String,
    /// Why; it is kept with the event and shown by `status`.
    pub reason: Option<String>,
    /// How long to wait for the effect, such as `30s` or `5m`; `0` = do not wait.
    pub wait: HumanDuration,
    /// Only say what would happen, and to whom.
    pub dry_run: bool,
}

/// What `start` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartArgs {
    /// What every command takes.
    pub command: CommandArgs,
    /// Also start providers that an operator stopped, or that failed.
    pub with_dependencies: bool,
    /// Start although what is left of the last generation may still run.
    pub force: bool,
}

/// What `stop` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopArgs {
    /// What every command takes.
    pub command: CommandArgs,
    /// Stop the services that need it first.
    pub cascade: bool,
}

/// What `restart` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartArgs {
    /// What every command takes.
    pub command: CommandArgs,
    /// Also restart the services that run and need it.
    pub with_dependents: bool,
}

/// What `register` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterArgs {
    /// Its kind; `info` lists those of which services can be made.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The file with its section, in YAML, TOML or JSON: the framework's keys and its own. `${VAR}`
    /// in it is read from the environment of this command line; `-` = standard input, in YAML.
    pub section: Option<PathBuf>,
    /// The group whose last member it becomes.
    pub group: Option<String>,
    /// Start it as well.
    pub start: bool,
    /// Why; it is kept with the event.
    pub reason: Option<String>,
    /// How long to wait for the start, such as `30s` or `5m`; `0` = do not wait.
    pub wait: HumanDuration,
    /// Only say what would happen.
    pub dry_run: bool,
}

/// What `deregister` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeregisterArgs {
    /// What every command takes.
    pub command: CommandArgs,
    /// Also stop and take out the services that depend on it.
    pub cascade: bool,
}

/// What `shutdown` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShutdownArgs {
    /// Why; it is kept with the event.
    pub reason: Option<String>,
    /// How long to wait until it has closed, such as `30s` or `5m`; `0` = do not wait.
    pub wait: HumanDuration,
}

// === impl CommandArgs ===

impl CommandArgs {
    fn add_to(command: Command) -> Command {
        let wait = "How long to wait for the effect, such as `30s` or `5m`; `0` = do not wait";
        command
            .arg(service().required(true))
            .arg(reason("Why; it is kept with the event and shown by `status`"))
            .arg(duration_option("wait", wait).default_value("10s"))
            .arg(flag("dry-run", "Only say what would happen, and to whom"))
    }

    fn read(written: &mut ArgMatches) -> Self {
        Self {
            name: required(text(written, "name")),
            reason: text(written, "reason"),
            wait: required(duration(written, "wait")),
            dry_run: is_set(written, "dry-run"),
        }
    }
}

// === impl StartArgs ===

impl StartArgs {
    pub(super) fn command() -> Command {
        let about = "Start a service, and the providers of it that were never started";
        let providers = "Also start providers that an operator stopped, or that failed";
        let force = "Start although what is left of the last generation may still run";
        CommandArgs::add_to(verb("start", about).visible_alias("retry"))
            .arg(flag("with-dependencies", providers))
            .arg(flag("force", force))
    }

    pub(super) fn read(written: &mut ArgMatches) -> Self {
        Self {
            command: CommandArgs::read(written),
            with_dependencies: is_set(written, "with-dependencies"),
            force: is_set(written, "force"),
        }
    }
}

// === impl StopArgs ===

impl StopArgs {
    pub(super) fn command() -> Command {
        let about = "Stop a service and keep it stopped; those that need it go on";
        CommandArgs::add_to(verb("stop", about))
            .arg(flag("cascade", "Stop the services that need it first"))
    }

    pub(super) fn read(written: &mut ArgMatches) -> Self {
        Self { command: CommandArgs::read(written), cascade: is_set(written, "cascade") }
    }
}

// === impl RestartArgs ===

impl RestartArgs {
    pub(super) fn command() -> Command {
        let about = "Stop a service, if it runs, and start a new generation";
        CommandArgs::add_to(verb("restart", about))
            .arg(flag("with-dependents", "Also restart the services that run and need it"))
    }

    pub(super) fn read(written: &mut ArgMatches) -> Self {
        let with_dependents = is_set(written, "with-dependents");
        Self { command: CommandArgs::read(written), with_dependents }
    }
}

// === impl RegisterArgs ===

impl RegisterArgs {
    pub(super) fn command() -> Command {
        let about =
            "Register a service of a known kind; the next start of the process knows nothing of it";
        let kind = "Its kind; `info` lists those of which services can be made";
        let section = "The file with its section, in YAML, TOML or JSON: the framework's keys and \
                       its own. `${VAR}` in it is read from the environment of this command line; \
                       `-` = standard input, in YAML";
        let wait = "How long to wait for the start, such as `30s` or `5m`; `0` = do not wait";
        verb("register", about)
            .arg(place("kind", "KIND", kind).required(true))
            .arg(crate::argument::name("Its name").required(true))
            .arg(file_option("section", section))
            .arg(option("group", "NAME", "The group whose last member it becomes"))
            .arg(flag("start", "Start it as well"))
            .arg(reason("Why; it is kept with the event"))
            .arg(duration_option("wait", wait).default_value("10s"))
            .arg(flag("dry-run", "Only say what would happen"))
    }

    pub(super) fn read(written: &mut ArgMatches) -> Self {
        Self {
            kind: required(text(written, "kind")),
            name: required(text(written, "name")),
            section: path(written, "section"),
            group: text(written, "group"),
            start: is_set(written, "start"),
            reason: text(written, "reason"),
            wait: required(duration(written, "wait")),
            dry_run: is_set(written, "dry-run"),
        }
    }
}

// === impl DeregisterArgs ===

impl DeregisterArgs {
    pub(super) fn command() -> Command {
        let about = "Stop a service and take it out of the application";
        CommandArgs::add_to(verb("deregister", about))
            .arg(flag("cascade", "Also stop and take out the services that depend on it"))
    }

    pub(super) fn read(written: &mut ArgMatches) -> Self {
        Self { command: CommandArgs::read(written), cascade: is_set(written, "cascade") }
    }
}

// === impl ShutdownArgs ===

impl ShutdownArgs {
    pub(super) fn command() -> Command {
        let about = "Close the application, as SIGTERM does, if its configuration allows it";
        let wait = "How long to wait until it has closed, such as `30s` or `5m`; `0` = do not wait";
        verb("shutdown", about)
            .arg(reason("Why; it is kept with the event"))
            .arg(duration_option("wait", wait).default_value("30s"))
    }

    pub(super) fn read(written: &mut ArgMatches) -> Self {
        Self { reason: text(written, "reason"), wait: required(duration(written, "wait")) }
    }
}
