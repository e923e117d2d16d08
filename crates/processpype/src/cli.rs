//! The command line that every application has.

mod args;
mod client;
mod config;
mod plan;
mod print;
mod warnings;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use clap::{Command, CommandFactory as _, FromArgMatches as _, Subcommand};
use processpype_cli::Session;

use self::args::{Arguments, OwnVerb, Verb};
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
        let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
        match parse(&arguments) {
            Ok(parsed) => self.obey(parsed, &arguments),
            Err(error) => {
                // `--help` and `--version` come this way too.
                let _ = error.print();
                if error.use_stderr() { Exit::Usage.into() } else { Exit::Clean.into() }
            }
        }
    }

    fn obey(mut self, parsed: Arguments<Verb>, written: &[OsString]) -> ExitCode {
        let Arguments { config, profile, set, json, connect, colour, verb } = parsed;
        colour.apply();
        self.sources.file = config.or(self.sources.file.take());
        self.sources.profile = profile.or(self.sources.profile.take());
        self.sources.assignments.extend(set);
        let printer = Printer::new(json);
        let own = || client::target(&self);
        let session = Session { connect: &connect, json, own: Some(&own) };
        let verb = match verb.unwrap_or(Verb::Own(OwnVerb::Run)) {
            Verb::Client(verb) => return client::ask(&self, &verb, &session).into(),
            Verb::Own(verb) => verb,
        };
        match &verb {
            OwnVerb::Completions { shell } => {
                let command = command::<Verb>(written);
                say(processpype_cli::completions(command, *shell).trim_end());
                return Exit::Clean.into();
            }
            OwnVerb::Man => {
                say(processpype_cli::man_page(command::<Verb>(written)).trim_end());
                return Exit::Clean.into();
            }
            OwnVerb::Plan { remote: true } => return processpype_cli::ask_plan(&session).into(),
            OwnVerb::Config { remote: Some(service) } => {
                let service = Some(service.as_str()).filter(|name| !name.is_empty());
                return processpype_cli::ask_config(&session, service).into();
            }
            OwnVerb::Run | OwnVerb::Check | OwnVerb::Plan { remote: false } => {}
            OwnVerb::Schema | OwnVerb::Openapi | OwnVerb::Config { remote: None } => {}
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

fn obey_with(setup: Setup, verb: &OwnVerb, printer: Printer) -> ExitCode {
    match verb {
        OwnVerb::Run => return crate::process::run(setup),
        OwnVerb::Check => plan::check(&setup, printer),
        OwnVerb::Plan { .. } => plan::plan(&setup, printer),
        OwnVerb::Schema => say(&pretty(&file_schema(&setup))),
        OwnVerb::Openapi => say(&pretty(&openapi(&setup))),
        OwnVerb::Config { .. } => config::config(&setup, printer),
        OwnVerb::Completions { .. } | OwnVerb::Man => {}
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

/// Reads the arguments.
///
/// First with the tree of the application's own verbs, which costs a fifth of the whole one. What
/// that does not take, help and mistakes among it, is the whole tree's to answer.
fn parse(written: &[OsString]) -> Result<Arguments<Verb>, clap::Error> {
    match parse_as::<OwnVerb>(written) {
        Ok(arguments) => Ok(arguments.map(Verb::Own)),
        Err(_) => parse_as::<Verb>(written),
    }
}

fn parse_as<V: Subcommand>(written: &[OsString]) -> Result<Arguments<V>, clap::Error> {
    let matches = command::<V>(written).try_get_matches_from(written)?;
    Arguments::from_arg_matches(&matches)
}

/// The command line with the verbs of `V`, named after the program.
fn command<V: Subcommand>(written: &[OsString]) -> Command {
    let command = Arguments::<V>::command();
    let program = written.first().map(Path::new).and_then(Path::file_stem).and_then(OsStr::to_str);
    match program {
        Some(name) => command.name(name.to_owned()).bin_name(name.to_owned()),
        None => command,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the small tree takes is taken in the same way by the whole one.
    #[track_caller]
    fn check(line: &str, is_own: bool) {
        let written: Vec<OsString> = line.split(' ').map(Into::into).collect();
        let small = parse_as::<OwnVerb>(&written);
        assert_eq!(small.is_ok(), is_own, "{line}");
        let whole = parse_as::<Verb>(&written);
        match (small, whole, parse(&written)) {
            (Ok(small), Ok(whole), Ok(parsed)) => {
                assert_eq!(format!("{:?}", small.map(Verb::Own)), format!("{whole:?}"), "{line}");
                assert_eq!(format!("{parsed:?}"), format!("{whole:?}"), "{line}");
            }
            (Err(_), Ok(whole), Ok(parsed)) => {
                assert_eq!(format!("{parsed:?}"), format!("{whole:?}"), "{line}");
            }
            (Err(_), Err(whole), Err(parsed)) => {
                assert_eq!(parsed.to_string(), whole.to_string(), "{line}");
            }
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn own_verbs_need_only_the_small_tree() {
        for line in [
            "shop",
            "shop run",
            "shop --config a.yaml --set a.b=1",
            "shop run --config a.yaml --set a.b=1 --set c.d=status",
            "shop --json -c status check",
            "shop plan --remote --url http://127.0.0.1:1",
            "shop config --remote",
            "shop config --remote status",
            "shop completions bash",
            "shop man --color never",
        ] {
            check(line, true);
        }
    }

    #[test]
    fn everything_else_is_answered_by_the_whole_tree() {
        for line in [
            "shop status",
            "shop -c a.yaml stop web --wait 1s",
            "shop --help",
            "shop -h",
            "shop run --help",
            "shop --version",
            "shop statsu",
            "shop run status",
            "shop --cnfig a.yaml",
            "shop config --remote a b",
            "shop completions",
        ] {
            check(line, false);
        }
    }

    #[test]
    fn the_small_tree_is_the_first_part_of_the_whole_one() {
        let (small, whole) = (command::<OwnVerb>(&[]), command::<Verb>(&[]));
        let names = |command: &Command| -> Vec<String> {
            command.get_subcommands().map(|verb| verb.get_name().to_owned()).collect()
        };
        assert!(names(&whole).starts_with(&names(&small)));
        assert!(small.get_arguments().eq(whole.get_arguments()), "the global ones are the same");
    }
}
