//! `GET /diagnosis`: services are asked what is wrong with them, and the framework tells of itself.
//!
//! # Invariants
//!
//! 1. One asks at a time; more wait for a bounded time, and are then refused as busy: what a
//!    service does to find something out may be dear.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{StatusCode, Uri};
use axum::response::Response;
use processpype_api::{ApplicationFinding, Code, Diagnosis, Problem, ServiceFinding};
use processpype_core::ServiceName;
use processpype_runtime::{CHECKS_AT_ONCE, Severity};
use processpype_telemetry::{
    MAX_SECRET_BYTES, MAX_SECRETS, MIN_SECRET_BYTES, Redactor, Unredactable,
};
use tokio::time::timeout;

use crate::error::TOO_MANY_FILES_HELP;
use crate::metrics::process::{open_files, resident};
use crate::query::Query;
use crate::refusal;
use crate::reply;
use crate::server::Control;
use crate::status;
use crate::tls::Refused;

/// From which part of the files on that may be open they are told of.
const FILES_TOLD: f64 = 0.9;

/// From how many checks of configuration at a time on they are told of: one takes milliseconds.
const CHECKS_TOLD: usize = CHECKS_AT_ONCE / 2;

/// From which part of the memory on that may be taken it is told.
const MEMORY_TOLD: f64 = 0.9;

/// From how many children of one service on they are told of.
const CHILDREN_TOLD: u64 = 1000;

/// How many names are told of those who block threads.
const NAMES_TOLD: usize = 8;

/// How long one waits for the one before it.
const WAIT: Duration = Duration::from_secs(6);

/// Answers with what services find.
pub(crate) async fn respond(control: &Control, uri: &Uri) -> Result<Response, Problem> {
    let mut query = Query::of(uri);
    let service = query.text("service");
    query.finish()?;
    let Ok(Ok(_turn)) = timeout(WAIT, control.diagnoses.acquire()).await else {
        let detail = "somebody else asks the services already";
        return Err(Problem::new(Code::Busy, detail).retry_after(WAIT.as_secs()));
    };
    let name = service.as_deref();
    if let Some(name) = name {
        status::known(control, name)?;
    }
    let found = control.manager.diagnose(name).await;
    let found =
        found.map_err(|error| refusal::problem("diagnose", name.unwrap_or("all"), &error))?;
    let mut findings = Vec::new();
    for (service, found) in found {
        findings.extend(found.into_iter().map(|finding| ServiceFinding {
            service: service.to_string(),
            severity: finding.severity.as_str().to_owned(),
            code: finding.code.to_owned(),
            message: finding.message,
            remedy: finding.remedy,
        }));
    }
    let application = if name.is_none() { of_application(control) } else { Vec::new() };
    Ok(reply::json(StatusCode::OK, &Diagnosis { findings, application }))
}

/// What is wrong with what the framework does for all services.
fn of_application(control: &Control) -> Vec<ApplicationFinding> {
    let mut findings = certificates(control);
    findings.extend(secrets(control));
    findings.extend(open_files().and_then(|(open, most)| files(open, most)));
    findings.extend(checks(control.manager.checks_running()));
    findings.extend(resident(&control.process).and_then(|(taken, most)| memory(taken, most)));
    let names = control.manager.names();
    let tasks = |name: &ServiceName| control.manager.counts(name.as_str()).map(|it| it.tasks);
    let counted = names.iter().filter_map(|name| Some((name, tasks(name)?)));
    findings.extend(children(&counted.collect::<Vec<_>>()));
    findings.extend(threads(&control.manager.busy(), control.settings.service_threads));
    findings
}

/// Services with so many children that some of them have perhaps been forgotten.
fn children(all: &[(&ServiceName, u64)]) -> Option<ApplicationFinding> {
    let many = all.iter().filter(|(_, tasks)| *tasks >= CHILDREN_TOLD);
    let (name, tasks) = many.max_by_key(|(_, tasks)| *tasks)?;
    Some(ApplicationFinding {
        severity: Severity::Warning.as_str().to_owned(),
        code: "many-children".to_owned(),
        message: format!("`{name}` has {tasks} children that live, the most of all services"),
        remedy: "look whether each that it spawns has an end: `processpype_service_tasks` in \
                 `/metrics` says whether they grow; a `restart` of it ends them all"
            .to_owned(),
    })
}

/// Memory, where little more may be had before the system kills the process.
fn memory(taken: f64, most: f64) -> Option<ApplicationFinding> {
    const MEBIBYTE: f64 = 1_048_576.0;
    (taken >= most * MEMORY_TOLD).then(|| ApplicationFinding {
        severity: Severity::Warning.as_str().to_owned(),
        code: "memory".to_owned(),
        message: format!(
            "{:.0} MiB of memory are taken, of {:.0} MiB at which the system kills the process",
            taken / MEBIBYTE,
            most / MEBIBYTE
        ),
        remedy: "stop what leaks, if you know it: `process_resident_memory_bytes` in `/metrics` \
                 falls then; or raise the limit of its unit or container"
            .to_owned(),
    })
}

/// Threads that services do not give back, where few are left for all the others.
fn threads(busy: &[ServiceName], all: usize) -> Option<ApplicationFinding> {
    let (taken, most) = (busy.len(), all.max(1));
    if taken == 0 || taken * 2 < most {
        return None;
    }
    let names: Vec<&str> = busy.iter().take(NAMES_TOLD).map(ServiceName::as_str).collect();
    let more = match taken.saturating_sub(NAMES_TOLD) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let (severity, what) = match taken >= most {
        true => (Severity::Problem, "no other service goes on, whatever its status says"),
        false => (Severity::Warning, "with all of them taken no service would go on"),
    };
    Some(ApplicationFinding {
        severity: severity.as_str().to_owned(),
        code: "blocked-threads".to_owned(),
        message: format!(
            "{taken} services block or spin, on {most} threads that all of them share: {}{more}; \
             {what}",
            names.join(", ")
        ),
        remedy: "restart the process: such a thread cannot be taken back; what blocks or computes \
                 belongs into `cx.spawn_blocking`"
            .to_owned(),
    })
}

/// Checks of configuration that hang, where few more can be begun.
fn checks(running: usize) -> Option<ApplicationFinding> {
    let message = format!("{running} checks of configuration go on, of {CHECKS_AT_ONCE} that may");
    let (severity, what) = match running {
        CHECKS_AT_ONCE.. => {
            (Severity::Problem, "nothing can be configured, reloaded or registered")
        }
        CHECKS_TOLD.. => (Severity::Warning, "with as many, nothing can be configured any more"),
        _ => return None,
    };
    Some(ApplicationFinding {
        severity: severity.as_str().to_owned(),
        code: "checks-hang".to_owned(),
        message: format!("{message}: {what}"),
        remedy: "if it stays so, a file or code that reads configuration hangs: mend that, and \
                 restart the process"
            .to_owned(),
    })
}

/// Listeners that go on with an old certificate.
fn certificates(control: &Control) -> Vec<ApplicationFinding> {
    let speaking = control.speaking().iter();
    let refused = speaking.filter_map(|(listener, it)| Some((listener, it.refused()?)));
    let finding = |(listener, refused): (&String, Arc<Refused>)| ApplicationFinding {
        severity: Severity::Problem.as_str().to_owned(),
        code: "certificate-refused".to_owned(),
        message: format!("the new certificate of {listener} is refused; {}", refused.why),
        remedy: refused.help.clone(),
    };
    refused.map(finding).collect()
}

/// Files that are open, where few more can be.
fn files(open: f64, most: f64) -> Option<ApplicationFinding> {
    (open >= most * FILES_TOLD).then(|| ApplicationFinding {
        severity: Severity::Warning.as_str().to_owned(),
        code: "open-files".to_owned(),
        message: format!("{open} files are open, of {most} that may be"),
        remedy: TOO_MANY_FILES_HELP.to_owned(),
    })
}

/// Secrets that log and answers may show.
fn secrets(control: &Control) -> Vec<ApplicationFinding> {
    let unhidden = control.settings.redactor.as_ref().map(Redactor::unhidden);
    let finding = |(why, count): (Unredactable, usize)| ApplicationFinding {
        severity: Severity::Warning.as_str().to_owned(),
        code: "secrets-unhidden".to_owned(),
        message: format!("log and answers may show {count} of the configuration's secrets: {why}"),
        remedy: format!(
            "use secrets of {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes, at most {MAX_SECRETS}, \
             and restart the process"
        ),
    };
    unhidden.unwrap_or_default().into_iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_files_are_told_before_the_last_one() {
        assert!(files(100.0, 1024.0).is_none());
        let found = files(1000.0, 1024.0).expect("few are left");
        assert_eq!(found.message, "1000 files are open, of 1024 that may be");
        assert!(found.remedy.contains("LimitNOFILE="), "{found:?}");
    }

    #[test]
    fn who_has_most_children_is_told_if_they_are_many() {
        let names: [ServiceName; 3] = ["a", "b", "c"].map(|name| name.parse().expect("a name"));
        let told = |tasks: [u64; 3]| {
            children(&names.iter().zip(tasks).collect::<Vec<_>>()).map(|it| it.message)
        };
        assert_eq!(told([0, 999, 7]), None);
        let expected = "`b` has 1200 children that live, the most of all services";
        assert_eq!(told([1000, 1200, 7]).as_deref(), Some(expected));
    }

    #[test]
    fn memory_is_told_before_the_system_kills() {
        assert!(memory(9e8, 1.1e9).is_none());
        let found = memory(95.0 * 1_048_576.0, 100.0 * 1_048_576.0).expect("little is left");
        assert!(found.message.starts_with("95 MiB of memory are taken, of 100 MiB"), "{found:?}");
    }

    #[test]
    fn threads_that_are_taken_are_told_before_the_last_one() {
        let name = |number| format!("s{number:02}").parse().expect("a name");
        let busy: Vec<ServiceName> = (0..10).map(name).collect();
        assert!(threads(&busy[..4], 10).is_none() && threads(&[], 0).is_none());
        let found = threads(&busy[..5], 10).expect("half of them are taken");
        assert_eq!(found.severity, "warning");
        let found = threads(&busy, 10).expect("none is left");
        assert_eq!(found.severity, "problem");
        let begun = "10 services block or spin, on 10 threads that all of them share: s00, s01, ";
        assert!(found.message.starts_with(begun), "{found:?}");
        assert!(found.message.contains("s07 and 2 more; no other service goes on"), "{found:?}");
    }

    #[test]
    fn checks_that_hang_are_told_before_the_last_place_is_taken() {
        assert!(checks(CHECKS_TOLD - 1).is_none());
        let found = checks(CHECKS_TOLD).expect("they are many");
        assert_eq!((&*found.severity, &*found.code), ("warning", "checks-hang"));
        let found = checks(CHECKS_AT_ONCE).expect("there is no place left");
        assert_eq!(found.severity, "problem");
        assert!(found.message.starts_with("16 checks of configuration go on, of 16"), "{found:?}");
    }
}
