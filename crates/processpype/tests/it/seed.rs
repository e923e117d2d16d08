//! The Python framework's page, concept by concept. `docs/concepts.md` leads from each concept to
//! its test here; names follow the page, not our own words.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use processpype::config::{Format, Secret};
use processpype::testing::{self, Act, Hook, Probe, Script};
use processpype::{
    Application, CommandError, Config, Context, ErrorKind, Manager, Result, Routes, Service,
    ServiceState, SetupError,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use ServiceState::{Error, Running, Stopped};

/// The page's `MyServiceConfig`: one field without a default, one with.
#[derive(Deserialize, JsonSchema)]
struct MyServiceConfig {
    custom_field: String,
    #[serde(default = "default_port")]
    #[schemars(range(min = 1))]
    port: u16,
}

fn default_port() -> u16 {
    8080
}

/// The page's `MyService`, whole: configuration, routes, start and stop.
struct MyService {
    config: Config<MyServiceConfig>,
}

impl MyService {
    fn new(config: Config<MyServiceConfig>) -> Self {
        Self { config }
    }
}

impl Service for MyService {
    async fn start(&self, cx: &Context) -> Result {
        cx.set_metadata("port", self.config.port.to_string());
        Ok(())
    }

    fn routes(self: Arc<Self>) -> Routes {
        let status = async || axum::Json(json!({ "state": "running" }));
        let field = async move || self.config.custom_field.clone();
        let routes = axum::Router::new().route("/status", axum::routing::get(status));
        routes.route("/field", axum::routing::get(field)).into()
    }
}

/// The page's `config.yaml`.
const CONFIG: &str = "
services:
  my_service:
    enabled: true
    custom_field: \"value\"
    port: 8080
";

fn with_config(config: &str) -> Application {
    Application::new().service(MyService::new).config_text("config.yaml", Format::Yaml, config)
}

async fn my_application() -> Result<testing::TestApp, SetupError> {
    testing::start(with_config(CONFIG)).await
}

fn failing_first() -> Probe {
    let fails = Script { start: Act::Fail(Duration::ZERO), ..Script::default() };
    Probe::new(vec![fails, Script::default()])
}

#[track_caller]
fn message_of(config: &str) -> String {
    let error = with_config(config).environment([]).check();
    error.err().map_or_else(String::new, |error| error.to_string())
}

// === Components ===

#[tokio::test(start_paused = true)]
async fn an_application_is_created_from_a_file_and_started() {
    let folder = std::env::temp_dir().join(format!("processpype-seed-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.yaml"), CONFIG).unwrap();
    let app = Application::new()
        .service(MyService::new)
        .config_file(folder.join("config.yaml"))
        .environment([])
        .without_server();
    let running = app.start().await.unwrap();
    assert_eq!(running.manager().state("my_service"), Some(Running));
    assert_eq!(running.stop().await.stragglers, []);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_application_is_a_context_that_stops_what_it_started() {
    let app = with_config(CONFIG).environment([]).without_server();
    let body = async |running: &processpype::Running| running.manager().clone();
    let (manager, closed): (Manager, _) = app.scope(body).await.unwrap();
    assert_eq!(manager.state("my_service"), Some(Stopped));
    assert_eq!(closed.stragglers, []);
}

#[tokio::test(start_paused = true)]
async fn the_manager_registers_shows_and_orchestrates() {
    let app = my_application().await.unwrap();
    let manager = app.manager();
    assert_eq!(
        manager.names().iter().map(processpype::ServiceName::as_str).collect::<Vec<_>>(),
        ["my_service"]
    );
    let status = manager.status("my_service").unwrap();
    assert_eq!((status.state, status.generation.0, status.is_configured), (Running, 1, true));
    assert!(manager.stop("my_service").await.unwrap().changed);
    assert!(manager.start("my_service").await.unwrap().changed);
    assert!(manager.restart("my_service").await.unwrap().changed);
    assert_eq!(manager.status("my_service").unwrap().generation.0, 3);
    assert!(manager.status("nobody").is_none());
}

// === Endpoints ===

#[tokio::test(start_paused = true)]
async fn the_application_shows_itself_and_its_services() {
    let app = my_application().await.unwrap();
    let root = app.get("/").await.json();
    assert_eq!(root["title"], "Processpype");
    assert_eq!(root["environment"], "development");
    assert_eq!(root["state"], "running");
    let service = &root["services"]["my_service"];
    assert_eq!((&service["state"], &service["error"]), (&json!("running"), &json!(null)));
    assert_eq!(service["metadata"], json!({ "port": "8080" }));
    assert_eq!(service["is_configured"], true);
    let services = app.get("/services").await.json();
    assert_eq!(services["services"][0]["name"], "my_service");
    assert_eq!(services["services"][0]["state"], "running");
}

#[tokio::test(start_paused = true)]
async fn services_are_started_and_stopped_over_http() {
    let app = my_application().await.unwrap();
    for (verb, status, changed) in
        [("stop", "stopped", true), ("stop", "stopped", false), ("start", "started", true)]
    {
        let answer = app.post(&format!("/services/my_service/{verb}")).await;
        assert_eq!(answer.status(), 200);
        let answer = answer.json();
        assert_eq!((&answer["status"], &answer["changed"]), (&json!(status), &json!(changed)));
        assert_eq!(answer["service"], "my_service");
    }
}

// === States, and the lifecycle ===

#[tokio::test(start_paused = true)]
async fn a_service_goes_through_the_five_states_and_no_others() {
    let app = testing::start(Application::new().service(failing_first().service()).named("db"))
        .await
        .unwrap();
    app.manager().start("db").await.unwrap();
    app.manager().stop("db").await.unwrap();
    let seen = app.transitions();
    assert_eq!(
        seen,
        [
            "db: stopped → starting (boot)",
            "db: starting → stopping (start-failed)",
            "db: stopping → error (start-failed)",
            "db: error → starting (operator)",
            "db: starting → running (progress)",
            "db: running → stopping (operator)",
            "db: stopping → stopped (stopped)",
        ]
    );
    let words: Vec<&str> = ServiceState::ALL.iter().map(|state| state.as_str()).collect();
    assert_eq!(words, ["stopped", "starting", "running", "stopping", "error"]);
}

#[tokio::test(start_paused = true)]
async fn a_service_is_registered_configured_started_and_stopped() {
    let app = my_application().await.unwrap();
    assert_eq!(app.get("/services/my_service/field").await.text(), "value");
    app.manager().stop("my_service").await.unwrap();
    assert_eq!(
        app.transitions(),
        [
            "my_service: stopped → starting (boot)",
            "my_service: starting → running (progress)",
            "my_service: running → stopping (operator)",
            "my_service: stopping → stopped (stopped)",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn resources_are_made_by_the_constructor_and_start_and_released_by_stop() {
    let probe = Probe::new(vec![Script::default()]);
    let app =
        testing::start(Application::new().service(probe.service()).named("db")).await.unwrap();
    app.manager().stop("db").await.unwrap();
    let hooks: Vec<Hook> = probe.calls().into_iter().map(|(_, hook)| hook).collect();
    assert_eq!(hooks, [Hook::New, Hook::Start, Hook::Run, Hook::Stop]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_start_still_releases_what_the_constructor_made() {
    let probe = failing_first();
    let app =
        testing::start(Application::new().service(probe.service()).named("db")).await.unwrap();
    app.wait("db", Error).await.unwrap();
    let hooks: Vec<Hook> = probe.calls().into_iter().map(|(_, hook)| hook).collect();
    assert_eq!(hooks, [Hook::New, Hook::Start, Hook::Stop]);
}

#[tokio::test(start_paused = true)]
async fn routes_are_there_while_the_service_runs() {
    let app = my_application().await.unwrap();
    let answer = app.get("/services/my_service/status").await;
    assert_eq!((answer.status(), answer.json()), (200, json!({ "state": "running" })));
    app.manager().stop("my_service").await.unwrap();
    let refused = app.get("/services/my_service/status").await;
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.json()["state"], "stopped");
    assert!(refused.header("retry-after").is_some());
    app.manager().start("my_service").await.unwrap();
    assert_eq!(app.get("/services/my_service/status").await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn health_is_reported_by_the_service_and_shown_by_probes() {
    let app = Application::new().task("worker", async |cx: Context| {
        cx.sleep(Duration::from_secs(1)).await;
        cx.ready(false);
        cx.degraded("the queue is long");
        cx.sleep(Duration::from_secs(1)).await;
        cx.ready(true);
        cx.recovered();
        cx.stopping().await;
        Ok(())
    });
    let app = testing::start(app).await.unwrap();
    assert_eq!(app.get("/health/ready").await.status(), 200);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(app.get("/health/ready").await.status(), 503);
    assert_eq!(app.get("/health/live").await.status(), 200);
    let degraded = app.manager().status("worker").unwrap().degraded.clone();
    assert_eq!(degraded.as_deref(), Some("the queue is long"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(app.get("/health/ready").await.status(), 200);
    assert_eq!(app.manager().status("worker").unwrap().degraded, None);
}

// === Configuration ===

#[test]
fn the_framework_keys_stand_beside_the_services_own_and_defaults_hold() {
    assert_eq!(message_of(CONFIG), "");
    assert_eq!(message_of("services: { my_service: { custom_field: x } }"), "");
}

#[test]
fn a_wrong_configuration_is_refused_whole_before_anything_starts() {
    let message = message_of("services:\n  my_service:\n    port: 0\n    prot: 1\n");
    for part in ["custom_field", "config.yaml:3:11", "config.yaml:4:5", "did you mean `port`"] {
        assert!(message.contains(part), "{part} not in\n{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_disabled_service_is_listed_but_never_started() {
    let app = with_config("services: { my_service: { enabled: false, custom_field: x } }");
    let app = testing::start(app).await.unwrap();
    assert_eq!(app.manager().state("my_service"), Some(Stopped));
    let refused = app.manager().start("my_service").await.err();
    assert_eq!(refused, Some(CommandError::Disabled));
    assert_eq!(app.post("/services/my_service/start").await.status(), 409);
}

#[test]
fn a_disabled_service_is_checked_but_its_secrets_need_not_exist() {
    let unset = "services: { my_service: { enabled: false, custom_field: \"${NOT_SET}\" } }";
    assert_eq!(message_of(unset), "");
    let wrong = "services: { my_service: { enabled: false, custom_field: x, port: 0 } }";
    assert!(message_of(wrong).contains("port"), "{}", message_of(wrong));
}

// === Error handling ===

#[tokio::test(start_paused = true)]
async fn a_failure_is_an_error_with_kind_text_and_time() {
    let app = testing::start(Application::new().service(failing_first().service()).named("db"))
        .await
        .unwrap();
    let status = app.manager().status("db").unwrap();
    let error = status.error.clone().unwrap();
    assert_eq!((status.state, error.kind), (Error, ErrorKind::StartFailed));
    assert_eq!(error.message, "failed as scripted");
    assert_eq!(app.get("/services/db").await.json()["error"]["kind"], "start-failed");
}

#[tokio::test(start_paused = true)]
async fn a_service_can_show_an_error_and_go_on() {
    let app = Application::new().task("worker", async |cx: Context| {
        cx.set_error("the printer is out of paper");
        cx.stopping().await;
        Ok(())
    });
    let app = testing::start(app).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    let status = app.manager().status("worker").unwrap();
    let message = status.error.as_ref().map(|error| error.message.as_str());
    assert_eq!((status.state, message), (Running, Some("the printer is out of paper")));
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_contained_and_internals_stay_inside() {
    let app = Application::new()
        .task("bad", async |_: Context| -> Result { panic!("the password is hunter2") })
        .task("leaky", async |_: Context| Err("connection to 10.0.0.1 refused".into()))
        .task("good", async |cx: Context| {
            cx.stopping().await;
            Ok(())
        });
    let app = testing::start(app).await.unwrap();
    app.wait("bad", Error).await.unwrap();
    app.wait("leaky", Error).await.unwrap();
    assert_eq!(app.manager().state("good"), Some(Running));
    let shown = app.get("/").await.text() + &app.get("/events").await.text();
    assert!(!shown.contains("hunter2") && !shown.contains("10.0.0.1"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn what_a_state_does_not_allow_is_told_not_done() {
    let app = Application::new().service(|| Plain).named("db").task("api", async |cx: Context| {
        cx.stopping().await;
        Ok(())
    });
    let app = testing::start(app.depends_on("db")).await.unwrap();
    app.manager().stop("api").await.unwrap();
    app.manager().stop("db").await.unwrap();
    let refused = app.post("/services/api/start").await;
    assert_eq!(refused.status(), 409);
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    assert!(refused.text().contains("with_dependencies=true"), "{}", refused.text());
}

struct Plain;

impl Service for Plain {}

// === API design ===

#[tokio::test(start_paused = true)]
async fn every_error_has_its_own_status_and_a_problem_document() {
    let app = my_application().await.unwrap();
    let cases = [
        (app.get("/services/nobody").await, 404),
        (app.post("/services/nobody/start").await, 404),
        (app.post("/graph").await, 405),
        (app.get("/nothing/here").await, 404),
        (app.post_json("/services/my_service/stop", &json!({ "reson": "x" })).await, 422),
        (app.post("/services/my_service/stop?cascad=true").await, 422),
    ];
    for (answer, status) in cases {
        assert_eq!(answer.status(), status, "{}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(answer.json()["status"], status);
    }
    assert_eq!(app.manager().state("my_service"), Some(Running));
}

#[tokio::test(start_paused = true)]
async fn the_api_is_documented_with_the_services_configuration() {
    let app = my_application().await.unwrap();
    let document = app.get("/openapi.json").await;
    assert_eq!(document.json()["openapi"], "3.1.0");
    assert!(document.text().contains("custom_field"));
    let page = app.get("/docs").await;
    assert_eq!(page.status(), 200);
    assert!(page.header("content-type").is_some_and(|value| value.starts_with("text/html")));
}

// === Testing ===

/// `async def test_my_service()`.
#[tokio::test(start_paused = true)]
async fn test_my_service() {
    let app = my_application().await.unwrap();
    assert_eq!(app.manager().state("my_service"), Some(Running));
    app.manager().stop("my_service").await.unwrap();
    assert_eq!(app.manager().state("my_service"), Some(Stopped));
}

/// `async def test_my_service_api()`.
#[tokio::test(start_paused = true)]
async fn test_my_service_api() {
    let app = my_application().await.unwrap();
    let response = app.get("/services/my_service/status").await;
    assert_eq!(response.status(), 200);
}

#[test]
fn a_service_is_unit_tested_without_an_application() {
    let config = MyServiceConfig { custom_field: "value".to_owned(), port: 1 };
    assert_eq!(MyService::new(Config::from(config)).config.port, 1);
}

// === Defects of the original, absent here ===

#[tokio::test(start_paused = true)]
async fn stop_order_is_not_start_order() {
    let app = Application::new()
        .service(|| Plain)
        .named("a")
        .service(|| Plain)
        .named("b")
        .depends_on("a")
        .service(|| Plain)
        .named("c")
        .depends_on("b");
    let app = testing::start(app).await.unwrap();
    let manager = app.manager().clone();
    app.stop().await;
    let events = manager.events(0, usize::MAX).events;
    let entering = |state: ServiceState| -> Vec<String> {
        let of_state = events.iter().filter(|event| event.to == Some(state));
        of_state.filter_map(|event| Some(event.service.as_ref()?.to_string())).collect()
    };
    assert_eq!(entering(ServiceState::Starting), ["a", "b", "c"]);
    assert_eq!(entering(ServiceState::Stopping), ["c", "b", "a"]);
}

#[tokio::test(start_paused = true)]
async fn a_never_started_or_failed_service_does_not_delay_shutdown() {
    let fails = Script { start: Act::Fail(Duration::ZERO), ..Script::default() };
    let app = Application::new()
        .service(|| Plain)
        .named("idle")
        .autostart(false)
        .service(Probe::new(vec![fails]).service())
        .named("failed")
        .service(|| Plain)
        .named("waiting")
        .depends_on("failed");
    let app = testing::start(app).await.unwrap();
    let before = tokio::time::Instant::now();
    assert_eq!(app.stop().await.stragglers, []);
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_failed_can_be_started_again() {
    let app = testing::start(Application::new().service(failing_first().service()).named("db"))
        .await
        .unwrap();
    app.wait("db", Error).await.unwrap();
    assert_eq!(app.post("/services/db/start").await.status(), 200);
    assert_eq!(app.manager().state("db"), Some(Running));
    assert_eq!(app.manager().status("db").unwrap().error, None);
}

#[test]
fn misspelt_keys_are_refused_with_the_nearest_known_key() {
    let message = message_of("services: { my_service: { custom_feild: value } }");
    assert!(message.contains("did you mean `custom_field`"), "{message}");
    let message = message_of("servcies: {}");
    assert!(message.contains("did you mean `services`"), "{message}");
}

#[derive(Deserialize, JsonSchema)]
struct VaultConfig {
    password: Secret<String>,
}

struct Vault {
    config: Config<VaultConfig>,
}

impl Service for Vault {
    async fn start(&self, cx: &Context) -> Result {
        // What a careless author might do.
        cx.set_metadata("password", format!("{:?}", self.config.password));
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn no_answer_shows_a_password() {
    let app = Application::new()
        .service(|config: Config<VaultConfig>| Vault { config })
        .set("services.vault.password=hunter2-canary");
    let app = testing::start(app).await.unwrap();
    assert_eq!(app.manager().state("vault"), Some(Running));
    for path in ["/", "/services", "/services/vault", "/events", "/openapi.json", "/docs"] {
        let shown = app.get(path).await;
        assert_eq!(shown.status(), 200, "{path}");
        assert!(!shown.text().contains("hunter2-canary"), "{path}: {}", shown.text());
    }
}

#[test]
fn a_broken_configuration_ends_with_78_and_a_bad_flag_with_64() {
    let broken = with_config("services: { my_service: {} }").environment([]);
    let code = |exit: ExitCode| format!("{exit:?}");
    assert_eq!(code(broken.main_with(["app", "check"])), code(ExitCode::from(78)));
    let flag = with_config(CONFIG).environment([]).main_with(["app", "--no-such-flag"]);
    assert_eq!(code(flag), code(ExitCode::from(64)));
}
