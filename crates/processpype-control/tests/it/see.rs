//! Graph, plan, timeline and info of a real application.

use processpype_api::{Plan, Timing};

use crate::fixture::{App, golden, pretty, settings};

#[tokio::test(start_paused = true)]
async fn the_graph_in_every_format() {
    let app = App::retrying(5).await;
    golden("graph.json", &pretty(&app.get("/graph").await.ok(200)));
    assert_eq!(app.get("/graph?format=json").await.text, app.get("/graph").await.text);
    let dot = app.get("/graph?format=dot").await;
    assert_eq!(dot.header("content-type"), "text/vnd.graphviz");
    golden("graph.dot", &dot.text);
    let mermaid = app.get("/graph?format=mermaid").await;
    assert_eq!(mermaid.header("content-type"), "text/plain");
    golden("graph.mmd", &mermaid.text);
    let problem = app.get("/graph?format=svg").await.problem(422, "invalid-query");
    assert_eq!(problem["errors"][0]["valid"], serde_json::json!(["json", "dot", "mermaid"]));
    assert_ne!(dot.header("etag"), mermaid.header("etag"));
}

#[tokio::test(start_paused = true)]
async fn the_plan_is_the_one_that_was_made() {
    let mut settings = settings();
    let worst_case_ms = 60_000;
    let critical_path = vec!["counter".to_owned(), "reader".to_owned()];
    let start_timing = Timing { worst_case_ms, critical_path };
    settings.plan = Plan { start_timing, ..Plan::default() };
    let app = App::start_with(settings).await;
    let plan = app.get("/plan").await.ok(200);
    assert_eq!(plan["start_timing"]["critical_path"][1], "reader");
}

#[tokio::test(start_paused = true)]
async fn the_timeline_of_a_start() {
    let app = App::retrying(5).await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    golden("timeline.json", &pretty(&app.get("/timeline").await.ok(200)));
    let app = App::start().await;
    let timeline = app.get("/timeline").await.ok(200);
    assert_eq!(timeline["critical_path"], serde_json::json!(["counter", "reader"]));
    assert_eq!(timeline["complete"], true);
}

#[tokio::test(start_paused = true)]
async fn what_the_application_is() {
    let app = App::start().await;
    tokio::time::sleep(std::time::Duration::from_millis(12_900)).await;
    let info = app.get("/info").await.ok(200);
    assert_eq!((&info["title"], &info["version"]), (&"Fixture".into(), &"1.2.3".into()));
    assert_eq!((&info["uptime_seconds"], &info["services"]), (&12.into(), &8.into()));
    assert_eq!(info["pid"], std::process::id());
    assert_eq!(info["started_at"], "2026-11-18T11:06:40.000Z");
}
