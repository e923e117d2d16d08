//! The OpenAPI 3.1 document, built from the table of endpoints and the schemas of one application.
//!
//! Services, and with them their configuration schemas, are known only at run time, which is why
//! the document is built by hand. The dialect of schemas is JSON Schema 2020-12, in OpenAPI 3.1 as
//! in `schemars`.
//!
//! # Invariants
//!
//! 1. Every `$ref` in the document points into the document.
//! 2. The same application gives the same bytes.

mod components;
#[cfg(test)]
mod words;

use processpype_core::Role;
use schemars::Schema;
use serde_json::{Map, Value, json};

use crate::endpoint::{Access, Answer, Body, ENDPOINTS, Endpoint, Method, Parameter, Place, Shape};
use crate::problem::Code;

const COMPONENTS: &str = "#/components/schemas/";

/// Durations as they are written in queries; the limit is told in the parameter's description.
const DURATION: &str = "^(0|([0-9]+(d|h|m|s|ms|us|ns))+)$";

/// The name of the way to authenticate.
const TOKEN: &str = "token";

const PROBLEM_JSON: &str = "application/problem+json";

/// What the document says about the application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The application's title.
    pub title: String,
    /// The application's version.
    pub version: String,
    /// `server.api_prefix`: empty, or `/` and more without a slash at the end.
    pub prefix: String,
}

/// What the document says about one service.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceDoc {
    /// The service's name.
    pub name: String,
    /// What it is, in a sentence.
    pub description: Option<String>,
    /// The schema of its own configuration.
    pub config_schema: Option<Schema>,
    /// Whether it may answer below `/services/{name}/`.
    pub has_routes: bool,
}

/// Builds the document of an application with these services.
///
/// ```
/// use processpype_api::{About, document};
///
/// let about = About { title: "Shop".into(), version: "1.2.0".into(), prefix: String::new() };
/// let document = document(&about, &[]);
/// assert_eq!(document["openapi"], "3.1.0");
/// assert!(document["paths"]["/services/{name}/start"]["post"].is_object());
/// ```
#[must_use]
pub fn document(about: &About, services: &[ServiceDoc]) -> Value {
    let mut paths = Map::new();
    for endpoint in ENDPOINTS {
        let path = endpoint.full_path(&about.prefix).replace("{*", "{");
        let item = path_item(endpoint);
        match paths.get_mut(&path).and_then(Value::as_object_mut) {
            Some(known) => known.extend(item),
            None => _ = paths.insert(path, Value::Object(item)),
        }
    }
    let mut schemas = components::components();
    for service in services {
        schemas.extend(config_schemas(service));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": about.title,
            "version": about.version,
            "description": "The control API of an application built with Processpype, version 1.",
        },
        "servers": [{ "url": "/" }],
        "tags": tags(services),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": problem_responses(),
            "securitySchemes": { TOKEN: { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn tags(services: &[ServiceDoc]) -> Value {
    let mut tags = vec![
        json!({ "name": "application", "description": "The application as a whole." }),
        json!({ "name": "services", "description": "Its services, and commands on them." }),
        json!({ "name": "configuration", "description": "What holds, changes of it, and reload." }),
        json!({ "name": "operations", "description": "What was asked, and how it ended." }),
        json!({ "name": "events", "description": "What happened and what happens." }),
        json!({ "name": "logs", "description": "What was logged and what is logged." }),
        json!({ "name": "health", "description": "Probes; the prefix does not move them." }),
        json!({ "name": "documentation", "description": "This document." }),
    ];
    tags.extend(services.iter().map(|service| {
        let text = service.description.clone();
        let text = text.unwrap_or_else(|| format!("The service `{}`.", service.name));
        let mut tag = json!({ "name": format!("service {}", service.name), "description": text });
        tag["x-has-routes"] = service.has_routes.into();
        if service.config_schema.is_some() {
            let pointer = format!("{COMPONENTS}{}", component(&service.name));
            tag["x-config-schema"] = json!({ "$ref": pointer });
        }
        tag
    }));
    Value::Array(tags)
}

// === endpoints ===

fn path_item(endpoint: &Endpoint) -> Map<String, Value> {
    let methods: &[&str] = match endpoint.method {
        Method::Get => &["get"],
        Method::Post => &["post"],
        Method::Put => &["put"],
        Method::Delete => &["delete"],
        Method::Any => &["get", "post", "put", "patch", "delete"],
    };
    let mut item = Map::new();
    for method in methods {
        item.insert((*method).to_owned(), operation(endpoint, method));
    }
    item
}

fn operation(endpoint: &Endpoint, method: &str) -> Value {
    let id = snake_case(&format!("{:?}", endpoint.id));
    let id = if endpoint.method == Method::Any { format!("{id}_{method}") } else { id };
    let mut operation = json!({
        "operationId": id,
        "tags": [endpoint.tag],
        "summary": endpoint.summary,
        "security": security(endpoint.access),
        "responses": responses(endpoint),
    });
    let role = match endpoint.access {
        Access::Loopback(role) | Access::Role(role) => Some(role),
        Access::Metrics => Some(Role::Viewer),
        Access::Probe | Access::Service => None,
    };
    if let Some(role) = role {
        operation["x-role"] = role.as_str().into();
    }
    if !endpoint.description.is_empty() {
        operation["description"] = endpoint.description.into();
    }
    if !endpoint.parameters.is_empty() {
        operation["parameters"] = endpoint.parameters.iter().map(parameter).collect();
    }
    if let Some(body) = endpoint.body {
        operation["requestBody"] = json!({
            "required": body.is_required,
            "content": { "application/json": { "schema": taken(body) } },
        });
    }
    operation
}

/// The schema of what an endpoint takes.
fn taken(body: Body) -> Value {
    match body.schema {
        Some(name) => reference(name),
        None => json!({
            "type": "object",
            "description": "Keys of the service's section, the framework's and its own; each \
                service's schema is in this document. `${…}` is text.",
            "additionalProperties": true,
            "examples": [{"stop_timeout": "20s"}],
        }),
    }
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("{COMPONENTS}{name}") })
}

/// Says whether a token is needed. The empty alternative is a request without one: what is open on
/// loopback, or whatever the service says.
fn security(access: Access) -> Value {
    match access {
        Access::Probe => json!([]),
        Access::Loopback(_) | Access::Service | Access::Metrics => json!([{ TOKEN: [] }, {}]),
        Access::Role(_) => json!([{ TOKEN: [] }]),
    }
}

fn parameter(parameter: &Parameter) -> Value {
    let place = match parameter.place {
        Place::Path => "path",
        Place::Query => "query",
        Place::Header => "header",
    };
    let schema = match parameter.shape {
        Shape::Text => json!({ "type": "string" }),
        Shape::Name => json!({ "type": "string", "pattern": "^[a-z][a-z0-9]*([_-][a-z0-9]+)*$" }),
        Shape::Flag => json!({ "type": "boolean", "default": false }),
        Shape::Choice(words) => {
            json!({ "type": "string", "enum": words, "default": words.first() })
        }
        Shape::Word(words) => json!({ "type": "string", "enum": words }),
        Shape::Sequence => json!({ "type": "integer", "minimum": 0 }),
        Shape::Count(u64::MAX, default) => {
            json!({ "type": "integer", "minimum": 0, "default": default })
        }
        Shape::Count(most, default) => {
            json!({ "type": "integer", "minimum": 1, "maximum": most, "default": default })
        }
        Shape::Span => {
            json!({ "type": "string", "pattern": DURATION, "examples": ["30s", "10m"] })
        }
        Shape::Duration(default) => json!({
            "type": "string", "pattern": DURATION, "examples": ["0", "500ms"], "default": default,
        }),
    };
    json!({
        "name": parameter.name,
        "in": place,
        "required": parameter.place == Place::Path,
        "description": parameter.description,
        "schema": schema,
    })
}

fn responses(endpoint: &Endpoint) -> Value {
    let mut responses = Map::new();
    for answer in endpoint.answers {
        let (status, response) = (answer.status.to_string(), response(answer));
        match responses.get_mut(&status) {
            // Another media type of the same answer.
            Some(other) => {
                other["content"][answer.media] = response["content"][answer.media].clone();
            }
            None => {
                responses.insert(status, response);
            }
        }
    }
    let codes = || Endpoint::COMMON_PROBLEMS.iter().chain(endpoint.problems).copied();
    for status in codes().map(Code::status) {
        let of_status: Vec<Code> = codes().filter(|code| code.status() == status).collect();
        responses.insert(status.to_string(), problems(&of_status));
    }
    Value::Object(responses)
}

fn response(answer: &Answer) -> Value {
    let mut response = json!({ "description": answer.description });
    if !answer.media.is_empty() {
        let schema = match answer.schema {
            Some(name) => reference(name),
            // Without a schema, clients that are generated throw the answer away.
            None if answer.media.ends_with("json") => json!({ "type": "object" }),
            None => json!({ "type": "string" }),
        };
        response["content"] = json!({ answer.media: { "schema": schema } });
    }
    let location = match answer.status {
        201 => Some("Where the service can be read."),
        202 => Some("Where the operation can be read."),
        _ => None,
    };
    if let Some(description) = location {
        response["headers"] =
            json!({ "Location": { "description": description, "schema": { "type": "string" } } });
    }
    response
}

/// One response for all problems of an endpoint with the same status.
fn problems(codes: &[Code]) -> Value {
    if let [code] = codes {
        return json!({ "$ref": format!("#/components/responses/{}", code.as_str()) });
    }
    let words: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    let titles: Vec<String> =
        codes.iter().map(|c| format!("`{}`: {}", c.as_str(), c.title())).collect();
    let schema = json!({
        "$ref": format!("{COMPONENTS}Problem"),
        "properties": { "code": { "enum": words } },
    });
    json!({
        "description": format!("{}.", titles.join("; ")),
        "content": { PROBLEM_JSON: { "schema": schema } },
    })
}

fn problem_responses() -> Value {
    let response = |code: &Code| {
        let mut schema = reference("Problem");
        schema["properties"] = json!({ "code": { "const": code.as_str() } });
        json!({
            "description": format!("{}. {}", code.title(), code.advice()),
            "content": { PROBLEM_JSON: { "schema": schema } },
            "x-status": code.status(),
        })
    };
    let mut responses = Map::new();
    for code in Code::ALL {
        responses.insert(code.as_str().to_owned(), response(code));
    }
    responses.into()
}

// === schemas of services ===

fn component(service: &str) -> String {
    format!("config.{service}")
}

/// Moves a service's schema, and the definitions in it, to where the document keeps schemas.
fn config_schemas(service: &ServiceDoc) -> Vec<(String, Value)> {
    let Some(schema) = &service.config_schema else { return Vec::new() };
    let base = component(&service.name);
    let mut root = schema.clone().to_value();
    let mut definitions = Map::new();
    if let Some(object) = root.as_object_mut() {
        object.remove("$schema");
        if let Some(Value::Object(found)) = object.remove("$defs") {
            definitions = found;
        }
    }
    let moved = definitions.into_iter().map(|(name, schema)| (nested(&base, &name), schema));
    let mut all: Vec<(String, Value)> =
        std::iter::once((base.clone(), root)).chain(moved).collect();
    all.iter_mut().for_each(|(_, schema)| redirect(schema, &base));
    all
}

/// Component names are made of letters, digits, `.`, `-` and `_` only.
fn nested(base: &str, name: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '_' };
    format!("{base}.{}", name.chars().map(legal).collect::<String>())
}

/// Lets every `$ref` in `schema` follow the definitions to their new place.
fn redirect(schema: &mut Value, base: &str) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::String(target)) = object.get_mut("$ref") {
                if let Some(name) = target.strip_prefix("#/$defs/") {
                    *target = format!("{COMPONENTS}{}", nested(base, &unescape(name)));
                } else if target == "#" {
                    *target = format!("{COMPONENTS}{base}");
                }
            }
            object.values_mut().for_each(|value| redirect(value, base));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| redirect(item, base)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Reads one token of a JSON pointer (RFC 6901) in a fragment.
fn unescape(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

fn snake_case(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 4);
    for (i, c) in text.chars().enumerate() {
        if c.is_uppercase() && i > 0 {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(schemars::JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Tree {
        /// Smaller trees.
        children: Vec<Tree>,
        leaf: Option<Leaf>,
    }

    #[derive(schemars::JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Leaf {
        #[schemars(range(min = 1))]
        size: u64,
    }

    fn specimen() -> Value {
        let about = About { title: "T".into(), version: "1".into(), prefix: "/api".into() };
        let config_schema = Some(schemars::schema_for!(Tree));
        let name = "tree-top".to_owned();
        document(&about, &[ServiceDoc { name, description: None, config_schema, has_routes: true }])
    }

    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(object) => {
                if let Some(Value::String(target)) = object.get("$ref") {
                    found.push(target);
                }
                object.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_points_into_the_document() {
        let document = specimen();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.contains(&"#/components/schemas/config.tree-top.Leaf"), "{found:?}");
        for target in found {
            let pointer = target.strip_prefix('#').unwrap_or(target);
            assert!(document.pointer(pointer).is_some(), "{target} leads nowhere");
        }
    }

    #[test]
    fn operation_ids_are_distinct() {
        let document = specimen();
        let items = document["paths"].as_object().expect("paths").values();
        let ids: Vec<&str> = items
            .flat_map(|item| item.as_object().expect("an item").values())
            .map(|operation| operation["operationId"].as_str().expect("an id"))
            .collect();
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(ids.len(), distinct.len(), "{ids:?}");
    }

    #[test]
    fn the_prefix_is_in_the_paths() {
        let document = specimen();
        assert!(document["paths"]["/api/services"].is_object());
        assert!(document["paths"]["/health/live"].is_object());
    }
}
