//! What a command line tells to shells and to `man`.

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Arg, ArgMatches, Command, ValueEnum as _};
use clap_complete::Shell;

use crate::argument::{place, text};

/// Returns the argument that names a shell.
#[must_use]
pub fn shell_argument() -> Arg {
    let words = Shell::value_variants().iter().filter_map(Shell::to_possible_value);
    let words: Vec<PossibleValue> = words.collect();
    let shell = place("shell", "SHELL", "The shell");
    shell.required(true).value_parser(PossibleValuesParser::new(words))
}

/// Returns the shell that was written for [`shell_argument`].
///
/// ```
/// use clap::Command;
/// use clap_complete::Shell;
/// use processpype_cli::{shell_argument, written_shell};
///
/// let program = Command::new("program").arg(shell_argument());
/// let mut written = program.get_matches_from(["program", "zsh"]);
/// assert_eq!(written_shell(&mut written), Some(Shell::Zsh));
/// ```
#[must_use]
pub fn written_shell(written: &mut ArgMatches) -> Option<Shell> {
    text(written, "shell")?.parse().ok()
}

/// Returns the script that lets a shell complete the command line of `command`.
///
/// ```
/// use clap::Command;
/// use clap_complete::Shell;
///
/// let script = processpype_cli::completions(Command::new("shop"), Shell::Bash);
/// assert!(script.contains("complete -F _shop"));
/// ```
#[must_use]
pub fn completions(mut command: Command, shell: Shell) -> String {
    let (name, mut script) = (command.get_name().to_owned(), Vec::new());
    clap_complete::generate(shell, &mut command, name, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Returns the manual page of `command`, for `man -l -`.
///
/// ```
/// use clap::Command;
///
/// assert!(processpype_cli::man_page(Command::new("shop")).contains(".TH shop 1"));
/// ```
#[must_use]
pub fn man_page(command: Command) -> String {
    let mut page = Vec::new();
    // Writing to memory does not fail.
    let _ = clap_mangen::Man::new(command).render(&mut page);
    String::from_utf8_lossy(&page).into_owned()
}
