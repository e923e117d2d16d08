//! The control plane inside the server of an embedding program: nobody gets in who would not from
//! another machine.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response, Version};
use axum::routing::get;
use http_body_util::BodyExt as _;
use processpype::config::Format;
use processpype::{Application, NestError, Routes, Running, Service, ServiceState};
use tower::ServiceExt as _;

const VIEWER: &str = "canary-token-of-the-viewer";
const OPERATOR: &str = "canary-token-of-the-operator";

struct Shop;

impl Service for Shop {
    fn routes(self: Arc<Self>) -> Routes {
        Router::new().route("/orders", get(async || "none")).into()
    }
}

struct Window;

impl Service for Window {
    fn routes(self: Arc<Self>) -> Routes {
        Routes::from(Router::new().route("/offer", get(async || "apples"))).public()
    }
}

async fn start(prefix: &str) -> Running {
    let file = format!(
        "server: {{api_prefix: '{prefix}', allowed_hosts: [shop.example], auth: {{tokens: [\
         {{name: looker, role: viewer, token: {VIEWER}}}, \
         {{name: ci, role: operator, token: {OPERATOR}}}]}}}}"
    );
    let app = Application::new().service(|| Shop).service(|| Window).without_server();
    let app = app.config_text("app.yaml", Format::Yaml, &file).environment([]);
    app.start().await.unwrap_or_else(|error| panic!("{error}"))
}

type Headers<'a> = &'a [(&'a str, &'a str)];

/// A request from loopback, as a program behind a proxy sees each of them.
async fn ask(router: &Router, line: &str, headers: Headers<'_>) -> Response<Body> {
    let (method, path) = line.split_once(' ').expect("a method and a path");
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") && path.starts_with('/') {
        request = request.header("host", "shop.example");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::empty()).expect("a request");
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 7))));
    if path.starts_with("http") {
        *request.version_mut() = Version::HTTP_2;
    }
    router.clone().oneshot(request).await.expect("it never fails")
}

#[track_caller]
fn bearer(token: &str) -> (&'static str, String) {
    ("authorization", format!("Bearer {token}"))
}

#[tokio::test]
async fn who_has_no_token_gets_what_other_machines_get() {
    let running = start("").await;
    let own = Router::new().route("/hello", get(async || "hello"));
    let router = own.fallback_service(running.router().expect("there are tokens"));
    let (viewer, operator) = (bearer(VIEWER), bearer(OPERATOR));
    let (viewer, operator) = ((viewer.0, &*viewer.1), (operator.0, &*operator.1));
    let cases: [(&str, Headers<'_>, u16); 17] = [
        ("GET /hello", &[], 200),
        ("GET /health/ready", &[], 200),
        ("GET /services/window/offer", &[], 200),
        ("GET /services", &[], 401),
        ("GET /docs", &[], 401),
        ("POST /services/shop/stop", &[], 401),
        ("GET /services/shop/orders", &[], 401),
        ("GET /services", &[("x-forwarded-for", "127.0.0.1"), ("x-actor", "root")], 401),
        ("GET /services", &[("authorization", "Bearer canary-token-of-nobody-at-all")], 401),
        ("GET /services", &[viewer], 200),
        ("GET http://shop.example/services", &[viewer], 200),
        ("POST /services/shop/stop", &[viewer], 403),
        ("GET /services/shop/orders", &[viewer], 403),
        ("GET /services/shop/orders", &[operator], 200),
        ("GET /services", &[operator, ("host", "evil.example")], 421),
        ("POST /services/shop/stop", &[operator, ("origin", "http://evil.example")], 403),
        ("POST /services/shop/stop", &[operator], 200),
    ];
    for (line, headers, status) in cases {
        let answer = ask(&router, line, headers).await;
        assert_eq!(answer.status(), status, "{line} {headers:?}");
    }
    assert_eq!(running.manager().state("shop"), Some(ServiceState::Stopped));
    let by = running.manager().status("shop").and_then(|status| status.acted.clone());
    assert!(by.is_some_and(|acted| &*acted.actor == "token:ci"), "the actor is the token's");
    running.stop().await;
}

#[tokio::test]
async fn without_a_token_there_is_no_router() {
    let running = Application::new().service(|| Shop).without_server().environment([]).start();
    let running = running.await.unwrap_or_else(|error| panic!("{error}"));
    let refused = running.router().map(drop).expect_err("anybody could stop services");
    assert_eq!(refused, NestError::NoTokens);
    assert!(refused.to_string().contains("server.auth.tokens"), "{refused}");
    running.stop().await;
}

#[tokio::test]
async fn below_a_path_it_knows_its_own_addresses_and_its_streams_end_with_it() {
    let running = start("/ops").await;
    let control = running.router().expect("there are tokens");
    let router = Router::new().nest("/ops", control.clone()).fallback_service(control);
    let (name, operator) = bearer(OPERATOR);
    let operator = &[(name, &*operator)];
    let nobody = ask(&router, "GET /ops/services/nobody", operator).await;
    let problem = nobody.into_body().collect().await.expect("a whole body").to_bytes();
    let problem: serde_json::Value = serde_json::from_slice(&problem).expect("a problem");
    assert_eq!(problem["instance"], "/ops/services/nobody");
    assert!(problem["type"].as_str().is_some_and(|it| it.starts_with("/ops/")), "{problem}");
    assert_eq!(ask(&router, "GET /ops/services", operator).await.status(), 200);
    assert_eq!(ask(&router, "GET /health/live", &[]).await.status(), 200);
    let stream = ask(&router, "GET /ops/events/stream", operator).await;
    assert_eq!(stream.status(), 200);
    running.stop().await;
    let ended = stream.into_body().collect();
    let told = tokio::time::timeout(crate::harness::secs(10), ended).await.expect("it ends");
    assert!(String::from_utf8_lossy(&told.expect("a whole body").to_bytes()).contains("event:"));
    assert_eq!(ask(&router, "POST /ops/services/shop/start", operator).await.status(), 503);
}
