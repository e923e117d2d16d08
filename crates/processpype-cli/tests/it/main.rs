//! The program `processpype` against servers that behave badly. Those that behave well are asked
//! by the tests of `examples/playground`.
#![allow(clippy::disallowed_methods, reason = "a real process runs on the real clock")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod again;
mod codes;
#[cfg(unix)]
mod contexts;
#[cfg(unix)]
mod left;
mod membership;
mod told;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;

use crate::membership::info;

/// When the process that answers began.
const BEGAN: &str = "2026-11-26T10:00:00.000Z";

/// What the program printed, and its exit code.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

fn run(arguments: &[&str]) -> Ran {
    run_with(arguments, &[])
}

/// Runs the program with these variables, and none of those that it knows beside them.
fn run_with(arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    ran(program(arguments, variables).output().unwrap())
}

/// Runs the program with its standard output elsewhere.
fn run_into(arguments: &[&str], output: Stdio) -> Ran {
    ran(program(arguments, &[]).stdout(output).output().unwrap())
}

fn program(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_processpype"));
    for name in ["URL", "CONTEXT", "CONTEXTS", "TOKEN", "CACERT", "CERT", "KEY"] {
        command.env_remove(format!("PROCESSPYPE_{name}"));
    }
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    command.env("XDG_CONFIG_HOME", env!("CARGO_TARGET_TMPDIR")).env("COLUMNS", "100");
    command.args(arguments).envs(variables.iter().copied()).stdin(Stdio::null());
    command
}

fn ran(output: std::process::Output) -> Ran {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Answers one connection after the other with these bytes, and returns the heads it was sent.
fn serve(answers: Vec<Vec<u8>>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = std::thread::spawn(move || {
        let answer = |answer: Vec<u8>| {
            let (mut socket, _) = listener.accept().unwrap();
            let mut head = String::new();
            let mut reader = BufReader::new(socket.try_clone().unwrap());
            while !head.ends_with("\r\n\r\n") {
                reader.read_line(&mut head).unwrap();
            }
            let _ = socket.write_all(&answer);
            let _ = socket.shutdown(std::net::Shutdown::Write);
            // The client may have more to say, or may leave.
            let _ = socket.read(&mut [0; 64]);
            head
        };
        answers.into_iter().map(answer).collect()
    });
    (url, serving)
}

fn answer(status: &str, media: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {media}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into()
}

/// A stream that breaks after these messages.
fn stream(messages: &str) -> Vec<u8> {
    let length = messages.len() + 1;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream";
    format!("{head}\r\ncontent-length: {length}\r\n\r\n{messages}").into()
}

fn event(seq: u64) -> String {
    format!(
        "id: {seq}\ndata: {{\"seq\":{seq},\"time\":\"2026-11-26T10:00:00.000Z\",\"kind\":\"state\",\
         \"service\":\"db\",\"generation\":1,\"from\":\"starting\",\"to\":\"running\",\
         \"cause\":\"progress\",\"actor\":null,\"message\":null}}\n\n"
    )
}

#[track_caller]
fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, golden, "{name} differs; UPDATE_GOLDEN=1 writes it anew");
}

#[test]
fn help_is_golden() {
    let ran = run(&["--help"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    golden("help.txt", &ran.out);
    for verb in [
        "start",
        "register",
        "shutdown",
        "configure",
        "reload",
        "config",
        "events",
        "logs",
        "metrics",
        "level",
    ] {
        golden(&format!("help-{verb}.txt"), &run(&[verb, "--help"]).out);
    }
}

#[test]
fn every_verb_is_completed_and_in_the_manual() {
    let (script, page) = (run(&["completions", "bash"]), run(&["man"]));
    assert_eq!((script.code, page.code), (Some(0), Some(0)), "{script:?} {page:?}");
    let help = run(&["--help"]).out;
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let verbs = list.lines().filter_map(|line| line.split_whitespace().next());
    for verb in verbs {
        assert!(script.out.contains(&format!("__{verb}")), "{verb} is not completed");
        assert!(page.out.contains(&format!("\\-{verb}(1)")), "{verb} is not in the manual");
    }
    assert_eq!(run(&["completions", "tcsh"]).code, Some(64));
}

#[test]
fn a_wrong_command_line_is_64() {
    for arguments in [
        &["sttaus"][..],
        &["start"],
        &["start", "db", "--wait", "5"],
        &["logs", "-n", "0"],
        &["metrics", "--raw", "--service", "db"],
        &["level", "db", "--for", "1m"],
        &["-u", "x://y", "status"],
    ] {
        let ran = run(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (Some(64), ""), "{ran:?}");
    }
    assert!(run(&["sttaus"]).err.contains("'status'"));
}

#[test]
fn what_is_no_exposition_is_70_and_nothing_that_fits_is_1() {
    let (url, _) = serve(vec![answer("200 OK", "text/plain", "up{a=b} 1\n")]);
    let ran = run(&["-u", &url, "metrics"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(70), ""), "{ran:?}");
    assert!(ran.err.contains("line 1: "), "{ran:?}");
    for (arguments, code) in [
        (&["metrics", "--service", "db"][..], 0),
        (&["metrics", "--json"], 0),
        (&["metrics", "--raw"], 0),
        (&["metrics", "--service", "nobody"], 1),
        (&["metrics", "down"], 1),
        (&["metrics", "down", "--json"], 1),
    ] {
        let (url, _) = serve(vec![answer("200 OK", "text/plain", "up{service=\"db\"} 1\n")]);
        let ran = run(&[arguments, &["-u", &url]].concat());
        assert_eq!(ran.code, Some(code), "{ran:?}");
        let is_json = arguments.contains(&"--json");
        let nothing = if is_json { "{\"metrics\":[]}\n" } else { "" };
        assert_eq!(ran.out == nothing, code == 1, "{ran:?}");
        assert_eq!(ran.err.starts_with("error: no metric fits\n"), code == 1, "{ran:?}");
    }
}

#[test]
fn nothing_that_answers_is_69() {
    let ran = run(&["-u", "http://127.0.0.1:1", "status"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(69), ""), "{ran:?}");
    assert!(ran.err.starts_with("error: nothing answers at http://127.0.0.1:1: "), "{ran:?}");
    assert!(ran.err.contains("PROCESSPYPE_URL"), "{ran:?}");
}

#[test]
fn another_program_is_70() {
    for (status, media, body) in [
        ("200 OK", "text/html", "<html>"),
        ("404 Not Found", "text/html", "<html>"),
        ("200 OK", "application/json", "{\"title\":1}"),
    ] {
        let (url, serving) = serve(vec![answer(status, media, body)]);
        let ran = run(&["-u", &url, "status"]);
        assert_eq!(ran.code, Some(70), "{ran:?}");
        assert!(ran.err.contains("is not answered as a Processpype application does"), "{ran:?}");
        serving.join().unwrap();
    }
}

#[test]
fn an_answer_without_end_is_refused() {
    let mut endless = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n".to_vec();
    endless.resize(17 * 1024 * 1024, b' ');
    let (url, serving) = serve(vec![endless]);
    let ran = run(&["-u", &url, "status"]);
    assert_eq!(ran.code, Some(70), "{ran:?}");
    assert!(ran.err.contains("is longer than 16777216 bytes"), "{ran:?}");
    serving.join().unwrap();
}

#[test]
fn a_problem_of_a_newer_version_is_told() {
    let body = r#"{"title":"Too hot","status":418,"code":"too-hot","detail":"wait","help":"blow"}"#;
    let teapot = answer("418 I'm a teapot", "application/problem+json", body);
    let (url, serving) = serve(vec![teapot.clone(), teapot]);
    let ran = run(&["-u", &url, "status"]);
    let text = "error[too-hot]: Too hot: wait\n  = help: blow\n";
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), text), "{ran:?}");
    let ran = run(&["-u", &url, "status", "--json"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), &*format!("{body}\n")), "{ran:?}");
    serving.join().unwrap();
}

#[test]
fn a_stream_that_breaks_goes_on_where_it_broke() {
    let first = stream(&format!("{}{}", event(1), event(2)));
    let lagged = "event: lagged\ndata: {\"lost\":7}\n\n";
    let closing = "event: closing\ndata: {}\n\n";
    let second = stream(&format!("{lagged}{}{closing}", event(10)));
    let page = r#"{"events":[],"next":0,"last":0,"lost":0}"#;
    let page = answer("200 OK", "application/json", page);
    let (url, serving) = serve(vec![info(BEGAN), page, first, info(BEGAN), second]);
    let ran = run(&["-u", &url, "events", "-f", "--service", "db"]);
    let heads = serving.join().unwrap();
    let heads = [&heads[2], &heads[4]];
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let seqs: Vec<&str> =
        ran.out.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(seqs, ["1", "2", "10"], "{ran:?}");
    assert!(
        ran.err.contains("trying again\nconnected again\n7 events are no longer held"),
        "{ran:?}"
    );
    assert!(heads[0].starts_with("GET /events/stream?after=0&service=db HTTP/1.1"), "{heads:?}");
    assert!(
        !heads[0].contains("last-event-id") && heads[1].contains("last-event-id: 2"),
        "{heads:?}"
    );
}

#[test]
fn the_stream_of_another_process_is_read_from_its_beginning() {
    let page = r#"{"events":[],"next":40,"last":40,"lost":0}"#;
    let page = answer("200 OK", "application/json", page);
    let closing = "event: closing\ndata: {}\n\n";
    let first = stream(&event(41));
    let again = stream(&event(1));
    let last = stream(&format!("{}{closing}", event(2)));
    let later = "2026-11-26T10:00:09.000Z";
    let answers = vec![info(BEGAN), page, first, info(later), again, info(later), last];
    let (url, serving) = serve(answers);
    let ran = run(&["-u", &url, "events", "-f"]);
    let heads = serving.join().unwrap();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let seqs: Vec<&str> =
        ran.out.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(seqs, ["41", "1", "2"], "{ran:?}");
    assert!(ran.err.contains("another process answers: its events follow, from its beginning"));
    assert!(heads[4].contains("last-event-id: 0\r"), "{heads:?}");
    assert!(heads[6].contains("last-event-id: 1\r"), "{heads:?}");
}

#[test]
fn no_text_of_an_answer_reaches_the_terminal_unescaped() {
    let error = ",\"error\":{\"message\":\"\\u001b[2Jfake\\nline\",\"kind\":\"failed\",\
                 \"at\":\"2026-11-26T10:00:00.000Z\"}";
    let check = |answers: Vec<Vec<u8>>, arguments: &[&str]| {
        let (url, _) = serve(answers);
        let ran = run(&[&["-u", &url], arguments].concat());
        let text = ran.out.clone() + &ran.err;
        let escaped = text.contains("\\u{1b}[2Jfake\\u{a}line") && !text.contains('\u{1b}');
        assert!(escaped, "{arguments:?}: {ran:?}");
    };
    check(vec![status("error", 2, error)], &["status", "db"]);
    let why = "{\"service\":\"db\",\"text\":\"t\",\"steps\":[{\"service\":\"db\",\"depth\":0,\
               \"state\":\"error\",\"since\":\"2026-11-26T10:00:00.000Z\",\
               \"situation\":\"backoff\",\"text\":\"\\u001b[2Jfake\\nline\",\
               \"next_at\":null,\"error\":null,\"waits_for\":[]}],\
               \"roots\":[],\"truncated\":false,\"actions\":[]}";
    check(vec![answer("200 OK", "application/json", why)], &["why", "db"]);
    let event = event(1).replace("\"message\":null", "\"message\":\"\\u001b[2Jfake\\nline\"");
    let json = event.trim().trim_start_matches("id: 1\ndata: ");
    let page = format!("{{\"events\":[{json}],\"next\":1,\"last\":1,\"lost\":0}}");
    let page = || answer("200 OK", "application/json", &page);
    check(vec![page()], &["events"]);
    let closing = "event: closing\ndata: {}\n\n";
    let streamed = stream(&format!("{}{closing}", event.replace("id: 1", "id: 2")));
    check(vec![info(BEGAN), page(), streamed], &["events", "-f"]);
    let problem = "{\"title\":\"t\",\"status\":503,\"code\":\"start-failed\",\
                   \"detail\":\"\\u001b[2Jfake\\nline\"}";
    let problem = answer("503 Service Unavailable", "application/problem+json", problem);
    check(vec![status("stopped", 1, ""), problem], &["start", "db"]);
    let (url, _) = serve(vec![answer("200 OK", "text/vnd.graphviz", "digraph {\n\u{1b}[2J}\n")]);
    let ran = run(&["-u", &url, "graph", "--format", "dot"]);
    assert_eq!(ran.out, "digraph {\n\\u{1b}[2J}\n", "{ran:?}");
    let metrics = |text: &str| vec![answer("200 OK", "text/plain", text)];
    let label = "up{queue=\"\u{1b}[2Jfake\\nline\"} 1\n";
    let (url, _) = serve(metrics(label));
    let ran = run(&["-u", &url, "metrics"]);
    assert!(ran.out.contains("queue=\"\\u{1b}[2Jfake\\nline\""), "{ran:?}");
    let (url, _) = serve(metrics("up{a=\"1\"} \u{1b}[2J\n"));
    let ran = run(&["-u", &url, "metrics"]);
    assert!(ran.code == Some(70) && !ran.err.contains('\u{1b}'), "{ran:?}");
    let (url, _) = serve(metrics("up{a=\"\u{202e}lrt\"} 1\n"));
    let ran = run(&["-u", &url, "metrics"]);
    assert!(ran.out.contains("a=\"\\u{202e}lrt\""), "{ran:?}");
}

fn line(seq: u64) -> String {
    format!(
        "id: {seq}\ndata: {{\"seq\":{seq},\"time\":\"2026-11-26T10:00:00.000Z\",\"level\":\"info\",\
         \"target\":\"app\",\"service\":\"db\",\"generation\":1,\"message\":\"line {seq}\"}}\n\n"
    )
}

#[test]
fn a_log_is_followed_from_the_first_line_that_is_shown() {
    let first = line(41).replace("id: 41\ndata: ", "");
    let page = format!(
        "{{\"records\":[{}],\"next\":41,\"last\":41,\"lost\":0,\"dropped\":7}}",
        first.trim()
    );
    let lagged = "event: lagged\ndata: {\"lost\":7}\n\n";
    let closing = "event: closing\ndata: {}\n\n";
    let first = stream(&line(41));
    let second = stream(&format!("{lagged}{}{closing}", line(50)));
    let page = answer("200 OK", "application/json", &page);
    let (url, serving) = serve(vec![info(BEGAN), page, first, info(BEGAN), second]);
    let ran = run(&["-u", &url, "logs", "db", "-f", "-n", "1", "--level", "info"]);
    let heads = serving.join().unwrap();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(
        ran.out,
        "2026-11-26T10:00:00.000Z  INFO db#1 app: line 41\n\
         2026-11-26T10:00:00.000Z  INFO db#1 app: line 50\n"
    );
    assert!(ran.err.contains("connected again\n7 lines are no longer held"), "{ran:?}");
    let path = "/services/db/-/logs";
    assert!(heads[1].starts_with(&format!("GET {path}?limit=1&level=info HTTP")), "{heads:?}");
    let stream = format!("GET {path}/stream?after=40&level=info HTTP");
    assert!(heads[2].starts_with(&stream) && heads[4].contains("last-event-id: 41"), "{heads:?}");
}

/// The status of `db` in this state and generation.
fn status(state: &str, generation: u64, more: &str) -> Vec<u8> {
    let body = format!(
        "{{\"name\":\"db\",\"kind\":\"db\",\"state\":\"{state}\",\"metadata\":{{}},\
         \"is_configured\":true,\"enabled\":true,\"ready\":true,\"completed\":false,\
         \"generation\":{generation},\"since\":\"2026-11-26T10:00:00.000Z\",\
         \"desired\":\"running\",\"waiting_on\":[],\"history\":[]{more}}}"
    );
    answer("200 OK", "application/json", &body)
}

/// Gives a command that is accepted, and then looks at the status that the server shows.
#[track_caller]
fn check_waiting(verb: &str, before: Vec<u8>, later: Vec<Vec<u8>>, code: i32, says: &str) {
    let accepted = "{\"operation\":1,\"status\":\"accepted\",\"command\":\"x\",\"service\":\"db\",\
                    \"state\":\"starting\",\"waiting_on\":[],\"location\":\"/\"}";
    let accepted = answer("202 Accepted", "application/json", accepted);
    let (url, serving) = serve([vec![before, accepted], later].concat());
    let ran = run(&["-u", &url, verb, "db", "--wait", "5m", "--reason", "deploy"]);
    assert_eq!(ran.code, Some(code), "{ran:?}");
    let heads = serving.join().unwrap();
    assert!(format!("{}{}", ran.out, ran.err).contains(says), "{ran:?}");
    assert!(heads[1].starts_with(&format!("POST /services/db/{verb}?wait=1m HTTP")), "{heads:?}");
}

/// The same for a start that fails, as JSON: what fails after the answer is text.
#[track_caller]
fn check_waiting_json(before: Vec<u8>, later: Vec<Vec<u8>>, says: &str) {
    let accepted = "{\"operation\":1,\"status\":\"accepted\",\"command\":\"x\",\"service\":\"db\",\
                    \"state\":\"starting\",\"waiting_on\":[],\"location\":\"/\"}";
    let answered = answer("202 Accepted", "application/json", accepted);
    let (url, _) = serve([vec![before, answered], later].concat());
    let ran = run(&["-u", &url, "--json", "start", "db", "--wait", "5m"]);
    assert_eq!((ran.code, &*ran.out), (Some(1), &*format!("{accepted}\n")), "{ran:?}");
    assert!(ran.err.contains(says), "{ran:?}");
}

#[test]
fn a_long_wait_goes_on_with_looks_at_the_status() {
    let first = || status("running", 1, "");
    let starting = || status("starting", 2, "");
    let second = || status("running", 2, "");
    check_waiting(
        "restart",
        first(),
        vec![first(), starting(), second()],
        0,
        "restarted (generation 2)",
    );
    check_waiting("start", status("stopped", 1, ""), vec![starting(), second()], 0, "started");
    check_waiting(
        "stop",
        first(),
        vec![status("stopping", 1, ""), status("stopped", 1, "")],
        0,
        "stopped",
    );
    let error = ",\"error\":{\"message\":\"flooded\",\"kind\":\"start-failed\",\
                 \"at\":\"2026-11-26T10:00:00.000Z\"}";
    let failed = || status("error", 2, error);
    check_waiting("start", first(), vec![starting(), failed()], 1, "flooded (start-failed)");
    check_waiting_json(first(), vec![starting(), failed()], "flooded (start-failed)");
    let again = ",\"restart\":{\"attempt\":1,\"next_at\":\"2026-11-26T10:00:09.000Z\",\
                 \"exhausted\":false,\"held\":false}";
    let backoff = status("error", 2, &format!("{error}{again}"));
    check_waiting("start", first(), vec![backoff, second()], 0, "db started (generation 2)");
}

#[test]
fn a_prefix_goes_before_every_path() {
    let problem = r#"{"title":"t","status":404,"code":"unknown-service","detail":"d"}"#;
    let (url, serving) = serve(vec![answer("404 Not Found", "application/problem+json", problem)]);
    run(&["-u", &format!("{url}/api/v1/"), "why", "a b"]);
    let heads = serving.join().unwrap();
    assert!(heads[0].starts_with("GET /api/v1/services/a%20b/-/why HTTP/1.1"), "{heads:?}");
    assert!(
        heads[0].contains(&format!("host: {}", url.trim_start_matches("http://"))),
        "{heads:?}"
    );
}
