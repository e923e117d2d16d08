//! Where a client's verbs print. Nothing else in this crate writes.
//!
//! # Invariants
//!
//! 1. Answers go to standard output; errors, progress and what is lost go to standard error.
//! 2. Colour is for terminals, and for nobody who set `NO_COLOR`: `anstream` sees to both.
//! 3. With `--json`, standard output has what the application answered, byte by byte, and a line
//!    feed; several answers are the items of one list.
//! 4. The first failure of standard output is kept, for this thread, until [`written`] asks for it:
//!    every verb prints on one thread, and asks at its end. Nothing is printed after it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{self, ErrorKind, IsTerminal as _, Write};

use anstyle::{AnsiColor, Style};
use processpype_api::ServiceState;

use crate::clean::clean;
use crate::error::{ClientError, Fault};

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const ERROR: Style = AnsiColor::Red.on_default().bold();
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// Standard output cannot be written.
#[derive(Debug)]
pub struct Unwritten(io::Error);

thread_local! {
    /// Why standard output takes nothing more.
    static FAILED: RefCell<Option<io::Error>> = const { RefCell::new(None) };

    /// Whether anything was printed that may still be in the line buffer.
    static SAID: Cell<bool> = const { Cell::new(false) };
}

/// Prints a line to standard output, with colours if that is a terminal.
///
/// That it cannot be written is told by [`written`].
pub fn say(text: &str) {
    print(|| writeln!(anstream::stdout().lock(), "{text}"));
}

/// Prints what the application answered, as it is.
pub(crate) fn say_raw(text: &str) {
    let end: &[u8] = if text.ends_with('\n') { b"" } else { b"\n" };
    print(|| {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.write_all(end)
    });
}

fn print(write: impl FnOnce() -> io::Result<()>) {
    SAID.set(true);
    FAILED.with_borrow_mut(|failed| {
        if failed.is_none() {
            *failed = write().err();
        }
    });
}

/// Returns whether standard output takes nothing more: whoever prints on and on can end.
pub(crate) fn is_over() -> bool {
    FAILED.with_borrow(Option::is_some)
}

/// Returns whether all that this thread has said since the last call was written.
///
/// That a reader has gone is no failure: it has what it wanted (`| head -1`).
///
/// ```
/// processpype_cli::say("a line");
/// assert!(processpype_cli::written().is_ok());
/// ```
///
/// # Errors
///
/// Returns [`Unwritten`] if a line was not written.
pub fn written() -> Result<(), Unwritten> {
    // What the line buffer still holds is told as well. Who has said nothing does not ask for the
    // lock: a log that nobody reads may hold it for ever.
    if SAID.take() {
        print(|| io::stdout().lock().flush());
        SAID.set(false);
    }
    match FAILED.take() {
        Some(error) if error.kind() != ErrorKind::BrokenPipe => Err(Unwritten(error)),
        _ => Ok(()),
    }
}

/// Prints a remark to standard error.
pub(crate) fn remark(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Prints an error and what to do about it.
pub(crate) fn say_error(error: &ClientError) {
    let code = match error {
        ClientError::Problem(told) => format!("[{}]", told.code),
        _ => String::new(),
    };
    let mut text = format!("{ERROR}error{code}{ERROR:#}: {error}");
    let faults = match error {
        ClientError::Problem(told) => told.errors.as_slice(),
        _ => &[],
    };
    faults.iter().filter(|it| it.is_of_request()).for_each(|it| text.push_str(&line(it)));
    if let Some(help) = error.help() {
        text.push_str(&format!("\n  = help: {help}"));
    }
    faults.iter().filter(|it| !it.is_of_request()).for_each(|it| text.push_str(&as_at_start(it)));
    remark(&text);
}

/// The widest number of a line, and a space.
const GUTTER_MAX: usize = 11;

/// How a help begins that names a near word.
const MEANT: &str = "did you mean ";

/// Shows what is wrong in the files, the way in which an application that does not start says it.
fn as_at_start(fault: &Fault) -> String {
    let Fault { path, message, help, valid, origin, excerpt, notes } = fault;
    let whose = match path.is_empty() || message.contains(path.as_str()) {
        true => String::new(),
        false => format!("in `{path}`: "),
    };
    let mut lines = message.split('\n');
    let first = lines.next().unwrap_or_default();
    let mut text = format!("\n\n{ERROR}error{ERROR:#}: {whose}{first}");
    // Indented, whatever was sent: no line of it can be taken for the text of another error.
    lines.for_each(|line| text.push_str(&format!("\n   {}", line.trim_start())));
    origin.iter().for_each(|origin| text.push_str(&format!("\n  --> {origin}")));
    excerpt.iter().for_each(|line| text.push_str(&format!("\n{line}")));
    let bar = excerpt.first().and_then(|line| line.find('|'));
    let gutter = bar.map_or(3, |bar| bar.min(GUTTER_MAX));
    let mut add = |word, it: &str| {
        let mut lines = it.split('\n');
        let first = lines.next().unwrap_or_default();
        text.push_str(&format!("\n{:gutter$}= {word}: {first}", ""));
        // Indented, as those of the message.
        lines.for_each(|line| text.push_str(&format!("\n{:gutter$}    {line}", "")));
    };
    notes.iter().for_each(|note| add("note", note));
    // Which word was meant stands before all that could be, as at a start.
    let (meant, rest): (Vec<_>, Vec<_>) = help.iter().partition(|it| it.starts_with(MEANT));
    meant.iter().for_each(|help| add("help", help));
    if !valid.is_empty() {
        add("valid", &valid.join(", "));
    }
    rest.iter().for_each(|help| add("help", help));
    text
}

/// Shows where something in a request is wrong, what, and what would be right.
fn line(fault: &Fault) -> String {
    let at = fault.origin.as_deref().filter(|at| !at.starts_with("request body"));
    let at = at.map_or(String::new(), |at| format!(" at {at}"));
    let first = |help: &String| help.lines().next().map(|it| it.trim_end_matches(':').to_owned());
    let help = fault.help.as_ref().and_then(first).map_or(String::new(), |it| format!(" ({it})"));
    let valid = match &fault.valid[..] {
        [] => String::new(),
        valid => format!("\n      valid: {}", valid.join(", ")),
    };
    // What is wrong in a request is told in one line.
    format!("\n  --> {}{at}: {}{help}{valid}", fault.path, clean(&fault.message))
}

/// Shows how far something is, in place of what was shown before. Only on a terminal.
pub(crate) fn progress(text: &str) {
    let mut out = anstream::stderr().lock();
    if std::io::stderr().is_terminal() {
        let _ = write!(out, "\r\u{1b}[2K{text}");
        let _ = out.flush();
    }
}

/// Returns how many columns there are, if standard output is a terminal.
pub(crate) fn width() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size()?;
    std::io::stdout().is_terminal().then_some(usize::from(width.0))
}

/// Returns the colour of a state.
pub(crate) fn style_of(state: ServiceState) -> Style {
    let colour = match state {
        ServiceState::Running => AnsiColor::Green,
        ServiceState::Starting | ServiceState::Stopping => AnsiColor::Yellow,
        ServiceState::Error => AnsiColor::Red,
        ServiceState::Stopped => return DIM,
    };
    colour.on_default()
}

// === impl Unwritten ===

impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot write to standard output: {}\n  = help: look at where it goes; if \
             it was about a command, that was given all the same, and `status` shows its effect",
            self.0
        )
    }
}

impl std::error::Error for Unwritten {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_word_was_meant_stands_before_all_that_could_be() {
        let check = |help: &str, expected: &str| {
            let fault = Fault {
                path: String::new(),
                message: "wrong".to_owned(),
                help: Some(help.to_owned()),
                valid: vec!["one".to_owned(), "two".to_owned()],
                origin: None,
                excerpt: Vec::new(),
                notes: Vec::new(),
            };
            let text = anstream::adapter::strip_str(&as_at_start(&fault)).to_string();
            assert_eq!(text, format!("\n\nerror: wrong{expected}"));
        };
        check("did you mean `one`?", "\n   = help: did you mean `one`?\n   = valid: one, two");
        check("remove it", "\n   = valid: one, two\n   = help: remove it");
        let lines = "\n   = valid: one, two\n   = help: write it there:\n       a:\n         b: …";
        check("write it there:\na:\n  b: …", lines);
    }
}
