//! A collector on a socket: what a real process sends it, and what comes of one that is away.

#![allow(clippy::disallowed_methods, reason = "a real process runs on the real clock")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use crate::harness::{Playground, run_with};

/// The longest that the end may wait for a collector, and some for a busy machine.
const SOON: Duration = Duration::from_secs(5);

const KEY: &str = "a-key-of-the-collector-0c1d5ee2";

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// One request to the collector.
struct Sent {
    /// In lower case.
    head: String,
    body: Vec<u8>,
}

// === impl Sent ===

impl Sent {
    fn has(&self, part: &[u8]) -> bool {
        self.body.windows(part.len()).any(|bytes| bytes == part)
    }
}

/// Takes whatever it is sent.
fn collector() -> (SocketAddr, Receiver<Sent>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, sent) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            take(stream.unwrap(), &sender);
        }
    });
    (address, sent)
}

fn take(stream: TcpStream, sender: &Sender<Sent>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap() == 0 {
            return None;
        }
    }
    let head = head.to_lowercase();
    let length = head.split("content-length: ").nth(1)?.split("\r\n").next()?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    sender.send(Sent { head, body }).ok()?;
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    reader.get_mut().write_all(answer.as_bytes()).ok()
}

fn application(collector: SocketAddr) -> String {
    format!(
        "app: {{title: pictures}}
observability: {{tracing: {{endpoint: 'http://{collector}', headers: {{authorization: {KEY}}}}}}}
services:
  hello: {{kind: hello}}
  vault: {{kind: vault, password: canary-of-the-vault}}"
    )
}

/// Asks a service's own route, as part of a trace that began elsewhere.
fn ask(app: &Playground, path: &str) {
    let mut stream = TcpStream::connect(app.address).unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         traceparent: 00-{TRACE}-b7ad6b7169203331-01\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn requests_and_lines_arrive_before_the_process_ends() {
    let (address, sent) = collector();
    let app = Playground::settled(&application(address));
    ask(&app, "/services/hello/status");
    ask(&app, "/services");
    app.terminate().check(0);
    let sent: Vec<Sent> = sent.try_iter().collect();
    let key = format!("authorization: {KEY}");
    assert!(sent.iter().all(|it| it.head.contains(&key)), "it proves who it is");
    let to = |path: &str| sent.iter().filter(|it| it.head.starts_with(path)).collect::<Vec<_>>();
    let (traces, logs) = (to("post /v1/traces"), to("post /v1/logs"));
    let is_in = |all: &[&Sent], part: &[u8]| all.iter().any(|it| it.has(part));
    let trace: Vec<u8> = TRACE
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    assert!(is_in(&traces, &trace), "the trace goes on");
    for part in ["GET /services/{name}/{*path}", "GET /services", "pictures", "hello"] {
        assert!(is_in(&traces, part.as_bytes()), "{part}");
    }
    for part in ["application starting", "hello from hello", "processpype.service"] {
        assert!(is_in(&logs, part.as_bytes()), "{part}");
    }
    for secret in [KEY, "canary-of-the-vault"] {
        assert!(!sent.iter().any(|it| it.has(secret.as_bytes())), "{secret} has left");
    }
}

#[test]
fn a_collector_that_never_answers_is_waited_for_no_longer_than_the_log() {
    // It takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let app = Playground::settled(&application(silent.local_addr().unwrap()));
    ask(&app, "/services/hello/status");
    let ended = app.terminate();
    ended.check(0);
    assert!(ended.took < SOON, "{:?}", ended.took);
}

#[test]
fn what_cannot_be_sent_is_found_by_check() {
    let text = "observability:
  tracing:
    endpoint: grpc://collector:4317
    headers: {not a name: x}
    sample_ratio: 2
services: {hello: {kind: hello}}";
    let printed = run_with("check", text);
    printed.refused(&["sample_ratio", "2"]);
    let text = text.replace("    sample_ratio: 2\n", "");
    run_with("check", &text).refused(&[
        "only `http://` and `https://` are spoken",
        "write an address such as `http://localhost:4318`",
        "`not a name` cannot be sent",
    ]);
}
