//! What clients see while an operator acts: an answer to every request.

#![allow(clippy::disallowed_methods, reason = "a real process runs on the real clock")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;

use crate::harness::Playground;
use crate::http;

/// How often the service is restarted under load.
const RESTARTS: u64 = 20;

/// Clients that ask without a pause, each on connections of its own.
const CLIENTS: usize = 3;

/// Asks for a path until it is told to end, and counts the answers by status. A request without a
/// whole answer fails the thread.
fn ask(address: SocketAddr, path: &str, end: &Arc<AtomicBool>) -> JoinHandle<BTreeMap<u16, u64>> {
    let (path, end) = (path.to_owned(), Arc::clone(end));
    std::thread::spawn(move || {
        let mut counts = BTreeMap::new();
        while !end.load(Relaxed) {
            let answer = http::request(address, "GET", &path, &[], b"");
            if answer.status == 503 {
                let problem = answer.problem(503, "service-unavailable");
                assert!(answer.header("retry-after").is_some(), "{problem}");
            }
            *counts.entry(answer.status).or_insert(0) += 1;
        }
        counts
    })
}

#[test]
fn a_restart_under_load_leaves_no_request_without_an_answer_and_others_untouched() {
    let app = Playground::settled(
        "server: {limits: {writes: {burst: 1000, per_second: 1000}}}
services:
  web: {kind: slow, work_delay: 5ms, stop_delay: 5ms}
  other: {kind: slow, work_delay: 1ms}",
    );
    let end = Arc::new(AtomicBool::new(false));
    let web: Vec<_> = (0..CLIENTS).map(|_| ask(app.address, "/services/web/work", &end)).collect();
    let other = ask(app.address, "/services/other/work", &end);
    for round in 1..=RESTARTS {
        let answer = app.post("/services/web/restart");
        assert_eq!(answer.status, 200, "restart {round}: {answer:?}");
    }
    end.store(true, Relaxed);

    // A restart is no hand-over: meanwhile the answer is a 503 that says when to come back.
    let mut served = 0;
    for client in web {
        let counts = client.join().expect("every request of the restarted service was answered");
        assert!(counts.keys().all(|status| matches!(status, 200 | 503)), "{counts:?}");
        served += counts.get(&200).copied().unwrap_or(0);
    }
    assert!(served > 0, "it served between its restarts");
    let counts = other.join().expect("every request of the other service was answered");
    assert_eq!(counts.keys().copied().collect::<Vec<_>>(), [200], "{counts:?}");
    assert_eq!(app.service("web")["generation"], RESTARTS + 1);
    app.terminate().check(0);
}
