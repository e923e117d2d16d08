//! What follows a failure.

use super::*;

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
fn a_provider_that_comes_for_the_first_time_has_not_returned_however_often_it_failed() {
    let mut scene = Scene::new([Traits::default(); 2]);
    scene.machine.boot(&mut scene.actions);
    scene.fail(A, ErrorKind::StartFailed);
    scene.report(A, Report::Elapsed(Timer::Restart));
    scene.report(A, Report::Started { ready: true });
    scene.check(Running, Starting);
    assert!(!scene.actions.contains(&Action::Spread(B, Generation(0))));
}

#[test]
fn a_provider_that_was_not_ready_for_a_while_has_returned_in_its_first_generation() {
    let mut scene = Scene::restarted(EdgePolicy::Hold);
    scene.report(A, Report::Ready(false));
    scene.fail(B, ErrorKind::Dependency);
    scene.report(B, Report::Elapsed(Timer::Restart));
    scene.report(A, Report::Ready(true));
    scene.check(Running, Stopped);
    scene.take_turn(B);
    scene.check(Running, Starting);
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
fn two_that_fail_out_of_step_settle_once_each_has_been_started() {
    let graph = Graph::new(2, []).expect("no edges");
    let machine = Machine::new(graph, vec![Traits::default(); 2], 8);
    let mut scene = Scene { machine, actions: Vec::new() };
    scene.machine.boot(&mut scene.actions);
    scene.fail(A, ErrorKind::StartFailed);
    scene.report(A, Report::Elapsed(Timer::Restart));
    assert!(!scene.machine.is_settled(), "the first start of the other one is not over");
    // At no time is nobody in transition.
    scene.fail(B, ErrorKind::StartFailed);
    scene.check(Starting, Error);
    assert!(scene.machine.is_settled());
    assert_eq!(scene.actions.iter().filter(|&&told| told == Action::Settled).count(), 1);
}

#[test]
fn a_significant_service_that_has_never_run_is_given_up_at_start_after_any_retry() {
    let significant = Traits { significant: true, ..Traits::default() };
    let mut scene = Scene::new([significant, TRAITS]);
    scene.machine.boot(&mut scene.actions);
    scene.fail(A, ErrorKind::StartFailed);
    scene.report(A, Report::Elapsed(Timer::Restart));
    assert!(!scene.machine.is_settled());
    scene.fail(A, ErrorKind::StartFailed);
    scene.report(A, Report::Exhausted);
    assert_eq!(scene.machine.close_cause(), Some(CloseCause::SignificantAtStart(A)));
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

#[test]
fn what_becomes_significant_while_it_retries_keeps_the_application_from_settling() {
    let (plain, significant) = (Traits::default(), Traits { significant: true, ..TRAITS });
    let significant = Traits { restart: plain.restart, ..significant };
    for (before, after, settles) in [(plain, significant, false), (significant, plain, true)] {
        let machine = Machine::new(Graph::new(2, []).expect("no edges"), vec![before; 2], 8);
        let mut scene = Scene { machine, actions: Vec::new() };
        scene.machine.boot(&mut scene.actions);
        scene.fail(A, ErrorKind::StartFailed);
        scene.machine.set_traits(A, after);
        scene.report(B, Report::Started { ready: true });
        assert_eq!(scene.machine.is_settled(), settles);
        scene.report(A, Report::Elapsed(Timer::Restart));
        scene.report(A, Report::Started { ready: true });
        assert!(scene.machine.is_settled());
    }
}
