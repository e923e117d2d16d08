//! What somebody wants to change in the configuration of a service.
//!
//! # Invariants
//!
//! 1. What becomes of the layer and what follows for the service are two choices: none stands for
//!    the other.

use processpype_config::Layer;

/// What somebody wants to change in the configuration of a service; see
/// [`Manager::configure`](crate::Manager::configure).
///
/// ```
/// # mod processpype { pub use processpype_runtime::*; pub use processpype_config as config; }
/// use processpype::config::Layer;
/// use processpype::{CommandError, ConfigChange, ConfigureError, Manager, Operation, Request};
///
/// /// `step` is set; what came over the API for `name` before is taken out.
/// async fn quicker(manager: &Manager) -> Result<Operation, ConfigureError> {
///     let layer = Layer::from_json(br#"{"step": 5, "name": null}"#).expect("it is JSON");
///     let change = ConfigChange::patch(layer).started();      // and runs with it
///     manager.configure("ticker", change, Request::by("scaler").because("a queue")).await
/// }
/// ```
///
/// Opaque, so that changes can get more choices.
#[derive(Clone, Debug)]
#[must_use = "a change does nothing until it is given to `Manager::configure`"]
pub struct ConfigChange {
    pub(crate) layer: LayerChange,
    /// Whether a service that does not run starts with it.
    pub(crate) starts: bool,
}

/// What becomes of what came over the API before.
#[derive(Clone, Debug, Hash)]
pub(crate) enum LayerChange {
    Put(Layer),
    Patch(Layer),
    Remove,
}

// === impl ConfigChange ===

impl ConfigChange {
    /// This takes the place of all that came over the API before.
    pub fn put(layer: Layer) -> Self {
        Self { layer: LayerChange::Put(layer), starts: false }
    }

    /// This changes what came over the API before, as a JSON Merge Patch does.
    pub fn patch(layer: Layer) -> Self {
        Self { layer: LayerChange::Patch(layer), starts: false }
    }

    /// Nothing that came over the API holds any more.
    pub fn remove() -> Self {
        Self { layer: LayerChange::Remove, starts: false }
    }

    /// Starts the service with it, if it does not run.
    pub fn started(mut self) -> Self {
        self.starts = true;
        self
    }
}
