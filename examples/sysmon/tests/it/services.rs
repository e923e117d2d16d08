//! The four services together, in memory and on paused time: no port, no waiting.
//! The database is a real file, and the machine that is sampled is this one.

use std::time::Duration;

use processpype::ServiceState::{Error, Running, Stopped};
use processpype::testing::{self, Conformance, TestApp};
use serde_json::Value;
use sysmon::Archive;

use crate::scratch::Scratch;

/// Looks at an answer before a test gives up, and the time between two of them.
const LOOKS: usize = 120;
const PAUSE: Duration = Duration::from_millis(500);

/// How long a service is watched: each second of it samples this machine.
const WATCHED: Duration = Duration::from_secs(20);

const LATEST: &str = "/services/api/latest";
const HISTORY: &str = "/services/api/history?metric=cpu&minutes=60";
const WITHOUT_COLLECTOR: &str = "services.collector.enabled=false";

/// Starts the application with the file beside it, with data in `scratch`.
async fn start(scratch: &Scratch, settings: &[&str]) -> TestApp {
    let app = sysmon::application().set(&scratch.data_dir());
    let app = settings.iter().fold(app, |app, setting| app.set(setting));
    testing::start(app).await.expect("the file beside the program is valid")
}

/// Gets `path` until `is_wanted`, and returns that answer.
async fn look(app: &TestApp, path: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..LOOKS {
        let answer = app.get(path).await;
        if answer.status() == 200 && is_wanted(&answer.json()) {
            return answer.json();
        }
        tokio::time::sleep(PAUSE).await;
    }
    panic!("{path} still answers {}", app.get(path).await.text());
}

async fn committed(app: &TestApp, least: u64) -> u64 {
    let number = |latest: &Value| latest["committed"].as_u64();
    let latest = look(app, LATEST, |latest| number(latest) >= Some(least)).await;
    number(&latest).expect("it was compared")
}

#[tokio::test(start_paused = true)]
async fn samples_go_from_the_machine_to_the_answer() {
    let scratch = Scratch::new("flow");
    let app = start(&scratch, &[]).await;
    committed(&app, 3).await;
    let latest = app.get(LATEST).await.json();
    for metric in ["memory", "swap", "disk", "load_1m"] {
        assert!(latest["metrics"][metric]["value"].is_number(), "{metric}: {latest}");
    }
    let history = app.get("/services/api/history?metric=memory&minutes=1").await.json();
    let points = history["points"].as_array().expect("points");
    assert!(!points.is_empty());
    assert!(points.iter().all(|point| point["value"].as_f64() > Some(0.0)), "{history}");
    assert!(app.stop().await.stragglers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_file_that_somebody_deleted_is_found_when_one_asks() {
    let scratch = Scratch::new("gone");
    let app = start(&scratch, &[]).await;
    committed(&app, 1).await;
    let codes = async || {
        let found = app.manager().diagnose(Some("store")).await.expect("it is asked");
        let all = found.into_iter().flat_map(|(_, findings)| findings);
        all.map(|finding| finding.code).filter(|code| *code != "disk-space").collect::<Vec<_>>()
    };
    assert_eq!(codes().await, [""; 0]);
    std::fs::remove_file(scratch.file()).expect("it can be deleted");
    assert_eq!(codes().await, ["file-gone"]);
}

#[tokio::test(start_paused = true)]
async fn each_service_keeps_the_rules_of_a_good_one() {
    let services =
        [("store", None), ("collector", None), ("retention", None), ("api", Some("/latest"))];
    for (service, route) in services {
        let scratch = Scratch::new(&format!("rules-{service}"));
        let application = || sysmon::application().set(&scratch.data_dir());
        let suite = Conformance::new(service, application).watched_for(WATCHED);
        let suite = route.into_iter().fold(suite, Conformance::route);
        let report = suite.check().await;
        assert!(report.is_clean(), "{report}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_store_starts_first_and_stops_last() {
    let scratch = Scratch::new("order");
    let mut app = start(&scratch, &[]).await;
    app.manager().close();
    app.closed().await;
    let transitions = app.transitions();
    let at = |part: &str| {
        let found = transitions.iter().position(|line| line.starts_with(part));
        found.unwrap_or_else(|| panic!("no `{part}` in {transitions:#?}"))
    };
    for dependent in ["collector", "retention", "api"] {
        assert!(at("store: starting → running") < at(&format!("{dependent}: stopped → starting")));
        assert!(at(&format!("{dependent}: stopping → stopped")) < at("store: running → stopping"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_collector_outlives_a_stopped_store_and_says_so() {
    let scratch = Scratch::new("away");
    let app = start(&scratch, &[]).await;
    let before = committed(&app, 2).await;
    app.manager().stop("store").await.expect("stop");
    let collector = "/services/collector";
    let status = look(&app, collector, |status| status["degraded"].is_string()).await;
    assert_eq!(status["state"], "running");
    assert!(status["degraded"].as_str().expect("text").contains("`store`"), "{status}");
    let refused = app.get(LATEST).await;
    assert_eq!(refused.status(), 503);
    assert!(refused.json()["detail"].as_str().expect("text").contains("`store`"));
    app.manager().start("store").await.expect("start");
    look(&app, collector, |status| status["degraded"].is_null()).await;
    assert!(committed(&app, before + 1).await > before);
    assert_eq!(app.get(collector).await.json()["generation"], 1);
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn each_generation_of_the_store_opens_the_file_anew() {
    let scratch = Scratch::new("anew");
    scratch.fill([60]);
    let app = start(&scratch, &[WITHOUT_COLLECTOR]).await;
    for _ in 0..5 {
        app.manager().restart("store").await.expect("the file was closed");
        assert_eq!(committed(&app, 0).await, 1);
    }
    app.manager().stop("store").await.expect("stop");
    Archive::open(scratch.path()).expect("a stopped store has no file").close().expect("close");
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn retention_deletes_what_is_too_old_and_nothing_else() {
    let scratch = Scratch::new("retention");
    scratch.fill([3000, 2000, 1000, 60]);
    let settings =
        [WITHOUT_COLLECTOR, "services.retention.keep=30m", "services.retention.every=10s"];
    let app = start(&scratch, &settings).await;
    assert_eq!(app.get(HISTORY).await.json()["samples"], 4);
    look(&app, HISTORY, |history| history["samples"] == 2).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(app.get(HISTORY).await.json()["samples"], 2);
    assert_eq!(committed(&app, 0).await, 4, "what was committed stays counted");
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_damaged_file_is_an_error_that_can_be_remedied() {
    let scratch = Scratch::new("damaged");
    let file = scratch.file();
    std::fs::write(&file, "not a database").expect("write");
    let app = start(&scratch, &[]).await;
    let status = app.get("/services/store").await.json();
    let message = status["error"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("sysmon.redb") && message.contains("move it away"), "{status}");
    assert_eq!(app.manager().state("store"), Some(Error));
    assert_eq!(app.manager().state("collector"), Some(Stopped), "it waits for the store");
    assert_eq!(app.get(LATEST).await.status(), 503);
    std::fs::remove_file(&file).expect("moved away");
    app.manager().start("store").await.expect("a new file");
    app.wait("collector", Running).await.expect("it waited for the store");
    committed(&app, 1).await;
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_wrong_setting_is_refused_with_what_is_valid() {
    let app = sysmon::application().set("services.collector.interval=50ms");
    let refused = testing::start(app).await.expect_err("too short").to_string();
    for part in ["services.collector.interval", "from 200ms to 1h", "--set"] {
        assert!(refused.contains(part), "{part} in {refused}");
    }
}
