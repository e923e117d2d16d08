//! Things that only some places may do: open sockets, spawn, keep statics, end the process, read
//! the machine's clock.
//!
//! The rules match tokens, so they see what is written out. A method that hides a spawn behind
//! another name is not seen; `clippy.toml` forbids the functions themselves and closes that gap.

use crate::exceptions::permits;
use crate::source::{Place, Source};
use crate::tokens::{Token, find};
use crate::violation::{Rule, Violation};
use crate::workspace::{Crate, Workspace};

/// Words that do a confined thing.
struct Confined {
    rule: Rule,
    patterns: &'static [&'static str],
    remedy: &'static str,
}

const CONFINED: &[Confined] = &[
    Confined {
        rule: Rule::Listener,
        patterns: &["TcpListener", "UnixListener", "UdpSocket"],
        remedy: "only processpype-control opens listeners",
    },
    Confined {
        rule: Rule::Spawn,
        patterns: &[
            "tokio :: spawn",
            "task :: spawn",
            "task :: spawn_blocking",
            "task :: spawn_local",
            "tokio :: task :: JoinSet",
            "thread :: spawn",
            "thread :: Builder",
            "thread :: scope",
        ],
        remedy: "only processpype-runtime spawns: use `Context::spawn`, or say why not in \
                 xtask/src/exceptions.rs",
    },
    Confined {
        rule: Rule::Unbounded,
        patterns: &[
            "unbounded_channel",
            "UnboundedSender",
            "UnboundedReceiver",
            "mpsc :: unbounded",
        ],
        remedy: "every queue has a bound with a name",
    },
    Confined {
        rule: Rule::Exit,
        patterns: &["process :: exit", "process :: abort", "process as"],
        remedy: "only `main` and the deadline thread end the process: return an error",
    },
];

/// Method calls that spawn when the receiver is a handle, a set or a runtime. Not looked for in
/// programs, where `cx.spawn(…)` is the right way, nor on `self`, whose body is looked at anyway.
const SPAWNING_METHODS: &[&str] = &[". spawn (", ". spawn_blocking (", ". spawn_local ("];

/// Types that make a `static` mutable.
const MUTABLE: &[&str] = &[
    "Mutex",
    "RwLock",
    "OnceLock",
    "OnceCell",
    "OnceBox",
    "ThreadLocal",
    "Cell",
    "RefCell",
    "ArcSwap",
    "Condvar",
    "Notify",
    "Once",
    "Semaphore",
];

/// Readings of the machine's clock and waits on it, which a paused clock does not see.
const MACHINE_CLOCK: &[&str] = &[
    "std :: time :: Instant",
    "SystemTime :: now",
    "UNIX_EPOCH . elapsed",
    "thread :: sleep",
    "thread :: park_timeout",
    ". recv_timeout (",
    ". wait_timeout (",
    ". wait_timeout_while (",
];

/// Crates that are pure: invariant 1 of ARCHITECTURE.md.
const PURE: &[&str] = &["processpype-core"];

const IMPURE: &[&str] = &[
    "tokio ::",
    "serde ::",
    "rand ::",
    "getrandom ::",
    "std :: fs",
    "std :: net",
    "std :: io",
    "std :: env",
    "std :: process",
    "std :: thread",
    "time :: Instant",
    "SystemTime",
    "RandomState",
];

pub(crate) fn check(workspace: &Workspace) -> Vec<Violation> {
    workspace.sources().flat_map(|(of, source)| check_source(of, source)).collect()
}

fn check_source(of: &Crate, source: &Source) -> Vec<Violation> {
    let mut found: Vec<_> = CONFINED.iter().flat_map(|rule| check_confined(rule, source)).collect();
    found.extend(check_methods(source));
    found.extend(check_queues(source));
    found.extend(check_exits(source));
    found.extend(check_statics(source));
    if PURE.contains(&of.name()) {
        found.extend(check_purity(source));
    } else {
        found.extend(check_clock(source));
    }
    found
}

fn check_confined(confined: &Confined, source: &Source) -> Vec<Violation> {
    let Confined { rule, patterns, remedy } = confined;
    let hits = patterns.iter().flat_map(|pattern| code_lines_with(source, pattern));
    let hits = hits.filter(|_| !permits(*rule, &source.path));
    hits.map(|(line, what)| breach(*rule, source, line, &what, remedy)).collect()
}

fn check_methods(source: &Source) -> Vec<Violation> {
    if source.place != Place::Library || permits(Rule::Spawn, &source.path) {
        return Vec::new();
    }
    let hits = SPAWNING_METHODS.iter().flat_map(|pattern| calls_on_others(source, pattern));
    let remedy = "only processpype-runtime spawns";
    hits.map(|(line, what)| breach(Rule::Spawn, source, line, &what, remedy)).collect()
}

fn calls_on_others(source: &Source, pattern: &str) -> Vec<(usize, String)> {
    let tokens = &source.tokens;
    let on_self = |at: usize| at > 0 && tokens[at - 1].text == "self";
    let calls = find(tokens, pattern).filter(|at| !on_self(*at)).map(|at| tokens[at].line);
    let code = calls.filter(|line| !source.is_test(*line));
    code.map(|line| (line, pattern.replace(' ', ""))).collect()
}

/// Channels that are made without saying how much they hold, however their maker is named. Those
/// for one message hold one.
fn check_queues(source: &Source) -> Vec<Violation> {
    let tokens = &source.tokens;
    let is_call = |at: &usize| {
        let before = |count: usize| at.checked_sub(count).map(|at| tokens[at].text.as_str());
        let is_other = before(1) == Some(".") || before(2) == Some("oneshot");
        let arguments = after_generics(&tokens[at + 1..]);
        let is_empty = arguments.iter().take(2).map(|token| token.text.as_str()).eq(["(", ")"]);
        !is_other && is_empty
    };
    let lines = find(tokens, "channel").filter(is_call).map(|at| tokens[at].line);
    let lines = lines.filter(|line| !source.is_test(*line));
    let remedy = "every queue has a bound with a name";
    lines.map(|line| breach(Rule::Unbounded, source, line, "channel()", remedy)).collect()
}

/// What follows `::<…>`, if that comes first.
fn after_generics(tokens: &[Token]) -> &[Token] {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token.text == text);
    if !(is(0, "::") && is(1, "<")) {
        return tokens;
    }
    let mut depth = 0_usize;
    let end = tokens.iter().position(|token| {
        match token.text.as_str() {
            "<" => depth += 1,
            ">" => depth -= 1,
            _ => {}
        }
        depth == 0 && token.text == ">"
    });
    end.map_or(tokens, |end| &tokens[end + 1..])
}

/// What `use std::process::{…}` hides from a search for whole paths.
fn check_exits(source: &Source) -> Vec<Violation> {
    let remedy = "only `main` and the deadline thread end the process: return an error";
    let hits = grouped_uses(source, &[("process :: {", &["exit", "abort"])]).into_iter();
    hits.map(|(line, what)| breach(Rule::Exit, source, line, &what, remedy)).collect()
}

fn check_clock(source: &Source) -> Vec<Violation> {
    if source.place != Place::Library || permits(Rule::Clock, &source.path) {
        return Vec::new();
    }
    let named = MACHINE_CLOCK.iter().flat_map(|pattern| code_lines_with(source, pattern));
    let grouped = grouped_uses(
        source,
        &[("std :: time :: {", &["Instant"]), ("std :: thread :: {", &["sleep", "park_timeout"])],
    );
    let remedy = "use tokio's clock, or that of processpype-runtime, so that paused time holds";
    let hits = named.chain(grouped);
    hits.map(|(line, what)| breach(Rule::Clock, source, line, &what, remedy)).collect()
}

fn check_statics(source: &Source) -> Vec<Violation> {
    if permits(Rule::Static, &source.path) {
        return Vec::new();
    }
    let starts =
        find(&source.tokens, "static").filter(|at| !source.is_test(source.tokens[*at].line));
    let renamed = renamed_mutables(source);
    let mutable = starts.filter_map(|at| {
        let declared = source.tokens[at + 1..].iter().take_while(|token| !ends_type(token));
        let mut words = declared.map(|token| token.text.as_str());
        let found = words.find(|word| is_mutable(word) || renamed.contains(word));
        found.map(|word| (source.tokens[at].line, word))
    });
    let remedy = "no mutable statics: give the state an owner and pass it";
    mutable.map(|(line, word)| breach(Rule::Static, source, line, word, remedy)).collect()
}

/// The names that `use … as …` gives to mutable types.
fn renamed_mutables(source: &Source) -> Vec<&str> {
    let renamed = source.tokens.windows(3).filter(|three| three[1].text == "as");
    let renamed = renamed.filter(|three| is_mutable(&three[0].text));
    renamed.map(|three| three[2].text.as_str()).collect()
}

/// Whether the type of a `static` is over, or what looked like one is a closure.
fn ends_type(token: &Token) -> bool {
    matches!(token.text.as_str(), "=" | ";" | "|" | "{")
}

fn is_mutable(word: &str) -> bool {
    word == "mut" || word.starts_with("Atomic") || MUTABLE.contains(&word)
}

fn check_purity(source: &Source) -> Vec<Violation> {
    let remedy = "the core is pure: time, chance and the outside come in as arguments";
    let named = IMPURE.iter().flat_map(|pattern| code_lines_with(source, pattern));
    let listed = grouped_uses(
        source,
        &[
            ("std :: {", &["fs", "net", "io", "env", "process", "thread"]),
            ("time :: {", &["Instant"]),
        ],
    );
    let hits = named.chain(listed);
    hits.map(|(line, what)| breach(Rule::Purity, source, line, &what, remedy)).collect()
}

/// The beginning of a group of names, and which of them are looked for in it.
type Group<'a> = (&'a str, &'a [&'a str]);

/// What `use std::{…}` and `use std::time::{…}` hide from a search for whole paths.
fn grouped_uses(source: &Source, groups: &[Group<'_>]) -> Vec<(usize, String)> {
    let mut hits = Vec::new();
    for (head, names) in groups {
        for at in find(&source.tokens, head) {
            let group = group_after(&source.tokens[at + head.split(' ').count()..]);
            let named = group.filter(|token| names.contains(&token.text.as_str()));
            hits.extend(named.map(|token| (token.line, token.text.clone())));
        }
    }
    hits.retain(|(line, _)| !source.is_test(*line));
    hits
}

/// The tokens up to the brace that closes the group, nested groups included.
fn group_after(tokens: &[Token]) -> impl Iterator<Item = &Token> {
    let mut depth = 1_usize;
    tokens.iter().take_while(move |token| {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        depth > 0
    })
}

fn code_lines_with(source: &Source, pattern: &str) -> Vec<(usize, String)> {
    let name = pattern.replace(' ', "");
    let lines = find(&source.tokens, pattern).map(|at| source.tokens[at].line);
    lines.filter(|line| !source.is_test(*line)).map(|line| (line, name.clone())).collect()
}

fn breach(rule: Rule, source: &Source, line: usize, what: &str, remedy: &str) -> Violation {
    Violation::new(rule, &source.path, what, format!("`{what}`: {remedy}")).at(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    const NONE: [(Rule, usize, String); 0] = [];

    fn found(path: &str, code: &str) -> Vec<(Rule, usize, String)> {
        let directory = path.split("/src/").next().unwrap_or_default();
        let name = directory.rsplit('/').next().unwrap_or_default();
        let manifest = format!("{directory}/Cargo.toml");
        let package = format!("[package]\nname = \"{name}\"");
        let files = [(path, code), (manifest.as_str(), package.as_str())];
        let (workspace, unread) = Workspace::new(&Tree::from_files(files));
        assert_eq!(unread, []);
        super::check(&workspace).into_iter().map(|v| (v.rule, v.line, v.item)).collect()
    }

    #[track_caller]
    fn check(path: &str, code: &str, rule: Rule, item: &str) {
        assert_eq!(found(path, code), [(rule, 1, item.to_owned())], "{code}");
        let in_test = format!("#[cfg(test)] mod tests {{ {code} }}");
        assert_eq!(found(path, &in_test), NONE, "{in_test}");
    }

    #[test]
    fn a_listener_outside_the_control_plane_is_caught() {
        let code = "use tokio::net::TcpListener;";
        check("crates/processpype-runtime/src/lib.rs", code, Rule::Listener, "TcpListener");
        assert_eq!(found("crates/processpype-control/src/lib.rs", code), NONE);
    }

    #[test]
    fn a_spawn_outside_the_runtime_is_caught() {
        let api = "crates/processpype-api/src/lib.rs";
        check(api, "fn f() { tokio::spawn(g()); }", Rule::Spawn, "tokio::spawn");
        check(api, "fn f(h: H) { h.spawn(g()); }", Rule::Spawn, ".spawn(");
        check(api, "fn f() { self.handle.spawn(g()); }", Rule::Spawn, ".spawn(");
        check(api, "fn f() { std::thread::spawn(g); }", Rule::Spawn, "thread::spawn");
        assert_eq!(
            found("crates/processpype-runtime/src/a.rs", "fn f() { tokio::spawn(g()); }"),
            NONE
        );
    }

    #[test]
    fn a_service_of_an_example_spawns_through_its_context() {
        let main = "examples/a/src/main.rs";
        assert_eq!(found(main, "fn f(cx: C) { cx.spawn(\"n\", g()); }"), NONE);
        assert_eq!(found("crates/processpype-api/src/a.rs", "fn f() { self.spawn(g); }"), NONE);
        check(main, "fn f() { tokio::spawn(g()); }", Rule::Spawn, "tokio::spawn");
    }

    #[test]
    fn a_mutable_static_is_caught() {
        let path = "crates/processpype/src/lib.rs";
        check(path, "static mut A: u8 = 0;", Rule::Static, "mut");
        check(path, "static A: std::sync::Mutex<u8> = b();", Rule::Static, "Mutex");
        check(path, "fn f() { static A: AtomicU64 = b(); }", Rule::Static, "AtomicU64");
        check(path, "thread_local! { static A: Cell<u8> = b(); }", Rule::Static, "Cell");
        check(path, "static A: OnceBox<u8> = b();", Rule::Static, "OnceBox");
        check(path, "static A: ThreadLocal<u8> = b();", Rule::Static, "ThreadLocal");
        check(path, "use std::sync::RwLock as R; static A: R<u8> = b();", Rule::Static, "R");
        let hook = "thread_local! { static A: RefCell<u8> = b(); }";
        assert_eq!(found("crates/processpype-runtime/src/panic.rs", hook), NONE);
        assert_eq!(found(path, "static A: &str = b; fn f(a: &'static Mutex<u8>) {}"), NONE);
    }

    #[test]
    fn a_queue_without_a_bound_is_caught() {
        let path = "crates/processpype-runtime/src/lib.rs";
        check(
            path,
            "use tokio::sync::mpsc::unbounded_channel;",
            Rule::Unbounded,
            "unbounded_channel",
        );
        let standard = "fn f() { std::sync::mpsc::channel(); }";
        check(path, standard, Rule::Unbounded, "channel()");
        let typed = "fn f() { std::sync::mpsc::channel::<Vec<Option<u8>>>(); }";
        check(path, typed, Rule::Unbounded, "channel()");
        check(path, "fn f() { let (a, b) = channel(); }", Rule::Unbounded, "channel()");
        assert_eq!(found(path, "fn f() { mpsc::channel(COMMANDS); }"), NONE);
        assert_eq!(found(path, "fn f() { mpsc::channel::<Vec<u8>>(COMMANDS); }"), NONE);
        assert_eq!(found(path, "fn f(log: L) { log.channel(); }"), NONE);
        assert_eq!(found(path, "fn f() { oneshot::channel::<u8>(); }"), NONE);
    }

    #[test]
    fn an_exit_is_caught() {
        let code = "fn f() { std::process::exit(1); }";
        check("crates/processpype/src/lib.rs", code, Rule::Exit, "process::exit");
        // Not even where the deadline is held: `main` returns.
        check("crates/processpype/src/process.rs", code, Rule::Exit, "process::exit");
        let api = "crates/processpype-api/src/lib.rs";
        check(api, "use std::process as p;", Rule::Exit, "processas");
        check(api, "use std::process::{ExitCode, abort};", Rule::Exit, "abort");
        assert_eq!(found(api, "use std::process::{Command, ExitCode};"), NONE);
    }

    #[test]
    fn the_clock_of_the_machine_is_caught() {
        let path = "crates/processpype-control/src/lib.rs";
        check(path, "use std::time::Instant;", Rule::Clock, "std::time::Instant");
        check(path, "use std::time::{Duration, Instant};", Rule::Clock, "Instant");
        check(path, "fn f() { SystemTime::now(); }", Rule::Clock, "SystemTime::now");
        check(path, "fn f() { std::thread::sleep(NAP); }", Rule::Clock, "thread::sleep");
        check(path, "use std::thread::{Builder as B, sleep};", Rule::Clock, "sleep");
        check(path, "fn f(r: R) { r.recv_timeout(LONG); }", Rule::Clock, ".recv_timeout(");
        assert_eq!(found(path, "use tokio::time::{Instant, sleep};"), NONE);
        assert_eq!(found("examples/a/src/main.rs", "use std::time::Instant;"), NONE);
        let clock = "crates/processpype-runtime/src/clock.rs";
        assert_eq!(found(clock, "fn f() { SystemTime::now(); }"), NONE);
    }

    #[test]
    fn an_impure_core_is_caught() {
        let core = "crates/processpype-core/src/lib.rs";
        check(core, "use std::fs;", Rule::Purity, "std::fs");
        check(core, "use std::{fmt, net::IpAddr};", Rule::Purity, "net");
        check(core, "use std::time::{Duration, Instant};", Rule::Purity, "Instant");
        check(core, "fn f() { std::thread::yield_now(); }", Rule::Purity, "std::thread");
        check(core, "#[derive(serde::Serialize)] struct A;", Rule::Purity, "serde::");
        assert_eq!(found(core, "/// Not `std::fs`.\nuse std::{fmt, time::Duration};"), NONE);
        assert_eq!(found("crates/processpype-api/src/lib.rs", "use std::fs;"), NONE);
    }
}
