//! The public interface as users see it: what can be shared, and what can be named through this
//! crate alone.

use std::sync::Arc;
use std::time::Duration;

use processpype::config::{InvalidDuration, Refused, Report};
use processpype::layout::{LaidOut, Layout, NamedEdge, NamedGroup, Plan};
use processpype::metrics::{Counter, Gauge, Histogram, MetricError, Metrics};
use processpype::registration::{
    CreateError, InvalidHangLimit, Kind, Options, RegisterError, Registered, Registration, Spec,
    Wish,
};
use processpype::{
    Application, BindError, CancelError, Closed, CommandError, CommandPreview, Config,
    ConfigureError, Context, Dep, Deps, Error, Event, GetError, InvalidListener, InvalidName,
    InvalidRate, InvalidRestart, LevelChange, LevelChanges, Leveled, LogLevel, Manager, NestError,
    NewConfig, Operation, OperationStatus, PlanError, Request, RequestError, Routes, Running,
    Service, SettingsError, SetupError, Shared, Shutdown, StartError, Status, Subscription,
    Unavailable, Verb, testing,
};

struct Plain;

impl Service for Plain {}

trait Face: Send + Sync {
    fn value(&self) -> u32 {
        0
    }
}

fn shared<T: Send + Sync + 'static>() {}

fn cloned<T: Clone + Send + Sync + 'static>() {}

/// It is checked by being compiled.
#[test]
fn handles_can_be_shared_and_copied() {
    cloned::<Manager>();
    cloned::<Context>();
    cloned::<Dep<Plain>>();
    cloned::<Dep<dyn Face>>();
    cloned::<Deps<Plain>>();
    cloned::<Deps<dyn Face>>();
    cloned::<Shared<Plain>>();
    cloned::<Config<u64>>();
    cloned::<NewConfig>();
    cloned::<(Counter, Gauge, Histogram, Metrics)>();
    cloned::<(Request, Registration, Spec, Wish, Options)>();
    cloned::<(Status, Event, OperationStatus, Closed, LevelChange, Layout, LaidOut)>();
    cloned::<(CommandError, RegisterError, CreateError, Unavailable)>();
    cloned::<(testing::TestClient, testing::TestResponse)>();
    shared::<(Running, Operation, Subscription, Kind, Registered)>();
    shared::<(Error, StartError, SetupError, testing::TestApp)>();
    cloned::<Shared<dyn Face>>();
    shared::<(Application, Verb, Routes, testing::Probe)>();
}

fn error<E: std::error::Error + Send + Sync + 'static>() {}

/// It is checked by being compiled.
#[test]
fn errors_are_errors_that_cross_threads() {
    error::<CancelError>();
    error::<CommandError>();
    error::<ConfigureError>();
    error::<CreateError>();
    error::<GetError>();
    error::<RegisterError>();
    error::<RequestError>();
    error::<PlanError>();
    error::<SetupError>();
    error::<StartError>();
    error::<Unavailable>();
    error::<BindError>();
    error::<InvalidListener>();
    error::<NestError>();
    error::<SettingsError>();
    error::<InvalidName>();
    error::<InvalidRate>();
    error::<InvalidRestart>();
    error::<Report>();
    error::<InvalidDuration>();
    error::<Refused>();
    error::<MetricError>();
    error::<InvalidHangLimit>();
    error::<testing::WaitError>();
}

/// The crates in signatures can be named through this one, in the version that fits.
#[test]
fn routes_are_made_of_the_axum_that_is_named_here() {
    let routes: Routes = processpype::axum::Router::new().into();
    assert!(!routes.is_empty());
}

struct Told(u32);

impl Face for Told {
    fn value(&self) -> u32 {
        self.0
    }
}

struct Keeper(Shared<dyn Face>);

impl Service for Keeper {}

#[tokio::test(start_paused = true)]
async fn a_value_behind_a_trait_is_shared() {
    let app = Application::new()
        .service(|face: Shared<dyn Face>| Keeper(face))
        .provide_arc::<dyn Face>(Arc::new(Told(7)));
    let app = testing::start(app).await.unwrap();
    assert_eq!(app.manager().get::<Keeper>("keeper").unwrap().0.value(), 7);
    app.stop().await;
    let twice = Application::new().provide_arc::<dyn Face>(Arc::new(Told(1)));
    assert!(twice.provide_arc::<dyn Face>(Arc::new(Told(2))).check().is_err(), "one of each type");
}

/// Every type that these methods take or give is named by its path in this crate.
async fn named(manager: &Manager) -> Result<(), CommandError> {
    let layout: Arc<Layout> = manager.layout();
    let (_, _): (&Vec<NamedEdge>, &Vec<NamedGroup>) = (&layout.edges, &layout.groups);
    let _: Plan = layout.plan(1);
    let by = || Request::by("test");
    let _: Arc<LevelChanges> = manager.level_changes();
    let spec: Result<Spec, CreateError> =
        manager.create(&Wish::of(layout.services[0].name.clone(), "it")).await;
    if let Ok(spec) = spec {
        let registration = Registration::of(spec);
        let _: Result<CommandPreview, RegisterError> =
            manager.preview_registration(registration.clone()).await;
        let _: Result<Registered, RegisterError> = manager.register(registration, by()).await;
    }
    let level = manager.change_level(None, LogLevel::Debug, Duration::MAX, by()).await;
    let _: Result<Leveled, CommandError> = level;
    let _: Shutdown = manager.shut_down(by()).await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_the_manager_takes_and_gives_can_be_named() {
    let app = processpype::Application::new().service(|| Plain);
    let app = testing::start(app).await.unwrap();
    named(app.manager()).await.unwrap();
    assert!(app.manager().is_closing());
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_type_joins_and_leaves_through_the_manager() {
    let app = testing::start(processpype::Application::new()).await.unwrap();
    let manager = app.manager();
    let spec = || Spec::new("plain".parse().unwrap(), Arc::new(Kind::of(|| Plain)));
    let by = || Request::by("scaler");
    let registered = manager.register(Registration::of(spec()).started(), by()).await.unwrap();
    registered.start.unwrap().outcome().await.unwrap();
    assert!(manager.status("plain").unwrap().ready);
    let taken = manager.register(Registration::of(spec()), by()).await.unwrap_err();
    assert!(matches!(taken, RegisterError::Taken { .. }), "{taken}");
    let unknown = manager.create(&Wish::of("other".parse().unwrap(), "ticker")).await.unwrap_err();
    let told = "there is no such kind; there is none of which services may be made";
    assert_eq!(unknown.to_string(), told);
    manager.deregister("plain").await.unwrap();
    assert!(manager.names().is_empty());
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_an_application_can_be_awaited_again() {
    let mut app = testing::start(processpype::Application::new().service(|| Plain)).await.unwrap();
    let early = tokio::time::timeout(Duration::from_secs(1), app.closed()).await;
    assert!(early.is_err(), "nothing closes it");
    app.manager().close();
    let closed = app.closed().await;
    assert_eq!(app.closed().await, closed);
    assert_eq!(app.stop().await, closed);
}

/// The modules of this crate that show what the floors have made.
const SHOWN: [&str; 6] = ["lib", "bounds", "config", "metrics", "registration", "layout"];

/// The floors whose types users see.
const FLOORS: [&str; 4] = ["runtime", "config", "core", "control"];

fn source(path: impl AsRef<std::path::Path>) -> String {
    let path = path.as_ref();
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every name that `text` takes from a floor.
fn taken(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for after in text.split("processpype_").skip(1) {
        let Some((floor, rest)) = after.split_once("::") else { continue };
        if !FLOORS.contains(&floor) {
            continue;
        }
        let list = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or_default(),
            None => rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or(rest),
        };
        let first = |item: &'_ str| item.trim().split([' ', ':']).next().unwrap_or_default().len();
        names.extend(list.split(',').map(|item| &item.trim()[..first(item)]));
    }
    names.retain(|name| !name.is_empty());
    names
}

/// The examples of a file, without what is hidden in them.
fn examples(file: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<String> = None;
    for line in file.lines().map(str::trim_start) {
        let Some(line) = line.strip_prefix("///").or(line.strip_prefix("//!")) else { continue };
        let line = line.trim_start();
        match (&mut open, line.starts_with("```")) {
            (None, true) => open = Some(String::new()),
            (Some(_), true) => found.extend(open.take()),
            (Some(example), false) if line != "#" && !line.starts_with("# ") => {
                example.push_str(line);
                example.push('\n');
            }
            _ => {}
        }
    }
    found
}

fn files(folder: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the sources are there") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("lib.rs") {
            found.push(path);
        }
    }
}

/// Users depend on this crate alone: an example that names a floor cannot be copied.
#[test]
fn examples_of_what_is_shown_here_name_this_crate() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let roof: Vec<String> =
        SHOWN.iter().map(|module| source(here.join(format!("src/{module}.rs")))).collect();
    let shown: Vec<&str> = roof.iter().flat_map(|text| taken(text)).collect();
    assert!(shown.contains(&"Context") && shown.contains(&"Secret"), "{shown:?}");
    let mut sources = Vec::new();
    for floor in FLOORS {
        files(&here.join(format!("../processpype-{floor}/src")), &mut sources);
    }
    let mut wrong = Vec::new();
    for path in sources {
        for example in examples(&source(&path)) {
            let names = taken(&example);
            // An example of what is between floors names those.
            if !names.is_empty() && names.iter().all(|name| shown.contains(name)) {
                wrong.push(format!("{}:\n{example}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "write `use processpype::…` in\n\n{}", wrong.join("\n"));
}
