//! Who may join and who may leave: against an oracle on random input, and by machines that get it
//! wrong.

use std::collections::BTreeMap;

use processpype_core::{
    Action, Edge, EdgePolicy, ErrorKind, Exit, Generation, Graph, Group, Groups, InvalidGroup,
    Machine, Newcomer, OperationId, Outcome, Refusal, Report, ServiceId, ServiceState, Strategy,
    Timer, Traits, Unregistrable, Verb,
};
use proptest::prelude::*;
use proptest::strategy::Strategy as _;

use crate::dags::dags;
use crate::exhaustive::{AT_ONCE, ON_FAILURE, PLAIN};
use crate::explorer::{Application, Bounds, Subject, drive, explore};
use crate::observer::Broken;
use crate::world::{Joining, MAX_SERVICES, Move};

const FIRST: OperationId = OperationId(1);
const START: Verb = Verb::Start { with_dependencies: false, force: false };

/// Who is there, and whom each needs.
type Members = BTreeMap<u32, Vec<u32>>;

/// What is asked for, by places.
#[derive(Clone, Debug)]
enum Wish {
    Join(u32, Vec<u32>),
    Leave(u32, bool),
}

fn wishes() -> impl prop::strategy::Strategy<Value = Vec<Wish>> {
    let join = (0..6_u32, prop::collection::vec(0..6_u32, 0..3));
    let join = join.prop_map(|(at, providers)| Wish::Join(at, providers));
    let leave = (0..6_u32, any::<bool>()).prop_map(|(at, cascade)| Wish::Leave(at, cascade));
    prop::collection::vec(prop_oneof![join, leave], 1..40)
}

fn newcomer(providers: &[u32]) -> Newcomer {
    let edge = |&provider: &u32| (ServiceId(provider), EdgePolicy::Hold);
    Newcomer { providers: providers.iter().map(edge).collect(), ..Newcomer::default() }
}

/// All that need one of `named`, and `named`.
fn with_dependents(members: &Members, at: u32) -> Vec<u32> {
    let mut found = vec![at];
    let mut next = 0;
    while let Some(&provider) = found.get(next) {
        next += 1;
        let needs = |(_, providers): &(&u32, &Vec<u32>)| providers.contains(&provider);
        let dependents: Vec<u32> = members.iter().filter(needs).map(|(id, _)| *id).collect();
        found.extend(dependents.into_iter().filter(|id| !found.contains(id)).collect::<Vec<_>>());
    }
    found
}

fn joins(machine: &mut Machine, members: &mut Members, at: u32, providers: &[u32]) {
    let before = machine.clone();
    let joined = machine.register(ServiceId(at), &newcomer(providers), &mut Vec::new());
    let unknown = providers.iter().any(|id| *id != at && !members.contains_key(id));
    match joined {
        Ok(()) => {
            assert!(!members.contains_key(&at) && !unknown && !providers.contains(&at));
            members.insert(at, providers.to_vec());
        }
        Err(error) => {
            assert_eq!(*machine, before, "what is refused changes nothing");
            match error {
                Unregistrable::Taken => assert!(members.contains_key(&at)),
                Unregistrable::UnknownProvider(id) => assert!(!members.contains_key(&id.0)),
                Unregistrable::Cycle(cycle) => assert_eq!(cycle.path(), [ServiceId(at)]),
                other => panic!("{other:?}"),
            }
        }
    }
}

fn leaves(machine: &mut Machine, members: &mut Members, at: u32, cascade: bool) {
    let mut actions = Vec::new();
    machine.command(FIRST, ServiceId(at), Verb::Deregister { cascade }, &mut actions);
    let Some(Action::Finish(_, outcome)) = actions.last() else { panic!("nothing runs") };
    let all = with_dependents(members, at);
    match outcome {
        Outcome::Done { changed: true } => {
            assert!(members.contains_key(&at) && (cascade || all.len() == 1));
            all.iter().for_each(|id| _ = members.remove(id));
        }
        Outcome::Refused(Refusal::Unknown) => assert!(!members.contains_key(&at)),
        Outcome::Refused(Refusal::Needed) => assert!(!cascade && all.len() > 1),
        other => panic!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn who_is_there_is_who_joined_and_has_not_left(wishes in wishes()) {
        let graph = Graph::new(0, []).expect("nobody needs anybody");
        let mut machine = Machine::new(graph, Vec::new(), AT_ONCE);
        machine.boot(&mut Vec::new());
        let mut members = Members::new();
        for wish in wishes {
            let places = machine.graph().len() as u32;
            match wish {
                Wish::Join(at, providers) => {
                    joins(&mut machine, &mut members, at.min(places), &providers);
                }
                Wish::Leave(at, cascade) if at < places => {
                    leaves(&mut machine, &mut members, at, cascade);
                }
                Wish::Leave(..) => {}
            }
            let edges = members.iter().flat_map(|(&dependent, providers)| {
                let dependent = ServiceId(dependent);
                providers.iter().map(move |&id| Edge { dependent, provider: ServiceId(id) })
            });
            let graph = Graph::new(machine.graph().len() as u32, edges).expect("it was let in");
            prop_assert_eq!(machine.graph(), &graph);
            let there = |id: &ServiceId| machine.is_registered(*id);
            let there: Vec<u32> = graph.services().filter(there).map(|id| id.0).collect();
            prop_assert_eq!(there, members.keys().copied().collect::<Vec<_>>());
        }
    }
}

/// An application that runs, whose services need each other in a row.
fn running(services: u32) -> Machine {
    let row =
        (1..services).map(|id| Edge { dependent: ServiceId(id), provider: ServiceId(id - 1) });
    let graph = Graph::new(services, row).expect("a row has no cycle");
    let mut machine = Machine::new(graph, vec![PLAIN; services as usize], AT_ONCE);
    machine.boot(&mut Vec::new());
    (0..services).for_each(|id| started(&mut machine, ServiceId(id)));
    machine
}

fn started(machine: &mut Machine, id: ServiceId) {
    let generation = machine.generation(id);
    machine.report(id, generation, Report::Started { ready: true }, &mut Vec::new());
}

#[test]
fn numbers_go_on_where_a_service_has_been() {
    let mut machine = running(1);
    let id = ServiceId(0);
    let (mut actions, gone) = (Vec::new(), Report::Gone(Exit::Stopped));
    machine.command(FIRST, id, Verb::Deregister { cascade: false }, &mut actions);
    assert!(machine.is_registered(id), "it is still to stop");
    machine.report(id, Generation(1), gone, &mut actions);
    let done = Action::Finish(FIRST, Outcome::Done { changed: true });
    assert_eq!(actions[actions.len() - 2..], [Action::Removed(id), done]);

    let newcomer = Newcomer { after: Generation(4), ..Newcomer::default() };
    machine.register(id, &newcomer, &mut actions).expect("the place is free");
    let before = machine.clone();
    // News of the one that was there before.
    let late = [gone, Report::Ready(true), Report::Elapsed(Timer::Restart), Report::Exhausted];
    for (generation, report) in [1, 4].into_iter().flat_map(|g| late.map(|report| (g, report))) {
        machine.report(id, Generation(generation), report, &mut actions);
    }
    assert_eq!(machine, before);
    machine.command(FIRST, id, START, &mut actions);
    assert_eq!(
        (machine.state(id), machine.generation(id)),
        (ServiceState::Starting, Generation(5))
    );
}

#[test]
fn nobody_joins_on_what_leaves_or_while_closing() {
    let mut machine = running(2);
    let mut actions = Vec::new();
    machine.command(FIRST, ServiceId(0), Verb::Deregister { cascade: true }, &mut actions);
    let (next, of) = (ServiceId(2), newcomer(&[1]));
    let refused = machine.register(next, &of, &mut actions);
    assert_eq!(refused, Err(Unregistrable::ProviderLeaves(ServiceId(1))));
    machine.close(processpype_core::CloseCause::Requested, &mut actions);
    assert_eq!(machine.register(next, &of, &mut actions), Err(Unregistrable::Closing));
    let superseded = Action::Finish(FIRST, Outcome::Superseded);
    assert!(actions.contains(&superseded), "closing takes the place of whatever waits");
}

#[test]
fn who_comes_back_meanwhile_keeps_all_from_leaving() {
    let mut machine = running(2);
    let mut actions = Vec::new();
    machine.command(FIRST, ServiceId(0), Verb::Deregister { cascade: true }, &mut actions);
    machine.command(OperationId(2), ServiceId(1), START, &mut actions);
    let refused = Outcome::Refused(Refusal::ProviderStopped(ServiceId(0)));
    assert!(actions.contains(&Action::Finish(OperationId(2), refused)));
    let with_all = Verb::Start { with_dependencies: true, force: false };
    machine.command(OperationId(3), ServiceId(1), with_all, &mut actions);
    assert!(actions.contains(&Action::Finish(FIRST, Outcome::Superseded)));
    assert!(machine.is_registered(ServiceId(0)) && machine.is_registered(ServiceId(1)));
}

#[test]
fn an_orphan_does_not_leave() {
    let mut machine = running(1);
    let (id, leave) = (ServiceId(0), Verb::Deregister { cascade: false });
    let mut actions = Vec::new();
    machine.command(FIRST, id, leave, &mut actions);
    for timer in [Timer::Stop, Timer::Abort] {
        machine.report(id, Generation(1), Report::Elapsed(timer), &mut actions);
    }
    let failed = Outcome::Failed(ErrorKind::Orphaned);
    assert!(actions.contains(&Action::Finish(FIRST, failed)));
    machine.command(OperationId(2), id, leave, &mut actions);
    let refused = Outcome::Refused(Refusal::Orphaned);
    assert!(actions.contains(&Action::Finish(OperationId(2), refused)));
}

#[test]
fn a_member_of_a_group_restarts_with_it_until_it_leaves() {
    let member = ServiceId(0);
    let group = Group { strategy: Strategy::OneForAll, members: vec![member] };
    let groups = Groups::new(1, [group]).expect("one member");
    let graph = Graph::new(1, []).expect("nobody needs anybody");
    let mut machine = Machine::new(graph, vec![ON_FAILURE], AT_ONCE).with_groups(groups);
    let mut actions = Vec::new();
    machine.boot(&mut actions);
    started(&mut machine, member);

    let joins = Newcomer { traits: ON_FAILURE, group: Some(0), ..Newcomer::default() };
    let (mate, other) = (ServiceId(1), ServiceId(2));
    machine.register(mate, &joins, &mut actions).expect("there is such a group");
    machine.command(FIRST, mate, START, &mut actions);
    started(&mut machine, mate);
    let failed = Report::Gone(Exit::Failed(ErrorKind::Failed));
    machine.report(mate, Generation(1), failed, &mut actions);
    assert_eq!(machine.state(member), ServiceState::Stopping, "its mate failed");

    // Who joins while the group is on its way waits for those that are.
    machine.register(other, &joins, &mut actions).expect("there is such a group");
    machine.command(OperationId(2), other, START, &mut actions);
    assert_eq!(machine.waiting_on(other).collect::<Vec<_>>(), [member, mate]);
    machine.command(OperationId(3), mate, Verb::Deregister { cascade: false }, &mut actions);
    assert_eq!(machine.waiting_on(other).collect::<Vec<_>>(), [member]);
    machine.report(member, Generation(1), Report::Gone(Exit::Stopped), &mut actions);
    assert_eq!(machine.state(other), ServiceState::Starting);
    assert_eq!(machine.groups().all()[0].members, [member, other]);

    let unknown = Newcomer { group: Some(1), ..joins };
    let refused = machine.register(mate, &unknown, &mut actions);
    assert_eq!(refused, Err(Unregistrable::UnknownGroup(1)));
    assert_eq!(InvalidGroup::Size(0).to_string(), "a group has no member");
}

/// A member leaves because its provider does; it had been given up, and nobody stopped it.
#[test]
fn who_leaves_in_a_cascade_is_in_the_way_of_its_group_no_more() {
    let (provider, gone, mate) = (ServiceId(0), ServiceId(1), ServiceId(2));
    let graph = Graph::new(3, [Edge { dependent: gone, provider }]).expect("one edge");
    let group = Group { strategy: Strategy::OneForAll, members: vec![gone, mate] };
    let groups = Groups::new(3, [group]).expect("two members");
    let mut machine = Machine::new(graph, vec![ON_FAILURE; 3], AT_ONCE).with_groups(groups);
    let mut actions = Vec::new();
    machine.boot(&mut actions);
    [provider, mate, gone].into_iter().for_each(|id| started(&mut machine, id));
    let first = Generation(1);
    let failed = Report::Gone(Exit::Failed(ErrorKind::Failed));
    machine.report(gone, first, failed, &mut actions);
    machine.report(gone, first, Report::Exhausted, &mut actions);
    machine.report(mate, first, Report::Gone(Exit::Stopped), &mut actions);
    assert_eq!(machine.waiting_on(mate).collect::<Vec<_>>(), [gone]);
    machine.command(FIRST, provider, Verb::Deregister { cascade: true }, &mut actions);
    machine.report(provider, first, Report::Gone(Exit::Stopped), &mut actions);
    assert!(!machine.is_registered(gone));
    assert_eq!(machine.state(mate), ServiceState::Starting);
}

#[test]
fn who_joins_in_a_place_does_not_stand_where_another_one_queued() {
    let graph = Graph::new(2, []).expect("nobody needs anybody");
    let mut machine = Machine::new(graph, vec![PLAIN; 2], 1);
    let (first, queued, next) = (ServiceId(0), ServiceId(1), ServiceId(2));
    let mut actions = Vec::new();
    machine.boot(&mut actions);
    let leave = Verb::Deregister { cascade: false };
    machine.command(FIRST, queued, leave, &mut actions);
    assert!(!machine.is_registered(queued), "it only waited for a place to start");
    for (operation, id) in [(2, next), (3, queued)] {
        machine.register(id, &newcomer(&[]), &mut actions).expect("the place is free");
        machine.command(OperationId(operation), id, START, &mut actions);
    }
    started(&mut machine, first);
    assert_eq!(machine.state(next), ServiceState::Starting, "it was asked for first");
    assert_eq!(machine.state(queued), ServiceState::Stopped);
}

/// What a machine gets wrong about its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// Lets a service leave that is still to stop.
    LeavesTooEarly,
    /// Says that a service has left that has not.
    LeaveForgotten,
    /// Takes out who needs the service although nobody asked for that.
    NeedIgnored,
    /// Forgets whom a newcomer needs.
    EdgesForgotten,
    /// Starts whoever joins.
    StartsNewcomers,
}

#[derive(Clone)]
struct Mutant(Machine, Fault);

impl Subject for Mutant {
    fn take(&mut self, happened: Move, actions: &mut Vec<Action>) {
        let happened = match (self.1, happened) {
            (Fault::NeedIgnored, Move::Command(operation, id, Verb::Deregister { .. })) => {
                Move::Command(operation, id, Verb::Deregister { cascade: true })
            }
            (Fault::EdgesForgotten, Move::Register(at, joining)) => {
                Move::Register(at, Joining { edges: [None; MAX_SERVICES], ..joining })
            }
            (_, happened) => happened,
        };
        drive(&mut self.0, happened, actions);
        match (self.1, happened) {
            (Fault::LeaveForgotten, _) => {
                actions.retain(|action| !matches!(action, Action::Removed(_)));
            }
            (Fault::LeavesTooEarly, Move::Command(_, id, Verb::Deregister { .. }))
                if self.0.state(id) == ServiceState::Stopping =>
            {
                actions.push(Action::Removed(id));
            }
            (Fault::StartsNewcomers, Move::Register(at, _)) => {
                self.0.command(OperationId(u64::MAX), at, START, actions);
                actions.retain(|action| !matches!(action, Action::Finish(..) | Action::Forgive(_)));
            }
            _ => {}
        }
    }

    fn machine(&self) -> &Machine {
        &self.0
    }

    fn machine_mut(&mut self) -> &mut Machine {
        &mut self.0
    }
}

fn caught(fault: Fault) -> Option<Broken> {
    let bounds = Bounds { faults: 0, commands: 2 };
    dags(1).into_iter().chain(dags(2)).find_map(|graph| {
        let traits = vec![PLAIN; graph.len()];
        let application = Application::new(graph.clone(), traits.clone());
        let application = application.with_joining(PLAIN, graph.len() + 1);
        let mutant = Mutant(Machine::new(graph, traits, AT_ONCE), fault);
        explore(&application, &mutant, bounds).err().map(|found| found.broken)
    })
}

#[test]
fn machines_that_are_wrong_about_their_members_are_caught() {
    #[track_caller]
    fn check(fault: Fault, is_meant: fn(Broken) -> bool) {
        let broken = caught(fault);
        assert!(broken.is_some_and(is_meant), "{fault:?}: {broken:?}");
    }
    check(Fault::LeavesTooEarly, |broken| matches!(broken, Broken::Members(_)));
    check(Fault::LeaveForgotten, |broken| matches!(broken, Broken::Operation(..)));
    check(Fault::NeedIgnored, |broken| matches!(broken, Broken::Members(_)));
    check(Fault::EdgesForgotten, |broken| matches!(broken, Broken::Members(_)));
    check(Fault::StartsNewcomers, |broken| matches!(broken, Broken::Unasked(..)));
    assert_eq!(caught(Fault::None), None);
}

#[test]
fn an_unknown_service_takes_no_command() {
    let mut machine = running(1);
    let traits = Traits::default();
    let newcomer = Newcomer { traits, ..Newcomer::default() };
    machine.register(ServiceId(1), &newcomer, &mut Vec::new()).expect("the next place");
    machine.command(FIRST, ServiceId(1), Verb::Deregister { cascade: false }, &mut Vec::new());
    for verb in [START, Verb::Stop { cascade: true }, Verb::Restart { with_dependents: false }] {
        let (mut actions, before) = (Vec::new(), machine.clone());
        machine.command(FIRST, ServiceId(1), verb, &mut actions);
        assert_eq!(actions, [Action::Finish(FIRST, Outcome::Refused(Refusal::Unknown))]);
        assert_eq!(machine, before);
    }
}
