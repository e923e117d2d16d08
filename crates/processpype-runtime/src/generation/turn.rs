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
//! a later version does otherwise, nothing is lost but the time that this saves. A few are taken in
//! one go: the compiler keeps the count at hand then, and does not fetch it again for each.

use std::mem::ManuallyDrop;
use std::task::Context;

use tokio::task::coop;

/// How many pieces are taken at most; tokio gives 128 to a turn.
const PIECES_MAX: usize = 256;

/// How many are taken at a time, and how often without a look at whether there are any left: of a
/// turn in which a generation fails little is used.
const AT_ONCE: usize = 16;
const UNLOOKED: usize = 6;

/// Uses up what is left of the turn of the task that is polled.
pub(super) fn use_up(task: &mut Context<'_>) {
    for _ in 0..UNLOOKED {
        if !(0..AT_ONCE).all(|_| take_piece(task)) {
            return;
        }
    }
    for _ in UNLOOKED * AT_ONCE..PIECES_MAX {
        if !coop::has_budget_remaining() || !take_piece(task) {
            return;
        }
    }
}

/// Takes a piece; returns whether there was one. Who finds none is woken, for nothing.
fn take_piece(task: &mut Context<'_>) -> bool {
    // Dropped, it would be given back.
    coop::poll_proceed(task).map(ManuallyDrop::new).is_ready()
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use super::*;

    #[tokio::test]
    async fn nothing_is_left_of_a_turn_whatever_was_used_before() {
        for used in [0, 1, 20, 100, 127, 128, 200] {
            // Another turn.
            tokio::task::yield_now().await;
            let left = poll_fn(|task| {
                assert!(coop::has_budget_remaining());
                for _ in 0..used {
                    take_piece(task);
                }
                use_up(task);
                Poll::Ready(coop::has_budget_remaining())
            });
            assert!(!left.await, "{used} were used before");
        }
    }
}
