//! Instructions of hot paths, counted by callgrind: a gate that noise cannot move.
//!
//! A path is run twice, with different numbers of repetitions; what is between both is the cost of
//! the repetitions, free of start and setting up. Stored figures are in `instructions.json`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::process::{Command, Stdio};

use crate::figure::Failure;
use crate::hot::PATHS;

const STORED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.json");

/// Repetitions of the shorter and the longer run.
const TIMES: [u64; 2] = [100, 1100];

/// How much more than stored is no regression. Runs of one program differed by 0.4 % at most, but
/// for what `SLACK` is about.
const TOLERANCE: f64 = 0.03;

/// What is allowed beside, in instructions of one repetition: setting up a thousand services took
/// 13,000 instructions more in one run than in another, which is 13 of each of a thousand.
const SLACK: f64 = 20.0;

/// Repeats the path that is named as often as is said: what callgrind looks at.
pub(crate) fn run_hot(words: &[String]) -> Result<bool, Failure> {
    let [name, times] = words else { return Err("expected PATH TIMES".into()) };
    let path = PATHS.iter().find(|(known, _)| known == name).ok_or("no such path")?;
    let mut repeat = path.1()?;
    writeln!(io::stdout(), "{}", repeat(times.parse()?)?)?;
    Ok(true)
}

/// Counts every path; returns whether none takes more than is stored.
pub(crate) fn run(words: &[String]) -> Result<bool, Failure> {
    let is_update = words.iter().any(|word| word == "--update");
    let stored: BTreeMap<String, f64> = match fs::read_to_string(STORED) {
        Ok(text) => serde_json::from_str(&text)?,
        Err(_) => BTreeMap::new(),
    };
    let (mut counted, mut is_good) = (BTreeMap::new(), true);
    for (name, _) in PATHS {
        let each = count(name)?;
        let before = stored.get(name).copied().unwrap_or(f64::NAN);
        let ratio = each / before;
        let is_worse = !is_update && each > before * (1.0 + TOLERANCE) + SLACK;
        is_good &= !is_worse;
        let verdict = if is_worse { "  more than is stored" } else { "" };
        writeln!(io::stdout(), "{name:12} {each:10.0}  {ratio:.3} × stored{verdict}")?;
        counted.insert(name, each.round());
    }
    if is_update {
        fs::write(STORED, format!("{}\n", serde_json::to_string_pretty(&counted)?))?;
    }
    Ok(is_good)
}

/// Instructions of one repetition.
fn count(name: &str) -> Result<f64, Failure> {
    let [less, more] = [collect(name, TIMES[0])?, collect(name, TIMES[1])?];
    Ok(more.saturating_sub(less) as f64 / (TIMES[1] - TIMES[0]) as f64)
}

fn collect(name: &str, times: u64) -> Result<u64, Failure> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    valgrind.arg(std::env::current_exe()?).args(["hot", name, &times.to_string()]);
    let output = valgrind.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("valgrind cannot be run: {error}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    let line = told.lines().find_map(|line| line.split_once("Collected : ")).map(|(_, n)| n);
    let count = line.ok_or_else(|| format!("callgrind has counted nothing: {told}"))?;
    Ok(count.trim().parse()?)
}
