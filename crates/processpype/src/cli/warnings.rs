//! What is allowed but hardly meant: told by `check` and `plan`, and in the log before the start.
//!
//! # Invariants
//!
//! 1. A warning names the key, or the variable, to change, and says to what.
//! 2. Every deadline is held against the one around it: a service's in the application's, the
//!    application's in the platform's.

use std::fmt;
use std::time::Duration;

use processpype_api::PlanWarning;
use processpype_cli::CLIENT_VARIABLES;
use processpype_config::{HumanDuration, Origin, Stray, check_file_room};
use processpype_core::{EdgePolicy, Plan, ServiceId, Timing};
use processpype_runtime::{NamedEdge, Options};
use serde_json::{Value, json};

use crate::platform::{Manager, Platform};
use crate::process::EXIT_SLACK;
use crate::settings::CLOSING_MAX;
use crate::setup::Setup;

/// Something that was noticed in configuration or plan and is no error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Warning {
    /// What sort it is; never changes its meaning.
    code: &'static str,
    message: String,
    /// The key that it is about; empty if it is about none.
    key: String,
    /// Where that is written, if it is.
    origin: Option<String>,
    /// What to do.
    help: String,
}

/// Returns the plan of an application, within its own limits.
pub(super) fn plan_of(setup: &Setup) -> Plan {
    setup.blueprint.plan(setup.limits.starts_at_once)
}

/// Says in the log, before anything starts, which files and variables set nothing, and which
/// deadlines of the plan cannot be kept.
pub(crate) fn log_warnings(setup: &Setup) {
    let plan = plan_of(setup);
    let found = vacant(setup).chain(cut_off(setup)).chain(strays(setup));
    let found = found.chain(deadlines(setup, &plan));
    for Warning { key, message, help, .. } in found {
        let key = Some(key).filter(|key| !key.is_empty());
        tracing::warn!(target: "processpype", key, help, "{message}");
    }
}

/// Returns everything that `check` and `plan` warn of.
pub(super) fn warnings(setup: &Setup, plan: &Plan) -> Vec<Warning> {
    let found = vacant(setup).chain(cut_off(setup)).chain(strays(setup));
    let mut warnings: Vec<Warning> = found.collect();
    warnings.extend(deadlines(setup, plan));
    let specs = setup.blueprint.specs();
    for spec in specs.iter().filter(|spec| spec.options.start_timeout.is_zero()) {
        let path = ["services", spec.name.as_str(), "start_timeout"];
        let message = format!("`{}` can never start: its `start_timeout` is 0s", spec.name);
        let help = "give it some time";
        warnings.push(Warning::new(setup, "never-starts", &path, message, help));
    }
    warnings.extend(idle_handles(setup));
    if !specs.is_empty() && !specs.iter().any(|spec| spec.options.significant) {
        let message = "no service is `significant`: the process goes on, whatever fails in it";
        let help = "set `significant: true` for the services without which it is useless";
        let path = ["defaults", "significant"];
        warnings.push(Warning::new(setup, "nothing-significant", &path, message, help));
    }
    warnings
}

/// Handles to services that complete: from then on there is no instance behind them.
///
/// With an `optional` edge the dependent may run beside it, and `Deps` asks for all there are. A
/// pair is told once, whatever makes it one.
fn idle_handles(setup: &Setup) -> impl Iterator<Item = Warning> {
    let specs = setup.blueprint.specs();
    let edges = setup.blueprint.edges().iter();
    edges.filter(|edge| edge.policy != EdgePolicy::Optional).filter_map(move |edge| {
        let dependent = specs.get(edge.dependent.index())?;
        let provider = specs.get(edge.provider.index())?;
        let is_handle = setup.blueprint.has_handle(edge.dependent, edge.provider);
        if !provider.options.oneshot || !is_handle || !is_first(setup, edge) {
            return None;
        }
        let (dependent, provider) = (&dependent.name, &provider.name);
        let message = format!(
            "`{dependent}` has a handle to `{provider}` ({}), a `oneshot`: once that is completed \
             there is no instance of it, and `get` fails",
            edge.origin
        );
        let help = format!(
            "take no handle, and wait for its end by `.depends_on(\"{provider}\")`, or in the file \
             by `depends_on: [{provider}]`"
        );
        let path = ["services", dependent.as_str(), "depends_on"];
        Some(Warning::new(setup, "handle-to-oneshot", &path, message, help))
    })
}

/// Whether an edge is the first one of its two services. What arguments declare comes before the
/// rest.
fn is_first(setup: &Setup, edge: &NamedEdge) -> bool {
    let ends = |edge: &NamedEdge| (edge.dependent, edge.provider);
    let first = setup.blueprint.edges().iter().find(|other| ends(other) == ends(edge));
    first.is_some_and(|first| std::ptr::eq(first, edge))
}

/// Files that hold nothing.
fn vacant(setup: &Setup) -> impl Iterator<Item = Warning> {
    setup.document.vacant_files().iter().map(|path| Warning {
        code: "file-without-content",
        message: format!("nothing is in the configuration file {}", path.display()),
        key: String::new(),
        origin: None,
        help: "look whether it was written to its end; a file that is named and not meant can be \
               left out"
            .to_owned(),
    })
}

/// A file that ends behind the word `services`, or has nothing below it.
fn cut_off(setup: &Setup) -> Option<Warning> {
    let path = ["services"];
    let services = setup.document.section(&path);
    let is_cut_off = services.exists() && !services.is_map();
    let help = "look whether the file was written to its end; `services: {}` says that it is meant";
    let message = "nothing stands behind `services`";
    is_cut_off.then(|| Warning::new(setup, "services-without-content", &path, message, help))
}

/// Variables that are named as if they set something, and do not: an underscore is missing, or they
/// are another program's.
fn strays(setup: &Setup) -> impl Iterator<Item = Warning> {
    let strays = setup.document.stray_variables().iter();
    let strays = strays.filter(|stray| !CLIENT_VARIABLES.contains(&stray.name.as_str()));
    strays.map(|Stray { name, meant, .. }| Warning {
        code: "variable-without-effect",
        message: format!("the variable {name} sets nothing"),
        key: String::new(),
        origin: Some(Origin::environment(name.as_str()).to_string()),
        help: match meant {
            Some(meant) => format!("write {meant}, with `__` between two keys"),
            None => {
                "a variable that sets a key is named as PROCESSPYPE_SERVER__PORT is, with `__` \
                     between two keys"
                    .to_owned()
            }
        },
    })
}

/// The file of events cannot be written on this machine, and the application would run without.
pub(super) fn unrecorded(setup: &Setup) -> Option<Warning> {
    let file = setup.settings.observability.events.file.as_ref()?;
    let error = check_file_room(file).err()?;
    let message = format!("events cannot be recorded: {error}; the application runs without");
    let help = "make what is missing, or name another file";
    let path = ["observability", "events", "file"];
    Some(Warning::new(setup, "events-not-recorded", &path, message, help))
}

/// Says which times do not fit into the time around them.
fn deadlines(setup: &Setup, plan: &Plan) -> Vec<Warning> {
    let platform = Platform::of(setup);
    let found = [late(setup, plan), killed(setup, &platform), slow(setup, plan, &platform)];
    found.into_iter().flatten().collect()
}

/// The plan gives services more time to stop than the process has.
fn late(setup: &Setup, plan: &Plan) -> Option<Warning> {
    let closing = setup.settings.server.closing_timeout();
    let drain: Duration = setup.settings.server.drain_delay.into();
    let worst = plan.stop().worst.saturating_add(drain);
    let message = format!(
        "stopping can take {} at worst, but `server.closing_timeout_seconds` gives it {}: services \
         that are late will be ended by force",
        human(worst),
        human(closing)
    );
    let help = more_or_shorter(setup, plan.stop(), drain);
    let path = ["server", "closing_timeout_seconds"];
    let warning = || Warning::new(setup, "stop-exceeds-closing", &path, message, help);
    (worst > closing && is_chosen(setup, plan.stop())).then(warning)
}

/// Whether somebody chose one of the times that do not fit: defaults are limits for what hangs, and
/// nobody's plan.
///
/// A `stop_timeout` below the default is no reason: to shorten one must not bring a warning.
fn is_chosen(setup: &Setup, stop: &Timing) -> bool {
    let default = Options::default().stop_timeout;
    let specs = setup.blueprint.specs();
    let is_longer = |id: &ServiceId| specs[id.index()].options.stop_timeout > default;
    setup.document.section(&["server", "closing_timeout_seconds"]).exists()
        || !setup.settings.server.drain_delay.is_zero()
        || stop.critical.iter().any(is_longer)
}

/// The platform kills the process before it has ended by itself and said who was late.
fn killed(setup: &Setup, platform: &Platform) -> Option<Warning> {
    let (worst, patience) = (setup.settings.server.closing_timeout() + EXIT_SLACK, platform.stop?);
    let setting = platform.manager.map_or("the platform's stop timeout", Manager::stop_setting);
    let (whose, unless) = if platform.is_assumed {
        let unless = ", or say in `server.platform_stop_timeout` how long it really waits";
        (format!("the default of {setting}"), unless)
    } else {
        ("`server.platform_stop_timeout`".to_owned(), "")
    };
    let message = format!(
        "the process may take {} to end, but is killed after {} ({whose}): nobody will say who was \
         late",
        human(worst),
        human(patience)
    );
    let room = patience.saturating_sub(EXIT_SLACK).as_secs();
    let lower = if room == 0 { String::new() } else { format!("set it to {room} or less, or ") };
    let help = format!("{lower}raise {setting} above {}{unless}", human(worst));
    let path = ["server", "closing_timeout_seconds"];
    let warning = || Warning::new(setup, "closing-exceeds-platform", &path, message, help);
    (worst > patience).then(warning)
}

/// The platform loses patience with a start that is still within its plan.
fn slow(setup: &Setup, plan: &Plan, platform: &Platform) -> Option<Warning> {
    let (worst, patience) = (plan.start().worst, platform.start?);
    let message = format!(
        "starting can take {} at worst, restarts not counted, but the platform waits {} \
         (`server.platform_start_timeout`)",
        human(worst),
        human(patience)
    );
    let chain = names(setup, &plan.start().critical);
    let help = format!("raise the platform's, or shorten `start_timeout` of {chain}");
    let path = ["server", "platform_start_timeout"];
    (worst > patience).then(|| Warning::new(setup, "start-exceeds-platform", &path, message, help))
}

/// Says how stopping and closing can be made to fit: more for closing, as far as the key takes it,
/// or less for what makes the stop long.
fn more_or_shorter(setup: &Setup, stop: &Timing, drain: Duration) -> String {
    let closing = setup.settings.server.closing_timeout();
    let worst = seconds_up(stop.worst.saturating_add(drain));
    let more = (worst <= u64::from(CLOSING_MAX)).then(|| format!("set it to {worst} or more, or "));
    let chain = || format!("`stop_timeout` of {}", names(setup, &stop.critical));
    let shorter = match &*stop.critical {
        [] => "`server.drain_delay`".to_owned(),
        _ if drain < closing => chain(),
        _ if stop.worst < closing => "`server.drain_delay`".to_owned(),
        _ => format!("`server.drain_delay` and {}", chain()),
    };
    format!("{}shorten {shorter}", more.unwrap_or_default())
}

/// How many services a warning names.
const NAMED_MAX: usize = 5;

fn names(setup: &Setup, ids: &[ServiceId]) -> String {
    let named: Vec<&str> =
        ids.iter().take(NAMED_MAX).map(|&id| setup.blueprint.name(id).as_str()).collect();
    match ids.len().saturating_sub(NAMED_MAX) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

fn human(time: Duration) -> HumanDuration {
    HumanDuration::from(time)
}

/// Whole seconds, so that a value can be copied from the text.
fn seconds_up(time: Duration) -> u64 {
    time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0))
}

// === impl Warning ===

impl Warning {
    fn new(
        setup: &Setup,
        code: &'static str,
        path: &[&str],
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        let origin = setup.document.section(path).origin().map(|origin| origin.to_string());
        let (message, help) = (message.into(), help.into());
        Self { code, message, key: path.join("."), origin, help }
    }

    pub(super) fn into_wire(self) -> PlanWarning {
        let Self { code, message, key, origin, help } = self;
        PlanWarning { code: code.to_owned(), message, key, origin, help }
    }

    pub(super) fn as_json(&self) -> Value {
        let Self { code, message, key, origin, help } = self;
        json!({ "code": code, "message": message, "key": key, "origin": origin, "help": help })
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "warning: {}", self.message)?;
        if let Some(origin) = &self.origin {
            writeln!(f, "  --> {origin}")?;
        }
        if self.key.is_empty() {
            return write!(f, "  = help: {}", self.help);
        }
        write!(f, "  = help: in `{}`: {}", self.key, self.help)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::application::Application;

    struct Idle;
    impl crate::Service for Idle {}

    /// Checks which deadlines are warned of, with a service that is told to start in 30 s and to
    /// stop in 10 s.
    #[track_caller]
    fn check(server: &str, variables: &[(&str, &str)], codes: &[&str]) -> Vec<Warning> {
        let text = format!("server: {{{server}}}");
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let app = Application::new().service(|| Idle).named("idle");
        let app = app.config_text("app.yaml", processpype_config::Format::Yaml, text);
        let setup = app.environment(variables).setup().expect("it is valid");
        let warnings = deadlines(&setup, &plan_of(&setup));
        let found: Vec<&str> = warnings.iter().map(|warning| warning.code).collect();
        assert_eq!(found, codes, "{warnings:#?}");
        warnings
    }

    const POD: (&str, &str) = ("KUBERNETES_SERVICE_HOST", "10.0.0.1");
    const UNIT: (&str, &str) = ("NOTIFY_SOCKET", "/run/systemd/notify");

    #[test]
    fn a_variable_that_sets_nothing_is_told_with_the_one_that_would() {
        let told = |name: &str| {
            let app = Application::new().service(|| Idle).named("idle");
            let app = app.environment([(name.to_owned(), "8080".to_owned())]);
            strays(&app.setup().expect("it is valid")).map(|it| it.to_string()).collect::<String>()
        };
        let expected = "warning: the variable PROCESSPYPE_SERVR_PORT sets nothing\n  --> \
                        environment variable PROCESSPYPE_SERVR_PORT\n  = help: write \
                        PROCESSPYPE_SERVER__PORT, with `__` between two keys";
        assert_eq!(told("PROCESSPYPE_SERVR_PORT"), expected);
        let set = |key: &str| format!("PROCESSPYPE_{key}");
        assert!(told(&set("HOME")).contains("named as PROCESSPYPE_SERVER__PORT is"));
        for fine in ["SERVER__PORT", "URL", "TOKEN", "SERVICE_PORT"] {
            assert_eq!(told(&set(fine)), "", "{fine}");
        }
    }

    #[test]
    fn the_defaults_fit_everywhere() {
        for variables in [&[][..], &[POD], &[UNIT]] {
            check("", variables, &[]);
        }
    }

    /// Checks whether a chain of four services is told to be too long.
    #[track_caller]
    fn check_chain(text: &str, longest: Option<u64>, is_told: bool) {
        let chained = |app: Application, (name, before): (&'static str, &'static str)| {
            app.service(|| Idle).named(name).depends_on(before)
        };
        let app = Application::new().service(|| Idle).named("a");
        let app = [("b", "a"), ("c", "b"), ("d", "c")].into_iter().fold(app, chained);
        let app = match longest {
            Some(seconds) => app.stop_timeout(Duration::from_secs(seconds)),
            None => app,
        };
        let app = app.config_text("app.yaml", processpype_config::Format::Yaml, text);
        let setup = app.environment([]).setup().expect("it is valid");
        let told = warnings(&setup, &plan_of(&setup));
        let is_there = told.iter().any(|warning| warning.code == "stop-exceeds-closing");
        assert_eq!(is_there, is_told, "{text}: {told:#?}");
    }

    #[test]
    fn a_chain_is_told_where_somebody_chose_a_time_that_does_not_fit() {
        check_chain("", None, false);
        check_chain("", Some(9), false);
        check_chain("defaults: {stop_timeout: 8s}", None, false);
        check_chain("", Some(11), true);
        check_chain("server: {drain_delay: 1s}", None, true);
        check_chain("server: {closing_timeout_seconds: 25}", None, true);
        check_chain("server: {closing_timeout_seconds: 42}", None, false);
        check_chain("services: {b: {stop_timeout: 1m}}", None, true);
    }

    /// A migration, and who takes a handle to it.
    struct Taker;
    impl crate::Service for Taker {}

    #[test]
    fn a_handle_to_a_oneshot_is_told_with_what_to_write() {
        use crate::{Dep, Deps};
        let told = |app: Application| {
            let setup = app.environment([]).setup().expect("it is valid");
            idle_handles(&setup).map(|warning| warning.to_string()).collect::<String>()
        };
        let schema = || Application::new().service(|| Idle).named("schema").oneshot();
        let expected = "warning: `taker` has a handle to `schema` (argument `Dep<Idle>` of \
                        `Taker`), a `oneshot`: once that is completed there is no instance of it, \
                        and `get` fails\n  = help: in `services.taker.depends_on`: take no handle, \
                        and wait for its end by `.depends_on(\"schema\")`, or in the file by \
                        `depends_on: [schema]`";
        assert_eq!(told(schema().service(|_: Dep<Idle>| Taker)), expected);
        assert_eq!(told(schema().service(|_: Option<Dep<Idle>>| Taker)), expected);
        assert_eq!(told(schema().service(|_: Deps<Idle>| Taker)), "");
        assert_eq!(told(schema().service(|| Taker).depends_on("schema")), "");
        let beside = schema().service(|_: Dep<Idle>| Taker).edge("schema", EdgePolicy::Optional);
        assert_eq!(told(beside), "");
        let lasting = Application::new().service(|| Idle).service(|_: Dep<Idle>| Taker);
        assert_eq!(told(lasting), "");
    }

    #[test]
    fn only_whom_a_handle_leads_to_counts_where_another_one_is_for_all() {
        use crate::{Dep, Deps};
        struct Chosen;
        let told = |chosen: &str| {
            let both = |_: Dep<Idle, Chosen>, _: Deps<Idle>| Taker;
            let app = Application::new().service(|| Idle).named("schema").oneshot();
            let app = app.service(|| Idle).named("store").service(both).uses("chosen", chosen);
            let setup = app.environment([]).setup().expect("it is valid");
            idle_handles(&setup).count()
        };
        assert_eq!(told("store"), 0);
        assert_eq!(told("schema"), 1);
    }

    #[test]
    fn closing_must_fit_into_the_patience_of_the_platform() {
        let late = ["closing-exceeds-platform"];
        check("platform_stop_timeout: 25600ms", &[], &[]);
        check("platform_stop_timeout: 25s", &[], &late);
        check("closing_timeout_seconds: 29.4", &[POD], &[]);
        check("closing_timeout_seconds: 30", &[POD], &late);
        check("closing_timeout_seconds: 30", &[], &[]);
        check("closing_timeout_seconds: 30, platform_stop_timeout: 35s", &[POD], &[]);
        check("closing_timeout_seconds: 89", &[UNIT], &[]);
        check("closing_timeout_seconds: 90", &[UNIT], &late);
    }

    #[test]
    fn stopping_must_fit_into_closing_the_drain_delay_included() {
        check("closing_timeout_seconds: 10", &[], &["stop-exceeds-closing"]);
        check("closing_timeout_seconds: 10.3", &[], &[]);
        check("closing_timeout_seconds: 12, drain_delay: 2s", &[], &["stop-exceeds-closing"]);
    }

    #[test]
    fn no_advice_is_above_a_limit() {
        let late = ["stop-exceeds-closing"];
        let help = |server: &str| check(server, &[], &late)[0].help.clone();
        assert_eq!(
            help("drain_delay: 20s"),
            "set it to 31 or more, or shorten `stop_timeout` of idle"
        );
        assert_eq!(
            help("drain_delay: 1h"),
            "set it to 3611 or more, or shorten `server.drain_delay`"
        );
        assert_eq!(help("drain_delay: 365d"), "shorten `server.drain_delay`");
        assert_eq!(
            help("closing_timeout_seconds: 10, drain_delay: 365d"),
            "shorten `server.drain_delay` and `stop_timeout` of idle"
        );
    }

    #[test]
    fn starting_must_fit_into_the_patience_of_the_platform() {
        check("platform_start_timeout: 30s", &[], &[]);
        check("platform_start_timeout: 29s", &[], &["start-exceeds-platform"]);
    }

    #[test]
    fn a_file_of_events_that_cannot_be_written_is_told() {
        let told = |file: &str| {
            let text = format!("observability: {{events: {{file: {file}}}}}");
            let app = Application::new().service(|| Idle).named("idle");
            let app = app.config_text("app.yaml", processpype_config::Format::Yaml, text);
            unrecorded(&app.environment([]).setup().expect("it is valid"))
        };
        let warning = told("/no/such/directory/events").expect("there is no room");
        assert!(warning.message.contains("no directory /no/such/directory"), "{warning}");
        assert_eq!(warning.origin.as_deref(), Some("app.yaml:1:32"));
        assert_eq!(told(&std::env::temp_dir().join("events").display().to_string()), None);
    }

    #[test]
    fn a_warning_says_where_and_what_to_do() {
        let warnings = check("closing_timeout_seconds: 30", &[POD], &["closing-exceeds-platform"]);
        assert_eq!(
            warnings[0].to_string(),
            "warning: the process may take 30s600ms to end, but is killed after 30s (the default \
             of `terminationGracePeriodSeconds`): nobody will say who was late\n  --> \
             app.yaml:1:35\n  = help: in `server.closing_timeout_seconds`: set it to 29 or less, \
             or raise `terminationGracePeriodSeconds` above 30s600ms, or say in \
             `server.platform_stop_timeout` how long it really waits"
        );
        let warnings = check("platform_stop_timeout: 500ms", &[], &["closing-exceeds-platform"]);
        assert_eq!(warnings[0].help, "raise the platform's stop timeout above 25s600ms");
    }
}
