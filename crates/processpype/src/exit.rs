//! How the process of an application ends, as one number.
//!
//! # Invariants
//!
//! 1. Every end of a process that `.main()` owns has exactly one of these codes.
//! 2. A code never changes its meaning: scripts and unit files depend on it. systemd's
//!    `RestartPreventExitStatus=64 78` is then safe to write.

/// The exit codes of every application; the first cause wins.
///
/// 64, 69, 70, 74 and 78 are those of BSD's `sysexits.h`.
///
/// 80 to 83 are our own, below the 128 from which on shells tell of signals. A restart by the
/// platform helps with 80 and 81, and not with 64 and 78.
///
/// ```
/// use processpype::Exit;
///
/// assert_eq!(Exit::Clean.code(), 0);
/// assert_eq!(Exit::Configuration.code(), 78);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum Exit {
    /// All services stopped as asked, also on a signal.
    Clean = 0,
    /// The command line is wrong.
    Usage = 64,
    /// The address of the control plane is in use. One that is refused otherwise, such as a port
    /// that takes a privilege, is [`Configuration`](Self::Configuration).
    AddressInUse = 69,
    /// A bug: of the framework itself, or a panic of yours that no service contains. Or no thread
    /// could be had at the start, of which the system says why; that is nobody's bug.
    Bug = 70,
    /// What was asked for cannot be written to standard output. A reader that has gone is no such
    /// failure.
    Unwritable = 74,
    /// The configuration or the plan is wrong, the address of the control plane is refused, or the
    /// process may open too few files to start.
    Configuration = 78,
    /// A significant service failed at start.
    FailedAtStart = 80,
    /// A significant service failed later.
    FailedLater = 81,
    /// Services had to be ended by force, or could not be ended.
    Stragglers = 82,
    /// A second signal ended the application at once.
    SecondSignal = 83,
}

// === impl Exit ===

impl Exit {
    /// Every code, ascending.
    pub const ALL: &'static [Self] = &[
        Self::Clean,
        Self::Usage,
        Self::AddressInUse,
        Self::Bug,
        Self::Unwritable,
        Self::Configuration,
        Self::FailedAtStart,
        Self::FailedLater,
        Self::Stragglers,
        Self::SecondSignal,
    ];

    /// Says in few words what it means.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Usage => "usage",
            Self::AddressInUse => "address in use",
            Self::Bug => "own bug",
            Self::Unwritable => "unwritable output",
            Self::Configuration => "configuration or plan",
            Self::FailedAtStart => "a significant service failed at start",
            Self::FailedLater => "later",
            Self::Stragglers => "services had to be ended by force",
            Self::SecondSignal => "second signal",
        }
    }

    /// Returns the number.
    ///
    /// To return from `main`, convert into [`std::process::ExitCode`] instead.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Returns the exit codes, for the end of a help text.
pub(crate) fn exit_codes() -> String {
    let line = |exit: &Exit| format!("{} {}", exit.code(), exit.meaning());
    Exit::ALL.iter().map(line).collect::<Vec<_>>().join(" · ")
}
