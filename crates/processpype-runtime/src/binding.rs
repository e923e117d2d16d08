//! Finds the provider of every need, and says what is wrong where there is none.
//!
//! # Invariants
//!
//! 1. Every problem is found in one pass; a problem with one service hides none of another.
//! 2. A file's choice is checked like one of the code: it can choose among providers of the right
//!    type, and nothing else.
//! 3. Each problem names the line to write.
//!
//! # How a need is bound
//!
//! 1. The candidates are the services with a face of the needed type; for needs that may be
//!    missing, disabled ones are no candidates.
//! 2. `Deps` takes them all.
//! 3. A choice by role, or by the type's name where there is no role, must name one of them.
//! 4. Otherwise exactly one candidate binds by itself; none is a problem unless the need is
//!    optional, several are a problem that lists them.
//!
//! Edges without a handle (`depends_on`, the order of a group) join the same graph. Cycles are
//! looked for last, over the union.

mod missing;

use std::sync::Arc;

use processpype_config::{Origin, nearest};
use processpype_core::{Edge, EdgePolicy, Graph, ServiceId, ServiceName, SortedMap, each};

use crate::argument::{Amount, Need, role_key};
use crate::blueprint::{
    Assembly, Blueprint, Choice, EdgeChoice, EdgeOrigin, NamedEdge, Spec, short,
};
use crate::group::{self, NamedGroup};
use crate::names::Names;
use crate::problem::{Missing, PlanCode, PlanError, PlanProblem};

/// How many names an error lists.
const NAMES_SHOWN: usize = 12;

/// One pass over all specs.
///
/// The tables are made first, since any service may need any other.
pub(crate) struct Binder {
    assembly: Assembly,
    names: Names,
    by_type: SortedMap<std::any::TypeId, Vec<ServiceId>>,
    edges: Vec<NamedEdge>,
    problems: Vec<PlanProblem>,
}

/// Whom one service needs.
#[derive(Debug, Default)]
pub(crate) struct Bound {
    pub(crate) edges: Vec<NamedEdge>,
    pub(crate) bindings: Vec<Vec<ServiceId>>,
}

// === impl Binder ===

impl Binder {
    pub(crate) fn new(assembly: Assembly) -> Self {
        let names = Names::of(assembly.specs.iter().map(|spec| spec.name.clone()));
        let mut by_type: SortedMap<_, Vec<ServiceId>> = SortedMap::new();
        for (i, spec) in assembly.specs.iter().enumerate() {
            for face in &spec.kind.faces {
                let ids = by_type.get_or_insert_with(face.type_id, Vec::new);
                ids.push(ServiceId(i as u32));
            }
        }
        let clashes = names.clashes();
        let problems = clashes.map(|(one, other)| duplicate(one, other, &assembly.specs)).collect();
        Self { assembly, names, by_type, edges: Vec::new(), problems }
    }

    /// Binds every service, then looks for a cycle.
    pub(crate) fn bind(mut self) -> Result<Blueprint, PlanError> {
        let specs = std::mem::take(&mut self.assembly.specs);
        let mut bindings = Vec::with_capacity(specs.len());
        for (i, spec) in specs.iter().enumerate() {
            bindings.push(self.bind_spec(ServiceId(i as u32), spec, &specs));
        }
        let groups = group::check(&self.assembly.groups, &self.names, &mut self.problems);
        groups.iter().for_each(|group| self.order_group(group, &specs));
        let edges = self.edges.iter();
        let edges = edges
            .map(|edge| (Edge { dependent: edge.dependent, provider: edge.provider }, edge.policy));
        let graph = match Graph::with_policies(specs.len() as u32, edges) {
            Ok(graph) => Some(graph),
            Err(cycle) => {
                let problem = self.cycle(cycle.path(), &specs);
                self.problems.push(problem);
                None
            }
        };
        match (graph, PlanError::from_problems(self.problems)) {
            (Some(graph), None) => {
                let shared = self.assembly.shared;
                Ok(Blueprint { specs, shared, graph, edges: self.edges, groups, bindings })
            }
            (_, Some(error)) => Err(error),
            (None, None) => unreachable!("a cycle is a problem"),
        }
    }

    /// Binds the service that comes last among the specs, and no other; returns its edges and the
    /// providers of each of its needs.
    ///
    /// # Errors
    ///
    /// Returns every problem of that service.
    pub(crate) fn bind_last(mut self) -> Result<Bound, PlanError> {
        let specs = std::mem::take(&mut self.assembly.specs);
        let Some((spec, id)) = specs.last().zip(u32::try_from(specs.len()).ok()) else {
            return Ok(Bound::default());
        };
        let id = ServiceId(id - 1);
        let bindings = self.bind_spec(id, spec, &specs);
        if self.edges.iter().any(|edge| edge.provider == id) {
            let problem = self.cycle(&[id], &specs);
            self.problems.push(problem);
        }
        let bound = Bound { edges: self.edges, bindings };
        PlanError::from_problems(self.problems).map_or(Ok(bound), Err)
    }

    /// Checks the last `count` of the specs, which are to join the others.
    ///
    /// # Errors
    ///
    /// Returns every problem of those services, and every name that is there twice.
    pub(crate) fn check_last(mut self, count: usize) -> Result<(), PlanError> {
        let specs = std::mem::take(&mut self.assembly.specs);
        let first = specs.len().saturating_sub(count);
        for (place, spec) in (0..).zip(&specs).skip(first) {
            self.bind_spec(ServiceId(place), spec, &specs);
        }
        PlanError::from_problems(self.problems).map_or(Ok(()), Err)
    }

    /// The providers of each need of one service; notes edges and problems on the way.
    fn bind_spec(&mut self, id: ServiceId, spec: &Spec, specs: &[Spec]) -> Vec<Vec<ServiceId>> {
        self.check_arguments(spec);
        let mut used = vec![false; spec.uses.len()];
        let mut bindings = Vec::new();
        for need in &spec.kind.declaration.needs {
            let providers = self.providers(spec, need, specs, &mut used);
            for &provider in &providers {
                let origin =
                    EdgeOrigin::Argument { needs: need.type_name, of: spec.kind.type_name };
                self.edge(id, provider, origin, specs);
            }
            bindings.push(providers);
        }
        for (choice, _) in spec.uses.iter().zip(&used).filter(|(_, used)| !**used) {
            self.problems.push(unused(spec, choice));
        }
        for (name, origin) in &spec.depends_on {
            match self.names.get(name) {
                Some(provider) => self.edge(id, provider, origin.clone(), specs),
                None => {
                    let place = format!("`{}` depends on `{name}` ({origin})", spec.name);
                    self.unknown(&place, name);
                }
            }
        }
        for choice in &spec.edges {
            self.check_edge(id, spec, choice);
        }
        bindings
    }

    /// A group may ask for an order: edges that gate, whatever else is asked of them.
    fn order_group(&mut self, group: &NamedGroup, specs: &[Spec]) {
        for (dependent, provider) in group::edges(group, specs) {
            let (name, of) = (Arc::clone(&group.name), group.origin.to_string().into());
            let policy = specs[dependent.index()].edge_policy(&specs[provider.index()].name);
            let policy = policy.max(EdgePolicy::Hold);
            let origin = EdgeOrigin::Group { name, of };
            self.edges.push(NamedEdge { dependent, provider, policy, origin });
        }
    }

    /// A policy must be one of an edge that there is.
    fn check_edge(&mut self, id: ServiceId, spec: &Spec, choice: &EdgeChoice) {
        let name = &choice.provider;
        let place = format!("`{}` sets its edge to `{name}` ({})", spec.name, choice.origin);
        let Some(provider) = self.names.get(name) else {
            return self.unknown(&place, name);
        };
        let is_edge = |edge: &NamedEdge| edge.dependent == id && edge.provider == provider;
        if !self.edges.iter().any(is_edge) {
            let message = format!("{place}, but it does not need that service");
            let problem = PlanProblem::new(PlanCode::UnusedChoice, message);
            let help = format!("remove it, or add `depends_on: [{name}]`");
            self.problems.push(problem.help(help));
        }
    }

    /// What concerns the service alone: shared values, and one configuration type at most.
    fn check_arguments(&mut self, spec: &Spec) {
        for (type_id, type_name) in &spec.kind.declaration.shared {
            if spec.options.enabled && !self.assembly.shared.contains(*type_id) {
                let is_service = self.by_type.contains_key(type_id);
                let shared = &self.assembly.shared;
                self.problems.push(missing::shared(spec, type_name, is_service, shared));
            }
        }
        let types = spec.kind.config_types();
        if types.len() > 1 {
            let names: Vec<String> =
                each(&types, |config| format!("`{}`", short(config.type_name())));
            let message =
                format!("`{}` asks for several configurations: {}", spec.name, names.join(", "));
            let problem = PlanProblem::new(PlanCode::SeveralConfigs, message);
            self.problems.push(problem.help("join them in one type, with `#[serde(flatten)]`"));
        }
    }

    /// Notes an edge. One from an enabled service to a disabled one can never be satisfied.
    fn edge(
        &mut self,
        dependent: ServiceId,
        provider: ServiceId,
        origin: EdgeOrigin,
        specs: &[Spec],
    ) {
        let (from, to) = (&specs[dependent.index()], &specs[provider.index()]);
        let policy = from.edge_policy(&to.name);
        if from.options.enabled && !to.options.enabled && policy.gates() {
            let message =
                format!("`{}` needs `{}`, which is disabled ({origin})", from.name, to.name);
            let problem = PlanProblem::new(PlanCode::DisabledProvider, message);
            let help = format!("enable `{}`, or disable `{}` too", to.name, from.name);
            self.problems.push(problem.help(help));
        }
        self.edges.push(NamedEdge { dependent, provider, policy, origin });
    }

    /// Returns the providers of one need.
    fn providers(
        &mut self,
        spec: &Spec,
        need: &Need,
        specs: &[Spec],
        used: &mut [bool],
    ) -> Vec<ServiceId> {
        let mut candidates = self.by_type.get(&need.type_id).cloned().unwrap_or_default();
        let is_enabled = |provider: &ServiceId| specs[provider.index()].options.enabled;
        let enabled: Vec<ServiceId> = candidates.iter().copied().filter(is_enabled).collect();
        if need.amount == Amount::All {
            return enabled;
        }
        let key = role_key(need.role.unwrap_or(need.type_name));
        if let Some(i) = spec.uses.iter().position(|choice| choice.role == key) {
            used[i] = true;
            let chosen = self.chosen(spec, need, &spec.uses[i], &candidates);
            // What may be missing is missing when it is disabled.
            let may_miss = need.amount == Amount::ZeroOrOne;
            return chosen.into_iter().filter(|it| !may_miss || is_enabled(it)).collect();
        }
        // A disabled one is no choice, unless it is the only one: then it is the answer's reason.
        if need.amount == Amount::ZeroOrOne || !enabled.is_empty() {
            candidates = enabled;
        }
        match (candidates.as_slice(), need.amount) {
            (&[provider], _) => vec![provider],
            // What never runs needs nobody.
            _ if !spec.options.enabled => Vec::new(),
            ([], Amount::ZeroOrOne) => Vec::new(),
            ([], _) => {
                self.problems.push(missing::service(spec, need, &self.assembly));
                Vec::new()
            }
            (several, _) => {
                self.problems.push(ambiguous(spec, need, &key, several, specs));
                Vec::new()
            }
        }
    }

    /// The provider that `uses` names, if it fits.
    fn chosen(
        &mut self,
        spec: &Spec,
        need: &Need,
        choice: &Choice,
        candidates: &[ServiceId],
    ) -> Option<ServiceId> {
        let place = format!(
            "`{}` uses `{}` as `{}` ({})",
            spec.name, choice.instance, choice.role, choice.origin
        );
        let Some(provider) = self.names.get(&choice.instance) else {
            self.unknown(&place, &choice.instance);
            return None;
        };
        if !candidates.contains(&provider) {
            let message = format!("{place}, which provides no `{}`", short(need.type_name));
            self.problems.push(PlanProblem::new(PlanCode::WrongProvider, message));
            return None;
        }
        Some(provider)
    }

    fn unknown(&mut self, place: &str, name: &str) {
        let message = format!("{place}, but there is no service `{name}`");
        let problem = PlanProblem::new(PlanCode::UnknownService, message);
        let problem = problem.of_missing(Missing::Name(name.to_owned()));
        let names = self.names.sorted();
        let help = match nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the services are {}", list(names.iter().copied())),
        };
        self.problems.push(problem.help(help));
    }

    /// The whole circle, edge by edge, with who declared each.
    fn cycle(&self, path: &[ServiceId], specs: &[Spec]) -> PlanProblem {
        let (mut message, help) = match path {
            [one] => (
                format!(
                    "`{}` depends on itself, so it could never start:",
                    specs[one.index()].name
                ),
                "remove it there, or name the service that was meant",
            ),
            _ => (
                "services depend on each other in a cycle, so none can start first:".to_owned(),
                "remove one of these, or move what both sides need into a service of its own",
            ),
        };
        for (i, &from) in path.iter().enumerate() {
            let to = path[(i + 1) % path.len()];
            let edge = self.edges.iter().find(|edge| edge.dependent == from && edge.provider == to);
            let origin = edge.map_or_else(String::new, |edge| format!(" ({})", edge.origin));
            let (from, to) = (&specs[from.index()].name, &specs[to.index()].name);
            message.push_str(&format!("\n   `{from}` needs `{to}`{origin}"));
        }
        PlanProblem::new(PlanCode::Cycle, message).help(help)
    }
}

fn duplicate(one: &ServiceName, other: &ServiceName, specs: &[Spec]) -> PlanProblem {
    let said = |name: &ServiceName| {
        let spec = specs.iter().find(|spec| spec.name == *name);
        spec.and_then(|spec| spec.section.origin())
    };
    let (place, other_place) = (said(one), said(other));
    let told = |place: &Option<Origin>| match place {
        Some(origin) => format!(" ({origin})"),
        None => " (in code)".to_owned(),
    };
    let message = if one == other {
        format!("two services are named `{one}`")
    } else {
        format!(
            "`{one}`{} and `{other}`{} are the same name: `-` and `_` count as one character, as \
             in the names of environment variables",
            told(&place),
            told(&other_place)
        )
    };
    let help = match (place, other_place) {
        (Some(_), Some(_)) if one != other => "give one of them another name",
        _ => "give one of them another name with `.named(\"…\")`",
    };
    PlanProblem::new(PlanCode::DuplicateName, message).help(help)
}

fn ambiguous(
    spec: &Spec,
    need: &Need,
    key: &str,
    several: &[ServiceId],
    specs: &[Spec],
) -> PlanProblem {
    let names = || several.iter().map(|id| specs[id.index()].name.as_str());
    let message = format!(
        "`{}` needs one `{}`, but several services are one: {}",
        spec.name,
        short(need.type_name),
        list(names())
    );
    let first = names().next().unwrap_or("name");
    let help = format!(
        "choose with `.uses(\"{key}\", \"{first}\")` in code, or in the file: \
         services: {{ {}: {{ uses: {{ {key}: {first} }} }} }}",
        spec.name
    );
    PlanProblem::new(PlanCode::AmbiguousProvider, message).help(help)
}

fn unused(spec: &Spec, choice: &Choice) -> PlanProblem {
    let needs = &spec.kind.declaration.needs;
    let roles: Vec<String> = needs
        .iter()
        .filter(|need| need.amount != Amount::All)
        .map(|need| role_key(need.role.unwrap_or(need.type_name)))
        .collect();
    let message =
        format!("`{}` has no role `{}` to choose for ({})", spec.name, choice.role, choice.origin);
    let help = if roles.is_empty() {
        "its constructor takes no `Dep`".to_owned()
    } else {
        format!("its roles are {}", list(roles.iter().map(String::as_str)))
    };
    PlanProblem::new(PlanCode::UnusedChoice, message).help(help)
}

fn list(names: impl Iterator<Item = impl std::fmt::Display>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    if names.len() > NAMES_SHOWN {
        let more = names.len() - NAMES_SHOWN;
        return format!("{} and {more} more", names[..NAMES_SHOWN].join(", "));
    }
    names.join(", ")
}
