//! Many random applications on paused time: the order holds, everything settles, nothing is left.

use processpype::testing::{self, Act, Probe, Script};
use processpype::{Application, ServiceState};

use crate::harness::{millis, secs};

/// How many applications are tried.
const RUNS: u64 = 200;

/// A small generator of numbers (SplitMix64, Steele, Lea and Flood 2014).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn act(&mut self, serves: u64) -> Act {
        let time = millis(self.below(15_000));
        match self.below(serves + 4) {
            0 => Act::Fail(time),
            1 => Act::Panic(time),
            2 => Act::Hang,
            3 => Act::Succeed(time),
            _ => Act::Serve,
        }
    }

    fn script(&mut self) -> Script {
        Script { start: self.act(12), run: self.act(8), stop: self.act(12) }
    }
}

/// Who needs whom, by number; an edge leads to a lower number only.
struct Sample {
    app: Application,
    edges: Vec<(usize, usize)>,
    services: usize,
}

fn sample(numbers: &mut Numbers) -> Sample {
    let services = 1 + numbers.below(12) as usize;
    let mut app = Application::new();
    let mut edges = Vec::new();
    for i in 0..services {
        let scripts = (0..=numbers.below(2)).map(|_| numbers.script()).collect();
        app = app.service(Probe::new(scripts).service()).named(&format!("s{i}"));
        if numbers.below(6) == 0 {
            app = app.oneshot();
        }
        for provider in 0..i {
            if numbers.below(3) == 0 {
                app = app.depends_on(&format!("s{provider}"));
                edges.push((i, provider));
            }
        }
    }
    Sample { app, edges, services }
}

/// Follows the history and asserts that every edge was respected.
fn assert_order(seed: u64, history: &[String], edges: &[(usize, usize)], stragglers: &[String]) {
    let services = edges.iter().map(|edge| edge.0 + 1).max().unwrap_or(1);
    let mut states = vec![ServiceState::Stopped; services];
    let mut completed = vec![false; services];
    for line in history {
        let (service, rest) = line.split_once(": ").expect("a line of history");
        let id: usize = service[1..].parse().expect("a number");
        if id >= services {
            continue;
        }
        let providers = edges.iter().filter(|(dependent, _)| *dependent == id).map(|edge| edge.1);
        let dependents = edges.iter().filter(|(_, provider)| *provider == id).map(|edge| edge.0);
        if rest.contains("→ starting") {
            for provider in providers {
                let is_there = states[provider] == ServiceState::Running || completed[provider];
                assert!(is_there, "seed {seed}: {line}, but s{provider} is not there");
            }
            completed[id] = false;
        }
        // At the deadline whoever is left is ended in no order.
        if rest.contains("→ stopping (closing)") && !stragglers.iter().any(|it| it == service) {
            for dependent in dependents {
                let is_down =
                    matches!(states[dependent], ServiceState::Stopped | ServiceState::Error);
                assert!(is_down, "seed {seed}: {line}, but s{dependent} still lives");
            }
        }
        completed[id] |= rest.ends_with("stopped (completed)");
        states[id] = *ServiceState::ALL
            .iter()
            .find(|state| rest.contains(&format!("→ {state}")))
            .expect("a state");
    }
    for (id, state) in states.iter().enumerate() {
        let is_down = matches!(state, ServiceState::Stopped | ServiceState::Error);
        assert!(is_down, "seed {seed}: s{id} is {state} at the end");
    }
}

async fn try_one(seed: u64) {
    let numbers = &mut Numbers(seed);
    let Sample { app, edges, services } = sample(numbers);
    let tasks = tokio::runtime::Handle::current().metrics();
    let before = tasks.num_alive_tasks();
    let mut app = testing::begin(app).expect("an edge leads to a lower number only");
    tokio::time::sleep(millis(numbers.below(60_000))).await;
    for _ in 0..numbers.below(4) {
        let name = format!("s{}", numbers.below(services as u64));
        let manager = app.manager().clone();
        let verb = numbers.below(3);
        let command = tokio::spawn(async move {
            match verb {
                0 => manager.start(&name).await,
                1 => manager.stop(&name).await,
                _ => manager.restart(&name).await,
            }
        });
        tokio::time::sleep(millis(numbers.below(5_000))).await;
        drop(command);
    }
    let settled = tokio::time::timeout(secs(3600), app.manager().settled()).await;
    assert!(settled.is_ok(), "seed {seed}: it does not settle");
    let began = tokio::time::Instant::now();
    app.manager().close();
    let closed = app.closed().await;
    assert!(began.elapsed() <= secs(25), "seed {seed}: closing took {:?}", began.elapsed());
    let orphans = app.manager().unfinished();
    assert!(orphans.is_empty(), "seed {seed}: {orphans:?} still live, {closed:?}");
    let stragglers: Vec<String> = closed.stragglers.iter().map(ToString::to_string).collect();
    assert_order(seed, &app.transitions(), &edges, &stragglers);
    drop(app);
    tokio::time::sleep(millis(1)).await;
    assert_eq!(tasks.num_alive_tasks(), before, "seed {seed}: tasks are left");
}

#[tokio::test(start_paused = true)]
async fn order_holds_everything_settles_and_nothing_is_left() {
    for seed in 0..RUNS {
        try_one(seed).await;
    }
}
