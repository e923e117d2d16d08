//! The command line that every application has.

mod args;
mod client;
mod config;
mod plan;
mod print;
mod warnings;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Command, CommandFactory as _, FromArgMatches as _};
use processpype_cli::Session;

use self::args::{Arguments, Verb};
pub(crate) use self::plan::wire_plan;
pub(crate) use self::print::say_error;
use self::print::{Printer, say};
pub(crate) use self::warnings::log_warnings;
use crate::application::Application;
use crate::exit::Exit;
use crate::schema::{file_schema, service_docs};
use crate::setup::Setup;

impl Application {
    /// Runs the application's own command line and returns the exit code of the process.
    ///
    /// It owns the process: signals, panic hook, log, runtimes. With no arguments it runs the
    /// application; `--help` lists the rest. The exit codes are those of [`Exit`].
    #[must_use]
    pub fn main(self) -> ExitCode {
        self.main_with(std::env::args_os())
    }

    /// As [`main`](Self::main), with the given arguments; the first one is the program's name.
    #[must_use]
    pub fn main_with<I, T>(self, arguments: I) -> ExitCode
    where
        I: IntoIterator<Item = T>,
        T: Into<OsString> + Clone,
    {
        match parse(arguments) {
            Ok((arguments, command)) => self.obey(arguments, command),
            Err(error) => {
                // `--help` and `--version` come this way too.
                let _ = error.print();
                if error.use_stderr() { Exit::Usage.into() } else { Exit::Clean.into() }
            }
        }
    }

    fn obey(mut self, arguments: Arguments, command: Command) -> ExitCode {
        let Arguments { config, profile, set, json, connect, colour, verb } = arguments;
        colour.apply();
        self.sources.file = config.or(self.sources.file.take());
        self.sources.profile = profile.or(self.sources.profile.take());
        self.sources.assignments.extend(set);
        let printer = Printer::new(json);
        let verb = verb.unwrap_or(Verb::Run);
        match &verb {
            Verb::Completions { shell } => {
                say(processpype_cli::completions(command, *shell).trim_end());
                return Exit::Clean.into();
            }
            Verb::Man => {
                say(processpype_cli::man_page(command).trim_end());
                return Exit::Clean.into();
            }
            Verb::Client(_) | Verb::Plan { remote: true } | Verb::Config { remote: Some(_) } => {
                let own = || client::target(&self);
                let session = Session { connect: &connect, json, own: Some(&own) };
                let exit = match &verb {
                    Verb::Client(verb) => client::ask(&self, verb, &session),
                    Verb::Config { remote: Some(service) } => {
                        let service = Some(service.as_str()).filter(|name| !name.is_empty());
                        processpype_cli::ask_config(&session, service)
                    }
                    _ => processpype_cli::ask_plan(&session),
                };
                return exit.into();
            }
            Verb::Run | Verb::Check | Verb::Plan { remote: false } => {}
            Verb::Schema | Verb::Openapi | Verb::Config { remote: None } => {}
        }
        match self.setup() {
            Ok(setup) => obey_with(setup, &verb, printer),
            Err(error) => {
                printer.setup_error(&error);
                Exit::Configuration.into()
            }
        }
    }
}

fn obey_with(setup: Setup, verb: &Verb, printer: Printer) -> ExitCode {
    match verb {
        Verb::Run => return crate::process::run(setup),
        Verb::Check => plan::check(&setup, printer),
        Verb::Plan { .. } => plan::plan(&setup, printer),
        Verb::Schema => say(&pretty(&file_schema(&setup))),
        Verb::Openapi => say(&pretty(&openapi(&setup))),
        Verb::Config { .. } => config::config(&setup, printer),
        Verb::Client(_) | Verb::Completions { .. } | Verb::Man => {}
    }
    Exit::Clean.into()
}

fn openapi(setup: &Setup) -> serde_json::Value {
    let about = processpype_api::About {
        title: setup.settings.app.title.clone(),
        version: setup.settings.app.version.clone(),
        prefix: setup.settings.server.api_prefix.clone(),
    };
    processpype_api::document(&about, &service_docs(setup))
}

fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}")
}

/// Reads the arguments; the command is named after the program.
fn parse<I, T>(arguments: I) -> Result<(Arguments, Command), clap::Error>
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let mut arguments = arguments.into_iter().map(Into::into).peekable();
    let mut command = Arguments::command();
    let program = arguments.peek().map(std::path::PathBuf::from);
    let name = program.as_deref().and_then(std::path::Path::file_stem);
    if let Some(name) = name.and_then(std::ffi::OsStr::to_str) {
        command = command.name(name.to_owned()).bin_name(name.to_owned());
    }
    let matches = command.clone().try_get_matches_from(arguments)?;
    Ok((Arguments::from_arg_matches(&matches)?, command))
}
