//! Broken configurations with golden reports.
//!
//! Each folder of `tests/corpus` has its files, a `case.txt`, and an `expected.txt`. A `case.txt`
//! has lines `key: value`: `file`, `profile`, `env`, `set`, `read` (type and path), `at` (a place
//! that the report must name) and `keys` (path and known keys). `UPDATE_GOLDEN=1` rewrites the
//! expected reports; the places in `at` are not rewritten, so a bad update is seen.

use std::path::Path;

use processpype_config::{Document, Loader, Report};

use crate::types::read_as;

/// Broken cases that the corpus must have at least.
const MIN_CASES: usize = 60;

#[test]
fn every_broken_configuration_has_its_report() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut cases: Vec<_> =
        std::fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= MIN_CASES, "only {} cases", cases.len());
    let failures: Vec<String> = cases.iter().filter_map(|case| check(case).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Runs one case and compares its report.
fn check(folder: &Path) -> Result<(), String> {
    let name = folder.file_name().unwrap().to_string_lossy();
    let case = std::fs::read_to_string(folder.join("case.txt")).unwrap();
    let Err(report) = run(folder, &case) else { return Err(format!("{name}: no problem found")) };
    let text = report.to_string().replace(&format!("{}/", folder.display()), "");
    let golden = folder.join("expected.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&golden).unwrap_or_default();
    if text != expected {
        return Err(format!("{name}: expected\n{expected}\nbut got\n{text}"));
    }
    check_places(&name, &case, &text, &report)
}

/// The places in the report are those of the case, no more and no fewer.
fn check_places(name: &str, case: &str, text: &str, report: &Report) -> Result<(), String> {
    let places: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("  --> ")).collect();
    let wanted: Vec<&str> = values(case, "at").collect();
    if places != wanted {
        return Err(format!("{name}: places {places:?}, wanted {wanted:?}"));
    }
    let nowhere = report.problems().iter().filter(|problem| problem.origin().is_none()).count();
    if places.len() + nowhere != report.count() {
        return Err(format!("{name}: {} problems, {} places", report.count(), places.len()));
    }
    Ok(())
}

fn values<'a>(case: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    case.lines().filter_map(move |line| line.strip_prefix(key)?.strip_prefix(": "))
}

fn run(folder: &Path, case: &str) -> Result<(), Report> {
    let document = load(folder, case)?;
    let mut report: Option<Report> = None;
    let mut add = |result: Result<(), Report>| {
        if let Err(next) = result {
            report = Some(match report.take() {
                Some(report) => report.merge(next),
                None => next,
            });
        }
    };
    for line in values(case, "read") {
        let (kind, path) = line.split_once(' ').unwrap_or((line, ""));
        let path: Vec<&str> = path.split('.').filter(|key| !key.is_empty()).collect();
        add(read_as(kind, &document.section(&path)));
    }
    for line in values(case, "keys") {
        let mut words = line.split(' ');
        let path: Vec<&str> = words.next().unwrap().split('.').filter(|k| !k.is_empty()).collect();
        add(document.section(&path).known_keys(&words.collect::<Vec<_>>()));
    }
    report.map_or(Ok(()), Err)
}

fn load(folder: &Path, case: &str) -> Result<Document, Report> {
    let mut loader = Loader::new();
    for file in values(case, "file") {
        loader = loader.file(folder.join(file));
    }
    for profile in values(case, "profile") {
        loader = loader.profile(profile);
    }
    for assignment in values(case, "set") {
        loader = loader.set(assignment);
    }
    let variables = values(case, "env").filter_map(|line| line.split_once('='));
    loader.environment(variables.map(|(k, v)| (k.to_owned(), v.to_owned()))).load()
}
