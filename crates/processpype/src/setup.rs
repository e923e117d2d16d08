//! From code and configuration to a checked application.
//!
//! # Invariants
//!
//! 1. Everything that can be known before anything runs is checked here, and every problem is told
//!    at once.
//!
//! # The steps
//!
//! 1. Load the layers; if that fails, nothing else is known, so stop here.
//! 2. Read the framework's sections; go on with defaults for one that is wrong, to find more.
//! 3. Make a spec of every service: those of the code first, then those of the file that no code
//!    registered, each with its section split into the framework's keys and its own.
//! 4. Check each enabled service's own section against its type, and collect the secrets in it for
//!    the log's redaction.
//! 5. Bind: names, types, roles, cycles.
//! 6. Tell every problem. What is missing is left out where a service that step 3 could not make
//!    may have been it: that would only be an echo.
//!
//! Steps 2 to 6 are the [`Catalogue`]'s: a reload does the same.

use std::fmt;
use std::sync::Arc;

use processpype_config::{Document, Loader, Report};
use processpype_runtime::{Blueprint, PlanError, Refused};

use crate::access::Access;
use crate::application::{Application, Sources};
use crate::catalogue::Catalogue;
use crate::catalogue::specs::Layers;
use crate::limits::Limits;
use crate::problems::Problems;
use crate::settings::{SECTIONS, Settings};

/// Why an application cannot be started, with every problem that was found.
///
/// Its text is the whole report for people: every problem with its place and what to do. Programs
/// look at [`report`](Self::report) and [`plan`](Self::plan); at least one of them is there.
///
/// ```
/// use processpype::config::Format;
/// use processpype::{Application, Service};
///
/// struct Counter;
/// impl Service for Counter {}
///
/// let app = Application::new().service(|| Counter).named("counter");
/// let app = app.config_text("app.yaml", Format::Yaml, "server: {prot: 80}\nserices: {}\n");
/// let error = app.check().unwrap_err();
/// let problems = error.report().unwrap().problems();
/// assert_eq!(problems.len(), 2);
/// assert!(error.to_string().contains("did you mean `port`?"), "{error}");
/// ```
///
/// `Debug` shows the same report, so that `unwrap` in a test and `?` in `main` do too.
pub struct SetupError(Refused);

/// A checked application, ready to run. No `Debug`: it holds secrets.
pub(crate) struct Setup {
    pub(crate) settings: Settings,
    pub(crate) document: Document,
    pub(crate) blueprint: Blueprint,
    /// The secret values in the configuration that are of no service, for redaction.
    pub(crate) secrets: Vec<String>,
    pub(crate) has_server: bool,
    pub(crate) limits: Limits,
    /// Who may call the control plane, and from where.
    pub(crate) access: Access,
    /// What is needed to check configuration again.
    pub(crate) catalogue: Arc<Catalogue>,
}

// === impl Application ===

impl Application {
    /// Checks everything that can be known before anything runs.
    ///
    /// No constructor is called, no address taken, no secret's value shown. A test that calls this
    /// catches a cycle, a missing provider and a misspelt key before they reach a machine. What the
    /// verb `check` of the [command line](Self::main) asks beside it is whether this machine has
    /// room for the log and for Unix sockets.
    ///
    /// ```
    /// use processpype::{Application, Dep, Service};
    ///
    /// struct Hen;
    /// impl Service for Hen {}
    /// struct Egg;
    /// impl Service for Egg {}
    ///
    /// let app = Application::new()
    ///     .service(|_: Dep<Egg>| Hen)
    ///     .named("hen")
    ///     .service(|_: Dep<Hen>| Egg)
    ///     .named("egg");
    /// let error = app.check().unwrap_err();
    /// assert_eq!(error.plan().unwrap().problems()[0].code.as_str(), "cycle");
    /// assert!(error.to_string().contains("`egg` needs `hen`"), "{error}");
    /// ```
    ///
    /// # Errors
    ///
    /// Returns every problem of configuration and plan.
    pub fn check(self) -> Result<(), SetupError> {
        self.setup().map(drop)
    }

    pub(crate) fn setup(self) -> Result<Setup, SetupError> {
        self.setup_with(Problems::default())
    }

    /// As [`setup`](Self::setup), and checks what is needed of this machine.
    pub(crate) fn setup_here(self) -> Result<Setup, SetupError> {
        self.setup_with(Problems::looking_around())
    }

    fn setup_with(mut self, mut problems: Problems) -> Result<Setup, SetupError> {
        problems.plan.append(&mut self.problems);
        let has_server = self.has_server;
        let catalogue = Catalogue::of(self, &mut problems);
        let document = catalogue.load().map_err(|report| problems.take_with(report))?;
        let assembled = catalogue.assemble(&document, &Layers::new(), problems)?;
        Ok(Setup {
            settings: assembled.settings,
            document,
            blueprint: assembled.blueprint,
            secrets: assembled.secrets,
            has_server,
            limits: assembled.limits,
            access: assembled.access,
            catalogue: Arc::new(catalogue),
        })
    }
}

/// Loads the layers of the configuration.
pub(crate) fn load(sources: &Sources) -> Result<Document, Report> {
    let mut loader = Loader::new().sections(&SECTIONS).code(&sources.about.layer()?);
    if let Some(file) = sources.file.as_ref().or(sources.default_file.as_ref()) {
        loader = loader.file(file);
    }
    for (name, format, text) in &sources.texts {
        loader = loader.text(name, *format, text.clone());
    }
    if let Some(profile) = &sources.profile {
        loader = loader.profile(profile);
    }
    loader = match &sources.environment {
        Some(variables) => loader.environment(variables.iter().cloned()),
        None => loader.process_environment(),
    };
    for assignment in &sources.assignments {
        loader = loader.set(assignment);
    }
    loader.load()
}

// === impl Setup ===

impl Setup {
    /// Every secret value that nobody hides yet, those of services too.
    pub(crate) fn all_secrets(&self) -> Vec<String> {
        let of_services = self.blueprint.specs().iter().flat_map(|spec| spec.secrets.unhidden());
        self.secrets.iter().chain(of_services).cloned().collect()
    }
}

// === impl SetupError ===

impl SetupError {
    pub(crate) fn new(report: Option<Report>, plan: Option<PlanError>) -> Self {
        Self(Refused::new(report, plan))
    }

    /// Returns it as what a reload is refused for.
    pub(crate) fn into_refused(self) -> Refused {
        self.0
    }

    /// A setting that the control plane refuses.
    pub(crate) fn of_settings(error: &impl fmt::Display) -> Self {
        let problem = processpype_config::Problem::new(error.to_string());
        Report::from(problem).into()
    }

    /// Returns what is wrong in the configuration.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        self.0.report.as_ref()
    }

    /// Returns what is wrong in the plan.
    #[must_use]
    pub fn plan(&self) -> Option<&PlanError> {
        self.0.plan.as_ref()
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{self}")
    }
}

impl std::error::Error for SetupError {}

impl From<Report> for SetupError {
    fn from(report: Report) -> Self {
        Self::new(Some(report), None)
    }
}
