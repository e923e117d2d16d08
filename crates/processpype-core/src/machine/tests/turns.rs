//! Who takes its turn: whoever comes back, whatever it waited for last.

use super::*;

/// C needs A and B like this; all run, but B where it is told otherwise.
fn two_providers(policy: EdgePolicy, failing: Option<ServiceId>) -> Scene {
    let edge = |provider, policy| (Edge { dependent: C, provider }, policy);
    let edges = [edge(A, EdgePolicy::Hold), edge(B, policy)];
    let graph = Graph::with_policies(3, edges).expect("two edges");
    let mut scene = Scene::of(Machine::new(graph, vec![Traits::default(); 3], 8));
    scene.machine.boot(&mut scene.actions);
    for id in [A, B] {
        match failing {
            Some(failing) if failing == id => scene.fail(id, ErrorKind::StartFailed),
            _ => scene.report(id, Report::Started { ready: true }),
        }
    }
    scene
}

/// A group of the last two, which need the first one where `edges` says so; all run.
fn group_of_two(edges: &[(ServiceId, ServiceId)]) -> Scene {
    let edges = edges.iter().map(|&(dependent, provider)| Edge { dependent, provider });
    let graph = Graph::new(3, edges).expect("no cycle");
    let group = Group { strategy: Strategy::OneForAll, members: vec![B, C] };
    let machine = Machine::new(graph, vec![Traits::default(); 3], 8);
    let machine = machine.with_groups(Groups::new(3, [group]).expect("two members"));
    let mut scene = Scene::of(machine);
    scene.machine.boot(&mut scene.actions);
    for id in [C, A, B, C] {
        scene.report(id, Report::Started { ready: true });
    }
    scene.check_all([Running; 3]);
    scene.actions.clear();
    scene
}

#[test]
fn who_waits_for_one_that_is_back_and_then_for_one_that_is_new_takes_its_turn() {
    let mut scene = two_providers(EdgePolicy::Hold, Some(B));
    scene.report(A, Report::Ready(false));
    scene.report(A, Report::Ready(true));
    scene.report(B, Report::Elapsed(Timer::Restart));
    scene.report(B, Report::Started { ready: true });
    assert_eq!(scene.machine.state(C), Stopped);
    scene.take_turn(C);
    assert_eq!(scene.machine.state(C), Starting);
}

#[test]
fn who_waits_for_one_that_is_back_and_then_for_an_optional_one_takes_its_turn() {
    let mut scene = two_providers(EdgePolicy::Optional, Some(B));
    scene.report(A, Report::Ready(false));
    scene.fail(C, ErrorKind::Dependency);
    scene.report(C, Report::Elapsed(Timer::Restart));
    scene.report(B, Report::Elapsed(Timer::Restart));
    scene.report(A, Report::Ready(true));
    scene.check_all([Running, Starting, Stopped]);
    scene.report(B, Report::Started { ready: true });
    scene.take_turn(C);
    scene.check_all([Running, Running, Starting]);
}

#[test]
fn whose_backoff_ends_while_an_optional_provider_starts_takes_its_turn_after_that() {
    let mut scene = two_providers(EdgePolicy::Optional, Some(B));
    scene.report(C, Report::Started { ready: true });
    scene.fail(C, ErrorKind::Failed);
    scene.report(B, Report::Elapsed(Timer::Restart));
    // The runtime gives no turn to who only goes on to wait.
    assert!(!scene.machine.may_start(C));
    scene.report(C, Report::Elapsed(Timer::Restart));
    scene.report(B, Report::Started { ready: true });
    scene.take_turn(C);
    scene.check_all([Running, Running, Starting]);
}

#[test]
fn a_member_whose_backoff_ends_while_another_one_ends_takes_its_turn_and_restarts() {
    let mut scene = group_of_two(&[]);
    scene.fail(B, ErrorKind::Failed);
    scene.check_all([Running, Error, Stopping]);
    scene.report(B, Report::Elapsed(Timer::Restart));
    scene.report(C, Report::Gone(Exit::Stopped));
    // Who only restarts with it does not.
    scene.check_all([Running, Stopped, Starting]);
    scene.take_turn(B);
    let starts = |action: &&Action| matches!(action, Action::Changed(it) if it.to == Starting);
    let Some(Action::Changed(start)) = scene.actions.iter().rfind(starts) else { panic!("none") };
    assert_eq!((start.service, start.cause), (B, Cause::Restart));
}

#[test]
fn a_turn_is_not_owed_once_it_was_taken_or_an_operator_stopped_it() {
    let mut scene = two_providers(EdgePolicy::Hold, Some(B));
    scene.report(A, Report::Ready(false));
    scene.report(A, Report::Ready(true));
    scene.command(1, C, STOP);
    scene.report(B, Report::Elapsed(Timer::Restart));
    scene.report(B, Report::Started { ready: true });
    scene.check_all([Running, Running, Stopped]);
    assert!(!scene.machine.is_retrying(C), "nobody wants it");
    scene.command(2, C, START);
    scene.check_all([Running, Running, Starting]);
    assert!(!scene.actions.contains(&Action::Spread(C, Generation(0))));
}

#[test]
fn who_is_freed_by_a_stop_of_its_own_cascade_takes_no_turn_for_it() {
    let mut scene = group_of_two(&[(A, C), (B, A)]);
    // B waits for A, which comes back, and for C, which is exhausted.
    scene.command(1, A, Verb::Restart { with_dependents: false });
    scene.report(A, Report::Gone(Exit::Stopped));
    scene.fail(C, ErrorKind::Failed);
    scene.report(C, Report::Exhausted);
    scene.report(B, Report::Gone(Exit::Stopped));
    scene.check_all([Starting, Stopped, Error]);
    scene.report(A, Report::Started { ready: true });
    scene.command(2, C, STOP_CASCADE);
    scene.check_all([Stopping, Stopped, Stopped]);
    assert!(!scene.actions.iter().any(|action| matches!(action, Action::Spread(..))));
}
