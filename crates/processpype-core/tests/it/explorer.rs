//! The search: every order of everything that can happen, within bounds on faults and commands.
//!
//! # Why it is complete
//!
//! 1. From each state every enabled [`Move`] is taken: nothing is sampled.
//! 2. Two states are one if machine and world agree in all that decides ([`Machine::hash_service`],
//!    [`World::digest_of`]): absolute numbers and causes are only passed on.
//! 3. A state that was seen with at least as many faults and commands left is not searched again:
//!    what could follow is a subset.
//! 4. Services that a relabelling of the graph exchanges are exchanged (only the smallest
//!    relabelled digest is kept), which is sound while nothing is queued, as queues go by number.
//! 5. Late reports are tried in every state; as they change nothing, no state follows from them.
//! 6. States are known by 64-bit digests: of the order of 10^7 states, two different ones share one
//!    with a probability of 10^14 / 2^65 < 10^-5.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hash as _, Hasher};
use std::rc::Rc;

use processpype_core::{
    Action, Desired, Edge, EdgePolicy, Graph, Groups, Machine, Newcomer, ServiceId, Traits,
};

use crate::dags::{Permutation, automorphisms};
use crate::observer::{Broken, REQUESTED};
use crate::world::{Cost, Joining, MAX_SERVICES, Move, World};

/// A machine, or something that behaves almost like one.
pub(crate) trait Subject: Clone {
    fn take(&mut self, happened: Move, actions: &mut Vec<Action>) {
        drive(self.machine_mut(), happened, actions);
    }
    fn machine(&self) -> &Machine;
    fn machine_mut(&mut self) -> &mut Machine;
    /// What it knows beside the machine.
    fn digest(&self) -> u64 {
        0
    }
}

/// Gives a move to a machine.
pub(crate) fn drive(machine: &mut Machine, happened: Move, actions: &mut Vec<Action>) {
    match happened {
        Move::Boot => machine.boot(actions),
        Move::Report(id, generation, report) => machine.report(id, generation, report, actions),
        Move::Command(operation, id, verb) => machine.command(operation, id, verb, actions),
        Move::Cancel(operation, id) => {
            let was_there = machine.cancel(operation, id, actions);
            assert!(was_there, "only what waits is cancelled");
        }
        Move::Register(at, joining) => {
            let joined = machine.register(at, &newcomer(at, joining), actions);
            joined.expect("only who may join is let in");
        }
        Move::Close => machine.close(REQUESTED, actions),
        Move::AskMore => machine.ask_more(actions),
        Move::AbortAll => machine.abort_all(actions),
    }
}

fn newcomer(at: ServiceId, joining: Joining) -> Newcomer {
    let providers = joining.edges(at).map(|(edge, policy)| (edge.provider, policy)).collect();
    Newcomer { traits: joining.traits, providers, ..Newcomer::default() }
}

/// The bounds of one search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) faults: usize,
    pub(crate) commands: usize,
}

/// What a search has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) states: u64,
    pub(crate) steps: u64,
}

/// A behaviour that breaks an invariant.
#[derive(Debug)]
pub(crate) struct Counterexample {
    pub(crate) broken: Broken,
    /// What happened, in order, with the answers.
    pub(crate) steps: Vec<(Move, Vec<Action>)>,
}

/// An application to search.
pub(crate) struct Application {
    pub(crate) graph: Graph,
    pub(crate) traits: Vec<Traits>,
    pub(crate) groups: Groups,
    /// Services of this sort may join, up to so many, and all may leave.
    joining: Option<(Traits, usize)>,
    /// Starts and restarts that wait are cancelled.
    cancels: bool,
    /// How many may be starting at a time.
    places: usize,
    symmetries: Vec<Permutation>,
}

#[derive(Clone)]
struct State<S> {
    subject: S,
    /// Who needs whom, kept apart from what the machine knows.
    graph: Rc<Graph>,
    world: World,
    faults: usize,
    commands: usize,
    trace: Option<Rc<Trace>>,
}

struct Trace {
    before: Option<Rc<Trace>>,
    happened: Move,
    actions: Vec<Action>,
}

struct Search<'a, S> {
    application: &'a Application,
    bounds: Bounds,
    traced: bool,
    seen: HashMap<u64, u64, BuildHasherDefault<Identity>>,
    /// States to go on from, by faults and commands used: fewest first.
    open: Vec<Vec<State<S>>>,
    count: Count,
    actions: Vec<Action>,
    races: Vec<Move>,
}

/// Explores every behaviour of `subject` within `bounds`.
pub(crate) fn explore<S: Subject>(
    application: &Application,
    subject: &S,
    bounds: Bounds,
) -> Result<Count, Box<Counterexample>> {
    Search::new(application, bounds, false).run(subject.clone()).or_else(|_| {
        // Once more, slower, to tell how it came to that.
        Search::new(application, bounds, true).run(subject.clone())
    })
}

/// Takes one behaviour of `subject` within `bounds`, chosen by `seed`, to its end.
pub(crate) fn walk<S: Subject>(
    application: &Application,
    subject: &S,
    bounds: Bounds,
    seed: u64,
) -> Result<Count, Box<Counterexample>> {
    let mut search = Search::new(application, bounds, true);
    let mut state = State::new(application, subject.clone());
    search.step(&state, Move::Boot, Cost::Free)?;
    let (mut chance, mut moves) = (Mixer(seed), Vec::new());
    while let Some(next) = search.open.iter_mut().find_map(Vec::pop) {
        state = next;
        moves.clear();
        state.moves(&mut moves);
        search.check_rest(&state, &moves)?;
        search.check_races(&state)?;
        moves.retain(|&(_, cost)| search.affords(&state, cost));
        if moves.is_empty() {
            break;
        }
        // A choice that leads where the walk has been is made again.
        for choice in 0..MAX_CHOICES {
            chance.mix(choice);
            let progress = |&&(_, cost): &&(Move, Cost)| cost == Cost::Progress;
            let many: Vec<_> = moves.iter().filter(progress).chain(&moves).collect();
            // Mostly something goes on; the many commands would crowd it out.
            let ahead = moves.iter().filter(progress).count();
            let among = if ahead > 0 && chance.finish() % 4 > 0 { ahead } else { many.len() };
            chance.mix(choice);
            let &(happened, cost) = many[(chance.finish() % among as u64) as usize];
            search.step(&state, happened, cost)?;
            if search.open.iter().any(|states| !states.is_empty()) {
                break;
            }
        }
    }
    Ok(search.count)
}

/// How often a walk looks for a way on.
const MAX_CHOICES: u64 = 100;

// === impl Application ===

impl Application {
    pub(crate) fn new(graph: Graph, traits: Vec<Traits>) -> Self {
        let mut symmetries = automorphisms(&graph);
        symmetries.retain(|p| (0..traits.len()).all(|i| traits[p[i]] == traits[i]));
        let (groups, joining, cancels) = (Groups::default(), None, false);
        let places = MAX_SERVICES;
        Self { graph, traits, groups, joining, cancels, places, symmetries }
    }

    /// The same application, in which so many may be starting at a time.
    pub(crate) fn with_places(mut self, places: usize) -> Self {
        self.places = places;
        self
    }

    /// The same application with groups. Its services are not exchanged: their order may count.
    pub(crate) fn with_groups(mut self, groups: Groups) -> Self {
        self.groups = groups;
        self.without_symmetries()
    }

    /// The same application, in which services of this sort join, up to so many, and all leave.
    pub(crate) fn with_joining(mut self, traits: Traits, places: usize) -> Self {
        self.joining = Some((traits, places));
        self.without_symmetries()
    }

    /// The same application, in which starts and restarts that wait are cancelled.
    pub(crate) fn with_cancels(mut self) -> Self {
        self.cancels = true;
        self
    }

    /// The same application, but its services are never exchanged.
    pub(crate) fn without_symmetries(mut self) -> Self {
        self.symmetries.truncate(0);
        self.symmetries.push((0..self.graph.len()).collect());
        self
    }

    fn digest<S: Subject>(&self, state: &State<S>) -> u64 {
        let machine = state.subject.machine();
        let mut parts = [0; MAX_SERVICES];
        for id in state.graph.services() {
            let mut hasher = Mixer(state.world.digest_of(id));
            machine.hash_service(id, &mut hasher);
            parts[id.index()] = hasher.finish();
        }
        let smallest = |permutation: &Permutation| {
            let mut relabelled = [0; MAX_SERVICES];
            permutation.iter().zip(parts).for_each(|(&to, part)| relabelled[to] = part);
            relabelled
        };
        let parts = self.symmetries.iter().map(smallest).min().unwrap_or(parts);
        let mut hasher = Mixer(state.world.digest());
        machine.hash_application(&mut hasher);
        hasher.write_u64(state.subject.digest());
        if self.joining.is_some() {
            all_edges(&state.graph).for_each(|edge| edge.hash(&mut hasher));
        }
        parts.iter().for_each(|&part| hasher.write_u64(part));
        hasher.finish()
    }
}

// === impl State ===

impl<S> State<S> {
    fn new(application: &Application, subject: S) -> Self {
        let mut world = World::new(&application.graph, &application.traits, &application.groups);
        (world.joining, world.cancels) = (application.joining, application.cancels);
        world.places = application.places;
        let graph = Rc::new(application.graph.clone());
        Self { subject, graph, world, faults: 0, commands: 0, trace: None }
    }
}

impl<S: Subject> State<S> {
    /// Lists what can happen next: in the world, and because somebody is still to be asked to stop.
    fn moves(&self, out: &mut Vec<(Move, Cost)>) {
        self.world.moves(&self.graph, out);
        if self.subject.machine().has_more_to_ask() {
            let mut actions = Vec::new();
            self.subject.clone().take(Move::AskMore, &mut actions);
            if !actions.is_empty() {
                out.push((Move::AskMore, Cost::Progress));
            }
        }
    }

    fn regraph(&mut self, places: usize, edges: impl Iterator<Item = (Edge, EdgePolicy)>) {
        let graph = Graph::with_policies(places as u32, edges.collect::<Vec<_>>());
        self.graph = Rc::new(graph.expect("who joins makes no cycle"));
        self.world.regraph(&self.graph);
    }

    /// Who is removed takes its edges with it, in the machine as well.
    fn follow_removals(&mut self, actions: &[Action]) -> Result<(), Broken> {
        for action in actions {
            if let Action::Removed(id) = *action {
                let graph = Rc::clone(&self.graph);
                let stays =
                    |(edge, _): &(Edge, EdgePolicy)| edge.dependent != id && edge.provider != id;
                self.regraph(graph.len(), all_edges(&graph).filter(stays));
            }
        }
        let known = self.subject.machine();
        let differs = |id: &ServiceId| known.is_registered(*id) != self.world.service(*id).present;
        match self.graph.services().find(differs) {
            Some(id) => Err(Broken::Members(id)),
            None if self.world.joining.is_some() && *known.graph() != *self.graph => {
                Err(Broken::Members(ServiceId(0)))
            }
            None => Ok(()),
        }
    }
}

fn all_edges(graph: &Graph) -> impl Iterator<Item = (Edge, EdgePolicy)> {
    graph.edges().filter_map(|edge| Some((edge, graph.policy(edge)?)))
}

// === impl Search ===

impl<'a, S: Subject> Search<'a, S> {
    fn new(application: &'a Application, bounds: Bounds, traced: bool) -> Self {
        let open = (0..=bounds.faults + bounds.commands).map(|_| Vec::new()).collect();
        let (count, actions, races) = (Count::default(), Vec::new(), Vec::new());
        Self { application, bounds, traced, seen: HashMap::default(), open, count, actions, races }
    }

    fn run(mut self, subject: S) -> Result<Count, Box<Counterexample>> {
        let start = State::new(self.application, subject);
        self.step(&start, Move::Boot, Cost::Free)?;
        let mut moves = Vec::new();
        while let Some(state) = self.open.iter_mut().find_map(Vec::pop) {
            moves.clear();
            state.moves(&mut moves);
            self.check_rest(&state, &moves)?;
            self.check_races(&state)?;
            for &(happened, cost) in &moves {
                self.step(&state, happened, cost)?;
            }
        }
        Ok(self.count)
    }

    fn step(
        &mut self,
        from: &State<S>,
        happened: Move,
        cost: Cost,
    ) -> Result<(), Box<Counterexample>> {
        if !self.affords(from, cost) {
            return Ok(());
        }
        let faults = from.faults + usize::from(cost == Cost::Fault);
        let commands = from.commands + usize::from(cost == Cost::Command);
        let mut next = State { faults, commands, ..from.clone() };
        self.actions.clear();
        next.subject.take(happened, &mut self.actions);
        self.count.steps += 1;
        if self.traced {
            let (before, actions) = (next.trace.take(), self.actions.clone());
            next.trace = Some(Rc::new(Trace { before, happened, actions }));
        }
        if let Move::Register(at, joining) = happened {
            let graph = Rc::clone(&next.graph);
            let edges = all_edges(&graph).chain(joining.edges(at));
            next.regraph(graph.len().max(at.index() + 1), edges);
        }
        let observed = next.world.observe(&next.graph, happened, &self.actions);
        let observed = observed.and_then(|()| next.follow_removals(&self.actions));
        let told = observed.and_then(|()| self.check_told(from, &next));
        let falls = told.and_then(|()| check_progress(from, &next, cost));
        falls.map_err(|broken| counterexample(broken, &next))?;
        if self.is_new(&next) {
            self.count.states += 1;
            self.open[faults + commands].push(next);
        }
        Ok(())
    }

    fn affords(&self, state: &State<S>, cost: Cost) -> bool {
        match cost {
            Cost::Fault => state.faults < self.bounds.faults,
            Cost::Command => state.commands < self.bounds.commands,
            Cost::Progress | Cost::Free => true,
        }
    }

    /// Notes a state; false if it was seen with as much left to spend.
    fn is_new(&mut self, state: &State<S>) -> bool {
        let key = self.application.digest(state);
        let spent = |faults: usize, commands: usize| 1u64 << (faults * 8 + commands);
        let seen = self.seen.entry(key).or_insert(0);
        let cheaper = (0..=state.faults)
            .flat_map(|f| (0..=state.commands).map(move |c| spent(f, c)))
            .sum::<u64>();
        let is_new = *seen & cheaper == 0;
        *seen |= spent(state.faults, state.commands);
        is_new
    }

    /// What the public sees changes only with an action that names the service.
    fn check_told(&self, from: &State<S>, to: &State<S>) -> Result<(), Broken> {
        let names = |id| {
            self.actions.iter().any(|action| match *action {
                Action::Touched(touched) => touched == id,
                Action::Changed(change) => change.service == id,
                Action::Removed(removed) => removed == id,
                _ => false,
            })
        };
        let (before, after) = (from.subject.machine(), to.subject.machine());
        let mut services = from.graph.services();
        let untold =
            services.find(|&id| seen_by_all(before, id) != seen_by_all(after, id) && !names(id));
        untold.map_or(Ok(()), |id| Err(Broken::Untold(id)))
    }

    fn check_rest(
        &self,
        state: &State<S>,
        moves: &[(Move, Cost)],
    ) -> Result<(), Box<Counterexample>> {
        if moves.iter().any(|&(_, cost)| cost == Cost::Progress) {
            return Ok(());
        }
        let rests = state.world.rests(&state.graph);
        rests.map_err(|broken| counterexample(broken, state))
    }

    fn check_races(&mut self, state: &State<S>) -> Result<(), Box<Counterexample>> {
        self.races.clear();
        state.world.races(&state.graph, &mut self.races);
        let mut subject = state.subject.clone();
        for &race in &self.races {
            self.actions.clear();
            subject.take(race, &mut self.actions);
            if !self.actions.is_empty() || subject.machine() != state.subject.machine() {
                return Err(counterexample(Broken::Late(race), state));
            }
        }
        Ok(())
    }
}

/// Progress goes somewhere: a sum of what can still happen by itself falls with every step.
fn check_progress<S>(from: &State<S>, to: &State<S>, cost: Cost) -> Result<(), Broken> {
    let falls = to.world.potential() < from.world.potential();
    if cost == Cost::Progress && !falls {
        Err(Broken::Rest("progress in a circle"))
    } else {
        Ok(())
    }
}

fn seen_by_all(machine: &Machine, id: ServiceId) -> ([bool; 4], Desired, u32) {
    let waiting = machine.waiting_on(id).fold(0, |bits, provider| bits | 1 << provider.0);
    let flags = [
        machine.is_ready(id),
        machine.is_orphaned(id),
        machine.is_retrying(id),
        machine.is_exhausted(id),
    ];
    (flags, machine.desired(id), waiting)
}

fn counterexample<S>(broken: Broken, state: &State<S>) -> Box<Counterexample> {
    let mut steps = Vec::new();
    let mut at = state.trace.as_deref();
    while let Some(trace) = at {
        steps.push((trace.happened, trace.actions.clone()));
        at = trace.before.as_deref();
    }
    steps.reverse();
    Box::new(Counterexample { broken, steps })
}

// === impl Machine ===

impl Subject for Machine {
    fn machine(&self) -> &Machine {
        self
    }

    fn machine_mut(&mut self) -> &mut Machine {
        self
    }
}

// === impl Counterexample ===

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}, after:", self.broken)?;
        for (happened, actions) in &self.steps {
            writeln!(f, "  {happened:?}")?;
            actions.iter().try_for_each(|action| writeln!(f, "      {action:?}"))?;
        }
        Ok(())
    }
}

/// A fast hasher: folded multiplication, as in wyhash.
struct Mixer(u64);

/// Takes a digest as it is.
#[derive(Default)]
struct Identity(u64);

// === impl Mixer ===

impl Mixer {
    fn mix(&mut self, value: u64) {
        let product =
            u128::from(self.0 ^ 0xa076_1d64_78bd_642f) * u128::from(value ^ 0xe703_7ed1_a0b4_28db);
        self.0 = (product as u64 ^ (product >> 64) as u64).wrapping_add(0x8ebc_6af0_9c88_c6e3);
    }
}

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        let mut last = Self(self.0);
        last.mix(0x5895_75f1);
        last.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.mix(u64::from(byte)));
    }

    fn write_u8(&mut self, value: u8) {
        self.mix(u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.mix(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.mix(value);
    }

    fn write_usize(&mut self, value: usize) {
        self.mix(value as u64);
    }

    fn write_isize(&mut self, value: isize) {
        self.mix(value as u64);
    }
}

// === impl Identity ===

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are whole numbers");
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// The digest of an application of one service, in which services join, after `reports`.
fn after(reports: &[processpype_core::Report]) -> u64 {
    let graph = Graph::new(1, []).expect("no edges");
    let traits = vec![crate::exhaustive::ON_FAILURE];
    let machine = Machine::new(graph.clone(), traits.clone(), 8);
    let application = Application::new(graph, traits.clone()).with_joining(traits[0], 2);
    let mut state = State::new(&application, machine);
    let report = |&report| Move::Report(ServiceId(0), processpype_core::Generation(1), report);
    for happened in [Move::Boot].into_iter().chain(reports.iter().map(report)) {
        let mut actions = Vec::new();
        state.subject.take(happened, &mut actions);
        state.world.observe(&state.graph, happened, &actions).expect("nothing is broken");
    }
    application.digest(&state)
}

/// Who joins and needs it starts at once when it is ready for the first time, and takes its turn
/// when it is ready again.
#[test]
fn a_service_that_was_ready_is_told_from_one_that_never_was_where_others_may_join() {
    use processpype_core::Report::{Ready, Started};
    let never = after(&[Started { ready: false }]);
    let lost = after(&[Started { ready: true }, Ready(false)]);
    assert_ne!(never, lost);
    assert_eq!(lost, after(&[Started { ready: false }, Ready(true), Ready(false)]));
}
