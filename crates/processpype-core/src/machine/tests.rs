//! Scenes of small applications; the exhaustive check is in `tests/it/`.

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
const START: Verb = Verb::Start { with_dependencies: false, force: false };
const STOP: Verb = Verb::Stop { cascade: false };

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
    fn check_finished(&self, operation: u64, outcome: Outcome) {
        let finish = Action::Finish(OperationId(operation), outcome);
        assert!(self.actions.contains(&finish), "{finish:?} not in {:#?}", self.actions);
    }
}

use ServiceState::{Error, Running, Starting, Stopped, Stopping};

#[test]
fn a_dependent_waits_for_ready_not_for_running() {
    let mut scene = Scene::booted();
    scene.check(Starting, Stopped);
    assert_eq!(scene.machine.waiting_on(B).collect::<Vec<_>>(), [A]);
    scene.report(A, Report::Started { ready: false });
    scene.check(Running, Stopped);
    scene.report(A, Report::Ready(true));
    scene.check(Running, Starting);
}

#[test]
fn closing_stops_backwards() {
    let mut scene = Scene::running();
    scene.machine.close(CloseCause::Requested, &mut scene.actions);
    scene.check(Running, Stopping);
    scene.report(B, Report::Gone(Exit::Stopped));
    scene.check(Stopping, Stopped);
    scene.report(A, Report::Gone(Exit::Stopped));
    assert_eq!(scene.actions.last(), Some(&Action::Closed));
}

#[test]
fn a_failed_provider_leaves_its_dependent_waiting_and_settles() {
    let mut scene = Scene::booted();
    scene.report(A, Report::Gone(Exit::Failed(ErrorKind::StartFailed)));
    scene.check(Error, Stopped);
    assert!(scene.actions.contains(&Action::Settled));
    scene.command(1, A, START);
    scene.report(A, Report::Started { ready: true });
    scene.check_finished(1, Outcome::Done { changed: true });
    scene.take_turn(B);
    scene.check(Running, Starting);
}

#[test]
fn a_stop_wins_over_a_running_start() {
    let mut scene = Scene::booted();
    scene.command(1, A, START);
    scene.command(2, A, STOP);
    scene.check_finished(1, Outcome::Superseded);
    scene.report(A, Report::Gone(Exit::Stopped));
    scene.check_finished(2, Outcome::Done { changed: true });
    scene.command(3, B, START);
    scene.check_finished(3, Outcome::Refused(Refusal::ProviderStopped(A)));
    scene.command(4, B, Verb::Start { with_dependencies: true, force: false });
    scene.check(Starting, Stopped);
}

#[test]
fn a_cascade_stops_dependents_first() {
    let mut scene = Scene::running();
    scene.command(1, A, Verb::Stop { cascade: true });
    scene.check(Running, Stopping);
    scene.report(B, Report::Gone(Exit::Stopped));
    scene.check(Stopping, Stopped);
    scene.report(A, Report::Gone(Exit::Stopped));
    scene.check_finished(1, Outcome::Done { changed: true });
}

#[test]
fn a_restart_runs_a_new_generation_and_holds_dependents() {
    let mut scene = Scene::running();
    scene.command(1, A, Verb::Restart { with_dependents: false });
    scene.check(Stopping, Running);
    scene.report(A, Report::Gone(Exit::Stopped));
    scene.check(Starting, Running);
    scene.report(A, Report::Started { ready: true });
    scene.check_finished(1, Outcome::Done { changed: true });
    assert_eq!(scene.machine.generation(A), Generation(2));
}

#[test]
fn repeated_commands_change_nothing() {
    let mut scene = Scene::running();
    scene.command(1, A, START);
    scene.check_finished(1, Outcome::Done { changed: false });
    scene.command(2, B, STOP);
    scene.command(3, B, STOP);
    scene.report(B, Report::Gone(Exit::Stopped));
    scene.check_finished(2, Outcome::Done { changed: true });
    scene.check_finished(3, Outcome::Done { changed: true });
    scene.command(4, B, STOP);
    scene.check_finished(4, Outcome::Done { changed: false });
}

#[test]
fn what_cannot_be_ended_is_orphaned_and_blocks_its_successor() {
    let mut scene = Scene::running();
    scene.command(1, B, STOP);
    scene.report(B, Report::Elapsed(Timer::Stop));
    scene.report(B, Report::Elapsed(Timer::Abort));
    scene.check(Running, Error);
    scene.check_finished(1, Outcome::Failed(ErrorKind::Orphaned));
    scene.command(2, B, START);
    scene.check_finished(2, Outcome::Refused(Refusal::Orphaned));
    scene.report(B, Report::Gone(Exit::Aborted));
    scene.check(Running, Stopped);
    scene.command(3, B, START);
    scene.check(Running, Starting);
}

#[test]
fn late_reports_of_an_old_generation_change_nothing() {
    let mut scene = Scene::running();
    scene.command(1, B, Verb::Restart { with_dependents: false });
    scene.report(B, Report::Gone(Exit::Stopped));
    let before = scene.machine.clone();
    for report in [Report::Started { ready: true }, Report::Gone(Exit::Stopped)] {
        scene.machine.report(B, Generation(1), report, &mut scene.actions);
    }
    assert_eq!(scene.machine, before);
}

#[test]
fn what_fails_while_it_drains_is_not_the_first_cause() {
    let significant = Traits { significant: true, ..TRAITS };
    let mut scene = Scene::new([TRAITS, significant]);
    scene.machine.boot(&mut scene.actions);
    scene.report(A, Report::Started { ready: true });
    scene.machine.announce_close(CloseCause::Requested);
    scene.report(B, Report::Gone(Exit::Failed(ErrorKind::StartFailed)));
    scene.check(Running, Error);
    scene.machine.close(CloseCause::Significant(B), &mut scene.actions);
    assert_eq!(scene.machine.close_cause(), Some(CloseCause::Requested));
    scene.check(Stopping, Error);
}

#[test]
fn a_significant_failure_closes_the_application() {
    let significant = Traits { significant: true, ..TRAITS };
    let mut scene = Scene::new([TRAITS, significant]);
    scene.machine.boot(&mut scene.actions);
    scene.report(A, Report::Started { ready: true });
    scene.report(B, Report::Gone(Exit::Failed(ErrorKind::StartFailed)));
    assert_eq!(scene.machine.close_cause(), Some(CloseCause::SignificantAtStart(B)));
    scene.check(Stopping, Error);
}

#[test]
fn a_oneshot_is_available_once_it_has_completed_and_not_while_it_runs() {
    let oneshot = Traits { oneshot: true, ..TRAITS };
    let mut scene = Scene::new([oneshot, TRAITS]);
    scene.machine.boot(&mut scene.actions);
    scene.report(A, Report::Started { ready: true });
    scene.check(Running, Stopped);
    scene.report(A, Report::Ending(Exit::Completed));
    scene.check(Stopping, Stopped);
    scene.report(A, Report::Gone(Exit::Completed));
    scene.check(Stopped, Starting);
}

#[test]
fn a_start_pulls_in_what_does_not_start_by_itself() {
    let manual = Traits { autostart: false, ..TRAITS };
    let mut scene = Scene::new([manual, manual]);
    scene.machine.boot(&mut scene.actions);
    scene.check(Stopped, Stopped);
    scene.command(1, B, START);
    scene.check(Starting, Stopped);
}

#[test]
fn a_failure_is_followed_by_a_restart_and_too_many_by_none() {
    let mut scene = Scene::restarted(EdgePolicy::Hold);
    scene.fail(B, ErrorKind::Panic);
    assert!(scene.actions.contains(&Action::Retry(B, Generation(1))));
    scene.check(Running, Error);
    scene.report(B, Report::Elapsed(Timer::Restart));
    scene.check(Running, Starting);
    scene.fail(B, ErrorKind::StartFailed);
    scene.report(B, Report::Exhausted);
    scene.check(Running, Error);
    assert!(scene.machine.is_exhausted(B) && !scene.machine.is_retrying(B));
    scene.report(B, Report::Elapsed(Timer::Restart));
    scene.check(Running, Error);
    scene.command(1, B, START);
    assert!(scene.actions.contains(&Action::Forgive(B)) && !scene.machine.is_exhausted(B));
    scene.check(Running, Starting);
}

#[test]
fn a_start_fails_with_its_generation_although_a_retry_follows() {
    let mut scene = Scene::restarted(EdgePolicy::Hold);
    scene.fail(B, ErrorKind::Failed);
    scene.command(1, B, START);
    scene.fail(B, ErrorKind::StartFailed);
    scene.check_finished(1, Outcome::Failed(ErrorKind::StartFailed));
    assert!(scene.machine.is_retrying(B));
}

#[test]
fn a_stop_cancels_a_retry() {
    let mut scene = Scene::restarted(EdgePolicy::Hold);
    scene.fail(B, ErrorKind::Failed);
    scene.command(1, B, STOP);
    scene.check(Running, Stopped);
    scene.check_finished(1, Outcome::Done { changed: true });
    scene.report(B, Report::Elapsed(Timer::Restart));
    scene.check(Running, Stopped);
}

#[test]
fn a_service_that_failed_for_want_of_a_provider_waits_and_spends_nothing() {
    let mut scene = Scene::restarted(EdgePolicy::Hold);
    scene.fail(A, ErrorKind::Failed);
    scene.fail(B, ErrorKind::Dependency);
    assert!(scene.actions.contains(&Action::Pause(B, Generation(1))));
    scene.report(B, Report::Exhausted);
    scene.report(B, Report::Elapsed(Timer::Restart));
    scene.check(Error, Stopped);
    assert_eq!(scene.machine.waiting_on(B).collect::<Vec<_>>(), [A]);
    scene.report(A, Report::Elapsed(Timer::Restart));
    scene.report(A, Report::Started { ready: true });
    scene.take_turn(B);
    scene.check(Running, Starting);
    assert!(!scene.actions.contains(&Action::Retry(B, Generation(1))));
}

#[test]
fn a_significant_service_closes_the_application_when_it_is_given_up() {
    let significant = Traits { significant: true, ..Traits::default() };
    let mut scene = Scene::new([TRAITS, significant]);
    scene.machine.boot(&mut scene.actions);
    scene.report(A, Report::Started { ready: true });
    scene.fail(B, ErrorKind::StartFailed);
    assert!(!scene.machine.is_closing() && !scene.machine.is_settled());
    scene.report(B, Report::Exhausted);
    assert_eq!(scene.machine.close_cause(), Some(CloseCause::SignificantAtStart(B)));
}

#[test]
fn always_repeats_what_completed_unless_it_was_stopped() {
    let repeated = Traits { oneshot: true, restart: RestartPolicy::Always, ..TRAITS };
    let mut scene = Scene::new([TRAITS, repeated]);
    scene.machine.boot(&mut scene.actions);
    scene.report(A, Report::Started { ready: true });
    scene.report(B, Report::Started { ready: true });
    scene.report(B, Report::Gone(Exit::Completed));
    scene.check(Running, Stopped);
    scene.report(B, Report::Elapsed(Timer::Restart));
    scene.check(Running, Starting);
    scene.command(1, B, STOP);
    scene.report(B, Report::Gone(Exit::Stopped));
    assert!(!scene.machine.is_retrying(B));
}

#[test]
fn an_orphan_that_ends_after_all_is_restarted() {
    let mut scene = Scene::restarted(EdgePolicy::Hold);
    scene.command(1, B, Verb::Restart { with_dependents: false });
    for timer in [Timer::Stop, Timer::Abort] {
        scene.report(B, Report::Elapsed(timer));
    }
    scene.check(Running, Error);
    assert!(!scene.machine.is_retrying(B));
    scene.report(B, Report::Gone(Exit::Aborted));
    assert!(scene.machine.is_retrying(B));
}

#[test]
fn a_cascade_holds_an_orphan_that_would_come_back() {
    let mut scene = Scene::restarted(EdgePolicy::Hold);
    scene.command(1, B, Verb::Restart { with_dependents: false });
    for timer in [Timer::Stop, Timer::Abort] {
        scene.report(B, Report::Elapsed(timer));
    }
    scene.check(Running, Error);
    assert_eq!(scene.machine.cascade(A).collect::<Vec<_>>(), [B]);
    scene.command(2, A, Verb::Stop { cascade: true });
    // It is in nobody's way.
    scene.check(Stopping, Error);
    scene.report(A, Report::Gone(Exit::Stopped));
    scene.check_finished(2, Outcome::Done { changed: true });
    scene.report(B, Report::Gone(Exit::Aborted));
    scene.check(Stopped, Stopped);
    assert!(!scene.machine.is_retrying(B));
    scene.command(3, A, START);
    scene.report(A, Report::Started { ready: true });
    scene.check(Running, Stopped);
}

#[test]
fn a_restart_edge_restarts_with_the_provider_and_a_hold_edge_does_not() {
    for (policy, state) in [(EdgePolicy::Restart, Stopping), (EdgePolicy::Hold, Running)] {
        let mut scene = Scene::restarted(policy);
        scene.fail(A, ErrorKind::Failed);
        scene.check(Error, Running);
        assert_eq!(scene.machine.waiting_on(B).collect::<Vec<_>>(), [A], "it runs without");
        scene.report(A, Report::Elapsed(Timer::Restart));
        scene.check(Starting, state);
    }
    let mut scene = Scene::restarted(EdgePolicy::Restart);
    assert_eq!(scene.machine.following(A, false), [B]);
    scene.command(1, A, Verb::Restart { with_dependents: false });
    scene.report(A, Report::Gone(Exit::Stopped));
    scene.report(B, Report::Gone(Exit::Stopped));
    scene.check(Starting, Stopped);
    scene.report(A, Report::Started { ready: true });
    scene.take_turn(B);
    scene.check(Running, Starting);
}

#[test]
fn an_optional_edge_orders_and_does_not_gate() {
    let edge = (Edge { dependent: B, provider: A }, EdgePolicy::Optional);
    let graph = || Graph::with_policies(2, [edge]).expect("one edge");
    let mut machine = Machine::new(graph(), vec![TRAITS; 2], 8);
    let mut actions = Vec::new();
    machine.boot(&mut actions);
    assert_eq!(machine.waiting_on(B).collect::<Vec<_>>(), [A]);
    let failed = Exit::Failed(ErrorKind::StartFailed);
    machine.report(A, Generation(1), Report::Gone(failed), &mut actions);
    assert_eq!(machine.state(B), Starting);
    // Nor is it brought along by a start.
    let manual = Traits { autostart: false, ..TRAITS };
    let mut machine = Machine::new(graph(), vec![manual, TRAITS], 8);
    machine.boot(&mut actions);
    assert_eq!((machine.state(A), machine.state(B)), (Stopped, Starting));
}

// Found by the exploration in `tests/it/`, each named by what was wrong.

const STOP_CASCADE: Verb = Verb::Stop { cascade: true };
const START_ALL: Verb = Verb::Start { with_dependencies: true, force: false };

#[test]
fn a_stop_while_closing_overtook_the_dependents() {
    let mut scene = Scene::running();
    scene.machine.close(CloseCause::Requested, &mut scene.actions);
    scene.command(1, A, STOP);
    scene.check(Running, Stopping);
    scene.report(B, Report::Gone(Exit::Stopped));
    scene.report(A, Report::Gone(Exit::Stopped));
    scene.check_finished(1, Outcome::Done { changed: true });
}

#[test]
fn a_provider_that_failed_before_its_turn_to_stop_failed_the_stop() {
    let mut scene = Scene::running();
    scene.command(1, A, STOP_CASCADE);
    scene.report(A, Report::Gone(Exit::Failed(ErrorKind::Failed)));
    scene.check(Stopped, Stopping);
    scene.check_finished(1, Outcome::Done { changed: true });
}

#[test]
fn a_stop_whose_service_was_pulled_in_again_was_told_as_done() {
    let mut scene = Scene::running();
    scene.command(1, A, STOP_CASCADE);
    scene.command(2, B, START_ALL);
    scene.check_finished(1, Outcome::Superseded);
    scene.report(B, Report::Gone(Exit::Stopped));
    scene.check(Running, Starting);
}

#[test]
fn a_provider_that_was_still_failing_was_not_pulled_in() {
    let mut scene = Scene::booted();
    scene.report(A, Report::Ending(Exit::Failed(ErrorKind::StartFailed)));
    scene.command(1, B, START_ALL);
    scene.report(A, Report::Gone(Exit::Failed(ErrorKind::StartFailed)));
    scene.check(Starting, Stopped);
}

#[test]
fn an_orphan_that_was_pulled_in_did_not_start_after_its_end() {
    let mut scene = Scene::booted();
    for timer in [Timer::Start, Timer::Stop, Timer::Abort] {
        scene.report(A, Report::Elapsed(timer));
    }
    scene.command(1, B, START_ALL);
    scene.check(Error, Stopped);
    scene.report(A, Report::Gone(Exit::Aborted));
    scene.check(Starting, Stopped);
}

#[test]
fn a_stop_of_an_orphan_was_refused_and_still_took_effect() {
    let mut scene = Scene::running();
    scene.command(1, A, STOP);
    scene.report(A, Report::Elapsed(Timer::Stop));
    scene.report(A, Report::Elapsed(Timer::Abort));
    scene.command(2, A, STOP_CASCADE);
    scene.check_finished(2, Outcome::Failed(ErrorKind::Orphaned));
    scene.check(Error, Stopping);
}

#[test]
fn work_that_was_done_was_forgotten_by_a_stop_during_teardown() {
    let mut scene = Scene::running();
    scene.report(A, Report::Ending(Exit::Completed));
    scene.command(1, A, STOP);
    scene.report(A, Report::Gone(Exit::Completed));
    assert!(scene.machine.is_completed(A));
}

#[test]
fn a_change_of_desired_or_of_what_is_waited_for_was_not_told() {
    let mut scene = Scene::booted();
    assert!(scene.actions.contains(&Action::Touched(B)), "waits for A from the start");
    assert!(!scene.actions.contains(&Action::Touched(A)), "nothing of it changes but its state");
    scene.machine.close(CloseCause::Requested, &mut scene.actions);
    scene.actions.clear();
    scene.command(1, A, STOP);
    assert!(scene.actions.contains(&Action::Touched(A)), "desired is stopped now");
}

/// C needs B, which needs A, but A has the largest number: a cascade goes by edges, not by ids.
#[test]
fn a_cascade_asked_a_service_before_its_dependent_was_leaving() {
    let [b, c, a] = [0, 1, 2].map(ServiceId);
    let edge = |dependent, provider| Edge { dependent, provider };
    let graph = Graph::new(3, [edge(c, b), edge(b, a)]).expect("a chain has no cycle");
    let mut machine = Machine::new(graph, vec![TRAITS; 3], 8);
    let mut actions = Vec::new();
    machine.boot(&mut actions);
    for id in [a, b, c] {
        machine.report(id, Generation(1), Report::Started { ready: true }, &mut actions);
    }
    let mut start_again = machine.clone();
    machine.command(OperationId(1), a, STOP_CASCADE, &mut actions);
    assert_eq!([a, b, c].map(|id| machine.state(id)), [Running, Running, Stopping]);
    // And a start of all of them again leaves everybody in place.
    start_again.command(OperationId(1), a, STOP_CASCADE, &mut actions);
    start_again.command(OperationId(2), c, START_ALL, &mut actions);
    assert_eq!([a, b, c].map(|id| start_again.state(id)), [Running, Running, Stopping]);
}

#[test]
fn a_significant_service_that_did_not_stop_for_an_operator_closed_the_application() {
    let significant = Traits { significant: true, ..TRAITS };
    let mut scene = Scene::new([TRAITS, significant]);
    scene.machine.boot(&mut scene.actions);
    scene.report(A, Report::Started { ready: true });
    scene.report(B, Report::Started { ready: true });
    scene.command(1, B, STOP);
    scene.report(B, Report::Elapsed(Timer::Stop));
    scene.report(B, Report::Elapsed(Timer::Abort));
    scene.check(Running, Error);
    assert!(!scene.machine.is_closing());
}

/// Both in one group, running.
fn grouped(strategy: Strategy) -> Scene {
    let mut scene = Scene::new([Traits::default(); 2]);
    let group = Group { strategy, members: vec![A, B] };
    scene.machine = scene.machine.with_groups(Groups::new(2, [group]).expect("two members"));
    scene.machine.boot(&mut scene.actions);
    scene.report(A, Report::Started { ready: true });
    scene.report(B, Report::Started { ready: true });
    scene.actions.clear();
    scene
}

#[test]
fn a_failure_restarts_the_group_as_its_strategy_says() {
    // A stays until B is gone, which needs it; who is to go is not available any more.
    let cases = [
        (Strategy::OneForOne, true, Running),
        (Strategy::OneForAll, false, Stopping),
        (Strategy::RestForOne, true, Stopping),
    ];
    for (strategy, first_stays, last) in cases {
        let mut scene = grouped(strategy);
        scene.report(B, Report::Ending(Exit::Failed(ErrorKind::Failed)));
        scene.check(Running, Stopping);
        assert_eq!(scene.machine.is_available(A), first_stays);
        let mut scene = grouped(strategy);
        scene.report(A, Report::Ending(Exit::Failed(ErrorKind::Failed)));
        scene.check(Stopping, last);
    }
}

#[test]
fn who_has_done_its_work_and_repeats_it_leaves_the_group_alone() {
    let again = Traits { oneshot: true, restart: RestartPolicy::Always, ..Traits::default() };
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        let mut scene = Scene::new([again; 2]);
        let graph = Graph::new(2, []).expect("no edges");
        let group = Group { strategy, members: vec![A, B] };
        scene.machine = Machine::new(graph, vec![again; 2], 8)
            .with_groups(Groups::new(2, [group]).expect("two members"));
        scene.machine.boot(&mut scene.actions);
        for id in [A, B] {
            scene.report(id, Report::Started { ready: true });
        }
        scene.report(A, Report::Gone(Exit::Completed));
        scene.check(Stopped, Running);
        assert!(scene.machine.is_retrying(A));
        // Nobody waits for it either.
        scene.command(1, B, Verb::Restart { with_dependents: false });
        scene.report(B, Report::Gone(Exit::Stopped));
        scene.check(Stopped, Starting);
    }
}

#[test]
fn one_for_all_starts_when_the_last_one_is_gone_and_the_backoff_is_over() {
    let mut scene = grouped(Strategy::OneForAll);
    scene.fail(B, ErrorKind::Failed);
    scene.check(Stopping, Error);
    scene.report(A, Report::Gone(Exit::Stopped));
    scene.check(Stopped, Error);
    assert_eq!(scene.machine.waiting_on(A).collect::<Vec<_>>(), [B]);
    scene.report(B, Report::Elapsed(Timer::Restart));
    scene.check(Starting, Stopped);
}

#[test]
fn a_stopped_member_leaves_its_group_alone_and_is_left_alone() {
    let mut scene = grouped(Strategy::OneForAll);
    scene.command(1, B, STOP);
    scene.check(Running, Stopping);
    scene.report(B, Report::Gone(Exit::Stopped));
    scene.fail(A, ErrorKind::Failed);
    scene.report(A, Report::Elapsed(Timer::Restart));
    scene.check(Starting, Stopped);
}

#[test]
fn a_restart_with_dependents_goes_in_order() {
    let mut scene = Scene::running();
    assert_eq!(scene.machine.following(A, true), [B]);
    assert_eq!(scene.machine.following(A, false), [], "it holds");
    scene.command(1, A, Verb::Restart { with_dependents: true });
    scene.check(Running, Stopping);
    scene.report(B, Report::Gone(Exit::Stopped));
    scene.check(Stopping, Stopped);
    scene.report(A, Report::Gone(Exit::Stopped));
    scene.check(Starting, Stopped);
}

#[test]
fn a_forced_start_goes_past_an_orphan_whose_end_then_changes_nothing() {
    let mut scene = Scene::running();
    scene.command(1, B, STOP);
    for timer in [Timer::Stop, Timer::Abort] {
        scene.report(B, Report::Elapsed(timer));
    }
    scene.command(2, B, START);
    scene.check_finished(2, Outcome::Refused(Refusal::Orphaned));
    scene.command(3, B, Verb::Start { with_dependencies: false, force: true });
    scene.check(Running, Starting);
    scene.machine.report(B, Generation(1), Report::Gone(Exit::Aborted), &mut scene.actions);
    scene.check(Running, Starting);
}

#[test]
fn want_of_a_provider_that_nobody_waits_for_is_a_failure_like_others() {
    let mut scene = Scene::restarted(EdgePolicy::Optional);
    scene.fail(A, ErrorKind::Failed);
    scene.fail(B, ErrorKind::Dependency);
    assert!(scene.actions.contains(&Action::Retry(B, Generation(1))));
    // One that has completed is not missing, and will not come back.
    let mut scene = Scene::restarted(EdgePolicy::Hold);
    scene.report(A, Report::Ending(Exit::Completed));
    scene.report(A, Report::Gone(Exit::Completed));
    scene.command(1, B, Verb::Restart { with_dependents: false });
    scene.report(B, Report::Gone(Exit::Stopped));
    scene.fail(B, ErrorKind::Dependency);
    assert!(scene.actions.contains(&Action::Retry(B, Generation(2))));
}

/// What a cancel leaves: the state of the service, what it should do, and whether it still comes.
#[track_caller]
fn check_cancel(
    mut scene: Scene,
    id: ServiceId,
    verb: Verb,
    expected: (ServiceState, Desired, bool),
) {
    let operation = OperationId(77);
    scene.machine.command(operation, id, verb, &mut scene.actions);
    scene.actions.clear();
    assert!(scene.machine.cancel(operation, id, &mut scene.actions));
    let ended = |action: &&Action| matches!(action, Action::Finish(..));
    let ends: Vec<_> = scene.actions.iter().filter(ended).copied().collect();
    assert_eq!(ends, [Action::Finish(operation, Outcome::Superseded)]);
    let touches = |action: &Action| matches!(action, Action::Stop(..) | Action::Spawn(..));
    assert!(!scene.actions.iter().any(touches), "{:?}", scene.actions);
    let comes = scene.machine.record(id).wanted.is_some();
    assert_eq!((scene.machine.state(id), scene.machine.desired(id), comes), expected);
    assert!(!scene.machine.cancel(operation, id, &mut scene.actions), "it has ended");
}

#[test]
fn a_cancel_takes_back_what_has_not_begun() {
    use ServiceState::{Running, Starting, Stopped, Stopping};
    let manual = Traits { autostart: false, ..TRAITS };
    let idle = || {
        let mut scene = Scene::new([manual; 2]);
        scene.machine.boot(&mut scene.actions);
        scene
    };
    let restart = Verb::Restart { with_dependents: false };
    // It waits for its provider, which goes on to start.
    check_cancel(idle(), B, START, (Stopped, Desired::Stopped, false));
    // Its generation has begun: that goes on.
    check_cancel(idle(), A, START, (Starting, Desired::Running, false));
    // It should run all along, with or without the command.
    check_cancel(Scene::booted(), B, START, (Stopped, Desired::Running, true));
    check_cancel(Scene::running(), A, restart, (Stopping, Desired::Running, true));
    check_cancel(Scene::booted(), A, restart, (Stopping, Desired::Running, true));
    // An operator's stop is on its way, and stays.
    let mut stopping = Scene::running();
    stopping.machine.command(OperationId(5), B, STOP, &mut stopping.actions);
    check_cancel(stopping, B, START, (Stopping, Desired::Stopped, false));
    let mut running = Scene::running();
    running.machine.command(OperationId(5), A, STOP, &mut running.actions);
    assert!(!running.machine.cancel(OperationId(5), A, &mut running.actions), "a stop wins");
    assert_eq!(running.machine.state(B), Running);
}

#[test]
fn only_the_last_of_joined_commands_takes_something_back() {
    let manual = Traits { autostart: false, ..TRAITS };
    let mut scene = Scene::new([manual; 2]);
    scene.machine.boot(&mut scene.actions);
    for operation in [1, 2] {
        scene.machine.command(OperationId(operation), B, START, &mut scene.actions);
    }
    assert!(scene.machine.cancel(OperationId(1), B, &mut scene.actions));
    assert!(scene.machine.record(B).wanted.is_some(), "the second one still waits");
    let restart = Verb::Restart { with_dependents: false };
    scene.machine.command(OperationId(3), B, restart, &mut scene.actions);
    assert!(scene.machine.cancel(OperationId(3), B, &mut scene.actions));
    assert_eq!(scene.machine.desired(B), Desired::Stopped, "as it was before the first one");
}
