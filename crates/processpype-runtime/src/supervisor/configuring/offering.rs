//! Changes that are offered to a generation that runs, and its answers.
//!
//! # Invariants
//!
//! 1. An offer ends: with an answer, with the generation, or a little after `start_timeout`, since
//!    a generation that blocks its thread can answer nothing. That time counts from when it can be
//!    looked at: one hook runs at a time.
//! 2. An answer counts for the change that it is about, not for one that took its place meanwhile.

use std::sync::Arc;
use std::time::Duration;

use processpype_core::{ErrorKind, Generation, OperationId, ServiceId};
use tokio::time::Instant;

use super::{Change, Stage};
use crate::configuration::{ConfigEffect, Configured, Next};
use crate::diagnosis::DIAGNOSE_TIME;
use crate::failure::Failure;
use crate::operation::Waiting;
use crate::reconfigure::{Answer, Offer};
use crate::supervisor::Supervisor;
use crate::timers::Due;

/// How long after `start_timeout` an answer to an offer may come: the generation may have been
/// asked what is wrong with it, and the answer is on its way for a moment.
const OFFER_SLACK: Duration = DIAGNOSE_TIME.saturating_add(Duration::from_secs(1));

/// How long an answer is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Until when the generation may look at what it looks at now: this offer, or an earlier one.
    looks_until: Instant,
    /// When the answer to this offer must be there.
    answer_by: Instant,
}

// === impl Patience ===

impl Patience {
    /// For an offer that may take `within`, perhaps after an earlier one.
    fn new(within: Duration, behind: Option<Instant>, now: Instant) -> Self {
        match behind.filter(|behind| *behind > now) {
            Some(behind) => Self { looks_until: behind, answer_by: behind + within },
            None => Self { looks_until: now + within, answer_by: now + within },
        }
    }
}

// === impl Stage ===

impl Stage {
    /// Until when a generation may look at an offer.
    pub(super) fn looks_until(&self) -> Option<Instant> {
        match self {
            Self::Offered(_, patience) => Some(patience.looks_until),
            Self::Acting(_) | Self::Back(_) => None,
        }
    }
}

// === impl Supervisor ===

impl Supervisor {
    /// Offers a change to the generation that runs; its answer comes as a message.
    ///
    /// A generation that ends before it has looked at the offer leaves it to the next one.
    pub(super) fn offer_change(&mut self, id: OperationId, mut waiting: Waiting) {
        let service = waiting.service;
        let generation = self.machine.generation(service);
        let Some(life) = self.life(service, generation) else {
            return self.end_change(id, waiting, Ok(ConfigEffect::Kept));
        };
        let Some(change) = &mut waiting.change else { return };
        life.offer(Offer(Arc::clone(&change.new)));
        self.await_answer(id, generation, waiting);
    }

    /// Waits for the answer to an offer, which the generation looks at now or after an earlier one.
    fn await_answer(&mut self, id: OperationId, generation: Generation, mut waiting: Waiting) {
        let Some(change) = &mut waiting.change else { return };
        let within = change.new.options.start_timeout + OFFER_SLACK;
        let now = Instant::now();
        let patience = Patience::new(within, change.behind.take(), now);
        change.stage = Stage::Offered(generation, patience);
        let due = Due::Offer(waiting.service, id);
        self.timers.arm(now, patience.answer_by - now, due);
        self.operations.insert(id, waiting);
    }

    /// Whether this change of a service's configuration is under way.
    pub(in crate::supervisor) fn is_changing(
        &self,
        service: ServiceId,
        operation: OperationId,
    ) -> bool {
        let service = self.services.get(service.index());
        service.is_some_and(|service| service.changing() == Some(operation))
    }

    /// A generation has not answered: it blocks its thread, or it could not even look.
    pub(in crate::supervisor) fn offer_is_over(
        &mut self,
        service: ServiceId,
        operation: OperationId,
    ) {
        if !self.is_changing(service, operation) {
            return;
        }
        let change = self.operations.get(&operation).and_then(|waiting| waiting.change.as_ref());
        if let Some(Stage::Offered(_, patience)) = change.map(|change| &change.stage)
            && patience.answer_by > Instant::now()
        {
            // Its turn came later than was thought; another timer is armed for it.
            return;
        }
        if let Some((id, waiting)) = self.take_offered(service, |_| true) {
            let text = "the service has not answered the new configuration in time; its thread \
                        may be blocked";
            self.go_back(id, waiting, Failure::new(ErrorKind::StartTimeout, text.to_owned()), true);
        }
    }

    /// What became of an offer.
    pub(in crate::supervisor) fn take_answer(
        &mut self,
        service: ServiceId,
        generation: Generation,
        offered: &Arc<Configured>,
        answer: Answer,
    ) {
        let Some((id, mut waiting)) = self.take_offered(service, |it| it == generation) else {
            return;
        };
        if let Answer::Refused(failure) | Answer::Broken(failure) = &answer {
            self.tell_story(service, generation, failure, "a new configuration was not taken");
        }
        let is_this = |change: &Change| Arc::ptr_eq(&change.new, offered);
        if waiting.change.as_deref().is_some_and(is_this) {
            return match answer {
                Answer::Applied => self.end_change(id, waiting, Ok(ConfigEffect::Applied)),
                Answer::NeedsRestart => self.act_on_change(id, waiting, Next::Restart),
                Answer::Refused(failure) => {
                    let failure = self.launch.scrub.failure(failure);
                    self.go_back(id, waiting, failure, false);
                }
                Answer::Broken(failure) => {
                    let failure = self.launch.scrub.failure(failure);
                    self.go_back(id, waiting, failure, true);
                }
            };
        }
        // It is about an earlier offer, whose place this one took; this one is still to come.
        match (answer, &mut waiting.change) {
            (Answer::Broken(_), _) => return self.act_on_change(id, waiting, Next::Restart),
            (Answer::Applied, Some(change)) => change.old = Arc::clone(offered),
            (Answer::Applied | Answer::NeedsRestart | Answer::Refused(_), _) => {}
        }
        self.await_answer(id, generation, waiting);
    }

    /// A generation leaves `running`: what was offered to it is for its successor.
    pub(in crate::supervisor) fn keep_offered(&mut self, service: ServiceId) {
        if let Some((id, waiting)) = self.take_offered(service, |_| true) {
            self.end_change(id, waiting, Ok(ConfigEffect::Kept));
        }
    }

    /// Takes the operation whose change a generation of the service is looking at.
    pub(super) fn take_offered(
        &mut self,
        service: ServiceId,
        is_meant: impl Fn(Generation) -> bool,
    ) -> Option<(OperationId, Waiting)> {
        let id = self.services[service.index()].changing()?;
        let stage = &self.operations.get(&id)?.change.as_ref()?.stage;
        match stage {
            Stage::Offered(generation, _) if is_meant(*generation) => {
                Some((id, self.operations.remove(&id)?))
            }
            Stage::Offered(..) | Stage::Acting(_) | Stage::Back(_) => None,
        }
    }
}
