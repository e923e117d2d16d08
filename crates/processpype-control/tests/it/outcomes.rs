//! Every command in every situation, over HTTP: which status and which code each cell answers.
//!
//! What the machine decides is told by `processpype-core/tests/golden/commands.txt`; here it is how
//! that is answered. `UPDATE_GOLDEN=1` writes the table: read the difference as a client.

use std::fmt::Write as _;
use std::time::Duration;

use axum::http::Method;
use processpype_core::ServiceState;

use crate::fixture::{App, golden, settings};

const COMMANDS: [&str; 7] = [
    "start",
    "start?with_dependencies=true",
    "start?force=true",
    "stop",
    "stop?cascade=true",
    "restart",
    "restart?with_dependents=true",
];

/// The situations, with the service that is commanded in each.
const SITUATIONS: [(&str, &str); 14] = [
    ("stopped, never started", "idle"),
    ("stopped by an operator", "idle"),
    ("stopped, disabled", "off"),
    ("stopped, its provider too, by an operator", "reader"),
    ("stopped, waits for a broken provider", "near"),
    ("starting", "slow"),
    ("running", "counter"),
    ("running, not ready", "shy"),
    ("stopping", "late"),
    ("error", "broken"),
    ("error, in backoff", "broken"),
    ("error, exhausted", "broken"),
    ("error, orphaned", "stuck"),
    ("closing", "late"),
];

/// How often others go first until an answer that needs no time has not come.
const TURNS: usize = 10_000;

async fn scene(situation: &str) -> App {
    match situation {
        "stopped, waits for a broken provider" => return App::broken().await,
        "error, in backoff" => return App::retrying(5).await,
        "error, exhausted" => {
            let app = App::retrying(0).await;
            assert!(app.manager.reached("broken", ServiceState::Error).await);
            return app;
        }
        "error, orphaned" => {
            let app = App::stuck().await;
            app.post("/services/stuck/stop").await.problem(409, "orphaned");
            // What blocks a thread is waited for on real time. It is over: an answer at once, on a
            // clock that goes on by itself, would depend on how busy the machine is.
            tokio::time::pause();
            return app;
        }
        _ => {}
    }
    let app = App::start().await;
    match situation {
        "stopped by an operator" => {
            app.post("/services/idle/start").await.ok(200);
            app.post("/services/idle/stop").await.ok(200);
        }
        "stopped, its provider too, by an operator" => {
            app.post("/services/counter/stop?cascade=true").await.ok(200);
        }
        "starting" => _ = app.post("/services/slow/start?wait=0").await.ok(202),
        "running, not ready" => _ = app.post("/services/shy/start").await.ok(200),
        "stopping" => {
            app.post("/services/late/start").await.ok(200);
            app.post("/services/late/stop?wait=0").await.ok(202);
        }
        "error" => _ = app.post("/services/broken/start").await.problem(503, "start-failed"),
        "closing" => {
            app.post("/services/late/start").await.ok(200);
            app.manager.close();
            assert!(app.manager.reached("late", ServiceState::Stopping).await);
        }
        _ => {}
    }
    app
}

/// Answers a command in a situation, in an application of its own.
async fn cell(situation: &str, service: &str, command: &str, wait: &str) -> String {
    let app = tokio::time::timeout(Duration::from_secs(90), scene(situation)).await;
    let app = app.unwrap_or_else(|_| panic!("{situation} does not come"));
    let sign = if command.contains('?') { '&' } else { '?' };
    let target = format!("/services/{service}/{command}{sign}wait={wait}");
    let answer = tokio::select! {
        biased;
        answer = app.post(&target) => answer,
        () = too_long(service) => panic!("{situation}: no answer to {command}"),
    };
    word(&answer)
}

/// Returns when an answer should long have come. As long as a thread is blocked, paused time
/// stands: then turns of the thread are counted.
async fn too_long(service: &str) {
    if service != "stuck" {
        return tokio::time::sleep(Duration::from_secs(90)).await;
    }
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
}

#[test]
fn every_cell_has_its_status_and_code() {
    let mut table = String::new();
    for (situation, service) in SITUATIONS {
        let _ = writeln!(table, "{situation}");
        for command in COMMANDS {
            let answer = |wait| {
                let mut runtime = tokio::runtime::Builder::new_current_thread();
                // What blocks a thread cannot be waited for on paused time.
                let runtime = runtime.enable_all().start_paused(service != "stuck").build();
                let runtime = runtime.expect("a runtime");
                runtime.block_on(cell(situation, service, command, wait))
            };
            let (now, later) = (answer("0"), answer("60s"));
            let _ = writeln!(table, "  {command:29} at once {now:26} later {later}");
        }
    }
    golden("outcomes.txt", &table);
}

fn word(answer: &crate::fixture::Answer) -> String {
    let json = answer.json();
    let what = match answer.status.as_u16() {
        200 if json["changed"] == true => json["status"].as_str().unwrap_or_default().to_owned(),
        200 => "unchanged".to_owned(),
        202 => format!("accepted, {}", json["state"].as_str().unwrap_or_default()),
        _ => json["code"].as_str().unwrap_or_default().to_owned(),
    };
    format!("{} {what}", answer.status.as_u16())
}

#[tokio::test]
async fn a_check_that_hangs_is_told_as_that() {
    let mut settings = settings();
    settings.limits.accept_time = Duration::from_millis(100);
    let app = App::unmaking(settings).await;
    let register = async || {
        let json = ("content-type", "application/json");
        app.ask(Method::POST, "/services", &[json], r#"{"name":"lamp","kind":"lamp"}"#).await
    };
    for running in 1..3 {
        let refused = register().await.problem(503, "busy");
        let detail = refused["detail"].as_str().expect("a text");
        assert!(detail.ends_with(&format!("{running} of 16 checks go on")), "{detail}");
        assert!(refused["help"].as_str().is_some_and(|help| help.contains("hangs")), "{refused}");
    }
}
