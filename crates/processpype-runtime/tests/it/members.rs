//! Services that join and leave while the application runs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request as HttpRequest;
use processpype_config::{Difference, Effective, Layer, Report};
use processpype_core::{Generation, LogLevel, ServiceName, ServiceState, Strategy, Verb};
use processpype_runtime::{
    Assembly, CommandError, ConfigBook, Configured, Configurer, Context, Dep, Deps, EdgeOrigin,
    GroupSpec, Hidden, Launch, LevelSwitch, Loaded, Manager, PlanCode, REGISTERED_MAX, Refused,
    RegisterError, Registered, Registration, Request, Result, Routes, Service, Spec,
};
use tokio::runtime::Handle;

use crate::harness::{blueprint, run, spec};

pub(crate) struct Plain;

impl Service for Plain {}

/// Answers who it is.
struct Named(&'static str);

impl Service for Named {
    fn routes(self: Arc<Self>) -> Routes {
        let name = self.0;
        axum::Router::new().route("/", axum::routing::get(async move || name)).into()
    }
}

struct User(Dep<Named>);

impl Service for User {
    async fn start(&self, _: &Context) -> Result {
        self.0.get()?;
        Ok(())
    }
}

struct All(Deps<Named>);

impl Service for All {
    fn routes(self: Arc<Self>) -> Routes {
        let names: Vec<String> = self.0.iter().map(|dep| dep.name().to_string()).collect();
        let names = names.join(" ");
        axum::Router::new().route("/", axum::routing::get(async move || names)).into()
    }
}

/// Fails after a second.
struct Flaky;

impl Service for Flaky {
    async fn run(&self, cx: &Context) -> Result {
        cx.sleep(Duration::from_secs(1)).await;
        Err("broken".into())
    }
}

/// Does not end before its time is over.
struct Tough;

impl Service for Tough {
    async fn stop(&self, _: &Context) -> Result {
        std::future::pending().await
    }
}

async fn register(manager: &Manager, spec: Spec) -> Result<Registered, RegisterError> {
    manager.register(Registration::of(spec), Request::by("test")).await
}

async fn start(manager: &Manager, spec: Spec) {
    let registration = Registration::of(spec).started();
    let registered = manager.register(registration, Request::by("test")).await;
    let start = registered.expect("it joins").start.expect("it was asked for");
    start.outcome().await.expect("it starts");
}

async fn answer(manager: &Manager, name: &str) -> Option<String> {
    let mounted = manager.mounted(name)?.expect("it is running");
    let answer = mounted.call(HttpRequest::new(Body::empty())).await.expect("it answers");
    let body = axum::body::to_bytes(answer.into_body(), 1024).await.expect("a short text");
    Some(String::from_utf8_lossy(&body).into_owned())
}

fn names(manager: &Manager) -> Vec<String> {
    manager.names().iter().map(ToString::to_string).collect()
}

fn code(error: &RegisterError) -> Option<PlanCode> {
    match error {
        RegisterError::Plan(error) => Some(error.problems()[0].code),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn who_leaves_while_restarts_are_paused_is_held_no_longer() {
    let (manager, closed) =
        run(vec![spec("flaky", || Flaky, &[]), spec("plain", || Plain, &[])], &Handle::current());
    manager.settled().await;
    let hour = Duration::from_secs(3600);
    manager.pause_restarts(hour, Request::by("test")).await.expect("they pause");
    let mut events = manager.subscribe(0);
    while events.next(1).await.events[0].cause != "restart-held" {}
    manager.deregister("flaky").await.expect("nothing of it is left");
    // Prolonged, and over: both look at all who are held.
    manager.pause_restarts(hour, Request::by("test")).await.expect("they go on to pause");
    manager.resume_restarts(Request::by("test")).await.expect("they go on");
    manager.restart("plain").await.expect("the loop goes on");
    manager.close();
    closed.await.expect("the supervisor ends");
}

#[tokio::test(start_paused = true)]
async fn a_level_ends_at_its_time_or_with_its_service() {
    let mut launch = Launch::on(Handle::current());
    launch.levels = LevelSwitch::new(|_, level| level.unwrap_or(LogLevel::Info));
    let specs = ["first", "last", "left"].map(|name| spec(name, || Plain, &[]));
    let (manager, supervisor) = blueprint(specs.into()).launch(launch);
    let closed = tokio::spawn(supervisor.run());
    let change = async |name, minutes: u64| {
        let time = Duration::from_secs(60 * minutes);
        let by = Request::by("test");
        manager.change_level(Some(name), LogLevel::Debug, time, by).await.expect("it changes");
    };
    let names = || {
        let levels = manager.level_changes();
        let names = levels.keys().map(|name| name.as_ref().expect("of a service").to_string());
        names.collect::<Vec<_>>()
    };
    for minutes in [9, 1, 3] {
        change("last", minutes + 1).await;
        change("first", minutes).await;
        change("left", 60).await;
    }
    manager.deregister("left").await.expect("it leaves");
    assert_eq!(names(), ["first", "last"]);
    tokio::time::sleep(Duration::from_secs(60 * 3 + 1)).await;
    assert_eq!(names(), ["last"]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(names().is_empty());
    manager.close();
    closed.await.expect("the supervisor ends");
}

#[tokio::test(start_paused = true)]
async fn what_a_command_would_do_to_one_that_leaves_meanwhile_is_unknown() {
    let specs = ["plain", "other"].map(|name| spec(name, || Plain, &[]));
    let (manager, closed) = run(specs.into(), &Handle::current());
    manager.stop("plain").await.expect("it stops");
    let verb = Verb::Start { with_dependencies: false, force: false };
    // Both are on the way when the loop takes the first of them.
    let (left, foreseen) = tokio::join!(
        manager.deregister("plain"),
        manager.preview_command("plain", verb, Request::by("test"))
    );
    left.expect("it leaves");
    let unknown = CommandError::Unknown { name: "plain".to_owned() };
    assert_eq!(foreseen.expect_err("nobody is there"), unknown);
    manager.close();
    closed.await.expect("the supervisor ends");
}

#[tokio::test(start_paused = true)]
async fn a_service_joins_is_used_and_leaves() {
    let (manager, closed) = run(vec![spec("zebra", || Plain, &[])], &Handle::current());
    manager.settled().await;
    let version = manager.version();
    let registered = register(&manager, spec("named", || Named("one"), &[])).await;
    assert!(registered.expect("it joins").start.is_none());
    assert!(manager.version() > version, "readers are told");
    assert_eq!(names(&manager), ["named", "zebra"]);
    let status = manager.status("named").expect("it is there");
    assert_eq!((status.state, status.generation), (ServiceState::Stopped, Generation(0)));

    manager.start("named").await.expect("it starts");
    assert_eq!(answer(&manager, "named").await.as_deref(), Some("one"));
    start(&manager, spec("user", User, &["zebra"])).await;
    let layout = manager.layout();
    let edges = layout.edges.iter().map(|edge| {
        (layout.name(edge.dependent).to_string(), layout.name(edge.provider).to_string())
    });
    let edge = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    assert_eq!(edges.collect::<Vec<_>>(), [edge("user", "named"), edge("user", "zebra")]);

    let needed = manager.deregister("named").await.expect_err("it is needed");
    let CommandError::Needed { by } = needed else { panic!("{needed}") };
    assert_eq!(by[0].as_str(), "user");
    assert_eq!(manager.state("named"), Some(ServiceState::Running), "nothing has changed");

    let by = Request::by("test").because("over");
    let leave = manager.command("named", Verb::Deregister { cascade: true }, by).await;
    let done = leave.expect("it is accepted").outcome().await.expect("both leave");
    assert!(done.changed && done.affected.len() == 1 && done.affected[0].as_str() == "user");
    assert_eq!(names(&manager), ["zebra"]);
    assert!(manager.mounted("named").is_none() && manager.layout().edges.is_empty());
    let unknown = manager.start("named").await.expect_err("it has left");
    assert_eq!(unknown, CommandError::Unknown { name: "named".to_owned() });
    let events = manager.events(0, 100).events;
    let told = events.iter().filter(|event| event.cause == "deregistered");
    let told: Vec<_> = told.map(|event| (event.service.clone(), event.message.clone())).collect();
    assert_eq!(told.len(), 2);
    assert!(
        told[1].0.as_ref().is_some_and(|name| name.as_str() == "named"),
        "dependents first: {told:?}"
    );
    manager.close();
    closed.await.expect("it ends");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_comes_back_has_a_new_history_and_goes_on_counting() {
    let (manager, _closed) = run(vec![spec("named", || Named("old"), &[])], &Handle::current());
    manager.settled().await;
    manager.restart("named").await.expect("it restarts");
    manager.deregister("named").await.expect("it leaves");
    start(&manager, spec("named", || Named("new"), &[])).await;
    let status = manager.status("named").expect("it is there");
    assert_eq!((status.generation, status.history.len()), (Generation(3), 0));
    assert_eq!(answer(&manager, "named").await.as_deref(), Some("new"));
    // A wait for one that has left ends.
    let waits = manager.reached("named", ServiceState::Error);
    let (reached, left) = tokio::join!(waits, manager.deregister("named"));
    assert!(!reached && left.is_ok());
}

#[tokio::test(start_paused = true)]
async fn handles_are_bound_when_their_owner_joins() {
    let specs = vec![spec("one", || Named("one"), &[]), spec("all", All, &[])];
    let (manager, _closed) = run(specs, &Handle::current());
    manager.settled().await;
    start(&manager, spec("two", || Named("two"), &[])).await;
    manager.restart("all").await.expect("it restarts");
    assert_eq!(answer(&manager, "all").await.as_deref(), Some("one"), "bound at its registration");
    start(&manager, spec("later", All, &[])).await;
    assert_eq!(answer(&manager, "later").await.as_deref(), Some("one two"));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_refused_and_changes_nothing() {
    let specs = vec![spec("one", || Named("one"), &[]), spec("two", || Named("two"), &[])];
    let (manager, _closed) = run(specs, &Handle::current());
    manager.settled().await;
    let version = manager.version();
    let refused = async |spec| register(&manager, spec).await.expect_err("it does not fit");
    let taken = refused(spec("one", || Plain, &[])).await;
    assert!(matches!(&taken, RegisterError::Taken { name } if name.as_str() == "one"), "{taken}");
    let user = refused(spec("user", User, &[])).await;
    assert_eq!(code(&user), Some(PlanCode::AmbiguousProvider), "{user}");
    let unknown = refused(spec("new", || Plain, &["oen"])).await;
    assert_eq!(code(&unknown), Some(PlanCode::UnknownService), "{unknown}");
    assert!(unknown.to_string().contains("did you mean `one`?"), "{unknown}");
    let cycle = refused(spec("new", || Plain, &["one", "new"])).await;
    assert_eq!(code(&cycle), Some(PlanCode::Cycle), "{cycle}");
    assert!(cycle.to_string().contains("`new` needs `new` (code)"), "{cycle}");
    let group = Registration::of(spec("new", || Plain, &[])).in_group("pipes");
    let group = manager.register(group, Request::by("test")).await.expect_err("no such group");
    assert_eq!(code(&group), Some(PlanCode::Group), "{group}");

    assert_eq!((names(&manager).len(), manager.version()), (2, version));
    manager.stop("one").await.expect("it stops");
    let start = Registration::of(spec("new", || Plain, &["one"])).started();
    let held = manager.register(start, Request::by("test")).await.expect_err("it cannot start");
    let provider = "one".parse().expect("a name");
    let stopped = CommandError::ProviderStopped { provider };
    assert!(matches!(&held, RegisterError::Start(error) if *error == stopped), "{held}");
    assert_eq!(names(&manager), ["one", "two"]);
}

#[tokio::test(start_paused = true)]
async fn nobody_joins_while_the_application_closes() {
    let (manager, closed) = run(vec![spec("tough", || Tough, &[])], &Handle::current());
    manager.settled().await;
    let leaving = manager.command("tough", Verb::Deregister { cascade: false }, Request::by("x"));
    let leaving = leaving.await.expect("it is accepted");
    manager.close();
    let refused = register(&manager, spec("new", || Plain, &[])).await.expect_err("it closes");
    assert!(matches!(refused, RegisterError::Closing), "{refused}");
    assert_eq!(leaving.outcome().await, Err(CommandError::Closing));
    closed.await.expect("it ends");
    let refused = register(&manager, spec("new", || Plain, &[])).await.expect_err("it has closed");
    assert!(matches!(refused, RegisterError::Closing), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn of_many_that_want_one_name_one_wins() {
    let (manager, _closed) = run(Vec::new(), &Handle::current());
    let wishes = (0..20).map(|_| register(&manager, spec("new", || Plain, &[])));
    let answers = futures_util::future::join_all(wishes).await;
    let taken = |answer: &Result<Registered, RegisterError>| {
        matches!(answer, Err(RegisterError::Taken { .. }))
    };
    assert_eq!(answers.iter().filter(|answer| taken(answer)).count(), 19);
    assert_eq!(names(&manager), ["new"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_of_who_comes_and_goes() {
    let (manager, closed) = run(vec![spec("one", || Named("one"), &[])], &Handle::current());
    manager.settled().await;
    let made = Arc::new(AtomicUsize::new(0));
    for round in 1..=100 {
        let made = Arc::clone(&made);
        let flaky = move || {
            made.fetch_add(1, Ordering::Relaxed);
            Flaky
        };
        let name = if round % 2 == 0 { "flaky" } else { "other" };
        start(&manager, spec(name, flaky, &["one"])).await;
        if round % 3 == 0 {
            // It has failed and is in backoff, with a timer that nobody takes back.
            assert!(manager.reached(name, ServiceState::Error).await);
        }
        manager.deregister(name).await.expect("it leaves");
    }
    // The constructor held one; the closure is gone with its kind.
    assert_eq!((Arc::strong_count(&made), made.load(Ordering::Relaxed)), (1, 100));
    // Old timers run out and concern nobody.
    tokio::time::sleep(Duration::from_secs(120)).await;
    let last = manager.last_event();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!((manager.last_event(), names(&manager).len()), (last, 1));
    manager.close();
    assert!(closed.await.expect("it ends").stragglers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn how_many_may_join_is_bounded() {
    let (manager, _closed) = run(vec![spec("one", || Plain, &[])], &Handle::current());
    for number in 0..REGISTERED_MAX {
        let joined = register(&manager, spec(&format!("n{number}"), || Plain, &[])).await;
        joined.expect("there is room");
    }
    let refused = register(&manager, spec("more", || Plain, &[])).await.expect_err("it is full");
    assert!(matches!(refused, RegisterError::TooMany), "{refused}");
    manager.deregister("n7").await.expect("it leaves");
    register(&manager, spec("more", || Plain, &[])).await.expect("there is room again");
}

#[tokio::test(start_paused = true)]
async fn the_last_member_of_a_row_needs_the_one_before() {
    let group = GroupSpec {
        name: "row".to_owned(),
        strategy: Strategy::RestForOne,
        members: vec!["one".to_owned()],
        limit: Default::default(),
        origin: EdgeOrigin::Code,
    };
    let assembly = Assembly {
        specs: vec![spec("one", || Plain, &[])],
        groups: vec![group],
        ..Assembly::default()
    };
    let blueprint = assembly.check().expect("the plan is good");
    let (manager, supervisor) = blueprint.launch(Launch::on(Handle::current()));
    tokio::spawn(supervisor.run());
    let joins = Registration::of(spec("two", || Plain, &[])).in_group("row").started();
    let joined = manager.register(joins, Request::by("test")).await.expect("it joins");
    joined.start.expect("it was asked for").outcome().await.expect("it starts");
    let layout = manager.layout();
    assert_eq!((layout.groups[0].members.len(), layout.edges.len()), (2, 1));
    assert_eq!(layout.edges[0].origin.to_string(), "order of the group `row`, code");
    assert_eq!(manager.status("two").and_then(|it| it.group.clone()).as_deref(), Some("row"));
    manager
        .command("one", Verb::Deregister { cascade: true }, Request::by("test"))
        .await
        .expect("it is accepted")
        .outcome()
        .await
        .expect("both leave");
    assert!(manager.layout().groups[0].members.is_empty());
}

/// Notes of which services it was told, and their levels.
#[derive(Debug, Default)]
pub(crate) struct Noting(Mutex<Vec<(String, Option<LogLevel>)>>);

impl Noting {
    fn note(&self, name: &ServiceName, level: Option<LogLevel>) {
        self.0.lock().expect("no panic").push((name.to_string(), level));
    }
}

impl Configurer for Noting {
    fn check(&self, _: &ConfigBook, _: &ServiceName, _: &Layer) -> Result<Configured, Report> {
        unreachable!("nothing is configured")
    }

    fn load(&self, _: &ConfigBook) -> Result<Loaded, Refused> {
        Ok(Loaded::default())
    }

    fn effective(&self, _: &ConfigBook, _: &ServiceName) -> Vec<Effective> {
        Vec::new()
    }

    fn differences(&self, _: &ConfigBook, _: &ServiceName, _: &Configured) -> Vec<Difference> {
        Vec::new()
    }

    fn hide(&self, _: &[String]) -> Result<Hidden, Report> {
        Ok(Hidden::by(()))
    }

    fn adopt(&self, name: &ServiceName, now: &Configured) {
        self.note(name, now.options.log_level);
    }

    fn forget(&self, name: &ServiceName) {
        self.note(name, None);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_configured_of_a_log_begins_with_a_service_and_ends_with_it() {
    let noting = Arc::new(Noting::default());
    let mut launch = Launch::on(Handle::current());
    launch.configurer = Some(Arc::clone(&noting) as _);
    let (manager, supervisor) = blueprint(Vec::new()).launch(launch);
    tokio::spawn(supervisor.run());
    let mut loud = spec("loud", || Plain, &[]);
    Arc::make_mut(&mut loud.options).log_level = Some(LogLevel::Debug);
    register(&manager, loud).await.expect("it joins");
    manager.deregister("loud").await.expect("it leaves");
    let noted = noting.0.lock().expect("no panic").clone();
    assert_eq!(noted, [("loud".to_owned(), Some(LogLevel::Debug)), ("loud".to_owned(), None)]);
}
