//! A random application: who needs whom, how it is restarted, and what its services are like.
//!
//! # Invariants
//!
//! 1. A sample follows from its seed alone.
//! 2. An edge leads to a lower number only, so every sample is a valid plan.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use processpype::{Application, Backoff, EdgePolicy, RestartLimit, RestartOptions, RestartPolicy};

use super::actor::{self, World};
use super::numbers::Numbers;
use crate::harness::{millis, secs};

/// The largest application.
const SERVICES_MAX: u64 = 40;

/// What is drawn once for one service.
#[derive(Clone, Debug)]
pub(crate) struct Nature {
    /// Its providers, and what it asks of each edge. The first one is asked for by type.
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
}

/// A random application.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) seed: u64,
    pub(crate) natures: Vec<Nature>,
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
        let natures = (0..services).map(|id| Nature::draw(numbers, id, density)).collect();
        let closing_timeout = secs(numbers.pick(&[1, 5, 25]));
        let drain_delay = numbers.pick(&[0, 0, 0, 3]);
        Self { seed, natures, closing_timeout, drain_delay: secs(drain_delay) }
    }

    /// Puts the application together; its services act in `world`.
    pub(crate) fn application(&self, world: &Arc<World>) -> Application {
        let closing = self.closing_timeout.as_secs();
        let drain = self.drain_delay.as_secs();
        let mut app = Application::new()
            .set(&format!("server.closing_timeout_seconds={closing}"))
            .set(&format!("server.drain_delay={drain}s"));
        for (id, nature) in self.natures.iter().enumerate() {
            app = nature.register(app, world, id);
        }
        app
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
                edges.push((provider, numbers.pick(&EdgePolicy::ALL)));
            }
        }
        let restart = draw_restart(numbers);
        let stop_timeout = numbers.pick(&[millis(100), secs(2), secs(10)]);
        Self {
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
        }
    }

    fn register(&self, app: Application, world: &Arc<World>, id: usize) -> Application {
        let app = match self.edges.first() {
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
        for (index, (provider, policy)) in self.edges.iter().enumerate() {
            app = if index == 0 { app } else { app.depends_on(&name(*provider)) };
            app = app.edge(&name(*provider), *policy);
        }
        let app = if self.oneshot { app.oneshot() } else { app };
        if self.significant { app.significant() } else { app }
    }
}

fn draw_restart(numbers: &mut Numbers) -> RestartOptions {
    let initial = numbers.pick(&[10, 500, 5_000]);
    let max = millis(initial * numbers.pick(&[1, 8, 60]));
    let factor = numbers.pick(&[1.0, 2.0, 3.5]);
    let jitter = numbers.pick(&[0.0, 0.2, 1.0]);
    let backoff = Backoff::new(millis(initial), max, factor, jitter).expect("a good backoff");
    let limit = match numbers.below(4) {
        0 => RestartLimit::NONE,
        1 => RestartLimit::default(),
        _ => {
            let within = secs(numbers.pick(&[1, 60, 3600]));
            RestartLimit::new(numbers.below(8) as u32, within).expect("a good limit")
        }
    };
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
        for (provider, policy) in &self.edges {
            write!(f, ", {policy} {}", name(*provider))?;
        }
        Ok(())
    }
}
