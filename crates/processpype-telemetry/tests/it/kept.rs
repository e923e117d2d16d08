//! The newest lines, kept in memory: what is kept, for whom, and how it is found.

use std::{
    future::Future,
    task::{Context, Poll, Waker},
    time::Duration,
};

use processpype_telemetry::{
    Format, Level, Log, LogLine, LogQuery, LoggingConfig, Logs, SERVICE_LOG_LINES, Telemetry,
};
use serde_json::{Value, json};

use crate::harness::{builder, config, logged, service};

/// What `run` logs in `format`, and the logs that keep it.
fn kept(format: Format, run: impl FnOnce()) -> Logs {
    let mut logs = None;
    logged(builder(config(format)), |handle| {
        handle.redactor().add("hunter22").unwrap();
        run();
        logs = Some(handle.logs().clone());
    });
    logs.unwrap()
}

fn lines(logs: &Logs, log: Log<'_>, query: &LogQuery) -> Vec<Value> {
    let lines = logs.page(log, query).lines;
    lines.iter().map(|line| serde_json::from_str(&line.json()).unwrap()).collect()
}

fn messages(logs: &Logs, log: Log<'_>, query: &LogQuery) -> Vec<String> {
    let text = |line: &Value| line["message"].as_str().unwrap().to_owned();
    lines(logs, log, query).iter().map(text).collect()
}

fn all() -> LogQuery {
    LogQuery::default()
}

#[test]
fn a_line_is_kept_in_the_same_shape_whatever_the_format() {
    let log = || {
        service("a", 2).in_scope(|| {
            tracing::warn!(target: "app", n = 3, who = "x\"y", password = "p", "two\nlines");
        });
    };
    for (format, time) in [
        (Format::Json, "2026-11-23T11:24:05.123456Z"),
        (Format::Text, "2026-11-23T11:24:05.123Z"),
        (Format::Color, "2026-11-23T11:24:05.123Z"),
    ] {
        let logs = kept(format, log);
        let expected = json!({
            "seq": 1, "time": time, "level": "warn", "target": "app", "service": "a",
            "generation": 2, "message": "two\nlines",
            "fields": { "n": 3, "who": "x\"y", "password": "***" },
        });
        assert_eq!(lines(&logs, Log::Service("a"), &all()), [expected], "{format:?}");
    }
}

#[test]
fn each_line_is_in_the_whole_log_and_in_that_of_its_service() {
    let logs = kept(Format::Text, || {
        tracing::info!("outside");
        service("a", 1).in_scope(|| {
            tracing::info!("of a");
            // A child of the service, however deep.
            tracing::info_span!("child").in_scope(|| tracing::info!("of a's child"));
        });
        tracing::info!(target: "processpype", service = "b", "about b");
        service("b", 1).in_scope(|| tracing::info!("of b"));
    });
    let of = |log| messages(&logs, log, &all());
    assert_eq!(of(Log::Outside), ["outside"]);
    assert_eq!(of(Log::Service("a")), ["of a", "of a's child"]);
    assert_eq!(of(Log::Service("b")), ["about b", "of b"]);
    assert_eq!(of(Log::Whole).len(), 5);
    assert!(of(Log::Service("c")).is_empty());
    let seqs: Vec<u64> =
        logs.page(Log::Service("b"), &all()).lines.iter().map(LogLine::seq).collect();
    assert_eq!(seqs, [1, 2], "each log counts for itself");
}

#[test]
fn what_is_not_shown_is_not_kept_and_secrets_never_are() {
    let logs = kept(Format::Text, || {
        tracing::debug!("hidden");
        tracing::info!(note = "it is hunter22", "hunter22");
    });
    let line = &lines(&logs, Log::Whole, &all())[0];
    assert_eq!((&line["message"], &line["fields"]["note"]), (&json!("***"), &json!("it is ***")));
    assert_eq!(logs.last(Log::Whole), 1);
}

#[test]
fn the_oldest_lines_of_a_service_go_first_and_are_counted() {
    let more = 10;
    let logs = kept(Format::Text, || {
        service("quiet", 1).in_scope(|| tracing::info!("still here"));
        service("loud", 1).in_scope(|| {
            (0..SERVICE_LOG_LINES + more).for_each(|n| tracing::info!(n, "line"));
        });
    });
    let page = logs.page(Log::Service("loud"), &LogQuery { after: Some(3), ..all() });
    assert_eq!(page.lines.len(), SERVICE_LOG_LINES);
    assert_eq!((page.dropped, page.lost), (more as u64, more as u64 - 3));
    assert_eq!(page.lines[0].seq(), more as u64 + 1);
    assert_eq!(messages(&logs, Log::Service("quiet"), &all()), ["still here"]);
}

#[test]
fn pages_lead_on_and_the_newest_come_without_a_place() {
    let logs = kept(Format::Text, || (1..=5).for_each(|n| tracing::info!("{n}")));
    let page = logs.page(Log::Whole, &LogQuery { limit: 2, ..all() });
    let seqs: Vec<u64> = page.lines.iter().map(LogLine::seq).collect();
    assert_eq!((seqs, page.next, page.last), (vec![4, 5], 5, 5));
    let mut after = 0;
    let mut seen = Vec::new();
    while after < 5 {
        let query = LogQuery { after: Some(after), limit: 2, ..all() };
        seen.extend(messages(&logs, Log::Whole, &query));
        after = logs.page(Log::Whole, &query).next;
    }
    assert_eq!(seen, ["1", "2", "3", "4", "5"]);
}

#[test]
fn lines_are_found_by_level_text_and_age() {
    let logs = kept(Format::Text, || {
        tracing::info!(peer = "10.0.0.1", "connected");
        tracing::warn!("slow");
        tracing::error!("lost \"it\"");
    });
    let found = |query| messages(&logs, Log::Whole, &query);
    assert_eq!(found(LogQuery { level: Level::Warn, ..all() }), ["slow", "lost \"it\""]);
    assert!(found(LogQuery { level: Level::Off, ..all() }).is_empty());
    for (text, expected) in
        [("10.0.0", vec!["connected"]), ("peer", vec!["connected"]), ("\"it", vec!["lost \"it\""])]
    {
        assert_eq!(found(LogQuery { contains: Some(text.into()), ..all() }), expected, "{text}");
    }
    assert!(found(LogQuery { contains: Some("info".into()), ..all() }).is_empty());
    assert_eq!(found(LogQuery { age: Some(Duration::ZERO), ..all() }).len(), 3, "the clock stands");
}

#[test]
fn a_follower_is_woken_by_the_next_line_only() {
    let (subscriber, handle) =
        Telemetry::builder(LoggingConfig::default()).writer(std::io::sink()).build().unwrap();
    let logs = handle.logs().clone();
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!("before");
        let follower = logs.follow();
        let mut written = std::pin::pin!(follower.written());
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(written.as_mut().poll(&mut cx), Poll::Pending);
        tracing::info!("after");
        assert_eq!(written.as_mut().poll(&mut cx), Poll::Ready(()));
    });
}
