//! A wait that did not end, with all that is known about why.

use std::fmt;

use processpype_core::ServiceState;

/// A wait in a test that did not end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WaitError {
    /// The service.
    pub service: String,
    /// What was waited for.
    pub wanted: ServiceState,
    /// What it was at the end; `None` if there is no such service.
    pub state: Option<ServiceState>,
    /// What is wrong with it: what its last generation failed with, causes included, or what its
    /// status shows.
    pub error: Option<String>,
    /// The services that it waits for.
    pub waiting_on: Vec<String>,
}

// === impl WaitError ===

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, wanted, state, error, waiting_on } = self;
        let state = match state {
            None => return write!(f, "there is no service `{service}`"),
            Some(ServiceState::Error) => "in error",
            Some(state) => state.as_str(),
        };
        write!(f, "`{service}` did not become {wanted}: it is {state}")?;
        if !waiting_on.is_empty() {
            write!(f, ", and waits for `{}`", waiting_on.join("`, `"))?;
        }
        error.as_ref().map_or(Ok(()), |error| write!(f, " ({error})"))
    }
}

impl std::error::Error for WaitError {}
