//! The throttle against what it promises, on random input.

use std::time::Duration;

use processpype_core::{RestartRate, RestartThrottle};
use proptest::prelude::*;

/// What was asked for when, and when it was granted, in nanoseconds.
struct Granted {
    asked: u128,
    at: u128,
}

/// Asks at these times and returns the grants.
fn granted(rate: RestartRate, pauses: &[u64]) -> Vec<Granted> {
    let mut throttle = RestartThrottle::new(rate);
    let mut now = 0;
    let grant = |pause: &u64| {
        now += pause;
        let asked = Duration::from_millis(now).as_nanos();
        Granted { asked, at: asked + throttle.reserve(now).as_nanos() }
    };
    pauses.iter().map(grant).collect()
}

fn any_rate() -> impl Strategy<Value = RestartRate> {
    (0.01..=10_000.0_f64, 1..12_u32)
        .prop_map(|(per_second, burst)| RestartRate::new(per_second, burst).expect("in range"))
}

fn any_pauses() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(prop_oneof![3 => Just(0), 2 => 0..50_u64, 1 => 0..20_000_u64], 0..80)
}

proptest! {
    /// The window that is tightest begins and ends with a grant, so those are all to look at.
    #[test]
    fn no_window_has_more_grants_than_burst_and_rate_allow(
        rate in any_rate(),
        pauses in any_pauses(),
    ) {
        let (interval, burst) = (rate.interval().as_nanos(), u128::from(rate.burst()));
        let grants = granted(rate, &pauses);
        for (first, from) in grants.iter().enumerate() {
            for (count, to) in (1..).zip(&grants[first..]) {
                let window = to.at - from.at;
                prop_assert!(u128::saturating_sub(count, burst) * interval <= window);
            }
        }
    }

    #[test]
    fn grants_keep_the_order_of_asking_and_are_never_before_it(
        rate in any_rate(),
        pauses in any_pauses(),
    ) {
        let grants = granted(rate, &pauses);
        prop_assert!(grants.iter().all(|grant| grant.at >= grant.asked));
        prop_assert!(grants.windows(2).all(|pair| pair[0].at <= pair[1].at));
    }

    /// Nobody waits without need: whoever does would, one nanosecond sooner, break a window.
    #[test]
    fn a_grant_is_as_early_as_the_rate_allows(rate in any_rate(), pauses in any_pauses()) {
        let (interval, burst) = (rate.interval().as_nanos(), u128::from(rate.burst()));
        let grants = granted(rate, &pauses);
        for (last, grant) in grants.iter().enumerate().filter(|(_, it)| it.at > it.asked) {
            let full = |(first, from): (usize, &Granted)| {
                let count = (last - first + 1) as u128;
                count > burst && grant.at - from.at == (count - burst) * interval
            };
            prop_assert!(grants[..last].iter().enumerate().any(full));
        }
    }

    /// The longest wait of services that each wait for one restart.
    #[test]
    fn together_they_wait_no_longer_than_their_number_by_the_rate(
        rate in any_rate(),
        services in 1..200_u32,
    ) {
        let grants = granted(rate, &vec![0; services as usize]);
        let longest = grants.iter().map(|grant| grant.at - grant.asked).max();
        let late = u128::from(services.saturating_sub(rate.burst()));
        prop_assert_eq!(longest, Some(late * rate.interval().as_nanos()));
    }
}
