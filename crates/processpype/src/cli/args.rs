//! What can be written on the command line.
//!
//! # Invariants
//!
//! 1. What a part of the tree takes, the whole takes in the same way: a verb is found by its name
//!    or an alias, never by a beginning of one or by a flag.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::builder::{StringValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use processpype_cli::{
    ClientVerb, ColourArgs, ConnectArgs, Shell, client_exit_codes, shell_argument, written_shell,
};

use crate::exit::exit_codes;

/// What was written.
#[derive(Debug)]
pub(super) struct Arguments {
    pub(super) config: Option<PathBuf>,
    pub(super) profile: Option<String>,
    pub(super) set: Vec<String>,
    pub(super) json: bool,
    pub(super) connect: ConnectArgs,
    pub(super) colour: ColourArgs,
    /// `None` if no verb was written.
    pub(super) verb: Option<Verb>,
}

/// Every verb.
#[derive(Clone, Debug)]
pub(super) enum Verb {
    Own(OwnVerb),
    Client(ClientVerb),
}

/// The verbs that ask no running application, or not always.
#[derive(Clone, Debug)]
pub(super) enum OwnVerb {
    Run,
    Check,
    Plan {
        remote: bool,
    },
    Schema,
    Openapi,
    /// With `remote`, of one service, or of all if that is empty.
    Config {
        remote: Option<String>,
    },
    Completions {
        shell: Shell,
    },
    Man,
}

/// Reads `KEY=VALUE`: a path of keys, and a value that is the configuration's to judge.
#[derive(Clone, Copy, Debug)]
pub(super) struct AssignmentParser;

// === impl Arguments ===

impl Arguments {
    /// Returns the command line without any verb.
    pub(super) fn command() -> Command {
        let about = "Run this application, look at what it would do, or ask and command one that \
                     runs";
        let codes = format!(
            "Exit codes of what runs or checks the application: {}\nExit codes of what asks a \
             running one: {}",
            exit_codes(),
            client_exit_codes()
        );
        let command = Command::new(env!("CARGO_PKG_NAME"))
            .about(about)
            .long_about(format!("{about}.\n\nWithout a command, the application runs."))
            .after_help(codes)
            .disable_help_subcommand(true)
            .max_term_width(100)
            .args(own_arguments());
        ColourArgs::add_to(ConnectArgs::add_to(command))
    }

    pub(super) fn read(written: &mut ArgMatches) -> Self {
        let verb = written.remove_subcommand();
        Self {
            config: written.remove_one("config"),
            profile: written.remove_one("profile"),
            set: written.remove_many("set").map(Iterator::collect).unwrap_or_default(),
            json: written.get_flag("json"),
            connect: ConnectArgs::read(written),
            colour: ColourArgs::read(written),
            verb: verb.and_then(|(name, mut written)| Verb::read(&name, &mut written)),
        }
    }
}

fn own_arguments() -> [Arg; 4] {
    let profile = "Read the profile's file too: `config.NAME.yaml` beside `config.yaml`";
    let set =
        "Set one value, such as `services.counter.step=2`; it overrides files and environment";
    let config = Arg::new("config").short('c').value_name("FILE");
    let set_values = Arg::new("set").short('s').value_name("KEY=VALUE").action(ArgAction::Append);
    [
        config
            .help("The configuration file: YAML, TOML or JSON")
            .value_parser(value_parser!(PathBuf)),
        Arg::new("profile").short('p').value_name("NAME").help(profile),
        set_values.help(set).value_parser(AssignmentParser),
        Arg::new("json").help("Print JSON").action(ArgAction::SetTrue),
    ]
    .map(|argument| {
        let name = argument.get_id().to_string();
        argument.long(name).global(true)
    })
}

// === impl Verb ===

impl Verb {
    fn read(name: &str, written: &mut ArgMatches) -> Option<Self> {
        let own = OwnVerb::read(name, written).map(Self::Own);
        own.or_else(|| ClientVerb::read(name, written).map(Self::Client))
    }
}

// === impl OwnVerb ===

impl OwnVerb {
    pub(super) fn commands() -> Vec<Command> {
        let verb = |name, about| Command::new(name).about(about);
        let remote = Arg::new("remote").long("remote");
        let plan = "The plan of the running application, instead of what the configuration says \
                    now";
        let config = "What holds in the running application, instead of what the configuration \
                      says now; of one service, or of all";
        let config = Arg::new("remote")
            .long("remote")
            .value_name("SERVICE")
            .num_args(0..=1)
            .default_missing_value("")
            .help(config);
        vec![
            verb("run", "Run the application until it is asked to stop"),
            verb("check", "Check configuration and plan, and tell every problem at once"),
            verb(
                "plan",
                "Show in what order services start and stop, and how long that takes at worst",
            )
            .arg(remote.help(plan).action(ArgAction::SetTrue)),
            verb("schema", "Print the JSON Schema of the configuration file"),
            verb("openapi", "Print the OpenAPI document of the control API"),
            verb(
                "config",
                "Show every value that holds, where it comes from and what it overrides; secrets \
                 are masked",
            )
            .arg(config),
            verb("completions", "Print the script that lets a shell complete this command line")
                .arg(shell_argument()),
            verb("man", "Print the manual page"),
        ]
    }

    fn read(name: &str, written: &mut ArgMatches) -> Option<Self> {
        Some(match name {
            "run" => Self::Run,
            "check" => Self::Check,
            "plan" => Self::Plan { remote: written.get_flag("remote") },
            "schema" => Self::Schema,
            "openapi" => Self::Openapi,
            "config" => Self::Config { remote: written.remove_one("remote") },
            "completions" => Self::Completions { shell: written_shell(written)? },
            "man" => Self::Man,
            _ => return None,
        })
    }
}

// === impl AssignmentParser ===

impl AssignmentParser {
    /// Says what is wrong with an assignment, without the text: it may be a secret.
    pub(super) fn fault(text: &str) -> Option<&'static str> {
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
