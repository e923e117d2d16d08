//! Checking without looking anything up.
//!
//! A disabled service is checked like any other, so that enabling it is no gamble, but its secrets
//! need not exist on this machine. So a value that holds a reference passes here whatever its type:
//! it is unknown until somebody asks for it.
//!
//! # Invariants
//!
//! 1. No variable is read, no file is opened and no secret is resolved.
//! 2. What passes [`Section::read`] passes here too; the other way round only if every reference
//!    stands for a right value.
//! 3. Nothing is collected for redaction, since nothing secret was seen.

use schemars::JsonSchema;

use super::Section;
use super::shared::schema_of;
use crate::check::{Slot, Walk};
use crate::interpolate::Resolver;
use crate::report::Report;
use crate::secrets::Backends;

impl Section {
    /// Checks the section as [`read`](Self::read) would, but looks up no reference: what `${…}`
    /// stands for may be anything.
    ///
    /// For what shall be right although it is not used, such as a disabled service.
    ///
    /// ```
    /// # mod processpype { pub use processpype_config as config; }
    /// use processpype::config::{Format, Loader};
    ///
    /// let text = "port: ${NOT_SET}\nname: 5";
    /// let document = Loader::new().text("config.yaml", Format::Yaml, text).load()?;
    /// assert!(document.section(&["port"]).check::<u16>().is_ok());
    /// assert!(document.section(&["name"]).check::<bool>().is_err());
    /// # Ok::<(), processpype_config::Report>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Every problem of the section at once.
    pub fn check<T: JsonSchema>(&self) -> Result<(), Report> {
        let shared = self.shared();
        let rules = shared.rules(schema_of::<T>);
        let none = Backends::default();
        let resolver = Resolver { variables: &shared.variables, backends: &none, skip: true };
        let (written, key_at) = self.written();
        let absent;
        let node = match written {
            Some(node) => node,
            None => {
                absent = self.absent_node(&rules)?;
                &absent
            }
        };
        let mut walk = Walk::new(&rules, Some(resolver), self);
        let slot = Slot { node, key_at, lenient: false };
        walk.visit(slot, &[rules.root()], false);
        walk.problems.finish()
    }
}
