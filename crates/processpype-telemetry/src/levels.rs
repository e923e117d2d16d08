//! Which lines are shown: a default, levels by target, levels by service.
//!
//! # Invariants
//!
//! 1. The level of (target, service) is decided by one function, [`Table::level`]: the service's
//!    level if it has one, else the logger's, else the default; a logger quieter than the
//!    configured default is a mute and holds in services too. What overrides a service's level, or
//!    the default, takes its place in that.
//! 2. What `tracing` may cache about a callsite follows from the same table
//!    ([`Table::interest`], [`Table::hint`]), and every change of the table rebuilds that cache.
//! 3. The spans that name a service are made at every level, so that a line shown after a change
//!    still knows its service. The hint is therefore never quieter than their level.
//! 4. Reading takes no lock: the table is swapped whole.

use std::{collections::BTreeMap, fmt, sync::Arc};

use arc_swap::ArcSwap;
use tracing::{Metadata, level_filters::LevelFilter, subscriber::Interest};

use crate::{
    config::{Level, LoggingConfig},
    scope,
};

/// The levels of a running application; cheap to clone, every clone is the same.
///
/// A level is looked up by what is most specific: a service's own level decides about everything
/// logged inside its span, then the longest matching logger, then the default. A logger that is
/// *quieter* than the default is a mute (`hyper: warn`) and holds inside services too. A logger
/// covers its module and those below it: `hyper` covers `hyper::proto`, but not `hyper_util`.
///
/// A change holds from the next line on, in every thread. It costs a walk over every callsite of
/// the program, so it is for operators, not for loops.
///
/// ```
/// use processpype_telemetry::{Level, Levels, LoggingConfig};
///
/// let levels = Levels::new(&LoggingConfig::default());
/// assert!(!levels.shows("my_app", Some("counter"), tracing::Level::DEBUG));
/// levels.set_service("counter", Level::Debug);
/// assert!(levels.shows("my_app", Some("counter"), tracing::Level::DEBUG));
/// assert!(!levels.shows("my_app", Some("other"), tracing::Level::DEBUG));
/// ```
#[derive(Clone)]
pub struct Levels(Arc<ArcSwap<Table>>);

/// Every level, as one value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    /// What holds where nothing more specific is said.
    default: Level,
    /// By module path.
    loggers: BTreeMap<String, Level>,
    /// By the name in the service's span.
    services: BTreeMap<String, Level>,
    /// What holds in place of `default`, for a while.
    over_default: Option<Level>,
    /// What holds in place of `services`, for a while.
    over_services: BTreeMap<String, Level>,
}

// === impl Levels ===

impl Levels {
    /// The levels that `config` asks for; no service has one of its own.
    pub fn new(config: &LoggingConfig) -> Self {
        let table =
            Table { default: config.level, loggers: config.loggers.clone(), ..Table::default() };
        Self(Arc::new(ArcSwap::from_pointee(table)))
    }

    /// The level that is to hold where nothing more specific is said, and nothing overrides it.
    ///
    /// ```
    /// use processpype_telemetry::{Level, Levels, LoggingConfig};
    ///
    /// let levels = Levels::new(&LoggingConfig::default());
    /// assert_eq!(levels.default_level(), Level::Info);
    /// ```
    pub fn default_level(&self) -> Level {
        self.0.load().default
    }

    /// The level that holds now in `service`, or where nothing more specific is said.
    ///
    /// Loggers may say otherwise for their targets.
    pub fn level(&self, service: Option<&str>) -> Level {
        let table = self.0.load();
        service.and_then(|name| table.own(name)).unwrap_or(table.default_now())
    }

    /// Lets `level` hold in place of what is set for `service`, or in place of the default.
    ///
    /// What is set stays, and may change meanwhile; it holds again after
    /// [`end_override`](Self::end_override). Whoever overrides sees to the end of it.
    ///
    /// ```
    /// use processpype_telemetry::{Level, Levels, LoggingConfig};
    ///
    /// let levels = Levels::new(&LoggingConfig::default());
    /// levels.set_service("counter", Level::Warn);
    /// levels.begin_override(Some("counter"), Level::Debug);
    /// assert_eq!(levels.level(Some("counter")), Level::Debug);
    /// levels.end_override(Some("counter"));
    /// assert_eq!(levels.level(Some("counter")), Level::Warn);
    /// ```
    pub fn begin_override(&self, service: Option<&str>, level: Level) {
        self.change(|table| match service {
            None => table.over_default = Some(level),
            Some(name) => {
                table.over_services.insert(name.to_owned(), level);
            }
        });
    }

    /// Lets what is set hold again; does nothing when nothing overrides it.
    pub fn end_override(&self, service: Option<&str>) {
        self.change(|table| match service {
            None => table.over_default = None,
            Some(name) => {
                table.over_services.remove(name);
            }
        });
    }

    /// Changes the default.
    ///
    /// Loggers and services with a level keep theirs; a logger that is now quieter than the
    /// default has become a mute, and one that no longer is has ceased to be one.
    pub fn set_default(&self, level: Level) {
        self.change(|table| table.default = level);
    }

    /// The levels by target.
    pub fn loggers(&self) -> BTreeMap<String, Level> {
        self.0.load().loggers.clone()
    }

    /// Gives the target `prefix`, and the modules below it, a level.
    ///
    /// ```
    /// use processpype_telemetry::{Level, Levels, LoggingConfig};
    ///
    /// let levels = Levels::new(&LoggingConfig::default());
    /// levels.set_logger("hyper", Level::Warn);
    /// assert!(!levels.shows("hyper::proto", None, tracing::Level::INFO));
    /// assert!(levels.shows("hyper_util", None, tracing::Level::INFO));
    /// ```
    pub fn set_logger(&self, prefix: &str, level: Level) {
        self.change(|table| {
            table.loggers.insert(prefix.to_owned(), level);
        });
    }

    /// Takes the level of the target `prefix` away; does nothing when it has none.
    pub fn reset_logger(&self, prefix: &str) {
        self.change(|table| {
            table.loggers.remove(prefix);
        });
    }

    /// The services that have a level of their own, without what overrides it.
    pub fn services(&self) -> BTreeMap<String, Level> {
        self.0.load().services.clone()
    }

    /// Gives a service a level of its own, whether it exists yet or not.
    ///
    /// The name is not checked here: who takes it from an operator does that, so that a misspelt
    /// one is an error, and the table stays as small as the application.
    pub fn set_service(&self, service: &str, level: Level) {
        self.change(|table| {
            table.services.insert(service.to_owned(), level);
        });
    }

    /// Takes the service's own level away, so that it follows loggers and default again.
    pub fn reset_service(&self, service: &str) {
        self.change(|table| {
            table.services.remove(service);
        });
    }

    /// Takes default and loggers from a configuration read anew; levels of services stay.
    ///
    /// Format, redaction and destination are decided when the log is built, and stay too.
    pub fn apply(&self, config: &LoggingConfig) {
        self.change(|table| {
            table.default = config.level;
            table.loggers.clone_from(&config.loggers);
        });
    }

    /// Whether a line of `target` with `severity`, inside `service` if any, is shown.
    ///
    /// This is the rule itself, for tests and for telling an operator what holds; what is logged
    /// goes by the same rule, cached.
    pub fn shows(&self, target: &str, service: Option<&str>, severity: tracing::Level) -> bool {
        self.0.load().level(target, service).shows(severity)
    }

    /// Whether a line that passed [`enabled`](Self::enabled) is shown, its service now known.
    pub(crate) fn confirms(&self, metadata: &Metadata<'_>, service: Option<&str>) -> bool {
        let table = self.0.load();
        (table.services.is_empty() && table.over_services.is_empty())
            || table.level(metadata.target(), service).shows(*metadata.level())
    }

    /// What `tracing` may remember about a callsite until the next change.
    pub(crate) fn interest(&self, metadata: &Metadata<'_>) -> Interest {
        self.0.load().interest(metadata)
    }

    /// Whether a callsite of mixed interest is enabled inside `service`.
    ///
    /// `service` is only called when the answer depends on it.
    pub(crate) fn enabled<N: AsRef<str>>(
        &self,
        metadata: &Metadata<'_>,
        service: impl FnOnce() -> Option<N>,
    ) -> bool {
        let table = self.0.load();
        let interest = table.interest(metadata);
        if !interest.is_sometimes() {
            return interest.is_always();
        }
        // The event names its service itself; only the layer sees which one.
        if scope::names_service(metadata) {
            return true;
        }
        let service = service();
        let level = table.level(metadata.target(), service.as_ref().map(AsRef::as_ref));
        level.shows(*metadata.level())
    }

    /// The most verbose level that any line may have.
    pub(crate) fn hint(&self) -> LevelFilter {
        self.0.load().hint()
    }

    /// Swaps the table for a changed one; then `tracing` forgets what it knew.
    fn change(&self, change: impl Fn(&mut Table)) {
        self.0.rcu(|table| {
            let mut table = Table::clone(table);
            change(&mut table);
            table
        });
        tracing::callsite::rebuild_interest_cache();
    }
}

impl PartialEq for Levels {
    /// Whether both are the levels of the same log.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Levels").field(&**self.0.load()).finish()
    }
}

// === impl Table ===

impl Table {
    /// The level for a line of `target` inside `service`: the one place that decides.
    fn level(&self, target: &str, service: Option<&str>) -> Level {
        let logger = self.logger(target);
        match service.and_then(|name| self.own(name)) {
            Some(own) => self.inside(logger, own),
            None => logger.unwrap_or(self.default_now()),
        }
    }

    /// The level that a service has for itself now.
    fn own(&self, service: &str) -> Option<Level> {
        self.over_services.get(service).or_else(|| self.services.get(service)).copied()
    }

    /// What holds now where nothing more specific is said.
    fn default_now(&self) -> Level {
        self.over_default.unwrap_or(self.default)
    }

    /// The level in a service whose own level is `own`: a mute still holds.
    fn inside(&self, logger: Option<Level>, own: Level) -> Level {
        match logger {
            Some(mute) if mute < self.default => mute.min(own),
            Some(_) | None => own,
        }
    }

    /// The level of the longest logger that covers `target`.
    fn logger(&self, target: &str) -> Option<Level> {
        let covers = |prefix: &str| {
            let rest = target.strip_prefix(prefix);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        // Prefixes of one word sort by length, so that the last that covers is the longest.
        self.loggers.iter().rev().find(|(prefix, _)| covers(prefix)).map(|(_, level)| *level)
    }

    /// Whether a callsite is shown in every service, in none, or in some.
    fn interest(&self, metadata: &Metadata<'_>) -> Interest {
        if scope::is_service_span(metadata) {
            return Interest::always();
        }
        let logger = self.logger(metadata.target());
        let outside = logger.unwrap_or(self.default_now());
        let set = self.services.iter().filter(|(name, _)| !self.over_services.contains_key(*name));
        let own = set.chain(&self.over_services).map(|(_, own)| *own);
        let inside = own.map(|own| self.inside(logger, own));
        let (quietest, loudest) =
            inside.fold((outside, outside), |(low, high), own| (low.min(own), high.max(own)));
        if quietest.shows(*metadata.level()) {
            Interest::always()
        } else if loudest.shows(*metadata.level()) {
            Interest::sometimes()
        } else {
            Interest::never()
        }
    }

    /// The most verbose of all levels, and of the spans that name services.
    fn hint(&self) -> LevelFilter {
        let services = self.services.values().chain(self.over_services.values());
        let loudest = self.loggers.values().chain(services).max().copied();
        let loudest = self.default_now().max(loudest.unwrap_or(Level::Off));
        loudest.filter().max(LevelFilter::from_level(scope::SERVICE_SPAN_LEVEL))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `default`, loggers and services, as `(name, level)`.
    fn table(default: Level, loggers: &[(&str, Level)], services: &[(&str, Level)]) -> Table {
        let map = |pairs: &[(&str, Level)]| {
            pairs.iter().map(|(name, level)| ((*name).to_owned(), *level)).collect()
        };
        let (loggers, services) = (map(loggers), map(services));
        Table { default, loggers, services, ..Table::default() }
    }

    #[track_caller]
    fn check(table: &Table, target: &str, service: Option<&str>, expected: Level) {
        assert_eq!(table.level(target, service), expected, "{target} in {service:?}");
    }

    #[test]
    fn the_longest_logger_decides_on_whole_modules() {
        let table = table(
            Level::Info,
            &[("hyper", Level::Warn), ("hyper::proto", Level::Trace), ("hyper_util", Level::Off)],
            &[],
        );
        check(&table, "hyper", None, Level::Warn);
        check(&table, "hyper::client", None, Level::Warn);
        check(&table, "hyper::proto::h1", None, Level::Trace);
        check(&table, "hyper::protocol", None, Level::Warn);
        check(&table, "hyper_util::rt", None, Level::Off);
        check(&table, "hyperion", None, Level::Info);
        check(&table, "", None, Level::Info);
    }

    #[test]
    fn a_service_decides_but_a_mute_holds() {
        let table = table(
            Level::Info,
            &[("hyper", Level::Warn), ("my_app", Level::Debug)],
            &[("loud", Level::Trace), ("calm", Level::Error)],
        );
        check(&table, "my_app", Some("loud"), Level::Trace);
        check(&table, "my_app", Some("calm"), Level::Error);
        check(&table, "my_app", Some("other"), Level::Debug);
        check(&table, "hyper", Some("loud"), Level::Warn);
        check(&table, "hyper", Some("calm"), Level::Error);
        check(&table, "else", Some("loud"), Level::Trace);
    }

    #[test]
    fn an_override_takes_the_place_of_what_is_set() {
        let mut table = table(
            Level::Info,
            &[("hyper", Level::Warn), ("my_app", Level::Info)],
            &[("calm", Level::Error)],
        );
        table.over_services = [("calm".to_owned(), Level::Trace)].into();
        check(&table, "my_app", Some("calm"), Level::Trace);
        check(&table, "hyper", Some("calm"), Level::Warn);
        check(&table, "my_app", Some("other"), Level::Info);
        table.over_default = Some(Level::Debug);
        check(&table, "else", None, Level::Debug);
        check(&table, "else", Some("other"), Level::Debug);
        check(&table, "hyper", None, Level::Warn);
        // A logger as loud as the configured default is no mute because of an override.
        check(&table, "my_app", Some("calm"), Level::Trace);
        assert_eq!(table.hint(), LevelFilter::TRACE);
        table.over_services.clear();
        assert_eq!(table.hint(), LevelFilter::DEBUG);
        table.over_default = Some(Level::Off);
        check(&table, "else", None, Level::Off);
        check(&table, "else", Some("calm"), Level::Error);
    }

    #[test]
    fn the_hint_is_the_loudest_and_keeps_service_spans() {
        assert_eq!(table(Level::Off, &[], &[]).hint(), LevelFilter::INFO);
        assert_eq!(table(Level::Warn, &[("a", Level::Debug)], &[]).hint(), LevelFilter::DEBUG);
        assert_eq!(table(Level::Warn, &[], &[("a", Level::Trace)]).hint(), LevelFilter::TRACE);
    }

    #[test]
    fn changes_are_seen_by_every_clone() {
        let levels = Levels::new(&LoggingConfig::default());
        let clone = levels.clone();
        levels.set_logger("hyper", Level::Off);
        levels.set_service("a", Level::Trace);
        levels.set_default(Level::Warn);
        assert_eq!(clone.default_level(), Level::Warn);
        assert_eq!(clone.loggers(), [("hyper".to_owned(), Level::Off)].into());
        assert_eq!(clone.services(), [("a".to_owned(), Level::Trace)].into());
        levels.apply(&LoggingConfig::default());
        assert_eq!(clone.default_level(), Level::Info);
        assert!(clone.loggers().is_empty());
        levels.set_logger("hyper", Level::Off);
        levels.reset_logger("hyper");
        assert!(clone.loggers().is_empty());
        assert!(clone.shows("x", Some("a"), tracing::Level::TRACE));
        levels.reset_service("a");
        assert!(!clone.shows("x", Some("a"), tracing::Level::TRACE));
    }
}
