//! Peers in other languages: whether they are there, and what is said of each.
//!
//! # Invariants
//!
//! 1. A peer without a row is named, with the reason; none is left out in silence.

use std::io::{self, Write};
use std::process::{Command, Stdio};

/// A peer that is no crate.
#[derive(Debug)]
struct Elsewhere {
    name: &'static str,
    /// What ends well where it is installed.
    probe: &'static [&'static str],
    /// The workloads in which it would have a row.
    workloads: &'static [&'static str],
}

const PEERS: &[Elsewhere] = &[
    Elsewhere {
        name: "OTP (one_for_one)",
        probe: &["erl", "-noshell", "-eval", "halt()."],
        workloads: &["w1", "w2"],
    },
    Elsewhere { name: "suture and fx (Go)", probe: &["go", "version"], workloads: &["w1", "w2"] },
    Elsewhere {
        name: "processpype (Python)",
        probe: &["python3", "-c", "import processpype"],
        workloads: &["w1", "w4", "w5"],
    },
];

/// Says of every peer of the workload why it has no row.
pub(crate) fn say(out: &mut impl Write, workload: &str) -> io::Result<()> {
    for peer in PEERS.iter().filter(|peer| peer.workloads.contains(&workload)) {
        // What cannot be tried out on the machine at hand would be a guess and no measurement.
        let why =
            if peer.is_there() { "installed, but no sample is written" } else { "not installed" };
        writeln!(out, "  no row for {}: {why}", peer.name)?;
    }
    Ok(())
}

// === impl Elsewhere ===

impl Elsewhere {
    fn is_there(&self) -> bool {
        let Some((program, arguments)) = self.probe.split_first() else { return false };
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_there_is_named() {
        let mut out = Vec::new();
        say(&mut out, "w1").expect("memory can be written");
        let text = String::from_utf8(out).expect("it is text");
        assert_eq!(text.lines().count(), PEERS.len(), "{text}");
        let nobody = Elsewhere { name: "", probe: &["no-such-program"], workloads: &[] };
        assert!(!nobody.is_there());
        assert!(Elsewhere { probe: &["true"], ..nobody }.is_there());
    }
}
