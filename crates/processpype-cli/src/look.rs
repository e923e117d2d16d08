//! From a verb to its answer.

use processpype_api::{
    ApplicationStatus, Graph, Info, Plan, ServiceDetail, ServiceList, Timeline, Why,
};
use serde::de::DeserializeOwned;

use crate::error::ClientError;
use crate::exit::ClientExit;
use crate::http::{Answer, Client};
use crate::print::{say, say_error, say_raw, width};
use crate::target::Target;
use crate::verb::{ClientVerb, GraphFormat};
use crate::view::{self, Paper};
use crate::{act, configure, doctor, follow, logs, top};

/// Where the application and all its services are.
pub(crate) const SNAPSHOT: &str = "/";

/// Asks the application at `target`, prints its answer, and returns how that went.
///
/// It makes a small runtime of its own and blocks until the answer is there; every wait in it has
/// an end, but for a stream that is followed.
#[must_use]
pub fn ask(verb: &ClientVerb, target: &Target, json: bool) -> ClientExit {
    let asking = Asking { client: Client::new(target.clone()), json };
    run(asking.answer(verb), json)
}

/// Asks the application at `target` for its plan, and prints it as [`plan_text`] shows it.
///
/// [`plan_text`]: crate::plan_text
#[must_use]
pub fn ask_plan(target: &Target, json: bool) -> ClientExit {
    let asking = Asking { client: Client::new(target.clone()), json };
    run(asking.show("/plan", |plan: &Plan, _| view::plan_text(plan)), json)
}

/// Asks the application at `target` for the configuration that holds, of a service or of all.
#[must_use]
pub fn ask_config(target: &Target, service: Option<&str>, json: bool) -> ClientExit {
    let asking = Asking { client: Client::new(target.clone()), json };
    run(configure::config(&asking, service), json)
}

/// How to ask, and how to show the answer.
#[derive(Clone, Debug)]
pub(crate) struct Asking {
    pub(crate) client: Client,
    pub(crate) json: bool,
}

/// Runs one verb to its end.
fn run(asking: impl Future<Output = Result<ClientExit, ClientError>>, json: bool) -> ClientExit {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            crate::print::remark(&format!("error: cannot wait for answers: {error}"));
            return ClientExit::Unreadable;
        }
    };
    match runtime.block_on(asking) {
        Ok(exit) => exit,
        Err(error) => {
            if let (ClientError::Problem(told), true) = (&error, json) {
                say_raw(&told.raw);
            } else {
                say_error(&error);
            }
            error.exit()
        }
    }
}

// === impl Asking ===

impl Asking {
    async fn answer(&self, verb: &ClientVerb) -> Result<ClientExit, ClientError> {
        match verb {
            ClientVerb::Status { name: None } => {
                self.show(SNAPSHOT, |status: &ApplicationStatus, paper| {
                    view::application(status, paper)
                })
                .await
            }
            ClientVerb::Status { name: Some(name) } => {
                self.show(&service(name), |it: &ServiceDetail, paper| view::service(it, paper))
                    .await
            }
            ClientVerb::Services => {
                self.show("/services", |it: &ServiceList, paper| view::services(it, paper)).await
            }
            ClientVerb::Why { name } => {
                let path = format!("{}/-/why", service(name));
                self.show(&path, |it: &Why, paper| view::why(it, paper)).await
            }
            ClientVerb::Start(args) => act::start(self, args).await,
            ClientVerb::Stop(args) => act::stop(self, args).await,
            ClientVerb::Restart(args) => act::restart(self, args).await,
            ClientVerb::Configure(args) => configure::configure(self, args).await,
            ClientVerb::Reload(args) => configure::reload(self, args).await,
            ClientVerb::Events(args) => follow::events(self, args).await,
            ClientVerb::Logs(args) => logs::logs(self, args).await,
            ClientVerb::Graph { format } => self.graph(*format).await,
            ClientVerb::Timeline => {
                self.show("/timeline", |it: &Timeline, paper| view::timeline(it, paper)).await
            }
            ClientVerb::Info => self.show("/info", |it: &Info, paper| view::info(it, paper)).await,
            ClientVerb::Doctor => doctor::doctor(self).await,
            ClientVerb::Top => top::top(self).await,
        }
    }

    async fn graph(&self, format: GraphFormat) -> Result<ClientExit, ClientError> {
        let drawn = match format {
            GraphFormat::Dot if !self.json => "dot",
            GraphFormat::Mermaid if !self.json => "mermaid",
            _ => return self.show("/graph", |it: &Graph, paper| view::graph(it, paper)).await,
        };
        let answer = self.client.get(&format!("/graph?format={drawn}")).await?;
        say_raw(&answer.text);
        Ok(ClientExit::Done)
    }

    /// Reads what is at `path`, and shows it.
    pub(crate) async fn show<T: DeserializeOwned>(
        &self,
        path: &str,
        view: impl FnOnce(&T, Paper) -> String,
    ) -> Result<ClientExit, ClientError> {
        let answer = self.client.get(path).await?;
        self.print(&answer, view)?;
        Ok(ClientExit::Done)
    }

    /// Shows an answer.
    pub(crate) fn print<T: DeserializeOwned>(
        &self,
        answer: &Answer,
        view: impl FnOnce(&T, Paper) -> String,
    ) -> Result<(), ClientError> {
        if self.json {
            say_raw(&answer.text);
        } else {
            let paper = Paper { width: width(), now: answer.now };
            say(&view(&answer.read()?, paper));
        }
        Ok(())
    }
}

/// Returns the path of a service; what is no name is escaped, so that it stays one segment.
pub(crate) fn service(name: &str) -> String {
    format!("/services/{}", escape(name))
}

/// Escapes all but unreserved characters (RFC 3986, section 2.3).
pub(crate) fn escape(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let escaped = text.bytes().map(|byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    escaped.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_segment() {
        assert_eq!(service("api"), "/services/api");
        assert_eq!(service("a/b c?d"), "/services/a%2Fb%20c%3Fd");
        assert_eq!(service("é"), "/services/%C3%A9");
    }
}
