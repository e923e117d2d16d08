//! The fields of an event, as they become parts of a line.
//!
//! # Invariants
//!
//! 1. Every value goes one way: hidden by name, or formatted once, scrubbed, rendered.
//! 2. `message` is the message; `service` and `generation` are the line's own only in events of the
//!    framework. Everything else is a field.
//! 3. What a client has written is shown as it came, where the framework says that it is that: who
//!    may both write a line and read it could otherwise try out which values are secrets.

use std::fmt;

use tracing::field::{Field, Visit};

use crate::{
    layout::{Kind, Layout},
    redact::{MASK, Needles, SensitiveFields},
    scope::{GENERATION_FIELD, SERVICE_FIELD},
    scratch::{Callsite, Parts},
    value::{self, ValueText},
};

/// The field that `tracing` gives a message in.
const MESSAGE_FIELD: &str = "message";

/// The fields of the framework's own events that hold what a client has written: why it gives a
/// command, which path it asks for, and what it was told about its request.
const CLIENT_FIELDS: [&str; 3] = ["reason", "path", "detail"];

/// Renders fields one by one into `parts`.
pub(crate) struct Collector<'a> {
    /// How a field looks.
    pub(crate) layout: Layout,
    /// What is known about the event before its fields are seen.
    pub(crate) callsite: Callsite,
    /// What is hidden by value.
    pub(crate) needles: &'a Needles,
    /// What is hidden by name, for fields that `callsite` does not know.
    pub(crate) sensitive: &'a SensitiveFields,
    /// Where a value becomes text.
    pub(crate) value: &'a mut ValueText,
    /// Where the rendered fields are gathered.
    pub(crate) parts: &'a mut Parts,
}

// === impl Collector ===

impl Collector<'_> {
    /// The one way of every value.
    fn put(
        &mut self,
        field: &Field,
        kind: Kind,
        format: impl FnOnce(&mut dyn fmt::Write) -> fmt::Result,
    ) {
        let name = field.name();
        if self.hides(field) {
            render_field(self.layout, self.parts, plain(name), MASK, Kind::Written);
            return;
        }
        let none;
        let needles = if self.is_of_client(name) {
            none = Needles::default();
            &none
        } else {
            self.needles
        };
        let (text, masked) = self.value.format(needles, format);
        match name {
            MESSAGE_FIELD => render_message(self.layout, self.parts, text),
            SERVICE_FIELD if self.callsite.framework => self.parts.service.push_str(text),
            GENERATION_FIELD if self.callsite.framework => {
                self.parts.generation = text.parse().ok();
            }
            _ => {
                // A number with a secret in it is no number any more.
                let kind = if masked { Kind::Written } else { kind };
                render_field(self.layout, self.parts, plain(name), text, kind);
            }
        }
    }

    fn is_of_client(&self, name: &str) -> bool {
        self.callsite.framework && CLIENT_FIELDS.contains(&name)
    }

    fn hides(&self, field: &Field) -> bool {
        let known = self.callsite.hides(field.index());
        known.unwrap_or_else(|| self.sensitive.hides(field.name()))
    }
}

impl Visit for Collector<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // Infinities and NaN are no JSON numbers.
        let kind = if value.is_finite() { Kind::Bare } else { Kind::Written };
        self.put(field, kind, |out| write!(out, "{value:?}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Kind::Bare, |out| write!(out, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Kind::Bare, |out| write!(out, "{value}"));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.put(field, Kind::Bare, |out| write!(out, "{value}"));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.put(field, Kind::Bare, |out| write!(out, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Kind::Bare, |out| write!(out, "{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Kind::Text, |out| out.write_str(value));
    }

    fn record_error(&mut self, field: &Field, error: &(dyn std::error::Error + 'static)) {
        self.put(field, Kind::Text, |out| value::write_error(out, error));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Kind::Written, |out| write!(out, "{value:?}"));
    }
}

/// Renders a message as the layout shows it, and as JSON.
fn render_message(layout: Layout, parts: &mut Parts, text: &str) {
    layout.message(&mut parts.message, text);
    if layout != Layout::Json {
        Layout::Json.message(&mut parts.json_message, text);
    }
}

/// Appends a field as the layout shows it, and as JSON.
fn render_field(layout: Layout, parts: &mut Parts, name: &str, text: &str, kind: Kind) {
    layout.field(&mut parts.fields, name, text, kind);
    if layout != Layout::Json {
        Layout::Json.field(&mut parts.json_fields, name, text, kind);
    }
}

/// A field's name without the mark of a raw identifier.
fn plain(name: &str) -> &str {
    name.strip_prefix("r#").unwrap_or(name)
}
