//! The environment of a machine: what generations can do, and what was told to the runtime.
//!
//! A [`World`] is built from the machine's actions and the moves of the environment only; it never
//! looks into the machine. What the machine may not do is in `observer.rs`.

use processpype_core::{
    Edge, EdgePolicy, ErrorKind, Exit, Generation, Graph, Groups, OperationId, Report,
    RestartPolicy, ServiceId, ServiceState, Strategy, Timer, Traits, Verb,
};

/// The largest application that is explored.
pub(crate) const MAX_SERVICES: usize = 5;
/// The most commands in one behaviour.
pub(crate) const MAX_COMMANDS: usize = 2;

/// Something that happens to the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    Boot,
    Report(ServiceId, Generation, Report),
    Command(OperationId, ServiceId, Verb),
    /// A start or restart that waits is taken back.
    Cancel(OperationId, ServiceId),
    Register(ServiceId, Joining),
    Close,
    /// Closing asks the next ones.
    AskMore,
    AbortAll,
}

/// A service that joins, and the policies of its edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Joining {
    pub(crate) traits: Traits,
    pub(crate) edges: [Option<EdgePolicy>; MAX_SERVICES],
}

/// What a move takes from the bounds of the exploration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cost {
    /// It happens by itself, sooner or later.
    Progress,
    /// It may happen or not.
    Free,
    Fault,
    Command,
}

/// What was seen of one service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Service {
    /// It is a part of the application.
    pub(crate) present: bool,
    /// The number before that of its first generation.
    pub(crate) first: u64,
    pub(crate) told: ServiceState,
    pub(crate) generation: u64,
    /// Something of the last spawned generation is left.
    pub(crate) alive: bool,
    /// It was told to be given up although it is alive.
    pub(crate) orphan: bool,
    /// It has reported that it started.
    pub(crate) started: bool,
    pub(crate) ready: bool,
    /// It ends by itself, like this.
    pub(crate) ending: Option<Exit>,
    pub(crate) asked: bool,
    pub(crate) aborted: bool,
    /// The armed timers, one bit each.
    pub(crate) armed: u8,
    /// It failed, and is not gone yet.
    pub(crate) failing: bool,
    /// How the last generation ended.
    pub(crate) exit: Option<Exit>,
    /// Its end was asked for: a restart is not.
    pub(crate) unasked: bool,
    /// A restart was asked for and is not answered.
    pub(crate) recovery: Option<Recovery>,
    pub(crate) exhausted: bool,
    pub(crate) has_run: bool,
    /// It has come through its first start, well or not.
    pub(crate) was_started: bool,
    pub(crate) significant: bool,
    /// Others wait until it has completed.
    pub(crate) oneshot: bool,
    pub(crate) policy: RestartPolicy,
    /// An operator wants it stopped.
    pub(crate) held: bool,
    /// It has to stop in order: a cascade.
    pub(crate) in_plan: bool,
    /// It has to be restarted, because its provider was.
    pub(crate) due: bool,
    /// It would have to be, were it not to stop for good: it has to if a command keeps it.
    pub(crate) overdue: bool,
    pub(crate) enabled: bool,
    /// Somebody asked for a generation that has not begun yet.
    pub(crate) credit: bool,
    /// It was a command that asked.
    pub(crate) urgent: bool,
    /// A provider came back, or its backoff ended, while it had to wait: it takes its turn.
    pub(crate) owes_turn: bool,
    /// It should not run: nobody has asked for it, or an operator stopped it.
    pub(crate) unwanted: bool,
    /// The first start or restart of those that wait found it unwanted: whether it was held.
    pub(crate) undo: Option<bool>,
    /// It has been without a provider that it cannot start without.
    pub(crate) missed: bool,
    /// Dependents could count on it before: it was lost, or is there since an earlier step.
    pub(crate) has_served: bool,
}

/// What the runtime was asked for after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recovery {
    Retry,
    Pause,
    Spread,
}

/// A command that has not ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    pub(crate) service: ServiceId,
    pub(crate) verb: Verb,
    /// The generation when it was given.
    pub(crate) generation: u64,
}

/// Everything that was seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct World {
    pub(crate) services: [Service; MAX_SERVICES],
    pub(crate) pending: [Option<Pending>; MAX_COMMANDS],
    pub(crate) closing: bool,
    pub(crate) closed: bool,
    pub(crate) settled: bool,
    pub(crate) all_aborted: bool,
    /// Who is restarted when a service fails, as bits.
    pub(crate) groups: [u8; MAX_SERVICES],
    /// Services of this sort may join, up to so many, and all may leave.
    pub(crate) joining: Option<(Traits, usize)>,
    /// Whether starts and restarts that wait are cancelled.
    pub(crate) cancels: bool,
    /// How many may be starting at a time.
    pub(crate) places: usize,
    /// Who could be counted on before, and could not when this step began, as bits.
    pub(crate) lost: u8,
    /// How much the progress of each service counts: more than all that it can set off.
    weights: [u32; MAX_SERVICES],
}

/// The bit of a timer in [`Service::armed`].
pub(crate) fn bit(timer: Timer) -> u8 {
    match timer {
        Timer::Start => 1,
        Timer::Stop => 2,
        Timer::Abort => 4,
        // Never armed.
        Timer::Restart => 0,
    }
}

// === impl Service ===

impl Service {
    const NEW: Self = Self {
        present: false,
        first: 0,
        told: ServiceState::Stopped,
        generation: 0,
        alive: false,
        orphan: false,
        started: false,
        ready: false,
        ending: None,
        asked: false,
        aborted: false,
        armed: 0,
        failing: false,
        exit: None,
        unasked: false,
        recovery: None,
        exhausted: false,
        has_run: false,
        was_started: false,
        significant: false,
        oneshot: false,
        policy: RestartPolicy::Never,
        held: false,
        in_plan: false,
        due: false,
        overdue: false,
        enabled: true,
        credit: false,
        urgent: false,
        owes_turn: false,
        unwanted: true,
        undo: None,
        missed: false,
        has_served: false,
    };

    /// A service of these traits that nobody has asked for, in a place where others may have been.
    pub(crate) fn joined(traits: &Traits, generation: u64) -> Self {
        Self {
            present: true,
            first: generation,
            generation,
            enabled: traits.enabled,
            significant: traits.significant,
            policy: traits.restart,
            oneshot: traits.oneshot,
            ..Self::NEW
        }
    }

    /// Nothing, where a service has been.
    pub(crate) fn left(self) -> Self {
        Self { first: self.generation, generation: self.generation, ..Self::NEW }
    }

    /// Whether dependents may count on it.
    pub(crate) fn is_available(&self) -> bool {
        let runs =
            self.told == ServiceState::Running && self.ready && !self.asked && !self.is_leaving();
        self.is_completed() || (self.alive && runs && !self.oneshot)
    }

    pub(crate) fn is_completed(&self) -> bool {
        !self.alive && self.exit == Some(Exit::Completed)
    }

    /// Whether it stops in order, sooner or later.
    pub(crate) fn is_leaving(&self) -> bool {
        self.in_plan || self.due
    }

    /// Whether a dependent with an edge of this policy may begin.
    pub(crate) fn lets_begin(&self, policy: EdgePolicy) -> bool {
        match policy {
            EdgePolicy::Optional => self.told != ServiceState::Starting,
            EdgePolicy::Hold | EdgePolicy::Restart => self.is_available(),
        }
    }

    /// Whether it runs, or is about to.
    pub(crate) fn is_up(&self) -> bool {
        matches!(self.told, ServiceState::Starting | ServiceState::Running)
    }

    /// Whether its generation counts for the order of stops.
    pub(crate) fn is_in_the_way(&self) -> bool {
        self.alive && !self.orphan
    }

    fn is_armed(&self, timer: Timer) -> bool {
        self.armed & bit(timer) != 0
    }

    /// How much can still happen by itself; every step of progress makes it smaller, but that of
    /// who takes its turn, and may have to wait again.
    fn potential(&self) -> u32 {
        use ServiceState::{Error, Running, Starting, Stopped, Stopping};
        let life = match self.told {
            _ if !self.alive => 0,
            _ if self.orphan => 1,
            _ if self.aborted => 3,
            Starting => 12,
            Running if self.ready => 9,
            Running => 10,
            Stopping | Stopped | Error => 6,
        };
        // A failure may bring a recovery, and that a new life.
        let recovers = matches!(self.recovery, Some(Recovery::Retry | Recovery::Pause));
        let recovery = u32::from(recovers) + 2 * u32::from(self.failing);
        life + 16 * u32::from(self.credit || self.takes_turn()) + 24 * recovery
    }

    /// Whether it waits for its turn.
    fn takes_turn(&self) -> bool {
        self.recovery == Some(Recovery::Spread)
    }

    /// All of it that matters later, as a number.
    fn digest(&self) -> u64 {
        let exit = |exit: Option<Exit>| match exit {
            None => 0,
            Some(Exit::Completed) => 1,
            Some(Exit::Failed(ErrorKind::Dependency)) => 3,
            Some(_) => 2,
        };
        let flags = [
            self.generation == self.first,
            self.present,
            self.alive,
            self.orphan,
            self.started,
            self.ready,
            self.asked,
            self.aborted,
            self.held,
            self.in_plan,
            self.credit,
            self.credit && self.urgent,
            self.credit && !self.urgent && !self.alive && self.owes_turn,
            self.alive && self.missed && self.policy != RestartPolicy::Never,
            self.due,
            self.overdue && self.is_up(),
            // Left out where it decides nothing.
            self.failing && self.policy != RestartPolicy::Never,
            self.is_restarted().is_some(),
            self.recovery == Some(Recovery::Retry),
            self.recovery == Some(Recovery::Pause),
            self.recovery == Some(Recovery::Spread),
            self.exhausted,
            self.has_run && self.significant,
        ];
        let flags = flags.iter().fold(0, |bits, &flag| bits << 1 | u64::from(flag));
        let rest = (self.told as u64) << 8 | u64::from(self.armed) << 4;
        flags << 16 | rest | exit(self.ending) << 2 | u64::from(self.is_completed())
    }

    /// What its living generation can do next; `stubborn` moves are faults.
    fn moves(&self, mut yields: impl FnMut(Report, Cost)) {
        if !self.alive {
            self.answers(yields);
            return;
        }
        const FAILED: Exit = Exit::Failed(ErrorKind::Failed);
        const START_FAILED: Exit = Exit::Failed(ErrorKind::StartFailed);
        const UNAVAILABLE: Exit = Exit::Failed(ErrorKind::Dependency);
        const HUNG: Report = Report::Hung(ErrorKind::HeartbeatLost);
        const STOP_FAILED: Exit = Exit::Failed(ErrorKind::StopFailed);
        if self.orphan {
            yields(Report::Gone(Exit::Aborted), Cost::Free);
        } else if self.aborted {
            yields(Report::Gone(Exit::Aborted), Cost::Progress);
            if self.is_armed(Timer::Abort) {
                yields(Report::Elapsed(Timer::Abort), Cost::Free);
            }
        } else if let Some(exit) = self.ending {
            yields(Report::Gone(exit), Cost::Progress);
        } else if self.asked {
            yields(Report::Gone(Exit::Stopped), Cost::Progress);
            yields(Report::Gone(STOP_FAILED), Cost::Fault);
        } else if self.started {
            if !self.ready {
                yields(Report::Ready(true), Cost::Progress);
            } else {
                yields(Report::Ready(false), Cost::Fault);
            }
            yields(Report::Ending(FAILED), Cost::Fault);
            yields(Report::Ending(Exit::Completed), Cost::Fault);
            yields(Report::Gone(FAILED), Cost::Fault);
            yields(HUNG, Cost::Fault);
            if self.policy != RestartPolicy::Never {
                yields(Report::Ending(UNAVAILABLE), Cost::Fault);
                yields(Report::Gone(UNAVAILABLE), Cost::Fault);
            }
        } else {
            yields(Report::Started { ready: true }, Cost::Progress);
            yields(Report::Started { ready: false }, Cost::Fault);
            yields(Report::Ending(START_FAILED), Cost::Fault);
            yields(Report::Gone(START_FAILED), Cost::Fault);
            yields(HUNG, Cost::Fault);
        }
        let hangs = !self.orphan && !self.aborted;
        if hangs && self.told == ServiceState::Starting && self.is_armed(Timer::Start) {
            yields(Report::Elapsed(Timer::Start), Cost::Fault);
        }
        if hangs && self.told == ServiceState::Stopping && self.is_armed(Timer::Stop) {
            yields(Report::Elapsed(Timer::Stop), Cost::Fault);
        }
    }

    /// How the runtime can answer a service that wants to be restarted.
    fn answers(&self, mut yields: impl FnMut(Report, Cost)) {
        if let Some(recovery) = self.recovery {
            yields(Report::Elapsed(Timer::Restart), Cost::Progress);
            if recovery == Recovery::Retry {
                yields(Report::Exhausted, Cost::Free);
            }
        }
    }

    /// Reports that come too late to matter: races that the runtime cannot rule out.
    fn races(&self, mut yields: impl FnMut(Generation, Report)) {
        let started = Report::Started { ready: true };
        let hung = Report::Hung(ErrorKind::Blocked);
        let all = [
            started,
            Report::Ready(true),
            Report::Ready(false),
            Report::Ending(Exit::Stopped),
            hung,
        ];
        let current = Generation(self.generation);
        let gone = Report::Gone(Exit::Stopped);
        let answers = [Report::Elapsed(Timer::Restart), Report::Exhausted];
        match self.recovery {
            None => answers.into_iter().for_each(|report| yields(current, report)),
            Some(Recovery::Pause | Recovery::Spread) => yields(current, Report::Exhausted),
            Some(Recovery::Retry) => {}
        }
        if self.generation > 1 {
            let stale = Generation(self.generation - 1);
            let all = all.into_iter().chain([gone]).chain(answers);
            all.for_each(|report| yields(stale, report));
            yields(stale, Report::Gone(Exit::Completed));
        }
        match self.told {
            ServiceState::Stopped | ServiceState::Error if !self.alive => {
                if self.generation > 0 {
                    all.into_iter().chain([gone]).for_each(|report| yields(current, report));
                }
            }
            ServiceState::Starting => yields(current, Report::Elapsed(Timer::Stop)),
            ServiceState::Running => yields(current, started),
            _ => all.into_iter().for_each(|report| yields(current, report)),
        }
        if self.told != ServiceState::Starting {
            yields(current, Report::Elapsed(Timer::Start));
        }
    }
}

// === impl Pending ===

impl Pending {
    /// Whether it makes its service run.
    pub(crate) fn wants(&self) -> bool {
        matches!(self.verb, Verb::Start { .. } | Verb::Restart { .. })
    }
}

// === impl World ===

impl World {
    /// The world before boot: who starts with the application has somebody who asks for it.
    pub(crate) fn new(graph: &Graph, traits: &[Traits], groups: &Groups) -> Self {
        let mut services = [Service::NEW; MAX_SERVICES];
        for (service, traits) in services.iter_mut().zip(traits) {
            *service = Service::joined(traits, 0);
            service.credit = traits.enabled && traits.autostart;
        }
        // What they need starts with them, through any number of enabled services.
        for _ in graph.services() {
            for edge in graph.edges() {
                let needs = is_gate(graph, edge);
                let needed = needs && services[edge.dependent.index()].credit;
                let provider = &mut services[edge.provider.index()];
                provider.credit |= needed && provider.enabled;
            }
        }
        services.iter_mut().for_each(|service| service.unwanted = !service.credit);
        let pending = [None; MAX_COMMANDS];
        let (closing, closed, settled, all_aborted) = (false, false, false, false);
        let weights = weights(graph);
        let groups = members(groups);
        let (joining, cancels) = (None, false);
        Self {
            services,
            pending,
            closing,
            closed,
            settled,
            all_aborted,
            groups,
            joining,
            cancels,
            places: MAX_SERVICES,
            lost: 0,
            weights,
        }
    }

    /// The graph is another one.
    pub(crate) fn regraph(&mut self, graph: &Graph) {
        self.weights = weights(graph);
    }

    pub(crate) fn service(&self, id: ServiceId) -> &Service {
        &self.services[id.index()]
    }

    pub(crate) fn service_mut(&mut self, id: ServiceId) -> &mut Service {
        &mut self.services[id.index()]
    }

    /// Lists what can happen next.
    pub(crate) fn moves(&self, graph: &Graph, out: &mut Vec<(Move, Cost)>) {
        for id in graph.services() {
            let service = self.service(id);
            let generation = Generation(service.generation);
            service.moves(|report, cost| out.push((Move::Report(id, generation, report), cost)));
        }
        if !self.closing {
            out.push((Move::Close, Cost::Free));
        } else if !self.all_aborted && !self.closed {
            out.push((Move::AbortAll, Cost::Fault));
        }
        for (slot, pending) in self.pending.iter().enumerate().filter(|_| self.cancels) {
            if let Some(pending) = pending.filter(Pending::wants) {
                let cancel = Move::Cancel(OperationId(slot as u64), pending.service);
                out.push((cancel, Cost::Command));
            }
        }
        if let Some(slot) = self.pending.iter().position(Option::is_none) {
            let operation = OperationId(slot as u64);
            self.registrations(graph, out);
            for id in graph.services().filter(|&id| self.service(id).present) {
                let differs = |verb: &&Verb| match verb {
                    Verb::Start { force: true, .. } => self.service(id).orphan,
                    Verb::Restart { with_dependents: true } => !graph.dependents(id).is_empty(),
                    _ => true,
                };
                let leaves: &[Verb] = if self.joining.is_some() { &DEREGISTER } else { &[] };
                VERBS.iter().filter(differs).chain(leaves).for_each(|&verb| {
                    out.push((Move::Command(operation, id, verb), Cost::Command));
                });
            }
        }
    }

    /// Lists who may join: in the first vacant place, needing any of those that stay.
    fn registrations(&self, graph: &Graph, out: &mut Vec<(Move, Cost)>) {
        let Some((traits, places)) = self.joining.filter(|_| !self.closing) else { return };
        let Some(at) = (0..places).find(|&at| !self.services[at].present) else { return };
        let stays = |id: &ServiceId| {
            let mut pending = self.pending.iter().flatten();
            let leaves = |of: ServiceId| of == *id || graph.all_providers(*id).contains(&of);
            let is_one = |it: &Pending| matches!(it.verb, Verb::Deregister { .. });
            self.service(*id).present && !pending.any(|it| is_one(it) && leaves(it.service))
        };
        let providers: Vec<ServiceId> = graph.services().filter(stays).collect();
        for chosen in 0..1_usize << providers.len() {
            let mut edges = [None; MAX_SERVICES];
            for (i, provider) in providers.iter().enumerate().filter(|(i, _)| chosen >> i & 1 == 1)
            {
                let policies = [EdgePolicy::Hold, EdgePolicy::Restart, EdgePolicy::Optional];
                edges[provider.index()] = Some(policies[i % policies.len()]);
            }
            let joining = Joining { traits, edges };
            out.push((Move::Register(ServiceId(at as u32), joining), Cost::Command));
        }
    }

    /// Lists reports that may come but must change nothing.
    pub(crate) fn races(&self, graph: &Graph, out: &mut Vec<Move>) {
        for id in graph.services() {
            self.service(id).races(|generation, report| {
                out.push(Move::Report(id, generation, report));
            });
        }
    }

    /// What falls with every step of progress: by what can happen, and by who waits for its turn.
    pub(crate) fn potential(&self) -> (u32, usize) {
        let potentials = self.services.iter().zip(self.weights);
        let potential = potentials.map(|(service, weight)| weight * service.potential()).sum();
        (potential, self.services.iter().filter(|service| service.takes_turn()).count())
    }

    /// All that matters later of one service and of the operations that wait for it.
    pub(crate) fn digest_of(&self, id: ServiceId) -> u64 {
        let service = self.service(id);
        let mut digest = service.digest() << 8;
        // Who joins later waits for it in another way if it was there before: nobody that is there
        // has to depend on it for that.
        if self.joining.is_some() {
            digest |= u64::from(service.has_served) << 59;
        }
        if self.cancels {
            let waits = self.wanting(id).next().is_some();
            let undo = service.undo.filter(|_| waits).map_or(0, |held| 1 + u64::from(held));
            digest |= (undo << 1 | u64::from(service.unwanted)) << 60;
        }
        for pending in self.pending.iter().flatten().filter(|pending| pending.service == id) {
            let kind = match pending.verb {
                Verb::Start { .. } => 1,
                Verb::Stop { .. } => 2,
                Verb::Restart { .. } => 3,
                Verb::Deregister { .. } => 4,
            };
            let restarted = self.service(id).generation > pending.generation;
            let newer = restarted && matches!(pending.verb, Verb::Restart { .. });
            // A sum, so that the order of two operations does not matter.
            digest += 1 + 2 * kind + 16 * u64::from(newer);
        }
        digest
    }

    /// The starts and restarts that wait for a service, by their slots.
    pub(crate) fn wanting(&self, id: ServiceId) -> impl Iterator<Item = usize> {
        let pending = self.pending.iter().enumerate();
        let wants = move |pending: &Pending| pending.service == id && pending.wants();
        pending.filter(move |(_, it)| it.is_some_and(|it| wants(&it))).map(|(slot, _)| slot)
    }

    /// All that matters later beside the services.
    pub(crate) fn digest(&self) -> u64 {
        let flags = [self.closing, self.closed, self.settled, self.all_aborted];
        flags.iter().fold(0, |bits, &flag| bits << 1 | u64::from(flag))
    }
}

// === impl Joining ===

impl Joining {
    /// The edges of who joins at `at`.
    pub(crate) fn edges(self, at: ServiceId) -> impl Iterator<Item = (Edge, EdgePolicy)> {
        let edges = self.edges.into_iter().zip(0..);
        edges.filter_map(move |(policy, provider)| {
            Some((Edge { dependent: at, provider: ServiceId(provider) }, policy?))
        })
    }
}

/// Reads groups by hand: by the place of each member in the list.
fn members(groups: &Groups) -> [u8; MAX_SERVICES] {
    let mut found = [0; MAX_SERVICES];
    for group in groups.all() {
        for (place, id) in group.members.iter().enumerate() {
            let later = |(other, _): &(usize, &ServiceId)| match group.strategy {
                Strategy::OneForOne => false,
                Strategy::OneForAll => *other != place,
                Strategy::RestForOne => *other > place,
            };
            let others = group.members.iter().enumerate().filter(later);
            found[id.index()] = others.fold(0, |bits, (_, other)| bits | 1 << other.0);
        }
    }
    found
}

/// Whether a dependent cannot do without its provider.
pub(crate) fn is_gate(graph: &Graph, edge: Edge) -> bool {
    graph.policy(edge).is_some_and(|policy| policy != EdgePolicy::Optional)
}

/// A new generation of a provider sets off restarts of its dependents, and these theirs.
fn weights(graph: &Graph) -> [u32; MAX_SERVICES] {
    const ALL_OF_A_DEPENDENT: u32 = 40;
    let mut weights = [1; MAX_SERVICES];
    for _ in graph.services() {
        for edge in graph.edges() {
            let least = ALL_OF_A_DEPENDENT * weights[edge.dependent.index()];
            let provider = &mut weights[edge.provider.index()];
            *provider = least.max(*provider);
        }
    }
    weights
}

/// What lets a service leave.
pub(crate) const DEREGISTER: [Verb; 2] =
    [Verb::Deregister { cascade: false }, Verb::Deregister { cascade: true }];

/// Every command on a service that stays.
pub(crate) const VERBS: [Verb; 7] = [
    Verb::Start { with_dependencies: false, force: false },
    Verb::Start { with_dependencies: true, force: false },
    Verb::Start { with_dependencies: false, force: true },
    Verb::Stop { cascade: false },
    Verb::Stop { cascade: true },
    Verb::Restart { with_dependents: false },
    Verb::Restart { with_dependents: true },
];
