//! Where every request comes in: the guard, the way it takes, and what is the same for all answers.
//!
//! # Invariants
//!
//! 1. Every request passes the guard, whatever its way, and every answer is counted and carries the
//!    headers of safety.
//! 2. What is without doubt a service's own goes straight to the service; all else through the
//!    router. Both are the same to the client: what the router takes for a service's ends where the
//!    straight way does.
//! 3. A panic of ours is a 500 that says nothing.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::header::CONTENT_LENGTH;
use axum::http::{Method, Uri};
use axum::response::Response;
use futures_util::FutureExt;
use processpype_api::Problem;
use processpype_runtime::Call;
use processpype_telemetry::{AnswerHead, RequestHead};
use tokio::time::Instant;
use tower::ServiceExt as _;
use tracing::{Instrument as _, Span};

use crate::gate::Visitor;
use crate::passage::Admitted;
use crate::patience::Late;
use crate::reply::FromService;
use crate::server::Control;
use crate::traffic::Routed;
use crate::{guard, own, passage, reply, routes};

/// What the server as a whole can be asked; which of them a path takes, it says itself.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// The control plane, as requests reach it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) control: Arc<Control>,
    router: Router,
}

/// An answer on its way.
///
/// # Cancel safety
///
/// Dropping it drops the handler's future; a command that was handed over goes on.
pub(crate) enum Answering {
    Answered(Option<Response>),
    /// One of the framework's own, or what the router takes for a service's.
    Ours(Pin<Box<dyn Future<Output = Response> + Send>>),
    /// A service's, which has been begun.
    Services(Passing),
}

/// A request that is with its service.
pub(crate) struct Passing {
    asked: Asked,
    /// Where in the path the service's name stands.
    name: Range<usize>,
    routed: Option<Routed>,
    call: Call,
    /// Whether its body comes in time, if it has one.
    late: Option<Late>,
}

/// What has come of a request for a service's own route so far.
enum Passed {
    Answered(Result<Response, Problem>),
    OnItsWay(Call, Option<Late>),
}

/// What is kept of a request until its answer is there.
struct Asked {
    control: Arc<Control>,
    method: Method,
    uri: Uri,
    began: Instant,
    /// If anybody listens to the spans of requests.
    span: Option<Box<Span>>,
}

/// An answer, and what is known about it.
struct Answer {
    response: Response,
    routed: Option<Routed>,
    /// Whether a service has made it.
    is_services: bool,
}

// === impl Entry ===

impl Entry {
    pub(crate) fn new(control: &Arc<Control>) -> Self {
        Self { control: Arc::clone(control), router: routes::router(control) }
    }

    /// Begins to answer a request, if the guard lets it in, in its span; `own` is where in its path
    /// the name of the service stands whose own route it is, as
    /// [`own::service`](crate::own::service) says.
    pub(crate) fn answer(
        &self,
        visitor: Visitor,
        mut request: Request,
        own: Option<Range<usize>>,
    ) -> Answering {
        let mut asked = Asked::new(&self.control, &mut request, own.is_some());
        let (guard, is_for_browsers) = (&self.control.guard, visitor.gate.is_for_browsers());
        let checked = guard.check(&asked.method, &asked.uri, request.headers(), is_for_browsers);
        if let Err(problem) = checked {
            return Answering::Answered(Some(asked.answered(Answer::own(asked.refused(problem)))));
        }
        asked.begin_span(&request);
        let span = asked.span.as_deref().cloned();
        let _entered = span.as_ref().map(Span::enter);
        if guard::is_asterisk(&asked.uri) {
            let answer = Answer::own(reply::options(METHODS));
            return Answering::Answered(Some(asked.answered(answer)));
        }
        match own {
            Some(name) => asked.pass(visitor, request, name),
            None => {
                let router = self.router.clone();
                Answering::Ours(Box::pin(asked.route(router, visitor, request)))
            }
        }
    }
}

// === impl Answering ===

impl Future for Answering {
    type Output = Response;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        match self.get_mut() {
            Self::Answered(response) => response.take().map_or(Poll::Pending, Poll::Ready),
            Self::Ours(answering) => answering.as_mut().poll(cx),
            Self::Services(passing) => passing.poll(cx),
        }
    }
}

// === impl Passing ===

impl Passing {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Response> {
        let Self { asked, name, routed, call, late } = self;
        let _entered = asked.span.as_ref().map(|span| span.enter());
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let outcome = ready!(Pin::new(call).poll(cx));
            let name = &asked.uri.path()[name.clone()];
            Poll::Ready(passage::answered(&asked.control, name, outcome, late.as_ref()))
        }));
        let Ok(polled) = polled else {
            return Poll::Ready(asked.answered(Answer::own(asked.panicked())));
        };
        let answer = asked.of_service(ready!(polled), routed.take());
        Poll::Ready(asked.answered(answer))
    }
}

// === impl Asked ===

impl Asked {
    /// Begins with a request; what is a service's own gets an address of its own later.
    fn new(control: &Arc<Control>, request: &mut Request, is_own: bool) -> Self {
        let uri = match is_own {
            true => std::mem::take(request.uri_mut()),
            false => request.uri().clone(),
        };
        let (control, method) = (Arc::clone(control), request.method().clone());
        Self { control, method, uri, began: Instant::now(), span: None }
    }

    /// Begins its span, if anybody listens to those.
    fn begin_span(&mut self, request: &Request) {
        if let Some(spans) = &self.control.settings.export.request_spans {
            let headers = request.headers();
            let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
            let head = RequestHead::new(self.method.as_str(), self.uri.path(), &header);
            self.span = Some(Box::new(spans.begin(&head)));
        }
    }

    /// Answers through the router.
    async fn route(self, router: Router, visitor: Visitor, mut request: Request) -> Response {
        request.extensions_mut().insert(visitor);
        let answering = AssertUnwindSafe(router.oneshot(request)).catch_unwind();
        let answer = match self.span.as_deref().cloned() {
            Some(span) => answering.instrument(span).await,
            None => answering.await,
        };
        self.answered(match answer {
            Ok(Ok(response)) => Answer::routed(response),
            Ok(Err(never)) => match never {},
            Err(_) => Answer::own(self.panicked()),
        })
    }

    /// Begins to answer as the service does whose name stands there.
    fn pass(self, visitor: Visitor, request: Request, name: Range<usize>) -> Answering {
        let mut routed = None;
        let passed = AssertUnwindSafe(|| self.begin(visitor, request, &name, &mut routed));
        let answer = match catch_unwind(passed) {
            Ok(Passed::OnItsWay(call, late)) => {
                return Answering::Services(Passing { asked: self, name, routed, call, late });
            }
            Ok(Passed::Answered(result)) => self.of_service(result, routed),
            Err(_) => Answer::own(self.panicked()),
        };
        Answering::Answered(Some(self.answered(answer)))
    }

    /// Lets a request through to its service; most have their answer at once.
    fn begin(
        &self,
        visitor: Visitor,
        mut request: Request,
        name: &Range<usize>,
        routed: &mut Option<Routed>,
    ) -> Passed {
        let control = self.control.as_ref();
        let (own, name) = (name.end, &self.uri.path()[name.clone()]);
        let mounted = control.manager.mounted(name);
        let (traffic, manager) = (&control.traffic, &control.manager);
        *routed = Some(Routed::service(traffic, name, mounted.is_some(), manager));
        let admitted = visitor.caller(control, request.headers()).and_then(|caller| {
            *request.uri_mut() = passage::inner_uri(&self.uri, own);
            passage::admit(control, name, mounted, &mut request, &caller)
        });
        let (mut call, late) = match admitted {
            Ok(Admitted { mounted, late }) => (mounted.call(request), late),
            Err(problem) => return Passed::Answered(Err(problem)),
        };
        match call.take() {
            Some(outcome) => {
                Passed::Answered(passage::answered(control, name, outcome, late.as_ref()))
            }
            None => Passed::OnItsWay(call, late),
        }
    }

    /// What came of a request for a service's own route.
    fn of_service(&self, result: Result<Response, Problem>, routed: Option<Routed>) -> Answer {
        let is_services = result.is_ok();
        let response = result.unwrap_or_else(|problem| self.refused(problem));
        Answer { response, routed, is_services }
    }

    /// What is the same for all answers.
    fn answered(&self, answer: Answer) -> Response {
        let Answer { mut response, routed, is_services } = answer;
        let (traffic, took) = (&self.control.traffic, self.began.elapsed());
        traffic.note(routed.as_ref(), &self.method, response.status(), took);
        if let (Some(span), Some(spans)) = (&self.span, &self.control.settings.export.request_spans)
        {
            let (method, status) = (self.method.as_str(), response.status().as_u16());
            let (route, service) = self.way(routed.as_ref()).unzip();
            spans.end(span, &AnswerHead::new(method, status, route, service.flatten()));
        }
        reply::secure(response.headers_mut(), is_services);
        if !is_services {
            reply::date(response.headers_mut(), self.control.manager.now());
        }
        if self.method == Method::HEAD { without_body(response) } else { response }
    }

    /// The template of the route that was taken, and the service if it was one's own.
    fn way(&self, routed: Option<&Routed>) -> Option<(&'static str, Option<&str>)> {
        let routed = routed?;
        let own = own::service(self.uri.path().as_bytes(), self.control.prefix());
        let service = own.filter(|_| routed.is_services()).map(|name| &self.uri.path()[name]);
        Some((routed.template(), service))
    }

    fn refused(&self, problem: Problem) -> Response {
        finish(&self.control, self.uri.path(), Err(problem))
    }

    fn panicked(&self) -> Response {
        self.refused(reply::internal("a request handler panicked"))
    }
}

// === impl Answer ===

impl Answer {
    /// One of ours.
    fn own(response: Response) -> Self {
        Self { response, routed: None, is_services: false }
    }

    /// One that has come through the router, with what that says about it.
    fn routed(mut response: Response) -> Self {
        let extensions = response.extensions_mut();
        let routed = extensions.remove::<Routed>();
        let is_services = extensions.remove::<FromService>().is_some();
        Self { response, routed, is_services }
    }
}

/// Turns a problem into its answer.
pub(crate) fn finish(control: &Control, path: &str, result: Result<Response, Problem>) -> Response {
    result.unwrap_or_else(|problem| {
        let (code, detail) = (problem.code().as_str(), problem.detail());
        tracing::debug!(path, code, detail, "a request was refused");
        reply::problem(problem.instance(path), control.prefix())
    })
}

/// Keeps the length of the body that a `GET` would bring.
fn without_body(response: Response) -> Response {
    let length = response.body().size_hint().exact();
    let mut response = response.map(|_| Body::empty());
    if let Some(length) = length.filter(|&length| length > 0) {
        response.headers_mut().entry(CONTENT_LENGTH).or_insert(length.into());
    }
    response
}
