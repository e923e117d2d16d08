//! Programs beside this one: built when they are needed, found where this one is.

use std::path::PathBuf;
use std::process::Command;

use crate::figure::Failure;

/// A program that samples start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Helper {
    /// An application of this framework, as a user would write it.
    Application,
    /// The same routes with axum alone.
    Axum,
    /// This program with an allocator that counts.
    Heap,
}

impl Helper {
    fn name(self) -> &'static str {
        match self {
            Self::Application => "bench-application",
            Self::Axum => "bench-axum",
            Self::Heap => "bench-heap",
        }
    }

    /// The servers are built as a user builds them: without what only measuring needs.
    fn features(self) -> &'static [&'static str] {
        let has_peers = cfg!(feature = "peers") && self == Self::Heap;
        if has_peers { &["--features", "peers"] } else { &[] }
    }
}

/// Returns where the program is.
pub(crate) fn path(helper: Helper) -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()?;
    let directory = own.parent().ok_or("this program is in no directory")?;
    Ok(directory.join(helper.name()))
}

/// Builds the program, unless it is up to date.
pub(crate) fn build(helper: Helper) -> Result<(), Failure> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--release", "--locked", "-p", "processpype-bench"]);
    cargo.args(["--bin", helper.name()]).args(helper.features());
    cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    if cargo.status()?.success() { Ok(()) } else { Err("a helper could not be built".into()) }
}
