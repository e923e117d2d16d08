//! Scenes of small applications; the exhaustive check is in `tests/it/`.

mod cascades;
mod commands;
mod found;
mod order;
mod recovery;
mod together;
mod turns;

use ServiceState::{Error, Running, Starting, Stopped, Stopping};

use super::*;
use crate::exit::{ErrorKind, Exit};
use crate::graph::{Edge, EdgePolicy};
use crate::group::{Group, Strategy};
use crate::restart::RestartPolicy;

const TRAITS: Traits = Traits {
    enabled: true,
    autostart: true,
    oneshot: false,
    significant: false,
    restart: RestartPolicy::Never,
};
const A: ServiceId = ServiceId(0);
const B: ServiceId = ServiceId(1);
const C: ServiceId = ServiceId(2);
const START: Verb = Verb::Start { with_dependencies: false, force: false };
const STOP: Verb = Verb::Stop { cascade: false };
const STOP_CASCADE: Verb = Verb::Stop { cascade: true };
const START_ALL: Verb = Verb::Start { with_dependencies: true, force: false };

/// B needs A. Every answer is carried out by hand.
struct Scene {
    machine: Machine,
    actions: Vec<Action>,
}

impl Scene {
    fn new(traits: [Traits; 2]) -> Self {
        let graph = Graph::new(2, [Edge { dependent: B, provider: A }]).expect("one edge");
        Self { machine: Machine::new(graph, traits.into(), 8), actions: Vec::new() }
    }

    fn of(machine: Machine) -> Self {
        Self { machine, actions: Vec::new() }
    }

    /// B needs A like this; both are restarted on failure, and run.
    fn restarted(policy: EdgePolicy) -> Self {
        let edge = (Edge { dependent: B, provider: A }, policy);
        let graph = Graph::with_policies(2, [edge]).expect("one edge");
        let machine = Machine::new(graph, vec![Traits::default(); 2], 8);
        let mut scene = Self { machine, actions: Vec::new() };
        scene.machine.boot(&mut scene.actions);
        scene.report(A, Report::Started { ready: true });
        scene.report(B, Report::Started { ready: true });
        scene.actions.clear();
        scene
    }

    fn fail(&mut self, id: ServiceId, kind: ErrorKind) {
        self.report(id, Report::Gone(Exit::Failed(kind)));
    }

    fn booted() -> Self {
        let mut scene = Self::new([TRAITS; 2]);
        scene.machine.boot(&mut scene.actions);
        scene
    }

    fn running() -> Self {
        let mut scene = Self::booted();
        scene.report(A, Report::Started { ready: true });
        scene.report(B, Report::Started { ready: true });
        scene.actions.clear();
        scene
    }

    fn report(&mut self, id: ServiceId, report: Report) {
        let generation = self.machine.generation(id);
        self.machine.report(id, generation, report, &mut self.actions);
    }

    fn command(&mut self, operation: u64, id: ServiceId, verb: Verb) {
        self.machine.command(OperationId(operation), id, verb, &mut self.actions);
    }

    /// It waited for a provider that is back, and now it is its turn.
    #[track_caller]
    fn take_turn(&mut self, id: ServiceId) {
        let spread = Action::Spread(id, self.machine.generation(id));
        assert!(self.actions.contains(&spread) && self.machine.is_retrying(id));
        self.report(id, Report::Elapsed(Timer::Restart));
    }

    #[track_caller]
    fn check(&self, a: ServiceState, b: ServiceState) {
        assert_eq!((self.machine.state(A), self.machine.state(B)), (a, b));
    }

    #[track_caller]
    fn check_all(&self, states: [ServiceState; 3]) {
        assert_eq!([A, B, C].map(|id| self.machine.state(id)), states);
    }

    #[track_caller]
    fn check_finished(&self, operation: u64, outcome: Outcome) {
        let finish = Action::Finish(OperationId(operation), outcome);
        assert!(self.actions.contains(&finish), "{finish:?} not in {:#?}", self.actions);
    }
}
