//! Cascades: who stops first, who stays stopped, and who stays after all.

use super::*;

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

/// C needs B, which restarts with A, by an edge or by a group; all run. A cascade of B waits for C.
fn cascading(edge: EdgePolicy, strategy: Strategy) -> Scene {
    let edges = [
        (Edge { dependent: B, provider: A }, edge),
        (Edge { dependent: C, provider: B }, EdgePolicy::Hold),
    ];
    let graph = Graph::with_policies(3, edges).expect("a chain has no cycle");
    let group = Group { strategy, members: vec![A, B] };
    let machine = Machine::new(graph, vec![Traits::default(); 3], 8)
        .with_groups(Groups::new(3, [group]).expect("two members"));
    let mut scene = Scene { machine, actions: Vec::new() };
    scene.machine.boot(&mut scene.actions);
    for id in [A, B, C] {
        scene.report(id, Report::Started { ready: true });
    }
    scene.actions.clear();
    scene.command(1, B, STOP_CASCADE);
    scene.check_all([Running, Running, Stopping]);
    scene
}

#[test]
fn who_is_kept_in_a_cascade_restarts_with_the_group_that_failed_meanwhile() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        let mut scene = cascading(EdgePolicy::Hold, strategy);
        scene.report(A, Report::Ending(Exit::Failed(ErrorKind::Failed)));
        // Also where the operator takes the restart of the one that failed into his own hands.
        scene.command(2, A, Verb::Restart { with_dependents: false });
        scene.command(3, B, START_ALL);
        scene.report(A, Report::Gone(Exit::Failed(ErrorKind::Failed)));
        scene.check_all([Stopped, Running, Stopping]);
        assert!(!scene.actions.contains(&Action::Spawn(A, Generation(2))), "B is still to end");
        scene.report(C, Report::Gone(Exit::Stopped));
        scene.check_all([Stopped, Stopping, Stopped]);
        scene.report(B, Report::Gone(Exit::Stopped));
        scene.check_all([Starting, Stopped, Stopped]);
        scene.report(A, Report::Started { ready: true });
        scene.report(B, Report::Started { ready: true });
        scene.check_finished(3, Outcome::Done { changed: true });
    }
}

#[test]
fn who_is_kept_in_a_cascade_restarts_with_the_provider_that_restarted_meanwhile() {
    let mut scene = cascading(EdgePolicy::Restart, Strategy::OneForOne);
    scene.fail(A, ErrorKind::Failed);
    scene.report(A, Report::Elapsed(Timer::Restart));
    scene.check_all([Starting, Running, Stopping]);
    scene.report(A, Report::Started { ready: true });
    scene.command(2, B, START);
    scene.report(C, Report::Gone(Exit::Stopped));
    scene.check_all([Running, Stopping, Stopped]);
    scene.report(B, Report::Gone(Exit::Stopped));
    scene.check_all([Running, Starting, Stopped]);
    scene.report(B, Report::Started { ready: true });
    scene.check_finished(2, Outcome::Done { changed: true });
}

#[test]
fn a_cascade_takes_no_restart_from_who_is_kept() {
    let mut scene = cascading(EdgePolicy::Restart, Strategy::OneForOne);
    scene.command(2, C, START_ALL);
    scene.report(C, Report::Gone(Exit::Stopped));
    scene.report(C, Report::Started { ready: true });
    scene.check_all([Running; 3]);
    // It is to restart with its provider, after C; then to stop for good; then to stay.
    scene.command(3, A, Verb::Restart { with_dependents: true });
    scene.command(4, B, STOP_CASCADE);
    scene.command(5, C, START_ALL);
    scene.report(C, Report::Gone(Exit::Stopped));
    scene.check_all([Running, Stopping, Stopped]);
    scene.report(B, Report::Gone(Exit::Stopped));
    scene.check_all([Stopping, Stopped, Stopped]);
}
