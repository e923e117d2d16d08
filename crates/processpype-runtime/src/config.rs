//! A service's checked configuration, as an argument of its constructor.
//!
//! # Invariants
//!
//! 1. What is in it was checked before the constructor ran: it fits its schema.
//! 2. Its `Debug` shows the type, never the value.

use std::ops::Deref;
use std::sync::Arc;

/// The configuration of one instance, read from its section of the file and checked before.
///
/// ```
/// # use processpype_runtime as processpype;
/// use processpype::Config;
///
/// struct Counter { step: u64 }
/// # #[allow(dead_code)]
/// struct CounterConfig { step: u64 }
///
/// impl Counter {
///     fn new(config: Config<CounterConfig>) -> Self {
///         Self { step: config.step }
///     }
/// }
///
/// // In a unit test the argument is built by hand.
/// let counter = Counter::new(Config::from(CounterConfig { step: 2 }));
/// assert_eq!(counter.step, 2);
/// ```
///
/// It dereferences to `C`, and clones cheaply: keep it whole, or copy out the fields that matter.
/// It is the configuration of one generation and does not change under it; a restart reads it anew.
///
/// `C` derives `Deserialize` and `JsonSchema`. Limits are written once, as `#[schemars(…)]`, and
/// hold for files, variables and HTTP bodies; doc comments become the texts of schema and errors;
/// secrets are [`Secret<T>`](processpype_config::Secret), and times are
/// [`HumanDuration`](processpype_config::HumanDuration): serde reads a `std::time::Duration` as a
/// map of `secs` and `nanos`. It is a struct with named fields, or a map: a section has keys. A
/// constructor takes at most one; join several with `#[serde(flatten)]`.
pub struct Config<C>(Arc<C>);

// === impl Config ===

impl<C> Config<C> {
    /// Returns the shared value, to keep it.
    #[must_use]
    pub fn into_arc(self) -> Arc<C> {
        self.0
    }
}

impl<C> From<C> for Config<C> {
    fn from(value: C) -> Self {
        Self(Arc::new(value))
    }
}

impl<C> Deref for Config<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.0
    }
}

impl<C> Clone for Config<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> std::fmt::Debug for Config<C> {
    /// Shows the type only: the value may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Config<{}>", std::any::type_name::<C>())
    }
}
