//! The framework's own sections of the file, whose schemas are kept.
//!
//! What such a section may say follows from its type, and is the same in every application. So the
//! test below makes the schemas, and a program carries them as text instead of what would make them
//! anew.
//!
//! A section is checked by its schema, and preparing that is most of what reading a short section
//! takes: `server: {port: 8080}` needs nothing of listeners, tokens and limits.
//!
//! # Invariants
//!
//! 1. A file has the schema of a section's type and of every type in it by name, one on a line;
//!    a second file has those that only parts need.
//! 2. What is read in short is read alike in whole: a part that is left out refuses every value, so
//!    only a section without it is read in short.
//! 3. Every problem is told by the whole schema, which knows every key.

pub(crate) mod elsewhere;

use processpype_config::{Report, SecretsConfig, Section};
use schemars::{Schema, schema_for};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::groups::GroupSection;
use crate::settings::{
    AppSection, DefaultsSection, ObservabilitySection, ServerSection, ServiceKeys,
};

/// A section of the framework, or a part of one.
pub(crate) trait Kept: DeserializeOwned {
    /// The name of the type.
    const NAME: &str;

    /// The file with its schema.
    const FILE: &str;

    /// What is large and rarely written in it.
    const PARTS: Parts = Parts { keys: &[], file: "{}" };
}

/// Parts of a section that are left out where nothing of them is written.
#[derive(Clone, Copy)]
pub(crate) struct Parts {
    /// Their keys, and the names of their types.
    pub(crate) keys: &'static [(&'static str, &'static str)],
    /// The file with the schemas that only they need.
    pub(crate) file: &'static str,
}

/// Reads a section, in short if it has such parts and nothing of them is written.
///
/// # Errors
///
/// As [`Section::read_collecting`].
pub(crate) fn read<T: Kept>(section: &Section, secrets: &mut Vec<String>) -> Result<T, Report> {
    if is_short(section, T::PARTS) {
        let mut found = Vec::new();
        if let Ok(value) = section.read_by(short::<T>, &mut found) {
            secrets.append(&mut found);
            return Ok(value);
        }
    }
    section.read_by(schema::<T>, secrets)
}

fn is_short(section: &Section, parts: Parts) -> bool {
    let is_part = |name: &str| parts.keys.iter().any(|(key, _)| *key == name);
    !parts.keys.is_empty() && !section.names().any(is_part)
}

/// Returns the schema of a section's type.
pub(crate) fn schema<T: Kept>() -> Schema {
    let mut all = parsed(T::FILE);
    all.append(&mut parsed(T::PARTS.file));
    root(T::NAME, all)
}

/// Returns the schema without the parts.
fn short<T: Kept>() -> Schema {
    let left_out = T::PARTS.keys.iter().map(|(_, of)| ((*of).to_owned(), Value::Bool(false)));
    let mut all = parsed(T::FILE);
    all.extend(left_out);
    root(T::NAME, all)
}

/// Returns the schema of a section of the framework, by the key in the file; none for those whose
/// keys are names.
pub(crate) fn schema_of(key: &str) -> Option<Schema> {
    Some(match key {
        "app" => schema::<AppSection>(),
        "server" => schema::<ServerSection>(),
        "observability" => schema::<ObservabilitySection>(),
        "secrets" => schema_for!(SecretsConfig),
        "defaults" => schema::<DefaultsSection>(),
        _ => return None,
    })
}

/// Returns the schemas of all sections' types and of every type in them, by name.
pub(crate) fn definitions() -> Map<String, Value> {
    let files = [
        AppSection::FILE,
        ServerSection::FILE,
        ServerSection::PARTS.file,
        ObservabilitySection::FILE,
        ObservabilitySection::PARTS.file,
        DefaultsSection::FILE,
        ServiceKeys::FILE,
        ServiceKeys::PARTS.file,
        GroupSection::FILE,
    ];
    files.into_iter().flat_map(parsed).collect()
}

fn parsed(file: &str) -> Map<String, Value> {
    serde_json::from_str(file).expect("a test makes the file")
}

/// Makes one of `all` the schema, to which the others belong.
fn root(name: &str, mut all: Map<String, Value>) -> Schema {
    let root = all.remove(name).expect("a test makes the file whole");
    let mut schema = Schema::try_from(root).expect("a test makes schemas alone");
    schema.insert("$defs".to_owned(), Value::Object(all));
    schema
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use processpype_config::{Format, Loader};
    use schemars::JsonSchema;
    use schemars::generate::SchemaSettings;

    use super::*;
    use crate::recorder::EventsSection;

    /// Reads `text` in whole, and in short if that is possible, and compares.
    #[track_caller]
    fn check<T: Kept + std::fmt::Debug>(text: &str, in_short: bool) {
        let loader = Loader::new().text("a.yaml", Format::Yaml, format!("section: {text}\n"));
        let document = loader.load().expect("it is YAML");
        let section = document.section(&["section"]);
        let short = match is_short(&section, T::PARTS) {
            true => section.read_by::<T>(short::<T>, &mut Vec::new()).ok(),
            false => None,
        };
        assert_eq!(short.is_some(), in_short, "{text}");
        let (mut secrets, mut found) = (Vec::new(), Vec::new());
        let shown = |read: Result<T, Report>| match read {
            Ok(value) => format!("{value:?}"),
            Err(report) => report.to_string(),
        };
        let whole = shown(section.read_by(schema::<T>, &mut secrets));
        assert_eq!(shown(read(&section, &mut found)), whole, "{text}");
        assert_eq!(found, secrets, "{text}");
        short.into_iter().for_each(|value| assert_eq!(shown(Ok(value)), whole, "{text}"));
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
        fn check<T: Kept>() {
            let (short, whole) = (short::<T>(), schema::<T>());
            let properties = |schema: &Schema| schema.get("properties").cloned();
            assert_eq!(properties(&short), properties(&whole), "they differ below `$defs` alone");
            for (key, of) in T::PARTS.keys {
                let part = short.pointer(&format!("/properties/{key}")).expect(key).to_string();
                assert!(references(&part).eq([*of]), "the type of {key} is left out");
                assert_eq!(short.pointer(&format!("/$defs/{of}")), Some(&Value::Bool(false)));
            }
        }
        check::<ServerSection>();
        check::<ObservabilitySection>();
        check::<ServiceKeys>();
    }

    /// Returns the names of the schemas that one refers to.
    fn references(text: &str) -> impl Iterator<Item = &str> {
        text.split("#/$defs/").skip(1).filter_map(|rest| rest.split('"').next())
    }

    /// Writes schemas one on a line.
    fn written<'a>(schemas: impl Iterator<Item = (&'a String, &'a Value)>) -> String {
        let lines: Vec<String> =
            schemas.map(|(name, schema)| format!("{name:?}:{schema}")).collect();
        format!("{{\n{}\n}}\n", lines.join(",\n"))
    }

    /// Makes both files of a section: what is needed without its parts, and the rest.
    fn made<T: Kept + JsonSchema>() -> [String; 2] {
        let mut generator = SchemaSettings::draft2020_12().for_deserialize().into_generator();
        generator.subschema_for::<T>();
        let all = generator.take_definitions(true);
        let mut short: BTreeMap<String, String> = BTreeMap::new();
        let mut named = vec![T::NAME.to_owned()];
        while let Some(name) = named.pop() {
            let is_part = T::PARTS.keys.iter().any(|(_, of)| *of == name);
            if !is_part && !short.contains_key(&name) {
                let text = all[&name].to_string();
                named.extend(references(&text).map(str::to_owned));
                short.insert(name, text);
            }
        }
        let (inside, outside): (Vec<_>, Vec<_>) =
            all.iter().partition(|(name, _)| short.contains_key(*name));
        [written(inside.into_iter()), written(outside.into_iter())]
    }

    #[test]
    fn the_files_are_made_from_the_types() {
        #[track_caller]
        fn check<T: Kept + JsonSchema>(file: &str) {
            let [own, parts] = made::<T>();
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                let file = format!("{}/src/kept/{file}", env!("CARGO_MANIFEST_DIR"));
                std::fs::write(format!("{file}.json"), own).expect("the file is written");
                if !T::PARTS.keys.is_empty() {
                    std::fs::write(format!("{file}-parts.json"), parts).expect("it is written");
                }
                return;
            }
            assert_eq!(own, T::FILE, "{file}.json differs; UPDATE_GOLDEN=1 writes it anew");
            assert!(
                T::PARTS.keys.is_empty() || parts == T::PARTS.file,
                "{file}-parts.json differs"
            );
        }
        check::<AppSection>("app");
        check::<ServerSection>("server");
        check::<ObservabilitySection>("observability");
        check::<DefaultsSection>("defaults");
        check::<ServiceKeys>("service");
        check::<GroupSection>("group");
    }

    /// What is read by a kept schema is checked as by the one that the type makes.
    #[test]
    fn a_kept_schema_is_the_one_of_the_type() {
        #[track_caller]
        fn check<T: Kept + JsonSchema>() {
            let (kept, made) = (schema::<T>(), schema_for!(T));
            for (key, value) in made.as_object().expect("an object") {
                let is_same = match (key.as_str(), kept.get(key), value) {
                    ("title" | "$schema", _, _) => true,
                    // A file may have more than what is asked for needs.
                    ("$defs", Some(Value::Object(kept)), Value::Object(made)) => {
                        made.iter().all(|(name, schema)| kept.get(name) == Some(schema))
                    }
                    (_, kept, made) => kept == Some(made),
                };
                assert!(is_same, "{}: {key}", T::NAME);
            }
        }
        check::<AppSection>();
        check::<ServerSection>();
        check::<ObservabilitySection>();
        check::<EventsSection>();
        check::<DefaultsSection>();
        check::<ServiceKeys>();
        check::<GroupSection>();
    }
}
