//! A service that runs all the time, and says how well.

use std::sync::Arc;
use std::time::Duration;

use processpype::config::HumanDuration;
use processpype::{Config, Context, Result, Routes, Service};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::status;

/// What it says, and when. Durations count from the moment a generation runs.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct MoodyConfig {
    /// When it is ready; without it, from the first moment.
    ready_after: Option<HumanDuration>,
    /// When it is degraded.
    degraded_after: Option<HumanDuration>,
    /// When it is not ready any more.
    unready_after: Option<HumanDuration>,
}

/// Says of itself that it is ready, degraded and unready, each in its time.
pub(crate) struct Moody {
    config: Config<MoodyConfig>,
}

/// One thing to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Ready,
    Degraded,
    Unready,
}

// === impl MoodyConfig ===

impl MoodyConfig {
    /// Returns what to say, in order of time.
    fn moods(&self) -> Vec<(Duration, Mood)> {
        let moods = [
            (self.ready_after, Mood::Ready),
            (self.degraded_after, Mood::Degraded),
            (self.unready_after, Mood::Unready),
        ];
        let said = moods.into_iter().filter_map(|(after, mood)| after.map(|it| (it.get(), mood)));
        let mut said: Vec<(Duration, Mood)> = said.collect();
        said.sort_by_key(|(after, _)| *after);
        said
    }
}

// === impl Moody ===

impl Moody {
    pub(crate) fn new(config: Config<MoodyConfig>) -> Self {
        Self { config }
    }
}

impl Service for Moody {
    async fn start(&self, cx: &Context) -> Result {
        cx.ready(self.config.ready_after.is_none());
        Ok(())
    }

    async fn run(&self, cx: &Context) -> Result {
        let mut passed = Duration::ZERO;
        for (after, mood) in self.config.moods() {
            if !cx.sleep(after - passed).await {
                return Ok(());
            }
            passed = after;
            match mood {
                Mood::Ready => cx.ready(true),
                Mood::Degraded => cx.degraded("the cache is cold: answers are slow"),
                Mood::Unready => cx.ready(false),
            }
        }
        cx.stopping().await;
        Ok(())
    }

    fn routes(self: Arc<Self>) -> Routes {
        status::router().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Duration = Duration::from_secs(1);

    #[track_caller]
    fn check(config: &MoodyConfig, expected: &[(Duration, Mood)]) {
        assert_eq!(config.moods(), expected);
    }

    #[test]
    fn what_is_not_set_is_not_said_and_the_rest_in_order() {
        check(&MoodyConfig::default(), &[]);
        let config = MoodyConfig {
            ready_after: Some((ONE * 3).into()),
            unready_after: Some(ONE.into()),
            ..MoodyConfig::default()
        };
        check(&config, &[(ONE, Mood::Unready), (ONE * 3, Mood::Ready)]);
    }
}
