//! Golden lines of the three formats.

use std::{collections::BTreeMap, fmt};

use processpype_telemetry::{Format, Level, LoggingConfig};
use proptest::prelude::*;

use crate::harness::{builder, config, logged, logged_in, rome, service};

/// Logs one of everything.
fn one_of_everything() {
    service("counter", 3).in_scope(|| {
        tracing::info!(target: "my_app", count = 7u64, name = "two words", "bumped");
        tracing::error!(target: "my_app", error = %"broken pipe", ratio = 0.5, ok = false);
    });
    let list = [1, 2];
    tracing::warn!(target: "my_app", word = "plain", ?list, "first\nsecond \"q\" \u{1b}[1m");
}

#[track_caller]
fn check(format: Format, expected: &[&str]) {
    let log = logged_in(format, |_| one_of_everything());
    assert_eq!(log.lines().collect::<Vec<_>>(), expected);
    assert!(log.ends_with('\n'));
}

#[test]
fn text() {
    check(
        Format::Text,
        &[
            "2026-11-23T11:24:05.123Z  INFO counter#3 my_app: bumped count=7 name=\"two words\"",
            "2026-11-23T11:24:05.123Z ERROR counter#3 my_app: error=\"broken pipe\" \
             ratio=0.5 ok=false",
            "2026-11-23T11:24:05.123Z  WARN my_app: first",
            "    | second \"q\" \\u{1b}[1m word=plain list=[1, 2]",
        ],
    );
}

#[test]
fn color() {
    check(
        Format::Color,
        &[
            "\u{1b}[2m2026-11-23T11:24:05.123Z\u{1b}[0m \u{1b}[32m INFO\u{1b}[0m \
             \u{1b}[1m\u{1b}[36mcounter#3\u{1b}[0m \u{1b}[2mmy_app:\u{1b}[0m bumped \
             \u{1b}[2mcount=\u{1b}[0m7 \u{1b}[2mname=\u{1b}[0m\"two words\"",
            "\u{1b}[2m2026-11-23T11:24:05.123Z\u{1b}[0m \u{1b}[1m\u{1b}[31mERROR\u{1b}[0m \
             \u{1b}[1m\u{1b}[36mcounter#3\u{1b}[0m \u{1b}[2mmy_app:\u{1b}[0m \
             \u{1b}[2merror=\u{1b}[0m\"broken pipe\" \u{1b}[2mratio=\u{1b}[0m0.5 \
             \u{1b}[2mok=\u{1b}[0mfalse",
            "\u{1b}[2m2026-11-23T11:24:05.123Z\u{1b}[0m \u{1b}[33m WARN\u{1b}[0m \
             \u{1b}[2mmy_app:\u{1b}[0m first",
            "    | second \"q\" \\u{1b}[1m \u{1b}[2mword=\u{1b}[0mplain \
             \u{1b}[2mlist=\u{1b}[0m[1, 2]",
        ],
    );
}

#[test]
fn json() {
    check(
        Format::Json,
        &[
            concat!(
                r#"{"time":"2026-11-23T11:24:05.123456Z","level":"info","target":"my_app","#,
                r#""service":"counter","generation":3,"message":"bumped","#,
                r#""fields":{"count":7,"name":"two words"}}"#,
            ),
            concat!(
                r#"{"time":"2026-11-23T11:24:05.123456Z","level":"error","target":"my_app","#,
                r#""service":"counter","generation":3,"message":"","#,
                r#""fields":{"error":"broken pipe","ratio":0.5,"ok":false}}"#,
            ),
            concat!(
                r#"{"time":"2026-11-23T11:24:05.123456Z","level":"warn","target":"my_app","#,
                r#""message":"first\nsecond \"q\" \u001b[1m","#,
                r#""fields":{"word":"plain","list":"[1, 2]"}}"#,
            ),
        ],
    );
}

#[test]
fn colours_change_nothing_but_the_colour() {
    let plain = logged_in(Format::Text, |_| one_of_everything());
    let color = logged_in(Format::Color, |_| one_of_everything());
    let mut stripped = String::new();
    let mut rest = color.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        stripped.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    assert_eq!(stripped + rest, plain);
}

#[test]
fn auto_has_colours_when_it_is_told_so() {
    for (colors, expected) in [(true, true), (false, false)] {
        let builder = builder(config(Format::Auto)).colors(colors);
        let log = logged(builder, |_| tracing::info!("x"));
        assert_eq!(log.contains('\u{1b}'), expected);
    }
    assert!(!logged_in(Format::Auto, |_| tracing::info!("x")).contains('\u{1b}'));
}

#[test]
fn the_time_is_that_of_the_zone() {
    let Some(rome) = rome() else { return };
    for (format, expected) in [
        (Format::Text, "2026-11-23T12:24:05.123+01:00"),
        (Format::Json, "2026-11-23T12:24:05.123456+01:00"),
    ] {
        let log = logged(builder(config(format)).timezone(rome.clone()), |_| tracing::info!("x"));
        assert!(log.contains(expected), "{log}");
    }
}

#[test]
fn the_innermost_service_is_named() {
    let log = logged_in(Format::Text, |_| {
        service("outer", 1).in_scope(|| {
            tracing::info_span!("request").in_scope(|| tracing::info!(target: "t", "deep"));
            service("inner", 2).in_scope(|| tracing::info!(target: "t", "inner"));
            tracing::info!(target: "processpype::supervisor", service = %"other", "own words");
            tracing::info!(target: "my_app", service = "db", "a field like others");
            tracing::info!(target: "t", parent: None, "outside");
        });
    });
    let lines: Vec<&str> = log.lines().map(|line| &line[25..]).collect();
    assert_eq!(
        lines,
        [
            " INFO outer#1 t: deep",
            " INFO inner#2 t: inner",
            " INFO other processpype::supervisor: own words",
            " INFO outer#1 my_app: a field like others service=db",
            " INFO t: outside",
        ]
    );
}

#[test]
fn numbers_of_every_size_are_valid_json() {
    let log = logged_in(Format::Json, |_| {
        tracing::info!(
            small = i64::MIN,
            large = u64::MAX,
            huge = u128::MAX,
            deep = i128::MIN,
            tiny = f64::MIN_POSITIVE,
            nan = f64::NAN,
            infinite = f64::INFINITY,
            r#type = 1,
            "\"quoted\"" = 2,
        );
    });
    let line: serde_json::Value = serde_json::from_str(&log).unwrap();
    let fields = line["fields"].as_object().unwrap();
    assert_eq!(fields["small"], i64::MIN);
    assert!(log.contains(&format!("\"deep\":{}", i128::MIN)), "{log}");
    assert_eq!(fields["large"], u64::MAX);
    assert_eq!(fields["tiny"], f64::MIN_POSITIVE);
    assert_eq!(fields["nan"], "NaN");
    assert_eq!(fields["infinite"], "inf");
    assert_eq!((&fields["type"], &fields["\"quoted\""]), (&1.into(), &2.into()));
    assert!(fields["huge"].is_number());
}

#[test]
fn an_error_shows_its_causes() {
    #[derive(Debug)]
    struct Outer(std::num::ParseIntError);
    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bad port")
        }
    }
    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let error = Outer("x".parse::<u16>().unwrap_err());
    let log = logged_in(Format::Text, |_| {
        tracing::info!(target: "t", error = &error as &(dyn std::error::Error + 'static));
    });
    assert!(log.ends_with("t: error=\"bad port: invalid digit found in string\"\n"), "{log}");
}

#[test]
fn a_file_is_appended_to() {
    let path = std::env::temp_dir().join(format!("processpype-log-{}", std::process::id()));
    std::fs::write(&path, "before\n").unwrap();
    let destination = processpype_telemetry::Destination::File(path.clone());
    let config = LoggingConfig { destination, ..config(Format::Auto) };
    let (subscriber, handle) = builder(config).build().unwrap();
    tracing::subscriber::with_default(subscriber, || tracing::info!(target: "t", "after"));
    handle.flush(crate::harness::PATIENCE).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(text, "before\n2026-11-23T11:24:05.123Z  INFO t: after\n");

    let destination = processpype_telemetry::Destination::File("/nowhere/at/all.log".into());
    let config = LoggingConfig { destination, ..LoggingConfig::default() };
    let error = builder(config).build().map(drop).unwrap_err();
    assert!(error.to_string().contains("/nowhere/at/all.log"), "{error}");
}

proptest! {
    #[test]
    fn json_parses_and_holds_every_text_back(
        message in any::<String>(),
        text in any::<String>(),
        number in any::<i64>(),
        service_name in "\\PC{1,9}",
    ) {
        let log = logged_in(Format::Json, |_| {
            service(&service_name, 1).in_scope(|| {
                let (text, shown) = (text.as_str(), &text);
                tracing::info!(target: "t", text, %shown, number, "{message}");
            });
        });
        prop_assert_eq!(log.lines().count(), 1);
        let line: BTreeMap<String, serde_json::Value> = serde_json::from_str(&log).unwrap();
        prop_assert_eq!(line["message"].as_str(), Some(&*message));
        prop_assert_eq!(line["service"].as_str(), Some(&*service_name));
        prop_assert_eq!(line["fields"]["text"].as_str(), Some(&*text));
        prop_assert_eq!(line["fields"]["shown"].as_str(), Some(&*text));
        prop_assert_eq!(line["fields"]["number"].as_i64(), Some(number));
    }

    #[test]
    fn text_cannot_forge_a_record(message in any::<String>(), text in any::<String>()) {
        let log = logged_in(Format::Text, |_| {
            tracing::info!(target: "t", text = text.as_str(), "{message}");
        });
        let forged = log.lines().skip(1).find(|line| !line.starts_with("    | "));
        prop_assert_eq!(forged, None);
        prop_assert_eq!(log.find(['\u{1b}', '\r']), None);
    }
}

/// Each of them could make one line look like two, or read in another order than it was written.
#[test]
fn what_breaks_or_turns_a_line_is_written_out() {
    let turning = "\u{85}\u{200e}\u{200f}\u{202a}\u{202e}\u{2028}\u{2029}\u{2066}\u{2069}\u{7f}\r";
    let log = logged_in(Format::Text, |_| tracing::info!(target: "t", turning, "a{turning}"));
    assert!(!log.contains(|c| turning.contains(c)), "{log:?}");
    assert_eq!(log.matches("\\u{2028}").count(), 2, "{log:?}");
}

#[test]
fn every_ascii_character_comes_back_from_json() {
    let all: String = (0..128_u8).map(char::from).collect();
    let log = logged_in(Format::Json, |_| tracing::info!(target: "t", all = &*all, "{all}"));
    let line: serde_json::Value = serde_json::from_str(&log).unwrap();
    assert_eq!(
        (line["message"].as_str(), line["fields"]["all"].as_str()),
        (Some(&*all), Some(&*all))
    );
}

#[test]
fn what_users_call_service_and_generation_is_a_field() {
    let log = logged_in(Format::Text, |_| {
        tracing::info_span!(target: "my_app", "service", service = "db").in_scope(|| {
            tracing::info!(target: "my_app", service = "db", generation = 5, "theirs");
        });
    });
    assert!(log.ends_with(" INFO my_app: theirs service=db generation=5\n"), "{log}");
}

#[test]
fn a_level_of_off_is_silent() {
    let config = LoggingConfig { level: Level::Off, ..config(Format::Text) };
    assert_eq!(logged(builder(config), |_| one_of_everything()), "");
}
