//! What is wrong with a running application, and what to do about each of it.
//!
//! # Invariants
//!
//! 1. [`diagnose`] is a pure function of what the application answers.
//! 2. Every finding has a remedy. What only follows from another finding is none: a service that
//!    waits is told where it waits for.

use std::borrow::Cow;

use processpype_api::{
    ApplicationFinding, ApplicationState, ApplicationStatus, Desired, Diagnosis, Info, Plan,
    ServiceFinding, ServiceState, ServiceStatus, Timestamp,
};
use serde::Serialize;

use crate::connect::Destination;
use crate::error::ClientError;
use crate::exit::ClientExit;
use crate::look::Asking;
use crate::print::{ERROR, WARNING, say};
use crate::view::status as view;

/// The finding that may follow from another one.
const RUNNING_WITHOUT: &str = "running-without";

/// How the system says that the other end of a pipe is closed.
const BROKEN_PIPE: &str = "Broken pipe";

/// What to do about that: no room and no permission brings the reader back.
const READER_GONE: &str = "whatever has read the log (`app 2>&1 | …`) has ended, and no other can \
     take its place: `logs` has the newest lines; restart the process with a log that goes to a \
     file or the journal";

/// What a log is written to.
const LOG_FILE: &str = "that standard error or `observability.logging.destination` leads to";

/// What was looked at.
#[derive(Clone, Debug)]
struct Facts {
    status: ApplicationStatus,
    info: Info,
    plan: Plan,
    /// What services, and the framework, find wrong with themselves.
    told: Diagnosis,
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    level: Level,
    /// What sort it is; never changes its meaning.
    code: Cow<'static, str>,
    service: Option<String>,
    message: String,
    remedy: String,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// Something does not work.
    Problem,
    /// Something works, and will not always.
    Warning,
}

/// The answer with `--json`; the application knows nothing of it.
#[derive(Debug, Serialize)]
struct Report<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<Asked>,
    ok: bool,
    findings: &'a [Finding],
}

/// Whom the doctor has asked, and how it knew.
#[derive(Debug, Serialize)]
pub(crate) struct Asked {
    url: String,
    url_from: String,
    /// What named the token that was shown; none without one.
    token_from: Option<String>,
}

pub(crate) async fn doctor(asking: &Asking) -> Result<ClientExit, ClientError> {
    let facts = Facts {
        status: asking.client.get("/").await?.read()?,
        info: asking.client.get("/info").await?.read()?,
        plan: asking.client.get("/plan").await?.read()?,
        told: asking.client.get("/diagnosis").await?.read()?,
    };
    let asked = Some(Asked::of(asking));
    Ok(report(&diagnose(&facts), &facts.status.title, asked, asking.json))
}

/// Prints what was found about something.
pub(crate) fn report(
    findings: &[Finding],
    about: &str,
    asked: Option<Asked>,
    json: bool,
) -> ClientExit {
    let ok = !findings.iter().any(Finding::is_problem);
    if json {
        let report = Report { asked, ok, findings };
        say(&serde_json::to_string(&report).unwrap_or_default());
    } else {
        findings.iter().for_each(|finding| say(&finding.to_string()));
        say(&summary(about, findings));
        if let Some(asked) = &asked {
            say(&asked.to_string());
        }
    }
    if ok { ClientExit::Done } else { ClientExit::Refused }
}

fn summary(title: &str, findings: &[Finding]) -> String {
    let count = |level, one: &str| {
        let number = findings.iter().filter(|finding| finding.level == level).count();
        if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
    };
    match findings {
        [] => format!("ok: nothing is wrong with {title}"),
        _ => format!(
            "{title}: {}, {}",
            count(Level::Problem, "problem"),
            count(Level::Warning, "warning")
        ),
    }
}

/// Finds what is wrong, the worst first.
fn diagnose(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = application(&facts.status).into_iter().collect();
    findings.extend(paused(&facts.status));
    findings.extend(unwritten(&facts.status));
    findings.extend(unlogged(&facts.status));
    findings.extend(services(&facts.status));
    findings.extend(failed_before(facts));
    findings.extend(facts.told.findings.iter().map(told));
    findings.extend(facts.told.application.iter().map(told_of_all));
    findings.extend(build(facts));
    findings.extend(facts.plan.warnings.iter().map(|it| {
        let remedy = format!("in `{}`: {}", it.key, it.help);
        Finding::new(Level::Warning, "plan", it.message.clone(), remedy)
    }));
    findings.sort_by_key(|finding| finding.level);
    findings
}

/// What a service has found itself.
fn told(it: &ServiceFinding) -> Finding {
    let message = format!("`{}`: {}", it.service, it.message);
    let level = Level::of(&it.severity);
    Finding::new(level, it.code.clone(), message, it.remedy.clone()).about(&it.service)
}

/// What the framework has found about itself.
fn told_of_all(it: &ApplicationFinding) -> Finding {
    Finding::new(Level::of(&it.severity), it.code.clone(), it.message.clone(), it.remedy.clone())
}

fn application(status: &ApplicationStatus) -> Option<Finding> {
    let (code, message, remedy) = match status.state {
        ApplicationState::Running => return None,
        ApplicationState::Starting => {
            ("starting", "the start is not over", "wait; `timeline` says who it waits for")
        }
        ApplicationState::Stopping | ApplicationState::Stopped => {
            ("closing", "the application is closing", "start it again once it has ended")
        }
    };
    Some(Finding::new(Level::Problem, code, message, remedy))
}

/// Somebody who has paused restarts may have forgotten it.
fn paused(status: &ApplicationStatus) -> Option<Finding> {
    let pause = status.restarts_paused.as_ref()?;
    let message =
        format!("automatic restarts are paused by {}, until {}", pause.actor, pause.until);
    Some(Finding::new(Level::Warning, "restarts-paused", message, "`resume` lets them go on"))
}

/// What happens now will not be in the file of events when somebody looks for it.
fn unwritten(status: &ApplicationStatus) -> Option<Finding> {
    let journal = status.journal.as_ref()?;
    let (file, lost) = (&journal.file, journal.lost);
    let message = match &journal.error {
        Some(error) => format!("events cannot be written to {file}: {error}"),
        None if lost > 0 => format!("{lost} events are missing in {file}"),
        None => return None,
    };
    let level = if journal.error.is_some() { Level::Problem } else { Level::Warning };
    let remedy = look_at_disk("of `observability.events.file`");
    Some(Finding::new(level, "events-unwritten", message, remedy))
}

/// What to do about a file that cannot be written; nothing has to be done once it can.
fn look_at_disk(file: &str) -> String {
    format!(
        "make room (`df -h`), or look at the permissions and the limits (`ulimit -f`) of the file \
         {file}; it is written again by itself then"
    )
}

/// What is not in the log is missed when somebody looks for it.
fn unlogged(status: &ApplicationStatus) -> Option<Finding> {
    let log = status.log.as_ref()?;
    let lost = log.lost;
    let (level, message, remedy) = match &log.error {
        Some(error) => (
            Level::Problem,
            format!("the log cannot be written: {error}; {lost} lines are lost"),
            match error.starts_with(BROKEN_PIPE) {
                true => READER_GONE.to_owned(),
                false => look_at_disk(LOG_FILE),
            },
        ),
        None if lost > 0 => (
            Level::Warning,
            format!("{lost} lines of the log are lost since the start"),
            "nothing, if its disk was full for a while: it is written now; otherwise log less \
             (`observability.logging.level`), or to something faster"
                .to_owned(),
        ),
        None => return None,
    };
    Some(Finding::new(level, "log-unwritten", message, remedy))
}

/// Judges every service. Who runs without a provider that was found itself is not found again.
fn services(status: &ApplicationStatus) -> Vec<Finding> {
    let all = status.services.values();
    let found: Vec<Finding> = all.filter_map(service).collect();
    let is_found = |name: &String| found.iter().any(|it| it.service.as_ref() == Some(name));
    let follows = |finding: &Finding| {
        let it = finding.service.as_ref().and_then(|name| status.services.get(name));
        finding.code == RUNNING_WITHOUT && it.is_some_and(|it| it.waiting_on.iter().all(is_found))
    };
    found.iter().filter(|finding| !follows(finding)).cloned().collect()
}

/// Judges one service; what waits for another one is judged there.
fn service(it: &ServiceStatus) -> Option<Finding> {
    if !it.enabled {
        return None;
    }
    let name = &it.name;
    let error = it.error.as_ref().map(|error| format!("{} ({})", error.message, error.kind));
    let text = error.unwrap_or_default();
    let is_orphan = it.error.as_ref().is_some_and(|error| error.kind == "orphaned");
    let (restart, wanted) = (it.restart.as_ref(), it.desired == Desired::Running);
    let found = |level, code, message: String, remedy: String| {
        Some(Finding { service: Some(name.clone()), ..Finding::new(level, code, message, remedy) })
    };
    let mend = format!("mend the cause, its log says which, then `start {name}`");
    match it.state {
        _ if is_orphan => {
            let message = format!("`{name}` is orphaned: {text}");
            found(Level::Problem, "orphaned", message, "restart the process".to_owned())
        }
        ServiceState::Error if restart.is_some_and(|restart| restart.exhausted) => {
            found(Level::Problem, "exhausted", format!("`{name}` failed too often: {text}"), mend)
        }
        ServiceState::Error if restart.is_some_and(|restart| restart.next_at.is_some()) => {
            let message = format!("`{name}` failed and is tried again by itself: {text}");
            let remedy = format!("wait, or `start {name}` once the cause is gone");
            found(Level::Problem, "backoff", message, remedy)
        }
        ServiceState::Error if it.waiting_on.is_empty() => {
            found(Level::Problem, "failed", format!("`{name}` failed and stays down: {text}"), mend)
        }
        ServiceState::Stopped if !wanted && it.generation > 0 && !it.completed => {
            let who = it.acted.as_ref().map_or("somebody", |acted| &acted.actor);
            let message = format!("`{name}` is stopped, {who} did it");
            let remedy = format!("`start {name}`, or leave it: nobody else will start it");
            found(Level::Warning, "stopped", message, remedy)
        }
        ServiceState::Running => running(it, &text).and_then(|(code, message)| {
            found(Level::Warning, code, message, format!("`why {name}` says what can be done"))
        }),
        ServiceState::Error
        | ServiceState::Stopped
        | ServiceState::Starting
        | ServiceState::Stopping => None,
    }
}

/// Says what is wrong with a service that runs.
fn running(it: &ServiceStatus, error: &str) -> Option<(&'static str, String)> {
    let name = &it.name;
    if let Some(degraded) = &it.degraded {
        return Some(("degraded", format!("`{name}` runs, but degraded: {degraded}")));
    }
    if it.error.is_some() {
        return Some(("complaining", format!("`{name}` runs and reports an error: {error}")));
    }
    if !it.waiting_on.is_empty() {
        let others = it.waiting_on.join(", ");
        return Some((RUNNING_WITHOUT, format!("`{name}` runs without {others}")));
    }
    let though = match it.is_passed_over() {
        true => ", and `/health/ready` does not wait for it: `readiness_required` is false",
        false => "",
    };
    let told = || format!("`{name}` runs and says that it is not ready{though}");
    (!it.ready).then(|| ("unready", told()))
}

/// Finds who runs, with nothing else to be said of it, and only since it has failed.
fn failed_before(facts: &Facts) -> Vec<Finding> {
    let Info { started_at, uptime_seconds, .. } = &facts.info;
    let now = Timestamp(started_at.0.saturating_add(uptime_seconds.saturating_mul(1000)));
    let all = facts.status.services.values().filter(|it| service(it).is_none());
    let told = all.filter_map(|it| {
        let name = &it.name;
        let message = format!("`{name}` runs again: {}", view::failed_before(it, now)?);
        let remedy =
            format!("see whether it happens again: `events --service {name}`, `why {name}`");
        let service = Some(name.clone());
        Some(Finding { service, ..Finding::new(Level::Warning, "failed-before", message, remedy) })
    });
    told.collect()
}

/// Judges how the application was built.
fn build(facts: &Facts) -> Vec<Finding> {
    let Facts { status, info, .. } = facts;
    let mut findings = Vec::new();
    let mut warn = |code, message: String, remedy: &str| {
        findings.push(Finding::new(Level::Warning, code, message, remedy));
    };
    let own = env!("CARGO_PKG_VERSION");
    if info.framework != own {
        let message =
            format!("the application is built on {}, this program on {own}", info.framework);
        warn("version", message, "use the command line of the application itself");
    }
    if info.panic == "abort" {
        let message = "a panic in one service ends the whole process".to_owned();
        warn("panic-abort", message, "build it without `panic = \"abort\"`");
    }
    if info.profile == "debug" && status.environment == "production" {
        let message = "a debug build runs in production".to_owned();
        warn("debug-build", message, "build it with `--release`");
    }
    findings
}

// === impl Asked ===

impl Asked {
    pub(crate) fn of(asking: &Asking) -> Self {
        let Destination { target, from, .. } = asking.client.destination();
        Self {
            url: target.to_string(),
            url_from: from.clone(),
            token_from: asking.client.token_from(),
        }
    }
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { url, url_from, token_from } = self;
        let token = token_from.as_ref();
        let token = match token {
            Some(from) => format!("token: {from}"),
            None if url.starts_with("unix:") => "no token: the system says who asks".to_owned(),
            None => "no token".to_owned(),
        };
        write!(f, "asked {url} (from {url_from}; {token})")
    }
}

// === impl Level ===

impl Level {
    fn of(severity: &str) -> Self {
        if severity == "problem" { Self::Problem } else { Self::Warning }
    }
}

// === impl Finding ===

impl Finding {
    pub(crate) fn new(
        level: Level,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (code, message, remedy) = (code.into(), message.into(), remedy.into());
        Self { level, code, service: None, message, remedy }
    }

    /// Nobody answers: whatever else is found, nothing of it may be so any more.
    pub(crate) fn unanswered(error: &ClientError) -> Self {
        let remedy = error.help().unwrap_or_default();
        Self::new(Level::Problem, "unanswered", error.to_string(), remedy)
    }

    pub(crate) fn is_problem(&self) -> bool {
        self.level == Level::Problem
    }

    /// The same finding, about a service.
    pub(crate) fn about(self, service: &str) -> Self {
        Self { service: Some(service.to_owned()), ..self }
    }

    /// What sort it is.
    #[cfg(test)]
    pub(crate) fn code(&self) -> &str {
        &self.code
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (word, style) = match self.level {
            Level::Problem => ("problem", ERROR),
            Level::Warning => ("warning", WARNING),
        };
        let Self { code, message, remedy, .. } = self;
        write!(f, "{style}{word}[{code}]{style:#}: {message}\n  = help: {remedy}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Checks the findings, as `level code`, of one service with these fields.
    #[track_caller]
    fn check(change: &Value, expected: &[&str]) {
        let mut service = json!({
            "name": "db", "kind": "db", "state": "running", "error": null, "metadata": {},
            "is_configured": true, "enabled": true, "ready": true, "completed": false,
            "generation": 1, "since": "2026-11-26T10:00:00.000Z", "desired": "running",
            "waiting_on": [], "restart": null, "degraded": null, "last_error": null, "acted": null,
        });
        for (key, value) in change.as_object().expect("fields") {
            service[key] = value.clone();
        }
        let service = serde_json::from_value(service).expect("a status");
        let mut facts = healthy();
        facts.status.services.insert("db".to_owned(), service);
        compare(&facts, expected);
    }

    #[track_caller]
    fn compare(facts: &Facts, expected: &[&str]) {
        let findings = diagnose(facts);
        let word = |level| if level == Level::Problem { "problem" } else { "warning" };
        let found: Vec<String> =
            findings.iter().map(|it| format!("{} {}", word(it.level), it.code)).collect();
        assert_eq!(found, expected, "{findings:#?}");
        assert!(findings.iter().all(|it| !it.remedy.is_empty() && !it.message.is_empty()));
    }

    fn healthy() -> Facts {
        let info = json!({
            "title": "Shop", "version": "1", "framework": env!("CARGO_PKG_VERSION"),
            "profile": "release", "features": [], "panic": "unwind", "platform": "x", "pid": 1,
            "started_at": "2026-11-26T10:00:00.000Z", "uptime_seconds": 1, "services": 1,
        });
        let status = json!({
            "title": "Shop", "version": "1", "environment": "production", "state": "running",
            "services": {},
        });
        Facts {
            status: serde_json::from_value(status).expect("a status"),
            info: serde_json::from_value(info).expect("an info"),
            plan: Plan::default(),
            told: Diagnosis { findings: Vec::new(), application: Vec::new() },
        }
    }

    #[test]
    fn what_services_find_stands_among_the_rest() {
        let mut facts = healthy();
        let finding = |severity: &str, code: &str| ServiceFinding {
            service: "db".to_owned(),
            severity: severity.to_owned(),
            code: code.to_owned(),
            message: "3 % is free".to_owned(),
            remedy: "delete exports".to_owned(),
        };
        facts.told.findings = vec![finding("warning", "disk-space"), finding("problem", "peer")];
        facts.told.application = vec![ApplicationFinding {
            severity: "problem".to_owned(),
            code: "certificate-refused".to_owned(),
            message: "it is refused".to_owned(),
            remedy: "have it made anew".to_owned(),
        }];
        let expected = ["problem peer", "problem certificate-refused", "warning disk-space"];
        compare(&facts, &expected);
        let text = diagnose(&facts)[2].to_string();
        assert!(text.ends_with("`db`: 3 % is free\n  = help: delete exports"), "{text}");
    }

    #[test]
    fn every_service_that_is_not_well_is_found() {
        let error =
            |kind: &str| json!({"message": "m", "kind": kind, "at": "2026-11-26T10:00:00.000Z"});
        let restart = |next: Option<&str>| {
            let exhausted = next.is_none();
            json!({"attempt": 3, "next_at": next, "exhausted": exhausted, "held": false})
        };
        let next = Some("2026-11-26T10:00:09.000Z");
        check(&json!({}), &[]);
        check(&json!({"state": "error", "error": error("orphaned")}), &["problem orphaned"]);
        let failed = |restart: Value| {
            let error = error("failed");
            json!({"state": "error", "error": error, "restart": restart})
        };
        check(&failed(restart(None)), &["problem exhausted"]);
        check(&failed(restart(next)), &["problem backoff"]);
        check(&failed(json!(null)), &["problem failed"]);
        check(&json!({"state": "stopped", "desired": "stopped"}), &["warning stopped"]);
        check(&json!({"degraded": "slow"}), &["warning degraded"]);
        check(&json!({"error": error("reported")}), &["warning complaining"]);
        check(&json!({"waiting_on": ["disk"]}), &["warning running-without"]);
        let before = json!({"last_error": error("panic")});
        check(&before, &["warning failed-before"]);
        let (mut acted, mut waits) = (before.clone(), before);
        acted["acted"] = json!({"operation": 1, "actor": "anna", "verb": "start", "reason": null,
            "at": "2026-11-26T10:00:01.000Z"});
        check(&acted, &[]);
        waits["waiting_on"] = json!(["disk"]);
        check(&waits, &["warning running-without"]);
        check(&json!({"ready": false}), &["warning unready"]);
        check(&json!({"ready": false, "readiness_required": false}), &["warning unready"]);
    }

    #[test]
    fn what_is_written_nowhere_is_found() {
        let found = |field: &str, report: Value, expected: &[&str]| {
            let mut facts = healthy();
            let mut status = serde_json::to_value(&facts.status).expect("a status");
            status[field] = report;
            facts.status = serde_json::from_value(status).expect("a status");
            compare(&facts, expected);
        };
        let journal = |error: Value, lost: u64| json!({"file": "e", "error": error, "lost": lost});
        found("journal", journal(json!(null), 0), &[]);
        found("journal", journal(json!(null), 1), &["warning events-unwritten"]);
        found("journal", journal(json!("full"), 1), &["problem events-unwritten"]);
        found("log", json!({"error": null, "lost": 1}), &["warning log-unwritten"]);
        found("log", json!({"error": "full", "lost": 0}), &["problem log-unwritten"]);
        found("log", json!(null), &[]);
    }

    #[test]
    fn nobody_is_told_to_make_room_for_a_log_that_nobody_reads() {
        let remedy = |error: &str| {
            let log = json!({"error": error, "lost": 1});
            let mut facts = healthy();
            facts.status.log = Some(serde_json::from_value(log).expect("a log"));
            diagnose(&facts).remove(0).remedy
        };
        let gone = remedy("Broken pipe (os error 32)");
        assert!(gone.contains("restart the process") && !gone.contains("by itself"), "{gone}");
        let full = remedy("No space left on device (os error 28)");
        assert!(full.contains("make room (`df -h`)"), "{full}");
    }

    /// Only a problem is a reason to exit with another code than 0.
    #[test]
    fn a_warning_is_no_failure() {
        let finding = |level| Finding::new(level, "x", "m".to_owned(), "r");
        assert_eq!(report(&[], "Shop", None, true), ClientExit::Done);
        assert_eq!(report(&[finding(Level::Warning)], "Shop", None, true), ClientExit::Done);
        assert_eq!(report(&[finding(Level::Problem)], "Shop", None, true), ClientExit::Refused);
    }

    #[test]
    fn a_debug_build_is_found_in_production_alone() {
        let mut facts = healthy();
        facts.info.profile = "debug".to_owned();
        compare(&facts, &["warning debug-build"]);
        facts.status.environment = "development".to_owned();
        compare(&facts, &[]);
    }

    #[test]
    fn what_follows_from_another_finding_is_none() {
        check(&json!({"state": "stopped", "waiting_on": ["disk"]}), &[]);
        check(&json!({"state": "stopped", "completed": true, "desired": "stopped"}), &[]);
        check(&json!({"state": "stopped", "generation": 0, "desired": "stopped"}), &[]);
        check(&json!({"state": "stopped", "enabled": false, "desired": "stopped"}), &[]);
        check(&json!({"state": "starting"}), &[]);
    }

    #[test]
    fn build_plan_and_state_of_the_application() {
        let mut facts = healthy();
        facts.info.profile = "debug".to_owned();
        facts.info.panic = "abort".to_owned();
        facts.info.framework = "0.0.1".to_owned();
        facts.status.state = ApplicationState::Starting;
        facts.plan.warnings = vec![processpype_api::PlanWarning {
            code: "nothing-significant".to_owned(),
            message: "m".to_owned(),
            key: "defaults.significant".to_owned(),
            origin: None,
            help: "h".to_owned(),
        }];
        let expected = [
            "problem starting",
            "warning version",
            "warning panic-abort",
            "warning debug-build",
            "warning plan",
        ];
        compare(&facts, &expected);
    }
}
