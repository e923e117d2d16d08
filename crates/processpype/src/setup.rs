//! From code and configuration to a checked application.
//!
//! # Invariants
//!
//! 1. Everything that can be known before anything runs is checked here, and every problem is told
//!    at once.
//! 2. The file adds edges and chooses providers; it never removes a typed edge.
//!
//! # The steps
//!
//! 1. Load the layers; if that fails, nothing else is known, so stop here.
//! 2. Read the framework's sections; go on with defaults for one that is wrong, to find more.
//! 3. Make a spec of every service: those of the code first, then those of the file that no code
//!    registered, each with its section split into the framework's keys and its own.
//! 4. Tell every problem so far. Binding on top of wrong names would only give echoes.
//! 5. Bind: names, types, roles, cycles.
//! 6. Check each enabled service's own section against its type, and collect the secrets in it for
//!    the log's redaction.
//!
//! The value of a framework key is the service's own, else the one in `defaults`, else what the
//! code said: the file overrides the code, and what stands nearer overrides what stands farther.

use std::fmt;
use std::sync::Arc;

use processpype_config::{Document, Loader, Origin, Report, SecretsConfig, Section};
use processpype_core::ServiceName;
use processpype_runtime::{
    Assembly, Blueprint, Choice, EdgeChoice, EdgeOrigin, Kind, Options, PlanCode, PlanError,
    PlanProblem, Spec,
};
use processpype_telemetry::{Level, Timezone};

use crate::access::{self, Access};
use crate::application::{Application, Declared, Sources};
use crate::framework_keys;
use crate::groups;
use crate::hang;
use crate::limits::Limits;
use crate::settings::{DefaultsSection, FRAMEWORK_KEYS, SECTIONS, ServiceKeys, Settings};

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
#[derive(Debug)]
pub struct SetupError {
    /// What is wrong in the configuration.
    report: Option<Report>,
    /// What is wrong in the plan.
    plan: Option<PlanError>,
}

/// A checked application, ready to run.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) settings: Settings,
    pub(crate) document: Document,
    pub(crate) blueprint: Blueprint,
    /// The level of each service that has one.
    pub(crate) levels: Vec<(ServiceName, Level)>,
    /// The secret values in the configuration, for the log's redaction.
    pub(crate) secrets: Vec<String>,
    pub(crate) kinds: Vec<(String, Arc<Kind>)>,
    pub(crate) has_server: bool,
    pub(crate) limits: Limits,
    /// Who may call the control plane, and from where.
    pub(crate) access: Access,
}

/// Collects problems of both sorts.
#[derive(Debug, Default)]
struct Problems {
    report: Option<Report>,
    plan: Vec<PlanProblem>,
}

// === impl Application ===

impl Application {
    /// Checks everything that can be known before anything runs.
    ///
    /// # Errors
    ///
    /// Returns every problem of configuration and plan.
    ///
    /// No constructor is called, no address taken, no secret's value shown. A test that calls this
    /// catches a cycle, a missing provider and a misspelt key before they reach a machine.
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
    pub fn check(self) -> Result<(), SetupError> {
        self.setup().map(drop)
    }

    pub(crate) fn setup(mut self) -> Result<Setup, SetupError> {
        let mut problems = Problems::default();
        problems.plan.append(&mut self.problems);
        let document = load(&self.sources).map_err(|report| problems.take_with(report))?;
        let (settings, access, mut secrets) = problems.settings(&document);
        let mut specs = Specs::new(&document, &settings.defaults, &mut problems);
        for declared in std::mem::take(&mut self.declared) {
            specs.add_declared(declared);
        }
        specs.add_from_file(&self.kinds);
        let Specs { specs, levels, lost, .. } = specs;
        let groups = groups::read(&document, self.groups, |report| problems.add(report));
        let assembly = Assembly { specs, groups, shared: self.shared };
        secrets.append(&mut problems.keep(assembly.check_config()));
        let blueprint = problems.plan_of(assembly.check(), lost);
        let (kinds, has_server) = (self.kinds, self.has_server);
        let limits = self.limits.under(&settings.app);
        match (blueprint, problems.into_error()) {
            (Some(blueprint), None) => Ok(Setup {
                settings,
                document,
                blueprint,
                levels,
                secrets,
                kinds,
                has_server,
                limits,
                access,
            }),
            (_, Some(error)) => Err(error),
            (None, None) => unreachable!("a plan that cannot be made has a problem"),
        }
    }
}

/// Loads the layers of the configuration.
pub(crate) fn load(sources: &Sources) -> Result<Document, Report> {
    let mut loader = Loader::new().sections(&SECTIONS);
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

// === impl Problems ===

impl Problems {
    /// Adds what was not told yet: both halves of a section that is no map say the same.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "its callers have nothing more to do with it"
    )]
    fn add(&mut self, report: Report) {
        for problem in report.problems() {
            let told = self.report.as_ref().map_or(&[][..], Report::problems);
            if told.iter().all(|told| told.to_string() != problem.to_string()) {
                let new = Report::from(problem.clone());
                self.report = Some(match self.report.take() {
                    Some(all) => all.merge(new),
                    None => new,
                });
            }
        }
    }

    /// Keeps the problems of a result and goes on with a default.
    fn keep<T: Default>(&mut self, result: Result<T, Report>) -> T {
        result.unwrap_or_else(|report| {
            self.add(report);
            T::default()
        })
    }

    /// Reads the framework's sections, and the secrets in them.
    fn settings(&mut self, document: &Document) -> (Settings, Access, Vec<String>) {
        let root = document.root();
        let known = root.known_keys(&SECTIONS);
        self.keep(known);
        let secrets = root.get("secrets").read::<SecretsConfig>().map(drop);
        self.keep(secrets);
        let mut found = Vec::new();
        let settings = Settings {
            app: self.keep(root.get("app").read()),
            server: self.keep(root.get("server").read_collecting(&mut found)),
            observability: self.keep(root.get("observability").read()),
            defaults: self.keep(root.get("defaults").read()),
        };
        let access = access::read(document, &settings.server, |report| self.add(report));
        if let Err(error) = Timezone::named(&settings.app.timezone) {
            let section = document.section(&["app", "timezone"]);
            self.add(section.problem(error.to_string()).into());
        }
        (settings, access, found)
    }

    fn take_with(&mut self, report: Report) -> SetupError {
        self.add(report);
        let plan = PlanError::from_problems(std::mem::take(&mut self.plan));
        SetupError { report: self.report.take(), plan }
    }

    /// Keeps the problems of the plan; those that only follow from services that were `lost` to
    /// other problems would mislead.
    fn plan_of(&mut self, plan: Result<Blueprint, PlanError>, lost: bool) -> Option<Blueprint> {
        let error = match plan {
            Ok(blueprint) => return Some(blueprint),
            Err(error) => error,
        };
        let follows = |problem: &&PlanProblem| {
            lost && matches!(problem.code, PlanCode::MissingProvider | PlanCode::UnknownService)
        };
        let own = error.problems().iter().filter(|problem| !follows(problem));
        self.plan.extend(own.cloned());
        None
    }

    fn into_error(self) -> Option<SetupError> {
        match (self.report, PlanError::from_problems(self.plan)) {
            (None, None) => None,
            (report, plan) => Some(SetupError { report, plan }),
        }
    }
}

/// Makes the specs of all services.
struct Specs<'a> {
    services: Section,
    defaults: &'a DefaultsSection,
    problems: &'a mut Problems,
    specs: Vec<Spec>,
    levels: Vec<(ServiceName, Level)>,
    /// Sections of the file that belong to a service registered in code.
    taken: Vec<String>,
    /// The section `defaults` is right by itself.
    defaults_fit: bool,
    /// Some service has no spec, because of a problem that was told.
    lost: bool,
}

// === impl Specs ===

impl<'a> Specs<'a> {
    fn new(document: &Document, defaults: &'a DefaultsSection, problems: &'a mut Problems) -> Self {
        let services = document.section(&["services"]);
        // Without its keys it reads as nothing, unless it is no map at all.
        let _ = problems.keep(services.split(&[]).0.read::<ServiceKeys>());
        let (specs, levels, taken) = (Vec::new(), Vec::new(), Vec::new());
        let section = document.section(&["defaults"]);
        problems.keep(hang::check_defaults(&defaults.processpype, &section));
        let defaults_fit = match framework_keys::check_defaults(defaults, &section) {
            Ok(()) => true,
            Err(report) => {
                problems.add(report);
                false
            }
        };
        Self { services, defaults, problems, specs, levels, taken, defaults_fit, lost: false }
    }

    fn add_declared(&mut self, declared: Declared) {
        let name = match &declared.name {
            Some(name) => ServiceName::new(name),
            None => declared.kind.default_name(),
        };
        let name = match name {
            Ok(name) => name,
            Err(error) => {
                let problem = PlanProblem::new(PlanCode::Declaration, error.to_string());
                self.problems.plan.push(problem.help("name the service with `.named(\"…\")`"));
                self.lost = true;
                return;
            }
        };
        let section = self.services.get(name.as_str());
        self.taken.push(name.as_str().to_owned());
        let (keys, own) = self.keys(&section);
        if keys.kind.is_some() {
            let problem = section
                .get("kind")
                .problem(format!("`{name}` is registered in code: its section takes no `kind`"));
            self.problems.add(problem.help("remove the key, or name the service otherwise").into());
        }
        let mut spec = Spec {
            kind_name: name.as_str().into(),
            name,
            kind: Arc::new(declared.kind),
            section: own,
            options: declared.options,
            uses: Vec::new(),
            depends_on: declared.depends_on.into_iter().map(|to| (to, EdgeOrigin::Code)).collect(),
            edges: Vec::new(),
        };
        for (role, instance) in declared.uses {
            spec.uses.push(Choice { role, instance, origin: EdgeOrigin::Code });
        }
        for (provider, policy) in declared.edges {
            spec.edges.push(EdgeChoice { provider, policy, origin: EdgeOrigin::Code });
        }
        self.finish(spec, keys, &section);
    }

    fn add_from_file(&mut self, kinds: &[(String, Arc<Kind>)]) {
        for (key, origin) in self.services.keys() {
            if self.taken.contains(&key) || key.starts_with("x-") {
                continue;
            }
            self.lost |= self.add_instance(&key, origin, kinds).is_none();
        }
    }

    fn add_instance(
        &mut self,
        key: &str,
        origin: Origin,
        kinds: &[(String, Arc<Kind>)],
    ) -> Option<()> {
        let section = self.services.get(key);
        let kind_name = self.kind_name(key, &section, kinds)?;
        let name = ServiceName::new(key)
            .map_err(|error| {
                self.problems.add(section.problem(error.to_string()).at(origin).into());
            })
            .ok()?;
        let (_, kind) = kinds.iter().find(|(name, _)| *name == kind_name)?;
        let (keys, own) = self.keys(&section);
        let spec = Spec {
            name,
            kind_name: kind_name.into(),
            kind: Arc::clone(kind),
            section: own,
            options: Options::default(),
            uses: Vec::new(),
            depends_on: Vec::new(),
            edges: Vec::new(),
        };
        self.finish(spec, keys, &section);
        Some(())
    }

    /// Returns the kind that a section names, if there is such a kind.
    fn kind_name(
        &mut self,
        key: &str,
        section: &Section,
        kinds: &[(String, Arc<Kind>)],
    ) -> Option<String> {
        let names = || kinds.iter().map(|(name, _)| name.as_str());
        let kind = section.get("kind");
        if !kind.exists() {
            let known = self.taken.iter().map(String::as_str);
            let problem = section.problem(format!("there is no service `{key}`"));
            let problem = problem.hint_nearest(key, known.clone()).valid(known);
            let help = "a section of a service that is not registered in code needs `kind: …`";
            self.problems.add(problem.help(help).into());
            return None;
        }
        let name: String = match kind.read() {
            Ok(name) => name,
            Err(report) => {
                self.problems.add(report);
                return None;
            }
        };
        if names().any(|known| known == name) {
            return Some(name);
        }
        let problem = kind.problem(format!("there is no kind `{name}`"));
        self.problems.add(problem.hint_nearest(&name, names()).valid(names()).into());
        None
    }

    /// Splits a section into the framework's keys and the service's own.
    fn keys(&mut self, section: &Section) -> (ServiceKeys, Section) {
        let (keys, own) = section.split(&FRAMEWORK_KEYS);
        (self.problems.keep(keys.read()), own)
    }

    fn finish(&mut self, mut spec: Spec, keys: ServiceKeys, section: &Section) {
        self.check_collisions(&spec);
        let defaults = self.defaults;
        if let Some(level) = keys.log_level.or(defaults.log_level) {
            self.levels.push((spec.name.clone(), level));
        }
        let own = section.get("restart").exists();
        let further = [&keys.processpype, &defaults.processpype];
        let limits = hang::apply(&mut spec.options, further, section);
        self.problems.keep(limits);
        if let Err(report) = framework_keys::apply(&mut spec, keys, defaults, section)
            && (own || self.defaults_fit)
        {
            self.problems.add(report);
        }
        self.specs.push(spec);
    }

    /// A service's own configuration must not have a key of the framework: it could never be set.
    fn check_collisions(&mut self, spec: &Spec) {
        for config in spec.kind.config_types() {
            let schema = config.own_schema();
            let properties = schema.get("properties").and_then(|value| value.as_object());
            let keys = properties.into_iter().flat_map(|properties| properties.keys());
            for key in keys.filter(|key| FRAMEWORK_KEYS.contains(&key.as_str())) {
                let message = format!(
                    "`{}` has a field `{key}` in its configuration `{}`: it is the framework's",
                    spec.name,
                    config.type_name()
                );
                let problem = PlanProblem::new(PlanCode::Declaration, message);
                self.problems.plan.push(problem.help("rename the field"));
            }
        }
    }
}

// === impl SetupError ===

impl SetupError {
    /// A setting that the control plane refuses.
    pub(crate) fn of_settings(error: &impl fmt::Display) -> Self {
        let problem = processpype_config::Problem::new(error.to_string());
        Self { report: Some(problem.into()), plan: None }
    }

    /// Returns what is wrong in the configuration.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        self.report.as_ref()
    }

    /// Returns what is wrong in the plan.
    #[must_use]
    pub fn plan(&self) -> Option<&PlanError> {
        self.plan.as_ref()
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.report, &self.plan) {
            (Some(report), Some(plan)) => write!(f, "{report}\n\n{plan}"),
            (Some(report), None) => report.fmt(f),
            (None, Some(plan)) => plan.fmt(f),
            (None, None) => Ok(()),
        }
    }
}

impl std::error::Error for SetupError {}
