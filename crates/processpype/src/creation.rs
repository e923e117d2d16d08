//! Kinds of which services may be made while the application runs, and how one is made.
//!
//! # Invariants
//!
//! 1. A service is made over the API only of a kind of which code or file say that it may be: what
//!    a kind can do to the machine is known to its author and the operator, not to the framework.
//! 2. What is said over the API is all there is: a section of the file that has the same name is
//!    not looked at; the section `defaults` is.

use std::sync::Arc;

use processpype_config::{Document, Report};
use processpype_runtime::{CreateError, Creator, Joined, Kind, Spec, Wish};

use crate::application::Application;
use crate::catalogue::Catalogue;
use crate::setup::Setup;

/// Makes services of kinds, by what code and file say.
#[derive(Debug)]
pub(crate) struct KindCreator {
    catalogue: Arc<Catalogue>,
    creatable: Vec<String>,
}

// === impl Application ===

impl Application {
    /// Says that services of the kind added last may be made while the application runs, by
    /// whoever may: `POST /services`, and `register` on the command line.
    ///
    /// Without it they come from the file alone. Say it of kinds that do no harm whatever their
    /// configuration is; one that runs commands or opens files by name is none of them. The file
    /// has the last word: `server: {creatable_kinds: [ticker]}`.
    ///
    /// ```
    /// use processpype::{Application, Service};
    ///
    /// struct Ticker;
    /// impl Service for Ticker {}
    ///
    /// let app = Application::new().kind("ticker", || Ticker).creatable();
    /// app.check()?;
    /// # Ok::<(), processpype::SetupError>(())
    /// ```
    pub fn creatable(mut self) -> Self {
        match self.kinds.last() {
            Some((name, _)) => self.creatable.push(name.clone()),
            None => self.refuse("`.creatable()` comes after `.kind(…)`".to_owned()),
        }
        self
    }
}

// === impl KindCreator ===

impl KindCreator {
    pub(crate) fn of(setup: &Setup) -> Self {
        let chosen = setup.settings.server.creatable_kinds.clone();
        let creatable = chosen.unwrap_or_else(|| setup.catalogue.creatable().to_vec());
        Self { catalogue: Arc::clone(&setup.catalogue), creatable }
    }
}

impl Creator for KindCreator {
    fn create(&self, document: &Document, wish: &Wish) -> Result<Spec, CreateError> {
        let creatable = self.creatable.clone();
        let Some(template) = self.catalogue.template_of_kind(&wish.kind) else {
            return Err(CreateError::UnknownKind { creatable });
        };
        if !creatable.contains(&wish.kind) {
            return Err(CreateError::NotCreatable { creatable });
        }
        let checked = self.catalogue.check_new(document, &template, &wish.name, &[&wish.section]);
        // Its secrets are hidden when it is registered.
        let mut spec = checked.map_err(CreateError::Config)?;
        let document = document.clone();
        let (kind, section) = (Some(wish.kind.as_str().into()), wish.section.clone());
        spec.joined = Some(Arc::new(Joined::new(kind, section, document)));
        Ok(spec)
    }

    fn creatable(&self) -> Vec<String> {
        self.creatable.clone()
    }
}

/// Checks the kinds that the file names.
pub(crate) fn check(
    document: &Document,
    chosen: Option<&[String]>,
    kinds: &[(String, Arc<Kind>)],
) -> Result<(), Report> {
    let known = || kinds.iter().map(|(name, _)| name.as_str());
    let section = document.section(&["server", "creatable_kinds"]);
    let chosen = chosen.unwrap_or_default().iter();
    let unknown = chosen.filter(|name| known().all(|known| known != *name));
    let problem = |name: &String| {
        let problem = section.problem(format!("there is no kind `{name}`"));
        Report::from(problem.hint_nearest(name, known()).valid(known()))
    };
    unknown.map(problem).reduce(Report::merge).map_or(Ok(()), Err)
}
