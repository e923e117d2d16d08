//! What the verbs take that look at an application, and at what is done with it.

use std::path::PathBuf;

use clap::{ArgMatches, Command, value_parser};
use processpype_api::LogLevel;
use processpype_config::HumanDuration;

use super::word::{LEVELS, SEVERITIES};
use crate::argument::{
    duration, duration_option, file_option, flag, is_set, option, path, place, reason, required,
    text, verb, word, words,
};

/// What `operations` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationsArgs {
    /// Only operations on this service.
    pub service: Option<String>,
    /// Only operations in this state: `waiting`, `done`, `failed`, `superseded`, `cancelled` or
    /// `refused`.
    pub state: Option<String>,
}

/// What `pause` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PauseArgs {
    /// How long, from 1s to 1d.
    pub length: HumanDuration,
    /// Why; it is kept with the operation.
    pub reason: Option<String>,
}

/// What `resume` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResumeArgs {
    /// Why; it is kept with the operation.
    pub reason: Option<String>,
}

/// What `events` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventsArgs {
    /// Go on with what happens, until interrupted or the application closes.
    pub follow: bool,
    /// Only events about this service.
    pub service: Option<String>,
    /// Only events of this kind, such as `state` or `command`.
    pub kind: Option<String>,
    /// Only events with a higher sequence number. Left out: all that are held, or, with `--follow`,
    /// what happens from now on.
    pub after: Option<u64>,
    /// Show what stands in the file of events of an application that is dead, instead.
    pub file: Option<PathBuf>,
    /// Show all runs in the file, not only the last one.
    pub all_runs: bool,
}

/// What `logs` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogsArgs {
    /// The service; left out: the whole application.
    pub name: Option<String>,
    /// Go on with what is logged, until interrupted or the application closes.
    pub follow: bool,
    /// Only lines that are at least as severe.
    pub level: Option<LogLevel>,
    /// How many of the newest lines, at most 1000.
    pub lines: u16,
    /// Only lines that are not older than this, such as `10m`.
    pub since: Option<HumanDuration>,
    /// Only lines with this text in their message or fields.
    pub contains: Option<String>,
    /// Only lines that belong to no service: the framework's own, and of libraries.
    pub outside: bool,
}

/// What `metrics` takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetricsArgs {
    /// Only metrics with this text in their name; left out: all.
    pub name: Option<String>,
    /// Only series of this service.
    pub service: Option<String>,
    /// The answer as it came, with every series and help text.
    pub raw: bool,
}

/// What `level` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelArgs {
    /// The service; left out: the application, or all levels.
    pub name: Option<String>,
    /// What is to hold for the service.
    pub level: Option<LogLevel>,
    /// What is to hold for the application, where nothing more specific is said.
    pub all: Option<LogLevel>,
    /// How long, from `1s` to `1d`; then what is configured holds again. Left out: 15m.
    pub time: Option<HumanDuration>,
    /// Why; it is kept with the event.
    pub reason: Option<String>,
    /// Let what is configured hold again.
    pub reset: bool,
}

// === impl OperationsArgs ===

impl OperationsArgs {
    pub(super) fn command() -> Command {
        let state = "Only operations in this state: `waiting`, `done`, `failed`, `superseded`, \
                     `cancelled` or `refused`";
        verb("operations", "List what was asked, and how it ended")
            .arg(option("service", "NAME", "Only operations on this service"))
            .arg(option("state", "STATE", state))
    }

    pub(super) fn read(written: &mut ArgMatches) -> Self {
        Self { service: text(written, "service"), state: text(written, "state") }
    }
}

// === impl PauseArgs ===

impl PauseArgs {
    pub(super) fn command() -> Command {
        let about = "Pause all automatic restarts for a time; what an operator starts is not held";
        verb("pause", about)
            .arg(duration_option("for", "How long, from 1s to 1d").default_value("10m"))
            .arg(reason("Why; it is kept with the operation"))
    }

    pub(super) fn read(written: &mut ArgMatches) -> Self {
        Self { length: required(duration(written, "for")), reason: text(written, "reason") }
    }
}

// === impl ResumeArgs ===

impl ResumeArgs {
    pub(super) fn command() -> Command {
        verb("resume", "Let automatic restarts go on")
            .arg(reason("Why; it is kept with the operation"))
    }

    pub(super) fn read(written: &mut ArgMatches) -> Self {
        Self { reason: text(written, "reason") }
    }
}

// === impl EventsArgs ===

impl EventsArgs {
    pub(super) fn command() -> Command {
        let follow = "Go on with what happens, until interrupted or the application closes";
        let kind = "Only events of this kind, such as `state` or `command`";
        let after = "Only events with a higher sequence number. Left out: all that are held, or, \
                     with `--follow`, what happens from now on";
        let file = "Show what stands in the file of events of an application that is dead, instead";
        verb("events", "Show what happened, and follow what happens")
            .arg(flag("follow", follow).short('f'))
            .arg(option("service", "NAME", "Only events about this service"))
            .arg(option("kind", "KIND", kind))
            .arg(option("after", "NUMBER", after).value_parser(value_parser!(u64)))
            .arg(file_option("file", file).conflicts_with("follow"))
            .arg(flag("all-runs", "Show all runs in the file, not only the last one"))
    }

    pub(super) fn read(written: &mut ArgMatches) -> Self {
        Self {
            follow: is_set(written, "follow"),
            service: text(written, "service"),
            kind: text(written, "kind"),
            after: written.remove_one("after"),
            file: path(written, "file"),
            all_runs: is_set(written, "all-runs"),
        }
    }
}

// === impl LogsArgs ===

impl LogsArgs {
    pub(super) fn command() -> Command {
        let about = "Show the newest log lines of the application or of a service, and follow them";
        let name = "The service; left out: the whole application";
        let follow = "Go on with what is logged, until interrupted or the application closes";
        let level = option("level", "LEVEL", "Only lines that are at least as severe")
            .short('l')
            .value_parser(words(&SEVERITIES));
        let lines = option("lines", "N", "How many of the newest lines, at most 1000")
            .short('n')
            .default_value("100")
            .value_parser(value_parser!(u16).range(1..=1000));
        let since = "Only lines that are not older than this, such as `10m`";
        let outside = "Only lines that belong to no service: the framework's own, and of libraries";
        verb("logs", about)
            .arg(crate::argument::name(name))
            .arg(flag("follow", follow).short('f'))
            .arg(level)
            .arg(lines)
            .arg(duration_option("since", since))
            .arg(option("contains", "TEXT", "Only lines with this text in their message or fields"))
            .arg(flag("outside", outside).conflicts_with("name"))
    }

    pub(super) fn read(written: &mut ArgMatches) -> Self {
        Self {
            name: text(written, "name"),
            follow: is_set(written, "follow"),
            level: word(written, "level", &SEVERITIES),
            lines: required(written.remove_one("lines")),
            since: duration(written, "since"),
            contains: text(written, "contains"),
            outside: is_set(written, "outside"),
        }
    }
}

// === impl MetricsArgs ===

impl MetricsArgs {
    pub(super) fn command() -> Command {
        let name = "Only metrics with this text in their name; left out: all";
        let raw = "The answer as it came, with every series and help text";
        verb("metrics", "Show the numbers that Prometheus reads, as a table")
            .arg(place("name", "TEXT", name))
            .arg(option("service", "NAME", "Only series of this service"))
            .arg(flag("raw", raw).conflicts_with("name").conflicts_with("service"))
    }

    pub(super) fn read(written: &mut ArgMatches) -> Self {
        Self {
            name: text(written, "name"),
            service: text(written, "service"),
            raw: is_set(written, "raw"),
        }
    }
}

// === impl LevelArgs ===

impl LevelArgs {
    pub(super) fn command() -> Command {
        let name = "The service; left out: the application, or all levels";
        let level =
            place("level", "LEVEL", "What is to hold for the service").value_parser(words(&LEVELS));
        let all = "What is to hold for the application, where nothing more specific is said";
        let all = option("all", "LEVEL", all).value_parser(words(&LEVELS)).conflicts_with("name");
        let time =
            "How long, from `1s` to `1d`; then what is configured holds again. Left out: 15m";
        verb("level", "Show how much is logged, or change it for a while")
            .arg(crate::argument::name(name))
            .arg(level.group("change"))
            .arg(all.group("change"))
            .arg(duration_option("for", time).requires("change"))
            .arg(reason("Why; it is kept with the event").requires("change"))
            .arg(flag("reset", "Let what is configured hold again").conflicts_with("change"))
    }

    pub(super) fn read(written: &mut ArgMatches) -> Self {
        Self {
            name: text(written, "name"),
            level: word(written, "level", &LEVELS),
            all: word(written, "all", &LEVELS),
            time: duration(written, "for"),
            reason: text(written, "reason"),
            reset: is_set(written, "reset"),
        }
    }
}
