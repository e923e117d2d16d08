//! Levels of the log: looked at, changed for a while, and taken back.
//!
//! # Invariants
//!
//! 1. A change is asked of the supervisor, which keeps it, tells of it and ends it; here it is only
//!    read and put together.
//! 2. An order goes the way of all [orders](crate::orders).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use processpype_api as wire;
use processpype_api::{Code, EndpointId, Fault, LevelBody, Problem};
use processpype_config::HumanDuration;
use processpype_core::{LogLevel, ServiceName, each, sort};
use processpype_runtime::{LEVEL_MAX, LevelChange, LevelSwitch, Leveled, Request as By};
use processpype_telemetry::Levels;

use crate::precondition::Conditions;
use crate::query::Query;
use crate::server::Control;
use crate::{body, convert, logs, orders, refusal, reply, status};

/// How long a change holds unless told otherwise: [`wire::LEVEL_FOR`].
const LEVEL_FOR: Duration = Duration::from_secs(15 * 60);

/// The shortest change.
const LEVEL_MIN: Duration = Duration::from_secs(1);

/// Lets the supervisor change these levels, for a while.
#[must_use]
pub fn level_switch(levels: Levels) -> LevelSwitch {
    LevelSwitch::new(move |service, level| {
        let service = service.map(ServiceName::as_str);
        match level {
            Some(level) => levels.begin_override(service, level.into()),
            None => levels.end_override(service),
        }
        levels.level(service).into()
    })
}

/// Answers with the level of a service.
pub(crate) fn service(control: &Control, name: &str) -> Result<Response, Problem> {
    status::known(control, name)?;
    Ok(reply::json(StatusCode::OK, &look(control, levels(control)?, Some(name))))
}

/// Answers with every level.
pub(crate) fn all(control: &Control) -> Result<Response, Problem> {
    let levels = levels(control)?;
    let mut names: Vec<String> = levels.services().into_keys().collect();
    let changes = control.manager.level_changes();
    names.extend(changes.keys().flatten().map(ServiceName::to_string));
    sort(&mut names);
    names.dedup();
    let mut loggers = BTreeMap::new();
    for (name, level) in levels.loggers() {
        loggers.insert(name, LogLevel::from(level).into());
    }
    let all = wire::Levels {
        application: look(control, levels, None),
        services: each(&names, |name| look(control, levels, Some(name))),
        loggers,
    };
    Ok(reply::json(StatusCode::OK, &all))
}

/// Carries out `PUT` and `DELETE` on levels.
pub(crate) async fn command(
    control: &Arc<Control>,
    id: EndpointId,
    name: Option<&str>,
    request: Request,
    by: By,
) -> Result<Response, Problem> {
    if let Some(name) = name {
        status::known(control, name)?;
    }
    let levels = levels(control)?;
    let mut query = Query::of(request.uri());
    let conditions = Conditions::take_key(request.headers(), &mut query);
    query.finish()?;
    let by = conditions.on(by);
    let changes = matches!(id, EndpointId::ChangeLevel | EndpointId::ChangeServiceLevel);
    let handing_over = {
        let (control, name) = (Arc::clone(control), name.map(str::to_owned));
        async move {
            match changes {
                true => change(&control, name.as_deref(), request, by).await,
                false => {
                    let _place = orders::place(&control)?;
                    accepted(&control, control.manager.reset_level(name.as_deref(), by)).await
                }
            }
        }
    };
    let Leveled { operation, changed, .. } = orders::detached(handing_over).await?;
    let now = look(control, levels, name);
    Ok(reply::json(StatusCode::OK, &wire::LevelChanged { operation: operation.0, changed, now }))
}

/// Reads the body and gives the order to the supervisor.
async fn change(
    control: &Control,
    name: Option<&str>,
    request: Request,
    by: By,
) -> Result<Leveled, Problem> {
    let body: LevelBody = body::read(control, request).await?;
    let _place = orders::place(control)?;
    let (time, level) = (time(body.time.as_deref())?, body.level.into());
    let by = orders::because(by, body.reason.as_ref());
    accepted(control, control.manager.change_level(name, level, time, by)).await
}

/// Waits until the supervisor has accepted or refused.
async fn accepted(
    control: &Control,
    asking: impl Future<Output = Result<Leveled, processpype_runtime::CommandError>>,
) -> Result<Leveled, Problem> {
    orders::answered(control, asking, |error| refusal::problem("level", "", &error)).await
}

/// Reads how long a change is to hold.
fn time(text: Option<&str>) -> Result<Duration, Problem> {
    let Some(text) = text else { return Ok(LEVEL_FOR) };
    let time = text.parse::<HumanDuration>().ok().map(|time| *time);
    time.filter(|time| (LEVEL_MIN..=LEVEL_MAX).contains(time)).ok_or_else(|| {
        let (least, most) = (HumanDuration::from(LEVEL_MIN), HumanDuration::from(LEVEL_MAX));
        let message = format!("it is not a duration from {least} to {most}");
        let valid = ["30s", "10m", "2h"].map(str::to_owned).into();
        let help = Some("what is to stay belongs to the configuration".to_owned());
        let fault = Fault { valid, help, ..Fault::new("for", message) };
        let detail = "the body does not fit its schema; `errors` lists where";
        Problem::new(Code::InvalidBody, detail).errors(vec![fault])
    })
}

fn levels(control: &Control) -> Result<&Levels, Problem> {
    control.settings.levels.as_ref().ok_or_else(logs::unavailable)
}

/// Puts together what holds for a service, or for the application.
fn look(control: &Control, levels: &Levels, name: Option<&str>) -> wire::LevelStatus {
    let word = |level| wire::LogLevel::from(LogLevel::from(level));
    let configured = match name {
        Some(name) => levels.services().get(name).copied(),
        None => Some(levels.default_level()),
    };
    let changes = control.manager.level_changes();
    let change =
        changes.iter().find(|(service, _)| service.as_ref().map(ServiceName::as_str) == name);
    wire::LevelStatus {
        service: name.map(str::to_owned),
        level: word(levels.level(name)),
        configured: configured.map(word),
        change: change.map(|(_, change)| told(change)),
    }
}

fn told(change: &Arc<LevelChange>) -> wire::LevelChange {
    wire::LevelChange {
        until: convert::time(change.until),
        actor: change.actor.to_string(),
        reason: change.reason.as_deref().map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: Option<&str>, expected: Option<u64>) {
        let read = time(text).map(|time| time.as_secs()).map_err(|problem| problem.code());
        assert_eq!(read, expected.ok_or(Code::InvalidBody), "{text:?}");
    }

    #[test]
    fn times() {
        check(None, Some(15 * 60));
        check(Some(wire::LEVEL_FOR), Some(15 * 60));
        check(Some("1s"), Some(1));
        check(Some("1d"), Some(86_400));
        for bad in ["0", "999ms", "25h", "", "10", "for ever"] {
            check(Some(bad), None);
        }
    }
}
