//! Why a service is as it is, of a real application.

use crate::fixture::{App, golden, pretty};

/// The text of the answer, and its actions as `verb path`.
async fn why(app: &App, name: &str) -> (String, Vec<String>) {
    let json = app.get(&format!("/services/{name}/-/why")).await.ok(200);
    let actions = json["actions"].as_array().expect("actions").iter().map(|action| {
        let path = action["path"].as_str().or_else(|| action["service"].as_str());
        format!("{} {}", action["verb"].as_str().expect("a verb"), path.expect("a place"))
    });
    let actions = actions.collect();
    (json["text"].as_str().expect("a text").to_owned(), actions)
}

#[tokio::test(start_paused = true)]
async fn a_chain_leads_to_the_backoff_at_its_end() {
    let app = App::retrying(5).await;
    golden("why.json", &pretty(&app.get("/services/far/-/why").await.ok(200)));
    let (text, _) = why(&app, "far").await;
    let expected = "far: stopped, waits for near; near: stopped, waits for broken; broken: error, \
                    in backoff, attempt 1 of 5, next try in 1.0 s; last error: the cellar is \
                    flooded (start-failed); far starts when near is ready; near starts when broken \
                    is ready";
    assert_eq!(text, expected);
}

#[tokio::test(start_paused = true)]
async fn every_command_that_is_offered_is_accepted() {
    let app = App::retrying(1).await;
    app.post("/services/far/stop").await.ok(200);
    tokio::time::sleep(std::time::Duration::from_secs(30)).await;
    for name in ["far", "near", "broken"] {
        let (text, actions) = why(&app, name).await;
        assert!(!text.is_empty());
        for path in actions.iter().filter_map(|action| action.split_once(" /")).map(|it| it.1) {
            let answer = app.post(&format!("/{path}{}", with_wait(path))).await;
            assert!([200, 202, 503].contains(&answer.status.as_u16()), "{path}: {answer:?}");
            app.post("/services/far/stop").await;
        }
    }
}

fn with_wait(path: &str) -> &'static str {
    if path.contains('?') { "&wait=0" } else { "?wait=0" }
}

#[tokio::test(start_paused = true)]
async fn a_cascading_stop_is_remembered() {
    let app = App::start().await;
    app.post("/services/counter/stop?cascade=true").await.ok(200);
    let (text, actions) = why(&app, "reader").await;
    let expected = "reader: stopped together with counter, which anonymous stopped with `cascade`";
    let start = "/services/reader/start?with_dependencies=true";
    assert_eq!((text.as_str(), &*actions), (expected, &[format!("start {start}")][..]));
    app.post("/services/reader/start").await.problem(409, "provider-stopped");
    app.post(start).await.ok(200);
    assert!(why(&app, "reader").await.0.starts_with("reader: running for"));
}

#[tokio::test(start_paused = true)]
async fn of_two_cascades_the_one_that_stopped_a_service_is_named() {
    let app = App::chains().await;
    app.post("/services/disk/stop?cascade=true&wait=0").await.ok(202);
    app.post("/services/net/stop?cascade=true").await.ok(200);
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    for (name, provider) in [("late", "disk"), ("store", "disk"), ("quick", "net")] {
        let expected = format!(
            "{name}: stopped together with {provider}, which anonymous stopped with \
                     `cascade`"
        );
        assert_eq!(why(&app, name).await.0, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_path_itself_is_served() {
    let app = App::start().await;
    app.get("/services/nobody/-/why").await.problem(404, "unknown-service");
    app.get("/services/counter/-/whyy").await.problem(404, "unknown-path");
    app.get("/services/counter/-/why?x=1").await.problem(422, "invalid-query");
    app.post("/services/counter/-/why").await.problem(405, "method-not-allowed");
}
