//! The documents of the house: their examples are doc tests, their tables are checked here.

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
    use processpype_api::{Code, ENDPOINTS, Method};
    use processpype_control::Limits;
    use processpype_core::{ErrorKind, RestartRate};
    use processpype_runtime::{
        ABORT_RESERVE, CHILDREN_MAX, COMMANDS_PENDING, EVENTS_KEPT, HISTORY_KEPT,
        IDEMPOTENCY_WINDOW, METADATA_MAX, OPERATIONS_KEPT, OPERATIONS_PENDING, STARTS_AT_ONCE,
        TEXT_MAX, WAITERS_MAX,
    };

    use crate::exit::Exit;

    #[track_caller]
    fn check(document: &str, lines: impl IntoIterator<Item = String>) {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../..").to_owned() + "/" + document;
        let text = std::fs::read_to_string(&path).expect("the document is there");
        for line in lines {
            let begins = |found: &str| found.starts_with(&line);
            assert!(text.lines().any(begins), "{document} has no line that begins with {line:?}");
        }
    }

    #[test]
    fn operations_list_every_problem_and_endpoint() {
        check(
            "docs/operations.md",
            Code::ALL.into_iter().map(|code| {
                let (word, status) = (code.as_str(), code.status());
                format!("| <a id=\"problem-{word}\"></a>`{word}` | {status} |")
            }),
        );
        check(
            "docs/operations.md",
            ENDPOINTS.iter().map(|endpoint| {
                let method = match endpoint.method {
                    Method::Get => "GET",
                    Method::Post => "POST",
                    Method::Delete => "DELETE",
                    Method::Any => "ANY",
                };
                format!("| `{method} {}` |", endpoint.path)
            }),
        );
    }

    #[test]
    fn semantics_list_every_exit_code_and_kind_of_failure() {
        let exits = [
            Exit::Clean,
            Exit::Usage,
            Exit::AddressInUse,
            Exit::Bug,
            Exit::Configuration,
            Exit::FailedAtStart,
            Exit::FailedLater,
            Exit::Stragglers,
            Exit::SecondSignal,
        ];
        check("docs/semantics.md", exits.map(|exit| format!("| {} |", exit.code())));
        // Kept for reconfiguration: today a section that does not fit stops the process at start.
        let kinds = ErrorKind::ALL.into_iter().filter(|kind| *kind != ErrorKind::Configuration);
        check("docs/semantics.md", kinds.map(|kind| format!("| `{kind}` |")));
    }

    #[test]
    fn semantics_tell_the_bounds_as_they_are_in_code() {
        let limits = Limits::default();
        check(
            "docs/semantics.md",
            [
                format!("| `closing_timeout` − {} ms while", ABORT_RESERVE.as_millis()),
                format!("| commands on their way to the supervisor | {COMMANDS_PENDING} |"),
                format!("| operations that have not ended | {OPERATIONS_PENDING} |"),
                format!("| operations kept after their end | {OPERATIONS_KEPT} |"),
                format!(
                    "| a request is known by its key for | {} h |",
                    IDEMPOTENCY_WINDOW.as_secs() / 3600
                ),
                format!("| repetitions that wait for one operation | {WAITERS_MAX} |"),
                format!("| generations in `starting` at a time | {STARTS_AT_ONCE} |"),
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
                format!("| connections of the control plane | {} |", limits.connections),
                format!("| event streams | {} |", limits.streams),
                format!("| commands being read at a time | {} |", limits.commands),
                format!("| body of a command | {} KiB |", limits.body_bytes / 1024),
                format!(
                    "| body sent to a service's route | {} MiB |",
                    limits.service_body_bytes / (1024 * 1024)
                ),
            ],
        );
    }
}
