//! Routes of services.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::{Method, Request};
use futures_util::{StreamExt as _, stream};
use processpype_core::ServiceState;
use tower::ServiceExt as _;

use crate::fixture::{App, settings};

#[tokio::test(start_paused = true)]
async fn a_running_service_answers() {
    let app = App::start().await;
    for (path, expected) in [
        ("/value", "42"),
        ("/", "root"),
        ("/echo/a%20b", "a b"),
        ("/echo/%2F", "/"),
        ("/uri?x=1&y=%20", "/uri?x=1&y=%20"),
        ("/start", "my own start"),
    ] {
        let answer = app.get(&format!("/services/counter{path}")).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, expected), "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(
            answer.header("content-security-policy"),
            "",
            "the service decides on its pages"
        );
        assert_eq!(answer.header("allow"), "", "{path}");
    }
    let echoed = app.ask(Method::POST, "/services/counter/value", &[], "hello").await;
    assert_eq!(echoed.text, "hello");
    let head = app.ask(Method::HEAD, "/services/counter/value", &[], "").await;
    assert_eq!((head.header("content-length"), head.text.as_str()), ("2", ""));
    let wrong = app.ask(Method::DELETE, "/services/counter/value", &[], "").await;
    assert_eq!(wrong.header("allow"), "GET,HEAD,POST");
    let problem = wrong.problem(405, "method-not-allowed");
    assert_eq!(problem["detail"], "service `counter` takes only GET,HEAD,POST here");
}

#[tokio::test(start_paused = true)]
async fn a_stopped_service_is_a_503_that_says_why() {
    let app = App::start().await;
    app.post("/services/counter/stop").await.ok(200);
    let answer = app.get("/services/counter/value").await;
    let problem = answer.problem(503, "service-unavailable");
    assert_eq!(problem["state"], "stopped");
    assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0));
    app.post("/services/counter/start").await.ok(200);
    assert_eq!(app.get("/services/counter/value").await.text, "42");

    app.post("/services/broken/start").await.problem(503, "start-failed");
    let problem = app.get("/services/broken/x").await.problem(503, "service-unavailable");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("the cellar is flooded")));
    app.post("/services/slow/start?wait=0").await.ok(202);
    let problem = app.get("/services/slow/x").await.problem(503, "service-unavailable");
    assert_eq!(problem["state"], "starting");
}

#[tokio::test(start_paused = true)]
async fn what_a_service_does_not_have() {
    let app = App::start().await;
    app.get("/services/counter/nothing").await.problem(404, "unknown-path");
    app.get("/services/reader/value").await.problem(404, "unknown-path");
    app.get("/services/counter//value").await.problem(404, "unknown-path");
    app.get("/services/counter/value/").await.problem(404, "unknown-path");
}

#[tokio::test(start_paused = true)]
async fn the_framework_keeps_its_own_paths() {
    let app = App::start().await;
    let post = async |path: &str| app.post(&format!("/services/counter/{path}")).await;
    for path in ["%73top", "-/x", "-/", "-", "%2D/x"] {
        post(path).await.problem(404, "unknown-path");
    }
    app.get("/services/counter/-/x").await.problem(404, "unknown-path");
    assert_eq!(app.manager.state("counter"), Some(ServiceState::Running));
}

#[tokio::test(start_paused = true)]
async fn other_methods_on_a_command_are_the_services() {
    let app = App::start().await;
    assert_eq!(app.get("/services/counter/start").await.text, "my own start");
    // Where the service has nothing, the path is for the command.
    for path in ["/services/counter/stop", "/services/reader/start", "/services/idle/restart"] {
        let answer = app.get(path).await;
        answer.problem(405, "method-not-allowed");
        assert_eq!(answer.header("allow"), "POST, OPTIONS");
        let options = app.ask(Method::OPTIONS, path, &[], "").await;
        assert_eq!((options.status.as_u16(), options.header("allow")), (204, "POST, OPTIONS"));
    }
    app.get("/services/nobody/start").await.problem(404, "unknown-service");
}

#[tokio::test(start_paused = true)]
async fn a_panicking_handler_is_that_requests_500() {
    let app = App::start().await;
    app.get("/services/counter/boom").await.problem(500, "handler-panicked");
    assert_eq!(app.get("/services/counter/value").await.text, "42");
    assert_eq!(app.manager.state("counter"), Some(ServiceState::Running));
    let events = app.get("/events?service=counter&kind=handler-panic").await.ok(200);
    assert_eq!(events["events"].as_array().map(Vec::len), Some(1), "{events}");
}

#[tokio::test(start_paused = true)]
async fn a_long_body_is_refused() {
    let app = App::start().await;
    let length = [("content-length", "99999999999")];
    let answer = app.ask(Method::POST, "/services/counter/value", &length, "x").await;
    answer.problem(413, "body-too-large");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_say_its_length_is_limited_too() {
    let mut settings = settings();
    settings.limits.service_body_bytes = 4;
    let app = App::start_with(settings).await;
    let post = async |body| app.ask(Method::POST, "/services/counter/value", &[], body).await;
    assert_eq!(post("four").await.text, "four");
    assert_eq!(post("fives").await.status.as_u16(), 413);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_takes_every_path_does_not_get_the_frameworks() {
    let app = App::catching().await;
    assert_eq!(app.get("/services/catching/any/path").await.text, "caught");
    for path in ["-", "-/", "-/x", "-/why/x"] {
        app.get(&format!("/services/catching/{path}")).await.problem(404, "unknown-path");
    }
}

/// What was too slow is told to a client as such, unless the service made something of it.
#[tokio::test(start_paused = true)]
async fn a_body_that_stands_still_is_the_clients_fault_where_the_service_minds() {
    let app = App::start().await;
    for (path, expected) in [("value", 408), ("lenient", 200)] {
        let piece = stream::once(async { Ok::<_, Infallible>("a") });
        let body = Body::from_stream(piece.chain(stream::pending()));
        let request = Request::post(format!("/services/counter/{path}"));
        let request = request.header("host", "localhost").body(body).expect("a request");
        let response = app.router.clone().oneshot(request).await.expect("never fails");
        assert_eq!(response.status(), expected, "{path}");
    }
}
