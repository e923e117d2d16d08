//! Configuration of a running application: shown, changed, loaded again.
//!
//! # Invariants
//!
//! 1. A value on the command line is JSON if it reads as JSON, and text otherwise: `5` is a number,
//!    `"5"` and `five` are texts.
//! 2. What is shown is what the application answered; it masks what is secret, this shows no more.

use std::time::Duration;

use processpype_api::{
    Accepted, ConfigDifference, ConfigEffect, ConfigForeseen, ConfigValue, Reloaded, ServiceConfig,
    ServiceConfigured, ServiceList, ServiceReloaded,
};
use processpype_config::HumanDuration;
use serde_json::{Map, Value};

use crate::act::say_unless;
use crate::error::ClientError;
use crate::exit::ClientExit;
use crate::http::Answer;
use crate::look::Asking;
use crate::paths::{escape, service};
use crate::print::{remark, say, say_raw};
use crate::verb::{Assignment, ConfigureArgs, ReloadArgs};

/// How long the application itself waits at most.
const SERVER_WAIT_MAX: Duration = Duration::from_secs(60);

pub(crate) async fn reload(asking: &Asking, args: &ReloadArgs) -> Result<ClientExit, ClientError> {
    let wait = (*args.wait).min(SERVER_WAIT_MAX);
    let path = format!("/reload?wait={}{}", HumanDuration::from(wait), dry_run(args.dry_run));
    let answer = asking.client.post(&path, body(args.reason.as_deref()), wait).await?;
    let told: Reloaded = answer.read()?;
    asking.print(&answer, |told: &Reloaded, _| reloaded(told))?;
    Ok(exit_of(&told, args.wait))
}

/// A service that went back to its old configuration is no success; what goes on is one for who
/// did not want to wait.
fn exit_of(told: &Reloaded, wait: HumanDuration) -> ClientExit {
    let failed = told.services.iter().any(|service| service.code.is_some());
    match (failed, told.finished) {
        (true, _) => ClientExit::Refused,
        (false, true) => ClientExit::Done,
        (false, false) if wait.is_zero() => ClientExit::Done,
        (false, false) => ClientExit::StillGoing,
    }
}

fn dry_run(is_dry: bool) -> &'static str {
    if is_dry { "&dry_run=true" } else { "" }
}

fn body(reason: Option<&str>) -> String {
    reason.map_or_else(String::new, |reason| Value::from_iter([("reason", reason)]).to_string())
}

pub(crate) async fn configure(
    asking: &Asking,
    args: &ConfigureArgs,
) -> Result<ClientExit, ClientError> {
    let wait = (*args.wait).min(SERVER_WAIT_MAX);
    let answer = asking.client.post(&path(args, wait), patch(args).to_string(), wait).await?;
    if answer.status == 202 {
        return goes_on(asking, args, &answer);
    }
    if args.dry_run {
        asking.print(&answer, |would: &ConfigForeseen, _| foreseen(would))?;
    } else {
        asking.print(&answer, |done: &ServiceConfigured, _| configured(done))?;
    }
    Ok(ClientExit::Done)
}

fn path(args: &ConfigureArgs, wait: Duration) -> String {
    let (place, wait) = (service(&args.name), HumanDuration::from(wait));
    let verb = if args.start { "configure_and_start" } else { "configure" };
    let reason = args.reason.as_deref();
    let reason = reason.map_or(String::new(), |it| format!("&reason={}", escape(it)));
    format!("{place}/{verb}?wait={wait}{}{reason}", dry_run(args.dry_run))
}

fn goes_on(
    asking: &Asking,
    args: &ConfigureArgs,
    answer: &Answer,
) -> Result<ClientExit, ClientError> {
    if asking.json {
        say_raw(&answer.text);
    }
    let (name, operation) = (&args.name, answer.read::<Accepted>()?.operation);
    if args.wait.is_zero() {
        let text = format!("{name}: the new configuration holds (operation {operation})");
        say_unless(asking.json, &text);
        return Ok(ClientExit::Done);
    }
    remark(&format!(
        "{name}: the new configuration holds, and what follows goes on (operation {operation})\n  \
         = help: `why {name}` says what it waits for"
    ));
    Ok(ClientExit::StillGoing)
}

fn foreseen(would: &ConfigForeseen) -> String {
    let effect = would_be(would.would);
    format!("{} {effect}{}", would.service, differences(&would.differences))
}

/// Shows what holds for one service, or for all.
pub(crate) async fn config(asking: &Asking, name: Option<&str>) -> Result<ClientExit, ClientError> {
    if let Some(name) = name {
        let path = format!("{}/-/config", service(name));
        return asking.show(&path, |config: &ServiceConfig, _| values(config)).await;
    }
    let list: ServiceList = asking.client.get("/services").await?.read()?;
    let mut all = Vec::new();
    for it in &list.services {
        let answer = asking.client.get(&format!("{}/-/config", service(&it.name))).await?;
        let config: ServiceConfig = answer.read()?;
        all.push((answer.text, values(&config)));
    }
    if asking.json {
        // One list, and in it each answer as it came.
        let answers: Vec<&str> = all.iter().map(|(answer, _)| answer.trim()).collect();
        say_raw(&format!("[{}]", answers.join(",")));
    } else {
        let texts = all.iter().map(|(_, text)| text).filter(|text| !text.is_empty());
        texts.for_each(|text| say(text));
    }
    Ok(ClientExit::Done)
}

/// The body: what is set, and `null` for what is taken out.
fn patch(args: &ConfigureArgs) -> Value {
    let mut body = Map::new();
    for Assignment { path, value } in &args.changes {
        put(&mut body, path, value.clone());
    }
    for path in &args.unset {
        put(&mut body, &path.split('.').map(str::to_owned).collect::<Vec<_>>(), Value::Null);
    }
    Value::Object(body)
}

fn put(map: &mut Map<String, Value>, path: &[String], value: Value) {
    let Some((key, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        map.insert(key.clone(), value);
        return;
    }
    let below = map.entry(key.clone()).or_insert_with(|| Value::Object(Map::new()));
    if !below.is_object() {
        *below = Value::Object(Map::new());
    }
    if let Value::Object(below) = below {
        put(below, rest, value);
    }
}

fn configured(done: &ServiceConfigured) -> String {
    let what = match done.status {
        ConfigEffect::Unchanged => "has this configuration already",
        ConfigEffect::Applied | ConfigEffect::Offered => "goes on with the new configuration",
        ConfigEffect::Restarted => "was restarted with the new configuration",
        ConfigEffect::Started => "was started with the new configuration",
        ConfigEffect::Stopped => "was disabled, and stopped",
        ConfigEffect::Kept => "keeps the new configuration for its next generation",
        ConfigEffect::Joined => "has joined",
        ConfigEffect::Left => "has left",
    };
    format!("{} {what} (generation {})\n  = note: {}", done.service, done.generation, done.note)
}

fn would_be(effect: ConfigEffect) -> &'static str {
    match effect {
        ConfigEffect::Unchanged => "would not change",
        ConfigEffect::Applied => "would go on with it",
        ConfigEffect::Restarted => "would be restarted",
        ConfigEffect::Started => "would be started",
        ConfigEffect::Stopped => "would be stopped",
        ConfigEffect::Kept => "would keep it for its next generation",
        ConfigEffect::Offered => "would be asked to take it over, and restarted if it does not",
        ConfigEffect::Joined => "would join",
        ConfigEffect::Left => "would be stopped, and leave",
    }
}

fn reloaded(told: &Reloaded) -> String {
    let mut text = headline(told).to_owned();
    for service in &told.services {
        text.push_str(&format!("\n  {} {}", service.service, outcome(service, told.dry_run)));
    }
    if !told.differences.is_empty() {
        text.push_str("\nwhat differs");
        text.push_str(&differences(&told.differences));
    }
    for fixed in &told.needs_process_restart {
        text.push_str(&format!("\n  = restart the process for `{}`: {}", fixed.path, fixed.why));
    }
    text
}

fn headline(told: &Reloaded) -> &'static str {
    match (told.dry_run, told.changed, told.finished) {
        (_, false, _) => "no service has another configuration",
        (true, true, _) => "this would follow",
        (false, true, true) => "reloaded",
        (false, true, false) => "reloaded; some services are not done yet",
    }
}

fn word(effect: ConfigEffect) -> String {
    let word = serde_json::to_value(effect).ok();
    word.and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

fn outcome(service: &ServiceReloaded, dry_run: bool) -> String {
    match (&service.status, &service.code) {
        (Some(effect), _) if dry_run => would_be(*effect).to_owned(),
        (Some(effect), _) => match &service.detail {
            Some(detail) => format!("{}: {detail}", word(*effect)),
            None => word(*effect),
        },
        (None, Some(code)) => {
            format!("{code}: {}", service.detail.as_deref().unwrap_or_default())
        }
        (None, None) => "goes on".to_owned(),
    }
}

/// A line for each value, as in a diff: `-` what is gone, `+` what is there.
fn differences(all: &[ConfigDifference]) -> String {
    let mut text = String::new();
    for one in all {
        for (sign, value) in [('-', &one.old), ('+', &one.new)] {
            if let Some(value) = value {
                text.push_str(&format!("\n  {sign} {} = {value}", one.path));
            }
        }
        text.push_str(&format!("  # {}", one.origin));
    }
    text
}

fn values(config: &ServiceConfig) -> String {
    config.values.iter().map(value).collect::<Vec<_>>().join("\n")
}

fn value(value: &ConfigValue) -> String {
    let overrides = value.overrides.iter().map(|it| format!(", overrides {it}"));
    let overrides: String = overrides.collect();
    format!("{} = {}  # {}{overrides}", value.path, value.value, value.origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(set: &[&str], unset: &[&str], expected: &str) {
        let args = ConfigureArgs {
            name: "x".to_owned(),
            changes: set.iter().map(|text| text.parse().expect("an assignment")).collect(),
            unset: unset.iter().map(|&key| key.to_owned()).collect(),
            start: false,
            dry_run: false,
            reason: None,
            wait: HumanDuration::from(Duration::ZERO),
        };
        assert_eq!(patch(&args).to_string(), expected, "{set:?} {unset:?}");
    }

    #[test]
    fn assignments_become_a_merge_patch() {
        check(&["step=5"], &[], r#"{"step":5}"#);
        check(&["name=five", "path=a=b"], &[], r#"{"name":"five","path":"a=b"}"#);
        check(&["name=\"5\"", "tags=[1, 2]"], &[], r#"{"name":"5","tags":[1,2]}"#);
        check(
            &["restart.policy=never"],
            &["restart.within"],
            r#"{"restart":{"policy":"never","within":null}}"#,
        );
        check(&["a="], &["b"], r#"{"a":"","b":null}"#);
        for bad in ["step", "=5", "a..b=1", ".a=1"] {
            assert!(bad.parse::<Assignment>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_difference_is_a_line_for_each_side() {
        let one = ConfigDifference {
            path: "services.x.step".to_owned(),
            change: processpype_api::ConfigChange::Changed,
            old: Some("1".to_owned()),
            new: Some("5".to_owned()),
            origin: "app.yaml:3:9".to_owned(),
        };
        let expected = "\n  - services.x.step = 1\n  + services.x.step = 5  # app.yaml:3:9";
        assert_eq!(differences(&[one]), expected);
    }
}
