//! `cargo run --release -p processpype-bench -- WORKLOAD… | all`

use std::process::ExitCode;

fn main() -> ExitCode {
    processpype_bench::run(std::env::args().skip(1))
}
