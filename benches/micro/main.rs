//! Micro-benchmarks of hot paths: `cargo bench -p processpype-bench --features micro`.

use criterion::{BenchmarkId, Criterion, Throughput};
use processpype_bench::hot::PATHS;

/// Repetitions of one iteration, so that entering a path is a small part of it.
const TIMES: usize = 1000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("hot");
    group.throughput(Throughput::Elements(TIMES as u64));
    for (name, path) in PATHS {
        group.bench_function(BenchmarkId::new(name, TIMES), |bencher| {
            let mut repeat = path().expect("a hot path can be set up");
            bencher.iter(|| repeat(TIMES).expect("a hot path does its work"));
        });
    }
    group.finish();
    criterion.final_summary();
}
