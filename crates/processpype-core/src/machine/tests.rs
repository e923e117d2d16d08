//! Scenes of small applications; the exhaustive check is in `tests/it/`.

use super::*;
use crate::exit::{ErrorKind, Exit};
use crate::graph::Edge;
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
const START: Verb = Verb::Start { with_dependencies: false };
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
    scene.command(4, B, Verb::Start { with_dependencies: true });
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
    scene.command(1, A, Verb::Restart);
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
    scene.command(1, B, Verb::Restart);
    scene.report(B, Report::Gone(Exit::Stopped));
    let before = scene.machine.clone();
    for report in [Report::Started { ready: true }, Report::Gone(Exit::Stopped)] {
        scene.machine.report(B, Generation(1), report, &mut scene.actions);
    }
    assert_eq!(scene.machine, before);
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
fn a_completed_provider_counts_as_ready() {
    let oneshot = Traits { oneshot: true, ..TRAITS };
    let mut scene = Scene::new([oneshot, TRAITS]);
    scene.machine.boot(&mut scene.actions);
    scene.report(A, Report::Started { ready: false });
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

// Found by the exploration in `tests/it/`, each named by what was wrong.

const STOP_CASCADE: Verb = Verb::Stop { cascade: true };
const START_ALL: Verb = Verb::Start { with_dependencies: true };

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
    scene.machine.close(CloseCause::Requested, &mut scene.actions);
    scene.actions.clear();
    scene.command(1, A, STOP);
    assert!(scene.actions.contains(&Action::Touched(A)), "desired is stopped now");
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
