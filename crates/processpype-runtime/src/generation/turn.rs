//! The end of a turn: whom a generation has woken last stands in the queue.
//!
//! # Why a turn is used up
//!
//! Whom a task wakes, tokio polls next on the same thread, ahead of its queue. A service that
//! fails wakes the loop, which begins the next generation, which fails: they hand a turn to each
//! other like that, and tokio ends it by force after the third of them. It then puts whoever is
//! next into the queue and wakes another thread for it. That is a call of the kernel for every
//! second restart although there is nothing to share, and as long as the other thread looks for
//! work, loop and service go from one core to the other.
//!
//! A turn whose budget is used up ends by itself: who is next stands in the queue, where any thread
//! that is awake takes it from, and nobody is woken for it.
//!
//! Tokio has no word for that, so the budget is taken piece by piece, some hundred of them. Where
//! a later version does otherwise, nothing is lost but the time that this saves.

use std::mem::ManuallyDrop;
use std::task::{Context, Poll};

use tokio::task::coop;

/// How many pieces are taken at most; tokio gives 128 to a turn.
const PIECES_MAX: usize = 256;

/// Uses up what is left of the turn of the task that is polled.
pub(super) fn use_up(task: &mut Context<'_>) {
    for _ in 0..PIECES_MAX {
        if !coop::has_budget_remaining() {
            return;
        }
        if let Poll::Ready(piece) = coop::poll_proceed(task) {
            // Dropped, it would be given back.
            let _ = ManuallyDrop::new(piece);
        }
    }
}
