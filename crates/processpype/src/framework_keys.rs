//! The framework's keys of a service: how they stand in the file, and what follows from them.
//!
//! # Invariants
//!
//! 1. A value is the service's own, else the one in `defaults`, else what code said; within
//!    `restart` and `backoff` this holds for each key.
//! 2. A combination that is invalid is a problem at the place that made it so.

use std::time::Duration;

use processpype_config::{HumanDuration, Origin, Report, Section};
use processpype_core::{
    Backoff, EdgePolicy, InvalidRestart, MAX_TIME, RestartLimit, RestartOptions, SortedMap,
};
use processpype_runtime::{Choice, EdgeChoice, EdgeOrigin, Options, Spec};
use serde::Deserialize;

use crate::settings::times;
use crate::settings::{DefaultsSection, ServiceKeys};

/// What follows a failure.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct RestartSection {
    /// After which ends the service is started again: `on-failure`; `always`, which is also when a
    /// `oneshot` completed; or `never`. Default: on-failure.
    pub(crate) policy: Option<PolicyWord>,
    /// How long to wait before: longer with every failure in a row.
    pub(crate) backoff: BackoffSection,
    /// How many restarts are allowed within the time `within`; one more, and the service is
    /// exhausted: it stays in error until somebody starts it. Default: 5.
    #[cfg_attr(test, schemars(range(max = 1000)))]
    pub(crate) max_restarts: Option<u32>,
    /// The time within which restarts are counted. Default: 60s.
    pub(crate) within: Option<HumanDuration>,
    /// How long the service has to run and be ready for its next failure to count as the first in
    /// a row. Default: 60s.
    pub(crate) reset_after: Option<HumanDuration>,
}

/// How long to wait before a restart.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct BackoffSection {
    /// Before the first restart in a row. Default: 500ms.
    pub(crate) initial: Option<HumanDuration>,
    /// The longest wait. Default: 30s.
    pub(crate) max: Option<HumanDuration>,
    /// How many times longer each wait is than the one before. Default: 2.
    #[cfg_attr(test, schemars(range(min = 1.0)))]
    pub(crate) factor: Option<f64>,
    /// The part of each wait that is left to chance, from 0 to 1; it only shortens. Default: 0.2.
    #[cfg_attr(test, schemars(range(min = 0.0, max = 1.0)))]
    pub(crate) jitter: Option<f64>,
}

/// After which ends a service is started again.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PolicyWord {
    /// After a failure, and after a `oneshot` completed.
    Always,
    /// After a failure.
    OnFailure,
    /// Never by itself.
    Never,
}

/// What an edge asks for.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum EdgeWord {
    /// It runs on while the provider is away; to start, it waits.
    Hold,
    /// As hold; besides, it is restarted with every new generation of the provider.
    Restart,
    /// The edge orders, and waits for nobody who is down.
    Optional,
}

/// Lays what the file says about how a service is run over what code said.
///
/// What follows from `defaults` that do not fit is told there.
pub(crate) fn apply(
    options: &mut Options,
    keys: &ServiceKeys,
    (defaults, defaults_fit): (&DefaultsSection, bool),
    section: &Section,
) -> Result<(), Report> {
    set(&mut options.enabled, keys.enabled, None);
    set(&mut options.autostart, keys.autostart, defaults.autostart);
    set(&mut options.oneshot, keys.oneshot, None);
    set(&mut options.significant, keys.significant, defaults.significant);
    set_time(&mut options.start_timeout, keys.start_timeout, defaults.start_timeout);
    set_time(&mut options.stop_timeout, keys.stop_timeout, defaults.stop_timeout);
    let times = times::check(
        section,
        &[("start_timeout", keys.start_timeout), ("stop_timeout", keys.stop_timeout)],
    );
    let restart = restart(options.restart, &keys.restart, &defaults.restart);
    let restart = match restart {
        Ok(restart) => {
            options.restart = restart;
            Ok(())
        }
        Err(_) if !defaults_fit && !section.get("restart").exists() => Ok(()),
        Err(errors) => Err(restart_problems(section, errors)),
    };
    let restart = times::both(check_times(&keys.restart, section), restart);
    times::both(times, restart)
}

/// Refuses the times of a section `restart` that are too long.
fn check_times(restart: &RestartSection, section: &Section) -> Result<(), Report> {
    let RestartSection { backoff, within, reset_after, .. } = restart;
    let times = [
        ("restart.backoff.initial", backoff.initial),
        ("restart.backoff.max", backoff.max),
        ("restart.within", *within),
        ("restart.reset_after", *reset_after),
    ];
    times::check(section, &times)
}

/// Adds what the file says about whom a service needs.
pub(crate) fn tie(spec: &mut Spec, keys: ServiceKeys, section: &Section) {
    let uses = origins(section, "uses");
    for (role, instance) in keys.uses {
        let origin = origin(&uses, &role);
        spec.uses.retain(|choice| choice.role != role);
        spec.uses.push(Choice::new(role, instance, origin));
    }
    let edges = origins(section, "edges");
    for (provider, word) in keys.edges {
        let origin = origin(&edges, &provider);
        spec.edges.retain(|choice| choice.provider != provider);
        spec.edges.push(EdgeChoice::new(provider, word.into(), origin));
    }
    let mut places = item_origins(section, "depends_on");
    let place = |name| (name, places.next().map_or(EdgeOrigin::Code, EdgeOrigin::Config));
    spec.depends_on.extend(keys.depends_on.into_iter().map(place));
}

/// Returns what is wrong with the section `defaults` by itself.
pub(crate) fn check_defaults(defaults: &DefaultsSection, section: &Section) -> Result<(), Report> {
    let times = times::check(
        section,
        &[("start_timeout", defaults.start_timeout), ("stop_timeout", defaults.stop_timeout)],
    );
    let restart = restart(RestartOptions::default(), &defaults.restart, &RestartSection::default());
    let restart = restart.map(drop).map_err(|errors| restart_problems(section, errors));
    times::both(times, times::both(check_times(&defaults.restart, section), restart))
}

/// Lays what is written over what code says; returns everything that is wrong with it.
///
/// A time that is too long is told where it is written, by [`check_times`]; here it is a year.
fn restart(
    code: RestartOptions,
    own: &RestartSection,
    inherited: &RestartSection,
) -> Result<RestartOptions, Vec<InvalidRestart>> {
    let mut options = code;
    set(&mut options.policy, own.policy.map(Into::into), inherited.policy.map(Into::into));
    set_time(&mut options.reset_after, own.reset_after, inherited.reset_after);
    let max = own.max_restarts.or(inherited.max_restarts).or(code.limit.max_restarts());
    let mut within = code.limit.within();
    set_time(&mut within, own.within, inherited.within);
    let limit = match max {
        Some(max) => RestartLimit::new(max, within),
        None => Ok(RestartLimit::NONE),
    };
    match (backoff(code.backoff, &own.backoff, &inherited.backoff), limit) {
        (Ok(backoff), Ok(limit)) => Ok(RestartOptions { backoff, limit, ..options }),
        (backoff, limit) => Err(backoff.err().into_iter().chain(limit.err()).collect()),
    }
}

fn backoff(
    code: Backoff,
    own: &BackoffSection,
    inherited: &BackoffSection,
) -> Result<Backoff, InvalidRestart> {
    let (mut initial, mut max) = (code.initial(), code.max());
    let (mut factor, mut jitter) = (code.factor(), code.jitter());
    set_time(&mut initial, own.initial, inherited.initial);
    set_time(&mut max, own.max, inherited.max);
    set(&mut factor, own.factor, inherited.factor);
    set(&mut jitter, own.jitter, inherited.jitter);
    Backoff::new(initial, max, factor, jitter)
}

fn restart_problems(section: &Section, errors: Vec<InvalidRestart>) -> Report {
    let problems = errors.into_iter().map(|error| restart_problem(section, error));
    problems.reduce(Report::merge).expect("there is a problem")
}

fn restart_problem(section: &Section, error: InvalidRestart) -> Report {
    let restart = section.get("restart");
    let backoff = restart.get("backoff");
    let place = match error {
        InvalidRestart::InitialIsZero => backoff.get("initial"),
        InvalidRestart::MaxBelowInitial if backoff.get("max").exists() => backoff.get("max"),
        InvalidRestart::MaxBelowInitial => backoff.get("initial"),
        InvalidRestart::Factor => backoff.get("factor"),
        InvalidRestart::Jitter => backoff.get("jitter"),
        InvalidRestart::TooManyRestarts => restart.get("max_restarts"),
        InvalidRestart::WithinIsZero => restart.get("within"),
        _ => restart,
    };
    let help = match error {
        InvalidRestart::InitialIsZero => "write some time, such as 500ms",
        InvalidRestart::MaxBelowInitial => {
            "make `max` as long as `initial`, or longer; what is not written here comes from \
             `defaults`, else it is 500ms and 30s"
        }
        InvalidRestart::WithinIsZero => "write some time, such as 60s",
        _ => "write a value within these limits",
    };
    place.problem(error.to_string()).help(help).into()
}

/// Returns where the keys of a map were written.
fn origins(section: &Section, key: &str) -> SortedMap<String, Origin> {
    section.get(key).keys().into_iter().collect()
}

fn origin(origins: &SortedMap<String, Origin>, key: &str) -> EdgeOrigin {
    origins.get(key).cloned().map_or(EdgeOrigin::Code, EdgeOrigin::Config)
}

/// Returns where the items of a list of texts were written, in their order.
fn item_origins(section: &Section, key: &str) -> impl Iterator<Item = Origin> {
    let list = Some(section.get(key)).filter(Section::exists);
    // Most services have none: a schema is made for those that do.
    let items = list.map(|list| list.effective(&schemars::schema_for!(Vec<String>)));
    items.into_iter().flatten().map(|item| item.origin)
}

/// Takes the service's own value, else the inherited one, else leaves what code said.
fn set<T>(target: &mut T, own: Option<T>, inherited: Option<T>) {
    if let Some(value) = own.or(inherited) {
        *target = value;
    }
}

fn set_time(target: &mut Duration, own: Option<HumanDuration>, inherited: Option<HumanDuration>) {
    let bounded = |time: HumanDuration| time.get().min(MAX_TIME);
    set(target, own.map(bounded), inherited.map(bounded));
}

// === impl PolicyWord ===

impl From<PolicyWord> for processpype_core::RestartPolicy {
    fn from(word: PolicyWord) -> Self {
        match word {
            PolicyWord::Always => Self::Always,
            PolicyWord::OnFailure => Self::OnFailure,
            PolicyWord::Never => Self::Never,
        }
    }
}

// === impl EdgeWord ===

impl From<EdgeWord> for EdgePolicy {
    fn from(word: EdgeWord) -> Self {
        match word {
            EdgeWord::Hold => Self::Hold,
            EdgeWord::Restart => Self::Restart,
            EdgeWord::Optional => Self::Optional,
        }
    }
}
