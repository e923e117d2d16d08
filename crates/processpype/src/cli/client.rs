//! The verbs that ask a running application: where that is.
//!
//! # Invariants
//!
//! 1. Of the application's own configuration only its address is read: the one that runs may be in
//!    order when the file is not.

use std::path::PathBuf;

use processpype_cli::{ClientExit, ClientVerb, Session, Target};

use crate::access::ListenerSection;
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
    processpype_cli::ask_or_read(verb, session, &|| events_file(application))
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
    let server = read().map_err(|report| report.to_string())?;
    let (host, port, is_secure) = place(&server)?;
    if port == 0 {
        let key = if server.listeners.is_empty() { "server.port" } else { "the port" };
        return Err(format!(
            "`{key}` is 0: the running application took a free one, which its log names"
        ));
    }
    Ok(Target::of_server(&host, port, &server.api_prefix).secure(is_secure))
}

/// Returns host and port of the control API, and whether TLS is spoken there: of the first listener
/// that shows it and can be reached over TCP.
fn place(server: &ServerSection) -> Result<(String, u16, bool), String> {
    if server.listeners.is_empty() {
        return Ok((server.host.clone(), server.port, server.tls.is_some()));
    }
    server.listeners.iter().find_map(ListenerSection::control_place).ok_or_else(|| {
        "no listener in `server.listeners` shows `control` at an address and a port".to_owned()
    })
}
