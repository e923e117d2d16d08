//! An application as a user would write it, whose services come from the file that it is given.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use processpype::{Application, Context, Result, Routes, Service};

/// Does nothing but be there, and answers one route.
struct Plain;

impl Service for Plain {
    fn routes(self: Arc<Self>) -> Routes {
        let value = async || axum::Json([1, 2, 3]);
        axum::Router::new().route("/value", axum::routing::get(value)).into()
    }
}

/// Fails as soon as it runs.
struct Crasher;

impl Service for Crasher {
    async fn run(&self, _: &Context) -> Result {
        Err("crashed".into())
    }
}

/// Goes on when it is asked to stop.
struct Ignorer;

impl Service for Ignorer {
    async fn run(&self, _: &Context) -> Result {
        std::future::pending().await
    }
}

/// Keeps its thread.
struct Blocker;

impl Service for Blocker {
    async fn run(&self, _: &Context) -> Result {
        loop {
            std::thread::sleep(Duration::from_secs(3600));
        }
    }
}

fn main() -> ExitCode {
    Application::new()
        .kind("plain", || Plain)
        .kind("crasher", || Crasher)
        .kind("ignorer", || Ignorer)
        .kind("blocker", || Blocker)
        .main()
}
