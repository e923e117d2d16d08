//! What is wrong before anything runs: every problem at once, each with its place and its remedy.
//!
//! The texts are golden files in `tests/golden/setup`; `UPDATE_GOLDEN=1` writes them anew.

use std::sync::Arc;

use processpype::config::{Format, Secret};
use processpype::{Application, Config, Context, Dep, Deps, PlanCode, Service, Shared};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{Plain, assert_golden};

/// Counts.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct CounterConfig {
    /// Added per tick.
    #[schemars(range(min = 1))]
    step: u64,
}

#[derive(Deserialize, JsonSchema)]
struct Named {
    #[expect(dead_code, reason = "only its schema matters")]
    name: String,
}

pub(crate) struct Counter(#[expect(dead_code, reason = "only its type matters")] u64);

impl Service for Counter {}

pub(crate) fn counter(config: Config<CounterConfig>) -> Counter {
    Counter(config.step)
}

struct User;

impl Service for User {}

fn user(_: Dep<Counter>) -> User {
    User
}

struct Left;
struct Right;

struct Sum;

impl Service for Sum {}

fn sum(_: Dep<Counter, Left>, _: Dep<Counter, Right>) -> Sum {
    Sum
}

trait Store: Send + Sync {}

fn with(app: Application, yaml: &str) -> Application {
    app.config_text("app.yaml", Format::Yaml, yaml).environment([])
}

/// Asserts what `check` says about an application.
#[track_caller]
fn check(name: &str, app: Application) {
    let error = app.check().expect_err("something is wrong");
    assert_golden(&format!("setup/{name}.txt"), &format!("{error}\n"));
}

#[track_caller]
fn check_yaml(name: &str, app: Application, yaml: &str) {
    check(name, with(app, yaml));
}

fn base() -> Application {
    Application::new().service(counter).kind("ticker", counter).kind("tocker", || Plain)
}

#[test]
fn a_good_one_is_good() {
    let yaml = "services: {counter: {step: 1}, fast: {kind: ticker, step: 2}}";
    with(base(), yaml).check().expect("nothing is wrong");
}

#[test]
fn null_takes_away_what_another_kind_does_not_take() {
    let yaml = "services: {counter: {step: 1}, fast: {kind: ticker, step: 2}}";
    let words = [("KIND", "tocker"), ("STEP", "null")];
    let over = words.map(|(key, to)| (format!("PROCESSPYPE_SERVICES__FAST__{key}"), to.to_owned()));
    with(base(), yaml).environment(over).check().expect("a kind without configuration");
}

#[test]
fn sections_and_kinds() {
    let good = "services:\n  counter: {step: 1}\n";
    check_yaml("unknown-section", base(), &format!("{good}  conter: {{step: 1}}\n"));
    check_yaml("unknown-kind", base(), &format!("{good}  fast: {{kind: tiker, step: 1}}\n"));
    check_yaml("kind-on-coded", base(), "services:\n  counter: {kind: ticker, step: 1}\n");
    check_yaml("bad-name", base(), &format!("{good}  Fast!: {{kind: ticker, step: 1}}\n"));
    let same = "  my-ticker: {kind: ticker, step: 1}\n  my_ticker: {kind: ticker, step: 1}\n";
    check_yaml("same-name", base(), &format!("{good}{same}"));
    check_yaml("unknown-top", base(), &format!("{good}servces: {{}}\n"));
}

#[test]
fn hang_detection() {
    let yaml = "defaults: {processpype: {watchdog: {poll: 25h}}}\n\
                services:\n  counter:\n    step: 1\n    \
                processpype: {heartbeet: {within: 1s}}\n  \
                a: {kind: ticker, step: 1, processpype: {heartbeat: {within: 1ms}}}\n  \
                b: {kind: ticker, step: 1, processpype: {heartbeat: {then: restart}}}\n  \
                c: {kind: ticker, step: 1, processpype: {heartbeat: {within: 1s, then: kill}}}\n";
    check_yaml("hang-detection", base(), yaml);
}

#[test]
fn restarts_and_edges() {
    let yaml = "defaults:\n  restart: {backoff: {initial: 1m, max: 2m}}\n\
                services:\n  counter:\n    \
                step: 1\n    restart: {policy: allways, max_restarts: 1001}\n    \
                edges: {ticker: restart}\n  \
                a: {kind: ticker, step: 1, restart: {backoff: {max: 30s}}}\n  \
                b: {kind: ticker, step: 1, restart: {backoff: {initial: 0s}, within: 0s}}\n  \
                c: {kind: ticker, step: 1, edges: {a: hold, b: strict}}\n";
    check_yaml("restarts", base(), yaml);
    let yaml = "services:\n  counter: {step: 1, edges: {fast: restart, slow: hold}}\n  \
                fast: {kind: ticker, step: 1}\n";
    check_yaml("edges", base(), yaml);
    check_yaml("restart-defaults", base(), "defaults: {restart: {backoff: {max: 10ms}}}\n");
}

#[test]
fn no_time_is_longer_than_a_year_and_all_that_are_wrong_are_told_at_once() {
    let yaml = "defaults: {start_timeout: 366d, restart: {reset_after: 400d}}\n\
                server: {drain_delay: 1000d, limits: {idle_time: 9999d}}\n\
                services:\n  counter: {step: 1, stop_timeout: 800d, start_timeout: 365d1ns}\n  \
                a:\n    kind: ticker\n    step: 1\n    restart:\n      \
                backoff: {initial: 500d, max: 600d}\n      within: 700d\n      \
                reset_after: 800d\n  \
                b: {kind: ticker, step: 1, stop_timeout: 365d, restart: {within: 0s}}\n\
                groups: {one: {members: [a], within: 366d}}\n";
    check_yaml("too-long", base(), yaml);
}

#[test]
fn groups_are_checked_whole() {
    let yaml = "services:\n  counter: {step: 1}\n  a: {kind: tocker, depends_on: [b]}\n  \
                b: {kind: tocker}\n\
                groups:\n  \
                one: {strategy: one-for-all, members: [a, cuonter, a]}\n  \
                two: {strategy: rest-for-one, members: [a, b]}\n  \
                none: {members: []}\n  \
                Odd!: {members: [counter]}\n";
    check_yaml("groups", base(), yaml);
    let yaml = "services: {counter: {step: 1}}\n\
                groups:\n  one: {strategy: all-for-one, member: [counter], max_restarts: 5000}\n";
    check_yaml("group-keys", base(), yaml);
    let yaml = "services:\n  counter: {step: 1}\n  a: {kind: tocker, depends_on: [b]}\n  \
                b: {kind: tocker}\n\
                groups: {two: {strategy: rest-for-one, members: [a, b]}}\n";
    check_yaml("group-cycle", base(), yaml);
}

#[test]
fn framework_settings() {
    let yaml = "app: {timezone: Mars/Olympus}\n\
                server: {port: 70000, host: 0.0.0.0, api_prefix: api}\n\
                defaults: {stop_timout: 3s}\nservices: {counter: {step: 1}}\n";
    check_yaml("framework-settings", base(), yaml);
    let good = "services: {counter: {step: 1}}\n";
    check_yaml("host", base(), &format!("{good}server: {{host: 0.0.0.0}}\n"));
    let wrong = "server: {host: 300.1.1.1, api_prefix: /api/../v1, port: none}\n";
    check_yaml("host-and-prefix", base(), &format!("{good}{wrong}"));
    let taken = "server: {host: 'http://admin:hunter2@shop:80', api_prefix: /health/all}\n";
    check_yaml("host-url", base(), &format!("{good}{taken}"));
    let open = "server:\n  auth:\n    tokens:\n      \
                - {name: ci, role: operator, token: '1234567890123456789012'}\n";
    with(base(), &format!("{good}{open}  host: 0.0.0.0\n")).check().expect("it asks for a token");
    let wrong = "server:\n  port: 80\n  auth:\n    tokens:\n      \
                 - {name: ci, role: operator, token: short}\n      \
                 - {name: ci, role: boss, token: '1234567890123456789012'}\n";
    check_yaml("tokens-shape", base(), &format!("{good}{wrong}"));
    let wrong = "server:\n  port: 80\n  auth:\n    tokens:\n      \
                 - {name: a, role: viewer, token: short}\n      \
                 - {name: b, role: viewer}\n      \
                 - {name: c, role: viewer, sha256: 0a}\n      \
                 - {name: d, role: viewer, token: '1234567890123456789012', sha256: 0a}\n      \
                 - {name: e, role: viewer, token: '1234567890123456789012'}\n      \
                 - {name: f, role: viewer, token: '1234567890123456789012'}\n      \
                 - {name: e, role: viewer, token: '2234567890123456789012'}\n      \
                 - {name: local, role: viewer, token: '3234567890123456789012'}\n      \
                 - {name: 'not a name', role: viewer, token: '4234567890123456789012'}\n";
    check_yaml("tokens", base(), &format!("{good}{wrong}"));
    let wrong = "server:\n  port: 80\n  listeners:\n    \
                 - {address: '0.0.0.0:80'}\n    \
                 - {address: '0.0.0.0:81', auth: none}\n    \
                 - {address: '0.0.0.0:82', auth: loopback-open, expose: [services]}\n    \
                 - {address: '127.0.0.1:80', expose: []}\n    \
                 - {address: '127.0.0.1:80', expose: [probes]}\n    \
                 - {address: 'http://127.0.0.1'}\n    \
                 - {address: '0.0.0.0:83', expose: [probes]}\n";
    check_yaml("listeners", base(), &format!("{good}{wrong}"));
    let wrong = "server: {listeners: [{adress: x, expose: [all], auth: maybe}]}\n";
    check_yaml("listeners-shape", base(), &format!("{good}{wrong}"));
    check_yaml("closing-timeout", base(), "server: {closing_timeout_seconds: 0}\n");
}

#[test]
fn sections_that_are_no_maps() {
    check_yaml("services-no-map", Application::new().service(|| Plain), "services: 3\n");
    check_yaml("service-no-map", base(), "services:\n  counter: {step: 1}\n  fast: 5\n");
    check_yaml("coded-no-map", base(), "services:\n  counter: 5\n");
    let plain = Application::new().service(|| Plain);
    check_yaml("plain-no-map", plain, "services:\n  plain: 5\n");
    let text = "services:\n  counter: {restart: always, edges: hold}\n  fast: false\n\
                defaults: {restart: {backoff: 3s}}\nobservability: {logging: debug}\n";
    check_yaml("short-forms", base(), text);
    let text = "observability: {logging: {destination: /var/log/shop.log}}\n";
    check_yaml("log-destination", base(), text);
    let plain = Application::new().service(|| Plain);
    check_yaml("plain-unknown-key", plain, "services:\n  plain: {stepp: 5}\n");
    let plain = Application::new().service(|| Plain);
    check_yaml("plain-switched-off", plain, "services:\n  plain: false\n");
    let named = || base().service(|_: Config<Named>| Plain).kind("named", |_: Config<Named>| Plain);
    let text = "services:\n  counter: warn\n  plain: debug\n  fast: {kind: ticker, enabled: off}\n\
                \x20 two: {kind: named, nam: x, colour: red}\n  three: Disabled\n";
    check_yaml("words", named(), text);
    check_yaml("words-off", named(), "services:\n  counter: off\n  plain: No\n");
}

#[test]
fn everything_is_told_at_once() {
    let app = base().service(user).task("lost", async |_: Shared<String>| Ok(()));
    let yaml = "app: {titel: x}\nservices:\n  counter: {step: 0}\n  \
                fast: {kind: ticker, step: no}\n  \
                user: {depends_on: [nobody]}\n  plain: {kind: tocker, stepp: 1}\n";
    check_yaml("everything", app, yaml);
}

#[test]
fn providers() {
    let none = Application::new().service(user);
    check("missing-provider", none);
    let needs_store = |_: Dep<dyn Store>| User;
    check("missing-trait", Application::new().service(needs_store));
    let unmade = Application::new().kind("plain", || Plain).service(|_: Dep<Plain>| User);
    check("missing-instance", unmade);
    check("missing-shared", Application::new().service(|_: Shared<String>| User));
    let disabled = base().service(user);
    check_yaml("disabled-provider", disabled, "services: {counter: {enabled: false, step: 1}}");
    let two = "services:\n  counter: {step: 1}\n  fast: {kind: ticker, step: 1}\n";
    check_yaml("ambiguous-provider", base().service(user), two);
    check_yaml("ambiguous-roles", base().service(sum), two);
    let wrong = format!("{two}  plain: {{kind: tocker}}\n  user: {{uses: {{counter: plain}}}}\n");
    check_yaml("wrong-provider", base().service(user), &wrong);
    let unknown = format!("{two}  user: {{uses: {{counter: fasst}}}}\n");
    check_yaml("unknown-provider", base().service(user), &unknown);
    let unused = format!("{two}  user: {{uses: {{counter: fast, left: fast}}}}\n");
    check_yaml("unused-role", base().service(user), &unused);
}

#[test]
fn choices_in_code_and_in_the_file() {
    let two = "services:\n  counter: {step: 1}\n  fast: {kind: ticker, step: 1}\n";
    let app = || base().service(sum).uses("left", "counter").uses("right", "fast");
    with(app(), two).check().expect("both roles are chosen in code");
    let yaml = format!("{two}  sum: {{uses: {{right: counter}}}}\n");
    with(app(), &yaml).check().expect("the file may choose otherwise");
    let yaml = "services: {counter: {step: 1, enabled: false}, fast: {kind: ticker, step: 1}}";
    with(base().service(user), yaml).check().expect("a disabled one is no choice");
    let optional = |_: Option<Dep<Counter>>, _: Deps<Counter>| User;
    let yaml = "services: {counter: {step: 1, enabled: false}}";
    with(base().service(optional), yaml).check().expect("a handle that may miss may miss");
    let yaml = "services: {user: {enabled: false}}";
    with(Application::new().service(user), yaml).check().expect("what never runs needs nobody");
    let yaml = "services: {user: {enabled: false}, counter: {enabled: false, step: 1}}";
    with(base().service(user), yaml).check().expect("nor does it mind who else does not run");
    let yaml = "services: {user: {enabled: false}}";
    let shared = Application::new().service(|_: Shared<u8>| User);
    with(shared, yaml).check().expect("nor what nobody provides");
    let yaml = "services: {counter: {step: 1, enabled: false}}";
    let chosen = base().service(|_: Option<Dep<Counter>>| User).uses("counter", "counter");
    with(chosen, yaml).check().expect("what may miss may be chosen and miss");
}

#[test]
fn cycles_with_every_origin() {
    let yaml = "services:\n  counter:\n    step: 1\n    depends_on: [top]\n";
    let app = base().service(user).task("top", async |_: Dep<User>| Ok(()));
    check_yaml("cycle", app, yaml);
    let app = Application::new().service(|| Plain).depends_on("plain");
    check("self-cycle", app);
}

#[test]
fn a_colon_without_a_space_is_told_as_one() {
    for section in ["b:{kind: ticker}", "d: {kind:tocker}"] {
        let error = with(base(), &format!("services:\n  {section}\n")).check();
        let error = error.expect_err("no kind is named").to_string();
        assert!(error.contains("a `:` is not followed by a space"), "{error}");
        assert!(!error.contains("tocker"), "{error}");
    }
}

#[test]
fn declarations_in_code() {
    let app = Application::new()
        .named("early")
        .service(|| Plain)
        .named("Not A Name")
        .service(|| Plain)
        .named("twice")
        .service(|| Plain)
        .named("twice")
        .provides(|user: Arc<User>| -> Arc<User> { user })
        .provide(1_u8)
        .provide(2_u8)
        .kind("ticker", counter)
        .kind("ticker", counter)
        .significant();
    check("declarations", app);
    let two = |_: Config<CounterConfig>, _: Config<Colliding2>| Plain;
    check("several-configs", Application::new().service(two));
}

#[derive(Deserialize, JsonSchema)]
struct Colliding2 {
    #[expect(dead_code, reason = "only its schema matters")]
    other: String,
}

/// What `unwrap` and `?` in `main` show.
#[test]
fn debug_is_the_report() {
    let error = Application::new().service(user).check().expect_err("no counter");
    assert_eq!(format!("{error:?}"), format!("\n{error}"));
    let error = processpype::StartError::Setup(error);
    assert_eq!(format!("{error:?}"), format!("\n{error}"));
}

#[test]
fn the_file_chooses_among_kinds_that_provide_a_trait() {
    trait Colour: Send + Sync {}
    struct Red;
    impl Service for Red {}
    impl Colour for Red {}
    struct Blue;
    impl Service for Blue {}
    impl Colour for Blue {}
    let app = || {
        Application::new()
            .kind("red", || Red)
            .provides(|red: Arc<Red>| -> Arc<dyn Colour> { red })
            .kind("blue", || Blue)
            .provides(|blue: Arc<Blue>| -> Arc<dyn Colour> { blue })
            .service(|_: Dep<dyn Colour>| User)
    };
    for kind in ["red", "blue"] {
        let file = format!("services: {{colour: {{kind: {kind}}}}}");
        assert!(with(app(), &file).check().is_ok(), "{kind}");
    }
    let error = with(app(), "").check().expect_err("nobody is one").to_string();
    assert!(error.contains("services: { NAME: { kind: red } }"), "{error}");
}

#[test]
fn what_follows_from_a_lost_service_is_not_told() {
    let app = base().service(user).depends_on("fast");
    let yaml = "services:\n  counter: {step: 1}\n  fast: {kind: tiker, step: 1}\n";
    let error = with(app, yaml).check().expect_err("the kind is unknown");
    assert!(error.plan().is_none(), "{error}");
    assert_eq!(error.report().map(|report| report.problems().len()), Some(1));
    let error = Application::new().service(user).check().expect_err("no counter");
    assert_eq!(error.plan().map(|plan| plan.problems()[0].code), Some(PlanCode::MissingProvider));
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let app = base().config_file("/nowhere/app.yaml").environment([]);
    let error = app.check().expect_err("it is missing").to_string();
    assert!(error.contains("/nowhere/app.yaml"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn defaults_are_inherited_and_overridden() {
    let yaml =
        "defaults: {autostart: false, stop_timeout: 3s}\nservices: {on: {autostart: true}}\n";
    let app = Application::new().service(|| Plain).named("on").service(|| Plain).named("off");
    let app = processpype::testing::start(with(app, yaml)).await.expect("nothing is wrong");
    let running = |name| app.manager().state(name) == Some(processpype::ServiceState::Running);
    assert_eq!((running("on"), running("off")), (true, false));
}

#[tokio::test(start_paused = true)]
async fn every_key_of_the_defaults_holds_unless_a_service_says_otherwise() {
    let yaml = "
defaults:
  autostart: false
  significant: true
  start_timeout: 7s
  stop_timeout: 3s
  log_level: warn
  restart:
    policy: never
    max_restarts: 3
    within: 9s
    reset_after: 8s
    backoff: {initial: 1s, max: 5s, factor: 3, jitter: 0}
services:
  own:
    autostart: true
    significant: false
    start_timeout: 70s
    stop_timeout: 30s
    log_level: debug
    restart:
      policy: always
      max_restarts: 4
      within: 90s
      reset_after: 80s
      backoff: {initial: 2s, max: 50s, factor: 1.5, jitter: 1}
";
    let app = Application::new().service(|| Plain).named("own").service(|| Plain).named("bare");
    let app = processpype::testing::start(with(app, yaml)).await.expect("nothing is wrong");
    let book = app.manager().config_book();
    let held = |name| {
        let it = &book.service(name).expect("it is there").options;
        let (limit, backoff) = (it.restart.limit, it.restart.backoff);
        let bounds = (it.start_timeout, it.stop_timeout, it.log_level);
        let counted = (limit.max_restarts(), limit.within(), it.restart.reset_after);
        let delays = (backoff.initial(), backoff.max(), backoff.factor(), backoff.jitter());
        format!(
            "{} {} {bounds:?} {:?} {counted:?} {delays:?}",
            it.autostart, it.significant, it.restart.policy
        )
    };
    let bare = "false true (7s, 3s, Some(Warn)) Never (Some(3), 9s, 8s) (1s, 5s, 3.0, 0.0)";
    assert_eq!(held("bare"), bare);
    let own = "true false (70s, 30s, Some(Debug)) Always (Some(4), 90s, 80s) \
               (2s, 50s, 1.5, 1.0)";
    assert_eq!(held("own"), own);
}

#[tokio::test(start_paused = true)]
async fn the_file_says_for_which_hosts_it_answers() {
    for (allowed, status) in [("[]", 421), ("[app.example]", 200)] {
        let app =
            Application::new().service(|| Plain).set(&format!("server.allowed_hosts={allowed}"));
        let app = processpype::testing::start(app).await.expect("nothing is wrong");
        let request = axum::http::Request::get("/").header("host", "app.example");
        let request = request.body(axum::body::Body::empty()).expect("a request");
        assert_eq!(app.request(request).await.status(), status, "{allowed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_prefix_moves_everything_but_the_probes() {
    let app = Application::new().service(|| Plain).set("server.api_prefix=/api/v1");
    let app = processpype::testing::start(app).await.expect("nothing is wrong");
    for (path, status) in [
        ("/api/v1/", 200),
        ("/api/v1/services", 200),
        ("/api/v1/openapi.json", 200),
        ("/health/live", 200),
        ("/services", 404),
        ("/openapi.json", 404),
    ] {
        assert_eq!(app.get(path).await.status(), status, "{path}");
    }
}

#[derive(Deserialize, JsonSchema)]
struct VaultConfig {
    password: Secret<String>,
}

/// Does with its secret what it should not: puts it into what it says.
async fn leaky(config: Config<VaultConfig>, cx: Context) -> processpype::Result {
    cx.set_metadata("password", format!("{:?}", config.password));
    cx.degraded(format!("{:?}", *config));
    Err(processpype::Error::from("plain text that is not public"))
}

impl std::fmt::Debug for VaultConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VaultConfig").field("password", &self.password).finish()
    }
}

#[tokio::test(start_paused = true)]
async fn secrets_and_internals_are_in_no_answer() {
    let app = Application::new().task("vault", leaky);
    let app = with(app, "services: {vault: {password: hunter2-hunter2}}");
    let app = processpype::testing::start(app).await.expect("nothing is wrong");
    app.wait("vault", processpype::ServiceState::Error).await.expect("it fails");
    for path in ["/", "/services", "/services/vault", "/events", "/openapi.json", "/docs"] {
        let text = app.get(path).await.text();
        assert!(!text.contains("hunter2"), "{path}: {text}");
        assert!(!text.contains("plain text that is not public"), "{path}: {text}");
    }
}
