//! Bad input gets a clear error, and nothing is lost.

use std::io::Write as _;

use crate::harness::{Playground, eventually, file, run, run_with};
use crate::http::{self, Answer};

const HELLO: &str = "services: {hello: {kind: hello}}";

#[track_caller]
fn refused(text: &str, words: &[&str]) {
    run_with("check", text).refused(words);
    run_with("run", text).refused(words);
}

#[test]
fn wrong_values_are_refused_with_their_place_and_what_is_valid() {
    refused(
        "services: {t: {kind: ticker, interval: soon}}",
        &["services.t.interval", "500ms", ":1:"],
    );
    refused("services: {t: {kind: ticker, interval: 5}}", &["services.t.interval", "500ms"]);
    refused(
        "services: {t: {kind: ticker, interval: 0s}}",
        &["services.t.interval", "longer than 0"],
    );
    refused("services: {t: {kind: ticker}}", &["services.t", "interval"]);
    refused("services: {f: {kind: flaky, fail_start: -1}}", &["services.f.fail_start"]);
    refused("services: {f: {kind: flaky, heal_after: many}}", &["services.f.heal_after"]);
    refused(
        "services: {s: {kind: stubborn, mode: deaf}}",
        &["mode", "ignore-stop", "block-thread"],
    );
    refused("services: {v: {kind: vault}}", &["services.v", "password"]);
    refused("server: {port: 70000}", &["server.port"]);
    refused("server: {closing_timeout_seconds: 0}", &["server.closing_timeout_seconds"]);
    refused("app: {timezone: Mars/Olympus}", &["app.timezone", "Mars/Olympus"]);
    refused("services: {h: {kind: hallo}}", &["services.h.kind", "hello"]);
    refused("services: {h: {}}", &["h", "kind"]);
    refused("services: {h: {kind: hello, enabled: maybe}}", &["services.h.enabled"]);
    refused("services: [", &[":1:"]);
}

#[test]
fn every_mistake_is_in_one_report() {
    let text = "
server: {port: nowhere}
services:
  t: {kind: ticker, interval: soon}
  s: {kind: stubborn, mode: deaf}
  h: {kind: hello, depends: [t]}
  u: {kind: hello, depends_on: [t, missing]}
";
    refused(
        text,
        &["server.port", "services.t.interval", "services.s.mode", "depends_on", "`u`", "nowhere"],
    );
    // With a service that cannot be made the plan is not blamed for what needs it.
    let broken = text.replace("kind: ticker", "kind: tocker");
    let printed = run_with("check", &broken);
    printed.refused(&["tocker", "server.port", "services.s.mode"]);
    assert!(!printed.stderr.contains("`t`"), "{}", printed.stderr);
}

#[test]
fn wrong_plans_are_refused_with_who_declared_them() {
    refused(
        "services:
  a: {kind: hello, depends_on: [b]}
  b: {kind: hello, depends_on: [c]}
  c: {kind: hello, depends_on: [a]}",
        &["cycle", "a", "b", "c", ":2:"],
    );
    refused("services: {a: {kind: hello, depends_on: [a]}}", &["a"]);
    refused(
        "services: {cache: {kind: hello}, a: {kind: hello, depends_on: [cachet]}}",
        &["cachet"],
    );
    refused(
        "services: {p: {kind: hello, enabled: false}, a: {kind: hello, depends_on: [p]}}",
        &["p", "disabled"],
    );
}

#[test]
fn wrong_names_are_refused() {
    refused("services: {a-b: {kind: hello}, a_b: {kind: hello}}", &["a-b", "a_b"]);
    refused("services: {a: {kind: hello}, a: {kind: hello}}", &["a"]);
    for name in ["Hello", "1st", "a b", "-a", "a--b", "ä", "a.b", "a/b", "\"\""] {
        refused(&format!("services: {{{name}: {{kind: hello}}}}"), &["name"]);
    }
}

#[test]
fn what_a_start_would_miss_on_this_machine_is_told_before() {
    let log = "observability: {logging: {destination: {file: /no/such/directory/app.log}}}";
    let socket = "server: {listeners: [{address: 'unix:/no/such/directory/app.sock'}]}";
    let host = "app: {timezone: Mars/Olympus}";
    let words = [
        "observability.logging.destination.file",
        "server.listeners[0].address",
        "there is no directory /no/such/directory",
        "app.timezone",
        ":1:47",
        ":2:32",
    ];
    let text = format!("{log}\n{socket}\n{host}\n");
    refused(&text, &words);
    // Whoever only looks at the plan may be elsewhere.
    let elsewhere = run_with("plan", &format!("{log}\n{socket}\n"));
    assert_eq!(elsewhere.code, Some(0), "{}", elsewhere.stderr);
}

#[test]
fn files_that_cannot_be_read_are_refused_with_their_path() {
    let missing = run(&["run", "--config", "/no/such/file.yaml"]);
    missing.refused(&["/no/such/file.yaml"]);
    let directory = env!("CARGO_TARGET_TMPDIR");
    run(&["run", "--config", directory]).refused(&[directory]);
    let binary = file("");
    std::fs::write(&binary, [0xff, 0xfe, 0x00, 0x01]).unwrap();
    run(&["run", "--config", binary.to_str().unwrap()]).refused(&[binary.to_str().unwrap()]);
    let unknown = file(HELLO).with_extension("ini");
    std::fs::write(&unknown, HELLO).unwrap();
    run(&["run", "--config", unknown.to_str().unwrap()]).refused(&["yaml", "toml", "json"]);
}

#[cfg(unix)]
#[test]
fn a_file_without_leave_to_read_it_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let path = file(HELLO);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    if std::fs::read(&path).is_ok() {
        println!("skipped: this user may read everything");
        return;
    }
    run(&["run", "--config", path.to_str().unwrap()]).refused(&["denied"]);
}

#[test]
fn other_addresses_than_loopback_are_refused_with_the_remedy() {
    let printed = run_with("run", "server: {host: 0.0.0.0, port: 0}");
    printed.refused(&["0.0.0.0", "no token", "127.0.0.1"]);
}

#[test]
fn bad_bodies_are_refused_and_change_nothing() {
    let app = Playground::settled(HELLO);
    let stop = "/services/hello/stop";
    let json = "application/json";
    app.post_body(stop, json, b"{\"reason\":").problem(422, "malformed-body");
    app.post_body(stop, json, b"{\"reson\":\"x\"}").problem(422, "invalid-body");
    app.post_body(stop, json, b"{\"reason\":7}").problem(422, "invalid-body");
    app.post_body(stop, "text/yaml", b"reason: x").problem(415, "unsupported-media-type");
    let huge = vec![b' '; 1024 * 1024];
    app.post_body(stop, json, &huge).problem(413, "body-too-large");
    let announced = [("Content-Type", json), ("Content-Length", "999999999999")];
    http::request(app.address, "POST", stop, &announced, b"{").problem(413, "body-too-large");
    app.post("/services/hello/stop?wait=never").problem(422, "invalid-query");
    app.post("/services/hello/stop?waiit=1s").problem(422, "invalid-query");
    let status = app.service("hello");
    assert_eq!(status["state"], "running");
    assert_eq!(status["generation"], 1);
}

#[test]
fn what_is_no_http_gets_no_service() {
    let app = Playground::settled(HELLO);
    let foreign = [("Host", "evil.example"), ("Connection", "close")];
    // The client's own `Host` makes two.
    assert_eq!(http::request(app.address, "GET", "/", &foreign, b"").status, 400);
    let origin = [("Origin", "http://evil.example")];
    http::request(app.address, "POST", "/services/hello/stop", &origin, b"")
        .problem(403, "cross-origin");
    for nonsense in
        [&b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"[..], b"GET\r\n\r\n", b"\r\n\r\n\r\n\r\n"]
    {
        let mut stream = http::connect(app.address);
        stream.write_all(nonsense).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        let _ = std::io::Read::read_to_end(&mut stream, &mut rest);
        let text = String::from_utf8_lossy(&rest).into_owned();
        assert!(rest.is_empty() || text.starts_with("HTTP/1.1 4"), "{text}");
    }
    let long = "x".repeat(64 * 1024);
    let answer = http::request(app.address, "GET", "/", &[("X-Long", &long)], b"");
    assert_eq!(answer.status, 431, "{answer:?}");
    assert_eq!(app.service("hello")["state"], "running");
}

#[test]
fn slow_clients_are_cut_and_hold_up_nobody() {
    let app = Playground::settled(HELLO);
    let mut slow: Vec<_> = (0..50)
        .map(|_| {
            let mut stream = http::connect(app.address);
            stream.write_all(b"GET / HTTP/1.1\r\nHost: loc").unwrap();
            stream
        })
        .collect();
    let announced = [("Content-Type", "application/json"), ("Content-Length", "100")];
    let half = http::send(app.address, "POST", "/services/hello/stop", &announced, b"{");
    assert_eq!(app.service("hello")["state"], "running");
    assert_eq!(app.post("/services/hello/restart").status, 200);
    Answer::read(half).problem(408, "request-timeout");
    // Each is fed one byte at a time, and cut all the same.
    eventually("the slow clients are cut", || {
        slow.retain_mut(|stream| {
            stream.write_all(b"x").is_ok() && {
                stream.set_nonblocking(true).unwrap();
                let open = match std::io::Read::read(stream, &mut [0; 512]) {
                    Ok(read) => read == 0,
                    Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
                };
                stream.set_nonblocking(false).unwrap();
                open
            }
        });
        slow.is_empty().then_some(())
    });
    assert_eq!(app.service("hello")["state"], "running");
    app.terminate().check(0);
}
