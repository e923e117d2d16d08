//! Secrets in every place of a line.

use std::sync::{Arc, Mutex};

use processpype_telemetry::{Format, LoggingConfig, RedactionConfig, Redactor, Tap, TappedLine};
use proptest::prelude::*;

use crate::harness::{builder, config, logged, logged_in};

/// The formats in which a secret must not show.
const FORMATS: [Format; 3] = [Format::Text, Format::Color, Format::Json];

/// Logs `secret` in every way in which a program may.
fn log_everywhere(secret: &str) {
    let list = vec![secret.to_owned()];
    tracing::info!(plain = secret, shown = %secret, debug = ?secret, ?list, "message {secret} end");
    tracing::info!("debug message {secret:?} end");
    tracing::info!(target: "processpype", service = %secret, "the service's name");
}

#[track_caller]
fn check(secret: &str) {
    for format in FORMATS {
        let log = logged_in(format, |handle| {
            handle.redactor().add(secret).unwrap();
            log_everywhere(secret);
        });
        assert!(log.matches("***").count() >= 6, "{log}");
        for form in [secret.to_owned(), format!("{secret:?}"), json(secret)] {
            let form = form.trim_matches('"');
            assert!(!log.contains(form), "{form:?} is in {log}");
        }
    }
}

/// A text as JSON.
fn json(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

#[test]
fn secrets_that_are_known_before_the_log_is_built_do_not_show() {
    let redactor = Redactor::default();
    redactor.add("hunter22").unwrap();
    let log = logged(builder(config(Format::Text)).redactor(redactor.clone()), |handle| {
        assert_eq!(*handle.redactor(), redactor);
        assert_ne!(*handle.redactor(), Redactor::default());
        tracing::info!("it is hunter22");
    });
    assert!(log.contains("it is ***"), "{log}");
}

/// What a second place for lines was given.
#[derive(Debug, Default)]
struct Taken(Mutex<Vec<String>>);

impl Tap for Taken {
    fn line(&self, line: &TappedLine<'_>) {
        let TappedLine { level, target, message, fields, .. } = line;
        self.0.lock().unwrap().push(format!("{level} {target} {message} {fields}"));
    }
}

#[test]
fn a_tap_is_given_what_is_shown_and_no_secret() {
    let taken = Arc::new(Taken::default());
    logged(builder(config(Format::Text)).tap(Arc::clone(&taken) as Arc<dyn Tap>), |handle| {
        handle.redactor().add("hunter22").unwrap();
        tracing::info!(target: "t", with = "hunter22", token = "x", "it is hunter22");
        tracing::debug!(target: "t", "not shown");
    });
    let taken = taken.0.lock().unwrap();
    assert_eq!(*taken, [r#"INFO t it is *** "with":"***","token":"***""#]);
}

#[test]
fn secrets_do_not_show() {
    check("hunter2");
    check("with \"quotes\" and \\ backslash");
    check("two\nlines of it");
    check("pässwörd-€-🔑");
    check("tab\tand\u{1b}escape");
    check("12345678");
}

#[test]
fn a_secret_in_a_url_does_not_show() {
    for url in ["a%2Fb%20c%C3%A9", "a%2fb%20c%c3%a9", "a%2Fb+c%C3%A9", "a/b%20c%C3%A9"] {
        let log = logged_in(Format::Text, |handle| {
            handle.redactor().add("a/b cé").unwrap();
            tracing::info!(target: "t", "https://u:{url}@host/?q={url}");
        });
        assert!(log.ends_with("t: https://u:***@host/?q=***\n"), "{log}");
    }
}

/// Who may give a reason and read the log could otherwise try out what is a secret.
#[test]
fn what_a_client_says_does_not_tell_what_is_a_secret() {
    for format in FORMATS {
        let log = logged_in(format, |handle| {
            handle.redactor().add("monkey1").unwrap();
            let reason = "dragon monkey1 qwerty";
            tracing::info!(target: "processpype", service = "h", reason, "start unchanged");
            tracing::info!(target: "processpype_control::entry", path = "/monkey1", "refused");
            tracing::info!(target: "processpype", actor = "monkey1", "what is no client's");
            tracing::info!(target: "theirs", reason, "a service's own field of that name");
        });
        for whole in ["dragon monkey1 qwerty", "/monkey1"] {
            assert_eq!(log.matches(whole).count(), 1, "{log}");
        }
        assert_eq!((log.matches("monkey1").count(), log.matches("***").count()), (2, 2), "{log}");
    }
}

#[test]
fn a_number_that_is_a_secret_does_not_show() {
    let log = logged_in(Format::Json, |handle| {
        handle.redactor().add("12345678").unwrap();
        tracing::info!(pin = 12_345_678, long = 9_123_456_780_u64, other = 42, "x");
    });
    let line: serde_json::Value = serde_json::from_str(&log).unwrap();
    assert_eq!(line["fields"], serde_json::json!({"pin": "***", "long": "9***0", "other": 42}));
}

#[test]
fn a_secret_added_while_it_runs_is_hidden_from_then_on() {
    let log = logged_in(Format::Text, |handle| {
        tracing::info!("before hunter2");
        handle.redactor().replace(["hunter2".to_owned()]);
        tracing::info!("after hunter2");
    });
    assert!(log.contains("before hunter2") && log.contains("after ***"), "{log}");
}

#[test]
fn sensitive_fields_are_masked_by_their_names() {
    let redaction = RedactionConfig {
        fields: vec!["shoe_size".to_owned()],
        except: vec!["token_count".to_owned()],
    };
    let config = LoggingConfig { redaction, ..config(Format::Json) };
    let log = logged(builder(config), |_| {
        tracing::info!(
            password = "a",
            db.password = 5,
            auth.access_token = %"b",
            Authorization = ?"c",
            shoe_size = 44,
            token_count = 7,
            tokens = 8,
            "x"
        );
    });
    let line: serde_json::Value = serde_json::from_str(&log).unwrap();
    assert_eq!(
        line["fields"],
        serde_json::json!({
            "password": "***",
            "db.password": "***",
            "auth.access_token": "***",
            "Authorization": "***",
            "shoe_size": "***",
            "token_count": 7,
            "tokens": 8,
        })
    );
}

/// What is known of an event's fields beforehand is a bit for each of the first 64.
#[test]
fn a_sensitive_field_behind_many_others_is_masked() {
    let log = logged_in(Format::Text, |_| {
        tracing::info!(
            target: "t",
            f0 = 1, f1 = 1, f2 = 1, f3 = 1, f4 = 1, f5 = 1, f6 = 1, f7 = 1,
            f8 = 1, f9 = 1, f10 = 1, f11 = 1, f12 = 1, f13 = 1, f14 = 1, f15 = 1,
            f16 = 1, f17 = 1, f18 = 1, f19 = 1, f20 = 1, f21 = 1, f22 = 1, f23 = 1,
            f24 = 1, f25 = 1, f26 = 1, f27 = 1, f28 = 1, f29 = 1, f30 = 1, f31 = 1,
            f32 = 1, f33 = 1, f34 = 1, f35 = 1, f36 = 1, f37 = 1, f38 = 1, f39 = 1,
            f40 = 1, f41 = 1, f42 = 1, f43 = 1, f44 = 1, f45 = 1, f46 = 1, f47 = 1,
            f48 = 1, f49 = 1, f50 = 1, f51 = 1, f52 = 1, f53 = 1, f54 = 1, f55 = 1,
            f56 = 1, f57 = 1, f58 = 1, f59 = 1, f60 = 1, f61 = 1, f62 = 1, f63 = 1,
            password = "hunter2",
            "x"
        );
    });
    assert!(log.ends_with("f63=1 password=***\n"), "{log}");
}

#[test]
fn a_hidden_value_is_not_even_formatted() {
    struct Never;
    impl std::fmt::Debug for Never {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("formatted")
        }
    }
    let log = logged_in(Format::Text, |_| tracing::info!(target: "t", secret = ?Never, "x"));
    assert!(log.ends_with("t: x secret=***\n"), "{log}");
}

proptest! {
    #[test]
    fn no_secret_shows_whatever_surrounds_it(
        // No character of a mask, an escape or the rest of a line is in it.
        secret in "[X-Z\n\"\\\\é]{1,3}Q[X-Z\n\"\\\\é]{3,9}Q",
        before in "[a-w ]{0,9}",
        after in "[a-w ]{0,9}",
    ) {
        for format in FORMATS {
            let log = logged_in(format, |handle| {
                handle.redactor().add(&secret).unwrap();
                tracing::info!(target: "t", a = %format_args!("{before}{secret}{after}"), "m");
                tracing::info!(target: "t", a = ?format!("{before}{secret}{after}"), "m");
            });
            prop_assert!(!log.contains('Q'), "{}", log);
        }
    }
}
