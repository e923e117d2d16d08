//! The process, as Linux tells of it; elsewhere nothing is told.
//!
//! Names and meanings are those of Prometheus' own clients:
//! <https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>.

use std::sync::OnceLock;

use processpype_api::{Exposition, Metric};

#[cfg(target_os = "linux")]
use crate::error::lacks_files;

/// Of `/proc/self/auxv`: bytes of a page, `AT_PAGESZ`.
#[cfg(target_os = "linux")]
const PAGE_SIZE: usize = 6;

/// Of `/proc/self/auxv`: clock ticks of a second, `AT_CLKTCK`.
#[cfg(target_os = "linux")]
const TICKS: usize = 17;

/// How much of `/proc/self/stat` is read; it is one line of some 300 bytes.
#[cfg(target_os = "linux")]
const STAT_BYTES: usize = 2048;

/// What is known of the process; what is not is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Process {
    start_seconds: Option<f64>,
    cpu_seconds: Option<f64>,
    resident_bytes: Option<f64>,
    virtual_bytes: Option<f64>,
    threads: Option<f64>,
    open_fds: Option<f64>,
    max_fds: Option<f64>,
}

/// What is kept of the first look, so that a later one opens no file: it is asked for when there is
/// none left.
#[derive(Debug, Default)]
pub(crate) struct Kept(OnceLock<Source>);

/// Where the numbers are from, and what they are counted in.
#[cfg(target_os = "linux")]
#[derive(Debug)]
struct Source {
    /// `/proc/self/stat`; the kernel writes it anew for each read from its beginning.
    own: std::fs::File,
    /// `/proc/stat`, of which only the time of the boot is looked at.
    system: String,
    ticks: Option<f64>,
    page: Option<f64>,
}

/// Nothing is known here.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
struct Source;

// === impl Source ===

#[cfg(target_os = "linux")]
impl Source {
    fn open() -> Option<Self> {
        let own = std::fs::File::open("/proc/self/stat").ok()?;
        let system = std::fs::read_to_string("/proc/stat").ok()?;
        let system = system.lines().find(|line| line.starts_with("btime ")).unwrap_or_default();
        let auxiliary = std::fs::read("/proc/self/auxv").ok()?;
        let value = |kind| auxiliary_value(&auxiliary, kind);
        Some(Self { own, system: system.to_owned(), ticks: value(TICKS), page: value(PAGE_SIZE) })
    }

    fn read(&self) -> Process {
        use std::os::unix::fs::FileExt as _;
        let mut line = [0; STAT_BYTES];
        let length = self.own.read_at(&mut line, 0).unwrap_or(0);
        let line = String::from_utf8_lossy(&line[..length]);
        Process::of(&line, &self.system, self.ticks, self.page)
    }
}

// === impl Process ===

impl Process {
    /// Writes the one sample of a metric.
    pub(super) fn write(&self, metric: &Metric, text: &mut Exposition) {
        let value = match *metric {
            Metric::PROCESS_START => self.start_seconds,
            Metric::PROCESS_CPU => self.cpu_seconds,
            Metric::PROCESS_RESIDENT => self.resident_bytes,
            Metric::PROCESS_VIRTUAL => self.virtual_bytes,
            Metric::PROCESS_THREADS => self.threads,
            Metric::PROCESS_OPEN_FDS => self.open_fds,
            Metric::PROCESS_MAX_FDS => self.max_fds,
            _ => None,
        };
        if let Some(value) = value {
            text.sample(&[], value);
        }
    }

    /// Nothing is known here.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn now(_: &Kept) -> Self {
        Self::default()
    }

    /// Reads what the kernel knows now; the files are the kernel's memory, and block nobody.
    #[cfg(target_os = "linux")]
    pub(super) fn now(kept: &Kept) -> Self {
        let source = || {
            if let Some(source) = kept.0.get() {
                return Some(source);
            }
            let source = Source::open()?;
            Some(kept.0.get_or_init(|| source))
        };
        let told = source().map(Source::read).unwrap_or_default();
        let (open_fds, max_fds) = open_files().unzip();
        Self { open_fds, max_fds, ..told }
    }

    /// Takes the numbers out of `/proc/self/stat` and `/proc/stat`; see proc(5).
    #[cfg(target_os = "linux")]
    fn of(own: &str, system: &str, ticks: Option<f64>, page: Option<f64>) -> Self {
        // The second field is the name of the program, which may hold anything.
        let fields: Vec<f64> = own.rsplit_once(')').map_or_else(Vec::new, |(_, rest)| {
            rest.split_whitespace().map(|word| word.parse().unwrap_or(f64::NAN)).collect()
        });
        // Counted from 1 in the manual, and the third one is the first here.
        let field = |number: usize| fields.get(number - 3).copied().filter(|it| it.is_finite());
        let booted = system.lines().find_map(|line| line.strip_prefix("btime "));
        let booted = booted.and_then(|text| text.trim().parse::<f64>().ok());
        Self {
            start_seconds: field(22).and_then(|began| Some(booted? + began / ticks?)),
            cpu_seconds: field(14).and_then(|user| Some((user + field(15)?) / ticks?)),
            resident_bytes: field(24).and_then(|pages| Some(pages * page?)),
            virtual_bytes: field(23),
            threads: field(20),
            ..Self::default()
        }
    }
}

/// Returns how many files are open, and how many may be. That needs no file: it is asked for when
/// there is none left.
#[cfg(target_os = "linux")]
pub(crate) fn open_files() -> Option<(f64, f64)> {
    const OPEN: &str = "/proc/self/fd";
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).current? as f64;
    // Linux tells the number as the size of the directory from 6.2 on.
    let told = std::fs::metadata(OPEN).map_or(0, |it| it.len());
    if told > 0 {
        return Some((told as f64, most));
    }
    let open = match std::fs::read_dir(OPEN) {
        // One of them is the directory that is being read.
        Ok(names) => names.count().saturating_sub(1) as f64,
        Err(error) if lacks_files(&error) => most,
        Err(_) => return None,
    };
    Some((open, most))
}

/// Returns how many bytes of memory the process has, and at how many its control group is killed.
#[cfg(target_os = "linux")]
pub(crate) fn resident(kept: &Kept) -> Option<(f64, f64)> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let own = read("/proc/self/cgroup")?;
    let group = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    // Within a container its own group is the root, as far as it sees.
    let file = |group: &str| read(&format!("/sys/fs/cgroup{group}/memory.max"));
    let most: f64 = file(group).or_else(|| file(""))?.trim().parse().ok()?;
    Some((Process::now(kept).resident_bytes?, most))
}

/// Nothing is known here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn resident(_: &Kept) -> Option<(f64, f64)> {
    None
}

/// Nothing is known here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn open_files() -> Option<(f64, f64)> {
    None
}

/// Takes a value out of the pairs of words that the kernel gives a program; see getauxval(3).
#[cfg(target_os = "linux")]
fn auxiliary_value(pairs: &[u8], kind: usize) -> Option<f64> {
    let (words, _) = pairs.as_chunks().0.as_chunks();
    let mut pairs = words.iter().map(|pair: &[_; 2]| pair.map(usize::from_ne_bytes));
    pairs.find_map(|[key, value]| (key == kind).then_some(value as f64))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_found_behind_any_name() {
        let own = "7 (a ) b) S 1 7 7 0 -1 4194560 10 0 0 0 250 50 0 0 20 0 9 0 1000 4096 3 1 2 3";
        let process = Process::of(own, "cpu 1 2\nbtime 1795000000\n", Some(100.0), Some(4096.0));
        let expected = Process {
            start_seconds: Some(1_795_000_010.0),
            cpu_seconds: Some(3.0),
            resident_bytes: Some(3.0 * 4096.0),
            virtual_bytes: Some(4096.0),
            threads: Some(9.0),
            ..Process::default()
        };
        assert_eq!(process, expected);
        assert_eq!(Process::of("", "", Some(100.0), Some(4096.0)), Process::default());
        let process = Process::of(own, "", None, None);
        assert_eq!((process.cpu_seconds, process.resident_bytes), (None, None));
    }

    #[test]
    fn what_the_kernel_gave_is_a_list_of_pairs() {
        let pairs = [TICKS, 100, PAGE_SIZE, 4096, 0, 0].map(usize::to_ne_bytes).concat();
        assert_eq!(auxiliary_value(&pairs, TICKS), Some(100.0));
        assert_eq!(auxiliary_value(&pairs, PAGE_SIZE), Some(4096.0));
        assert_eq!(auxiliary_value(&pairs, 100), None);
        assert_eq!(auxiliary_value(&pairs[..9], TICKS), None);
    }

    #[test]
    fn this_process_is_alive() {
        let kept = Kept::default();
        let process = Process::now(&kept);
        assert!(process.resident_bytes > Some(0.0) && process.threads >= Some(1.0), "{process:?}");
        assert!(process.open_fds > Some(2.0) && process.max_fds >= process.open_fds, "{process:?}");
        assert!(process.start_seconds > Some(1e9) && process.cpu_seconds >= Some(0.0));
        let memory = vec![1_u8; 64 << 20];
        let later = Process::now(&kept);
        assert!(later.resident_bytes > process.resident_bytes, "{later:?}");
        assert_eq!(later.start_seconds, process.start_seconds);
        drop(memory);
    }
}
