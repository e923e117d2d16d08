//! The buffers in which a thread makes its lines.
//!
//! # Invariants
//!
//! 1. A buffer is *taken* while it is used: an event that is logged while another is formatted (a
//!    `Debug` that logs, a panic hook) gets a fresh one instead of a half-written one.
//! 2. Such nesting ends at [`MAX_NESTED_EVENTS`]; what is deeper is lost and counted.
//! 3. Buffers belong to one subscriber, not to the process: there is no static.

use std::{cell::Cell, collections::HashMap};

use thread_local::ThreadLocal;
use tracing::{Metadata, callsite::Identifier};

use crate::{clock::Stamp, redact::SensitiveFields, scope, value::ValueText};

/// How many events may be formatted inside one another on one thread.
pub const MAX_NESTED_EVENTS: u8 = 4;
/// A buffer that a rare long line made larger than this many bytes is not kept.
const KEPT_BYTES: usize = 64 * 1024;

/// One set of buffers for each thread that logs.
#[derive(Debug, Default)]
pub(crate) struct Scratches(ThreadLocal<Slot>);

/// What one thread has.
#[derive(Default)]
struct Slot {
    nested: Cell<u8>,
    spare: Cell<Option<Box<Scratch>>>,
}

/// A taken set of buffers, given back on drop.
pub(crate) struct Taken<'a> {
    slot: &'a Slot,
    scratch: Box<Scratch>,
}

/// The buffers for one line.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// The finished line.
    pub(crate) line: String,
    /// The same as JSON, if the layout is another.
    pub(crate) json: String,
    /// The time as it will stand in the line.
    pub(crate) time: String,
    /// The text of the field at hand.
    pub(crate) value: ValueText,
    /// What the fields of the event became.
    pub(crate) parts: Parts,
    /// The time as this thread rendered it last.
    pub(crate) stamp: Stamp,
    /// What is known about the callsites that this thread has seen; as many as the program has.
    callsites: HashMap<Identifier, Callsite>,
}

/// The fields of an event, rendered.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    /// The message, escaped.
    pub(crate) message: String,
    /// All other fields, as the layout joins them.
    pub(crate) fields: String,
    /// Message and fields as JSON, if the layout is another: for what is kept in memory.
    pub(crate) json_message: String,
    pub(crate) json_fields: String,
    /// The service that the event itself names; empty if none.
    pub(crate) service: String,
    /// The generation that the event itself names.
    pub(crate) generation: Option<u64>,
}

/// What is worth knowing about a callsite before its fields are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Callsite {
    /// One bit for each of the first 64 fields: its value is hidden.
    hidden: u64,
    /// The framework's own: `service` and `generation` are not fields like others.
    pub(crate) framework: bool,
}

// === impl Scratches ===

impl Scratches {
    /// Takes the buffers of this thread; `None` if events are nested too deep.
    pub(crate) fn take(&self) -> Option<Taken<'_>> {
        let slot = self.0.get_or_default();
        let nested = slot.nested.get();
        if nested >= MAX_NESTED_EVENTS {
            return None;
        }
        slot.nested.set(nested + 1);
        let scratch = slot.spare.take().unwrap_or_default();
        Some(Taken { slot, scratch })
    }
}

// === impl Slot ===

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot").field("nested", &self.nested).finish_non_exhaustive()
    }
}

// === impl Taken ===

impl std::ops::Deref for Taken<'_> {
    type Target = Scratch;

    fn deref(&self) -> &Scratch {
        &self.scratch
    }
}

impl std::ops::DerefMut for Taken<'_> {
    fn deref_mut(&mut self) -> &mut Scratch {
        &mut self.scratch
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.slot.nested.set(self.slot.nested.get().saturating_sub(1));
        if self.scratch.line.capacity() <= KEPT_BYTES {
            self.slot.spare.set(Some(std::mem::take(&mut self.scratch)));
        }
    }
}

// === impl Scratch ===

impl Scratch {
    /// Empties what belongs to one line; what is known about callsites and the second stays.
    pub(crate) fn clear(&mut self) {
        self.line.clear();
        self.time.clear();
        self.parts.message.clear();
        self.parts.fields.clear();
        self.parts.json_message.clear();
        self.parts.json_fields.clear();
        self.json.clear();
        self.parts.service.clear();
        self.parts.generation = None;
    }

    /// What is known about the callsite of `metadata`.
    pub(crate) fn callsite(
        &mut self,
        metadata: &Metadata<'_>,
        sensitive: &SensitiveFields,
    ) -> Callsite {
        let id = metadata.callsite();
        *self.callsites.entry(id).or_insert_with(|| Callsite::new(metadata, sensitive))
    }
}

// === impl Callsite ===

impl Callsite {
    fn new(metadata: &Metadata<'_>, sensitive: &SensitiveFields) -> Self {
        let bit = |(at, field): (usize, tracing::field::Field)| {
            u64::from(sensitive.hides(field.name())).checked_shl(at as u32).unwrap_or(0)
        };
        Self {
            hidden: metadata.fields().iter().enumerate().take(64).map(bit).sum(),
            framework: scope::is_framework(metadata.target()),
        }
    }

    /// Whether the value of the field at `index` is hidden; `None` if that was not looked up.
    pub(crate) fn hides(self, index: usize) -> Option<bool> {
        (index < 64).then(|| self.hidden >> index & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_has_an_end_and_leaves_nothing_behind() {
        let scratches = Scratches::default();
        for _ in 0..2 {
            let mut taken: Vec<Taken<'_>> = Vec::new();
            for _ in 0..MAX_NESTED_EVENTS {
                taken.extend(scratches.take());
            }
            assert_eq!(taken.len(), usize::from(MAX_NESTED_EVENTS));
            assert!(scratches.take().is_none());
        }
        assert!(scratches.take().is_some());
    }

    #[test]
    fn a_buffer_is_used_again_unless_it_grew_large() {
        let scratches = Scratches::default();
        let mut taken = scratches.take().unwrap();
        taken.line.push_str("kept");
        drop(taken);
        assert_eq!(scratches.take().unwrap().line, "kept");
        scratches.take().unwrap().line.reserve(KEPT_BYTES + 1);
        assert_eq!(scratches.take().unwrap().line, "");
    }
}
