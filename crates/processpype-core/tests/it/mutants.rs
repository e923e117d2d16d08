//! Broken machines that the exploration must catch: a check that finds nothing proves nothing.
//!
//! A mutant is the true [`Machine`] behind an adapter that alters one thing about what goes in or
//! out.

use processpype_core::{
    Action, Cause, Change, CloseCause, Desired, EdgePolicy, Exit, Graph, Group, Groups, Machine,
    OperationId, Outcome, Report, RestartPolicy, ServiceId, ServiceState, Strategy, Timer, Traits,
    Verb,
};

use crate::dags::{dags, grouped, policed};
use crate::exhaustive::{AT_ONCE, ON_FAILURE, PLAIN};
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
    /// Restarts whatever ended, whatever the policy says.
    PolicyIgnored,
    /// Forgets to restart.
    RetryLost,
    /// Takes a wait for a provider from the budget.
    BudgetForDependency,
    /// Takes nothing from the budget although no provider was missing.
    PausesForNothing,
    /// Takes a second restart from the budget when a service begins to wait.
    BudgetForWaiting,
    /// Restarts although the budget is gone.
    ExhaustionIgnored,
    /// Restarts what an operator has stopped meanwhile.
    RetryOutlivesStop,
    /// Restarts what fails while the application closes.
    RetriesWhileClosing,
    /// Does not forget the failures of what an operator starts.
    NeverForgives,
    /// Settles although a significant service may still come to run.
    SettlesWhileRetrying,
    /// Closes at the first failure of a significant service.
    ClosesAtFirstFailure,
    /// Does not restart with the provider.
    RestartEdgeHolds,
    /// Restarts with every provider.
    HoldEdgeRestarts,
    /// Waits for what is optional.
    OptionalEdgeGates,
    /// Orders nothing by what is optional.
    OptionalEdgeIgnored,
    /// Restarts a chain of dependents at once.
    RestartsUnordered,
    /// Restarts whoever failed, alone.
    GroupIgnored,
    /// Restarts the whole group, whoever failed.
    GroupTooWide,
    /// Restarts those after the one that failed, not all.
    GroupTooNarrow,
    /// Never lets those take their turn who waited for a provider that is back.
    TurnLost,
    /// Starts whoever has to take its turn at once.
    TurnSkipped,
    /// Lets those take their turn whom an operator started.
    OperatorTakesTurn,
    /// Starts past an orphan although nobody forced it.
    AlwaysForces,
    /// Restarts a service without those that need it.
    DependentsIgnored,
    /// Starts one more at a time than it may.
    OnePlaceMore,
    /// Forgets the failures of what it refuses to start.
    RefusalForgives,
}

#[derive(Clone)]
struct Mutant {
    machine: Machine,
    fault: Fault,
}

/// Finds the first invariant that the mutant breaks, on the smallest applications that show it.
fn caught(fault: Fault) -> Option<Broken> {
    let bounds = Bounds { faults: 1, commands: if fault == Fault::AlwaysForces { 2 } else { 1 } };
    let (applications, traits) = scene(fault);
    applications.into_iter().find_map(|(graph, groups)| {
        let n = graph.len();
        let known_traits = match fault {
            Fault::PolicyIgnored => Traits { restart: RestartPolicy::Always, ..traits },
            _ => traits,
        };
        let places = if fault == Fault::OnePlaceMore { 1 } else { AT_ONCE };
        let machine = Machine::new(known(fault, &graph), vec![known_traits; n], places + 1);
        let machine = machine.with_groups(known_groups(fault, &groups));
        let application = Application::new(graph, vec![traits; n]).with_groups(groups);
        let application = application.with_places(places);
        let found = explore(&application, &Mutant { machine, fault }, bounds);
        found.err().map(|found| found.broken)
    })
}

/// The applications that can show a fault.
fn scene(fault: Fault) -> (Vec<(Graph, Groups)>, Traits) {
    let plain = |graphs: Vec<Graph>| -> Vec<_> {
        graphs.into_iter().map(|graph| (graph, Groups::default())).collect()
    };
    let small = || plain((1..=3).flat_map(dags).collect());
    match fault {
        Fault::GroupIgnored | Fault::GroupTooWide | Fault::GroupTooNarrow => {
            ((2..=3).flat_map(grouped).collect(), ON_FAILURE)
        }
        Fault::TurnLost | Fault::TurnSkipped | Fault::OperatorTakesTurn => (small(), ON_FAILURE),
        Fault::PolicyIgnored => (small(), PLAIN),
        Fault::RetryLost
        | Fault::BudgetForDependency
        | Fault::PausesForNothing
        | Fault::BudgetForWaiting
        | Fault::ExhaustionIgnored
        | Fault::RetryOutlivesStop
        | Fault::RetriesWhileClosing
        | Fault::NeverForgives => (small(), ON_FAILURE),
        Fault::SettlesWhileRetrying | Fault::ClosesAtFirstFailure => {
            (small(), Traits { significant: true, ..ON_FAILURE })
        }
        Fault::RestartEdgeHolds
        | Fault::HoldEdgeRestarts
        | Fault::OptionalEdgeGates
        | Fault::OptionalEdgeIgnored
        | Fault::RestartsUnordered => {
            let graphs = (2..=3).flat_map(|n| [policed(n), dags(n)].concat()).collect();
            (plain(graphs), ON_FAILURE)
        }
        _ => (small(), PLAIN),
    }
}

/// The groups as the mutant knows them.
fn known_groups(fault: Fault, groups: &Groups) -> Groups {
    let known = |group: &Group| Group {
        strategy: match (fault, group.strategy) {
            (Fault::GroupIgnored, _) => Strategy::OneForOne,
            (Fault::GroupTooWide, Strategy::RestForOne) => Strategy::OneForAll,
            (Fault::GroupTooNarrow, Strategy::OneForAll) => Strategy::RestForOne,
            (_, strategy) => strategy,
        },
        members: group.members.clone(),
    };
    let services =
        1 + groups.all().iter().flat_map(|g| &g.members).map(|id| id.0).max().unwrap_or(0);
    Groups::new(services, groups.all().iter().map(known)).expect("the same members")
}

/// The graph as the mutant knows it.
fn known(fault: Fault, graph: &Graph) -> Graph {
    let skipped = usize::from(fault == Fault::EdgeIgnored);
    let policy = |edge| graph.policy(edge).unwrap_or_default();
    let mut edges: Vec<_> = graph.edges().skip(skipped).map(|e| (e, policy(e))).collect();
    let mut replace = |from, to| {
        edges.iter_mut().filter(|(_, policy)| *policy == from).for_each(|edge| edge.1 = to);
    };
    match fault {
        Fault::RestartEdgeHolds => replace(EdgePolicy::Restart, EdgePolicy::Hold),
        Fault::HoldEdgeRestarts => replace(EdgePolicy::Hold, EdgePolicy::Restart),
        Fault::OptionalEdgeGates => replace(EdgePolicy::Optional, EdgePolicy::Hold),
        Fault::OptionalEdgeIgnored => edges.retain(|edge| edge.1 != EdgePolicy::Optional),
        _ => {}
    }
    Graph::with_policies(graph.len() as u32, edges).expect("fewer edges make no cycle")
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
            (Fault::AlwaysForces, Move::Command(operation, id, Verb::Start { .. })) => {
                let verb = Verb::Start { with_dependencies: false, force: true };
                Some(Move::Command(operation, id, verb))
            }
            (Fault::DependentsIgnored, Move::Command(operation, id, Verb::Restart { .. })) => {
                let verb = Verb::Restart { with_dependents: false };
                Some(Move::Command(operation, id, verb))
            }
            (Fault::ExhaustionIgnored, Move::Report(id, generation, Report::Exhausted))
                if self.would_give_up(id) =>
            {
                Some(Move::Report(id, generation, Report::Elapsed(Timer::Restart)))
            }
            (Fault::RetryOutlivesStop, Move::Report(id, _, Report::Elapsed(Timer::Restart)))
                if self.machine.desired(id) == Desired::Stopped =>
            {
                let start = Verb::Start { with_dependencies: false, force: false };
                Some(Move::Command(OperationId(u64::MAX), id, start))
            }
            _ => Some(happened),
        }
    }

    fn would_give_up(&self, id: ServiceId) -> bool {
        let mut machine = self.machine.clone();
        machine.report(id, machine.generation(id), Report::Exhausted, &mut Vec::new());
        machine.is_exhausted(id) && !self.machine.is_exhausted(id)
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
            Fault::TurnLost => actions.retain(|action| !matches!(action, Action::Spread(..))),
            Fault::TurnSkipped => self.skip_turns(actions),
            Fault::OperatorTakesTurn => self.spread(actions),
            Fault::RetryLost => actions.retain(|action| !matches!(action, Action::Retry(..))),
            Fault::RefusalForgives => forgive_refused(happened, actions),
            Fault::NeverForgives => {
                actions.retain(|action| !matches!(action, Action::Forgive(_)));
            }
            Fault::BudgetForDependency | Fault::PausesForNothing => exchange(self.fault, actions),
            Fault::BudgetForWaiting => {
                self.retry(actions, |change| change.cause == Cause::Dependency);
            }
            Fault::RetriesWhileClosing if self.machine.is_closing() => {
                self.retry(actions, |change| change.to == ServiceState::Error);
            }
            Fault::SettlesWhileRetrying if !self.machine.is_settled() => {
                let retries = last(actions, |action| matches!(action, Action::Retry(..)));
                actions.extend(retries.map(|_| Action::Settled));
            }
            Fault::ClosesAtFirstFailure => {
                if let Some(Action::Retry(id, _)) =
                    last(actions, |action| matches!(action, Action::Retry(..)))
                {
                    actions.push(Action::Closing(CloseCause::Significant(id)));
                }
            }
            Fault::RestartsUnordered => self.restart_all(actions),
            Fault::StopsAllAtOnce if happened == Move::Close => self.stop_all(actions),
            Fault::StopsProviderFirst => self.stop_first(happened, actions),
            Fault::RestartsTooEarly => self.restart_early(happened, actions),
            Fault::StopDoneTooEarly => finish_stop(happened, actions),
            Fault::StopForgotten => self.forget_stop(happened, actions),
            _ => {}
        }
    }

    /// Lets whoever has to take its turn begin at once.
    fn skip_turns(&mut self, actions: &mut Vec<Action>) {
        let turns: Vec<Action> =
            actions.extract_if(.., |action| matches!(action, Action::Spread(..))).collect();
        for turn in turns {
            if let Action::Spread(id, generation) = turn {
                self.machine.report(id, generation, Report::Elapsed(Timer::Restart), actions);
            }
        }
    }

    /// Lets whoever an operator started take its turn.
    fn spread(&self, actions: &mut Vec<Action>) {
        let started = actions.iter().find_map(|action| match action {
            Action::Changed(change) if change.cause == Cause::Operator => Some(change.service),
            _ => None,
        });
        actions.extend(started.map(|id| Action::Spread(id, self.machine.generation(id))));
    }

    fn stop_all(&self, actions: &mut Vec<Action>) {
        for id in self.machine.graph().services() {
            if self.machine.state(id) == ServiceState::Running {
                actions.push(Action::Stop(id, self.machine.generation(id)));
            }
        }
    }

    /// Asks for a restart of whatever changed like this.
    fn retry(&self, actions: &mut Vec<Action>, of: impl Fn(&Change) -> bool) {
        let changed = actions.iter().find_map(|action| match action {
            Action::Changed(change) if of(change) => Some(change.service),
            _ => None,
        });
        actions.extend(changed.map(|id| Action::Retry(id, self.machine.generation(id))));
    }

    /// Asks all that wait for their turn to be restarted, whoever lives.
    fn restart_all(&self, actions: &mut Vec<Action>) {
        if actions.iter().any(|action| matches!(action, Action::Spawn(..))) {
            for id in self.machine.graph().services() {
                let waits = self.machine.is_ready(id) && !self.machine.is_available(id);
                if waits {
                    actions.push(Action::Stop(id, self.machine.generation(id)));
                }
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
        if let Move::Command(_, id, Verb::Restart { .. }) = happened
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
            let verb = Verb::Start { with_dependencies: false, force: false };
            self.machine.command(own, id, verb, actions);
            actions.retain(|action| match action {
                Action::Finish(of, _) => *of != own,
                action => *action != Action::Forgive(id),
            });
        }
    }
}

/// Takes what costs nothing from the budget, or the other way round.
fn exchange(fault: Fault, actions: &mut [Action]) {
    for action in actions {
        match (fault, *action) {
            (Fault::BudgetForDependency, Action::Pause(id, generation)) => {
                *action = Action::Retry(id, generation);
            }
            (Fault::PausesForNothing, Action::Retry(id, generation)) => {
                *action = Action::Pause(id, generation);
            }
            _ => {}
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

fn forgive_refused(happened: Move, actions: &mut Vec<Action>) {
    let refused = matches!(&actions[..], [Action::Finish(_, Outcome::Refused(_))]);
    if let (true, Move::Command(_, id, Verb::Start { .. })) = (refused, happened) {
        actions.push(Action::Forgive(id));
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
    mutant_settled_lost_is_caught: SettledLost => Broken::Once(_),
    mutant_change_lost_is_caught: ChangeLost => Broken::Chain(..),
    mutant_touch_lost_is_caught: TouchLost => Broken::Untold(_),
    mutant_policy_ignored_is_caught: PolicyIgnored => Broken::Recovery(..),
    mutant_retry_lost_is_caught: RetryLost => Broken::Recovery(..),
    mutant_budget_for_dependency_is_caught: BudgetForDependency => Broken::Recovery(..),
    mutant_pauses_for_nothing_is_caught: PausesForNothing => Broken::Recovery(..),
    mutant_budget_for_waiting_is_caught: BudgetForWaiting => Broken::Recovery(..),
    mutant_exhaustion_ignored_is_caught: ExhaustionIgnored => Broken::Unasked(..),
    mutant_retry_outlives_stop_is_caught: RetryOutlivesStop => Broken::Late(_),
    mutant_retries_while_closing_is_caught: RetriesWhileClosing => Broken::Recovery(..),
    mutant_never_forgives_is_caught: NeverForgives => Broken::Recovery(..),
    mutant_settles_while_retrying_is_caught: SettlesWhileRetrying => Broken::Once(_),
    mutant_closes_at_first_failure_is_caught: ClosesAtFirstFailure => Broken::Once(_),
    mutant_restart_edge_holds_is_caught: RestartEdgeHolds => Broken::Recovery(..),
    mutant_hold_edge_restarts_is_caught: HoldEdgeRestarts => Broken::Unasked(..),
    mutant_optional_edge_gates_is_caught: OptionalEdgeGates => Broken::Once(_),
    mutant_optional_edge_ignored_is_caught: OptionalEdgeIgnored => Broken::StopOrder(_),
    mutant_restarts_unordered_is_caught: RestartsUnordered => Broken::StopOrder(_),
    mutant_group_ignored_is_caught: GroupIgnored => Broken::StartOrder(_),
    mutant_group_too_wide_is_caught: GroupTooWide => Broken::Recovery(..),
    mutant_group_too_narrow_is_caught: GroupTooNarrow => Broken::StartOrder(_),
    mutant_turn_lost_is_caught: TurnLost => Broken::Rest(_),
    mutant_turn_skipped_is_caught: TurnSkipped => Broken::Recovery(..),
    mutant_operator_takes_turn_is_caught: OperatorTakesTurn => Broken::Recovery(..),
    mutant_always_forces_is_caught: AlwaysForces => Broken::TwoGenerations(_),
    mutant_dependents_ignored_is_caught: DependentsIgnored => Broken::StopOrder(_),
    mutant_one_place_more_is_caught: OnePlaceMore => Broken::Places(_),
    mutant_refusal_forgives_is_caught: RefusalForgives => Broken::Refused(_),
}

#[test]
fn a_mutant_without_a_fault_is_not_caught() {
    assert_eq!(caught(Fault::None), None);
}
