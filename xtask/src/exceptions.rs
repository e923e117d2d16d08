//! What the rules let through, and why.
//!
//! # Invariants
//!
//! 1. A [`Permission`] is a part of the design: a place whose job the confined thing is.
//! 2. An [`Exception`] is a debt: it names one breach and goes as soon as the breach is gone, for
//!    an exception that excuses nothing is itself a violation.
//! 3. Neither is without a reason.

use crate::violation::{Rule, Violation};

/// A place where a confined thing belongs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Permission {
    pub(crate) rule: Rule,
    /// A path, or the beginning of one.
    pub(crate) under: &'static str,
    pub(crate) reason: &'static str,
}

/// One breach that stands for now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exception {
    pub(crate) rule: Rule,
    pub(crate) path: &'static str,
    /// The violation's item; see [`Violation::item`].
    pub(crate) item: &'static str,
    pub(crate) reason: &'static str,
}

/// Where confined things belong. Edited together with ARCHITECTURE.md.
pub(crate) const PERMISSIONS: &[Permission] = &[
    Permission {
        rule: Rule::Listener,
        under: "crates/processpype-control/src/",
        reason: "the control plane is what listens",
    },
    Permission {
        rule: Rule::Spawn,
        under: "crates/processpype-runtime/src/",
        reason: "the runtime owns every task of a service",
    },
    Permission {
        rule: Rule::Spawn,
        under: "crates/processpype-control/src/",
        reason: "connections, and commands that outlive their client",
    },
    Permission {
        rule: Rule::Spawn,
        under: "crates/processpype-telemetry/src/",
        reason: "the writer thread of the logs",
    },
    Permission {
        rule: Rule::Spawn,
        under: "crates/processpype-otlp/src/",
        reason: "spans and lines end at the same time, each on a thread",
    },
    Permission {
        rule: Rule::Spawn,
        under: "crates/processpype/src/",
        reason: "threads and runtimes of `.main()`: supervisor, services",
    },
    Permission {
        rule: Rule::Listener,
        under: "benches/src/",
        reason: "the floor of the control plane is a bare server",
    },
    Permission {
        rule: Rule::Spawn,
        under: "benches/src/",
        reason: "the floor of supervision is a bare task, and load comes from threads",
    },
    Permission {
        rule: Rule::Clock,
        under: "crates/processpype-runtime/src/clock.rs",
        reason: "where the time that services are told begins",
    },
    Permission {
        rule: Rule::Clock,
        under: "crates/processpype-telemetry/src/",
        reason: "the log has a thread of its own, and its lines the time of the machine",
    },
    Permission {
        rule: Rule::Clock,
        under: "crates/processpype-otlp/src/",
        reason: "a collector keeps no paused time",
    },
    Permission {
        rule: Rule::Clock,
        under: "crates/processpype/src/process",
        reason: "the deadline is held on a thread on which nothing else runs",
    },
    Permission {
        rule: Rule::Static,
        under: "crates/processpype-runtime/src/panic.rs",
        reason: "a panic hook can hand its record to the catcher only through the thread it is on",
    },
    Permission {
        rule: Rule::Static,
        under: "crates/processpype-runtime/src/directory/at_hand.rs",
        reason: "only the thread itself can know that it ends",
    },
    Permission {
        rule: Rule::Static,
        under: "crates/processpype-cli/src/print.rs",
        reason: "standard output is the process's, and so is that it takes nothing more (ADR 0031)",
    },
];

/// Debts. Empty is best.
pub(crate) const EXCEPTIONS: &[Exception] = &[];

/// Returns whether `path` is a place where what `rule` confines belongs.
pub(crate) fn permits(rule: Rule, path: &str) -> bool {
    let mut places = PERMISSIONS.iter().filter(|permission| permission.rule == rule);
    places.any(|permission| path.starts_with(permission.under) && !permission.reason.is_empty())
}

/// Takes the excused violations out of `found` and adds one for each exception that is stale.
pub(crate) fn apply(found: Vec<Violation>, exceptions: &[Exception]) -> Vec<Violation> {
    let stale = exceptions.iter().filter(|exception| !found.iter().any(|v| exception.excuses(v)));
    let stale: Vec<Violation> = stale.map(Exception::stale).collect();
    let is_left = |violation: &Violation| !exceptions.iter().any(|e| e.excuses(violation));
    found.into_iter().filter(is_left).chain(stale).collect()
}

// === impl Exception ===

impl Exception {
    fn excuses(&self, violation: &Violation) -> bool {
        let same_place = violation.path == self.path && violation.item == self.item;
        same_place && violation.rule == self.rule && !self.reason.is_empty()
    }

    fn stale(&self) -> Violation {
        let Self { rule, path, item, .. } = self;
        let message = format!(
            "the exception from {rule:?} for {path} `{item}` excuses nothing or has no reason: \
             delete it"
        );
        Violation::new(Rule::Exception, "xtask/src/exceptions.rs", item, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Exception = Exception {
        rule: Rule::FunctionLength,
        path: "a.rs",
        item: "f",
        reason: "a table reads best in one piece",
    };

    #[track_caller]
    fn check(item: &str, exceptions: &[Exception], expected: &[Rule]) {
        let found = vec![Violation::new(Rule::FunctionLength, "a.rs", item, "long")];
        let left: Vec<_> = apply(found, exceptions).into_iter().map(|v| v.rule).collect();
        assert_eq!(left, expected);
    }

    #[test]
    fn an_exception_excuses_its_own_breach_only() {
        check("f", &[LONG], &[]);
        check("g", &[], &[Rule::FunctionLength]);
    }

    #[test]
    fn an_exception_that_excuses_nothing_is_a_violation() {
        check("g", &[LONG], &[Rule::FunctionLength, Rule::Exception]);
    }

    #[test]
    fn an_exception_without_a_reason_does_not_count() {
        let silent = Exception { reason: "", ..LONG };
        check("f", &[silent], &[Rule::FunctionLength, Rule::Exception]);
    }

    #[test]
    fn every_permission_has_a_reason() {
        assert!(PERMISSIONS.iter().all(|permission| !permission.reason.is_empty()));
    }
}
