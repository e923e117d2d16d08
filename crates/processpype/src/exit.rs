//! How the process of an application ends, as one number.

/// The exit codes of every application; the first cause wins.
///
/// 64, 69, 70 and 78 are those of BSD's `sysexits.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum Exit {
    /// All services stopped as asked, also on a signal.
    Clean = 0,
    /// The command line is wrong.
    Usage = 64,
    /// The address of the control plane cannot be had.
    AddressInUse = 69,
    /// A bug of the framework itself.
    Bug = 70,
    /// The configuration or the plan is wrong.
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
    /// Returns the number.
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
