//! Clients that give an order and are gone before anybody answers.

use std::time::Duration;

use processpype_control::{Ask, Listener, Running};
use processpype_core::ServiceState;
use processpype_runtime::Manager;
use tokio::io::AsyncWriteExt;
use tokio::time::{sleep, timeout};

use crate::fixture::{App, logged};
use crate::sockets::{JSON, PATIENCE, connect, rest, until};

/// Serves an application in which everybody may do everything, and whose log is its own.
async fn open() -> (tracing::subscriber::DefaultGuard, Manager, Running) {
    let (guard, _log, mut settings) = logged();
    settings.shutdown_endpoint = true;
    let address = "127.0.0.1:0".parse().expect("an address");
    settings.listeners = vec![Listener { ask: Ask::Nobody, ..Listener::at(address) }];
    let (manager, bound) = App::start_with(settings).await.bind().await;
    (guard, manager, bound.serve())
}

/// Sends a head, and when its body is waited for, that and the end of the connection together.
async fn give_and_leave(running: &Running, order: &str, body: &str) {
    let mut socket = connect(running).await;
    let length = body.len();
    let head = format!(
        "{order} HTTP/1.1\r\nHost: localhost\r\n{JSON}Expect: 100-continue\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.expect("it takes it");
    until(&mut socket, "100 Continue").await;
    // The server sees both at one time: nothing is awaited between them.
    let mut socket = socket.into_std().expect("a socket");
    std::io::Write::write_all(&mut socket, body.as_bytes()).expect("it takes it");
    drop(socket);
}

/// Waits until the order has had its effect.
async fn had_effect(order: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("`{order}` was lost"));
}

#[tokio::test]
async fn a_command_is_given() {
    let (_guard, manager, running) = open().await;
    let order = "POST /services/idle/start";
    give_and_leave(&running, order, r#"{"reason":"bye"}"#).await;
    had_effect(order, || manager.state("idle") == Some(ServiceState::Running)).await;
}

#[tokio::test]
async fn a_level_is_changed() {
    let (_guard, manager, running) = open().await;
    for order in ["PUT /levels", "PUT /services/counter/-/level"] {
        let before = manager.level_changes().len();
        give_and_leave(&running, order, r#"{"level":"debug"}"#).await;
        had_effect(order, || manager.level_changes().len() > before).await;
    }
}

#[tokio::test]
async fn restarts_are_paused_and_go_on() {
    let (_guard, manager, running) = open().await;
    let order = "POST /restarts/pause?for=10m";
    give_and_leave(&running, order, r#"{"reason":"bye"}"#).await;
    had_effect(order, || manager.pause().is_some()).await;
    let order = "POST /restarts/resume";
    give_and_leave(&running, order, r#"{"reason":"bye"}"#).await;
    had_effect(order, || manager.pause().is_none()).await;
}

#[tokio::test]
async fn the_application_is_closed() {
    let (_guard, manager, running) = open().await;
    let order = "POST /shutdown";
    give_and_leave(&running, order, r#"{"reason":"bye"}"#).await;
    had_effect(order, || manager.is_closing()).await;
}

/// Sends a request and closes this side; returns the answer, as it comes.
async fn ask_and_close(running: &Running, head: &str) -> String {
    let mut socket = connect(running).await;
    let request = format!("{head} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
    socket.write_all(request.as_bytes()).await.expect("it takes it");
    socket.shutdown().await.expect("it is open");
    rest(socket).await
}

#[tokio::test]
async fn who_only_closes_its_own_side_is_answered() {
    let (_guard, manager, running) = open().await;
    let waits = ask_and_close(&running, "POST /services/slow/start?wait=1s");
    let answer = waits.await;
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    assert_eq!(manager.state("slow"), Some(ServiceState::Starting));
    let long = ask_and_close(&running, "GET /openapi.json").await;
    let (head, body) = long.split_once("\r\n\r\n").expect("a head");
    assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
}

/// A stream has no end, so that the client goes must be seen.
#[tokio::test]
async fn a_stream_ends_with_its_client() {
    let (_guard, _manager, running) = open().await;
    let answer = ask_and_close(&running, "GET /events/stream").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn the_server_says_what_it_can_be_asked() {
    let (_guard, _manager, running) = open().await;
    let answer = ask_and_close(&running, "OPTIONS *").await;
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    assert!(answer.contains("allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"), "{answer}");
}

/// Until something is written, who has gone looks like who has closed its side.
#[tokio::test]
async fn who_may_have_gone_makes_room_for_others() {
    let (_guard, _log, mut settings) = logged();
    settings.limits.connections_per_peer = 4;
    let address = "127.0.0.1:0".parse().expect("an address");
    settings.listeners = vec![Listener { ask: Ask::Nobody, ..Listener::at(address) }];
    let (manager, bound) = App::start_with(settings).await.bind().await;
    let running = bound.serve();
    let head = "HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
    for _ in 0..4 {
        let mut socket = connect(&running).await;
        let order = format!("POST /services/slow/start?wait=60s {head}");
        socket.write_all(order.as_bytes()).await.expect("it takes it");
    }
    let order = "POST /services/slow/start";
    had_effect(order, || manager.state("slow") == Some(ServiceState::Starting)).await;
    for _ in 0..4 {
        let answer = ask_and_close(&running, "GET /health/live").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}
