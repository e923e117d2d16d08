//! Configuration checked while the application runs: of one service, or of everything anew.
//!
//! # Invariants
//!
//! 1. What may change while the process runs is decided here; what may not is refused over the API,
//!    and reported, not half applied, when it stands in the files.
//! 2. A secret is hidden before anything that holds it is handed out, and for as long as anybody
//!    has it who may show it (ADR 0041).
//!
//! # What may change
//!
//! A service's own fields; of the framework's keys `restart`, `start_timeout`, `stop_timeout`,
//! `log_level`, `significant`, `enabled`, `autostart` and what is below `processpype`. The plan is
//! made once: `kind`, `depends_on`, `uses`, `edges` and `oneshot` need a restart of the process,
//! and so do the sections `app`, `server`, `observability` and `groups`.

mod compared;
mod shown;
mod written;

use std::fs::Metadata;
use std::path::PathBuf;
use std::sync::Arc;

use processpype_config::{Difference, Document, Effective, Layer, Problem, Report, Section};
use processpype_core::{ServiceName, SortedMap};
use processpype_runtime::{
    Blueprint, ConfigBook, Configured, Configurer, Fixed, Hidden, Joined, Loaded, Refused, Secrets,
    Spec,
};
use processpype_telemetry::{Levels, MAX_SECRETS, Redactor, Unredactable};

use self::compared::Compared;
use self::written::Written;
use crate::catalogue::specs::{Layers, Template};
use crate::catalogue::{Catalogue, new_section, section_of};
use crate::problems::Problems;
use crate::setup::SetupError;

/// The framework's keys that the plan is made from.
const FIXED_KEYS: [&str; 5] = ["kind", "depends_on", "uses", "edges", "oneshot"];

/// The sections that are read once.
const FIXED_SECTIONS: [&str; 4] = ["app", "server", "observability", "groups"];

/// Checks configuration by what code says of the application.
#[derive(Debug)]
pub(crate) struct LiveConfig {
    catalogue: Arc<Catalogue>,
    /// What the files said at the start. The plan is made of it, once: who is there, of which kind,
    /// and who needs whom.
    start: Document,
    /// The levels of the log, if there is one of ours.
    levels: Option<Levels>,
    /// What takes secrets out of everything that could show one.
    redactor: Redactor,
}

// === impl LiveConfig ===

impl LiveConfig {
    pub(crate) fn new(
        catalogue: Arc<Catalogue>,
        start: Document,
        levels: Option<Levels>,
        redactor: Redactor,
    ) -> Self {
        Self { catalogue, start, levels, redactor }
    }

    /// The document that a service's section is in.
    fn base<'a>(&'a self, book: &'a ConfigBook, name: &ServiceName) -> &'a Document {
        let now = book.service(name.as_str());
        let own = now.and_then(|now| now.joined().map(|joined| &joined.document));
        let base = now.and_then(|now| now.base().map(|base| &**base));
        own.or(base).unwrap_or(&self.start)
    }

    fn template(&self, book: &ConfigBook, name: &ServiceName) -> Option<Template> {
        match joined(book, name) {
            Some(joined) => self.catalogue.template_of_kind(joined.kind.as_deref()?),
            None => self.catalogue.template(self.base(book, name), name),
        }
    }

    /// Checks a service with `layer` over the files, or over what it was registered with.
    fn check_service(
        &self,
        book: &ConfigBook,
        name: &ServiceName,
        layer: &Layer,
        template: &Template,
    ) -> Result<Spec, Report> {
        let document = self.base(book, name);
        match joined(book, name) {
            Some(joined) => {
                self.catalogue.check_new(document, template, name, &[&joined.section, layer])
            }
            None => self.catalogue.check(document, template, name, layer),
        }
    }

    /// Refuses a pipe: it can be read once, and whoever reads it again waits for ever.
    fn check_file(&self) -> Result<(), Report> {
        let Some(file) = self.catalogue.file() else { return Ok(()) };
        let is_other = |it: &Metadata| !it.is_file() && !it.is_dir();
        if std::fs::metadata(file).is_ok_and(|it| is_other(&it)) {
            let message = format!("{} is no ordinary file", file.display());
            let help = "put an ordinary file in its place; if it began with a pipe, which is read \
                        once, restart the process";
            return Err(self.start.root().problem(message).help(help).into());
        }
        Ok(())
    }

    /// The kind of a service, as a document has it.
    fn kind(&self, document: &Document, name: &ServiceName) -> Option<Arc<str>> {
        self.catalogue.template(document, name).map(|template| template.kind_name)
    }

    /// Refuses to enable or disable a service if somebody would be left without a provider, or get
    /// another one: who needs whom is decided at start.
    fn check_ties(
        &self,
        book: &ConfigBook,
        name: &ServiceName,
        layer: &Layer,
        enabled: &Section,
    ) -> Result<(), Report> {
        let before = self.catalogue.plan(book.document(), &layers_of(book));
        let mut layers = layers_of(book);
        layers.insert(name.clone(), layer.clone());
        let after = self.catalogue.plan(book.document(), &layers);
        let refused = |why: &str| {
            let problem = enabled.problem(format!("`{name}` cannot change this now: {why}"));
            Err(problem.help("change it in the file and restart the process").into())
        };
        match (before, after) {
            (_, Err(error)) => match error.plan() {
                Some(plan) => refused(&plan.problems()[0].message),
                None => refused("the plan could not be made"),
            },
            (Ok(before), Ok(after)) if !same_ties(&before, &after) => {
                refused("services would get other providers")
            }
            _ => Ok(()),
        }
    }
}

/// Refuses files that have lost all that was in them: whoever is configured there would go on by
/// defaults, and most often the file is being written, or the disk is full.
fn emptied(before: &Document, now: &Document) -> Option<Report> {
    let is_new = |path: &&PathBuf| !before.vacant_files().contains(path);
    let problem = |path: &PathBuf| {
        let message = format!("nothing is in the configuration file {} any more", path.display());
        let help = "look whether it was written to its end; `services: {}` in it says that nothing \
                    else is meant";
        Report::from(Problem::new(message).help(help))
    };
    now.vacant_files().iter().filter(is_new).map(problem).reduce(Report::merge)
}

/// Refuses files in which nothing stands behind `services` any more. Where a service would leave,
/// that was refused before; here those of code would go on by their defaults.
fn cut_off(before: &Document, now: &Document) -> Option<Report> {
    let [before, now] = [before, now].map(|document| document.section(&["services"]));
    if !now.exists() || now.is_map() || before.names().next().is_none() {
        return None;
    }
    let message = "nothing stands behind `services` any more, and its services would go on by \
                   their defaults";
    Some(Report::from(now.problem(message).help("write `services: {}` if that is meant")))
}

impl Configurer for LiveConfig {
    fn check(
        &self,
        book: &ConfigBook,
        name: &ServiceName,
        layer: &Layer,
    ) -> Result<Configured, Report> {
        let section = match joined(book, name) {
            Some(joined) => new_section(name, &[&joined.section, layer]),
            None => section_of(self.base(book, name), name).under(layer),
        };
        let Some(template) = self.template(book, name) else {
            return Err(unknown(book, name, &section));
        };
        let fixed = fixed_keys(layer, &section);
        let checked = self.check_service(book, name, layer, &template);
        let spec = match (checked, fixed) {
            (Ok(checked), None) => checked,
            (Ok(_), Some(report)) | (Err(report), None) => return Err(report),
            (Err(report), Some(fixed)) => return Err(fixed.merge(report)),
        };
        let before = book.service(name.as_str()).map(|before| before.options.enabled);
        let joined = joined(book, name).cloned();
        if joined.is_none() && before.is_some_and(|before| before != spec.options.enabled) {
            self.check_ties(book, name, layer, &section.get("enabled"))?;
        }
        let base = book.service(name.as_str()).and_then(|now| now.base().cloned());
        let planted = book.service(name.as_str()).and_then(|now| now.planted().cloned());
        let new = Configured::of(&spec).with_layer(layer.clone()).with_planted(planted);
        Ok(new.with_base(joined, base))
    }

    fn load(&self, book: &ConfigBook) -> Result<Loaded, Refused> {
        let read = self.check_file().and_then(|()| self.catalogue.load());
        let refused = |report| Refused::new(Some(report), None);
        let document = read.map_err(refused)?;
        if let Some(report) = emptied(book.document(), &document) {
            return Err(refused(report));
        }
        let mut layers = layers_of(book);
        // What came over the API for a service of another kind says nothing here: that is fixed.
        layers
            .retain(|name, _| self.kind(&document, name) == self.kind(self.base(book, name), name));
        let assembled = self.catalogue.assemble(&document, &layers, Problems::default());
        let assembled = assembled.map_err(SetupError::into_refused)?;
        let before = self.catalogue.plan(&self.start, &Layers::new()).ok();
        let secrets = Secrets::found(assembled.secrets);
        let mut loaded = Loaded { document, secrets, ..Loaded::default() };
        for section in FIXED_SECTIONS {
            let all = shown::section_differences(section, &self.start, &loaded.document);
            if !all.is_empty() {
                loaded.fixed.push(fixed(section, "it is read once, when the process starts"));
            }
            loaded.differences.extend(all);
        }
        for section in ["secrets", "defaults"] {
            let all = shown::section_differences(section, book.document(), &loaded.document);
            loaded.differences.extend(all);
        }
        let base = Arc::new(loaded.document.clone());
        let (layers, before) = (&layers, before.as_ref());
        let loaded = &mut loaded;
        let mut compared = Compared { live: self, book, layers, before, base, loaded };
        let is_possible = compared.services(&assembled.blueprint);
        let loaded = std::mem::take(compared.loaded);
        is_possible.map_err(|plan| Refused::new(None, Some(plan)))?;
        match cut_off(book.document(), &loaded.document) {
            Some(report) => Err(refused(report)),
            None => Ok(loaded),
        }
    }

    fn effective(&self, book: &ConfigBook, name: &ServiceName) -> Vec<Effective> {
        let (Some(template), Some(now)) = (self.template(book, name), book.service(name.as_str()))
        else {
            return Vec::new();
        };
        let now = Written::of(&self.start, name, now);
        shown::effective(self.base(book, name), name, &template, &now)
    }

    fn differences(
        &self,
        book: &ConfigBook,
        name: &ServiceName,
        new: &Configured,
    ) -> Vec<Difference> {
        match (self.template(book, name), book.service(name.as_str())) {
            (Some(template), Some(now)) => {
                let written = |it| Written::of(&self.start, name, it);
                shown::differences(&template.kind, &written(now), &written(new))
            }
            _ => Vec::new(),
        }
    }

    fn hide(&self, secrets: &[String]) -> Result<Hidden, Report> {
        let hidden = self.redactor.hold(secrets).map_err(|_| full(&self.start))?;
        tell_unhidden(hidden.unhidden().iter().copied());
        Ok(Hidden::by(hidden))
    }

    fn adopt(&self, name: &ServiceName, now: &Configured) {
        let Some(levels) = &self.levels else { return };
        match now.options.log_level {
            Some(level) => levels.set_service(name.as_str(), level.into()),
            None => self.forget(name),
        }
    }

    fn forget(&self, name: &ServiceName) {
        // A change costs a walk over all that logs.
        if let Some(levels) = &self.levels
            && levels.services().contains_key(name.as_str())
        {
            levels.reset_service(name.as_str());
        }
    }
}

/// What a service was registered with, if it joined at run time.
fn joined<'a>(book: &'a ConfigBook, name: &ServiceName) -> Option<&'a Arc<Joined>> {
    book.service(name.as_str())?.joined()
}

fn unknown(book: &ConfigBook, name: &ServiceName, section: &Section) -> Report {
    let problem = match joined(book, name) {
        Some(_) => {
            let message = format!("`{name}` was registered by code, with a type that has no name");
            section.problem(message).help("register it anew, with another configuration")
        }
        None => section.problem(format!("there is no service `{name}`")),
    };
    problem.into()
}

fn fixed(path: &str, why: &str) -> Fixed {
    Fixed::new(path, why)
}

/// What came over the API and holds.
fn layers_of(book: &ConfigBook) -> Layers {
    let in_files = book.services().filter(|(_, now)| now.joined().is_none());
    let configured = in_files.filter(|(_, now)| !now.layer().is_empty());
    configured.map(|(name, now)| (name.clone(), now.layer())).collect()
}

/// Refuses keys in a layer that the plan was made from.
fn fixed_keys(layer: &Layer, section: &Section) -> Option<Report> {
    let keys = layer.keys().into_iter().filter(|key| FIXED_KEYS.contains(key));
    let problem = |key: &str| {
        let message = format!("`{key}` cannot change while the process runs");
        let help = "the plan is made from it at start: change it in the file, and restart";
        Report::from(section.get(key).problem(message).help(help))
    };
    keys.map(problem).reduce(Report::merge)
}

fn same_ties(before: &Blueprint, after: &Blueprint) -> bool {
    let names = before.specs().iter().map(|spec| &spec.name);
    names.into_iter().all(|name| before.ties(name) == after.ties(name))
}

fn full(start: &Document) -> Report {
    let message =
        format!("{MAX_SECRETS} secrets are hidden already, and one more could not be hidden");
    let help = "those of a generation that still stops count too: try again once it is gone, or \
                use fewer secrets";
    start.root().problem(message).help(help).into()
}

/// Tells of secrets that log and answers may show, since they cannot be hidden.
pub(crate) fn tell_unhidden(all: impl Iterator<Item = Unredactable>) {
    let mut counts: SortedMap<Unredactable, usize> = SortedMap::new();
    all.for_each(|why| *counts.get_or_insert_with(why, || 0) += 1);
    for (why, secrets) in counts {
        tracing::warn!(target: "processpype", secrets, "log and answers may show them: {why}");
    }
}

#[cfg(test)]
mod tests {
    use processpype_core::LogLevel;
    use processpype_runtime::Kind;
    use processpype_telemetry::{Level, LoggingConfig};

    use super::*;
    use crate::application::Application;

    struct Plain;

    impl processpype_runtime::Service for Plain {}

    #[test]
    fn a_level_begins_with_a_service_and_ends_with_it() {
        let setup = Application::new().setup().expect("nothing is in it");
        let levels = Levels::new(&LoggingConfig::default());
        let live = LiveConfig::new(
            setup.catalogue,
            setup.document,
            Some(levels.clone()),
            Redactor::default(),
        );
        let name: ServiceName = "plain".parse().expect("a name");
        let mut spec = Spec::new(name.clone(), Arc::new(Kind::of(|| Plain)));
        Arc::make_mut(&mut spec.options).log_level = Some(LogLevel::Debug);
        let debug = Configured::of(&spec);
        let plain = Configured::of(&Spec::new(name.clone(), Arc::new(Kind::of(|| Plain))));
        live.adopt(&name, &debug);
        assert_eq!(levels.level(Some("plain")), Level::Debug);
        live.forget(&name);
        assert_eq!(levels.level(Some("plain")), Level::Info);
        live.adopt(&name, &debug);
        live.adopt(&name, &plain);
        assert!(levels.services().is_empty());
    }
}
