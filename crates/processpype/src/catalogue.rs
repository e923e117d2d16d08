//! What outlives the start: what is needed to check configuration again while the application runs.
//!
//! # Invariants
//!
//! 1. It never changes. What holds now (the loaded document, what came over the API) is the
//!    supervisor's, and comes in as an argument.
//! 2. The start, a reload and a change of one service are checked by the same code: [`assemble`] is
//!    the first two, [`check`] the third.
//! 3. Checking reads files and variables, and changes nothing.
//!
//! [`assemble`]: Catalogue::assemble
//! [`check`]: Catalogue::check

pub(crate) mod lost;
pub(crate) mod specs;

use std::path::Path;
use std::sync::Arc;

use processpype_config::{Document, Layer, Report, Section};
use processpype_core::ServiceName;
use processpype_runtime::{Assembly, Blueprint, GroupSpec, Kind, SharedValues, Spec};

use self::lost::{Lost, LostServices};
use self::specs::{Faults, Layers, Specs, Template};
use crate::access::Access;
use crate::application::{Application, Sources};
use crate::creation;
use crate::groups;
use crate::kept;
use crate::limits::Limits;
use crate::problems::Problems;
use crate::settings::{DefaultsSection, Settings};
use crate::setup::{self, SetupError};

/// What code says of an application: its services, kinds and groups, and where the configuration
/// comes from.
#[derive(Debug)]
pub(crate) struct Catalogue {
    sources: Sources,
    declared: Vec<(ServiceName, Template)>,
    kinds: Vec<(String, Arc<Kind>)>,
    creatable: Vec<String>,
    groups: Vec<GroupSpec>,
    shared: SharedValues,
    limits: Limits,
    /// Services of the code without a name that could be one, which was told.
    lost: Vec<Lost>,
}

/// A whole application, checked against one document.
///
/// No `Debug`: it holds secrets.
pub(crate) struct Assembled {
    pub(crate) settings: Settings,
    pub(crate) access: Access,
    pub(crate) limits: Limits,
    pub(crate) blueprint: Blueprint,
    /// The secret values in the configuration that are of no service, for redaction; each service
    /// has its own.
    pub(crate) secrets: Vec<String>,
}

// === impl Catalogue ===

impl Catalogue {
    /// Takes over what code says; services without a name that could be one are told.
    pub(crate) fn of(application: Application, problems: &mut Problems) -> Self {
        let mut declared = Vec::with_capacity(application.declared.len());
        let mut lost = Vec::new();
        for service in application.declared {
            match Template::of(service) {
                Ok(named) => declared.push(named),
                Err((problem, unnamed)) => {
                    problems.plan.push(problem);
                    lost.push(unnamed);
                }
            }
        }
        Self {
            sources: application.sources,
            declared,
            kinds: application.kinds,
            creatable: application.creatable,
            groups: application.groups,
            shared: application.shared,
            limits: application.limits,
            lost,
        }
    }

    /// Returns the kinds whose instances come from the file.
    pub(crate) fn kinds(&self) -> &[(String, Arc<Kind>)] {
        &self.kinds
    }

    /// Returns the kinds of which services may be made at run time, by what code says.
    pub(crate) fn creatable(&self) -> &[String] {
        &self.creatable
    }

    /// Returns the configuration file, if there is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.sources.file.as_deref().or(self.sources.default_file.as_deref())
    }

    /// Loads the layers of the configuration from where they are.
    ///
    /// # Errors
    ///
    /// Returns what keeps a layer from being read.
    pub(crate) fn load(&self) -> Result<Document, Report> {
        setup::load(&self.sources)
    }

    /// Checks the whole application against a document and what lies over it.
    ///
    /// # Errors
    ///
    /// Returns every problem of configuration and plan.
    pub(crate) fn assemble(
        &self,
        document: &Document,
        layers: &Layers,
        mut problems: Problems,
    ) -> Result<Assembled, SetupError> {
        let (settings, access, secrets) = problems.settings(document);
        let chosen = settings.server.creatable_kinds.as_deref();
        problems.keep(creation::check(document, chosen, &self.kinds));
        let (mut assembly, faults, lost) =
            self.specs(document, &settings.defaults, layers, &mut problems);
        problems.keep(assembly.check_config(|spec| specs::is_checkable(&faults, spec)));
        let lost = LostServices { lost: &lost, kinds: &self.kinds };
        let blueprint = problems.plan_of(assembly.check(), &lost);
        let limits = self.limits.under(&settings.app);
        match (blueprint, problems.into_error()) {
            (Some(blueprint), None) => {
                Ok(Assembled { settings, access, limits, blueprint, secrets })
            }
            (_, Some(error)) => Err(error),
            (None, None) => unreachable!("a plan that cannot be made has a problem"),
        }
    }

    /// Makes the plan of the whole application, without looking at what services say of themselves.
    ///
    /// # Errors
    ///
    /// Returns every problem of the framework's keys and of the plan.
    pub(crate) fn plan(
        &self,
        document: &Document,
        layers: &Layers,
    ) -> Result<Blueprint, SetupError> {
        let mut problems = Problems::default();
        let defaults = document.section(&["defaults"]);
        let defaults = problems.keep(kept::read(&defaults, &mut Vec::new()));
        let (assembly, _, lost) = self.specs(document, &defaults, layers, &mut problems);
        let lost = LostServices { lost: &lost, kinds: &self.kinds };
        let blueprint = problems.plan_of(assembly.check(), &lost);
        match (blueprint, problems.into_error()) {
            (Some(blueprint), None) => Ok(blueprint),
            (_, Some(error)) => Err(error),
            (None, None) => unreachable!("a plan that cannot be made has a problem"),
        }
    }

    /// Puts the application together. Returns what is wrong with types of configuration, too, and
    /// which services are missing because of a problem.
    fn specs(
        &self,
        document: &Document,
        defaults: &DefaultsSection,
        layers: &Layers,
        problems: &mut Problems,
    ) -> (Assembly, Faults, Vec<Lost>) {
        let mut specs = Specs::new(document, defaults, layers, problems);
        specs.lost.clone_from(&self.lost);
        self.declared.iter().for_each(|(name, template)| specs.add_declared(name, template));
        specs.add_from_file(&self.kinds);
        let Specs { specs, faults, lost, .. } = specs;
        let groups = groups::read(document, self.groups.clone(), |report| problems.add(report));
        let (shared, kinds) = (self.shared.clone(), self.kinds.clone());
        (Assembly { specs, groups, shared, kinds }, faults, lost)
    }

    /// Returns what code says of a service, by the name of its section: that it is one of the code,
    /// or which kind the document names. `None` if neither.
    pub(crate) fn template(&self, document: &Document, name: &ServiceName) -> Option<Template> {
        if let Some((_, template)) = self.declared.iter().find(|(declared, _)| declared == name) {
            return Some(template.clone());
        }
        let kind: String = document.section(&["services", name.as_str(), "kind"]).read().ok()?;
        self.template_of_kind(&kind)
    }

    /// Returns what code says of the instances of a kind.
    pub(crate) fn template_of_kind(&self, kind: &str) -> Option<Template> {
        let (name, kind) = self.kinds.iter().find(|(name, _)| name == kind)?;
        Some(Template::of_kind(name, kind))
    }

    /// Checks one service: what the document says of it, with `layer` over it.
    ///
    /// For a service that is in no file the document's part is empty, and `layer` says all.
    ///
    /// # Errors
    ///
    /// Returns every problem of the section, the framework's keys and its own fields together.
    pub(crate) fn check(
        &self,
        document: &Document,
        template: &Template,
        name: &ServiceName,
        layer: &Layer,
    ) -> Result<Spec, Report> {
        self.check_section(document, template, name, &section_of(document, name).under(layer))
    }

    /// Checks a service that is in no file, whatever the document has under its name: `layers` say
    /// all, a later one over an earlier one.
    ///
    /// # Errors
    ///
    /// Returns every problem of the section, the framework's keys and its own fields together.
    pub(crate) fn check_new(
        &self,
        document: &Document,
        template: &Template,
        name: &ServiceName,
        layers: &[&Layer],
    ) -> Result<Spec, Report> {
        let section = new_section(name, layers);
        self.check_section(document, template, name, &section)
    }

    #[expect(clippy::unused_self, reason = "the part of what is asked of it that is the same")]
    fn check_section(
        &self,
        document: &Document,
        template: &Template,
        name: &ServiceName,
        section: &Section,
    ) -> Result<Spec, Report> {
        let defaults = document.section(&["defaults"]);
        let defaults: DefaultsSection = kept::read(&defaults, &mut Vec::new())?;
        let mut problems = Problems::default();
        // The template is known already: nobody has looked yet at what this section says.
        let kind = section.get("kind");
        if let Some(report) = kind.exists().then(|| kind.read::<String>().err()).flatten() {
            problems.add(report);
        }
        let mut spec =
            specs::lay(template, name.clone(), section, (&defaults, true), &mut problems);
        problems.keep(spec.check_config());
        match problems.into_report() {
            None => Ok(spec),
            Some(report) => Err(report),
        }
    }
}

/// The section of a service.
pub(crate) fn section_of(document: &Document, name: &ServiceName) -> Section {
    document.section(&["services", name.as_str()])
}

/// The section of a service that is in no file.
pub(crate) fn new_section(name: &ServiceName, layers: &[&Layer]) -> Section {
    let nothing = Document::empty().section(&["services", name.as_str()]);
    layers.iter().fold(nothing, |section, layer| section.under(layer))
}

#[cfg(test)]
mod tests {
    use processpype_config::{Format, HumanDuration, Secret};
    use processpype_runtime::{Config, Service};
    use schemars::JsonSchema;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize, JsonSchema)]
    #[allow(dead_code, reason = "only its schema is looked at")]
    struct TickerConfig {
        interval: HumanDuration,
        token: Option<Secret<String>>,
    }

    struct Ticker;
    impl Service for Ticker {}

    const FILE: &str = "
defaults: {stop_timeout: 3s}
services:
  slow: {kind: ticker, interval: 1h, restart: {max_restarts: 7}}
";

    fn catalogue() -> (Catalogue, Document) {
        let app = Application::new().kind("ticker", |_: Config<TickerConfig>| Ticker);
        let app = app.config_text("app.yaml", Format::Yaml, FILE).environment([]);
        let catalogue = Catalogue::of(app, &mut Problems::default());
        let document = catalogue.load().unwrap_or_else(|report| panic!("{report}"));
        (catalogue, document)
    }

    /// Checks `json` as what came over the API for the service `name` of kind `ticker`.
    fn check(name: &str, json: &str) -> Result<Spec, Report> {
        let (catalogue, document) = catalogue();
        let name = ServiceName::new(name).expect("a name");
        let template = catalogue.template_of_kind("ticker").expect("a kind");
        let layer = Layer::from_json(json.as_bytes())?;
        catalogue.check(&document, &template, &name, &layer)
    }

    #[test]
    fn a_service_of_the_file_is_checked_with_what_lies_over_it() {
        let checked = check("slow", r#"{"start_timeout": "9s"}"#).expect("it is valid");
        let options = checked.options;
        assert_eq!(options.start_timeout.as_secs(), 9, "of the layer");
        assert_eq!(options.stop_timeout.as_secs(), 3, "of the defaults");
        assert_eq!(options.restart.limit.max_restarts(), Some(7), "of the file");
        let interval = checked.section.get("interval").read::<HumanDuration>();
        assert_eq!(interval.expect("it is valid").as_secs(), 3600);
    }

    #[test]
    fn a_service_that_is_in_no_file_is_all_layer() {
        let checked = check("fast", r#"{"interval": "1s", "token": "hush-hush"}"#);
        assert_eq!(checked.expect("it is valid").secrets.unhidden(), ["hush-hush"]);
        let report = check("fast", "{}").expect_err("it has no interval").to_string();
        assert!(report.contains("missing key `services.fast.interval`"), "{report}");
    }

    #[test]
    fn mistakes_in_both_halves_are_told_together_and_without_the_secret() {
        let json = r#"{"interval": 5, "tokn": "hush-hush", "start_timeout": "soon"}"#;
        let report = check("slow", json).expect_err("three mistakes");
        let pointers: Vec<String> =
            report.problems().iter().map(|it| it.pointer("services.slow")).collect();
        assert_eq!(pointers, ["/start_timeout", "/interval", "/tokn"]);
        let text = report.to_string();
        assert!(text.contains("did you mean `token`?") && !text.contains("hush"), "{text}");
        assert!(text.contains("request body:1:14"), "{text}");
    }
}
