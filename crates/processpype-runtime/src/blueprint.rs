//! An application before it runs: its services, checked whole, and how they are bound to each
//! other.
//!
//! # Invariants
//!
//! 1. Ids are given in the order of names, so that plans are deterministic.
//! 2. A [`Blueprint`] has no cycle, and every need of an enabled service has its providers.
//! 3. Every edge knows who declared it.
//!
//! # The way here
//!
//! ```text
//! Application ─┐
//!              ├─▶ Spec ─┐
//! file ────────┘         ├─▶ Assembly ──check──▶ Blueprint ──launch──▶ (Manager, Supervisor)
//!        .provide(…) ────┘
//! ```
//!
//! Everything on the left may be wrong; nothing on the right can be, by its type. A `Blueprint` can
//! be looked at (plan, graph, schema) or run, and needs no runtime for the former.

mod ties;

use std::sync::Arc;
use std::time::Duration;

use processpype_config::{Origin, Report, Section};
use processpype_core::{
    Budget, EdgePolicy, Graph, LogLevel, Plan, RestartOptions, ServiceId, ServiceName, Traits,
    each, sort, sort_by,
};

use crate::argument::Amount;
use crate::binding::Binder;
use crate::configuration::{Hidden, Joined, Secrets};
use crate::group::{GroupSpec, NamedGroup};
use crate::hang::HangLimit;
use crate::kind::Kind;
pub(crate) use crate::kind::Make;
use crate::layout::Layout;
use crate::problem::PlanError;
use crate::shared::SharedValues;
use crate::supervisor::ABORT_RESERVE;

/// How many generations may be starting at once unless told otherwise.
///
/// A bound on memory and on the load at boot, not a tuning knob.
pub const STARTS_AT_ONCE: usize = 1024;

/// The longest `start_timeout` and `stop_timeout`: a year.
///
/// A longer one, [`Duration::MAX`] among them, is taken as this: who writes it means that there is
/// no limit, and no clock can tell of a time so far away.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// One instance of a kind, as registered or as the file says.
///
/// Made by the roof, from a registration in code or a section of the file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Spec {
    /// Its name.
    pub name: ServiceName,
    /// The name of its kind.
    pub kind_name: Arc<str>,
    /// Its kind.
    pub kind: Arc<Kind>,
    /// Its own configuration, without the framework's keys.
    pub section: Section,
    /// The secrets in its section, once that was checked: see [`check_config`](Self::check_config).
    #[doc(hidden)]
    pub secrets: Secrets,
    /// What it was registered with, if it joins at run time.
    pub joined: Option<Arc<Joined>>,
    /// The framework's keys; one value for as many services as have the same.
    pub options: Arc<Options>,
    /// Chosen providers: role, instance, and who chose.
    pub uses: Vec<Choice>,
    /// Edges without a handle.
    pub depends_on: Vec<(String, EdgeOrigin)>,
    /// Policies of edges that are not to hold.
    pub edges: Vec<EdgeChoice>,
}

/// What the framework needs to know about an instance.
///
/// ```
/// # mod processpype { pub use processpype_runtime as registration; }
/// use processpype::registration::Options;
/// use std::time::Duration;
///
/// let options = Options::default();
/// assert!(options.enabled && options.autostart && !options.oneshot && !options.significant);
/// assert_eq!(options.start_timeout, Duration::from_secs(30));
/// assert_eq!(options.stop_timeout, Duration::from_secs(10));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Options {
    /// Whether it may run at all.
    pub enabled: bool,
    /// Whether it starts with the application.
    pub autostart: bool,
    /// Whether its success completes it.
    pub oneshot: bool,
    /// Whether its failure closes the application.
    pub significant: bool,
    /// How long constructor and `start` may take together.
    pub start_timeout: Duration,
    /// How long the whole stop may take.
    pub stop_timeout: Duration,
    /// What follows its failure.
    pub restart: RestartOptions,
    /// How long it may go without a beat while it runs, if it has a heartbeat.
    pub heartbeat: Option<HangLimit>,
    /// How long one poll may take, if polls are watched.
    pub watchdog: Option<HangLimit>,
    /// Whether its polls are counted and timed.
    pub poll_times: bool,
    /// Whether the application is ready only if it is, as long as it should run.
    pub readiness_required: bool,
    /// The least severe level that is logged of it; `None` = as for all others.
    pub log_level: Option<LogLevel>,
}

/// A choice of a provider for a role.
///
/// From `.uses(…)` or the key `uses`; the file replaces what code chose for the same role.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Choice {
    /// The role, or the needed type in snake case.
    pub role: String,
    /// The instance to use.
    pub instance: String,
    /// Who chose.
    pub origin: EdgeOrigin,
}

/// A choice of policy for the edges to one provider.
///
/// From `.edge(…)` or the key `edges`; the file replaces what code chose for the same provider.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EdgeChoice {
    /// The instance that is needed.
    pub provider: String,
    /// What the edge asks for.
    pub policy: EdgePolicy,
    /// Who chose.
    pub origin: EdgeOrigin,
}

/// Who declared an edge.
///
/// Told with every edge in plans and errors, so that a cycle can be broken where it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EdgeOrigin {
    /// An argument of a constructor: the argument's type, and the constructor's.
    Argument {
        /// The needed type.
        needs: &'static str,
        /// The type whose constructor needs it.
        of: &'static str,
    },
    /// A place in the configuration.
    Config(Origin),
    /// The order of a rest-for-one group.
    Group {
        /// Its name.
        name: Arc<str>,
        /// Who declared it: `code`, or a place in the configuration.
        of: Arc<str>,
    },
    /// Code that put the application together.
    Code,
}

/// An edge of the graph, with who declared it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamedEdge {
    /// Who needs.
    pub dependent: ServiceId,
    /// Who is needed.
    pub provider: ServiceId,
    /// What it asks for.
    pub policy: EdgePolicy,
    /// Who said so.
    pub origin: EdgeOrigin,
}

/// What ties a service to others; see [`Blueprint::ties`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ties {
    needs: Vec<(ServiceName, EdgePolicy)>,
    arguments: Vec<Vec<ServiceName>>,
}

/// An application that is put together but not checked.
///
/// ```
/// use processpype_runtime::Assembly;
///
/// let blueprint = Assembly::default().check()?;
/// assert!(blueprint.specs().is_empty());
/// # Ok::<(), processpype_runtime::PlanError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Assembly {
    /// The instances, in any order.
    pub specs: Vec<Spec>,
    /// Groups of instances that are restarted together.
    pub groups: Vec<GroupSpec>,
    /// The values of `.provide(…)`.
    pub shared: SharedValues,
    /// The kinds that instances can be made of, by their names: they stand in advice alone.
    pub kinds: Vec<(String, Arc<Kind>)>,
}

/// A checked application.
///
/// Ids are those of the order of names, and the same everywhere in this application.
#[derive(Clone, Debug)]
pub struct Blueprint {
    pub(crate) specs: Vec<Spec>,
    pub(crate) shared: SharedValues,
    pub(crate) graph: Graph,
    pub(crate) edges: Vec<NamedEdge>,
    pub(crate) groups: Vec<NamedGroup>,
    /// For each service and each of its needs, the providers.
    pub(crate) bindings: Vec<Vec<Vec<ServiceId>>>,
}

// === impl Options ===

impl Default for Options {
    /// The documented defaults: enabled, started with the application, 30 s to start and 10 s to
    /// stop (30 s is OTP's and systemd's order of magnitude; 10 s fits twice into Kubernetes' 30 s
    /// grace period).
    fn default() -> Self {
        Self {
            enabled: true,
            autostart: true,
            oneshot: false,
            significant: false,
            start_timeout: Duration::from_secs(30),
            stop_timeout: Duration::from_secs(10),
            restart: RestartOptions::default(),
            heartbeat: None,
            watchdog: None,
            poll_times: false,
            readiness_required: true,
            log_level: None,
        }
    }
}

impl Options {
    pub(crate) fn traits(&self) -> Traits {
        Traits {
            enabled: self.enabled,
            autostart: self.autostart,
            oneshot: self.oneshot,
            significant: self.significant,
            restart: self.restart.policy,
        }
    }

    /// Returns the worst-case times of a service with these options.
    ///
    /// What the plan adds up along its critical path. A stop's share includes the time for
    /// aborting.
    #[doc(hidden)]
    #[must_use]
    pub fn budget(&self) -> Budget {
        let stop = self.stop_timeout.min(TIMEOUT_MAX) + ABORT_RESERVE;
        // A start that times out is torn down within the stop's time.
        Budget { start: self.start_timeout.min(TIMEOUT_MAX), stop }
    }

    /// The same with timeouts that a clock can tell: see [`TIMEOUT_MAX`].
    pub(crate) fn bounded(options: &Arc<Self>) -> Arc<Self> {
        let mut options = Arc::clone(options);
        if options.start_timeout.max(options.stop_timeout) > TIMEOUT_MAX {
            let own = Arc::make_mut(&mut options);
            own.start_timeout = own.start_timeout.min(TIMEOUT_MAX);
            own.stop_timeout = own.stop_timeout.min(TIMEOUT_MAX);
        }
        options
    }
}

// === impl Assembly ===

impl Assembly {
    /// Checks the configuration of every instance that is checkable, and notes the secret values in
    /// it.
    ///
    /// Sections of disabled services are not resolved, so their secrets need not exist.
    ///
    /// # Errors
    ///
    /// Returns every problem of every section in one report.
    pub fn check_config(
        &mut self,
        mut is_checkable: impl FnMut(&Spec) -> bool,
    ) -> Result<(), Report> {
        let mut report: Option<Report> = None;
        for spec in self.specs.iter_mut().filter(|spec| is_checkable(spec)) {
            if let Err(problems) = spec.check_config() {
                report = Some(match report.take() {
                    Some(all) => all.merge(problems),
                    None => problems,
                });
            }
        }
        report.map_or(Ok(()), Err)
    }

    /// Checks everything that can be known before anything runs.
    ///
    /// It does not look at configuration; that is [`Assembly::check_config`].
    ///
    /// # Errors
    ///
    /// Returns every problem: missing, ambiguous and disabled providers, cycles with their whole
    /// path, duplicate names.
    pub fn check(mut self) -> Result<Blueprint, PlanError> {
        sort_by(&mut self.specs, |a, b| a.name.cmp(&b.name));
        share_options(&mut self.specs);
        Binder::new(self).bind()
    }
}

// === impl Blueprint ===

impl Blueprint {
    /// Returns the instances, in the order of their ids.
    #[must_use]
    pub fn specs(&self) -> &[Spec] {
        &self.specs
    }

    /// Lets the secrets of each instance be hidden for as long as its configuration is needed, by
    /// whatever `hide` makes for them; it leaves those as they are for which it makes nothing.
    pub fn hide_secrets(&mut self, mut hide: impl FnMut(&[String]) -> Option<Hidden>) {
        for spec in self.specs.iter_mut().filter(|spec| !spec.secrets.is_empty()) {
            if let Some(hidden) = hide(spec.secrets.unhidden()) {
                spec.secrets.hide(hidden);
            }
        }
    }

    /// Returns the dependency graph.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Returns every edge with who declared it.
    #[must_use]
    pub fn edges(&self) -> &[NamedEdge] {
        &self.edges
    }

    /// Returns whether an argument of `dependent` is a handle to `provider`, and not to all there
    /// are of a type.
    #[doc(hidden)]
    #[must_use]
    pub fn has_handle(&self, dependent: ServiceId, provider: ServiceId) -> bool {
        let needs = self.specs[dependent.index()].kind.declaration.needs.iter();
        let mut bound = needs.zip(&self.bindings[dependent.index()]);
        bound.any(|(need, providers)| need.amount != Amount::All && providers.contains(&provider))
    }

    /// Returns the groups, in the order of their declaration.
    #[must_use]
    pub fn groups(&self) -> &[NamedGroup] {
        &self.groups
    }

    /// Returns the name of a service.
    ///
    /// # Panics
    ///
    /// Panics if `id` is not one of this application.
    #[must_use]
    pub fn name(&self, id: ServiceId) -> &ServiceName {
        &self.specs[id.index()].name
    }

    /// Returns what ties a service to others, by name: whom it needs and by what policy, and who
    /// stands behind each argument. `None` if there is no such service.
    ///
    /// Two applications in which it is the same for a service can run that service's configuration
    /// without being put together anew.
    #[must_use]
    pub fn ties(&self, name: &ServiceName) -> Option<Ties> {
        let index = self.specs.binary_search_by(|spec| spec.name.cmp(name)).ok()?;
        let named = |id: &ServiceId| self.name(*id).clone();
        let own = self.edges.iter().filter(|edge| edge.dependent.index() == index);
        let mut needs: Vec<_> = own.map(|edge| (named(&edge.provider), edge.policy)).collect();
        sort(&mut needs);
        needs.dedup();
        let arguments = self.bindings[index].iter().map(|all| each(all, named));
        Some(Ties { needs, arguments: arguments.collect() })
    }

    /// Returns the order of start and stop, with worst-case times.
    ///
    /// Services that do not start with the application are not in it.
    #[must_use]
    pub fn plan(&self, starts_at_once: usize) -> Plan {
        Layout::of(self).plan(starts_at_once)
    }
}

// === impl Spec ===

impl Spec {
    /// Checks its own configuration against its type, and notes the secret values in it.
    ///
    /// # Errors
    ///
    /// Returns every problem of the section.
    pub fn check_config(&mut self) -> Result<(), Report> {
        let mut secrets = Vec::new();
        let checked = self.check_section(&mut secrets);
        self.secrets = Secrets::found(secrets);
        checked
    }

    fn check_section(&self, secrets: &mut Vec<String>) -> Result<(), Report> {
        match self.kind.config_types().first() {
            Some(config) if self.options.enabled => config.check(&self.section, secrets),
            // It is checked, but its secrets need not exist.
            Some(config) => config.check_unresolved(&self.section),
            None => self.section.known_keys(&[]),
        }
    }

    /// Returns what the edges to `provider` ask for.
    pub(crate) fn edge_policy(&self, provider: &ServiceName) -> EdgePolicy {
        let chosen = self.edges.iter().find(|choice| choice.provider == provider.as_str());
        chosen.map_or(EdgePolicy::default(), |choice| choice.policy)
    }
}

/// Lets services in a row have one value of options that are the same.
fn share_options(specs: &mut [Spec]) {
    let mut last: Option<Arc<Options>> = None;
    for spec in specs {
        match last.take() {
            Some(same) if same == spec.options => spec.options = same,
            _ => {}
        }
        last = Some(Arc::clone(&spec.options));
    }
}

// === impl EdgeOrigin ===

impl std::fmt::Display for EdgeOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Argument { needs, of } => {
                write!(f, "argument `Dep<{}>` of {}", short(needs), quoted(of))
            }
            Self::Config(origin) => write!(f, "{origin}"),
            Self::Group { name, of } => write!(f, "order of the group `{name}`, {of}"),
            Self::Code => f.write_str("code"),
        }
    }
}

/// Returns the short name of who has a constructor, for a sentence.
pub(crate) fn quoted(type_name: &str) -> String {
    let short = short(type_name);
    if short.contains(' ') { short } else { format!("`{short}`") }
}

/// Returns a type's name without paths, also in its parameters: `Store<Key>`, `dyn Store`.
pub(crate) fn short(type_name: &str) -> String {
    if type_name.ends_with("{{closure}}") {
        return "a closure".to_owned();
    }
    let mut name = String::new();
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let mut rest = type_name;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| is_path(c) != is_path(first)).unwrap_or(rest.len());
        let part = &rest[..end];
        name.push_str(if is_path(first) { part.rsplit("::").next().unwrap_or(part) } else { part });
        rest = &rest[end..];
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_types_are_shortened_within_their_parameters() {
        #[track_caller]
        fn check(long: &str, expected: &str) {
            assert_eq!(short(long), expected);
        }
        check("a::b::Store", "Store");
        check("dyn a::b::Store", "dyn Store");
        check("a::Store<b::Key, [c::Value; 4]>", "Store<Key, [Value; 4]>");
        check("dyn a::Store + core::marker::Send", "dyn Store + Send");
        check("a::main::{{closure}}", "a closure");
    }
}
