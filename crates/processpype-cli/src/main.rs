//! The program `processpype`: asks a running application, without any Rust code.
//!
//! # Invariants
//!
//! 1. It knows no application: what it can do, every application's own command line can do too.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};
use processpype_cli::{
    ClientExit, ClientVerb, ColourArgs, ConnectArgs, ContextVerb, Session, Shell, ask, ask_config,
    ask_plan, client_exit_codes, completions, context, man_page, say, shell_argument, written,
    written_shell,
};

/// What was written.
#[derive(Debug)]
struct Arguments {
    connect: ConnectArgs,
    colour: ColourArgs,
    json: bool,
    verb: Verb,
}

#[derive(Debug)]
enum Verb {
    Client(ClientVerb),
    Plan,
    Config { name: Option<String> },
    Context(ContextVerb),
    Completions { shell: Shell },
    Man,
}

fn main() -> ExitCode {
    let exit = match command().try_get_matches() {
        Ok(mut written) => Arguments::read(&mut written).map_or(ClientExit::Usage, obey),
        Err(error) if error.use_stderr() => {
            let _ = error.print();
            ClientExit::Usage
        }
        // `--help` and `--version` come this way.
        Err(told) => {
            say(told.render().ansi().to_string().trim_end());
            ClientExit::Done
        }
    };
    match written() {
        Ok(()) => exit.into(),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ClientExit::Unwritable.into()
        }
    }
}

fn obey(arguments: Arguments) -> ClientExit {
    let Arguments { connect, colour, json, verb } = arguments;
    colour.apply();
    let session = Session { connect: &connect, json, own: None };
    let text = match verb {
        Verb::Client(verb) => return ask(&verb, &session),
        Verb::Plan => return ask_plan(&session),
        Verb::Config { name } => return ask_config(&session, name.as_deref()),
        Verb::Context(verb) => return context(&verb, connect.contexts.as_deref(), json),
        Verb::Completions { shell } => completions(command(), shell),
        Verb::Man => man_page(command()),
    };
    say(text.trim_end());
    ClientExit::Done
}

fn command() -> Command {
    let command = Command::new("processpype")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Ask a running Processpype application, and command it")
        .after_help(format!("Exit codes: {}", client_exit_codes()))
        .disable_help_subcommand(true)
        .max_term_width(100)
        .subcommand_required(true)
        .arg_required_else_help(true);
    let json = "Print what the application answers, as JSON";
    let json = Arg::new("json").long("json").help(json).action(ArgAction::SetTrue);
    ColourArgs::add_to(ConnectArgs::add_to(command))
        .arg(json.global(true))
        .subcommands(ClientVerb::commands())
        .subcommands(own_commands())
}

fn own_commands() -> [Command; 5] {
    let plan = "Show in what order services start and stop, and how long that takes at worst";
    let config = "Show what is configured, of a service or of all, and where every value is from";
    let context = "List, show and choose contexts: applications that are asked by a name";
    let name = Arg::new("name").value_name("NAME").help("The service");
    let name = name.value_parser(clap::builder::NonEmptyStringValueParser::new());
    let completions = "Print the script that lets a shell complete this command line";
    [
        Command::new("plan").about(plan),
        Command::new("config").about(config).arg(name),
        Command::new("context")
            .about(context)
            .subcommand_required(true)
            .arg_required_else_help(true)
            .subcommands(ContextVerb::commands()),
        Command::new("completions").about(completions).arg(shell_argument()),
        Command::new("man").about("Print the manual page"),
    ]
}

// === impl Arguments ===

impl Arguments {
    /// `None` without a verb, which clap lets nobody write.
    fn read(written: &mut ArgMatches) -> Option<Self> {
        let (name, mut of_verb) = written.remove_subcommand()?;
        Some(Self {
            connect: ConnectArgs::read(written),
            colour: ColourArgs::read(written),
            json: written.get_flag("json"),
            verb: Verb::read(&name, &mut of_verb)?,
        })
    }
}

// === impl Verb ===

impl Verb {
    fn read(name: &str, written: &mut ArgMatches) -> Option<Self> {
        match name {
            "plan" => Some(Self::Plan),
            "config" => Some(Self::Config { name: written.remove_one("name") }),
            "context" => {
                let (name, mut written) = written.remove_subcommand()?;
                ContextVerb::read(&name, &mut written).map(Self::Context)
            }
            "completions" => Some(Self::Completions { shell: written_shell(written)? }),
            "man" => Some(Self::Man),
            name => ClientVerb::read(name, written).map(Self::Client),
        }
    }
}
