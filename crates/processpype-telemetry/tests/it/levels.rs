//! Levels by target and by service, changed while the program runs.

use processpype_telemetry::{Format, Level, LoggingConfig};
use tracing_subscriber::layer::SubscriberExt as _;

use crate::harness::{PATIENCE, Written, builder, config, messages, service};

/// Logs at `level` from the target `target`; a callsite of its own for each.
fn at_every_level(target: &'static str) {
    match target {
        "app" => {
            tracing::debug!(target: "app", "app debug");
            tracing::info!(target: "app", "app info");
            tracing::warn!(target: "app", "app warn");
        }
        "hyper" => {
            tracing::debug!(target: "hyper::proto", "hyper debug");
            tracing::info!(target: "hyper::proto", "hyper info");
            tracing::warn!(target: "hyper::proto", "hyper warn");
        }
        other => panic!("no callsites for {other}"),
    }
}

#[test]
fn a_logger_is_quieter_than_the_default() {
    let loggers = [("hyper".to_owned(), Level::Warn)].into();
    let config = LoggingConfig { loggers, ..LoggingConfig::default() };
    let log = messages(config, |_| {
        at_every_level("app");
        at_every_level("hyper");
    });
    assert_eq!(log, ["app info", "app warn", "hyper warn"]);
}

#[test]
fn a_service_is_raised_and_lowered_while_it_runs() {
    let log = messages(LoggingConfig::default(), |handle| {
        let (loud, other) = (service("loud", 1), service("other", 1));
        let both = || {
            loud.in_scope(|| tracing::debug!("loud debug"));
            other.in_scope(|| tracing::debug!("other debug"));
            tracing::debug!("outside debug");
            loud.in_scope(|| tracing::info!("loud info"));
        };
        both();
        handle.levels().set_service("loud", Level::Debug);
        tracing::info!("raised");
        both();
        handle.levels().set_service("loud", Level::Error);
        tracing::info!("lowered");
        both();
        handle.levels().reset_service("loud");
        tracing::info!("reset");
        both();
    });
    assert_eq!(
        log,
        ["loud info", "raised", "loud debug", "loud info", "lowered", "reset", "loud info"]
    );
}

#[test]
fn an_override_holds_for_a_service_or_for_all_until_it_ends() {
    let log = messages(LoggingConfig::default(), |handle| {
        let levels = handle.levels();
        let (calm, other) = (service("calm", 1), service("other", 1));
        levels.set_service("calm", Level::Warn);
        let all = || {
            calm.in_scope(|| tracing::debug!("calm debug"));
            other.in_scope(|| tracing::debug!("other debug"));
            tracing::debug!("outside debug");
        };
        levels.begin_override(Some("calm"), Level::Debug);
        all();
        // What is set meanwhile waits for its turn.
        levels.set_service("calm", Level::Info);
        levels.begin_override(None, Level::Debug);
        levels.end_override(Some("calm"));
        tracing::info!("all but calm");
        all();
        levels.end_override(None);
        all();
        calm.in_scope(|| tracing::info!("calm info"));
    });
    assert_eq!(log, ["calm debug", "all but calm", "other debug", "outside debug", "calm info"]);
}

#[test]
fn a_mute_holds_in_a_service_that_is_raised() {
    let loggers = [("hyper".to_owned(), Level::Warn)].into();
    let config = LoggingConfig { loggers, ..LoggingConfig::default() };
    let log = messages(config, |handle| {
        handle.levels().set_service("loud", Level::Debug);
        service("loud", 1).in_scope(|| {
            at_every_level("hyper");
            at_every_level("app");
        });
    });
    assert_eq!(log, ["hyper warn", "app debug", "app info", "app warn"]);
}

#[test]
fn a_service_is_known_in_spans_below_its_own() {
    let log = messages(LoggingConfig::default(), |handle| {
        handle.levels().set_service("loud", Level::Debug);
        service("loud", 1).in_scope(|| {
            tracing::info_span!("a").in_scope(|| {
                tracing::debug_span!("b").in_scope(|| tracing::debug!("deep"));
            });
        });
    });
    assert_eq!(log, ["deep"]);
}

#[test]
fn framework_events_follow_the_service_they_name() {
    let event = || {
        tracing::debug!(target: "processpype", service = %"loud", "loud debug");
        tracing::debug!(target: "processpype", service = %"other", "other debug");
        tracing::info!(target: "processpype", service = %"calm", "calm info");
        tracing::info!(target: "processpype", service = %"other", "other info");
    };
    let log = messages(LoggingConfig::default(), |handle| {
        handle.levels().set_service("loud", Level::Debug);
        handle.levels().set_service("calm", Level::Error);
        event();
    });
    assert_eq!(log, ["loud debug", "other info"]);
}

#[test]
fn an_override_of_one_service_shows_no_event_that_names_another() {
    let log = messages(LoggingConfig::default(), |handle| {
        handle.levels().begin_override(Some("loud"), Level::Debug);
        for service in ["loud", "other"] {
            tracing::debug!(target: "processpype", service = %service, "{service} debug");
        }
    });
    assert_eq!(log, ["loud debug"]);
}

#[test]
fn a_service_is_still_named_after_the_level_was_raised() {
    let config = LoggingConfig { level: Level::Off, ..LoggingConfig::default() };
    let mut named = false;
    let log = messages(config, |handle| {
        // The span is made while nothing is logged.
        let span = service("late", 1);
        named = !span.is_disabled();
        handle.levels().set_service("late", Level::Info);
        span.in_scope(|| tracing::info!("inside"));
        tracing::info!("outside");
    });
    assert!(named);
    assert_eq!(log, ["inside"]);
}

#[test]
fn default_and_loggers_change_while_it_runs() {
    let log = messages(LoggingConfig::default(), |handle| {
        let levels = handle.levels();
        at_every_level("app");
        levels.set_default(Level::Warn);
        at_every_level("app");
        levels.set_logger("app", Level::Debug);
        at_every_level("app");
        levels.reset_logger("app");
        at_every_level("app");
        levels.apply(&LoggingConfig { level: Level::Off, ..LoggingConfig::default() });
        at_every_level("app");
    });
    let raised = ["app debug", "app info", "app warn"];
    assert_eq!(log, [&["app info", "app warn", "app warn"], &raised[..], &["app warn"]].concat());
}

#[test]
fn what_no_level_shows_is_not_even_built() {
    let log = messages(LoggingConfig::default(), |handle| {
        handle.levels().set_service("elsewhere", Level::Debug);
        fn boom() -> u32 {
            panic!("a disabled field was evaluated")
        }
        tracing::debug!(value = boom(), "disabled");
        tracing::trace!(value = boom(), "disabled");
    });
    assert!(log.is_empty());
}

/// Builds a layer that writes to the end of the result.
fn two_layers() -> (impl tracing::Subscriber, [(processpype_telemetry::Handle, Written); 2]) {
    let (first, second) = (Written::default(), Written::default());
    let config = || config(Format::Text);
    let (one, one_handle) = builder(config()).writer(first.clone()).build_layer().unwrap();
    let (two, two_handle) = builder(config()).writer(second.clone()).build_layer().unwrap();
    let registry = tracing_subscriber::registry().with(one).with(two);
    (registry, [(one_handle, first), (two_handle, second)])
}

#[test]
fn a_layer_beside_others_keeps_its_levels_to_itself() {
    let (subscriber, [(one, one_written), (two, two_written)]) = two_layers();
    one.levels().set_default(Level::Error);
    two.levels().set_service("loud", Level::Debug);
    tracing::subscriber::with_default(subscriber, || {
        service("loud", 1).in_scope(|| {
            tracing::error!(target: "t", "an error");
            tracing::debug!(target: "t", "a detail");
        });
        tracing::debug!(target: "t", "a detail outside");
    });
    for (handle, written, expected) in [
        (one, one_written, &["ERROR loud#1 t: an error"][..]),
        (two, two_written, &["ERROR loud#1 t: an error", "DEBUG loud#1 t: a detail"][..]),
    ] {
        handle.flush(PATIENCE).unwrap();
        let text = written.text();
        assert_eq!(text.lines().map(|line| &line[25..]).collect::<Vec<_>>(), expected);
    }
}
