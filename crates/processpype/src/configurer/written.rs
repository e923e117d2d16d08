//! The framework's keys of a service as they are written, for whoever asks to see them.
//!
//! # Invariants
//!
//! 1. What holds is in the service's options. This is read anew each time, from where its section
//!    came from, so that no service keeps a copy of what is seldom looked at.

use processpype_config::{Document, Section};
use processpype_core::ServiceName;
use processpype_runtime::Configured;

use crate::catalogue::{new_section, section_of};
use crate::settings::FRAMEWORK_KEYS;

/// The configuration of a service, and the framework's half of its section.
pub(crate) struct Written<'a> {
    pub(crate) keys: Section,
    pub(crate) configured: &'a Configured,
}

// === impl Written ===

impl<'a> Written<'a> {
    /// Looks up what was written; `start` is what the files said at the start.
    pub(crate) fn of(start: &Document, name: &ServiceName, configured: &'a Configured) -> Self {
        let layer = configured.layer();
        let section = match configured.joined() {
            Some(joined) => new_section(name, &[&joined.section, &layer]),
            None => {
                let document = configured.base().map_or(start, |base| base);
                section_of(document, name).under(&layer)
            }
        };
        let (keys, _) = section.split(&FRAMEWORK_KEYS);
        Self { keys, configured }
    }
}
