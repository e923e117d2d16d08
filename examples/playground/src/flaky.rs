//! A service that fails on purpose: at start, by a panic, by an error, or by ending unasked.

use std::sync::Arc;
use std::time::Duration;

use processpype::config::HumanDuration;
use processpype::{Config, Context, Error, Result, Routes, Service};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::status;

/// How and when it fails. Durations count from the moment a generation runs; the earliest one
/// decides.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct FlakyConfig {
    /// How many of the first starts fail.
    fail_start: u64,
    /// When a generation panics.
    panic_after: Option<HumanDuration>,
    /// When a generation ends with an error.
    error_after: Option<HumanDuration>,
    /// When a generation ends without an error, although nobody asked: with `oneshot: true`, its
    /// success.
    complete_after: Option<HumanDuration>,
    /// After how many generations it is healed: every later one behaves. Without it, it never
    /// heals.
    heal_after: Option<u64>,
}

/// Fails as it is told to, until it is healed.
pub(crate) struct Flaky {
    config: Config<FlakyConfig>,
}

/// One way to end without being asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lapse {
    Panic,
    Error,
    Complete,
}

// === impl Flaky ===

impl Flaky {
    pub(crate) fn new(config: Config<FlakyConfig>) -> Self {
        Self { config }
    }
}

impl Service for Flaky {
    async fn start(&self, cx: &Context) -> Result {
        let generation = cx.generation().0;
        if self.config.fails_start(generation) {
            let planned = self.config.fail_start;
            return Err(Error::public(format!(
                "start {generation} fails as planned: the first {planned} do"
            )));
        }
        Ok(())
    }

    async fn run(&self, cx: &Context) -> Result {
        let Some((after, lapse)) = self.config.lapse(cx.generation().0) else {
            cx.stopping().await;
            return Ok(());
        };
        if cx.sleep(after).await { lapse.happen(after) } else { Ok(()) }
    }

    fn routes(self: Arc<Self>) -> Routes {
        status::router().into()
    }
}

// === impl FlakyConfig ===

impl FlakyConfig {
    fn fails_start(&self, generation: u64) -> bool {
        !self.is_healed(generation) && generation <= self.fail_start
    }

    /// Returns what ends this generation, and when; `None` if it behaves.
    fn lapse(&self, generation: u64) -> Option<(Duration, Lapse)> {
        if self.is_healed(generation) {
            return None;
        }
        let lapses = [
            (self.panic_after, Lapse::Panic),
            (self.error_after, Lapse::Error),
            (self.complete_after, Lapse::Complete),
        ];
        let planned = lapses.into_iter().filter_map(|(after, lapse)| Some((after?.get(), lapse)));
        planned.min_by_key(|(after, _)| *after)
    }

    fn is_healed(&self, generation: u64) -> bool {
        self.heal_after.is_some_and(|heal_after| generation > heal_after)
    }
}

// === impl Lapse ===

impl Lapse {
    #[allow(clippy::panic, reason = "a service that panics is what this kind is for")]
    fn happen(self, after: Duration) -> Result {
        match self {
            Self::Panic => panic!("panic after {after:?}, as planned"),
            Self::Error => Err(Error::public(format!("error after {after:?}, as planned"))),
            Self::Complete => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Duration = Duration::from_secs(1);

    fn config(change: impl FnOnce(&mut FlakyConfig)) -> FlakyConfig {
        let mut config = FlakyConfig::default();
        change(&mut config);
        config
    }

    #[track_caller]
    fn check(config: &FlakyConfig, generation: u64, starts: bool, lapse: Option<Lapse>) {
        assert_eq!(!config.fails_start(generation), starts, "start of {generation}");
        assert_eq!(config.lapse(generation).map(|(_, lapse)| lapse), lapse, "end of {generation}");
    }

    #[test]
    fn without_configuration_it_behaves() {
        check(&FlakyConfig::default(), 1, true, None);
    }

    #[test]
    fn the_first_starts_fail() {
        let config = config(|config| config.fail_start = 2);
        check(&config, 2, false, None);
        check(&config, 3, true, None);
    }

    #[test]
    fn the_earliest_lapse_decides() {
        let config = config(|config| {
            config.panic_after = Some((ONE * 2).into());
            config.error_after = Some(ONE.into());
        });
        check(&config, 1, true, Some(Lapse::Error));
    }

    #[test]
    fn healing_ends_all_of_it() {
        let config = config(|config| {
            config.fail_start = 9;
            config.complete_after = Some(ONE.into());
            config.heal_after = Some(3);
        });
        check(&config, 3, false, Some(Lapse::Complete));
        check(&config, 4, true, None);
    }
}
