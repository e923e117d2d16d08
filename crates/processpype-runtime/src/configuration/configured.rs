//! The configuration of one service.
//!
//! # Invariants
//!
//! 1. There is one for each service, whether it ever runs or not: what most have nothing of is in a
//!    box, which is made for those that have.
//! 2. Its `Debug` shows paths and keys, and no value.

use std::fmt;
use std::sync::Arc;

use processpype_config::{Document, Layer, Report, Section};

use super::{Configurer, Secrets};
use crate::blueprint::{Options, Spec, Ties};

/// The configuration of one service, checked.
///
/// Made by a [`Configurer`](crate::Configurer), from a specification that was checked and what came
/// over the API: [`Configured::of`] and [`Configured::with_layer`]. A generation begins with what
/// holds at that moment, and its constructor reads its [`Config`](crate::Config) from the section.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Configured {
    /// The framework's keys, as they hold; no timeout is longer than
    /// [`TIMEOUT_MAX`](crate::TIMEOUT_MAX).
    pub options: Arc<Options>,
    /// Its own section, everything laid over it; `${…}` is resolved when a generation begins.
    pub section: Section,
    /// What only services have that were configured while the application runs, that joined then,
    /// or that have secrets.
    rare: Option<Box<Rare>>,
}

/// What most services have nothing of.
#[derive(Clone, Default)]
struct Rare {
    layer: Layer,
    joined: Option<Arc<Joined>>,
    planted: Option<Arc<Planted>>,
    base: Option<Arc<Document>>,
    /// Those in the section, also those that it only refers to; hidden for as long as this is
    /// there.
    secrets: Secrets,
}

/// What a service was registered with that joined at run time.
///
/// It takes the place of a section of the file, for as long as the service is there: a reload does
/// not touch it, and what comes over the API lies over it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Joined {
    /// The name of its kind, if it was made of one that the application knows by name.
    pub kind: Option<Arc<str>>,
    /// Its section.
    pub section: Layer,
    /// The document whose `defaults` it got.
    pub document: Document,
}

/// What cannot change of a service that joined because the files named it: it takes the place of
/// the plan of the start, which knows nothing of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planted {
    /// The name of its kind.
    pub kind: Arc<str>,
    /// Whom it needs.
    pub ties: Option<Ties>,
}

// === impl Joined ===

impl Joined {
    /// Says with which section a service joins, and over which document's `defaults` it lies.
    #[must_use]
    pub fn new(kind: Option<Arc<str>>, section: Layer, document: Document) -> Self {
        Self { kind, section, document }
    }
}

// === impl Configured ===

impl Configured {
    /// Makes the configuration of a service that nobody configured over the API.
    #[must_use]
    pub fn of(spec: &Spec) -> Self {
        let Spec { options, section, joined, secrets, .. } = spec;
        let (options, section) = (Options::bounded(options), section.clone());
        let mut new = Self { options, section, rare: None };
        if joined.is_some() || !secrets.is_empty() {
            let (joined, secrets) = (joined.clone(), secrets.clone());
            new.rare = Some(Box::new(Rare { joined, secrets, ..Rare::default() }));
        }
        new
    }

    /// Adds what came over the API; it is in options and section already.
    #[must_use]
    pub fn with_layer(mut self, layer: Layer) -> Self {
        if self.rare.is_some() || !layer.is_empty() {
            self.rare.get_or_insert_default().layer = layer;
        }
        self
    }

    /// Adds where what lies below the API is from: what it was registered with, in place of a
    /// section of the file, and the document, if it is another one than that of the start.
    #[must_use]
    pub fn with_base(
        mut self,
        joined: Option<Arc<Joined>>,
        document: Option<Arc<Document>>,
    ) -> Self {
        if self.rare.is_some() || joined.is_some() || document.is_some() {
            let rare = self.rare.get_or_insert_default();
            (rare.joined, rare.base) = (joined, document);
        }
        self
    }

    /// Adds what cannot change of a service that joined because the files named it.
    #[doc(hidden)]
    #[must_use]
    pub fn with_planted(mut self, planted: Option<Arc<Planted>>) -> Self {
        if self.rare.is_some() || planted.is_some() {
            self.rare.get_or_insert_default().planted = planted;
        }
        self
    }

    /// Returns what cannot change of a service that joined because the files named it; `None` for
    /// all others.
    #[doc(hidden)]
    #[must_use]
    pub fn planted(&self) -> Option<&Arc<Planted>> {
        self.rare.as_ref()?.planted.as_ref()
    }

    /// Returns what came over the API, and lies over everything else.
    ///
    /// For a framework's key it is in `options` already, for its own in `section`.
    #[must_use]
    pub fn layer(&self) -> Layer {
        self.rare.as_ref().map_or_else(Layer::default, |rare| rare.layer.clone())
    }

    /// Returns what a service was registered with that joined at run time, in place of a section of
    /// the file. `None` for those that have been there from the start.
    #[must_use]
    pub fn joined(&self) -> Option<&Arc<Joined>> {
        self.rare.as_ref()?.joined.as_ref()
    }

    /// Returns the document that its section was read from, if that is not the one of the start: a
    /// service that a reload leaves as it is keeps its own.
    #[must_use]
    pub fn base(&self) -> Option<&Arc<Document>> {
        self.rare.as_ref()?.base.as_ref()
    }

    /// Returns the secrets in its section that nobody hides yet.
    #[must_use]
    pub fn unhidden_secrets(&self) -> &[String] {
        self.rare.as_ref().map_or(&[], |rare| rare.secrets.unhidden())
    }

    /// Hides them, from now on and for as long as this, or a copy of it, is there.
    pub(crate) fn hide_by(&mut self, configurer: Option<&dyn Configurer>) -> Result<(), Report> {
        self.rare.as_mut().map_or(Ok(()), |rare| rare.secrets.hide_by(configurer))
    }

    /// Whether a generation that began with `other` lives by the secrets in this section: it may
    /// have read other ones than were there when its own was checked.
    #[must_use]
    pub fn has_the_secrets_of(&self, other: &Self) -> bool {
        let [own, others] = [self, other].map(|it| it.rare.as_ref().map(|rare| &rare.secrets));
        own.unwrap_or(&Secrets::default()).are_lived_by(others.unwrap_or(&Secrets::default()))
    }

    /// Notes the secrets that a generation has found in its section.
    pub(crate) fn note_read(&self, found: &Secrets) {
        if let Some(rare) = &self.rare {
            rare.secrets.note_read(found);
        }
    }

    /// Whether those are the secrets in its section.
    pub(crate) fn has_secrets(&self, others: &Secrets) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.secrets == *others)
    }

    /// Whether a generation that began with `other` lives by what this says.
    pub(crate) fn is_lived_by(&self, other: &Self) -> bool {
        self.section.says_what(&other.section) && self.has_the_secrets_of(other)
    }

    /// Whether the same holds.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.is_lived_by(other) && self.options == other.options
    }

    /// Whether hangs are looked for in another way, which needs a new generation.
    pub(crate) fn is_watched_like(&self, other: &Self) -> bool {
        let watch = |it: &Self| (it.options.heartbeat, it.options.watchdog, it.options.poll_times);
        watch(self) == watch(other)
    }
}

impl fmt::Debug for Configured {
    /// A number that was made of secrets is not shown either: who may guess could try it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Configured")
            .field("options", &self.options)
            .field("section", &self.section)
            .field("layer", &self.layer())
            .finish_non_exhaustive()
    }
}
