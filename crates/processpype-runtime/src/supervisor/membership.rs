//! Services that join a running application, and services that leave it.
//!
//! # Invariants
//!
//! 1. A registration is tried on a copy of the machine first: what a copy refuses has changed
//!    nothing, and what it takes the machine takes.
//! 2. Readers see a service from the moment it has joined until the moment it has left, and the
//!    event of either comes after it.
//! 3. Of a service that has left nothing is kept but its name, its place and its last number, for
//!    as long as [`Vacancies`](processpype_core::Vacancies) remember it.
//! 4. What makes a service that was refused or has left is the user's, and so is never dropped
//!    here, but on the services' runtime.
//!
//! A handle to another service is bound when the one that asked for it is registered. So a service
//! that joins is in nobody's `Deps` but of those that join after it; and as nobody leaves whom
//! others have an edge to, no handle is ever bound to a service that has left.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::FutureExt as _;
use processpype_config::Section;
use processpype_core::{
    Action, EdgePolicy, EventKind, Generation, Machine, Newcomer, OperationId, Outcome, ServiceId,
    ServiceName, Step, Strategy, Unregistrable, Verb, each, sort, sort_by,
};

use super::keys::What;
use super::{Service, Supervisor, publish};
use crate::argument::{Need, Wiring};
use crate::binding::{Binder, Bound};
use crate::blueprint::{Assembly, EdgeOrigin, NamedEdge, Spec};
use crate::cell::Belonging;
use crate::configuration::{Configured, Secrets};
use crate::directory::Directory;
use crate::group::NamedGroup;
use crate::journal::Event;
use crate::layout::{LayingOut, Layout};
use crate::newcomer::{RegisterError, Registered, Registration};
use crate::operation::{CommandPreview, Done, PreviewStep};
use crate::problem::{PlanCode, PlanError, PlanProblem};
use crate::request::Request;

/// What the loop knows of the application as a whole, to let services join and leave.
#[derive(Debug)]
pub(super) struct Members {
    /// Every edge, with who declared it. Until somebody joins or leaves, readers see these by the
    /// same ids, and there are no others.
    pub(super) edges: Option<Vec<NamedEdge>>,
    pub(super) groups: Vec<NamedGroup>,
    pub(super) shared: crate::shared::SharedValues,
    pub(super) vacancies: processpype_core::Vacancies,
    /// How many services there may be.
    pub(super) most: usize,
    /// Who has left, and is still named by what is being done.
    pub(super) leaving: Vec<ServiceId>,
    /// Those of code and files that somebody has deregistered, whoever had their names since; so at
    /// most as many as there are in code and in the files of the last reload.
    pub(super) sent_away: Arc<BTreeSet<ServiceName>>,
    /// Some service lives by other rules than those that readers see.
    pub(super) rules_changed: bool,
}

/// A service that has a place and providers, and is not there yet.
struct Prepared {
    at: ServiceId,
    bound: Bound,
    newcomer: Newcomer,
}

/// A start as a registration asks for it.
const START: Verb = Verb::Start { with_dependencies: false, force: false };

/// The operation of a start that is only tried.
const NOBODY: OperationId = OperationId(u64::MAX);

// === impl Members ===

impl Members {
    fn group(&self, name: &str) -> Result<usize, RegisterError> {
        let place = self.groups.iter().position(|group| &*group.name == name);
        place.ok_or_else(|| {
            let message = format!("there is no group `{name}`");
            let mut names: Vec<&str> = each(&self.groups, |group| &*group.name);
            sort(&mut names);
            let help = match processpype_config::nearest(name, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if names.is_empty() => "the application has no group".to_owned(),
                None => format!("the groups are {}", names.join(", ")),
            };
            plan_error(PlanProblem::new(PlanCode::Group, message).help(help))
        })
    }
}

// === impl Supervisor ===

impl Supervisor {
    /// Lets a service join, and starts it if that is asked for.
    pub(super) fn register(
        &mut self,
        registration: Registration,
        by: Request,
    ) -> Result<Registered, RegisterError> {
        if let Some(repeated) = self.repeated_registration(&registration.spec.name, &by) {
            return repeated;
        }
        if self.operations.len() >= super::OPERATIONS_PENDING {
            return Err(RegisterError::Busy);
        }
        let configured = Configured::of(&registration.spec);
        let (at, generation) = self.admit(&registration, configured)?;
        let (name, start) = (registration.spec.name, registration.start);
        let flags = if start { vec!["start"] } else { Vec::new() };
        let operation = self.open(Some(name.clone()), ("register", flags), &by);
        self.keep_key(operation, What::Registration(name.clone()), &by);
        self.tell_member(at, "registered", Some(operation), &by);
        let start = if start {
            Some(self.give(operation, at, START, by))
        } else {
            let done = Done { changed: true, generation, affected: Vec::new(), configured: None };
            self.close_record(operation, Ok(done));
            None
        };
        Ok(Registered { name, generation, operation, start })
    }

    /// Gives a service its place, stopped; returns the number after which its generations count.
    pub(super) fn admit(
        &mut self,
        registration: &Registration,
        configured: Configured,
    ) -> Result<(ServiceId, Generation), RegisterError> {
        let Prepared { at, bound, newcomer } = self.prepare(registration)?;
        let Registration { spec, start, .. } = registration;
        let generation = self.try_to_join(at, &newcomer, *start)?.generation(at);
        self.seat((at, generation), spec, bound, newcomer.group, Arc::new(configured));
        self.step(|machine, actions| {
            let joined = machine.register(at, &newcomer, actions);
            joined.expect("a copy of the machine has taken it");
        });
        self.show_members();
        Ok((at, generation))
    }

    /// Checks that all of these could join, with each other, once those who leave have left.
    pub(super) fn check_joining(
        &self,
        joining: &[Spec],
        leaving: &[ServiceId],
    ) -> Result<(), RegisterError> {
        let there = self.cells.iter().count().saturating_sub(leaving.len());
        if there + joining.len() > self.members.most {
            return Err(RegisterError::TooMany);
        }
        let (mut specs, _) = self.bare_specs(|id| !leaving.contains(&id));
        specs.extend_from_slice(joining);
        let shared = self.members.shared.clone();
        let binder = Binder::new(Assembly { specs, shared, ..Assembly::default() });
        binder.check_last(joining.len()).map_err(RegisterError::Plan)
    }

    /// Says what a registration would do.
    pub(super) fn preview_registration(
        &mut self,
        registration: &Registration,
    ) -> Result<CommandPreview, RegisterError> {
        let Prepared { at, newcomer, .. } = self.prepare(registration)?;
        let tried = self.try_to_join(at, &newcomer, registration.start)?;
        let generation = tried.generation(at);
        let done = Done { changed: true, generation, affected: Vec::new(), configured: None };
        let mut foreseen = CommandPreview {
            result: Some(Ok(done)),
            steps: Vec::new(),
            waiting_on: Vec::new(),
            supersedes: Vec::new(),
        };
        if registration.start {
            let own = registration.spec.name.clone();
            let name = |id: ServiceId| {
                if id == at { own.clone() } else { self.cells[id.index()].name().clone() }
            };
            let start = tried.foresee(at, START);
            let step = |step: &Step| match *step {
                Step::Start(id) => PreviewStep { service: name(id), starts: true },
                Step::Stop(id) => PreviewStep { service: name(id), starts: false },
            };
            foreseen.steps = each(&start.steps, step);
            foreseen.waiting_on = each(&start.waiting_on, |id| name(*id));
            if start.outcome.is_none() {
                foreseen.result = None;
            }
        }
        Ok(foreseen)
    }

    /// Finds a place and providers for a service.
    fn prepare(&mut self, registration: &Registration) -> Result<Prepared, RegisterError> {
        self.vacate();
        let Registration { spec, group, .. } = registration;
        self.check_place(&spec.name)?;
        let next = self.services.len() as u32;
        let (at, after) = self.members.vacancies.place(&spec.name, next);
        let group = group.as_ref().map(|name| self.members.group(name)).transpose()?;
        let mut bound = self.bind(at, spec)?;
        bound.edges.extend(self.order_in_group(at, spec, group));
        let edges = bound.edges.iter().map(|edge| (edge.provider, edge.policy));
        let providers = edges.collect();
        let newcomer = Newcomer { traits: spec.options.traits(), providers, group, after };
        Ok(Prepared { at, bound, newcomer })
    }

    fn check_place(&self, name: &ServiceName) -> Result<(), RegisterError> {
        if self.closing.has_begun() {
            return Err(RegisterError::Closing);
        }
        let key = name.key();
        if let Some(cell) = self.cells.iter().find(|cell| cell.name().key() == key) {
            return Err(RegisterError::Taken { name: cell.name().clone() });
        }
        if self.cells.iter().count() >= self.members.most {
            return Err(RegisterError::TooMany);
        }
        Ok(())
    }

    /// Finds the providers of a service that is not there yet, by the rules of the start.
    fn bind(&self, at: ServiceId, spec: &Spec) -> Result<Bound, RegisterError> {
        let (mut specs, mut ids) = self.bare_specs(|_| true);
        specs.push(spec.clone());
        ids.push(at);
        let shared = self.members.shared.clone();
        let assembly = Assembly { specs, shared, ..Assembly::default() };
        let mut bound = Binder::new(assembly).bind_last().map_err(RegisterError::Plan)?;
        let real = |id: &mut ServiceId| *id = ids[id.index()];
        bound.edges.iter_mut().for_each(|edge| {
            real(&mut edge.dependent);
            real(&mut edge.provider);
        });
        bound.bindings.iter_mut().flatten().for_each(real);
        Ok(bound)
    }

    /// Those who are there and of whom `counts` is true, as providers: nothing but what others can
    /// be bound to.
    fn bare_specs(&self, counts: impl Fn(ServiceId) -> bool) -> (Vec<Spec>, Vec<ServiceId>) {
        let here = self.machine.graph().services().filter(|&id| counts(id));
        let bare = |id: ServiceId| {
            let service = self.services.get(id.index())?;
            let cell = &self.cells[id.index()];
            let spec = Spec {
                name: cell.name().clone(),
                kind_name: Arc::clone(cell.kind()),
                kind: Arc::clone(&service.wiring.kind),
                section: Section::default(),
                secrets: Secrets::default(),
                joined: None,
                options: Arc::clone(&service.configured.options),
                uses: Vec::new(),
                depends_on: Vec::new(),
                edges: Vec::new(),
            };
            Some((spec, id))
        };
        here.filter_map(bare).unzip()
    }

    /// In a rest-for-one group the last member needs the one before it.
    fn order_in_group(
        &self,
        at: ServiceId,
        spec: &Spec,
        group: Option<usize>,
    ) -> Option<NamedEdge> {
        let group = &self.members.groups[group?];
        let is_enabled = |id: &&ServiceId| self.services[id.index()].configured.options.enabled;
        let before = group.members.iter().rev().find(is_enabled)?;
        if group.strategy != Strategy::RestForOne || !spec.options.enabled {
            return None;
        }
        let policy = spec.edge_policy(self.cells[before.index()].name()).max(EdgePolicy::Hold);
        let (name, of) = (Arc::clone(&group.name), group.origin.to_string().into());
        let origin = EdgeOrigin::Group { name, of };
        Some(NamedEdge { dependent: at, provider: *before, policy, origin })
    }

    /// Asks a copy of the machine; returns the copy, in which the service is, but not started.
    fn try_to_join(
        &self,
        at: ServiceId,
        newcomer: &Newcomer,
        start: bool,
    ) -> Result<Machine, RegisterError> {
        let (mut machine, mut actions) = (self.machine.clone(), Vec::new());
        machine.register(at, newcomer, &mut actions).map_err(|error| self.unregistrable(error))?;
        let joined = machine.clone();
        if start {
            machine.command(NOBODY, at, START, &mut actions);
        }
        let refused = actions.iter().find_map(|action| match *action {
            Action::Finish(NOBODY, Outcome::Refused(refusal)) => Some(refusal),
            _ => None,
        });
        match refused {
            Some(refusal) => Err(RegisterError::Start(self.refused(at, refusal))),
            None => Ok(joined),
        }
    }

    fn unregistrable(&self, error: Unregistrable) -> RegisterError {
        match error {
            Unregistrable::Closing => RegisterError::Closing,
            Unregistrable::ProviderLeaves(provider) => {
                let provider = self.cells[provider.index()].name().clone();
                RegisterError::ProviderLeaves { provider }
            }
            Unregistrable::Group(invalid) => {
                plan_error(PlanProblem::new(PlanCode::Group, invalid.to_string()))
            }
            // Names, providers and cycles have been looked at by now.
            other => plan_error(PlanProblem::new(PlanCode::Declaration, other.to_string())),
        }
    }

    /// Makes what the loop keeps of a service, and what readers see of it.
    fn seat(
        &mut self,
        (at, generation): (ServiceId, Generation),
        spec: &Spec,
        bound: Bound,
        group: Option<usize>,
        configured: Arc<Configured>,
    ) {
        if let Some(configurer) = &self.launch.configurer {
            configurer.adopt(&spec.name, &configured);
        }
        let now = self.clock.now();
        let group = group.map(|group| {
            let group = &mut self.members.groups[group];
            group.members.push(at);
            Arc::clone(&group.name)
        });
        let belonging = Arc::new(Belonging { kind: Arc::clone(&spec.kind_name), group });
        let cell = publish::new_cell(at, spec, belonging, generation, now);
        let wiring = self.wiring(spec, &bound);
        self.edges().extend(bound.edges);
        self.members.vacancies.joined(&spec.name, at);
        self.cells.seat(at.index(), cell);
        self.services.seat(at.index(), Service::new(configured, Arc::new(wiring), now));
    }

    fn wiring(&self, spec: &Spec, bound: &Bound) -> Wiring {
        let bind = |(need, providers): (&Need, &Vec<ServiceId>)| {
            let face = |provider: &ServiceId| {
                let faces = &self.services[provider.index()].wiring.kind.faces;
                let face = faces.iter().find(|face| face.type_id == need.type_id)?;
                Some((Arc::clone(&self.cells[provider.index()]), face.clone()))
            };
            providers.iter().filter_map(face).collect()
        };
        let bindings = spec.kind.declaration.needs.iter().zip(&bound.bindings).map(bind).collect();
        let (kind, shared) = (Arc::clone(&spec.kind), self.members.shared.clone());
        Wiring { kind, bindings, shared }
    }

    /// Says that a service has joined or left, as part of its operation.
    pub(super) fn tell_member(
        &self,
        id: ServiceId,
        cause: &'static str,
        operation: Option<OperationId>,
        by: &Request,
    ) {
        let cell = &self.cells[id.index()];
        tracing::info!(
            target: "processpype", service = %cell.name(), actor = &*by.actor,
            reason = by.reason.as_deref(), operation = operation.map(|id| id.0), "{cause}"
        );
        self.append(Event {
            actor: Some(Arc::clone(&by.actor)),
            operation,
            message: by.reason.clone(),
            ..self.event(EventKind::Application, Some(id), cause)
        });
    }

    /// A service is no part of the application any more; what is being done may still name it.
    pub(super) fn remove(&mut self, id: ServiceId) {
        self.edges().retain(|edge| edge.dependent != id && edge.provider != id);
        for group in &mut self.members.groups {
            group.members.retain(|member| *member != id);
        }
        self.members.leaving.push(id);
        self.pausing.forget(id);
        self.forget_level(id);
        let operation = self.services[id.index()].mark().map(|mark| mark.operation);
        let is_of_a_reload = operation.is_some_and(|id| self.turnover.is_part(id));
        if !is_of_a_reload && self.services[id.index()].configured.joined().is_none() {
            let name = self.cells[id.index()].name().clone();
            Arc::make_mut(&mut self.members.sent_away).insert(name);
        }
        if let Some(configurer) = &self.launch.configurer {
            configurer.forget(self.cells[id.index()].name());
        }
        self.show_members();
        self.cells[id.index()].retire();
        let waiting = operation.and_then(|operation| self.operations.get(&operation));
        let by = waiting.map_or_else(|| Request::by("code"), |waiting| waiting.by.clone());
        self.tell_member(id, "deregistered", operation, &by);
        self.has_left(id);
    }

    /// Lets go of all that has left: nothing of what was being done names it any more.
    pub(super) fn vacate(&mut self) {
        for id in std::mem::take(&mut self.members.leaving) {
            let name = self.cells[id.index()].name().clone();
            self.members.vacancies.left(name, id, self.machine.generation(id));
            self.cells.vacate(id.index());
            if let Some(service) = self.services.vacate(id.index()) {
                self.let_go(service);
            }
        }
    }

    /// Drops what may be the user's where the user's code runs: it may block, as any of it may.
    ///
    /// That it may panic as well is contained in what it is.
    pub(super) fn let_go<T: Send + 'static>(&self, value: T) {
        self.launch.services.spawn(async move { drop(value) }.boxed());
    }

    /// Every edge, for who adds some or takes some away.
    fn edges(&mut self) -> &mut Vec<NamedEdge> {
        let shown = || self.shared.directory().layout().edges.clone();
        self.members.edges.get_or_insert_with(shown)
    }

    /// Shows who is there.
    ///
    /// What is configured goes with them: whoever prepares a change on what held before is sent
    /// back.
    fn show_members(&mut self) {
        self.show_layout();
        self.publish_book(None);
    }

    /// Who is there, and not about to be forgotten.
    pub(super) fn members_here(&self) -> impl Iterator<Item = ServiceId> + '_ {
        let stays = |id: &ServiceId| {
            !self.members.leaving.contains(id) && self.services.get(id.index()).is_some()
        };
        self.machine.graph().services().filter(stays)
    }

    /// Shows who is there, and by what rules.
    pub(super) fn show_layout(&self) {
        let mut ids: Vec<ServiceId> = self.members_here().collect();
        sort_by(&mut ids, |one, other| {
            self.cells[one.index()].name().cmp(self.cells[other.index()].name())
        });
        let mut places = vec![ServiceId(0); self.services.len()];
        ids.iter().zip(0..).for_each(|(id, place)| places[id.index()] = ServiceId(place));
        let mut laying = LayingOut::default();
        let services = ids.iter().map(|id| {
            let cell = &self.cells[id.index()];
            let Service { wiring, configured, .. } = &self.services[id.index()];
            laying.lay(cell.name().clone(), cell.kind(), &wiring.kind, &configured.options)
        });
        let place = |id: ServiceId| places[id.index()];
        let shown = self.shared.directory();
        let edges = self.members.edges.as_ref().unwrap_or(&shown.layout().edges);
        let edges = edges.iter().map(|edge| NamedEdge {
            dependent: place(edge.dependent),
            provider: place(edge.provider),
            ..edge.clone()
        });
        let groups = self.members.groups.iter().map(|group| NamedGroup {
            members: each(&group.members, |&id| place(id)),
            ..group.clone()
        });
        let layout = Layout {
            services: services.collect(),
            edges: edges.collect(),
            groups: groups.collect(),
        };
        let cells: Vec<_> = each(&ids, |id| Arc::clone(&self.cells[id.index()]));
        self.shared.show(Directory::new(cells, layout));
    }
}

fn plan_error(problem: PlanProblem) -> RegisterError {
    RegisterError::Plan(PlanError::from_problems(vec![problem]).expect("there is a problem"))
}
