//! Words and decisions of Processpype, as pure functions.
//!
//! This crate is the ground floor: names, states, exits, the dependency graph, plans, events, and
//! the [`Machine`] that decides what happens to every service of an application. It does no I/O,
//! reads no clock, draws no random number and spawns nothing: a decision is `(state, input) →
//! (state, actions)`, which is why it can be checked exhaustively (`tests/it/`).
//!
//! # Where to look
//!
//! - [`ServiceState::step`] is the only function that makes a new state.
//! - [`Graph`] orders services; [`Plan`] shows that order and its worst-case times.
//! - [`Departures`] says who may leave, and in which order.
//! - [`Groups`] says who is restarted together.
//! - [`RestartPolicy`], [`Backoff`] and [`RestartHistory`] decide about restarts of one service,
//!   [`RestartThrottle`] about those of all together.
//! - [`Machine`] owns desired and observed state of all services and answers inputs with
//!   [`Action`]s.
//!
//! # How it is checked
//!
//! `tests/it/` searches every behaviour of every application of up to three services, and within
//! narrower bounds of up to five, with faults and commands at any point; an observer that knows
//! only the actions holds the invariants listed in the machine's source. Deliberately broken
//! machines must be caught by the same search.
//!
//! # Example
//!
//! ```
//! use processpype_core::{Input, ServiceState};
//!
//! let state = ServiceState::Stopped.step(Input::Start)?;
//! assert_eq!(state, ServiceState::Starting);
//! assert!(ServiceState::Stopped.step(Input::Started).is_err());
//! # Ok::<(), processpype_core::InvalidTransition>(())
//! ```

mod departure;
mod each;
mod event;
mod exit;
mod foresight;
mod graph;
mod group;
mod log_level;
mod machine;
mod name;
mod plan;
mod restart;
mod role;
mod sensitive;
mod sorted;
mod sorting;
mod state;
mod throttle;
mod vacancy;

pub use crate::departure::Departures;
pub use crate::each::each;
pub use crate::event::{Cause, Change, EventKind};
pub use crate::exit::{ErrorKind, Exit};
pub use crate::foresight::{Foresight, Step};
pub use crate::graph::{Cycle, Edge, EdgePolicy, Graph, ServiceId};
pub use crate::group::{Group, Groups, InvalidGroup, MAX_MEMBERS, Strategy};
pub use crate::log_level::{InvalidLogLevel, LogLevel};
pub use crate::machine::{
    Action, CloseCause, Machine, Newcomer, OperationId, Outcome, Refusal, Report, Timer, Traits,
    Unregistrable, Verb,
};
pub use crate::name::{InvalidName, ServiceName};
pub use crate::plan::{Budget, Plan, Timing};
pub use crate::restart::{
    Backoff, InvalidRestart, MAX_RESTARTS, MAX_TIME, RestartHistory, RestartLimit, RestartOptions,
    RestartPolicy, Verdict,
};
pub use crate::role::{InvalidRole, Role};
pub use crate::sensitive::SECRET_WORDS;
pub use crate::sorted::SortedMap;
pub use crate::sorting::{sort, sort_by};
pub use crate::state::{Desired, Generation, Input, InvalidTransition, ServiceState};
pub use crate::throttle::{InvalidRate, RESTART_BURST_MAX, RestartRate, RestartThrottle};
pub use crate::vacancy::Vacancies;
