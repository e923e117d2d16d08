//! The documentation page: the OpenAPI document, rendered for people.
//!
//! # Invariants
//!
//! 1. The page is one HTML text and one style sheet: no script, nothing from elsewhere.
//! 2. Every text of the document is escaped before it stands in the page.
//! 3. It shows the document and nothing else, so it cannot say something different.

mod shapes;

use std::fmt::Write as _;

use axum::body::Bytes;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::Response;
use serde_json::Value;

use self::shapes::{anchor, properties, shape};
use crate::reply;

const STYLE: &str = include_str!("docs/style.css");

/// The page may load its own style sheet, and nothing else.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; \
     form-action 'none'",
);

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

pub(crate) fn respond(page: Bytes) -> Response {
    let mut response = reply::file("text/html; charset=utf-8", page);
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, POLICY);
    response
}

pub(crate) fn style() -> Response {
    reply::file("text/css; charset=utf-8", Bytes::from_static(STYLE.as_bytes()))
}

/// Renders the page of `document`, whose own files are below `prefix`.
pub(crate) fn page(document: &Value, prefix: &str) -> String {
    let info = &document["info"];
    let (title, version) = (escape(text(&info["title"])), escape(text(&info["version"])));
    let mut page = String::with_capacity(128 * 1024);
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{title} · control API</title>\
         <link rel=\"stylesheet\" href=\"{prefix}/docs/style.css\"></head><body>\
         <nav><a class=\"brand\" href=\"#top\">{title}</a>{nav}</nav>\
         <main id=\"top\"><header><h1>{title} <small>{version}</small></h1><p>{about}</p>\
         <p><a href=\"{prefix}/openapi.json\">openapi.json</a> is this page for programs \
         (OpenAPI 3.1).</p></header>",
        nav = navigation(document),
        about = inline(text(&info["description"])),
    );
    for tag in list(&document["tags"]).iter().filter(|tag| !is_service(tag)) {
        section(&mut page, document, tag);
    }
    services(&mut page, document);
    problems(&mut page, document);
    schemas(&mut page, document);
    page.push_str("</main></body></html>\n");
    page
}

fn navigation(document: &Value) -> String {
    let mut nav = String::new();
    for tag in list(&document["tags"]).iter().filter(|tag| !is_service(tag)) {
        let name = text(&tag["name"]);
        let _ = write!(nav, "<a class=\"group\" href=\"#tag-{0}\">{0}</a>", escape(name));
        for (method, path, operation) in operations(document, name) {
            let id = escape(text(&operation["operationId"]));
            let path = escape(path);
            let _ = write!(nav, "<a href=\"#{id}\"><b class=\"m {method}\">{method}</b>{path}</a>");
        }
    }
    for (id, name) in
        [("configuration", "configuration"), ("problems", "problems"), ("schemas", "schemas")]
    {
        let _ = write!(nav, "<a class=\"group\" href=\"#{id}\">{name}</a>");
    }
    nav
}

// === endpoints ===

/// Lists the operations of one tag; one that answers any method is listed once.
fn operations<'a>(
    document: &'a Value,
    tag: &'a str,
) -> impl Iterator<Item = (&'static str, &'a str, &'a Value)> {
    entries(&document["paths"]).flat_map(move |(path, item)| {
        let known = METHODS.into_iter().filter(|method| item[*method].is_object());
        let is_any = known.clone().count() == METHODS.len();
        known.take(if is_any { 1 } else { METHODS.len() }).filter_map(move |method| {
            let operation = &item[method];
            let method = if is_any { "any" } else { method };
            (operation["tags"][0] == tag).then_some((method, path.as_str(), operation))
        })
    })
}

fn section(page: &mut String, document: &Value, tag: &Value) {
    let name = text(&tag["name"]);
    let about = inline(text(&tag["description"]));
    let _ = write!(page, "<section id=\"tag-{0}\"><h2>{0}</h2><p>{about}</p>", escape(name));
    for (method, path, operation) in operations(document, name) {
        endpoint(page, document, method, path, operation);
    }
    page.push_str("</section>");
}

fn endpoint(page: &mut String, document: &Value, method: &str, path: &str, operation: &Value) {
    let _ = write!(
        page,
        "<article id=\"{id}\"><h3><b class=\"m {method}\">{method}</b><code>{path}</code></h3>\
         <p class=\"summary\">{summary}</p>",
        id = escape(text(&operation["operationId"])),
        path = escape(path),
        summary = inline(text(&operation["summary"])),
    );
    if let Some(description) = operation["description"].as_str() {
        let _ = write!(page, "<p>{}</p>", inline(description));
    }
    parameters(page, list(&operation["parameters"]));
    let body = &operation["requestBody"];
    let schema = &body["content"]["application/json"]["schema"];
    if schema.is_object() {
        let rest = if body["required"] == true { "" } else { ", may be left out" };
        let _ = write!(page, "<h4>Body</h4><p>{}{rest}.</p>", shape(schema));
    }
    responses(page, document, &operation["responses"]);
    page.push_str("</article>");
}

fn parameters(page: &mut String, parameters: &[Value]) {
    if parameters.is_empty() {
        return;
    }
    page.push_str("<h4>Parameters</h4><table>");
    for parameter in parameters {
        let _ = write!(
            page,
            "<tr><td><code>{}</code><small>{}</small></td><td>{}</td><td>{}</td></tr>",
            escape(text(&parameter["name"])),
            escape(text(&parameter["in"])),
            shape(&parameter["schema"]),
            inline(text(&parameter["description"])),
        );
    }
    page.push_str("</table>");
}

fn responses(page: &mut String, document: &Value, responses: &Value) {
    page.push_str("<h4>Answers</h4><table>");
    for (status, response) in entries(responses).filter(|(status, _)| status.starts_with('2')) {
        let contents = entries(&response["content"]);
        let what = contents.map(|(media, content)| body(media, &content["schema"]));
        let what = what.collect::<Vec<_>>().join("<br>");
        let about = inline(text(&response["description"]));
        let _ = write!(
            page,
            "<tr><td><b class=\"ok\">{status}</b></td><td>{what}</td><td>{about}</td></tr>"
        );
    }
    page.push_str("</table><p class=\"problems\">Problems: ");
    for (status, response) in entries(responses).filter(|(status, _)| !status.starts_with('2')) {
        for code in codes(document, response) {
            let code = escape(code);
            let _ = write!(page, "<a href=\"#problem-{code}\">{status} {code}</a> ");
        }
    }
    page.push_str("</p>");
}

/// Says what an answer is made of: JSON by its schema alone, anything else by its media type, too.
fn body(media: &str, schema: &Value) -> String {
    let named = format!("<code>{}</code>", escape(media));
    match schema {
        _ if media == "application/json" => shape(schema),
        Value::Null => named,
        text if *text == serde_json::json!({ "type": "string" }) => named,
        schema => format!("{} as {named}", shape(schema)),
    }
}

/// Returns the codes of the problems that one response stands for.
fn codes<'a>(document: &'a Value, response: &'a Value) -> Vec<&'a str> {
    if let Some(reference) = response["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        let mut known = entries(&document["components"]["responses"]);
        return known
            .find(|(code, _)| *code == name)
            .map(|(code, _)| code.as_str())
            .into_iter()
            .collect();
    }
    let code = &response["content"]["application/problem+json"]["schema"]["properties"]["code"];
    list(&code["enum"]).iter().filter_map(Value::as_str).collect()
}

// === services, problems, schemas ===

fn is_service(tag: &Value) -> bool {
    text(&tag["name"]).starts_with("service ")
}

fn services(page: &mut String, document: &Value) {
    page.push_str(
        "<section id=\"configuration\"><h2>configuration</h2><p>The services of this \
         application, and what stands in their sections of the configuration.</p>",
    );
    for tag in list(&document["tags"]).iter().filter(|tag| is_service(tag)) {
        let name = text(&tag["name"]).trim_start_matches("service ");
        let _ = write!(
            page,
            "<article id=\"service-{0}\"><h3><code>services.{0}</code></h3><p>{1}</p>",
            escape(name),
            inline(text(&tag["description"])),
        );
        match tag["x-config-schema"]["$ref"].as_str() {
            Some(reference) => page.push_str(&properties(target(document, reference))),
            None => page.push_str("<p class=\"quiet\">It has no configuration of its own.</p>"),
        }
        page.push_str("</article>");
    }
    page.push_str("</section>");
}

fn target<'a>(document: &'a Value, reference: &str) -> &'a Value {
    document.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null)
}

fn problems(page: &mut String, document: &Value) {
    page.push_str(
        "<section id=\"problems\"><h2>problems</h2><p>An error answer is a \
         <a href=\"#schema-Problem\">Problem</a>, <code>application/problem+json</code> \
         (RFC 9457), with one of these codes.</p><table>",
    );
    let responses = entries(&document["components"]["responses"]);
    let mut rows: Vec<(&String, &Value)> = responses.collect();
    let status = |response: &Value| response["x-status"].as_u64();
    processpype_core::sort_by(&mut rows, |one, other| {
        status(one.1).cmp(&status(other.1)).then_with(|| one.0.cmp(other.0))
    });
    for (code, response) in rows {
        let code = escape(code);
        let _ = write!(
            page,
            "<tr id=\"problem-{code}\"><td><b class=\"bad\">{}</b></td>\
             <td><code>{code}</code></td><td>{}</td></tr>",
            response["x-status"],
            inline(text(&response["description"])),
        );
    }
    page.push_str("</table></section>");
}

fn schemas(page: &mut String, document: &Value) {
    page.push_str("<section id=\"schemas\"><h2>schemas</h2>");
    for (name, schema) in entries(&document["components"]["schemas"]) {
        let _ = write!(
            page,
            "<article id=\"schema-{}\"><h3><code>{}</code></h3><p>{}</p>{}</article>",
            anchor(name),
            escape(name),
            inline(text(&schema["description"])),
            properties(schema),
        );
    }
    page.push_str("</section>");
}

// === texts ===

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> + Clone {
    value.as_object().into_iter().flatten()
}

/// Escapes for an element's text and for an attribute in double quotes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Escapes, and shows what stands between backticks as code.
fn inline(text: &str) -> String {
    let mut parts = text.split('`').enumerate().peekable();
    let mut html = String::new();
    while let Some((i, part)) = parts.next() {
        let is_code = i % 2 == 1 && parts.peek().is_some();
        let part = escape(part);
        html += &if is_code { format!("<code>{part}</code>") } else { part };
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped() {
        assert_eq!(inline("a `<b>` & \"c\""), "a <code>&lt;b&gt;</code> &amp; &quot;c&quot;");
        assert_eq!(inline("one ` only"), "one  only");
    }

    #[test]
    fn what_is_no_json_is_told_by_its_media_type() {
        let graph = serde_json::json!({ "$ref": "#/components/schemas/Graph" });
        let text = serde_json::json!({ "type": "string" });
        let link = "<a href=\"#schema-Graph\">Graph</a>";
        assert_eq!(body("application/json", &graph), link);
        assert_eq!(body("text/plain", &text), "<code>text/plain</code>");
        assert_eq!(body("image/png", &Value::Null), "<code>image/png</code>");
        let stream = body("text/event-stream", &graph);
        assert_eq!(stream, format!("{link} as <code>text/event-stream</code>"));
    }

    #[test]
    fn a_hostile_title_stays_text() {
        let hostile = "<script>alert(1)</script>\"><img onerror=x>";
        let document = serde_json::json!({
            "info": { "title": hostile, "version": hostile, "description": hostile },
            "tags": [{ "name": hostile, "description": hostile }],
            "components": { "schemas": { hostile: { "type": "string", "description": hostile,
                "enum": [hostile], "default": hostile, "pattern": hostile } } },
        });
        let page = page(&document, "");
        assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
    }
}
