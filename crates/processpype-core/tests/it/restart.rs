//! Backoff and restart history against plain oracles, on random input.

use std::time::Duration;

use processpype_core::{
    Backoff, MAX_RESTARTS, RestartHistory, RestartLimit, RestartOptions, Verdict,
};
use proptest::prelude::*;

fn any_backoff() -> impl Strategy<Value = Backoff> {
    let times = (1..100_000_u64, 0..10_000_000_u64);
    (times, 1.0..10.0_f64, 0.0..=1.0_f64).prop_map(|((initial, more), factor, jitter)| {
        let initial = Duration::from_millis(initial);
        let max = initial + Duration::from_millis(more);
        Backoff::new(initial, max, factor, jitter).expect("made within the rules")
    })
}

fn limited(max_restarts: u32, within: u64, reset_after: u64) -> RestartOptions {
    let within = Duration::from_millis(within);
    RestartOptions {
        limit: RestartLimit::new(max_restarts, within).expect("made within the rules"),
        reset_after: Duration::from_millis(reset_after),
        ..RestartOptions::default()
    }
}

proptest! {
    #[test]
    fn a_delay_is_never_nothing_and_never_above_its_maximum(
        backoff in any_backoff(),
        attempt: u32,
        chance in prop_oneof![0.0..=1.0_f64, any::<f64>()],
    ) {
        let delay = backoff.delay(attempt, chance);
        prop_assert!(!delay.is_zero());
        prop_assert!(delay <= backoff.max());
    }

    #[test]
    fn delays_grow_with_attempts_and_shrink_with_chance(
        backoff in any_backoff(),
        attempt in 0..100_u32,
        (less, more) in (0.0..=1.0_f64, 0.0..=1.0_f64).prop_map(|(a, b)| (a.min(b), a.max(b))),
    ) {
        prop_assert!(backoff.delay(attempt, less) <= backoff.delay(attempt + 1, less));
        prop_assert!(backoff.delay(attempt, more) <= backoff.delay(attempt, less));
    }

    #[test]
    fn a_delay_is_as_the_formula_says(backoff in any_backoff(), attempt in 1..20_u32) {
        let mut base = backoff.initial().as_secs_f64();
        for _ in 1..attempt {
            base = (base * backoff.factor()).min(backoff.max().as_secs_f64());
        }
        let near = |delay: Duration, expected: f64| {
            // A millisecond is the least delay; the rest is rounding.
            (delay.as_secs_f64() - expected).abs() < 0.001_1 + expected * 1e-9
        };
        prop_assert!(near(backoff.delay(attempt, 0.0), base));
        prop_assert!(near(backoff.delay(attempt, 0.5), base * (1.0 - backoff.jitter() / 2.0)));
    }

    /// In any period there are no more restarts than allowed, and one is refused only for that.
    #[test]
    fn no_period_has_more_restarts_than_the_limit(
        pauses in prop::collection::vec(0..40_u64, 0..60),
        max_restarts in 0..6_u32,
        within in 1..100_u64,
    ) {
        let options = limited(max_restarts, within, 1);
        let mut history = RestartHistory::default();
        let (mut now, mut granted): (u64, Vec<u64>) = (0, Vec::new());
        for pause in pauses {
            now += pause;
            let recent = granted.iter().filter(|&&then| now - then <= within).count();
            let verdict = history.record(now, None, &options);
            let allowed = recent < max_restarts as usize;
            prop_assert_eq!(verdict != Verdict::Exhausted, allowed);
            if allowed {
                granted.push(now);
            }
            prop_assert!(history.counted() <= max_restarts as usize);
        }
    }

    /// The same of beginnings, however long each restart was held after its verdict.
    #[test]
    fn no_period_has_more_beginnings_than_the_limit(
        steps in prop::collection::vec((0..40_u64, prop_oneof![0..9_u64, 0..300_u64]), 0..60),
        max_restarts in 0..6_u32,
        within in 1..100_u64,
    ) {
        let options = limited(max_restarts, within, 1);
        let mut history = RestartHistory::default();
        let (mut now, mut begun): (u64, Vec<u64>) = (0, Vec::new());
        for (runs, held) in steps {
            now += runs;
            let recent = begun.iter().filter(|&&then| now - then <= within).count();
            let verdict = history.record(now, None, &options);
            let allowed = recent < max_restarts as usize;
            prop_assert_eq!(verdict != Verdict::Exhausted, allowed);
            if allowed {
                history.began(now, now + held, &options);
                now += held;
                begun.push(now);
            }
        }
        let too_many = begun.windows(max_restarts as usize + 1);
        prop_assert!(too_many.map(|all| all[all.len() - 1] - all[0]).all(|took| took > within));
    }

    #[test]
    fn attempts_count_the_failures_in_a_row(
        healthy in prop::collection::vec(prop::option::of(0..20_u64), 0..60),
        reset_after in 1..20_u64,
    ) {
        let options =
            RestartOptions { limit: RestartLimit::NONE, ..limited(0, 1, reset_after) };
        let mut history = RestartHistory::default();
        let (mut now, mut expected) = (0, 0);
        for healthy in healthy {
            let since = healthy.map(|_| now);
            now += healthy.unwrap_or(1);
            let resets = healthy.is_some_and(|healthy| healthy >= reset_after);
            expected = if resets { 1 } else { expected + 1 };
            let verdict = history.record(now, since, &options);
            prop_assert_eq!(verdict, Verdict::Again { attempt: expected });
            prop_assert_eq!(history.counted(), 0);
        }
    }
}

#[test]
fn a_history_is_bounded_by_its_name() {
    let options = limited(MAX_RESTARTS, 1_000_000, 1);
    let mut history = RestartHistory::default();
    let granted =
        (0..5_000).filter(|&now| history.record(now, None, &options) != Verdict::Exhausted);
    assert_eq!(granted.count(), MAX_RESTARTS as usize);
    assert_eq!(history.counted(), MAX_RESTARTS as usize);
    // Verdicts that were forgotten before their restarts began, as in a group that waits for long.
    (0..5_000).for_each(|now| history.began(u64::MAX, now, &options));
    assert_eq!(history.counted(), MAX_RESTARTS as usize);
}

#[test]
fn the_default_delays_of_a_whole_budget_fit_in_its_period() {
    let (backoff, limit) = (Backoff::default(), RestartLimit::default());
    let attempts = 1..=limit.max_restarts().unwrap_or(0);
    let total: Duration = attempts.map(|attempt| backoff.delay(attempt, 0.0)).sum();
    assert_eq!(total, Duration::from_millis(15_500));
    assert!(total < limit.within(), "or a failing service would never be exhausted");
}
