//! Real sockets: bad clients, clients that stay, and clients that leave.
//!
//! These tests run in real time; each wait is for something that happens, bounded by [`PATIENCE`].

use std::time::{Duration, Instant};

use processpype_control::{ControlSettings, Limits, Running, Server, Token};
use processpype_core::{Role, ServiceState};
use processpype_runtime::Manager;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::fixture::{App, describe, settings};

/// A token that may see everything.
const TOKEN: &str = "the-token-of-the-sockets-tests";

/// No test waits for longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What "at once" may take on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(2);

pub(crate) const JSON: &str = "Content-Type: application/json\r\n";

pub(crate) async fn serve(change: impl FnOnce(&mut Limits)) -> (Manager, Running) {
    let mut settings = settings();
    change(&mut settings.limits);
    settings.tokens = vec![Token::new("it", Role::Viewer, TOKEN).expect("a good token")];
    let (manager, bound) = App::start_with(settings).await.bind().await;
    assert_ne!(
        bound.address().expect("an address").port(),
        0,
        "the port is known before anything is served"
    );
    (manager, bound.serve())
}

pub(crate) async fn connect(running: &Running) -> TcpStream {
    TcpStream::connect(running.address().expect("an address")).await.expect("a connection")
}

pub(crate) async fn send(running: &Running, text: &str) -> TcpStream {
    let mut socket = connect(running).await;
    socket.write_all(text.as_bytes()).await.expect("the server takes it");
    socket
}

/// Reads until the server closes.
pub(crate) async fn rest(mut socket: TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, socket.read_to_end(&mut bytes)).await;
    let _ = read.expect("the server closes the connection");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads until `enough` has come.
pub(crate) async fn until(socket: &mut TcpStream, enough: &str) -> String {
    let mut text = String::new();
    while !text.contains(enough) {
        let mut buffer = [0; 4096];
        let read = timeout(PATIENCE, socket.read(&mut buffer)).await;
        let read = read.unwrap_or_else(|_| panic!("`{enough}` did not come: {text}"));
        let read = read.expect("readable");
        assert!(read > 0, "closed before `{enough}`: {text}");
        text += &String::from_utf8_lossy(&buffer[..read]);
    }
    text
}

pub(crate) async fn exchange(running: &Running, text: &str) -> String {
    rest(send(running, text).await).await
}

#[tokio::test]
async fn it_answers_over_a_socket() {
    let (_, running) = serve(|_| {}).await;
    let get =
        "GET /services/counter/value HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = exchange(&running, get).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("42"), "{answer}");
    let head = get.replace("GET", "HEAD");
    let answer = exchange(&running, &head).await;
    assert!(answer.contains("content-length: 2\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn bad_requests_are_refused() {
    let (_, running) = serve(|_| {}).await;
    for (request, status) in [
        ("GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", 421),
        ("GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 421),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\nConnection: close\r\n\r\n", 403),
        ("CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 400),
        ("TRACE / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 405),
        ("GET * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 400),
        ("OPTIONS * HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", 421),
        ("hello\r\n\r\n", 400),
        ("GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", 400),
        ("GET /\u{0} HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    ] {
        let answer = exchange(&running, request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} "))
                || answer.starts_with(&format!("HTTP/1.0 {status} ")),
            "{request}: {answer}"
        );
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.contains("content-type: application/problem+json\r\n"), "{request}: {head}");
        assert!(head.contains("x-content-type-options: nosniff"), "{request}: {head}");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{request}: {head}");
        assert!(body.contains("\"code\":\""), "{request}: {body}");
    }
}

#[tokio::test]
async fn what_is_no_request_ends_the_connection_after_those_that_are() {
    let (_, running) = serve(|_| {}).await;
    let mut socket = send(&running, "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(until(&mut socket, "alive").await.starts_with("HTTP/1.1 200 "));
    socket.write_all(b"what?\r\n\r\n").await.expect("it takes it");
    let answer = rest(socket).await;
    assert!(
        answer.starts_with("HTTP/1.1 400 ") && answer.contains("connection: close"),
        "{answer}"
    );
    assert!(answer.contains("malformed-request"), "{answer}");
    let metrics = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    let metrics = format!("{metrics}Authorization: Bearer {TOKEN}\r\n\r\n");
    let counted = exchange(&running, &metrics).await;
    let series = r#"{route="none",method="other",status="400"} 1"#;
    assert!(counted.contains(series), "{counted}");
}

/// A request with a length and a coding, and another one hidden in its body.
fn smuggling(first: &str, second: &str) -> String {
    let hidden = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let length = hidden.len() + 5;
    let headers = [first, second].map(|header| match header {
        "length" => format!("Content-Length: {length}\r\n"),
        _ => "Transfer-Encoding: chunked\r\n".to_owned(),
    });
    format!(
        "POST /services/counter/value HTTP/1.1\r\nHost: localhost\r\n{}\r\n0\r\n\r\n{hidden}",
        headers.concat()
    )
}

#[tokio::test]
async fn a_length_and_a_coding_are_refused() {
    let (_, running) = serve(|_| {}).await;
    for (first, second) in [("length", "coding"), ("coding", "length")] {
        let request = smuggling(first, second);
        let answer = exchange(&running, &request).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("not both"), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        // In pieces, and not as the first request.
        let mut socket =
            send(&running, "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        until(&mut socket, "alive").await;
        socket.set_nodelay(true).expect("a socket");
        for piece in request.as_bytes().chunks(7) {
            // It may be over before the last one.
            let _ = socket.write_all(piece).await;
            tokio::task::yield_now().await;
        }
        let answer = rest(socket).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") || answer.is_empty(), "{answer}");
    }
    // Behind one that is not over, the connection ends all the same.
    let first = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let answer = exchange(&running, &format!("{first}{}", smuggling("coding", "length"))).await;
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 2, "{answer}");
}

#[tokio::test]
async fn heads_are_limited() {
    let (_, running) = serve(|limits| limits.headers = 20).await;
    let huge = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(64 * 1024));
    let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: x\r\n".repeat(21));
    let is_told =
        |answer: &str| answer.starts_with("HTTP/1.1 431 ") && answer.contains("head-too-large");
    let answer = exchange(&running, &huge).await;
    // A server that closes on unread bytes may take its answer with it.
    assert!(answer.is_empty() || is_told(&answer), "{answer}");
    let answer = exchange(&running, &many).await;
    assert!(is_told(&answer), "{answer}");
    let fine = format!(
        "GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{}\r\n",
        "X: x\r\n".repeat(10)
    );
    assert!(exchange(&running, &fine).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn slow_heads_and_idle_connections_are_cut() {
    let (_, running) = serve(|limits| {
        let soon = Duration::from_millis(200);
        (limits.first_byte_time, limits.header_read_time, limits.idle_time) = (soon, soon, soon);
    })
    .await;
    let begin = Instant::now();
    let answer = exchange(&running, "GET / HTTP/1.1\r\nHost: local").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
    // Nothing at all, and nothing after a first request.
    exchange(&running, "").await;
    let answer = exchange(&running, "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(begin.elapsed() < PATIENCE);
}

#[tokio::test]
async fn slow_bodies_are_cut() {
    let (manager, running) =
        serve(|limits| limits.body_read_time = Duration::from_millis(200)).await;
    let head = format!("HTTP/1.1\r\nHost: localhost\r\n{JSON}Content-Length: 9\r\n\r\n{{");
    let answer = exchange(&running, &format!("POST /services/idle/start {head}")).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("request-timeout"), "{answer}");
    assert_eq!(manager.state("idle"), Some(ServiceState::Stopped));
    let answer = exchange(&running, &format!("POST /services/counter/value {head}")).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("request-timeout"), "{answer}");
}

#[tokio::test]
async fn a_body_that_goes_on_and_on_is_cut() {
    let (_, running) = serve(|limits| limits.service_body_time = Duration::from_millis(200)).await;
    let head = "POST /services/counter/value HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999";
    let (mut reading, mut writing) = send(&running, &format!("{head}\r\n\r\n")).await.into_split();
    let drips = tokio::spawn(async move {
        while writing.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let mut answer = vec![0; 4096];
    let read = timeout(PATIENCE, reading.read(&mut answer)).await.expect("an answer");
    answer.truncate(read.expect("readable"));
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("request-timeout"), "{answer}");
    timeout(PATIENCE, drips).await.expect("the server closes the connection").expect("no panic");
}

#[tokio::test]
async fn who_sends_slowly_keeps_no_command_out() {
    let (manager, running) = serve(|limits| {
        limits.commands = 2;
        limits.body_read_time = PATIENCE * 6;
    })
    .await;
    let post = |command: &str, length: usize| {
        format!(
            "POST /services/{command} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{JSON}\
             Content-Length: {length}\r\n\r\n{{"
        )
    };
    let mut slow = Vec::new();
    for _ in 0..8 {
        let mut socket = send(&running, &post("idle/start", 18)).await;
        // Its head has been read, and its body is waited for.
        socket.flush().await.expect("it is sent");
        slow.push(socket);
    }
    let answer = exchange(&running, &format!("{}}}", post("shy/start?wait=0", 2))).await;
    assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
    assert_ne!(manager.state("shy"), Some(ServiceState::Stopped));
    let mut last = slow.pop().expect("there are some");
    last.write_all(b"\"reason\": \"slow\"}").await.expect("it takes it");
    let answer = rest(last).await;
    assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
}

#[tokio::test]
async fn a_huge_body_is_refused_unread() {
    let (_, running) = serve(|_| {}).await;
    let head =
        "Host: localhost\r\nContent-Type: application/json\r\nContent-Length: 9999999999\r\n\r\n";
    for path in ["/services/idle/start", "/services/counter/value"] {
        let answer = exchange(&running, &format!("POST {path} HTTP/1.1\r\n{head}")).await;
        assert!(
            answer.starts_with("HTTP/1.1 413 ") && answer.contains("body-too-large"),
            "{answer}"
        );
    }
    let piece = format!("ffff\r\n{}\r\n", "x".repeat(0xffff));
    let chunked = format!(
        "POST /services/idle/start HTTP/1.1\r\nHost: localhost\r\n{JSON}\
         Transfer-Encoding: chunked\r\n\r\n{piece}{piece}"
    );
    let mut socket = connect(&running).await;
    let _ = socket.write_all(chunked.as_bytes()).await;
    let answer = rest(socket).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

/// Not only refused: a client that sends all of it first still gets to read why.
#[tokio::test]
async fn a_large_body_sent_whole_is_answered() {
    let (_, running) = serve(|_| {}).await;
    let body = "x".repeat(1024 * 1024);
    let head =
        format!("HTTP/1.1\r\nHost: localhost\r\n{JSON}Content-Length: {}\r\n\r\n", body.len());
    let mut socket = connect(&running).await;
    socket.write_all(format!("POST /services/idle/start {head}").as_bytes()).await.expect("sent");
    let _ = socket.write_all(body.as_bytes()).await;
    let answer = rest(socket).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn a_client_that_leaves_at_once_has_given_its_command() {
    let (manager, running) = serve(|_| {}).await;
    let body = r#"{"reason":"bye"}"#;
    let post = format!(
        "POST /services/idle/start HTTP/1.1\r\nHost: localhost\r\n{JSON}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    drop(send(&running, &post).await);
    let started = manager.reached("idle", ServiceState::Running);
    assert_eq!(timeout(PATIENCE, started).await, Ok(true));
}

#[tokio::test]
async fn a_stop_is_not_held_up_by_idle_connections_and_streams() {
    let (_, running) = serve(|_| {}).await;
    let fresh = connect(&running).await;
    let half = send(&running, "GET / HTTP/1.1\r\nHost: local").await;
    let mut idle = send(&running, "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    until(&mut idle, "alive").await;
    let stream = format!(
        "GET /events/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    );
    let mut stream = send(&running, &stream).await;
    until(&mut stream, "processpype events").await;
    let ticks = "GET /services/counter/ticks HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut ticks = send(&running, ticks).await;
    until(&mut ticks, "data: tick").await;
    let begin = Instant::now();
    let drained = running.stop(PATIENCE).await;
    assert_eq!(drained.aborted, 0);
    assert!(begin.elapsed() < AT_ONCE, "{:?}", begin.elapsed());
    rest(ticks).await;
    assert!(rest(stream).await.contains("event: closing"));
    for silent in [idle, fresh, half] {
        assert_eq!(rest(silent).await, "");
    }
}

#[tokio::test]
async fn a_request_under_way_is_answered_before_the_end() {
    let (_, running) = serve(|_| {}).await;
    let post = "POST /services/slow/start?wait=1s HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let socket = send(&running, post).await;
    // The command has been handed over when the service starts.
    let mut status = String::new();
    while !status.contains("starting") {
        let get = "GET /services/slow HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        status = exchange(&running, get).await;
    }
    let drained = running.stop(PATIENCE).await;
    assert_eq!(drained.aborted, 0);
    assert!(rest(socket).await.starts_with("HTTP/1.1 202 "));
}

#[tokio::test]
async fn what_does_not_end_is_aborted_at_the_deadline() {
    let (_, running) = serve(|_| {}).await;
    let _hanging =
        send(&running, "GET /services/counter/hang HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    // A second request on another connection shows that the first has been taken in.
    exchange(&running, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    let begin = Instant::now();
    let drained = running.stop(Duration::from_millis(200)).await;
    assert_eq!(drained.aborted, 1);
    assert!(begin.elapsed() < AT_ONCE, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn connections_are_limited_and_the_next_one_waits() {
    let (_, running) = serve(|limits| limits.connections = 1).await;
    let mut first = send(&running, "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    until(&mut first, "alive").await;
    let close = "GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut second = send(&running, close).await;
    let mut byte = [0];
    let early = timeout(Duration::from_millis(200), second.read(&mut byte)).await;
    assert!(early.is_err(), "the second connection was served beside the first");
    drop(first);
    assert!(rest(second).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn who_only_waits_gives_up_its_place_to_the_next() {
    let (_, running) = serve(|limits| {
        limits.connections = 2;
        // Longer than any test: nobody leaves by itself.
        limits.header_read_time = Duration::from_secs(600);
        limits.idle_time = Duration::from_secs(600);
    })
    .await;
    let mut kept_alive =
        send(&running, "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    until(&mut kept_alive, "alive").await;
    let never_asks = send(&running, "GET /health/live HTTP/1.1\r\nHo").await;
    let close = "GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let (one, other) = (send(&running, close).await, send(&running, close).await);
    assert!(rest(one).await.starts_with("HTTP/1.1 200 "));
    assert!(rest(other).await.starts_with("HTTP/1.1 200 "));
    // At least one of the two had to go; both may have, one for each that waited.
    let gone = timeout(PATIENCE, async {
        tokio::select! {
            text = rest(kept_alive) => text,
            text = rest(never_asks) => text,
        }
    });
    assert_eq!(gone.await.expect("one has lost its place"), "");
}

/// Slowloris: each byte in time, and never the end.
#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_cut() {
    let (_, running) = serve(|limits| limits.header_read_time = Duration::from_millis(300)).await;
    let mut socket = connect(&running).await;
    let mut sent = 0;
    let drip = async {
        while socket.write_all(b"G").await.is_ok() {
            sent += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, drip).await.expect("the server ends it");
    assert!(sent > 1, "it was cut at once");
}

#[tokio::test]
async fn a_request_may_follow_later_than_a_head_may_take() {
    let (_, running) = serve(|limits| {
        limits.first_byte_time = AT_ONCE;
        limits.header_read_time = AT_ONCE;
    })
    .await;
    let get = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut socket = send(&running, get).await;
    until(&mut socket, "alive").await;
    // Who comes later, and is cut, has waited for less than it. Twice, because the alarm of its
    // own first byte may still be set, and is looked at when it rings.
    for _ in 0..2 {
        let (silent, half) = (connect(&running).await, send(&running, "GET ").await);
        let (silent, half) = tokio::join!(rest(silent), rest(half));
        assert!(!silent.contains("alive") && !half.contains("alive"), "{silent} {half}");
    }
    socket.write_all(get.as_bytes()).await.expect("it is still open");
    until(&mut socket, "alive").await;
}

#[tokio::test]
async fn connections_of_one_client_are_limited_and_who_waits_in_vain_is_closed() {
    let (_, running) = serve(|limits| limits.connections_per_peer = 2).await;
    let busy = "GET /services/counter/hang HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut open = vec![send(&running, busy).await, send(&running, busy).await];
    let close = "GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    // Both are needed: nobody leaves.
    let waiting: Vec<_> =
        futures_util::future::join_all((0..20).map(|_| exchange(&running, close))).await;
    assert!(waiting.iter().all(String::is_empty), "{waiting:?}");
    open.pop();
    let served = async { while !exchange(&running, close).await.starts_with("HTTP/1.1 200 ") {} };
    timeout(PATIENCE, served).await.expect("its place is free again");
}

/// All of loopback is one client: who only waits must not lock the operator out.
#[tokio::test]
async fn idle_connections_of_one_client_make_room_for_its_next_one() {
    let (_, running) = serve(|limits| {
        limits.connections_per_peer = 8;
        limits.idle_time = Duration::from_secs(600);
    })
    .await;
    let get = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut idle = Vec::new();
    for _ in 0..8 {
        let mut socket = send(&running, get).await;
        until(&mut socket, "alive").await;
        idle.push(socket);
    }
    let close = get.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    for _ in 0..3 {
        let answer = exchange(&running, &close).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    // Not all had to leave for that.
    let newest = idle.last_mut().expect("there are some");
    newest.write_all(get.as_bytes()).await.expect("it is still open");
    until(newest, "alive").await;
}

#[tokio::test]
async fn streams_of_one_client_are_limited() {
    let (_, running) = serve(|limits| limits.streams_per_peer = 2).await;
    let get = format!(
        "GET /events/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    );
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut stream = send(&running, &get).await;
        until(&mut stream, "processpype events").await;
        open.push(stream);
    }
    let mut refused = send(&running, &get).await;
    let answer = until(&mut refused, "}").await;
    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
    assert!(answer.contains("too-many-requests") && answer.contains("retry-after: 5"), "{answer}");
    open.pop();
    let served = async {
        while !until(&mut send(&running, &get).await, "\r\n\r\n").await.contains(" 200 ") {}
    };
    timeout(PATIENCE, served).await.expect("its place is free again");
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_cut() {
    let (_, running) = serve(|limits| {
        limits.connections = 1;
        limits.write_stall_time = Duration::from_millis(200);
    })
    .await;
    // Many more answers than the sockets' buffers hold, and nobody takes them.
    let mut greedy = connect(&running).await;
    let requests = "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(2000);
    let _ = timeout(Duration::from_secs(1), greedy.write_all(requests.as_bytes())).await;
    let close = "GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    // The only place is free again.
    assert!(exchange(&running, close).await.starts_with("HTTP/1.1 200 "));
    drop(greedy);
}

#[tokio::test]
async fn connections_are_counted_until_they_end() {
    let (_manager, running) = serve(|_| {}).await;
    let address = running.address().expect("an address");
    let idle = TcpStream::connect(address).await.expect("it connects");
    let scrape = format!(
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\
         Connection: close\r\n\r\n"
    );
    let first = exchange(&running, &scrape).await;
    let counted = |total: u64, open: u64| {
        (
            format!("processpype_connections_total {total}\n"),
            format!("processpype_connections_open {open}\n"),
        )
    };
    let (total, open) = counted(2, 2);
    assert!(first.contains(&total) && first.contains(&open), "{first}");
    drop(idle);
    // The end of a connection is seen when its task has seen it.
    for asked in 3.. {
        let next = exchange(&running, &scrape).await;
        let (total, open) = counted(asked, 1);
        assert!(next.contains(&total), "{next}");
        if next.contains(&open) {
            break;
        }
        assert!(asked < 1000, "the first connection never ends: {next}");
    }
}

#[tokio::test]
async fn a_port_in_use_is_told() {
    let (manager, running) = serve(|_| {}).await;
    let mut settings = settings();
    settings.port = running.address().expect("an address").port();
    let server = Server::new(manager, settings, describe).expect("good settings");
    let error = server.bind().await.expect_err("the port is in use");
    assert!(error.is_address_in_use(), "{error}");
    assert!(error.to_string().contains("server.port"), "{error}");
}

#[tokio::test]
async fn only_loopback_is_bound() {
    let app = App::start().await;
    let bind = async |host: &str| {
        let mut settings: ControlSettings = settings();
        settings.host = host.to_owned();
        Server::new(app.manager.clone(), settings, describe).expect("good settings").bind().await
    };
    for open in ["0.0.0.0", "::", "192.0.2.1"] {
        let error = bind(open).await.expect_err(open);
        assert!(error.is_refused() && error.to_string().contains("127.0.0.1"), "{error}");
    }
    let address = async |host| bind(host).await.expect("loopback").address().expect("an address");
    assert!(address("127.0.0.1").await.ip().is_loopback());
    assert!(address("localhost").await.ip().is_loopback());
    assert!(bind("no.such.host.invalid").await.is_err());
}
