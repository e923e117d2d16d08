//! A thousand services that crash at once come back, and starve neither a healthy one nor the API.

#![allow(clippy::disallowed_methods, reason = "a real process runs on the real clock")]

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Playground, eventually};
use crate::http;

const VICTIMS: usize = 1000;

/// Between two looks at `/health/live`.
const LOOK: Duration = Duration::from_millis(10);

/// How long the ticker is watched in peace, to compare with, and in the worst of it: all crash, and
/// the first hundred come back.
const WHILE: Duration = Duration::from_secs(2);

/// The 99th percentile of `/health/live` may be this. The figure of the promise is 100 ms; other
/// tests share the cores here, so what fails is what is wrong and not what is busy. What was
/// measured is printed: 17 to 47 ms in 20 runs without optimisation, on two cores in use.
const LIVE_P99_MAX: Duration = Duration::from_millis(500);

/// The share of its ticks that the ticker may lose. The promise is 0.1; in the same runs it lost at
/// most 0.02 over the whole storm, and 0.08 in its first two seconds.
const LOST_MAX: f64 = 0.25;

fn crowd() -> String {
    let mut text = String::from(
        "services:\n  trigger: {kind: trigger}\n  good: {kind: ticker, interval: 20ms}\n",
    );
    for victim in 0..VICTIMS {
        writeln!(text, "  v{victim}: {{kind: victim}}").unwrap();
    }
    text
}

/// Asks whether the process is live until it is told to stop; returns how long each answer took.
fn ask_live(address: SocketAddr, stop: &AtomicBool) -> Vec<Duration> {
    let mut took = Vec::new();
    while !stop.load(Relaxed) {
        let begun = Instant::now();
        let answer = http::request(address, "GET", "/health/live", &[], b"");
        assert_eq!(answer.status, 200, "{answer:?}");
        took.push(begun.elapsed());
        std::thread::sleep(LOOK);
    }
    took
}

/// Returns how often a ticker ticks per second, from now until `until` says so.
fn rate(app: &Playground, mut until: impl FnMut() -> bool) -> f64 {
    let ticks = || app.get("/services/good/ticks").json()["ticks"].as_u64().unwrap();
    let (begun, before) = (Instant::now(), ticks());
    while !until() {
        std::thread::sleep(LOOK * 10);
    }
    (ticks() - before) as f64 / begun.elapsed().as_secs_f64()
}

fn percentile(sorted: &[Duration], hundredths: usize) -> Duration {
    sorted[(sorted.len() * hundredths / 100).min(sorted.len() - 1)]
}

/// Whether every victim runs in its second generation.
fn are_back(services: &Value) -> bool {
    let all = services["services"].as_array().unwrap();
    let victims = all.iter().filter(|service| service["kind"] == "victim");
    let back = |service: &&Value| service["state"] == "running" && service["generation"] == 2;
    victims.filter(back).count() == VICTIMS
}

#[test]
fn a_thousand_that_crash_at_once_come_back_and_starve_nobody() {
    let app = Playground::settled(&crowd());
    let over = |begun: Instant| move || begun.elapsed() > WHILE;
    let peace = rate(&app, over(Instant::now()));

    let stop = Arc::new(AtomicBool::new(false));
    let (asking, address) = (Arc::clone(&stop), app.address);
    let asker = std::thread::spawn(move || ask_live(address, &asking));
    let pulled = app.post("/services/trigger/pull").json();
    assert_eq!(pulled["victims"], VICTIMS);
    let begun = Instant::now();
    let crash = rate(&app, over(begun));
    let storm = rate(&app, || are_back(&app.get("/services").json()));
    let took = begun.elapsed();
    stop.store(true, Relaxed);

    let mut live = asker.join().unwrap();
    live.sort_unstable();
    let (p50, p99) = (percentile(&live, 50), percentile(&live, 99));
    println!(
        "all back after {took:?}; live {p50:?} at the median, {p99:?} at the 99th percentile, \
         {:?} at most of {}; ticks per second {peace:.1} in peace, {crash:.1} while all crash, \
         {storm:.1} while they come back",
        live.last().unwrap(),
        live.len(),
    );
    assert!(p99 < LIVE_P99_MAX, "{p99:?}");
    for ticks in [crash, storm] {
        assert!(ticks > peace * (1.0 - LOST_MAX), "{ticks} of {peace}");
    }
    app.logged("more services fail than are started again at once");
    let held = app.get("/events?kind=restart&limit=1000&after=0").json();
    let held = held["events"].as_array().unwrap().iter();
    assert!(held.clone().any(|event| event["cause"] == "restart-held"));
    eventually("it is ready", || (app.get("/health/ready").status == 200).then_some(()));
    app.terminate().check(0);
}
