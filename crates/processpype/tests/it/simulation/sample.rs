//! A random application: who needs whom, how it is restarted, and what its services are like.
//!
//! # Invariants
//!
//! 1. A sample follows from its seed alone.
//! 2. An edge leads to a lower number only, so every sample is a valid plan.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use processpype::{
    Application, Backoff, EdgePolicy, OnHang, RestartLimit, RestartOptions, RestartPolicy,
    RestartRate, Strategy,
};

use super::actor::{self, World};
use super::numbers::Numbers;
use crate::harness::{millis, secs};

/// The largest application.
const SERVICES_MAX: u64 = 40;

/// What is drawn once for one service.
#[derive(Clone, Debug)]
pub(crate) struct Nature {
    /// Its providers, and what it asks of each edge. The first one is asked for by type.
    pub(crate) declared: Vec<(usize, EdgePolicy)>,
    /// The same, and what the order of its group adds.
    pub(crate) edges: Vec<(usize, EdgePolicy)>,
    pub(crate) restart: RestartOptions,
    pub(crate) oneshot: bool,
    pub(crate) significant: bool,
    pub(crate) autostart: bool,
    pub(crate) start_timeout: Duration,
    pub(crate) stop_timeout: Duration,
    /// In how many of a hundred cases a hook misbehaves while the storm lasts.
    pub(crate) frailty: u64,
    pub(crate) children: u64,
    /// Ends with `Unavailable` when it looks and its first provider is not there.
    pub(crate) needy: bool,
    /// In how many of a hundred cases a generation is not ready at first.
    pub(crate) shyness: u64,
    /// Its stop takes less than so many milliseconds, if it behaves.
    pub(crate) slow_stop: u64,
    /// How long it may be silent, and what follows.
    pub(crate) heartbeat: Option<(Duration, OnHang)>,
}

/// Services that are restarted together.
#[derive(Clone, Debug)]
pub(crate) struct Mates {
    pub(crate) strategy: Strategy,
    pub(crate) members: Vec<usize>,
    pub(crate) limit: RestartLimit,
}

/// A random application.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) seed: u64,
    pub(crate) natures: Vec<Nature>,
    pub(crate) groups: Vec<Mates>,
    pub(crate) rate: RestartRate,
    pub(crate) starts_at_once: usize,
    pub(crate) closing_timeout: Duration,
    pub(crate) drain_delay: Duration,
}

// === impl Sample ===

impl Sample {
    pub(crate) fn draw(seed: u64) -> Self {
        let numbers = &mut Numbers::of(seed, 0);
        // Small ones too: there each service is hit more often.
        let most = numbers.pick(&[3, 8, SERVICES_MAX]);
        let services = 1 + numbers.below(most) as usize;
        let density = numbers.pick(&[5, 20, 50]);
        let mut natures: Vec<Nature> =
            (0..services).map(|id| Nature::draw(numbers, id, density)).collect();
        let closing_timeout = secs(numbers.pick(&[1, 5, 25]));
        let drain_delay = secs(numbers.pick(&[0, 0, 0, 3]));
        let groups = Mates::draw_all(numbers, services);
        groups.iter().for_each(|group| group.order(&mut natures));
        let (rate, starts_at_once) = (draw_rate(numbers), numbers.pick(&[1, 2, 5, 1024]));
        Self { seed, natures, groups, rate, starts_at_once, closing_timeout, drain_delay }
    }

    /// Puts the application together; its services act in `world`.
    pub(crate) fn application(&self, world: &Arc<World>) -> Application {
        let closing = self.closing_timeout.as_secs();
        let drain = self.drain_delay.as_secs();
        let mut app = Application::new()
            .set(&format!("server.closing_timeout_seconds={closing}"))
            .set(&format!("server.drain_delay={drain}s"))
            .restart_rate(self.rate)
            .max_concurrent_starts(self.starts_at_once);
        for (id, nature) in self.natures.iter().enumerate() {
            app = nature.register(app, world, id);
        }
        for (number, group) in self.groups.iter().enumerate() {
            let members: Vec<String> = group.members.iter().map(|&member| name(member)).collect();
            let members: Vec<&str> = members.iter().map(String::as_str).collect();
            app = app.group(&format!("g{number}"), group.strategy, &members);
            app = app.group_limit(group.limit);
        }
        app
    }

    /// The number of the group of a service.
    pub(crate) fn group_of(&self, id: usize) -> Option<usize> {
        self.groups.iter().position(|group| group.members.contains(&id))
    }

    /// Who else is restarted when a service fails.
    pub(crate) fn restarted_with(&self, id: usize) -> Vec<usize> {
        let others = (0..self.natures.len()).filter(|&other| other != id);
        others.filter(|&other| self.restarts(id, other)).collect()
    }

    /// Whether the failure of one restarts the other.
    pub(crate) fn restarts(&self, one: usize, other: usize) -> bool {
        let Some(group) = self.group_of(one).map(|group| &self.groups[group]) else { return false };
        let place = |id| group.members.iter().position(|&member| member == id);
        match (place(one), place(other)) {
            (Some(one), Some(other)) => match group.strategy {
                Strategy::OneForOne => false,
                Strategy::OneForAll => one != other,
                Strategy::RestForOne => one < other,
            },
            _ => false,
        }
    }

    /// All that a service cannot do without, direct or not.
    pub(crate) fn required(&self, id: usize) -> Vec<usize> {
        let mut found = vec![false; self.natures.len()];
        let mut next = vec![id];
        while let Some(id) = next.pop() {
            for provider in self.gating(id) {
                if !std::mem::replace(&mut found[provider], true) {
                    next.push(provider);
                }
            }
        }
        (0..found.len()).filter(|&id| found[id]).collect()
    }

    /// The providers that must be there for a start.
    pub(crate) fn gating(&self, id: usize) -> impl Iterator<Item = usize> {
        let gates = |edge: &&(usize, EdgePolicy)| edge.1 != EdgePolicy::Optional;
        self.natures[id].edges.iter().filter(gates).map(|edge| edge.0)
    }

    /// The direct dependents of a service, and what they ask of the edge.
    pub(crate) fn dependents(&self, id: usize) -> impl Iterator<Item = (usize, EdgePolicy)> {
        self.natures.iter().enumerate().flat_map(move |(dependent, nature)| {
            let to_it = nature.edges.iter().filter(move |edge| edge.0 == id);
            to_it.map(move |edge| (dependent, edge.1))
        })
    }
}

pub(crate) fn name(id: usize) -> String {
    format!("s{id:02}")
}

pub(crate) fn id_of(name: &str) -> usize {
    name[1..].parse().expect("a number follows the letter")
}

impl fmt::Display for Sample {
    /// The application in short.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (services, closing) = (self.natures.len(), self.closing_timeout);
        let drain = self.drain_delay;
        writeln!(f, "{services} services, {closing:?} to close, {drain:?} to drain")?;
        let (rate, burst, starts) = (self.rate, self.rate.burst(), self.starts_at_once);
        writeln!(f, "  {rate}, {burst} at once; {starts} starts at once")?;
        for (number, group) in self.groups.iter().enumerate() {
            let Mates { strategy, members, limit } = group;
            writeln!(f, "  g{number}: {strategy} {members:?}, {limit:?}")?;
        }
        for (id, nature) in self.natures.iter().enumerate() {
            writeln!(f, "  {}: {nature}", name(id))?;
        }
        Ok(())
    }
}

// === impl Nature ===

impl Nature {
    fn draw(numbers: &mut Numbers, id: usize, density: u64) -> Self {
        let mut edges = Vec::new();
        for provider in 0..id {
            // Not everybody needs everybody, however large the application is.
            if numbers.percent(density) && edges.len() < 6 {
                edges.push((provider, numbers.pick(EdgePolicy::ALL)));
            }
        }
        let restart = draw_restart(numbers);
        let stop_timeout = numbers.pick(&[millis(100), secs(2), secs(10)]);
        let then = numbers.pick(&[OnHang::Restart, OnHang::Restart, OnHang::Report]);
        let heartbeat = (secs(numbers.pick(&[20, 300])), then);
        Self {
            declared: edges.clone(),
            edges,
            restart,
            oneshot: numbers.percent(12),
            significant: numbers.percent(2),
            autostart: numbers.percent(85),
            start_timeout: numbers.pick(&[secs(1), secs(5), secs(30)]),
            stop_timeout,
            frailty: numbers.pick(&[0, 10, 40]),
            children: numbers.below(3),
            // Who is never restarted would be lost with its provider.
            needy: numbers.percent(30) && restart.policy != RestartPolicy::Never,
            shyness: 20,
            slow_stop: stop_timeout.as_millis() as u64,
            heartbeat: numbers.percent(25).then_some(heartbeat),
        }
    }

    /// How often a service that beats does so.
    pub(crate) fn beat_every(&self) -> Duration {
        self.heartbeat.map_or(secs(3600), |(within, _)| within / 3)
    }

    fn register(&self, app: Application, world: &Arc<World>, id: usize) -> Application {
        let app = match self.declared.first() {
            Some((provider, _)) => {
                let app = app.service(actor::with_provider(world, id)).named(&name(id));
                app.uses("main", &name(*provider))
            }
            None => app.service(actor::alone(world, id)).named(&name(id)),
        };
        let mut app = app
            .restart_options(self.restart)
            .autostart(self.autostart)
            .start_timeout(self.start_timeout)
            .stop_timeout(self.stop_timeout);
        for (index, (provider, policy)) in self.declared.iter().enumerate() {
            app = if index == 0 { app } else { app.depends_on(&name(*provider)) };
            app = app.edge(&name(*provider), *policy);
        }
        let app = if self.oneshot { app.oneshot() } else { app };
        let app = match self.heartbeat {
            Some((within, then)) => app.heartbeat(within, then),
            None => app,
        };
        if self.significant { app.significant() } else { app }
    }
}

fn draw_restart(numbers: &mut Numbers) -> RestartOptions {
    let initial = numbers.pick(&[10, 500, 5_000]);
    let max = millis(initial * numbers.pick(&[1, 8, 60]));
    let factor = numbers.pick(&[1.0, 2.0, 3.5]);
    let jitter = numbers.pick(&[0.0, 0.2, 1.0]);
    let backoff = Backoff::new(millis(initial), max, factor, jitter).expect("a good backoff");
    let limit = draw_limit(numbers);
    // Mostly on failure, as in life.
    let policy = numbers.pick(&[
        RestartPolicy::OnFailure,
        RestartPolicy::OnFailure,
        RestartPolicy::OnFailure,
        RestartPolicy::Always,
        RestartPolicy::Never,
    ]);
    let reset_after = secs(numbers.pick(&[1, 60, 600]));
    RestartOptions { policy, backoff, limit, reset_after }
}

fn draw_limit(numbers: &mut Numbers) -> RestartLimit {
    match numbers.below(4) {
        0 => RestartLimit::NONE,
        1 => RestartLimit::default(),
        _ => {
            let within = secs(numbers.pick(&[1, 60, 3600]));
            RestartLimit::new(numbers.below(8) as u32, within).expect("a good limit")
        }
    }
}

/// Mostly the default, which is seldom reached; else so little that services have to wait.
fn draw_rate(numbers: &mut Numbers) -> RestartRate {
    let per_second = [0.2, 1.0, 10.0][numbers.index(3)];
    let rate = RestartRate::new(per_second, numbers.pick(&[1, 2, 5])).expect("a good rate");
    if numbers.percent(50) { rate } else { RestartRate::default() }
}

// === impl Mates ===

impl Mates {
    fn draw_all(numbers: &mut Numbers, services: usize) -> Vec<Self> {
        let count = numbers.index(2 + services / 4);
        let mut groups: Vec<Self> = (0..count).map(|_| Self::draw(numbers)).collect();
        for id in 0..services {
            if count > 0 && numbers.percent(60) {
                let group = numbers.index(count);
                groups[group].members.push(id);
            }
        }
        groups.retain(|group| !group.members.is_empty());
        groups
    }

    fn draw(numbers: &mut Numbers) -> Self {
        let strategy = numbers.pick(Strategy::ALL);
        Self { strategy, members: Vec::new(), limit: draw_limit(numbers) }
    }

    /// In a rest-for-one group each member cannot do without the one before it.
    fn order(&self, natures: &mut [Nature]) {
        if self.strategy != Strategy::RestForOne {
            return;
        }
        for pair in self.members.windows(2) {
            let edges = &mut natures[pair[1]].edges;
            match edges.iter_mut().find(|edge| edge.0 == pair[0]) {
                Some(edge) => edge.1 = edge.1.max(EdgePolicy::Hold),
                None => edges.push((pair[0], EdgePolicy::Hold)),
            }
        }
    }
}

impl fmt::Display for Nature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.restart.policy)?;
        match self.restart.limit.max_restarts() {
            Some(max) => write!(f, " {max} in {:?}", self.restart.limit.within())?,
            None => f.write_str(" without limit")?,
        }
        let backoff = self.restart.backoff;
        write!(f, ", {:?} to {:?}", backoff.initial(), backoff.max())?;
        write!(f, ", start {:?}, stop {:?}", self.start_timeout, self.stop_timeout)?;
        write!(f, ", {} % frail, {} children", self.frailty, self.children)?;
        let words = [
            (self.oneshot, "oneshot"),
            (self.significant, "significant"),
            (!self.autostart, "no autostart"),
            (self.needy, "needy"),
        ];
        for (_, word) in words.iter().filter(|(is, _)| *is) {
            write!(f, ", {word}")?;
        }
        if let Some((within, then)) = self.heartbeat {
            write!(f, ", beats within {within:?} or {then:?}")?;
        }
        for (provider, policy) in &self.edges {
            write!(f, ", {policy} {}", name(*provider))?;
        }
        Ok(())
    }
}
