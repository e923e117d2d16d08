//! Constructors of every shape, and the handles they get.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use processpype::config::Format;
use processpype::testing::{self, Act};
use processpype::{
    Application, Config, Context, Dep, Deps, Error, ErrorKind, Generation, GetError, RestartPolicy,
    Result, Service, ServiceState, Shared,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{Plain, assert_history, last_error, millis, probe, secs, tales, texts};

#[derive(Deserialize, JsonSchema)]
struct Step {
    step: u64,
}

struct Counter {
    count: AtomicU64,
    step: u64,
}

impl Counter {
    fn new(config: Config<Step>) -> Self {
        Self { count: AtomicU64::new(0), step: config.step }
    }

    fn bump(&self) -> u64 {
        self.count.fetch_add(self.step, SeqCst) + self.step
    }
}

impl Service for Counter {}

fn with(app: Application, yaml: &str) -> Application {
    app.config_text("app.yaml", Format::Yaml, yaml)
}

struct Made(String);

impl Service for Made {
    async fn start(&self, cx: &Context) -> Result {
        cx.set_metadata("made", self.0.clone());
        Ok(())
    }
}

fn plain() -> Made {
    Made("plain".to_owned())
}

fn fallible(pool: Shared<String>) -> Result<Made, std::num::ParseIntError> {
    let number: u8 = pool.parse()?;
    Ok(Made(number.to_string()))
}

async fn eventual(cx: Context) -> Made {
    tokio::time::sleep(secs(1)).await;
    Made(format!("{} {}", cx.name(), cx.generation()))
}

async fn eventual_fallible(config: Config<Step>, _: Option<Dep<Plain>>) -> Result<Made> {
    if config.step > 1 { Err(Error::public("too far")) } else { Ok(Made("near".to_owned())) }
}

#[tokio::test(start_paused = true)]
async fn constructors_of_every_shape() {
    let yaml = "services: {d: {step: 1}, e: {step: 2}}";
    let app = Application::new()
        .provide("42".to_owned())
        .service(plain)
        .named("a")
        .service(fallible)
        .named("b")
        .service(eventual)
        .named("c")
        .service(eventual_fallible)
        .named("d")
        .service(eventual_fallible)
        .named("e");
    let app = testing::start(with(app, yaml)).await.expect("the plan is good");
    let made =
        |name| app.manager().status(name).expect("it is there").metadata.get("made").cloned();
    let made = ["a", "b", "c", "d", "e"].map(|name| made(name).unwrap_or_default());
    assert_eq!(made, ["plain", "42", "c 1", "near", ""]);
    assert_eq!(last_error(&app, "e"), "start-failed: too far");
}

#[tokio::test(start_paused = true)]
async fn an_error_that_is_not_public_is_for_the_log() {
    let app = Application::new().provide("secret detail".to_owned()).service(fallible);
    let app = testing::start(app).await.expect("the plan is good");
    assert_eq!(
        last_error(&app, "made"),
        "start-failed: constructor failed; the log has the details"
    );
}

/// Notes what a handle says, every second.
type Notes = Arc<Mutex<Vec<String>>>;

async fn watch(notes: Notes, cx: Context, counter: Dep<Counter>) -> Result {
    while cx.sleep(secs(1)).await {
        let note = match counter.get() {
            Ok(counter) => counter.bump().to_string(),
            Err(unavailable) => unavailable.to_string(),
        };
        notes.lock().expect("no panic").push(note);
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_handle_stays_valid_over_restarts_and_stops_of_its_provider() {
    let notes = Notes::default();
    let seen = Arc::clone(&notes);
    let task = move |cx: Context, counter: Dep<Counter>| watch(Arc::clone(&notes), cx, counter);
    let app = Application::new().service(Counter::new).task("watch", task);
    let app = with(app, "services: {counter: {step: 5}}");
    let app = testing::start(app).await.expect("it starts");
    tokio::time::sleep(secs(2) + secs(1) / 2).await;
    app.manager().restart("counter").await.expect("it restarts");
    tokio::time::sleep(secs(1)).await;
    app.manager().stop("counter").await.expect("it stops");
    tokio::time::sleep(secs(1)).await;
    app.manager().start("counter").await.expect("it starts");
    tokio::time::sleep(secs(1)).await;
    let stopped = "service `counter` is unavailable: it is stopped";
    assert_eq!(*seen.lock().expect("no panic"), ["5", "10", "5", stopped, "5"]);
    assert_eq!(app.manager().status("watch").expect("it is there").generation, Generation(1));
}

#[tokio::test(start_paused = true)]
async fn wait_gives_the_next_ready_instance_and_changed_its_generation() {
    let notes = Notes::default();
    let seen = Arc::clone(&notes);
    let task = move |cx: Context, counter: Dep<Counter>| {
        let notes = Arc::clone(&notes);
        async move {
            let first = counter.generation();
            let next = counter.changed(first).await;
            let value = counter.wait().await?.bump();
            notes.lock().expect("no panic").push(format!("{first} {next} {value}"));
            cx.stopping().await;
            Ok(())
        }
    };
    let app = Application::new().service(Counter::new).task("watch", task);
    let app = with(app, "services: {counter: {step: 5}}");
    let app = testing::start(app).await.expect("it starts");
    app.manager().stop("counter").await.expect("it stops");
    tokio::time::sleep(secs(1)).await;
    app.manager().start("counter").await.expect("it starts");
    tokio::time::sleep(secs(1)).await;
    assert_eq!(*seen.lock().expect("no panic"), ["1 2 5"]);
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_kept_is_told_and_blocks_nobody() {
    let kept = Arc::new(Mutex::new(None));
    let holder = Arc::clone(&kept);
    let task = move |cx: Context, counter: Dep<Counter>| {
        let kept = Arc::clone(&kept);
        async move {
            *kept.lock().expect("no panic") = Some(counter.get()?.into_arc());
            cx.stopping().await;
            Ok(())
        }
    };
    let app = Application::new().service(Counter::new).task("thief", task);
    let app = testing::start(with(app, "services: {counter: {step: 1}}")).await.expect("it starts");
    tokio::time::sleep(secs(1)).await;
    app.manager().restart("counter").await.expect("its successor may start");
    assert!(tales(&app).contains(&"counter: instance-leaked instance-leaked".to_owned()));
    drop(holder.lock().expect("no panic").take());
    app.manager().restart("counter").await.expect("it restarts");
    let leaks = tales(&app).iter().filter(|tale| tale.contains("leaked")).count();
    assert_eq!(leaks, 1, "the second generation was let go");
}

#[tokio::test(start_paused = true)]
async fn a_failure_for_want_of_a_provider_is_of_kind_dependency() {
    let task = async |cx: Context, counter: Dep<Counter>| {
        while cx.sleep(secs(1)).await {
            counter.get()?.bump();
        }
        Ok(())
    };
    let app = Application::new().service(Counter::new).task("user", task);
    let app = testing::start(with(app, "services: {counter: {step: 1}}")).await.expect("it starts");
    app.manager().stop("counter").await.expect("it stops");
    app.wait("user", ServiceState::Error).await.expect("it fails");
    let status = app.manager().status("user").expect("it is there");
    assert_eq!(status.error.as_ref().map(|error| error.kind), Some(ErrorKind::Dependency));
    let error = last_error(&app, "user");
    assert_eq!(error, "dependency: run: service `counter` is unavailable: it is stopped");
}

trait Store: Send + Sync {
    fn text(&self) -> String;
}

struct Memory;

impl Service for Memory {}

impl Store for Memory {
    fn text(&self) -> String {
        "from memory".to_owned()
    }
}

struct Left;
struct Right;

#[tokio::test(start_paused = true)]
async fn traits_roles_and_all_instances() {
    let report = async |cx: Context,
                        store: Dep<dyn Store>,
                        left: Dep<Counter, Left>,
                        right: Dep<Counter, Right>,
                        all: Deps<Counter>,
                        none: Option<Dep<Plain>>| {
        let names: Vec<String> = all.iter().map(|dep| dep.name().to_string()).collect();
        let told = [
            store.get()?.text(),
            left.name().to_string(),
            right.name().to_string(),
            names.join(" "),
            none.is_none().to_string(),
        ];
        cx.set_metadata("told", told.join(", "));
        cx.stopping().await;
        Ok(())
    };
    let app = Application::new()
        .service(|| Memory)
        .provides(|memory: Arc<Memory>| -> Arc<dyn Store> { memory })
        .kind("counter", Counter::new)
        .task("report", report)
        .uses("left", "slow");
    let yaml = "services:\n  fast: {kind: counter, step: 9}\n  slow: {kind: counter, step: 1}\n  \
                report: {uses: {right: fast}}\n";
    let app = testing::start(with(app, yaml)).await.expect("it starts");
    tokio::time::sleep(secs(1)).await;
    let status = app.manager().status("report").expect("it is there");
    assert_eq!(status.metadata["told"], "from memory, slow, fast, fast slow, true");
    assert_eq!(&*app.manager().status("fast").expect("it is there").kind, "counter");
}

#[tokio::test(start_paused = true)]
async fn execution_is_per_edge_and_stops_go_backwards() {
    let takes = |seconds| probe(Act::Succeed(secs(seconds)), Act::Serve, Act::Serve);
    let (quick, slow) = (takes(1), takes(10));
    let app = Application::new()
        .service(quick.service())
        .named("quick")
        .service(slow.service())
        .named("slow")
        .service(|| Plain)
        .named("after-quick")
        .depends_on("quick");
    let app = testing::begin(app).expect("the plan is good");
    tokio::time::sleep(secs(2)).await;
    assert_eq!(app.manager().state("after-quick"), Some(ServiceState::Running));
    assert_eq!(app.manager().state("slow"), Some(ServiceState::Starting));
    assert!(!app.manager().is_settled());
    tokio::time::sleep(secs(10)).await;
    assert!(app.manager().is_settled());
    let from = app.transitions().len();
    let mut app = app;
    app.manager().close();
    app.closed().await;
    let stops: Vec<String> = app.transitions()[from..].to_vec();
    let at = |line: &str| stops.iter().position(|stop| stop == line).expect("it stopped");
    assert!(
        at("after-quick: stopping → stopped (stopped)") < at("quick: running → stopping (closing)")
    );
}

#[tokio::test(start_paused = true)]
async fn what_does_not_start_by_itself_is_pulled_in() {
    let app = Application::new()
        .service(|| Plain)
        .named("db")
        .autostart(false)
        .service(|| Plain)
        .named("idle")
        .autostart(false)
        .depends_on("lazy")
        .service(|| Plain)
        .named("lazy")
        .autostart(false)
        .service(|| Plain)
        .named("web")
        .depends_on("db");
    let app = testing::start(app).await.expect("it starts");
    assert_eq!(app.manager().state("db"), Some(ServiceState::Running));
    assert_eq!(app.manager().state("idle"), Some(ServiceState::Stopped));
    app.manager().start("idle").await.expect("it starts");
    assert_history(
        &app,
        &[
            "db: stopped → starting (boot)",
            "db: starting → running (progress)",
            "web: stopped → starting (dependency-ready)",
            "web: starting → running (progress)",
            "lazy: stopped → starting (pulled-in)",
            "lazy: starting → running (progress)",
            "idle: stopped → starting (operator)",
            "idle: starting → running (progress)",
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn a_disabled_service_is_listed_and_never_runs() {
    let app = Application::new().service(|| Plain).named("off");
    let app = testing::start(with(app, "services: {off: {enabled: false}}")).await.expect("good");
    let status = app.manager().status("off").expect("it is listed");
    assert_eq!((status.state, status.enabled), (ServiceState::Stopped, false));
    assert_eq!(app.post("/services/off/start").await.status(), 409);
    assert_eq!(texts(&app.stop().await.stragglers), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn the_manager_gives_the_living_instance_by_name_and_type() {
    let app = Application::new().service(Counter::new).named("counter");
    let app = with(app, "services: {counter: {step: 3}}");
    let app = testing::start(app).await.unwrap_or_else(|error| panic!("{error}"));
    let manager = app.manager();
    assert_eq!(manager.get::<Counter>("counter").expect("it runs").bump(), 3);
    assert_eq!(manager.get::<Counter>("counter").expect("it runs").bump(), 6);
    let Err(GetError::Unknown { name }) = manager.get::<Counter>("conter") else {
        panic!("nobody has this name")
    };
    assert_eq!(name, "conter");
    let other = || manager.get::<Plain>("counter").map(drop).expect_err("it is of another type");
    let told = "the service `counter` is no `it::harness::Plain`: it is a `it::deps::Counter`";
    assert_eq!(other().to_string(), told);
    manager.restart("counter").await.expect("it restarts");
    assert_eq!(manager.get::<Counter>("counter").expect("it runs").bump(), 3, "it is a new one");
    manager.stop("counter").await.expect("it stops");
    assert_eq!(other().to_string(), told, "whatever state it is in");
    assert!(matches!(other(), GetError::OtherType { service, .. } if &*service == "counter"));
    let error = manager.get::<Counter>("counter").map(drop).expect_err("it is gone");
    // Whoever passes it on out of a hook has waited for a provider, and not failed.
    let error = Error::from(error);
    let unavailable = error.unavailable().expect("it says who is missing");
    assert_eq!(
        (unavailable.service.as_str(), unavailable.state),
        ("counter", ServiceState::Stopped)
    );
}

#[tokio::test(start_paused = true)]
async fn a_wait_in_vain_says_what_is_wrong() {
    let broken = || Err::<Plain, _>(Error::public("no disk").with_source("it is full"));
    let app = Application::new().service(broken).restart(RestartPolicy::Never);
    let waits = async |cx: Context| {
        cx.stopping().await;
        Ok(())
    };
    let app = app.task("waits", waits).depends_on("plain");
    let app = testing::start(app).await.expect("the plan is good");
    let error = app.wait("plain", ServiceState::Running).await.expect_err("it never runs");
    let told = "`plain` did not become running: it is in error (constructor: no disk: it is full)";
    assert_eq!(error.to_string(), told);
    assert_eq!(app.failures(), ["plain#1: constructor: no disk: it is full"]);
    let error = app.wait("waits", ServiceState::Running).await.expect_err("it never starts");
    let told = "`waits` did not become running: it is stopped, and waits for `plain`";
    assert_eq!((error.to_string(), error.error), (told.to_owned(), None));
}

#[tokio::test(start_paused = true)]
async fn a_test_sees_what_is_for_the_log_alone() {
    let panics = async |cx: Context| -> Result {
        cx.sleep(millis(5)).await;
        panic!("seven is odd")
    };
    let app = Application::new().task("odd", panics).restart(RestartPolicy::Never);
    let hangs = probe(Act::Hang, Act::Serve, Act::Serve);
    let app = app.service(hangs.service()).named("hangs").restart(RestartPolicy::Never);
    let app = testing::start(app).await.expect("the plan is good");
    app.wait("odd", ServiceState::Error).await.expect("it panics");
    app.wait("hangs", ServiceState::Error).await.expect("its start has a limit");
    assert_eq!(
        app.failures(),
        [
            "odd#1: run panicked: seven is odd",
            "hangs#1: constructor and `start` took longer than `start_timeout` (30s)",
        ]
    );
    let shown = app.get("/services/odd").await.text();
    assert!(!shown.contains("seven"), "clients are told what they were: {shown}");
}

#[tokio::test(start_paused = true)]
async fn a_handle_to_a_oneshot_says_that_it_has_completed() {
    struct Migration;

    impl Service for Migration {
        async fn run(&self, _: &Context) -> Result {
            Ok(())
        }
    }

    let user = async |migration: Dep<Migration>| -> Result {
        let error = migration.get().map(drop).expect_err("it is over");
        assert!(error.completed);
        Err(error.into())
    };
    let app = Application::new().service(|| Migration).oneshot().task("user", user);
    let app = testing::start(app.restart(RestartPolicy::Never)).await.expect("the plan is good");
    app.wait("user", ServiceState::Error).await.expect("there is no instance");
    let told = "dependency: run: service `migration` is unavailable: it has completed, and a \
                `oneshot` has no instance then; who needs its order alone says `depends_on`";
    assert_eq!(last_error(&app, "user"), told);
}
