//! The configuration that holds, as values: of each service, and of the application as a whole.
//!
//! # Invariants
//!
//! 1. What is in a [`ConfigBook`] has been checked, and never changes: a change makes another book.
//!    The supervisor makes them; everybody else reads.
//! 2. Checking needs files, types and time, and so happens elsewhere, by a [`Configurer`]: the
//!    supervisor only takes over what was checked against the book that still holds.
//! 3. Nothing here is shown by `Debug` but paths and keys.

mod change;
mod configured;
mod next;
mod secrets;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use processpype_config::{Difference, Document, Effective, Layer, Report};
use processpype_core::ServiceName;

pub use self::change::ConfigChange;
pub(crate) use self::change::LayerChange;
pub use self::configured::{Configured, Joined, Planted};
pub(crate) use self::next::{Next, goes_on_after_stop, next};
pub use self::secrets::{Hidden, Secrets};
use crate::blueprint::Spec;
use crate::directory::Directory;
use crate::layout::Layout;
use crate::problem::PlanError;

/// How often a change is checked anew because another one came in between.
///
/// A change is checked beside the loop, against what holds at that moment. Eight tries lose only to
/// somebody who changes configuration without a pause; the answer is then `busy`.
pub const CONFIGURE_TRIES: usize = 8;

/// The configuration of the whole application, as it holds.
///
/// A snapshot from [`Manager::config_book`](crate::Manager::config_book). It is not for showing:
/// sections have values in them that may be secret. What may be shown is
/// [`Manager::config`](crate::Manager::config).
#[derive(Clone, Debug, Default)]
pub struct ConfigBook {
    pub(crate) revision: u64,
    pub(crate) document: Document,
    /// Those in it that are of no service.
    pub(crate) secrets: Secrets,
    /// Who was there when it was made, in the order of names.
    pub(crate) directory: Arc<Directory>,
    /// What holds for each of them.
    pub(crate) services: Box<[Arc<Configured>]>,
    /// Those of code and files that somebody has deregistered since.
    pub(crate) sent_away: Arc<BTreeSet<ServiceName>>,
}

/// Checks configuration while an application runs; the roof implements it.
///
/// Its methods may read files, and so are called on threads that may block, except for
/// [`adopt`](Self::adopt) and [`forget`](Self::forget).
///
/// One for an application whose services take whatever is sent, and whose files never change:
///
/// ```
/// use processpype_config::{Difference, Effective, Layer, Report};
/// use processpype_core::ServiceName;
/// use processpype_runtime::{
///     Assembly, ConfigBook, ConfigChange, ConfigEffect, Configured, Configurer, Hidden, Kind,
///     Launch, Loaded, Refused, Request, Service, Spec,
/// };
/// use std::sync::Arc;
///
/// #[derive(Debug)]
/// struct TakesAll;
///
/// impl Configurer for TakesAll {
///     fn check(
///         &self,
///         book: &ConfigBook,
///         name: &ServiceName,
///         layer: &Layer,
///     ) -> Result<Configured, Report> {
///         let mut new = Configured::clone(book.service(name.as_str()).expect("it is there"));
///         new.section = new.section.under(layer);
///         Ok(new.with_layer(layer.clone()))
///     }
///
///     fn load(&self, _: &ConfigBook) -> Result<Loaded, Refused> {
///         Ok(Loaded::default())
///     }
///
///     fn effective(&self, _: &ConfigBook, _: &ServiceName) -> Vec<Effective> {
///         Vec::new()
///     }
///
///     fn differences(&self, _: &ConfigBook, _: &ServiceName, _: &Configured) -> Vec<Difference> {
///         Vec::new()
///     }
///
///     fn hide(&self, _: &[String]) -> Result<Hidden, Report> {
///         Ok(Hidden::by(()))
///     }
///
///     fn adopt(&self, _: &ServiceName, _: &Configured) {}
///
///     fn forget(&self, _: &ServiceName) {}
/// }
///
/// struct Ticker;
/// impl Service for Ticker {}
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut launch = Launch::on(tokio::runtime::Handle::current());
/// launch.configurer = Some(Arc::new(TakesAll));
/// let specs = vec![Spec::new("ticker".parse()?, Arc::new(Kind::of(|| Ticker)))];
/// let assembly = Assembly { specs, ..Assembly::default() };
/// let (manager, supervisor) = assembly.check()?.launch(launch);
/// let supervisor = tokio::spawn(supervisor.run());
/// manager.start("ticker").await?;
///
/// let change = ConfigChange::put(Layer::from_json(br#"{"interval": "1s"}"#)?);
/// let operation = manager.configure("ticker", change, Request::by("code")).await?;
/// // A service that does not say how it takes a new configuration over is restarted with it.
/// assert_eq!(operation.outcome().await?.configured, Some(ConfigEffect::Restarted));
/// assert_eq!(manager.config_book().revision(), 2);
/// # manager.close();
/// # supervisor.await?;
/// # Ok(())
/// # }
/// ```
pub trait Configurer: Send + Sync + fmt::Debug {
    /// Checks what the book's document says of a service, with `layer` over it.
    ///
    /// # Errors
    ///
    /// Returns every problem, and also what cannot change while the process runs.
    fn check(
        &self,
        book: &ConfigBook,
        name: &ServiceName,
        layer: &Layer,
    ) -> Result<Configured, Report>;

    /// Loads the layers again from where they are, checks the whole application against them, with
    /// what came over the API on top, and says what differs from the book.
    ///
    /// # Errors
    ///
    /// Returns every problem of configuration and plan.
    fn load(&self, book: &ConfigBook) -> Result<Loaded, Refused>;

    /// Lists what holds for a service: each value with its origin, secrets masked.
    fn effective(&self, book: &ConfigBook, name: &ServiceName) -> Vec<Effective>;

    /// Lists what would hold otherwise for a service, secrets masked.
    fn differences(
        &self,
        book: &ConfigBook,
        name: &ServiceName,
        new: &Configured,
    ) -> Vec<Difference>;

    /// Hides secrets of what is about to be taken over, wherever texts are shown, for as long as
    /// what it returns is there: with whoever needs them. What is only previewed is not: whoever
    /// tries values out must not fill the list.
    ///
    /// # Errors
    ///
    /// The list is full: what cannot be hidden must not be taken over.
    fn hide(&self, secrets: &[String]) -> Result<Hidden, Report>;

    /// Takes note of what holds for a service from now on, one that joins included, for what is no
    /// business of the supervisor: the level of its log. Called by the loop: it neither blocks nor
    /// waits.
    fn adopt(&self, name: &ServiceName, now: &Configured);

    /// Forgets what was noted of a service, which has left: a later one of its name begins anew.
    /// Called by the loop, as [`adopt`](Self::adopt) is.
    fn forget(&self, name: &ServiceName);
}

/// What is in the files, compared with what holds.
#[derive(Clone, Default)]
pub struct Loaded {
    /// The layers, all read and checked.
    pub document: Document,
    /// The services whose configuration would be another one.
    pub services: Vec<(ServiceName, Configured)>,
    /// Every value that differs.
    pub differences: Vec<Difference>,
    /// The services that join, those that others need first.
    pub joining: Vec<(Spec, Configured)>,
    /// The services that leave, dependents first.
    pub leaving: Vec<ServiceName>,
    /// Those of code and files that somebody has deregistered and that are in it all the same: they
    /// stay away. Who is in it no more is free to come back one day: whoever writes the
    /// section again, after a reload without it, means that it is to run. A name that is
    /// listed here and was never deregistered has no effect but to be kept.
    pub away: BTreeSet<ServiceName>,
    /// What differs and cannot change while the process runs.
    pub fixed: Vec<Fixed>,
    /// The secrets in it that are of no service; each service has its own.
    pub secrets: Secrets,
}

impl fmt::Debug for Loaded {
    /// Of secrets only whether there are any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("document", &self.document)
            .field("services", &self.services)
            .field("differences", &self.differences)
            .field("fixed", &self.fixed)
            .field("secrets", &self.secrets)
            .finish()
    }
}

/// Something in the files that holds only after a restart of the process.
///
/// It is told, never half applied: a service whose section has such a key is left as it is, with
/// all of its old configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fixed {
    /// The section or the key, such as `server` or `services.mail.depends_on`.
    pub path: String,
    /// Why it cannot change, in words.
    pub why: String,
}

/// Why what is in the files cannot hold; at least one of both is there.
///
/// Both have all of their problems, as at the start. [`summary`](Self::summary) is one line, for
/// the journal.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Refused {
    /// What is wrong in the configuration.
    pub report: Option<Report>,
    /// What is wrong in the plan.
    pub plan: Option<PlanError>,
}

/// What a new configuration has led to, or would.
///
/// ```
/// # use processpype_runtime as processpype;
/// use processpype::ConfigEffect;
///
/// assert_eq!(ConfigEffect::Kept.as_str(), "kept");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigEffect {
    /// Nothing is different.
    Unchanged,
    /// It holds already, and the service runs on: it took it over, or only the framework's own keys
    /// are concerned.
    Applied,
    /// A new generation has begun with it.
    Restarted,
    /// The service has started with it.
    Started,
    /// It was disabled by it, and has stopped.
    Stopped,
    /// It holds from the next generation on.
    Kept,
}

/// What a change would do, if all goes well; foreseen without doing it.
///
/// It was checked as the change itself would be, so what is foreseen is at least valid.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConfigPreview {
    /// What would hold otherwise.
    pub differences: Vec<Difference>,
    /// What would follow; `None` if the service is asked, and restarted unless it takes it over.
    pub effect: Option<ConfigEffect>,
}

/// What a reload would do, if all goes well.
///
/// Every value that differs is in it, also of the sections that only a restart of the process reads
/// again: those are named in [`fixed`](Self::fixed).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReloadPreview {
    /// The services whose configuration would be another one.
    pub services: Vec<ServicePreview>,
    /// The services that would join, in this order.
    pub joining: Vec<ServiceName>,
    /// The services that would leave, in this order.
    pub leaving: Vec<ServiceName>,
    /// Every value that would be another one.
    pub differences: Vec<Difference>,
    /// What differs and would hold only after a restart of the process.
    pub fixed: Vec<Fixed>,
}

/// What a reload would do to one service.
///
/// Services that would be left alone are not told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServicePreview {
    /// The service.
    pub service: ServiceName,
    /// What would follow; `None` if the service is asked, and restarted unless it takes it over.
    pub effect: Option<ConfigEffect>,
}

/// Why a change of configuration was not accepted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ConfigureError {
    /// It cannot be given now, or to nobody.
    Command(crate::operation::CommandError),
    /// It is not valid.
    Invalid(Report),
    /// What is in the files is not valid.
    Refused(Refused),
}

// === impl ConfigBook ===

impl ConfigBook {
    /// Returns a number that grows with every change.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Returns what the layers below the API say.
    #[must_use]
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Returns what holds for each service, in the order of names.
    pub fn services(&self) -> impl ExactSizeIterator<Item = (&ServiceName, &Arc<Configured>)> {
        let names = self.directory.cells().all().iter().map(|cell| cell.name());
        names.zip(&self.services)
    }

    /// Returns who was there when it was made, and who needs whom; the ids are in the order of
    /// names.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        self.directory.layout()
    }

    /// Returns whether somebody has deregistered a service of code or files that had this name,
    /// whoever had it since, and no reload has found the files without it.
    #[must_use]
    pub fn was_deregistered(&self, name: &ServiceName) -> bool {
        self.sent_away.contains(name)
    }

    /// Returns what holds for one service.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&Arc<Configured>> {
        self.services.get(self.directory.place(name)?)
    }
}

// === impl ConfigEffect ===

impl ConfigEffect {
    /// Returns the word as it stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Applied => "applied",
            Self::Restarted => "restarted",
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Kept => "kept",
        }
    }
}

// === impl Fixed ===

impl Fixed {
    /// Says of a section or a key why it cannot change.
    #[must_use]
    pub fn new(path: impl Into<String>, why: impl Into<String>) -> Self {
        Self { path: path.into(), why: why.into() }
    }
}

// === impl Refused ===

impl Refused {
    /// Refuses for what is wrong in the configuration, in the plan, or in both.
    #[must_use]
    pub fn new(report: Option<Report>, plan: Option<PlanError>) -> Self {
        Self { report, plan }
    }

    /// Returns the first problem in one line, and how many more there are.
    #[must_use]
    pub fn summary(&self) -> String {
        let report = self.report.as_ref();
        let plan = self.plan.as_ref().map_or(&[][..], PlanError::problems);
        let count = report.map_or(0, Report::count) + plan.len();
        let first = report.and_then(|report| report.problems().first()).map(|problem| {
            let place = problem.origin().map_or(String::new(), |at| format!(" ({at})"));
            format!("{}{place}", problem.message())
        });
        let first = first.or_else(|| plan.first().map(|problem| problem.message.clone()));
        let first = first.unwrap_or_default();
        if count > 1 { format!("{first}, and {} more", count - 1) } else { first }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.report, &self.plan) {
            (Some(report), Some(plan)) => write!(f, "{report}\n\n{plan}"),
            (Some(report), None) => report.fmt(f),
            (None, Some(plan)) => plan.fmt(f),
            (None, None) => Ok(()),
        }
    }
}

impl std::error::Error for Refused {}

// === impl ConfigureError ===

impl fmt::Display for ConfigureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(error) => error.fmt(f),
            Self::Invalid(report) => report.fmt(f),
            Self::Refused(refused) => refused.fmt(f),
        }
    }
}

impl std::error::Error for ConfigureError {}

impl From<crate::operation::CommandError> for ConfigureError {
    fn from(error: crate::operation::CommandError) -> Self {
        Self::Command(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_loaded_is_shown_without_secrets() {
        let secrets = Secrets::found(vec!["hunter2".to_owned()]);
        let loaded = Loaded { secrets, ..Loaded::default() };
        let told = format!("{loaded:?}");
        assert!(told.contains("secrets: secrets") && !told.contains("hunter2"), "{told}");
    }
}
