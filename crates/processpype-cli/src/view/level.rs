//! Levels of the log for people.

use processpype_api::{LevelStatus, Levels};

use super::Paper;
use super::table::{Cell, table};

/// Says how much is logged of one.
pub(crate) fn level(status: &LevelStatus, paper: Paper) -> String {
    let name = name(status);
    match why(status, paper) {
        why if why.is_empty() => format!("{name}: {}", status.level),
        why => format!("{name}: {}, {why}", status.level),
    }
}

/// Lists every level.
pub(crate) fn levels(levels: &Levels, paper: Paper) -> String {
    let all = std::iter::once(&levels.application).chain(&levels.services);
    let mut rows: Vec<Vec<Cell>> = all
        .map(|it| vec![name(it).into(), it.level.as_str().into(), why(it, paper).into()])
        .collect();
    let loggers = levels.loggers.iter();
    rows.extend(
        loggers.map(|(name, level)| {
            vec![name.as_str().into(), level.as_str().into(), "module".into()]
        }),
    );
    table(&["LOG", "LEVEL", "WHAT"], &rows, paper.width)
}

fn name(status: &LevelStatus) -> &str {
    status.service.as_deref().unwrap_or("application")
}

/// Says where the level comes from, and what comes then.
fn why(status: &LevelStatus, paper: Paper) -> String {
    let configured = status.configured.map(processpype_api::LogLevel::as_str);
    let Some(change) = &status.change else {
        return configured.map_or("as the application", |_| "configured").to_owned();
    };
    let left = match paper.until(change.until) {
        Some(left) => format!("for {left} more"),
        None => format!("until {}", change.until),
    };
    let then = configured.unwrap_or("as the application");
    let reason = change.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
    format!("{left}, then {then}; by {}{reason}", change.actor)
}

#[cfg(test)]
mod tests {
    use processpype_api::{LevelChange, LogLevel, Timestamp};

    use super::*;

    #[track_caller]
    fn check(
        service: Option<&str>,
        configured: Option<LogLevel>,
        change: Option<&str>,
        text: &str,
    ) {
        let status = LevelStatus {
            service: service.map(str::to_owned),
            level: LogLevel::Debug,
            configured,
            change: change.map(|reason| LevelChange {
                until: Timestamp(61_000),
                actor: "ops".to_owned(),
                reason: Some(reason.to_owned()).filter(|reason| !reason.is_empty()),
            }),
        };
        let paper = Paper { now: Some(Timestamp(1_000)), ..Paper::default() };
        assert_eq!(level(&status, paper), text);
    }

    #[test]
    fn levels_say_where_they_come_from() {
        check(None, Some(LogLevel::Debug), None, "application: debug, configured");
        check(Some("db"), None, None, "db: debug, as the application");
        let text = "db: debug, for 1m0s more, then warn; by ops: slow";
        check(Some("db"), Some(LogLevel::Warn), Some("slow"), text);
        let text = "db: debug, for 1m0s more, then as the application; by ops";
        check(Some("db"), None, Some(""), text);
    }
}
