//! Looking at generations that are watched, and what follows when one is found hung.
//!
//! # Invariants
//!
//! 1. Looking waits for nobody: it reads what the generation shows of itself.
//! 2. One timer of each kind is armed for a watched generation, and none for others. A timer of a
//!    generation that is no more changes nothing and is not armed again.
//! 3. Beats are asked for in `running` alone. Polls are looked at as long as the generation lives.
//! 4. Whether a hang is a failure is the service's choice, and then the machine decides what
//!    follows, as after any other failure.
//! 5. A look that comes late finds nobody hung, once: whoever is looked at has had no time either.
//!    Who was found hung before is looked at all the same.

use std::sync::Arc;
use std::time::Duration;

use processpype_core::{
    ErrorKind, EventKind, Generation, Report, ServiceId, ServiceName, ServiceState,
};
use tokio::sync::oneshot;

use super::recovery::seconds;
use super::{Service, Supervisor};
use crate::blueprint::Options;
use crate::diagnosis::{Asked, Question};
use crate::failure::Failure;
use crate::hang::{Appointment, Found, HangLimit, Heart, OnHang, Poll, PollWatch};
use crate::journal::Event;
use crate::life::Life;
use crate::timers::Due;

/// What is known of a watched generation.
#[derive(Debug, Default)]
pub(super) struct Watch {
    heart: Option<Heart>,
    next_beat: Appointment,
    /// When the generation was seen running, on its own scale.
    running: Duration,
    polls: Option<PollWatch>,
    next_polls: Appointment,
    /// Why the service works less well than it should, in its own words.
    said: Option<String>,
    /// What is to be said about missing beats.
    lost: Option<String>,
    /// What is to be said about blocked threads.
    blocked: Option<String>,
}

// === impl Watch ===

impl Watch {
    /// Returns nothing for a service that nobody watches.
    fn of(options: &Options) -> Option<Box<Self>> {
        if options.heartbeat.is_none() && options.watchdog.is_none() {
            return None;
        }
        let heart = options.heartbeat.map(Heart::new);
        let polls = options.watchdog.map(PollWatch::new);
        Some(Box::new(Self { heart, polls, ..Self::default() }))
    }

    /// Takes what the service says itself; returns what it said before.
    pub(super) fn say(&mut self, said: Option<String>) -> Option<String> {
        std::mem::replace(&mut self.said, said)
    }

    /// Returns why the service works less well than it should: its own words, and what was found.
    pub(super) fn degraded(&self) -> Option<String> {
        let all: Vec<&str> =
            [&self.said, &self.lost, &self.blocked].into_iter().flatten().map(|it| &**it).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

// === impl Supervisor ===

impl Supervisor {
    /// Asks a service, or all of them, what is wrong; those that do not run are not asked.
    pub(super) fn ask_what_is_wrong(
        &self,
        service: Option<ServiceId>,
    ) -> Vec<(ServiceName, Asked)> {
        let all = self.members_here().filter(|id| service.is_none_or(|only| only == *id));
        let running = all.filter(|id| self.machine.state(*id) == ServiceState::Running);
        let ask = |id: ServiceId| {
            let life = self.services[id.index()].life.as_ref()?;
            let (asker, answer) = oneshot::channel();
            life.ask(Question(asker));
            Some((self.cells[id.index()].name().clone(), answer))
        };
        running.filter_map(ask).collect()
    }

    /// A generation begins: its polls are looked at from now on, if they are watched.
    pub(super) fn watch_polls(&mut self, id: ServiceId, generation: Generation) {
        let watch = self.services[id.index()].watch();
        if let Some(polls) = watch.and_then(|watch| watch.polls.as_ref()) {
            self.look_at_polls_in(polls.limit.after(), id, generation);
        }
    }

    /// A generation runs: beats are asked for from now on, if they are watched.
    pub(super) fn watch_beats(&mut self, id: ServiceId, generation: Generation) {
        if self.machine.state(id) != ServiceState::Running {
            return;
        }
        if self.services[id.index()].watch().is_none() {
            return;
        }
        let Some(life) = self.life(id, generation).cloned() else { return };
        let Some(watch) = self.services[id.index()].watch_mut() else { return };
        watch.running = life.vitals.now();
        if let Some(heart) = &watch.heart {
            let after = heart.limit.after();
            self.look_at_beats_in(after, id, generation);
        }
    }

    fn look_at_beats_in(&mut self, wait: Duration, id: ServiceId, generation: Generation) {
        let due = Due::Beat(id, generation);
        self.look_in(wait, due, id, |watch| &mut watch.next_beat);
    }

    fn look_at_polls_in(&mut self, wait: Duration, id: ServiceId, generation: Generation) {
        let due = Due::Polls(id, generation);
        self.look_in(wait, due, id, |watch| &mut watch.next_polls);
    }

    fn look_in(
        &mut self,
        wait: Duration,
        due: Due,
        id: ServiceId,
        appointment: impl FnOnce(&mut Watch) -> &mut Appointment,
    ) {
        let service = &mut self.services[id.index()];
        let now = service.life.as_ref().map(|life| life.vitals.now());
        if let (Some(now), Some(watch)) = (now, service.watch_mut()) {
            appointment(watch).make(now + wait);
        }
        self.timers.arm(self.clock.instant(), wait, due);
    }

    /// It is time to look at the beats of a generation.
    pub(super) fn look_at_beats(&mut self, id: ServiceId, generation: Generation) {
        if self.machine.state(id) != ServiceState::Running {
            return;
        }
        let Some(life) = self.life(id, generation).cloned() else { return };
        let Some(watch) = self.services[id.index()].watch_mut() else { return };
        let last = life.vitals.last_beat().max(watch.running);
        let now = life.vitals.now();
        let silent = now.saturating_sub(last);
        let Some(heart) = &mut watch.heart else { return };
        let limit = heart.limit;
        if watch.next_beat.is_missed(now) && !heart.is_lost() {
            return self.look_at_beats_in(limit.after(), id, generation);
        }
        let (found, wait) = heart.look(silent);
        self.look_at_beats_in(wait, id, generation);
        let Some(watch) = self.services[id.index()].watch_mut() else { return };
        match found {
            Some(Found::Hung(())) => {
                let within = limit.after();
                let text = format!("no beat for {} (allowed: {within:?})", seconds(silent));
                watch.lost = Some(text.clone());
                self.take_hang(&life, ErrorKind::HeartbeatLost, limit, &text);
            }
            Some(Found::Recovered(())) => {
                watch.lost = None;
                self.tell_hang(&life, "recovered", "it beats again");
            }
            None => {}
        }
    }

    /// It is time to look at the polls of a generation.
    pub(super) fn look_at_polls(&mut self, id: ServiceId, generation: Generation) {
        if !self.machine.is_alive(id) || self.machine.is_orphaned(id) {
            return;
        }
        let Some(life) = self.life(id, generation).cloned() else { return };
        let (now, polls) = (life.vitals.now(), life.vitals.polls());
        let Some(watch) = self.services[id.index()].watch_mut() else { return };
        let Some(seen) = &mut watch.polls else { return };
        let limit = seen.limit;
        if watch.next_polls.is_missed(now) && seen.blocked().next().is_none() {
            return self.look_at_polls_in(limit.after(), id, generation);
        }
        let (found, wait) = seen.look(&polls, now);
        let blocked: Vec<&str> = seen.blocked().collect();
        let blocked =
            (!blocked.is_empty()).then(|| format!("{} blocks a thread", blocked.join(", ")));
        watch.blocked = blocked.map(|text| self.launch.scrub.text(&text));
        self.look_at_polls_in(wait, id, generation);
        for found in found {
            self.take_found_poll(&life, limit, found, now);
        }
    }

    fn take_found_poll(
        &mut self,
        life: &Arc<Life>,
        limit: HangLimit,
        found: Found<Poll>,
        now: Duration,
    ) {
        match found {
            Found::Hung(poll) => {
                let time = seconds(now.saturating_sub(poll.began));
                let allowed = limit.after();
                let text = format!(
                    "{} has blocked its thread for {time} (allowed: {allowed:?})",
                    poll.what
                );
                let text = self.launch.scrub.text(&text);
                self.take_hang(life, ErrorKind::Blocked, limit, &text);
            }
            Found::Recovered(poll) => {
                let time = seconds(now.saturating_sub(poll.began));
                let text = format!("{} gave its thread back, within {time}", poll.what);
                let text = self.launch.scrub.text(&text);
                self.tell_hang(life, "recovered", &text);
            }
        }
    }

    /// A generation is hung: that is told, or ends it.
    fn take_hang(&mut self, life: &Arc<Life>, kind: ErrorKind, limit: HangLimit, text: &str) {
        let (id, generation) = (life.cell_id(), life.generation);
        let may_fail =
            matches!(self.machine.state(id), ServiceState::Starting | ServiceState::Running);
        match limit.then() {
            OnHang::Restart if may_fail => {
                self.keep_failure(id, generation, Some(Failure::new(kind, text)));
                self.report(id, generation, Report::Hung(kind));
            }
            OnHang::Report | OnHang::Restart => self.tell_hang(life, kind.as_str(), text),
        }
    }

    fn tell_hang(&mut self, life: &Arc<Life>, cause: &'static str, text: &str) {
        let (id, generation) = (life.cell_id(), life.generation);
        let watch = self.services[id.index()].watch();
        let degraded = watch.and_then(Watch::degraded);
        self.update(id, |facts| facts.change(|rare| rare.degraded = degraded));
        let (name, number) = (life.cell.name(), generation.0);
        if cause == "recovered" {
            tracing::info!(
                target: "processpype", service = %name, generation = number, "{cause}: {text}"
            );
        } else {
            tracing::warn!(
                target: "processpype", service = %name, generation = number, "{cause}: {text}"
            );
        }
        self.append(Event {
            generation: Some(generation),
            message: Some(Arc::from(text)),
            ..self.event(EventKind::Health, Some(id), cause)
        });
    }
}

// === impl Service ===

impl Service {
    /// Begins anew with each generation.
    pub(super) fn begin_watch(&mut self) {
        match Watch::of(&self.configured.options) {
            None => self.few.iter_mut().for_each(|few| few.watch = None),
            watch => self.few().watch = watch,
        }
    }
}
