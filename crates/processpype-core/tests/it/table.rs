//! What each command does in each situation, and what becomes of it under each fault: every cell of
//! operation × situation × fault, named, in `tests/golden/commands.txt`.
//!
//! The subject `S` needs the provider `P` and is needed by `D`; nothing happens but what the row
//! says. After the command everything goes its way to the end; the fault happens to `S` at the
//! first moment at which it can. A cell tells how the operation ended and the states of
//! `S` and `D` at the end; `same` is done without a change, `–` that the fault had no moment.
//!
//! Set `UPDATE_GOLDEN=1` after a change that is meant, and read the difference as an operator.

use std::fmt::Write as _;
use std::path::PathBuf;

use processpype_core::{
    Action, Edge, EdgePolicy, ErrorKind, Exit, Graph, Group, Groups, Machine, OperationId, Outcome,
    Refusal, Report, ServiceId, Strategy, Timer, Traits, Verb,
};

use crate::exhaustive::{ON_FAILURE, PLAIN};
use crate::explorer::drive;
use crate::world::{Cost, DEREGISTER, Move, VERBS, World};

const P: ServiceId = ServiceId(0);
const S: ServiceId = ServiceId(1);
const D: ServiceId = ServiceId(2);
const FAILED: Exit = Exit::Failed(ErrorKind::Failed);
const STOP: Verb = Verb::Stop { cascade: false };
const RESTART: Verb = Verb::Restart { with_dependents: false };

/// An application in a situation, with all that was told on the way there.
struct Scene {
    machine: Machine,
    world: World,
    actions: Vec<Action>,
    operations: u64,
}

/// What goes wrong, as the reports that the subject makes one after the other.
#[derive(Clone, Copy)]
struct Fault {
    name: &'static str,
    is_next: fn(usize, Report) -> bool,
    reports: usize,
}

const FAULTS: [Fault; 7] = [
    Fault { name: "no fault", is_next: |_, _| false, reports: 0 },
    Fault {
        name: "start fails",
        is_next: |_, report| report == Report::Ending(Exit::Failed(ErrorKind::StartFailed)),
        reports: 1,
    },
    Fault {
        name: "start hangs",
        is_next: |_, report| report == Report::Elapsed(Timer::Start),
        reports: 1,
    },
    Fault { name: "crashes", is_next: |_, report| report == Report::Gone(FAILED), reports: 1 },
    Fault { name: "hangs", is_next: |_, report| matches!(report, Report::Hung(_)), reports: 1 },
    Fault {
        name: "stop fails",
        is_next: |_, report| report == Report::Gone(Exit::Failed(ErrorKind::StopFailed)),
        reports: 1,
    },
    Fault {
        name: "never ends",
        is_next: |step, report| {
            report == Report::Elapsed(if step == 0 { Timer::Stop } else { Timer::Abort })
        },
        reports: 2,
    },
];

// === impl Scene ===

impl Scene {
    fn new(subject: Traits) -> Self {
        Self::of(chain(EdgePolicy::Hold), subject, Groups::default())
    }

    fn of(graph: Graph, subject: Traits, groups: Groups) -> Self {
        let traits = vec![PLAIN, subject, PLAIN];
        let world = World::new(&graph, &traits, &groups);
        let machine = Machine::new(graph, traits, 8).with_groups(groups);
        let scene = Self { machine, world, actions: Vec::new(), operations: 0 };
        scene.happens(Move::Boot)
    }

    /// One thing happens; the observer watches, as in the search.
    fn happens(mut self, happened: Move) -> Self {
        let mut actions = Vec::new();
        let graph = self.machine.graph().clone();
        drive(&mut self.machine, happened, &mut actions);
        self.world.observe(&graph, happened, &actions).expect("no invariant is broken");
        self.actions.extend(actions);
        self
    }

    fn report(self, id: ServiceId, report: Report) -> Self {
        let generation = self.machine.generation(id);
        self.happens(Move::Report(id, generation, report))
    }

    fn started(self, id: ServiceId) -> Self {
        self.report(id, Report::Started { ready: true })
    }

    fn gone(self, id: ServiceId, exit: Exit) -> Self {
        self.report(id, Report::Gone(exit))
    }

    fn command(mut self, id: ServiceId, verb: Verb) -> Self {
        // The world keeps two operations at a time; those that ended make room.
        let operation = OperationId(self.operations % 2);
        self.operations += 1;
        self.happens(Move::Command(operation, id, verb))
    }

    fn all_running(subject: Traits) -> Self {
        Self::new(subject).started(P).started(S).started(D)
    }

    fn orphaned() -> Self {
        let scene = Self::all_running(PLAIN).command(S, STOP);
        scene.report(S, Report::Elapsed(Timer::Stop)).report(S, Report::Elapsed(Timer::Abort))
    }

    /// Gives the command, lets everything go its way, with the fault as soon as it can happen.
    fn cell(mut self, verb: Verb, fault: Fault) -> String {
        self.actions.clear();
        let operation = OperationId(self.operations % 2);
        self = self.command(S, verb);
        let mut faults = 0;
        let mut moves = Vec::new();
        loop {
            moves.clear();
            self.world.moves(self.machine.graph(), &mut moves);
            let is_fault = |happened: &Move| match *happened {
                Move::Report(S, _, report) if faults < fault.reports => {
                    (fault.is_next)(faults, report)
                }
                _ => false,
            };
            if let Some(&(happened, _)) = moves.iter().find(|(happened, _)| is_fault(happened)) {
                faults += 1;
                self = self.happens(happened);
            } else if let Some(&(happened, _)) = moves.iter().find(|(_, c)| *c == Cost::Progress) {
                self = self.happens(happened);
            } else {
                break;
            }
        }
        if faults < fault.reports { "–".to_owned() } else { self.told(operation) }
    }

    fn told(&self, operation: OperationId) -> String {
        let ended = self.actions.iter().find_map(|action| match *action {
            Action::Finish(of, outcome) if of == operation => Some(outcome),
            _ => None,
        });
        let outcome = match ended {
            None => "waits".to_owned(),
            Some(Outcome::Done { changed: true }) => "done".to_owned(),
            Some(Outcome::Done { changed: false }) => "same".to_owned(),
            Some(Outcome::Failed(kind)) => kind.as_str().to_owned(),
            Some(Outcome::Superseded) => "superseded".to_owned(),
            Some(Outcome::Refused(refusal)) => format!("no: {}", word(refusal)),
        };
        let state = |id| match self.machine.is_registered(id) {
            true => self.machine.state(id).as_str(),
            false => "removed",
        };
        format!("{outcome}, {} ({})", state(S), state(D))
    }
}

fn chain(policy: EdgePolicy) -> Graph {
    let edges = [(S, P), (D, S)].map(|(dependent, provider)| Edge { dependent, provider });
    let graph = Graph::with_policies(3, edges.map(|edge| (edge, policy)));
    graph.expect("a chain has no cycle")
}

fn one_for_all() -> Groups {
    let group = Group { strategy: Strategy::OneForAll, members: vec![P, S, D] };
    Groups::new(3, [group]).expect("each is a member once")
}

fn word(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Disabled => "disabled",
        Refusal::Closing => "closing",
        Refusal::Orphaned => "orphaned",
        Refusal::ProviderStopped(_) => "provider",
        Refusal::Needed => "needed",
        _ => "?",
    }
}

fn verb_words(verb: Verb) -> &'static str {
    match verb {
        Verb::Start { force: true, .. } => "start, forced",
        Verb::Start { with_dependencies: true, .. } => "start, with dependencies",
        Verb::Start { .. } => "start",
        Verb::Stop { cascade: true } => "stop, cascade",
        Verb::Stop { cascade: false } => "stop",
        Verb::Restart { with_dependents: true } => "restart, with dependents",
        Verb::Restart { with_dependents: false } => "restart",
        Verb::Deregister { cascade: true } => "deregister, cascade",
        Verb::Deregister { cascade: false } => "deregister",
    }
}

/// A situation by its name, and how to get there.
type Situation = (&'static str, fn() -> Scene);

const SITUATIONS: [Situation; 26] = [
    ("stopped, never started", || {
        let manual = Traits { autostart: false, ..PLAIN };
        // D wants it at boot; take that back.
        Scene::new(manual).command(S, STOP).command(D, STOP).started(P)
    }),
    ("stopped, waits for its provider", || Scene::new(PLAIN)),
    ("stopped by an operator", || {
        Scene::all_running(PLAIN).command(S, STOP).gone(S, Exit::Stopped)
    }),
    ("stopped, completed", || {
        let scene = Scene::all_running(PLAIN).report(S, Report::Ending(Exit::Completed));
        scene.gone(S, Exit::Completed)
    }),
    ("stopped, and so is its provider, by an operator", || Scene::new(PLAIN).command(P, STOP)),
    ("stopped, disabled", || Scene::new(Traits { enabled: false, ..PLAIN }).started(P)),
    ("stopped, closing", || Scene::new(PLAIN).happens(Move::Close)),
    ("stopped, its provider is back: it takes its turn", || {
        let scene = Scene::all_running(ON_FAILURE).gone(P, FAILED).gone(S, FAILED);
        let scene = scene.report(S, Report::Elapsed(Timer::Restart));
        scene.command(P, Verb::Start { with_dependencies: false, force: false }).started(P)
    }),
    ("stopped after a failure, waits for its provider", || {
        let scene = Scene::all_running(ON_FAILURE).gone(P, FAILED).gone(S, FAILED);
        scene.report(S, Report::Elapsed(Timer::Restart))
    }),
    ("starting", || Scene::new(PLAIN).started(P)),
    ("starting after a failure", || {
        let scene = Scene::all_running(ON_FAILURE).gone(S, FAILED);
        scene.report(S, Report::Elapsed(Timer::Restart))
    }),
    ("running", || Scene::all_running(PLAIN)),
    ("running, restarted on failure", || Scene::all_running(ON_FAILURE)),
    ("running, to stop in a cascade", || {
        Scene::all_running(PLAIN).command(S, Verb::Stop { cascade: true })
    }),
    ("running, to stop because the application closes", || {
        Scene::all_running(PLAIN).happens(Move::Close)
    }),
    ("running, to restart with its provider", || {
        let scene = Scene::of(chain(EdgePolicy::Restart), ON_FAILURE, Groups::default());
        let scene = scene.started(P).started(S).started(D).command(P, RESTART);
        scene.gone(P, Exit::Stopped)
    }),
    ("running, to restart with its group", || {
        let scene = Scene::of(chain(EdgePolicy::Hold), ON_FAILURE, one_for_all());
        let scene = scene.started(P).started(S).started(D);
        scene.report(S, Report::Ending(FAILED))
    }),
    ("stopping for an operator", || Scene::all_running(PLAIN).command(S, STOP)),
    ("stopping for a restart", || Scene::all_running(PLAIN).command(S, RESTART)),
    ("stopping because it failed", || Scene::all_running(PLAIN).report(S, Report::Ending(FAILED))),
    ("error", || Scene::all_running(PLAIN).gone(S, FAILED)),
    ("error, to be restarted", || Scene::all_running(ON_FAILURE).gone(S, FAILED)),
    ("error, its provider was unavailable", || {
        let unavailable = Exit::Failed(ErrorKind::Dependency);
        Scene::all_running(ON_FAILURE).gone(P, FAILED).gone(S, unavailable)
    }),
    ("error, exhausted", || {
        Scene::all_running(ON_FAILURE).gone(S, FAILED).report(S, Report::Exhausted)
    }),
    ("error, closing", || Scene::all_running(ON_FAILURE).gone(S, FAILED).happens(Move::Close)),
    ("error, orphaned", Scene::orphaned),
];

#[test]
fn every_command_in_every_situation_under_every_fault() {
    let mut table = String::new();
    for (name, scene) in SITUATIONS {
        writeln!(table, "{name}").expect("a string takes what is written");
        for verb in VERBS.into_iter().chain(DEREGISTER) {
            let cell = |fault: Fault| format!("{}: {}", fault.name, scene().cell(verb, fault));
            let cells = FAULTS.map(cell).into_iter().filter(|cell| !cell.ends_with('–'));
            let cells: Vec<String> = cells.collect();
            writeln!(table, "  {:<25}{}", verb_words(verb), cells.join("; "))
                .expect("a string takes what is written");
        }
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/commands.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &table).expect("the golden file is written");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    for (told, golden) in table.lines().zip(golden.lines()) {
        assert_eq!(told, golden);
    }
    assert_eq!(table.lines().count(), golden.lines().count());
}
