//! The problems of a configuration and of the plan that follows from it, collected.
//!
//! # Invariants
//!
//! 1. One mistake is told once: both halves of a section that is no map say the same.

use processpype_config::{Document, Origin, Problem, Report, SecretsConfig, Section};
use processpype_runtime::{Blueprint, PlanError, PlanProblem};
use processpype_telemetry::Timezone;

use crate::access::{self, Access};
use crate::catalogue::lost::LostServices;
use crate::export;
use crate::kept::{self, Kept, elsewhere};
use crate::machine;
use crate::settings::{SECTIONS, Settings};
use crate::setup::SetupError;

/// What a problem is about: the mistake and its place.
fn what(problem: &Problem) -> (&str, &str, Option<&Origin>) {
    (problem.message(), problem.path(), problem.origin())
}

/// Collects problems of both sorts.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    report: Option<Report>,
    pub(crate) plan: Vec<PlanProblem>,
    /// Whether what is needed of this machine is looked at too.
    looks_around: bool,
}

// === impl Problems ===

impl Problems {
    /// Collects also what is missing on this machine.
    pub(crate) fn looking_around() -> Self {
        Self { looks_around: true, ..Self::default() }
    }

    /// Adds what was not told yet. Both halves of a section that is no map say that; the later one,
    /// which is the service's own, knows better what to write.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "its callers have nothing more to do with it"
    )]
    pub(crate) fn add(&mut self, report: Report) {
        let mut places = None;
        for problem in report.problems() {
            let problem = &elsewhere::told(problem, &mut places);
            let told = self.report.as_ref().map_or(&[][..], Report::problems);
            if let Some(at) = told.iter().position(|told| what(told) == what(problem)) {
                self.tell_anew(at, problem);
                continue;
            }
            let new = Report::from(problem.clone());
            self.report = Some(match self.report.take() {
                Some(all) => all.merge(new),
                None => new,
            });
        }
    }

    /// Puts a problem in the place of one that says the same. Where some were only counted already,
    /// the first one stays.
    fn tell_anew(&mut self, at: usize, problem: &Problem) {
        let Some(told) = self.report.as_ref().filter(|it| it.count() == it.problems().len()) else {
            return;
        };
        let all = told.problems().iter().enumerate();
        let all = all.map(|(other, told)| if other == at { problem } else { told });
        self.report = all.cloned().map(Report::from).reduce(Report::merge);
    }

    /// Keeps the problems of a result and goes on with a default.
    pub(crate) fn keep<T: Default>(&mut self, result: Result<T, Report>) -> T {
        result.unwrap_or_else(|report| {
            self.add(report);
            T::default()
        })
    }

    /// Reads the framework's sections, and the secrets in them.
    pub(crate) fn settings(&mut self, document: &Document) -> (Settings, Access, Vec<String>) {
        let root = document.root();
        let known = root.known_keys(&SECTIONS);
        self.keep(known);
        let mut found = Vec::new();
        let secrets = Some(root.get("secrets")).filter(Section::exists);
        let _: Option<SecretsConfig> = self.keep(secrets.map(|it| it.read()).transpose());
        let settings = Settings {
            app: self.section(&root, "app", &mut Vec::new()),
            server: self.section(&root, "server", &mut found),
            observability: self.section(&root, "observability", &mut found),
            defaults: self.section(&root, "defaults", &mut Vec::new()),
        };
        let tracing = document.section(&["observability", "tracing"]);
        export::check(&settings.observability.tracing, &tracing, |report| self.add(report));
        let access = access::read(document, &settings.server, |report| self.add(report));
        if self.looks_around {
            machine::check(document, &access, |report| self.add(report));
        }
        if let Err(error) = Timezone::named(&settings.app.timezone) {
            let section = document.section(&["app", "timezone"]);
            self.add(section.problem(error.to_string()).into());
        }
        (settings, access, found)
    }

    /// Reads a section of the framework.
    ///
    /// One that was written nowhere is its default, and no schema is needed to know it.
    fn section<T: Default + Kept>(
        &mut self,
        root: &Section,
        key: &str,
        secrets: &mut Vec<String>,
    ) -> T {
        let section = root.get(key);
        if section.exists() { self.keep(kept::read(&section, secrets)) } else { T::default() }
    }

    pub(crate) fn take_with(&mut self, report: Report) -> SetupError {
        self.add(report);
        let plan = PlanError::from_problems(std::mem::take(&mut self.plan));
        SetupError::new(self.report.take(), plan)
    }

    /// Keeps the problems of the plan; those that only follow from services that were `lost` to
    /// other problems would mislead.
    pub(crate) fn plan_of(
        &mut self,
        plan: Result<Blueprint, PlanError>,
        lost: &LostServices<'_>,
    ) -> Option<Blueprint> {
        let error = match plan {
            Ok(blueprint) => return Some(blueprint),
            Err(error) => error,
        };
        let follows = |it: &&PlanProblem| it.missing.as_ref().is_some_and(|it| lost.explain(it));
        let own = error.problems().iter().filter(|problem| !follows(problem));
        self.plan.extend(own.cloned());
        None
    }

    /// Returns the problems of the configuration alone.
    pub(crate) fn into_report(self) -> Option<Report> {
        self.report
    }

    pub(crate) fn into_error(self) -> Option<SetupError> {
        match (self.report, PlanError::from_problems(self.plan)) {
            (None, None) => None,
            (report, plan) => Some(SetupError::new(report, plan)),
        }
    }
}
