//! Bodies that nobody reads, and the request behind them.

use crate::sockets::{exchange, serve};

/// How much is read of a new connection at first: hyper's own buffer.
const FIRST_READ: usize = 8 * 1024;

/// How much is read next: hyper takes twice as much after a read that was full.
const SECOND_READ: usize = 2 * FIRST_READ;

/// A request whose handler does not read its body, of which the first read has the head only.
fn unread(body: &str) -> String {
    let head = |fill: usize| {
        format!(
            "POST /services/counter/later HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\
             Content-Length: {}\r\n\r\n",
            "x".repeat(fill),
            body.len()
        )
    };
    let bare = head(0).len();
    format!("{}{body}", head(FIRST_READ - bare))
}

const CHUNKED: &str = "POST /services/counter/value HTTP/1.1\r\nHost: localhost\r\n\
    Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n0\r\n\r\n";

#[tokio::test]
async fn what_looks_like_a_head_in_a_body_is_none() {
    let (_, running) = serve(|_| {}).await;
    for body in ["x\ncontent-length: 3\n", "content-length: 3\r\ncontent-length: 3\r\n\r\n", "x\n"]
    {
        let body = format!("{}{body}", "b".repeat(SECOND_READ));
        let answer = exchange(&running, &format!("{}{CHUNKED}", unread(&body))).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 2, "{answer}");
        let second = answer.rsplit("HTTP/1.1 ").next().expect("there are two");
        assert!(second.starts_with("200 ") && second.ends_with("yes"), "{second}");
    }
}

#[tokio::test]
async fn a_length_and_a_coding_are_refused_behind_an_unread_body_too() {
    let (_, running) = serve(|_| {}).await;
    // It came with its head, so that what is read next is a head from its first byte.
    let first = "POST /services/counter/later HTTP/1.1\r\nHost: localhost\r\n\
        Content-Length: 4\r\n\r\nabcd";
    let both = "POST /services/counter/value HTTP/1.1\r\nHost: localhost\r\n\
        Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n0\r\n\r\n";
    let mut socket = crate::sockets::send(&running, first).await;
    crate::sockets::until(&mut socket, "later").await;
    tokio::io::AsyncWriteExt::write_all(&mut socket, both.as_bytes()).await.expect("sent");
    let answer = crate::sockets::rest(socket).await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("not both"), "{answer}");
}
