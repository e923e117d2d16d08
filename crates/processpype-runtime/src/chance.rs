//! Random numbers for jitter, from a seed that comes in as an argument.
//!
//! # Invariants
//!
//! 1. The same seed gives the same numbers, so that a run can be repeated.
//! 2. Nothing secret is made from them.

use std::hash::{BuildHasher as _, RandomState};

/// SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014).
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

// === impl Chance ===

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns a number from 0 to 1, 1 excluded.
    pub(crate) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        // 53 bits fit into an f64 exactly.
        (z >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Returns a seed that differs between processes, so that a fleet does not retry in step.
pub(crate) fn random_seed() -> u64 {
    RandomState::new().hash_one(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_its_numbers_again_and_all_lie_from_0_to_1() {
        let numbers = |seed| {
            let mut chance = Chance::new(seed);
            (0..1000).map(|_| chance.next()).collect::<Vec<_>>()
        };
        assert_eq!(numbers(1), numbers(1));
        assert_ne!(numbers(1), numbers(2));
        assert!(numbers(1).iter().all(|number| (0.0..1.0).contains(number)));
        let mean = numbers(1).iter().sum::<f64>() / 1000.0;
        assert!((0.45..0.55).contains(&mean), "{mean}");
    }
}
