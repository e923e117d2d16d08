//! Who starts and stops when, and how a life goes.

use super::*;

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
fn who_was_ended_by_force_is_known_until_it_starts_again_whoever_ended_it() {
    let mut scene = Scene::running();
    scene.command(1, B, STOP);
    scene.report(B, Report::Elapsed(Timer::Stop));
    assert!(scene.machine.was_forced(B));
    scene.report(B, Report::Gone(Exit::Aborted));
    // Its runtime was dropped under it.
    scene.report(A, Report::Gone(Exit::Aborted));
    assert!(scene.machine.was_forced(A) && scene.machine.was_forced(B));
    scene.command(2, A, START);
    assert!(!scene.machine.was_forced(A));
    scene.report(A, Report::Gone(Exit::Failed(ErrorKind::StartFailed)));
    assert!(!scene.machine.was_forced(A), "it ended by itself");
}

#[test]
fn work_that_ends_after_a_stop_was_asked_for_is_not_done() {
    let oneshot = Traits { oneshot: true, ..TRAITS };
    let mut scene = Scene::new([oneshot, TRAITS]);
    scene.machine.boot(&mut scene.actions);
    scene.report(A, Report::Started { ready: true });
    scene.command(1, A, STOP);
    // What it says of its end crossed with the stop.
    scene.report(A, Report::Ending(Exit::Completed));
    scene.report(A, Report::Gone(Exit::Completed));
    scene.check_finished(1, Outcome::Done { changed: true });
    scene.check(Stopped, Stopped);
    assert!(!scene.machine.is_completed(A) && !scene.machine.is_available(A));
}
