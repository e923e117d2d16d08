//! From the name of a service to its living instance.
//!
//! # Invariants
//!
//! 1. What is given is what a [`Dep`](crate::Dep) gives: an instance from the moment its `start`
//!    succeeded until its stop begins, held only for one use.
//! 2. A type that a service never has is told as that, whatever state it is in.

use std::any::{TypeId, type_name};
use std::fmt;
use std::sync::Arc;

use processpype_core::ServiceName;

use crate::dep::Ref;
use crate::error::Unavailable;
use crate::manager::Manager;

/// Why [`Manager::get`] gives no instance.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GetError {
    /// There is no service of this name.
    Unknown {
        /// The name asked for.
        name: String,
    },
    /// The service is of another type.
    OtherType {
        /// The service.
        service: ServiceName,
        /// The type asked for.
        asked: &'static str,
        /// The type that it is of. A task is of none that could be asked for: this is the function.
        found: &'static str,
    },
    /// The service is not there now.
    Unavailable(Unavailable),
}

// === impl Manager ===

impl Manager {
    /// Returns the living instance of a service, by its name and its own type.
    ///
    /// For the code around an application: the program that embeds it, a test. A service takes a
    /// [`Dep`](crate::Dep) instead: that is a declared edge, which orders start and stop, finds
    /// what was provided as a trait object, and waits.
    ///
    /// The [`Ref`] is for one use: it does not keep the service from stopping, and a restart makes
    /// another instance. Ask again for the next piece of work.
    ///
    /// ```
    /// # use processpype_runtime as processpype;
    /// use processpype::{GetError, Manager};
    ///
    /// struct Counter(u64);
    ///
    /// fn count(manager: &Manager) -> Result<u64, GetError> {
    ///     Ok(manager.get::<Counter>("counter")?.0)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`GetError`] if there is no such service, if it is of another type (whether it runs
    /// or not), or if it does not run. The last one is an [`Unavailable`] with the state it is in,
    /// also as the source of the error.
    pub fn get<S: Send + Sync + 'static>(&self, name: &str) -> Result<Ref<'_, S>, GetError> {
        let found = self.look(name, |cell| {
            let published = cell.instance();
            let Some(published) = published.as_deref().and_then(Option::as_ref) else {
                return Err(GetError::Unavailable(cell.unavailable()));
            };
            let instance = Arc::clone(&published.instance).downcast::<S>();
            instance.map(Ref::new).map_err(|_| GetError::Unavailable(cell.unavailable()))
        });
        match found {
            Some(Err(away)) => Err(self.of_other_type::<S>(name).unwrap_or(away)),
            Some(Ok(instance)) => Ok(instance),
            None => Err(GetError::Unknown { name: name.to_owned() }),
        }
    }

    /// Says of what type a service is, if that is not `S`: its kind knows, also while it is away.
    fn of_other_type<S: 'static>(&self, name: &str) -> Option<GetError> {
        let layout = self.layout();
        let place = layout.services.binary_search_by(|laid| (*laid.name).cmp(name)).ok()?;
        let (service, kind) = (&layout.services[place].name, layout.services[place].made_by());
        (!kind.makes(TypeId::of::<S>())).then(|| GetError::OtherType {
            service: service.clone(),
            asked: type_name::<S>(),
            found: kind.type_name(),
        })
    }
}

// === impl GetError ===

impl fmt::Display for GetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name } => write!(f, "there is no service `{name}`"),
            Self::OtherType { service, asked, found } => {
                write!(f, "the service `{service}` is no `{asked}`: it is a `{found}`")
            }
            Self::Unavailable(unavailable) => unavailable.fmt(f),
        }
    }
}

impl std::error::Error for GetError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unavailable(unavailable) => Some(unavailable),
            Self::Unknown { .. } | Self::OtherType { .. } => None,
        }
    }
}
