//! What was loaded, service by service, beside what holds: who changes, who joins, who leaves.
//!
//! # Invariants
//!
//! 1. The files say which instances of kinds there are; which services code registers, code says,
//!    and who joined over the API is no business of the files.
//! 2. Whatever is not done is told: what holds after a restart of the process is listed, and what
//!    nobody but an operator can mend refuses the whole.
//! 3. Who comes or goes changes nobody's handles: those of others stay as they were bound.

use std::collections::BTreeSet;
use std::sync::Arc;

use processpype_config::{Document, Origin, Section};
use processpype_core::{Departures, Edge, Graph, ServiceId, ServiceName};
use processpype_runtime::{
    Blueprint, ConfigBook, Configured, Kind, Loaded, PlanCode, PlanError, PlanProblem, Planted,
    Spec,
};

use super::written::Written;
use super::{LiveConfig, fixed, shown};
use crate::catalogue::specs::Layers;

/// What was loaded, service by service, beside what holds.
pub(super) struct Compared<'a> {
    pub(super) live: &'a LiveConfig,
    pub(super) book: &'a ConfigBook,
    pub(super) layers: &'a Layers,
    /// The plan as it was made at the start.
    pub(super) before: Option<&'a Blueprint>,
    /// What was loaded.
    pub(super) base: Arc<Document>,
    pub(super) loaded: &'a mut Loaded,
}

// === impl Compared ===

impl Compared<'_> {
    /// Compares all of them.
    ///
    /// # Errors
    ///
    /// Says who would leave although a service needs it that joined over the API.
    pub(super) fn services(&mut self, after: &Blueprint) -> Result<(), PlanError> {
        let mut gone = Vec::new();
        for (place, (name, now)) in (0..).map(ServiceId).zip(self.book.services()) {
            match (spec_of(after, name), now.joined()) {
                (Some(_), Some(_)) => {
                    self.keep_as_is(name, None, "a service of this name was registered meanwhile");
                }
                (None, Some(_)) => {}
                (Some(spec), None) => self.stays(spec, now, after),
                (None, None) => gone.push(place),
            }
        }
        self.departures(&gone)?;
        self.arrivals(after);
        let named = after.specs().iter().map(|spec| &spec.name);
        let away = named.filter(|name| self.book.was_deregistered(name)).cloned();
        self.loaded.away = away.collect();
        Ok(())
    }

    /// Who is in the files no more leaves, unless somebody who stays has an edge to it.
    fn departures(&mut self, gone: &[ServiceId]) -> Result<(), PlanError> {
        let layout = self.book.layout();
        let edges = layout.edges.iter().map(|edge| {
            let (dependent, provider) = (edge.dependent, edge.provider);
            (Edge { dependent, provider }, edge.policy)
        });
        let Ok(graph) = Graph::with_policies(layout.services.len() as u32, edges) else {
            return Ok(());
        };
        let departures = Departures::of(&graph, gone);
        let mut problems = Vec::new();
        for (id, holders) in &departures.kept {
            let (name, holders) = (layout.name(*id), holders.iter().map(|it| layout.name(*it)));
            let (own, of_files): (Vec<_>, Vec<_>) = holders.partition(|name| {
                self.book.service(name.as_str()).is_some_and(|now| now.joined().is_some())
            });
            if !own.is_empty() {
                problems.push(still_needed(name, &listed(&own)));
            } else {
                let why = format!("it goes on: {} had a handle to it", listed(&of_files));
                self.keep_as_is(name, None, &why);
            }
        }
        if !departures.order.is_empty() && !self.base.section(&["services"]).is_map() {
            problems.push(without_services(departures.order.len()));
        }
        if let Some(error) = PlanError::from_problems(problems) {
            return Err(error);
        }
        for id in departures.order {
            let (name, kind) = (layout.name(id).clone(), layout.services[id.index()].made_by());
            if let Some(now) = self.book.service(name.as_str()) {
                self.tell_whole(&name, kind, Some(now), None);
            }
            self.loaded.leaving.push(name);
        }
        Ok(())
    }

    /// Who is new in the files joins, those first that others need.
    fn arrivals(&mut self, after: &Blueprint) {
        let specs = after.graph().waves().into_iter().flatten();
        let specs = specs.map(|id| (id, &after.specs()[id.index()]));
        let new = specs.filter(|(_, spec)| self.book.service(spec.name.as_str()).is_none());
        for (id, spec) in new.collect::<Vec<_>>() {
            if let Some(why) = self.keeps_out(id, spec, after) {
                self.keep_as_is(&spec.name, None, &why);
                continue;
            }
            let (kind, ties) = (Arc::clone(&spec.kind_name), after.ties(&spec.name));
            let new = Configured::of(spec).with_base(None, Some(Arc::clone(&self.base)));
            let new = new.with_planted(Some(Arc::new(Planted { kind, ties })));
            self.tell_whole(&spec.name, &spec.kind, None, Some(&new));
            self.loaded.joining.push((spec.clone(), new));
        }
    }

    /// Says why a service of the files cannot join before the process is restarted.
    fn keeps_out(&self, id: ServiceId, spec: &Spec, after: &Blueprint) -> Option<String> {
        let name = &spec.name;
        if self.book.was_deregistered(name) {
            let why = "it was deregistered, which lasts until then, or until a reload finds the \
                       files without it";
            return Some(why.to_owned());
        }
        if after.groups().iter().any(|group| group.members.contains(&id)) {
            return Some("groups are read once, and it is in one: it joins then".to_owned());
        }
        let leaves = |name: &ServiceName| self.loaded.leaving.contains(name);
        let same = |it: &ServiceName| it.key() == name.key() && !leaves(it);
        if let Some((other, _)) = self.book.services().find(|(it, _)| same(it)) {
            return Some(format!("`{other}` is there, and their names are too alike"));
        }
        let comes = |name: &ServiceName| {
            let joins = self.loaded.joining.iter().any(|(spec, _)| spec.name == *name);
            joins || (self.book.service(name.as_str()).is_some() && !leaves(name))
        };
        let mut providers = after.graph().providers(id).iter().map(|id| after.name(*id));
        let missing = providers.find(|name| !comes(name))?;
        Some(format!("it needs `{missing}`, which is not there before: it joins then"))
    }

    /// A service that is in the files as before takes over what is said of it now, or is left as it
    /// is.
    fn stays(&mut self, spec: &Spec, now: &Configured, after: &Blueprint) {
        let name = &spec.name;
        let at_start = self.before.and_then(|before| spec_of(before, name));
        let kind = now.planted().map(|it| &it.kind).or(at_start.map(|it| &it.kind_name));
        if kind.is_some_and(|kind| *kind != spec.kind_name) {
            return self.keep_as_is(
                name,
                Some("kind"),
                "what a service is does not change while it is",
            );
        }
        let mut new = Configured::of(spec).with_planted(now.planted().cloned());
        if let Some(layer) = self.layers.get(name) {
            new = new.with_layer(layer.clone());
        }
        new = new.with_base(None, Some(Arc::clone(&self.base)));
        if !new.is_same(now) {
            let [now, new] = [now, &new].map(|it| Written::of(&self.live.start, name, it));
            self.loaded.differences.extend(shown::differences(&spec.kind, &now, &new));
        }
        let was = match (now.planted(), self.before) {
            (Some(planted), _) => planted.ties.clone(),
            (None, Some(before)) => before.ties(name),
            (None, None) => after.ties(name),
        };
        let is_new = after.ties(name);
        if was != is_new {
            let lasts = match (&was, &is_new) {
                (Some(was), Some(is)) => {
                    is.is_same_but_for(was, |it| self.comes_or_goes(it, after))
                }
                _ => false,
            };
            if !lasts {
                let why = "its dependencies are other ones, and the plan is made once";
                return self.keep_as_is(name, None, why);
            }
            self.keep_as_is(name, None, "its handles are bound once, to those that were there");
        }
        if new.options.oneshot != now.options.oneshot {
            return self.keep_as_is(name, Some("oneshot"), "the plan is made once, from it too");
        }
        self.loaded.services.push((name.clone(), new));
    }

    /// Whether a service has not been in the files all the time.
    fn comes_or_goes(&self, name: &ServiceName, after: &Blueprint) -> bool {
        let is_in = |blueprint| spec_of(blueprint, name).is_some();
        !(self.before.is_some_and(is_in) && is_in(after))
    }

    /// Lists every value of a service that comes or goes.
    fn tell_whole(
        &mut self,
        name: &ServiceName,
        kind: &Kind,
        now: Option<&Configured>,
        new: Option<&Configured>,
    ) {
        let (start, nowhere, mut nothing) =
            (&self.live.start, Document::empty(), Configured::default());
        nothing.section = Section::empty(&format!("services.{name}"));
        let written = |it| match it {
            Some(it) => Written::of(start, name, it),
            None => Written::of(&nowhere, name, &nothing),
        };
        let told = shown::differences(kind, &written(now), &written(new)).into_iter();
        // Where there is no service, no default holds either.
        let told = told.filter_map(|mut it| {
            let nowhere = if now.is_none() { &mut it.old } else { &mut it.new };
            nowhere.take_if(|side| side.origin == Origin::Default);
            (it.old.is_some() || it.new.is_some()).then_some(it)
        });
        self.loaded.differences.extend(told);
    }

    /// A service that is left as it is, since something in its section cannot change now.
    fn keep_as_is(&mut self, name: &ServiceName, key: Option<&str>, why: &str) {
        let key = key.map_or(String::new(), |key| format!(".{key}"));
        self.loaded.fixed.push(fixed(&format!("services.{name}{key}"), why));
    }
}

fn spec_of<'a>(blueprint: &'a Blueprint, name: &ServiceName) -> Option<&'a Spec> {
    let place = blueprint.specs().binary_search_by(|spec| spec.name.cmp(name)).ok()?;
    blueprint.specs().get(place)
}

fn still_needed(name: &ServiceName, by: &str) -> PlanProblem {
    let message = format!(
        "`{name}` is gone from the configuration, but {by}, registered while the application \
         runs, has an edge to it"
    );
    let problem = PlanProblem::new(PlanCode::MissingProvider, message);
    problem.help(format!("deregister {by} first, or keep the section of `{name}`"))
}

/// A file is empty for a moment while it is written, and where it is not mounted; or it ends behind
/// the word.
fn without_services(count: usize) -> PlanProblem {
    let who = match count {
        1 => "the one service".to_owned(),
        all => format!("all {all} services"),
    };
    let message = format!("the files have nothing in `services`, and {who} of theirs would leave");
    let help = "write `services: {}` if that is meant";
    PlanProblem::new(PlanCode::Declaration, message).help(help)
}

fn listed(names: &[&ServiceName]) -> String {
    let names: BTreeSet<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}
