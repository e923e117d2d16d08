//! `config`: every value that holds, with its origin.

use processpype_config::{Effective, Section};
use processpype_runtime::ConfigType;
use processpype_telemetry::one_line;

use super::print::{Printer, say};
use crate::groups::GroupSection;
use crate::kept;
use crate::settings::{FRAMEWORK_KEYS, SECTIONS, ServiceKeys};
use crate::setup::Setup;

pub(super) fn config(setup: &Setup, printer: Printer) {
    let values = effective(setup);
    if printer.json {
        return match serde_json::to_string_pretty(&values) {
            Ok(text) => say(&text),
            Err(error) => super::say_error(&error.to_string()),
        };
    }
    for value in &values {
        let mut line = format!("{} = {}  # {}", value.path, value.value, value.origin);
        for overridden in &value.overrides {
            line.push_str(&format!(", overrides {overridden}"));
        }
        // Whoever wrote the file or a variable does not write on this terminal.
        say(&one_line(&line));
    }
}

fn effective(setup: &Setup) -> Vec<Effective> {
    let root = setup.document.root();
    let sections = SECTIONS.iter().filter_map(|name| Some((name, kept::schema_of(name)?)));
    let mut values: Vec<Effective> =
        sections.flat_map(|(name, schema)| root.get(name).effective(&schema)).collect();
    let groups = setup.document.section(&["groups"]);
    let written = groups.keys().into_iter().filter(|(name, _)| !name.starts_with("x-"));
    let schema = kept::schema::<GroupSection>();
    values.extend(written.flat_map(|(name, _)| groups.get(&name).effective(&schema)));
    for spec in setup.blueprint.specs() {
        let section = setup.document.section(&["services", spec.name.as_str()]);
        values.extend(framework_keys(&section));
        let schema = spec.kind.config_types().first().map(ConfigType::own_schema);
        if let Some(schema) = schema {
            values.extend(spec.section.effective(&schema));
        }
    }
    values
}

/// The framework's keys are shown where they are written; their defaults are in the reference.
fn framework_keys(section: &Section) -> Vec<Effective> {
    let (keys, _) = section.split(&FRAMEWORK_KEYS);
    let all = keys.effective(&kept::schema::<ServiceKeys>());
    all.into_iter().filter(|value| value.origin != processpype_config::Origin::Default).collect()
}
