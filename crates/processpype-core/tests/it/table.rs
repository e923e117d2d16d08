//! What each command does in each situation: every cell of operation × state, named.
//!
//! The subject `S` needs the provider `P` and is needed by `D`. A cell tells how the operation ends
//! at once (`waits` if it does not) and the state of `S` then.

use processpype_core::{
    Action, CloseCause, Edge, EdgePolicy, ErrorKind, Exit, Graph, Machine, OperationId, Outcome,
    Refusal, Report, ServiceId, Timer, Traits, Verb,
};

use crate::exhaustive::{ON_FAILURE, PLAIN};
use crate::world::VERBS;

const P: ServiceId = ServiceId(0);
const S: ServiceId = ServiceId(1);
const D: ServiceId = ServiceId(2);
const OPERATION: OperationId = OperationId(99);
const FAILED: Exit = Exit::Failed(ErrorKind::Failed);
const STOP: Verb = Verb::Stop { cascade: false };

struct Scene {
    machine: Machine,
    actions: Vec<Action>,
}

// === impl Scene ===

impl Scene {
    fn new(subject: Traits) -> Self {
        let edges = [Edge { dependent: S, provider: P }, Edge { dependent: D, provider: S }];
        Self::of(Graph::new(3, edges).expect("a chain has no cycle"), subject)
    }

    fn of(graph: Graph, subject: Traits) -> Self {
        let mut machine = Machine::new(graph, vec![PLAIN, subject, PLAIN], 8);
        let mut actions = Vec::new();
        machine.boot(&mut actions);
        Self { machine, actions }
    }

    fn report(mut self, id: ServiceId, report: Report) -> Self {
        let generation = self.machine.generation(id);
        self.machine.report(id, generation, report, &mut self.actions);
        self
    }

    fn started(self, id: ServiceId) -> Self {
        self.report(id, Report::Started { ready: true })
    }

    fn gone(self, id: ServiceId, exit: Exit) -> Self {
        self.report(id, Report::Gone(exit))
    }

    fn command(mut self, operation: u64, id: ServiceId, verb: Verb) -> Self {
        self.machine.command(OperationId(operation), id, verb, &mut self.actions);
        self
    }

    fn closed(mut self) -> Self {
        self.machine.close(CloseCause::Requested, &mut self.actions);
        self
    }

    fn starting() -> Self {
        Self::new(PLAIN).started(P)
    }

    fn running() -> Self {
        Self::starting().started(S)
    }

    /// Running, and restarted on failure.
    fn restarted() -> Self {
        Self::new(ON_FAILURE).started(P).started(S)
    }

    fn orphaned() -> Self {
        let scene = Self::running().command(1, S, STOP);
        scene.report(S, Report::Elapsed(Timer::Stop)).report(S, Report::Elapsed(Timer::Abort))
    }

    /// The cell of a verb.
    fn cell(mut self, verb: Verb) -> String {
        self.actions.clear();
        self.machine.command(OPERATION, S, verb, &mut self.actions);
        let ended = self.actions.iter().find_map(|action| match *action {
            Action::Finish(OPERATION, outcome) => Some(outcome),
            _ => None,
        });
        let told = match ended {
            None => "waits".to_owned(),
            Some(Outcome::Done { changed: true }) => "done".to_owned(),
            Some(Outcome::Done { changed: false }) => "same".to_owned(),
            Some(Outcome::Failed(kind)) => kind.as_str().to_owned(),
            Some(Outcome::Superseded) => "superseded".to_owned(),
            Some(Outcome::Refused(refusal)) => format!("no: {}", word(refusal)),
        };
        format!("{told}, {}", self.machine.state(S))
    }
}

fn word(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Disabled => "disabled",
        Refusal::Closing => "closing",
        Refusal::Orphaned => "orphaned",
        Refusal::ProviderStopped(_) => "provider",
        _ => "?",
    }
}

/// The columns are [`VERBS`]: start, start with dependencies, stop, stop with cascade, restart.
#[track_caller]
fn check(scene: impl Fn() -> Scene, row: [&str; 5]) {
    let cells = VERBS.map(|verb| scene().cell(verb));
    assert_eq!(cells, row);
}

#[test]
fn stopped_never_started() {
    let manual = Traits { autostart: false, ..PLAIN };
    let scene = || {
        // D wants it at boot; take that back.
        Scene::new(manual).command(1, S, STOP).command(2, D, STOP).started(P)
    };
    check(
        scene,
        ["waits, starting", "waits, starting", "same, stopped", "same, stopped", "waits, starting"],
    );
}

#[test]
fn stopped_waiting_for_a_provider() {
    let row =
        ["waits, stopped", "waits, stopped", "done, stopped", "done, stopped", "waits, stopped"];
    check(|| Scene::new(PLAIN), row);
}

#[test]
fn stopped_by_an_operator() {
    let scene = || Scene::running().command(1, S, STOP).gone(S, Exit::Stopped);
    check(
        scene,
        ["waits, starting", "waits, starting", "same, stopped", "same, stopped", "waits, starting"],
    );
}

#[test]
fn stopped_because_completed() {
    let scene = || {
        let scene = Scene::running().report(S, Report::Ending(Exit::Completed));
        scene.gone(S, Exit::Completed)
    };
    check(
        scene,
        ["waits, starting", "waits, starting", "same, stopped", "same, stopped", "waits, starting"],
    );
}

#[test]
fn stopped_while_an_operator_stopped_the_provider() {
    let scene = || Scene::new(PLAIN).command(1, P, STOP);
    let row = [
        "no: provider, stopped",
        "waits, stopped",
        "done, stopped",
        "done, stopped",
        "no: provider, stopped",
    ];
    check(scene, row);
}

#[test]
fn stopped_because_disabled() {
    let disabled = Traits { enabled: false, ..PLAIN };
    let row = [
        "no: disabled, stopped",
        "no: disabled, stopped",
        "same, stopped",
        "same, stopped",
        "no: disabled, stopped",
    ];
    check(|| Scene::new(disabled).started(P), row);
}

#[test]
fn stopped_while_closing() {
    let row = [
        "no: closing, stopped",
        "no: closing, stopped",
        "same, stopped",
        "same, stopped",
        "no: closing, stopped",
    ];
    check(|| Scene::new(PLAIN).closed(), row);
}

#[test]
fn starting() {
    let row = [
        "waits, starting",
        "waits, starting",
        "waits, stopping",
        "waits, stopping",
        "waits, stopping",
    ];
    check(Scene::starting, row);
}

#[test]
fn running() {
    // A cascade waits for D, which is starting and has to stop first.
    let row =
        ["same, running", "same, running", "waits, stopping", "waits, running", "waits, stopping"];
    check(Scene::running, row);
}

#[test]
fn running_and_leaving_in_a_cascade() {
    let scene = || Scene::running().command(1, S, Verb::Stop { cascade: true });
    let row =
        ["done, running", "done, running", "waits, stopping", "waits, running", "waits, stopping"];
    check(scene, row);
}

#[test]
fn running_and_leaving_while_closing() {
    let row = [
        "no: closing, running",
        "no: closing, running",
        "waits, running",
        "waits, running",
        "no: closing, running",
    ];
    check(|| Scene::running().closed(), row);
}

#[test]
fn stopping_for_an_operator() {
    let row = ["waits, stopping"; 5];
    check(|| Scene::running().command(1, S, STOP), row);
}

#[test]
fn stopping_for_a_restart() {
    let row = ["waits, stopping"; 5];
    check(|| Scene::running().command(1, S, Verb::Restart), row);
}

#[test]
fn stopping_because_it_failed() {
    let row = ["waits, stopping"; 5];
    check(|| Scene::running().report(S, Report::Ending(FAILED)), row);
}

#[test]
fn error() {
    let row =
        ["waits, starting", "waits, starting", "done, stopped", "done, stopped", "waits, starting"];
    check(|| Scene::running().gone(S, FAILED), row);
}

#[test]
fn error_while_retrying() {
    let row =
        ["waits, starting", "waits, starting", "done, stopped", "done, stopped", "waits, starting"];
    check(|| Scene::restarted().gone(S, FAILED), row);
}

#[test]
fn error_while_paused_for_a_provider() {
    let row =
        ["waits, stopped", "waits, stopped", "done, stopped", "done, stopped", "waits, stopped"];
    let unavailable = Exit::Failed(ErrorKind::Dependency);
    check(|| Scene::restarted().gone(P, FAILED).gone(S, unavailable), row);
}

#[test]
fn stopped_waiting_for_a_provider_after_a_failure() {
    let scene = || {
        let scene = Scene::restarted().gone(P, FAILED).gone(S, FAILED);
        scene.report(S, Report::Elapsed(Timer::Restart))
    };
    let row =
        ["waits, stopped", "waits, stopped", "done, stopped", "done, stopped", "waits, stopped"];
    check(scene, row);
}

#[test]
fn error_after_too_many_restarts() {
    let row =
        ["waits, starting", "waits, starting", "done, stopped", "done, stopped", "waits, starting"];
    check(|| Scene::restarted().gone(S, FAILED).report(S, Report::Exhausted), row);
}

#[test]
fn error_while_the_application_closes() {
    let row = [
        "no: closing, error",
        "no: closing, error",
        "done, stopped",
        "done, stopped",
        "no: closing, error",
    ];
    check(|| Scene::restarted().gone(S, FAILED).closed(), row);
}

#[test]
fn starting_after_a_restart() {
    // A cascade waits for D, which has to stop first.
    let scene = || Scene::restarted().gone(S, FAILED).report(S, Report::Elapsed(Timer::Restart));
    let row = [
        "waits, starting",
        "waits, starting",
        "waits, stopping",
        "waits, starting",
        "waits, stopping",
    ];
    check(scene, row);
}

/// D chose to be restarted with S, S with P: P has just begun a new generation.
#[test]
fn running_and_leaving_to_be_restarted_with_its_provider() {
    let row = [
        "waits, running",
        "waits, running",
        "waits, stopping",
        "waits, running",
        "waits, stopping",
    ];
    let scene = || {
        let restart = |dependent, provider| (Edge { dependent, provider }, EdgePolicy::Restart);
        let graph = Graph::with_policies(3, [restart(S, P), restart(D, S)]);
        let scene = Scene::of(graph.expect("a chain has no cycle"), ON_FAILURE);
        let scene = scene.started(P).started(S).started(D).command(1, P, Verb::Restart);
        scene.gone(P, Exit::Stopped)
    };
    check(scene, row);
}

#[test]
fn error_of_an_orphan() {
    let row = [
        "no: orphaned, error",
        "no: orphaned, error",
        "orphaned, error",
        "orphaned, error",
        "no: orphaned, error",
    ];
    check(Scene::orphaned, row);
}
