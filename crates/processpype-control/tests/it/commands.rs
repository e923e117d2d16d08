//! Start, stop, restart.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request};
use futures_util::stream;
use processpype_core::ServiceState;
use serde_json::json;
use tokio::time::{Instant, timeout};
use tower::ServiceExt;

use crate::fixture::{App, golden, pretty, settings};

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test(start_paused = true)]
async fn commands_are_idempotent() {
    let app = App::start().await;
    let command = async |verb: &str| app.post(&format!("/services/idle/{verb}")).await.ok(200);
    let told = |json: &serde_json::Value| (json["status"].clone(), json["changed"].clone());
    assert_eq!(told(&command("stop").await), (json!("stopped"), json!(false)));
    assert_eq!(told(&command("start").await), (json!("started"), json!(true)));
    assert_eq!(told(&command("start").await), (json!("started"), json!(false)));
    let restarted = command("restart").await;
    assert_eq!(told(&restarted), (json!("restarted"), json!(true)));
    assert_eq!(restarted["generation"], 2);
    let stopped = command("stop").await;
    assert_eq!(told(&stopped), (json!("stopped"), json!(true)));
    assert_eq!(stopped["service"], "idle");
    assert_eq!(told(&command("stop").await), (json!("stopped"), json!(false)));
    golden("stopped.json", &pretty(&stopped));
    golden("restarted.json", &pretty(&restarted));
}

#[tokio::test(start_paused = true)]
async fn a_stop_lists_who_is_affected_and_cascades_when_asked() {
    let app = App::start().await;
    let stopped = app.post("/services/counter/stop").await.ok(200);
    assert_eq!(stopped["affected"], json!(["reader"]));
    assert_eq!(app.manager.state("reader"), Some(ServiceState::Running));
    let again = app.post("/services/counter/stop").await.ok(200);
    assert_eq!((&again["changed"], &again["affected"]), (&json!(false), &json!([])));
    let cascaded = app.post("/services/counter/stop?cascade=true").await.ok(200);
    assert_eq!(cascaded["status"], "stopped");
    assert_eq!(cascaded["affected"], json!(["reader"]), "it says whom it stopped");
    assert!(app.manager.reached("reader", ServiceState::Stopped).await);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_provider_is_named_with_the_remedy() {
    let app = App::start().await;
    app.post("/services/counter/stop?cascade=true").await.ok(200);
    let problem = app.post("/services/reader/start").await.problem(409, "provider-stopped");
    assert_eq!(problem["provider"], "counter");
    assert_eq!(problem["service"], "reader");
    assert!(problem["help"].as_str().is_some_and(|help| help.contains("with_dependencies=true")));
    let foreseen = app.post("/services/reader/start?with_dependencies=true&dry_run=true").await;
    assert_eq!(foreseen.ok(200)["affected"], json!(["counter"]));
    let started = app.post("/services/reader/start?with_dependencies=true").await.ok(200);
    assert_eq!(started["affected"], json!(["counter"]), "it says whom it started");
    assert_eq!(started["changed"], true);
    assert_eq!(app.manager.state("counter"), Some(ServiceState::Running));
}

#[tokio::test(start_paused = true)]
async fn a_start_of_what_runs_says_which_providers_it_has_started() {
    let app = App::start().await;
    app.post("/services/counter/stop").await.ok(200);
    assert_eq!(app.manager.state("reader"), Some(ServiceState::Running));
    app.post("/services/reader/start").await.problem(409, "provider-stopped");
    for query in ["?with_dependencies=true&dry_run=true", "?with_dependencies=true"] {
        let answer = app.post(&format!("/services/reader/start{query}")).await.ok(200);
        assert_eq!((&answer["changed"], &answer["affected"]), (&json!(false), &json!(["counter"])));
    }
    assert!(app.manager.reached("counter", ServiceState::Running).await);
    let again = app.post("/services/reader/start?with_dependencies=true").await.ok(200);
    assert_eq!((&again["changed"], &again["affected"]), (&json!(false), &json!([])));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_passes_is_a_202() {
    let app = App::start().await;
    let begin = Instant::now();
    let accepted = app.post("/services/slow/start?wait=2s").await;
    assert_eq!(begin.elapsed().as_secs(), 2);
    golden("accepted.json", &pretty(&accepted.ok(202)));
    assert_eq!(accepted.header("location"), "/operations/1");
    // Asked again, the same start is waited for, by default for 10 s.
    app.post("/services/slow/start").await.ok(202);
    assert_eq!(begin.elapsed().as_secs(), 12);
    let done = app.post("/services/slow/start?wait=60s").await.ok(200);
    assert_eq!((begin.elapsed().as_secs(), &done["status"]), (20, &json!("started")));
}

#[tokio::test(start_paused = true)]
async fn a_start_that_fails_tells_the_public_reason() {
    let app = App::start().await;
    let problem = app.post("/services/broken/start").await.problem(503, "start-failed");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("the cellar is flooded")));
    assert_eq!(problem["state"], "error");
    golden("start-failed.json", &pretty(&problem));
    // A failure is not for ever: the next start is a new generation.
    app.post("/services/broken/start").await.problem(503, "start-failed");
    assert_eq!(app.get("/services/broken").await.ok(200)["generation"], 2);
    assert_eq!(app.post("/services/broken/stop").await.ok(200)["status"], "stopped");
}

#[tokio::test(start_paused = true)]
async fn a_disabled_service_does_not_start() {
    let app = App::start().await;
    for verb in ["start", "restart"] {
        let problem = app.post(&format!("/services/off/{verb}")).await.problem(409, "disabled");
        assert!(problem["help"].as_str().is_some_and(|help| help.contains("enabled: true")));
        let acted = &app.get("/services/off").await.ok(200)["acted"];
        assert!(acted.is_null(), "a refused command did nothing: {acted}");
    }
    assert_eq!(app.post("/services/off/stop").await.ok(200)["changed"], false);
}

#[tokio::test(start_paused = true)]
async fn the_later_command_wins() {
    let app = App::start().await;
    let (start, stop) = tokio::join!(app.post("/services/slow/start?wait=60s"), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        app.post("/services/slow/stop").await
    });
    let problem = start.problem(409, "superseded");
    let told = problem["detail"].as_str().unwrap_or_default();
    let expected = "a later command took the place of this one: stop by anonymous (operation ";
    assert!(told.starts_with(expected), "{told}");
    let operation = app.get(&format!("/operations/{}", problem["operation"])).await.ok(200);
    assert_eq!((&operation["verb"], &operation["state"]), (&"start".into(), &"superseded".into()));
    assert_eq!(stop.ok(200)["status"], "stopped");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_commanded_while_closing() {
    let app = App::start().await;
    app.manager.close();
    app.manager.reached("counter", ServiceState::Stopped).await;
    let answer = app.post("/services/counter/start").await;
    answer.problem(503, "closing");
    assert_ne!(answer.header("retry-after"), "");
}

#[tokio::test(start_paused = true)]
async fn actor_and_reason_are_kept() {
    let app = App::start().await;
    let body = r#"{"reason":"rolling out"}"#;
    app.ask(Method::POST, "/services/idle/start", &[JSON], body).await.ok(200);
    let acted = &app.get("/services/idle").await.ok(200)["acted"];
    assert_eq!(acted["actor"], "anonymous");
    assert_eq!(acted["verb"], "start");
    assert_eq!(acted["reason"], "rolling out");
}

#[tokio::test(start_paused = true)]
async fn bad_bodies() {
    let app = App::start().await;
    let post = async |headers: &[(&str, &str)], body: &str| {
        app.ask(Method::POST, "/services/idle/start", headers, body).await
    };
    let problem = post(&[JSON], r#"{"reson":"x"}"#).await.problem(422, "invalid-body");
    golden("invalid-body.json", &pretty(&problem));
    post(&[JSON], r#"{"reason":5}"#).await.problem(422, "invalid-body");
    post(&[JSON], "{").await.problem(422, "malformed-body");
    post(&[], "{}").await.problem(415, "unsupported-media-type");
    for media in ["text/plain", "text/x+json", "application/x-json", "application/jsonp", "json"] {
        let wrong = post(&[("content-type", media)], "{}").await;
        wrong.problem(415, "unsupported-media-type");
    }
    post(&[JSON], &"x".repeat(64 * 1024 + 1)).await.problem(413, "body-too-large");
    post(&[JSON, ("content-length", "99999999")], "x").await.problem(413, "body-too-large");
    assert_eq!(app.manager.state("idle"), Some(ServiceState::Stopped));
    let fits = format!("{{{}}}", " ".repeat(64 * 1024 - 2));
    post(&[JSON, ("content-length", "65536")], &fits).await.ok(200);
}

#[tokio::test(start_paused = true)]
async fn bad_queries() {
    let app = App::start().await;
    let post = async |query: &str| app.post(&format!("/services/idle/{query}")).await;
    let problem = post("stop?cascde=true&wait=2").await.problem(422, "invalid-query");
    golden("invalid-query.json", &pretty(&problem));
    for query in ["start?cascade=true", "stop?with_dependencies=true", "restart?cascade=true"] {
        post(query).await.problem(422, "invalid-query");
    }
    for query in ["start?wait=61s", "start?wait=1", "start?wait=", "stop?cascade=1", "stop?x=y"] {
        post(query).await.problem(422, "invalid-query");
    }
    assert_eq!(app.manager.state("idle"), Some(ServiceState::Stopped));
}

/// The client leaves while its body is on the way from the connection to the handler.
#[tokio::test(start_paused = true)]
async fn a_command_outlives_its_client() {
    let app = App::start().await;
    let body = stream::once(async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok::<_, Infallible>(r#"{"reason":"bye"}"#)
    });
    let request = Request::post("/services/idle/start").header("host", "localhost");
    let request = request.header(JSON.0, JSON.1).body(Body::from_stream(body)).expect("a request");
    let left = timeout(Duration::ZERO, app.router.clone().oneshot(request)).await;
    assert!(left.is_err(), "the client was to leave before the answer: {left:?}");
    let started = app.manager.reached("idle", ServiceState::Running);
    assert_eq!(timeout(Duration::from_secs(5), started).await, Ok(true));
}

#[tokio::test(start_paused = true)]
async fn more_commands_than_fit_at_once_are_refused_with_a_time_to_come_back() {
    let mut settings = settings();
    settings.limits.commands = 0;
    let app = App::start_with(settings).await;
    let answer = app.post("/services/idle/start").await;
    answer.problem(503, "busy");
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(app.manager.state("idle"), Some(ServiceState::Stopped));
}

#[tokio::test(start_paused = true)]
async fn an_order_that_nobody_takes_is_refused_in_time() {
    let app = App::unheard();
    let begun = Instant::now();
    app.post("/services/idle/start").await.problem(503, "busy");
    assert_eq!(begun.elapsed().as_secs(), 5);
}
