//! The JSON Schema of the whole file, and what the control plane documents of each service.
//!
//! # Invariants
//!
//! 1. The schema and the checks come from the same types: what an editor accepts, `check` accepts.
//! 2. A service's section is the framework's keys and its own fields, closed as a whole
//!    (`unevaluatedProperties`), since neither half knows the other's keys.
//! 3. Services of the code are named properties; instances of kinds are whatever other key has a
//!    `kind` that is known. Keys that begin with `x-` are the user's own.

#[cfg(test)]
mod reference;

use processpype_config::SecretsConfig;
use processpype_control::ServiceDoc;
use processpype_runtime::{ConfigType, Kind, Spec};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::settings::{
    AppSection, DefaultsSection, ObservabilitySection, ServerSection, ServiceKeys,
};
use crate::setup::Setup;

/// Returns what the control plane documents of each service.
pub(crate) fn service_docs(setup: &Setup) -> Vec<ServiceDoc> {
    let doc = |spec: &Spec| {
        let schema = spec.kind.config_types().first().map(ConfigType::own_schema);
        let described = schema.as_ref().and_then(|schema| schema.get("description"));
        ServiceDoc {
            name: spec.name.as_str().to_owned(),
            description: described.and_then(Value::as_str).map(str::to_owned),
            config_schema: schema,
            has_routes: spec.kind.may_have_routes(),
        }
    };
    setup.blueprint.specs().iter().map(doc).collect()
}

/// Returns the JSON Schema (2020-12) of the application's whole file.
pub(crate) fn file_schema(setup: &Setup) -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut properties = Map::new();
    add::<AppSection>(&mut properties, "app", &mut generator);
    add::<ServerSection>(&mut properties, "server", &mut generator);
    add::<ObservabilitySection>(&mut properties, "observability", &mut generator);
    add::<SecretsConfig>(&mut properties, "secrets", &mut generator);
    add::<DefaultsSection>(&mut properties, "defaults", &mut generator);
    properties.insert("services".to_owned(), services(setup, &mut generator));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": setup.settings.app.title,
        "type": "object",
        "properties": properties,
        "patternProperties": { "^x-": {} },
        "additionalProperties": false,
        "$defs": generator.take_definitions(true),
    })
}

fn add<T: JsonSchema>(
    properties: &mut Map<String, Value>,
    name: &str,
    generator: &mut SchemaGenerator,
) {
    properties.insert(name.to_owned(), generator.subschema_for::<T>().to_value());
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
        setup.kinds.iter().map(|(name, kind)| service(kind, Some(name), generator)).collect();
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
    let mut parts = vec![generator.subschema_for::<ServiceKeys>().to_value()];
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
