//! The verbs that ask a running application: where that is.
//!
//! # Invariants
//!
//! 1. Of the application's own configuration only its address is read: the one that runs may be in
//!    order when the file is not.

use std::path::PathBuf;

use processpype_cli::{ClientExit, ClientVerb, Session, Target};

use super::print::remark;
use crate::application::Application;
use crate::recorder::EventsSection;
use crate::settings::ServerSection;
use crate::setup::load;

/// Asks the running application. Where nobody answers at its own address, its file of events does,
/// if the configuration names one.
pub(super) fn ask(
    application: &Application,
    verb: &ClientVerb,
    session: &Session<'_>,
) -> ClientExit {
    let exit = processpype_cli::ask(verb, session);
    let can = match verb {
        ClientVerb::Events(args) => !args.follow && args.file.is_none(),
        ClientVerb::Doctor { file } => file.is_none(),
        _ => false,
    };
    let is_dead = exit == ClientExit::Unreachable && session.connect.is_own();
    let Some(file) = events_file(application).filter(|_| can && is_dead) else { return exit };
    remark(&format!("the file of events {} tells about the last run:", file.display()));
    processpype_cli::ask_file(verb, &file, session.json)
}

fn events_file(application: &Application) -> Option<PathBuf> {
    let document = load(&application.sources).ok()?;
    let section = document.root().get("observability").get("events");
    section.read::<EventsSection>().ok()?.file
}

/// Returns where this application listens, as its own configuration says.
pub(super) fn target(application: &Application) -> Result<Target, String> {
    let read = || {
        let document = load(&application.sources)?;
        document.root().get("server").read::<ServerSection>()
    };
    let ServerSection { host, port, api_prefix, tls, .. } =
        read().map_err(|report| report.to_string())?;
    if port == 0 {
        return Err("`server.port` is 0: the running application took a free one, which its log \
                    names"
            .to_owned());
    }
    Ok(Target::of_server(&host, port, &api_prefix).secure(tls.is_some()))
}
