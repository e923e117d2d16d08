//! What a rule has to say about a place.

use std::fmt;

/// The rules of the house, one name each; `exceptions.rs` refers to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// A manifest or a path names a crate that is not on a lower floor.
    Floor,
    /// A socket is opened outside the control plane.
    Listener,
    /// A task or thread is started outside the runtime.
    Spawn,
    /// Mutable state lives in a `static`.
    Static,
    /// A queue has no bound.
    Unbounded,
    /// The machine's clock is read, or waited on, where tokio's should be.
    Clock,
    /// The process is ended from an unlisted place.
    Exit,
    /// The core does I/O, reads a clock, draws chance, or spawns.
    Purity,
    /// A file does not say what it is for.
    ModuleDoc,
    /// Prose stands below a heading that it does not belong to.
    DocOrder,
    /// The map in a crate's `lib.rs` leaves a module out, or shows one that is not there.
    ModuleMap,
    /// No `mod` line leads to a file.
    DeadFile,
    /// A function is longer than its budget.
    FunctionLength,
    /// Half of a crate's functions are longer than the budget of the median.
    MedianLength,
    /// A file is longer than its budget.
    FileLength,
    /// A line is wider than its budget.
    LineWidth,
    /// Library code can panic where it should return an error.
    Panic,
    /// A crate that users see has too little documentation.
    DocRatio,
    /// The changelog has nowhere to put the next change.
    Changelog,
    /// A decision record lacks a title or a part, is not listed, or its number is taken.
    Decision,
    /// A document links to a file, or to a heading, that is not there.
    Link,
    /// The table of concepts lacks a row, or names a test that is not there.
    Concept,
    /// An exception excuses nothing, or has no reason.
    Exception,
    /// A file cannot be read as what it is.
    Syntax,
}

/// One breach of one rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// Path from the root of the repository, with `/`.
    pub path: String,
    /// Line, from 1; 0 when the whole file or crate is meant.
    pub line: usize,
    /// The rule.
    pub rule: Rule,
    /// The name an exception would use: a function, a path in the code, a crate.
    pub item: String,
    /// What is wrong and what to do, in lower case.
    pub message: String,
}

// === impl Violation ===

impl Violation {
    pub(crate) fn new(rule: Rule, path: &str, item: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { path: path.into(), line: 0, rule, item: item.into(), message }
    }

    pub(crate) fn at(self, line: usize) -> Self {
        Self { line, ..self }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, rule, message, .. } = self;
        match line {
            0 => write!(f, "{path}: [{rule:?}] {message}"),
            _ => write!(f, "{path}:{line}: [{rule:?}] {message}"),
        }
    }
}
