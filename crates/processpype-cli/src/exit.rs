//! How a client's verb ends, as one number.
//!
//! # Invariants
//!
//! 1. Every verb ends with exactly one of these codes, and a code never changes its meaning.
//! 2. The table is the source: help texts are made of it, and a test holds the documents to it.

/// The exit codes of the client's verbs.
///
/// 64, 69, 70, 74, 75 and 78 are those of BSD's `sysexits.h`.
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
    /// The answer is there, and standard output cannot be written.
    Unwritable = 74,
    /// The command was accepted and goes on; its effect did not come within `--wait`.
    StillGoing = 75,
    /// It cannot be known whom to ask: a context, its token, or the application's own file.
    Misconfigured = 78,
}

// === impl ClientExit ===

impl ClientExit {
    /// Every code, ascending.
    pub const ALL: &'static [Self] = &[
        Self::Done,
        Self::Refused,
        Self::Usage,
        Self::Unreachable,
        Self::Unreadable,
        Self::Unwritable,
        Self::StillGoing,
        Self::Misconfigured,
    ];

    /// Returns the number.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Says in few words what it means.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused, or a problem found",
            Self::Usage => "usage",
            Self::Unreachable => "nothing answers",
            Self::Unreadable => "unreadable answer",
            Self::Unwritable => "unwritable output",
            Self::StillGoing => "still going after --wait",
            Self::Misconfigured => "not known whom to ask",
        }
    }
}

impl From<ClientExit> for std::process::ExitCode {
    fn from(exit: ClientExit) -> Self {
        Self::from(exit.code())
    }
}

/// Returns the exit codes of the client's verbs, for the end of a help text.
///
/// ```
/// assert!(processpype_cli::client_exit_codes().starts_with("0 done · 1 refused"));
/// ```
#[must_use]
pub fn client_exit_codes() -> String {
    let line = |exit: &ClientExit| format!("{} {}", exit.code(), exit.meaning());
    let all: Vec<String> = ClientExit::ALL.iter().map(line).collect();
    all.join(" · ")
}
