//! What is answered to bytes that never became a request.
//!
//! hyper answers those by itself, with a status and nothing else, and asks nobody. Here its answer
//! is recognised on its way to the socket, and gets the body of a problem.
//!
//! # Invariants
//!
//! 1. Only what is written while no request is under way, and nothing of an earlier answer is left,
//!    can be such an answer. What does not look like one goes out as it is.
//! 2. hyper is told that its own bytes are written, once all of the problem is.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use hyper::body::{Buf as _, Bytes};
use processpype_api::{Code, Problem};
use tokio::io::AsyncWrite;

use crate::reply;
use crate::server::Control;
use crate::settings::Limits;

/// What stands in the head of hyper's answer, in whose place the problem's headers go.
const NO_BODY: &str = "content-length: 0\r\n";

/// A problem that is written in the place of hyper's own answer.
#[derive(Debug, Default)]
pub(crate) struct Unheard(Bytes);

// === impl Unheard ===

impl Unheard {
    /// Takes hyper's own answer, if this is one and no problem is written already.
    pub(crate) fn take(&mut self, control: &Control, answer: &[u8]) {
        if self.is_there() {
            return;
        }
        let Some((status, problem)) = refused(answer, &control.settings.limits) else { return };
        tracing::debug!(status = status.as_u16(), "what a client sent is no request");
        control.traffic.note_unheard(status);
        self.0 = with_body(answer, problem, control.prefix()).unwrap_or_default();
    }

    /// Returns whether there is something to write.
    pub(crate) fn is_there(&self) -> bool {
        !self.0.is_empty()
    }

    /// Writes the problem, in the place of `count` bytes.
    pub(crate) fn poll_write(
        &mut self,
        mut socket: Pin<&mut impl AsyncWrite>,
        cx: &mut Context<'_>,
        count: usize,
    ) -> Poll<io::Result<usize>> {
        while !self.0.is_empty() {
            match ready!(socket.as_mut().poll_write(cx, &self.0))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.0.advance(written),
            }
        }
        Poll::Ready(Ok(count))
    }
}

/// Reads hyper's own answer: its status, and the problem that says what that is about.
fn refused(answer: &[u8], limits: &Limits) -> Option<(StatusCode, Problem)> {
    let digits = answer.strip_prefix(b"HTTP/1.")?.get(2..5)?;
    let status = StatusCode::from_bytes(digits).ok()?;
    let problem = match status {
        StatusCode::BAD_REQUEST => {
            let detail = "what was sent is no request of HTTP/1.1";
            Problem::new(Code::MalformedRequest, detail)
        }
        StatusCode::URI_TOO_LONG => {
            let detail = format!("the address is longer than {} bytes", limits.uri_bytes);
            Problem::new(Code::UriTooLong, detail)
        }
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            let (bytes, headers) = (limits.header_bytes, limits.headers);
            let detail = format!("at most {bytes} bytes with {headers} headers are read");
            Problem::new(Code::HeadTooLarge, detail)
        }
        _ => return None,
    };
    Some((status, problem))
}

/// Gives hyper's own answer a body, and the headers that belong to it.
fn with_body(answer: &[u8], problem: Problem, prefix: &str) -> Option<Bytes> {
    let (before, after) = std::str::from_utf8(answer).ok()?.split_once(NO_BODY)?;
    let body = reply::rendered(problem, prefix);
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, reply::PROBLEM_JSON);
    headers.insert(CONTENT_LENGTH, body.len().into());
    reply::secure(&mut headers, false);
    let mut text = before.as_bytes().to_vec();
    for (name, value) in &headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            text.extend_from_slice(part);
        }
    }
    text.extend_from_slice(after.as_bytes());
    text.extend_from_slice(&body);
    Some(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: &str, expected: Option<Code>) {
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        let refused = refused(head.as_bytes(), &Limits::default());
        assert_eq!(refused.map(|(_, problem)| problem.code()), expected, "{status}");
    }

    #[test]
    fn what_hyper_answers_by_itself_is_known() {
        check("400 Bad Request", Some(Code::MalformedRequest));
        check("414 URI Too Long", Some(Code::UriTooLong));
        check("431 Request Header Fields Too Large", Some(Code::HeadTooLarge));
        check("200 OK", None);
        check("", None);
        let answer = b"HTTP/1.1 414 URI Too Long\r\n";
        let (_, problem) = refused(answer, &Limits::default()).expect("it is one");
        let body = reply::rendered(problem, "");
        let body = std::str::from_utf8(&body).expect("text");
        assert!(body.contains("the address is longer than 8192 bytes"), "{body}");
    }

    #[test]
    fn an_answer_gets_its_body_and_keeps_the_rest() {
        let head =
            b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\na: b\r\n\r\n";
        let (_, problem) = refused(head, &Limits::default()).expect("it is one");
        let text = with_body(head, problem, "/api").expect("it has no body yet");
        let text = std::str::from_utf8(&text).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        let lines: Vec<&str> = head.lines().collect();
        assert_eq!(lines[..2], ["HTTP/1.1 400 Bad Request", "connection: close"]);
        assert!(lines.contains(&"a: b") && !lines.contains(&"content-length: 0"), "{head}");
        assert!(lines.contains(&format!("content-length: {}", body.len()).as_str()), "{head}");
        assert!(lines.contains(&"x-content-type-options: nosniff"), "{head}");
        assert!(body.contains(r#""type":"/api/docs#problem-malformed-request""#), "{body}");
        assert!(
            with_body(b"HTTP/1.1 400 Bad Request\r\n\r\n", Problem::new(Code::Busy, ""), "")
                .is_none()
        );
    }
}
