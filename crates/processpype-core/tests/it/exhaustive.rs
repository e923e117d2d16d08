//! Every behaviour of every small application.
//!
//! `tests/golden/state-counts.txt` holds how many states and steps each search sees; set
//! `UPDATE_GOLDEN=1` (and one test thread) after a change of the machine that is meant. What a
//! search leaves out, and why that is sound, is told in `explorer.rs`. Two faults together with two
//! commands are searched in full on up to three services, and on four that stand in layers; every
//! graph of four is searched with one event less. The larger of these searches run only when
//! asked for (`--run-ignored`); each takes minutes, or nobody would ask for it. On five services
//! each pair of events is searched, and two faults with two commands are walked at random: in full
//! that would be some 8·10^9 states, judged by the growth.
//!
//! Plain services are not restarted by themselves. Those that are (rows `restarts`) add the answers
//! of the runtime, elapsed and exhausted, at any time; every policy on every edge of up to three
//! services (rows `edges`) is searched with services that are restarted.

use std::fmt::Write as _;
use std::path::PathBuf;

use processpype_core::{Graph, Groups, Machine, RestartPolicy, Traits};

use crate::dags::{dags, grouped, layered, policed};
use crate::explorer::{Application, Bounds, Count, Counterexample, explore, walk};

/// A service that nobody but an operator restarts: all that does not depend on restarts.
pub(crate) const PLAIN: Traits = Traits {
    enabled: true,
    autostart: true,
    oneshot: false,
    significant: false,
    restart: RestartPolicy::Never,
};
const MANUAL: Traits = Traits { autostart: false, ..PLAIN };
const DISABLED: Traits = Traits { enabled: false, ..PLAIN };
const SIGNIFICANT: Traits = Traits { significant: true, ..PLAIN };
const ONESHOT: Traits = Traits { oneshot: true, ..PLAIN };
pub(crate) const ON_FAILURE: Traits = Traits { restart: RestartPolicy::OnFailure, ..PLAIN };
const ALWAYS: Traits = Traits { restart: RestartPolicy::Always, ..PLAIN };
/// More places than services.
pub(crate) const AT_ONCE: usize = 8;
/// How many behaviours are walked of each application that is too large to be searched.
const WALKS: u64 = 400;

#[track_caller]
fn unbroken<T>(found: Result<T, Box<Counterexample>>, graph: &Graph) -> T {
    match found {
        Ok(value) => value,
        Err(found) => panic!("{found}\nin {:?}", graph.edges().collect::<Vec<_>>()),
    }
}

#[track_caller]
fn check_all(n: usize, traits: &[Traits], at_once: usize, bounds: Bounds) -> Count {
    check_graphs(dags(n), traits, at_once, bounds)
}

#[track_caller]
fn check_graphs(graphs: Vec<Graph>, traits: &[Traits], at_once: usize, bounds: Bounds) -> Count {
    let mut total = Count::default();
    for graph in graphs {
        let n = graph.len();
        let machine = Machine::new(graph.clone(), traits.to_vec(), at_once);
        let mut application = Application::new(graph.clone(), traits.to_vec());
        if at_once < n {
            application = application.with_places(at_once).without_symmetries();
        }
        let count = unbroken(explore(&application, &machine, bounds), &graph);
        total.states += count.states;
        total.steps += count.steps;
    }
    total
}

/// Searches all applications of `n` plain services and compares the counts with the golden file.
#[track_caller]
fn check(n: usize, faults: usize, commands: usize) {
    check_counts("", n, PLAIN, Bounds { faults, commands });
}

/// The same for services that are restarted on failure.
#[track_caller]
fn check_restarts(n: usize, faults: usize, commands: usize) {
    check_counts("restarts: ", n, ON_FAILURE, Bounds { faults, commands });
}

#[track_caller]
fn check_counts(what: &str, n: usize, traits: Traits, bounds: Bounds) {
    check_golden(what, dags(n), traits, bounds);
}

/// The same for every policy on every edge.
#[track_caller]
fn check_policed(n: usize, faults: usize, commands: usize) {
    check_golden("edges: ", policed(n), ON_FAILURE, Bounds { faults, commands });
}

#[track_caller]
fn check_golden(what: &str, graphs: Vec<Graph>, traits: Traits, bounds: Bounds) {
    let (n, len) = (graphs[0].len(), graphs.len());
    let count = check_graphs(graphs, &vec![traits; n], AT_ONCE, bounds);
    compare(&golden_key(what, n, len, bounds), count);
}

fn golden_key(what: &str, n: usize, len: usize, Bounds { faults, commands }: Bounds) -> String {
    format!("{what}{n} services, {len:>3} graphs, {faults} faults, {commands} commands:")
}

/// Compares a count with the golden file.
#[track_caller]
fn compare(key: &str, count: Count) {
    let row = format!("{key} {:>9} states, {:>10} steps", count.states, count.steps);
    println!("{row}");
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/state-counts.txt");
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let mut rows: Vec<&str> = golden.lines().filter(|old| !old.starts_with(key)).collect();
        rows.push(&row);
        rows.sort_unstable();
        let text = rows.iter().fold(String::new(), |mut text, row| {
            writeln!(text, "{row}").expect("a string takes what is written");
            text
        });
        std::fs::write(&path, text).expect("the golden file is written");
    } else {
        assert!(golden.lines().any(|old| old == row), "not in the golden file: {row}");
    }
}

#[test]
fn one_service_two_faults_two_commands() {
    check(1, 2, 2);
}

#[test]
fn two_services_two_faults_two_commands() {
    check(2, 2, 2);
}

#[test]
fn three_services_two_faults_two_commands() {
    check(3, 2, 2);
}

#[test]
fn four_services_two_events() {
    check(4, 1, 1);
    check(4, 2, 0);
    check(4, 0, 2);
}

#[test]
fn five_services_one_event() {
    check(5, 0, 0);
    check(5, 1, 0);
    check(5, 0, 1);
}

#[test]
fn five_services_two_commands() {
    check(5, 0, 2);
}

#[test]
#[ignore = "minutes: run when the machine changes"]
fn four_services_two_faults_one_command() {
    check(4, 2, 1);
}

#[test]
#[ignore = "minutes: run when the machine changes"]
fn four_services_one_fault_two_commands() {
    check(4, 1, 2);
}

/// Of the 31 graphs the seven in layers: all of them took more than half an hour and 4.6 GB, and
/// so nobody counted them again. In layers there is every order of starts and stops that plans are
/// about, and services can be exchanged, which makes it cheap. What the others add, who needs one
/// of a layer and not the other, `four_services_two_faults_one_command` and
/// `four_services_one_fault_two_commands` search.
#[test]
#[ignore = "minutes: run when the machine changes"]
fn layers_of_four_services_two_faults_two_commands() {
    check_golden("layers: ", layered(4), PLAIN, Bounds { faults: 2, commands: 2 });
}

#[test]
#[ignore = "minutes: run when the machine changes"]
fn five_services_a_fault_and_a_command() {
    check(5, 1, 1);
}

#[test]
#[ignore = "minutes: run when the machine changes"]
fn five_services_two_faults() {
    check(5, 2, 0);
}

/// What cannot be searched in full is at least walked through, by fixed seeds.
#[test]
fn five_services_two_faults_two_commands_at_random() {
    let bounds = Bounds { faults: 2, commands: 2 };
    let mut states = 0;
    for graph in dags(5) {
        let machine = Machine::new(graph.clone(), vec![PLAIN; 5], AT_ONCE);
        let application = Application::new(graph.clone(), vec![PLAIN; 5]);
        for seed in 1..=WALKS {
            states += unbroken(walk(&application, &machine, bounds, seed), &graph).states;
        }
    }
    println!("walked through {states} states");
    assert!(states > 302 * WALKS * 10, "a walk goes some way: {states}");
}

/// One place to start in: services queue for it.
#[test]
fn one_start_at_once() {
    for n in 1..=3 {
        check_all(n, &vec![PLAIN; n], 1, Bounds { faults: 1, commands: 2 });
    }
}

/// Services that are restarted: with answers of both kinds, failures of every kind.
#[test]
fn restarts_on_up_to_three_services() {
    check_restarts(1, 3, 3);
    check_restarts(2, 2, 2);
    check_restarts(3, 2, 1);
    check_restarts(3, 1, 2);
}

#[test]
fn restarts_on_four_services() {
    check_restarts(4, 1, 1);
}

#[test]
#[ignore = "minutes: run when the machine changes"]
fn restarts_on_three_services_two_faults_two_commands() {
    check_restarts(3, 2, 2);
}

/// Every edge policy on every edge of up to three services.
#[test]
fn edge_policies_on_up_to_three_services() {
    check_policed(2, 2, 2);
    check_policed(3, 1, 1);
    check_policed(3, 2, 0);
    check_policed(3, 0, 2);
}

/// One place to start in, so that optional edges wait for what is queued.
#[test]
fn edge_policies_with_one_start_at_once() {
    for n in 2..=3 {
        let bounds = Bounds { faults: 1, commands: 1 };
        check_graphs(policed(n), &vec![ON_FAILURE; n], 1, bounds);
    }
}

#[test]
#[ignore = "minutes: run when the machine changes"]
fn edge_policies_on_three_services_two_faults_one_command() {
    check_policed(3, 2, 1);
}

#[test]
#[ignore = "minutes: run when the machine changes"]
fn edge_policies_on_three_services_one_fault_two_commands() {
    check_policed(3, 1, 2);
}

/// Every strategy on every graph of up to three services: over all of them, and over each two.
#[test]
fn groups_on_up_to_three_services() {
    check_groups(2, 2, 1);
    check_groups(2, 1, 2);
    check_groups(3, 1, 1);
    check_groups(3, 2, 0);
    check_groups(3, 0, 2);
}

#[test]
#[ignore = "minutes: run when the machine changes"]
fn groups_on_three_services_two_faults_one_command() {
    check_groups(3, 2, 1);
}

#[test]
#[ignore = "minutes: run when the machine changes"]
fn groups_on_three_services_one_fault_two_commands() {
    check_groups(3, 1, 2);
}

/// A member fails while another one waits for its turn in a cascade, which a start takes back: two
/// of a chain are a group.
#[test]
fn groups_of_two_in_cascades() {
    let mut applications = grouped(3);
    applications.retain(|(graph, groups)| {
        let is_chain = |id| graph.providers(id).len() < 2 && graph.dependents(id).len() < 2;
        let chain = graph.edges().count() == 2 && graph.services().all(is_chain);
        chain && groups.all()[0].members.len() == 2
    });
    check_grouped("groups of two: ", &applications, Bounds { faults: 1, commands: 2 });
}

#[track_caller]
fn check_groups(n: usize, faults: usize, commands: usize) {
    check_grouped("groups: ", &grouped(n), Bounds { faults, commands });
}

#[track_caller]
fn check_grouped(what: &str, applications: &[(Graph, Groups)], bounds: Bounds) {
    let n = applications[0].0.len();
    let mut total = Count::default();
    for (graph, groups) in applications {
        let traits = vec![ON_FAILURE; n];
        let machine = Machine::new(graph.clone(), traits.clone(), AT_ONCE);
        let machine = machine.with_groups(groups.clone());
        let application = Application::new(graph.clone(), traits).with_groups(groups.clone());
        let found = explore(&application, &machine, bounds);
        let count = found.unwrap_or_else(|found| panic!("{found}\nin {graph:?}, {groups:?}"));
        total.states += count.states;
        total.steps += count.steps;
    }
    compare(&golden_key(what, n, applications.len(), bounds), total);
}

/// Services join and leave at any time: with any of those that are there as providers, over edges
/// of every policy; one more than there are may be there at a time.
#[test]
fn services_join_and_leave() {
    check_members(1, 1, 2);
    check_members(1, 0, 4);
    check_members(2, 1, 2);
    check_members(2, 0, 3);
}

#[test]
#[ignore = "minutes: run when the machine changes"]
fn services_join_and_leave_more_often() {
    check_members(1, 2, 4);
    check_members(2, 1, 3);
    check_members(3, 1, 2);
}

#[track_caller]
fn check_members(n: usize, faults: usize, commands: usize) {
    let bounds = Bounds { faults, commands };
    let mut total = Count::default();
    let graphs: Vec<Graph> = dags(n).into_iter().chain(policed(n)).collect();
    for graph in &graphs {
        let machine = Machine::new(graph.clone(), vec![ON_FAILURE; n], AT_ONCE);
        let application = Application::new(graph.clone(), vec![ON_FAILURE; n]);
        let application = application.with_joining(ON_FAILURE, n + 1);
        let count = unbroken(explore(&application, &machine, bounds), graph);
        total.states += count.states;
        total.steps += count.steps;
    }
    compare(&golden_key("members: ", n, graphs.len(), bounds), total);
}

/// Starts and restarts are cancelled at any time, of services that start by themselves or do not.
#[test]
fn commands_are_cancelled() {
    check_cancels(1, 1, 3);
    check_cancels(2, 1, 2);
    check_cancels(2, 0, 3);
    check_cancels(3, 0, 2);
}

#[test]
#[ignore = "minutes: run when the machine changes"]
fn commands_are_cancelled_more_often() {
    check_cancels(2, 1, 3);
}

#[track_caller]
fn check_cancels(n: usize, faults: usize, commands: usize) {
    let bounds = Bounds { faults, commands };
    let mut total = Count::default();
    let plain = dags(n).into_iter().chain(policed(n)).map(|graph| (graph, Groups::default()));
    let applications: Vec<_> = plain.chain(if n == 1 { vec![] } else { grouped(n) }).collect();
    for (graph, groups) in &applications {
        for traits in [ON_FAILURE, Traits { autostart: false, ..ON_FAILURE }] {
            let traits = vec![traits; n];
            let machine = Machine::new(graph.clone(), traits.clone(), AT_ONCE);
            let machine = machine.with_groups(groups.clone());
            let application = Application::new(graph.clone(), traits);
            let application = application.with_groups(groups.clone()).with_cancels();
            let count = unbroken(explore(&application, &machine, bounds), graph);
            total.states += count.states;
            total.steps += count.steps;
        }
    }
    compare(&golden_key("cancels: ", n, applications.len(), bounds), total);
}

/// Closing asks one service after the other, with everything else in between.
#[test]
fn closing_in_parts() {
    for n in 1..=3 {
        let graphs: Vec<Graph> = dags(n).into_iter().chain(policed(n)).collect();
        let events = if n < 3 { 2 } else { 1 };
        let bounds = Bounds { faults: events, commands: events };
        let mut total = Count::default();
        for graph in &graphs {
            for traits in [PLAIN, ON_FAILURE, SIGNIFICANT] {
                let traits = vec![traits; n];
                let machine = Machine::new(graph.clone(), traits.clone(), AT_ONCE);
                let application = Application::new(graph.clone(), traits).without_symmetries();
                let found = explore(&application, &machine.with_asks_at_once(1), bounds);
                let count = unbroken(found, graph);
                total.states += count.states;
                total.steps += count.steps;
            }
        }
        compare(&golden_key("in parts: ", n, graphs.len(), bounds), total);
    }
}

/// Every mixture of restart policies, significant or not.
#[test]
fn all_mixtures_of_policies() {
    let significant = |traits| Traits { significant: true, ..traits };
    let kinds = [PLAIN, ON_FAILURE, ALWAYS, significant(ON_FAILURE), significant(ALWAYS)];
    check_mixtures(1, &kinds, Bounds { faults: 3, commands: 2 });
    check_mixtures(2, &kinds, Bounds { faults: 2, commands: 1 });
    check_mixtures(3, &kinds[1..4], Bounds { faults: 1, commands: 1 });
}

/// Every mixture of traits on up to three services.
#[test]
fn all_mixtures_of_traits() {
    let kinds = [PLAIN, MANUAL, DISABLED, SIGNIFICANT, ONESHOT];
    for n in 1..=3 {
        check_mixtures(n, &kinds, Bounds { faults: 1, commands: 1 });
    }
}

fn check_mixtures(n: usize, kinds: &[Traits], bounds: Bounds) {
    for mixture in 0..kinds.len().pow(n as u32) {
        let kind = |i: usize| kinds[mixture / kinds.len().pow(i as u32) % kinds.len()];
        let traits: Vec<Traits> = (0..n).map(kind).collect();
        check_all(n, &traits, AT_ONCE, bounds);
    }
}
