//! Services that are registered and taken out, and the end of an application.

use std::path::PathBuf;

use crate::{answer, run, serve};

fn json(status: &str, body: &str) -> Vec<u8> {
    answer(status, "application/json", body)
}

/// Writes the section of a service.
fn section(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn operation(state: &str, more: &str) -> Vec<u8> {
    let body = format!(
        "{{\"id\":7,\"verb\":\"register\",\"flags\":[\"start\"],\"service\":\"fast\",\
         \"actor\":\"a\",\"reason\":null,\"state\":\"{state}\",\
         \"accepted\":\"2026-11-26T10:00:00.000Z\",\"ended\":null,\"changed\":null,\
         \"generation\":null,\"affected\":[]{more}}}"
    );
    json("200 OK", &body)
}

fn accepted(command: &str) -> Vec<u8> {
    let body = format!(
        "{{\"operation\":7,\"status\":\"accepted\",\"command\":\"{command}\",\"service\":\"fast\",\
         \"state\":\"starting\",\"waiting_on\":[],\"location\":\"/operations/7\"}}"
    );
    json("202 Accepted", &body)
}

pub(crate) fn info(started_at: &str) -> Vec<u8> {
    let body = format!(
        "{{\"title\":\"Shop\",\"version\":\"1\",\"framework\":\"1\",\"profile\":\"debug\",\
         \"features\":[],\"panic\":\"unwind\",\"platform\":\"linux\",\"pid\":1,\
         \"started_at\":\"{started_at}\",\"uptime_seconds\":1,\"services\":1}}"
    );
    json("200 OK", &body)
}

const PROBLEM: &str = r#"{"title":"t","status":404,"code":"unknown-service","detail":"d"}"#;

#[test]
fn a_registration_is_waited_for_until_its_start_has_ended() {
    let path = section("fast.yaml", "interval: 1s\nname: \"5\"");
    let register = |url: &str, more: &[&str]| {
        let words = ["-u", url, "register", "ticker", "fast", "--start", "--wait", "5m"];
        run(&[&words[..], &["--section", path.to_str().unwrap()], more].concat())
    };
    let (url, serving) = serve(vec![accepted("register"), operation("done", "")]);
    let ran = register(&url, &["--reason", "a test"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "fast started\n"), "{ran:?}");
    let heads = serving.join().unwrap();
    assert!(heads[0].starts_with("POST /services?wait=1m HTTP"), "{heads:?}");
    assert!(heads[1].starts_with("GET /operations/7 HTTP"), "{heads:?}");

    let failed = operation("failed", ",\"code\":\"start-failed\",\"detail\":\"it is broken\"");
    let (url, _) = serve(vec![accepted("register"), failed]);
    let ran = register(&url, &[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for text in ["error[start-failed]", "it is broken", "`why fast`", "`deregister fast`"] {
        assert!(ran.err.contains(text), "{text}: {ran:?}");
    }
    let (url, _) = serve(vec![accepted("register"), operation("waiting", "")]);
    let ran = run(&["-u", &url, "register", "ticker", "fast", "--start", "--wait", "1ms"]);
    assert_eq!(ran.code, Some(75), "{ran:?}");
    assert!(ran.err.contains("(operation 7)") && ran.err.contains("`why fast`"), "{ran:?}");
}

#[test]
fn a_section_that_cannot_be_read_is_64_and_nothing_is_sent() {
    for (name, text) in [("list.yaml", "[kanarie]"), ("unset.yaml", "a: ${NOT_SET}kanarie")] {
        let path = section(name, text);
        let words = ["register", "ticker", "fast", "--section", path.to_str().unwrap()];
        let ran = run(&[&words[..], &["-u", "http://127.0.0.1:1"]].concat());
        assert_eq!((ran.code, ran.out.as_str()), (Some(64), ""), "{ran:?}");
        assert!(ran.err.contains(name) && !ran.err.contains("kanarie"), "{ran:?}");
    }
    let nowhere = ["register", "ticker", "fast", "--section", "/nowhere/x.yaml"];
    let ran = run(&[&nowhere[..], &["-u", "http://127.0.0.1:1"]].concat());
    assert_eq!(ran.code, Some(64), "{ran:?}");
    assert!(ran.err.contains("= help: --section names"), "{ran:?}");
    // Nothing comes from standard input here: an empty section is one.
    let ran = run(&["register", "ticker", "fast", "--section", "-", "-u", "http://127.0.0.1:1"]);
    assert_eq!(ran.code, Some(69), "{ran:?}");
}

#[test]
fn a_deregistration_is_over_when_nobody_knows_the_service() {
    let status = || crate::status("stopping", 1, "");
    let gone = answer("404 Not Found", "application/problem+json", PROBLEM);
    let (url, serving) = serve(vec![status(), accepted("deregister"), status(), gone]);
    let ran = run(&["-u", &url, "deregister", "db", "--cascade", "--reason", "old"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "db deregistered\n"), "{ran:?}");
    let heads = serving.join().unwrap();
    let delete = "DELETE /services/db?wait=10s&cascade=true HTTP";
    assert!(heads[1].starts_with(delete), "{heads:?}");
}

#[test]
fn an_application_has_closed_when_nothing_of_it_answers() {
    let closing = r#"{"operation":7,"status":"closing","changed":true,"closing_timeout_ms":25000}"#;
    let closing = || json("202 Accepted", closing);
    let (early, late) = ("2026-11-26T10:00:00.000Z", "2026-11-26T10:00:09.000Z");
    let (url, serving) = serve(vec![info(early), closing(), info(early)]);
    let ran = run(&["-u", &url, "shutdown", "--reason", "moving"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "the application has closed\n"), "{ran:?}");
    let heads = serving.join().unwrap();
    assert!(heads[1].starts_with("POST /shutdown HTTP"), "{heads:?}");
    let (url, _) = serve(vec![info(early), closing(), info(early), info(late)]);
    let ran = run(&["-u", &url, "shutdown"]);
    assert!(ran.code == Some(0) && ran.out.contains("another process"), "{ran:?}");
    let (url, _) = serve(vec![info(early), closing()]);
    let ran = run(&["-u", &url, "shutdown", "--wait", "0"]);
    assert!(ran.code == Some(0) && ran.out.contains("(operation 7), within 25s"), "{ran:?}");
    let (url, _) = serve(vec![info(early), closing(), info(early)]);
    let ran = run(&["-u", &url, "shutdown", "--wait", "1ms"]);
    assert_eq!(ran.code, Some(75), "{ran:?}");
}
