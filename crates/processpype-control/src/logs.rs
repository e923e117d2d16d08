//! The newest lines of the log: pages of them, and streams.
//!
//! # Invariants
//!
//! 1. Lines were rendered when they were logged; here they are only put together.
//! 2. A stream looks at most once in [`GATHER`] whether there are lines: what it costs does not
//!    grow with what is logged, and what its own sending logs does not keep it busy.

use std::fmt::Write as _;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use processpype_api::{
    Code, LOG_LINES_PER_PAGE, LOG_SCOPES, MAX_LOG_LINES_PER_PAGE, Problem, SEVERITIES,
};
use processpype_telemetry::{Level, Log, LogFollower, LogPage, LogQuery, Logs, WHOLE_LOG_LINES};
use tokio::time::sleep;

use crate::gate::Caller;
use crate::query::Query;
use crate::server::Control;
use crate::stream::{self, Feed};
use crate::{reply, status};

/// How long lines of a burst are gathered before a stream sends them.
const GATHER: Duration = Duration::from_millis(100);

/// How many lines a stream writes at once.
const LINES_PER_WRITE: usize = 256;

/// Which log is asked for.
#[derive(Clone, Debug)]
enum Which {
    Whole,
    Outside,
    Service(String),
}

/// A log from one place on.
struct Lines {
    logs: Logs,
    which: Which,
    query: LogQuery,
    after: u64,
    follower: LogFollower,
}

/// Answers with lines of the application, or of the service if one is named.
pub(crate) fn page(control: &Control, name: Option<&str>, uri: &Uri) -> Result<Response, Problem> {
    let (logs, mut query, which) = asked(control, name, uri)?;
    let after = query.number("after");
    let most = MAX_LOG_LINES_PER_PAGE as u64;
    let limit = query.count("limit", 1, most, LOG_LINES_PER_PAGE as u64) as usize;
    let filter = LogQuery { limit, age: query.span("since"), ..filter(&mut query) };
    query.finish()?;
    let after = after.map(|after| stream::within(after, logs.last(which.log())));
    let filter = LogQuery { after, ..filter };
    let page = logs.page(which.log(), &filter);
    Ok(reply::file("application/json", render(&page)))
}

/// Follows the log of the application, or of the service if one is named.
pub(crate) fn follow(
    control: &Control,
    name: Option<&str>,
    uri: &Uri,
    headers: &HeaderMap,
    caller: &Caller,
) -> Result<Response, Problem> {
    let (logs, mut query, which) = asked(control, name, uri)?;
    let after = query.number("after");
    let filter = LogQuery { limit: LINES_PER_WRITE, ..filter(&mut query) };
    let after = stream::last_event_id(headers, &mut query).or(after);
    query.finish()?;
    let follower = logs.follow();
    let newest = logs.last(which.log());
    let after = after.map_or(newest, |after| stream::within(after, newest));
    stream::open(control, caller, Lines { logs, which, query: filter, after, follower })
}

/// Finds the log, and begins to read the query.
fn asked(
    control: &Control,
    name: Option<&str>,
    uri: &Uri,
) -> Result<(Logs, Query, Which), Problem> {
    if let Some(name) = name {
        status::known(control, name)?;
    }
    let Some(logs) = &control.settings.logs else { return Err(unavailable()) };
    let mut query = Query::of(uri);
    let which = match name {
        Some(name) => Which::Service(name.to_owned()),
        None if query.one_of("scope", LOG_SCOPES) == 0 => Which::Whole,
        None => Which::Outside,
    };
    Ok((logs.clone(), query, which))
}

/// What pages and streams are filtered by.
fn filter(query: &mut Query) -> LogQuery {
    let word = SEVERITIES[query.one_of("level", SEVERITIES)];
    let level = word.parse().unwrap_or(Level::Trace);
    let contains = query.text("contains").filter(|text| !text.is_empty());
    LogQuery { level, contains, ..LogQuery::default() }
}

pub(crate) fn unavailable() -> Problem {
    let detail = "the application is part of a larger program, which decides what is logged";
    Problem::new(Code::LogsUnavailable, detail)
        .help("look at the log of that program; applications run by `.main()` keep their own")
}

fn render(page: &LogPage) -> Bytes {
    let mut json = String::from("{\"records\":[");
    for (at, line) in page.lines.iter().enumerate() {
        if at > 0 {
            json.push(',');
        }
        line.write_json(&mut json);
    }
    let LogPage { next, last, lost, dropped, .. } = page;
    // Writing to a String does not fail.
    let _ =
        write!(json, "],\"next\":{next},\"last\":{last},\"lost\":{lost},\"dropped\":{dropped}}}");
    json.into()
}

// === impl Which ===

impl Which {
    fn log(&self) -> Log<'_> {
        match self {
            Self::Whole => Log::Whole,
            Self::Outside => Log::Outside,
            Self::Service(name) => Log::Service(name),
        }
    }
}

// === impl Lines ===

impl Lines {
    /// Takes what is there.
    fn take(&mut self) -> String {
        let query = LogQuery { after: Some(self.after), ..self.query.clone() };
        let page = self.logs.page(self.which.log(), &query);
        let mut text = String::new();
        stream::push_lagged(&mut text, page.lost);
        for line in &page.lines {
            let _ = write!(text, "id: {}\ndata: ", line.seq());
            line.write_json(&mut text);
            text.push_str("\n\n");
        }
        // Also what does not match moves the place where a broken stream goes on.
        if page.next > page.lines.last().map_or(self.after, processpype_telemetry::LogLine::seq) {
            let _ = write!(text, "id: {}\n\n", page.next);
        }
        // A log that was forgotten begins anew.
        self.after = if page.last < page.next { 0 } else { page.next };
        text
    }
}

impl Feed for Lines {
    async fn next(&mut self) -> String {
        loop {
            let text = self.take();
            if !text.is_empty() {
                return text;
            }
            // What was logged since then is seen by the next look, if nothing follows it earlier.
            let written = self.follower.written();
            if self.logs.last(self.which.log()) == self.after {
                written.await;
            }
            sleep(GATHER).await;
        }
    }

    fn rest(&mut self) -> String {
        let looks = WHOLE_LOG_LINES.div_ceil(LINES_PER_WRITE);
        let pieces = (0..looks).map(|_| self.take());
        pieces.take_while(|piece| !piece.is_empty()).collect()
    }
}
