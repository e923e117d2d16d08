//! Configurations that something has chewed on: a report or an application, never a panic or a
//! hang.
//!
//! The mutations are those of simple fuzzers: bytes, tokens that mean something, pieces doubled,
//! moved and left out. They follow from a number, which a failure names.

use std::time::{Duration, Instant};

use processpype::config::{Format, HumanDuration, Secret};
use processpype::{Application, Config, Service};
use schemars::JsonSchema;
use serde::Deserialize;

/// How many mutations of each text are tried.
const ROUNDS: u64 = 1_700;

/// How long one check may take, on a slow and busy machine without optimisation.
const PATIENCE: Duration = Duration::from_secs(10);

const YAML: &str = r#"
app: {title: "sample", environment: test, timezone: Europe/Berlin}
server: {host: 127.0.0.1, port: 8080, api_prefix: /api, closing_timeout_seconds: 25}
observability:
  logging:
    level: info
    format: json
    loggers: {hyper: warn}
x-base: &base
  start_timeout: 5s
  stop_timeout: 1m30s
services:
  db:
    <<: *base
    kind: store
    password: kanarie 1
    mode: {kind: slow, every: 500ms}
    sizes: [1, 2, 0x10]
    note: |
      two
      lines
  web: {kind: store, password: '${CAGE:-kanarie}', depends_on: [db], significant: true}
  off: {kind: store, password: "kanarie", enabled: false, log_level: debug}
"#;

const TOML: &str = r#"
app = { title = "sample", debug = true }
[server]
port = 8080
[services.db]
kind = "store"
password = "kanarie"
sizes = [1, 2, 3]
mode = { kind = "slow", every = "1s" }
[services.web]
kind = "store"
password = 'kanarie'
depends_on = ["db"]
"#;

const JSON: &str = r#"{
  "server": {"port": 8080, "allowed_hosts": ["a.example"]},
  "services": {
    "db": {"kind": "store", "password": "kanarie", "sizes": [1, 2, 3], "mode": {"kind": "fast"}},
    "web": {"kind": "store", "password": "\u006banarie", "note": "\ud83d\ude00\n",
            "depends_on": ["db"]}
  }
}"#;

/// What means something in one of the notations.
const TOKENS: [&str; 36] = [
    "\0",
    "\t",
    "\r",
    "\n",
    " ",
    "\u{feff}",
    "\u{2028}",
    "\u{1f600}",
    "'",
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ":",
    ": ",
    ",",
    "- ",
    "#",
    "&a ",
    "*base",
    "<<: *base",
    "!!str ",
    "${",
    "${CAGE}",
    "${X:-",
    "}}",
    "|\n",
    ">-\n",
    "---\n",
    "%YAML 1.2\n",
    "= ",
    "99999999999999999999",
    "1e999",
    "\"\"\"",
];

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only read")]
struct StoreConfig {
    password: Secret<String>,
    #[serde(default)]
    mode: Option<Mode>,
    #[serde(default)]
    #[schemars(length(max = 4))]
    sizes: Vec<u8>,
    #[serde(default)]
    note: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[expect(dead_code, reason = "only read")]
enum Mode {
    Fast,
    Slow { every: HumanDuration },
}

struct Store;

impl Service for Store {}

fn store(_: Config<StoreConfig>) -> Store {
    Store
}

/// Numbers that follow from one number (Marsaglia's xorshift64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }
}

/// Changes a text in one to four places.
fn mutated(text: &str, numbers: &mut Numbers) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=numbers.below(4) {
        let from = numbers.below(chars.len());
        let to = (from + numbers.below(20)).min(chars.len());
        match numbers.below(5) {
            0 => drop(chars.drain(from..to)),
            1 => {
                let piece: Vec<char> = chars[from..to].to_vec();
                let at = numbers.below(chars.len());
                chars.splice(at..at, piece);
            }
            2 => chars.swap(from, to.saturating_sub(1).max(from)),
            3 => chars.truncate(from.max(chars.len() / 2)),
            _ => {
                let token = TOKENS[numbers.below(TOKENS.len())];
                chars.splice(from..from, token.repeat(1 + numbers.below(3)).chars());
            }
        }
    }
    chars.into_iter().collect()
}

#[track_caller]
fn check(format: Format, name: &str, text: &str) {
    let sound = Application::new().kind("store", store).config_text(name, format, text);
    sound.environment([]).check().expect("the text is right before it is mutated");
    let mut refused = 0;
    for round in 1..=ROUNDS {
        let mutant = mutated(text, &mut Numbers(round.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
        let begun = Instant::now();
        let app = Application::new()
            .kind("store", store)
            .config_text(name, format, mutant.as_str())
            .environment([("CAGE".to_owned(), "kanarie".to_owned())]);
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| app.check()));
        assert!(begun.elapsed() < PATIENCE, "round {round} took {:?}: {mutant}", begun.elapsed());
        let Ok(checked) = checked else { panic!("round {round} panicked: {mutant}") };
        if checked.is_err() {
            refused += 1;
        }
    }
    assert!(refused > ROUNDS / 4, "only {refused} of {ROUNDS} were wrong");
}

#[test]
fn yaml() {
    check(Format::Yaml, "c.yaml", YAML);
}

#[test]
fn toml() {
    check(Format::Toml, "c.toml", TOML);
}

#[test]
fn json() {
    check(Format::Json, "c.json", JSON);
}
