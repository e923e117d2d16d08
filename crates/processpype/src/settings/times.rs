//! The longest time that a key of the framework may say: a year.
//!
//! # Invariants
//!
//! 1. It is the same for every key, and one that says more is refused where it is written: to take
//!    it as less would be to do what nobody wrote.
//! 2. All of them are told at once.
//!
//! Code may say more, as [`Duration::MAX`](std::time::Duration::MAX), and then means that there is
//! no limit: see [`TIMEOUT_MAX`](crate::bounds::TIMEOUT_MAX).

use processpype_config::{HumanDuration, Report, Section};
use processpype_core::MAX_TIME;

/// Refuses every time of a section that is longer than a year; each is given with its key, which
/// may lead further down with dots.
///
/// # Errors
///
/// Returns a problem for each, with the longest time that is valid.
pub(crate) fn check(
    section: &Section,
    times: &[(&str, Option<HumanDuration>)],
) -> Result<(), Report> {
    let too_long = times.iter().filter(|(_, time)| time.is_some_and(|time| time.get() > MAX_TIME));
    let problem = |(key, _): &(&str, _)| {
        let place = key.split('.').fold(section.clone(), |section, key| section.get(key));
        let last = key.rsplit('.').next().unwrap_or(key);
        let days = MAX_TIME.as_secs() / 86_400;
        let problem = place.problem(format!("`{last}` is longer than a year"));
        Report::from(problem.help(format!("write `{days}d` or less")))
    };
    too_long.map(problem).reduce(Report::merge).map_or(Ok(()), Err)
}

/// Joins what two checks have found.
pub(crate) fn both(one: Result<(), Report>, other: Result<(), Report>) -> Result<(), Report> {
    match (one, other) {
        (Err(one), Err(other)) => Err(one.merge(other)),
        (Err(report), Ok(())) | (Ok(()), Err(report)) => Err(report),
        (Ok(()), Ok(())) => Ok(()),
    }
}
