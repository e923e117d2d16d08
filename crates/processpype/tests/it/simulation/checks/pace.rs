//! When a service may start: places, turns, backoffs, and who need not wait for any of it. And when
//! it was silent for too long.

use std::time::Duration;

use processpype::{Event, EventKind, OnHang, ServiceState};

use super::Observer;
use crate::simulation::sample::name;

/// Timers and texts are not more exact than this, in milliseconds.
const SLACK: u64 = 2;

/// What is known of the starts of all services.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// How many are in `starting`.
    starting: usize,
    /// The last time in which no more could start: from and until.
    crowded: Option<(u64, Option<u64>)>,
    /// Since when automatic restarts pause.
    pub(super) paused: Option<u64>,
    /// When each restart had its turn: not before, and not after.
    turns: Vec<(u64, u64)>,
    last: u64,
}

impl Observer<'_> {
    /// Before each event: what holds since the one before, if time has passed.
    pub(super) fn pass_time(&mut self, event: &Event) {
        let then = std::mem::replace(&mut self.pace.last, event.time.0);
        if then == event.time.0 || self.is_closing {
            return;
        }
        let has_place = self.pace.starting < self.sample.starts_at_once;
        for id in 0..self.seen.len() {
            let waits = self.seen[id].urgent && !self.seen[id].lives();
            if waits && has_place && !self.may_be_in_the_way(id) {
                self.complain(
                    event,
                    &format!("since {then} nothing is in the way of {}", name(id)),
                );
                self.seen[id].urgent = false;
            }
        }
    }

    /// After each event: who lives without a provider, and who could not start when it was to.
    pub(super) fn note_missing(&mut self) {
        let is_full = self.pace.starting >= self.sample.starts_at_once;
        for id in 0..self.seen.len() {
            let is_there = self.is_there(id);
            let seen = &mut self.seen[id];
            seen.served |= is_there && !seen.may_leave();
            seen.lost |= seen.served && !is_there;
            if seen.lives() {
                let gating: Vec<usize> = self.sample.gating(id).collect();
                let missing = gating.iter().any(|&provider| !self.is_there(provider));
                let is_unsure = gating.iter().any(|&provider| self.seen[provider].may_leave());
                self.seen[id].missed |= missing;
                self.seen[id].may_have_missed |= is_unsure;
            } else if self.seen[id].promised && !self.seen[id].delayed {
                self.seen[id].delayed = is_full || self.may_be_in_the_way(id);
            }
        }
    }

    /// Counts those in `starting`, and the turns of restarts.
    pub(super) fn count(&mut self, id: usize, event: &Event) {
        let (now, most) = (event.time.0, self.sample.starts_at_once);
        if event.from == Some(ServiceState::Starting) {
            let was_full = self.pace.starting >= most;
            self.pace.starting -= 1;
            if let (true, Some(crowded)) = (was_full, &mut self.pace.crowded) {
                crowded.1 = Some(now);
            }
        }
        if event.to != Some(ServiceState::Starting) {
            return;
        }
        let free_since = match self.pace.crowded {
            Some((since, None)) => since,
            Some((since, Some(until))) if until == now => since,
            _ => now,
        };
        if self.takes_a_turn(id, event) {
            self.pace.turns.push((free_since, now));
        }
        self.pace.starting += 1;
        if self.pace.starting > most {
            self.complain(event, &format!("more than {most} start at once"));
        }
        if self.pace.starting >= most {
            self.pace.crowded = Some((free_since, None));
        }
        let seen = &self.seen[id];
        if event.cause == "restart" {
            if !seen.promised {
                self.complain(event, "no restart was promised");
            } else if seen.back_at.is_some_and(|at| now < at) {
                self.complain(event, &format!("it was to start at {:?}", seen.back_at));
            } else if self.pace.paused.is_some_and(|at| seen.back_at > Some(at)) && !seen.delayed {
                self.complain(event, "automatic restarts are paused");
            }
        }
    }

    /// Whether this start is surely one of those that the application's rate bounds.
    fn takes_a_turn(&self, id: usize, event: &Event) -> bool {
        let returned = |provider: usize| self.seen[provider].lost;
        let natures = &self.sample.natures[id];
        let plain =
            self.sample.gating(id).count() == natures.edges.len() && !natures.edges.is_empty();
        match event.cause {
            "restart" => !self.seen[id].delayed,
            "dependency-ready" => {
                let in_group = self.sample.group_of(id).is_some();
                plain && !in_group && self.sample.gating(id).all(returned)
            }
            _ => false,
        }
    }

    /// A service is promised its next start: after its backoff, or in its turn.
    pub(super) fn promise(&mut self, id: usize, event: &Event) {
        if event.message.as_deref() == Some("automatic restarts are paused") {
            if self.pace.paused.is_none() || self.seen[id].urgent {
                self.complain(event, "nothing holds it");
            }
            (self.seen[id].delayed, self.seen[id].promised) = (true, true);
            return;
        }
        let text = event.message.as_deref().and_then(|text| text.rsplit_once("in "));
        let Some(delay) = text.and_then(|(_, text)| seconds(text)) else {
            return self.complain(event, "it does not say when");
        };
        let backoff = self.sample.natures[id].restart.backoff;
        let least = backoff.initial().mul_f64(1.0 - backoff.jitter()).as_millis() as u64;
        let is_held = event.cause == "restart-held";
        let least = if is_held { delay } else { delay.max(least.saturating_sub(SLACK)) };
        let seen = &mut self.seen[id];
        // Who waited for a provider, and now for its turn, has not failed: nobody waits for it.
        if !is_held || seen.state == ServiceState::Error {
            seen.back_at = Some(event.time.0 + least);
        }
        (seen.delayed, seen.promised) = (seen.delayed && is_held, true);
        if seen.urgent {
            self.complain(event, "an operator started it, and waits");
        }
    }

    /// Never more restarts within a time than the rate allows.
    pub(super) fn check_rate(&mut self) {
        let (per_second, burst) = (self.sample.rate.per_second(), self.sample.rate.burst());
        let mut turns = std::mem::take(&mut self.pace.turns);
        turns.sort_by_key(|turn| turn.1);
        for &(from, _) in &turns {
            let mut count = 0;
            for &(_, until) in turns.iter().filter(|turn| turn.0 >= from) {
                count += 1;
                let time = Duration::from_millis(until - from + SLACK).as_secs_f64();
                let most = f64::from(burst) + per_second * time;
                if f64::from(count) > most {
                    let what = format!("{count} restarts from {from} to {until}, more than {most}");
                    self.wrong.push(what);
                    return;
                }
            }
        }
    }

    /// A silence is found when its time is over, and no other one.
    pub(super) fn check_heart(&mut self, id: usize, event: &Event) {
        let lost = event.cause == "heartbeat-lost";
        let is_health = event.kind == EventKind::Health;
        let told = match self.sample.natures[id].heartbeat {
            Some((_, OnHang::Report)) => is_health,
            Some(_) => !is_health,
            None => false,
        };
        if lost && !told {
            self.complain(event, "nobody listens for its heart in this way");
        }
        let runs = self.seen[id].state == ServiceState::Running;
        let ends = runs && event.to == Some(ServiceState::Stopping);
        let Some((within, OnHang::Restart)) = self.sample.natures[id].heartbeat else { return };
        if !ends {
            return;
        }
        let beat = self.world.last_beat(id, self.seen[id].generation);
        let beat = beat.map_or(0, |beat| beat + self.began).max(self.seen[id].since);
        let over = beat + within.as_millis() as u64;
        if lost && event.time.0 + SLACK < over {
            self.complain(event, &format!("it had time until {over}"));
        }
        if event.time.0 > over + SLACK {
            self.complain(event, &format!("it was silent from {beat} on"));
        }
    }
}

/// Reads `1.5 s`, in milliseconds; what was rounded is read as the least it may stand for.
fn seconds(text: &str) -> Option<u64> {
    let number = text.strip_suffix(" s")?;
    let millis = (number.parse::<f64>().ok()? * 1000.0) as u64;
    Some(millis.saturating_sub(if number.contains('.') { 50 } else { 500 } + SLACK))
}
