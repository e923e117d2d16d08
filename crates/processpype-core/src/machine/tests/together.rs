//! Who restarts with whom: edges and groups.

use super::*;

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
fn who_is_provider_and_member_is_waited_for_once() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        let mut scene = grouped(strategy);
        scene.fail(A, ErrorKind::Failed);
        scene.report(B, Report::Gone(Exit::Stopped));
        scene.check(Error, Stopped);
        assert_eq!(scene.machine.waiting_on(B).collect::<Vec<_>>(), [A]);
    }
}
