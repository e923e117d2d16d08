//! Limits of the whole application on what its services do together.
//!
//! # Invariants
//!
//! 1. What code says here is the least that counts: the section `app` of the file lies over it, key
//!    by key.
//! 2. What an operator asks for is never held back by the limit on restarts.

use processpype_core::RestartRate;
use processpype_runtime::STARTS_AT_ONCE;
use serde::Deserialize;

use crate::application::Application;
use crate::settings::AppSection;

/// How much may happen at a time, over all services.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How many generations may be starting at once.
    pub(crate) starts_at_once: usize,
    /// How many failed services are started again in what time.
    pub(crate) restart_rate: RestartRate,
}

/// How many failed services are started again in what time, over the whole application.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct RestartRateSection {
    /// How many per second, once the burst is used up. Default: 100.
    #[cfg_attr(test, schemars(range(min = 0.01, max = 10000.0)))]
    pub(crate) per_second: Option<f64>,
    /// How many at once after a quiet time. Default: 100.
    #[cfg_attr(test, schemars(range(min = 1, max = 100_000)))]
    pub(crate) burst: Option<u32>,
}

impl Application {
    /// Bounds how many services may be starting at once. Default: 1024; 0 counts as 1.
    ///
    /// Starting is the time in the constructor and `start`; those beyond the bound wait for their
    /// turn, which takes nothing from their `start_timeout`. In the file it is
    /// `app.max_concurrent_starts`.
    ///
    /// Lower it where starting is expensive: when each service loads a model or opens its
    /// connections, a few at a time are done sooner than all together.
    ///
    /// ```
    /// use std::time::Duration;
    /// use processpype::testing::{self, Act, Probe, Script};
    /// use processpype::{Application, ServiceState};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> processpype::Result {
    /// let start = Act::Succeed(Duration::from_secs(1));
    /// let slow = Probe::new(vec![Script { start, ..Script::default() }]);
    /// let app = Application::new().service(slow.service()).named("a");
    /// let app = app.service(slow.service()).named("b").max_concurrent_starts(1);
    /// let app = testing::begin(app)?;
    /// app.wait("a", ServiceState::Starting).await?;
    /// assert_eq!(app.manager().state("b"), Some(ServiceState::Stopped), "not its turn yet");
    /// app.wait("b", ServiceState::Running).await?;
    /// # app.stop().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_concurrent_starts(mut self, services: usize) -> Self {
        self.limits.starts_at_once = services;
        self
    }

    /// Bounds how many failed services are started again in what time, over the whole application.
    /// Default: 100 at once, then 100 per second.
    ///
    /// A restart comes at the later of its service's backoff and its turn here, first come, first
    /// served. What an operator starts takes no turn. In the file it is `app.restart_rate`.
    ///
    /// ```
    /// use processpype::testing::{self, Act, Probe, Script};
    /// use processpype::{Application, RestartRate};
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> processpype::Result {
    /// let run = Act::Fail(Duration::from_secs(1));
    /// let fails = Probe::new(vec![Script { run, ..Script::default() }, Script::default()]);
    /// let app = Application::new().restart_rate(RestartRate::new(0.1, 1)?);
    /// let app = app.service(fails.service()).named("a").service(fails.service()).named("b");
    /// let app = testing::start(app).await?;
    /// tokio::time::sleep(Duration::from_secs(3)).await;
    /// let held = |name| app.manager().status(name).unwrap().restart.is_some_and(|it| it.held);
    /// assert!(held("a") != held("b"), "one is back, the other has to wait ten seconds");
    /// # app.stop().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn restart_rate(mut self, rate: RestartRate) -> Self {
        self.limits.restart_rate = rate;
        self
    }
}

// === impl Limits ===

impl Limits {
    /// Lays what the file says over these.
    pub(crate) fn under(self, app: &AppSection) -> Self {
        let code = self.restart_rate;
        let starts = app.max_concurrent_starts.map(|starts| starts as usize);
        let per_second = app.restart_rate.per_second.unwrap_or(code.per_second());
        let burst = app.restart_rate.burst.unwrap_or(code.burst());
        Self {
            starts_at_once: starts.unwrap_or(self.starts_at_once).max(1),
            restart_rate: RestartRate::new(per_second, burst)
                .expect("the schema of the section has the same ranges"),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { starts_at_once: STARTS_AT_ONCE, restart_rate: RestartRate::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(app: &str, expected: (usize, f64, u32)) {
        let code = RestartRate::new(7.0, 8).expect("within the rules");
        let application = Application::new().max_concurrent_starts(9).restart_rate(code);
        let yaml = processpype_config::Format::Yaml;
        let text = format!("app: {{{app}}}");
        let setup = application.config_text("app.yaml", yaml, text).environment([]).setup();
        let Limits { starts_at_once, restart_rate } = setup.expect("it is valid").limits;
        assert_eq!((starts_at_once, restart_rate.per_second(), restart_rate.burst()), expected);
    }

    #[test]
    fn the_file_lies_over_the_code_key_by_key() {
        check("", (9, 7.0, 8));
        check("max_concurrent_starts: 2", (2, 7.0, 8));
        check("restart_rate: {per_second: 0.01}", (9, 0.01, 8));
        check("restart_rate: {per_second: 10000, burst: 100000}", (9, 10_000.0, 100_000));
    }
}
