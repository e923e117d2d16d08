//! The durable journal: every event of the application in a file, written by a thread of its own.
//!
//! # Invariants
//!
//! 1. Nothing waits for the disk: the thread follows the journal in memory like any other reader,
//!    and what it is too slow for is told, in the file, as `lagged`.
//! 2. What was written is synced every [`SYNC_EVERY`], before a file is rotated, and at the end. So
//!    a killed process loses nothing that was written, and a dead machine that much at most.
//! 3. A disk that is full, or gone, stops the file and nothing else. It is tried again every
//!    [`RETRY_EVERY`], and goes on where it stopped, as far as memory still holds that.
//! 4. The last record of a run that ended as it should is the application's `closed`.
//!
//! The queue between supervisor and thread is the journal in memory: `EVENTS_KEPT` events.

mod line;

use std::path::PathBuf;
use std::time::Duration;

use futures_util::FutureExt as _;
use processpype_journal::{Found, Ledger};
use processpype_runtime::{EventPage, Manager, Recording, Reporter, Subscription};
use serde::Deserialize;

use crate::kept::Kept;
use crate::settings::ObservabilitySection;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

/// How long a record may wait to be on the disk.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// How long after a failure the file is tried again.
const RETRY_EVERY: Duration = Duration::from_secs(5);

/// How many events are taken at once.
const BATCH: usize = 256;

/// How long the end of the application waits for the last record.
const END_TIME: Duration = Duration::from_millis(500);

/// Events that survive the process, in a file of JSON lines.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct EventsSection {
    /// The file to append events to. Default: none, events are kept in memory only.
    pub(crate) file: Option<PathBuf>,
    /// How large the file may grow, in bytes, before it is renamed to `file.1`.
    #[cfg_attr(test, schemars(range(min = 4096, max = 1_099_511_627_776_u64)))]
    pub(crate) max_size: u64,
    /// How many older files are kept.
    #[cfg_attr(test, schemars(range(min = 1, max = 1000)))]
    pub(crate) keep: u32,
}

/// A durable journal that is open, or could not be opened yet.
#[derive(Debug)]
pub(crate) struct Recorder {
    section: EventsSection,
    path: PathBuf,
    ledger: Option<Ledger>,
    recording: Recording,
    /// What the file says about the previous run, if that did not end as it should.
    pub(crate) unclean_end: Option<String>,
}

/// The end of a durable journal that is being written.
#[derive(Debug)]
pub(crate) struct Recorded(oneshot::Receiver<()>);

/// What the thread holds.
struct Writer {
    recorder: Recorder,
    reporter: Reporter,
    events: Subscription,
    /// Names this run: when it began, in milliseconds since 1970.
    run: u64,
    /// The last event that is in the file, or told as lost there.
    written: u64,
    synced: Instant,
    is_over: bool,
}

/// What is read of the last line of the previous run.
#[derive(Debug, Deserialize)]
struct Last {
    kind: String,
    cause: String,
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    time: String,
}

// === impl EventsSection ===

impl Kept for EventsSection {
    const NAME: &str = "EventsSection";
    const FILE: &str = ObservabilitySection::PARTS.file;
}

impl Default for EventsSection {
    fn default() -> Self {
        Self { file: None, max_size: 16 * 1024 * 1024, keep: 4 }
    }
}

// === impl Recorder ===

impl Recorder {
    /// Opens the file of the section, if it names one. One that cannot be opened is tried again
    /// later, and does not keep the application from starting; the log is told by [`Self::follow`],
    /// since who cannot start for another reason goes on with nothing.
    pub(crate) fn open(section: &EventsSection) -> Option<Self> {
        let path = section.file.clone()?;
        let recording = Recording::to(&path.display().to_string());
        let section = section.clone();
        let mut recorder = Self { section, path, ledger: None, recording, unclean_end: None };
        match recorder.try_open() {
            Ok(found) => recorder.unclean_end = unclean_end(&found),
            Err(error) => recorder.recording.error = Some(error.to_string().into()),
        }
        Some(recorder)
    }

    /// How it is doing.
    pub(crate) fn recording(&self) -> Recording {
        self.recording.clone()
    }

    /// Writes every event of the application, on a thread of its own, until it has closed.
    pub(crate) fn follow(self, manager: &Manager) -> std::io::Result<Recorded> {
        if let Some(error) = &self.recording.error {
            self.log_failure(error);
        }
        let (sender, over) = oneshot::channel();
        let (reporter, events) = (manager.reporter(), manager.subscribe(0));
        let run = manager.now().0;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        crate::process::thread::start("processpype-journal", move || {
            let writing = async {
                let (synced, written) = (Instant::now(), 0);
                let (recorder, is_over) = (self, false);
                let writer = Writer { recorder, reporter, events, run, written, synced, is_over };
                writer.run().await;
            };
            runtime.block_on(writing.boxed());
            // Nobody may be waiting any more.
            let _ = sender.send(());
        })?;
        Ok(Recorded(over))
    }

    fn try_open(&mut self) -> std::io::Result<Found> {
        let (ledger, found) = Ledger::open(&self.path, self.section.max_size, self.section.keep)?;
        self.ledger = Some(ledger);
        Ok(found)
    }

    fn fail(&mut self, error: &std::io::Error) {
        self.log_failure(error);
        self.recording.error = Some(error.to_string().into());
    }

    fn log_failure(&self, error: &dyn std::fmt::Display) {
        let file = self.path.display();
        tracing::error!(
            target: "processpype",
            "cannot write events to {file}: {error}; the application goes on without it, and the \
             file is tried again every {} s", RETRY_EVERY.as_secs()
        );
    }
}

/// Returns what is to be told of the previous run: nothing, if its last record is its end.
fn unclean_end(found: &Found) -> Option<String> {
    let last = found.last.as_ref().map(|record| serde_json::from_str::<Last>(record));
    let is_clean = |last: &Last| last.kind == "application" && last.cause == "closed";
    let mut text = match last {
        None if found.torn == 0 => return None,
        Some(Ok(last)) if is_clean(&last) && found.torn == 0 => return None,
        None => "the previous run ended uncleanly, while it wrote its first event".to_owned(),
        Some(Ok(last)) => format!(
            "the previous run ended uncleanly: its last event is number {} of {} ({} {})",
            last.seq, last.time, last.kind, last.cause
        ),
        Some(Err(_)) => "the previous run ended uncleanly: its last event has no shape".to_owned(),
    };
    if found.torn > 0 {
        text += &format!("; {} bytes of a torn record were cut", found.torn);
    }
    if found.damaged > 0 {
        text += &format!("; {} records before are damaged", found.damaged);
    }
    Some(text)
}

// === impl Recorded ===

impl Recorded {
    /// Waits until the last record is on the disk, but not for long.
    pub(crate) async fn ended(self) {
        if timeout(END_TIME, self.0).await.is_err() {
            tracing::warn!(target: "processpype", "the last events could not be written in time");
        }
    }
}

// === impl Writer ===

impl Writer {
    async fn run(mut self) {
        if let Some(error) = self.recorder.recording.error.clone() {
            let text = format!("the file of events cannot be opened: {error}");
            self.reporter.tell("journal-failed", &text, self.recorder.recording());
        }
        while !self.is_over {
            let is_failed = self.recorder.recording.error.is_some();
            if is_failed {
                self.retry().await;
                continue;
            }
            // Asked before: what comes between is the last event, and is taken.
            let is_heard = self.reporter.is_heard();
            let page = timeout(SYNC_EVERY, self.events.next(BATCH)).await;
            let page = page.unwrap_or_default();
            let is_gone = page.events.is_empty() && !is_heard;
            if let Err(error) = self.write(&page) {
                self.fail(&error);
            }
            self.is_over |= is_gone;
        }
    }

    fn write(&mut self, page: &EventPage) -> std::io::Result<()> {
        // Counted from what is written: a page that is taken again tells of the same ones.
        let lost = page.lost;
        let Some(ledger) = &mut self.recorder.ledger else { return Ok(()) };
        if lost > 0 {
            ledger.append(&line::lagged(self.run, lost))?;
            // They are told, and not told again if the next one cannot be written.
            self.written = page.events.first().map_or(self.written, |first| first.seq - 1);
            let recording = &mut self.recorder.recording;
            recording.lost += lost;
            let text = format!("{lost} events are missing in the file of events");
            tracing::warn!(target: "processpype", "{text}");
            self.reporter.tell("journal-lagged", &text, recording.clone());
        }
        for event in &page.events {
            ledger.append(&line::event(self.run, processpype_control::wire_event(event)))?;
            self.written = event.seq;
            let is_last = event.kind == processpype_core::EventKind::Application;
            self.is_over |= is_last && event.cause == "closed";
        }
        if self.is_over || self.synced.elapsed() >= SYNC_EVERY {
            ledger.sync()?;
            self.synced = Instant::now();
        }
        Ok(())
    }

    fn fail(&mut self, error: &std::io::Error) {
        self.recorder.fail(error);
        // What is not in the file is taken again.
        self.events.go_to(self.written);
        self.is_over = false;
        let text = format!("the file of events cannot be written: {error}");
        self.reporter.tell("journal-failed", &text, self.recorder.recording());
    }

    /// Waits, and tries to write what has come since; gives up with the application.
    async fn retry(&mut self) {
        let heard = async {
            for _ in 0..RETRY_EVERY.as_secs() {
                tokio::time::sleep(Duration::from_secs(1)).await;
                if !self.reporter.is_heard() {
                    return false;
                }
            }
            true
        };
        if !heard.await {
            self.is_over = true;
            return;
        }
        let opened = match self.recorder.ledger {
            Some(_) => Ok(()),
            None => self.recorder.try_open().map(drop),
        };
        let page = timeout(Duration::ZERO, self.events.next(BATCH)).await.unwrap_or_default();
        if opened.and_then(|()| self.write(&page)).is_err() {
            self.events.go_to(self.written);
            self.is_over = false;
            return;
        }
        self.recorder.recording.error = None;
        let text = "the file of events is written again";
        tracing::info!(target: "processpype", "{text}");
        self.reporter.tell("journal-resumed", text, self.recorder.recording());
    }
}

#[cfg(test)]
mod tests {
    use processpype_runtime::{Assembly, Launch};

    use super::*;

    #[tokio::test]
    async fn events_that_memory_no_longer_has_are_counted_and_told_in_their_place() {
        let name = format!("recorder-{}.jsonl", std::process::id());
        let file = std::env::temp_dir().join(name);
        let _ = std::fs::remove_file(&file);
        let section = EventsSection { file: Some(file.clone()), ..EventsSection::default() };
        let recorder = Recorder::open(&section).expect("it names a file");
        let mut launch = Launch::on(tokio::runtime::Handle::current());
        launch.events_kept = 3;
        let blueprint = Assembly::default().check().expect("nothing is in it");
        let (manager, supervisor) = blueprint.launch(launch);
        manager.close();
        supervisor.run().await;
        let (reporter, events) = (manager.reporter(), manager.subscribe(0));
        let (run, written, synced, is_over) = (7, 0, Instant::now(), false);
        let mut writer = Writer { recorder, reporter, events, run, written, synced, is_over };
        let last = manager.last_event();
        assert!(last > 3, "more than memory holds: {last}");
        let page = writer.events.next(BATCH).await;
        writer.write(&page).expect("there is room");
        assert_eq!(writer.recorder.recording.lost, last - 3);
        assert_eq!((writer.written, writer.is_over), (last, true));
        let records = Ledger::records(&file).expect("it can be read");
        let lost = format!(
            "{{\"run\":7,\"kind\":\"journal\",\"cause\":\"lagged\",\"lost\":{}}}",
            last - 3
        );
        assert_eq!((records.len(), records[0].as_str()), (4, lost.as_str()));
        std::fs::remove_file(&file).expect("it is there");
    }
}
