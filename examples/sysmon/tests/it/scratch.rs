//! A directory for one test, removed at its end.
//! Its name holds the test's and the process id, so that tests never share one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sysmon::{Archive, Metric, Sample, Time};

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

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("sysmon.redb")
    }

    /// Commits one sample of each age, in seconds.
    pub(crate) fn fill(&self, ages: impl IntoIterator<Item = u64>) {
        let archive = Archive::open(&self.0).expect("open");
        for age in ages {
            let mut sample = Sample::new(Time::now().minus(Duration::from_secs(age)));
            sample.push(Metric::Cpu, 1.0);
            archive.append(&sample).expect("append");
        }
        archive.close().expect("close");
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
