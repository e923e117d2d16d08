//! What everybody may know of a machine: questions that change nothing.

use std::collections::BTreeSet;

use super::{CloseCause, Life, Machine, Phase};
use crate::graph::{EdgePolicy, Graph, ServiceId};
use crate::group::Groups;
use crate::state::{Desired, Generation, ServiceState};

impl Machine {
    /// Returns the graph.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Returns the groups.
    #[must_use]
    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    /// Returns the state of a service.
    #[must_use]
    pub fn state(&self, id: ServiceId) -> ServiceState {
        self.record(id).state
    }

    /// Returns the generation that lives, or lived last.
    #[must_use]
    pub fn generation(&self, id: ServiceId) -> Generation {
        self.record(id).generation
    }

    /// Returns what the service should be doing.
    #[must_use]
    pub fn desired(&self, id: ServiceId) -> Desired {
        self.record(id).desired
    }

    /// Returns whether the service is running and ready.
    #[must_use]
    pub fn is_ready(&self, id: ServiceId) -> bool {
        let record = self.record(id);
        record.state == ServiceState::Running && record.ready
    }

    /// Returns whether dependents of the service may start: it is ready and staying and no oneshot,
    /// or completed.
    #[must_use]
    pub fn is_available(&self, id: ServiceId) -> bool {
        self.record(id).is_available()
    }

    /// Returns how many services are in `starting` or `stopping`: something is still to come of
    /// each of them.
    #[must_use]
    pub fn in_transit(&self) -> usize {
        self.starting + self.stopping
    }

    /// Returns whether the last generation completed.
    #[must_use]
    pub fn is_completed(&self, id: ServiceId) -> bool {
        self.record(id).completed
    }

    /// Returns whether something of the current generation is left, an orphan included.
    #[must_use]
    pub fn is_alive(&self, id: ServiceId) -> bool {
        self.record(id).life != Life::Gone
    }

    /// Returns whether the service's last generation was given up although it may still run.
    #[must_use]
    pub fn is_orphaned(&self, id: ServiceId) -> bool {
        self.record(id).life == Life::Orphan
    }

    /// Returns whether the last generation had to be ended by force.
    #[must_use]
    pub fn was_forced(&self, id: ServiceId) -> bool {
        self.record(id).forced
    }

    /// Returns whether the service is down and a restart was asked for that has not come yet.
    ///
    /// ```
    /// use processpype_core::{
    ///     Action, ErrorKind, Exit, Generation, Graph, Machine, Report, ServiceId, ServiceState,
    ///     Timer, Traits,
    /// };
    ///
    /// let (id, first) = (ServiceId(0), Generation(1));
    /// let mut machine = Machine::new(Graph::new(1, [])?, vec![Traits::default()], 8);
    /// let mut actions = Vec::new();
    /// machine.boot(&mut actions);
    /// let failed = Exit::Failed(ErrorKind::Failed);
    /// machine.report(id, first, Report::Gone(failed), &mut actions);
    /// assert!(actions.contains(&Action::Retry(id, first)) && machine.is_retrying(id));
    ///
    /// machine.report(id, first, Report::Elapsed(Timer::Restart), &mut actions);
    /// assert_eq!(machine.state(id), ServiceState::Starting);
    /// # Ok::<(), processpype_core::Cycle>(())
    /// ```
    #[must_use]
    pub fn is_retrying(&self, id: ServiceId) -> bool {
        self.record(id).recovery.is_some()
    }

    /// Returns whether nothing is in the way of a start: no provider and no member of its group
    /// that it would have to wait for.
    #[must_use]
    pub fn may_start(&self, id: ServiceId) -> bool {
        self.record(id).unmet == 0
    }

    /// Returns whether the service was given up because it was restarted too often.
    #[must_use]
    pub fn is_exhausted(&self, id: ServiceId) -> bool {
        self.record(id).exhausted
    }

    /// Returns the services that a service misses: that it waits for to start, providers and
    /// members of its group, or that it runs without, because its edges hold.
    pub fn waiting_on(&self, id: ServiceId) -> impl Iterator<Item = ServiceId> {
        let record = self.record(id);
        let (starts, runs) = (record.wanted.is_some(), record.is_up());
        // Whoever is missed is counted, so most need no look at anybody else.
        let open = record.unmet > 0 && !self.is_closing();
        let misses = move |&(provider, policy): &(ServiceId, EdgePolicy)| {
            let counts = starts || (runs && policy.gates());
            counts && self.record(provider).blocks(policy)
        };
        let missed = open.then(move || {
            let providers = self.graph.provider_edges(id).filter(misses);
            let mates = self.blocking_mates(id).filter(move |&mate| {
                let is_listed =
                    |(provider, policy)| provider == mate && misses(&(provider, policy));
                starts && !self.graph.provider_edges(id).any(is_listed)
            });
            providers.map(|(provider, _)| provider).chain(mates)
        });
        missed.into_iter().flatten()
    }

    /// Returns the direct dependents whose generation lives.
    pub fn live_dependents(&self, id: ServiceId) -> impl Iterator<Item = ServiceId> {
        let dependents = self.graph.dependents(id).iter().copied();
        dependents.filter(|&dependent| self.record(dependent).life == Life::Live)
    }

    /// Returns the providers, direct or not, that a start would start too: those that were never
    /// started, and with `with_dependencies` all that are down for another reason.
    pub fn pulled_in(
        &self,
        id: ServiceId,
        with_dependencies: bool,
    ) -> impl Iterator<Item = ServiceId> {
        let providers = self.graph.all_required(id).into_iter();
        providers.filter(move |&provider| self.is_pulled_in(provider, with_dependencies))
    }

    /// Returns what a cascading stop would stop first: all that cannot do without the service,
    /// directly or not, and live or would come by themselves.
    pub fn cascade(&self, id: ServiceId) -> impl Iterator<Item = ServiceId> {
        let touched = |&dependent: &ServiceId| self.record(dependent).lives_or_comes();
        self.graph.all_requiring(id).into_iter().filter(touched)
    }

    /// Returns what a restart would restart too, through those that live: all that have asked for
    /// it by a `restart` edge, and `with_dependents` all that cannot do without the service.
    #[must_use]
    pub fn following(&self, id: ServiceId, with_dependents: bool) -> Vec<ServiceId> {
        let follows = |policy: EdgePolicy| match with_dependents {
            true => policy.gates(),
            false => policy == EdgePolicy::Restart,
        };
        if self.graph.dependents(id).is_empty() {
            return Vec::new();
        }
        let (mut found, mut next) = (BTreeSet::new(), vec![id]);
        while let Some(provider) = next.pop() {
            for (dependent, policy) in self.graph.dependent_edges(provider) {
                if follows(policy) && self.may_be_marked(dependent) && found.insert(dependent) {
                    next.push(dependent);
                }
            }
        }
        found.into_iter().collect()
    }

    /// Returns whether everything that should start had started, failed or waited once.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.settled
    }

    /// Returns whether the application is closing or closed.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::Closing | Phase::Closed)
    }

    /// Returns why the application closes, or is about to.
    #[must_use]
    pub fn close_cause(&self) -> Option<CloseCause> {
        self.close_cause
    }
}
