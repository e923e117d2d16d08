//! What the verbs take that change configuration.

use clap::{ArgAction, ArgMatches, Command};
use processpype_config::HumanDuration;

use crate::argument::{
    duration, duration_option, flag, is_set, option, place, reason, required, service, text, texts,
    verb,
};

/// What `configure` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigureArgs {
    /// The service.
    pub name: String,
    /// What to set, such as `step=5` or `restart.policy=never`; a value is JSON, or else text.
    pub changes: Vec<Assignment>,
    /// Take a key out of what was configured, so that the files hold again.
    pub unset: Vec<String>,
    /// Start the service with it, if it does not run.
    pub start: bool,
    /// Only show what would change.
    pub dry_run: bool,
    /// Why; it is kept with the event and shown by `status`.
    pub reason: Option<String>,
    /// How long to wait for what follows, at most `60s`; `0` = do not wait.
    pub wait: HumanDuration,
}

/// What `reload` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReloadArgs {
    /// Only show what would change.
    pub dry_run: bool,
    /// Why; it is kept with the event.
    pub reason: Option<String>,
    /// How long to wait for the services, at most `60s`; `0` = do not wait.
    pub wait: HumanDuration,
}

/// One `KEY=VALUE`: the keys of the path, and a value that is JSON, or else text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The keys, outermost first.
    pub path: Vec<String>,
    /// The value.
    pub value: serde_json::Value,
}

// === impl ConfigureArgs ===

impl ConfigureArgs {
    pub(super) fn command() -> Command {
        let about = "Change the configuration of a service while it runs; it lies over the files";
        let changes = "What to set, such as `step=5` or `restart.policy=never`; a value is JSON, \
                       or else text";
        let changes = place("changes", "KEY=VALUE", changes)
            .value_parser(str::parse::<Assignment>)
            .action(ArgAction::Append)
            .num_args(1..)
            .required_unless_present_any(["unset", "start"]);
        let unset = "Take a key out of what was configured, so that the files hold again";
        let wait = "How long to wait for what follows, at most `60s`; `0` = do not wait";
        verb("configure", about)
            .arg(service().required(true))
            .arg(changes)
            .arg(option("unset", "KEY", unset).action(ArgAction::Append))
            .arg(flag("start", "Start the service with it, if it does not run"))
            .arg(flag("dry-run", "Only show what would change"))
            .arg(reason("Why; it is kept with the event and shown by `status`"))
            .arg(duration_option("wait", wait).default_value("30s"))
    }

    pub(super) fn read(written: &mut ArgMatches) -> Self {
        Self {
            name: required(text(written, "name")),
            changes: written.remove_many("changes").map(Iterator::collect).unwrap_or_default(),
            unset: texts(written, "unset"),
            start: is_set(written, "start"),
            dry_run: is_set(written, "dry-run"),
            reason: text(written, "reason"),
            wait: required(duration(written, "wait")),
        }
    }
}

// === impl ReloadArgs ===

impl ReloadArgs {
    pub(super) fn command() -> Command {
        let about =
            "Load the configuration's files again; if anything in them is wrong, nothing changes";
        let wait = "How long to wait for the services, at most `60s`; `0` = do not wait";
        verb("reload", about)
            .arg(flag("dry-run", "Only show what would change"))
            .arg(reason("Why; it is kept with the event"))
            .arg(duration_option("wait", wait).default_value("30s"))
    }

    pub(super) fn read(written: &mut ArgMatches) -> Self {
        Self {
            dry_run: is_set(written, "dry-run"),
            reason: text(written, "reason"),
            wait: required(duration(written, "wait")),
        }
    }
}

// === impl Assignment ===

impl std::str::FromStr for Assignment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (path, value) = text.split_once('=').ok_or("it has no `=`")?;
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) {
            return Err("it needs a key before the `=`");
        }
        let text = || serde_json::Value::from(value);
        Ok(Self { path, value: serde_json::from_str(value).unwrap_or_else(|_| text()) })
    }
}
