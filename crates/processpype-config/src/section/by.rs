//! Reading a section by a schema that its type does not make.

use schemars::Schema;
use serde::de::DeserializeOwned;

use super::Section;
use crate::interpolate::Resolver;
use crate::report::Report;

// === impl Section ===

impl Section {
    /// Reads the section as [`read_collecting`](Self::read_collecting) does, by a schema that the
    /// type does not make: one that is kept, or that leaves out what is not written here.
    ///
    /// The schema is made when it is first used with a document.
    ///
    /// # Example
    ///
    /// ```
    /// # mod processpype { pub use processpype_config as config; }
    /// use processpype::config::{Format, Loader};
    /// use schemars::{Schema, json_schema};
    ///
    /// fn word() -> Schema {
    ///     json_schema!({ "type": "string", "pattern": "^[a-z]+$" })
    /// }
    ///
    /// let document = Loader::new().text("app.yaml", Format::Yaml, "one: abc\ntwo: A1").load()?;
    /// let read = |key| document.section(&[key]).read_by::<String>(word, &mut Vec::new());
    /// assert_eq!(read("one")?, "abc");
    /// assert!(read("two").is_err());
    /// # Ok::<(), processpype_config::Report>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Every problem of the section at once.
    pub fn read_by<T: DeserializeOwned>(
        &self,
        schema: fn() -> Schema,
        sink: &mut Vec<String>,
    ) -> Result<T, Report> {
        let shared = self.shared();
        let rules = shared.rules(schema);
        let resolver =
            Resolver { variables: &shared.variables, backends: shared.backends(), skip: false };
        self.read_with(&rules, Some(resolver), sink)
    }
}
