//! The verbs that ask a running application: where that is.
//!
//! # Invariants
//!
//! 1. Of the application's own configuration only its address is read: the one that runs may be in
//!    order when the file is not.

use std::process::ExitCode;

use processpype_cli::{ClientExit, Target};
use processpype_config::Report;

use super::print::say_error;
use crate::application::Application;
use crate::exit::Exit;
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

/// Returns where this application listens, if its configuration says so.
fn target(application: &Application) -> Result<Option<Target>, Report> {
    let document = load(&application.sources)?;
    let server: ServerSection = document.root().get("server").read()?;
    let ServerSection { host, port, api_prefix, tls, .. } = server;
    Ok((port != 0).then(|| Target::of_server(&host, port, &api_prefix).secure(tls.is_some())))
}
