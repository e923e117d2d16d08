//! What is told of a key of the framework that was written in the wrong place.

use processpype::config::Format;
use processpype::{Application, Config};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{Plain, assert_golden};

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema matters")]
struct NearConfig {
    /// Between two beats of the heart.
    heartbeats: Option<u64>,
    /// How many connections there are.
    pool: Option<Pool>,
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema matters")]
struct Pool {
    size: u64,
}

fn app(yaml: &str) -> Application {
    let app = Application::new()
        .kind("plain", || Plain)
        .kind("near", |_: Config<NearConfig>| Plain)
        .environment([]);
    app.config_text("app.yaml", Format::Yaml, yaml)
}

#[track_caller]
fn check(name: &str, app: Application) {
    let error = app.check().expect_err("something is wrong");
    assert_golden(&format!("setup/{name}.txt"), &format!("{error}\n"));
}

#[test]
fn a_key_of_the_framework_in_the_wrong_place_is_told_where_it_belongs() {
    let yaml = "stop_timeout: 3s
port: 80
defaults: {heartbeat: {within: 1s}, oneshot: true}
server: {level: debug, address: '127.0.0.1:80'}
services:
  a:
    kind: plain
    heartbeat: {within: 1s}
    readiness-required: false
    max_restarts: 3
    port: 80
    nowhere: 1
  b:
    kind: plain
    processpype: {stop_timeout: 3s, within: 1s}
";
    check("misplaced", app(yaml));
}

#[test]
fn nobody_is_sent_away_from_a_near_key_of_the_service_or_from_what_is_deeper_in_it() {
    let yaml = "services:
  a: {kind: near, heartbeat: 7}
  b: {kind: near, pool: {size: 1, max: 3, port: 80}}
";
    check("misplaced-near", app(yaml));
}
