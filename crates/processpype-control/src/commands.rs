//! Commands on a service: read, handed over, and waited for.
//!
//! # Invariants
//!
//! 1. A command goes the way of all [orders](crate::orders).
//! 2. A dry run takes the same way as a command, up to the supervisor, and changes nothing.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use processpype_api::{Commanded, Effect, EndpointId, Problem};
use processpype_core::{ErrorKind, OperationId, Verb};
use processpype_runtime::{CommandError, CommandPreview, Done, Operation, Request as By, Status};
use tokio::time::timeout;

use crate::convert;
use crate::gate;
use crate::orders;
use crate::precondition::Conditions;
use crate::query::Query;
use crate::refusal;
use crate::reply;
use crate::server::Control;
use crate::status;

/// A command as it was asked for.
#[derive(Clone, Debug)]
struct Command {
    service: String,
    verb: Verb,
    wait: Duration,
    /// What is left of this generation may run on beside the one that is started.
    orphan: Option<u64>,
    /// Only tell what would happen.
    is_dry: bool,
    conditions: Conditions,
}

/// What became of a command when it was handed over.
enum Handed {
    Operation(Operation),
    Foreseen(CommandPreview),
}

/// Carries out `POST /services/{name}/{start,stop,restart}` and `DELETE /services/{name}`.
pub(crate) async fn command(
    control: &Arc<Control>,
    id: EndpointId,
    name: &str,
    request: Request,
) -> Result<Response, Problem> {
    let now = status::known(control, name)?;
    let command = Command::asked(control, id, &now, &request)?;
    let handing_over = {
        let (control, command) = (Arc::clone(control), command.clone());
        async move { hand_over(&control, &command, request).await }
    };
    let operation = match orders::detached(handing_over).await? {
        Handed::Operation(operation) => operation,
        Handed::Foreseen(foreseen) => return command.foreseen(control, &foreseen),
    };
    let id = operation.id();
    match timeout(command.wait, operation.outcome()).await {
        Ok(Ok(done)) => Ok(command.done(id, &done)),
        Ok(Err(CommandError::Superseded)) => Err(command.superseded(control, id)),
        Ok(Err(error)) => Err(command.refused(control, &error).operation(id.0)),
        Err(_) => command.accepted(control, id),
    }
}

/// Reads the body and gives the command to the supervisor.
async fn hand_over(
    control: &Control,
    command: &Command,
    request: Request,
) -> Result<Handed, Problem> {
    let by = command.conditions.on(By::by(&gate::actor(&request)));
    let (by, _place) = orders::reasoned(control, request, by).await?;
    let Command { service, verb, is_dry, .. } = command;
    let asking = async {
        if *is_dry {
            control.manager.preview_command(service, *verb, by).await.map(Handed::Foreseen)
        } else {
            control.manager.command(service, *verb, by).await.map(Handed::Operation)
        }
    };
    orders::answered(control, asking, |error| command.refused(control, &error)).await
}

// === impl Command ===

impl Command {
    /// Reads path and query.
    fn asked(
        control: &Control,
        id: EndpointId,
        now: &Status,
        request: &Request,
    ) -> Result<Self, Problem> {
        let mut query = Query::of(request.uri());
        let wait = query.patience(&control.settings.limits);
        let verb = match id {
            EndpointId::Start => Verb::Start {
                with_dependencies: query.flag("with_dependencies"),
                force: query.flag("force"),
            },
            EndpointId::Stop => Verb::Stop { cascade: query.flag("cascade") },
            EndpointId::Deregister => Verb::Deregister { cascade: query.flag("cascade") },
            _ => Verb::Restart { with_dependents: query.flag("with_dependents") },
        };
        let is_dry = query.flag("dry_run");
        let conditions = Conditions::take(request.headers(), &mut query);
        query.finish()?;
        let is_orphaned = now.error.as_ref().is_some_and(|it| it.kind == ErrorKind::Orphaned);
        let orphan = Some(now.generation.0).filter(|_| is_orphaned);
        Ok(Self { service: now.name.to_string(), verb, wait, orphan, is_dry, conditions })
    }

    /// Answers 200: the effect is visible.
    fn done(&self, operation: OperationId, done: &Done) -> Response {
        let effect = match self.verb {
            Verb::Start { .. } => Effect::Started,
            Verb::Restart { .. } => Effect::Restarted,
            Verb::Stop { .. } => Effect::Stopped,
            Verb::Deregister { .. } => Effect::Deregistered,
        };
        let commanded = Commanded {
            operation: operation.0,
            status: effect,
            service: self.service.clone(),
            changed: done.changed,
            generation: done.generation.0,
            affected: convert::names(&done.affected),
            note: self.note(),
        };
        reply::json(StatusCode::OK, &commanded)
    }

    /// Says what an operator should know about the effect.
    fn note(&self) -> Option<String> {
        match (self.verb, self.orphan) {
            (Verb::Start { force: true, .. }, Some(generation)) => Some(format!(
                "what is left of generation {generation} may run beside this one until the \
                 process ends"
            )),
            (Verb::Start { .. } | Verb::Restart { .. }, _) => None,
            (Verb::Deregister { .. }, _) => Some(
                "if the configuration or the code has it, it is there again when the process \
                 starts anew"
                    .to_owned(),
            ),
            (Verb::Stop { .. }, _) => Some(
                "it stays stopped until it is started, or the process starts anew: what runs then \
                 is what the configuration says"
                    .to_owned(),
            ),
        }
    }

    /// Answers 200: what would happen.
    fn foreseen(&self, control: &Control, foreseen: &CommandPreview) -> Result<Response, Problem> {
        let generation = status::known(control, &self.service)?.generation.0;
        let told = convert::foreseen(self.verb.as_str(), &self.service, generation, foreseen);
        Ok(reply::json(StatusCode::OK, &told))
    }

    /// Answers 202: the command goes on.
    fn accepted(&self, control: &Control, operation: OperationId) -> Result<Response, Problem> {
        orders::accepted(control, operation.0, self.verb.as_str(), &self.service)
    }

    /// Says who took the command's place: two operators want to know of each other.
    fn superseded(&self, control: &Control, own: OperationId) -> Problem {
        let problem = self.refused(control, &CommandError::Superseded).operation(own.0);
        let status = control.manager.status(&self.service);
        let acted = status.and_then(|status| status.acted.clone());
        let Some(later) = acted.filter(|acted| acted.operation > own) else { return problem };
        let because =
            later.reason.as_ref().map_or(String::new(), |why| format!(", because: {why}"));
        let detail = format!(
            "a later command took the place of this one: {} by {} (operation {}){because}",
            later.verb, later.actor, later.operation.0
        );
        problem
            .with_detail(detail)
            .help("look at its status, or ask who gave it, before you repeat it")
    }

    /// Says why the command has no effect.
    fn refused(&self, control: &Control, error: &CommandError) -> Problem {
        let problem = refusal::problem(self.verb.as_str(), &self.service, error);
        match control.manager.state(&self.service) {
            _ if *error == CommandError::Busy => problem,
            Some(state) => problem.service(&self.service).state(state),
            None => problem.service(&self.service),
        }
    }
}
