//! The command line that every application has.

mod args;
mod client;
mod config;
mod plain;
mod plan;
mod print;
mod warnings;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use clap::Command;
use processpype_cli::{ClientVerb, Session, written};
use processpype_runtime::contain;

use self::args::{Arguments, OwnVerb, Verb};
pub(crate) use self::plan::wire_plan;
pub(crate) use self::print::say_error;
use self::print::{Printer, say};
pub(crate) use self::warnings::log_warnings;
use crate::application::Application;
use crate::exit::Exit;
use crate::schema::{file_schema, service_docs};
use crate::setup::Setup;

/// What to do about a panic of the main thread.
pub(crate) const BUG_HELP: &str =
    "it is a bug, of this program or of the framework; RUST_BACKTRACE=1 shows more";

/// Said where `main` is called under `#[tokio::main]`.
const INSIDE_A_RUNTIME: &str = "`Application::main` makes its own runtimes, and was called inside \
    of one\n  = help: take `async` and `#[tokio::main]` off `fn main`, or, in a program with more \
    to do, use `Application::start`";

impl Application {
    /// Runs the application's own command line and returns the exit code of the process.
    ///
    /// It owns the process: signals, panic hook, log, runtimes. With no arguments it runs the
    /// application; `--help` lists the rest, and `--version` is there if code says which it is
    /// ([`version`](Self::version)). The exit codes are those of [`Exit`].
    ///
    /// It makes its own runtimes, so `fn main` is neither `async` nor under `#[tokio::main]`: in a
    /// runtime it refuses to run, with [`Exit::Bug`]. There use [`start`](Self::start).
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
        if tokio::runtime::Handle::try_current().is_ok() {
            say_error(INSIDE_A_RUNTIME);
            return Exit::Bug.into();
        }
        let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
        let code = contain(|| self.answer(&arguments)).unwrap_or_else(|panicked| {
            say_error(&format!("the program {panicked}\n  = help: {BUG_HELP}"));
            Exit::Bug.into()
        });
        match written() {
            Ok(()) => code,
            Err(error) => {
                say_error(&error.to_string());
                Exit::Unwritable.into()
            }
        }
    }

    fn answer(self, arguments: &[OsString]) -> ExitCode {
        match parse(arguments, self.sources.about.version.as_deref()) {
            Ok(parsed) => self.obey(parsed, arguments),
            Err(error) if error.use_stderr() => {
                let _ = error.print();
                Exit::Usage.into()
            }
            // `--help` and, where code says which it is, `--version` come this way.
            Err(told) => {
                say(told.render().ansi().to_string().trim_end());
                Exit::Clean.into()
            }
        }
    }

    fn obey(mut self, parsed: Arguments, written: &[OsString]) -> ExitCode {
        let Arguments { config, profile, set, json, connect, colour, verb } = parsed;
        colour.apply();
        let version = self.sources.about.version.as_deref();
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
                let whole = command(all_verbs(), written, version);
                say(processpype_cli::completions(whole, *shell).trim_end());
                return Exit::Clean.into();
            }
            OwnVerb::Man => {
                let whole = command(all_verbs(), written, version);
                say(processpype_cli::man_page(whole).trim_end());
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
        let setup = match &verb {
            OwnVerb::Run | OwnVerb::Check => self.setup_here(),
            _ => self.setup(),
        };
        match setup {
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
/// First without the tree, then with as little of it as can be, since the whole one takes longer
/// than everything else that is read at a start. What that does not take, help and mistakes among
/// it, is the whole tree's to answer.
fn parse(written: &[OsString], version: Option<&str>) -> Result<Arguments, clap::Error> {
    if let Some(arguments) = plain::read(written) {
        return Ok(arguments);
    }
    let read = |verbs| parse_with(verbs, written, version);
    read(named(OwnVerb::commands(), written))
        .or_else(|_| read(named(all_verbs(), written)))
        .or_else(|_| read(all_verbs()))
}

fn parse_with(
    verbs: Vec<Command>,
    written: &[OsString],
    version: Option<&str>,
) -> Result<Arguments, clap::Error> {
    let mut matches = command(verbs, written, version).try_get_matches_from(written)?;
    Ok(Arguments::read(&mut matches))
}

fn all_verbs() -> Vec<Command> {
    let mut verbs = OwnVerb::commands();
    verbs.append(&mut ClientVerb::commands());
    verbs
}

/// Those verbs alone whose name is written somewhere.
fn named(mut verbs: Vec<Command>, written: &[OsString]) -> Vec<Command> {
    verbs.retain(|verb| {
        let mut names = std::iter::once(verb.get_name()).chain(verb.get_all_aliases());
        names.any(|name| written.iter().any(|word| word == name))
    });
    verbs
}

/// The command line with these verbs, named after the program.
fn command(verbs: Vec<Command>, written: &[OsString], version: Option<&str>) -> Command {
    let mut command = Arguments::command().subcommands(verbs);
    if let Some(version) = version {
        command = command.version(version.to_owned());
    }
    let program = written.first().map(Path::new).and_then(Path::file_stem).and_then(OsStr::to_str);
    match program {
        Some(name) => command.name(name.to_owned()).bin_name(name.to_owned()),
        None => command,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a part takes is taken in the same way by the whole, and what none takes is the whole's.
    #[track_caller]
    fn check(line: &str, by_own: bool, by_part: bool) {
        check_versioned(line, None, by_own, by_part);
        check_versioned(line, Some("1.2.3"), by_own, by_part);
    }

    #[track_caller]
    fn check_versioned(line: &str, version: Option<&str>, by_own: bool, by_part: bool) {
        let written: Vec<OsString> = line.split(' ').map(Into::into).collect();
        let parse_as = |verbs| parse_with(verbs, &written, version);
        let own = parse_as(named(OwnVerb::commands(), &written));
        assert_eq!(own.is_ok(), by_own, "{line}");
        let of_part = parse_as(named(all_verbs(), &written));
        assert_eq!(of_part.is_ok(), by_part, "{line}");
        let shown = |parsed: Result<Arguments, clap::Error>| match parsed {
            Ok(arguments) => format!("{arguments:?}"),
            Err(error) => error.render().ansi().to_string(),
        };
        let whole = shown(parse_as(all_verbs()));
        assert_eq!(shown(parse(&written, version)), whole, "{line}");
        for part in own.into_iter().chain(of_part).chain(plain::read(&written)) {
            assert_eq!(shown(Ok(part)), whole, "{line}");
        }
    }

    /// Whether a line is read without the tree, and then as by the tree.
    #[track_caller]
    fn check_plain(line: &str, by_words: bool) {
        let written: Vec<OsString> = line.split(' ').map(Into::into).collect();
        let read = plain::read(&written).map(|arguments| format!("{arguments:?}"));
        assert_eq!(read.is_some(), by_words, "{line}");
        let whole = parse_with(all_verbs(), &written, None);
        let whole = whole.map(|arguments| format!("{arguments:?}")).ok();
        assert!(read.is_none() || read == whole, "{line}: {read:?}, and not {whole:?}");
    }

    #[test]
    fn the_words_of_a_platform_need_no_tree() {
        for line in [
            "shop",
            "shop run",
            "shop --config a.yaml",
            "shop -c run -p check -s a.b=status",
            "shop run --config a.yaml --set a.b=1 -s c.d= --profile prod",
            "shop run --config status -s a=-1",
        ] {
            check_plain(line, true);
        }
    }

    #[test]
    fn all_other_words_are_left_to_the_tree() {
        for line in [
            "shop check",
            "shop --config a.yaml run",
            "shop run run",
            "shop run --json",
            "shop run --config",
            "shop run --config=a.yaml",
            "shop run -ca.yaml",
            "shop run --confi a.yaml",
            "shop run --config a.yaml -c b.yaml",
            "shop run -p a -p b",
            "shop run --set a",
            "shop run --set a..b=1",
            "shop run --set -a=1",
            "shop run -c --help",
            "shop run --profile -",
            "shop -c ",
            "shop run -- run",
            "shop --color never",
            "shop --url http://127.0.0.1:1",
            "shop --help",
            "shop -V",
        ] {
            check_plain(line, false);
        }
    }

    #[test]
    fn a_version_is_told_only_where_code_says_it() {
        let written = ["shop", "--version"].map(OsString::from);
        let told = parse(&written, Some("1.2.3")).expect_err("it ends there");
        assert_eq!((told.to_string().as_str(), told.use_stderr()), ("shop 1.2.3\n", false));
        assert!(parse(&written, None).expect_err("there is none").use_stderr());
    }

    #[test]
    fn own_verbs_need_only_their_part_of_the_tree() {
        for line in [
            "shop",
            "shop run",
            "shop --config a.yaml --set a.b=1",
            "shop run --config a.yaml --set a.b=1 --set c.d=status",
            "shop run --config status",
            "shop --json -c status check",
            "shop plan --remote --url http://127.0.0.1:1",
            "shop config --remote",
            "shop config --remote status",
            "shop completions bash",
            "shop man --color never",
        ] {
            check(line, true, true);
        }
    }

    #[test]
    fn client_verbs_need_only_their_part_of_the_tree() {
        for line in [
            "shop status",
            "shop retry run",
            "shop start check --wait 1s --json",
            "shop -c a.yaml stop web --wait 1s",
            "shop logs -f --level warn",
        ] {
            check(line, false, true);
        }
    }

    #[test]
    fn everything_else_is_answered_by_the_whole_tree() {
        for line in [
            "shop --help",
            "shop -h",
            "shop run --help",
            "shop help",
            "shop --version",
            "shop statsu",
            "shop ru",
            "shop run status",
            "shop stop",
            "shop stop --cascad web",
            "shop --cnfig a.yaml",
            "shop config --remote a b",
            "shop completions",
            "shop completions fsh",
        ] {
            check(line, false, false);
        }
    }
}
