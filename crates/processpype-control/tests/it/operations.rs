//! Operations as resources: read, conditions, keys, cancel, dry runs.

use std::time::Duration;

use axum::http::Method;
use processpype_core::ServiceState;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::fixture::{Answer, App, golden, pretty};

const JSON: (&str, &str) = ("content-type", "application/json");

async fn post(app: &App, target: &str, headers: &[(&str, &str)]) -> Answer {
    app.ask(Method::POST, target, headers, "").await
}

async fn cancel(app: &App, id: u64) -> Answer {
    app.ask(Method::DELETE, &format!("/operations/{id}"), &[], "").await
}

fn ids(page: &Value) -> Vec<u64> {
    let operations = page["operations"].as_array().expect("a list");
    operations.iter().filter_map(|operation| operation["id"].as_u64()).collect()
}

#[tokio::test(start_paused = true)]
async fn an_operation_can_be_read_while_it_goes_on_and_after_its_end() {
    let app = App::start().await;
    let body = r#"{"reason":"rolling out"}"#;
    let accepted = app.ask(Method::POST, "/services/slow/start?wait=0", &[JSON], body).await;
    let place = accepted.header("location").to_owned();
    assert_eq!(accepted.ok(202)["location"], place.as_str());
    golden("operation-waiting.json", &pretty(&app.get(&place).await.ok(200)));
    assert!(app.manager.reached("slow", ServiceState::Running).await);
    golden("operation-done.json", &pretty(&app.get(&place).await.ok(200)));
    let refused = app.post("/services/off/start").await.problem(409, "disabled");
    let refused = app.get(&format!("/operations/{}", refused["operation"])).await.ok(200);
    golden("operation-refused.json", &pretty(&refused));
}

#[tokio::test(start_paused = true)]
async fn operations_are_paged_and_filtered() {
    let app = App::start().await;
    for target in ["idle/start", "idle/stop", "off/start", "broken/start", "idle/start"] {
        post(&app, &format!("/services/{target}"), &[]).await;
    }
    post(&app, "/services/slow/start?wait=0", &[]).await.ok(202);
    let page = async |query: &str| app.get(&format!("/operations{query}")).await.ok(200);
    assert_eq!(ids(&page("").await), [1, 2, 3, 4, 5, 6]);
    assert_eq!(ids(&page("?after=4").await), [5, 6]);
    assert_eq!(ids(&page("?service=idle").await), [1, 2, 5]);
    for (state, expected) in
        [("waiting", vec![6]), ("done", vec![1, 2, 5]), ("refused", vec![3]), ("failed", vec![4])]
    {
        assert_eq!(ids(&page(&format!("?state={state}")).await), expected, "{state}");
    }
    let first = page("?service=idle&limit=2").await;
    assert_eq!((ids(&first), &first["next"], &first["last"]), (vec![1, 2], &json!(2), &json!(6)));
    // A place of an earlier process.
    assert_eq!(page("?after=99").await, page("").await);
    for query in ["?limit=0", "?limit=1001", "?state=ended", "?service=x", "?verb=start"] {
        app.get(&format!("/operations{query}")).await.problem(422, "invalid-query");
    }
}

#[tokio::test(start_paused = true)]
async fn ids_that_never_were_and_methods_that_are_not() {
    let app = App::start().await;
    for id in ["0", "1", "-1", "x", "18446744073709551616"] {
        app.get(&format!("/operations/{id}")).await.problem(404, "unknown-operation");
        let target = format!("/operations/{id}");
        app.ask(Method::DELETE, &target, &[], "").await.problem(404, "unknown-operation");
    }
    let refused = app.post("/operations/1").await;
    refused.problem(405, "method-not-allowed");
    assert_eq!(refused.header("allow"), "GET, HEAD, DELETE, OPTIONS");
    let refused = app.ask(Method::DELETE, "/operations", &[], "").await;
    refused.problem(405, "method-not-allowed");
    assert_eq!(refused.header("allow"), "GET, HEAD, OPTIONS");
}

#[tokio::test(start_paused = true)]
async fn an_operation_is_forgotten_after_a_thousand_others() {
    let app = App::start().await;
    for _ in 0..=processpype_runtime::OPERATIONS_KEPT {
        app.post("/services/idle/stop").await.ok(200);
    }
    app.get("/operations/1").await.problem(404, "operation-forgotten");
    cancel(&app, 1).await.problem(404, "operation-forgotten");
    app.get("/operations/2").await.ok(200);
}

#[tokio::test(start_paused = true)]
async fn a_stale_precondition_changes_nothing() {
    let app = App::start().await;
    app.post("/services/idle/start").await.ok(200);
    let status = app.get("/services/idle").await;
    assert_eq!(status.header("etag"), "\"1\"");
    let stop = "/services/idle/stop";
    let problem = post(&app, stop, &[("if-match", "\"7\"")]).await;
    let problem = problem.problem(409, "stale-precondition");
    golden("stale-precondition.json", &pretty(&problem));
    assert_eq!(app.manager.state("idle"), Some(ServiceState::Running));
    let acted = &app.get("/services/idle").await.ok(200)["acted"];
    assert_eq!(acted["verb"], "start", "who tried in vain has not acted: {acted}");
    let attempt = app.get("/operations/2").await.ok(200);
    assert_eq!(
        (&attempt["state"], &attempt["code"]),
        (&json!("refused"), &json!("stale-precondition"))
    );
    post(&app, stop, &[("if-match", "3")]).await.problem(422, "invalid-query");
    post(&app, stop, &[("if-match", "\"1\"")]).await.ok(200);
    post(&app, "/services/idle/start", &[("if-match", "*")]).await.ok(200);
}

/// What is in no generation has none to expect: to pass over the condition would be to do what the
/// client wanted done only if.
#[tokio::test(start_paused = true)]
async fn a_precondition_is_refused_where_nothing_could_fulfil_it() {
    let (_guard, _log, settings) = crate::fixture::logged();
    let app = App::start_with(settings).await;
    app.post("/services/slow/start?wait=0").await.ok(202);
    for (method, path, body) in [
        (Method::PUT, "/services/counter/-/level", r#"{"level":"debug"}"#),
        (Method::DELETE, "/services/counter/-/level", ""),
        (Method::PUT, "/levels", r#"{"level":"debug"}"#),
        (Method::DELETE, "/levels", ""),
        (Method::POST, "/restarts/pause", ""),
        (Method::POST, "/restarts/resume", ""),
        (Method::POST, "/reload", ""),
        (Method::DELETE, "/operations/1", ""),
    ] {
        let headers = [JSON, ("if-match", "\"7\"")];
        let headers = if body.is_empty() { &headers[1..] } else { &headers[..] };
        let refused = app.ask(method.clone(), path, headers, body).await;
        let problem = refused.problem(422, "invalid-query");
        assert_eq!(problem["errors"][0]["path"], "If-Match", "{method} {path}: {problem}");
    }
    assert_eq!(app.get("/operations").await.ok(200)["last"], 1, "nothing was done");
    let any = [JSON, ("if-match", "*")];
    let path = "/services/counter/-/level";
    app.ask(Method::PUT, path, &any, r#"{"level":"debug"}"#).await.ok(200);
}

/// Two operators restart what they have seen: only one does.
#[tokio::test(start_paused = true)]
async fn the_precondition_holds_when_the_command_is_accepted() {
    let app = App::start().await;
    app.post("/services/idle/start").await.ok(200);
    let headers = [("if-match", "\"1\"")];
    let (one, other) = tokio::join!(post(&app, "/services/idle/restart", &headers), async {
        sleep(Duration::from_millis(1)).await;
        post(&app, "/services/idle/restart", &headers).await
    });
    assert_eq!(one.ok(200)["generation"], 2);
    other.problem(409, "stale-precondition");
}

#[tokio::test(start_paused = true)]
async fn the_same_key_is_the_same_operation() {
    let app = App::start().await;
    let restart = "/services/idle/restart";
    let key = [("idempotency-key", "deploy-17")];
    let first = post(&app, restart, &key).await.ok(200);
    let again = post(&app, restart, &key).await.ok(200);
    assert_eq!(first, again);
    assert_eq!(app.get("/services/idle").await.ok(200)["generation"], 1, "restarted once");
    // While it goes on, both wait for it.
    let start = "/services/slow/start?wait=60s";
    let key = [("idempotency-key", "slow-1")];
    let (one, other) = tokio::join!(post(&app, start, &key), post(&app, start, &key));
    assert_eq!(one.ok(200), other.ok(200));
    // Under the same key, anything else is another request.
    for target in ["slow/stop", "idle/start", "slow/start?force=true"] {
        let problem = post(&app, &format!("/services/{target}"), &key).await;
        let problem = problem.problem(422, "idempotency-conflict");
        assert_eq!(problem["operation"], 2);
    }
    let body = r#"{"reason":"another"}"#;
    let headers = [JSON, ("idempotency-key", "slow-1")];
    let other = app.ask(Method::POST, start, &headers, body).await;
    other.problem(422, "idempotency-conflict");
    let one = post(&app, start, &[key[0], ("if-match", "\"1\"")]).await;
    one.problem(422, "idempotency-conflict");
    post(&app, start, &[("idempotency-key", "a b")]).await.problem(422, "invalid-query");
    assert_eq!(ids(&app.get("/operations").await.ok(200)), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn what_is_done_at_once_is_answered_again_under_its_key() {
    let (_guard, _log, mut settings) = crate::fixture::logged();
    settings.shutdown_endpoint = true;
    let app = App::start_with(settings).await;
    let level = r#"{"level":"debug","for":"10m"}"#;
    let asked: [(Method, &str, &str, u16); 6] = [
        (Method::POST, "/restarts/pause?for=1m", "", 200),
        (Method::POST, "/restarts/resume", "", 200),
        (Method::PUT, "/levels", level, 200),
        (Method::DELETE, "/levels", "", 200),
        (Method::PUT, "/services/idle/-/level", level, 200),
        (Method::DELETE, "/services/idle/-/level", "", 200),
    ];
    let mut operation = 0;
    for (number, (method, path, body, status)) in asked.into_iter().enumerate() {
        let key = format!("at-once-{number}");
        let headers = [JSON, ("idempotency-key", &key)];
        let first = app.ask(method.clone(), path, &headers, body).await.ok(status);
        operation += 1;
        assert_eq!((&first["operation"], &first["changed"]), (&json!(operation), &json!(true)));
        sleep(Duration::from_millis(10)).await;
        let again = app.ask(method.clone(), path, &headers, body).await.ok(status);
        assert_eq!(first, again, "{path}");
        // Another request under that key is refused, whatever it is.
        let reason = [JSON, ("idempotency-key", &*key)];
        let other = app.ask(Method::POST, "/restarts/pause?for=3m", &reason, "").await;
        let problem = other.problem(422, "idempotency-conflict");
        assert_eq!(problem["operation"], operation);
        let bad = [JSON, ("idempotency-key", "a b")];
        app.ask(method, path, &bad, body).await.problem(422, "invalid-query");
    }
    // Nobody is there for long after this one.
    let headers = [("idempotency-key", "last")];
    let shutdown = || app.ask(Method::POST, "/shutdown", &headers, "");
    let (first, again, other) = tokio::join!(shutdown(), shutdown(), app.post("/shutdown"));
    assert_eq!(first.headers["location"], "/operations/7");
    let first = first.ok(202);
    assert_eq!((&first["operation"], &first["changed"]), (&json!(7), &json!(true)));
    assert_eq!(first, again.ok(202));
    assert_eq!(other.ok(202)["changed"], false);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_known_for_a_day() {
    let app = App::start().await;
    let key = [("idempotency-key", "daily")];
    let day = processpype_runtime::IDEMPOTENCY_WINDOW;
    let mut operations = Vec::new();
    for wait in [Duration::ZERO, day, Duration::from_secs(1)] {
        sleep(wait).await;
        let restarted = post(&app, "/services/idle/restart", &key).await.ok(200);
        operations.push(restarted["operation"].as_u64());
    }
    assert_eq!(operations, [Some(1), Some(1), Some(2)]);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_waits_can_be_cancelled() {
    let app = App::broken().await;
    app.post("/services/near/stop").await.ok(200);
    let (start, cancelled) = tokio::join!(app.post("/services/near/start?wait=60s"), async {
        sleep(Duration::from_secs(1)).await;
        cancel(&app, 2).await
    });
    start.problem(409, "cancelled");
    golden("operation-cancelled.json", &pretty(&cancelled.ok(200)));
    let near = app.get("/services/near").await.ok(200);
    assert_eq!((&near["desired"], &near["waiting_on"]), (&json!("stopped"), &json!([])));
    cancel(&app, 2).await.problem(409, "not-cancellable");
    let events = app.get("/events?service=near&kind=command").await.ok(200);
    let last = events["events"].as_array().and_then(|all| all.last()).expect("an event");
    assert_eq!((&last["cause"], &last["operation"]), (&json!("cancelled"), &json!(2)));
}

#[tokio::test(start_paused = true)]
async fn a_cancel_stops_nothing() {
    let app = App::start().await;
    app.post("/services/slow/start?wait=0").await.ok(202);
    cancel(&app, 1).await.ok(200);
    assert_eq!(app.manager.state("slow"), Some(ServiceState::Starting));
    assert!(app.manager.reached("slow", ServiceState::Running).await, "it goes on");
    app.post("/services/slow/stop?wait=0").await;
    cancel(&app, 2).await.problem(409, "not-cancellable");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_tells_what_the_command_then_does() {
    let app = App::start().await;
    let (last, version) = (app.manager.last_event(), app.manager.version());
    let dry = async |target: &str| {
        let sign = if target.contains('?') { '&' } else { '?' };
        app.post(&format!("/services/{target}{sign}dry_run=true")).await.ok(200)
    };
    let told = |json: &Value| {
        let steps = json["steps"].as_array().expect("a list").iter();
        let steps = steps.map(|it| format!("{} {}", text(&it["action"]), text(&it["service"])));
        (text(&json["would"]).to_owned(), json["changed"] == true, steps.collect::<Vec<_>>())
    };
    let succeeds = |changed, steps: &[&str]| {
        ("succeed".to_owned(), changed, steps.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    golden("foreseen.json", &pretty(&dry("counter/stop?cascade=true").await));
    assert_eq!(told(&dry("counter/stop").await), succeeds(true, &["stop counter"]));
    assert_eq!(told(&dry("idle/stop").await), succeeds(false, &[]));
    assert_eq!(
        told(&dry("counter/restart?with_dependents=true").await),
        succeeds(true, &["stop reader", "stop counter", "start counter", "start reader"])
    );
    let refused = dry("off/start").await;
    assert_eq!((&refused["would"], &refused["code"]), (&json!("refuse"), &json!("disabled")));
    let stale = [("if-match", "\"9\"")];
    let stale = post(&app, "/services/idle/stop?dry_run=true", &stale).await.ok(200);
    assert_eq!(stale["code"], "stale-precondition");
    assert_eq!((app.manager.last_event(), app.manager.version()), (last, version));
    assert_eq!(ids(&app.get("/operations").await.ok(200)), [0; 0], "nothing was asked");
    app.post("/services/nobody/stop?dry_run=true").await.problem(404, "unknown-service");
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_waits_and_supersedes() {
    let app = App::broken().await;
    let foreseen = app.post("/services/near/start?dry_run=true").await.ok(200);
    assert_eq!((&foreseen["would"], &foreseen["waiting_on"]), (&json!("wait"), &json!(["broken"])));
    app.post("/services/near/start?wait=0").await.ok(202);
    let foreseen = app.post("/services/near/stop?dry_run=true").await.ok(200);
    assert_eq!(foreseen["supersedes"], json!([1]));
}

/// Everything that a command makes happen says so, also to others than the named service.
#[tokio::test(start_paused = true)]
async fn events_say_to_which_operation_they_belong() {
    let app = App::start().await;
    let before = app.manager.last_event();
    app.post("/services/counter/stop?cascade=true").await.ok(200);
    let events = app.get(&format!("/events?after={before}")).await.ok(200);
    let events = events["events"].as_array().expect("a list");
    let told: Vec<_> = events
        .iter()
        .map(|it| (text(&it["service"]), text(&it["cause"]), it["operation"].as_u64()))
        .collect();
    let one = Some(1);
    let expected = [
        ("counter", "stop", one),
        ("reader", "cascade", one),
        ("reader", "stopped", one),
        ("counter", "operator", one),
        ("counter", "stopped", one),
        ("counter", "done", one),
    ];
    assert_eq!(told, expected);
    assert!(events.iter().all(|event| event["actor"] == "anonymous"), "{events:?}");
    assert!(events.iter().all(|event| event["generation"] == 1), "{events:?}");
    // What happens by itself belongs to nobody.
    let first = app.get("/events?service=reader&limit=2").await.ok(200);
    assert!(first["events"][0]["operation"].is_null() && first["events"][0]["actor"].is_null());
}
