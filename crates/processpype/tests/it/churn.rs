//! Services that join, change and leave at random, while others do: seeded, on virtual time.
//!
//! # Invariants
//!
//! After every step, whatever was asked and refused before:
//!
//! 1. Who is listed is who has joined and not left; each has a status, a place in the graph, and a
//!    configuration.
//! 2. Generations of a name never go back, not even over its leaving.
//! 3. No edge leads to somebody who is not there.
//! 4. Every operation ends, but for a start that waits for a provider that is down, which can be
//!    taken back; and the application stops cleanly.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use processpype::config::HumanDuration;
use processpype::testing::{self, TestApp, TestResponse};
use processpype::{Application, Config, Context, Result, Service};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::simulation::numbers::Numbers;

/// How many steps one seed takes.
const STEPS: usize = 120;

/// The names that there can be beside the one of the code.
const NAMES: [&str; 6] = ["ant", "bee", "cat", "dog", "eel", "fox"];

#[derive(Deserialize, JsonSchema)]
struct AnimalConfig {
    /// How long it takes to start.
    #[serde(default = "no_time")]
    wakes_in: HumanDuration,
    /// Whether its start fails.
    #[serde(default)]
    is_ill: bool,
}

fn no_time() -> HumanDuration {
    Duration::ZERO.into()
}

struct Animal(Config<AnimalConfig>);

impl Service for Animal {
    async fn start(&self, _: &Context) -> Result {
        tokio::time::sleep(*self.0.wakes_in).await;
        if self.0.is_ill { Err("it is ill".into()) } else { Ok(()) }
    }
}

struct World {
    app: TestApp,
    numbers: Numbers,
    /// Who should be there.
    there: BTreeSet<String>,
    /// The highest generation of each name.
    seen: BTreeMap<String, u64>,
}

// === impl World ===

impl World {
    async fn new(seed: u64) -> Self {
        let app = Application::new()
            .service(|| Animal(Config::from(AnimalConfig { wakes_in: no_time(), is_ill: false })))
            .named("zoo")
            .kind("animal", Animal)
            .creatable()
            .environment([]);
        let app = testing::start(app).await.expect("it starts");
        let there = BTreeSet::from(["zoo".to_owned()]);
        Self { app, numbers: Numbers::of(seed, 7), there, seen: BTreeMap::new() }
    }

    fn below(&mut self, most: usize) -> usize {
        self.numbers.index(most)
    }

    fn name(&mut self) -> &'static str {
        NAMES[self.below(NAMES.len())]
    }

    async fn step(&mut self) -> String {
        let name = self.name();
        let (word, status) = match self.below(14) {
            0 | 1 => ("register", self.register(name).await),
            2 => ("deregister", self.deregister(name, false).await),
            3 => ("deregister all", self.deregister(name, true).await),
            4 => ("start", self.post(&format!("/services/{name}/start?wait=0")).await),
            5 => ("stop", self.post(&format!("/services/{name}/stop?wait=0")).await),
            6 => ("configure", self.configure(name).await),
            7 => ("dry run", self.post(&format!("/services/{name}/restart?dry_run=true")).await),
            8 => {
                let time = 1 + self.numbers.below(10);
                ("pause", self.post(&format!("/restarts/pause?for={time}s")).await)
            }
            9 => ("resume", self.post("/restarts/resume").await),
            10 => ("cancel", self.cancel().await),
            _ => {
                let pause = Duration::from_millis(self.numbers.below(3000));
                tokio::time::sleep(pause).await;
                ("sleep", 200)
            }
        };
        assert!(status < 500 || status == 503, "{word} {name}: {status}");
        format!("{word} {name}: {status}")
    }

    async fn post(&self, path: &str) -> u16 {
        self.app.post(path).await.status()
    }

    async fn delete(&self, path: &str) -> TestResponse {
        let request = Request::delete(path).header("host", "localhost");
        self.app.request(request.body(Body::empty()).expect("a request")).await
    }

    /// Takes back whatever waits longest, if something does.
    async fn cancel(&self) -> u16 {
        let waiting = self.app.get("/operations?state=waiting").await.json();
        match waiting["operations"].get(0) {
            Some(it) => self.delete(&format!("/operations/{}", it["id"])).await.status(),
            None => 200,
        }
    }

    async fn register(&mut self, name: &str) -> u16 {
        let provider = self.name();
        let depends_on = if self.below(2) == 0 { json!([provider]) } else { json!([]) };
        let config = json!({
            "wakes_in": format!("{}ms", self.below(2000)),
            "is_ill": self.below(3) == 0,
            "restart": {"max_restarts": 3},
        });
        let start = self.below(2) == 0;
        let body = json!({
            "name": name, "kind": "animal", "depends_on": depends_on, "config": config,
            "start": start,
        });
        let answer = self.app.post_json("/services?wait=0", &body).await;
        if answer.status() < 300 {
            assert!(self.there.insert(name.to_owned()), "{name} was there");
        }
        answer.status()
    }

    async fn deregister(&mut self, name: &str, cascade: bool) -> u16 {
        let path = format!("/services/{name}?cascade={cascade}&wait=60s");
        let answer = self.delete(&path).await;
        if answer.status() == 200 {
            let answer = answer.json();
            self.there.remove(name);
            for gone in answer["affected"].as_array().expect("a list") {
                self.there.remove(gone.as_str().expect("a name"));
            }
        }
        answer.status()
    }

    async fn configure(&mut self, name: &str) -> u16 {
        let body = json!({ "is_ill": self.below(3) == 0, "wakes_in": "10ms" });
        let verb = ["configure", "configure_and_start"][self.below(2)];
        let path = format!("/services/{name}/{verb}?wait=0");
        self.app.post_json(&path, &body).await.status()
    }

    /// Looks at everything that must hold.
    async fn check(&mut self, told: &[String]) {
        let manager = self.app.manager();
        let names: BTreeSet<String> = manager.names().iter().map(ToString::to_string).collect();
        assert_eq!(names, self.there, "{told:#?}");
        let book = manager.config_book();
        let configured: BTreeSet<String> =
            book.services().map(|(name, _)| name.to_string()).collect();
        assert_eq!(configured, self.there, "{told:#?}");
        for name in &self.there {
            let status = manager.status(name).expect("it is there");
            let seen = self.seen.entry(name.clone()).or_default();
            assert!(status.generation.0 >= *seen, "{name} went back: {told:#?}");
            *seen = status.generation.0;
        }
        let graph = self.app.get("/graph").await.json();
        let known = |name: &Value| self.there.contains(name.as_str().expect("a name"));
        for edge in graph["edges"].as_array().expect("a list") {
            assert!(known(&edge["provider"]) && known(&edge["dependent"]), "{edge} {told:#?}");
        }
    }
}

async fn live(seed: u64) {
    let mut world = World::new(seed).await;
    let mut told = vec![format!("seed {seed}")];
    for _ in 0..STEPS {
        told.push(world.step().await);
        world.check(&told).await;
    }
    // Whatever was begun has its time to end.
    tokio::time::sleep(Duration::from_secs(600)).await;
    let waiting = world.app.get("/operations?state=waiting").await.json();
    for operation in waiting["operations"].as_array().expect("a list") {
        let name = operation["service"].as_str().expect("a name");
        let status = world.app.manager().status(name).expect("it is there");
        assert!(!status.waiting_on.is_empty(), "{operation} {status:?} {told:#?}");
        assert_eq!(world.cancel().await, 200, "{told:#?}");
    }
    let waiting = world.app.get("/operations?state=waiting").await.json();
    assert_eq!(waiting["operations"], json!([]), "{told:#?}");
    let closed = world.app.stop().await;
    assert!(closed.stragglers.is_empty(), "{closed:?} {told:#?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_joins_changes_and_leaves_the_rest_holds() {
    for seed in 0..24 {
        live(seed).await;
    }
}
