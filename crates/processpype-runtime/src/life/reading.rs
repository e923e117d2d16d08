//! What a generation reads of its configuration by itself.
//!
//! # Invariants
//!
//! 1. A secret that is read is hidden before whoever asked for it has it. A file may have another
//!    one in it than when the configuration was checked.
//! 2. It is hidden for as long as the life is there, as what the generation began with is.

use processpype_config::{Report, Section};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::Life;
use crate::configuration::{Configured, Secrets};

/// How many different readings of its secrets one generation has hidden; with more, as of a hook
/// that reads again and again while files change, the oldest goes.
const READINGS_MAX: usize = 16;

// === impl Life ===

impl Life {
    /// Reads a section as a configuration type; `checked` is what was checked of it before.
    ///
    /// # Errors
    ///
    /// Returns every problem of the section, such as a secret that is not there any more.
    pub(crate) fn read<C: DeserializeOwned + JsonSchema>(
        &self,
        section: &Section,
        checked: &Configured,
    ) -> Result<C, Report> {
        let mut secrets = Vec::new();
        let read = section.read_collecting::<C>(&mut secrets);
        if !secrets.is_empty() {
            let found = Secrets::found(secrets);
            if read.is_ok() {
                checked.note_read(&found);
            }
            self.hide(found, checked);
        }
        read
    }

    /// Hides secrets, unless they are those that were found when the section was checked.
    fn hide(&self, mut secrets: Secrets, checked: &Configured) {
        let Some(configurer) = self.office().configurer.as_deref() else { return };
        if checked.has_secrets(&secrets) || self.control().more().read.contains(&secrets) {
            return;
        }
        if let Err(report) = secrets.hide_by(Some(configurer)) {
            let service = self.cell.name().as_str();
            tracing::warn!(
                target: "processpype", service,
                "log and answers may show a secret that has changed since it was checked: {report}"
            );
        }
        let mut control = self.control();
        let all = &mut control.more().read;
        if all.len() >= READINGS_MAX {
            all.remove(0);
        }
        all.push(secrets);
    }
}
