//! Configuration over HTTP: what holds, changes of one service, and the reload of the files.
//!
//! # Invariants
//!
//! 1. A change goes the way of all [orders](crate::orders).
//! 2. A problem in a body has the JSON Pointer of its place, and shows a value only where the
//!    schema knows it to be harmless.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use processpype_api as wire;
use processpype_api::{
    Code, ConfigAnswer, ConfigForeseen, EndpointId, Fault, Problem, Reloaded, ServiceConfig,
    ServiceConfigured, ServiceReloaded,
};
use processpype_config::{Layer, Report};
use processpype_core::{ServiceName, ServiceState, each};
use processpype_runtime::{
    CommandError, ConfigChange, ConfigEffect, ConfigPreview, ConfigureError, Done, Operation,
    Refused, ReloadPreview, Reloading, Request as By, Status,
};
use tokio::time::{Instant, timeout, timeout_at};

use crate::body::{self, did_you_mean};
use crate::convert;
use crate::gate;
use crate::orders;
use crate::precondition::Conditions;
use crate::query::Query;
use crate::refusal::{self, unchecked};
use crate::reply;
use crate::server::Control;
use crate::status;

/// How long a reason may be, in characters.
const REASON_CHARS: usize = 500;

/// How long what came over the API holds.
const NOTE: &str = "it lies over the files until it is removed or the process ends; restarts of \
    the service and reloads keep it";

/// What holds where nothing came over the API, or nothing that was not taken back.
const NOTE_REMOVED: &str = "nothing lies over the files any more: they hold, with variables and \
    flags";

/// Says what a service that runs does with a configuration that is only kept: it could not be
/// restarted with it.
fn runs_without(status: &Status) -> Option<String> {
    runs_on(status).map(|text| format!("; {text}"))
}

/// The same, by itself.
fn runs_on(status: &Status) -> Option<String> {
    let names: Vec<String> = each(&status.waiting_on, |name| format!("`{name}`"));
    let why = match names.as_slice() {
        [] => String::new(),
        names => format!(" without {}", names.join(", ")),
    };
    (status.state == ServiceState::Running).then(|| {
        format!(
            "the service runs on with the configuration it had, because it cannot be \
             restarted{why}: the new one holds once it starts again"
        )
    })
}

/// A change as it was asked for.
#[derive(Clone, Debug)]
struct Asked {
    id: EndpointId,
    service: String,
    wait: Duration,
    is_dry: bool,
    reason: Option<String>,
    conditions: Conditions,
}

/// What became of a change when it was handed over.
enum Handed {
    Operation(Operation),
    Preview(ConfigPreview),
}

/// What became of a reload when it was handed over.
enum Loaded {
    Begun(Reloading),
    Preview(ReloadPreview),
}

/// Answers what holds for a service.
pub(crate) fn config(control: &Control, name: &str) -> Result<Response, Problem> {
    status::known(control, name)?;
    let revision = control.manager.config_book().revision();
    let Some(values) = control.manager.config(name) else {
        return Err(problem(name, &CommandError::NotConfigurable));
    };
    let values = each(&values, convert::config_value);
    let told = ServiceConfig { service: name.to_owned(), revision, values };
    Ok(reply::json(StatusCode::OK, &told))
}

/// Carries out `PUT` and `DELETE …/-/config`, `POST …/configure` and `…/configure_and_start`.
pub(crate) async fn configure(
    control: &Arc<Control>,
    id: EndpointId,
    name: &str,
    request: Request,
) -> Result<Response, Problem> {
    status::known(control, name)?;
    let asked = Asked::read(control, id, name, &request)?;
    let handing_over = {
        let (control, asked) = (Arc::clone(control), asked.clone());
        async move { hand_over(&control, &asked, request).await }
    };
    let operation = match orders::detached(handing_over).await? {
        Handed::Operation(operation) => operation,
        Handed::Preview(preview) => return Ok(asked.foreseen(&preview)),
    };
    let id = operation.id();
    match timeout(asked.wait, operation.outcome()).await {
        Ok(Ok(done)) => Ok(asked.done(control, id.0, &done)),
        Ok(Err(error)) => Err(problem(name, &error).operation(id.0)),
        Err(_) => asked.accepted(control, id.0),
    }
}

/// Carries out `POST /reload`.
pub(crate) async fn reload(control: &Arc<Control>, request: Request) -> Result<Response, Problem> {
    let mut query = Query::of(request.uri());
    let wait = query.patience(&control.settings.limits);
    let is_dry = query.flag("dry_run");
    let conditions = Conditions::take_key(request.headers(), &mut query);
    query.finish()?;
    let by = conditions.on(By::by(&gate::actor(&request)));
    let handing_over = {
        let control = Arc::clone(control);
        async move {
            let (by, _place) = orders::reasoned(&control, request, by).await?;
            let actor = Arc::clone(&by.actor);
            let manager = &control.manager;
            let asking = async {
                match is_dry {
                    true => manager.preview_reload().await.map(Loaded::Preview),
                    false => manager.reload(by).await.map(Loaded::Begun),
                }
            };
            // Files may be slow, and services many.
            match timeout(control.settings.limits.max_wait, asking).await {
                Ok(result) => result.map_err(|error| {
                    log_refused(&actor, is_dry, &error);
                    refused("", &error)
                }),
                Err(_) => Err(unchecked(&control)),
            }
        }
    };
    match orders::detached(handing_over).await? {
        Loaded::Preview(preview) => Ok(reply::json(StatusCode::OK, &would_reload(&preview))),
        Loaded::Begun(reloading) => {
            let location = control.operation_at(reloading.operation.0);
            let told = reloaded(control, reloading, wait).await;
            match told.finished {
                true => Ok(reply::json(StatusCode::OK, &told)),
                false => Ok(reply::accepted(&told, &location)),
            }
        }
    }
}

/// Files that are wrong are told in the log too: who mends them may not be who asked.
fn log_refused(actor: &str, is_dry: bool, error: &ConfigureError) {
    if let (Some(why), false) = (wrong_files(error), is_dry) {
        tracing::error!(target: "processpype", actor, "reload refused, nothing has changed: {why}");
    }
}

/// What is wrong with the files, in short; `None` if a reload was refused for another reason.
fn wrong_files(error: &ConfigureError) -> Option<String> {
    match error {
        ConfigureError::Refused(refused) => Some(refused.summary()),
        ConfigureError::Command(error @ CommandError::Unjoinable { .. }) => Some(error.to_string()),
        _ => None,
    }
}

async fn hand_over(control: &Control, asked: &Asked, request: Request) -> Result<Handed, Problem> {
    let by = asked.conditions.on(By::by(&gate::actor(&request)));
    let by = orders::because(by, asked.reason.as_ref());
    let change = asked.change(control, request).await?;
    let _place = orders::place(control)?;
    let (manager, name) = (&control.manager, asked.service.as_str());
    let asking = async {
        match asked.is_dry {
            true => manager.preview_configure(name, change, by).await.map(Handed::Preview),
            false => manager.configure(name, change, by).await.map(Handed::Operation),
        }
    };
    match timeout(control.settings.limits.accept_time, asking).await {
        Ok(result) => result.map_err(|error| refused(name, &error)),
        Err(_) => Err(unchecked(control)),
    }
}

// === impl Asked ===

impl Asked {
    /// Reads path, query and headers.
    fn read(
        control: &Control,
        id: EndpointId,
        name: &str,
        request: &Request,
    ) -> Result<Self, Problem> {
        let mut query = Query::of(request.uri());
        let wait = query.patience(&control.settings.limits);
        let is_dry = query.flag("dry_run");
        let reason = query.text("reason");
        if reason.as_ref().is_some_and(|reason| reason.chars().count() > REASON_CHARS) {
            let message = format!("it is longer than {REASON_CHARS} characters");
            query.fault(Fault::new("reason", message));
        }
        let conditions = Conditions::take(request.headers(), &mut query);
        query.finish()?;
        Ok(Self { id, service: name.to_owned(), wait, is_dry, reason, conditions })
    }

    /// Reads the body.
    async fn change(&self, control: &Control, request: Request) -> Result<ConfigChange, Problem> {
        let bytes = body::read_json(control, request).await?;
        let layer = |bytes: &[u8]| {
            let bytes = if bytes.is_empty() { b"{}" } else { bytes };
            Layer::from_json(bytes).map_err(|report| invalid("", &report))
        };
        match self.id {
            EndpointId::RemoveConfig if bytes.is_empty() => Ok(ConfigChange::remove()),
            EndpointId::RemoveConfig => {
                let detail = "nothing is sent with a `DELETE`";
                Err(Problem::new(Code::InvalidBody, detail))
            }
            EndpointId::PutConfig if bytes.is_empty() => {
                let detail = "the body is missing: it is the whole layer, such as `{\"key\": 1}`";
                Err(Problem::new(Code::MalformedBody, detail).help("`DELETE` removes the layer"))
            }
            EndpointId::PutConfig => layer(&bytes).map(ConfigChange::put),
            EndpointId::ConfigureAndStart => {
                layer(&bytes).map(|layer| ConfigChange::patch(layer).started())
            }
            _ => layer(&bytes).map(ConfigChange::patch),
        }
    }

    fn done(&self, control: &Control, operation: u64, done: &Done) -> Response {
        let book = control.manager.config_book();
        let lies_over = book.service(&self.service).is_some_and(|now| !now.layer().is_empty());
        let effect = done.configured.unwrap_or(ConfigEffect::Applied);
        let mut note = if lies_over { NOTE } else { NOTE_REMOVED }.to_owned();
        if effect == ConfigEffect::Kept
            && let Some(status) = control.manager.status(&self.service)
        {
            note.extend(runs_without(&status));
        }
        let told = ConfigAnswer::Configured(ServiceConfigured {
            operation,
            status: convert::config_effect(effect),
            service: self.service.clone(),
            changed: done.changed,
            generation: done.generation.0,
            note,
        });
        reply::json(StatusCode::OK, &told)
    }

    fn foreseen(&self, preview: &ConfigPreview) -> Response {
        let told = ConfigAnswer::Foreseen(ConfigForeseen {
            would: convert::config_would(preview.effect),
            service: self.service.clone(),
            differences: each(&preview.differences, convert::difference),
        });
        reply::json(StatusCode::OK, &told)
    }

    fn accepted(&self, control: &Control, operation: u64) -> Result<Response, Problem> {
        let command = match self.id {
            EndpointId::PutConfig => "put-config",
            EndpointId::RemoveConfig => "remove-config",
            EndpointId::ConfigureAndStart => "configure-and-start",
            _ => "configure",
        };
        orders::accepted(control, operation, command, &self.service)
    }
}

// === reload ===

/// Waits for the parts of a reload, all together no longer than `wait`.
async fn reloaded(control: &Control, reloading: Reloading, wait: Duration) -> Reloaded {
    let until = Instant::now() + wait;
    let Reloading { operation, services, leaving, joining, differences, fixed, .. } = reloading;
    let all = leaving.into_iter().map(|it| (it, Some(wire::ConfigEffect::Left)));
    let all = all.chain(services.into_iter().map(|it| (it, None)));
    let all = all.chain(joining.into_iter().map(|it| (it, Some(wire::ConfigEffect::Joined))));
    let (mut told, mut finished) = (Vec::new(), true);
    for ((name, operation), member) in all {
        let service = name.to_string();
        let id = Some(operation.id().0);
        let mut part =
            ServiceReloaded { service, operation: id, status: None, code: None, detail: None };
        match timeout_at(until, operation.outcome()).await {
            Ok(Ok(done)) => {
                part.status = member.or(done.configured.map(convert::config_effect));
                if done.configured == Some(ConfigEffect::Kept) {
                    part.detail = control.manager.status(&part.service).and_then(|it| runs_on(&it));
                }
            }
            Ok(Err(error)) => {
                let problem = problem(&part.service, &error);
                part.code = Some(problem.code().as_str().to_owned());
                part.detail = Some(problem.detail().to_owned());
            }
            Err(_) => finished = false,
        }
        told.push(part);
    }
    Reloaded {
        operation: Some(operation.0),
        dry_run: false,
        finished,
        changed: !told.is_empty(),
        services: told,
        differences: each(&differences, convert::difference),
        needs_process_restart: each(&fixed, convert::fixed),
    }
}

fn would_reload(preview: &ReloadPreview) -> Reloaded {
    let part = |service: &ServiceName, effect| ServiceReloaded {
        service: service.to_string(),
        operation: None,
        status: Some(effect),
        code: None,
        detail: None,
    };
    let ReloadPreview { leaving, joining, services, .. } = preview;
    let left = leaving.iter().map(|name| part(name, wire::ConfigEffect::Left));
    let changed = services.iter().map(|it| part(&it.service, convert::config_would(it.effect)));
    let joined = joining.iter().map(|name| part(name, wire::ConfigEffect::Joined));
    let services: Vec<ServiceReloaded> = left.chain(changed).chain(joined).collect();
    Reloaded {
        operation: None,
        dry_run: true,
        finished: true,
        changed: !services.is_empty(),
        services,
        differences: each(&preview.differences, convert::difference),
        needs_process_restart: each(&preview.fixed, convert::fixed),
    }
}

// === problems ===

fn problem(name: &str, error: &CommandError) -> Problem {
    let problem = refusal::problem("configure", name, error);
    if name.is_empty() { problem } else { problem.service(name) }
}

fn refused(name: &str, error: &ConfigureError) -> Problem {
    match error {
        ConfigureError::Command(error) => problem(name, error),
        ConfigureError::Invalid(report) => invalid(name, report).service(name),
        ConfigureError::Refused(refused) => invalid_files(refused),
        _ => reply::internal("a change was refused for an unknown reason"),
    }
}

/// What is wrong in a body, with the place in it.
fn invalid(name: &str, report: &Report) -> Problem {
    let section = if name.is_empty() { String::new() } else { format!("services.{name}") };
    let detail = match report.count() {
        1 => "the configuration is not valid; nothing has changed".to_owned(),
        n => format!("the configuration has {n} mistakes; nothing has changed"),
    };
    let faults = report.problems().iter().map(|problem| Fault {
        path: problem.path().to_owned(),
        pointer: Some(problem.pointer(&section)),
        ..fault(problem)
    });
    Problem::new(Code::InvalidConfig, detail).errors(faults.collect())
}

/// What is wrong in the files, with its place there.
fn invalid_files(refused: &Refused) -> Problem {
    let (report, plan) = (refused.report.as_ref(), refused.plan.as_ref());
    let mut faults: Vec<Fault> = each(report.map_or(&[][..], Report::problems), fault_of_file);
    let plan = plan.map_or(&[][..], |plan| plan.problems());
    faults.extend(plan.iter().map(|problem| Fault {
        help: problem.help.clone(),
        ..Fault::new("", problem.message.clone())
    }));
    let count = report.map_or(0, Report::count) + plan.len();
    let detail = match count {
        1 => "what is in the files is not valid; nothing has changed".to_owned(),
        n => format!("what is in the files has {n} mistakes; nothing has changed"),
    };
    Problem::new(Code::InvalidConfig, detail).errors(faults)
}

/// Tells it as a start does. Who may reload may also see the configuration.
fn fault_of_file(problem: &processpype_config::Problem) -> Fault {
    Fault { excerpt: problem.excerpt(), notes: problem.reasons(), ..fault(problem) }
}

fn fault(problem: &processpype_config::Problem) -> Fault {
    Fault {
        path: problem.path().to_owned(),
        message: problem.message().to_owned(),
        valid: problem.valid_choices().to_vec(),
        help: did_you_mean(problem.nearest_choice(), problem.help_text()),
        origin: problem.origin().map(|origin| match problem.position() {
            Some((line, column)) if *origin == processpype_config::Origin::Body => {
                format!("{origin}:{line}:{column}")
            }
            _ => origin.to_string(),
        }),
        ..Fault::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_tells_of_files_that_do_not_fit_and_not_of_a_busy_loop() {
        let why = "there are two lamps".to_owned();
        let told = wrong_files(&CommandError::Unjoinable { why }.into());
        assert_eq!(told.as_deref(), Some("the service cannot join: there are two lamps"));
        let refused = Refused::new(None, None);
        assert!(wrong_files(&ConfigureError::Refused(refused)).is_some());
        assert_eq!(wrong_files(&CommandError::Busy.into()), None);
    }
}
