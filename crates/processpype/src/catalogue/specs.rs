//! From sections of the file to specifications of services.
//!
//! # Invariants
//!
//! 1. A section is read in one way, whether the application is put together, a file is loaded
//!    again, or something comes over the API: by [`lay`].
//! 2. The file adds edges and chooses providers; it never removes a typed edge.
//! 3. The value of a framework key is the service's own, else the one in `defaults`, else what the
//!    code said: the file overrides the code, and what stands nearer overrides what stands farther.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use processpype_config::{Document, Layer, Problem, Report, Section, switch_of};
use processpype_core::{ServiceName, SortedMap, each};
use processpype_runtime::{
    Choice, EdgeChoice, EdgeOrigin, Kind, Options, PlanCode, PlanProblem, Spec,
};
use schemars::Schema;
use serde_json::Value;

use crate::application::Declared;
use crate::catalogue::lost::Lost;
use crate::framework_keys;
use crate::hang;
use crate::kept;
use crate::problems::Problems;
use crate::settings::{DefaultsSection, FRAMEWORK_KEYS, ServiceKeys};

/// What to do about a name that is none.
const NAMES: &str = "lower-case letters and digits, joined by single `_` or `-`, make one, such as \
                     `mail_queue`";

/// How many kinds a problem names.
const KINDS_NAMED: usize = 12;

/// What code says about one service, or about the instances of one kind.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    pub(crate) kind_name: Arc<str>,
    pub(crate) kind: Arc<Kind>,
    /// `None` = nothing beside the constructor.
    said: Option<Arc<Said>>,
    /// A service of the code, whose section names no kind.
    is_declared: bool,
}

/// What the builder's methods said.
#[derive(Debug, Default)]
struct Said {
    options: Arc<Options>,
    uses: Vec<(String, String)>,
    depends_on: Vec<String>,
    edges: Vec<(String, processpype_core::EdgePolicy)>,
}

/// What came over the API, for each service that it configured.
pub(crate) type Layers = SortedMap<ServiceName, Layer>;

/// Makes the specs of all services.
pub(crate) struct Specs<'a> {
    services: Section,
    defaults: &'a DefaultsSection,
    layers: &'a Layers,
    problems: &'a mut Problems,
    pub(crate) specs: Vec<Spec>,
    /// Sections of the file that belong to a service registered in code.
    taken: Vec<String>,
    /// The section `defaults` is right by itself.
    defaults_fit: bool,
    /// What was said of each kind that the file has named.
    templates: HashMap<*const Kind, Template>,
    /// What is wrong with the configuration of each kind.
    pub(crate) faults: Faults,
    /// Services that have no spec, because of a problem that was told.
    pub(crate) lost: Vec<Lost>,
}

/// What is wrong with the configuration of each kind.
pub(crate) type Faults = HashMap<*const Kind, Vec<Fault>>;

/// What is wrong with the type of a configuration: the author's mistake, whatever a file says.
pub(crate) struct Fault {
    text: String,
    help: &'static str,
    /// The framework's key that a field is named like.
    key: Option<String>,
}

/// One section with the framework's keys and its own fields apart.
struct Split {
    keys: ServiceKeys,
    own: Section,
}

// === impl Template ===

impl Template {
    /// Makes the template of a service of the code, with its name.
    ///
    /// # Errors
    ///
    /// It has no name that could be one.
    pub(crate) fn of(declared: Declared) -> Result<(ServiceName, Self), (PlanProblem, Lost)> {
        let Declared { name: said, kind, options, uses, depends_on, edges } = declared;
        let (name, help) = match &said {
            Some(name) => (ServiceName::new(name), Cow::Borrowed(NAMES)),
            None => (kind.default_name(), Cow::Owned(to_name(kind.type_name()))),
        };
        let name = name.map_err(|error| {
            let problem = PlanProblem::new(PlanCode::Declaration, error.to_string()).help(help);
            (problem, Lost::of_code(said, Arc::new(kind.clone())))
        })?;
        let is_plain = uses.is_empty() && depends_on.is_empty() && edges.is_empty();
        let is_plain = is_plain && options == Options::default();
        let said = Said { options: Arc::new(options), uses, depends_on, edges };
        let template = Self {
            kind_name: name.as_str().into(),
            kind: Arc::new(kind),
            said: (!is_plain).then(|| Arc::new(said)),
            is_declared: true,
        };
        Ok((name, template))
    }

    /// Makes the template of the instances of a kind.
    pub(crate) fn of_kind(name: &str, kind: &Arc<Kind>) -> Self {
        let (kind_name, kind) = (name.into(), Arc::clone(kind));
        Self { kind_name, kind, said: None, is_declared: false }
    }

    /// What the framework's keys are where no section says anything.
    pub(crate) fn options(&self) -> Options {
        self.said.as_ref().map_or_else(Options::default, |said| Options::clone(&said.options))
    }

    /// The specification by code alone.
    fn spec(&self, name: ServiceName, section: Section) -> Spec {
        let nothing = Said::default();
        let said = self.said.as_deref().unwrap_or(&nothing);
        let origin = || EdgeOrigin::Code;
        let choice = |(role, instance): &(String, String)| {
            Choice::new(role.clone(), instance.clone(), origin())
        };
        let edge = |(provider, policy): &(String, processpype_core::EdgePolicy)| {
            EdgeChoice::new(provider.clone(), *policy, origin())
        };
        let (kind_name, kind) = (Arc::clone(&self.kind_name), Arc::clone(&self.kind));
        let mut spec = Spec::from_parts(name, kind_name, kind, section, Arc::clone(&said.options));
        spec.uses = each(&said.uses, choice);
        spec.depends_on = each(&said.depends_on, |to| (to.clone(), origin()));
        spec.edges = each(&said.edges, edge);
        spec
    }
}

/// What to write for a service whose type gives it no name.
fn to_name(type_name: &str) -> String {
    let plain = type_name.split('<').next().unwrap_or(type_name);
    let name = ServiceName::of_type(plain);
    let name = name.as_ref().map_or("…", |name| name.as_str());
    format!("name the service, with `.named(\"{name}\")` after its `.service(…)`")
}

/// Lays a section over what code says of a service.
///
/// Always gives a specification: what is wrong is among the problems, and left out. Its own
/// configuration is not looked at; that is [`Spec::check_config`].
pub(crate) fn lay(
    template: &Template,
    name: ServiceName,
    section: &Section,
    (defaults, defaults_fit): (&DefaultsSection, bool),
    problems: &mut Problems,
) -> Spec {
    let Split { keys, own } = split(section, template.is_declared, problems);
    if template.is_declared && keys.kind.is_some() {
        let problem = section
            .get("kind")
            .problem(format!("`{name}` is registered in code: its section takes no `kind`"));
        problems.add(problem.help("remove the key, or name the service otherwise").into());
    }
    let mut spec = template.spec(name, own);
    let level = keys.log_level.or(defaults.log_level);
    let mut options = Options::clone(&spec.options);
    options.log_level = level.map(Into::into);
    let further = [&keys.processpype, &defaults.processpype];
    problems.keep(hang::apply(&mut options, further, section));
    let inherited = (defaults, defaults_fit);
    problems.keep(framework_keys::apply(&mut options, &keys, inherited, section));
    if options != *spec.options {
        spec.options = Arc::new(options);
    }
    framework_keys::tie(&mut spec, keys, section);
    spec
}

/// Splits a section into the framework's keys and the service's own.
///
/// Most services have no key of the framework but `kind`, which was read to know the template: they
/// say nothing more, and need no schema for it.
fn split(section: &Section, is_declared: bool, problems: &mut Problems) -> Split {
    let (written, own) = section.split(&FRAMEWORK_KEYS);
    let says_nothing = match is_declared {
        true => !section.exists(),
        false => written.names().eq(["kind"]),
    };
    let keys = match says_nothing {
        true => ServiceKeys::default(),
        false => problems.keep(kept::read(&written, &mut Vec::new())),
    };
    Split { keys, own }
}

/// Checks the section `defaults` by itself. Returns whether it is right.
pub(crate) fn check_defaults(
    document: &Document,
    defaults: &DefaultsSection,
    mut tell: impl FnMut(Report),
) -> bool {
    let section = document.section(&["defaults"]);
    let hang = hang::check_defaults(&defaults.processpype, &section);
    hang.unwrap_or_else(&mut tell);
    let restart = framework_keys::check_defaults(defaults, &section);
    let fits = restart.is_ok();
    restart.unwrap_or_else(tell);
    fits
}

/// What to write for a service that somebody wants to switch on or off with one word.
fn switched(key: &str, section: &Section) -> String {
    let said = || switch_of(&section.read::<String>().ok()?);
    match section.read().ok().or_else(said) {
        Some(true) => format!("write `{key}: {{kind: …}}`: "),
        Some(false) => format!("write `{key}: {{kind: …, enabled: false}}`, or remove the line: "),
        None => String::new(),
    }
}

// === impl Specs ===

impl<'a> Specs<'a> {
    pub(crate) fn new(
        document: &Document,
        defaults: &'a DefaultsSection,
        layers: &'a Layers,
        problems: &'a mut Problems,
    ) -> Self {
        let services = document.section(&["services"]);
        if services.exists() && services.names().next().is_none() {
            // It reads as nothing, unless it is no map at all.
            let _ =
                problems.keep(kept::read::<ServiceKeys>(&services.split(&[]).0, &mut Vec::new()));
        }
        let defaults_fit = check_defaults(document, defaults, |report| problems.add(report));
        let (specs, taken) = (Vec::new(), Vec::new());
        Self {
            services,
            defaults,
            layers,
            problems,
            specs,
            taken,
            defaults_fit,
            templates: HashMap::new(),
            faults: HashMap::new(),
            lost: Vec::new(),
        }
    }

    pub(crate) fn add_declared(&mut self, name: &ServiceName, template: &Template) {
        self.taken.push(name.as_str().to_owned());
        self.add(template, name.clone());
    }

    pub(crate) fn add_from_file(&mut self, kinds: &[(String, Arc<Kind>)]) {
        let services = self.services.clone();
        for key in services.names() {
            if self.taken.iter().any(|taken| taken == key) || key.starts_with("x-") {
                continue;
            }
            if let Err(kind) = self.add_instance(key, kinds) {
                self.lost.push(Lost::of_file(key, kind));
            }
        }
    }

    /// Returns the kind, if that is known, of a service that cannot be.
    fn add_instance(
        &mut self,
        key: &str,
        kinds: &[(String, Arc<Kind>)],
    ) -> Result<(), Option<Arc<Kind>>> {
        let section = self.services.get(key);
        let kind_name = self.kind_name(key, &section, kinds).ok_or(None)?;
        let (_, kind) = kinds.iter().find(|(name, _)| *name == kind_name).ok_or(None)?;
        let name = ServiceName::new(key).map_err(|error| {
            let problem = section.problem(error.to_string());
            let place = self.services.keys().into_iter().find(|(name, _)| name == key);
            let at_key = match place {
                Some((_, origin)) => problem.at(origin),
                None => problem,
            };
            self.problems.add(at_key.into());
            Some(Arc::clone(kind))
        })?;
        let template = self.templates.entry(Arc::as_ptr(kind));
        let template = template.or_insert_with(|| Template::of_kind(&kind_name, kind)).clone();
        self.add(&template, name);
        Ok(())
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
            if let Some(problem) = without_a_space(key, section) {
                self.problems.add(problem.into());
                return None;
            }
            let known = self.taken.iter().map(String::as_str);
            let problem = section.problem(format!("there is no service `{key}`"));
            let problem = problem.hint_nearest(key, known.clone()).valid(known);
            let mut help =
                "a section of a service that is not registered in code needs `kind: …`".to_owned();
            if !kinds.is_empty() {
                let known: Vec<&str> = names().take(KINDS_NAMED).collect();
                help += &format!("; there is {}", known.join(", "));
            }
            help = switched(key, section) + &help;
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

    fn add(&mut self, template: &Template, name: ServiceName) {
        let mut section = self.services.get(name.as_str());
        if let Some(layer) = self.layers.get(&name) {
            section = section.under(layer);
        }
        let section = self.check_types(&template.kind, &name, section);
        let defaults = (self.defaults, self.defaults_fit);
        self.specs.push(lay(template, name, &section, defaults, self.problems));
    }

    /// A service's own configuration must be a map, and must not have a key of the framework: it
    /// could never be set.
    ///
    /// Returns the section without what such a key says: nobody can say what was meant.
    fn check_types(&mut self, kind: &Arc<Kind>, name: &ServiceName, section: Section) -> Section {
        let faults = self.faults.entry(Arc::as_ptr(kind)).or_insert_with(|| faults(kind));
        for fault in &*faults {
            let message = format!("`{name}` {}", fault.text);
            let problem = PlanProblem::new(PlanCode::Declaration, message);
            self.problems.plan.push(problem.help(fault.help));
        }
        let keys: Vec<&str> = faults.iter().filter_map(|fault| fault.key.as_deref()).collect();
        if keys.is_empty() { section } else { section.split(&keys).1 }
    }
}

/// Whether a service's own configuration has a type by which its section can be checked.
pub(crate) fn is_checkable(faults: &Faults, spec: &Spec) -> bool {
    faults.get(&Arc::as_ptr(&spec.kind)).is_none_or(Vec::is_empty)
}

/// Returns what is wrong with the types of a kind's configuration, each with what to do.
fn faults(kind: &Kind) -> Vec<Fault> {
    let mut faults = Vec::new();
    for config in kind.config_types() {
        let (of, schema) = (config.type_name(), config.own_schema());
        if !may_be_map(&schema) {
            let text = format!("has the configuration `{of}`, which is no map of keys");
            let help = "every section is one: take a struct with named fields";
            faults.push(Fault { text, help, key: None });
        }
        let properties = schema.get("properties").and_then(|value| value.as_object());
        let keys = properties.into_iter().flat_map(|properties| properties.keys());
        for key in keys.filter(|key| FRAMEWORK_KEYS.contains(&key.as_str())) {
            let text = format!("has a field `{key}` in its configuration `{of}`");
            let text = format!("{text}: every service has that key from the framework");
            faults.push(Fault { text, help: "rename the field", key: Some(key.clone()) });
        }
    }
    faults
}

/// Whether a map can be right by a schema. Alternatives are not looked into.
fn may_be_map(schema: &Schema) -> bool {
    match schema.get("type") {
        Some(Value::String(of)) => of == "object",
        Some(Value::Array(all)) => all.iter().any(|of| of == "object"),
        _ => true,
    }
}

/// YAML reads `kind:hello`, without a space, as a key of that name. What follows the colon is not
/// shown: it may be a value.
fn without_a_space(key: &str, section: &Section) -> Option<Problem> {
    let mut keys = section.keys().into_iter();
    let place = match keys.find(|(name, _)| name.starts_with("kind:")) {
        Some((_, origin)) => Some(origin),
        None if key.contains(':') => section.origin(),
        None => return None,
    };
    let problem = section.problem("a `:` is not followed by a space, so it is part of the key");
    let problem = problem.help("put a space after the colon");
    Some(match place {
        Some(origin) => problem.at(origin),
        None => problem,
    })
}
