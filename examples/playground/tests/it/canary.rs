//! A secret planted wherever one can stand is looked for wherever text comes out.
//!
//! # Invariants
//!
//! 1. The sinks are read from the program: its commands from `--help`, its endpoints from
//!    `/openapi.json`. One that this test cannot fill in fails it, so that none is forgotten.
//! 2. Whoever learns the secret is careless with it: in the log, in errors, in panics, in status.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::harness::{Playground, file, read_until, run, run_in};
use crate::http;

/// What no text may hold. Each planted secret begins with it.
const CANARY: &str = "kanarie";

/// The hash of a token, which is no secret of this test's and still nobody's business.
const HASH: &str = "87cbebfeebc05f7c54ac9336c4b4bbec831227a641951a4bde7edd56020f8590";

/// Where secrets stand in a configuration that is right. Quotes and backslashes are in them, so
/// that each format has to escape them.
const RIGHT: &str = r#"
observability: {logging: {level: debug, format: FORMAT}}
secrets: {backends: {b: {kind: env}}}
server:
  creatable_kinds: [vault]
  limits: {writes: {burst: 100000, per_second: 100000}}
  auth:
    tokens:
      - {name: file, role: viewer, token: 'kanarie"\-in-a-token-of-the-file'}
      - {name: variable, role: operator, token: '${TOKEN}'}
      - {name: backend, role: admin, token: '${secret://b:OTHER_TOKEN}'}
      - {name: hash, role: viewer, sha256: HASH}
x-anchors: {password: 'kanarie"\ x', list: ['kanarie"\ y']}
services:
  file: {kind: vault, password: 'kanarie"\ 1'}
  environment: {kind: vault, password: kanarie-low-2}
  flag: {kind: vault, password: kanarie-low-3}
  profile: {kind: vault, password: kanarie-low-4}
  variable: {kind: vault, password: '${CAGE}'}
  part: {kind: vault, password: 'a${CAGE}b'}
  default: {kind: vault, password: '${UNSET:-kanarie-7}'}
  backend: {kind: vault, password: '${secret://b:BACKEND}'}
  disabled: {kind: vault, password: 'kanarie-8', enabled: false}
  error: {kind: vault, password: 'kanarie"\ 9', gives_away: error}
  source: {kind: vault, password: 'kanarie"\ 10', gives_away: source}
  panic: {kind: vault, password: 'kanarie"\ 11', gives_away: panic}
  status: {kind: vault, password: 'kanarie"\ 12', gives_away: status}
  depends: {kind: hello, depends_on: [error]}
"#;

/// What the flag says.
const FLAG: &str = r#"services.flag.password='kanarie"\ 3'"#;

/// What the profile's file says.
const PROFILE: &str = "services: {profile: {password: 'kanarie\"\\ 4'}}";

/// What the environment says.
const VARIABLES: [(&str, &str); 5] = [
    ("TOKEN", "kanarie\"\\-in-a-token-of-a-variable"),
    ("OTHER_TOKEN", "kanarie\"\\-in-a-token-of-a-backend"),
    ("PROCESSPYPE_SERVICES__ENVIRONMENT__PASSWORD", "kanarie\"\\ 2"),
    ("CAGE", "kanarie\"\\ 5"),
    ("BACKEND", "kanarie\"\\ 6"),
];

/// Bodies that are refused, each with a value that nobody may repeat.
const BODIES: [&str; 8] = [
    r#"{"reson": "kanarie"}"#,
    r#"{"reason": ["kanarie"]}"#,
    r#"{"reason": "kanarie""#,
    r#""kanarie""#,
    "kanarie",
    r#"{"level": "kanarie"}"#,
    r#"{"level": "debug", "for": "kanarie"}"#,
    r#"{"level": "debug", "fro": "kanarie"}"#,
];

/// Services that join with a secret, and what that is answered with.
const JOINING: [(&str, u16); 5] = [
    (r#"{"name": "joined", "config": {"password": "kanarie\"\\ 13"}, "start": true}"#, 201),
    (r#"{"name": "joined-stopped", "config": {"password": "kanarie 14"}}"#, 201),
    (
        r#"{"name": "joined-status", "start": true,
            "config": {"password": "kanarie 15", "gives_away": "status"}}"#,
        201,
    ),
    (
        r#"{"name": "joined-error", "start": true,
            "config": {"password": "kanarie 16", "gives_away": "error"}}"#,
        503,
    ),
    (
        r#"{"name": "joined-panic", "start": true,
            "config": {"password": "kanarie 17", "gives_away": "panic"}}"#,
        503,
    ),
];

/// Services that cannot join, with a secret near to what is wrong.
const OUTSIDE: [&str; 17] = [
    r#"{"config": {"pasword": "kanarie"}}"#,
    r#"{"config": {"password": "p", "passwort": {"a": ["kanarie"]}}}"#,
    r#"{"config": {"password": ["kanarie"]}}"#,
    r#"{"config": {"password": {"kanarie": 1}}}"#,
    r#"{"config": {"password": "kanarie", "gives_away": "nowhere"}}"#,
    r#"{"config": {"password": "kanarie", "enabled": "kanarie"}}"#,
    r#"{"config": {"password": "kanarie", "kind": "kanarie"}}"#,
    r#"{"config": {"password": "kanarie", "depends_on": [["kanarie"]]}}"#,
    r#"{"config": "kanarie"}"#,
    r#"{"password": "kanarie", "config": {}}"#,
    r#"{"kind": "valt", "config": {"password": "kanarie"}}"#,
    r#"{"kind": "kanarie", "config": {"password": "kanarie"}}"#,
    r#"{"kind": "hello", "config": {"greeting": "kanarie"}}"#,
    r#"{"name": "kanarie at home", "config": {"password": "p"}}"#,
    r#"{"depends_on": "kanarie", "config": {"password": "p"}}"#,
    r#"{"depends_on": ["nobody"], "config": {"password": "kanarie"}}"#,
    r#"{"start": "kanarie", "config": {"password": "kanarie"}}"#,
];

/// What is configured while it runs, with a secret in it, and what that is answered with.
const CONFIGURED: [(&str, u16); 8] = [
    (r#"{"pasword": "kanarie"}"#, 422),
    (r#"{"password": ["kanarie"]}"#, 422),
    (r#"{"password": {"kanarie": 1}}"#, 422),
    (r#"{"password": "kanarie", "gives_away": "nowhere"}"#, 422),
    (r#"{"password": "kanarie", "enabled": "kanarie"}"#, 422),
    (r#"{"password": "kanarie", "depends_on": ["kanarie"]}"#, 422),
    (r#"{"password": "kanarie-away", "gives_away": "status"}"#, 200),
    // It fails with this one, and has its old one again.
    (r#"{"password": "kanarie-back", "gives_away": "error"}"#, 409),
];

/// Configurations that are wrong, with a secret near to what is wrong.
const WRONG: [&str; 29] = [
    "services: {v: {kind: vault, pasword: kanarie}}",
    "services: {v: {kind: vault, password: p, passwort: {a: [kanarie]}}}",
    "services: {v: {kind: valt, password: kanarie}}",
    "services: {v: {password: kanarie}}",
    "services: {v: {kind: vault, password: [kanarie]}}",
    "services: {v: {kind: vault, password: {kanarie: 1}}}",
    "services: {v: {kind: vault, password: \"kanarie}}",
    "services:\n  v:\n    kind: vault\n    password: 'kanarie\n  w: {kind: hello}",
    "services: {v: {kind: vault, password: kanarie, gives_away: nowhere}}",
    "services: {v: {kind: vault, password: kanarie, enabled: maybe}}",
    "services: {v: {kind: vault, password: kanarie}, w: {kind: hello, depends_on: [z]}}",
    "services: {v: {kind: vault, password: '${UNSET}kanarie'}}",
    "services: {v: {kind: vault, password: '${secret://kanarie'}}",
    "server: {api_prefix: 'http://user:kanarie@host/'}\nservices: {}",
    "server: {host: 'user:kanarie@host'}\nservices: {v: {kind: hallo}}",
    "secret: kanarie\nservices: {}",
    "secrets: {backends: {b: {kind: vault, token: kanarie}}}\nservices: {}",
    "server: {auth: {tokens: [{name: a, role: viewer, token: kanarie}]}}",
    "server: {auth: {tokens: [{name: a, role: viewer, sha256: kanarie}]}}",
    "server: {auth: {tokens: [{name: a, role: viewer, tokn: kanarie}]}}",
    "server: {auth: {tokens: [{name: a, role: viewer, token: [kanarie]}]}}",
    "server: {auth: {tokens: [{name: 'kanarie kanarie', role: viewer, token: kanarie}]}}",
    "server: {auth: {tokens: [{name: a, role: viewer, token: kanarie, sha256: kanarie}]}}",
    "server: {auth: {tokens: [kanarie]}}",
    "server: {auth: {tokens: kanarie}}",
    "server: {auth: {token: kanarie}}",
    "server: {listeners: [{address: 'http://user:kanarie@host:80'}]}",
    "server: {listeners: [{address: 'unix:kanarie'}]}",
    "server: {listeners: [{address: '127.0.0.1:0', auth: required, token: kanarie}]}",
];

#[track_caller]
fn clean(sink: &str, text: &str) {
    let around = text.lines().find(|line| line.contains(CANARY) || line.contains(HASH));
    assert!(around.is_none(), "{sink} gives the secret away: {}", around.unwrap_or_default());
}

/// The verbs that `--help` lists, and those below them, each as its words; `run` is looked at by
/// its log and its endpoints.
fn verbs() -> Vec<Vec<String>> {
    let verbs = verbs_below(&[]);
    assert!(verbs.len() >= 6 && verbs.contains(&vec!["run".to_owned()]), "{verbs:?}");
    verbs
}

/// What can be said after these words; the words themselves if nothing has to follow.
fn verbs_below(words: &[String]) -> Vec<Vec<String>> {
    let arguments: Vec<&str> = words.iter().map(String::as_str).chain(["--help"]).collect();
    let below = listed(&run(&arguments).stdout);
    if below.is_empty() {
        return vec![words.to_vec()];
    }
    let below = below.into_iter().map(|verb| [words, &[verb]].concat());
    below.flat_map(|words| verbs_below(&words)).collect()
}

/// The verbs that a help text lists.
fn listed(help: &str) -> Vec<String> {
    let Some((_, list)) = help.split_once("Commands:\n") else { return Vec::new() };
    let list = list.split("\n\n").next().unwrap();
    // A line that goes on with the text of the one before is indented further.
    let starts =
        list.lines().filter_map(|line| line.strip_prefix("  ")).filter(|l| !l.starts_with(' '));
    starts.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn verbs_below_verbs_are_listed_too() {
    let help =
        "Usage: x\n\nCommands:\n  list  Show them,\n          and more\n  add   One\n\nOptions:\n";
    assert_eq!(listed(help), ["list", "add"]);
    assert_eq!(listed("Usage: x\n\nOptions:\n"), [""; 0]);
}

/// Stands for the name of a service in what a verb wants.
const SERVICE: &str = "SERVICE";

/// What verbs that ask may want.
const WANTS: [&[&str]; 4] =
    [&[], &[SERVICE], &["vault", SERVICE], &[SERVICE, "password=kanarie-over"]];

/// A verb that asks a running application, and what it wants beside flags.
#[derive(Debug)]
pub(crate) struct Asking {
    pub(crate) words: Vec<String>,
    wants: &'static [&'static str],
}

impl Asking {
    pub(crate) fn wants_name(&self) -> bool {
        self.wants.contains(&SERVICE)
    }

    /// The words, and what it wants.
    pub(crate) fn about(&self, service: &str) -> Vec<String> {
        let wanted = self.wants.iter().map(|word| word.replace(SERVICE, service));
        self.words.iter().cloned().chain(wanted).collect()
    }
}

/// Splits the verbs: those that ask a running application, with what they want, and those that read
/// the configuration. Nothing answers at the address that they are tried with. What removes
/// services comes last.
pub(crate) fn asking() -> (Vec<Asking>, Vec<Vec<String>>) {
    let run_itself = vec!["run".to_owned()];
    let (mut asking, mut others) = (Vec::new(), vec![run_itself.clone()]);
    for words in verbs().into_iter().filter(|words| *words != run_itself) {
        let code = |more: &[&str]| {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            run(&[&words[..], more].concat()).code
        };
        // What reads no configuration has no secret to give away.
        let nowhere = ["--config", "nowhere.yaml", "--url", "http://127.0.0.1:1"];
        let reads_nothing = |more: &[&str]| code(&[more, &nowhere].concat()) == Some(0);
        if reads_nothing(&[]) || reads_nothing(&["bash"]) {
            continue;
        }
        let asks = |wants: &[&str]| {
            let wants = wants.iter().map(|&want| if want == SERVICE { "error" } else { want });
            code(&wants.chain(["--url", "http://127.0.0.1:1"]).collect::<Vec<_>>()) == Some(69)
        };
        match WANTS.into_iter().find(|wants| asks(wants)) {
            Some(wants) => asking.push(Asking { words, wants }),
            None => others.push(words),
        }
    }
    asking.sort_by_key(|verb| verb.words == ["deregister"]);
    assert!(asking.len() >= 7 && others.len() >= 6, "{asking:?} {others:?}");
    (asking, others)
}

/// Asks with every verb, and each service where a verb wants one.
fn ask_all(app: &Playground, services: &[String]) {
    let url = format!("http://{}", app.address);
    for verb in asking().0 {
        let names = if verb.wants_name() { services } else { &services[..1] };
        for name in names {
            for json in [&[][..], &["--json"]] {
                let words = verb.about(name);
                let words: Vec<&str> =
                    words.iter().map(String::as_str).chain(["--url", &url]).collect();
                let printed = run_in(&[&words[..], json].concat(), &[app.at_home()]);
                // The live view wants a terminal; with `--json` it looks once.
                let is_view = words[0] == "top" && json.is_empty();
                let is_asked = matches!(printed.code, Some(0 | 1 | 75));
                assert!(is_asked || is_view, "{words:?}: {printed:?}");
                clean(&format!("{words:?}"), &(printed.stdout + &printed.stderr));
            }
        }
    }
}

/// The arguments of every verb that reads the configuration, on this file. Those that ask learn
/// there that they cannot know where.
fn reading(path: &std::path::Path) -> Vec<Vec<String>> {
    let (asking, others) = asking();
    let nowhere = ["--set".to_owned(), "server.port=0".to_owned()];
    let asking = asking.into_iter().map(|verb| [verb.about("error"), nowhere.to_vec()].concat());
    let file = ["--config".to_owned(), path.to_str().unwrap().to_owned()];
    asking.chain(others).map(|arguments| [&arguments[..], &file].concat()).collect()
}

/// Every method and path of the program, with each service's name put in.
fn endpoints(document: &Value, services: &[String]) -> Vec<(String, String, bool)> {
    let mut all = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let is_stream = operation.to_string().contains("text/event-stream");
            for service in services {
                let path = path.replace("{name}", service).replace("{path}", "status");
                let path = path.replace("{id}", "1");
                assert!(!path.contains('{'), "the canary test does not know how to fill in {path}");
                // A start that waits for another service would wait for its full time.
                let waits = operation.to_string().contains("\"wait\"");
                let path = if waits { path + "?wait=100ms" } else { path };
                all.insert((method.to_uppercase(), path, is_stream));
            }
        }
    }
    all.into_iter().collect()
}

/// Asks one endpoint, in every way that it could be answered.
fn look_at(app: &Playground, method: &str, path: &str, is_stream: bool) {
    let sink = format!("{method} {path}");
    if is_stream {
        let from_the_first = format!("{path}?after=0");
        // The end of what is there; a log may have nothing.
        let is_log = path.ends_with("/logs/stream");
        let end = if is_log {
            let page = app.get(path.trim_end_matches("/stream")).json();
            page["last"].as_u64().filter(|last| *last > 0).map(|last| format!("id: {last}\n"))
        } else {
            Some("settled".to_owned())
        };
        let credential = [("Authorization", &*app.bearer())];
        let mut stream = http::send(app.address, method, &from_the_first, &credential, b"");
        clean(&sink, &read_until(&mut stream, end.as_deref().unwrap_or("retry: ")));
        return;
    }
    let (right, wrong) = (app.bearer(), format!("Bearer {CANARY}"));
    let credentials = [&[][..], &[("Authorization", &*right)], &[("Authorization", &*wrong)]];
    for credential in credentials {
        for query in ["", "access_token=kanarie"] {
            let mark = if path.contains('?') { '&' } else { '?' };
            let path = if query.is_empty() { path } else { &format!("{path}{mark}{query}") };
            let answer = http::request(app.address, method, path, credential, b"");
            assert!(answer.status < 600, "{answer:?}");
            clean(&sink, &format!("{answer:?}"));
            let token = right.trim_start_matches("Bearer ");
            assert!(!format!("{answer:?}").contains(token), "{sink} gives the own token away");
        }
    }
    if method == "POST" || method == "PUT" {
        for body in BODIES {
            let headers = [("Authorization", &*right), ("Content-Type", "application/json")];
            let answer = http::request(app.address, method, path, &headers, body.as_bytes());
            assert!(answer.status >= 400 && answer.status != 500, "{sink} {body}: {answer:?}");
            clean(&sink, &format!("{answer:?}"));
        }
    }
}

/// Lets services join, well and badly; returns the names of those that are there.
fn join(app: &Playground) -> Vec<String> {
    let join = |body: &str| {
        let mut body: Value = serde_json::from_str(body).unwrap();
        for (key, value) in [("name", "outside"), ("kind", "vault")] {
            body.as_object_mut().unwrap().entry(key).or_insert_with(|| value.into());
        }
        let right = app.bearer();
        let headers = [("Authorization", &*right), ("Content-Type", "application/json")];
        let text = body.to_string();
        let answer = http::request(app.address, "POST", "/services", &headers, text.as_bytes());
        clean(&text, &format!("{answer:?}"));
        by_hand(app, &body);
        (body["name"].as_str().unwrap().to_owned(), answer.status)
    };
    for body in OUTSIDE {
        let (_, status) = join(body);
        assert!(matches!(status, 403 | 422), "{body}: {status}");
    }
    assert_eq!(app.get("/services/outside").status, 404);
    let joined = JOINING.map(|(body, expected)| {
        let (name, status) = join(body);
        assert_eq!(status, expected, "{body}");
        assert!(app.service(&name)["state"].is_string());
        name
    });
    assert_eq!(app.service("joined-status")["metadata"]["password"], "***");
    joined.to_vec()
}

/// Configures a service, well and badly, by HTTP and by command line; then shows what holds.
fn configure(app: &Playground, service: &str) {
    let right = app.bearer();
    let headers = [("Authorization", &*right), ("Content-Type", "application/json")];
    let path = format!("/services/{service}");
    for (body, expected) in CONFIGURED {
        for (method, place) in [
            ("POST", "/configure?dry_run=true&wait=10s"),
            ("PUT", "/-/config?dry_run=true&wait=10s"),
            ("POST", "/configure_and_start?wait=10s"),
            ("PUT", "/-/config?wait=10s"),
        ] {
            let path = format!("{path}{place}");
            let answer = http::request(app.address, method, &path, &headers, body.as_bytes());
            let expected =
                if place.contains("dry_run") && expected == 409 { 200 } else { expected };
            assert_eq!(answer.status, expected, "{method} {path} {body}: {answer:?}");
            clean(&format!("{method} {path} {body}"), &format!("{answer:?}"));
        }
        let body: Value = serde_json::from_str(body).unwrap();
        let set = body.as_object().unwrap().iter().map(|(key, value)| format!("{key}={value}"));
        let set: Vec<String> = set.collect();
        by_command(app, &["configure", service, "--dry-run"], &set);
        by_command(app, &["configure", service], &set);
        for shown in [&["config", "--remote"][..], &["config", "--remote", service]] {
            by_command(app, shown, &[]);
        }
        clean("status", &app.service(service).to_string());
    }
    clean("why", &app.ask(&["why", service]).stdout);
}

/// Asks with the command line, as text and as JSON.
fn by_command(app: &Playground, words: &[&str], more: &[String]) {
    for json in [&[][..], &["--json"]] {
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        let words = [words, &more, json].concat();
        let printed = app.ask(&words);
        assert!(matches!(printed.code, Some(0 | 1)), "{words:?}: {printed:?}");
        clean(&format!("{words:?}"), &(printed.stdout + &printed.stderr));
    }
}

/// Registers with the command line, whose section stands in a file.
fn by_hand(app: &Playground, body: &Value) {
    let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    let section = file(&body["config"].to_string());
    let (kind, name) = (text("kind"), text("name"));
    for json in [&[][..], &["--json"]] {
        let words = ["register", &kind, &name, "--section", section.to_str().unwrap()];
        let printed = app.ask(&[&words[..], &["--dry-run"], json].concat());
        assert!(matches!(printed.code, Some(0 | 1 | 64)), "{printed:?}");
        clean(&format!("register {body}"), &(printed.stdout + &printed.stderr));
    }
}

#[track_caller]
fn check_running(format: &str) {
    let path = files(&RIGHT.replace("FORMAT", format).replace("HASH", HASH));
    let arguments = ["--set", FLAG, "--profile", "cage"];
    let app = Playground::start_file(path, &arguments, &VARIABLES, None);
    app.settle();
    let status = app.service("status");
    assert_eq!(status["degraded"], "the password *** does not fit", "{status}");
    assert_eq!(status["metadata"]["password"], "***", "{status}");
    assert_eq!(app.service("error")["error"]["message"], "the password *** does not fit");
    let listed = app.get("/services").json();
    let services = listed["services"].as_array().unwrap().iter();
    let services: Vec<String> =
        services.map(|service| service["name"].as_str().unwrap().to_owned()).collect();
    let document = app.get("/openapi.json").json();
    configure(&app, "status");
    configure(&app, "file");
    // What joins is seen by all that is asked, and what removes services takes only that out.
    let joined = join(&app);
    let all = [&services[..], &joined].concat();
    for (method, path, is_stream) in endpoints(&document, &all) {
        if method != "DELETE" {
            look_at(&app, &method, &path, is_stream);
        }
    }
    configure(&app, &joined[0]);
    let (kept, removed) = joined.split_at(1);
    for (_, path, _) in endpoints(&document, removed).iter().filter(|it| it.0 == "DELETE") {
        look_at(&app, "DELETE", path, false);
    }
    ask_all(&app, &[&services[..], kept].concat());
    // Also what the commands above have caused.
    clean("GET /events", &app.get("/events?after=0&limit=1000").body);
    let token = app.bearer();
    let ended = app.terminate();
    ended.check(0);
    let log = ended.log.join("\n");
    assert!(log.contains("locked with ***"), "nobody was careless: {log}");
    clean("the log", &log);
    assert!(!log.contains(token.trim_start_matches("Bearer ")), "the log has the own token");
}

/// Writes the file, and its profile's file beside it.
fn files(text: &str) -> std::path::PathBuf {
    let path = file(text);
    std::fs::write(path.with_extension("cage.yaml"), PROFILE).unwrap();
    path
}

#[test]
fn no_endpoint_and_no_log_gives_a_secret_away() {
    check_running("text");
    check_running("json");
}

#[test]
fn no_command_gives_a_secret_away() {
    let path = files(&RIGHT.replace("FORMAT", "text").replace("HASH", HASH));
    for words in asking().1.iter().filter(|words| **words != ["run"]) {
        for json in [&[][..], &["--json"]] {
            let mut arguments: Vec<&str> = words.iter().map(String::as_str).collect();
            arguments.extend(["--config", path.to_str().unwrap(), "--set", FLAG]);
            arguments.extend(["--profile", "cage"].iter().chain(json));
            let printed = run_in(&arguments, &VARIABLES);
            assert_eq!(printed.code, Some(0), "{printed:?}");
            assert!(!printed.stdout.is_empty(), "{words:?} printed nothing");
            clean(&format!("{arguments:?}"), &printed.stdout);
            clean(&format!("{arguments:?}"), &printed.stderr);
        }
    }
}

#[test]
fn no_report_gives_a_secret_away() {
    for text in WRONG {
        let path = file(text);
        for words in reading(&path) {
            for json in [&[][..], &["--json"]] {
                let mut arguments: Vec<&str> = words.iter().map(String::as_str).collect();
                arguments.extend(json);
                let printed = run(&arguments);
                assert_eq!(printed.code, Some(78), "{text}: {printed:?}");
                clean(&format!("{arguments:?} {text}"), &printed.stdout);
                clean(&format!("{arguments:?} {text}"), &printed.stderr);
            }
        }
    }
}

#[test]
fn no_report_about_a_flag_or_variable_gives_it_away() {
    let path = file("services: {v: {kind: vault, password: p}}");
    let sets = [
        "services.v.pasword=kanarie",
        "services.v.password=[kanarie",
        "servces.x=kanarie",
        "kanarie",
        "server.auth.tokens=[{name: a, role: viewer, token: kanarie}]",
        "server.auth.tokens=kanarie",
        "server.auth.token=kanarie",
    ];
    let variables = [
        ("PROCESSPYPE_SERVICES__V__PASWORD", "kanarie"),
        ("PROCESSPYPE_SERVCES__V", "kanarie"),
        ("PROCESSPYPE_SERVICES", "kanarie"),
        ("PROCESSPYPE_SERVER__AUTH__TOKENS", "[{name: a, role: viewer, token: kanarie}]"),
        ("PROCESSPYPE_SERVER__AUTH__TOKENS", "kanarie"),
        ("PROCESSPYPE_SERVER__AUTH__TOKEN", "kanarie"),
    ];
    for words in reading(&path) {
        let base: Vec<&str> = words.iter().map(String::as_str).collect();
        for set in sets {
            let printed = run(&[&base[..], &["--set", set]].concat());
            assert!(matches!(printed.code, Some(64 | 78)), "{set}: {printed:?}");
            clean(set, &(printed.stdout + &printed.stderr));
        }
        for variable in variables {
            let printed = run_in(&base, &[variable]);
            assert_eq!(printed.code, Some(78), "{variable:?}: {printed:?}");
            clean(variable.0, &(printed.stdout + &printed.stderr));
        }
    }
}
