//! Automatic restarts: paused, held, and going on.

use std::time::Duration;

use processpype_core::ServiceState;
use serde_json::json;
use tokio::time::sleep;

use crate::fixture::App;

async fn generation(app: &App) -> u64 {
    app.get("/services/broken").await.ok(200)["generation"].as_u64().expect("a number")
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_restarts_and_ends_by_itself() {
    let app = App::retrying(1000).await;
    let paused = app.post("/restarts/pause?for=1m").await.ok(200);
    assert_eq!(paused["changed"], true);
    let held_at = generation(&app).await;
    sleep(Duration::from_secs(59)).await;
    assert_eq!(generation(&app).await, held_at, "nothing is restarted");
    let status = app.get("/services/broken").await.ok(200);
    assert_eq!(status["restart"]["held"], true);
    assert_eq!(status["restart"]["next_at"], paused["until"]);
    assert_eq!(app.get("/").await.ok(200)["restarts_paused"]["until"], paused["until"]);
    // An operator's start is no automatic restart, and its failure comes under the pause again.
    app.post("/services/broken/start").await.problem(503, "start-failed");
    assert_eq!(generation(&app).await, held_at + 1);
    sleep(Duration::from_secs(2)).await;
    assert!(app.get("/").await.ok(200)["restarts_paused"].is_null());
    assert!(generation(&app).await > held_at + 1, "it goes on by itself");
    let events = app.get("/events?kind=restart&limit=1000").await.ok(200);
    let of_all = events["events"].as_array().expect("a list").iter();
    let told: Vec<_> = of_all.filter(|it| it["service"].is_null()).map(|it| &it["cause"]).collect();
    assert_eq!(told, ["paused", "resumed"]);
    assert_eq!(app.get("/operations/1").await.ok(200)["verb"], "pause-restarts");
}

#[tokio::test(start_paused = true)]
async fn a_pause_for_no_time_that_is_said_is_ten_minutes() {
    let app = App::retrying(1000).await;
    app.post("/restarts/pause").await.ok(200);
    let held_at = generation(&app).await;
    sleep(Duration::from_secs(10 * 60 - 1)).await;
    assert_eq!(generation(&app).await, held_at, "nothing is restarted");
    sleep(Duration::from_secs(2)).await;
    assert!(app.get("/").await.ok(200)["restarts_paused"].is_null());
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_prolonged_and_ended_by_hand() {
    let app = App::retrying(1000).await;
    app.post("/restarts/pause?for=10s").await.ok(200);
    sleep(Duration::from_secs(5)).await;
    app.post("/restarts/pause?for=10s").await.ok(200);
    let held_at = generation(&app).await;
    sleep(Duration::from_secs(9)).await;
    assert_eq!(generation(&app).await, held_at, "the first end counts no more");
    assert_eq!(app.post("/restarts/resume").await.ok(200)["until"], json!(null));
    sleep(Duration::from_millis(10)).await;
    assert_eq!(generation(&app).await, held_at + 1);
    assert_eq!(app.post("/restarts/resume").await.ok(200)["changed"], false);
}

#[tokio::test(start_paused = true)]
async fn who_is_held_can_be_stopped_and_closing_waits_for_nobody() {
    let app = App::retrying(1000).await;
    app.post("/restarts/pause").await.ok(200);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(app.post("/services/broken/stop").await.ok(200)["status"], "stopped");
    app.post("/restarts/resume").await.ok(200);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(app.manager.state("broken"), Some(ServiceState::Stopped));
    app.manager.close();
    sleep(Duration::from_secs(1)).await;
    app.post("/restarts/pause").await.problem(503, "closing");
}

#[tokio::test(start_paused = true)]
async fn bad_pauses() {
    let app = App::start().await;
    for query in ["for=0", "for=999ms", "for=25h", "for=5", "fro=5s"] {
        app.post(&format!("/restarts/pause?{query}")).await.problem(422, "invalid-query");
    }
    app.get("/restarts/pause").await.problem(405, "method-not-allowed");
    app.post("/restarts/resume?for=1s").await.problem(422, "invalid-query");
}

#[tokio::test(start_paused = true)]
async fn events_since() {
    let app = App::retrying(1000).await;
    sleep(Duration::from_secs(600)).await;
    let all = app.get("/events?limit=1000").await.ok(200)["last"].as_u64();
    let count = async |since: &str| {
        let page = app.get(&format!("/events?limit=1000&since={since}")).await.ok(200);
        page["events"].as_array().map(|events| events.len() as u64)
    };
    assert!(count("10s").await > Some(0) && count("10s").await < count("1m").await);
    let begin = "2026-11-18T11:06:40Z";
    assert_eq!(count(begin).await, all.map(|all| all.min(1000)));
    for since in ["yesterday", "2026-11-18", "-5m"] {
        app.get(&format!("/events?since={since}")).await.problem(422, "invalid-query");
    }
}
