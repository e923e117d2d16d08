//! The JSON Schema of the whole file, and what the control plane documents of each service.
//!
//! # Invariants
//!
//! 1. The schema and the checks come from the same types: what an editor accepts, `check` accepts.
//! 2. A service's section is the framework's keys and its own fields, closed as a whole
//!    (`unevaluatedProperties`), since neither half knows the other's keys.
//! 3. Services of the code are named properties; instances of kinds are whatever other key has a
//!    `kind` that is known. Keys that begin with `x-` are the user's own.
//! 4. The schema is as closed as the checks are: an unknown key is marked in the editor too.
//! 5. Descriptions are for users of the file: the examples in Rust that a doc comment has stay out.

#[cfg(test)]
mod reference;

use processpype_config::SecretsConfig;
use processpype_control::ServiceDoc;
use processpype_core::{SortedMap, each};
use processpype_runtime::{ConfigType, Kind, LaidOut, Layout};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::groups::GroupSection;
use crate::kept::{self, Kept};
use crate::settings::{
    AppSection, DefaultsSection, ObservabilitySection, ServerSection, ServiceKeys,
};
use crate::setup::Setup;

/// Returns what the control plane documents of each service.
pub(crate) fn service_docs(setup: &Setup) -> Vec<ServiceDoc> {
    each(&Layout::of(&setup.blueprint).services, service_doc)
}

/// Returns what the control plane documents of one service.
pub(crate) fn service_doc(service: &LaidOut) -> ServiceDoc {
    let (name, made_by) = (&service.name, service.made_by());
    let mut schema = made_by.config_types().first().map(ConfigType::own_schema);
    if let Some(object) = schema.as_mut().and_then(schemars::Schema::as_object_mut) {
        object.values_mut().for_each(drop_rust);
        drop_rust_of(object);
    }
    let described = schema.as_ref().and_then(|schema| schema.get("description"));
    ServiceDoc {
        name: name.to_string(),
        description: described.and_then(Value::as_str).map(str::to_owned),
        config_schema: schema,
        has_routes: made_by.may_have_routes(),
    }
}

/// Returns the JSON Schema (2020-12) of the application's whole file.
pub(crate) fn file_schema(setup: &Setup) -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let secrets = generator.subschema_for::<SecretsConfig>().to_value();
    let mut services = services(setup, &mut generator);
    let mut definitions = kept::definitions();
    join(&mut definitions, generator.take_definitions(true), &mut services);
    let group = refer::<GroupSection>();
    let sections = [
        ("app", refer::<AppSection>()),
        ("server", refer::<ServerSection>()),
        ("observability", refer::<ObservabilitySection>()),
        ("secrets", secrets),
        ("defaults", refer::<DefaultsSection>()),
    ];
    for section in sections.iter().map(|(_, section)| section).chain([&group]) {
        close(section, &mut definitions);
    }
    let mut properties: Map<String, Value> =
        sections.into_iter().map(|(name, section)| (name.to_owned(), section)).collect();
    properties.insert("services".to_owned(), services);
    properties.insert("groups".to_owned(), groups(&group));
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": setup.settings.app.title,
        "type": "object",
        "properties": properties,
        "patternProperties": { "^x-": {} },
        "additionalProperties": false,
        "$defs": definitions,
    });
    drop_rust(&mut schema);
    schema
}

/// Refuses unknown keys in a section of the framework, as `check` does, and in what is below it.
fn close(schema: &Value, definitions: &mut Map<String, Value>) {
    let path = schema.get("$ref").and_then(Value::as_str);
    let Some(name) = path.and_then(|path| path.rsplit('/').next()) else { return };
    let Some(Value::Object(definition)) = definitions.get_mut(name) else { return };
    let Some(Value::Object(properties)) = definition.get("properties").cloned() else { return };
    if definition.contains_key("patternProperties") {
        return;
    }
    definition.insert("patternProperties".to_owned(), json!({ "^x-": {} }));
    definition.insert("additionalProperties".to_owned(), json!(false));
    for below in properties.values() {
        close(below, definitions);
        // The items of a list.
        below.get("items").into_iter().for_each(|items| close(items, definitions));
    }
}

/// Drops the examples in Rust from every description in `schema`.
fn drop_rust(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.values_mut().for_each(drop_rust);
            drop_rust_of(object);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_rust),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn drop_rust_of(object: &mut Map<String, Value>) {
    if let Some(Value::String(text)) = object.get_mut("description")
        && text.contains("```")
    {
        *text = without_rust(text);
    }
}

/// A block that names another language is for the users of the file, and stays.
fn without_rust(text: &str) -> String {
    const RUST: [&str; 6] = ["", "rust", "no_run", "ignore", "should_panic", "compile_fail"];
    let mut kept: Vec<&str> = Vec::new();
    let mut fence: Option<bool> = None;
    for line in text.lines() {
        let mark = line.trim_start().strip_prefix("```");
        let is_rust = match (mark, fence) {
            (Some(language), None) => {
                let rust = language.split(',').all(|word| RUST.contains(&word.trim()));
                *fence.insert(rust)
            }
            (Some(_), Some(rust)) => {
                fence = None;
                rust
            }
            (None, rust) => rust.unwrap_or(false),
        };
        // What stood around a block that went leaves one blank line.
        let blank_again = line.is_empty() && kept.last().is_none_or(|last| last.is_empty());
        if !is_rust && !blank_again {
            kept.push(line);
        }
    }
    kept.join("\n").trim_end().to_owned()
}

/// Refers to the type of a section of the framework.
fn refer<T: Kept>() -> Value {
    json!({ "$ref": reference(T::NAME) })
}

fn reference(name: &str) -> String {
    format!("#/$defs/{name}")
}

/// Adds what services define to what the framework has `known`. A type that only has the name of
/// another gets a number, and `services` refer to it by that.
fn join(known: &mut Map<String, Value>, theirs: Map<String, Value>, services: &mut Value) {
    let is_other = |(name, schema): &(&String, &Value)| {
        known.get(name.as_str()).is_some_and(|of_ours| of_ours != *schema)
    };
    let numbered = |name: &String| {
        let mut names = (2..).map(|number: usize| format!("{name}{number}"));
        names.find(|name| !known.contains_key(name) && !theirs.contains_key(name))
    };
    let others = theirs.iter().filter(is_other).map(|(name, _)| name);
    let renamed: SortedMap<String, String> =
        others.filter_map(|name| Some((name.clone(), numbered(name)?))).collect();
    rename(services, &renamed);
    for (name, mut schema) in theirs {
        rename(&mut schema, &renamed);
        known.insert(renamed.get(&name).cloned().unwrap_or(name), schema);
    }
}

/// Refers to what is `renamed` by its new name, everywhere in a schema.
fn rename(schema: &mut Value, renamed: &SortedMap<String, String>) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::String(path)) = object.get_mut("$ref")
                && let Some(name) = path.strip_prefix("#/$defs/")
                && let Some(new) = renamed.get(name)
            {
                *path = reference(new);
            }
            object.values_mut().for_each(|below| rename(below, renamed));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, renamed)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn groups(group: &Value) -> Value {
    json!({
        "description": "Services that are restarted together, by the name of the group.",
        "type": "object",
        "patternProperties": { "^x-": {} },
        "additionalProperties": group,
    })
}

fn services(setup: &Setup, generator: &mut SchemaGenerator) -> Value {
    let mut known = Map::new();
    for spec in setup.blueprint.specs() {
        // Instances of kinds are described by their kind.
        if *spec.kind_name == *spec.name.as_str() {
            known.insert(spec.name.as_str().to_owned(), service(&spec.kind, None, generator));
        }
    }
    let kinds: Vec<Value> =
        each(setup.catalogue.kinds(), |(name, kind)| service(kind, Some(name), generator));
    let others = if kinds.is_empty() { json!(false) } else { json!({ "oneOf": kinds }) };
    json!({
        "description": "The services: those of the code by name, others with a `kind`.",
        "type": "object",
        "properties": known,
        "patternProperties": { "^x-": {} },
        "additionalProperties": others,
    })
}

/// Returns the schema of one service's section: the framework's keys beside its own.
fn service(kind: &Kind, kind_name: Option<&str>, generator: &mut SchemaGenerator) -> Value {
    let mut parts = vec![refer::<ServiceKeys>()];
    let mut description = Value::Null;
    if let Some(config) = kind.config_types().first() {
        let own = open(config.schema(generator).to_value(), generator);
        description = own.get("description").cloned().unwrap_or_default();
        parts.push(own);
    }
    if let Some(name) = kind_name {
        parts.push(json!({ "properties": { "kind": { "const": name } }, "required": ["kind"] }));
    }
    let mut schema = json!({
        "allOf": parts,
        "patternProperties": { "^x-": {} },
        "unevaluatedProperties": false,
    });
    if let (Value::String(_), Some(schema)) = (&description, schema.as_object_mut()) {
        schema.insert("description".to_owned(), description);
    }
    schema
}

/// Resolves a reference and drops what would refuse the framework's keys beside the service's own.
fn open(schema: Value, generator: &SchemaGenerator) -> Value {
    let name = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
    let mut schema = match name.and_then(|name| generator.definitions().get(name)) {
        Some(definition) => definition.clone(),
        None => schema,
    };
    if let Some(object) = schema.as_object_mut() {
        object.remove("additionalProperties");
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(without_rust(text), expected, "{text}");
    }

    #[test]
    fn rust_stays_out_of_descriptions() {
        check("A level.", "A level.");
        check("A level.\n\n```\nlet x = 1;\n```\n\nMore.", "A level.\n\nMore.");
        check("A level.\n\n```rust,no_run\nlet x = 1;\n```", "A level.");
        check("As in\n\n```yaml\nlevel: warn\n```", "As in\n\n```yaml\nlevel: warn\n```");
    }

    /// A service's configuration whose type has the name of one of the framework's.
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    #[expect(dead_code, reason = "nobody runs the service")]
    struct RateSection {
        mine: u8,
        next: Option<Box<RateSection>>,
    }

    #[test]
    fn a_type_with_the_name_of_one_of_the_framework_gets_a_number() {
        struct Fast;
        impl crate::Service for Fast {}
        let made = |_: crate::Config<RateSection>| Fast;
        let app = crate::application::Application::new().kind("fast", made);
        let setup = app.config_text("a.yaml", processpype_config::Format::Yaml, "").setup();
        let schema = file_schema(&setup.expect("a kind is valid without an instance"));
        let own = "/properties/services/additionalProperties/oneOf/0/allOf/1/properties/next";
        let next = schema.pointer(own).expect("the own fields follow the framework's keys");
        assert_eq!(next["anyOf"][0]["$ref"], "#/$defs/RateSection2");
        let (ours, own) = (&schema["$defs"]["RateSection"], &schema["$defs"]["RateSection2"]);
        assert!(ours["properties"]["burst"].is_object(), "{ours}");
        assert_eq!(own["properties"]["next"], *next);
    }

    #[test]
    fn sections_are_closed_and_speak_of_the_file() {
        let app = crate::application::Application::new();
        let setup = app.config_text("a.yaml", processpype_config::Format::Yaml, "").setup();
        let schema = file_schema(&setup.expect("an empty application is valid"));
        assert!(!schema.to_string().contains("```"), "no example in Rust is in the schema");
        for section in ["app", "server", "observability", "secrets", "defaults"] {
            let path = schema["properties"][section]["$ref"].as_str().expect("a reference");
            let closed = schema.pointer(&path[1..]).expect("it is defined");
            assert_eq!(closed["additionalProperties"], json!(false), "{section}");
            assert!(closed["patternProperties"]["^x-"].is_object(), "{section}");
        }
    }
}
