//! Found by the exploration in `tests/it/`, each named by what was wrong.

use super::*;

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
