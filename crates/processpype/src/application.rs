//! An application as it is put together in code.
//!
//! # Invariants
//!
//! 1. Nothing here runs anything or can fail: what is wrong is kept and told with all other
//!    problems.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use processpype_config::Format;
use processpype_runtime::{
    Constructor, Kind, Options, PlanCode, PlanProblem, SharedValues, TaskFunction,
};

/// An application: services, kinds of services, shared values, and where its configuration comes
/// from.
///
/// Methods that describe a service ([`named`](Self::named), [`uses`](Self::uses), …) are about the
/// one registered last.
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
#[derive(Debug, Default)]
#[must_use = "an application does nothing before `main`, `start` or `scope`"]
pub struct Application {
    pub(crate) declared: Vec<Declared>,
    pub(crate) kinds: Vec<(String, Arc<Kind>)>,
    pub(crate) shared: SharedValues,
    pub(crate) problems: Vec<PlanProblem>,
    pub(crate) sources: Sources,
    pub(crate) has_server: bool,
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
}

/// Where the configuration comes from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
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
    pub fn new() -> Self {
        Self { has_server: true, ..Self::default() }
    }

    /// Adds a service. Its constructor's arguments are its declared needs; see [`Constructor`].
    pub fn service<M: 'static, C: Constructor<M>>(self, constructor: C) -> Self {
        self.declare(None, Kind::of(constructor))
    }

    /// Adds a function as a service of its own: it is `run`.
    pub fn task<M: 'static, F: TaskFunction<M>>(self, name: &str, function: F) -> Self {
        self.declare(Some(name.to_owned()), Kind::task(function))
    }

    /// Adds a kind of service, whose instances come from the file: `services: {NAME: {kind: …}}`.
    pub fn kind<M: 'static, C: Constructor<M>>(mut self, name: &str, constructor: C) -> Self {
        if self.kinds.iter().any(|(taken, _)| taken == name) {
            self.refuse(format!("two kinds are named `{name}`"));
        }
        self.kinds.push((name.to_owned(), Arc::new(Kind::of(constructor))));
        self
    }

    /// Gives a value to every constructor that asks for it as [`Shared<T>`](crate::Shared).
    pub fn provide<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        if !self.shared.insert(value) {
            let name = std::any::type_name::<T>();
            self.refuse(format!("two shared values are of type `{name}`"));
        }
        self
    }

    /// Names the service registered last; without it, the name is its type's in snake case.
    pub fn named(self, name: &str) -> Self {
        self.last("named", |declared| declared.name = Some(name.to_owned()))
    }

    /// Lets the service registered last be used as `D`, such as a trait object.
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
    pub fn provides<S, D>(mut self, cast: impl Fn(Arc<S>) -> Arc<D> + Send + Sync + 'static) -> Self
    where
        S: Send + Sync + 'static,
        D: ?Sized + 'static,
    {
        let made = self.declared.last_mut().map(|declared| declared.kind.provides(cast));
        if made != Some(true) {
            let name = std::any::type_name::<S>();
            self.refuse(format!(
                "`.provides(…)` takes `Arc<{name}>`, but the service registered last is no `{name}`"
            ));
        }
        self
    }

    /// Chooses the provider of a role of the service registered last. The file can choose
    /// otherwise.
    pub fn uses(self, role: &str, instance: &str) -> Self {
        let choice = (role.to_owned(), instance.to_owned());
        self.last("uses", |declared| declared.uses.push(choice))
    }

    /// Makes the service registered last start after another one, without a handle to it.
    pub fn depends_on(self, name: &str) -> Self {
        self.last("depends_on", |declared| declared.depends_on.push(name.to_owned()))
    }

    /// Says that success ends the service registered last: completed, and ready for its dependents.
    pub fn oneshot(self) -> Self {
        self.last("oneshot", |declared| declared.options.oneshot = true)
    }

    /// Says that a failure of the service registered last closes the application.
    pub fn significant(self) -> Self {
        self.last("significant", |declared| declared.options.significant = true)
    }

    /// Says whether the service registered last starts with the application. Default: true.
    pub fn autostart(self, autostart: bool) -> Self {
        self.last("autostart", |declared| declared.options.autostart = autostart)
    }

    /// Bounds constructor and `start` of the service registered last. Default: 30 s.
    pub fn start_timeout(self, timeout: Duration) -> Self {
        self.last("start_timeout", |declared| declared.options.start_timeout = timeout)
    }

    /// Bounds the stop of the service registered last. Default: 10 s.
    pub fn stop_timeout(self, timeout: Duration) -> Self {
        self.last("stop_timeout", |declared| declared.options.stop_timeout = timeout)
    }

    /// Names the configuration file. One that is named but missing is an error.
    pub fn config_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.sources.file = Some(path.into());
        self
    }

    /// Names the configuration file that is used when the command line names none.
    pub fn default_config(mut self, path: impl Into<PathBuf>) -> Self {
        self.sources.default_file = Some(path.into());
        self
    }

    /// Adds a configuration file that is in memory.
    pub fn config_text(mut self, name: &str, format: Format, text: impl Into<String>) -> Self {
        self.sources.texts.push((name.to_owned(), format, text.into()));
        self
    }

    /// Adds the profile's file, beside the file: `config.prod.yaml` for `config.yaml`.
    pub fn profile(mut self, name: &str) -> Self {
        self.sources.profile = Some(name.to_owned());
        self
    }

    /// Sets one value, such as `services.counter.step=2`; it overrides files and environment.
    pub fn set(mut self, assignment: &str) -> Self {
        self.sources.assignments.push(assignment.to_owned());
        self
    }

    /// Takes these variables in place of the environment of the process.
    pub fn environment<I: IntoIterator<Item = (String, String)>>(mut self, variables: I) -> Self {
        self.sources.environment = Some(variables.into_iter().collect());
        self
    }

    /// Runs without the control plane: no address is taken.
    pub fn without_server(mut self) -> Self {
        self.has_server = false;
        self
    }

    fn declare(mut self, name: Option<String>, kind: Kind) -> Self {
        let options = Options::default();
        let (uses, depends_on) = (Vec::new(), Vec::new());
        self.declared.push(Declared { name, kind, options, uses, depends_on });
        self
    }

    fn last(mut self, method: &str, change: impl FnOnce(&mut Declared)) -> Self {
        match self.declared.last_mut() {
            Some(declared) => change(declared),
            None => self.refuse(format!("`.{method}(…)` stands before any service")),
        }
        self
    }

    fn refuse(&mut self, message: String) {
        self.problems.push(PlanProblem::new(PlanCode::Declaration, message));
    }
}
