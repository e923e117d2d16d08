//! The workloads, and what each of them is about.
//!
//! # Invariants
//!
//! 1. The first subject of a case is its floor.

use std::time::Duration;

use crate::figure::{Meter, Outcome};
use crate::helpers::Helper;
use crate::{cold, config, contention, crash, graph, http, log, start, storm, straggle, trees};

/// One thing that is measured, in several cases, with several subjects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    /// Its name on the command line; what is behind a `-` belongs to the same workload.
    pub(crate) name: &'static str,
    /// What is done, in one sentence.
    pub(crate) about: &'static str,
    pub(crate) cases: fn() -> Vec<Case>,
    pub(crate) sample: fn(&Ask) -> Outcome,
    /// Programs beside this one that a sample needs.
    pub(crate) helpers: &'static [Helper],
    /// How many runs at most: what takes minutes is not done ten times.
    pub(crate) runs_max: usize,
    /// The same for `--quick`.
    pub(crate) runs_max_quick: usize,
    /// How long one sample may take; one that takes longer is none.
    pub(crate) time_max: Duration,
    /// Whether samples are taken by the program that counts allocations.
    pub(crate) is_counted: bool,
}

/// One setting of a workload.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) subjects: Vec<&'static str>,
}

/// What one sample is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) case: String,
    pub(crate) subject: String,
    pub(crate) meter: Option<Meter>,
    /// Whether less is to be measured: enough to see that all works, and where it stands.
    pub(crate) is_quick: bool,
}

/// The subject that every other one is compared with.
pub(crate) const FLOOR: &str = "floor";

/// This framework, embedded: its supervisor on the runtime of the services.
pub(crate) const OURS: &str = "processpype";

/// This framework with its threads as under `.main()`.
pub(crate) const OURS_MAIN: &str = "processpype-main";

/// The subjects that are others which supervise, where they have a row.
pub(crate) const PEERS: [&str; 4] =
    ["task-supervisor", "tokio-graceful-shutdown", "ractor", "kameo"];

/// Far longer than any sample takes that is not stuck.
const SAMPLE_TIME_MAX: Duration = Duration::from_secs(180);

/// The same for a sample that builds whole programs.
const BUILD_TIME_MAX: Duration = Duration::from_secs(1800);

const BASE: Workload = Workload {
    name: "",
    about: "",
    cases: Vec::new,
    sample: |_| Ok(Vec::new()),
    helpers: &[],
    runs_max: 11,
    runs_max_quick: 3,
    time_max: SAMPLE_TIME_MAX,
    is_counted: false,
};

/// Every workload, in the order in which `all` takes them.
pub(crate) const WORKLOADS: &[Workload] = &[
    Workload {
        name: "w1",
        about: "start and stop of n trivial services",
        cases: start::cases,
        sample: start::sample,
        ..BASE
    },
    Workload {
        name: "w1-heap",
        about: "live heap of n trivial services, all running",
        cases: start::cases,
        sample: start::sample,
        helpers: &[Helper::Heap],
        runs_max: 3,
        runs_max_quick: 1,
        is_counted: true,
        ..BASE
    },
    Workload {
        name: "w2",
        about: "from a crash to running again",
        cases: crash::cases,
        sample: crash::sample,
        ..BASE
    },
    Workload {
        name: "w3",
        about: "start of a graph of 10 layers of 100 services, each with 3 providers",
        cases: graph::cases,
        sample: graph::sample,
        ..BASE
    },
    Workload {
        name: "w4",
        about: "requests over loopback, 8 connections",
        cases: http::cases,
        sample: http::sample,
        helpers: &[Helper::Application, Helper::Axum],
        runs_max: 5,
        ..BASE
    },
    Workload {
        name: "w5",
        about: "exec to the first 200, SIGTERM to exit, size and idleness of the process",
        cases: cold::cases,
        sample: cold::sample,
        helpers: &[Helper::Application, Helper::Axum],
        runs_max: 5,
        ..BASE
    },
    Workload {
        name: "w5-idle",
        about: "a process that nobody asks anything",
        cases: cold::idle_cases,
        sample: cold::sample_idle,
        helpers: &[Helper::Application, Helper::Axum],
        runs_max: 1,
        runs_max_quick: 1,
        ..BASE
    },
    Workload {
        name: "w6",
        about: "reads of a state that another thread changes all the time",
        cases: contention::cases,
        sample: contention::sample,
        ..BASE
    },
    Workload {
        name: "w7",
        about: "one event of three fields to JSON, on the caller's thread",
        cases: log::cases,
        sample: log::sample,
        ..BASE
    },
    Workload {
        name: "w9",
        about: "5,000 services in one YAML file",
        cases: config::cases,
        sample: config::sample,
        ..BASE
    },
    Workload {
        name: "w10",
        about: "a thousand services in a crash loop, seen over the control API",
        cases: storm::cases,
        sample: storm::sample,
        helpers: &[Helper::Application],
        runs_max: 3,
        runs_max_quick: 1,
        ..BASE
    },
    Workload {
        name: "shutdown",
        about: "SIGTERM to exit with 192 services that ignore stop and 8 that block",
        cases: straggle::cases,
        sample: straggle::sample,
        helpers: &[Helper::Application],
        runs_max: 5,
        ..BASE
    },
    Workload {
        name: "w11",
        about: "clean debug build of a small application",
        cases: trees::cases,
        sample: trees::sample,
        runs_max: 1,
        runs_max_quick: 1,
        time_max: BUILD_TIME_MAX,
        ..BASE
    },
];

// === impl Workload ===

impl Workload {
    /// Returns the workload of this name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        WORKLOADS.iter().find(|workload| workload.name == name)
    }

    /// Whether `word` of the command line asks for it: by its name or by what stands before `-`.
    pub(crate) fn is_meant(&self, word: &str) -> bool {
        let family = self.name.split('-').next();
        word == "all" || word == self.name || Some(word) == family
    }
}

// === impl Case ===

impl Case {
    pub(crate) fn new(name: impl Into<String>, subjects: &[&'static str]) -> Self {
        Self { name: name.into(), subjects: subjects.to_vec() }
    }
}

// === impl Ask ===

impl Ask {
    /// The case as a number.
    pub(crate) fn count(&self) -> Result<usize, std::num::ParseIntError> {
        self.case.parse()
    }

    /// `quick` if less is to be measured, otherwise `whole`.
    pub(crate) fn either<T>(&self, whole: T, quick: T) -> T {
        if self.is_quick { quick } else { whole }
    }

    pub(crate) fn unknown(&self) -> Outcome {
        Err(format!("nobody is named {} in case {}", self.subject, self.case).into())
    }
}
