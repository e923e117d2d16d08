//! Levels of the log: looked at, changed for a while, and taken back.

use processpype_api::{LevelBody, LevelChanged, LevelStatus, Levels};

use crate::error::ClientError;
use crate::exit::ClientExit;
use crate::look::Asking;
use crate::paths::service;
use crate::verb::LevelArgs;
use crate::view;

pub(crate) async fn level(asking: &Asking, args: &LevelArgs) -> Result<ClientExit, ClientError> {
    let path = match &args.name {
        Some(name) => format!("{}/-/level", service(name)),
        None => "/levels".to_owned(),
    };
    let answer = match args.level.or(args.all) {
        Some(level) => {
            let time = args.time.map(|time| time.to_string());
            let body = LevelBody { level, time, reason: args.reason.clone() };
            let body = serde_json::to_string(&body).unwrap_or_default();
            asking.client.put(&path, body).await?
        }
        None if args.reset => asking.client.delete(&path).await?,
        None if args.name.is_some() => {
            return asking.show(&path, |it: &LevelStatus, paper| view::level(it, paper)).await;
        }
        None => return asking.show(&path, |it: &Levels, paper| view::levels(it, paper)).await,
    };
    asking.print(&answer, |changed: &LevelChanged, paper| view::level(&changed.now, paper))?;
    Ok(ClientExit::Done)
}
