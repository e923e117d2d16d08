//! Levels of the log: looked at, changed for a while, and as configured again.

use std::time::Duration;

use axum::http::Method;
use processpype_core::{LogLevel, ServiceState};
use processpype_runtime::Request;
use processpype_telemetry::Level;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::fixture::{Answer, App, golden, logged, pretty, service_span};

const COUNTER: &str = "/services/counter/-/level";

const JSON: (&str, &str) = ("content-type", "application/json");

async fn put(app: &App, path: &str, body: &str) -> Answer {
    app.ask(Method::PUT, path, &[JSON], body).await
}

async fn delete(app: &App, path: &str) -> Answer {
    app.ask(Method::DELETE, path, &[], "").await
}

/// Logs something at `debug` inside the service; returns whether it was shown.
async fn shows_debug(app: &App, service: &str) -> bool {
    let path = format!("/services/{service}/-/logs");
    let before = app.get(&path).await.ok(200)["last"].as_u64().expect("a number");
    service_span(service, 1).in_scope(|| tracing::debug!("detail"));
    app.get(&path).await.ok(200)["last"].as_u64().expect("a number") > before
}

async fn told(app: &App, kind: &str) -> Vec<Value> {
    let page = app.get(&format!("/events?kind={kind}")).await.ok(200);
    page["events"].as_array().expect("a list").clone()
}

#[tokio::test(start_paused = true)]
async fn a_change_ends_by_itself() {
    let (_guard, _log, settings) = logged();
    let app = App::start_with(settings).await;
    assert!(!shows_debug(&app, "counter").await);
    let body = r#"{"level":"debug","for":"10m","reason":"it counts wrong"}"#;
    let changed = put(&app, COUNTER, body).await.ok(200);
    golden("level-changed.json", &pretty(&changed));
    assert!(shows_debug(&app, "counter").await && !shows_debug(&app, "reader").await);
    assert_eq!(app.get(COUNTER).await.ok(200), changed["now"]);

    sleep(Duration::from_secs(599)).await;
    assert!(shows_debug(&app, "counter").await);
    sleep(Duration::from_secs(2)).await;
    assert!(!shows_debug(&app, "counter").await);
    let now = app.get(COUNTER).await.ok(200);
    let expected =
        json!({ "service": "counter", "level": "info", "configured": null, "change": null });
    assert_eq!(now, expected);

    let (begun, over) = (told(&app, "level-changed").await, told(&app, "level-reverted").await);
    assert_eq!((begun.len(), over.len()), (1, 1));
    golden("level-event.json", &pretty(&begun[0]));
    assert_eq!((&over[0]["cause"], &over[0]["actor"]), (&json!("expired"), &json!(null)));
    assert_eq!(
        (&over[0]["message"], &over[0]["service"]),
        (&json!("info again"), &json!("counter"))
    );
    let operation = app.get("/operations/1").await.ok(200);
    assert_eq!((&operation["verb"], &operation["service"]), (&json!("level"), &json!("counter")));
    assert_eq!(operation["reason"], "it counts wrong");
}

#[tokio::test(start_paused = true)]
async fn the_later_change_has_the_later_end_and_what_is_configured_waits() {
    let (_guard, log, settings) = logged();
    log.levels().set_service("counter", Level::Warn);
    let app = App::start_with(settings).await;
    put(&app, COUNTER, r#"{"level":"trace","for":"10s"}"#).await.ok(200);
    sleep(Duration::from_secs(5)).await;
    put(&app, COUNTER, r#"{"level":"debug"}"#).await.ok(200);
    sleep(Duration::from_secs(60)).await;
    assert!(shows_debug(&app, "counter").await, "the first end counts no more");
    sleep(Duration::from_secs(14 * 60 + 1)).await;
    assert!(!shows_debug(&app, "counter").await, "15 minutes are over");
    assert_eq!(told(&app, "level-reverted").await.len(), 1);

    put(&app, COUNTER, r#"{"level":"debug","for":"1d"}"#).await.ok(200);
    log.levels().set_service("counter", Level::Error);
    let reset = delete(&app, COUNTER).await.ok(200);
    assert_eq!((&reset["changed"], &reset["now"]["level"]), (&json!(true), &json!("error")));
    let again = delete(&app, COUNTER).await.ok(200);
    assert_eq!(again["changed"], false);
    let over = told(&app, "level-reverted").await;
    assert_eq!((over.len(), &over[1]["cause"]), (2, &json!("operator")));
    // The timer of what was taken back ends nothing.
    sleep(Duration::from_secs(86_400)).await;
    assert_eq!(told(&app, "level-reverted").await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_application_has_a_level_too() {
    let (_guard, log, settings) = logged();
    log.levels().set_service("reader", Level::Warn);
    log.levels().set_logger("hyper", Level::Warn);
    let app = App::start_with(settings).await;
    put(&app, "/levels", r#"{"level":"debug","for":"1m"}"#).await.ok(200);
    assert!(shows_debug(&app, "counter").await && !shows_debug(&app, "reader").await);
    put(&app, COUNTER, r#"{"level":"info"}"#).await.ok(200);
    assert!(!shows_debug(&app, "counter").await);
    golden("levels.json", &pretty(&app.get("/levels").await.ok(200)));
    assert_eq!(delete(&app, "/levels").await.ok(200)["now"]["level"], "info");
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_changes_nothing_and_is_told() {
    let (_guard, _log, settings) = logged();
    let app = App::start_with(settings).await;
    let loud = put(&app, COUNTER, r#"{"level":"loud"}"#).await.problem(422, "invalid-body");
    assert_eq!(loud["errors"][0]["path"], "level");
    let valid = json!(["off", "error", "warn", "info", "debug", "trace"]);
    assert_eq!(loud["errors"][0]["valid"], valid, "{loud}");
    for (body, path) in [
        ("", "level"),
        (r#"{"for":"1m"}"#, "level"),
        (r#"{"level":"debug","for":"0"}"#, "for"),
        (r#"{"level":"debug","for":"2d"}"#, "for"),
        (r#"{"level":"debug","for":10}"#, "for"),
        (r#"{"level":"debug","fro":"1m"}"#, "fro"),
    ] {
        let problem = put(&app, COUNTER, body).await.problem(422, "invalid-body");
        assert_eq!(problem["errors"][0]["path"], path, "{problem}");
    }
    put(&app, COUNTER, "{").await.problem(422, "malformed-body");
    put(&app, "/services/nobody/-/level", "{}").await.problem(404, "unknown-service");
    put(&app, "/levels?x=1", r#"{"level":"debug"}"#).await.problem(422, "invalid-query");
    assert!(app.get(COUNTER).await.ok(200)["change"].is_null());
    let wrong = app.post(COUNTER).await;
    wrong.problem(405, "method-not-allowed");
    assert_eq!(wrong.header("allow"), "GET, HEAD, PUT, DELETE, OPTIONS");
}

#[tokio::test(start_paused = true)]
async fn without_a_log_it_is_said_so() {
    let app = App::start().await;
    for path in ["/levels", COUNTER] {
        app.get(path).await.problem(501, "logs-unavailable");
        put(&app, path, r#"{"level":"debug"}"#).await.problem(501, "logs-unavailable");
        delete(&app, path).await.problem(501, "logs-unavailable");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_takes_a_place_among_the_commands() {
    let (_guard, _log, mut settings) = logged();
    settings.limits.commands = 0;
    let app = App::start_with(settings).await;
    put(&app, COUNTER, r#"{"level":"debug"}"#).await.problem(503, "busy");
    delete(&app, COUNTER).await.problem(503, "busy");
    assert!(app.get(COUNTER).await.ok(200)["change"].is_null());
}

/// There is one timer: it is set for the change that ends first, whichever came first.
#[tokio::test(start_paused = true)]
async fn each_change_has_its_own_end_whichever_came_first() {
    for times in [["10s", "60s"], ["60s", "10s"]] {
        let (_guard, _log, settings) = logged();
        let app = App::start_with(settings).await;
        for (service, time) in ["counter", "reader"].into_iter().zip(times) {
            let body = format!(r#"{{"level":"debug","for":"{time}"}}"#);
            put(&app, &format!("/services/{service}/-/level"), &body).await.ok(200);
        }
        sleep(Duration::from_secs(11)).await;
        let shown = [shows_debug(&app, "counter").await, shows_debug(&app, "reader").await];
        assert_eq!(shown, times.map(|time| time == "60s"), "{times:?}");
        sleep(Duration::from_secs(50)).await;
        assert!(!shows_debug(&app, "counter").await && !shows_debug(&app, "reader").await);
    }
}

#[tokio::test(start_paused = true)]
async fn code_changes_a_level_for_a_day_at_most() {
    let (_guard, _log, settings) = logged();
    let app = App::start_with(settings).await;
    let two_days = Duration::from_secs(2 * 86_400);
    let change = app.manager.change_level(None, LogLevel::Debug, two_days, Request::by("code"));
    change.await.expect("it is taken");
    sleep(two_days / 2 - Duration::from_secs(1)).await;
    assert!(shows_debug(&app, "counter").await);
    sleep(Duration::from_secs(2)).await;
    assert!(!shows_debug(&app, "counter").await);
}

#[tokio::test(start_paused = true)]
async fn a_change_goes_with_its_service_and_none_comes_while_the_application_closes() {
    let (_guard, _log, settings) = logged();
    let app = App::start_with(settings).await;
    put(&app, "/services/idle/-/level", r#"{"level":"debug"}"#).await.ok(200);
    app.manager.deregister("idle").await.expect("it leaves");
    assert!(app.manager.level_changes().is_empty());
    let over = told(&app, "level-reverted").await;
    assert_eq!((over.len(), &over[0]["service"]), (1, &json!("idle")));
    app.manager.close();
    app.manager.reached("counter", ServiceState::Stopped).await;
    put(&app, COUNTER, r#"{"level":"debug"}"#).await.problem(503, "closing");
}
