//! Configuration as it is shown: every value that holds, or that would be another one.
//!
//! # Invariants
//!
//! 1. Values come from [`Section::effective`] and [`Section::differences`], which mask what is
//!    secret; what is added here is the framework's own, and never secret.
//! 2. One path is listed once: the nearest layer that says something is shown.

use std::collections::BTreeSet;
use std::time::Duration;

use processpype_config::{Difference, Document, Effective, HumanDuration, Origin, Section, Side};
use processpype_core::{RestartPolicy, ServiceName};
use processpype_runtime::{ConfigType, HangLimit, Kind, OnHang, Options};
use schemars::Schema;

use super::written::Written;
use crate::catalogue::specs::Template;
use crate::groups::GroupSection;
use crate::kept;
use crate::settings::{DefaultsSection, FRAMEWORK_KEYS, ServiceKeys};

/// Lists what holds for a service: the framework's keys, then its own fields.
pub(crate) fn effective(
    document: &Document,
    name: &ServiceName,
    template: &Template,
    now: &Written<'_>,
) -> Vec<Effective> {
    let Written { keys, configured: now } = now;
    let written = |section: &Section, schema: Schema| {
        let all = section.effective(&schema).into_iter();
        all.filter(|value| value.origin != Origin::Default).collect::<Vec<_>>()
    };
    let path = format!("services.{name}");
    let mut all = written(keys, kept::schema::<ServiceKeys>());
    let (defaults, _) = document.section(&["defaults"]).split(&FRAMEWORK_KEYS);
    let inherited = written(&defaults, kept::schema::<DefaultsSection>()).into_iter();
    let renamed = inherited.map(|value| {
        let below = value.path.strip_prefix("defaults").unwrap_or(&value.path);
        Effective::new(format!("{path}{below}"), value.value, value.origin, value.overrides)
    });
    let mut told: BTreeSet<String> = all.iter().map(|value| value.path.clone()).collect();
    let (code, plain) = (words(&template.options()), words(&Options::default()));
    let said = words(&now.options).into_iter().map(|(key, value)| {
        let is = |all: &[(String, String)]| all.contains(&(key.clone(), value.clone()));
        let origin = if is(&plain) || !is(&code) { Origin::Default } else { Origin::Code };
        Effective::new(format!("{path}.{key}"), value, origin, Vec::new())
    });
    let rest: Vec<Effective> = renamed.chain(said).collect();
    all.extend(rest.into_iter().filter(|value| told.insert(value.path.clone())));
    if let Some(schema) = own_schema(&template.kind) {
        all.extend(now.section.effective(&schema));
    }
    all
}

/// Lists what would be another value for a service: first as it is written, then what follows for
/// the framework's keys from elsewhere, such as `defaults`.
pub(crate) fn differences(kind: &Kind, now: &Written<'_>, new: &Written<'_>) -> Vec<Difference> {
    let mut all = now.keys.differences(&new.keys, &kept::schema::<ServiceKeys>());
    let (now, new) = (now.configured, new.configured);
    if let Some(schema) = own_schema(kind) {
        all.extend(now.section.differences(&new.section, &schema));
    }
    if all.is_empty() && !new.has_the_secrets_of(now) {
        // Only what a reference stands for is another value.
        let side = || Some(Side::new("***", new.section.origin().unwrap_or(Origin::Default)));
        all.push(Difference::new(new.section.path(), side(), side()));
    }
    all
}

/// Lists what differs in one of the framework's sections.
pub(crate) fn section_differences(name: &str, now: &Document, new: &Document) -> Vec<Difference> {
    let (now, new) = (now.root().get(name), new.root().get(name));
    match kept::schema_of(name) {
        Some(schema) => now.differences(&new, &schema),
        None => groups(&now, &new),
    }
}

fn groups(now: &Section, new: &Section) -> Vec<Difference> {
    let names = now.keys().into_iter().chain(new.keys()).map(|(name, _)| name);
    let names: BTreeSet<String> = names.filter(|name| !name.starts_with("x-")).collect();
    let schema = kept::schema::<GroupSection>();
    names.iter().flat_map(|name| now.get(name).differences(&new.get(name), &schema)).collect()
}

fn own_schema(kind: &Kind) -> Option<Schema> {
    kind.config_types().first().map(ConfigType::own_schema)
}

/// The framework's keys that a service lives by, as they would be written.
fn words(options: &Options) -> Vec<(String, String)> {
    let (restart, mut all) = (&options.restart, Vec::new());
    let mut add = |key: &str, value: String| all.push((key.to_owned(), value));
    add("enabled", options.enabled.to_string());
    add("autostart", options.autostart.to_string());
    add("oneshot", options.oneshot.to_string());
    add("significant", options.significant.to_string());
    add("start_timeout", human(options.start_timeout));
    add("stop_timeout", human(options.stop_timeout));
    add("restart.policy", policy(restart.policy).to_owned());
    add("restart.backoff.initial", human(restart.backoff.initial()));
    add("restart.backoff.max", human(restart.backoff.max()));
    add("restart.backoff.factor", restart.backoff.factor().to_string());
    add("restart.backoff.jitter", restart.backoff.jitter().to_string());
    if let Some(max) = restart.limit.max_restarts() {
        add("restart.max_restarts", max.to_string());
        add("restart.within", human(restart.limit.within()));
    }
    add("restart.reset_after", human(restart.reset_after));
    if let Some(level) = options.log_level {
        add("log_level", level.as_str().to_owned());
    }
    for (key, time, limit) in
        [("heartbeat", "within", options.heartbeat), ("watchdog", "poll", options.watchdog)]
    {
        if let Some(limit) = limit {
            add(&format!("processpype.{key}.{time}"), human(limit.after()));
            add(&format!("processpype.{key}.then"), then(limit).to_owned());
        }
    }
    all
}

fn human(time: Duration) -> String {
    HumanDuration::from(time).to_string()
}

fn policy(policy: RestartPolicy) -> &'static str {
    match policy {
        RestartPolicy::Always => "always",
        RestartPolicy::OnFailure => "on-failure",
        RestartPolicy::Never => "never",
    }
}

fn then(limit: HangLimit) -> &'static str {
    if limit.then() == OnHang::Restart { "restart" } else { "report" }
}
