//! An answer of the control plane, read whole.
//!
//! # Invariants
//!
//! 1. Reading it needs no `Result`: what is missing is `None`, `null` or a replacement character,
//!    so that an assertion shows what was there.
//! 2. A body is read up to a bound of bytes and of time: a stream that never ends is given as far
//!    as it came, and makes no endless test.

use std::time::Duration;

use axum::BoxError;
use axum::body::Body;
use axum::http::{HeaderMap, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use serde_json::Value;
use tokio::time::timeout;

/// How much of a body a test reads.
const BODY_MAX: usize = 16 * 1024 * 1024;

/// How long a test reads a body, in its own time: on paused time that costs nothing.
const BODY_TIME: Duration = Duration::from_secs(60);

/// A response with its body.
///
/// A body that has not ended after 60 s of the test's time, such as a stream of events, is given as
/// far as it came. One above 16 MiB, or that breaks off, is replaced by a text that says so.
///
/// ```
/// use std::convert::Infallible;
/// use std::sync::Arc;
/// use std::time::Duration;
/// use axum::response::sse::{Event, Sse};
/// use axum::{Router, routing::get};
/// use futures_util::stream;
/// use processpype::{Application, Routes, Service, testing};
///
/// struct Clock;
/// impl Service for Clock {
///     fn routes(self: Arc<Self>) -> Routes {
///         let next = async |tick: u32| {
///             tokio::time::sleep(Duration::from_secs(25)).await;
///             Some((Ok::<_, Infallible>(Event::default().data(tick.to_string())), tick + 1))
///         };
///         let ticks = async move || Sse::new(stream::unfold(1, next));
///         Router::new().route("/ticks", get(ticks)).into()
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> processpype::Result {
/// let app = testing::start(Application::new().service(|| Clock)).await?;
/// let ticks = app.get("/services/clock/ticks").await;
/// assert_eq!(ticks.text(), "data: 1\n\ndata: 2\n\n");
/// assert!(!ticks.is_whole());
/// # app.stop().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TestResponse {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    is_whole: bool,
}

// === impl TestResponse ===

impl TestResponse {
    pub(super) async fn read(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let mut whole = Vec::new();
        let read = timeout(BODY_TIME, read_into(Limited::new(body, BODY_MAX), &mut whole)).await;
        let (body, is_whole) = match read {
            Ok(Ok(())) => (whole, true),
            Ok(Err(error)) => {
                (format!("the body ended with an error: {error}").into_bytes(), false)
            }
            Err(_) => (whole, false),
        };
        Self { status: parts.status, headers: parts.headers, body, is_whole }
    }

    /// What a test sees of a request that cannot be sent at all.
    pub(super) fn unsendable(error: &str) -> Self {
        let (status, headers) = (StatusCode::BAD_REQUEST, HeaderMap::new());
        Self { status, headers, body: error.as_bytes().to_vec(), is_whole: true }
    }

    /// Returns the status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// Returns whether the body was read to its end.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Returns a header's value, if it is there and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the body as text; what is no UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the body as JSON; `null` if it is none.
    ///
    /// Index it with names and numbers; what is not there is `null`.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Reads a body to its end; what has come so far is there whenever it is dropped.
async fn read_into(mut body: Limited<Body>, whole: &mut Vec<u8>) -> Result<(), BoxError> {
    while let Some(frame) = body.frame().await {
        if let Ok(bytes) = frame?.into_data() {
            whole.extend_from_slice(&bytes);
        }
    }
    Ok(())
}
