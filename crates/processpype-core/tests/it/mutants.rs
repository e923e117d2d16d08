//! Broken machines that the exploration must catch: a check that finds nothing proves nothing.
//!
//! A mutant is the true [`Machine`] behind an adapter that alters one thing about what goes in or
//! out.

use processpype_core::{
    Action, Exit, Graph, Machine, OperationId, Outcome, Report, ServiceState, Timer, Verb,
};

use crate::dags::dags;
use crate::exhaustive::{AT_ONCE, PLAIN};
use crate::explorer::{Application, Bounds, Subject, drive, explore};
use crate::observer::Broken;
use crate::world::Move;

/// What is wrong about a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Nothing: the adapter itself must break nothing.
    None,
    /// Starts without waiting for one of its providers.
    EdgeIgnored,
    /// Does not hear that a provider is unready.
    ReadinessIgnored,
    /// Asks everything to stop at once when the application closes.
    StopsAllAtOnce,
    /// Asks the provider to stop at once in a cascade.
    StopsProviderFirst,
    /// Takes a late report for one of the current generation.
    GenerationUnchecked,
    /// Begins the next generation before the last one is gone.
    RestartsTooEarly,
    /// Numbers a generation as the one before.
    GenerationReused,
    /// Sets no timer for a start.
    StartUntimed,
    /// Sets no timer for a stop.
    StopUntimed,
    /// Does nothing when a stop takes too long.
    StopTimeoutIgnored,
    /// Never asks the generation to stop.
    StopLost,
    /// Never hears of an end.
    EndLost,
    /// Loses the end of an operation.
    OperationLost,
    /// Ends an operation twice.
    OperationTwice,
    /// Says that a stop is done when it has only begun.
    StopDoneTooEarly,
    /// Starts a service again that an operator stopped.
    StopForgotten,
    /// Tells closed twice.
    ClosedTwice,
    /// Never tells that all is settled.
    SettledLost,
    /// Tells one transition of a life less.
    ChangeLost,
    /// Does not tell what is waited for.
    TouchLost,
}

#[derive(Clone)]
struct Mutant {
    machine: Machine,
    fault: Fault,
}

/// Finds the first invariant that the mutant breaks, on the smallest applications that show it.
fn caught(fault: Fault) -> Option<Broken> {
    let bounds = Bounds { faults: 1, commands: 1 };
    (1..=3).flat_map(dags).find_map(|graph| {
        let n = graph.len();
        let machine = Machine::new(known(fault, &graph), vec![PLAIN; n], AT_ONCE);
        let application = Application::new(graph, vec![PLAIN; n]).without_symmetries();
        let found = explore(&application, &Mutant { machine, fault }, bounds);
        found.err().map(|found| found.broken)
    })
}

/// The graph as the mutant knows it.
fn known(fault: Fault, graph: &Graph) -> Graph {
    let skipped = usize::from(fault == Fault::EdgeIgnored);
    let edges: Vec<_> = graph.edges().skip(skipped).collect();
    Graph::new(graph.len() as u32, edges).expect("fewer edges make no cycle")
}

// === impl Mutant ===

impl Mutant {
    fn distort(&mut self, happened: Move) -> Option<Move> {
        match (self.fault, happened) {
            (Fault::ReadinessIgnored, Move::Report(_, _, Report::Ready(false)))
            | (Fault::StopTimeoutIgnored, Move::Report(_, _, Report::Elapsed(Timer::Stop)))
            | (Fault::EndLost, Move::Report(_, _, Report::Gone(_))) => None,
            (Fault::GenerationUnchecked, Move::Report(id, _, report)) => {
                Some(Move::Report(id, self.machine.generation(id), report))
            }
            _ => Some(happened),
        }
    }

    fn lie(&mut self, happened: Move, actions: &mut Vec<Action>) {
        let last = |actions: &Vec<Action>, wanted: fn(&Action) -> bool| {
            actions.iter().copied().rfind(wanted)
        };
        match self.fault {
            Fault::StartUntimed => {
                actions.retain(|action| !matches!(action, Action::Arm(_, _, Timer::Start)));
            }
            Fault::StopUntimed => {
                actions.retain(|action| !matches!(action, Action::Arm(_, _, Timer::Stop)));
            }
            Fault::StopLost => actions.retain(|action| !matches!(action, Action::Stop(..))),
            Fault::SettledLost => actions.retain(|action| *action != Action::Settled),
            Fault::TouchLost => actions.retain(|action| !matches!(action, Action::Touched(_))),
            Fault::ChangeLost => actions.retain(|action| match action {
                Action::Changed(change) => change.to != ServiceState::Stopped,
                _ => true,
            }),
            Fault::OperationLost => {
                actions.retain(|action| !matches!(action, Action::Finish(_, Outcome::Superseded)));
            }
            Fault::OperationTwice => {
                actions.extend(last(actions, |action| matches!(action, Action::Finish(..))));
            }
            Fault::ClosedTwice => {
                actions.extend(last(actions, |action| *action == Action::Closed));
            }
            Fault::GenerationReused => actions.iter_mut().for_each(|action| {
                if let Action::Spawn(_, generation) = action {
                    generation.0 = generation.0.min(1);
                }
            }),
            Fault::StopsAllAtOnce if happened == Move::Close => self.stop_all(actions),
            Fault::StopsProviderFirst => self.stop_first(happened, actions),
            Fault::RestartsTooEarly => self.restart_early(happened, actions),
            Fault::StopDoneTooEarly => finish_stop(happened, actions),
            Fault::StopForgotten => self.forget_stop(happened, actions),
            _ => {}
        }
    }

    fn stop_all(&self, actions: &mut Vec<Action>) {
        for id in self.machine.graph().services() {
            if self.machine.state(id) == ServiceState::Running {
                actions.push(Action::Stop(id, self.machine.generation(id)));
            }
        }
    }

    fn stop_first(&self, happened: Move, actions: &mut Vec<Action>) {
        if let Move::Command(_, id, Verb::Stop { cascade: true }) = happened
            && self.machine.state(id) == ServiceState::Running
        {
            actions.push(Action::Stop(id, self.machine.generation(id)));
        }
    }

    fn restart_early(&mut self, happened: Move, actions: &mut Vec<Action>) {
        if let Move::Command(_, id, Verb::Restart) = happened
            && self.machine.state(id) == ServiceState::Stopping
        {
            let gone = Report::Gone(Exit::Stopped);
            self.machine.report(id, self.machine.generation(id), gone, actions);
        }
    }

    fn forget_stop(&mut self, happened: Move, actions: &mut Vec<Action>) {
        let Move::Report(id, _, Report::Gone(_)) = happened else { return };
        let stops = |action: &Action| matches!(action, Action::Finish(_, Outcome::Done { .. }));
        if actions.iter().any(stops) && self.machine.state(id) == ServiceState::Stopped {
            let own = OperationId(u64::MAX);
            let verb = Verb::Start { with_dependencies: false };
            self.machine.command(own, id, verb, actions);
            actions.retain(|action| match action {
                Action::Finish(of, _) => *of != own,
                action => *action != Action::Forgive(id),
            });
        }
    }
}

fn finish_stop(happened: Move, actions: &mut Vec<Action>) {
    if let Move::Command(operation, _, Verb::Stop { .. }) = happened
        && !actions.iter().any(|action| matches!(action, Action::Finish(of, _) if *of == operation))
    {
        actions.push(Action::Finish(operation, Outcome::Done { changed: true }));
    }
}

impl Subject for Mutant {
    fn take(&mut self, happened: Move, actions: &mut Vec<Action>) {
        if let Some(happened) = self.distort(happened) {
            drive(&mut self.machine, happened, actions);
        }
        self.lie(happened, actions);
    }

    fn machine(&self) -> &Machine {
        &self.machine
    }

    fn machine_mut(&mut self) -> &mut Machine {
        &mut self.machine
    }
}

/// One test for each mutant: caught, and by which invariant.
macro_rules! mutants {
    ($($name:ident: $fault:ident => $broken:pat,)*) => {$(
        #[test]
        fn $name() {
            let broken = caught(Fault::$fault);
            assert!(matches!(broken, Some($broken)), "{:?}: {broken:?}", Fault::$fault);
        }
    )*};
}

mutants! {
    mutant_edge_ignored_is_caught: EdgeIgnored => Broken::StartOrder(_),
    mutant_readiness_ignored_is_caught: ReadinessIgnored => Broken::StartOrder(_),
    mutant_stops_all_at_once_is_caught: StopsAllAtOnce => Broken::StopOrder(_),
    mutant_stops_provider_first_is_caught: StopsProviderFirst => Broken::StopOrder(_),
    mutant_generation_unchecked_is_caught: GenerationUnchecked => Broken::Late(_),
    mutant_restarts_too_early_is_caught: RestartsTooEarly => Broken::TwoGenerations(_),
    mutant_generation_reused_is_caught: GenerationReused => Broken::TwoGenerations(_),
    mutant_start_untimed_is_caught: StartUntimed => Broken::NoTimer(_),
    mutant_stop_untimed_is_caught: StopUntimed => Broken::NoTimer(_),
    mutant_stop_timeout_ignored_is_caught: StopTimeoutIgnored => Broken::NoTimer(_),
    mutant_stop_lost_is_caught: StopLost => Broken::Rest(_),
    mutant_end_lost_is_caught: EndLost => Broken::Chain(..),
    mutant_operation_lost_is_caught: OperationLost => Broken::Rest(_),
    mutant_operation_twice_is_caught: OperationTwice => Broken::Operation(..),
    mutant_stop_done_too_early_is_caught: StopDoneTooEarly => Broken::Operation(..),
    mutant_stop_forgotten_is_caught: StopForgotten => Broken::Unasked(..),
    mutant_closed_twice_is_caught: ClosedTwice => Broken::Once(_),
    mutant_settled_lost_is_caught: SettledLost => Broken::Rest(_),
    mutant_change_lost_is_caught: ChangeLost => Broken::Chain(..),
    mutant_touch_lost_is_caught: TouchLost => Broken::Untold(_),
}

#[test]
fn a_mutant_without_a_fault_is_not_caught() {
    assert_eq!(caught(Fault::None), None);
}
