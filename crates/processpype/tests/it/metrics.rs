//! Metrics of whole applications, and the alerting rules that are made of them.

use std::collections::{BTreeMap, BTreeSet};

use processpype::config::{Format, Loader};
use processpype::metrics::{Buckets, MetricError};
use processpype::testing::{self, TestApp};
use processpype::{Application, Context, Result, Service, ServiceState};
use processpype_api::{Metric, MetricFamily, MetricKind, parse_exposition};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{Plain, secs};

async fn scrape(app: &TestApp) -> BTreeMap<String, MetricFamily> {
    let text = app.get("/metrics").await.text();
    let families = parse_exposition(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    families.into_iter().map(|family| (family.name.clone(), family)).collect()
}

/// Counts its generations, and fails when it is told to.
struct Meter(Context);

impl Meter {
    fn new(cx: Context) -> Result<Self> {
        let metrics = cx.metrics();
        metrics.counter("lives_total", "Generations.")?.inc();
        metrics.gauge("life", "The generation.")?.set(cx.generation().0 as f64);
        metrics.histogram("beat_seconds", "Beats.", Buckets::TIMES)?.observe(0.02);
        Ok(Self(cx))
    }
}

impl Service for Meter {
    async fn run(&self, cx: &Context) -> Result {
        if self.0.generation().0 == 1 {
            cx.sleep(secs(1)).await;
            return Err("the first one fails".into());
        }
        cx.stopping().await;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn counters_go_on_over_restarts_and_gauges_go_with_their_generation() {
    let app = Application::new().service(Meter::new).named("one").service(Meter::new).named("two");
    let app = testing::start(app).await.unwrap();
    tokio::time::sleep(secs(30)).await;
    let told = scrape(&app).await;
    let values =
        |name: &str| -> Vec<f64> { told[name].samples.iter().map(|sample| sample.value).collect() };
    assert_eq!((values("lives_total"), values("life")), (vec![2.0; 2], vec![2.0; 2]));
    assert_eq!(values("processpype_service_restarts_total"), [1.0; 2]);
    app.manager().stop("one").await.unwrap();
    let told = scrape(&app).await;
    assert_eq!(told["lives_total"].samples.len(), 2);
    let alive: Vec<_> = told["life"].samples.iter().map(|it| it.label("service")).collect();
    assert_eq!(alive, [Some("two")]);
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_name_has_one_kind_and_who_comes_second_says_so() {
    let other = |cx: Context| -> Result<Plain> {
        cx.metrics().gauge("life", "")?;
        cx.metrics().counter("life_total", "")?;
        let conflict = cx.metrics().histogram("life", "", Buckets::TIMES).unwrap_err();
        assert!(matches!(conflict, MetricError::Conflict { .. }));
        cx.metrics().gauge("lives_total", "")?;
        Ok(Plain)
    };
    let app = testing::start(Application::new().service(other).named("other")).await.unwrap();
    let status = app.manager().status("other").unwrap();
    assert_eq!(status.state, ServiceState::Error);
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn polls_are_timed_for_who_says_so() {
    let ticks = async |cx: Context| {
        while cx.sleep(secs(1)).await {}
        Ok(())
    };
    let file = "services: {on: {processpype: {poll_times: true}}, off: {}}\n";
    let app = Application::new().task("on", ticks).task("off", ticks);
    let app = testing::start(app.config_text("app.yaml", Format::Yaml, file)).await.unwrap();
    tokio::time::sleep(secs(10)).await;
    let polls = &scrape(&app).await["processpype_service_polls_total"];
    assert_eq!(polls.samples.len(), 1);
    assert_eq!(polls.samples[0].label("service"), Some("on"));
    assert!(polls.samples[0].value >= 10.0);
    let detail = async |path| {
        let text = app.get(path).await.text();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    assert!(detail("/services/on").await["polls"]["count"].as_u64() >= Some(10));
    assert!(detail("/services/off").await["polls"].is_null());
    app.stop().await;
}

// === the alerting rules ===

#[derive(Debug, Deserialize, JsonSchema)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "what Prometheus asks for is there, which is what is checked")]
struct Group {
    name: String,
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Rule {
    alert: String,
    expr: String,
    r#for: Option<processpype::config::HumanDuration>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

/// What an expression may hold beside metrics and labels.
const WORDS: [&str; 10] =
    ["and", "on", "by", "sum", "rate", "increase", "histogram_quantile", "time", "job", "instance"];

fn rules() -> Vec<Rule> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/alerts/processpype.rules.yml");
    let text = std::fs::read_to_string(path).unwrap();
    let loaded = Loader::new().text("processpype.rules.yml", Format::Yaml, text).load();
    let document = loaded.unwrap_or_else(|report| panic!("{report}"));
    let rules: Rules = document.root().read().unwrap_or_else(|report| panic!("{report}"));
    rules.groups.into_iter().flat_map(|group| group.rules).collect()
}

/// The names in an expression, without texts in quotes, numbers and times.
fn names(expression: &str) -> BTreeSet<String> {
    let outside: String = expression.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    let words = outside.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_name = |word: &&str| word.starts_with(|c: char| c.is_ascii_alphabetic());
    words.filter(is_name).map(str::to_owned).collect()
}

/// The metric of a name, which may be that of a histogram's part.
fn metric(name: &str) -> Option<&'static Metric> {
    let base = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
    let is_part = |it: &&Metric| it.kind == MetricKind::Histogram && Some(it.name) == base;
    Metric::ALL.iter().find(|it| it.name == name || is_part(it))
}

#[tokio::test(start_paused = true)]
async fn the_rules_name_what_a_scrape_tells() {
    let app = testing::start(Application::new().service(|| Plain).named("plain")).await.unwrap();
    let told = scrape(&app).await;
    let rules = rules();
    assert!(rules.len() >= 10);
    let alerts: BTreeSet<&str> = rules.iter().map(|rule| rule.alert.as_str()).collect();
    assert_eq!(alerts.len(), rules.len(), "an alert stands twice");
    for Rule { alert, expr, r#for, labels, annotations } in &rules {
        assert!(r#for.is_none_or(|time| !time.is_zero()), "{alert}");
        assert!(labels.keys().eq(["severity"]), "{alert}");
        assert!(annotations.keys().eq(["description", "summary"]), "{alert}");
        for (open, close) in [('(', ')'), ('{', '}'), ('[', ']')] {
            assert_eq!(expr.matches(open).count(), expr.matches(close).count(), "{alert}");
        }
        let names = names(expr);
        let metrics: Vec<&Metric> = names.iter().filter_map(|name| metric(name)).collect();
        assert!(!metrics.is_empty(), "{alert} looks at nothing");
        for metric in &metrics {
            assert!(told.contains_key(metric.name), "{alert}: no scrape has {}", metric.name);
        }
        let has_label = |name: &str| {
            let is_bound =
                name == "le" && metrics.iter().any(|it| it.kind == MetricKind::Histogram);
            is_bound || metrics.iter().any(|metric| metric.labels.contains(&name))
        };
        for name in names.iter().filter(|name| metric(name).is_none()) {
            let known = WORDS.contains(&name.as_str()) || has_label(name);
            assert!(known, "{alert}: `{name}` is no metric, no label of one and no word");
        }
        for shown in annotations.values().flat_map(|text| text.split("$labels.").skip(1)) {
            let label = shown.split(' ').next().unwrap();
            let known = has_label(label) || ["job", "instance"].contains(&label);
            assert!(known, "{alert} shows the label `{label}`, which nothing has");
        }
    }
    app.stop().await;
}
