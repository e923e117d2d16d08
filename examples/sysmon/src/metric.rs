//! What can be measured: a closed list of metrics, each with a name and a unit.
//!
//! # Invariants
//!
//! 1. The name is the key on disk and in the API: it parses back to the same metric.
//! 2. The list is bounded: [`Metric::FIXED`] and at most [`Metric::MAX_CORES`] cores.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// One thing that is measured.
///
/// # Examples
///
/// ```
/// use sysmon::Metric;
///
/// assert_eq!("load_5m".parse(), Ok(Metric::Load5));
/// assert_eq!(Metric::CpuCore(3).to_string(), "cpu_core_3");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Metric {
    /// Processor time in use, all cores together, 0 to 100 percent.
    Cpu,
    /// Processor time in use on one core, 0 to 100 percent.
    CpuCore(u16),
    /// Memory in use, 0 to 100 percent.
    Memory,
    /// Memory in use, in bytes.
    MemoryUsed,
    /// Swap space in use, 0 to 100 percent; 0 on a machine without swap.
    Swap,
    /// Space in use on the watched file system, 0 to 100 percent.
    Disk,
    /// Space in use on the watched file system, in bytes.
    DiskUsed,
    /// Bytes received per second, all interfaces but loopback.
    NetworkReceived,
    /// Bytes sent per second, all interfaces but loopback.
    NetworkSent,
    /// Load average over one minute.
    Load1,
    /// Load average over five minutes.
    Load5,
    /// Load average over fifteen minutes.
    Load15,
}

/// A name that is no metric's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownMetric {
    name: String,
}

const CORE_PREFIX: &str = "cpu_core_";
const SHOWN_NAME_CHARS: usize = 64;

// === impl Metric ===

impl Metric {
    /// Cores that get a metric of their own; those beyond count only in [`Metric::Cpu`].
    pub const MAX_CORES: u16 = 1024;

    /// Every metric that each machine has, in the order in which they are shown.
    pub const FIXED: [Self; 11] = [
        Self::Cpu,
        Self::Memory,
        Self::MemoryUsed,
        Self::Swap,
        Self::Disk,
        Self::DiskUsed,
        Self::NetworkReceived,
        Self::NetworkSent,
        Self::Load1,
        Self::Load5,
        Self::Load15,
    ];

    /// Returns the name, as on disk and in the API.
    #[must_use]
    pub fn name(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Cpu => "cpu",
            Self::CpuCore(core) => return Cow::Owned(format!("{CORE_PREFIX}{core}")),
            Self::Memory => "memory",
            Self::MemoryUsed => "memory_used",
            Self::Swap => "swap",
            Self::Disk => "disk",
            Self::DiskUsed => "disk_used",
            Self::NetworkReceived => "network_received",
            Self::NetworkSent => "network_sent",
            Self::Load1 => "load_1m",
            Self::Load5 => "load_5m",
            Self::Load15 => "load_15m",
        })
    }

    /// Returns the unit of the values: `percent`, `bytes`, `bytes_per_second` or `processes`.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Cpu | Self::CpuCore(_) | Self::Memory | Self::Swap | Self::Disk => "percent",
            Self::MemoryUsed | Self::DiskUsed => "bytes",
            Self::NetworkReceived | Self::NetworkSent => "bytes_per_second",
            Self::Load1 | Self::Load5 | Self::Load15 => "processes",
        }
    }

    /// Lists the names for people: the fixed ones, and how a core's is written.
    #[must_use]
    pub fn known() -> String {
        let mut names: Vec<_> = Self::FIXED.iter().map(|metric| metric.name()).collect();
        names.push(Cow::Borrowed("cpu_core_0, cpu_core_1, … (with `per_core: true`)"));
        names.join(", ")
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl FromStr for Metric {
    type Err = UnknownMetric;

    fn from_str(name: &str) -> Result<Self, UnknownMetric> {
        Self::FIXED
            .into_iter()
            .find(|metric| metric.name() == name)
            .or_else(|| core(name))
            .ok_or_else(|| UnknownMetric::new(name))
    }
}

/// Reads `cpu_core_<n>`, in the one spelling that [`Metric::name`] writes.
fn core(name: &str) -> Option<Metric> {
    let number: u16 = name.strip_prefix(CORE_PREFIX)?.parse().ok()?;
    let metric = Metric::CpuCore(number);
    (number < Metric::MAX_CORES && metric.name() == name).then_some(metric)
}

// === impl UnknownMetric ===

impl UnknownMetric {
    fn new(name: &str) -> Self {
        Self { name: name.chars().take(SHOWN_NAME_CHARS).collect() }
    }
}

impl fmt::Display for UnknownMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no metric {:?}; known metrics: {}", self.name, Metric::known())
    }
}

impl std::error::Error for UnknownMetric {}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: Option<Metric>) {
        assert_eq!(name.parse::<Metric>().ok(), expected);
    }

    #[test]
    fn every_name_parses_back() {
        let cores = [0, 7, Metric::MAX_CORES - 1].map(Metric::CpuCore);
        for metric in Metric::FIXED.into_iter().chain(cores) {
            check(&metric.name(), Some(metric));
        }
    }

    #[test]
    fn other_spellings_are_unknown() {
        for name in ["", "CPU", "cpu ", "cpu_core_", "cpu_core_01", "cpu_core_+1", "cpu_core_1024"]
        {
            check(name, None);
        }
    }

    #[test]
    fn the_error_names_the_metric_and_the_known_ones() {
        let text = "cpuu".parse::<Metric>().expect_err("misspelt").to_string();
        assert!(text.contains("\"cpuu\"") && text.contains("load_15m"), "{text}");
    }

    #[test]
    fn the_error_shows_no_more_than_a_name() {
        let text = "x".repeat(10_000).parse::<Metric>().expect_err("long").to_string();
        assert!(text.len() < 500, "{}", text.len());
    }
}
