//! An application as it is put together in code.
//!
//! # Invariants
//!
//! 1. Nothing here runs anything or can fail: what is wrong is kept and told with all other
//!    problems.
//!
//! # How it fits
//!
//! The *builder* of builder, bound, running: [`Application::check`] and everything that runs turn
//! it into a `Setup` (module `setup`). A process, a program and a test begin with the same one.

mod replaced;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use processpype_config::Format;
use processpype_runtime::{
    Constructor, GroupSpec, Kind, Options, PlanCode, PlanProblem, SharedValues, Signature,
    TaskFunction,
};

use crate::about::About;
use crate::limits::Limits;

/// An application: services, kinds of services, shared values, and where its configuration comes
/// from.
///
/// Methods that describe a service ([`named`](Self::named), [`uses`](Self::uses), …) are about the
/// one registered last; after a [`kind`](Self::kind) they are refused.
///
/// ```
/// use std::time::Duration;
/// use processpype::{Application, Context, Result, Service};
///
/// struct Counter;
/// impl Service for Counter {}
///
/// let app = Application::new()
///     .service(|| Counter)
///     .named("other")
///     .task("heartbeat", async |cx: Context| {
///         while cx.sleep(Duration::from_secs(60)).await {}
///         Ok(())
///     });
/// app.check()?;
/// # Ok::<(), processpype::SetupError>(())
/// ```
///
/// # Which way to run
///
/// | method | for | owns the process |
/// |---|---|---|
/// | [`main`](Self::main) | a program that *is* this application | yes: signals, log, exit code |
/// | [`start`](Self::start) | a larger program, with its own runtime | no |
/// | [`scope`](Self::scope) | work that needs the services for as long as it lasts | no |
/// | [`testing::start`](crate::testing::start) | a test, on paused time, without a port | no |
/// | [`check`](Self::check) | a test or a CI job that runs nothing | no |
///
/// # Service, task or kind
///
/// - [`service`](Self::service): one instance of a type; the usual case.
/// - [`task`](Self::task): a loop with nothing to look at from outside, so no type is worth it. It
///   can have dependencies, but cannot be one: a function has no type that `Dep` could name.
/// - [`kind`](Self::kind): any number of instances, which the configuration file creates and names.
///
/// # Mistakes
///
/// No method fails. What is wrong here, such as [`named`](Self::named) before any service or two
/// values of one type, is told by whatever runs the application, together with every other problem
/// of configuration and plan.
#[derive(Debug)]
#[must_use = "an application does nothing before `main`, `start` or `scope`"]
pub struct Application {
    pub(crate) declared: Vec<Declared>,
    pub(crate) kinds: Vec<(String, Arc<Kind>)>,
    /// Whether the last call that added one of both has added a kind.
    kind_is_last: bool,
    /// The kinds of which services may be made at run time.
    pub(crate) creatable: Vec<String>,
    pub(crate) groups: Vec<GroupSpec>,
    pub(crate) shared: SharedValues,
    pub(crate) problems: Vec<PlanProblem>,
    pub(crate) sources: Sources,
    pub(crate) has_server: bool,
    pub(crate) limits: Limits,
}

/// A service that was registered in code.
#[derive(Debug)]
pub(crate) struct Declared {
    /// `None` = from the type.
    pub(crate) name: Option<String>,
    pub(crate) kind: Kind,
    pub(crate) options: Options,
    pub(crate) uses: Vec<(String, String)>,
    pub(crate) depends_on: Vec<String>,
    pub(crate) edges: Vec<(String, processpype_core::EdgePolicy)>,
}

/// Where the configuration comes from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    /// What lies below the file.
    pub(crate) about: About,
    /// Used when no other file is named.
    pub(crate) default_file: Option<PathBuf>,
    pub(crate) file: Option<PathBuf>,
    pub(crate) profile: Option<String>,
    pub(crate) texts: Vec<(String, Format, String)>,
    pub(crate) assignments: Vec<String>,
    /// `None` = the environment of this process.
    pub(crate) environment: Option<Vec<(String, String)>>,
}

// === impl Application ===

impl Application {
    /// Makes an application without services.
    ///
    /// The control plane is on; its address comes from the configuration (`127.0.0.1:8080` by
    /// default).
    pub fn new() -> Self {
        Self {
            declared: Vec::new(),
            kinds: Vec::new(),
            kind_is_last: false,
            creatable: Vec::new(),
            groups: Vec::new(),
            shared: SharedValues::default(),
            problems: Vec::new(),
            sources: Sources::default(),
            has_server: true,
            limits: Limits::default(),
        }
    }

    /// Adds a service. Its constructor's arguments are its declared needs; see [`Constructor`].
    ///
    /// The name is the type's in snake case (`MailQueue` is `mail_queue`) unless
    /// [`named`](Self::named) says otherwise. The constructor is called again for every generation,
    /// from the current configuration.
    ///
    /// ```
    /// use processpype::{Application, Config, Dep, Result, Service, testing};
    /// use schemars::JsonSchema;
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize, JsonSchema)]
    /// struct QueueConfig { capacity: usize }
    ///
    /// struct Queue { capacity: usize }
    /// impl Service for Queue {}
    /// impl Queue {
    ///     fn new(config: Config<QueueConfig>) -> Self { Self { capacity: config.capacity } }
    /// }
    ///
    /// struct Mailer { queue: Dep<Queue> }
    /// impl Service for Mailer {}
    /// impl Mailer {
    ///     async fn new(queue: Dep<Queue>) -> Result<Self> { Ok(Self { queue }) }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result {
    /// let app = Application::new().service(Queue::new).service(Mailer::new);
    /// let app = testing::start(app.set("services.queue.capacity=10")).await?;
    /// assert!(app.manager().status("mailer").unwrap().ready);
    /// # app.stop().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn service<M: 'static, C>(self, constructor: C) -> Self
    where
        C: Signature<M> + Constructor<M>,
    {
        self.declare(None, Kind::of(constructor))
    }

    /// Adds a function as a service of its own: it is `run`.
    ///
    /// Its arguments are declared needs too. It must end with an error or when it is asked to stop;
    /// returning `Ok` unasked is a failure, unless it is [`oneshot`](Self::oneshot). One that
    /// captures something clones it for each run, `move |cx: Context| { let it = it.clone(); async
    /// move { … } }`: an `async` closure would lend it, and is no `Fn` then.
    ///
    /// ```
    /// use processpype::{Application, Result, ServiceState, testing};
    ///
    /// async fn migrate() -> Result { Ok(()) }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result {
    /// let app = testing::start(Application::new().task("migrate", migrate).oneshot()).await?;
    /// app.wait("migrate", ServiceState::Stopped).await?;
    /// assert!(app.manager().status("migrate").unwrap().completed);
    /// # app.stop().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn task<M: 'static, F>(self, name: &str, function: F) -> Self
    where
        F: Signature<M> + TaskFunction<M>,
    {
        self.declare(Some(name.to_owned()), Kind::task(function))
    }

    /// Adds a kind of service, whose instances come from the file: `services: {NAME: {kind: …}}`.
    ///
    /// What the builder says about one service does not reach instances of a kind: their framework
    /// keys are in their sections of the file, or inherited from `defaults`.
    ///
    /// ```
    /// use processpype::config::{Format, HumanDuration};
    /// use processpype::{Application, Config, Service, testing};
    /// use schemars::JsonSchema;
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize, JsonSchema)]
    /// struct TickerConfig { interval: HumanDuration }
    ///
    /// struct Ticker;
    /// impl Service for Ticker {}
    ///
    /// const FILE: &str = "
    /// services:
    ///   fast: {kind: ticker, interval: 1s}
    ///   slow: {kind: ticker, interval: 1h, autostart: false}
    /// ";
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> processpype::Result {
    /// let app = Application::new().kind("ticker", |_: Config<TickerConfig>| Ticker);
    /// let app = testing::start(app.config_text("app.yaml", Format::Yaml, FILE)).await?;
    /// assert!(app.manager().status("fast").unwrap().ready);
    /// assert_eq!(app.manager().status("slow").unwrap().generation.0, 0, "never started");
    /// # app.stop().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn kind<M: 'static, C>(mut self, name: &str, constructor: C) -> Self
    where
        C: Signature<M> + Constructor<M>,
    {
        if self.kinds.iter().any(|(taken, _)| taken == name) {
            self.refuse(format!("two kinds are named `{name}`"));
        }
        self.kinds.push((name.to_owned(), Arc::new(Kind::of(constructor))));
        self.kind_is_last = true;
        self
    }

    /// Names the service registered last; without it, the name is its type's in snake case.
    ///
    /// Names match `[a-z][a-z0-9]*([_-][a-z0-9]+)*` and differ after `-` became `_`, so that one
    /// name fits into a path, a variable and a metric. Needed for a second instance of one type and
    /// for generic types, whose name is no word. A closure needs none: the name is that of the type
    /// it returns.
    pub fn named(self, name: &str) -> Self {
        self.last("named", |declared| declared.name = Some(name.to_owned()))
    }

    /// Lets the service or kind registered last be used as `D`, such as a trait object.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use processpype::{Application, Service};
    /// trait Store: Send + Sync {}
    /// struct Memory;
    /// impl Service for Memory {}
    /// impl Store for Memory {}
    ///
    /// let app = Application::new()
    ///     .service(|| Memory)
    ///     .named("memory")
    ///     .provides(|memory: Arc<Memory>| -> Arc<dyn Store> { memory });
    /// # app.check().unwrap();
    /// ```
    ///
    /// Dependents then take `Dep<dyn Store>` and do not know who stands behind it. The service can
    /// still be used as its own type too. With several [kinds](Self::kind) of one trait the file
    /// chooses: `store: {kind: memory}`. Not to be confused with [`provide`](Self::provide), which
    /// is for values that are no services.
    pub fn provides<S, D>(mut self, cast: impl Fn(Arc<S>) -> Arc<D> + Send + Sync + 'static) -> Self
    where
        S: Send + Sync + 'static,
        D: ?Sized + 'static,
    {
        let last = match self.kinds.last_mut() {
            Some((_, kind)) if self.kind_is_last => Some(Arc::make_mut(kind)),
            _ => self.declared.last_mut().map(|declared| &mut declared.kind),
        };
        if !last.is_some_and(|kind| kind.provides(cast)) {
            let name = std::any::type_name::<S>();
            self.refuse(format!(
                "`.provides(…)` takes `Arc<{name}>`, but the service registered last is no `{name}`"
            ));
        }
        self
    }

    /// Chooses the provider of a role of the service registered last. The file can choose
    /// otherwise.
    ///
    /// The role is the name of a [`Dep`](crate::Dep)'s second type parameter in snake case, or,
    /// without one, of the needed type. A choice is needed only where several services would do;
    /// the error that says so has the line to write.
    ///
    /// ```
    /// use processpype::{Application, Dep, Service};
    ///
    /// struct Counter;
    /// impl Service for Counter {}
    ///
    /// struct Left;
    /// struct Right;
    /// struct Sum;
    /// impl Service for Sum {}
    ///
    /// let app = Application::new()
    ///     .service(|| Counter).named("fast")
    ///     .service(|| Counter).named("slow")
    ///     .service(|_: Dep<Counter, Left>, _: Dep<Counter, Right>| Sum)
    ///     .uses("left", "fast")
    ///     .uses("right", "slow");
    /// assert!(app.check().is_ok());
    /// ```
    pub fn uses(self, role: &str, instance: &str) -> Self {
        let choice = (role.to_owned(), instance.to_owned());
        self.last("uses", |declared| declared.uses.push(choice))
    }

    /// Makes the service registered last start after another one, without a handle to it.
    ///
    /// For order alone, such as a migration that must be over. Where one service calls another,
    /// take a [`Dep`](crate::Dep): then the edge cannot be forgotten.
    pub fn depends_on(self, name: &str) -> Self {
        self.last("depends_on", |declared| declared.depends_on.push(name.to_owned()))
    }

    /// Says that success ends the service registered last: completed, and ready for its dependents.
    ///
    /// Without it, a `run` that returns `Ok` unasked is the failure `unexpected-end` (as a
    /// `permanent` child of OTP that exits with `normal` is restarted). A completed service stays
    /// `stopped` with `completed: true`, and its dependents may start; while it runs they wait.
    pub fn oneshot(self) -> Self {
        self.last("oneshot", |declared| declared.options.oneshot = true)
    }

    /// Says whether the service registered last starts with the application. Default: true.
    ///
    /// A service that does not is started by a command, or because a dependent needs it.
    pub fn autostart(self, autostart: bool) -> Self {
        self.last("autostart", |declared| declared.options.autostart = autostart)
    }

    /// Bounds constructor and `start` of the service registered last. Default: 30 s.
    ///
    /// Waiting for providers is not counted. A start that takes longer is cancelled, and the
    /// service is in `error` with kind `start-timeout`. What is longer than
    /// [`TIMEOUT_MAX`](crate::bounds::TIMEOUT_MAX), as [`Duration::MAX`], counts as that.
    pub fn start_timeout(self, timeout: Duration) -> Self {
        self.last("start_timeout", |declared| declared.options.start_timeout = timeout)
    }

    /// Bounds the stop of the service registered last. Default: 10 s.
    ///
    /// Requests in flight may take 40 % of it, `run` and the children another 40 %; the hook `stop`
    /// always has the rest. When the application closes, the closing timeout may leave less. What
    /// has not ended by then is aborted, and named as a straggler. What is longer than
    /// [`TIMEOUT_MAX`](crate::bounds::TIMEOUT_MAX) counts as that.
    pub fn stop_timeout(self, timeout: Duration) -> Self {
        self.last("stop_timeout", |declared| declared.options.stop_timeout = timeout)
    }

    /// Names the configuration file. One that is named but missing is an error.
    ///
    /// `--config` on the command line replaces it. YAML, TOML or JSON, by the name's ending.
    pub fn config_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.sources.file = Some(path.into());
        self
    }

    /// Names the configuration file that is used when the command line names none.
    ///
    /// It counts only where neither [`config_file`](Self::config_file) nor `--config` names one. It
    /// must exist all the same.
    pub fn default_config(mut self, path: impl Into<PathBuf>) -> Self {
        self.sources.default_file = Some(path.into());
        self
    }

    /// Adds a configuration file that is in memory.
    ///
    /// It lies over the file. The name stands in error messages, as a file's would; several texts
    /// are layers in the order of the calls.
    pub fn config_text(mut self, name: &str, format: Format, text: impl Into<String>) -> Self {
        self.sources.texts.push((name.to_owned(), format, text.into()));
        self
    }

    /// Adds the profile's file, beside the file: `config.prod.yaml` for `config.yaml`.
    ///
    /// It lies over the file and below the environment. `--profile` on the command line replaces
    /// it.
    pub fn profile(mut self, name: &str) -> Self {
        self.sources.profile = Some(name.to_owned());
        self
    }

    /// Sets one value, such as `services.counter.step=2`; it overrides files and environment.
    ///
    /// As `--set` on the command line, whose assignments come after these. What is no assignment,
    /// or names no section, is told with all other problems.
    pub fn set(mut self, assignment: &str) -> Self {
        self.sources.assignments.push(assignment.to_owned());
        self
    }

    /// Takes these variables in place of the environment of the process.
    ///
    /// For tests and for embedding: `${VAR}` in the file and variables with the prefix
    /// `PROCESSPYPE_` are then looked up here alone. [`testing`](crate::testing) takes no variables
    /// unless this is called.
    ///
    /// ```
    /// use processpype::{Application, Config, Service};
    /// # use schemars::JsonSchema;
    /// # use serde::Deserialize;
    ///
    /// #[derive(Deserialize, JsonSchema)]
    /// struct CounterConfig { step: u64 }
    ///
    /// struct Counter;
    /// impl Service for Counter {}
    ///
    /// let check = |step: &str| {
    ///     let counter = |_: Config<CounterConfig>| Counter;
    ///     let app = Application::new().service(counter).named("counter");
    ///     let name = "PROCESSPYPE_SERVICES__COUNTER__STEP".to_owned();
    ///     app.environment([(name, step.to_owned())]).check()
    /// };
    /// assert!(check("2").is_ok());
    /// let error = check("two").unwrap_err().to_string();
    /// assert!(error.contains("PROCESSPYPE_SERVICES__COUNTER__STEP"), "{error}");
    /// ```
    pub fn environment<I: IntoIterator<Item = (String, String)>>(mut self, variables: I) -> Self {
        self.sources.environment = Some(variables.into_iter().collect());
        self
    }

    /// Runs without listeners: the control plane takes no address.
    ///
    /// It can be part of the program's own server, see [`Running::router`](crate::Running::router).
    /// The section `server` is still checked. In [`testing`](crate::testing) there is no address
    /// anyway, and requests reach the control plane all the same.
    pub fn without_server(mut self) -> Self {
        self.has_server = false;
        self
    }

    pub(crate) fn declare(mut self, name: Option<String>, kind: Kind) -> Self {
        let options = Options::default();
        let (uses, depends_on, edges) = (Vec::new(), Vec::new(), Vec::new());
        self.declared.push(Declared { name, kind, options, uses, depends_on, edges });
        self.kind_is_last = false;
        self
    }

    pub(crate) fn last(mut self, method: &str, change: impl FnOnce(&mut Declared)) -> Self {
        match (self.kinds.last(), self.declared.last_mut()) {
            (Some((name, _)), _) if self.kind_is_last => {
                let message = format!(
                    "`.{method}(…)` comes after the kind `{name}`, but is about one service: move \
                     it to its service, or write it into the sections of the instances"
                );
                self.refuse(message);
            }
            (_, Some(declared)) => change(declared),
            (_, None) => {
                let message = format!("`.{method}(…)` stands before any service");
                let help = "write it after the `.service(…)` or `.task(…)` that it is about";
                self.problems.push(PlanProblem::new(PlanCode::Declaration, message).help(help));
            }
        }
        self
    }

    pub(crate) fn refuse(&mut self, message: String) {
        self.problems.push(PlanProblem::new(PlanCode::Declaration, message));
    }
}

impl Default for Application {
    fn default() -> Self {
        Self::new()
    }
}
