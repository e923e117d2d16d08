//! What a generation is told while it lives: that it should end, or that another configuration is
//! there for it.
//!
//! # Invariants
//!
//! 1. A stop that was asked for comes before everything else, an offer after everything else.
//! 2. What was told once is not told again, but for the stop, which stays true.

use tokio::time::Instant;

use super::Life;
use crate::bell::Ring as _;
use crate::diagnosis::{ASKERS_MAX, Finding, Question};
use crate::failure::Failure;
use crate::reconfigure::Offer;

/// What ends a phase of a generation before its time.
#[derive(Debug)]
pub(crate) enum Interruption {
    /// It should stop, and be gone by then.
    Asked(Instant),
    ChildFailed(Failure),
}

/// What a generation that runs is told.
#[derive(Debug)]
pub(crate) enum Call {
    /// It should not go on.
    Interrupted(Interruption),
    /// Here is a new configuration.
    Offered(Offer),
    /// Somebody asks what is wrong with it.
    Asked(Vec<Question>),
}

// === impl Life ===

impl Life {
    /// Whether the generation should stop, or a child has failed; a stop that was asked for comes
    /// first. Its own task is woken for both, and looks.
    pub(crate) fn interruption(&self) -> Option<Interruption> {
        let mut control = self.told()?;
        let asked = control.stop_by().map(Interruption::Asked);
        asked.or_else(|| control.take_child_failure().map(Interruption::ChildFailed))
    }

    /// What the generation is to look at next: that it is interrupted, or offered a new
    /// configuration; offers come last. Its own task is woken for each, and looks.
    pub(crate) fn call(&self) -> Option<Call> {
        let mut control = self.told()?;
        if let Some(by) = control.stop_by() {
            return Some(Call::Interrupted(Interruption::Asked(by)));
        }
        if let Some(failure) = control.take_child_failure() {
            return Some(Call::Interrupted(Interruption::ChildFailed(failure)));
        }
        let more = control.more.as_mut()?;
        if let Some(offer) = more.offer.take() {
            return Some(Call::Offered(offer));
        }
        let is_asked = !more.questions.is_empty();
        is_asked.then(|| Call::Asked(std::mem::take(&mut more.questions)))
    }

    /// Resolves when the generation is interrupted; who interrupts is still to be asked.
    pub(crate) fn disturbed(&self) -> impl Future<Output = ()> + '_ {
        self.until(|life| {
            let control = life.told()?;
            let more = control.more.as_ref();
            let has_failure = more.is_some_and(|more| more.child_failure.is_some());
            (control.stop_by().is_some() || has_failure).then_some(())
        })
    }

    /// Offers a new configuration, in place of one that was not seen yet. Supervisor only.
    pub(crate) fn offer(&self, offer: Offer) {
        self.tell().more().offer = Some(offer);
        self.changed.ring();
    }

    /// Asks what is wrong with the service; who comes after too many others that still wait is
    /// told just that.
    pub(crate) fn ask(&self, question: Question) {
        let mut control = self.tell();
        let questions = &mut control.more().questions;
        if questions.len() >= ASKERS_MAX {
            // A service that hangs has not looked for long, and they have given up.
            questions.retain(Question::is_open);
        }
        if questions.len() >= ASKERS_MAX {
            drop(control);
            return question.answer(vec![Finding::crowded()]);
        }
        questions.push(question);
        drop(control);
        self.changed.ring();
    }
}
