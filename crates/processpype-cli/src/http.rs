//! One request over one connection, bounded in time and size.
//!
//! # Invariants
//!
//! 1. Every wait has an end: for the head of an answer, between two pieces of a body; and to
//!    connect, see [`reach`](crate::reach).
//! 2. A body that is read whole has at most [`BODY_MAX`] bytes.
//! 3. What only reads is repeated where its answer asks for that, at most [`RETRIES_MAX`] times and
//!    within [`RETRY_TIME`]; a command is sent once.
//! 4. Nothing is kept between requests, and nothing is spawned: who waits for an answer drives the
//!    connection.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use http_body_util::Full;
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, DATE, ETAG, HOST, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use processpype_api::{Answered, Timestamp};
use processpype_config::HumanDuration;
use tokio::time::{sleep, timeout};

use crate::clean::cleaned;
use crate::connect::Destination;
use crate::elsewhere::{leads_to, stranger};
use crate::error::{ClientError, Told};
use crate::json;
use crate::print::{WARNING, remark};
use crate::reach::reach;
use crate::token::{Shown, Tokens};

/// How long the application may take to answer, beside what it was asked to wait.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// Between two pieces of a body.
const PIECE_TIME: Duration = Duration::from_secs(10);

/// How often a reading is repeated because its answer asks for that (`Retry-After`).
const RETRIES_MAX: u32 = 2;

/// How long a reading waits for its repetitions, all together: as long as for an answer.
const RETRY_TIME: Duration = ANSWER_TIME;

/// The least time before a repetition.
const RETRY_MIN: Duration = Duration::from_millis(100);

/// The longest answer that is read: a list of some 10,000 services.
const BODY_MAX: usize = 16 * 1024 * 1024;

const AGENT: &str = concat!("processpype/", env!("CARGO_PKG_VERSION"));

/// Asks one application.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    destination: Destination,
    tokens: Tokens,
    /// What the token was from that a killed process has left, once it was refused. None that was
    /// left is shown from then on: a wrong token too often, and who asks has to wait.
    refused: Arc<OnceLock<String>>,
}

/// An answer that was read whole, and is no problem.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
    /// The application's time, to the second.
    pub(crate) now: Option<Timestamp>,
    /// What names this answer among those of the same path.
    #[cfg_attr(not(feature = "top"), expect(dead_code, reason = "only `top` reads again"))]
    pub(crate) tag: Option<String>,
    url: String,
    /// What else than an application may have answered.
    stranger: Option<String>,
}

/// A body that comes piece by piece.
pub(crate) struct Stream {
    connection: Option<Connection>,
    body: Incoming,
    url: String,
    /// The token that was shown.
    token: Option<Shown>,
}

/// How long one reading may still be put off, and how often.
#[derive(Debug)]
struct Patience {
    tries: u32,
    time: Duration,
}

type Connection = Pin<Box<dyn Future<Output = hyper::Result<()>>>>;

// === impl Client ===

impl Client {
    pub(crate) fn new(destination: Destination) -> Self {
        let Destination { target, token, .. } = &destination;
        let tokens = token.find(target).unwrap_or_else(|error| {
            remark(&format!("{WARNING}warning{WARNING:#}: {error}"));
            Tokens::default()
        });
        Self { destination, tokens, refused: Arc::default() }
    }

    /// Returns whom it asks.
    pub(crate) fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Says where the token is from that it has to show, if there is one.
    pub(crate) fn token_from(&self) -> Option<String> {
        let Destination { token, .. } = &self.destination;
        (!self.tokens.is_empty()).then(|| token.from(&self.tokens))
    }

    /// Returns a client for whatever is at the same place now: a process that started anew has
    /// another token.
    pub(crate) fn renewed(&self) -> Self {
        let Destination { target, token, .. } = &self.destination;
        // What is wrong with its file was told at the begin.
        let tokens = token.find(target).unwrap_or_default();
        let (destination, refused) = (self.destination.clone(), Arc::clone(&self.refused));
        Self { destination, tokens, refused }
    }

    pub(crate) fn url(&self) -> String {
        self.destination.target.to_string()
    }

    /// Reads what is at `path`.
    ///
    /// Reading changes nothing: where the application asks to be asked again a little later, this
    /// waits and does so (see [`Patience`]).
    pub(crate) async fn get(&self, path: &str) -> Result<Answer, ClientError> {
        let mut patience = Patience::default();
        loop {
            match self.ask(Method::GET, path, String::new(), Duration::ZERO, None).await {
                Err(error) => patience.wait(error).await?,
                answer => return answer,
            }
        }
    }

    /// Reads what is at `path`; the answer has status 304 and no text if it is still what `tag`
    /// names.
    #[cfg_attr(not(feature = "top"), expect(dead_code, reason = "only `top` reads again"))]
    pub(crate) async fn get_unless(
        &self,
        path: &str,
        tag: Option<&str>,
    ) -> Result<Answer, ClientError> {
        let tag = tag.map(|tag| ("if-none-match", tag.to_owned()));
        self.ask(Method::GET, path, String::new(), Duration::ZERO, tag).await
    }

    /// Gives a command that may take `wait` at the other side.
    pub(crate) async fn post(
        &self,
        path: &str,
        body: String,
        wait: Duration,
    ) -> Result<Answer, ClientError> {
        self.ask(Method::POST, path, body, wait, None).await
    }

    /// Sets what is at `path`.
    pub(crate) async fn put(&self, path: &str, body: String) -> Result<Answer, ClientError> {
        self.ask(Method::PUT, path, body, Duration::ZERO, None).await
    }

    /// Takes back what is at `path`.
    pub(crate) async fn delete(&self, path: &str) -> Result<Answer, ClientError> {
        self.delete_within(path, String::new(), Duration::ZERO).await
    }

    /// Takes away what is at `path`, which may take `wait` at the other side.
    pub(crate) async fn delete_within(
        &self,
        path: &str,
        body: String,
        wait: Duration,
    ) -> Result<Answer, ClientError> {
        self.ask(Method::DELETE, path, body, wait, None).await
    }

    /// Opens the first stream of several, as patiently as [`get`](Self::get).
    pub(crate) async fn first_stream(&self, path: &str) -> Result<Stream, ClientError> {
        let mut patience = Patience::default();
        loop {
            match self.stream(path, None).await {
                Err(error) => patience.wait(error).await?,
                stream => return stream,
            }
        }
    }

    /// Opens a stream; `last` is the place where an earlier one broke.
    pub(crate) async fn stream(
        &self,
        path: &str,
        last: Option<u64>,
    ) -> Result<Stream, ClientError> {
        let last = last.map(|last| ("last-event-id", last.to_string()));
        let (response, mut stream) =
            self.open(Method::GET, path, String::new(), Duration::ZERO, last).await?;
        if response.status().is_success() {
            return Ok(stream);
        }
        let text = stream.text(BODY_MAX).await?;
        Err(self.problem(&response, text, stream.token, path))
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: String,
        wait: Duration,
        extra: Option<(&'static str, String)>,
    ) -> Result<Answer, ClientError> {
        let (response, mut stream) = self.open(method, path, body, wait, extra).await?;
        let status = response.status();
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let now = header(DATE).and_then(|date| httpdate::parse_http_date(date).ok());
        let (now, tag) = (now.and_then(since_epoch), header(ETAG).map(str::to_owned));
        let stranger = stranger(&response);
        let text = stream.text(BODY_MAX).await?;
        if !status.is_success() && status != StatusCode::NOT_MODIFIED {
            return Err(self.problem(&response, text, stream.token, path));
        }
        Ok(Answer { status: status.as_u16(), text, now, tag, url: stream.url, stranger })
    }

    /// Asks, and waits for the head of the answer.
    ///
    /// Who is refused with a token that a killed process has left asks once more without one: the
    /// refusal has changed nothing, and not everything needs a token.
    async fn open(
        &self,
        method: Method,
        path: &str,
        body: String,
        wait: Duration,
        extra: Option<(&'static str, String)>,
    ) -> Result<(Response<()>, Stream), ClientError> {
        if self.refused.get().is_some() {
            return self.send(method, path, body, wait, extra).await;
        }
        let again = (method.clone(), body.clone(), extra.clone());
        let opened = self.send(method, path, body, wait, extra).await?;
        let left = opened.1.token.as_ref().filter(|it| it.is_left);
        let left = left.filter(|_| opened.0.status() == StatusCode::UNAUTHORIZED);
        let Some(Shown { from, .. }) = left else { return Ok(opened) };
        self.refused.get_or_init(|| from.clone());
        // Who answers one connection at a time answers the next one only then.
        drop(opened);
        let (method, body, extra) = again;
        self.send(method, path, body, wait, extra).await
    }

    /// Connects, sends one request with the right one of the tokens, and waits for the head of its
    /// answer.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: String,
        wait: Duration,
        extra: Option<(&'static str, String)>,
    ) -> Result<(Response<()>, Stream), ClientError> {
        let url = self.destination.target.to_string();
        let late = |waited| ClientError::Late { url: url.clone(), waited };
        let broken = |source: hyper::Error| match source.is_parse() {
            true => ClientError::NoHttp { url: url.clone(), why: source.to_string() },
            false => ClientError::Broken { url: url.clone(), source },
        };
        let (socket, token) = reach(&self.destination, &self.tokens).await?;
        let token = token.filter(|it| !it.is_left || self.refused.get().is_none());
        let io = TokioIo::new(socket);
        let (mut sender, connection) = http1::handshake(io).await.map_err(broken)?;
        let mut connection: Option<Connection> = Some(Box::pin(connection));
        let request = self.request(method, path, body, extra, token.as_ref())?;
        let mut sending = Box::pin(sender.send_request(request));
        let answering = poll_fn(|cx| {
            drive(&mut connection, cx);
            sending.as_mut().poll(cx)
        });
        let patience = wait.saturating_add(ANSWER_TIME);
        let response = timeout(patience, answering).await.map_err(|_| late(patience))?;
        drop(sending);
        let (head, body) = response.map_err(broken)?.into_parts();
        let stream = Stream { connection, body, url, token };
        Ok((Response::from_parts(head, ()), stream))
    }

    /// Reads a problem, or what another program says instead.
    fn problem(
        &self,
        response: &Response<()>,
        raw: String,
        token: Option<Shown>,
        path: &str,
    ) -> ClientError {
        let token_from = token.map(|it| it.from).or_else(|| self.refused.get().cloned());
        let retry_after = retry_after(response);
        match json::read_lines::<Told>(&raw).map(Told::with_lines_only_in_messages) {
            Ok(told) if !told.code.is_empty() => {
                ClientError::Problem(Box::new(Told { raw, retry_after, token_from, ..told }))
            }
            _ => {
                let (url, status) = (self.url(), response.status().as_u16());
                let stranger = stranger(response);
                let leads_to = leads_to(response, path);
                ClientError::Unexplained { url, status, stranger, leads_to, retry_after }
            }
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: String,
        extra: Option<(&'static str, String)>,
        token: Option<&Shown>,
    ) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut request = Request::builder()
            .method(method)
            .uri(self.destination.target.path(path))
            .header(HOST, self.destination.target.authority())
            .header(USER_AGENT, AGENT);
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.secret.expose()));
        }
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some((name, value)) = extra {
            request = request.header(name, value);
        }
        request.body(Full::from(body)).map_err(|error| ClientError::Unreadable {
            url: self.url(),
            why: format!("there can be no such request: {error}"),
        })
    }
}

/// Lets the connection go on. What is wrong with it, the answer or its body tells.
fn drive(connection: &mut Option<Connection>, cx: &mut Context<'_>) {
    if let Some(running) = connection
        && running.as_mut().poll(cx).is_ready()
    {
        *connection = None;
    }
}

fn since_epoch(time: SystemTime) -> Option<Timestamp> {
    let time = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    u64::try_from(time.as_millis()).ok().map(Timestamp)
}

/// Reads after how long to ask again: seconds, or a time by the clock of who answers (RFC 9110,
/// section 10.2.3).
fn retry_after<T>(response: &Response<T>) -> Option<Duration> {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let value = header(RETRY_AFTER)?;
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    let now = header(DATE).and_then(|date| httpdate::parse_http_date(date).ok())?;
    Some(at.duration_since(now).unwrap_or_default())
}

// === impl Patience ===

impl Default for Patience {
    fn default() -> Self {
        Self { tries: RETRIES_MAX, time: RETRY_TIME }
    }
}

impl Patience {
    /// Waits until the request may be repeated.
    ///
    /// # Errors
    ///
    /// Returns the error if the answer does not ask for that, or asks for more than is left.
    async fn wait(&mut self, error: ClientError) -> Result<(), ClientError> {
        let wait = error.retry_after().filter(|_| error.may_pass() && self.tries > 0);
        let wait = wait.map(|wait| wait.max(RETRY_MIN));
        let Some((wait, left)) = wait.and_then(|wait| Some((wait, self.time.checked_sub(wait)?)))
        else {
            return Err(error);
        };
        (self.tries, self.time) = (self.tries - 1, left);
        remark(&format!("{error}; trying again in {}", HumanDuration::from(wait)));
        sleep(wait).await;
        Ok(())
    }
}

// === impl Answer ===

impl Answer {
    /// Reads the JSON of the answer, to be shown.
    pub(crate) fn read<T: Answered>(&self) -> Result<T, ClientError> {
        json::read(&self.text).map_err(|error| self.unreadable(error.to_string()))
    }

    /// Reads the JSON of the answer as it is, for who takes care of its texts.
    pub(crate) fn read_as_it_is<T: Answered>(&self) -> Result<T, ClientError> {
        json::read_as_it_is(&self.text).map_err(|error| self.unreadable(error.to_string()))
    }

    /// Says that it is not what was asked for.
    pub(crate) fn unreadable(&self, why: String) -> ClientError {
        let why = match &self.stranger {
            Some(stranger) => format!("{stranger} answers ({why})"),
            None => why,
        };
        // What is wrong may be told with words of the answer.
        ClientError::Unreadable { url: self.url.clone(), why: cleaned(why) }
    }
}

// === impl Stream ===

impl Stream {
    /// Returns the next piece; none at the end.
    pub(crate) async fn piece(&mut self, patience: Duration) -> Result<Option<Bytes>, ClientError> {
        let late = |_| ClientError::Late { url: self.url.clone(), waited: patience };
        let (connection, body) = (&mut self.connection, &mut self.body);
        let next = poll_fn(|cx| {
            drive(connection, cx);
            loop {
                match Pin::new(&mut *body).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                        Ok(data) => return Poll::Ready(Some(Ok(data))),
                        Err(_) => continue,
                    },
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                    Poll::Ready(None) => return Poll::Ready(None),
                    Poll::Pending => return Poll::Pending,
                }
            }
        });
        let piece = timeout(patience, next).await.map_err(late)?;
        piece.transpose().map_err(|source| ClientError::Broken { url: self.url.clone(), source })
    }

    async fn text(&mut self, limit: usize) -> Result<String, ClientError> {
        let mut all = Vec::new();
        while let Some(piece) = self.piece(PIECE_TIME).await? {
            if all.len() + piece.len() > limit {
                return Err(ClientError::TooLong { url: self.url.clone(), limit });
            }
            all.extend_from_slice(&piece);
        }
        String::from_utf8(all).map_err(|_| ClientError::Unreadable {
            url: self.url.clone(),
            why: "it is no text".to_owned(),
        })
    }
}
