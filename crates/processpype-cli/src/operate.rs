//! Operations: listed, looked at and cancelled; and restarts held and let go.

use std::time::Duration;

use processpype_api::{Operation, OperationPage, RestartsPaused};

use crate::act;
use crate::error::ClientError;
use crate::exit::ClientExit;
use crate::look::Asking;
use crate::paths::escape;
use crate::print::{is_over, say, say_raw, width};
use crate::verb::{OperationsArgs, PauseArgs, ResumeArgs};
use crate::view::{self, Paper};

/// How many operations are asked for at once: what the application gives at most.
const PAGE: usize = 1000;

pub(crate) async fn operations(
    asking: &Asking,
    args: &OperationsArgs,
) -> Result<ClientExit, ClientError> {
    let filter = |name: &str, value: &Option<String>| {
        value.as_ref().map_or(String::new(), |value| format!("&{name}={}", escape(value)))
    };
    let filters = [filter("service", &args.service), filter("state", &args.state)].concat();
    let (mut after, mut end) = (0, None);
    let mut all = OperationPage { operations: Vec::new(), next: 0, last: 0 };
    // Up to what was newest when it began; the application holds a bounded number.
    let last_answer = loop {
        let path = format!("/operations?after={after}&limit={PAGE}{filters}");
        let answer = asking.client.get(&path).await?;
        let page: OperationPage = answer.read()?;
        if asking.json {
            say_raw(&answer.text);
        }
        all.operations.extend(page.operations);
        let end = *end.get_or_insert(page.last);
        if page.next >= end || page.next <= after || is_over() {
            break answer;
        }
        after = page.next;
    };
    if !asking.json {
        let paper = Paper { width: width(), now: last_answer.now };
        say(&view::operations(&all, paper));
    }
    Ok(ClientExit::Done)
}

pub(crate) async fn operation(asking: &Asking, id: &str) -> Result<ClientExit, ClientError> {
    let path = format!("/operations/{}", escape(id));
    asking.show(&path, |it: &Operation, paper| view::operation(it, paper)).await
}

pub(crate) async fn cancel(asking: &Asking, id: &str) -> Result<ClientExit, ClientError> {
    let answer = asking.client.delete(&format!("/operations/{}", escape(id))).await?;
    asking.print(&answer, |it: &Operation, paper| view::operation(it, paper))?;
    Ok(ClientExit::Done)
}

pub(crate) async fn pause(asking: &Asking, args: &PauseArgs) -> Result<ClientExit, ClientError> {
    restarts(asking, &format!("/restarts/pause?for={}", args.length), &args.reason).await
}

pub(crate) async fn resume(asking: &Asking, args: &ResumeArgs) -> Result<ClientExit, ClientError> {
    restarts(asking, "/restarts/resume", &args.reason).await
}

async fn restarts(
    asking: &Asking,
    path: &str,
    reason: &Option<String>,
) -> Result<ClientExit, ClientError> {
    let body = act::reason(reason.as_deref());
    let answer = asking.client.post(path, body, Duration::ZERO).await?;
    asking.print(&answer, |it: &RestartsPaused, paper| view::paused(it, paper))?;
    Ok(ClientExit::Done)
}
