//! Who may call the playground: its own token, those of the configuration, and nobody else.

use std::os::unix::fs::PermissionsExt as _;

use crate::harness::{Playground, eventually, run_in, run_with};
use crate::http::{self, Answer};

const PAIR: &str = "
app: {title: The Shop}
services:
  hello: {kind: hello}
";

/// `openssl rand -hex 32` makes better ones.
const OPERATOR: &str = "0123456789abcdefghijkl-operator";

const TOKENS: &str = "
server:
  auth:
    tokens:
      - {name: ci, role: operator, token: '${TOKEN}'}
      # printf %s correct-horse-battery-staple | sha256sum
      - name: looker
        role: viewer
        sha256: 87cbebfeebc05f7c54ac9336c4b4bbec831227a641951a4bde7edd56020f8590
services: {hello: {kind: hello}}
";

fn ask(app: &Playground, method: &str, path: &str, token: &str) -> Answer {
    let credential = format!("Bearer {token}");
    http::request(app.address, method, path, &[("Authorization", &credential)], b"")
}

#[test]
fn a_process_makes_a_token_that_only_its_owner_can_read() {
    let app = Playground::settled(PAIR);
    let file = app.token_file();
    let name = format!("the-shop-127.0.0.1-{}.token", app.address.port());
    assert_eq!(file.file_name().unwrap().to_str(), Some(&*name));
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    let token = std::fs::read_to_string(&file).unwrap();
    let nobody = http::request(app.address, "GET", "/events", &[], b"");
    nobody.problem(401, "unauthenticated");
    assert_eq!(nobody.header("www-authenticate"), Some("bearer realm=\"processpype\""));
    assert_eq!(ask(&app, "GET", "/events", &token).status, 200);
    assert_eq!(ask(&app, "POST", "/services/hello/restart", &token).status, 200);
    assert_eq!(app.service("hello")["acted"]["actor"], "token:local");
    let other = Playground::settled(PAIR);
    ask(&other, "GET", "/events", &token).problem(401, "unauthenticated");
    let ended = app.terminate();
    ended.check(0);
    assert!(!file.exists(), "it is removed at a clean end");
    assert!(!ended.log.join("\n").contains(&token), "{:#?}", ended.log);
}

#[test]
fn whoever_has_the_port_of_another_address_is_shown_no_token() {
    use std::io::{Read as _, Write as _};

    let app = Playground::settled(PAIR);
    let stranger = std::net::TcpListener::bind(("127.0.0.2", app.address.port())).unwrap();
    let serving = std::thread::spawn(move || {
        let (mut socket, _) = stranger.accept().unwrap();
        let mut head = String::new();
        let mut piece = [0; 1024];
        while !head.contains("\r\n\r\n") {
            let read = socket.read(&mut piece).unwrap();
            head.push_str(std::str::from_utf8(&piece[..read]).unwrap());
        }
        socket.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").unwrap();
        head
    });
    let url = format!("http://127.0.0.2:{}", app.address.port());
    run_in(&["events", "-u", &url], &[app.at_home()]);
    let head = serving.join().unwrap().to_lowercase();
    assert!(head.starts_with("get /events"), "{head}");
    assert!(!head.contains("authorization"), "{head}");
}

#[test]
fn a_token_that_a_killed_process_has_left_misleads_nobody() {
    let app = Playground::settled(PAIR);
    let port = app.address.port();
    let killed = app.token_file().with_file_name(format!("another-127.0.0.1-{port}.token"));
    std::fs::write(&killed, "A".repeat(43)).unwrap();
    std::fs::set_permissions(&killed, std::fs::Permissions::from_mode(0o600)).unwrap();
    let url = format!("http://{}", app.address);
    let found = run_in(&["events", "-u", &url], &[app.at_home()]);
    assert_eq!(found.code, Some(0), "{found:?}");
    std::fs::remove_file(killed.with_file_name(format!("the-shop-127.0.0.1-{port}.token")))
        .unwrap();
    let wrong = run_in(&["events", "-u", &url], &[app.at_home()]);
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    let named = format!("the token that was shown is from the file {}", killed.display());
    assert!(wrong.stderr.contains(&named), "{wrong:?}");
    let other = Playground::start_with(PAIR, &[], &[app.at_home()], None);
    other.logged("the token for this machine is in");
    assert!(!killed.exists(), "the next start removes it");
}

#[test]
fn a_link_in_the_way_of_the_token_is_not_followed() {
    let app = Playground::start(PAIR);
    let file = app.token_file();
    let victim = app.runtime.join("victim");
    std::fs::write(&victim, "precious").unwrap();
    // The next process on this port finds a link where its file should be.
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(&victim, &file).unwrap();
    let port = format!("server.port={}", app.address.port());
    let runtime = app.runtime.to_str().unwrap().to_owned();
    app.signal("TERM");
    let variables = [("XDG_RUNTIME_DIR", runtime.as_str())];
    let (address, ended) = (app.address, app.file.clone());
    eventually("the port is free", || std::net::TcpListener::bind(address).is_ok().then_some(()));
    let text = std::fs::read_to_string(ended).unwrap();
    let next = Playground::start_with(&text, &["--set", &port], &variables, None);
    let metadata = std::fs::symlink_metadata(&file).unwrap();
    assert!(metadata.is_file() && metadata.permissions().mode() & 0o777 == 0o600);
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
    next.terminate().check(0);
}

#[test]
fn tokens_of_the_configuration_have_roles() {
    let app = Playground::start_with(TOKENS, &[], &[("TOKEN", OPERATOR)], None);
    app.settle();
    let looker = "correct-horse-battery-staple";
    assert_eq!(ask(&app, "GET", "/events", looker).status, 200);
    assert_eq!(ask(&app, "GET", "/events", OPERATOR).status, 200);
    assert_eq!(ask(&app, "POST", "/services/hello/restart", OPERATOR).status, 200);
    let acted = &app.service("hello")["acted"];
    assert_eq!(acted["actor"], "token:ci");
    let events = app.events();
    assert!(events.iter().any(|event| event["actor"] == "token:ci"), "{events:#?}");
    ask(&app, "GET", "/events", "wrong").problem(401, "unauthenticated");
    let config = ["config", "--config", app.file.to_str().unwrap()];
    let config = run_in(&config, &[("TOKEN", OPERATOR)]);
    assert!(config.stdout.contains("server.auth.tokens[0].token = ***"), "{config:?}");
    assert!(config.stdout.contains("server.auth.tokens[1].sha256 = ***"), "{config:?}");
    let log = app.terminate().log.join("\n");
    assert!(!log.contains(OPERATOR) && !log.contains(looker), "{log}");
}

#[test]
fn control_is_not_opened_to_other_machines_unasked() {
    let open = "server: {host: 0.0.0.0}\nservices: {hello: {kind: hello}}";
    for verb in ["check", "run"] {
        run_with(verb, open).refused(&["server.host", "server.auth.tokens", "127.0.0.1"]);
    }
    let unasked =
        TOKENS.replace("server:", "server:\n  listeners: [{address: '0.0.0.0:0', auth: none}]");
    run_with("check", &unasked.replace("${TOKEN}", OPERATOR)).refused(&["auth: required"]);
}
