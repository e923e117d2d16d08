//! How a client's verb ends, as one number.
//!
//! # Invariants
//!
//! 1. Every verb ends with exactly one of these codes, and a code never changes its meaning.

/// The exit codes of the client's verbs.
///
/// 64, 69, 70 and 75 are those of BSD's `sysexits.h`.
///
/// ```
/// use processpype_cli::ClientExit;
///
/// assert_eq!(ClientExit::Unreachable.code(), 69);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum ClientExit {
    /// The answer is there; the command has its effect, or had it before.
    Done = 0,
    /// The application answered with a problem, whose code is printed; or `doctor` found one.
    Refused = 1,
    /// The command line is wrong.
    Usage = 64,
    /// Nothing answers at the address, or not in time.
    Unreachable = 69,
    /// The answer cannot be read: another program, or a bug.
    Unreadable = 70,
    /// The command was accepted and goes on; its effect did not come within `--wait`.
    StillGoing = 75,
}

// === impl ClientExit ===

impl ClientExit {
    /// Returns the number.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<ClientExit> for std::process::ExitCode {
    fn from(exit: ClientExit) -> Self {
        Self::from(exit.code())
    }
}
