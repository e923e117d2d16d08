//! What is bounded, and by how much: every queue, text, list and wait that a service or a client
//! can meet.
//!
//! Those of metrics stand in [`metrics`](crate::metrics), those of files in
//! [`config::limits`](crate::config::limits). What happens at each stands where it is met; the
//! numbers side by side are in `docs/semantics.md`.
//!
//! ```
//! use processpype::bounds::TEXT_MAX;
//!
//! // What a service says about itself is cut there.
//! let why = "one replica is away";
//! assert!(why.len() <= TEXT_MAX);
//! ```

pub use processpype_runtime::{
    CHECK_TIME, CHECKS_AT_ONCE, CHILDREN_MAX, COMMANDS_PENDING, DIAGNOSE_TIME, EVENTS_KEPT,
    FINDINGS_MAX, HANG_LIMIT_MAX, HANG_LIMIT_MIN, HISTORY_KEPT, IDEMPOTENCY_WINDOW, LEVEL_MAX,
    METADATA_MAX, OPERATIONS_KEPT, PAUSE_MAX, TEXT_MAX, TIMEOUT_MAX,
};
