//! A directory for one test, removed at its end.
//! Its name holds the test's and the process id, so that tests never share one.

use std::path::{Path, PathBuf};

/// The directory; dropping it removes it.
pub(crate) struct Scratch(PathBuf);

// === impl Scratch ===

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sysmon-it-{name}-{}", std::process::id()));
        // A left-over of an earlier process with the same id.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("the temporary directory is writable");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The setting that puts the samples here.
    pub(crate) fn data_dir(&self) -> String {
        format!("services.store.data_dir={}", self.0.display())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Best effort: a left-over directory harms no other test.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
