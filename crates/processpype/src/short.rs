//! Sections that are read without what is large and rarely written in them.
//!
//! A section is checked by the schema of its type, and making that schema is most of what reading a
//! short section takes: `server: {port: 8080}` needs nothing of listeners, tokens and limits.
//!
//! # Invariants
//!
//! 1. What is read in short is read alike in whole: a part that is left out refuses every value, so
//!    only a section without it is read in short.
//! 2. Every problem is told by the whole schema, which knows every key.

use std::borrow::Cow;
use std::marker::PhantomData;

use processpype_config::{Report, Section};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A section with parts that are large and rarely written.
pub(crate) trait InParts: DeserializeOwned + JsonSchema {
    /// The keys of these parts.
    const PARTS: &[&str];

    /// Leaves the types of these parts out of a schema that is about to be made.
    fn leave_out(generator: &mut SchemaGenerator);
}

/// Reads a section, in short if nothing of the parts is written.
///
/// # Errors
///
/// As [`Section::read_collecting`].
pub(crate) fn read<T: InParts>(section: &Section, secrets: &mut Vec<String>) -> Result<T, Report> {
    if section.names().all(|key| !T::PARTS.contains(&key)) {
        let mut found = Vec::new();
        if let Ok(Short(value)) = section.read_collecting(&mut found) {
            secrets.append(&mut found);
            return Ok(value);
        }
    }
    section.read_collecting(secrets)
}

/// Leaves a type out of a schema that is about to be made: it refuses every value.
pub(crate) fn leave_out<T: JsonSchema>(generator: &mut SchemaGenerator) {
    generator.subschema_for::<LeftOut<T>>();
}

/// The value of a section that was read in short.
#[derive(Deserialize)]
#[serde(transparent)]
struct Short<T>(T);

/// Stands in the place of a type, under its name.
struct LeftOut<T>(PhantomData<T>);

// === impl Short ===

impl<T: InParts> JsonSchema for Short<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        format!("{} in short", T::schema_id()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::leave_out(generator);
        T::json_schema(generator)
    }
}

// === impl LeftOut ===

impl<T: JsonSchema> JsonSchema for LeftOut<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        false.into()
    }
}

#[cfg(test)]
mod tests {
    use processpype_config::{Format, Loader};

    use super::*;
    use crate::settings::{ObservabilitySection, ServerSection, ServiceKeys};

    /// Reads `text` in whole, and in short if that is possible, and compares.
    #[track_caller]
    fn check<T: InParts + std::fmt::Debug>(text: &str, in_short: bool) {
        let loader = Loader::new().text("a.yaml", Format::Yaml, format!("section: {text}\n"));
        let document = loader.load().expect("it is YAML");
        let section = document.section(&["section"]);
        let short = section.read_collecting::<Short<T>>(&mut Vec::new());
        assert_eq!(short.is_ok(), in_short, "{text}");
        let (mut secrets, mut found) = (Vec::new(), Vec::new());
        let shown = |read: Result<T, Report>| match read {
            Ok(value) => format!("{value:?}"),
            Err(report) => report.to_string(),
        };
        let whole = shown(section.read_collecting(&mut secrets));
        assert_eq!(shown(read(&section, &mut found)), whole, "{text}");
        assert_eq!(found, secrets, "{text}");
        short.into_iter().for_each(|Short(value)| assert_eq!(shown(Ok(value)), whole, "{text}"));
    }

    #[test]
    fn a_section_without_the_parts_is_read_in_short() {
        check::<ServerSection>("{port: 80, closing_timeout_seconds: 3, drain_delay: 2s}", true);
        check::<ServerSection>("{host: '::1', allowed_hosts: [a, b], api_prefix: /a}", true);
        check::<ObservabilitySection>("{logging: {level: warn}}", true);
        check::<ServiceKeys>("{kind: a, depends_on: [b], stop_timeout: 5s}", true);
    }

    #[test]
    fn a_part_that_is_written_is_read_in_whole() {
        for text in [
            "{port: 80, limits: {connections: 3, writes: {burst: 2}}}",
            "{limits: }",
            "{listeners: [{address: '127.0.0.1:80', tls: {certificate: a, key: b}}]}",
            "{auth: {tokens: [{name: a, role: admin, token: a-token-that-is-long-enough}]}}",
            "{tls: {certificate: a, key: b}}",
            "{tls: 3}",
        ] {
            check::<ServerSection>(text, false);
        }
        check::<ObservabilitySection>("{events: {file: a}}", false);
        check::<ServiceKeys>("{restart: {policy: always}}", false);
        check::<ServiceKeys>("{processpype: {poll_times: true}}", false);
    }

    #[test]
    fn problems_are_told_in_whole() {
        for text in ["{port: a}", "{prot: 80}", "{limit: {}}", "{api_prefix: a}", "[]", "3"] {
            check::<ServerSection>(text, false);
        }
        check::<ObservabilitySection>("{event: {}}", false);
        check::<ServiceKeys>("{restrt: {}}", false);
    }

    /// A part whose type is not among those left out would cost what this module saves.
    #[test]
    fn the_parts_are_left_out() {
        #[track_caller]
        fn check<T: InParts>() {
            let (short, whole) = (schemars::schema_for!(Short<T>), schemars::schema_for!(T));
            let properties = |schema: &Schema| schema.get("properties").cloned();
            assert_eq!(properties(&short), properties(&whole), "they differ below `$defs` alone");
            for part in T::PARTS {
                let part = short.pointer(&format!("/properties/{part}")).expect(part).to_string();
                let names = part.split("#/$defs/").skip(1).map(|rest| rest.split('"').next());
                let definitions =
                    names.map(|name| &short.get("$defs").expect("some")[name.unwrap()]);
                let refused = definitions.filter(|of| *of == false).count();
                assert_eq!(refused, 1, "the type of {part} is left out");
            }
        }
        check::<ServerSection>();
        check::<ObservabilitySection>();
        check::<ServiceKeys>();
    }
}
