//! The verbs that ask a running application: where that is.
//!
//! # Invariants
//!
//! 1. Of the application's own configuration only its address is read: the one that runs may be in
//!    order when the file is not.

use std::path::PathBuf;

use processpype_cli::{ClientExit, ClientVerb, Session, Target};
use processpype_config::Report;
use processpype_control::ListenAddress;

use crate::access::ListenerSection;
use crate::application::Application;
use crate::kept;
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
    kept::read::<EventsSection>(&section, &mut Vec::new()).ok()?.file
}

/// Returns where this application listens, as its own configuration says.
pub(super) fn target(application: &Application) -> Result<Target, String> {
    let read = || {
        let document = load(&application.sources)?;
        kept::read::<ServerSection>(&document.root().get("server"), &mut Vec::new())
    };
    let server = read().map_err(|report| told(&report))?;
    let (address, is_secure) = place(&server)?;
    match address {
        ListenAddress::Tcp { port: 0, .. } => {
            let key = if server.listeners.is_empty() { "server.port" } else { "the port" };
            Err(format!(
                "`{key}` is 0: the running application took a free one, which its log names"
            ))
        }
        ListenAddress::Tcp { host, port } => {
            Ok(Target::of_server(&host, port, &server.api_prefix).secure(is_secure))
        }
        ListenAddress::Unix(path) => Ok(Target::of_socket(&path, &server.api_prefix)),
    }
}

/// Tells a report as the text of an error, whose first word is told by who prints it.
fn told(report: &Report) -> String {
    let text = report.to_string();
    text.strip_prefix("error: ").unwrap_or(&text).trim_end().to_owned()
}

/// Returns where the control API is, and whether TLS is spoken there: at the first listener that
/// shows it at a port that is known, else on a Unix socket.
fn place(server: &ServerSection) -> Result<(ListenAddress, bool), String> {
    if server.listeners.is_empty() {
        let address = ListenAddress::Tcp { host: server.host.clone(), port: server.port };
        return Ok((address, server.tls.is_some()));
    }
    let places: Vec<_> =
        server.listeners.iter().filter_map(ListenerSection::control_place).collect();
    let best = places.into_iter().min_by_key(|(address, _)| match address {
        ListenAddress::Tcp { port: 0, .. } => 2,
        ListenAddress::Tcp { .. } => 0,
        ListenAddress::Unix(_) => 1,
    });
    best.ok_or_else(|| {
        "no listener in `server.listeners` shows `control` at an address that can be asked"
            .to_owned()
    })
}
