//! Alive, ready, started.

use std::time::Duration;

use processpype_core::ServiceState;
use serde_json::json;

use crate::fixture::{App, golden, pretty};

#[tokio::test(start_paused = true)]
async fn a_running_application_is_ready() {
    let app = App::start().await;
    assert_eq!(app.get("/health/live").await.ok(200), json!({ "status": "alive" }));
    assert_eq!(app.get("/health/ready").await.ok(200), json!({ "status": "ready" }));
    assert_eq!(app.get("/health/startup").await.ok(200), json!({ "status": "started" }));
}

#[tokio::test(start_paused = true)]
async fn during_the_start_it_is_alive_only() {
    let app = App::starting();
    tokio::time::sleep(Duration::from_secs(1)).await;
    app.get("/health/live").await.ok(200);
    app.get("/health/startup").await.problem(503, "not-started");
    let problem = app.get("/health/ready").await.problem(503, "not-ready");
    golden("not-ready.json", &pretty(&problem));
    app.manager.settled().await;
    assert!(app.manager.reached("waiting", ServiceState::Running).await);
    app.get("/health/ready").await.ok(200);
    app.get("/health/startup").await.ok(200);
}

#[tokio::test(start_paused = true)]
async fn a_broken_provider_is_the_reason_of_all_that_wait_for_it() {
    let app = App::broken().await;
    let problem = app.get("/health/ready").await.problem(503, "not-ready");
    let unready = problem["unready"].as_array().expect("a list").clone();
    let reasons: Vec<&str> = unready.iter().filter_map(|one| one["reason"].as_str()).collect();
    assert_eq!(reasons.len(), 3);
    assert!(reasons.iter().all(|reason| reason.contains("the cellar is flooded")), "{reasons:?}");
    app.get("/health/live").await.ok(200);
}

#[tokio::test(start_paused = true)]
async fn readiness_follows_services_and_startup_does_not() {
    let app = App::start().await;
    app.post("/services/shy/start?wait=0").await;
    assert!(app.manager.reached("shy", ServiceState::Running).await);
    let problem = app.get("/health/ready").await.problem(503, "not-ready");
    assert_eq!(problem["unready"][0]["service"], "shy");
    app.get("/health/startup").await.ok(200);
    // An operator's stop is no failure: the service should not run.
    app.post("/services/shy/stop").await.ok(200);
    app.get("/health/ready").await.ok(200);
}

#[tokio::test(start_paused = true)]
async fn who_is_not_required_keeps_nobody_from_being_ready() {
    let app = App::with_optional_readiness().await;
    let status = app.get("/services/broken").await.ok(200);
    assert_eq!((&status["state"], &status["ready"]), (&json!("error"), &json!(false)));
    app.get("/health/ready").await.ok(200);
    // And it is said where somebody may wonder.
    assert_eq!(status["readiness_required"], false);
    let listed = app.get("/services").await.ok(200);
    assert_eq!(listed["services"][0]["readiness_required"], false);
    let why = app.get("/services/broken/-/why").await.ok(200);
    let text = why["text"].as_str().expect("a text");
    assert!(text.contains("`/health/ready` does not wait for it"), "{text}");
    let app = App::broken().await;
    assert!(app.get("/services/broken").await.ok(200).get("readiness_required").is_none());
    let why = app.get("/services/broken/-/why").await.ok(200);
    assert!(!why["text"].as_str().expect("a text").contains("/health/ready"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn who_is_not_ready_is_rendered_once_per_version() {
    let app = App::broken().await;
    let one = app.bytes("/health/ready").await;
    let again = app.bytes("/health/ready").await;
    // The same bytes at the same place: nobody has made them anew.
    assert!(!one.is_empty() && one.as_ptr() == again.as_ptr());
    app.post("/services/broken/stop").await.ok(200);
    let other = app.bytes("/health/ready").await;
    assert_ne!(one, other);
    assert_eq!(other.as_ptr(), app.bytes("/health/ready").await.as_ptr());
}

#[tokio::test(start_paused = true)]
async fn readiness_fails_as_soon_as_closing_begins() {
    let app = App::start().await;
    app.get("/health/startup").await.ok(200);
    app.manager.close();
    while !app.manager.is_closing() {
        tokio::task::yield_now().await;
    }
    app.get("/health/ready").await.problem(503, "closing");
    app.get("/health/live").await.ok(200);
    app.get("/health/startup").await.ok(200);
}

#[tokio::test(start_paused = true)]
async fn a_backoff_is_told_with_the_time_of_the_next_try() {
    let app = App::retrying(1).await;
    let status = app.get("/services/broken").await.ok(200);
    let next = status["restart"]["next_at"].as_str().expect("a time").to_owned();
    assert_eq!(status["restart"]["attempt"], 1);
    assert_eq!(status["restart"]["exhausted"], false);
    let problem = app.get("/health/ready").await.problem(503, "not-ready");
    let reasons = problem["unready"].to_string();
    assert!(reasons.contains(&format!("in backoff, next try at {next}")), "{reasons}");
    // A second is left, or a little less: rounded up, and one more.
    let answer = app.get("/services/broken/value").await;
    answer.problem(503, "service-unavailable");
    assert_eq!(answer.header("retry-after"), "2");
}

#[tokio::test(start_paused = true)]
async fn who_is_given_up_is_exhausted() {
    let app = App::retrying(0).await;
    let status = app.get("/services/broken").await.ok(200);
    assert_eq!(status["state"], "error");
    assert_eq!(status["restart"]["exhausted"], true);
    assert_eq!(status["restart"]["next_at"], serde_json::Value::Null);
    let problem = app.get("/health/ready").await.problem(503, "not-ready");
    let reasons = problem["unready"].to_string();
    assert!(reasons.contains("; exhausted)"), "{reasons}");
}
