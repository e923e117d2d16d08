//! The program `processpype`: asks a running application, without any Rust code.
//!
//! # Invariants
//!
//! 1. It knows no application: what it can do, every application's own command line can do too.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use processpype_cli::{
    ClientExit, ClientVerb, ColourArgs, ConnectArgs, ContextVerb, Session, Shell, ask, ask_config,
    ask_plan, client_exit_codes, completions, context, man_page, say, written,
};

/// Ask a running Processpype application, and command it.
#[derive(Debug, Parser)]
#[command(
    name = "processpype",
    version,
    after_help = format!("Exit codes: {}", client_exit_codes()),
    disable_help_subcommand = true,
    max_term_width = 100
)]
struct Arguments {
    #[command(flatten)]
    connect: ConnectArgs,

    #[command(flatten)]
    colour: ColourArgs,

    /// Print what the application answers, as JSON.
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    #[command(flatten)]
    Client(ClientVerb),
    /// Show in what order services start and stop, and how long that takes at worst.
    Plan,
    /// Show what is configured, of a service or of all, and where every value is from.
    Config {
        /// The service.
        name: Option<String>,
    },
    /// List, show and choose contexts: applications that are asked by a name.
    Context {
        #[command(subcommand)]
        verb: ContextVerb,
    },
    /// Print the script that lets a shell complete this command line.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page.
    Man,
}

fn main() -> ExitCode {
    let exit = match Arguments::try_parse() {
        Ok(arguments) => obey(arguments),
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
        Verb::Context { verb } => return context(&verb, connect.contexts.as_deref(), json),
        Verb::Completions { shell } => completions(Arguments::command(), shell),
        Verb::Man => man_page(Arguments::command()),
    };
    say(text.trim_end());
    ClientExit::Done
}
