//! Log lines: the newest ones, and a stream of those to come.

use processpype_api::{LogPage, LogRecord};

use crate::error::ClientError;
use crate::exit::ClientExit;
use crate::follow::Follower;
use crate::json;
use crate::look::Asking;
use crate::paths::{escape, service};
use crate::print::{remark, say, say_raw};
use crate::verb::LogsArgs;
use crate::view;

pub(crate) async fn logs(asking: &Asking, args: &LogsArgs) -> Result<ClientExit, ClientError> {
    let log = match &args.name {
        Some(name) => format!("{}/-/logs", service(name)),
        None => "/logs".to_owned(),
    };
    let filters = filters(args);
    let since = args.since.map_or(String::new(), |since| format!("&since={since}"));
    let path = format!("{log}?limit={}{filters}{since}", args.lines);
    let show = |data: &str| json::read_as_it_is(data).map(|it: LogRecord| view::log_line(&it));
    let follower = match args.follow {
        true => Some(Follower::of(asking, "lines", show).await),
        false => None,
    };
    let answer = asking.client.get(&path).await?;
    let page: LogPage = answer.read_as_it_is()?;
    if let Some(mut follower) = follower {
        // The stream brings these lines too, so that all look alike.
        let after = page.records.first().map_or(page.last, |first| first.seq.saturating_sub(1));
        let path = format!("{log}/stream?after={after}{filters}");
        follower.goes_on(after);
        return follower.follow(&path).await;
    }
    if asking.json {
        say_raw(&answer.text);
        return Ok(ClientExit::Done);
    }
    page.records.iter().for_each(|record| say(&view::log_line(record)));
    if page.dropped > 0 && page.records.len() < usize::from(args.lines) {
        remark(&format!("{} older lines are no longer kept", page.dropped));
    }
    Ok(ClientExit::Done)
}

fn filters(args: &LogsArgs) -> String {
    let level = args.level.map_or(String::new(), |level| format!("&level={}", level.as_str()));
    let contains = args.contains.as_ref();
    let contains = contains.map_or(String::new(), |text| format!("&contains={}", escape(text)));
    let scope = if args.outside { "&scope=outside" } else { "" };
    format!("{level}{contains}{scope}")
}
