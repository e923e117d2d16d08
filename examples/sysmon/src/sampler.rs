//! Samples this machine through `sysinfo`.
//!
//! # Invariants
//!
//! 1. A call may block (a file system that does not answer): use a blocking thread.
//! 2. What this machine does not have is missing from the sample, never a made-up zero; swap
//!    alone is 0 % where there is none, since then none is in use.
//! 3. Processor and network are measured since the previous call: [`Sampler::new`] is the first.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sysinfo::{Disk, DiskRefreshKind, Disks, Networks, System};

use crate::{Metric, Sample, Time};

/// The shortest time between two calls that gives a true processor figure.
pub const MIN_INTERVAL: Duration = sysinfo::MINIMUM_CPU_UPDATE_INTERVAL;

const LOOPBACK: &str = "lo";

/// What to sample.
#[derive(Clone, Debug)]
pub struct SamplerOptions {
    /// Whether each core gets a metric of its own.
    pub per_core: bool,
    /// A path on the file system to watch.
    pub disk: PathBuf,
}

/// Reads the machine's counters, and remembers them for the next call's rates.
#[derive(Debug)]
pub struct Sampler {
    options: SamplerOptions,
    system: System,
    disks: Disks,
    networks: Networks,
}

// === impl Sampler ===

impl Sampler {
    /// Reads the counters for the first time.
    ///
    /// # Errors
    ///
    /// Fails where `sysinfo` does not support the platform.
    pub fn new(options: SamplerOptions) -> Result<Self, sysinfo::Error> {
        let mut sampler = Self {
            options,
            system: System::new()?,
            disks: Disks::new()?,
            networks: Networks::new_with_refreshed_list()?,
        };
        sampler.system.refresh_cpu_usage();
        Ok(sampler)
    }

    /// Takes a sample, dated `now`, with rates over the `elapsed` time since the previous call.
    ///
    /// Let at least [`MIN_INTERVAL`] pass between two calls. This may block.
    pub fn sample(&mut self, now: Time, elapsed: Duration) -> Sample {
        let mut sample = Sample::new(now);
        self.processor(&mut sample);
        self.memory(&mut sample);
        self.disk(&mut sample);
        self.network(&mut sample, elapsed);
        load(&mut sample);
        sample
    }

    fn processor(&mut self, sample: &mut Sample) {
        self.system.refresh_cpu_usage();
        sample.push(Metric::Cpu, f64::from(self.system.global_cpu_usage()));
        if self.options.per_core {
            for (number, core) in (0..Metric::MAX_CORES).zip(self.system.cpus()) {
                sample.push(Metric::CpuCore(number), f64::from(core.usage()));
            }
        }
    }

    fn memory(&mut self, sample: &mut Sample) {
        self.system.refresh_memory();
        let (used, total) = (self.system.used_memory(), self.system.total_memory());
        if total > 0 {
            sample.push(Metric::Memory, percent(used, total));
            sample.push(Metric::MemoryUsed, float(used));
        }
        sample.push(Metric::Swap, percent(self.system.used_swap(), self.system.total_swap()));
    }

    fn disk(&mut self, sample: &mut Sample) {
        self.disks.refresh_specifics(true, DiskRefreshKind::nothing().with_storage());
        if let Some(disk) = holding(&self.options.disk, &self.disks) {
            let used = disk.total_space().saturating_sub(disk.available_space());
            sample.push(Metric::Disk, percent(used, disk.total_space()));
            sample.push(Metric::DiskUsed, float(used));
        }
    }

    fn network(&mut self, sample: &mut Sample, elapsed: Duration) {
        self.networks.refresh(true);
        if elapsed.is_zero() {
            return;
        }
        let (mut received, mut sent) = (0_u64, 0_u64);
        for (_, interface) in self.networks.iter().filter(|(name, _)| *name != LOOPBACK) {
            received = received.saturating_add(interface.received());
            sent = sent.saturating_add(interface.transmitted());
        }
        sample.push(Metric::NetworkReceived, float(received) / elapsed.as_secs_f64());
        sample.push(Metric::NetworkSent, float(sent) / elapsed.as_secs_f64());
    }
}

/// Finds the file system that holds `path`: the one with the longest mount point above it.
fn holding<'a>(path: &Path, disks: &'a [Disk]) -> Option<&'a Disk> {
    let path = path.canonicalize().ok()?;
    disks
        .iter()
        .filter(|disk| disk.total_space() > 0 && path.starts_with(disk.mount_point()))
        .max_by_key(|disk| disk.mount_point().as_os_str().len())
}

fn load(sample: &mut Sample) {
    if let Ok(load) = System::load_average() {
        sample.push(Metric::Load1, load.one);
        sample.push(Metric::Load5, load.five);
        sample.push(Metric::Load15, load.fifteen);
    }
}

/// Returns `used` of `total` in percent, 0 if there is nothing to use.
fn percent(used: u64, total: u64) -> f64 {
    if total == 0 { 0.0 } else { (float(used) / float(total) * 100.0).min(100.0) }
}

/// Rounds to the nearest float: exact below 2^53, and closer than any counter's truth above.
#[expect(clippy::cast_precision_loss, reason = "a monitor shows no more than 53 bits")]
const fn float(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn sample(disk: &str, per_core: bool) -> Sample {
        let options = SamplerOptions { per_core, disk: disk.into() };
        let mut sampler = Sampler::new(options).expect("sysinfo supports this machine");
        std::thread::sleep(MIN_INTERVAL);
        sampler.sample(Time::from_millis(7), MIN_INTERVAL)
    }

    /// Every reading is within what its unit allows.
    #[track_caller]
    fn check(sample: &Sample) {
        for (metric, value) in sample.readings() {
            let most = if metric.unit() == "percent" { 100.0 } else { f64::MAX };
            assert!((0.0..=most).contains(value), "{metric} = {value}");
        }
    }

    #[test]
    fn this_machine_has_plausible_readings() {
        let sample = sample("/", false);
        check(&sample);
        assert_eq!(sample.time(), Time::from_millis(7));
        for metric in Metric::FIXED {
            assert!(sample.get(metric).is_some(), "no {metric} in {sample:?}");
        }
        let used = sample.get(Metric::MemoryUsed).unwrap_or_default();
        assert!(used > 1e6, "a machine that runs this uses more than {used} bytes");
        assert!(sample.get(Metric::Disk).unwrap_or_default() > 0.0);
    }

    #[test]
    fn cores_are_sampled_on_request() {
        let sample = sample("/", true);
        check(&sample);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let sampled = sample.readings().iter().filter(|(m, _)| matches!(m, Metric::CpuCore(_)));
        assert!(sampled.count() >= cores);
    }

    #[test]
    fn a_busy_core_is_seen() {
        let options = SamplerOptions { per_core: false, disk: "/".into() };
        let mut sampler = Sampler::new(options).expect("sysinfo supports this machine");
        let done = Arc::new(AtomicBool::new(false));
        let worker = std::thread::spawn({
            let done = Arc::clone(&done);
            move || while !done.load(Ordering::Relaxed) {}
        });
        std::thread::sleep(MIN_INTERVAL);
        let busy = sampler.sample(Time::MIN, MIN_INTERVAL).get(Metric::Cpu);
        done.store(true, Ordering::Relaxed);
        worker.join().expect("no panic");
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // Half of one core, so that a machine with other work passes too.
        let least = 50.0 / float(cores as u64);
        assert!(busy.is_some_and(|busy| busy > least), "{busy:?} % with one of {cores} busy");
    }

    #[test]
    fn a_disk_that_is_not_there_is_missing_not_zero() {
        let sample = sample("/no/such/path", false);
        assert_eq!(sample.get(Metric::Disk), None);
        assert!(sample.get(Metric::Cpu).is_some());
    }

    #[test]
    fn the_closest_mount_point_holds_a_path() {
        let disks = Disks::new_with_refreshed_list().expect("disks");
        let disk = holding(Path::new("/"), &disks).expect("something is mounted at /");
        assert_eq!(disk.mount_point(), Path::new("/"));
    }
}
