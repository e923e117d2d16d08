//! What is asked again, what is not, and what is said when nobody answers.

use crate::membership::info;
use crate::{BEGAN, answer, event, run, run_with, serve, status, stream};

const SNAPSHOT: &str =
    r#"{"title":"t","version":"1","environment":"e","state":"running","services":{}}"#;

/// A problem that asks to be asked again.
fn later(status: &str, code: &str, retry_after: &str) -> Vec<u8> {
    let number = status.split(' ').next().unwrap();
    let body = format!(r#"{{"title":"Busy","status":{number},"code":"{code}","detail":"d"}}"#);
    let media = format!("application/problem+json\r\nretry-after: {retry_after}");
    answer(status, &media, &body)
}

#[test]
fn what_only_reads_is_asked_again_when_the_answer_asks_for_it() {
    let dated = "Thu, 26 Nov 2026 10:00:01 GMT\r\ndate: Thu, 26 Nov 2026 10:00:00 GMT";
    for (status, code, after) in [
        ("429 Too Many Requests", "too-many-requests", "1"),
        ("503 Service Unavailable", "busy", dated),
    ] {
        let page = answer("200 OK", "application/json", SNAPSHOT);
        let (url, serving) = serve(vec![later(status, code, after), page]);
        let ran = run(&["-u", &url, "status"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_eq!(ran.err, "Busy: d; trying again in 1s\n");
        assert_eq!(serving.join().unwrap().len(), 2);
    }
}

#[test]
fn it_is_asked_again_within_bounds() {
    let busy = || later("429 Too Many Requests", "too-many-requests", "0");
    let (url, serving) = serve(vec![busy(), busy(), busy()]);
    let ran = run(&["-u", &url, "status"]);
    assert_eq!((ran.code, ran.err.matches("trying again").count()), (Some(1), 2), "{ran:?}");
    assert_eq!(serving.join().unwrap().len(), 3);
    let (url, serving) = serve(vec![later("503 Service Unavailable", "busy", "60")]);
    let ran = run(&["-u", &url, "status"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("= help: try again in 1m: it asks for that"), "{ran:?}");
    assert_eq!(serving.join().unwrap().len(), 1);
    let html = answer("503 Service Unavailable", "text/html\r\nretry-after: 60", "<html>");
    let (url, _) = serve(vec![html]);
    let ran = run(&["-u", &url, "status"]);
    assert_eq!(ran.code, Some(70), "{ran:?}");
    assert!(ran.err.contains("a web page says 503, and not why"), "{ran:?}");
    assert!(ran.err.contains("; try again in 1m"), "{ran:?}");
}

#[test]
fn a_command_is_given_once() {
    let busy = later("503 Service Unavailable", "busy", "1");
    let (url, serving) = serve(vec![status("running", 1, ""), busy]);
    let ran = run(&["-u", &url, "stop", "db"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("try again in 1s"), "{ran:?}");
    assert_eq!(serving.join().unwrap().len(), 2);
}

#[test]
fn following_goes_on_after_a_refusal_and_repeats_nothing() {
    let page = r#"{"events":[],"next":0,"last":0,"lost":0}"#;
    let page = answer("200 OK", "application/json", page);
    let busy = || later("503 Service Unavailable", "busy", "0");
    let closing = "event: closing\ndata: {}\n\n";
    let first = stream(&format!("{}{}", event(1), event(2)));
    let second = stream(&format!("{}{}{closing}", event(2), event(3)));
    let again = [info(BEGAN), busy(), info(BEGAN), second];
    let answers = [vec![info(BEGAN), page, busy(), first], again.to_vec()].concat();
    let (url, serving) = serve(answers);
    let ran = run(&["-u", &url, "events", "-f"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(seqs(&ran), ["1", "2", "3"], "{ran:?}");
    let told: Vec<&str> = ran.err.lines().collect();
    assert!(told[1].starts_with("connection lost: the connection to "), "{ran:?}");
    assert!(told[1].ends_with("; trying again"), "{ran:?}");
    assert_eq!(told[2..], ["connected again", "the application has closed"], "{ran:?}");
    assert!(serving.join().unwrap()[7].contains("last-event-id: 2"));
}

/// What is shown of events, by number.
fn seqs(ran: &crate::Ran) -> Vec<&str> {
    ran.out.lines().filter_map(|line| line.split_whitespace().next()).collect()
}

#[test]
fn nothing_of_another_process_is_passed_over_though_it_is_not_known_who_it_was() {
    let page = r#"{"events":[],"next":40,"last":40,"lost":0}"#;
    let page = answer("200 OK", "application/json", page);
    let broken = || answer("500 Internal Server Error", "text/html", "<html>");
    let closing = "event: closing\ndata: {}\n\n";
    let (first, again) = (stream(&event(41)), stream(&format!("{}{closing}", event(1))));
    // It is asked again before a stream is there.
    let late = "2026-11-26T10:00:09.000Z";
    let answers =
        vec![broken(), page.clone(), info(BEGAN), first.clone(), info(late), again.clone()];
    let (url, serving) = serve(answers);
    let ran = run(&["-u", &url, "events", "-f"]);
    assert_eq!((ran.code, seqs(&ran)), (Some(0), vec!["41", "1"]), "{ran:?}");
    assert!(ran.err.contains("\nanother process answers: its events follow"), "{ran:?}");
    assert!(serving.join().unwrap()[5].contains("last-event-id: 0\r"));
    // And where that is not known either, it may be another one.
    let answers = vec![broken(), page, broken(), first, info(late), again];
    let (url, serving) = serve(answers);
    let ran = run(&["-u", &url, "events", "-f"]);
    assert_eq!((ran.code, seqs(&ran)), (Some(0), vec!["41", "1"]), "{ran:?}");
    assert!(ran.err.contains("\nperhaps another process answers: its events follow"), "{ran:?}");
    assert!(serving.join().unwrap()[5].contains("last-event-id: 0\r"));
}

#[test]
fn a_first_stream_has_patience_once_something_has_answered() {
    let page = r#"{"events":[],"next":7,"last":7,"lost":0}"#;
    let page = answer("200 OK", "application/json", page);
    // Without a word about when to come again, or without any.
    for refusal in [answer("503 Service Unavailable", "text/html", "<html>"), Vec::new()] {
        let last = stream(&format!("{}event: closing\ndata: {{}}\n\n", event(8)));
        let answers = vec![info(BEGAN), page.clone(), refusal, info(BEGAN), last];
        let (url, serving) = serve(answers);
        let ran = run(&["-u", &url, "events", "-f"]);
        assert_eq!((ran.code, seqs(&ran)), (Some(0), vec!["8"]), "{ran:?}");
        assert!(ran.err.starts_with("no connection: ") && ran.err.contains("; trying again\n"));
        let heads = serving.join().unwrap();
        assert!(heads[4].starts_with("GET /events/stream?after=7 HTTP"), "{heads:?}");
    }
    // Where nothing has, it is said at once.
    let ran = run(&["-u", "http://127.0.0.1:1", "events", "-f", "--after", "1"]);
    assert_eq!((ran.code, ran.err.contains("trying again")), (Some(69), false), "{ran:?}");
}

#[test]
fn a_doctor_without_an_answer_finds_that() {
    let ran = run(&["doctor", "-u", "http://127.0.0.1:1"]);
    assert_eq!(ran.code, Some(69), "{ran:?}");
    let found = ran.out.starts_with("problem[unanswered]: nothing answers at http://127.0.0.1:1: ");
    assert!(found && ran.out.contains("http://127.0.0.1:1: 1 problem, 0 warnings"), "{ran:?}");
    let ran = run(&["doctor", "-u", "http://127.0.0.1:1", "--json"]);
    assert_eq!(ran.code, Some(69), "{ran:?}");
    let told: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&told["ok"], &told["findings"][0]["code"]), (&false.into(), &"unanswered".into()));
}

#[test]
fn a_token_that_is_not_known_is_told_with_its_source() {
    let body = r#"{"title":"t","status":401,"code":"unauthenticated","detail":"d"}"#;
    let refusal = || answer("401 Unauthorized", "application/problem+json", body);
    let (url, _) = serve(vec![refusal()]);
    let ran = run_with(&["-u", &url, "info"], &[("PROCESSPYPE_TOKEN", "x".repeat(43).as_str())]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("the token that was shown is from PROCESSPYPE_TOKEN"), "{ran:?}");
    for token in ["two words", "a\nline", "é"] {
        let ran = run_with(&["-u", &url, "info"], &[("PROCESSPYPE_TOKEN", token)]);
        assert_eq!(ran.code, Some(78), "{ran:?}");
        assert!(ran.err.contains("the token from PROCESSPYPE_TOKEN has characters"), "{ran:?}");
        assert!(!ran.err.contains(token), "{ran:?}");
    }
}

#[test]
fn operations_are_listed_up_to_the_newest() {
    let page = |next: u64| format!(r#"{{"operations":[],"next":{next},"last":1500}}"#);
    let answered = |next| answer("200 OK", "application/json", &page(next));
    let (url, serving) = serve(vec![answered(1000), answered(1500)]);
    let ran = run(&["-u", &url, "--json", "operations", "--service", "db"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.out, format!("{}\n{}\n", page(1000), page(1500)));
    let heads = serving.join().unwrap();
    assert!(heads[1].starts_with("GET /operations?after=1000&limit=1000&service=db "), "{heads:?}");
}

#[test]
fn following_from_a_place_of_an_earlier_process_begins_anew() {
    let page = answer("200 OK", "application/json", r#"{"events":[],"next":3,"last":3,"lost":0}"#);
    let closing = "event: closing\ndata: {}\n\n";
    let all = stream(&format!("{}{}{closing}", event(1), event(4)));
    let (url, serving) = serve(vec![info(BEGAN), page, all]);
    let ran = run(&["-u", &url, "events", "-f", "--after", "999"]);
    assert_eq!((ran.code, seqs(&ran)), (Some(0), vec!["1", "4"]), "{ran:?}");
    let heads = serving.join().unwrap();
    assert!(heads[2].starts_with("GET /events/stream?after=0 HTTP"), "{heads:?}");
}

#[test]
fn a_log_that_breaks_before_its_first_line_goes_on_at_that_line() {
    let page = r#"{"records":[],"next":41,"last":41,"lost":0,"dropped":7}"#;
    let page = answer("200 OK", "application/json", page);
    let last = stream("event: closing\ndata: {}\n\n");
    let (url, serving) = serve(vec![info(BEGAN), page, stream(": hello\n\n"), info(BEGAN), last]);
    let ran = run(&["-u", &url, "logs", "-f"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""), "{ran:?}");
    assert!(serving.join().unwrap()[4].contains("last-event-id: 41\r"));
}
