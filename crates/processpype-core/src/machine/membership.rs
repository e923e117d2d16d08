//! Who is there: services that join a running application, and services that leave it.
//!
//! # Invariants
//!
//! 1. An id is given to one service at a time and never moves. What a service leaves behind is its
//!    place: vacant, without edges and group, until a service joins in it.
//! 2. A number of a generation is given once in each place: who joins in it goes on counting.
//! 3. A service that joins is stopped and depends on services that are there; nobody depends on it
//!    yet, so it changes nothing for anybody else.
//! 4. A service leaves only when nothing of it is left and all that have an edge to it, of whatever
//!    policy, leave in the same step: an edge never leads to a vacant place.
//! 5. A deregistration removes all that it is about, or none: if anything of it comes back
//!    meanwhile, it ends as superseded and everybody stays.

use std::fmt;
use std::sync::Arc;

use super::record::Record;
use super::{Action, Life, Machine, OperationId, Outcome, Refusal, Traits, Verb};
use crate::exit::ErrorKind;
use crate::graph::{Cycle, Edge, EdgePolicy, Graph, ServiceId};
use crate::group::InvalidGroup;
use crate::state::{Desired, Generation, ServiceState};

/// A service that is to join a running application.
///
/// ```
/// use processpype_core::{Graph, Machine, Newcomer, ServiceId, ServiceState, Traits, Verb};
///
/// let mut machine = Machine::new(Graph::new(1, [])?, vec![Traits::default()], 8);
/// let (db, api) = (ServiceId(0), ServiceId(1));
/// let newcomer = Newcomer { providers: vec![(db, Default::default())], ..Newcomer::default() };
/// machine.register(api, &newcomer, &mut Vec::new()).expect("its provider is there");
/// assert_eq!(machine.graph().providers(api), [db]);
/// assert_eq!(machine.state(api), ServiceState::Stopped);
/// # Ok::<(), processpype_core::Cycle>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Newcomer {
    /// What is fixed about it.
    pub traits: Traits,
    /// Whom it needs, and what each edge asks for; of several edges to one the strictest counts.
    pub providers: Vec<(ServiceId, EdgePolicy)>,
    /// The number of the group whose last member it becomes.
    pub group: Option<usize>,
    /// The last number that a generation of this service has had; 0 if there was none.
    pub after: Generation,
}

/// Why a service cannot join; nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unregistrable {
    /// The application is closing.
    Closing,
    /// Another service has this place.
    Taken,
    /// There is no such provider.
    UnknownProvider(ServiceId),
    /// This provider is about to leave, by itself or with one of its own.
    ProviderLeaves(ServiceId),
    /// It would need itself.
    Cycle(Cycle),
    /// There is no group of this number.
    UnknownGroup(usize),
    /// The group takes no further member.
    Group(InvalidGroup),
}

// === impl Machine ===

impl Machine {
    /// Lets a service join, in a vacant place or in the next one.
    ///
    /// It is stopped, and nobody wants it to run yet: give it a start. The edges of a rest-for-one
    /// group are the caller's to add, as for [`Machine::with_groups`].
    ///
    /// # Errors
    ///
    /// Returns [`Unregistrable`], and changes nothing, if it cannot join.
    ///
    /// # Panics
    ///
    /// Panics if `at` is beyond the next place: ids are dense.
    pub fn register(
        &mut self,
        at: ServiceId,
        newcomer: &Newcomer,
        actions: &mut Vec<Action>,
    ) -> Result<(), Unregistrable> {
        assert!(at.index() <= self.records.len(), "ids are dense");
        if self.is_closing() {
            return Err(Unregistrable::Closing);
        }
        if self.is_registered(at) {
            return Err(Unregistrable::Taken);
        }
        for &(provider, _) in newcomer.providers.iter().filter(|(provider, _)| *provider != at) {
            self.check_provider(provider)?;
        }
        let places = self.records.len().max(at.index() + 1);
        let groups = match newcomer.group {
            None => self.groups.widened(places),
            Some(group) if group < self.groups.all().len() => {
                self.groups.joined(places, group, at).map_err(Unregistrable::Group)?
            }
            Some(group) => return Err(Unregistrable::UnknownGroup(group)),
        };
        let new = newcomer
            .providers
            .iter()
            .map(|&(provider, policy)| (Edge { dependent: at, provider }, policy));
        let edges = edges(&self.graph).chain(new);
        let graph = Graph::with_policies(places as u32, edges).map_err(Unregistrable::Cycle)?;
        (self.graph, self.groups) = (Arc::new(graph), Arc::new(groups));
        self.seat(at, newcomer);
        actions.push(Action::Touched(at));
        self.finish_step(actions);
        Ok(())
    }

    /// Returns whether there is a service of this id.
    #[must_use]
    pub fn is_registered(&self, id: ServiceId) -> bool {
        self.records.get(id.index()).is_some_and(|record| record.present)
    }

    /// Returns whether this is a generation of the service that is there, and not of one that was
    /// there before.
    #[must_use]
    pub fn knows(&self, id: ServiceId, generation: Generation) -> bool {
        let record = self.records.get(id.index());
        record.is_some_and(|record| record.present && generation >= record.first)
    }

    fn check_provider(&self, provider: ServiceId) -> Result<(), Unregistrable> {
        if !self.is_registered(provider) {
            return Err(Unregistrable::UnknownProvider(provider));
        }
        let mut needed = self.graph.all_providers(provider);
        needed.push(provider);
        if needed.iter().any(|id| self.leaving.contains(id)) {
            return Err(Unregistrable::ProviderLeaves(provider));
        }
        Ok(())
    }

    /// Puts a newcomer in its place; graph and groups know of it.
    fn seat(&mut self, at: ServiceId, newcomer: &Newcomer) {
        let providers = self.graph.provider_edges(at);
        let blocked = providers.filter(|&(provider, policy)| self.record(provider).blocks(policy));
        let unmet = blocked.count() + self.blocking_mates(at).count();
        let before = self.records.get(at.index()).map_or(Generation(0), |old| old.generation);
        let mut record = Record::new(newcomer.traits, unmet as u32);
        record.desired = Desired::Stopped;
        record.generation = before.max(newcomer.after);
        record.first = record.generation;
        match self.records.get_mut(at.index()) {
            Some(vacant) => *vacant = record,
            None => self.records.push(record),
        }
    }

    /// Stops a service, if it runs, and lets it leave once it is gone.
    pub(super) fn command_deregister(
        &mut self,
        operation: OperationId,
        id: ServiceId,
        cascade: bool,
        actions: &mut Vec<Action>,
    ) {
        if !self.leaving.contains(&id) {
            self.leaving.push(id);
        }
        let dependents = self.graph.all_dependents(id);
        self.command_down(operation, id, Verb::Deregister { cascade }, dependents, actions);
    }

    /// Says why a service cannot leave.
    pub(super) fn refuses_to_leave(&self, id: ServiceId, cascade: bool) -> Option<Refusal> {
        let is_orphan = |id: ServiceId| self.record(id).life == Life::Orphan;
        let dependents = self.graph.all_dependents(id);
        if is_orphan(id) {
            Some(Refusal::Orphaned)
        } else if dependents.is_empty() || (cascade && !dependents.into_iter().any(is_orphan)) {
            None
        } else {
            Some(Refusal::Needed)
        }
    }

    /// Lets those leave who are to, and are gone.
    pub(super) fn let_leave(&mut self, actions: &mut Vec<Action>) {
        for id in std::mem::take(&mut self.leaving) {
            let verb = self.waiting_verb(id);
            if !matches!(verb, Some(Verb::Deregister { .. })) {
                continue;
            }
            let all = self.leaving_with(id);
            let hindered = all.iter().find_map(|&id| self.hinders(id));
            if let Some(outcome) = hindered {
                self.end_waiting(id, outcome, actions);
            } else if all.iter().any(|&id| self.record(id).life == Life::Live) {
                self.leaving.push(id);
            } else {
                let operations = self.operations.remove(&id);
                all.into_iter().for_each(|id| self.vacate(id, actions));
                if let Some(operations) = operations {
                    operations.end(Outcome::Done { changed: true }, actions);
                }
            }
        }
    }

    /// Says how a deregistration ends that cannot come to its end because of this service: it came
    /// back, or could not be ended.
    fn hinders(&self, id: ServiceId) -> Option<Outcome> {
        let record = self.record(id);
        let ends = record.leaving.is_some() || record.state == ServiceState::Stopping;
        let comes = record.wanted.is_some() || record.recovery.is_some();
        match record.life {
            Life::Orphan => Some(Outcome::Failed(ErrorKind::Orphaned)),
            Life::Live if ends && !comes => None,
            Life::Gone if !comes => None,
            Life::Live | Life::Gone => Some(Outcome::Superseded),
        }
    }

    /// Returns a service and all that depend on it, dependents first.
    fn leaving_with(&self, id: ServiceId) -> Vec<ServiceId> {
        let all = self.graph.all_dependents(id);
        // Most have none, and many may leave at a time: only others need an order.
        if all.is_empty() {
            return vec![id];
        }
        let order = self.graph.topological().into_iter().rev();
        order.filter(|&other| other == id || all.contains(&other)).collect()
    }

    fn vacate(&mut self, id: ServiceId, actions: &mut Vec<Action>) {
        self.end_waiting(id, Outcome::Superseded, actions);
        self.queue.retain(|&queued| queued != id);
        // It is in nobody's way any more.
        let record = self.record_mut(id);
        (record.exhausted, record.queued) = (false, false);
        self.refresh_mates(id, actions);
        let others = |(edge, _): &(Edge, EdgePolicy)| edge.dependent != id && edge.provider != id;
        let edges: Vec<_> = edges(&self.graph).filter(others).collect();
        let graph = Graph::with_policies(self.graph.len() as u32, edges);
        self.graph = Arc::new(graph.expect("fewer edges make no cycle"));
        self.groups = Arc::new(self.groups.left(id));
        let generation = self.generation(id);
        *self.record_mut(id) = Record::vacant(generation);
        actions.push(Action::Removed(id));
    }
}

fn edges(graph: &Graph) -> impl Iterator<Item = (Edge, EdgePolicy)> {
    graph.services().flat_map(move |dependent| {
        let edges = graph.provider_edges(dependent);
        edges.map(move |(provider, policy)| (Edge { dependent, provider }, policy))
    })
}

// === impl Unregistrable ===

impl fmt::Display for Unregistrable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closing => "the application is closing",
            Self::Taken => "there is another service in this place",
            Self::UnknownProvider(_) => "a provider is no service of the application",
            Self::ProviderLeaves(_) => "a provider is about to leave the application",
            Self::Cycle(_) => "the service would need itself",
            Self::UnknownGroup(_) => "the group is none of the application",
            Self::Group(_) => "the group takes no further member",
        })
    }
}

impl std::error::Error for Unregistrable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Cycle(cycle) => Some(cycle),
            Self::Group(invalid) => Some(invalid),
            _ => None,
        }
    }
}
