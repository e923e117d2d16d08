//! What can be written on the command line. The doc comments are the help.
//!
//! # Invariants
//!
//! 1. What a part of the tree takes, the whole takes in the same way: a verb is found by its name
//!    or an alias, never by a beginning of one or by a flag.

use std::ffi::OsStr;
use std::path::PathBuf;

use crate::exit::exit_codes;
use clap::builder::{StringValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, Command, Parser, Subcommand};
use processpype_cli::{ClientVerb, ColourArgs, ConnectArgs, Shell, client_exit_codes};

/// Run this application, look at what it would do, or ask and command one that runs.
///
/// Without a command, the application runs.
#[derive(Debug, Parser)]
#[command(
    after_help = format!(
        "Exit codes of what runs or checks the application: {}
Exit codes of what asks a running \
         one: {}",
        exit_codes(),
        client_exit_codes()
    ),
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub(super) struct Arguments<V: Subcommand> {
    /// The configuration file: YAML, TOML or JSON.
    #[arg(short, long, value_name = "FILE", global = true)]
    pub(super) config: Option<PathBuf>,

    /// Read the profile's file too: `config.NAME.yaml` beside `config.yaml`.
    #[arg(short, long, value_name = "NAME", global = true)]
    pub(super) profile: Option<String>,

    /// Set one value, such as `services.counter.step=2`; it overrides files and environment.
    #[arg(short, long, value_name = "KEY=VALUE", global = true, value_parser = AssignmentParser)]
    pub(super) set: Vec<String>,

    /// Print JSON.
    #[arg(long, global = true)]
    pub(super) json: bool,

    #[command(flatten)]
    pub(super) connect: ConnectArgs,

    #[command(flatten)]
    pub(super) colour: ColourArgs,

    #[command(subcommand)]
    pub(super) verb: Option<V>,
}

/// Reads `KEY=VALUE`: a path of keys, and a value that is the configuration's to judge.
#[derive(Clone, Copy, Debug)]
struct AssignmentParser;

/// Every verb.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum Verb {
    #[command(flatten)]
    Own(OwnVerb),
    #[command(flatten)]
    Client(ClientVerb),
}

/// No verb at all.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum NoVerb {}

/// The verbs that ask no running application, or not always.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum OwnVerb {
    /// Run the application until it is asked to stop.
    Run,
    /// Check configuration and plan, and tell every problem at once.
    Check,
    /// Show in what order services start and stop, and how long that takes at worst.
    Plan {
        /// The plan of the running application, instead of what the configuration says now.
        #[arg(long)]
        remote: bool,
    },
    /// Print the JSON Schema of the configuration file.
    Schema,
    /// Print the OpenAPI document of the control API.
    Openapi,
    /// Show every value that holds, where it comes from and what it overrides; secrets are masked.
    Config {
        /// What holds in the running application, instead of what the configuration says now; of
        /// one service, or of all.
        #[arg(long, value_name = "SERVICE", num_args = 0..=1, default_missing_value = "")]
        remote: Option<String>,
    },
    /// Print the script that lets a shell complete this command line.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page.
    Man,
}

// === impl Arguments ===

impl<V: Subcommand> Arguments<V> {
    /// The same arguments with the verb as another type.
    pub(super) fn map<W: Subcommand>(self, verb: impl FnOnce(V) -> W) -> Arguments<W> {
        let Self { config, profile, set, json, connect, colour, verb: of } = self;
        Arguments { config, profile, set, json, connect, colour, verb: of.map(verb) }
    }
}

// === impl AssignmentParser ===

impl AssignmentParser {
    /// Says what is wrong with an assignment, without the text: it may be a secret.
    fn fault(text: &str) -> Option<&'static str> {
        match text.split_once('=') {
            None => Some("it has no `=`"),
            Some((path, _)) if path.trim().split('.').any(str::is_empty) => {
                Some("it needs a path of keys before the `=`")
            }
            Some(_) => None,
        }
    }
}

impl TypedValueParser for AssignmentParser {
    type Value = String;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        let text = StringValueParser::new().parse_ref(command, argument, value)?;
        let Some(fault) = Self::fault(&text) else { return Ok(text) };
        let message = format!(
            "invalid value for '--set <KEY=VALUE>': {fault}; write \
             --set services.my_service.port=9000\n"
        );
        Err(clap::Error::raw(ErrorKind::ValueValidation, message).with_cmd(command))
    }
}
