//! What an operator asks, and takes back.

use super::*;

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
fn a_start_pulls_in_what_does_not_start_by_itself() {
    let manual = Traits { autostart: false, ..TRAITS };
    let mut scene = Scene::new([manual, manual]);
    scene.machine.boot(&mut scene.actions);
    scene.check(Stopped, Stopped);
    scene.command(1, B, START);
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
fn who_is_unwanted_after_a_cancel_does_not_come_back_and_is_not_missed() {
    let significant = Traits { autostart: false, significant: true, ..Traits::default() };
    let cancelled = || {
        let mut scene = Scene::new([significant; 2]);
        scene.machine.boot(&mut scene.actions);
        scene.command(1, A, START);
        scene.report(A, Report::Ending(Exit::Failed(ErrorKind::StartFailed)));
        scene.command(2, A, Verb::Restart { with_dependents: false });
        assert!(scene.machine.cancel(OperationId(2), A, &mut scene.actions));
        assert_eq!(scene.machine.desired(A), Desired::Stopped, "as before the first one");
        scene
    };
    let mut scene = cancelled();
    scene.report(A, Report::Gone(Exit::Failed(ErrorKind::StartFailed)));
    scene.check(Stopped, Stopped);
    assert!(!scene.machine.is_retrying(A));
    let mut scene = cancelled();
    for timer in [Timer::Stop, Timer::Abort] {
        scene.report(A, Report::Elapsed(timer));
    }
    scene.check(Error, Stopped);
    assert!(!scene.machine.is_closing());
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

#[test]
fn who_was_never_stopped_is_not_taken_for_stopped_after_a_cancelled_start() {
    for stopped in [false, true] {
        let edges = [(B, A), (C, B)].map(|(dependent, provider)| Edge { dependent, provider });
        let graph = Graph::new(3, edges).expect("a chain");
        let manual = Traits { autostart: false, ..TRAITS };
        let mut scene = Scene::of(Machine::new(graph, vec![manual; 3], 8));
        scene.machine.boot(&mut scene.actions);
        if stopped {
            scene.command(1, B, STOP);
        }
        scene.command(2, B, START);
        assert!(scene.machine.cancel(OperationId(2), B, &mut scene.actions));
        scene.command(3, C, START);
        let refused = Action::Finish(OperationId(3), Outcome::Refused(Refusal::ProviderStopped(B)));
        assert_eq!(scene.actions.contains(&refused), stopped);
    }
}
