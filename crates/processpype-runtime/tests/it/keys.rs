//! Keys of requests: known for as long as their operations are.

use std::sync::Arc;
use std::time::Duration;

use processpype_core::{LogLevel, OperationId};
use processpype_runtime::{CommandError, Launch, LevelSwitch, Manager, OPERATIONS_KEPT, Request};
use tokio::runtime::Handle;

use crate::harness::{blueprint, spec};
use crate::members::{Noting, Plain};

fn by(key: &str) -> Request {
    Request::by("test").keyed(key)
}

/// Asks for whatever concerns the application as a whole, each under a key of its own.
async fn ask(manager: &Manager, time: Duration) -> Result<[OperationId; 4], CommandError> {
    let paused = manager.pause_restarts(time, by("pause")).await?.operation;
    let resumed = manager.resume_restarts(by("resume")).await?.operation;
    let level = manager.change_level(None, LogLevel::Debug, time, by("level")).await?.operation;
    let reload = manager.reload(by("reload")).await.expect("the files are good").operation;
    Ok([paused, resumed, level, reload])
}

#[tokio::test(start_paused = true)]
async fn a_key_of_what_concerns_all_is_forgotten_with_its_operation() {
    let mut launch = Launch::on(Handle::current());
    launch.levels = LevelSwitch::new(|_, level| level.unwrap_or(LogLevel::Info));
    launch.configurer = Some(Arc::new(Noting::default()));
    let (manager, supervisor) = blueprint(vec![spec("plain", || Plain, &[])]).launch(launch);
    tokio::spawn(supervisor.run());
    manager.settled().await;
    let hour = Duration::from_secs(3600);
    let first = ask(&manager, hour).await.expect("all is done");
    for _ in 0..OPERATIONS_KEPT - first.len() {
        manager.start("plain").await.expect("it runs");
    }
    assert_eq!(ask(&manager, hour).await, Ok(first), "the operations are known, and their keys");
    let reused = CommandError::KeyReused { operation: first[0] };
    assert_eq!(ask(&manager, 2 * hour).await, Err(reused));
    for _ in first {
        manager.start("plain").await.expect("it runs");
    }
    // Neither is a forgotten operation named, nor another request refused for its sake.
    let again = ask(&manager, 2 * hour).await.expect("all is done");
    assert!(again.iter().all(|id| *id > first[3]), "{first:?} {again:?}");
}
