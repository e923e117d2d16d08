//! What code and file say below `processpype`: heartbeat and watchdog of a service, and whether
//! others have to do without it.
//!
//! # Invariants
//!
//! 1. Both are off unless somebody says otherwise; a time of zero in the file switches off what
//!    code or `defaults` have switched on.
//! 2. What is said without a time has no effect, and is a problem at its place.

use std::time::Duration;

use processpype_config::{HumanDuration, Report, Section};
use processpype_runtime::{HangLimit, OnHang, Options};
use serde::Deserialize;

use crate::application::Application;

/// Framework keys beside the first ones: below a key of their own, so that no later one can collide
/// with a service's own fields.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct FurtherKeys {
    /// How long the service may go without `cx.beat()`.
    pub(crate) heartbeat: HeartbeatSection,
    /// How long it may block a thread.
    pub(crate) watchdog: WatchdogSection,
    /// Whether polls of the service's futures are counted and timed, for its status and metrics.
    /// Each then costs two readings of the clock, some 120ns. Default: false.
    pub(crate) poll_times: Option<bool>,
    /// Whether `/health/ready` fails while the service should run and is not ready. Where false,
    /// the application takes requests without it. Default: true.
    pub(crate) readiness_required: Option<bool>,
}

/// How long a service may go without a beat.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct HeartbeatSection {
    /// The longest time between two beats while the service is running, from 10ms to 24h; longer,
    /// and it counts as hung. 0s is no heartbeat. Default: none.
    pub(crate) within: Option<HumanDuration>,
    /// What follows: `report` tells it; `restart` fails the generation as `heartbeat-lost`.
    /// Default: report.
    pub(crate) then: Option<HangWord>,
}

/// How long a service may block a thread.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct WatchdogSection {
    /// The longest time that one poll of the service's futures may take, from 10ms to 24h; longer,
    /// and it blocks its thread. 0s is no watchdog. Default: none.
    pub(crate) poll: Option<HumanDuration>,
    /// What follows: `report` tells it; `restart` fails the generation as `blocked`. Default:
    /// report.
    pub(crate) then: Option<HangWord>,
}

/// What follows when a service is found hung.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum HangWord {
    /// It is told: as an event, in the log, in the status.
    Report,
    /// The generation fails, and the restart policy decides what comes next.
    Restart,
}

/// What one section says of one limit.
#[derive(Clone, Copy)]
struct Said {
    after: Option<HumanDuration>,
    then: Option<HangWord>,
}

// === impl Application ===

impl Application {
    /// Says how long the service registered last may go without [`beat`](crate::Context::beat)
    /// while it is running, and what follows if it does. Default: it need not beat.
    ///
    /// It is systemd's `WatchdogSec=` for one service. What finds the hang is the supervisor, so it
    /// is found also when the service blocks its thread. From 10 ms to 24 h: some times the longest
    /// honest pause between two beats. The file can say otherwise, with
    /// `processpype: {heartbeat: {within: …, then: …}}`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use processpype::{Application, Context, OnHang, testing};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> processpype::Result {
    /// let app = Application::new().task("poller", async |cx: Context| {
    ///     cx.beat();
    ///     cx.stopping().await; // and never again
    ///     Ok(())
    /// });
    /// let app = testing::start(app.heartbeat(Duration::from_secs(30), OnHang::Report)).await?;
    /// tokio::time::sleep(Duration::from_secs(31)).await;
    /// let status = app.manager().status("poller").unwrap();
    /// assert_eq!(status.degraded.as_deref(), Some("no beat for 30 s (allowed: 30s)"));
    /// # app.stop().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn heartbeat(self, within: Duration, then: OnHang) -> Self {
        self.limit("heartbeat", within, then, |options, limit| options.heartbeat = Some(limit))
    }

    /// Says how long one poll of the service registered last may take, and what follows if one
    /// takes longer. Default: nobody looks.
    ///
    /// A future that computes or waits without awaiting blocks a thread that other services need.
    /// The watchdog finds it while it does, and names it: constructor, hook, child by name,
    /// handler, body. Blocking children may block. From 10 ms to 24 h; for most, 100 ms in one poll
    /// is too long. [`OnHang::Restart`] cannot end what blocks: if the poll does not end within
    /// `stop_timeout`, the generation becomes an orphan.
    ///
    /// Each poll then costs a reading of the clock. The file can say otherwise, with
    /// `processpype: {watchdog: {poll: …, then: …}}`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use processpype::{Application, OnHang, Service};
    ///
    /// struct Parser;
    /// impl Service for Parser {}
    ///
    /// let app = Application::new().service(|| Parser);
    /// assert!(app.watchdog(Duration::from_millis(100), OnHang::Report).check().is_ok());
    /// ```
    pub fn watchdog(self, poll: Duration, then: OnHang) -> Self {
        self.limit("watchdog", poll, then, |options, limit| options.watchdog = Some(limit))
    }

    /// Says whether polls of the service registered last are counted and timed. Default: no.
    ///
    /// How many there were, and how long they took on average and at most, then stands in its
    /// status and in its metrics. A poll that takes long keeps others from theirs; the
    /// [watchdog](Self::watchdog) finds one that does not end.
    ///
    /// Each poll then costs two readings of the clock. The file can say otherwise, with
    /// `processpype: {poll_times: …}`.
    ///
    /// ```
    /// use processpype::{Application, Context, testing};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> processpype::Result {
    /// let poller = async |cx: Context| {
    ///     while cx.sleep(std::time::Duration::from_secs(1)).await {}
    ///     Ok(())
    /// };
    /// let app = testing::start(Application::new().task("poller", poller).poll_times(true)).await?;
    /// tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    /// assert!(app.manager().counts("poller").unwrap().polls.count >= 60);
    /// # app.stop().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn poll_times(self, timed: bool) -> Self {
        self.last("poll_times", |declared| declared.options.poll_times = timed)
    }

    /// Says whether the application counts as ready only if the service added last is; it does
    /// unless somebody says otherwise.
    ///
    /// A service without which requests can be answered, such as one that warms a cache or sends
    /// reports, should not take the process out of a load balancer: `/health/ready` looks at those
    /// alone whose readiness is required. Status, `why` and `doctor` tell of the others all the
    /// same, and whoever depends on it waits for it. The file can say otherwise, with
    /// `processpype: {readiness_required: …}`.
    ///
    /// ```
    /// use processpype::{Application, Context, testing};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> processpype::Result {
    /// let reports = async |_: Context| Err("no printer".into());
    /// let app = Application::new().task("reports", reports).readiness_required(false);
    /// let app = testing::start(app).await?;
    /// tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    /// assert!(!app.manager().status("reports").unwrap().ready);
    /// assert_eq!(app.get("/health/ready").await.status(), 200);
    /// # app.stop().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn readiness_required(self, required: bool) -> Self {
        self.last("readiness_required", |declared| declared.options.readiness_required = required)
    }

    fn limit(
        mut self,
        method: &str,
        after: Duration,
        then: OnHang,
        set: impl FnOnce(&mut Options, HangLimit),
    ) -> Self {
        match HangLimit::new(after, then) {
            Ok(limit) => self.last(method, |declared| set(&mut declared.options, limit)),
            Err(error) => {
                self.refuse(format!("`.{method}(…)`: {error}"));
                self
            }
        }
    }
}

/// Lays what the file says over what code said: the service's own keys, then the inherited ones.
pub(crate) fn apply(
    options: &mut Options,
    keys: [&FurtherKeys; 2],
    section: &Section,
) -> Result<(), Report> {
    let [own, inherited] = keys;
    options.poll_times = own.poll_times.or(inherited.poll_times).unwrap_or(options.poll_times);
    let required = own.readiness_required.or(inherited.readiness_required);
    options.readiness_required = required.unwrap_or(options.readiness_required);
    // Only a problem needs the place of a key.
    let place = |limit: &str, key: &str| section.get("processpype").get(limit).get(key);
    let heartbeat = laid_over(
        options.heartbeat,
        keys.map(|keys| keys.heartbeat.said()),
        |key| place("heartbeat", key),
        "within",
    );
    let watchdog = laid_over(
        options.watchdog,
        keys.map(|keys| keys.watchdog.said()),
        |key| place("watchdog", key),
        "poll",
    );
    match (heartbeat, watchdog) {
        (Ok(heartbeat), Ok(watchdog)) => {
            (options.heartbeat, options.watchdog) = (heartbeat, watchdog);
            Ok(())
        }
        (Err(one), Err(other)) => Err(one.merge(other)),
        (Err(report), Ok(_)) | (Ok(_), Err(report)) => Err(report),
    }
}

/// Returns what is wrong with the section `defaults` by itself. There, what follows may stand
/// without a time: services say theirs.
pub(crate) fn check_defaults(defaults: &FurtherKeys, section: &Section) -> Result<(), Report> {
    let mut keys = defaults.clone();
    keys.heartbeat.then = None;
    keys.watchdog.then = None;
    apply(&mut Options::default(), [&keys, &FurtherKeys::default()], section)
}

/// Takes the service's own value, else the inherited one, else what code said; zero is none.
fn laid_over(
    code: Option<HangLimit>,
    said: [Said; 2],
    place: impl Fn(&str) -> Section,
    time: &str,
) -> Result<Option<HangLimit>, Report> {
    let [own, inherited] = said;
    let after = own.after.or(inherited.after).map(HumanDuration::get);
    let then = own.then.or(inherited.then).map(OnHang::from);
    let then = then.or(code.map(|limit| limit.then())).unwrap_or_default();
    match after.or(code.map(|limit| limit.after())) {
        None if own.then.is_some() => {
            let problem = place("then").problem(format!("without `{time}` it has no effect"));
            Err(problem.help(format!("add `{time}`, such as `{time}: 30s`")).into())
        }
        None => Ok(None),
        Some(Duration::ZERO) => Ok(None),
        Some(after) => match HangLimit::new(after, then) {
            Ok(limit) => Ok(Some(limit)),
            // An inherited time that is wrong is a problem of `defaults`, and told there.
            Err(_) if own.after.is_none() => Ok(None),
            Err(error) => Err(place(time).problem(error.to_string()).into()),
        },
    }
}

// === impl HeartbeatSection ===

impl HeartbeatSection {
    fn said(&self) -> Said {
        Said { after: self.within, then: self.then }
    }
}

// === impl WatchdogSection ===

impl WatchdogSection {
    fn said(&self) -> Said {
        Said { after: self.poll, then: self.then }
    }
}

// === impl OnHang ===

impl From<HangWord> for OnHang {
    fn from(word: HangWord) -> Self {
        match word {
            HangWord::Report => Self::Report,
            HangWord::Restart => Self::Restart,
        }
    }
}
