//! Configuration that changes while the application runs, state by state.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use processpype::config::{Format, Layer};
use processpype::testing::{self, TestApp};
use processpype::{
    Application, CommandError, Config, ConfigChange, ConfigEffect, ConfigureError, Context, Done,
    Finding, NewConfig, Reconfigured, Request, Result, Service, ServiceState, Verb,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{Plain, millis, secs};

/// What a dial does, which its configuration says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Does {
    #[default]
    Serve,
    Fail,
    Panic,
    Hang,
    Restart,
    Slow,
    /// Longer than anybody is asked what is wrong with it.
    Slower,
}

#[derive(Deserialize, JsonSchema)]
#[serde(default)]
struct DialConfig {
    step: u64,
    /// On `reconfigure`.
    take: Does,
    /// On `diagnose`.
    find: Does,
    start: Does,
    run: Does,
    stop: Does,
    token: Option<processpype::config::Secret<String>>,
}

impl Default for DialConfig {
    fn default() -> Self {
        let (start, run, stop, take, find) = Default::default();
        Self { step: 1, take, find, start, run, stop, token: None }
    }
}

/// What was seen of the dial, in order.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn say(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

struct Dial {
    config: Config<DialConfig>,
    seen: Seen,
}

impl Service for Dial {
    async fn start(&self, cx: &Context) -> Result {
        self.seen.say(format!("{} starts with {}", cx.generation(), self.config.step));
        act(self.config.start).await
    }

    async fn run(&self, cx: &Context) -> Result {
        act(self.config.run).await?;
        cx.stopping().await;
        Ok(())
    }

    async fn reconfigure(&self, cx: &Context, new: NewConfig) -> Result<Reconfigured> {
        let new: Config<DialConfig> = new.read()?;
        self.seen.say(format!("{} is offered {}", cx.generation(), new.step));
        if new.take == Does::Restart {
            return Ok(Reconfigured::NeedsRestart);
        }
        act(new.take).await?;
        Ok(Reconfigured::Applied)
    }

    async fn diagnose(&self, _: &Context) -> Vec<Finding> {
        act(self.config.find).await.map_or_else(|_| Vec::new(), |()| Vec::new())
    }

    async fn stop(&self, _: &Context) -> Result {
        act(self.config.stop).await
    }
}

async fn act(does: Does) -> Result {
    match does {
        Does::Serve | Does::Restart => Ok(()),
        Does::Slow => {
            tokio::time::sleep(secs(3)).await;
            Ok(())
        }
        Does::Slower => {
            tokio::time::sleep(secs(15)).await;
            Ok(())
        }
        Does::Fail => Err(processpype::Error::public("the dial does not turn")),
        Does::Panic => panic!("it broke off"),
        Does::Hang => std::future::pending().await,
    }
}

/// An application with one dial, configured by `section`.
fn dial(section: &str) -> (Application, Seen) {
    let seen = Seen::default();
    let own = seen.clone();
    let app = Application::new()
        .service(move |config: Config<DialConfig>| Dial { config, seen: own.clone() })
        .named("dial");
    (app.config_text("app.yaml", Format::Yaml, format!("services: {{dial: {{{section}}}}}")), seen)
}

async fn began(section: &str) -> (TestApp, Seen) {
    let (app, seen) = dial(section);
    let app = testing::start(app).await.unwrap_or_else(|error| panic!("{error}"));
    (app, seen)
}

fn patch(json: &str) -> ConfigChange {
    ConfigChange::patch(Layer::from_json(json.as_bytes()).unwrap_or_else(|e| panic!("{e}")))
}

async fn configure(app: &TestApp, json: &str) -> Result<Done, CommandError> {
    given(app, patch(json)).await
}

async fn started(app: &TestApp, json: &str) -> Result<Done, CommandError> {
    given(app, patch(json).started()).await
}

async fn given(app: &TestApp, change: ConfigChange) -> Result<Done, CommandError> {
    let by = Request::by("ops:alice");
    match app.manager().configure("dial", change, by).await {
        Ok(operation) => operation.outcome().await,
        Err(ConfigureError::Command(error)) => Err(error),
        Err(error) => panic!("{error}"),
    }
}

#[track_caller]
fn check(result: Result<Done, CommandError>, effect: ConfigEffect, generation: u64) {
    let done = result.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((done.configured, done.generation.0), (Some(effect), generation));
}

fn state(app: &TestApp) -> ServiceState {
    app.manager().state("dial").expect("it is there")
}

/// What holds, and where from: `path = value (origin)` of the dial's step.
fn step(app: &TestApp) -> String {
    let all = app.manager().config("dial").expect("it is there");
    let step = all.iter().find(|value| value.path == "services.dial.step").expect("it has a step");
    format!("{} ({})", step.value, step.origin)
}

/// The events of some kinds, as `kind cause (message)`.
fn told(app: &TestApp) -> Vec<String> {
    let kinds = ["configured", "rolled-back", "reloaded", "reload-refused"];
    let events = app.manager().events(0, usize::MAX).events;
    let events = events.iter().filter(|event| kinds.contains(&event.kind.as_str()));
    let line = |event: &Arc<processpype::Event>| {
        let message = event.message.as_deref().unwrap_or_default();
        format!("{} {} ({message})", event.kind, event.cause)
    };
    events.map(line).collect()
}

#[tokio::test(start_paused = true)]
async fn a_running_service_takes_it_over() {
    let (app, seen) = began("step: 2").await;
    check(configure(&app, r#"{"step": 5}"#).await, ConfigEffect::Applied, 1);
    assert_eq!(seen.take(), ["1 starts with 2", "1 is offered 5"]);
    assert_eq!(step(&app), "5 (api:ops:alice)");
    app.manager().restart("dial").await.unwrap();
    assert_eq!(seen.take(), ["2 starts with 5"], "the next generation has it too");
    assert_eq!(told(&app), ["configured configure (services.dial.step)"]);
    let status = app.manager().status("dial").unwrap();
    assert_eq!(status.acted.as_ref().unwrap().verb, "restart");
}

#[tokio::test(start_paused = true)]
async fn a_running_service_that_cannot_take_it_over_is_restarted() {
    let (app, seen) = began("take: restart").await;
    check(configure(&app, r#"{"step": 5}"#).await, ConfigEffect::Restarted, 2);
    assert_eq!(seen.take(), ["1 starts with 1", "1 is offered 5", "2 starts with 5"]);
    assert_eq!(state(&app), ServiceState::Running);
}

#[tokio::test(start_paused = true)]
async fn what_a_change_makes_happen_is_part_of_its_operation() {
    let (app, _) = began("take: restart").await;
    // It changes nothing, and ends before the change comes.
    app.manager().start("dial").await.unwrap();
    let before = app.manager().last_operation();
    check(configure(&app, r#"{"step": 5}"#).await, ConfigEffect::Restarted, 2);
    configure(&app, r#"{"step": 6, "start": "fail"}"#).await.unwrap_err();
    let events = app.manager().events(0, usize::MAX).events;
    let transitions = events.iter().filter(|it| it.operation > Some(before) && it.to.is_some());
    let by: Vec<(u64, u64)> = transitions
        .map(|it| (it.operation.unwrap().0 - before.0, it.generation.unwrap().0))
        .collect();
    assert!(by.iter().filter(|it| **it == (1, 1)).count() >= 2, "it stops: {by:?}");
    assert!(by.contains(&(1, 2)) && by.contains(&(2, 3)) && by.contains(&(2, 4)), "{by:?}");
    let restarted = events.iter().filter(|it| it.generation.is_some_and(|it| it.0 > 1));
    let alone = |it: &&Arc<processpype::Event>| it.to.is_some() && it.operation.is_none();
    assert_eq!(restarted.filter(alone).count(), 0, "{events:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_leaves_the_generation_as_it_was() {
    let (app, seen) = began("").await;
    let error = configure(&app, r#"{"step": 5, "take": "fail"}"#).await.unwrap_err();
    let text = "the old configuration holds again: the dial does not turn";
    assert_eq!(error.to_string(), text);
    assert_eq!(seen.take(), ["1 starts with 1", "1 is offered 5"]);
    assert_eq!((state(&app), step(&app).as_str()), (ServiceState::Running, "1 (default)"));
    assert_eq!(told(&app)[1], "rolled-back configure (the dial does not turn)");
    assert_eq!(app.failures(), ["dial#1: reconfigure: the dial does not turn"]);
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_breaks_is_followed_by_a_restart_with_the_old_configuration() {
    for (take, why) in [("panic", "panicked"), ("hang", "did not end within 30s")] {
        let (app, seen) = began("").await;
        let json = format!(r#"{{"step": 5, "take": "{take}"}}"#);
        let error = configure(&app, &json).await.unwrap_err().to_string();
        assert!(
            error.contains("the old configuration holds again") && error.contains(why),
            "{error}"
        );
        assert_eq!(seen.take(), ["1 starts with 1", "1 is offered 5", "2 starts with 1"], "{take}");
        let failures = app.failures();
        assert!(failures[0].starts_with("dial#1: ") && failures[0].contains(why), "{failures:?}");
        assert_eq!((state(&app), step(&app).as_str()), (ServiceState::Running, "1 (default)"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_that_fails_goes_back_to_the_old_configuration() {
    for start in ["fail", "panic", "hang"] {
        let (app, seen) = began("take: restart, start_timeout: 5s").await;
        let json = format!(r#"{{"step": 5, "start": "{start}"}}"#);
        let error = configure(&app, &json).await.unwrap_err();
        assert!(matches!(error, CommandError::RolledBack { is_back: true, .. }), "{error}");
        let expected = ["1 starts with 1", "1 is offered 5", "2 starts with 5", "3 starts with 1"];
        assert_eq!(seen.take(), expected, "{start}");
        assert_eq!((state(&app), step(&app).as_str()), (ServiceState::Running, "1 (default)"));
        let status = app.manager().status("dial").unwrap();
        assert!(status.restart.is_none_or(|it| it.attempt == 0), "no budget is spent on it");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stopped_service_keeps_it() {
    let (app, seen) = began("autostart: false").await;
    check(configure(&app, r#"{"step": 5}"#).await, ConfigEffect::Kept, 0);
    assert_eq!((state(&app), seen.take().len()), (ServiceState::Stopped, 0));
    app.manager().start("dial").await.unwrap();
    assert_eq!(seen.take(), ["1 starts with 5"]);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_service_can_be_started_with_it() {
    let (app, seen) = began("autostart: false").await;
    check(started(&app, r#"{"step": 5}"#).await, ConfigEffect::Started, 1);
    assert_eq!(seen.take(), ["1 starts with 5"]);
    check(started(&app, r#"{"step": 5}"#).await, ConfigEffect::Unchanged, 1);
    check(started(&app, r#"{"step": 6}"#).await, ConfigEffect::Applied, 1);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_service_that_does_not_start_with_it_is_stopped_again() {
    let (app, seen) = began("autostart: false").await;
    let error = started(&app, r#"{"step": 5, "start": "fail"}"#).await.unwrap_err();
    assert!(matches!(error, CommandError::RolledBack { .. }), "{error}");
    assert_eq!((state(&app), step(&app).as_str()), (ServiceState::Stopped, "1 (default)"));
    tokio::time::sleep(secs(600)).await;
    assert_eq!(seen.take(), ["1 starts with 5"], "and stays so");
}

#[tokio::test(start_paused = true)]
async fn a_starting_service_begins_anew() {
    let (app, seen) = dial("start: slow");
    let app = testing::begin(app).unwrap();
    app.wait("dial", ServiceState::Starting).await.unwrap();
    check(configure(&app, r#"{"step": 5}"#).await, ConfigEffect::Restarted, 2);
    assert_eq!(seen.take(), ["1 starts with 1", "2 starts with 5"]);
}

#[tokio::test(start_paused = true)]
async fn a_running_service_whose_provider_was_stopped_keeps_it_and_the_answer_says_so() {
    let (app, seen) = dial("take: restart");
    let app = app.depends_on("db").service(|| Plain).named("db");
    let app = testing::start(app).await.unwrap_or_else(|error| panic!("{error}"));
    app.manager().stop("db").await.expect("it stops");
    let answer = app.post_json("/services/dial/configure", &serde_json::json!({"step": 5})).await;
    let answer: serde_json::Value = answer.json();
    assert_eq!((&answer["status"], &answer["generation"]), (&"kept".into(), &1.into()), "{answer}");
    let told = "; the service runs on with the configuration it had, because it cannot be \
                restarted without `db`: the new one holds once it starts again";
    assert!(answer["note"].as_str().is_some_and(|note| note.ends_with(told)), "{answer}");
    app.manager().start("db").await.expect("it starts");
    app.manager().restart("dial").await.expect("it restarts");
    assert_eq!(seen.take().last().map(String::as_str), Some("2 starts with 5"));
    // Who does not run has no other one.
    app.manager().stop("dial").await.expect("it stops");
    let answer = app.post_json("/services/dial/configure", &serde_json::json!({"step": 6})).await;
    let answer: serde_json::Value = answer.json();
    assert_eq!(answer["status"], "kept");
    assert!(!answer["note"].as_str().is_some_and(|note| note.contains("runs on")), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_stopping_service_keeps_it() {
    let (app, _) = began("stop: slow").await;
    let verb = Verb::stop();
    let stop = app.manager().command("dial", verb, Request::by("ops:alice")).await.unwrap();
    app.wait("dial", ServiceState::Stopping).await.unwrap();
    check(configure(&app, r#"{"step": 5}"#).await, ConfigEffect::Kept, 1);
    stop.outcome().await.unwrap();
    assert_eq!(state(&app), ServiceState::Stopped);
}

#[tokio::test(start_paused = true)]
async fn the_next_try_of_a_failed_service_has_it() {
    let (app, seen) = began("start: fail, restart: {backoff: {initial: 10s, jitter: 0}}").await;
    app.wait("dial", ServiceState::Error).await.unwrap();
    check(configure(&app, r#"{"step": 5, "start": "serve"}"#).await, ConfigEffect::Kept, 1);
    app.wait("dial", ServiceState::Running).await.unwrap();
    assert_eq!(seen.take(), ["1 starts with 1", "2 starts with 5"]);
}

#[tokio::test(start_paused = true)]
async fn an_exhausted_service_keeps_it_until_it_is_started() {
    let (app, seen) = began("start: fail, restart: {max_restarts: 0}").await;
    app.wait("dial", ServiceState::Error).await.unwrap();
    check(configure(&app, r#"{"step": 5, "start": "serve"}"#).await, ConfigEffect::Kept, 1);
    tokio::time::sleep(secs(600)).await;
    assert_eq!(seen.take(), ["1 starts with 1"]);
    check(started(&app, r#"{"step": 6}"#).await, ConfigEffect::Started, 2);
    assert_eq!(seen.take(), ["2 starts with 6"]);
}

#[tokio::test(start_paused = true)]
async fn a_disabled_service_keeps_it_and_can_be_enabled() {
    let (app, seen) = began("enabled: false").await;
    check(configure(&app, r#"{"step": 5}"#).await, ConfigEffect::Kept, 0);
    assert_eq!(started(&app, "{}").await.unwrap_err(), CommandError::Disabled);
    assert_eq!(step(&app), "5 (api:ops:alice)", "the start was refused, not what was there");
    assert!(!app.manager().status("dial").unwrap().is_configured);
    check(configure(&app, r#"{"enabled": true}"#).await, ConfigEffect::Started, 1);
    assert!(app.manager().status("dial").unwrap().is_configured);
    assert_eq!(seen.take(), ["1 starts with 5"]);
    check(configure(&app, r#"{"enabled": null}"#).await, ConfigEffect::Stopped, 1);
    let status = app.manager().status("dial").unwrap();
    assert_eq!((status.state, status.enabled), (ServiceState::Stopped, false));
    assert_eq!(app.manager().start("dial").await.unwrap_err(), CommandError::Disabled);
}

#[tokio::test(start_paused = true)]
async fn an_orphaned_service_keeps_it() {
    /// Its child cannot be ended before the test lets it.
    struct Stuck(Arc<Mutex<Option<std::sync::mpsc::Receiver<()>>>>);

    impl Service for Stuck {
        async fn run(&self, cx: &Context) -> Result {
            let held = self.0.lock().unwrap().take();
            let _child = cx.spawn_blocking("stuck", move || held.map(|held| held.recv()));
            cx.stopping().await;
            Ok(())
        }
    }

    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = Arc::new(Mutex::new(Some(held)));
    let stuck = move |_: Config<DialConfig>| Stuck(Arc::clone(&held));
    let app = Application::new().service(stuck).named("dial");
    let app = app.config_text("a.yaml", Format::Yaml, "services: {dial: {stop_timeout: 50ms}}");
    tokio::time::resume();
    let app = testing::start(app).await.unwrap();
    app.manager().stop("dial").await.unwrap_err();
    assert_eq!(state(&app), ServiceState::Error);
    check(configure(&app, r#"{"step": 5}"#).await, ConfigEffect::Kept, 1);
    assert_eq!(started(&app, "{}").await.unwrap_err(), CommandError::Orphaned);
    drop(release);
}

#[tokio::test(start_paused = true)]
async fn framework_keys_hold_at_once_and_touch_nobody() {
    let (app, seen) = began("").await;
    let json = r#"{"stop_timeout": "3s", "restart": {"policy": "never"}, "significant": false}"#;
    check(configure(&app, json).await, ConfigEffect::Applied, 1);
    assert_eq!(seen.take(), ["1 starts with 1"]);
    let all: BTreeMap<String, String> = (app.manager().config("dial").unwrap().iter())
        .map(|it| (it.path.clone(), format!("{} ({})", it.value, it.origin)))
        .collect();
    assert_eq!(all["services.dial.stop_timeout"], "3s (api:ops:alice)");
    assert_eq!(all["services.dial.restart.policy"], "never (api:ops:alice)");
    assert_eq!(all["services.dial.start_timeout"], "30s (default)");
    // It is judged by what holds: no restart after a failure.
    check(
        configure(&app, r#"{"run": "fail", "take": "restart"}"#).await,
        ConfigEffect::Restarted,
        2,
    );
    app.wait("dial", ServiceState::Error).await.unwrap();
    tokio::time::sleep(secs(600)).await;
    assert_eq!(app.manager().status("dial").unwrap().generation.0, 2);
}

#[tokio::test(start_paused = true)]
async fn a_stop_wins_over_an_offer() {
    let (app, seen) = began("").await;
    let by = Request::by("ops:alice");
    let change = patch(r#"{"step": 5, "take": "hang"}"#);
    let offered = app.manager().configure("dial", change, by).await.unwrap();
    tokio::time::sleep(secs(1)).await;
    app.manager().stop("dial").await.unwrap();
    check(offered.outcome().await, ConfigEffect::Kept, 1);
    app.manager().start("dial").await.unwrap();
    let expected = ["1 starts with 1", "1 is offered 5", "2 starts with 5"];
    assert_eq!(seen.take(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_later_change_takes_the_place_of_one_under_way() {
    let (app, seen) = began("").await;
    let first = patch(r#"{"step": 5, "take": "slow"}"#);
    let first = app.manager().configure("dial", first, Request::by("ops:alice")).await;
    tokio::time::sleep(secs(1)).await;
    let second = configure(&app, r#"{"step": 6, "take": "fail"}"#).await.unwrap_err();
    assert_eq!(first.unwrap().outcome().await.unwrap_err(), CommandError::Superseded);
    assert!(matches!(second, CommandError::RolledBack { .. }), "{second}");
    assert_eq!(step(&app), "5 (api:ops:alice)", "back to what the service works by");
    assert_eq!(seen.take(), ["1 starts with 1", "1 is offered 5", "1 is offered 6"]);
}

#[tokio::test(start_paused = true)]
async fn an_offer_has_its_time_from_when_it_can_be_looked_at() {
    let (app, seen) = began("start_timeout: 16s, find: slower").await;
    let by = || Request::by("ops:alice");
    for step in [5, 6] {
        let change = patch(&format!(r#"{{"step": {step}, "take": "slower"}}"#));
        app.manager().configure("dial", change, by()).await.unwrap();
        tokio::time::sleep(millis(200)).await;
    }
    // The first one is looked at for 15 s, and only then this one, for as long.
    check(configure(&app, r#"{"step": 7}"#).await, ConfigEffect::Applied, 1);
    assert_eq!(seen.take(), ["1 starts with 1", "1 is offered 5", "1 is offered 7"]);

    let asked = app.manager().diagnose(Some("dial"));
    let change = async {
        tokio::time::sleep(millis(100)).await;
        configure(&app, r#"{"step": 8, "start_timeout": "15500ms"}"#).await
    };
    let (_, changed) = tokio::join!(asked, change);
    check(changed, ConfigEffect::Applied, 1);
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn changes_that_cross_are_both_there() {
    let (app, _) = began("").await;
    let both =
        tokio::join!(configure(&app, r#"{"step": 5}"#), configure(&app, r#"{"stop": "slow"}"#));
    assert!(both.0.is_ok() || both.0 == Err(CommandError::Superseded), "{both:?}");
    assert!(both.1.is_ok(), "{both:?}");
    let all = app.manager().config("dial").unwrap();
    let api = all.iter().filter(|value| value.origin.to_string() == "api:ops:alice");
    let mut api: Vec<String> = api.map(|value| value.path.clone()).collect();
    api.sort();
    assert_eq!(api, ["services.dial.step", "services.dial.stop"]);
}

#[tokio::test(start_paused = true)]
async fn put_replaces_and_delete_removes_what_came_over_the_api() {
    let (app, _) = began("step: 2").await;
    check(configure(&app, r#"{"step": 5, "stop_timeout": "9s"}"#).await, ConfigEffect::Applied, 1);
    let put = ConfigChange::put(Layer::from_json(br#"{"step": 7}"#).unwrap());
    let by = || Request::by("ops:bob");
    let put = app.manager().configure("dial", put, by()).await.unwrap();
    check(put.outcome().await, ConfigEffect::Applied, 1);
    assert_eq!(step(&app), "7 (api:ops:bob)");
    let remove = app.manager().configure("dial", ConfigChange::remove(), by()).await.unwrap();
    check(remove.outcome().await, ConfigEffect::Applied, 1);
    assert_eq!(step(&app), "2 (app.yaml:1:25)");
    let again = app.manager().configure("dial", ConfigChange::remove(), by()).await.unwrap();
    check(again.outcome().await, ConfigEffect::Unchanged, 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_changes_nothing_and_is_told_whole() {
    let (app, seen) = began("").await;
    let json =
        r#"{"step": -1, "stp": 2, "token": "${HOME}", "depends_on": ["x"], "stop_timeout": 3}"#;
    let result = app.manager().configure("dial", patch(json), Request::by("a")).await;
    let Err(ConfigureError::Invalid(report)) = result else { panic!("it is wrong") };
    let pointers: Vec<String> =
        report.problems().iter().map(|it| it.pointer("services.dial")).collect();
    assert_eq!(pointers, ["/depends_on", "/stop_timeout", "/step", "/stp"]);
    assert_eq!((seen.take().len(), told(&app).len()), (1, 0));
    // A reference is text.
    check(configure(&app, r#"{"token": "${HOME}"}"#).await, ConfigEffect::Applied, 1);
    let all = app.manager().config("dial").unwrap();
    let token = all.iter().find(|it| it.path == "services.dial.token").unwrap();
    assert_eq!(token.value, "***");
}

#[tokio::test(start_paused = true)]
async fn the_same_request_under_its_key_is_the_same_operation() {
    let (app, seen) = began("").await;
    let by = || Request::by("ops:alice").keyed("k1");
    let give = async |json: &str| {
        app.manager().configure("dial", patch(json), by()).await.map(|it| it.id())
    };
    let first = give(r#"{"step": 5}"#).await.unwrap();
    tokio::time::sleep(millis(10)).await;
    assert_eq!(give(r#"{"step": 5}"#).await.unwrap(), first);
    let other = give(r#"{"step": 6}"#).await.unwrap_err();
    let reused = CommandError::KeyReused { operation: first };
    assert!(matches!(other, ConfigureError::Command(error) if error == reused));
    assert_eq!(seen.take(), ["1 starts with 1", "1 is offered 5"]);
}

#[tokio::test(start_paused = true)]
async fn to_start_with_a_change_is_another_request_than_the_change_alone() {
    let (app, _) = began("").await;
    let layer = || Layer::from_json(br#"{"step": 5}"#).unwrap();
    let changes =
        [ConfigChange::put(layer()), ConfigChange::patch(layer()), ConfigChange::remove()];
    for (change, key) in changes.into_iter().zip(["put", "patch", "remove"]) {
        let give = |change| app.manager().configure("dial", change, Request::by("a").keyed(key));
        let first = give(change.clone()).await.unwrap().id();
        assert_eq!(give(change.clone()).await.unwrap().id(), first, "{key}");
        let other = give(change.started()).await.map(|it| it.id());
        let reused = CommandError::KeyReused { operation: first };
        assert!(matches!(other, Err(ConfigureError::Command(error)) if error == reused), "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_needed_cannot_be_disabled() {
    let (app, _) = dial("");
    let needs = |_: processpype::Dep<Dial>| crate::harness::Plain;
    let app = testing::start(app.service(needs).named("hand")).await.unwrap();
    let change = patch(r#"{"enabled": false}"#);
    let result = app.manager().configure("dial", change, Request::by("a")).await;
    let text = result.unwrap_err().to_string();
    assert!(text.contains("cannot change this now") && text.contains("hand"), "{text}");
    assert_eq!(state(&app), ServiceState::Running);
}

#[tokio::test(start_paused = true)]
async fn a_preview_changes_nothing() {
    let (app, seen) = began("").await;
    let by = Request::by("a");
    let change = patch(r#"{"step": 5, "token": "hush-hush"}"#);
    let preview = app.manager().preview_configure("dial", change, by).await.unwrap();
    assert_eq!(preview.effect, None, "it is asked first");
    let told: Vec<String> = preview.differences.iter().map(ToString::to_string).collect();
    let expected =
        ["services.dial.step: 1 -> 5 (api:a)", "services.dial.token: nothing -> *** (api:a)"];
    assert_eq!(told, expected);
    assert_eq!((seen.take().len(), step(&app).as_str()), (1, "1 (default)"));
}

#[tokio::test(start_paused = true)]
async fn a_significant_service_that_fails_with_it_goes_back_and_ends_nothing() {
    let (app, _) = began("significant: true, take: restart, restart: {policy: never}").await;
    let error = configure(&app, r#"{"step": 5, "start": "fail"}"#).await.unwrap_err();
    assert!(matches!(error, CommandError::RolledBack { is_back: true, .. }), "{error:?}");
    assert_eq!((state(&app), step(&app).as_str()), (ServiceState::Running, "1 (default)"));
    assert!(!app.manager().is_closing());
    // By itself it is as significant as before.
    check(configure(&app, r#"{"run": "fail"}"#).await, ConfigEffect::Restarted, 4);
    tokio::time::sleep(secs(1)).await;
    assert!(app.manager().is_closing(), "{:?}", app.manager().status("dial"));
}

#[tokio::test(start_paused = true)]
async fn an_application_settles_with_the_change_after_which_nobody_waits_for_a_service() {
    let section = "significant: true, start: fail, restart: {backoff: {initial: 300s, max: 300s}}";
    let app = testing::begin(dial(section).0).unwrap_or_else(|error| panic!("{error}"));
    app.wait("dial", ServiceState::Error).await.unwrap();
    assert!(!app.manager().is_settled(), "it is tried again");
    check(configure(&app, r#"{"significant": false}"#).await, ConfigEffect::Kept, 1);
    // Nothing else comes before it is tried again.
    assert!(app.manager().is_settled());
}

#[tokio::test(start_paused = true)]
async fn a_preview_heeds_the_precondition() {
    let (app, _) = began("").await;
    let by = Request::by("ops:alice").expecting([processpype::Generation(9)]);
    let error =
        app.manager().preview_configure("dial", patch(r#"{"step": 5}"#), by).await.unwrap_err();
    assert!(matches!(error, ConfigureError::Command(CommandError::Stale { .. })), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_change_that_comes_while_it_stops_for_another_goes_back_too() {
    let (app, seen) = began("stop: slow, take: restart").await;
    let by = Request::by("ops:alice");
    let first = app.manager().configure("dial", patch(r#"{"step": 5}"#), by).await.unwrap();
    tokio::time::sleep(secs(1)).await;
    assert_eq!(state(&app), ServiceState::Stopping);
    let error = configure(&app, r#"{"step": 6, "start": "fail"}"#).await.unwrap_err();
    assert!(matches!(error, CommandError::RolledBack { .. }), "{error:?}");
    assert!(matches!(first.outcome().await, Err(CommandError::Superseded)));
    tokio::time::sleep(secs(30)).await;
    assert_eq!((state(&app), step(&app).as_str()), (ServiceState::Running, "1 (default)"));
    assert_eq!(seen.take().last().unwrap(), "3 starts with 1");
}

#[tokio::test(start_paused = true)]
async fn many_changes_at_once_are_all_taken() {
    let (app, _) = began("").await;
    let all = (0..50).map(|n| {
        let app = &app;
        async move { configure(app, &format!(r#"{{"step": {n}}}"#)).await }
    });
    for result in futures_util::future::join_all(all).await {
        assert!(matches!(result, Ok(_) | Err(CommandError::Superseded)), "{result:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_preview_hides_nothing_and_the_change_itself_does() {
    let (app, _) = began("").await;
    let said = |error: CommandError| error.to_string();
    let by = Request::by("ops:alice");
    let hidden = r#"{"token": "does not turn"}"#;
    app.manager().preview_configure("dial", patch(hidden), by).await.unwrap();
    let failing = r#"{"take": "fail", "step": 5}"#;
    let text = said(configure(&app, failing).await.unwrap_err());
    assert!(text.ends_with("the dial does not turn"), "{text}");
    configure(&app, hidden).await.unwrap();
    let text = said(configure(&app, failing).await.unwrap_err());
    assert!(text.ends_with("the dial ***"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_hidden_also_where_a_text_is_cut() {
    struct Chatty(Config<DialConfig>);
    impl Service for Chatty {
        async fn start(&self, cx: &Context) -> Result {
            let token = self.0.token.as_ref().expect("it is configured").expose();
            cx.degraded("x".repeat(1015) + token);
            Ok(())
        }
    }
    let file = "services: {chatty: {token: hush-hush-secret}}";
    let app = Application::new().service(Chatty).named("chatty");
    let app = app.config_text("app.yaml", Format::Yaml, file);
    let app = testing::start(app).await.unwrap_or_else(|error| panic!("{error}"));
    let status = app.manager().status("chatty").unwrap();
    let text = status.degraded.clone().expect("it said something");
    assert!(text.starts_with("xxx") && !text.contains("hush"), "{}", &text[1000..]);
}
