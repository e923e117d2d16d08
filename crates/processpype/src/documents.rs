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
    use processpype_control::{Limits, Rate, TOKEN_LENGTH_MAX, TOKEN_LENGTH_MIN};
    use processpype_core::{ErrorKind, RestartRate};
    use processpype_runtime::{
        ABORT_RESERVE, CHILDREN_MAX, COMMANDS_PENDING, EVENTS_KEPT, HISTORY_KEPT, METADATA_MAX,
        OPERATIONS_PENDING, STARTS_AT_ONCE, TEXT_MAX,
    };

    use crate::access::{LISTENERS_MAX, TOKENS_MAX};
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

    fn told(rate: Rate) -> String {
        format!("{} at once, {} per second", rate.burst, rate.per_second)
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
                format!("| connections of one listener | {} |", limits.connections),
                format!("| commands of one client | {} |", told(limits.writes)),
                format!("| wrong tokens of one client | {} |", told(limits.failures)),
                format!("| a token | {TOKEN_LENGTH_MIN} to {TOKEN_LENGTH_MAX} characters |"),
                format!("| tokens | {TOKENS_MAX} |"),
                format!("| listeners | {LISTENERS_MAX} |"),
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
