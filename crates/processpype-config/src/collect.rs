//! Problems while they are looked for.
//!
//! # Invariants
//!
//! 1. However many there are, [`MAX_PROBLEMS`] are kept; the others are counted, and cost nothing
//!    else.
//! 2. What is kept is sorted once, when the looking ends.
//!
//! # How it fits
//!
//! Parsers, layers and the walk of `check` each have one, and go on after the first problem for as
//! long as what follows means something. What comes out is a [`Report`], which is never empty.
//!
//! A parser does not know yet which keys are secret, but it knows each key when it is done with the
//! value below. So what it found there is hidden afterwards, from a count that it noted before
//! ([`Problems::hide_from`]): a text without problems pays one comparison for each map entry.

use processpype_core::sort_by;

use crate::limits::MAX_PROBLEMS;
use crate::origin::Origin;
use crate::report::{Problem, Report};

/// Collects problems while something goes on after the first.
///
/// It keeps a bounded number and counts the rest: a file of a million mistakes costs no more memory
/// than one of a hundred.
#[derive(Default)]
pub(crate) struct Problems {
    kept: Vec<Problem>,
    more: usize,
}

// === impl Problems ===

impl Problems {
    pub(crate) fn push(&mut self, problem: Problem) {
        self.push_with(|| problem);
    }

    /// Makes the problem only if it is kept.
    pub(crate) fn push_with(&mut self, problem: impl FnOnce() -> Problem) {
        if self.has_room() {
            self.keep(problem());
        }
    }

    /// Keeps a problem for which there was [room](Self::has_room).
    pub(crate) fn keep(&mut self, problem: Problem) {
        self.kept.push(problem);
    }

    /// Whether one more problem is kept, which is only counted else: that must cost nothing, or a
    /// body of nothing but mistakes would keep a core busy.
    pub(crate) fn has_room(&mut self) -> bool {
        let has_room = self.kept.len() < MAX_PROBLEMS;
        if !has_room {
            self.more += 1;
        }
        has_room
    }

    /// Keeps a problem that may have been kept already.
    pub(crate) fn push_once(&mut self, problem: &Problem) {
        if !self.kept.iter().any(|kept| kept.is_same(problem)) {
            self.push_with(|| problem.clone());
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.kept.len()
    }

    /// What was found since there were `count` stands below a secret: no line of it is shown, and
    /// no key.
    pub(crate) fn hide_from(&mut self, count: usize) {
        self.kept.iter_mut().skip(count).for_each(Problem::hide);
    }

    /// `Ok` if nothing was found, otherwise everything that was.
    pub(crate) fn finish(self) -> Result<(), Report> {
        if self.kept.is_empty() {
            return Ok(());
        }
        let mut problems = self.kept;
        sort_by(&mut problems, |one, other| {
            let by_file = file_of(one).cmp(&file_of(other));
            by_file.then_with(|| one.position().cmp(&other.position()))
        });
        Err(Report::of(problems, self.more))
    }
}

/// Problems of one file stand together; those of other layers come after them.
fn file_of(problem: &Problem) -> (u8, String) {
    match problem.origin() {
        Some(Origin::File { path, .. } | Origin::WholeFile { path }) => {
            (0, path.display().to_string())
        }
        Some(origin) => (1, origin.to_string()),
        None => (2, String::new()),
    }
}
