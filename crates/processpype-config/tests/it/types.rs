//! The configuration types of the tests, as an application would write them.

#![allow(dead_code, reason = "many fields are only read from files, never looked at")]

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

use processpype_config::{HumanDuration, Secret};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Server {
    /// The address to listen on.
    pub(crate) host: String,
    /// The port to listen on.
    #[schemars(range(min = 1))]
    pub(crate) port: u16,
    /// Goes in front of every path.
    #[serde(default)]
    #[schemars(regex(pattern = r"^(/[a-z0-9]+)*$"))]
    pub(crate) api_prefix: String,
    /// Threads.
    #[schemars(range(min = 1, max = 64))]
    pub(crate) workers: Option<u8>,
    pub(crate) timeout: Option<HumanDuration>,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Ticker {
    /// Milliseconds between two ticks.
    #[schemars(range(min = 10, max = 60000))]
    pub(crate) interval_ms: u64,
    pub(crate) sink: Option<Sink>,
    pub(crate) restart: Option<Restart>,
    pub(crate) target: Option<Target>,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default)]
    #[schemars(length(max = 3))]
    pub(crate) ports: Vec<u16>,
    #[serde(flatten)]
    pub(crate) retry: Retry,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Retry {
    /// How often to try again.
    #[serde(default)]
    pub(crate) retries: u8,
    pub(crate) pause: Option<HumanDuration>,
    pub(crate) code: Option<Code>,
}

/// A code with a check of its own that no schema states.
#[derive(Debug, JsonSchema)]
#[schemars(transparent)]
pub(crate) struct Code(String);

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::{Error as _, Unexpected};
        let text = String::deserialize(deserializer)?;
        if text.starts_with('c') {
            Ok(Self(text))
        } else {
            Err(D::Error::invalid_value(Unexpected::Str(&text), &"a code such as c12"))
        }
    }
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum Sink {
    File {
        path: String,
        #[schemars(range(min = 1))]
        max_mb: u64,
    },
    Stdout,
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Restart {
    Never,
    Always,
    Backoff { initial: u64, factor: f64 },
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Target {
    Port(u16),
    Address { host: String, port: u16 },
    Pair(String, u16),
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Vault {
    pub(crate) user: String,
    pub(crate) password: Secret<String>,
    #[serde(default)]
    pub(crate) keys: Vec<Secret<String>>,
    #[serde(default)]
    pub(crate) pin: Option<Secret<u32>>,
    #[serde(default)]
    pub(crate) auth: Option<Auth>,
    #[serde(default)]
    pub(crate) url: String,
    #[serde(default)]
    pub(crate) port: u16,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum Auth {
    Basic { key: Secret<String> },
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// Everything.
    Debug,
    /// The usual.
    Info,
    Error,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Misc {
    pub(crate) level: Option<Level>,
    pub(crate) letter: Option<char>,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(crate) ratio: Option<f64>,
    pub(crate) flag: Option<bool>,
    pub(crate) pair: Option<(u8, String)>,
    pub(crate) ip: Option<IpAddr>,
    pub(crate) offset: Option<i64>,
    pub(crate) total: Option<u128>,
    pub(crate) tags: Option<HashSet<String>>,
    #[schemars(length(min = 2, max = 8))]
    pub(crate) name: Option<String>,
    #[schemars(extend("multipleOf" = 5))]
    pub(crate) step: Option<u32>,
    pub(crate) by_port: Option<BTreeMap<u16, Level>>,
    pub(crate) items: Option<Vec<Item>>,
    pub(crate) adjacent: Option<Adjacent>,
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
pub(crate) struct Item {
    pub(crate) id: u8,
    #[serde(default)]
    pub(crate) children: Vec<Item>,
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(tag = "t", content = "c", rename_all = "lowercase")]
pub(crate) enum Adjacent {
    One(u8),
    Two { x: u8 },
}

/// Times as serde reads them by itself.
#[derive(Deserialize, JsonSchema)]
struct Waits {
    every: std::time::Duration,
    #[serde(default)]
    pause: Option<std::time::Duration>,
    #[serde(default)]
    wait: Vec<std::time::Duration>,
}

/// What the corpus can read a section as.
pub(crate) fn read_as(
    name: &str,
    section: &processpype_config::Section,
) -> Result<(), processpype_config::Report> {
    match name {
        "Server" => section.read::<Server>().map(drop),
        "Ticker" => section.read::<Ticker>().map(drop),
        "Vault" => section.read::<Vault>().map(drop),
        "Misc" => section.read::<Misc>().map(drop),
        "Level" => section.read::<Level>().map(drop),
        "Waits" => section.read::<Waits>().map(drop),
        "Unit" => section.read::<()>().map(drop),
        other => panic!("no type {other}"),
    }
}
