//! The OpenAPI document and the page: they say what the server does, and the server does what they
//! say.

use axum::http::Method;
use processpype_api::{Code, ENDPOINTS, EndpointId};
use serde_json::Value;

use crate::fixture::{Answer, App, golden, logged, pretty, service_span};
use crate::schema::{faults, resolve};

async fn document(app: &App) -> Value {
    app.get("/openapi.json").await.ok(200)
}

/// The operation of a documented path.
fn operation<'a>(document: &'a Value, method: &str, path: &str) -> &'a Value {
    let operation = &document["paths"][path][method];
    assert!(operation.is_object(), "{method} {path} is not documented");
    operation
}

/// Checks that an answer is one that the document announces, and fits the schema it announces.
#[track_caller]
fn check(document: &Value, method: &str, path: &str, answer: &Answer) {
    let operation = operation(document, method, path);
    let status = answer.status.as_u16().to_string();
    let response = &operation["responses"][&status];
    assert!(response.is_object(), "{method} {path} answers {status} undocumented: {}", answer.text);
    let response = match response["$ref"].as_str() {
        Some(reference) => resolve(document, reference),
        None => response,
    };
    let media = answer.header("content-type").split(';').next().unwrap_or_default();
    let content = &response["content"][media];
    assert!(content.is_object(), "{method} {path} answers {status} as `{media}`: {response}");
    if media.ends_with("json") && content["schema"].is_object() {
        let faults = faults(document, &content["schema"], &answer.json());
        assert!(faults.is_empty(), "{method} {path}: {faults:#?}");
    }
    assert_eq!(answer.headers.contains_key("location"), status == "202");
}

#[tokio::test(start_paused = true)]
async fn the_document_is_golden() {
    let app = App::start().await;
    golden("openapi.json", &pretty(&document(&app).await));
}

#[tokio::test(start_paused = true)]
async fn every_documented_path_is_served_and_every_route_is_documented() {
    let app = App::start().await;
    let document = document(&app).await;
    let paths = document["paths"].as_object().expect("paths");
    let distinct: std::collections::BTreeSet<_> = ENDPOINTS.iter().map(|e| e.path).collect();
    assert_eq!(paths.len(), distinct.len());
    app.post("/services/idle/start").await.ok(200);
    for (path, item) in paths {
        let real = path.replace("{name}", "counter").replace("{path}", "value");
        let real = real.replace("{id}", "1");
        let answer = app.ask(Method::OPTIONS, &real, &[], "").await;
        // `unknown-path` is what a route that does not exist answers.
        assert!(answer.status != 404, "{path} is documented and not served");
        for method in item.as_object().expect("an item").keys() {
            let method: Method = method.to_uppercase().parse().expect("a method");
            if path.ends_with("/stream") || path.ends_with("/{path}") {
                continue;
            }
            let answer = app.ask(method.clone(), &real, &[], "").await;
            assert!(answer.status != 404 && answer.status != 405, "{method} {path}: {answer:?}");
        }
    }
}

/// What is asked of the fixture, in this order: method, template of the path, and what for. A
/// template without a slash stands below a service.
const ASKED: &[(&str, &str, &str)] = &[
    ("post", "start", "/services/broken/start"),
    ("get", "/", "/"),
    ("get", "/", "/?x=1"),
    ("get", "/services", "/services"),
    ("get", "/services/{name}", "/services/broken"),
    ("get", "/services/{name}", "/services/nobody"),
    ("get", "/services/{name}/-/why", "/services/broken/-/why"),
    ("get", "/services/{name}/-/why", "/services/nobody/-/why"),
    ("get", "/graph", "/graph"),
    ("get", "/graph", "/graph?format=dot"),
    ("get", "/graph", "/graph?format=mermaid"),
    ("get", "/graph", "/graph?format=svg"),
    ("get", "/groups", "/groups"),
    ("get", "/plan", "/plan"),
    ("get", "/timeline", "/timeline"),
    ("get", "/info", "/info"),
    ("get", "/events", "/events"),
    ("get", "/events", "/events?limit=x"),
    ("get", "/metrics", "/metrics"),
    ("get", "/metrics", "/metrics?x=1"),
    ("get", "/logs", "/logs"),
    ("get", "/logs", "/logs?level=loud"),
    ("get", "/services/{name}/-/logs", "/services/counter/-/logs"),
    ("get", "/services/{name}/-/logs", "/services/idle/-/logs"),
    ("get", "/services/{name}/-/logs", "/services/nobody/-/logs"),
    ("get", "/health/live", "/health/live"),
    ("get", "/health/ready", "/health/ready"),
    ("get", "/health/startup", "/health/startup"),
    ("get", "/openapi.json", "/openapi.json"),
    ("get", "/docs", "/docs"),
    ("get", "/docs/style.css", "/docs/style.css"),
    ("post", "start", "/services/idle/start"),
    ("post", "start", "/services/off/start"),
    ("post", "start", "/services/nobody/start"),
    ("post", "start", "/services/slow/start?wait=0"),
    ("post", "start", "/services/slow/start?wiat=0"),
    ("post", "restart", "/services/idle/restart"),
    ("post", "stop", "/services/counter/stop?cascade=true"),
    ("post", "start", "/services/reader/start"),
    ("get", "{path}", "/services/counter/value"),
    ("get", "{path}", "/services/nobody/value"),
    ("post", "stop", "/services/idle/stop?dry_run=true"),
    ("post", "start", "/services/off/start?dry_run=true"),
    ("post", "/restarts/pause", "/restarts/pause?for=1m"),
    ("get", "/", "/"),
    ("post", "/restarts/resume", "/restarts/resume"),
    ("get", "/operations", "/operations"),
    ("get", "/operations", "/operations?state=x"),
    ("get", "/operations/{id}", "/operations/1"),
    ("get", "/operations/{id}", "/operations/99"),
    ("delete", "/operations/{id}", "/operations/1"),
    ("get", "/health/ready", "/health/ready"),
];

#[tokio::test(start_paused = true)]
async fn live_answers_fit_the_schemas_they_claim() {
    let (_guard, _log, settings) = logged();
    let app = App::start_with(settings).await;
    let document = document(&app).await;
    let name = "/services/{name}";
    service_span("counter", 1).in_scope(|| tracing::info!(count = 3, who = "x", "counted"));
    for (method, template, target) in ASKED {
        let template = if template.starts_with('/') {
            (*template).to_owned()
        } else {
            format!("{name}/{template}")
        };
        let answer =
            app.ask(method.to_uppercase().parse().expect("a method"), target, &[], "").await;
        check(&document, method, &template, &answer);
    }
    let closing = App::starting();
    closing.manager.close();
    tokio::task::yield_now().await;
    for probe in ["/health/ready", "/health/startup"] {
        check(&document, "get", probe, &closing.get(probe).await);
    }
}

#[tokio::test(start_paused = true)]
async fn answers_without_a_log_fit_too() {
    let silent = App::start().await;
    let document = document(&silent).await;
    for (template, target) in [
        ("/logs", "/logs"),
        ("/logs/stream", "/logs/stream"),
        ("/services/{name}/-/logs", "/services/counter/-/logs"),
        ("/services/{name}/-/logs/stream", "/services/counter/-/logs/stream"),
    ] {
        check(&document, "get", template, &silent.get(target).await);
    }
}

#[tokio::test(start_paused = true)]
async fn every_problem_of_an_endpoint_is_documented_once() {
    let app = App::start().await;
    let document = document(&app).await;
    let responses = document["components"]["responses"].as_object().expect("responses");
    assert_eq!(responses.len(), Code::ALL.len());
    let used: Vec<Code> = ENDPOINTS
        .iter()
        .flat_map(|e| e.problems)
        .chain(processpype_api::Endpoint::COMMON_PROBLEMS)
        .copied()
        .collect();
    let unused: Vec<_> = Code::ALL.iter().filter(|code| !used.contains(code)).collect();
    assert!(unused.is_empty(), "no endpoint answers {unused:?}");
}

#[tokio::test(start_paused = true)]
async fn the_schemas_of_services_are_in_the_document() {
    let app = App::start().await;
    let document = document(&app).await;
    let tags = document["tags"].as_array().expect("tags");
    let tag = tags.iter().find(|tag| tag["name"] == "service counter").expect("the service's tag");
    let schema = resolve(&document, tag["x-config-schema"]["$ref"].as_str().expect("a reference"));
    assert_eq!(schema["properties"]["step"]["minimum"], 1);
    assert_eq!(schema["properties"]["step"]["description"], "Added per tick.");
}

/// The elements of a page that something else ends, or nothing: the innermost last.
fn unclosed(page: &str) -> Vec<&str> {
    let mut open = Vec::new();
    for tag in page.split('<').skip(1).filter_map(|rest| rest.split('>').next()) {
        let name = tag.split(' ').next().unwrap_or_default();
        match name.strip_prefix('/') {
            Some(end) if open.last() == Some(&end) => drop(open.pop()),
            Some(end) => open.push(end),
            None if matches!(name, "!doctype" | "meta" | "link" | "br") => {}
            None => open.push(name),
        }
    }
    open
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_all_and_loads_nothing_from_elsewhere() {
    let app = App::start().await;
    let page = app.get("/docs").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    for endpoint in ENDPOINTS.iter().filter(|endpoint| endpoint.id != EndpointId::ServiceRoute) {
        assert!(page.text.contains(endpoint.path), "{} is missing", endpoint.path);
        let summary = endpoint.summary.replace('\'', "&#39;");
        assert!(page.text.contains(&summary), "{summary} is missing");
    }
    for &code in Code::ALL {
        let anchor = format!("id=\"problem-{}\"", code.as_str());
        assert!(page.text.contains(&anchor), "{anchor} is missing");
    }
    assert!(page.text.contains("Added per tick.") && page.text.contains("A directory."));
    let ids: Vec<&str> =
        page.text.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(ids.len(), distinct.len(), "an id stands twice: {ids:?}");
    for foreign in ["http://", "https://", "src=", "<script", "style=", "//cdn", "@import"] {
        assert!(!page.text.contains(foreign), "the page contains {foreign}");
    }
    // Every link inside the page leads somewhere.
    for anchor in page.text.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(page.text.contains(&format!("id=\"{anchor}\"")), "#{anchor} leads nowhere");
    }
    assert_eq!(unclosed(&page.text), Vec::<&str>::new());
    let style = app.get("/docs/style.css").await;
    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
    assert!(!style.text.contains("url("));
}
