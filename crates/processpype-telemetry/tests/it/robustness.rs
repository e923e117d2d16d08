//! User code that misbehaves while a line is made.

use std::fmt;

use processpype_telemetry::{Format, MAX_VALUE_BYTES};

use crate::harness::{PATIENCE, Written, builder, config, logged_in, service};

/// A value that does in its `Debug` and `Display` what it is told.
struct Does<F>(F);

impl<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result> fmt::Debug for Does<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0)(f)
    }
}

impl<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result> fmt::Display for Does<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0)(f)
    }
}

#[test]
fn a_panic_while_formatting_costs_only_the_value() {
    let panics = Does(|f: &mut fmt::Formatter<'_>| {
        f.write_str("half")?;
        panic!("in Debug")
    });
    let log = logged_in(Format::Json, |_| {
        service("careless", 1).in_scope(|| {
            tracing::info!(before = 1, bad = ?panics, after = 2, "kept");
            tracing::info!("message {panics}");
            tracing::info!("next");
        });
    });
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let bad = "<panicked while formatting>";
    assert_eq!(lines[0]["message"], "kept");
    assert_eq!(lines[0]["fields"], serde_json::json!({"before": 1, "bad": bad, "after": 2}));
    assert_eq!(lines[1]["message"], bad);
    assert_eq!(lines[2]["message"], "next");
    assert_eq!(lines.len(), 3);
}

#[test]
fn an_endless_value_is_cut() {
    let endless = Does(|f: &mut fmt::Formatter<'_>| {
        loop {
            f.write_str("é")?;
        }
    });
    for format in [Format::Text, Format::Json] {
        let log = logged_in(format, |_| tracing::info!(endless = %endless));
        assert!(log.len() < MAX_VALUE_BYTES + 500);
        assert!(log.contains("… (cut)"));
    }
}

#[test]
fn threads_write_whole_lines() {
    let written = Written::default();
    let (subscriber, handle) =
        builder(config(Format::Json)).writer(written.clone()).build().unwrap();
    let dispatch = tracing::Dispatch::new(subscriber);
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let dispatch = dispatch.clone();
            scope.spawn(move || {
                tracing::dispatcher::with_default(&dispatch, || {
                    service("worker", thread).in_scope(|| {
                        for n in 0..200_u64 {
                            tracing::info!(n, thread, "x");
                        }
                    });
                });
            });
        }
    });
    handle.flush(PATIENCE).unwrap();
    let mut next = [0_u64; 4];
    for line in written.text().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let thread = line["fields"]["thread"].as_u64().unwrap();
        assert_eq!(line["generation"], thread);
        let expected = &mut next[usize::try_from(thread).unwrap()];
        assert_eq!(line["fields"]["n"], *expected);
        *expected += 1;
    }
    assert_eq!((next, handle.lost_lines()), ([200; 4], 0));
}

#[test]
fn two_logs_in_one_process_do_not_mix() {
    let inner = Written::default();
    let (subscriber, handle) = builder(config(Format::Text)).writer(inner.clone()).build().unwrap();
    let outer = logged_in(Format::Text, |_| {
        tracing::info!("outer");
        tracing::subscriber::with_default(subscriber, || tracing::info!("inner"));
    });
    handle.flush(PATIENCE).unwrap();
    assert!(outer.contains("outer") && !outer.contains("inner"));
    assert!(inner.text().contains("inner") && !inner.text().contains("outer"));
}
