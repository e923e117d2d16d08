//! `cargo run -p xtask -- tidy | measure [ROOT]`: the checks of the house, for people.

use std::io::{self, Write};
use std::process::ExitCode;

use xtask::{Tree, Violation, measure, tidy};

const USAGE: &str = "usage: cargo run -p xtask -- tidy | measure [ROOT]";
const HOUSE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const EXIT_USAGE: u8 = 64;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next();
    let root = arguments.next().unwrap_or_else(|| HOUSE.to_owned());
    match run(command.as_deref(), &root) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Option<&str>, root: &str) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut out = io::stdout().lock();
    match command {
        Some("tidy") => print_tidy(&mut out, &tidy(&Tree::read(root)?)).map_err(Into::into),
        Some("measure") => {
            out.write_all(measure(&Tree::read(root)?).as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            writeln!(io::stderr(), "{USAGE}")?;
            Ok(ExitCode::from(EXIT_USAGE))
        }
    }
}

fn print_tidy(out: &mut impl Write, violations: &[Violation]) -> io::Result<ExitCode> {
    for violation in violations {
        writeln!(out, "{violation}")?;
    }
    writeln!(out, "tidy: {} violations", violations.len())?;
    Ok(if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
