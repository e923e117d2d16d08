//! The reference of the framework's keys in `docs/configuration.md`, made from the schema.
//!
//! # Invariants
//!
//! 1. Every key of every section of the framework is in the document; a stale document fails here.
//! 2. Every key has an example, and every example is a configuration that is accepted.

use processpype_config::Format;
use serde_json::{Map, Value};

use super::file_schema;
use crate::application::Application;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
const BEGIN: &str = "<!-- generated from the schema: begin -->\n";
const END: &str = "<!-- generated from the schema: end -->\n";

/// The name that stands for any service in the document.
const NAME: &str = "NAME";

/// A value for every key. Where a path has a part in upper case, any name may stand there.
const EXAMPLES: &[(&str, &str)] = &[
    ("app.title", "Shop"),
    ("app.version", "1.4.0"),
    ("app.environment", "production"),
    ("app.debug", "true"),
    ("app.timezone", "Europe/Rome"),
    ("app.max_concurrent_starts", "16"),
    ("app.restart_rate.per_second", "20"),
    ("app.restart_rate.burst", "50"),
    ("server.host", "127.0.0.1"),
    ("server.port", "9000"),
    ("server.listeners", "[{address: 'unix:/run/shop.sock'}]"),
    ("server.auth.tokens", "[{name: ci, role: operator, token: 0c1d5ee2f3a4b5968778695a4b3c2d1e}]"),
    ("server.api_prefix", "/api/v1"),
    ("server.closing_timeout_seconds", "55"),
    ("server.drain_delay", "5s"),
    ("server.platform_stop_timeout", "30s"),
    ("server.platform_start_timeout", "2m"),
    ("server.allowed_hosts", "[box.example.org]"),
    ("server.creatable_kinds", "[ticker]"),
    ("server.shutdown_endpoint", "true"),
    ("server.auth.certificates", "[{name: ci, role: operator, dns: ci.example.org}]"),
    ("server.tls.certificate", "/etc/shop/tls.crt"),
    ("server.tls.key", "/etc/shop/tls.key"),
    ("server.tls.client_ca", "/etc/shop/clients.crt"),
    ("server.tls.client_auth", "optional"),
    ("server.tls.reload", "1m"),
    ("server.limits.handshake_time", "5s"),
    ("server.limits.connections", "2000"),
    ("server.limits.connections_per_peer", "1000"),
    ("server.limits.streams", "200"),
    ("server.limits.streams_per_peer", "50"),
    ("server.limits.commands", "32"),
    ("server.limits.writes.burst", "20"),
    ("server.limits.writes.per_second", "5"),
    ("server.limits.failures.burst", "5"),
    ("server.limits.failures.per_second", "1"),
    ("server.limits.header_bytes", "16384"),
    ("server.limits.headers", "64"),
    ("server.limits.uri_bytes", "4096"),
    ("server.limits.body_bytes", "131072"),
    ("server.limits.service_body_bytes", "1048576"),
    ("server.limits.first_byte_time", "5s"),
    ("server.limits.header_read_time", "5s"),
    ("server.limits.idle_time", "2m"),
    ("server.limits.body_read_time", "30s"),
    ("server.limits.service_body_time", "5m"),
    ("server.limits.write_stall_time", "10s"),
    ("server.limits.answer_rate", "4096"),
    ("observability.logging.level", "warn"),
    ("observability.logging.format", "json"),
    ("observability.logging.loggers", "{hyper: error, my_app: debug}"),
    ("observability.logging.redaction.fields", "[pin, iban]"),
    ("observability.logging.redaction.except", "[token_count]"),
    ("observability.events.file", "/var/lib/app/events.jsonl"),
    ("observability.events.max_size", "67108864"),
    ("observability.events.keep", "9"),
    ("observability.logging.destination", "{file: /var/log/app.log}"),
    ("observability.tracing.endpoint", "http://localhost:4318"),
    ("observability.tracing.headers", "{authorization: 0c1d5ee2f3a4b5968778695a4b3c2d1e}"),
    ("observability.tracing.sample_ratio", "0.1"),
    ("observability.tracing.level", "debug"),
    ("observability.tracing.logs", "false"),
    ("observability.tracing.timeout", "5s"),
    ("observability.tracing.resource", "{service.namespace: shop}"),
    ("secrets.backends", "{vault: {kind: file, path: /run/secrets}}"),
    ("defaults.autostart", "false"),
    ("defaults.restart.policy", "never"),
    ("defaults.restart.backoff.initial", "1s"),
    ("defaults.restart.backoff.max", "5m"),
    ("defaults.restart.backoff.factor", "1.5"),
    ("defaults.restart.backoff.jitter", "0.5"),
    ("defaults.restart.max_restarts", "10"),
    ("defaults.restart.within", "5m"),
    ("defaults.restart.reset_after", "2m"),
    ("defaults.significant", "true"),
    ("defaults.start_timeout", "1m"),
    ("defaults.stop_timeout", "5s"),
    ("defaults.log_level", "warn"),
    ("groups.NAME.strategy", "rest-for-one"),
    ("groups.NAME.members", "[reader, writer]"),
    ("groups.NAME.max_restarts", "3"),
    ("groups.NAME.within", "5m"),
    ("defaults.processpype.heartbeat.within", "1m"),
    ("defaults.processpype.heartbeat.then", "restart"),
    ("defaults.processpype.watchdog.poll", "250ms"),
    ("defaults.processpype.watchdog.then", "restart"),
    ("defaults.processpype.poll_times", "true"),
    ("defaults.processpype.readiness_required", "false"),
    ("services.NAME.kind", "ticker"),
    ("services.NAME.enabled", "false"),
    ("services.NAME.autostart", "false"),
    ("services.NAME.depends_on", "[database]"),
    ("services.NAME.uses", "{source: database}"),
    ("services.NAME.edges", "{database: restart}"),
    ("services.NAME.restart.policy", "never"),
    ("services.NAME.restart.backoff.initial", "1s"),
    ("services.NAME.restart.backoff.max", "5m"),
    ("services.NAME.restart.backoff.factor", "1.5"),
    ("services.NAME.restart.backoff.jitter", "0.5"),
    ("services.NAME.restart.max_restarts", "10"),
    ("services.NAME.restart.within", "5m"),
    ("services.NAME.restart.reset_after", "2m"),
    ("services.NAME.oneshot", "true"),
    ("services.NAME.significant", "true"),
    ("services.NAME.start_timeout", "1m30s"),
    ("services.NAME.stop_timeout", "20s"),
    ("services.NAME.log_level", "debug"),
    ("services.NAME.processpype.heartbeat.within", "30s"),
    ("services.NAME.processpype.heartbeat.then", "restart"),
    ("services.NAME.processpype.watchdog.poll", "1s"),
    ("services.NAME.processpype.watchdog.then", "restart"),
    ("services.NAME.processpype.poll_times", "true"),
    ("services.NAME.processpype.readiness_required", "false"),
];

/// One key of the file.
struct Key {
    path: String,
    schema: Value,
}

/// The schema of an application that has one kind and no service.
struct Reference {
    schema: Value,
}

// === impl Reference ===

impl Reference {
    fn new() -> Self {
        let setup = empty().setup().expect("an empty application is valid");
        Self { schema: file_schema(&setup) }
    }

    /// Follows a `$ref`, or the only alternative that is not `null`; siblings win.
    fn resolve(&self, schema: &Value) -> Value {
        let alternatives = schema["anyOf"].as_array();
        let other = |it: &&Value| it["type"] != "null";
        let inner = alternatives.and_then(|all| all.iter().find(other)).unwrap_or(schema);
        let path = inner["$ref"].as_str().map(|path| path.trim_start_matches('#'));
        let found = path.and_then(|path| self.schema.pointer(path));
        let mut resolved = found.unwrap_or(inner).clone();
        if let (Some(to), Some(from)) = (resolved.as_object_mut(), schema.as_object()) {
            let own = |(key, _): &(&String, &Value)| !matches!(key.as_str(), "$ref" | "anyOf");
            to.extend(from.iter().filter(own).map(|(key, value)| (key.clone(), value.clone())));
        }
        resolved
    }

    fn sections(&self) -> Vec<(String, Value)> {
        let of = |name: &str| self.resolve(&self.schema["properties"][name]);
        let mut sections: Vec<_> = ["app", "server", "observability", "secrets", "defaults"]
            .into_iter()
            .map(|name| (name.to_owned(), of(name)))
            .collect();
        let group = &self.schema["properties"]["groups"]["additionalProperties"];
        sections.push((format!("groups.{NAME}"), self.resolve(group)));
        let service = self.schema.pointer("/$defs/ServiceKeys").cloned();
        let service = service.expect("the kind's section has the framework's keys");
        sections.push((format!("services.{NAME}"), service));
        sections
    }

    /// Lists the keys below a section; a map of known keys is walked, not listed.
    fn keys(&self, path: &str, section: &Value) -> Vec<Key> {
        let none = Map::new();
        let properties = section["properties"].as_object().unwrap_or(&none);
        let each = |(name, schema): (&String, &Value)| {
            let (path, schema) = (format!("{path}.{name}"), self.resolve(schema));
            if schema["properties"].is_object() {
                self.keys(&path, &schema)
            } else {
                vec![Key { path, schema }]
            }
        };
        properties.iter().flat_map(each).collect()
    }

    fn render(&self) -> String {
        let mut out = String::from(BEGIN);
        for (name, section) in self.sections() {
            out.push_str(&format!("\n### `{name}`\n\n{}\n", description(&section)));
            for key in self.keys(&name, &section) {
                out.push_str(&self.render_key(&key));
            }
        }
        out.push('\n');
        out.push_str(END);
        out
    }

    fn render_key(&self, key: &Key) -> String {
        let Key { path, schema } = key;
        let mut out = format!("\n#### `{path}`\n\n{}\n\n", description(schema));
        out.push_str(&format!("- Type: {}\n", self.kind(schema)));
        match &schema["default"] {
            Value::Null => {}
            value => out.push_str(&format!("- Default: `{value}`\n")),
        }
        let example = example(path);
        let last = path.rsplit('.').next().unwrap_or(path);
        out.push_str(&format!("- Example: `{last}: {example}`\n"));
        out.push_str(&format!("- Variable: `{}={example}`\n", variable(path)));
        out
    }

    /// Says what is valid, in words.
    fn kind(&self, schema: &Value) -> String {
        if let Some(expected) = schema["x-expected"].as_str() {
            return expected.to_owned();
        }
        if let Some(variants) = schema["oneOf"].as_array() {
            let each: Vec<String> = variants.iter().map(variant).collect();
            return format!("one of {}", each.join(", "));
        }
        let types = schema["type"].as_array().map_or_else(
            || vec![schema["type"].clone()],
            |all| all.iter().filter(|it| *it != "null").cloned().collect(),
        );
        match types[0].as_str() {
            Some("boolean") => "`true` or `false`".to_owned(),
            Some("integer") => format!("a whole number{}", range(schema)),
            Some("number") => format!("a number{}", range(schema)),
            Some("array") => "a list of texts".to_owned(),
            Some("object") => {
                let value = self.resolve(&schema["additionalProperties"]);
                format!("a map of names to {}", self.kind(&value))
            }
            _ => "a text".to_owned(),
        }
    }
}

fn variant(schema: &Value) -> String {
    if let Some(word) = schema["const"].as_str() {
        return format!("`{word}`");
    }
    let none = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&none);
    let key = |(name, schema): (&String, &Value)| match schema["const"].as_str() {
        Some(word) => format!("{name}: {word}"),
        None => format!("{name}: …"),
    };
    format!("`{{{}}}`", properties.iter().map(key).collect::<Vec<_>>().join(", "))
}

fn range(schema: &Value) -> String {
    match (&schema["minimum"], &schema["maximum"]) {
        (Value::Null, Value::Null) => String::new(),
        (least, Value::Null) => format!(", at least {least}"),
        (Value::Null, most) => format!(", at most {most}"),
        (least, most) => format!(", {least} to {most}"),
    }
}

/// The description, without the Rust example that some types have in it.
fn description(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    let text = text.split("\n\n```").next().unwrap_or_default();
    text.to_owned()
}

fn variable(path: &str) -> String {
    format!("PROCESSPYPE_{}", path.to_uppercase().replace('.', "__"))
}

fn example(path: &str) -> &'static str {
    let found = EXAMPLES.iter().find(|(of, _)| *of == path);
    found.map(|(_, value)| *value).unwrap_or_else(|| panic!("`{path}` has no example"))
}

/// An application with what the examples name: a kind, and a service to need.
fn empty() -> Application {
    struct Ticker;
    impl crate::Service for Ticker {}
    Application::new().kind("ticker", |_: crate::Context| Ticker).environment([])
}

#[test]
fn the_document_has_every_key() {
    let reference = Reference::new().render();
    let document = std::fs::read_to_string(DOCUMENT).expect("the document is there");
    let (before, rest) = document.split_once(BEGIN).expect("the document has the first mark");
    let (stale, after) = rest.split_once(END).expect("the document has the second mark");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let document = format!("{before}{reference}{after}");
        std::fs::write(DOCUMENT, document).expect("the document can be written");
    } else {
        let hint = "docs/configuration.md is stale: UPDATE_GOLDEN=1 renews it";
        assert_eq!(format!("{BEGIN}{stale}{END}"), reference, "{hint}");
    }
}

#[test]
fn every_example_is_accepted_in_the_file_and_as_a_variable() {
    struct Provider;
    impl crate::Service for Provider {}
    struct Source;
    struct Named {
        _source: crate::Dep<Provider, Source>,
    }
    impl crate::Service for Named {}
    // `kind` is for services of the file, `uses` for those that declare a dependency, and `then`
    // for those that have a limit.
    let application = |path: &str| match path {
        "services.NAME.uses" => empty()
            .service(|| Provider)
            .named("database")
            .service(|source: crate::Dep<Provider, Source>| Named { _source: source })
            .named("name"),
        "services.NAME.kind" => empty(),
        "services.NAME.edges" => {
            empty().task("database", wait).task("name", wait).depends_on("database")
        }
        "groups.NAME.members" => empty().task("reader", wait).task("writer", wait),
        _ if path.starts_with("groups.") => {
            let app = empty().task("reader", wait).task("writer", wait);
            app.group("name", crate::Strategy::OneForAll, &["reader", "writer"])
        }
        path if path.ends_with(".then") => {
            let (after, then) = (std::time::Duration::from_secs(1), crate::OnHang::Report);
            empty().task("name", wait).heartbeat(after, then).watchdog(after, then)
        }
        _ => empty().task("database", wait).task("name", wait),
    };
    // What names files is only accepted where these are, and what sends where that is built in:
    // `crate::tls` and the playground have tests of their own.
    let is_anywhere = |path: &str| {
        let sends = path == "observability.tracing.endpoint" && cfg!(not(feature = "otlp"));
        !path.starts_with("server.tls.") && !sends
    };
    for (path, value) in EXAMPLES.iter().filter(|(path, _)| is_anywhere(path)) {
        let file = nested(&path.replace(NAME, "name"), value);
        let by_file = application(path).config_text("example.yaml", Format::Yaml, &*file);
        by_file.check().unwrap_or_else(|error| panic!("{file}\n{error}"));
        let by_variable = application(path).environment([(variable(path), (*value).to_owned())]);
        by_variable.check().unwrap_or_else(|error| panic!("{}={value}\n{error}", variable(path)));
    }
}

async fn wait(cx: crate::Context) -> crate::Result {
    cx.stopping().await;
    Ok(())
}

#[test]
fn every_example_is_of_a_key() {
    let reference = Reference::new();
    let sections = reference.sections();
    let keys = sections.iter().flat_map(|(name, section)| reference.keys(name, section));
    let paths: Vec<String> = keys.map(|key| key.path).collect();
    for (path, _) in EXAMPLES {
        assert!(paths.iter().any(|known| known == path), "there is no key `{path}`");
    }
}

/// Writes `a.b: value` as nested maps.
fn nested(path: &str, value: &str) -> String {
    let keys: Vec<&str> = path.split('.').collect();
    let mut text = String::new();
    for (depth, key) in keys.iter().enumerate() {
        let end = if depth + 1 == keys.len() { format!(" {value}\n") } else { "\n".to_owned() };
        text.push_str(&format!("{}{key}:{end}", "  ".repeat(depth)));
    }
    text
}
