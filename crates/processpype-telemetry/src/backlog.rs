//! How far the log is behind and whether it is written, for metrics and statuses.

use std::sync::Arc;

use crate::queue::{QUEUE_LINES, Queue};

/// How many log lines wait for the writer, and how many were lost. Cheap to clone; it keeps no log
/// open.
#[derive(Clone, Debug)]
pub struct Backlog(pub(crate) Arc<Queue>);

// === impl Backlog ===

impl Backlog {
    /// How many lines wait for the writer.
    pub fn waiting_lines(&self) -> usize {
        self.0.waiting()
    }

    /// How many lines may wait; one more is lost.
    pub fn capacity(&self) -> usize {
        QUEUE_LINES
    }

    /// How many lines were lost since the start: the queue was full, or the output failed.
    pub fn lost_lines(&self) -> u64 {
        self.0.lost()
    }

    /// Why the output takes no lines now; none while it does, or nothing was written yet.
    pub fn error(&self) -> Option<Arc<str>> {
        self.0.output.error()
    }

    /// A number that grows whenever [`error`](Self::error) or [`lost_lines`](Self::lost_lines) is
    /// another one.
    pub fn version(&self) -> u64 {
        self.0.output.changes() + self.0.lost()
    }
}

impl PartialEq for Backlog {
    /// Whether both are of the same log.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
