//! One application with a service for every case, and ways to ask it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, UNIX_EPOCH};

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::response::sse::{Event, Sse};
use axum::routing::{any, get, post};
use axum::{Router, extract::Path};
use http_body_util::BodyExt;
use processpype_config::{Document, Section};
use processpype_control::{Bound, ControlSettings, Server, ServiceDoc, level_switch};
use processpype_core::{Backoff, RestartLimit, RestartPolicy, Role, ServiceState};
use processpype_runtime::{
    Assembly, Blueprint, Buckets, Clock, Context, CreateError, Creator, EdgeOrigin, Error, Kind,
    LaidOut, Launch, Manager, Result, RouteAccess, Routes, Service, Spec, Supervisor, Timestamp,
    Wish,
};
use processpype_telemetry::{Handle, LoggingConfig, Telemetry};
use serde_json::Value;
use tower::ServiceExt;

/// The oddest value of a label.
pub(crate) const ODD: &str = "a\"b\\c\nd{e}=,f é #";

/// What no answer may ever contain.
pub(crate) const CANARY: &str = "canary-secret-internals";

/// How many bytes of an answer are more than sockets hold.
const LARGE: usize = 48 * 1024 * 1024;

/// The time at which the fixture's clock begins.
const BEGIN: Timestamp = Timestamp(1_795_000_000_000);

pub(crate) struct App {
    pub(crate) manager: Manager,
    pub(crate) server: Server,
    pub(crate) router: Router,
    free: Free,
}

/// Lets go, when dropped, what blocks.
#[derive(Default)]
struct Free(Arc<AtomicBool>);

/// One answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

// === the services ===

/// Has routes.
struct Counter;

/// Starts after a minute.
struct Slow;

/// Never starts.
struct Broken;

/// Is never ready.
struct Shy;

/// Says which credential came through, to whom it lets in.
struct Echo(RouteAccess);
/// Takes its time to stop.
struct Late;

/// Cannot be ended until this is let go: a child of it blocks.
struct Stuck(Arc<AtomicBool>);

/// Makes no service before it is let go.
#[derive(Debug)]
struct Unmaking(Arc<AtomicBool>);

/// Has metrics, with labels as odd as they can be.
struct Meter;

/// Answers at every path there is.
struct Catching;

/// Does nothing, well.
struct Plain;

/// Does it once.
struct Done;

impl Service for Counter {
    fn routes(self: Arc<Self>) -> Routes {
        Router::new()
            .route("/", get(async || "root"))
            .route("/value", get(async || "42").post(async |body: String| body))
            .route("/echo/{text}", get(async |Path(text): Path<String>| text))
            .route("/uri", get(async |request: Request<Body>| request.uri().to_string()))
            .route("/start", get(async || "my own start"))
            .route("/bare", post(async || StatusCode::NOT_FOUND))
            .route("/later", post(later))
            .route("/lenient", post(lenient))
            .route("/large", get(async || vec![b'x'; LARGE]))
            .route("/boom", get(boom))
            .route("/hang", get(async || std::future::pending::<()>().await))
            .route("/ticks", get(ticks))
            .into()
    }
}

/// Answers after a while, and has a body that it does not read.
async fn later(request: Request<Body>) -> &'static str {
    tokio::time::sleep(Duration::from_millis(20)).await;
    drop(request);
    "later"
}

/// Is content with what comes of a body.
async fn lenient(request: Request<Body>) -> &'static str {
    drop(request.into_body().collect().await);
    "enough"
}

async fn boom() -> &'static str {
    panic!("{CANARY}")
}

async fn ticks() -> Sse<impl futures_util::Stream<Item = Result<Event, Infallible>>> {
    let ticks = futures_util::stream::unfold((), async |()| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Some((Ok(Event::default().data("tick")), ()))
    });
    Sse::new(ticks)
}

impl Service for Slow {
    async fn start(&self, cx: &Context) -> Result {
        cx.sleep(Duration::from_secs(20)).await;
        Ok(())
    }
}

impl Service for Broken {
    async fn start(&self, _: &Context) -> Result {
        Err(Error::public("the cellar is flooded").with_source(CANARY))
    }
}

impl Service for Shy {
    async fn start(&self, cx: &Context) -> Result {
        cx.ready(false);
        Ok(())
    }
}

impl Service for Echo {
    fn routes(self: Arc<Self>) -> Routes {
        let credential = async |headers: HeaderMap| {
            let value = headers.get("authorization").map(|value| value.as_bytes().to_vec());
            value.unwrap_or_else(|| b"none".to_vec())
        };
        let routes: Routes = Router::new().route("/credential", any(credential)).into();
        match self.0 {
            RouteAccess::Public => routes.public(),
            RouteAccess::Role(role) => routes.require(role),
            _ => routes,
        }
    }
}

impl Service for Late {
    async fn stop(&self, _: &Context) -> Result {
        tokio::time::sleep(Duration::from_secs(2)).await;
        Ok(())
    }
}

impl Service for Stuck {
    async fn run(&self, cx: &Context) -> Result {
        let free = Arc::clone(&self.0);
        drop(cx.spawn_blocking("miner", move || {
            while !free.load(Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }));
        cx.stopping().await;
        Ok(())
    }
}

impl Creator for Unmaking {
    fn creatable(&self) -> Vec<String> {
        vec!["lamp".to_owned()]
    }

    fn create(&self, _: &Document, _: &Wish) -> std::result::Result<Spec, CreateError> {
        while !self.0.load(Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(CreateError::UnknownKind { creatable: Vec::new() })
    }
}

impl Meter {
    #[expect(clippy::needless_pass_by_value, reason = "constructors take arguments by value")]
    fn new(cx: Context) -> Result<Self> {
        let metrics = cx.metrics();
        let jobs =
            |queue| metrics.with("queue", queue)?.counter("jobs_total", "Jobs \\ done.\nAll.");
        jobs(ODD)?.add(3);
        jobs("")?.inc();
        metrics.gauge("depth", "")?.set(f64::NEG_INFINITY);
        let times =
            metrics.histogram("job_seconds", "\"Times\".", Buckets::new(vec![0.5, 2.0])?)?;
        [0.1, 1.0, 7.0].iter().for_each(|time| times.observe(*time));
        Ok(Self)
    }
}

impl Service for Meter {
    async fn run(&self, cx: &Context) -> Result {
        let own = cx.clone();
        cx.spawn("child", async move { own.stopping().await });
        cx.stopping().await;
        Ok(())
    }
}

impl Service for Catching {
    fn routes(self: Arc<Self>) -> Routes {
        Router::new().fallback(async || "caught").into()
    }
}

impl Service for Plain {}

impl Service for Done {
    async fn run(&self, _: &Context) -> Result {
        Ok(())
    }
}

// === putting it together ===

pub(crate) fn spec(name: &str, kind: Kind) -> Spec {
    let mut spec = Spec::new(name.parse().expect("a name"), Arc::new(kind));
    spec.kind_name = name.into();
    spec.section = Section::empty(&format!("services.{name}"));
    spec
}

fn with(mut spec: Spec, change: impl FnOnce(&mut Spec)) -> Spec {
    change(&mut spec);
    spec
}

fn needs(provider: &str) -> impl FnOnce(&mut Spec) {
    let provider = provider.to_owned();
    move |spec| spec.depends_on.push((provider, EdgeOrigin::Code))
}

/// It starts when somebody starts it.
fn by_hand(spec: &mut Spec) {
    Arc::make_mut(&mut spec.options).autostart = false;
}

/// What fails stays failed.
fn never(spec: &mut Spec) {
    Arc::make_mut(&mut spec.options).restart.policy = RestartPolicy::Never;
}

fn all() -> Vec<Spec> {
    vec![
        spec("counter", Kind::of(|| Counter)),
        with(spec("reader", Kind::of(|| Plain)), needs("counter")),
        with(spec("idle", Kind::of(|| Plain)), by_hand),
        with(spec("off", Kind::of(|| Plain)), |spec| {
            Arc::make_mut(&mut spec.options).enabled = false;
        }),
        with(spec("slow", Kind::of(|| Slow)), by_hand),
        with(with(spec("broken", Kind::of(|| Broken)), never), by_hand),
        with(spec("late", Kind::of(|| Late)), by_hand),
        with(spec("shy", Kind::of(|| Shy)), by_hand),
    ]
}

fn blueprint(specs: Vec<Spec>) -> Blueprint {
    Assembly { specs, ..Assembly::default() }.check().expect("a sound application")
}

#[derive(schemars::JsonSchema)]
#[expect(dead_code, reason = "only its schema is looked at")]
struct CounterConfig {
    /// Added per tick.
    #[schemars(range(min = 1, max = 1000))]
    step: u64,
    /// Where the count is kept.
    store: Option<StoreConfig>,
}

/// Where to keep things.
#[derive(schemars::JsonSchema)]
#[expect(dead_code, reason = "only its schema is looked at")]
struct StoreConfig {
    /// A directory.
    path: String,
    /// How it is written.
    #[schemars(default)]
    mode: StoreMode,
}

/// How the store is written.
#[derive(Default, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is looked at")]
enum StoreMode {
    #[default]
    Append,
    Replace,
}

pub(crate) fn docs() -> Vec<ServiceDoc> {
    let doc = |name: &str, schema, has_routes| ServiceDoc {
        name: name.to_owned(),
        description: Some(format!("The {name} of the fixture.")),
        config_schema: schema,
        has_routes,
    };
    vec![
        doc("counter", Some(schemars::schema_for!(CounterConfig)), true),
        doc("reader", None, false),
    ]
}

/// What the fixture says of a service.
pub(crate) fn describe(service: &LaidOut) -> ServiceDoc {
    let known = docs().into_iter().find(|doc| doc.name == service.name.as_str());
    known.unwrap_or_else(|| ServiceDoc {
        name: service.name.to_string(),
        description: None,
        config_schema: None,
        has_routes: false,
    })
}

pub(crate) fn settings() -> ControlSettings {
    let mut settings = ControlSettings::default();
    settings.title = "Fixture".to_owned();
    settings.version = "1.2.3".to_owned();
    settings.environment = "test".to_owned();
    settings.port = 0;
    settings
}

/// Settings with the log of what this thread does, as long as the guard is there.
pub(crate) fn logged() -> (tracing::subscriber::DefaultGuard, Handle, ControlSettings) {
    // As long as a process has had one subscriber only, who first logs at a place decides for good
    // whether anybody hears it, also from a thread of another test, which has none.
    std::mem::forget(tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default()));
    let config = LoggingConfig::default();
    // The time stands, so that lines can be compared.
    let clock = processpype_telemetry::Clock::new(|| UNIX_EPOCH + Duration::from_millis(BEGIN.0));
    let builder = Telemetry::builder(config).clock(clock).writer(std::io::sink());
    let (subscriber, handle) = builder.build().expect("a thread for the writer");
    let mut settings = settings();
    settings.logs = Some(handle.logs().clone());
    settings.levels = Some(handle.levels().clone());
    (tracing::subscriber::set_default(subscriber), handle, settings)
}

/// The span in which the runtime runs a service.
pub(crate) fn service_span(name: &str, generation: u64) -> tracing::Span {
    tracing::info_span!(target: "processpype", "service", service = %name, generation)
}

// === impl App ===

impl App {
    /// Starts the whole fixture and waits until it has settled.
    pub(crate) async fn start() -> Self {
        Self::start_with(settings()).await
    }

    pub(crate) async fn start_with(settings: ControlSettings) -> Self {
        let app = Self::launch(all(), settings);
        app.manager.settled().await;
        assert!(app.manager.reached("reader", ServiceState::Running).await);
        app
    }

    /// Starts one service for each way to say who may call its routes, and one that is down.
    pub(crate) async fn guarded(settings: ControlSettings) -> Self {
        let echo = |name, access| spec(name, Kind::of(move || Echo(access)));
        let down = with(spec("down", Kind::of(|| Broken)), never);
        let specs = vec![
            echo("unsaid", RouteAccess::Unsaid),
            echo("open", RouteAccess::Public),
            echo("closed", RouteAccess::Role(Role::Admin)),
            down,
        ];
        let app = Self::launch(specs, settings);
        app.manager.settled().await;
        app
    }

    /// Starts one service that answers at every path.
    pub(crate) async fn catching() -> Self {
        let app = Self::launch(vec![spec("catching", Kind::of(|| Catching))], settings());
        app.manager.settled().await;
        app
    }

    /// Starts two services with metrics of their own, and one without.
    pub(crate) async fn metered() -> Self {
        let meter = |name| spec(name, Kind::of(Meter::new));
        let mut settings = settings();
        settings.title = ODD.to_owned();
        let app = Self::launch(vec![meter("one"), meter("two"), all().remove(0)], settings);
        app.manager.settled().await;
        app
    }

    /// Starts a chain whose last takes its time to stop, so that the others wait for their turn,
    /// and a pair that stops at once.
    pub(crate) async fn chains() -> Self {
        let late = with(spec("late", Kind::of(|| Late)), needs("store"));
        let store = with(spec("store", Kind::of(|| Plain)), needs("disk"));
        let quick = with(spec("quick", Kind::of(|| Plain)), needs("net"));
        let providers = ["disk", "net"].map(|name| spec(name, Kind::of(|| Plain)));
        let specs = providers.into_iter().chain([late, store, quick]);
        let app = Self::launch(specs.collect(), settings());
        app.manager.settled().await;
        app
    }

    /// Starts one service that takes long, and does not wait.
    pub(crate) fn starting() -> Self {
        let waiting = with(spec("waiting", Kind::of(|| Plain)), needs("slow"));
        Self::launch(vec![spec("slow", Kind::of(|| Slow)), waiting], settings())
    }

    /// Starts a chain whose first service is broken for good.
    pub(crate) async fn broken() -> Self {
        Self::failing(never).await
    }

    /// Starts a chain whose first service is broken, and tried again after a second.
    pub(crate) async fn retrying(max_restarts: u32) -> Self {
        Self::failing(move |spec| {
            let second = Duration::from_secs(1);
            let restart = &mut Arc::make_mut(&mut spec.options).restart;
            restart.backoff = Backoff::new(second, second, 1.0, 0.0).expect("a good backoff");
            restart.limit = RestartLimit::new(max_restarts, second * 60).expect("a good limit");
        })
        .await
    }

    /// Starts a broken service that does not have to be ready.
    pub(crate) async fn with_optional_readiness() -> Self {
        let broken = with(spec("broken", Kind::of(|| Broken)), |spec| {
            Arc::make_mut(&mut spec.options).readiness_required = false;
        });
        let app = Self::launch(vec![broken], settings());
        app.manager.settled().await;
        app
    }

    /// Starts a service that has done its work.
    pub(crate) async fn completing() -> Self {
        let done = with(spec("done", Kind::of(|| Done)), |spec| {
            Arc::make_mut(&mut spec.options).oneshot = true;
        });
        let app = Self::launch(vec![done], settings());
        while !app.manager.status("done").is_some_and(|status| status.completed) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        app
    }

    /// Starts a service that cannot be ended as long as the application lives; needs real time.
    pub(crate) async fn stuck() -> Self {
        let free = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&free);
        let stuck = spec("stuck", Kind::of(move || Stuck(Arc::clone(&flag))));
        let stuck = with(stuck, |spec| {
            Arc::make_mut(&mut spec.options).stop_timeout = Duration::from_millis(20);
        });
        let mut app = Self::launch(vec![stuck], settings());
        app.free = Free(free);
        app.manager.settled().await;
        app
    }

    /// Starts an application that cannot make services as long as it lives: that hangs.
    pub(crate) async fn unmaking(settings: ControlSettings) -> Self {
        let free = Arc::new(AtomicBool::new(false));
        let mut launch = Launch::on(tokio::runtime::Handle::current());
        launch.creator = Some(Arc::new(Unmaking(Arc::clone(&free))));
        let mut app = Self::launch_as(launch, Vec::new(), settings);
        app.free = Free(free);
        app.manager.settled().await;
        app
    }

    async fn failing(policy: impl FnOnce(&mut Spec)) -> Self {
        let near = with(spec("near", Kind::of(|| Plain)), needs("broken"));
        let far = with(spec("far", Kind::of(|| Plain)), needs("near"));
        let broken = with(spec("broken", Kind::of(|| Broken)), policy);
        let app = Self::launch(vec![broken, near, far], settings());
        app.manager.settled().await;
        app
    }

    fn launch(specs: Vec<Spec>, settings: ControlSettings) -> Self {
        Self::launch_on(tokio::runtime::Handle::current(), specs, settings)
    }

    /// Starts services on a runtime of their own, as `.main()` does.
    pub(crate) fn launch_on(
        services: tokio::runtime::Handle,
        specs: Vec<Spec>,
        settings: ControlSettings,
    ) -> Self {
        Self::launch_as(Launch::on(services), specs, settings)
    }

    /// Makes an application whose supervisor never comes to what it is asked.
    pub(crate) fn unheard() -> Self {
        let launch = Launch::on(tokio::runtime::Handle::current());
        let (app, supervisor) = Self::made(launch, all(), settings());
        std::mem::forget(supervisor);
        app
    }

    fn launch_as(launch: Launch, specs: Vec<Spec>, settings: ControlSettings) -> Self {
        let (app, supervisor) = Self::made(launch, specs, settings);
        tokio::spawn(supervisor.run());
        app
    }

    fn made(mut launch: Launch, specs: Vec<Spec>, settings: ControlSettings) -> (Self, Supervisor) {
        launch.clock = Clock::starting_at(BEGIN);
        if let Some(levels) = settings.levels.clone() {
            launch.levels = level_switch(levels);
        }
        let (manager, supervisor) = blueprint(specs).launch(launch);
        let server = Server::new(manager.clone(), settings, describe).expect("good settings");
        let router = server.router();
        (Self { manager, server, router, free: Free::default() }, supervisor)
    }

    pub(crate) async fn bind(self) -> (Manager, Bound) {
        let bound = self.server.bind().await;
        (self.manager, bound.expect("a free port"))
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.ask(Method::GET, target, &[], "").await
    }

    pub(crate) async fn post(&self, target: &str) -> Answer {
        self.ask(Method::POST, target, &[], "").await
    }

    /// Returns the body of an answer, where the server keeps it.
    pub(crate) async fn bytes(&self, target: &str) -> axum::body::Bytes {
        let request = Request::builder().uri(target).header("host", "localhost");
        let request = request.body(Body::empty()).expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("never fails");
        response.into_body().collect().await.expect("a whole body").to_bytes()
    }

    /// Asks as a well-meaning client does, with these headers in addition.
    pub(crate) async fn ask(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(target).header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("never fails");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a whole body").to_bytes();
        let text = String::from_utf8(bytes.into()).expect("UTF-8");
        // The log has what problems and statuses keep back: that is what it is for.
        let is_log = target.split('?').next().is_some_and(|path| path.ends_with("/logs"));
        assert!(is_log || !text.contains(CANARY), "{target} tells internals: {text}");
        Answer { status: parts.status, headers: parts.headers, text }
    }
}

/// What blocks a thread would keep the test from ending.
impl Drop for Free {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

// === impl Answer ===

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a text header"))
    }

    /// Expects a problem with this status and code, and returns it.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let json = self.json();
        let told = (self.status.as_u16(), json["status"].as_u64(), json["code"].as_str());
        assert_eq!(told, (status, Some(status.into()), Some(code)), "{self:?}");
        json
    }

    /// Expects success and returns the JSON.
    #[track_caller]
    pub(crate) fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self.json()
    }
}

/// Compares `text` with a golden file, or writes it if `UPDATE_GOLDEN` is set.
#[track_caller]
pub(crate) fn golden(name: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).expect("a writable golden file");
    }
    let expected = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{} cannot be read: {error}", path.display()));
    let mut lines = expected.lines().zip(text.lines()).enumerate();
    let first = lines.find(|(_, (expected, text))| expected != text);
    assert!(
        expected == text,
        "{name} differs from its golden file (UPDATE_GOLDEN=1 writes it): {first:?}"
    );
}

/// The JSON as it stands in a golden file.
pub(crate) fn pretty(json: &Value) -> String {
    let mut text = serde_json::to_string_pretty(json).expect("plain values");
    text.push('\n');
    text
}
