//! What the system lets this process have: told before anything else fails for the lack of it.

use std::error::Error as _;
use std::io;

use processpype_control::lacks_files;
use processpype_telemetry::TelemetryError;

use crate::exit::Exit;

/// What to do when the system has no thread or no descriptor left for the process.
const LIMITS: &str = "\n  = help: raise what the process may have: open files (`ulimit -n`, \
    `LimitNOFILE=`), threads (`ulimit -u`, `TasksMax=`), memory";

/// How many files an application opens to run at all: threads that wait, signals, a listener.
const FILES_MIN: usize = 16;

/// Checks that there is room for the files of an application without services.
///
/// # Errors
///
/// Returns what to say. What else is wrong is told by who meets it.
pub(crate) fn check_files() -> Result<(), String> {
    let pipes: io::Result<Vec<_>> = (0..FILES_MIN / 2).map(|_| io::pipe()).collect();
    match pipes {
        Err(error) if lacks_files(&error) => Err(format!(
            "cannot start: {error}; an application opens {FILES_MIN}, and each connection and most \
             services more{LIMITS}"
        )),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Says why threads cannot be started, and with which code to end: a limit that somebody has set
/// too low is no bug, and stays with the next start.
pub(crate) fn no_threads(what: &str, error: &io::Error) -> (Exit, String) {
    let exit = if lacks_files(error) { Exit::Configuration } else { Exit::Bug };
    (exit, format!("cannot start {what}: {error}{LIMITS}"))
}

/// Says why there is no log, and with which code to end: that no thread can be had is nothing that
/// the configuration says.
pub(crate) fn no_log(error: &TelemetryError) -> (Exit, String) {
    match (error, error.source()) {
        (TelemetryError::SpawnWriter { source }, _) => {
            no_threads("the thread that writes the log", source)
        }
        (error, Some(why)) => (Exit::Configuration, format!("{error}: {why}")),
        (error, None) => (Exit::Configuration, error.to_string()),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_too_low_is_no_bug() {
        const TOO_MANY_FILES: i32 = 24;
        let of = |number| no_threads("threads", &io::Error::from_raw_os_error(number));
        let (exit, text) = of(TOO_MANY_FILES);
        assert_eq!(exit, Exit::Configuration);
        assert!(text.starts_with("cannot start threads: Too many open files"), "{text}");
        assert!(text.contains("LimitNOFILE=") && text.contains("ulimit -n"), "{text}");
        const NO_MEMORY: i32 = 12;
        assert_eq!(of(NO_MEMORY).0, Exit::Bug);
    }

    #[test]
    fn a_log_that_cannot_be_had_says_what_the_system_said() {
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        let (exit, text) = no_log(&TelemetryError::SpawnWriter { source: denied() });
        let begin = "cannot start the thread that writes the log: permission denied\n  = help: ";
        assert!(exit == Exit::Bug && text.starts_with(begin), "{text}");
        let path = "app.log".into();
        let (exit, text) = no_log(&TelemetryError::OpenFile { path, source: denied() });
        let told = "cannot open the log file app.log for appending: permission denied";
        assert_eq!((exit, &*text), (Exit::Configuration, told));
    }
}
