//! Clients that take their answers slowly.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

use crate::sockets::{connect, exchange, serve};

/// Takes something again and again, so that nothing ever stands still, and never comes to an end.
#[tokio::test]
async fn a_client_that_takes_answers_drop_by_drop_is_cut() {
    let (_, running) = serve(|limits| {
        limits.connections = 1;
        limits.write_stall_time = Duration::from_secs(3);
        limits.answer_rate = 1 << 30;
    })
    .await;
    let mut slow = connect(&running).await;
    let request = "GET /services/counter/large HTTP/1.1\r\nHost: localhost\r\n\r\n";
    slow.write_all(request.as_bytes()).await.expect("it takes it");
    let taking = tokio::spawn(async move {
        let mut drops = vec![0; 64 * 1024];
        while slow.read(&mut drops).await.is_ok_and(|read| read > 0) {
            sleep(Duration::from_millis(20)).await;
        }
    });
    let close = "GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    // The only place is free again, while the slow one is still there.
    assert!(exchange(&running, close).await.starts_with("HTTP/1.1 200 "));
    taking.abort();
}
