//! An output that blocks or fails: services go on, and what is missing is counted and told.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use processpype_telemetry::{Format, QUEUE_BYTES, QUEUE_LINES, TelemetryError};

use crate::harness::{Gated, PATIENCE, Written, builder, config};

#[test]
fn lines_beyond_the_queue_are_counted_and_told_in_their_place() {
    let (output, gate, written) = Gated::new();
    let (subscriber, handle) = builder(config(Format::Text)).writer(output).build().unwrap();
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!(target: "t", "first");
        gate.wait_for_write();
        // The writer is stuck: the queue fills, then loses. Nothing here waits.
        for n in 0..QUEUE_LINES + 10 {
            tracing::info!(target: "t", "line {n}");
        }
        let behind = handle.backlog();
        assert_eq!((handle.lost_lines(), behind.lost_lines()), (10, 10));
        assert_eq!((behind.waiting_lines(), behind.capacity()), (QUEUE_LINES, QUEUE_LINES));
        assert_eq!(written.text(), "");
        gate.open();
        handle.flush(PATIENCE).unwrap();
        tracing::info!(target: "t", "last");
    });
    handle.flush(PATIENCE).unwrap();
    let text = written.text();
    let lines: Vec<&str> = text.lines().map(|line| &line[25..]).collect();
    assert_eq!(lines.len(), 1 + QUEUE_LINES + 1 + 1);
    assert_eq!(lines[0], " INFO t: first");
    assert_eq!(lines[QUEUE_LINES], format!(" INFO t: line {}", QUEUE_LINES - 1));
    assert_eq!(lines[QUEUE_LINES + 1], " WARN processpype::telemetry: 10 log lines lost lost=10");
    assert_eq!(lines[QUEUE_LINES + 2], " INFO t: last");
    assert_eq!(handle.lost_lines(), 10);
}

#[test]
fn the_queue_is_bounded_in_bytes_too() {
    let (output, gate, written) = Gated::new();
    let (subscriber, handle) = builder(config(Format::Json)).writer(output).build().unwrap();
    let long = "x".repeat(10_000);
    let fit = QUEUE_BYTES / 10_200;
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!("first");
        gate.wait_for_write();
        for _ in 0..fit {
            tracing::info!(long = long.as_str());
        }
        assert_eq!(handle.lost_lines(), 0);
        for _ in 0..100 {
            tracing::info!(long = long.as_str());
        }
        assert!(handle.lost_lines() > 0);
        gate.open();
    });
    handle.flush(PATIENCE).unwrap();
    assert!(written.text().len() <= QUEUE_BYTES + 10_000);
}

#[test]
fn under_contention_every_line_is_written_or_counted() {
    const THREADS: usize = 4;
    const LINES: usize = 3000;
    let (output, gate, written) = Gated::new();
    let (subscriber, handle) = builder(config(Format::Text)).writer(output).build().unwrap();
    let dispatch = tracing::Dispatch::new(subscriber);
    tracing::dispatcher::with_default(&dispatch, || tracing::info!("first"));
    gate.wait_for_write();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                tracing::dispatcher::with_default(&dispatch, || {
                    (0..LINES).for_each(|n| tracing::info!(n));
                });
            });
        }
    });
    assert_eq!(handle.lost_lines(), (THREADS * LINES - QUEUE_LINES) as u64);
    gate.open();
    handle.flush(PATIENCE).unwrap();
    assert_eq!(written.text().lines().count(), 1 + QUEUE_LINES + 1);
}

#[test]
fn a_flush_ends_in_time_when_the_output_does_not() {
    let (output, gate, written) = Gated::new();
    let (subscriber, handle) = builder(config(Format::Text)).writer(output).build().unwrap();
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!("one");
        gate.wait_for_write();
        tracing::info!("two");
    });
    let error = handle.flush(Duration::from_millis(1)).unwrap_err();
    assert!(matches!(error, TelemetryError::FlushTimedOut { pending: 2 }), "{error}");
    assert_eq!(written.text(), "");
    gate.open();
    handle.flush(PATIENCE).unwrap();
    assert_eq!(written.text().lines().count(), 2);
    assert_eq!(handle.lost_lines(), 0);
}

#[test]
fn a_dropped_guard_has_flushed() {
    let written = Written::default();
    let (subscriber, handle) =
        builder(config(Format::Text)).writer(written.clone()).build().unwrap();
    let guard = handle.flush_on_drop();
    tracing::subscriber::with_default(subscriber, || tracing::info!("last words"));
    drop(guard);
    assert!(written.text().contains("last words"));
}

#[test]
fn what_is_queued_is_written_when_nobody_logs_any_more() {
    let (output, gate, written) = Gated::new();
    let (subscriber, handle) = builder(config(Format::Text)).writer(output).build().unwrap();
    let second = tracing::subscriber::with_default(subscriber, || {
        tracing::info!("one");
        gate.wait_for_write();
        tracing::info!("two");
        handle.clone()
    });
    drop((handle, second));
    // The writer holds the last end of this channel; it hangs up when it ends.
    let ended = gate.open_and_wait_for_end();
    assert!(ended);
    assert_eq!(written.text().lines().count(), 2);
}

/// An output that fails, or panics, while it is told to.
#[derive(Clone, Default)]
struct Flaky {
    fails: Arc<AtomicBool>,
    panics: Arc<AtomicBool>,
    written: Written,
}

impl Write for Flaky {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.panics.load(SeqCst) {
            panic!("in the output");
        }
        if self.fails.load(SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.written.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn lines_that_cannot_be_written_are_counted_and_told() {
    let output = Flaky::default();
    let (fails, panics) = (Arc::clone(&output.fails), Arc::clone(&output.panics));
    let written = output.written.clone();
    let (subscriber, handle) = builder(config(Format::Text)).writer(output).build().unwrap();
    tracing::subscriber::with_default(subscriber, || {
        let mut version = handle.backlog().version();
        for switch in [&fails, &panics] {
            switch.store(true, SeqCst);
            tracing::info!("lost");
            tracing::info!("lost\nin two lines");
            // What is lost is settled: a flush does not wait for it.
            handle.flush(PATIENCE).unwrap();
            let behind = handle.backlog();
            assert!(behind.error().is_some() && behind.version() > version);
            version = behind.version();
            switch.store(false, SeqCst);
        }
        assert_eq!(handle.lost_lines(), 4);
        tracing::info!("kept");
        handle.flush(PATIENCE).unwrap();
        assert_eq!(handle.backlog().error(), None);
        assert!(handle.backlog().version() > version);
    });
    let text = written.text();
    let lines: Vec<&str> = text.lines().map(|line| &line[25..30]).collect();
    assert_eq!(lines, [" INFO", " WARN"]);
    assert!(text.contains("4 log lines lost"), "{text}");
}
