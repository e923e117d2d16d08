//! Metrics, as a table or as they came.
//!
//! `/metrics` has no JSON of its own: with `--json` the client makes it from the text.

use processpype_api::{MetricFamily, parse_exposition};

use crate::error::ClientError;
use crate::exit::ClientExit;
use crate::look::Asking;
use crate::print::{remark, say, say_raw, width};
use crate::verb::MetricsArgs;
use crate::view::{self, Paper};

/// Where they are; no prefix moves them.
pub(crate) const PATH: &str = "/metrics";

/// The answer with `--json`.
#[derive(serde::Serialize)]
struct Answer<'a> {
    metrics: &'a [MetricFamily],
}

pub(crate) async fn metrics(
    asking: &Asking,
    args: &MetricsArgs,
) -> Result<ClientExit, ClientError> {
    let answer = asking.client.get(PATH).await?;
    if args.raw {
        say_raw(&answer.text);
        return Ok(ClientExit::Done);
    }
    let families = parse_exposition(&answer.text);
    let families = families.map_err(|error| answer.unreadable(error.to_string()))?;
    let kept = kept(families, args);
    if kept.is_empty() {
        remark("error: no metric fits");
        remark("  = help: `services` lists the names of services, `metrics` those of metrics");
    }
    if asking.json {
        let json = serde_json::to_string(&Answer { metrics: &kept });
        say_raw(&json.map_err(|error| answer.unreadable(error.to_string()))?);
    } else if !kept.is_empty() {
        say(&view::metrics(&kept, Paper { width: width(), now: answer.now }));
    }
    Ok(if kept.is_empty() { ClientExit::Refused } else { ClientExit::Done })
}

/// Returns the samples that were asked for; what has none is left out.
fn kept(families: Vec<MetricFamily>, args: &MetricsArgs) -> Vec<MetricFamily> {
    let fits = |family: &MetricFamily| {
        args.name.as_ref().is_none_or(|text| family.name.contains(text.as_str()))
    };
    let mut kept: Vec<MetricFamily> = families.into_iter().filter(fits).collect();
    if let Some(service) = &args.service {
        for family in &mut kept {
            family.samples.retain(|sample| sample.label("service") == Some(service));
        }
    }
    kept.retain(|family| !family.samples.is_empty());
    kept
}
