//! Whether there is colour.

use clap::{Args, ValueEnum};

use crate::connect::HEADING;

/// The flag that says whether there is colour.
///
/// ```
/// use clap::Parser;
/// use processpype_cli::{Colour, ColourArgs};
///
/// #[derive(Parser)]
/// struct Arguments {
///     #[command(flatten)]
///     colour: ColourArgs,
/// }
///
/// let arguments = Arguments::parse_from(["program", "--color", "never"]);
/// assert_eq!(arguments.colour.color, Colour::Never);
/// ```
#[derive(Args, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = HEADING)]
pub struct ColourArgs {
    /// Colour: `always`, `never`, or `auto`, which heeds NO_COLOR, CLICOLOR and CLICOLOR_FORCE.
    #[arg(
        long,
        value_name = "WHEN",
        value_enum,
        default_value_t,
        global = true,
        hide_possible_values = true
    )]
    pub color: Colour,
}

/// When there is colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
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
