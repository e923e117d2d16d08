//! The real supervisor under a storm: random applications, faults and commands on paused time.
//!
//! One simulation goes like this: an application is drawn from the seed and started; for some
//! hours its services fail, hang, panic and end, and an operator gives commands, takes some back,
//! and lets restarts pause; then the faults stop, and what should run must come to run; an
//! operator starts everything, and all of it must run; a last storm rages while the application
//! closes. What must hold all the time is read from the events afterwards.
//!
//! # Invariants
//!
//! 1. The same seed gives the same history, to the millisecond. A failure prints its seed.
//! 2. Only the public interface is used, and no time passes but the test's.
//!
//! To replay one: `SIMULATION_SEED=… cargo test -p processpype --test it simulation`. To try many:
//! `SIMULATION_RUNS=10000 cargo test -p processpype --test it simulation_of_a_random_seed`.

mod actor;
mod checks;
mod kills;
pub(crate) mod numbers;
mod sample;
mod storm;

use std::fmt::Write as _;
use std::hash::{BuildHasher as _, RandomState};
use std::io::Write as _;
use std::sync::Arc;

use processpype::Event;

use self::sample::Sample;
use self::storm::Storm;

/// How many seeds are tried every time.
const SEEDS: u64 = 60;

/// How many of the last events a failure prints.
const EVENTS_SHOWN: usize = 60;

/// The variable that names the one seed to try.
const SEED_VARIABLE: &str = "SIMULATION_SEED";

/// The variable that says how many seeds to try, from that one or a random one on.
const RUNS_VARIABLE: &str = "SIMULATION_RUNS";

/// What a simulation leaves behind.
pub(crate) struct Run {
    pub(crate) events: Vec<Arc<Event>>,
    pub(crate) wrong: Vec<String>,
    /// How long it took, in the test's time.
    pub(crate) hours: f64,
}

/// Runs the simulation of one seed in a runtime of its own.
fn simulate(seed: u64) -> Run {
    let sample = Sample::draw(seed);
    on_paused_time(Storm::run(&sample))
}

/// Runs on one thread and on paused time; nothing is left to chance.
pub(crate) fn on_paused_time<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().expect("a runtime").block_on(future)
}

/// Fails with all that is needed to find out why.
#[track_caller]
fn check(seed: u64) -> Run {
    let run = std::panic::catch_unwind(|| simulate(seed)).unwrap_or_else(|payload| {
        say(&format!("simulation: seed {seed} panicked; {}", how_to_replay(seed)));
        std::panic::resume_unwind(payload);
    });
    assert!(run.wrong.is_empty(), "{}", tell(seed, &run));
    run
}

fn tell(seed: u64, run: &Run) -> String {
    let mut text = format!("simulation: seed {seed} failed\n");
    for what in run.wrong.iter().take(10) {
        let _ = writeln!(text, "- {what}");
    }
    let _ = writeln!(text, "\n{}", Sample::draw(seed));
    let lines = lines(&run.events);
    // Those around the first complaint about an event, else the last ones.
    let about = run.wrong.iter().find_map(|what| what.strip_prefix("event ")?.split_once(':'));
    let about = about.and_then(|(seq, _)| seq.parse::<usize>().ok()).unwrap_or(lines.len());
    let end = (about + 5).min(lines.len());
    for line in &lines[end.saturating_sub(EVENTS_SHOWN)..end] {
        let _ = writeln!(text, "{line}");
    }
    let _ = write!(text, "\n{}", how_to_replay(seed));
    text
}

fn how_to_replay(seed: u64) -> String {
    format!("to replay: {SEED_VARIABLE}={seed} cargo test -p processpype --test it simulation")
}

/// The history as text, with times from its beginning.
fn lines(events: &[Arc<Event>]) -> Vec<String> {
    let begin = events.first().map_or(0, |event| event.time.0);
    let line = |event: &Arc<Event>| {
        let (seq, time, kind) = (event.seq, event.time.0 - begin, event.kind);
        let mut line = format!("{seq:>6} {time:>9} ms {kind}");
        if let Some(service) = &event.service {
            let _ = write!(line, " {service}");
        }
        if let Some(generation) = event.generation {
            let _ = write!(line, "#{generation}");
        }
        if let (Some(from), Some(to)) = (event.from, event.to) {
            let _ = write!(line, " {from} → {to}");
        }
        let _ = write!(line, " {}", event.cause);
        if let Some(message) = &event.message {
            let _ = write!(line, " ({message})");
        }
        line
    };
    events.iter().map(line).collect()
}

/// Writes past the capture of the test harness: a log shows it although the test passes.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Returns the number that a variable of the environment holds.
fn asked_for(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} must be a number, not `{text}`")))
}

#[test]
fn simulation_of_fixed_seeds() {
    if asked_for(SEED_VARIABLE).is_some() {
        return;
    }
    let (mut hours, mut events) = (0.0, 0);
    for seed in 0..SEEDS {
        let run = check(seed);
        hours += run.hours;
        events += run.events.len();
    }
    say(&format!("simulation: {SEEDS} fixed seeds, {hours:.0} hours, {events} events"));
    assert!(hours > SEEDS as f64, "it is to simulate hours");
}

#[test]
fn simulation_of_a_random_seed() {
    let first = asked_for(SEED_VARIABLE).unwrap_or_else(|| RandomState::new().hash_one(0));
    say(&format!("simulation: random seed {first}; {}", how_to_replay(first)));
    for run in 0..asked_for(RUNS_VARIABLE).unwrap_or(1) {
        check(first.wrapping_add(run));
    }
}

#[test]
fn simulation_of_one_seed_is_always_the_same() {
    for seed in [3, 17, 42] {
        let [first, second] = [simulate(seed), simulate(seed)].map(|run| lines(&run.events));
        assert!(first.len() > 100, "seed {seed} is too quiet: {} events", first.len());
        let differs = first.iter().zip(&second).position(|(one, other)| one != other);
        assert_eq!(differs.map(|at| (&first[at], &second[at])), None, "seed {seed}");
        assert_eq!(first.len(), second.len(), "seed {seed}");
    }
}
