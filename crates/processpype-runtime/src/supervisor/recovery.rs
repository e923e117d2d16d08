//! Restarts: when the next generation comes, or that none comes any more.
//!
//! # Invariants
//!
//! 1. The machine decides whether; here it is only counted and timed. Each question of the machine
//!    gets exactly one answer, and never within the input that asked it.
//! 2. A restart is due once: its timer carries the generation that failed, and whatever starts a
//!    newer one, stops the service or closes the application makes it late.
//! 3. A member of a group needs a place in two budgets: its own, and that of the group.
//!    A restart takes its places when it is allowed, and keeps them from when it begins.
//! 4. What a status shows about restarts is what the machine holds; time and number beside it.
//! 5. A restart comes at the later of its backoff and its turn among the restarts of the whole
//!    application, and so does who waited for a provider that is back. Only what would start takes
//!    a turn, each at most once; what an operator starts takes none. A turn that is taken by a
//!    restart that is then cancelled is lost.

use std::fmt;
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use processpype_core::{
    Cause, Change, Exit, Generation, Report, RestartHistory, RestartOptions, RestartRate,
    RestartThrottle, ServiceId, ServiceState, Timer, Verdict,
};

use super::Supervisor;
use crate::clock::Timestamp;
use crate::group::NamedGroup;
use crate::status::RestartInfo;
use crate::timers::Due;

/// What is known about the restarts of one service.
#[derive(Debug, Default)]
pub(super) struct Restarts {
    /// Since when the generation that lives, or lived last, runs and is ready: milliseconds plus 1.
    healthy_since: Option<NonZero<u64>>,
    /// Made at the first failure: a service that has never failed has none.
    failures: Option<Box<Failures>>,
}

/// What is known about the failures of one service.
///
/// Over all its generations: only an operator's command makes it forgotten.
#[derive(Debug, Default)]
struct Failures {
    history: RestartHistory,
    /// When the next generation comes, if one was promised.
    next_at: Option<Timestamp>,
    /// The backoff is over, and the next generation has its turn, at `next_at`.
    held: bool,
    /// The backoff is over, and restarts are paused, until `next_at` at the latest.
    paused: bool,
    /// It was its group that had too many restarts.
    group_gave_up: bool,
    /// A restart was allowed, and has not begun.
    allowed: Option<Allowed>,
}

/// A restart that was allowed: until it begins it may be held, or wait, for hours.
#[derive(Clone, Copy, Debug)]
struct Allowed {
    at: Timestamp,
    /// It took a place in the budget of the group as well.
    of_group: bool,
}

/// What is known about the restarts of one group: the intensity of its supervisor, in OTP's words.
#[derive(Debug)]
pub(super) struct GroupBudget {
    name: Arc<str>,
    options: RestartOptions,
    history: RestartHistory,
    /// Which member failed last: the others are restarted because of it.
    failed: Option<ServiceId>,
    /// When an operator forgave it last.
    forgiven: Timestamp,
}

/// Where the restarts of all services pass, one after the other when there are many.
#[derive(Debug)]
pub(super) struct Turnstile {
    rate: RestartRate,
    throttle: RestartThrottle,
    /// The last one that came had to wait.
    crowded: bool,
}

// === impl GroupBudget ===

impl GroupBudget {
    pub(super) fn new(group: &NamedGroup) -> Self {
        let options = RestartOptions { limit: group.limit, ..RestartOptions::default() };
        let (name, history) = (Arc::clone(&group.name), RestartHistory::default());
        Self { name, options, history, failed: None, forgiven: Timestamp(0) }
    }

    /// Says how much of the limit is used, if there is one and it is that of the members together.
    fn used(&self) -> Option<String> {
        let max = self.options.limit.max_restarts()?;
        Some(format!(", restart {} of {max} of group `{}`", self.history.counted(), self.name))
    }
}

// === impl Restarts ===

impl Restarts {
    /// A generation begins.
    fn begin(&mut self) {
        self.healthy_since = None;
        if let Some(failures) = &mut self.failures {
            failures.next_at = None;
            failures.held = false;
            failures.paused = false;
        }
    }

    /// It waits for the end of a pause, and has no turn any more.
    pub(super) fn hold_until(&mut self, until: Timestamp) {
        let failures = self.failures();
        failures.next_at = Some(until);
        failures.held = false;
        failures.paused = true;
    }

    /// Whether its backoff is over and it has its turn among the restarts of the application.
    ///
    /// One that has never failed has neither.
    fn is_held(&self) -> bool {
        self.failures.as_ref().is_some_and(|failures| failures.held)
    }

    /// What is known about its failures, from the first one on.
    fn failures(&mut self) -> &mut Failures {
        self.failures.get_or_insert_default()
    }

    /// Since when it runs and is ready, in milliseconds since the epoch.
    fn healthy(&self) -> Option<u64> {
        self.healthy_since.map(|since| since.get() - 1)
    }

    /// A running generation is ready, or not.
    pub(super) fn note_ready(&mut self, ready: bool, now: Timestamp) {
        self.healthy_since =
            if ready { self.healthy_since.or(NonZero::new(now.0.saturating_add(1))) } else { None };
    }
}

// === impl Turnstile ===

impl Turnstile {
    pub(super) fn new(rate: RestartRate) -> Self {
        Self { rate, throttle: RestartThrottle::new(rate), crowded: false }
    }

    /// Returns how long one more restart has to wait for its turn, from now.
    fn pass(&mut self, now: Timestamp) -> Duration {
        let delay = self.throttle.reserve(now.0);
        let was_crowded = std::mem::replace(&mut self.crowded, !delay.is_zero());
        if self.crowded && !was_crowded {
            tracing::warn!(
                target: "processpype",
                "more services fail than are started again at once: the limit is {}, {} at once",
                self.rate, self.rate.burst()
            );
        }
        delay
    }
}

// === impl Supervisor ===

impl Supervisor {
    /// A generation failed and is to be followed by another one, if not too many were.
    pub(super) fn retry(&mut self, id: ServiceId, generation: Generation) {
        let now = self.clock.now();
        let service = &mut self.services[id.index()];
        let (options, restarts) = (service.configured.options.restart, &mut service.restarts);
        let healthy = restarts.healthy();
        let failures = restarts.failures();
        let mut verdict = failures.history.record(now.0, healthy, &options);
        // Who has none left of its own takes none from the others; nor does who is repeated.
        let takes = verdict != Verdict::Exhausted && !self.machine.is_completed(id);
        let group = self.machine.groups().group_of(id).filter(|_| takes);
        let mut group = group.map(|group| &mut self.groups[group]);
        let of_group =
            group.as_mut().map(|group| group.history.record(now.0, None, &group.options));
        let used = group.and_then(|group| group.used()).unwrap_or_default();
        failures.group_gave_up = of_group == Some(Verdict::Exhausted);
        if failures.group_gave_up {
            verdict = Verdict::Exhausted;
        }
        match verdict {
            Verdict::Again { attempt } => {
                failures.allowed = Some(Allowed { at: now, of_group: of_group.is_some() });
                let delay = options.backoff.delay(attempt, self.chance.next());
                self.restart_after(id, generation, delay);
                let mut text = std::mem::take(&mut self.text);
                text.clear();
                numbered(attempt, &options).write_to(&mut text);
                text.push_str(&used);
                text.push_str(", in ");
                seconds(delay).write_to(&mut text);
                self.tell_restart(id, "restart-scheduled", &text);
                self.text = text;
            }
            // Not within this input: the machine is still telling what followed from it.
            Verdict::Exhausted => self.given_up.push_back((id, generation)),
        }
    }

    /// A generation begins. If that is a restart that was allowed, it counts from now on, not from
    /// when that was.
    pub(super) fn note_begun(&mut self, id: ServiceId) {
        let now = self.clock.now();
        let service = &mut self.services[id.index()];
        service.restarts.begin();
        let Some(failures) = &mut service.restarts.failures else { return };
        let Some(allowed) = failures.allowed.take() else { return };
        failures.history.began(allowed.at.0, now.0, &service.configured.options.restart);
        if let Some(group) = self.machine.groups().group_of(id).filter(|_| allowed.of_group) {
            let group = &mut self.groups[group];
            if allowed.at >= group.forgiven {
                group.history.began(allowed.at.0, now.0, &group.options);
            }
        }
    }

    /// A generation failed for want of a provider: that takes nothing from the limit.
    pub(super) fn pause(&mut self, id: ServiceId, generation: Generation) {
        let now = self.clock.now();
        let service = &mut self.services[id.index()];
        let (options, restarts) = (service.configured.options.restart, &mut service.restarts);
        let healthy = restarts.healthy();
        let attempt = restarts.failures().history.pause(now.0, healthy, &options);
        let delay = options.backoff.delay(attempt, self.chance.next());
        let delay = delay.max(options.backoff.initial());
        self.restart_after(id, generation, delay);
        let text = format!("a provider was unavailable: not counted, in {}", seconds(delay));
        self.tell_restart(id, "restart-scheduled", &text);
    }

    /// A provider that had gone is back: this service starts in its turn, among all that waited.
    pub(super) fn spread(&mut self, id: ServiceId, generation: Generation) {
        let delay = self.turnstile.pass(self.clock.now());
        if delay.is_zero() {
            // It has its turn, and takes no other one.
            self.services[id.index()].restarts.failures().held = true;
            self.restart_after(id, generation, delay);
        } else {
            self.hold(id, generation, delay);
        }
    }

    /// A timer of a generation has run out: that of a restart may have to wait for its turn now.
    pub(super) fn elapsed(&mut self, id: ServiceId, generation: Generation, timer: Timer) {
        if timer == Timer::Abort {
            self.note_remains(id, generation);
        }
        if timer == Timer::Restart
            && self.would_start(id, generation)
            && self.hold_for_pause(id, generation)
        {
            return;
        }
        let held = self.services[id.index()].restarts.is_held();
        if timer == Timer::Restart && !held && self.would_start(id, generation) {
            let delay = self.turnstile.pass(self.clock.now());
            if !delay.is_zero() {
                return self.hold(id, generation, delay);
            }
        }
        self.report(id, generation, Report::Elapsed(timer));
    }

    /// Whether the end of the backoff would start the service. One that nobody waits for any more
    /// does not start, and one that has to wait for others then only goes on to wait.
    fn would_start(&self, id: ServiceId, generation: Generation) -> bool {
        let awaited = self.machine.generation(id) == generation && self.machine.is_retrying(id);
        awaited && self.machine.may_start(id)
    }

    fn hold(&mut self, id: ServiceId, generation: Generation, delay: Duration) {
        self.services[id.index()].restarts.failures().held = true;
        self.restart_after(id, generation, delay);
        let (rate, delay) = (self.turnstile.rate, seconds(delay));
        let text = format!("held by the application's limit of {rate}, in {delay}");
        self.tell_restart(id, "restart-held", &text);
    }

    /// An operator has acted: what was before does not count.
    pub(super) fn forgive(&mut self, id: ServiceId) {
        if let Some(failures) = &mut self.services[id.index()].restarts.failures {
            failures.history.forgive();
            failures.allowed = None;
        }
        let now = self.clock.now();
        if let Some(group) = self.machine.groups().group_of(id) {
            let group = &mut self.groups[group];
            group.history.forgive();
            group.forgiven = now;
        }
    }

    /// Keeps in mind who failed, for those of its group that are restarted because of it.
    pub(super) fn note_failed(&mut self, change: Change) {
        let failed =
            matches!(change.cause, Cause::Exit(Exit::Failed(_)) | Cause::Deadline(Timer::Start));
        if let Some(group) = self.machine.groups().group_of(change.service)
            && failed
        {
            self.groups[group].failed = Some(change.service);
        }
    }

    /// Says for whom a member of a group is stopped.
    pub(super) fn together_text(&self, change: Change) -> Option<String> {
        let stops = change.to == ServiceState::Stopping && change.cause == Cause::GroupRestarted;
        let group = self.machine.groups().group_of(change.service).filter(|_| stops)?;
        let group = &self.groups[group];
        let failed = self.cells[group.failed?.index()].name();
        Some(format!("restarts with its group `{}`, because `{failed}` failed", group.name))
    }

    /// Says that a service is given up.
    pub(super) fn tell_given_up(&mut self, id: ServiceId) {
        self.publish_touched(id);
        let service = &self.services[id.index()];
        let group = self.machine.groups().group_of(id).map(|group| &self.groups[group]);
        let failures = service.restarts.failures.as_ref();
        let text = match group.filter(|_| failures.is_some_and(|it| it.group_gave_up)) {
            Some(group) => format!("{} of group `{}`", gave_up(&group.options), group.name),
            None => gave_up(&service.configured.options.restart),
        };
        self.tell_restart(id, "exhausted", &format!("{text}; a start tries again"));
    }

    /// Returns what a status shows about the restarts of a service.
    pub(super) fn restart_info(&self, id: ServiceId) -> Option<RestartInfo> {
        let failures = self.services[id.index()].restarts.failures.as_ref();
        let attempt = failures.map_or(0, |failures| failures.history.attempt());
        if self.machine.is_exhausted(id) {
            return Some(RestartInfo { attempt, next_at: None, exhausted: true, held: false });
        }
        let failures = failures?;
        let next_at = failures.next_at.filter(|_| self.machine.is_retrying(id))?;
        let held = failures.held || failures.paused;
        Some(RestartInfo { attempt, next_at: Some(next_at), exhausted: false, held })
    }

    fn restart_after(&mut self, id: ServiceId, generation: Generation, delay: Duration) {
        let at = self.clock.now().0 + delay.as_millis() as u64;
        let failures = self.services[id.index()].restarts.failures();
        (failures.next_at, failures.paused) = (Some(Timestamp(at)), false);
        let due = Due::Generation(id, generation, Timer::Restart);
        self.timers.arm(self.clock.instant(), delay, due);
        self.publish_touched(id);
    }
}

fn gave_up(options: &RestartOptions) -> String {
    match options.limit.max_restarts() {
        Some(0) => "no restart is allowed".to_owned(),
        Some(max) => {
            let within = seconds(options.limit.within());
            format!("gave up after {max} restarts within {within}")
        }
        None => "gave up".to_owned(),
    }
}

fn numbered(attempt: u32, options: &RestartOptions) -> Numbered {
    Numbered { attempt, max: options.limit.max_restarts().filter(|max| attempt <= *max) }
}

/// Which attempt it is, and of how many.
struct Numbered {
    attempt: u32,
    max: Option<u32>,
}

impl Numbered {
    /// Writes it at the end of a text.
    ///
    /// Without the machinery of formats, which costs three times as much: each restart of a storm
    /// is told, and this is the only text in it that is another one each time.
    fn write_to(&self, text: &mut String) {
        text.push_str("attempt ");
        write_number(self.attempt.into(), text);
        if let Some(max) = self.max {
            text.push_str(" of ");
            write_number(max.into(), text);
        }
    }
}

/// Shows seconds, with one digit where a tenth matters.
pub(crate) fn seconds(time: Duration) -> Seconds {
    Seconds(time)
}

/// A time, as it is told to people.
///
/// In whole numbers, which cost less to write than a fraction: each restart in a storm tells one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seconds(Duration);

impl Seconds {
    /// Writes it at the end of a text.
    fn write_to(self, text: &mut String) {
        let milliseconds = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX - 500);
        if self.0 >= Duration::from_secs(10) {
            write_number((milliseconds + 500) / 1000, text);
        } else {
            let tenths = (milliseconds + 50) / 100;
            write_number(tenths / 10, text);
            text.push('.');
            write_number(tenths % 10, text);
        }
        text.push_str(" s");
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write_to(&mut text);
        f.write_str(&text)
    }
}

/// Writes a number at the end of a text.
fn write_number(number: u64, text: &mut String) {
    if number >= 10 {
        write_number(number / 10, text);
    }
    text.push(char::from(b'0' + (number % 10) as u8));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_with_a_tenth_where_that_matters() {
        for (milliseconds, text) in [
            (0, "0.0 s"),
            (49, "0.0 s"),
            (50, "0.1 s"),
            (1_000, "1.0 s"),
            (9_949, "9.9 s"),
            (9_999, "10.0 s"),
            (10_000, "10 s"),
            (90_500, "91 s"),
        ] {
            assert_eq!(seconds(Duration::from_millis(milliseconds)).to_string(), text);
        }
    }
}
