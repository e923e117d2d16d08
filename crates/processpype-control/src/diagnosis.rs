//! `GET /diagnosis`: services are asked what is wrong with them.
//!
//! # Invariants
//!
//! 1. One asks at a time; more wait for a bounded time, and are then refused as busy: what a
//!    service does to find something out may be dear.

use std::time::Duration;

use axum::http::{StatusCode, Uri};
use axum::response::Response;
use processpype_api::{Code, Diagnosis, Problem, ServiceFinding};
use tokio::time::timeout;

use crate::query::Query;
use crate::refusal;
use crate::reply;
use crate::server::Control;
use crate::status;

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
    let findings = found.into_iter().flat_map(|(service, findings)| {
        findings.into_iter().map(move |finding| ServiceFinding {
            service: service.to_string(),
            severity: finding.severity.as_str().to_owned(),
            code: finding.code.to_owned(),
            message: finding.message,
            remedy: finding.remedy,
        })
    });
    Ok(reply::json(StatusCode::OK, &Diagnosis { findings: findings.collect() }))
}
