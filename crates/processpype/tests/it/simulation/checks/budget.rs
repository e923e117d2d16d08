//! How often a service is restarted, and its group: each restart counts from when it was allowed,
//! and from its beginning once that was seen.

use std::collections::VecDeque;

use processpype::{Event, RestartLimit};

use super::Observer;

/// What was taken from the budget of a service, or of a group.
#[derive(Clone, Default)]
pub(super) struct Budget {
    /// When restarts were taken, since an operator forgave them.
    restarts: VecDeque<u64>,
    /// A start of a dependent may have forgiven it, or not.
    is_unsure: bool,
    /// When that was.
    forgiven: u64,
}

/// A restart that was told, and has not begun.
#[derive(Clone, Copy)]
pub(super) struct Allowed {
    at: u64,
    /// It took one of the group's as well.
    of_group: bool,
}

// === impl Observer ===

impl Observer<'_> {
    /// Its own budget bounds its restarts, and that of its group those of all members that failed.
    pub(super) fn spend(&mut self, id: usize, event: &Event) {
        let now = event.time.0;
        let group = self.sample.group_of(id).filter(|_| !self.seen[id].completed);
        let own = (&mut self.seen[id].budget, self.sample.natures[id].restart.limit);
        let group = group.map(|at| (&mut self.budgets[at], self.sample.groups[at].limit));
        let mut wrong = None;
        let (mut may_give_up, mut counts) = (false, Vec::new());
        for (budget, limit) in std::iter::once(own).chain(group) {
            let is_full = budget.is_full(limit, now);
            counts.push(budget.restarts.len());
            may_give_up |= is_full || budget.is_unsure;
            if event.cause == "restart-scheduled" {
                budget.restarts.push_back(now);
                wrong = wrong.or(is_full.then_some("more than may be"));
            }
        }
        if event.cause == "restart-scheduled" {
            self.seen[id].allowed = Some(Allowed { at: now, of_group: counts.len() > 1 });
        }
        if event.cause == "exhausted" && !may_give_up {
            wrong = Some("less than may be");
        }
        if let Some(wrong) = wrong {
            self.complain(event, &format!("there were {counts:?} restarts before it: {wrong}"));
        }
    }

    /// What was allowed begins: it counts from here.
    pub(super) fn begins(&mut self, id: usize, now: u64) {
        let Some(allowed) = self.seen[id].allowed.take() else { return };
        self.seen[id].budget.begins(allowed, self.sample.natures[id].restart.limit, now);
        if let Some(at) = self.sample.group_of(id).filter(|_| allowed.of_group) {
            self.budgets[at].begins(allowed, self.sample.groups[at].limit, now);
        }
    }

    /// A start forgets what was before, of the group as well.
    pub(super) fn forgive(&mut self, id: usize, is_unsure: bool, now: u64) {
        if is_unsure {
            self.seen[id].may_be_forgiven();
            self.seen[id].stays();
        } else {
            self.seen[id].forgive();
        }
        let budget = Budget { restarts: VecDeque::new(), is_unsure, forgiven: now };
        if let Some(group) = self.sample.group_of(id) {
            self.budgets[group] = budget.clone();
        }
        (self.seen[id].budget, self.seen[id].allowed) = (budget, None);
    }
}

// === impl Budget ===

impl Budget {
    fn is_full(&mut self, limit: RestartLimit, now: u64) -> bool {
        let within = limit.within().as_millis() as u64;
        self.restarts.retain(|&then| now - then <= within);
        limit.max_restarts().is_some_and(|max| self.restarts.len() >= max as usize)
    }

    fn begins(&mut self, allowed: Allowed, limit: RestartLimit, now: u64) {
        if allowed.at < self.forgiven {
            return;
        }
        let place = self.restarts.iter().position(|&then| then == allowed.at);
        if let Some(place) = place {
            self.restarts.remove(place);
        } else if limit.max_restarts().is_some_and(|max| self.restarts.len() >= max as usize) {
            self.restarts.pop_front();
        }
        self.restarts.push_back(now);
    }
}
