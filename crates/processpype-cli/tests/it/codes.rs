//! Every exit code: in the documents, and as the program really ends.

use std::process::Stdio;

use processpype_cli::ClientExit;

use crate::membership::info;
use crate::{BEGAN, Ran, answer, event, run, serve, status, stream};

/// What takes no byte.
fn full() -> Stdio {
    std::fs::File::options().write(true).open("/dev/full").unwrap().into()
}

/// Makes the program end in one way.
fn end_as(exit: ClientExit) -> Ran {
    match exit {
        ClientExit::Done => run(&["--version"]),
        ClientExit::Refused => {
            let body = r#"{"title":"t","status":404,"code":"unknown-service","detail":"d"}"#;
            let (url, _) = serve(vec![answer("404 Not Found", "application/problem+json", body)]);
            run(&["-u", &url, "why", "a"])
        }
        ClientExit::Usage => run(&["sttaus"]),
        ClientExit::Unreachable => run(&["-u", "http://127.0.0.1:1", "status"]),
        ClientExit::Unreadable => {
            let (url, _) = serve(vec![answer("200 OK", "text/html", "<html>")]);
            run(&["-u", &url, "status"])
        }
        ClientExit::Unwritable => {
            let page = r#"{"records":[],"next":0,"last":0,"lost":0,"dropped":0}"#;
            let (url, _) = serve(vec![answer("200 OK", "application/json", page)]);
            crate::run_into(&["-u", &url, "logs", "--json"], full())
        }
        ClientExit::StillGoing => {
            let accepted = r#"{"status":"accepted","command":"stop","service":"db",
                "state":"stopping","waiting_on":[],"location":"/","operation":1}"#;
            let accepted = answer("202 Accepted", "application/json", accepted);
            let stopping = status("stopping", 1, "");
            let (url, _) = serve(vec![status("running", 1, ""), accepted, stopping]);
            run(&["-u", &url, "stop", "db", "--wait", "1ms"])
        }
        ClientExit::Misconfigured => run(&["--context", "nobody", "status"]),
        other => panic!("how does the program end as {other:?}?"),
    }
}

/// What a script gives whose variable is not set.
#[test]
fn a_name_that_is_empty_is_a_mistake_of_the_command_line() {
    for verb in ["start", "stop", "restart", "why", "status", "logs", "level"] {
        let ran = run(&["-u", "http://127.0.0.1:1", verb, ""]);
        assert_eq!(ran.code, Some(64), "{verb}: {}", ran.err);
        assert!(ran.err.contains("value is required"), "{}", ran.err);
    }
}

#[test]
fn every_code_is_met_and_documented() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operations.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    let table = docs.split("| Exit code | Means |\n|---|---|\n").nth(1).unwrap();
    let table = table.split("\n\n").next().unwrap();
    let codes = table.lines().map(|row| row.split('|').nth(1).unwrap().trim().parse().unwrap());
    let codes: Vec<u8> = codes.collect();
    let known: Vec<u8> = ClientExit::ALL.iter().map(|exit| exit.code()).collect();
    assert_eq!(codes, known, "the table of docs/operations.md");
    let help = run(&["--help"]).out.split_whitespace().collect::<Vec<_>>().join(" ");
    for &exit in ClientExit::ALL {
        let ran = end_as(exit);
        assert_eq!(ran.code, Some(i32::from(exit.code())), "{exit:?}: {ran:?}");
        assert!(help.contains(&format!("{} {}", exit.code(), exit.meaning())), "{exit:?}: {help}");
    }
}

#[test]
fn output_that_cannot_be_written_is_told_and_a_reader_that_has_gone_is_not() {
    let into = |verb: &str, output: Stdio| {
        let ran = crate::run_into(&[verb], output);
        (ran.code, ran.err)
    };
    for verb in ["man", "--help", "--version"] {
        let (code, told) = into(verb, full());
        assert_eq!(code, Some(74), "{verb}: {told}");
        assert!(told.starts_with("error: cannot write to standard output: No space"), "{told}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        assert_eq!(into(verb, writer.into()), (Some(0), String::new()), "{verb}");
    }
}

#[test]
fn following_ends_when_nobody_reads() {
    let page = r#"{"events":[],"next":0,"last":0,"lost":0}"#;
    let page = answer("200 OK", "application/json", page);
    let (url, serving) = serve(vec![info(BEGAN), page, stream(&event(1))]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ran = crate::run_into(&["-u", &url, "events", "-f"], writer.into());
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:?}");
    assert_eq!(serving.join().unwrap().len(), 3);
}

#[test]
fn colour_is_where_it_is_wanted() {
    let page =
        r#"{"title":"Shop","version":"1","environment":"e","state":"running","services":{}}"#;
    let check = |arguments: &[&str], variables: &[(&str, &str)], expected: bool| {
        let (url, _) = serve(vec![answer("200 OK", "application/json", page)]);
        let ran = crate::run_with(&[&["-u", &url, "status"], arguments].concat(), variables);
        assert_eq!(ran.out.contains('\u{1b}'), expected, "{arguments:?} {variables:?}: {ran:?}");
    };
    check(&[], &[], false);
    check(&["--color", "always"], &[("NO_COLOR", "1")], true);
    check(&["--color", "never"], &[("CLICOLOR_FORCE", "1")], false);
    check(&[], &[("CLICOLOR_FORCE", "1")], true);
}
