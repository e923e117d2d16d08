//! The same samples with an allocator that counts, for figures of memory. It is a program of its
//! own because counting costs time.

use std::alloc::System;
use std::process::ExitCode;

use processpype_bench::Meter;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    let meter = Meter::new(|| {
        let stats = ALLOCATOR.stats();
        (stats.bytes_allocated - stats.bytes_deallocated, stats.allocations)
    });
    processpype_bench::sample(std::env::args().skip(1), Some(meter))
}
