//! The same answers with axum alone: `bench-axum PORT [FILE]` gives the bytes of the file to
//! whoever asks, and ends on SIGTERM.

use std::error::Error;

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().ok_or("a port is missing")?.parse()?;
    let body = match arguments.next() {
        Some(file) => Bytes::from(std::fs::read(file)?),
        None => Bytes::from_static(b"{}"),
    };
    let answer = move || {
        let body = body.clone();
        async move { ([(CONTENT_TYPE, "application/json")], body) }
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let router = Router::new().route("/", get(answer));
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let end = async move {
        terminate.recv().await;
    };
    axum::serve(listener, router).with_graceful_shutdown(end).await?;
    Ok(())
}
