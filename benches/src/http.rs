//! W4: requests over loopback, against a bare axum handler that returns the same bytes.
//!
//! A sample loads one server for a while from eight connections that ask again as soon as they are
//! answered. Client and server share the machine, so the processor's time per request says more
//! than the rate.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::figure::{Failure, Figure, Outcome, quantile};
use crate::server::{Server, services};
use crate::workload::{Ask, Case, FLOOR, OURS};

const CONNECTIONS: usize = 8;
const WARM_UP: Duration = Duration::from_millis(300);
const LOAD: Duration = Duration::from_secs(2);
const LOAD_QUICK: Duration = Duration::from_secs(1);
const STREAMS: usize = 10;

/// With clients that follow the events.
const STREAMED: &str = "processpype-10-streams";

pub(crate) fn cases() -> Vec<Case> {
    let all = [
        "10 /",
        "1000 /",
        "10 /services",
        "1000 /services",
        "10000 /services",
        "10 /services/plain5",
        "1000 /services/plain5",
        "10000 /services/plain5",
        "10 /services/plain5/value",
        "1000 /services/plain5/value",
        "10000 /services/plain5/value",
    ];
    all.map(|case| Case::new(case, &[FLOOR, OURS, STREAMED])).to_vec()
}

pub(crate) fn sample(ask: &Ask) -> Outcome {
    let (n, path) = ask.case.split_once(' ').ok_or("a case is N PATH")?;
    let mut server = Server::application(&format!("services:\n{}", services("plain", n.parse()?)))?;
    server.wait_for("/health/ready")?;
    let body = server.wait_for(path)?.body;
    let mut streams = Vec::new();
    let path = match ask.subject.as_str() {
        FLOOR => {
            server = Server::axum(&body)?;
            server.wait_for("/")?;
            "/"
        }
        OURS => path,
        STREAMED => {
            for _ in 0..STREAMS {
                streams.push(server.follow()?);
            }
            path
        }
        _ => return ask.unknown(),
    };
    let figures = load(&server, path, body, ask.either(LOAD, LOAD_QUICK));
    drop(streams);
    figures
}

fn load(server: &Server, path: &str, body: Vec<u8>, time: Duration) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (port, path, body) = (server.port, Arc::<str>::from(path), Arc::new(body));
    runtime.block_on(async {
        ask_for(port, &path, &body, WARM_UP).await?;
        let (own, kernel) = server.used_apart()?;
        let mut times = ask_for(port, &path, &body, time).await?;
        let (own_after, kernel_after) = server.used_apart()?;
        let (own, kernel) = (own_after - own, kernel_after - kernel);
        let count = times.len() as f64;
        let at = |times: &mut Vec<f64>, share| Duration::from_secs_f64(quantile(times, share));
        Ok(vec![
            Figure::new("rate", "1/s", count / time.as_secs_f64()),
            Figure::new("processor per request", "µs", (own + kernel).as_secs_f64() * 1e6 / count),
            Figure::new("of it in the kernel", "µs", kernel.as_secs_f64() * 1e6 / count),
            Figure::us("median", at(&mut times, 0.5)),
            Figure::us("p99", at(&mut times, 0.99)),
        ])
    })
}

/// Asks on every connection for as long as `time`; returns how long each answer took, in seconds.
async fn ask_for(
    port: u16,
    path: &Arc<str>,
    body: &Arc<Vec<u8>>,
    time: Duration,
) -> Result<Vec<f64>, Failure> {
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (path, body) = (Arc::clone(path), Arc::clone(body));
        clients.spawn(async move { ask_again(port, &path, &body, time).await });
    }
    let mut all = Vec::new();
    while let Some(times) = clients.join_next().await {
        all.extend(times??);
    }
    Ok(all)
}

async fn ask_again(
    port: u16,
    path: &str,
    body: &[u8],
    time: Duration,
) -> Result<Vec<f64>, Failure> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.set_nodelay(true)?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n");
    let mut buffer = vec![0; body.len() + 16 * 1024];
    let (begin, mut times) = (Instant::now(), Vec::with_capacity(100_000));
    while begin.elapsed() < time {
        let sent = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        let answer = read_answer(&mut stream, &mut buffer).await?;
        times.push(sent.elapsed().as_secs_f64());
        if answer != body {
            return Err("the bytes are not the same".into());
        }
    }
    Ok(times)
}

/// Reads one answer with a length; returns its body.
async fn read_answer<'a>(
    stream: &mut TcpStream,
    buffer: &'a mut [u8],
) -> Result<&'a [u8], Failure> {
    let mut filled = 0;
    let (body_at, end) = loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        if read == 0 {
            return Err("the connection has ended".into());
        }
        filled += read;
        if let Some(found) = body_of(&buffer[..filled])? {
            break found;
        }
    };
    while filled < end {
        let read = stream.read(&mut buffer[filled..end]).await?;
        if read == 0 {
            return Err("the connection has ended".into());
        }
        filled += read;
    }
    Ok(&buffer[body_at..end])
}

/// Where the body begins and ends, once the head is there.
fn body_of(bytes: &[u8]) -> Result<Option<(usize, usize)>, Failure> {
    let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&bytes[..head])?;
    if !text.starts_with("HTTP/1.1 200") {
        return Err(format!("it was refused: {}", text.lines().next().unwrap_or("")).into());
    }
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.ok_or("no length")?.trim().parse()?;
    Ok(Some((head + 4, head + 4 + length)))
}
