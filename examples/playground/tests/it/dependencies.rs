//! Services that need each other, as the file of the folder says: one goes away, and comes back.

use serde_json::{Value, json};

use crate::harness::{Playground, eventually};

const STORY: &str = include_str!("../../dependencies.yaml");

/// Starts the story, and waits until all of it is ready: the migration takes a second.
#[track_caller]
fn ready() -> Playground {
    let app = Playground::start(STORY);
    eventually("all are ready", || (app.get("/health/ready").status == 200).then_some(()));
    app
}

/// Returns the names of services in the order in which they came into a state, after an event.
fn order(app: &Playground, after: u64, to: &str) -> Vec<String> {
    let events = app.events().into_iter();
    let came = |event: &Value| event["seq"].as_u64() > Some(after) && event["to"] == to;
    let name = |event: Value| event["service"].as_str().unwrap().to_owned();
    events.filter(came).map(name).collect()
}

fn last(app: &Playground) -> u64 {
    app.events().last().unwrap()["seq"].as_u64().unwrap()
}

fn place(names: &[String], name: &str) -> usize {
    names.iter().position(|other| other == name).unwrap_or_else(|| panic!("{name}: {names:?}"))
}

#[test]
fn a_migration_that_is_done_is_as_good_as_a_service_that_runs() {
    let app = Playground::start(STORY);
    app.wait("schema", "running");
    let waits = app.service("ticks");
    assert_eq!((&waits["state"], &waits["waiting_on"]), (&json!("stopped"), &json!(["schema"])));
    eventually("all are ready", || (app.get("/health/ready").status == 200).then_some(()));
    let schema = app.service("schema");
    assert_eq!((&schema["state"], &schema["completed"]), (&json!("stopped"), &json!(true)));
    let events = app.events();
    let seq = |service: &str, to: &str| {
        let told = |event: &&Value| event["service"] == service && event["to"] == to;
        events.iter().find(told).unwrap()["seq"].as_u64().unwrap()
    };
    assert!(seq("schema", "stopped") < seq("ticks", "starting"), "{events:#?}");
    // A dependent that starts only now does not wait for it, nor run it again.
    assert_eq!(app.post("/services/ticks/restart").json()["generation"], 2);
    assert_eq!(app.service("schema")["generation"], 1);
    app.terminate().check(0);
}

#[test]
fn who_misses_its_provider_waits_at_no_cost_and_comes_back_with_it() {
    let app = ready();
    let stopped = app.post("/services/ticks/stop").json();
    assert_eq!(stopped["affected"], json!(["careless", "follows", "holds", "reader"]));
    let waits = eventually("the reader waits", || {
        let status = app.service("reader");
        (status["state"] == "stopped" && status["waiting_on"] == json!(["ticks"])).then_some(status)
    });
    assert_eq!(waits["last_error"]["kind"], "dependency");
    assert_eq!((&waits["restart"], &waits["error"]), (&Value::Null, &Value::Null));
    let unready = app.get("/health/ready").problem(503, "not-ready");
    let detail = "service `reader` is not ready: waits for `ticks`: it is stopped";
    assert_eq!(unready["detail"], detail);
    // Those that hold go on, and show what they miss; one whose edge is optional misses nothing.
    for (service, misses) in [("holds", json!(["ticks"])), ("careless", json!([]))] {
        let status = app.service(service);
        assert_eq!((&status["state"], &status["waiting_on"]), (&json!("running"), &misses));
    }
    app.post("/services/reader/start").problem(409, "provider-stopped");

    assert_eq!(app.post("/services/ticks/start").json()["generation"], 2);
    eventually("it reads again", || {
        let status = app.service("reader");
        (status["state"] == "running" && status["generation"] == 2).then_some(())
    });
    eventually("who follows is new", || (app.service("follows")["generation"] == 2).then_some(()));
    for service in ["holds", "careless"] {
        assert_eq!(app.service(service)["generation"], 1, "{service}");
    }
    app.terminate().check(0);
}

#[test]
fn a_restart_with_dependents_goes_down_from_the_top_and_up_from_the_bottom() {
    let app = ready();
    let before = last(&app);
    let answer = app.post("/services/ticks/restart?with_dependents=true").json();
    assert_eq!(answer["affected"], json!(["follows", "holds", "reader", "top"]));
    eventually("the top is back", || {
        let status = app.service("top");
        (status["state"] == "running" && status["generation"] == 2).then_some(())
    });
    let (down, up) = (order(&app, before, "stopping"), order(&app, before, "starting"));
    assert!(place(&down, "top") < place(&down, "follows"), "{down:?}");
    assert!(place(&down, "follows") < place(&down, "ticks"), "{down:?}");
    assert!(place(&up, "ticks") < place(&up, "follows"), "{up:?}");
    assert!(place(&up, "follows") < place(&up, "top"), "{up:?}");
    assert_eq!(app.service("careless")["generation"], 1, "its edge is optional");
    app.terminate().check(0);
}

#[test]
fn a_cascade_stops_who_needs_it_and_a_start_with_dependencies_brings_back_what_it_needs() {
    let app = ready();
    let stopped = app.post("/services/ticks/stop?cascade=true").json();
    assert_eq!(stopped["affected"], json!(["follows", "holds", "reader", "top"]));
    let acted = app.service("top")["acted"].clone();
    assert_eq!((&acted["verb"], &acted["reason"]), (&json!("stop"), &json!("cascade of `ticks`")));
    app.post("/services/top/start").problem(409, "provider-stopped");
    let started = app.post("/services/top/start?with_dependencies=true").json();
    assert_eq!(started["generation"], 2);
    assert_eq!(started["affected"], json!(["follows", "ticks"]));
    for (service, state) in
        [("ticks", "running"), ("follows", "running"), ("holds", "stopped"), ("reader", "stopped")]
    {
        assert_eq!(app.service(service)["state"], state, "{service}");
    }
    assert_eq!(app.service("ticks")["acted"]["reason"], "pulled in by `top`");
    app.terminate().check(0);
}
