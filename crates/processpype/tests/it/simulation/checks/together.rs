//! Who is restarted with whom, and nobody else.
//!
//! # Invariants
//!
//! 1. Where events do not show all (who waits for its turn to stop), what must happen and what may
//!    happen are two sets: [`Seen::due`] lies within [`Seen::marked`].

use processpype::{EdgePolicy, Event, RestartPolicy, ServiceState};

use super::{Observer, Seen};
use crate::simulation::sample::name;

/// The causes of a stop that was asked for.
const ASKED: [&str; 5] =
    ["operator", "cascade", "closing", "provider-restarted", "group-restarted"];

impl Observer<'_> {
    /// A generation fails: those that restart with it are to end as well. Who has done its work and
    /// repeats it leaves the others alone.
    pub(super) fn fails(&mut self, id: usize, event: &Event) {
        let seen = &mut self.seen[id];
        let fails = match event.to {
            Some(ServiceState::Stopping) => !ASKED.contains(&event.cause),
            // What began as a failure is none a second time.
            Some(ServiceState::Error) => !seen.failed,
            _ => false,
        };
        seen.failed = fails && event.to == Some(ServiceState::Stopping);
        let covered = match self.sample.natures[id].restart.policy {
            RestartPolicy::Never => false,
            RestartPolicy::Always | RestartPolicy::OnFailure => event.cause != "completed",
        };
        if !fails || !covered {
            return;
        }
        let is_asked = seen.held || seen.is_due() || self.is_closing;
        for mate in self.sample.restarted_with(id) {
            let mate = &mut self.seen[mate];
            if mate.is_up() {
                mate.mark(!is_asked);
            }
        }
    }

    /// All that live and need a service by such edges, through those that live, restart with it.
    pub(super) fn follow(&mut self, id: usize, follows: fn(EdgePolicy) -> bool, must: bool) {
        let dependents: Vec<_> = self.sample.dependents(id).collect();
        for (dependent, policy) in dependents {
            let seen = &mut self.seen[dependent];
            if follows(policy) && seen.is_up() {
                let is_new = seen.mark(must);
                if is_new {
                    self.follow(dependent, follows, must);
                }
            }
        }
    }

    /// Whoever stops or starts for others was to.
    pub(super) fn check_together(&mut self, id: usize, event: &Event) {
        let for_others = matches!(event.cause, "provider-restarted" | "group-restarted");
        let moves = matches!(event.to, Some(ServiceState::Stopping | ServiceState::Starting));
        if for_others && moves && self.seen[id].marked != Some(self.seen[id].generation) {
            self.complain(event, "nobody it restarts with was restarted");
        }
    }

    /// Nobody of a group starts while one of it is still to end; nor before who restarts it is
    /// back.
    pub(super) fn check_mates(&mut self, id: usize, event: &Event) {
        for mate in 0..self.seen.len() {
            let is_of_group = self.sample.restarts(id, mate) || self.sample.restarts(mate, id);
            let seen = &self.seen[mate];
            if is_of_group && seen.is_to_end() {
                self.complain(event, &format!("it starts while {} is to end", name(mate)));
            } else if self.sample.restarts(mate, id) && seen.is_given_up_or_early(event.time.0) {
                self.complain(event, &format!("it starts although {} is not back", name(mate)));
            }
        }
    }

    /// In a restart together nobody is asked to stop before those who need it and stop too are
    /// gone.
    pub(super) fn check_order_together(&mut self, id: usize, event: &Event) {
        let together = self.seen[id].in_turn && event.cause == "operator";
        if !together && !matches!(event.cause, "provider-restarted" | "group-restarted") {
            return;
        }
        let dependents: Vec<usize> = self.sample.dependents(id).map(|edge| edge.0).collect();
        for dependent in dependents {
            if self.seen[dependent].is_to_end() {
                self.complain(event, &format!("it stops before {} is gone", name(dependent)));
            }
        }
    }

    /// Whether something may be in the way of a start, as far as events show: a provider, a member
    /// of its group.
    pub(super) fn may_be_in_the_way(&self, id: usize) -> bool {
        let edges = &self.sample.natures[id].edges;
        let provider = edges.iter().any(|&(provider, policy)| {
            let seen = &self.seen[provider];
            match policy {
                EdgePolicy::Optional => seen.state == ServiceState::Starting,
                EdgePolicy::Hold | EdgePolicy::Restart => {
                    !self.is_there(provider) || seen.may_leave()
                }
            }
        });
        provider || (0..self.seen.len()).any(|mate| self.blocks(mate, id))
    }

    /// Whether a dependent may start on a service; of a oneshot, when it has done its work.
    pub(super) fn is_there(&self, id: usize) -> bool {
        let seen = &self.seen[id];
        seen.completed || (seen.ready && !self.sample.natures[id].oneshot)
    }

    fn blocks(&self, mate: usize, id: usize) -> bool {
        let seen = &self.seen[mate];
        let restarts_it = self.sample.restarts(mate, id);
        let is_missing = !seen.completed && (seen.exhausted || seen.back_at.is_some());
        let ends = seen.is_to_end() || seen.may_leave();
        (restarts_it && (is_missing || ends)) || (self.sample.restarts(id, mate) && ends)
    }
}

// === impl Seen ===

impl Seen {
    /// Returns whether it is new that this generation restarts with others.
    fn mark(&mut self, must: bool) -> bool {
        let generation = Some(self.generation);
        let due = if self.held { &mut self.overdue } else { &mut self.due };
        let is_new = self.marked != generation || (must && *due != generation);
        self.marked = generation;
        if must {
            *due = generation;
        }
        is_new
    }

    /// Whether this generation is to end because of others.
    pub(super) fn is_due(&self) -> bool {
        self.lives() && self.due == Some(self.generation)
    }

    fn is_to_end(&self) -> bool {
        self.state == ServiceState::Stopping || self.is_due()
    }

    /// Whether it may be about to stop in its turn, which no event shows.
    pub(super) fn may_leave(&self) -> bool {
        self.lives() && (self.held || self.marked == Some(self.generation))
    }

    /// Whether it failed, and was given up or cannot be back yet.
    fn is_given_up_or_early(&self, now: u64) -> bool {
        !self.completed && (self.exhausted || self.back_at.is_some_and(|at| now < at))
    }
}
