//! The verbs that ask a running application: where that is.
//!
//! # Invariants
//!
//! 1. Of the application's own configuration only its address is read: the one that runs may be in
//!    order when the file is not.

use std::path::PathBuf;
use std::process::ExitCode;

use processpype_cli::{ClientExit, ClientVerb, Target};
use processpype_config::Report;

use super::print::{remark, say_error};
use crate::application::Application;
use crate::exit::Exit;
use crate::recorder::EventsSection;
use crate::settings::ServerSection;
use crate::setup::load;

/// Asks the running application: the one at `url`, or where the configuration says.
pub(super) fn ask(
    application: &Application,
    url: Option<Target>,
    ask: impl FnOnce(&Target) -> ClientExit,
) -> ExitCode {
    let why = match url.map_or_else(|| target(application), |url| Ok(Some(url))) {
        Ok(Some(target)) => return ask(&target).into(),
        Ok(None) => "`server.port` is 0: the running application took a free one, which its log \
                     names"
            .to_owned(),
        Err(report) => report.to_string(),
    };
    let help = "--url or PROCESSPYPE_URL say where the running application listens";
    say_error(&format!("{why}\n  = help: {help}"));
    Exit::Configuration.into()
}

/// Answers from the file of events what nobody answered, if the configuration names one.
pub(super) fn or_file(
    application: &Application,
    exit: ClientExit,
    verb: &ClientVerb,
    json: bool,
) -> ClientExit {
    let can = match verb {
        ClientVerb::Events(args) => !args.follow && args.file.is_none(),
        ClientVerb::Doctor { file } => file.is_none(),
        _ => false,
    };
    let Some(file) = events_file(application).filter(|_| can && exit == ClientExit::Unreachable)
    else {
        return exit;
    };
    remark(&format!("the file of events {} tells about the last run:", file.display()));
    processpype_cli::ask_file(verb, &file, json)
}

fn events_file(application: &Application) -> Option<PathBuf> {
    let document = load(&application.sources).ok()?;
    let section = document.root().get("observability").get("events");
    section.read::<EventsSection>().ok()?.file
}

/// Returns where this application listens, if its configuration says so.
fn target(application: &Application) -> Result<Option<Target>, Report> {
    let document = load(&application.sources)?;
    let ServerSection { host, port, api_prefix, .. } = document.root().get("server").read()?;
    Ok((port != 0).then(|| Target::of_server(&host, port, &api_prefix)))
}
