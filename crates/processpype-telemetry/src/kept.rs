//! The newest lines of the log, kept in memory: of the whole, of each service, and of the rest.
//!
//! # Invariants
//!
//! 1. A line is kept as it was logged: after levels and redaction, rendered once, and shared by the
//!    logs that hold it.
//! 2. The lines of one log are numbered from 1 without gaps, so that a reader is told exactly what
//!    it missed.
//! 3. Every log is bounded in lines and bytes, and all logs together in bytes and number; the
//!    oldest goes first, and a service that logs much takes nothing from one that logs little.
//! 4. What logs nothing costs nothing: a service has a log from its first line on.
//! 5. No user code runs under the lock, and nothing waits under it.

mod ring;

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::sync::Notify;

use self::ring::{Line, Ring};
use crate::{clock::Clock, config::Level, json};

/// How many lines of one service are kept, and as many of what belongs to none.
pub const SERVICE_LOG_LINES: usize = 1000;
/// How many bytes the kept lines of one service may take.
pub const SERVICE_LOG_BYTES: usize = 256 * 1024;
/// How many lines of the whole log are kept.
pub const WHOLE_LOG_LINES: usize = 4096;
/// How many bytes the kept lines of the whole log may take.
pub const WHOLE_LOG_BYTES: usize = 1024 * 1024;
/// How many bytes the kept lines of all services may take together.
///
/// When it is reached, those that take most give up their oldest lines.
pub const SERVICE_LOGS_BYTES: usize = 16 * 1024 * 1024;
/// Of how many services lines are kept; one more takes the place of that which was silent longest.
pub const SERVICE_LOGS: usize = 16 * 1024;
/// The part of [`SERVICE_LOGS_BYTES`] that is freed at once, so that it is not done line by line.
const FREED_PART: usize = 16;

/// One of the logs that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Log<'a> {
    /// Every line.
    Whole,
    /// The lines that belong to no service: the framework's own, and of libraries outside services.
    Outside,
    /// The lines of one service: of its span and the tasks in it, and what the framework says
    /// about it.
    Service(&'a str),
}

/// The newest lines of a running application; cheap to clone, every clone is the same.
///
/// ```
/// use processpype_telemetry::{Log, LogQuery, LoggingConfig, Telemetry};
///
/// let (subscriber, handle) =
///     Telemetry::builder(LoggingConfig::default()).writer(std::io::sink()).build()?;
/// tracing::subscriber::with_default(subscriber, || tracing::info!("hello"));
/// let page = handle.logs().page(Log::Outside, &LogQuery::default());
/// assert_eq!((page.lines.len(), page.last, page.lost), (1, 1, 0));
/// assert!(page.lines[0].json().starts_with(r#"{"seq":1,"time":""#));
/// # Ok::<(), processpype_telemetry::TelemetryError>(())
/// ```
#[derive(Clone)]
pub struct Logs(Arc<Shared>);

/// Which lines are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogQuery {
    /// Only lines with a higher number, oldest first; `None` = the newest ones.
    pub after: Option<u64>,
    /// How many lines at most.
    pub limit: usize,
    /// Only lines at least as severe as this.
    pub level: Level,
    /// Only lines that are not older than this.
    pub age: Option<Duration>,
    /// Only lines with this text in their message or fields.
    pub contains: Option<String>,
}

/// Some lines of one log, oldest first.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LogPage {
    /// The lines that match.
    pub lines: Vec<LogLine>,
    /// The place to go on from: [`LogQuery::after`] of the next page.
    pub next: u64,
    /// The number of the newest line there is; 0 if there was none.
    pub last: u64,
    /// How many lines after the asked-for place are no longer kept.
    pub lost: u64,
    /// How many lines of this log are no longer kept at all.
    pub dropped: u64,
}

/// A line that was kept.
#[derive(Clone, Debug)]
pub struct LogLine {
    seq: u64,
    line: Line,
}

/// Somebody who waits for lines; while there is nobody, a line wakes nobody.
#[derive(Debug)]
pub struct LogFollower(Logs);

/// What all clones share.
struct Shared {
    kept: Mutex<Kept>,
    written: Notify,
    followers: AtomicUsize,
    clock: Clock,
}

/// What the lock holds.
#[derive(Debug)]
struct Kept {
    whole: Ring,
    outside: Ring,
    services: HashMap<Box<str>, Ring>,
    /// Of `outside` and `services`.
    bytes: usize,
}

/// A rendered line, on its way to be kept.
pub(crate) struct Rendered<'a> {
    /// The service it belongs to.
    pub(crate) service: Option<&'a str>,
    /// How severe it is.
    pub(crate) level: tracing::Level,
    /// When it was logged.
    pub(crate) at: SystemTime,
    /// One JSON object and a newline, as [`json::line`] makes it.
    pub(crate) json: &'a str,
    /// How many bytes of it are the message, without its quotes.
    pub(crate) message: usize,
    /// How many bytes of it are the fields, without their braces.
    pub(crate) fields: usize,
}

// === impl Logs ===

impl Logs {
    pub(crate) fn new(clock: Clock) -> Self {
        let kept = Kept {
            whole: Ring::new(WHOLE_LOG_LINES, WHOLE_LOG_BYTES),
            outside: Ring::new(SERVICE_LOG_LINES, SERVICE_LOG_BYTES),
            services: HashMap::new(),
            bytes: 0,
        };
        let (kept, written, followers) = (Mutex::new(kept), Notify::new(), AtomicUsize::new(0));
        Self(Arc::new(Shared { kept, written, followers, clock }))
    }

    /// Returns lines of `log`; none if the service has logged nothing, or is none.
    ///
    /// Threads that log wait for no more than the copy of a few pointers.
    pub fn page(&self, log: Log<'_>, query: &LogQuery) -> LogPage {
        let oldest =
            query.age.map_or(0, |age| millis(self.0.clock.now()).saturating_sub(age_of(age)));
        let (mut page, lines) = {
            let kept = self.lock();
            let Some(ring) = kept.ring(log) else { return LogPage::default() };
            let after = query.after.unwrap_or(0);
            let page = LogPage {
                lines: Vec::new(),
                next: ring.last().max(after),
                last: ring.last(),
                lost: query.after.map_or(0, |after| ring.lost(after)),
                dropped: ring.dropped(),
            };
            let wanted = |line: &&LogLine| line.line.at >= oldest && line.level() <= query.level;
            (page, ring.after(after).filter(|line| wanted(&line)).collect::<Vec<_>>())
        };
        let needle = query.contains.as_deref().map(|text| {
            let mut needle = String::new();
            json::escape(&mut needle, text);
            needle
        });
        let found = |line: &LogLine| needle.as_deref().is_none_or(|it| line.line.contains(it));
        let matching = lines.into_iter().filter(found);
        if query.after.is_some() {
            page.lines.extend(matching.take(query.limit));
            if page.lines.len() == query.limit {
                page.next = page.lines.last().map_or(page.next, LogLine::seq);
            }
        } else {
            page.lines = matching.collect();
            page.lines.drain(..page.lines.len().saturating_sub(query.limit));
        }
        page
    }

    /// Returns the number of the newest line of `log`; 0 if there was none.
    pub fn last(&self, log: Log<'_>) -> u64 {
        self.lock().ring(log).map_or(0, Ring::last)
    }

    /// Begins to wait for lines.
    pub fn follow(&self) -> LogFollower {
        self.0.followers.fetch_add(1, Relaxed);
        LogFollower(self.clone())
    }

    /// Keeps a line.
    pub(crate) fn keep(&self, rendered: &Rendered<'_>) {
        let line = Line::new(rendered);
        self.lock().keep(rendered.service, line);
        // Whoever looked before this line was kept, under the same lock, counts as a follower here.
        if self.0.followers.load(Relaxed) > 0 {
            self.0.written.notify_waiters();
        }
    }

    /// The lines; a thread that panicked while it held the lock left them whole (invariant 5).
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PartialEq for Logs {
    /// Whether both are the same log.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.lock();
        let services = kept.services.len();
        f.debug_struct("Logs")
            .field("last", &kept.whole.last())
            .field("services", &services)
            .finish()
    }
}

/// Milliseconds since the epoch; 0 before it.
fn millis(time: SystemTime) -> u64 {
    age_of(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn age_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

// === impl Kept ===

impl Kept {
    fn ring(&self, log: Log<'_>) -> Option<&Ring> {
        match log {
            Log::Whole => Some(&self.whole),
            Log::Outside => Some(&self.outside),
            Log::Service(name) => self.services.get(name),
        }
    }

    fn keep(&mut self, service: Option<&str>, line: Line) {
        self.whole.push(line.clone());
        let ring = match service {
            None => Some(&mut self.outside),
            Some(name) => self.services.get_mut(name),
        };
        if let Some(ring) = ring {
            let before = ring.bytes();
            ring.push(line);
            self.bytes = self.bytes + ring.bytes() - before;
        } else if let Some(name) = service {
            self.make_room();
            let mut ring = Ring::new(SERVICE_LOG_LINES, SERVICE_LOG_BYTES);
            ring.push(line);
            self.bytes += ring.bytes();
            self.services.insert(name.into(), ring);
        }
        if self.bytes > SERVICE_LOGS_BYTES {
            self.shrink(SERVICE_LOGS_BYTES - SERVICE_LOGS_BYTES / FREED_PART);
        }
    }

    /// Makes room for one more service.
    fn make_room(&mut self) {
        if self.services.len() < SERVICE_LOGS {
            return;
        }
        let silent = self.services.iter().min_by_key(|(_, ring)| ring.newest());
        if let Some(name) = silent.map(|(name, _)| name.clone())
            && let Some(ring) = self.services.remove(&name)
        {
            self.bytes -= ring.bytes();
        }
    }

    /// Lets those that take most give up their oldest lines, until all take `budget` bytes.
    fn shrink(&mut self, budget: usize) {
        let rings = || self.services.values().chain([&self.outside]);
        let share = fair_share(rings().map(Ring::bytes).collect(), budget);
        self.services.values_mut().chain([&mut self.outside]).for_each(|ring| ring.shrink(share));
        self.bytes = self.services.values().chain([&self.outside]).map(Ring::bytes).sum();
    }
}

/// How much each of those that take `sizes` may take, so that together they take `budget` and who
/// takes less than that keeps all: max-min fairness.
fn fair_share(mut sizes: Vec<usize>, budget: usize) -> usize {
    processpype_core::sort(&mut sizes);
    let (mut left, count) = (budget, sizes.len());
    for (at, size) in sizes.into_iter().enumerate() {
        let share = left / (count - at);
        if size > share {
            return share;
        }
        left -= size;
    }
    usize::MAX
}

// === impl LogQuery ===

impl Default for LogQuery {
    /// Every line that is kept.
    fn default() -> Self {
        Self { after: None, limit: usize::MAX, level: Level::Trace, age: None, contains: None }
    }
}

// === impl LogLine ===

impl LogLine {
    /// The place of the line in its log: from 1, without gaps.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// How severe it is.
    pub fn level(&self) -> Level {
        self.line.level
    }

    /// The line as one JSON object: `seq time level target`, then `service` and `generation` inside
    /// a service, `message`, and `fields` if there are any.
    pub fn json(&self) -> String {
        let mut json = String::new();
        self.write_json(&mut json);
        json
    }

    /// Appends the line as [`json`](Self::json) has it.
    pub fn write_json(&self, out: &mut String) {
        self.line.write_json(out, self.seq);
    }
}

// === impl LogFollower ===

impl LogFollower {
    /// Resolves with the first line, of whatever log, that is kept after this call.
    ///
    /// Look for lines between the call and the await, so that none is missed; and wait a little
    /// before the next look, so that a burst is looked at once.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped: lines are kept, not sent.
    pub fn written(&self) -> impl Future<Output = ()> + '_ {
        self.0.0.written.notified()
    }
}

impl Drop for LogFollower {
    /// One less waits.
    fn drop(&mut self) {
        self.0.0.followers.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(kept: &mut Kept, service: Option<&str>, at: u64, bytes: usize) {
        let json = format!("{}\n", "x".repeat(bytes));
        let at = UNIX_EPOCH + Duration::from_millis(at);
        let level = tracing::Level::INFO;
        let rendered = Rendered { service, level, at, json: &json, message: 0, fields: 0 };
        kept.keep(service, Line::new(&rendered));
    }

    fn empty() -> Kept {
        Logs::new(Clock::system()).0.kept.try_lock().map(|mut kept| kept.take()).unwrap()
    }

    impl Kept {
        fn take(&mut self) -> Self {
            let ring = || Ring::new(SERVICE_LOG_LINES, SERVICE_LOG_BYTES);
            let (whole, outside) = (ring(), ring());
            Self { whole, outside, services: HashMap::new(), bytes: 0 }
        }
    }

    #[track_caller]
    fn check(sizes: &[usize], budget: usize, expected: usize) {
        assert_eq!(fair_share(sizes.to_vec(), budget), expected, "{sizes:?} in {budget}");
    }

    #[test]
    fn who_follows_no_more_is_not_counted() {
        let logs = Logs::new(Clock::system());
        let (one, other) = (logs.follow(), logs.follow());
        assert_eq!(logs.0.followers.load(Relaxed), 2);
        drop((one, other));
        assert_eq!(logs.0.followers.load(Relaxed), 0);
    }

    #[test]
    fn who_takes_little_keeps_it() {
        check(&[], 10, usize::MAX);
        check(&[10], 10, usize::MAX);
        check(&[11], 10, 10);
        check(&[1, 100, 2], 13, 10);
        check(&[50, 50, 50], 90, 30);
        check(&[1, 8, 9], 17, 8);
    }

    #[test]
    fn all_services_together_are_bounded_and_the_loud_give_way() {
        let mut kept = empty();
        for at in 0..100 {
            keep(&mut kept, Some("quiet"), at, 100);
        }
        let quiet = kept.services["quiet"].bytes();
        for service in 0..80 {
            let name = format!("loud-{service}");
            for at in 0..300 {
                keep(&mut kept, Some(&name), at, 1000);
            }
        }
        assert!(kept.bytes <= SERVICE_LOGS_BYTES, "{}", kept.bytes);
        let sum: usize = kept.services.values().map(Ring::bytes).sum();
        assert_eq!(kept.bytes, sum);
        assert_eq!(kept.services["quiet"].bytes(), quiet, "it lost nothing");
        assert!(kept.services["loud-0"].dropped() > 0);
        assert_eq!(kept.services["loud-0"].last(), 300);
    }

    #[test]
    fn one_service_too_many_takes_the_place_of_the_silent() {
        let mut kept = empty();
        for service in 0..=SERVICE_LOGS {
            // The second is the one that was silent longest.
            let at = if service == 1 { 0 } else { 1 + service as u64 };
            keep(&mut kept, Some(&format!("s{service}")), at, 10);
        }
        assert_eq!(kept.services.len(), SERVICE_LOGS);
        assert!(!kept.services.contains_key("s1"));
        let sum: usize = kept.services.values().map(Ring::bytes).sum();
        assert_eq!(kept.bytes, sum);
    }
}
