//! The file of events of an application that is dead, or does not answer.
//!
//! # Invariants
//!
//! 1. Only what stands in the file is told. [`judge`] is a pure function of it.
//! 2. Of a file of any size only one record is held, and what [`LastRun`] keeps of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use processpype_api::{Answered, Event, Fields, ServiceState};
use processpype_journal::{Found, Ledger};
use serde_json::Value;

use crate::clean::cleaned;
use crate::doctor::{Asked, Finding, Level, report};
use crate::error::ClientError;
use crate::exit::ClientExit;
use crate::json;
use crate::look::Asking;
use crate::print::{DIM, remark, say, say_error, say_raw};
use crate::verb::{ClientVerb, EventsArgs};
use crate::view;

/// How many names of a file are kept, to tell which of the words that were asked for is none.
const NAMES_MAX: usize = 4096;

/// How many of them are told.
const NAMES_TOLD: usize = 20;

/// One line of the file.
#[derive(Debug)]
struct Line {
    /// When the run began, in milliseconds since 1970.
    run: u64,
    kind: String,
    cause: String,
    /// How many events are missing in this place.
    lost: Option<u64>,
}

/// What is kept of the last run while its records go by.
#[derive(Clone, Debug, Default)]
struct LastRun {
    began: u64,
    last: Option<Event>,
    lost: u64,
    is_closed: bool,
    /// The services that were in `error`, with the last thing said about it.
    failed: BTreeMap<String, String>,
    /// How often what is no event was met.
    unknown: u64,
}

impl Answered for Line {
    fn read(json: Value) -> serde_json::Result<Self> {
        let mut fields = Fields::of(json, "struct Line")?;
        Ok(Self {
            run: fields.take("run")?,
            kind: fields.take("kind")?,
            cause: fields.take("cause")?,
            lost: fields.take("lost")?,
        })
    }
}

/// Prints the events of the last run in a file, or of all runs.
pub(crate) fn events(file: &Path, args: &EventsArgs, json: bool) -> ClientExit {
    let wanted = match last_run(file) {
        Ok((run, _)) => run.began,
        Err(error) => return unreadable(file, &error),
    };
    let (mut shown, mut others) = (None, Others::default());
    let printed = Ledger::read(file, |record| {
        let Ok(line) = json::read_as_it_is::<Line>(record) else { return };
        if line.run != wanted && !args.all_runs {
            return;
        }
        if !matches(&line, record, args) {
            return others.note(&line, record);
        }
        others.is_alone = false;
        if json {
            return say_raw(record);
        }
        if shown.replace(line.run) != Some(line.run) {
            let began = processpype_api::Timestamp(line.run);
            remark(&format!("{DIM}run that began {began}{DIM:#}"));
        }
        match (line.lost, json::read::<Event>(record)) {
            (Some(lost), _) => say(&format!("{lost} events are missing here")),
            (None, Ok(event)) => say(&view::event(&event)),
            (None, Err(error)) => remark(&format!("a record has no shape of an event: {error}")),
        }
    });
    match printed {
        Ok(found) => {
            tell_damage(&found);
            others.told(args).iter().for_each(|line| remark(line));
            ClientExit::Done
        }
        Err(error) => unreadable(file, &error),
    }
}

/// What is in a file and was not asked for: where nothing else is, a word may be misspelt, and
/// silence would say that nothing had happened.
#[derive(Debug)]
struct Others {
    /// Nothing that was asked for was found.
    is_alone: bool,
    kinds: BTreeSet<String>,
    services: BTreeSet<String>,
    last: u64,
}

// === impl Others ===

impl Default for Others {
    fn default() -> Self {
        let (kinds, services) = (BTreeSet::new(), BTreeSet::new());
        Self { is_alone: true, kinds, services, last: 0 }
    }
}

impl Others {
    fn note(&mut self, line: &Line, record: &str) {
        let Ok(event) = json::read::<Event>(record) else { return };
        let keep = |all: &mut BTreeSet<String>, name: String| {
            let _ = all.len() < NAMES_MAX && all.insert(name);
        };
        keep(&mut self.kinds, cleaned(line.kind.clone()));
        event.service.into_iter().for_each(|name| keep(&mut self.services, name));
        self.last = self.last.max(event.seq);
    }

    /// Says which of the words that were asked for is nowhere, and what is there.
    fn told(&self, args: &EventsArgs) -> Vec<String> {
        let mut told = Vec::new();
        if !self.is_alone || self.kinds.is_empty() {
            return told;
        }
        let mut look = |word: Option<&String>, what: &str, all: &BTreeSet<String>| {
            if let Some(word) = word.filter(|it| all.len() < NAMES_MAX && !all.contains(*it)) {
                let there: Vec<&str> = all.iter().take(NAMES_TOLD).map(String::as_str).collect();
                let more = if all.len() > NAMES_TOLD { ", …" } else { "" };
                let there = there.join(", ");
                told.push(format!("no event is of the {what} `{word}`; here are {there}{more}"));
            }
        };
        look(args.kind.as_ref(), "kind", &self.kinds);
        look(args.service.as_ref(), "service", &self.services);
        if told.is_empty() {
            told.push(format!("no event is as asked for; the last one is number {}", self.last));
        }
        told
    }
}

/// Tells what can be told while nobody answers: what the file of events holds, if there is one.
pub(crate) fn unanswered(
    asking: &Asking,
    verb: &ClientVerb,
    error: &ClientError,
    file: Option<&Path>,
) -> ClientExit {
    match (verb, file) {
        (ClientVerb::Doctor { .. }, file) => silent(asking, error, file),
        (ClientVerb::Events(args), Some(file)) if !args.follow => {
            say_error(error);
            if is_missing(file) {
                remark(&no_file(file));
                return error.exit();
            }
            tell_source(file);
            match events(file, args, asking.json) {
                // The command line named no file.
                ClientExit::Usage => error.exit(),
                exit => exit,
            }
        }
        _ => {
            say_error(error);
            error.exit()
        }
    }
}

/// Whether there is certainly no such file: that is no failure, when nobody named it to be read.
fn is_missing(file: &Path) -> bool {
    file.try_exists().is_ok_and(|exists| !exists)
}

fn no_file(file: &Path) -> String {
    format!("no run has left an event: there is no file {}", file.display())
}

fn tell_source(file: &Path) {
    remark(&format!("the file of events {} tells about the last run:", file.display()));
}

/// Says that nobody answers, and what the file of events says about the last run.
fn silent(asking: &Asking, error: &ClientError, file: Option<&Path>) -> ClientExit {
    let mut findings = vec![Finding::unanswered(error)];
    let mut about = asking.client.url();
    if let Some(file) = file.filter(|file| is_missing(file)) {
        let remedy = "nothing, if it has never run here; otherwise look whether it ran with this \
                      configuration, from this directory, and could write there";
        findings.push(Finding::new(Level::Warning, "no-run", no_file(file), remedy));
    } else if let Some(file) = file {
        tell_source(file);
        let name = file.display().to_string();
        match last_run(file) {
            Ok((run, found)) => {
                let is_alive = Ledger::is_open(file).unwrap_or(false);
                findings.extend(judge(&run, &found, is_alive, &name));
                about = format!("the last run in {name}");
            }
            Err(error) => drop(unreadable(file, &error)),
        }
    }
    let has_ended_badly = findings.iter().skip(1).any(Finding::is_problem);
    let told = report(&findings, &about, Some(Asked::of(asking)), asking.json);
    if has_ended_badly { told } else { error.exit() }
}

fn matches(line: &Line, record: &str, args: &EventsArgs) -> bool {
    if line.lost.is_some() {
        return args.service.is_none() && args.kind.is_none();
    }
    let event: Option<Event> = json::read_as_it_is(record).ok();
    let seq = event.as_ref().map_or(u64::MAX, |event| event.seq);
    let service = event.and_then(|event| event.service);
    args.kind.as_ref().is_none_or(|kind| *kind == line.kind)
        && args.service.as_ref().is_none_or(|name| service.as_ref() == Some(name))
        && args.after.is_none_or(|after| seq > after)
}

/// Says what is wrong with the last run in a file.
pub(crate) fn doctor(file: &Path, json: bool) -> ClientExit {
    let (run, found) = match last_run(file) {
        Ok(read) => read,
        Err(error) => return unreadable(file, &error),
    };
    let is_alive = Ledger::is_open(file).unwrap_or(false);
    let name = file.display().to_string();
    report(&judge(&run, &found, is_alive, &name), &format!("the last run in {name}"), None, json)
}

/// Finds what is wrong with a run, the worst first.
fn judge(run: &LastRun, found: &Found, is_alive: bool, file: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let look = format!("`events --file {file}` shows what happened before");
    if is_alive {
        let message = "a process writes to the file: the application runs, and may not answer";
        let remedy =
            "`kill -USR1 PID` makes it tell all it knows; without `--file` it is asked itself";
        findings.push(Finding::new(Level::Warning, "alive", message, remedy));
    } else if run.last.is_none() {
        let message = "no run has left an event in the file";
        let remedy = "look whether `observability.events.file` names this file, and has ever been \
                      written";
        findings.push(Finding::new(Level::Problem, "no-run", message, remedy));
    } else if let (false, Some(last)) = (run.is_closed, &run.last) {
        let message = format!(
            "the last run ended uncleanly: its last event is number {} of {} ({} {})",
            last.seq, last.time, last.kind, last.cause
        );
        let remedy = format!(
            "look whether the system killed it (out of memory: `journalctl -k`), or its container; \
             {look}"
        );
        findings.push(Finding::new(Level::Problem, "unclean-end", message, remedy));
    }
    for (service, error) in &run.failed {
        let message = format!("`{service}` was in error at the end: {error}");
        let remedy = format!("`events --file {file} --service {service}` shows how it came there");
        let finding = Finding::new(Level::Warning, "was-in-error", message, remedy);
        findings.push(finding.about(service));
    }
    let mut warn = |code, message: String, remedy: String| {
        findings.push(Finding::new(Level::Warning, code, message, remedy));
    };
    if run.lost > 0 {
        let message = format!("{} events are missing in the file", run.lost);
        warn("events-lost", message, "give the file a faster or larger disk".to_owned());
    }
    if found.torn > 0 && !is_alive {
        let message = format!("the last {} bytes are a record that was not finished", found.torn);
        warn("torn", message, "nothing: the next start cuts them, and says so".to_owned());
    }
    if found.damaged > 0 || run.unknown > 0 {
        let message = format!("{} records cannot be read", found.damaged + run.unknown);
        warn("damaged", message, "check the disk, and who else writes to the file".to_owned());
    }
    findings
}

/// Reads a file to its end.
fn last_run(file: &Path) -> std::io::Result<(LastRun, Found)> {
    let mut run = LastRun::default();
    let found = Ledger::read(file, |record| run.take(record))?;
    Ok((run, found))
}

fn tell_damage(found: &Found) {
    if found.torn > 0 {
        remark(&format!("{} bytes at the end are a record that was not finished", found.torn));
    }
    if found.damaged > 0 {
        remark(&format!("{} records cannot be read", found.damaged));
    }
}

fn unreadable(file: &Path, error: &std::io::Error) -> ClientExit {
    remark(&format!(
        "error: cannot read the file of events {}: {error}\n  = help: `observability.events.file` \
         in the configuration names it; without that there is none",
        file.display()
    ));
    ClientExit::Usage
}

// === impl LastRun ===

impl LastRun {
    fn take(&mut self, record: &str) {
        let Ok(line) = json::read_as_it_is::<Line>(record) else {
            self.unknown += 1;
            return;
        };
        if line.run != self.began {
            *self = Self { began: line.run, ..Self::default() };
        }
        if let Some(lost) = line.lost {
            self.lost += lost;
            return;
        }
        let Ok(event) = json::read::<Event>(record) else {
            self.unknown += 1;
            return;
        };
        self.is_closed = line.kind == "application" && line.cause == "closed";
        self.follow(&event);
        self.last = Some(event);
    }

    /// Keeps which services are in `error`.
    fn follow(&mut self, event: &Event) {
        let Some(service) = &event.service else { return };
        match event.to {
            Some(ServiceState::Error) => {
                let text = event.message.clone().unwrap_or_else(|| event.cause.clone());
                self.failed.insert(service.clone(), text);
            }
            Some(_) => {
                self.failed.remove(service);
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the findings, as codes, about a file of these records.
    #[track_caller]
    fn check(records: &[&str], found: &Found, is_alive: bool, expected: &[&str]) {
        let mut run = LastRun::default();
        records.iter().for_each(|record| run.take(record));
        let judged = judge(&run, found, is_alive, "e.jsonl");
        let codes: Vec<&str> = judged.iter().map(Finding::code).collect();
        assert_eq!(codes, expected);
    }

    fn record(run: u64, seq: u64, more: &str) -> String {
        format!("{{\"run\":{run},\"seq\":{seq},\"time\":\"2026-11-26T10:00:00.000Z\",{more}}}")
    }

    #[test]
    fn only_the_last_run_is_judged() {
        let state = |run, seq, to: &str| {
            let more = format!(
                "\"kind\":\"state\",\"cause\":\"x\",\"service\":\"db\",\"from\":\"running\",\
                 \"to\":\"{to}\",\"message\":\"flooded\""
            );
            record(run, seq, &more)
        };
        let closed = |run, seq| record(run, seq, "\"kind\":\"application\",\"cause\":\"closed\"");
        let clean = Found::default();
        let (failed, again) = (state(1, 1, "error"), state(2, 1, "running"));
        check(&[], &clean, false, &["no-run"]);
        check(&[], &clean, true, &["alive"]);
        check(&[&failed], &clean, false, &["unclean-end", "was-in-error"]);
        check(&[&failed, &closed(1, 2)], &clean, false, &["was-in-error"]);
        check(&[&failed, &state(1, 2, "starting")], &clean, false, &["unclean-end"]);
        check(&[&failed, &again, &closed(2, 2)], &clean, false, &[]);
        check(&[&failed, &closed(1, 2), &again], &clean, false, &["unclean-end"]);
        check(&[&again], &clean, true, &["alive"]);
    }

    /// Says which of these records are shown: an event of `db`, one of nobody, and a loss.
    #[track_caller]
    fn check_filters(args: &EventsArgs, expected: [bool; 3]) {
        let of_db = record(1, 4, "\"kind\":\"state\",\"cause\":\"x\",\"service\":\"db\"");
        let of_nobody = record(1, 5, "\"kind\":\"application\",\"cause\":\"closed\"");
        let lost = r#"{"run":1,"kind":"journal","cause":"lagged","lost":7}"#;
        let shown = [of_db.as_str(), &of_nobody, lost].map(|record| {
            let line: Line = json::read_as_it_is(record).expect("a record");
            matches(&line, record, args)
        });
        assert_eq!(shown, expected, "{args:?}");
    }

    #[test]
    fn what_is_shown_of_a_file_is_what_was_asked_for() {
        let all = EventsArgs {
            follow: false,
            service: None,
            kind: None,
            after: None,
            file: None,
            all_runs: false,
        };
        check_filters(&all, [true; 3]);
        let service = |name: &str| EventsArgs { service: Some(name.to_owned()), ..all.clone() };
        let kind = |name: &str| EventsArgs { kind: Some(name.to_owned()), ..all.clone() };
        check_filters(&service("db"), [true, false, false]);
        check_filters(&service("web"), [false; 3]);
        check_filters(&kind("state"), [true, false, false]);
        check_filters(&kind("application"), [false, true, false]);
        let none = EventsArgs { service: Some("web".to_owned()), ..kind("state") };
        check_filters(&none, [false; 3]);
        check_filters(&EventsArgs { after: Some(4), ..all.clone() }, [false, true, true]);
        check_filters(&EventsArgs { after: Some(3), ..all.clone() }, [true; 3]);
    }

    #[test]
    fn a_word_that_is_nowhere_is_told_with_those_that_are_there() {
        let args = |service: Option<&str>, kind: Option<&str>| EventsArgs {
            after: None,
            follow: false,
            service: service.map(str::to_owned),
            kind: kind.map(str::to_owned),
            file: None,
            all_runs: false,
        };
        let of_db = record(1, 4, "\"kind\":\"state\",\"cause\":\"x\",\"service\":\"db\"");
        let mut others = Others::default();
        let line = json::read_as_it_is(&of_db).expect("a record");
        others.note(&line, &of_db);
        let told = |service, kind| others.told(&args(service, kind));
        assert_eq!(told(None, Some("stat")), ["no event is of the kind `stat`; here are state"]);
        assert_eq!(told(Some("bd"), None), ["no event is of the service `bd`; here are db"]);
        assert_eq!(told(None, None), ["no event is as asked for; the last one is number 4"]);
        others.is_alone = false;
        assert!(others.told(&args(Some("bd"), None)).is_empty());
    }

    #[test]
    fn nothing_in_the_file_commands_the_terminal() {
        let more = "\"kind\":\"state\",\"cause\":\"x\",\"service\":\"db\",\"to\":\"error\",\
                    \"message\":\"\\u001b[2Jgone\\rok\"";
        let mut run = LastRun::default();
        run.take(&record(1, 1, more));
        let judged = judge(&run, &Found::default(), false, "e.jsonl");
        let told: Vec<String> = judged.iter().map(ToString::to_string).collect();
        let told = told.join(" ").replace('\n', " ");
        assert!(told.contains("\\u{1b}[2Jgone\\u{d}ok"), "{told}");
    }

    #[test]
    fn what_is_missing_is_told() {
        let lagged = "{\"run\":1,\"kind\":\"journal\",\"cause\":\"lagged\",\"lost\":7}";
        let closed = record(1, 9, "\"kind\":\"application\",\"cause\":\"closed\"");
        let clean = Found::default();
        check(&[lagged, &closed], &clean, false, &["events-lost"]);
        check(&[&closed, "{}"], &clean, false, &["damaged"]);
    }
}
