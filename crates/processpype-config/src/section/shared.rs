//! What the sections of one document have in common.
//!
//! # Invariant
//!
//! Everything here is made once for a document, when it is first needed, and never changes.
//!
//! # How it fits
//!
//! The outermost place of a section has it, so that a section needs no pointer of its own. A
//! section outside of any document, such as `Section::empty("services.counter")`, gets one of its
//! own when it is first read: a schema is then compiled once for it and for what is below it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use processpype_core::SortedMap;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;

use super::part::Halves;
use super::place::Place;
use super::{Document, Section};
use crate::interpolate::{Resolver, Variables};
use crate::limits::MAX_SPLITS;
use crate::node::Node;
use crate::overlay::Stray;
use crate::report::Report;
use crate::rules::Rules;
use crate::secrets::{BackendConfig, Backends, SecretsConfig};

/// The tree, the variables, and what was worked out of both.
#[derive(Default)]
pub(super) struct Shared {
    root: Option<Node>,
    pub(super) variables: Variables,
    /// The variables that set nothing, although they have the prefix.
    pub(super) strays: Vec<Stray>,
    /// The files that hold nothing.
    pub(super) vacant: Vec<PathBuf>,
    backends: OnceLock<Backends>,
    schemas: Mutex<SortedMap<usize, Arc<Rules>>>,
    halves: Mutex<Vec<Halves>>,
}

// === impl Document ===

impl Document {
    pub(crate) fn new(
        root: Node,
        variables: Variables,
        strays: Vec<Stray>,
        vacant: Vec<PathBuf>,
    ) -> Self {
        let there = Some(root.clone());
        let shared = Shared { root: there, variables, strays, vacant, ..Shared::default() };
        Self { root: Section::at(Place::root(root, Arc::new(shared))) }
    }

    /// The variables that have the prefix and set nothing, in the order of their names.
    ///
    /// A variable is left alone if it has neither `__` nor the name of a section, since it may be
    /// another program's. Most often an underscore is missing, so it is worth a warning. What a
    /// value refers to (`${…}`) is none of them, nor is what Kubernetes sets for a `Service`.
    ///
    /// ```
    /// # mod processpype { pub use processpype_config as config; }
    /// use processpype::config::Loader;
    ///
    /// let variable = ("PROCESSPYPE_SERVER_PORT".to_owned(), "9000".to_owned());
    /// let document = Loader::new().environment([variable]).load()?;
    /// let stray = &document.stray_variables()[0];
    /// assert_eq!(stray.name, "PROCESSPYPE_SERVER_PORT");
    /// assert_eq!(stray.meant.as_deref(), Some("PROCESSPYPE_SERVER__PORT"));
    /// # Ok::<(), processpype_config::Report>(())
    /// ```
    pub fn stray_variables(&self) -> &[Stray] {
        self.root.place.as_ref().map_or(&[], |place| &place.shared().strays)
    }

    /// The files that were read and hold nothing: empty ones, or with nothing but comments.
    ///
    /// That is allowed, and most often not meant: a full disk, or who wrote the file and was ended
    /// on the way, leaves one.
    ///
    /// ```
    /// # mod processpype { pub use processpype_config as config; }
    /// use processpype::config::Loader;
    ///
    /// let file = std::env::temp_dir().join(format!("vacant-{}.yaml", std::process::id()));
    /// std::fs::write(&file, "# later\n")?;
    /// let document = Loader::new().file(&file).load()?;
    /// assert_eq!(document.vacant_files(), [file.clone()]);
    /// std::fs::remove_file(file)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn vacant_files(&self) -> &[PathBuf] {
        self.root.place.as_ref().map_or(&[], |place| &place.shared().vacant)
    }
}

// === impl Shared ===

impl Shared {
    /// The compiled form of a schema.
    pub(super) fn rules(&self, schema: fn() -> Schema) -> Arc<Rules> {
        // A poisoned cache is still a cache: its entries are complete or absent.
        let mut schemas = self.schemas.lock().unwrap_or_else(PoisonError::into_inner);
        // By the function that makes it: where two types have one, it gives one schema.
        Arc::clone(
            schemas
                .get_or_insert_with(schema as usize, || Arc::new(Rules::new(schema().as_value()))),
        )
    }

    /// Both halves that `keys` make of a section.
    pub(super) fn halves(&self, keys: &[&str]) -> Halves {
        let mut all = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.iter().find(|halves| halves.are_of(keys)) {
            return known.clone();
        }
        let halves = Halves::of(keys);
        if all.len() < MAX_SPLITS {
            all.push(halves.clone());
        }
        halves
    }

    /// The declared backends. What is wrong with the section is told by its reader, and by whoever
    /// refers to what is wrong.
    pub(super) fn backends(&self) -> &Backends {
        self.backends.get_or_init(|| {
            let section =
                self.root.as_ref().and_then(Node::as_map).and_then(|map| map.get("secrets"));
            let Some(entry) = section else { return Backends::default() };
            let place = Place::absent(None, "secrets").with(entry.node.clone());
            let section = Section { place: Some(Arc::new(place)), part: None };
            match self.declaration::<SecretsConfig>(&section) {
                Ok(config) => Backends::of(config),
                Err(whole) => {
                    let list = section.get("backends");
                    let names = list.names().filter(|name| !name.starts_with("x-"));
                    let read = |name| self.declaration::<BackendConfig>(&list.get(name));
                    Backends::partly(
                        names.map(|name| (name.to_owned(), read(name))).collect(),
                        &whole,
                    )
                }
            }
        })
    }

    /// Reads what declares backends: with variables, and without secrets, which would go round in a
    /// circle.
    fn declaration<T: DeserializeOwned + JsonSchema>(&self, at: &Section) -> Result<T, Report> {
        let none = Backends::default();
        let resolver = Resolver { variables: &self.variables, backends: &none, skip: false };
        at.read_with::<T>(&rules_of::<T>(), Some(resolver), &mut Vec::new())
    }
}

/// The schema of a type.
pub(super) fn schema_of<T: JsonSchema>() -> Schema {
    let generator = SchemaSettings::draft2020_12().for_deserialize().into_generator();
    generator.into_root_schema_for::<T>()
}

pub(super) fn rules_of<T: JsonSchema>() -> Rules {
    Rules::new(schema_of::<T>().as_value())
}
