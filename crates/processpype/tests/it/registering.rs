//! Services that are registered and deregistered over HTTP, and the end of the application.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use axum::body::Body;
use axum::http::Request;
use processpype::config::{Format, Secret};
use processpype::testing::{self, TestApp};
use processpype::{Application, Config, Context, Dep, Result, Routes, Service, ServiceState};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::harness::Plain;

#[derive(Deserialize, JsonSchema)]
struct TickerConfig {
    /// What it says.
    says: String,
    #[serde(default)]
    #[expect(dead_code, reason = "it is there to be kept secret")]
    token: Option<Secret<String>>,
    #[serde(default)]
    #[expect(dead_code, reason = "they are there to be kept secret")]
    tokens: Vec<Secret<String>>,
    #[serde(default)]
    #[schemars(range(max = 9))]
    level: u8,
}

struct Ticker {
    says: String,
    breaks: bool,
}

impl Ticker {
    fn new(config: Config<TickerConfig>) -> Self {
        let breaks = config.level == 9;
        Self { says: config.says.clone(), breaks }
    }
}

impl Service for Ticker {
    async fn start(&self, _: &Context) -> Result {
        if self.breaks { Err("it is broken".into()) } else { Ok(()) }
    }

    fn routes(self: Arc<Self>) -> Routes {
        let says = move || async move { self.says.clone() };
        Routes::from(axum::Router::new().route("/says", axum::routing::get(says)))
    }
}

struct Listener(Dep<Ticker>);

impl Service for Listener {
    async fn start(&self, _: &Context) -> Result {
        self.0.get()?;
        Ok(())
    }
}

fn application() -> Application {
    Application::new()
        .service(|| Plain)
        .named("plain")
        .kind("listener", |ticker: Dep<Ticker>| Listener(ticker))
        .creatable()
        .kind("ticker", Ticker::new)
        .creatable()
        .kind("shell", || Plain)
}

async fn start(yaml: &str) -> TestApp {
    let app = application().config_text("app.yaml", Format::Yaml, yaml);
    testing::start(app).await.expect("it starts")
}

async fn register(app: &TestApp, body: Value) -> (u16, Value) {
    let answer = app.post_json("/services", &body).await;
    (answer.status(), answer.json())
}

async fn delete(app: &TestApp, path: &str) -> (u16, Value) {
    let request = Request::delete(path).header("host", "localhost");
    let answer = app.request(request.body(Body::empty()).expect("a request")).await;
    (answer.status(), answer.json())
}

/// The paths of the mistakes that a problem lists.
fn paths(problem: &Value) -> Vec<&str> {
    let errors = problem["errors"].as_array().map_or(&[][..], Vec::as_slice);
    errors.iter().filter_map(|error| error["path"].as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_service_is_registered_used_and_deregistered() {
    let app = start("").await;
    let body = json!({ "name": "fast", "kind": "ticker", "config": { "says": "tick" },
        "reason": "a test" });
    let answer = app.post_json("/services", &body).await;
    assert_eq!((answer.status(), answer.header("location")), (201, Some("/services/fast")));
    assert_eq!(
        (&answer.json()["status"], &answer.json()["generation"]),
        (&json!("registered"), &json!(0))
    );
    let status = app.get("/services/fast").await.json();
    assert_eq!((&status["state"], &status["kind"]), (&json!("stopped"), &json!("ticker")));
    assert_eq!(app.get("/services/fast/says").await.status(), 503);
    app.post("/services/fast/start").await;
    assert_eq!(app.get("/services/fast/says").await.text(), "tick");

    let body = json!({ "name": "ear", "kind": "listener", "start": true, "depends_on": ["plain"] });
    let (status, answer) = register(&app, body).await;
    assert_eq!((status, &answer["status"]), (201, &json!("started")), "{answer}");
    let edges = app.get("/graph").await.json()["edges"].clone();
    assert_eq!(edges.as_array().map(Vec::len), Some(2), "{edges}");

    let (status, problem) = delete(&app, "/services/fast").await;
    assert_eq!((status, &problem["code"]), (409, &json!("still-needed")), "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("`ear`")), "{problem}");
    let (status, foreseen) = delete(&app, "/services/fast?cascade=true&dry_run=true").await;
    assert_eq!((status, &foreseen["would"]), (200, &json!("succeed")), "{foreseen}");
    assert_eq!(foreseen["steps"].as_array().map(Vec::len), Some(2), "{foreseen}");
    let (status, answer) = delete(&app, "/services/fast?cascade=true").await;
    assert_eq!((status, &answer["status"]), (200, &json!("deregistered")), "{answer}");
    assert_eq!(answer["affected"], json!(["ear"]));
    assert_eq!(app.get("/services/fast/says").await.json()["code"], "unknown-service");
    assert_eq!(app.get("/services/ear").await.status(), 404);

    let operations = app.get("/operations").await.json();
    let verbs: Vec<&str> = (operations["operations"].as_array().expect("a list").iter())
        .filter_map(|it| it["verb"].as_str())
        .collect();
    assert_eq!(verbs, ["register", "start", "register", "deregister", "deregister"]);
    let events = app.get("/events?kind=application").await.json();
    let told = events["events"].as_array().expect("a list").iter();
    let told = told.filter(|event| event["cause"] == "registered");
    let told: Vec<_> = told.map(|event| (&event["service"], &event["message"])).collect();
    assert_eq!(told[0], (&json!("fast"), &json!("a test")));

    let (_, again) = register(
        &app,
        json!({ "name": "fast", "kind": "ticker", "config": { "says": "tock" },
            "start": true }),
    )
    .await;
    assert_eq!(again["generation"], 2, "numbers of a name are not used again");
    assert_eq!(app.get("/services/fast/says").await.text(), "tock");
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn every_mistake_of_a_body_is_told_at_once() {
    let app = start("services: {slow: {kind: ticker, says: tock}}").await;
    let (status, problem) = register(&app, json!({})).await;
    assert_eq!((status, paths(&problem)), (422, vec!["name", "kind"]), "{problem}");
    let wrong = json!({ "name": "Fast", "kind": "ticker", "config": { "kind": "x" } });
    let (status, problem) = register(&app, wrong).await;
    assert_eq!((status, &problem["code"]), (422, &json!("invalid-body")), "{problem}");
    let wrong = json!({ "name": "fast", "kind": "ticker",
        "config": { "say": "hush-hush", "level": 10, "stop_timeout": "soon" } });
    let (_, problem) = register(&app, wrong).await;
    let expected = ["config.stop_timeout", "config.says", "config.say", "config.level"];
    let mut found = paths(&problem);
    found.sort_unstable();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(found, expected, "{problem}");
    assert!(!problem.to_string().contains("hush"), "no value is shown: {problem}");

    let (status, problem) = register(&app, json!({ "name": "fast", "kind": "tiker" })).await;
    assert_eq!((status, paths(&problem)), (422, vec!["kind"]));
    assert_eq!(problem["errors"][0]["valid"], json!(["listener", "ticker"]));
    assert_eq!(problem["errors"][0]["help"], "did you mean `ticker`?");
    let (status, problem) = register(&app, json!({ "name": "rm", "kind": "shell" })).await;
    assert_eq!((status, &problem["code"]), (403, &json!("kind-not-creatable")), "{problem}");
    let says = json!({ "says": "x" });
    let (status, problem) =
        register(&app, json!({ "name": "slow", "kind": "ticker", "config": says })).await;
    assert_eq!((status, &problem["code"]), (409, &json!("name-taken")), "{problem}");
    let (status, problem) = register(
        &app,
        json!({ "name": "fast", "kind": "ticker", "config": says, "depends_on": ["plian"] }),
    )
    .await;
    assert_eq!((status, &problem["code"]), (422, &json!("unfit-service")), "{problem}");
    assert_eq!(problem["errors"][0]["help"], "did you mean `plain`?");
    let dry = app
        .post_json(
            "/services?dry_run=true",
            &json!({ "name": "fast", "kind": "ticker",
        "config": says, "start": true }),
        )
        .await;
    assert_eq!((dry.status(), &dry.json()["would"]), (200, &json!("succeed")));
    assert_eq!(dry.json()["steps"], json!([{ "action": "start", "service": "fast" }]));
    assert_eq!(app.get("/services/fast").await.status(), 404, "nothing was registered");
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_start_that_fails_leaves_the_service_to_be_seen() {
    let app = start("").await;
    let body = json!({ "name": "bad", "kind": "ticker", "config": { "says": "x", "level": 9 },
        "start": true });
    let (status, problem) = register(&app, body).await;
    assert_eq!((status, &problem["code"]), (503, &json!("start-failed")), "{problem}");
    app.wait("bad", ServiceState::Error).await.expect("it has failed");
    let (status, _) = delete(&app, "/services/bad").await;
    assert_eq!(status, 200);
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_over_the_api_is_text_and_its_secrets_are_kept() {
    let app = start("services: {}").await;
    let config = json!({ "says": "${HOME}", "token": "canary-4711" });
    let body = json!({ "name": "fast", "kind": "ticker", "config": config, "start": true });
    let (status, answer) = register(&app, body).await;
    assert_eq!(status, 201, "{answer}");
    assert_eq!(app.get("/services/fast/says").await.text(), "${HOME}");
    for path in ["/services/fast", "/", "/events", "/operations", "/graph", "/services/fast/-/why"]
    {
        assert!(!app.get(path).await.text().contains("canary"), "{path}");
    }
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_service_whose_secrets_cannot_be_hidden_is_refused_or_told_of() {
    let tokens: Vec<String> = (1..1024).map(|n| format!("secret-{n}")).collect();
    let yaml =
        json!({ "services": { "full": { "kind": "ticker", "says": "x", "tokens": tokens } } });
    let app = start(&yaml.to_string()).await;
    let with = |name: &str, token: &str| {
        let config = json!({ "says": "x", "token": token });
        json!({ "name": name, "kind": "ticker", "config": config })
    };
    let dry = app.post_json("/services?dry_run=true", &with("none", "secret-dry")).await;
    assert_eq!(dry.status(), 200, "{}", dry.text());
    let (status, answer) = register(&app, with("last", "secret-last")).await;
    assert_eq!(status, 201, "who tries values out fills no list: {answer}");
    let (status, problem) = register(&app, with("more", "secret-more")).await;
    assert_eq!((status, paths(&problem)), (422, vec!["config"]), "{problem}");
    let text = problem["errors"][0].to_string();
    assert!(text.contains("1024 secrets") && text.contains("still stops"), "{text}");
    assert_eq!(app.get("/services/more").await.status(), 404);
    let (status, answer) = register(&app, with("known", "secret-7")).await;
    assert_eq!(status, 201, "{answer}");

    let found = async || app.get("/diagnosis").await.json()["application"].clone();
    assert_eq!(found().await, json!([]));
    let (status, answer) = register(&app, with("short", "pin")).await;
    assert_eq!(status, 201, "{answer}");
    let found = found().await;
    assert_eq!(found[0]["code"], json!("secrets-unhidden"), "{found}");
    assert!(
        found[0]["message"].to_string().contains("1 of the configuration's secrets"),
        "{found}"
    );
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_has_joined_is_described_until_it_leaves() {
    let app = start("").await;
    let info = app.get("/info").await.json();
    assert_eq!(info["creatable_kinds"], json!(["listener", "ticker"]));
    let described = async || {
        let plan = app.get("/plan").await.json();
        let planned = plan["services"].as_array().expect("a list").len();
        let document = app.get("/openapi.json").await.json();
        let tags = document["tags"].as_array().expect("a list").clone();
        let tags = tags.iter().filter(|tag| tag["name"] == "service fast").count();
        let schema = document["components"]["schemas"]["config.fast"].is_object();
        (planned, plan["stop"].to_string().contains("fast"), tags, schema)
    };
    assert_eq!(described().await, (1, false, 0, false));
    assert!(!app.get("/docs").await.text().contains("services.fast"));
    let body = json!({ "name": "fast", "kind": "ticker", "config": { "says": "tick" } });
    register(&app, body).await;
    assert_eq!(described().await, (2, true, 1, true));
    assert!(app.get("/docs").await.text().contains("services.fast"));
    delete(&app, "/services/fast").await;
    assert_eq!(described().await, (1, false, 0, false));
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_registration_is_repeated_under_its_key() {
    let app = start("").await;
    let send = async |key: &str, body: &Value| {
        let request = Request::post("/services").header("host", "localhost");
        let request = request.header("content-type", "application/json");
        let request = request.header("idempotency-key", key).body(Body::from(body.to_string()));
        let answer = app.request(request.expect("a request")).await;
        (answer.status(), answer.json())
    };
    let body = json!({ "name": "fast", "kind": "ticker", "config": { "says": "tick" },
        "start": true });
    let (status, first) = send("one", &body).await;
    assert_eq!((status, &first["status"]), (201, &json!("started")), "{first}");
    assert_eq!(send("one", &body).await, (201, first.clone()));
    // Another body, another name, another key.
    for other in [
        json!({ "name": "fast", "kind": "ticker", "config": { "says": "tock" }, "start": true }),
        json!({ "name": "slow", "kind": "ticker", "config": { "says": "tick" }, "start": true }),
    ] {
        let (status, problem) = send("one", &other).await;
        assert_eq!((status, &problem["code"]), (422, &json!("idempotency-conflict")), "{problem}");
        assert_eq!(problem["operation"], first["operation"]);
    }
    let (status, problem) = send("two", &body).await;
    assert_eq!((status, &problem["code"]), (409, &json!("name-taken")), "{problem}");
    // A refusal is no operation: its key is free.
    let ear = json!({ "name": "ear", "kind": "listener" });
    let (status, second) = send("two", &ear).await;
    assert_eq!((status, &second["status"]), (201, &json!("registered")), "{second}");
    assert_eq!(send("two", &ear).await, (201, second));
    let broken = json!({ "name": "bad", "kind": "ticker", "config": { "says": "x", "level": 9 },
        "start": true });
    let (status, failed) = send("three", &broken).await;
    assert_eq!((status, &failed["code"]), (503, &json!("start-failed")), "{failed}");
    assert_eq!(send("three", &broken).await, (503, failed));
    let operations = app.get("/operations").await.json();
    let operations = operations["operations"].as_array().expect("a list");
    assert_eq!(operations.len(), 3, "{operations:?}");
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_file_says_which_kinds_may_be_asked_for() {
    let app = start("server: {creatable_kinds: [shell]}").await;
    let (status, _) = register(&app, json!({ "name": "one", "kind": "shell" })).await;
    assert_eq!(status, 201);
    let (status, _) = register(&app, json!({ "name": "two", "kind": "listener" })).await;
    assert_eq!(status, 403);
    app.stop().await;
    let wrong =
        application().config_text("app.yaml", Format::Yaml, "server: {creatable_kinds: [shel]}");
    let error = wrong.check().expect_err("there is no such kind").to_string();
    assert!(error.contains("there is no kind `shel`") && error.contains("did you mean `shell`?"));
}

#[tokio::test(start_paused = true)]
async fn the_application_is_closed_only_if_that_is_set() {
    let app = start("").await;
    let answer = app.post("/shutdown").await;
    assert_eq!((answer.status(), &answer.json()["code"]), (403, &json!("shutdown-disabled")));
    assert!(!app.manager().is_closing());
    app.stop().await;

    let mut app = start("server: {shutdown_endpoint: true}").await;
    let answer = app.post_json("/shutdown", &json!({ "reason": "moving" })).await;
    assert_eq!((answer.status(), &answer.json()["changed"]), (202, &json!(true)));
    let closed = app.closed().await;
    assert_eq!((closed.significant, closed.stragglers), (None, Vec::new()));
    let events = app.manager().events(0, 100).events;
    let closing = events.iter().find(|event| event.cause == "closing").expect("it closed");
    assert_eq!(closing.message.as_deref(), Some("moving"));
    assert!(closing.actor.is_some() && closing.operation.is_some());
}

/// Panics when it is read.
#[derive(JsonSchema)]
struct Panicking {}

impl<'de> Deserialize<'de> for Panicking {
    fn deserialize<D: Deserializer<'de>>(_: D) -> std::result::Result<Self, D::Error> {
        std::panic::panic_any("not today")
    }
}

/// Is not read before it is let go.
#[derive(JsonSchema)]
struct Slow {}

/// A type that is read has nothing else to look at, or to tell.
static BEGUN: AtomicBool = AtomicBool::new(false);
static GO: AtomicBool = AtomicBool::new(false);

impl<'de> Deserialize<'de> for Slow {
    fn deserialize<D: Deserializer<'de>>(_: D) -> std::result::Result<Self, D::Error> {
        BEGUN.store(true, SeqCst);
        // A minute at most, for a test that has failed.
        for _ in (0..60_000).take_while(|_| !GO.load(SeqCst)) {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        Ok(Self {})
    }
}

#[tokio::test]
async fn code_that_reads_a_section_may_panic_and_block_and_who_leaves_meanwhile_has_registered() {
    let app = Application::new()
        .kind("panicking", |_: Config<Panicking>| Plain)
        .creatable()
        .kind("slow", |_: Config<Slow>| Plain)
        .creatable();
    let app = testing::start(app).await.expect("it starts");
    let (status, problem) = register(&app, json!({ "name": "one", "kind": "panicking" })).await;
    assert_eq!((status, &problem["code"]), (500, &json!("internal")), "{problem}");

    let begun = async {
        while !BEGUN.load(SeqCst) {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        (status, problem) = register(&app, json!({ "name": "two", "kind": "slow" })) => {
            panic!("it waits: {status} {problem}");
        }
        () = begun => {}
    }
    // The client has gone; meanwhile everything goes on.
    assert_eq!(app.get("/services").await.status(), 200);
    GO.store(true, SeqCst);
    while app.manager().status("two").is_none() {
        tokio::task::yield_now().await;
    }
    app.stop().await;
}
