//! Examples in the documents that are no Rust: files of configuration, and command lines.

use std::collections::{BTreeMap, BTreeSet};

use processpype::config::{Format, Loader, Report, Section};
use processpype::{Application, Config, SetupError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::cli;
use crate::harness::Plain;

/// The documents for users.
const DOCUMENTS: &[&str] = &[
    "README.md",
    "docs/configuration.md",
    "docs/from-python.md",
    "docs/metrics.md",
    "docs/operations.md",
    "docs/semantics.md",
    "docs/services.md",
    "docs/supervision.md",
    "examples/playground/README.md",
    "examples/sysmon/README.md",
];

/// Sections of the file; a block of YAML that begins with another key is some other program's.
const SECTIONS: &[&str] =
    &["app", "server", "observability", "secrets", "defaults", "groups", "services"];

/// How blocks of YAML begin that are read by others: Prometheus, Kubernetes, the client's contexts.
const OF_OTHERS: &[&str] = &["scrape_configs", "spec", "current"];

/// What an example may lack where it is tested: files of the machine it is for, parts that this
/// build is without, and the section that it leaves out.
const OF_THE_READER: &[&str] =
    &["No such file", "the directory", "the feature", "no secret backend"];

/// What services of examples have, whose types nobody knows.
#[derive(Deserialize, JsonSchema)]
struct Anything {
    #[serde(flatten)]
    _all: BTreeMap<String, Value>,
}

fn anything(_: Config<Anything>) -> Plain {
    Plain
}

/// A fenced block, and where it begins.
struct Block {
    place: String,
    text: String,
}

/// Returns the blocks of all documents that are marked so.
fn blocks(mark: &str) -> Vec<Block> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let of = |document: &&str| {
        let text = std::fs::read_to_string(format!("{root}/{document}")).expect(document);
        blocks_of(document, &text, mark)
    };
    DOCUMENTS.iter().flat_map(of).collect()
}

fn blocks_of(document: &str, text: &str, mark: &str) -> Vec<Block> {
    let (mut found, mut open): (Vec<Block>, Option<String>) = (Vec::new(), None);
    for (index, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), open.as_deref()) {
            (Some(language), None) => {
                open = Some(language.to_owned());
                let place = format!("{document}:{}", index + 1);
                found.extend((language == mark).then(|| Block { place, text: String::new() }));
            }
            (Some(_), Some(_)) => open = None,
            (None, Some(language)) if language == mark => {
                let block = found.last_mut().expect("it was opened");
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, _) => {}
        }
    }
    found
}

/// Returns an application with a service or a kind for each that the file names.
fn application_for(root: &Section) -> Application {
    let services = root.get("services");
    let (mut names, mut kinds) = (BTreeSet::new(), BTreeSet::new());
    for name in services.names() {
        match services.get(name).get("kind").read::<String>() {
            Ok(kind) => drop(kinds.insert(kind)),
            Err(_) => drop(names.insert(name.to_owned())),
        }
    }
    let groups = root.get("groups");
    let members = groups.names().map(|group| groups.get(group).get("members"));
    let members = members.flat_map(|members| members.read::<Vec<String>>().expect("a list"));
    let members = members.filter(|member| !services.get(member).exists());
    names.extend(members);
    let mut app = Application::new().environment(
        [("LOGFIRE_TOKEN", "t")].map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    for name in &names {
        app = app.service(anything).named(name);
    }
    for kind in &kinds {
        app = app.kind(kind, anything);
    }
    app
}

/// Says what is wrong with a file, but for what only the reader's own machine has.
fn wrong(error: &SetupError) -> Option<String> {
    let own = |message: &str| OF_THE_READER.iter().any(|part| message.contains(part));
    let mut problems = error.report().into_iter().flat_map(Report::problems);
    let is_fine = error.plan().is_none() && problems.all(|it| own(&it.to_string()));
    (!is_fine).then(|| error.to_string())
}

#[test]
fn every_file_of_configuration_in_a_document_is_taken() {
    let mut taken = 0;
    let mut all_wrong = Vec::new();
    for Block { place, text } in blocks("yaml") {
        let loaded = Loader::new().text("app.yaml", Format::Yaml, text.as_str()).load();
        let document = loaded.unwrap_or_else(|report| panic!("{place}: {report}"));
        let root = document.root();
        let first = root.names().find(|name| !name.starts_with("x-")).expect("it has a key");
        if !SECTIONS.contains(&first) {
            assert!(OF_OTHERS.contains(&first), "{place}: who reads `{first}`?");
            continue;
        }
        let app = application_for(&root).config_text("app.yaml", Format::Yaml, text.as_str());
        if let Some(wrong) = app.check().err().and_then(|error| wrong(&error)) {
            all_wrong.push(format!("{place}: {wrong}"));
        }
        taken += 1;
    }
    assert!(all_wrong.is_empty(), "{}", all_wrong.join("\n"));
    assert!(taken > 10, "only {taken} were found");
}

/// The programs whose command lines are tried; `context` is the verb of one of them alone.
const PROGRAMS: &[&str] = &["shop", "sysmon", "playground", "processpype"];
const FOREIGN: &str = "context";

/// Splits what was typed into commands, and these into words, as far as examples need it.
fn commands(line: &str) -> Vec<Vec<String>> {
    let (mut all, mut word, mut quote) = (vec![vec![]], String::new(), None);
    let end = |word: &mut String, all: &mut Vec<Vec<String>>| {
        let word = std::mem::take(word);
        all.last_mut().expect("there is one").extend((!word.is_empty()).then_some(word));
    };
    for letter in line.chars() {
        match letter {
            '\'' | '"' if quote == Some(letter) => quote = None,
            '\'' | '"' if quote.is_none() => quote = Some(letter),
            '#' if quote.is_none() && word.is_empty() => break,
            ' ' if quote.is_none() => end(&mut word, &mut all),
            ';' | '|' | '&' | '>' if quote.is_none() => {
                end(&mut word, &mut all);
                all.push(vec![]);
            }
            other => word.push(other),
        }
    }
    end(&mut word, &mut all);
    all
}

/// Returns what an application is given, if this command is one of an application.
fn arguments(command: &[String]) -> Option<&[String]> {
    let at = command.iter().position(|word| !word.contains('='))?;
    let (program, rest) = command[at..].split_first()?;
    if program != "cargo" {
        return PROGRAMS.contains(&program.as_str()).then_some(rest);
    }
    let package = rest.iter().skip_while(|word| *word != "-p").nth(1)?;
    let is_one = PROGRAMS.contains(&package.as_str()) && rest.first()? == "run";
    let given = rest.iter().position(|word| word == "--").map_or(rest.len(), |at| at + 1);
    is_one.then(|| &rest[given..])
}

#[test]
fn every_command_line_in_a_document_is_one() {
    let mut tried = BTreeSet::new();
    let typed = |line: &str, mark: &str| line.strip_prefix(mark).map(str::to_owned);
    let lines = [("console", "$ "), ("sh", "")].into_iter().flat_map(|(mark, prompt)| {
        blocks(mark).into_iter().flat_map(move |Block { place, text }| {
            let lines: Vec<_> = text.lines().filter_map(|line| typed(line, prompt)).collect();
            lines.into_iter().map(move |line| (place.clone(), line))
        })
    });
    for (place, line) in lines {
        for command in commands(&line) {
            let Some(given) = arguments(&command).filter(|given| !given.contains(&FOREIGN.into()))
            else {
                continue;
            };
            // With this at its end a line is read, and does nothing.
            let given: Vec<&str> = given.iter().map(String::as_str).chain(["--help"]).collect();
            if tried.insert(given.join(" ")) {
                let ran = cli::run(&format!("document-{}", tried.len()), "", &given);
                assert_eq!(ran.code, 0, "{place}: {}: {}", given.join(" "), ran.err);
            }
        }
    }
    assert!(tried.len() > 40, "only {} were found", tried.len());
}

/// Returns the words that sources have, outside their tests, directly behind one of `marks`.
fn codes(sources: &[&str], marks: &[&str]) -> BTreeSet<String> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let of = |source: &&str| {
        let text = std::fs::read_to_string(format!("{root}/{source}")).expect(source);
        let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
        let code = code.split_whitespace().collect::<Vec<_>>().join(" ");
        let behind = |mark: &&str| {
            let mark = format!("{mark}\"");
            let pieces = code.split(&mark).skip(1).filter_map(|piece| piece.split_once('"'));
            pieces.map(|(word, _)| word.to_owned()).collect::<Vec<_>>()
        };
        marks.iter().flat_map(behind).collect::<Vec<_>>()
    };
    sources.iter().flat_map(of).collect()
}

/// Returns the words in code marks of the first column of the table with this head.
fn first_column(document: &str, head: &str) -> BTreeSet<String> {
    let path = format!("{}/../../{document}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect(document);
    let rows = text.lines().skip_while(|line| *line != head).skip(2);
    let cells = rows.take_while(|row| row.starts_with('|')).filter_map(|row| row.split('|').nth(1));
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned)).collect()
}

#[test]
fn every_warning_and_every_finding_is_listed_and_no_others() {
    let warnings =
        codes(&["crates/processpype/src/cli/warnings.rs"], &["Warning::new(setup, ", "code: "]);
    assert_eq!(first_column("docs/configuration.md", "| Code | Warns of |"), warnings);
    let findings = codes(
        &[
            "crates/processpype-cli/src/doctor.rs",
            "crates/processpype-cli/src/past.rs",
            "crates/processpype-control/src/diagnosis.rs",
            "crates/processpype-runtime/src/diagnosis.rs",
        ],
        &[
            "new(Level::Problem, ",
            "new(Level::Warning, ",
            "new(level, ",
            "found(Level::Problem, ",
            "found(Level::Warning, ",
            "then(|| (",
            "Some((",
            "=> { (",
            "warn( ",
            "warn(",
            "code: ",
            "Self::problem(",
            "Self::warning( ",
            "RUNNING_WITHOUT: &str = ",
        ],
    );
    assert_eq!(first_column("docs/operations.md", "| Finding | Means |"), findings);
}
