//! Services that are registered over the API, and the end of the application.
//!
//! # Invariants
//!
//! 1. An order goes the way of all [orders](crate::orders).
//! 2. A service is made by the application's own [`Creator`](processpype_runtime::Creator): which
//!    kinds there are, and of which services may be made, is its to say.
//! 3. What is wrong in a section is told by path, message and what would be valid, never by value.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use processpype_api::{Code, Commanded, Effect, Fault, Problem, RegisterBody, ShuttingDown};
use processpype_config::{Layer, Origin, Report};
use processpype_core::{ServiceName, each};
use processpype_runtime::{
    CommandError, CommandPreview, CreateError, PlanError, REGISTERED_MAX, RegisterError,
    Registered, Registration, Request as By, Shutdown, Wish,
};
use serde_json::{Map, Value};
use tokio::time::timeout;

use crate::precondition::Conditions;
use crate::query::{Query, did_you_mean};
use crate::refusal::{self, busy, unchecked};
use crate::server::Control;
use crate::{body, convert, orders, reply};

/// What became of an order when it was handed over.
enum Handed {
    Registered(Registered),
    /// What would become of the service of this name.
    Foreseen(String, CommandPreview),
}

/// What an operator should know about a service that is registered over the API.
const NOTE: &str = "it stays until it is deregistered or the process ends: the file is the truth, \
    and the next start knows nothing of it";

/// Carries out `POST /services`.
pub(crate) async fn register(
    control: &Arc<Control>,
    request: Request,
    by: By,
) -> Result<Response, Problem> {
    let mut query = Query::of(request.uri());
    let wait = query.patience(&control.settings.limits);
    let is_dry = query.flag("dry_run");
    let conditions = Conditions::take_key(request.headers(), &mut query);
    query.finish()?;
    let handing_over = {
        let (control, by) = (Arc::clone(control), conditions.on(by));
        async move { hand_over(&control, request, by, is_dry).await }
    };
    let registered = match orders::detached(handing_over).await? {
        Handed::Registered(registered) => registered,
        Handed::Foreseen(name, foreseen) => return Ok(foretold(&name, &foreseen)),
    };
    let id = registered.operation.0;
    let Registered { name, generation, start, .. } = registered;
    let Some(start) = start else {
        return Ok(created(control, id, Effect::Registered, &name, generation.0));
    };
    match timeout(wait, start.outcome()).await {
        Ok(Ok(done)) => Ok(created(control, id, Effect::Started, &name, done.generation.0)),
        Ok(Err(error)) => {
            let problem = refusal::problem("start", name.as_str(), &error);
            let help =
                format!("it is registered all the same; `DELETE /services/{name}` undoes it");
            Err(problem.service(name.as_str()).operation(id).help(help))
        }
        // It is there, and its start goes on.
        Err(_) => orders::accepted(control, id, "register", name.as_str()),
    }
}

/// Reads the body and gives the order to the supervisor.
async fn hand_over(
    control: &Control,
    request: Request,
    by: By,
    is_dry: bool,
) -> Result<Handed, Problem> {
    let body: RegisterBody = body::read(control, request).await?;
    let _place = orders::place(control)?;
    let by = orders::because(by.digested(digest(&body)), body.reason.as_ref());
    let manager = &control.manager;
    let asking = async {
        let registration = wanted(control, &body, &by.actor).await?;
        let handed = match is_dry {
            true => (manager.preview_registration(registration).await)
                .map(|foreseen| Handed::Foreseen(body.name.clone(), foreseen)),
            false => manager.register(registration, by).await.map(Handed::Registered),
        };
        handed.map_err(|error| refused(control, &body, error))
    };
    let asked = timeout(control.settings.limits.accept_time, asking).await;
    asked.unwrap_or_else(|_| Err(unchecked(control)))
}

/// Stands for a body: under one key, another body is another request.
fn digest(body: &RegisterBody) -> u64 {
    let mut hasher = DefaultHasher::new();
    // Two maps with the same keys and values are written alike: keys are sorted.
    serde_json::to_string(body).unwrap_or_default().hash(&mut hasher);
    hasher.finish()
}

/// Carries out `POST /shutdown`.
pub(crate) async fn shut_down(
    control: &Arc<Control>,
    request: Request,
    by: By,
) -> Result<Response, Problem> {
    let mut query = Query::of(request.uri());
    let conditions = Conditions::take_key(request.headers(), &mut query);
    query.finish()?;
    if !control.settings.shutdown_endpoint {
        let detail = "the application cannot be closed over HTTP";
        let help = "set `server.shutdown_endpoint: true` and restart, or send SIGTERM";
        return Err(Problem::new(Code::ShutdownDisabled, detail).help(help));
    }
    let handing_over = {
        let (control, by) = (Arc::clone(control), conditions.on(by));
        async move { close(&control, request, by).await }
    };
    let shutdown = orders::detached(handing_over).await?;
    let told = ShuttingDown {
        operation: shutdown.operation.0,
        status: "closing".to_owned(),
        changed: shutdown.changed,
        closing_timeout_ms: u64::try_from(shutdown.within.as_millis()).unwrap_or(u64::MAX),
    };
    Ok(reply::accepted(&told, &control.operation_at(told.operation)))
}

/// Reads the body and has the supervisor begin to close.
async fn close(control: &Control, request: Request, by: By) -> Result<Shutdown, Problem> {
    let (by, _place) = orders::reasoned(control, request, by).await?;
    let refused = |error| refusal::problem("shutdown", "", &error);
    orders::answered(control, control.manager.shut_down(by), refused).await
}

/// Makes what is to be registered.
async fn wanted(
    control: &Control,
    body: &RegisterBody,
    actor: &str,
) -> Result<Registration, Problem> {
    let mut faults = Vec::new();
    let name = match ServiceName::new(&body.name) {
        Ok(name) => Some(name),
        Err(error) => {
            faults.push(Fault::new("name", format!("it is no service name: {}", error.fault())));
            None
        }
    };
    let section = section(body, actor, &mut faults);
    let (Some(name), Some(section), true) = (name, section, faults.is_empty()) else {
        return Err(invalid(faults));
    };
    let wish = Wish::of(name, &body.kind).with_section(section);
    let made = control.manager.create(&wish).await;
    let mut registration =
        Registration::of(made.map_err(|error| unmade(&body.name, &body.kind, &error))?);
    registration.group.clone_from(&body.group);
    registration.start = body.start;
    Ok(registration)
}

/// The section that the body describes: what stands beside `config` is part of it.
fn section(body: &RegisterBody, actor: &str, faults: &mut Vec<Fault>) -> Option<Layer> {
    let mut config = body.config.clone();
    if config.contains_key("kind") {
        faults.push(Fault::new("config.kind", "the kind stands beside `config`, not in it"));
    }
    let mut uses = Map::new();
    for (role, name) in &body.uses {
        uses.insert(role.clone(), name.as_str().into());
    }
    let beside = [
        ("uses", (!body.uses.is_empty()).then_some(Value::Object(uses))),
        ("depends_on", (!body.depends_on.is_empty()).then(|| body.depends_on.clone().into())),
    ];
    for (key, value) in beside {
        let Some(value) = value else { continue };
        if config.insert(key.to_owned(), value).is_some() {
            faults.push(Fault::new(format!("config.{key}"), format!("`{key}` stands twice")));
        }
    }
    let text = Value::Object(config).to_string();
    match Layer::from_json(text.as_bytes()) {
        Ok(layer) => Some(layer.attributed(&Origin::api(actor))),
        Err(report) => {
            faults.extend(body::faults(&report, |path| format!("config.{path}")));
            None
        }
    }
}

fn unmade(name: &str, kind: &str, error: &CreateError) -> Problem {
    match error {
        CreateError::UnknownKind { creatable } => {
            let fault = Fault {
                valid: creatable.clone(),
                help: did_you_mean(kind, creatable.iter().map(String::as_str)),
                ..Fault::new("kind", "there is no such kind")
            };
            invalid(vec![fault])
        }
        CreateError::NotCreatable { creatable } => {
            let detail = format!("services of kind `{kind}` may not be made at run time");
            let valid = match &creatable[..] {
                [] => "no kind may be asked for".to_owned(),
                names => format!("these kinds may be asked for: {}", names.join(", ")),
            };
            let help = format!("list it in `server.creatable_kinds` if it is harmless; {valid}");
            Problem::new(Code::KindNotCreatable, detail).help(help)
        }
        CreateError::Config(report) => in_config(report),
        CreateError::Panicked => refusal::problem("register", name, &CommandError::Panicked),
        CreateError::CheckHangs => refusal::problem("register", name, &CommandError::CheckHangs),
        CreateError::Closing => refusal::problem("register", name, &CommandError::Closing),
        _ => reply::internal("a service was not made for an unknown reason"),
    }
}

fn in_config(report: &Report) -> Problem {
    // Its paths begin with `services.NAME`.
    let place = |path: &str| {
        let own = path.splitn(3, '.').nth(2).filter(|own| !own.is_empty());
        own.map_or_else(|| "config".to_owned(), |own| format!("config.{own}"))
    };
    invalid(body::faults(report, place))
}

fn invalid(faults: Vec<Fault>) -> Problem {
    let detail = "the body does not fit its schema; `errors` lists where";
    Problem::new(Code::InvalidBody, detail).errors(faults)
}

/// Says why a service cannot join.
fn refused(control: &Control, body: &RegisterBody, error: RegisterError) -> Problem {
    let problem = match error {
        RegisterError::Taken { name } => {
            let problem = Problem::new(Code::NameTaken, format!("there is a service `{name}`"));
            let state = control.manager.state(name.as_str());
            let problem = problem.service(name.as_str());
            return match state {
                Some(state) => problem.state(state),
                None => problem,
            };
        }
        RegisterError::Config(report) => in_config(&report),
        RegisterError::Plan(error) => unfit(&error),
        RegisterError::ProviderLeaves { provider } => {
            let detail = format!("its provider `{provider}` is about to leave the application");
            Problem::new(Code::ProviderStopped, detail).provider(provider.as_str())
        }
        RegisterError::TooMany => {
            let detail = format!("{REGISTERED_MAX} services have joined since the start");
            Problem::new(Code::TooManyServices, detail)
        }
        RegisterError::Start(error) => refusal::problem("start", &body.name, &error),
        RegisterError::KeyReused { operation } => {
            refusal::problem("register", &body.name, &CommandError::KeyReused { operation })
        }
        RegisterError::Panicked => {
            refusal::problem("register", &body.name, &CommandError::Panicked)
        }
        RegisterError::CheckHangs => {
            refusal::problem("register", &body.name, &CommandError::CheckHangs)
        }
        RegisterError::Closing => refusal::problem("register", &body.name, &CommandError::Closing),
        RegisterError::Busy => return busy(),
        _ => reply::internal("a service was refused for an unknown reason"),
    };
    problem.service(&body.name)
}

fn unfit(error: &PlanError) -> Problem {
    let fault = |problem: &processpype_runtime::PlanProblem| Fault {
        help: problem.help.clone(),
        ..Fault::new(problem.code.as_str(), problem.message.clone())
    };
    let faults = each(error.problems(), fault);
    let detail = "the service does not fit into the application; `errors` says why";
    Problem::new(Code::UnfitService, detail).errors(faults)
}

/// Answers 201: it is there.
fn created(
    control: &Control,
    operation: u64,
    effect: Effect,
    name: &ServiceName,
    generation: u64,
) -> Response {
    let commanded = Commanded {
        operation,
        status: effect,
        service: name.to_string(),
        changed: true,
        generation,
        affected: Vec::new(),
        note: Some(NOTE.to_owned()),
    };
    let location = format!("{}/services/{name}", control.prefix());
    reply::located(StatusCode::CREATED, &commanded, &location)
}

/// Answers 200: what would happen.
fn foretold(name: &str, foreseen: &CommandPreview) -> Response {
    reply::json(StatusCode::OK, &convert::foreseen("register", name, 0, foreseen))
}
