//! Groups: services that are restarted together, from code and from the file.
//!
//! # Invariants
//!
//! 1. The file lies over the code, key by key; a list of members replaces the one in code.
//! 2. Who is a member, and whether that can be, is checked with the plan, together with everything
//!    else that is wrong there.

use processpype_config::{Document, HumanDuration, Report, Section};
use processpype_core::{InvalidRestart, RestartLimit, Strategy};
use processpype_runtime::{EdgeOrigin, GroupSpec};
use serde::Deserialize;

use crate::application::Application;
use crate::kept::{self, Kept};
use crate::settings::times;

/// Services that are restarted together, as OTP's supervisors do it.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct GroupSection {
    /// Who is restarted when a member failed: `one-for-one`, that one; `one-for-all`, all;
    /// `rest-for-one`, that one and those listed after it. Default: one-for-one.
    pub(crate) strategy: Option<StrategyWord>,
    /// The names of the members. In a rest-for-one group each starts after the one before it.
    pub(crate) members: Option<Vec<String>>,
    /// How many restarts are allowed within the time `within`, of all members together; one more,
    /// and the member that failed is exhausted. Default: 5.
    #[cfg_attr(test, schemars(range(max = 1000)))]
    pub(crate) max_restarts: Option<u32>,
    /// The time within which restarts are counted. Default: 60s.
    pub(crate) within: Option<HumanDuration>,
}

/// Who is restarted when a member failed.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StrategyWord {
    /// The one that failed.
    OneForOne,
    /// All.
    OneForAll,
    /// The one that failed, and those listed after it.
    RestForOne,
}

// === impl Application ===

impl Application {
    /// Makes a group: services that are restarted together when one of them fails.
    ///
    /// Members are named as services are; they may come from the file. A service is a member of one
    /// group at most. Who fails is restarted by its own policy; who is restarted with it depends on
    /// the [`Strategy`]. All restarts of the members together are limited, by default to 5 within
    /// 60 s: see [`group_limit`](Self::group_limit). Names that were made are given as they are,
    /// as `&names` of a `Vec<String>`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use processpype::testing::{self, Act, Probe, Script};
    /// use processpype::{Application, Service, Strategy};
    ///
    /// struct Parser;
    /// impl Service for Parser {}
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> processpype::Result {
    /// let breaks = Script { run: Act::Fail(Duration::from_secs(5)), ..Script::default() };
    /// let reader = Probe::new(vec![breaks, Script::default()]);
    /// let app = Application::new()
    ///     .service(reader.service()).named("reader")
    ///     .service(|| Parser)
    ///     .group("pipeline", Strategy::OneForAll, &["reader", "parser"]);
    /// let app = testing::start(app).await?;
    /// tokio::time::sleep(Duration::from_secs(10)).await;
    /// assert_eq!(app.manager().status("parser").unwrap().generation.0, 2, "restarted with it");
    /// # app.stop().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn group<I>(mut self, name: &str, strategy: Strategy, members: I) -> Self
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let members = members.into_iter().map(|member| member.as_ref().to_owned()).collect();
        let (limit, origin) = (RestartLimit::default(), EdgeOrigin::Code);
        self.groups.push(GroupSpec { name: name.to_owned(), strategy, members, limit, origin });
        self
    }

    /// Limits the restarts of all members of the group made last together. Default: 5 within 60 s.
    ///
    /// OTP's intensity and period. One restart more, and the member that failed is exhausted: in a
    /// one-for-all group the others wait for it, until somebody starts it.
    ///
    /// ```
    /// use processpype::{Application, RestartLimit, Service, Strategy};
    ///
    /// struct Parser;
    /// impl Service for Parser {}
    ///
    /// let names: Vec<String> = (0..3).map(|at| format!("parser-{at}")).collect();
    /// let parser = |app: Application, name| app.service(|| Parser).named(name);
    /// let app = names.iter().map(String::as_str).fold(Application::new(), parser);
    /// let app = app.group("parsers", Strategy::OneForAll, &names);
    /// assert!(app.group_limit(RestartLimit::NONE).check().is_ok());
    /// ```
    pub fn group_limit(mut self, limit: RestartLimit) -> Self {
        match self.groups.last_mut() {
            Some(group) => group.limit = limit,
            None => self.refuse("`.group_limit(…)` stands before any group".to_owned()),
        }
        self
    }
}

/// Lays the groups of the file over those of the code.
///
/// A group that is wrong is left out and told; the rest is returned.
pub(crate) fn read(
    document: &Document,
    mut groups: Vec<GroupSpec>,
    mut tell: impl FnMut(Report),
) -> Vec<GroupSpec> {
    let all = document.section(&["groups"]);
    for (name, origin) in all.keys() {
        if name.starts_with("x-") {
            continue;
        }
        let section = all.get(&name);
        let of_code = groups.iter().position(|group| group.name == name);
        let mut group = match of_code {
            Some(index) => groups.remove(index),
            None => GroupSpec {
                name,
                strategy: Strategy::default(),
                members: Vec::new(),
                limit: RestartLimit::default(),
                origin: EdgeOrigin::Config(origin),
            },
        };
        match kept::read::<GroupSection>(&section, &mut Vec::new())
            .and_then(|keys| apply(&mut group, keys, &section))
        {
            Ok(()) => groups.push(group),
            Err(report) => tell(report),
        }
    }
    groups
}

fn apply(group: &mut GroupSpec, keys: GroupSection, section: &Section) -> Result<(), Report> {
    let GroupSection { strategy, members, max_restarts, within } = keys;
    times::check(section, &[("within", within)])?;
    group.strategy = strategy.map_or(group.strategy, Into::into);
    group.members = members.unwrap_or_else(|| std::mem::take(&mut group.members));
    let within = within.map_or(group.limit.within(), Into::into);
    if let Some(max) = max_restarts.or(group.limit.max_restarts()) {
        let limit = RestartLimit::new(max, within);
        group.limit = limit.map_err(|error| limit_problem(section, error))?;
    }
    Ok(())
}

fn limit_problem(section: &Section, error: InvalidRestart) -> Report {
    let key = if error == InvalidRestart::TooManyRestarts { "max_restarts" } else { "within" };
    section.get(key).problem(error.to_string()).into()
}

// === impl GroupSection ===

impl Kept for GroupSection {
    const NAME: &str = "GroupSection";
    const FILE: &str = include_str!("kept/group.json");
}

// === impl StrategyWord ===

impl From<StrategyWord> for Strategy {
    fn from(word: StrategyWord) -> Self {
        match word {
            StrategyWord::OneForOne => Self::OneForOne,
            StrategyWord::OneForAll => Self::OneForAll,
            StrategyWord::RestForOne => Self::RestForOne,
        }
    }
}
