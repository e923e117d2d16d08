//! Whether there is colour.

use clap::{ArgMatches, Command};

use crate::argument::{Word, option, word, words};
use crate::connect::HEADING;

/// The flag that says whether there is colour.
///
/// ```
/// use clap::Command;
/// use processpype_cli::{Colour, ColourArgs};
///
/// let program = ColourArgs::add_to(Command::new("program"));
/// let mut written = program.get_matches_from(["program", "--color", "never"]);
/// assert_eq!(ColourArgs::read(&mut written).color, Colour::Never);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ColourArgs {
    /// Colour: `always`, `never`, or `auto`, which heeds NO_COLOR, CLICOLOR and CLICOLOR_FORCE.
    pub color: Colour,
}

/// When there is colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    /// Where somebody sees it, and nobody has said no.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

// === impl ColourArgs ===

impl ColourArgs {
    /// Returns the command with this flag, which its subcommands have as well.
    #[must_use]
    pub fn add_to(command: Command) -> Command {
        let color = "Colour: `always`, `never`, or `auto`, which heeds NO_COLOR, CLICOLOR and \
                     CLICOLOR_FORCE";
        let color = option("color", "WHEN", color)
            .value_parser(words(&Colour::WORDS))
            .hide_possible_values(true)
            .default_value("auto");
        command.next_help_heading(HEADING).arg(color.global(true))
    }

    /// Reads what was written for a command with this flag.
    ///
    /// # Panics
    ///
    /// If the command does not have it.
    #[must_use]
    pub fn read(written: &mut ArgMatches) -> Self {
        Self { color: word(written, "color", &Colour::WORDS).unwrap_or_default() }
    }

    /// Makes it so for everything that this process prints from here on.
    pub fn apply(self) {
        let choice = match self.color {
            Colour::Auto => anstream::ColorChoice::Auto,
            Colour::Always => anstream::ColorChoice::Always,
            Colour::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}

// === impl Colour ===

impl Colour {
    const WORDS: [Word<Self>; 3] = [
        ("auto", "Where somebody sees it, and nobody has said no", Self::Auto),
        ("always", "Everywhere", Self::Always),
        ("never", "Nowhere", Self::Never),
    ];
}
