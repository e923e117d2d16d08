//! Two hundred services in a random graph: the event log respects every edge, the plan bounds the
//! time.

#![allow(clippy::disallowed_methods, reason = "a real process runs on the real clock")]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Playground, run};
use crate::random::Random;

const SERVICES: usize = 200;

/// The graph is random, but the same each time.
const SEED: u64 = 0x5eed;

/// Services that start and stop in a few milliseconds, each after up to three earlier ones.
fn random_graph(seed: u64) -> String {
    let mut random = Random::new(seed);
    let mut text = String::from(
        "server: {closing_timeout_seconds: 60}\n\
         defaults: {start_timeout: 2s, stop_timeout: 1s}\nservices:\n",
    );
    for service in 0..SERVICES {
        let count = if service == 0 { 0 } else { random.below(4) };
        let mut providers: Vec<usize> = (0..count).map(|_| random.below(service)).collect();
        providers.sort_unstable();
        providers.dedup();
        let providers: Vec<String> = providers.iter().map(|it| format!("s{it}")).collect();
        let (start, stop) = (random.below(8), random.below(8));
        writeln!(
            text,
            "  s{service}: {{kind: slow, start_delay: {start}ms, stop_delay: {stop}ms, \
             depends_on: [{}]}}",
            providers.join(", ")
        )
        .unwrap();
    }
    text
}

/// The number of the event with which a service entered a state, for each service.
fn entered(events: &[Value], state: &str) -> HashMap<String, u64> {
    let entered = events.iter().filter(|event| event["kind"] == "state" && event["to"] == state);
    let entered = entered.map(|event| {
        (event["service"].as_str().unwrap().to_owned(), event["seq"].as_u64().unwrap())
    });
    entered.collect()
}

/// Reads the data of a stream of server-sent events to its end.
fn read_stream(stream: std::net::TcpStream) -> Vec<Value> {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    let data = lines.filter_map(|line| line.strip_prefix("data: ").map(str::to_owned));
    data.filter_map(|data| serde_json::from_str(&data).ok()).collect()
}

fn worst(plan: &Value, timing: &str) -> Duration {
    Duration::from_millis(plan[timing]["worst_case_ms"].as_u64().unwrap())
}

#[test]
fn a_random_graph_of_200_services_starts_and_stops_along_every_edge() {
    let begun = Instant::now();
    let app = Playground::start(&random_graph(SEED));
    app.settle();
    let start_took = begun.elapsed();
    let plan = run(&["plan", "--json", "--config", app.file.to_str().unwrap()]);
    assert_eq!(plan.code, Some(0), "{plan:?}");
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();

    let stream = app.follow();
    let reading = std::thread::spawn(move || read_stream(stream));
    let ended = app.terminate();
    ended.check(0);
    let events = reading.join().unwrap();

    let running = entered(&events, "running");
    let starting = entered(&events, "starting");
    let stopping = entered(&events, "stopping");
    let stopped = entered(&events, "stopped");
    for of in [&running, &starting, &stopping, &stopped] {
        assert_eq!(of.len(), SERVICES, "an event is missing");
    }
    let edges = plan["edges"].as_array().unwrap();
    assert!(edges.len() > SERVICES, "the graph is dense enough to say something");
    for edge in edges {
        let (provider, dependent) =
            (edge["provider"].as_str().unwrap(), edge["dependent"].as_str().unwrap());
        assert!(running[provider] < starting[dependent], "{provider} → {dependent} at start");
        assert!(stopped[dependent] < stopping[provider], "{dependent} → {provider} at stop");
    }
    assert!(start_took < worst(&plan, "start_timing"), "{start_took:?}");
    assert!(ended.took < worst(&plan, "stop_timing"), "{:?}", ended.took);
}
