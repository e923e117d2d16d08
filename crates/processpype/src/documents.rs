//! The documents of the house: their examples are doc tests, their tables are checked here.

#![cfg(any(test, doctest))]

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/services.md")]
struct Services;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/from-python.md")]
struct FromPython;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use processpype_api::{Code, ENDPOINTS, Method, Metric};
    use processpype_control::{Limits, Rate, TOKEN_LENGTH_MAX, TOKEN_LENGTH_MIN};
    use processpype_core::{
        Backoff, ErrorKind, RestartHistory, RestartLimit, RestartOptions, RestartRate, Strategy,
        Verdict,
    };
    use processpype_runtime::{
        ABORT_RESERVE, CHECK_TIME, CHECKS_AT_ONCE, CHILDREN_MAX, COMMANDS_PENDING, DRAIN_DELAY,
        EVENTS_KEPT, HISTORY_KEPT, IDEMPOTENCY_WINDOW, METADATA_MAX, OPERATIONS_KEPT,
        OPERATIONS_PENDING, Options, STARTS_AT_ONCE, TEXT_MAX, TIMEOUT_MAX, WAITERS_MAX,
    };

    use processpype_telemetry::{
        SERVICE_LOG_BYTES, SERVICE_LOG_LINES, SERVICE_LOGS, SERVICE_LOGS_BYTES, WHOLE_LOG_BYTES,
        WHOLE_LOG_LINES,
    };

    use crate::access::{LISTENERS_MAX, TOKENS_MAX};
    use crate::exit::Exit;
    use crate::process::EXIT_SLACK;
    use crate::running::SERVER_GRACE;
    use crate::settings::ServerSection;
    use crate::tls::CERTIFICATES_MAX;

    /// Returns the text of a file, by its place in the repository.
    #[track_caller]
    fn text(file: &str) -> String {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../..").to_owned() + "/" + file;
        std::fs::read_to_string(&path).expect(file)
    }

    /// Checks that the table with this head has these rows, each told by how it begins, and no
    /// others.
    #[track_caller]
    fn check(document: &str, head: &str, rows: impl IntoIterator<Item = String>) {
        let text = text(document);
        let table = text.lines().skip_while(|line| !line.starts_with(head)).skip(2);
        let table: Vec<&str> = table.take_while(|line| line.starts_with('|')).collect();
        let rows: Vec<String> = rows.into_iter().collect();
        for row in &rows {
            let found = table.iter().filter(|line| line.starts_with(row)).count();
            assert_eq!(found, 1, "rows below {head:?} in {document} that begin with {row:?}");
        }
        for line in table {
            let is_known = rows.iter().any(|row| line.starts_with(row));
            assert!(is_known, "{document} has a row that nothing in code stands for: {line}");
        }
    }

    /// Checks that a document says this, however its lines are broken.
    #[track_caller]
    fn says(document: &str, sentence: &str) {
        let text = text(document).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(sentence), "{document} does not say {sentence:?}");
    }

    /// Returns the first number in what a source says a constant is: for those that nobody else
    /// may see.
    #[track_caller]
    fn constant(source: &str, name: &str) -> u64 {
        let text = text(source);
        let is_it = |line: &&str| line.contains(&format!("const {name}: "));
        let line = text.lines().find(is_it).unwrap_or_else(|| panic!("no {name} in {source}"));
        let value = line.split_once('=').expect("it has a value").1;
        let digits = value.trim_start_matches(|it: char| !it.is_ascii_digit());
        let end = digits.find(|it: char| !it.is_ascii_digit()).unwrap_or(digits.len());
        digits[..end].parse().expect("a number")
    }

    #[test]
    fn metrics_are_listed_in_their_order_and_no_others() {
        let row = |metric: &Metric| {
            let Metric { name, kind, labels, help } = metric;
            let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
            let labels = if labels.is_empty() { "–".to_owned() } else { labels.join(", ") };
            format!("| `{name}` | {kind} | {labels} | {help} |")
        };
        let text = text("docs/metrics.md");
        let listed: Vec<&str> =
            text.lines().filter(|line| line.starts_with("| `process")).collect();
        let told: Vec<String> = Metric::ALL.iter().map(row).collect();
        assert_eq!(listed, told);
    }

    #[test]
    fn operations_list_every_exit_code() {
        let exits = Exit::ALL.iter().map(|exit| format!("| {} |", exit.code()));
        check("docs/operations.md", "| Exit code | Cause |", exits);
    }

    #[test]
    fn operations_list_every_problem_and_endpoint() {
        check(
            "docs/operations.md",
            "| Code | Status |",
            Code::ALL.iter().copied().map(|code| {
                let (word, status) = (code.as_str(), code.status());
                format!("| <a id=\"problem-{word}\"></a>`{word}` | {status} |")
            }),
        );
        check(
            "docs/operations.md",
            "| Endpoint | For |",
            ENDPOINTS.iter().map(|endpoint| {
                let method = match endpoint.method {
                    Method::Get => "GET",
                    Method::Post => "POST",
                    Method::Put => "PUT",
                    Method::Delete => "DELETE",
                    Method::Any => "ANY",
                };
                format!("| `{method} {}` |", endpoint.path)
            }),
        );
    }

    #[test]
    fn semantics_list_every_exit_code_and_kind_of_failure() {
        let exits = Exit::ALL.iter().map(|exit| format!("| {} |", exit.code()));
        check("docs/semantics.md", "| Code | Cause |", exits);
        // Kept for reconfiguration: today a section that does not fit stops the process at start.
        let kinds = ErrorKind::ALL.iter().copied().filter(|kind| *kind != ErrorKind::Configuration);
        let kinds = kinds.map(|kind| format!("| `{kind}` |"));
        check("docs/semantics.md", "| `error.kind` | What happened |", kinds);
    }

    fn told(rate: Rate) -> String {
        format!("{} at once, {} per second", rate.burst, rate.per_second)
    }

    #[test]
    fn semantics_tell_the_bounds_as_they_are_in_code_and_no_others() {
        let bounds = bounds().into_iter().chain(bounds_of_the_server());
        check("docs/semantics.md", "| What | Bound |", bounds);
    }

    #[test]
    fn semantics_tell_the_deadlines_as_they_are_in_code() {
        let (supervisor, process) =
            ("crates/processpype-runtime/src/supervisor.rs", "crates/processpype/src/process.rs");
        let (slack, grace) =
            (constant(supervisor, "STOP_SLACK"), constant(supervisor, "ABORT_GRACE"));
        let (late, second) = (constant(process, "DEADLINE_SLACK"), constant(process, "ABORT_TIME"));
        let reserve = ABORT_RESERVE.as_millis();
        assert_eq!(u128::from(slack + grace), reserve);
        check(
            "docs/semantics.md",
            "| When this has passed |",
            [
                "| `start_timeout` in `starting` |".to_owned(),
                format!("| `stop_timeout` + {slack} ms in `stopping` |"),
                format!("| {grace} ms after that |"),
                format!("| `closing_timeout` − {reserve} ms while closing |"),
                format!("| `closing_timeout` + {late} ms while closing |"),
                format!("| {second} ms after a second signal |"),
            ],
        );
        let says = |sentence: &str| says("docs/semantics.md", sentence);
        says(&format!("gone or an orphan within `stop_timeout` + {reserve} ms"));
        says(&format!("closing, and {} s to end the process", EXIT_SLACK.as_secs_f64()));
        says(&format!("The control plane gets {} ms after the last", SERVER_GRACE.as_millis()));
        says(&format!("the log {} ms to write", constant(process, "FLUSH_TIME")));
        let again = constant("crates/processpype/src/signals.rs", "SECOND_AFTER");
        says(&format!("that comes at least {again} ms after the first"));
        let (options, server) = (Options::default(), ServerSection::default());
        says(&format!(
            "Defaults: `start_timeout` {} s, `stop_timeout` {} s, \
             `server.closing_timeout_seconds` {} s, `server.drain_delay` {} s.",
            options.start_timeout.as_secs(),
            options.stop_timeout.as_secs(),
            server.closing_timeout_seconds,
            DRAIN_DELAY.as_secs(),
        ));
    }

    fn bounds() -> Vec<String> {
        [
            format!("| commands on their way to the supervisor | {COMMANDS_PENDING} |"),
            format!("| checks of configuration at a time | {CHECKS_AT_ONCE} |"),
            format!("| a check of configuration, and its turn | {} s |", CHECK_TIME.as_secs()),
            format!("| operations that have not ended | {OPERATIONS_PENDING} |"),
            format!("| operations kept after their end | {OPERATIONS_KEPT} |"),
            format!(
                "| a request is known by its key for | {} h |",
                IDEMPOTENCY_WINDOW.as_secs() / 3600
            ),
            format!("| repetitions that wait for one operation | {WAITERS_MAX} |"),
            format!("| generations in `starting` at a time | {STARTS_AT_ONCE} |"),
            format!(
                "| `start_timeout` and `stop_timeout` | {} days |",
                TIMEOUT_MAX.as_secs() / 86_400
            ),
            format!(
                "| restarts after failures, over all services | {} at once, {} per second |",
                RestartRate::BURST,
                RestartRate::PER_SECOND
            ),
            format!("| children of one generation | {CHILDREN_MAX} |"),
            format!("| events kept | {EVENTS_KEPT} |"),
            format!("| past generations in a status | {HISTORY_KEPT} |"),
            format!("| metadata entries of a generation | {METADATA_MAX} |"),
            format!("| a text that a service says about itself | {TEXT_MAX} bytes |"),
            format!(
                "| services that a `why` tells of | {} |",
                constant("crates/processpype-control/src/why.rs", "STEPS_MAX")
            ),
        ]
        .into()
    }

    fn bounds_of_the_server() -> Vec<String> {
        let limits = Limits::default();
        let places = "crates/processpype-control/src/places.rs";
        let apart = constant("crates/processpype-control/src/rate.rs", "CLIENTS_KEPT") - 1;
        [
            format!("| clients that these two tell apart | {apart} |"),
            format!("| connections of one listener | {} |", limits.connections),
            format!(
                "| connections of one client at a listener | {} | its own that is idle longest \
                     gives it up; until then, and for at most {} s, {} wait,",
                limits.connections_per_peer,
                constant(places, "PATIENCE"),
                constant(places, "WAITING")
            ),
            format!("| event streams of one client | {} |", limits.streams_per_peer),
            format!("| a handshake of TLS | {} s |", limits.handshake_time.as_secs()),
            format!("| rules about certificates | {CERTIFICATES_MAX} |"),
            format!("| to the first byte | {} s |", limits.first_byte_time.as_secs()),
            format!(
                "| a request's head | {} KiB, {} headers, {} s |",
                limits.header_bytes / 1024,
                limits.headers,
                limits.header_read_time.as_secs()
            ),
            format!("| a request's address | {} KiB |", limits.uri_bytes / 1024),
            format!("| between two requests | {} s |", limits.idle_time.as_secs()),
            format!(
                "| a command's body, and a pause in a service's | {} s |",
                limits.body_read_time.as_secs()
            ),
            format!(
                "| a body sent to a service, to its end | {} s |",
                limits.service_body_time.as_secs()
            ),
            format!("| a client that takes nothing | {} s |", limits.write_stall_time.as_secs()),
            format!("| what is taken of an answer, at least | {} bytes/s |", limits.answer_rate),
            format!("| commands of one client | {} |", told(limits.writes)),
            format!("| wrong tokens of one client | {} |", told(limits.failures)),
            format!("| a token | {TOKEN_LENGTH_MIN} to {TOKEN_LENGTH_MAX} characters |"),
            format!("| tokens | {TOKENS_MAX} |"),
            format!("| listeners | {LISTENERS_MAX} |"),
            format!("| event streams, those of logs included | {} |", limits.streams),
            format!(
                "| log lines kept of a service | {SERVICE_LOG_LINES}, {} KiB |",
                SERVICE_LOG_BYTES / 1024
            ),
            format!(
                "| log lines kept of the application | {WHOLE_LOG_LINES}, {} KiB |",
                WHOLE_LOG_BYTES / 1024
            ),
            format!(
                "| log lines kept of all services together | {} MiB, {SERVICE_LOGS} services |",
                SERVICE_LOGS_BYTES / (1024 * 1024)
            ),
            format!("| commands being handed over at a time | {} |", limits.commands),
            format!("| body of a command | {} KiB |", limits.body_bytes / 1024),
            format!(
                "| body sent to a service's route | {} MiB |",
                limits.service_body_bytes / (1024 * 1024)
            ),
        ]
        .into()
    }

    /// How a setting is written in the table about tuning: its name, first and longest wait in
    /// milliseconds, factor, how many restarts in how many seconds.
    type Tuning = (&'static str, u64, u64, f64, u32, u64);

    const TUNINGS: [Tuning; 6] = [
        ("default", 500, 30_000, 2.0, 5, 60),
        ("eager", 100, 1_000, 2.0, 10, 30),
        ("patient", 1_000, 60_000, 2.0, 8, 600),
        ("like systemd's defaults", 100, 100, 1.0, 5, 10),
        ("like OTP's defaults", 100, 100, 1.0, 1, 5),
        ("dead", 500, 30_000, 2.0, 10, 60),
    ];

    fn options(tuning: &Tuning) -> RestartOptions {
        let (_, initial, max, factor, restarts, within) = *tuning;
        let [initial, max] = [initial, max].map(Duration::from_millis);
        let backoff = Backoff::new(initial, max, factor, 0.0).expect("a good backoff");
        let limit = RestartLimit::new(restarts, Duration::from_secs(within));
        let limit = limit.expect("a good limit");
        RestartOptions { backoff, limit, ..RestartOptions::default() }
    }

    /// Whether a service that fails so many milliseconds after each start is ever given up.
    fn is_given_up(runs: u64, options: &RestartOptions) -> bool {
        let (mut history, mut now) = (RestartHistory::default(), 0);
        (0..200).any(|_| {
            let began = now;
            now += runs;
            match history.record(now, Some(began), options) {
                Verdict::Exhausted => return true,
                Verdict::Again { attempt } => {
                    now += options.backoff.delay(attempt, 0.0).as_millis() as u64;
                }
            }
            false
        })
    }

    #[test]
    fn the_table_about_tuning_is_what_the_code_decides() {
        let text = std::fs::read_to_string(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/semantics.md"
        ));
        let text = text.expect("the document is there");
        for tuning in &TUNINGS {
            let options = options(tuning);
            let restarts = options.limit.max_restarts().expect("it has a limit");
            let waits: Duration =
                (1..=restarts).map(|attempt| options.backoff.delay(attempt, 0.0)).sum();
            // In tenths of a second, the longest run after which it is still given up.
            let slowest = (0..600).rev().find(|runs| is_given_up(runs * 100, &options));
            let slowest = slowest
                .map_or("never".to_owned(), |tenths| format!("{:.1} s", tenths as f64 / 10.0));
            let row = text.lines().find(|line| line.starts_with(&format!("| {}", tuning.0)));
            let end = format!("| {:.1} s | {slowest} |", waits.as_secs_f64());
            assert!(row.is_some_and(|row| row.ends_with(&end)), "{}: {end} in {row:?}", tuning.0);
        }
    }

    /// The failures that are told of, and those of operations, each of which a test must hold.
    const LESSONS: std::ops::RangeInclusive<usize> = 1..=35;
    const LESSONS_OF_OPERATIONS: [usize; 13] = [2, 7, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35];

    /// Whether a source has a test of this name: a function below an attribute that makes it one.
    fn has_test(source: &str, name: &str) -> bool {
        let (function, lines) = (format!("fn {name}("), source.lines().collect::<Vec<_>>());
        let at = lines.iter().position(|line| {
            let line = line.trim_start();
            line.strip_prefix("async ").unwrap_or(line).starts_with(&function)
        });
        let attributes = |at: usize| lines[..at].iter().rev().map(|line| line.trim_start());
        at.is_some_and(|at| {
            let mut above = attributes(at).take_while(|line| line.starts_with("#["));
            above.any(|line| line == "#[test]" || line.starts_with("#[tokio::test"))
        })
    }

    #[test]
    fn every_lesson_is_there_and_every_test_that_holds_one() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..").to_owned() + "/";
        let lessons = std::fs::read_to_string(root.clone() + "docs/lessons.md");
        let lessons = lessons.expect("the document is there");
        let number = |line: &str| line.strip_prefix("| ")?.split(' ').next()?.parse().ok();
        let rows = lessons.lines().filter_map(|line| Some((number(line)?, line)));
        let rows: Vec<(usize, &str)> = rows.collect();
        let numbers: Vec<usize> = rows.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, LESSONS.collect::<Vec<_>>());
        for (number, row) in rows {
            let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
            assert_eq!(cells.len(), 5, "row {number} has five cells");
            let (mut source, mut tests) = (String::new(), 0);
            // Every second piece stands between backticks: a file, or a test in the last file.
            for word in cells[4].split('`').skip(1).step_by(2) {
                if word.ends_with(".rs") {
                    source = std::fs::read_to_string(root.clone() + word).expect(word);
                    continue;
                }
                assert!(has_test(&source, word), "row {number}: there is no test `{word}`");
                tests += 1;
            }
            let is_open = cells[4].trim() == "no test yet";
            assert_eq!(tests == 0, is_open, "row {number} names tests, or says `no test yet`");
            let may_be_open = !LESSONS_OF_OPERATIONS.contains(&number);
            assert!(may_be_open || !is_open, "row {number} needs a test");
        }
    }

    #[test]
    fn every_strategy_is_in_the_contract_and_every_file_in_the_walk() {
        let strategies = Strategy::ALL.iter().map(|strategy| format!("| `{strategy}`"));
        check("docs/semantics.md", "| `strategy` |", strategies);
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..").to_owned();
        let walk = std::fs::read_to_string(root.clone() + "/docs/supervision.md");
        let walk = walk.expect("the document is there");
        let files = std::fs::read_dir(root + "/examples/playground").expect("the folder is there");
        for file in files {
            let name = file.expect("it can be read").file_name().into_string().expect("a name");
            let is_shown = !name.ends_with(".yaml") || name == "hello.yaml" || walk.contains(&name);
            assert!(is_shown, "docs/supervision.md does not tell what {name} shows");
        }
    }
}
