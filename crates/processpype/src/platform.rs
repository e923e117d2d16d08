//! What runs the process, as far as the process can know it: only to warn, never to decide.
//!
//! # What can be known
//!
//! | platform | known by | kills after, unless told otherwise |
//! |---|---|---|
//! | systemd | `SYSTEMD_EXEC_PID` is this process, or a `NOTIFY_SOCKET` | 90 s |
//! | Kubernetes | `KUBERNETES_SERVICE_HOST`, which every container has | 30 s |
//! | Docker, others | nothing | unknown |
//!
//! What the unit or the pod says otherwise cannot be seen: a process would have to ask over D-Bus,
//! and a container would have to ask the cluster's API. So the figure has a key of its own,
//! `server.platform_stop_timeout`, and the default of the platform is what counts without it.
//! `INVOCATION_ID` is no sign of systemd: whatever descends from a unit has it, a terminal in a
//! user's session too.

use std::time::Duration;

use crate::setup::Setup;

/// What runs the process, and how patient it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Platform {
    /// Who runs it, if that can be known.
    pub(crate) manager: Option<Manager>,
    /// From asking the process to end to killing it.
    pub(crate) stop: Option<Duration>,
    /// From its start to the end of the patience with it; only if the configuration says so.
    pub(crate) start: Option<Duration>,
    /// The stop timeout was not configured: it is the manager's default.
    pub(crate) is_assumed: bool,
}

/// Who starts, stops and kills processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manager {
    Systemd,
    Kubernetes,
}

// === impl Platform ===

impl Platform {
    /// Finds it in the environment and the configuration of an application.
    pub(crate) fn of(setup: &Setup) -> Self {
        let server = &setup.settings.server;
        let configured = server.platform_stop_timeout.map(Into::into);
        let start = server.platform_start_timeout.map(Into::into);
        let variable = |name: &str| setup.document.variable(name);
        let manager = Manager::by(variable, std::process::id());
        let stop = configured.or(manager.map(Manager::stop_timeout));
        Self { manager, stop, start, is_assumed: configured.is_none() }
    }
}

// === impl Manager ===

impl Manager {
    fn by<'a>(variable: impl Fn(&str) -> Option<&'a str>, process: u32) -> Option<Self> {
        let executed = variable("SYSTEMD_EXEC_PID").and_then(|text| text.parse().ok());
        if executed == Some(process) || variable("NOTIFY_SOCKET").is_some() {
            Some(Self::Systemd)
        } else if variable("KUBERNETES_SERVICE_HOST").is_some() {
            Some(Self::Kubernetes)
        } else {
            None
        }
    }

    /// How long it waits before it kills, unless told otherwise: `DefaultTimeoutStopSec` and
    /// `terminationGracePeriodSeconds`.
    fn stop_timeout(self) -> Duration {
        match self {
            Self::Systemd => Duration::from_secs(90),
            Self::Kubernetes => Duration::from_secs(30),
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Kubernetes => "Kubernetes",
        }
    }

    /// Returns the manager's own name for the stop timeout.
    pub(crate) fn stop_setting(self) -> &'static str {
        match self {
            Self::Systemd => "`TimeoutStopSec`",
            Self::Kubernetes => "`terminationGracePeriodSeconds`",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROCESS: u32 = 17;

    #[track_caller]
    fn check(variables: &[(&str, &str)], expected: Option<Manager>) {
        let variable = |name: &str| {
            let found = variables.iter().find(|(of, _)| *of == name);
            found.map(|(_, value)| *value)
        };
        assert_eq!(Manager::by(variable, PROCESS), expected, "{variables:?}");
    }

    #[test]
    fn only_sure_signs_count() {
        check(&[], None);
        check(&[("KUBERNETES_SERVICE_HOST", "10.0.0.1")], Some(Manager::Kubernetes));
        check(&[("NOTIFY_SOCKET", "/run/systemd/notify")], Some(Manager::Systemd));
        check(&[("SYSTEMD_EXEC_PID", "17")], Some(Manager::Systemd));
        // A process that a unit's process started: a shell, say.
        check(&[("SYSTEMD_EXEC_PID", "16"), ("INVOCATION_ID", "b3c8")], None);
        check(&[("SYSTEMD_EXEC_PID", "seventeen")], None);
    }
}
