//! The text of a configuration file.
//!
//! # Invariants
//!
//! 1. At most [`MAX_FILE_BYTES`] and one more are read, and no named pipe is waited for.
//!
//! # Pipes
//!
//! To open a named pipe waits until somebody writes to it, perhaps for ever: it is refused. Whoever
//! wants to make the text on the way links a name that says the notation to `/dev/stdin`.

use std::io::Read as _;
use std::path::Path;

use crate::limits::MAX_FILE_BYTES;
use crate::loader::Format;
use crate::origin::Origin;
use crate::report::Problem;

/// Returns the notation that the end of a file's name says, in whatever case: nothing is guessed
/// from the text.
pub(crate) fn format_of(path: &Path) -> Result<Format, Box<Problem>> {
    let ending = path.extension().and_then(|extension| extension.to_str());
    match ending.map(str::to_ascii_lowercase).as_deref() {
        Some("yaml" | "yml") => Ok(Format::Yaml),
        Some("toml") => Ok(Format::Toml),
        Some("json") => Ok(Format::Json),
        // Whoever names a directory has not chosen a wrong ending.
        _ if path.is_dir() => Err(directory(path)),
        _ => Err(unreadable(path, "the notation is not known from the file's name")
            .map_help("name it .yaml, .yml, .toml or .json")),
    }
}

/// Reads one byte more than the limit, so that a file that grows while it is read is caught too.
pub(crate) fn text(path: &Path) -> Result<String, Box<Problem>> {
    if is_named_pipe(path) {
        let problem = unreadable(path, "the configuration file is a named pipe");
        return Err(problem.map_help("name an ordinary file: a pipe is waited for without an end"));
    }
    let file = std::fs::File::open(path).map_err(|error| io_problem(path, &error))?;
    if file.metadata().is_ok_and(|data| data.is_dir()) {
        return Err(directory(path));
    }
    let limit = u64::try_from(MAX_FILE_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(|error| io_problem(path, &error))?;
    String::from_utf8(bytes).map_err(|error| not_utf8(path, error.as_bytes(), error.utf8_error()))
}

/// Whether nobody may ever write what would be read: to open such a file waits for a writer. A pipe
/// without a name (`/dev/stdin`, `<(…)`) is open already, and has no path of its own.
#[cfg(unix)]
fn is_named_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    std::fs::metadata(path).is_ok_and(|data| data.file_type().is_fifo())
        && std::fs::canonicalize(path).is_ok()
}

#[cfg(not(unix))]
fn is_named_pipe(_: &Path) -> bool {
    false
}

fn directory(path: &Path) -> Box<Problem> {
    unreadable(path, "the configuration file is a directory").map_help("name a file in it")
}

fn io_problem(path: &Path, error: &std::io::Error) -> Box<Problem> {
    use std::io::ErrorKind;
    let (message, help) = match error.kind() {
        ErrorKind::NotFound => (
            "the configuration file does not exist",
            "check the path, or leave it out to run without a file",
        ),
        ErrorKind::PermissionDenied => (
            "the configuration file may not be read",
            "give this process's user the permission to read it",
        ),
        _ => ("the configuration file cannot be read", "check that it is an ordinary file"),
    };
    let problem = unreadable(path, message).map_help(help);
    let problem = problem.note(error.to_string());
    // What is missing is then another name than the one that is told.
    Box::new(match std::fs::read_link(path) {
        Ok(aim) if error.kind() == ErrorKind::NotFound => {
            problem.note(format!("it is a link to {}", aim.display()))
        }
        _ => problem,
    })
}

/// Points at the first byte that is no UTF-8, in characters, as an editor counts.
fn not_utf8(path: &Path, bytes: &[u8], error: std::str::Utf8Error) -> Box<Problem> {
    let before = &bytes[..error.valid_up_to()];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |feed| feed + 1);
    let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
    let (line, column) = (u32::try_from(line), u32::try_from(column));
    let origin = Origin::file(path, line.unwrap_or(u32::MAX), column.unwrap_or(u32::MAX));
    Problem::new("not valid UTF-8").at(origin).map_help("save the file as UTF-8")
}

fn unreadable(path: &Path, message: &str) -> Problem {
    Problem::new(message).at(Origin::whole_file(path))
}

/// Boxing with a remedy, for results whose error is a problem.
trait MapHelp {
    fn map_help(self, help: &str) -> Box<Problem>;
}

impl MapHelp for Problem {
    fn map_help(self, help: &str) -> Box<Problem> {
        Box::new(self.help(help))
    }
}
