//! What is told of files that are wrong, of commands that nobody waits for, and of all services.

use crate::{answer, run, serve, status};

#[test]
fn what_is_wrong_in_the_files_looks_as_it_does_at_the_start() {
    let cycle = "they depend on each other:\\n   `a` needs `b`\\nerror: `b`\\u001b needs `a`";
    let body = format!(
        "{{\"title\":\"Invalid configuration\",\"status\":422,\"code\":\"invalid-config\",\
         \"detail\":\"two\\nmistakes\",\"errors\":[\
         {{\"path\":\"\",\"message\":\"{cycle}\",\"help\":\"remove one\"}},\
         {{\"path\":\"server.prot\",\"message\":\"unknown key `server.prot`\",\
           \"origin\":\"a.yaml:1:9\",\"notes\":[\"overrides b.yaml:2:1\"],\
           \"excerpt\":[\"   |\",\"12 | port\\u001b: 1\",\
           \"error: x\",\"   | ^^^^\"],\"valid\":[\"host\",\"port\"],\"help\":\"port?\"}}]}}"
    );
    let problem = answer("422 Unprocessable Content", "application/problem+json", &body);
    let (url, _) = serve(vec![problem]);
    let ran = run(&["-u", &url, "reload"]);
    let expected = "error[invalid-config]: Invalid configuration: two\\u{a}mistakes\n\n\
                    error: they depend on each other:\n   `a` needs `b`\n   \
                    error: `b`\\u{1b} needs `a`\n   = help: remove one\n\n\
                    error: unknown key `server.prot`\n  --> a.yaml:1:9\n   |\n\
                    12 | port\\u{1b}: 1\n   | ^^^^\n   \
                    = note: overrides b.yaml:2:1\n   = valid: host, port\n   = help: port?\n";
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), expected), "{ran:?}");
}

#[test]
fn who_does_not_wait_is_done_when_it_is_accepted() {
    let accepted = r#"{"operation":1,"status":"accepted","command":"x","service":"db",
        "state":"starting","waiting_on":[],"location":"/"}"#;
    let accepted = || answer("202 Accepted", "application/json", accepted);
    let reloaded = r#"{"operation":1,"dry_run":false,"finished":false,"changed":true,
        "services":[{"service":"db","operation":2,"status":null,"code":null,"detail":null}],
        "differences":[],"needs_process_restart":[]}"#;
    let reloaded = || answer("202 Accepted", "application/json", reloaded);
    for (wait, code) in [("0", 0), ("1ms", 75)] {
        let (url, _) = serve(vec![status("running", 1, ""), accepted()]);
        assert_eq!(run(&["-u", &url, "restart", "db", "--wait", wait]).code, Some(code));
        let (url, _) = serve(vec![accepted()]);
        assert_eq!(run(&["-u", &url, "configure", "db", "a=1", "--wait", wait]).code, Some(code));
        let (url, _) = serve(vec![reloaded()]);
        assert_eq!(run(&["-u", &url, "reload", "--wait", wait]).code, Some(code));
    }
}

#[test]
fn the_configuration_of_all_has_each_answer_as_it_came() {
    let list = "{\"services\":[]}";
    let service = status("running", 1, "");
    let service = String::from_utf8(service).unwrap();
    let service = service.split("\r\n\r\n").nth(1).unwrap();
    let list = list.replace("[]", &format!("[{service},{service}]"));
    let config = "{ \"revision\": 1, \"service\": \"db\", \"newer\": \"\u{202e}\", \"values\": []}";
    let config = || answer("200 OK", "application/json", config);
    let (url, _) = serve(vec![answer("200 OK", "application/json", &list), config(), config()]);
    let ran = run(&["-u", &url, "config", "--json"]);
    let one = "{ \"revision\": 1, \"service\": \"db\", \"newer\": \"\u{202e}\", \"values\": []}";
    assert_eq!((ran.code, ran.out), (Some(0), format!("[{one},{one}]\n")), "{}", ran.err);
}

#[test]
fn what_cannot_be_written_is_told_before_the_table() {
    let status = r#"{"title":"Shop","version":"1","environment":"test","state":"running",
        "services":{},"journal":{"file":"/x/events","error":"full","lost":2},
        "log":{"error":"No space left","lost":7}}"#;
    let (url, _) = serve(vec![answer("200 OK", "application/json", status)]);
    let ran = run(&["-u", &url, "status"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let told = "\nthe file of events /x/events misses 2 events: full\n\
                the log misses 7 lines, and cannot be written: No space left\n\n";
    assert!(ran.out.contains(told), "{ran:?}");
}

#[test]
fn older_lines_that_are_gone_are_told_to_who_asked_for_more_than_there_are() {
    let record = r#"{"seq":8,"time":"2026-11-26T10:00:00.000Z","level":"warn","target":"app",
        "message":"full"}"#;
    for (lines, dropped, is_told) in [("2", 7, true), ("1", 7, false), ("2", 0, false)] {
        let page = format!(
            "{{\"records\":[{record}],\"next\":8,\"last\":8,\"lost\":0,\"dropped\":{dropped}}}"
        );
        let (url, _) = serve(vec![answer("200 OK", "application/json", &page)]);
        let ran = run(&["-u", &url, "logs", "-n", lines]);
        assert_eq!(ran.out, "2026-11-26T10:00:00.000Z  WARN app: full\n", "{ran:?}");
        let told = if is_told { "7 older lines are no longer kept\n" } else { "" };
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), told), "{ran:?}");
    }
}

#[test]
fn all_that_a_reload_did_is_told() {
    let body = r#"{"operation":1,"dry_run":false,"finished":true,"changed":true,"services":[
        {"service":"db","operation":2,"status":"restarted","code":null,"detail":null},
        {"service":"web","operation":3,"status":null,"code":"rolled-back","detail":"no disk"}],
        "differences":[{"path":"services.db.step","change":"changed","old":"1","new":"5",
        "origin":"a.yaml:3:9"}],
        "needs_process_restart":[{"path":"server.port","why":"it is taken"}]}"#;
    let (url, asked) = serve(vec![answer("200 OK", "application/json", body)]);
    let ran = run(&["-u", &url, "reload", "--reason", "new steps"]);
    let expected = "reloaded\n  db restarted\n  web rolled-back: no disk\nwhat differs\n  \
                    - services.db.step = 1\n  + services.db.step = 5  # a.yaml:3:9\n  \
                    = restart the process for `server.port`: it is taken\n";
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), expected), "{ran:?}");
    let head = &asked.join().unwrap()[0];
    assert!(head.starts_with("POST /reload?wait="), "{head}");
    assert!(head.contains("\r\ncontent-type: application/json\r\n"), "{head}");
    let nothing = r#"{"operation":null,"dry_run":false,"finished":true,"changed":false,
        "services":[],"differences":[],"needs_process_restart":[]}"#;
    let (url, asked) = serve(vec![answer("200 OK", "application/json", nothing)]);
    let ran = run(&["-u", &url, "reload"]);
    let expected = "no service has another configuration\n";
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), expected), "{ran:?}");
    let head = &asked.join().unwrap()[0];
    assert!(!head.contains("content-type"), "there is no body: {head}");
}

#[test]
fn what_a_service_says_of_itself_is_told() {
    let (url, _) = serve(vec![status("running", 1, ",\"degraded\":\"half of the disks\"")]);
    let ran = run(&["-u", &url, "status", "db"]);
    assert!(ran.out.contains("degraded") && ran.out.contains("half of the disks"), "{ran:?}");
}

#[test]
fn a_graph_for_programs_is_json_in_whatever_way_it_would_be_drawn() {
    let graph = r#"{"services":[],"edges":[]}"#;
    for format in ["dot", "mermaid"] {
        let (url, asked) = serve(vec![answer("200 OK", "application/json", graph)]);
        let ran = run(&["-u", &url, "graph", "--format", format, "--json"]);
        assert_eq!((ran.code, ran.out.trim_end()), (Some(0), graph), "{ran:?}");
        let head = &asked.join().unwrap()[0];
        assert!(head.starts_with("GET /graph HTTP/1.1\r\n"), "{head}");
    }
}

/// What is told of whatever answers with these bytes.
#[track_caller]
fn check_stranger(bytes: &[u8], code: i32, says: [&str; 2]) {
    let (url, serving) = serve(vec![bytes.to_vec()]);
    let ran = run(&["-u", &url, "status"]);
    assert_eq!(ran.code, Some(code), "{ran:?}");
    for says in says {
        assert!(ran.err.contains(says), "no `{says}`: {}", ran.err);
    }
    serving.join().unwrap();
}

#[test]
fn another_program_is_named() {
    let page = b"HTTP/1.1 200 OK\r\nServer: SimpleHTTP/0.6 Python/3.12\r\n\r\n<html>";
    check_stranger(page, 70, ["`SimpleHTTP/0.6", "answers (expected value"]);
    let page = answer("200 OK", "text/html; charset=utf-8", "<html>");
    check_stranger(&page, 70, [": a web page answers", "name another one with --url"]);
    let gateway = b"HTTP/1.1 502 Bad Gateway\r\nServer: nginx\r\ncontent-length: 0\r\n\r\n";
    check_stranger(gateway, 70, [": `nginx` says 502, and not why", "--url"]);
}

#[test]
fn what_speaks_no_http_is_told_as_that() {
    let says = [" does not answer in HTTP/1.1: invalid HTTP version", "TLS is spoken, write https"];
    check_stranger(b"SSH-2.0-OpenSSH_9.6\r\n", 70, says);
    check_stranger(b"\x15\x03\x01\x00\x02\x02\x46", 70, says);
    // It speaks HTTP, and makes a mistake.
    let wrong = b"HTTP/1.1 200 OK\r\nno header at all\r\n\r\n";
    check_stranger(wrong, 70, [" in HTTP/1.1: invalid HTTP header parsed\n", "--url"]);
    let right_port = "is it the right port? where TLS is spoken, write https://\n";
    check_stranger(b"", 69, [" broke: ", right_port]);
}

#[test]
fn a_newer_application_is_understood_but_for_words_that_are_new() {
    let body = |state: &str| {
        format!(
            "{{\"title\":\"Shop\",\"version\":\"9\",\"environment\":\"test\",\"state\":\"{state}\",\
             \"services\":{{}},\"newer\":{{\"than\":[\"this\"]}}}}"
        )
    };
    let status = |state: &str| answer("200 OK", "application/json", &body(state));
    let (url, _) = serve(vec![status("running")]);
    let ran = run(&["-u", &url, "status"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let says = ["unknown variant `napping`", "may be newer than this program, which is 0."];
    check_stranger(&status("napping"), 70, says);
    let (url, _) = serve(vec![status("napping")]);
    let ran = run(&["-u", &url, "status", "--json"]);
    assert_eq!((ran.code, ran.out.trim_end()), (Some(0), &*body("napping")), "{ran:?}");
}

#[test]
fn where_an_answer_leads_to_is_told_and_not_gone_to() {
    let moved = |status: &str, place: &str| {
        let head = format!("HTTP/1.1 {status}\r\nlocation: {place}\r\ncontent-length: 0\r\n\r\n");
        head.into_bytes()
    };
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let (url, serving) = serve(vec![moved(status, "https://me:pw@shop.internal/?next=secret")]);
        let ran = run(&["-u", &url, "status"]);
        let expected = format!(
            "error: {url} is not answered as a Processpype application does: it says {}, and that \
             it is at https://shop.internal\n  = help: name that address, if you trust it: `--url \
             https://shop.internal`, or PROCESSPYPE_URL; it is not followed by itself, so that no \
             token goes where nobody sent it\n",
            &status[..3]
        );
        assert_eq!((ran.code, ran.err), (Some(70), expected));
        serving.join().unwrap();
    }
    // What was asked for there is no part of the address to name.
    let deeper = moved("308 Permanent", "https://shop.internal/api/services/db");
    check_stranger(&deeper, 70, ["and that it is at https://shop.internal/api/services/db\n", ""]);
    let (url, _) = serve(vec![moved("308 Permanent", "https://shop.internal/api/services/db")]);
    let ran = run(&["-u", &url, "status", "db"]);
    assert!(ran.err.contains("`--url https://shop.internal/api`"), "{ran:?}");
    let elsewhere = moved("302 Found", "/login");
    check_stranger(&elsewhere, 70, ["that it is at /login\n", "no other program's? name another"]);
    let long = moved("302 Found", &format!("https://{}\u{9b}", "x".repeat(5000)));
    let (url, _) = serve(vec![long]);
    let ran = run(&["-u", &url, "status"]);
    assert!(ran.err.len() < 1000 && !ran.err.contains('\u{9b}'), "{ran:?}");
}
