//! A new configuration for a generation that runs: offered, taken over or not.
//!
//! # Invariants
//!
//! 1. The hook runs [beside `run`](crate::beside) and within `start_timeout`: it is the same sort
//!    of work as a start.
//! 2. An offer is answered at most once. A stop, or the end of `run`, comes before the answer, and
//!    then there is none: the next generation has the new configuration anyway.
//! 3. After an error the generation goes on as it was; after a panic or a timeout nobody knows how
//!    it is, and it is replaced.

use std::sync::Arc;
use std::time::Duration;

use processpype_config::{Layer, Report, Section};
use processpype_core::ErrorKind;

use crate::argument::{DescribeConfig, ReadConfig};
use crate::beside::{Hook, Outcome, beside_run};
use crate::config::Config;
use crate::configuration::Configured;
use crate::context::Context;
use crate::error::Result;
use crate::failure::Failure;
use crate::life::Life;
use crate::message::Message;
use crate::service::ErasedService;
use crate::vitals::Stage;

/// What a running service made of a new configuration; see
/// [`Service::reconfigure`](crate::Service::reconfigure).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reconfigured {
    /// It works by the new configuration from now on.
    Applied,
    /// It cannot take it over while it runs: a new generation should begin with it.
    NeedsRestart,
}

/// A new configuration of a service that runs; it has been checked.
///
/// ```
/// # mod processpype { pub use processpype_runtime::*; pub use processpype_config as config; }
/// use processpype::config::Layer;
/// use processpype::{Config, Context, NewConfig, Reconfigured, Result, Service};
/// use schemars::JsonSchema;
/// use serde::Deserialize;
/// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
///
/// #[derive(Deserialize, JsonSchema)]
/// struct CounterConfig { step: u64 }
///
/// struct Counter { step: AtomicU64 }
///
/// impl Service for Counter {
///     async fn reconfigure(&self, _: &Context, new: NewConfig) -> Result<Reconfigured> {
///         let config: Config<CounterConfig> = new.read()?;
///         self.step.store(config.step, Relaxed);
///         Ok(Reconfigured::Applied)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result {
/// let counter = Counter { step: AtomicU64::new(1) };
/// let new = NewConfig::from(Layer::from_json(br#"{"step": 5}"#)?); // in a unit test
/// let cx = Context::detached("counter");
/// assert_eq!(counter.reconfigure(&cx, new).await?, Reconfigured::Applied);
/// assert_eq!(counter.step.load(Relaxed), 5);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct NewConfig {
    section: Section,
    /// Who reads it, and what was checked of it; none in a unit test.
    reader: Option<(Arc<Life>, Arc<Configured>)>,
}

/// What is offered to a generation.
#[derive(Debug)]
pub(crate) struct Offer(pub(crate) Arc<Configured>);

/// What became of an offer.
#[derive(Debug)]
pub(crate) enum Answer {
    Applied,
    NeedsRestart,
    /// The service refused, and goes on as it was.
    Refused(Failure),
    /// The hook panicked or took too long: nobody knows how the service is.
    Broken(Failure),
}

// === impl NewConfig ===

impl NewConfig {
    /// Reads it as the type that the constructor asks for.
    ///
    /// # Errors
    ///
    /// Returns every problem of the section. There is none if `C` is the constructor's type, unless
    /// a secret that it refers to has changed since it was checked.
    pub fn read<C: ReadConfig + DescribeConfig>(&self) -> Result<Config<C>, Report> {
        let read = match &self.reader {
            Some((life, checked)) => life.read::<C>(&self.section, checked),
            None => self.section.read::<C>(),
        };
        read.map(Config::from)
    }
}

impl From<Layer> for NewConfig {
    /// For a unit test of the hook: the section as it would be written, and nothing below it.
    fn from(layer: Layer) -> Self {
        Section::empty("services.test").under(&layer).into()
    }
}

impl From<Section> for NewConfig {
    /// For a unit test of the hook.
    fn from(section: Section) -> Self {
        Self { section, reader: None }
    }
}

/// Offers a new configuration to a service while it runs. Returns how `run` ended, if it did.
///
/// # Cancel safety
///
/// Dropping it drops the hook; there is no answer then.
pub(crate) async fn offer<F: Future + Unpin>(
    cx: &Context,
    service: &dyn ErasedService,
    Offer(offered): Offer,
    running: &mut F,
) -> Option<F::Output> {
    let life = &cx.life;
    let reader = Some((Arc::clone(life), Arc::clone(&offered)));
    let new = NewConfig { section: offered.section.clone(), reader };
    let within = offered.options.start_timeout;
    let hook = Hook { stage: Stage::Reconfigure, within, future: service.reconfigure(cx, new) };
    beside_run(life, running, hook, |outcome| {
        let answer = match outcome {
            Outcome::Returned(Ok(Reconfigured::Applied)) => Answer::Applied,
            Outcome::Returned(Ok(Reconfigured::NeedsRestart)) => Answer::NeedsRestart,
            Outcome::Returned(Err(error)) => {
                Answer::Refused(Failure::from_error(ErrorKind::Failed, "reconfigure", error))
            }
            Outcome::Panicked(panic) => Answer::Broken(Failure::from_panic("reconfigure", &panic)),
            Outcome::TooLong => Answer::Broken(too_long(within)),
        };
        let (id, generation) = (life.cell_id(), life.generation);
        life.report(Message::Reconfigured(id, generation, offered, answer));
    })
    .await
}

fn too_long(within: Duration) -> Failure {
    let within = processpype_config::HumanDuration::from(within);
    let text = format!("reconfigure did not end within {within} (`start_timeout`)");
    Failure::new(ErrorKind::StartTimeout, text)
}
