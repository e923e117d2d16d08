//! What a handler of a service's own route answers when it ends with `?`.
//!
//! # Invariants
//!
//! 1. A client reads [`Error::public_message`] or the text of an [`Unavailable`], and nothing else
//!    of an error; the whole chain goes to the log, in the span of the generation.
//! 2. The chain goes with the answer as far as the generation's own side of a request, which tells
//!    it to a test: no client is given it.
//! 3. Whose provider is away answers 503 as the framework does for a service that does not run;
//!    every other error is a 500.
//!
//! Other statuses are the handler's own to say, with an error type of its own or a tuple.

use std::sync::Arc;

use axum::Extension;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::context::TEXT_MAX;
use crate::error::{Error, Unavailable};
use crate::text::within;

/// What a handler has failed with, as the log tells it: it travels with the answer.
#[derive(Clone, Debug)]
pub(crate) struct HandlerError(pub(crate) Arc<str>);

/// What a client reads of an error without a public text.
const INTERNAL: &str = "the request failed; the log has the details";

/// 503 if an unavailable provider caused it, else 500; the body is the public text.
///
/// ```
/// # use processpype_runtime as processpype;
/// use axum::response::IntoResponse as _;
/// use processpype::{Dep, Error};
///
/// struct Store;
///
/// let away: Error = Dep::<Store>::unavailable().get().map(drop).unwrap_err().into();
/// assert_eq!(away.into_response().status(), 503);
/// assert_eq!(Error::public("no rows yet").into_response().status(), 500);
/// ```
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, text) = match (self.public_message(), self.unavailable()) {
            (Some(public), Some(_)) => (StatusCode::SERVICE_UNAVAILABLE, public.to_owned()),
            (Some(public), None) => (StatusCode::INTERNAL_SERVER_ERROR, public.to_owned()),
            (None, Some(away)) => (StatusCode::SERVICE_UNAVAILABLE, away.to_string()),
            (None, None) => (StatusCode::INTERNAL_SERVER_ERROR, INTERNAL.to_owned()),
        };
        let chain = self.chain();
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(error = chain, "a handler failed");
        } else {
            tracing::debug!(error = chain, "a handler misses a provider");
        }
        let told = Extension(HandlerError(chain.into()));
        (status, told, within(&text, TEXT_MAX).to_owned()).into_response()
    }
}

/// 503, with the reason as text.
///
/// So a handler asks its handle and ends with `?`, and needs no error type of its own:
///
/// ```
/// # use processpype_runtime as processpype;
/// use std::sync::Arc;
///
/// use processpype::{Dep, Unavailable};
///
/// struct Counter(u64);
///
/// async fn value(counter: Dep<Counter>) -> Result<String, Unavailable> {
///     Ok(counter.get()?.0.to_string())
/// }
///
/// let _ = value(Dep::of(Arc::new(Counter(1))));
/// ```
impl IntoResponse for Unavailable {
    fn into_response(self) -> Response {
        Error::from(self).into_response()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::Dep;

    async fn check(error: impl IntoResponse, status: u16, text: &str) {
        let response = error.into_response();
        assert_eq!(response.status(), status);
        let body = response.into_body().collect().await.expect("a text").to_bytes();
        assert_eq!(body, text);
    }

    #[tokio::test]
    async fn a_client_reads_public_texts_and_no_others() {
        let secret = || std::io::Error::other("/var/lib/app/rows.db is locked");
        check(Error::from(secret()), 500, INTERNAL).await;
        check(Error::public("no rows now").with_source(secret()), 500, "no rows now").await;
        let away = || Dep::<u8>::unavailable().get().map(drop).expect_err("it has no provider");
        let told = "service `test-double` is unavailable: it is stopped";
        check(away(), 503, told).await;
        check(Error::from(away()), 503, told).await;
        check(Error::public("no rows now").with_source(away()), 503, "no rows now").await;
    }

    #[tokio::test]
    async fn a_long_text_is_cut() {
        let text = "x".repeat(TEXT_MAX + 1);
        check(Error::public(text), 500, &"x".repeat(TEXT_MAX)).await;
    }
}
