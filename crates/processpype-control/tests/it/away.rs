//! Connections that are served where the services run, on a runtime of their own.
//!
//! These tests run in real time; each wait is for something that happens, bounded by [`PATIENCE`].

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use processpype_control::{Limits, Running};
use processpype_core::ServiceState;
use processpype_runtime::{Kind, Manager, Routes, Service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::fixture::{App, settings, spec};

/// No test waits for longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What "at once" may take on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(4);

/// Says how it is called, and does as it is told.
#[derive(Clone, Default)]
struct Spot(Arc<Told>);

/// What a test tells the service, and is told.
#[derive(Default)]
struct Told {
    /// Handlers that block may go on.
    is_free: AtomicBool,
    /// Handlers that are blocking.
    blocked: AtomicUsize,
    /// Handlers that have begun to hang.
    hanging: AtomicUsize,
    /// Handlers that hung and were dropped.
    dropped: AtomicUsize,
}

impl Told {
    /// Keeps the thread.
    fn block(&self) -> &'static str {
        self.blocked.fetch_add(1, SeqCst);
        while !self.is_free.load(SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        "free"
    }
}

struct Dropped(Arc<Told>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, SeqCst);
    }
}

impl Service for Spot {
    fn routes(self: Arc<Self>) -> Routes {
        let [blocks, after, hangs] = [(); 3].map(|()| Arc::clone(&self.0));
        let block = async move || blocks.block();
        let then_block = async move || {
            tokio::spawn(async move { after.block() });
            "done"
        };
        let hang = async move || {
            let _dropped = Dropped(Arc::clone(&hangs));
            hangs.hanging.fetch_add(1, SeqCst);
            while !hangs.is_free.load(SeqCst) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            "late"
        };
        Router::new()
            .route("/task", get(async || tokio::task::id().to_string()))
            .route("/echo", post(async |body: String| body))
            .route("/unread", post(async || "unread"))
            .route("/boom", get(boom))
            .route("/pieces", get(pieces))
            .route("/block", get(block))
            .route("/then-block", get(then_block))
            .route("/hang", get(hang))
            .into()
    }
}

async fn boom() -> &'static str {
    panic!("as it was told")
}

async fn pieces() -> Body {
    let pieces = futures_util::stream::unfold(0, async |count| {
        tokio::task::yield_now().await;
        (count < 3).then(|| (Ok::<_, Infallible>(format!("piece {count};")), count + 1))
    });
    Body::from_stream(pieces)
}

/// An application whose services have a runtime of their own.
struct Two {
    told: Arc<Told>,
    running: Option<Running>,
    manager: Manager,
    /// Ended in the background: a test has no time for it.
    services: Option<Runtime>,
}

impl Drop for Two {
    fn drop(&mut self) {
        self.told.is_free.store(true, SeqCst);
        if let Some(services) = self.services.take() {
            services.shutdown_background();
        }
    }
}

async fn start(workers: usize, change: impl FnOnce(&mut Limits)) -> Two {
    let mut builder = Builder::new_multi_thread();
    let services = builder.worker_threads(workers).enable_all().build().expect("threads");
    let spot = Spot::default();
    let told = Arc::clone(&spot.0);
    let kind = Kind::of(move || spot.clone());
    let mut settings = settings();
    change(&mut settings.limits);
    let app = App::launch_on(services.handle().clone(), vec![spec("spot", kind)], settings);
    app.manager.settled().await;
    let (manager, bound) = app.bind().await;
    Two { told, running: Some(bound.serve()), manager, services: Some(services) }
}

// === a client that keeps its connection ===

struct Client {
    socket: TcpStream,
    came: Vec<u8>,
}

/// One answer.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    body: String,
}

impl Client {
    async fn connect(two: &Two) -> Self {
        let address = two.running.as_ref().and_then(Running::address).expect("an address");
        let socket = TcpStream::connect(address).await.expect("a connection");
        Self { socket, came: Vec::new() }
    }

    /// A client that has asked so often that its connection is where the services are.
    async fn settled(two: &Two) -> Self {
        let mut client = Self::connect(two).await;
        let mut last = String::new();
        let settled = async {
            loop {
                let task = client.get("/services/spot/task").await.body;
                if task == last {
                    return;
                }
                last = task;
            }
        };
        timeout(PATIENCE, settled).await.expect("one task answers all");
        client
    }

    async fn send(&mut self, text: &str) {
        self.socket.write_all(text.as_bytes()).await.expect("the server takes it");
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        self.answer().await
    }

    async fn answer(&mut self) -> Answer {
        timeout(PATIENCE, self.read()).await.expect("an answer comes")
    }

    async fn read(&mut self) -> Answer {
        let end = self.until(b"\r\n\r\n").await;
        let head = String::from_utf8(self.take(end)).expect("a head of text");
        let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
        if head.contains("transfer-encoding: chunked") {
            return Answer { status, body: self.chunks().await };
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.expect("a length").parse().expect("a number");
        while self.came.len() < length {
            self.more().await;
        }
        let body = String::from_utf8(self.take(length)).expect("text");
        Answer { status, body }
    }

    async fn chunks(&mut self) -> String {
        let mut body = String::new();
        loop {
            let line = self.until(b"\r\n").await;
            let line = String::from_utf8(self.take(line)).expect("text");
            let length = usize::from_str_radix(line.trim(), 16).expect("a length");
            while self.came.len() < length + 2 {
                self.more().await;
            }
            let chunk = String::from_utf8(self.take(length + 2)).expect("text");
            body += &chunk[..length];
            if length == 0 {
                return body;
            }
        }
    }

    /// Returns where `end` ends.
    async fn until(&mut self, end: &[u8]) -> usize {
        loop {
            if let Some(at) = self.came.windows(end.len()).position(|bytes| bytes == end) {
                return at + end.len();
            }
            self.more().await;
        }
    }

    async fn more(&mut self) {
        let read = self.socket.read_buf(&mut self.came).await.expect("readable");
        assert!(read > 0, "closed after {:?}", String::from_utf8_lossy(&self.came));
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        self.came.drain(..count).collect()
    }

    /// Expects that the server ends the connection.
    async fn ends(&mut self) {
        let mut rest = Vec::new();
        let read = timeout(PATIENCE, self.socket.read_to_end(&mut rest)).await;
        let _ = read.expect("the server closes the connection");
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }
}

fn said(status: u16, body: &str) -> Answer {
    Answer { status, body: body.to_owned() }
}

#[track_caller]
fn eventually(what: &str, is_so: impl Fn() -> bool) -> impl Future<Output = ()> {
    let what = what.to_owned();
    async move {
        let so = async {
            while !is_so() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, so).await.unwrap_or_else(|_| panic!("never: {what}"));
    }
}

// === the tests ===

#[tokio::test]
async fn the_framework_answers_on_a_connection_that_is_with_the_services() {
    let two = start(2, |_| {}).await;
    let mut client = Client::settled(&two).await;
    let answer = client.get("/health/live").await;
    assert_eq!(answer.status, 200);
    assert!(client.get("/services").await.body.contains("spot"));
    assert_eq!(client.get("/services/spot/nothing").await.status, 404);
    assert_eq!(client.get("/services/nobody/task").await.status, 404);
    assert_eq!(client.get("/services/spot/task").await.status, 200);
    let mut client = Client::settled(&two).await;
    client.send("POST /services/spot/stop HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(two.manager.state("spot"), Some(ServiceState::Stopped));
    assert_eq!(client.get("/services/spot/task").await.status, 503);
}

#[tokio::test]
async fn the_services_of_a_blocked_runtime_do_not_keep_a_connection_from_the_framework() {
    let two = start(1, |_| {}).await;
    let mut client = Client::settled(&two).await;
    let mut other = Client::connect(&two).await;
    other.send("GET /services/spot/block HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    eventually("a handler blocks", || two.told.blocked.load(SeqCst) == 1).await;
    assert_eq!(client.get("/health/live").await.status, 200);
    // A connection that asks the blocked service is taken away from the service again.
    let ask = "GET /services/spot/task HTTP/1.1\r\nHost: localhost\r\n\r\n";
    client.send(ask).await;
    two.told.is_free.store(true, SeqCst);
    assert_eq!(other.answer().await, said(200, "free"));
    assert_eq!(client.answer().await.status, 200);
}

#[tokio::test]
async fn a_connection_that_is_handed_over_while_all_threads_block_comes_back() {
    let two = start(1, |_| {}).await;
    let mut client = Client::connect(&two).await;
    client.get("/services/spot/task").await;
    assert_eq!(client.get("/services/spot/then-block").await, said(200, "done"));
    eventually("the only thread blocks", || two.told.blocked.load(SeqCst) == 1).await;
    assert_eq!(client.get("/health/live").await.status, 200);
    two.told.is_free.store(true, SeqCst);
    assert_eq!(client.get("/services/spot/task").await.status, 200);
}

#[tokio::test]
async fn handlers_panic_and_leave_as_they_do_elsewhere() {
    let two = start(2, |_| {}).await;
    let mut client = Client::settled(&two).await;
    let answer = client.get("/services/spot/boom").await;
    assert!(answer.status == 500 && answer.body.contains("handler-panicked"), "{answer:?}");
    assert_eq!(client.get("/services/spot/pieces").await, said(200, "piece 0;piece 1;piece 2;"));
    client.send("GET /services/spot/hang HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    eventually("it hangs", || two.told.hanging.load(SeqCst) == 1).await;
    drop(client);
    eventually("its client has gone", || two.told.dropped.load(SeqCst) == 1).await;
    let mut client = Client::settled(&two).await;
    client.send("GET /services/spot/hang HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    eventually("it hangs", || two.told.hanging.load(SeqCst) == 2).await;
    two.manager.stop("spot").await.expect("it stops");
    assert_eq!(client.answer().await.status, 503);
    assert_eq!(two.told.dropped.load(SeqCst), 2);
}

#[tokio::test]
async fn a_stop_ends_idle_connections_and_waits_for_busy_ones() {
    let mut two = start(2, |_| {}).await;
    let mut idle = Client::settled(&two).await;
    let mut busy = Client::settled(&two).await;
    busy.send("GET /services/spot/hang HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    eventually("it hangs", || two.told.hanging.load(SeqCst) == 1).await;
    let stop = tokio::spawn(two.running.take().expect("it runs").stop(PATIENCE));
    idle.ends().await;
    assert!(!stop.is_finished());
    two.told.is_free.store(true, SeqCst);
    assert_eq!(busy.answer().await, said(200, "late"));
    busy.ends().await;
    assert_eq!(stop.await.expect("it stops").aborted, 0);
}

#[tokio::test]
async fn what_does_not_end_is_aborted_at_the_deadline() {
    let mut two = start(2, |_| {}).await;
    let mut client = Client::settled(&two).await;
    client.send("GET /services/spot/hang HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    eventually("it hangs", || two.told.hanging.load(SeqCst) == 1).await;
    let begin = Instant::now();
    let running = two.running.take().expect("it runs");
    assert_eq!(running.stop(Duration::from_millis(200)).await.aborted, 1);
    assert!(begin.elapsed() < AT_ONCE, "{:?}", begin.elapsed());
    client.ends().await;
    eventually("the handler is dropped", || two.told.dropped.load(SeqCst) == 1).await;
}

#[tokio::test]
async fn a_client_must_get_on_with_it_there_too() {
    let two = start(2, |limits| {
        limits.header_read_time = Duration::from_millis(300);
        limits.body_read_time = Duration::from_millis(300);
        limits.idle_time = Duration::from_millis(600);
    })
    .await;
    let mut client = Client::settled(&two).await;
    client.send("GET /services/spot/task HTTP/1.1\r\nHost: local").await;
    client.ends().await;
    let mut client = Client::settled(&two).await;
    client.send("GET /services/sp").await;
    client.ends().await;
    let mut client = Client::settled(&two).await;
    let head = "POST /services/spot/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n";
    client.send(&format!("{head}\r\nhalf")).await;
    assert_eq!(client.answer().await.status, 408);
    let mut client = Client::settled(&two).await;
    client.ends().await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_cut() {
    let two = start(2, |limits| {
        limits.connections = 1;
        limits.write_stall_time = Duration::from_millis(200);
    })
    .await;
    let mut greedy = Client::settled(&two).await;
    let ask =
        format!("GET /services/spot/{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(2000));
    let many = ask.repeat(5000);
    let _ = timeout(Duration::from_secs(1), greedy.socket.write_all(many.as_bytes())).await;
    // The only place is free again.
    assert_eq!(Client::connect(&two).await.get("/health/live").await.status, 200);
}

// === whatever is asked, in whatever pieces ===

/// A request, and how its answer is known.
const ASKED: [(&str, u16, &str); 9] = [
    ("GET /services/spot/task HTTP/1.1\r\nHost: localhost\r\n\r\n", 200, ""),
    ("GET /services/spot/pieces HTTP/1.1\r\nHost: localhost\r\n\r\n", 200, "piece 2;"),
    (
        "POST /services/spot/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
        200,
        "hello",
    ),
    (
        "POST /services/spot/echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n\
         3\r\nGET\r\n5\r\n / HT\r\n0\r\n\r\n",
        200,
        "GET / HT",
    ),
    ("GET /services/spot/nothing HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, "unknown-path"),
    ("GET /services/spot/%74ask HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, "unknown-path"),
    ("GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n", 200, "alive"),
    ("GET /services/spot HTTP/1.1\r\nHost: localhost\r\n\r\n", 200, "\"name\":\"spot\""),
    (
        "POST /services/spot/start HTTP/1.1\r\nHost: localhost\r\n\
         Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
        200,
        "changed",
    ),
];

/// The next number of a sequence that looks random and is always the same.
fn draw(seed: &mut u64, below: usize) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) as usize % below
}

#[tokio::test]
async fn answers_come_whole_and_in_order_wherever_the_connection_is() {
    let two = start(2, |_| {}).await;
    for begin in 0..24 {
        let mut seed = begin;
        let mut client = Client::settled(&two).await;
        for _ in 0..20 {
            // Several without waiting for their answers; services' own ones more often than not.
            let count = 1 + draw(&mut seed, 3);
            let mut asked = Vec::new();
            for _ in 0..count {
                let among = if draw(&mut seed, 3) == 0 { ASKED.len() } else { 4 };
                asked.push(ASKED[draw(&mut seed, among)]);
            }
            let text: String = asked.iter().map(|(text, ..)| *text).collect();
            let mut rest = text.as_str();
            while !rest.is_empty() {
                let (now, later) = rest.split_at(1 + draw(&mut seed, rest.len()));
                client.send(now).await;
                rest = later;
                if draw(&mut seed, 4) == 0 {
                    tokio::time::sleep(Duration::from_millis(draw(&mut seed, 3) as u64)).await;
                }
            }
            for (text, status, within) in asked {
                let answer = client.answer().await;
                let is_it = answer.status == status && answer.body.contains(within);
                assert!(is_it, "seed {begin}: {text}: {answer:?}");
            }
        }
    }
}
