//! Whom a command line asks, and as whom: from flags, variables, contexts and what is at hand.
//!
//! # Invariants
//!
//! 1. The nearer wins: a flag, a variable, a context, what is found on this machine. Where
//!    something comes from is kept, so that it can be told.
//! 2. The token and the certificate of a context go to the address of that context, or to the one
//!    that a flag names beside it; never to an address that came from elsewhere.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgMatches, Command, value_parser};
use processpype_config::Secret;

use crate::argument::{file_option, option, path, text};
use crate::contexts::{CONTEXT_VARIABLE, CONTEXTS_VARIABLE, Chosen, Contexts};
use crate::exit::ClientExit;
use crate::target::{DEFAULT_URL, InvalidTarget, Target, URL_VARIABLE};
use crate::tls_files::TlsFiles;
use crate::token::{TOKEN_VARIABLE, Token};

/// Where help texts gather what every verb takes.
pub(crate) const HEADING: &str = "Whom to ask, and how to answer";

/// The flags that say whom to ask; every client's command line has them.
///
/// ```
/// use clap::Command;
/// use processpype_cli::ConnectArgs;
///
/// let program = ConnectArgs::add_to(Command::new("program"));
/// let mut written = program.get_matches_from(["program", "--context", "prod"]);
/// assert_eq!(ConnectArgs::read(&mut written).context.as_deref(), Some("prod"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectArgs {
    /// Where the running application listens; also the variable PROCESSPYPE_URL.
    pub url: Option<Target>,
    /// Ask the application of this context; also the variable PROCESSPYPE_CONTEXT.
    pub context: Option<String>,
    /// The file of contexts, instead of `processpype/contexts.yaml` among the user's own; also the
    /// variable PROCESSPYPE_CONTEXTS.
    pub contexts: Option<PathBuf>,
    /// The files of TLS.
    pub tls: TlsFiles,
}

// === impl ConnectArgs ===

impl ConnectArgs {
    /// Returns the command with these flags, which its subcommands have as well.
    #[must_use]
    pub fn add_to(command: Command) -> Command {
        let url = "Where the running application listens: `http://host:port`, or `unix:/path` for \
                   a Unix socket; also the variable PROCESSPYPE_URL";
        let url = option("url", "URL", url).short('u').value_parser(value_parser!(Target));
        let context = "Ask the application of this context; also the variable PROCESSPYPE_CONTEXT";
        let contexts = "The file of contexts, instead of `processpype/contexts.yaml` among the \
                        user's own; also the variable PROCESSPYPE_CONTEXTS";
        let command = command
            .next_help_heading(HEADING)
            .arg(url.global(true))
            .arg(option("context", "NAME", context).global(true))
            .arg(file_option("contexts", contexts).global(true));
        TlsFiles::add_to(command)
    }

    /// Reads what was written for a command with these flags.
    ///
    /// # Panics
    ///
    /// If the command does not have them.
    #[must_use]
    pub fn read(written: &mut ArgMatches) -> Self {
        Self {
            url: written.remove_one("url"),
            context: text(written, "context"),
            contexts: path(written, "contexts"),
            tls: TlsFiles::read(written),
        }
    }

    /// Whether nobody but the application's own configuration says whom to ask.
    #[must_use]
    pub fn is_own(&self) -> bool {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_named = self.url.is_some() || self.context.is_some();
        !is_named && !is_set(URL_VARIABLE) && !is_set(CONTEXT_VARIABLE)
    }
}

/// How a command line asks, and how it answers.
#[derive(Clone, Copy)]
pub struct Session<'a> {
    /// Whom to ask.
    pub connect: &'a ConnectArgs,
    /// Whether to print what the application answers, as JSON.
    pub json: bool,
    /// Says where the application of this command line is. `None` for a program that knows none: it
    /// asks the current context, or else `http://127.0.0.1:8080`.
    pub own: Option<&'a dyn Fn() -> Result<Target, String>>,
}

/// Whom to ask, as whom, and how that is known.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    pub(crate) target: Target,
    /// What said where it is.
    pub(crate) from: String,
    pub(crate) token: Token,
    pub(crate) tls: TlsFiles,
}

/// Nobody can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoDestination {
    pub(crate) text: String,
    pub(crate) exit: ClientExit,
}

/// The variables that count here.
#[derive(Clone, Debug, Default)]
struct Variables {
    url: Option<String>,
    context: Option<String>,
    contexts: Option<PathBuf>,
    token: Option<String>,
    tls: TlsFiles,
}

// === impl Session ===

impl std::fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { connect, json, own } = self;
        let own = own.map(|_| "..");
        f.debug_struct("Session")
            .field("connect", connect)
            .field("json", json)
            .field("own", &own)
            .finish()
    }
}

impl Session<'_> {
    /// Finds out whom to ask.
    pub(crate) fn destination(&self) -> Result<Destination, NoDestination> {
        self.find(Variables::of_process()?)
    }

    fn find(&self, variables: Variables) -> Result<Destination, NoDestination> {
        let ConnectArgs { url, context, contexts, tls } = self.connect;
        let file = contexts.clone().or(variables.contexts);
        let read = || Contexts::read(file.as_deref()).map_err(NoDestination::configuration);
        let named = match context {
            Some(name) => Some(read()?.choose(name).map_err(NoDestination::configuration)?),
            None => None,
        };
        let chosen = match (url, named, variables.url, variables.context) {
            (Some(url), None, ..) => at(url.clone(), "--url"),
            (Some(url), Some(named), ..) => {
                Chosen { target: url.clone(), from: format!("--url, {}", named.from), ..named }
            }
            (None, Some(named), ..) => named,
            (None, None, Some(url), _) => at(url.parse().map_err(invalid)?, URL_VARIABLE),
            (None, None, None, Some(name)) => {
                read()?.choose(&name).map_err(NoDestination::configuration)?
            }
            (None, None, None, None) => self.unnamed(read)?,
        };
        let Chosen { target, token, tls: written_tls, from } = chosen;
        let variable = variables.token.map(|text| (Secret::new(text), TOKEN_VARIABLE.to_owned()));
        let written = token.map(|token| (token, from.clone()));
        let token = if context.is_some() { written.or(variable) } else { variable.or(written) };
        if let Some((token, from)) = &token {
            check_token(token.expose(), from)?;
        }
        let token = token.map_or(Token::Found, |(token, from)| Token::named(token, from));
        let [nearer, farther] = if context.is_some() {
            [written_tls, variables.tls]
        } else {
            [variables.tls, written_tls]
        };
        let tls = tls.clone().or(nearer).or(farther);
        Ok(Destination { target, from, token, tls })
    }

    /// Returns whom to ask when nobody was named.
    fn unnamed(
        &self,
        read: impl FnOnce() -> Result<Contexts, NoDestination>,
    ) -> Result<Chosen, NoDestination> {
        if let Some(own) = self.own {
            let target = own().map_err(|why| {
                let help =
                    format!("--url or {URL_VARIABLE} say where the running application listens");
                NoDestination::configuration(format!("{why}\n  = help: {help}"))
            })?;
            return Ok(at(target, "the application's own configuration"));
        }
        let contexts = read()?;
        match contexts.current() {
            Some(name) => contexts.choose(name).map_err(NoDestination::configuration),
            None => Ok(at(DEFAULT_URL.parse().map_err(invalid)?, "the default")),
        }
    }
}

fn at(target: Target, from: &str) -> Chosen {
    Chosen { target, token: None, tls: TlsFiles::default(), from: from.to_owned() }
}

/// Refuses a token that no request can carry; it is not shown.
fn check_token(token: &str, from: &str) -> Result<(), NoDestination> {
    if token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(NoDestination::configuration(format!(
        "the token from {from} has characters that no token has\n  = help: a token is one word of \
         letters, digits and signs: is there a line feed, a space or a quote too many?"
    )))
}

fn invalid(error: InvalidTarget) -> NoDestination {
    let text = format!("the variable {URL_VARIABLE} is no address: {error}");
    NoDestination { text, exit: ClientExit::Usage }
}

// === impl NoDestination ===

impl NoDestination {
    fn configuration(text: String) -> Self {
        Self { text, exit: ClientExit::Misconfigured }
    }
}

// === impl Variables ===

impl Variables {
    /// An empty variable counts as none.
    fn of_process() -> Result<Self, NoDestination> {
        let any = |name: &str| std::env::var_os(name).filter(|text| !text.is_empty());
        let text = |name: &str| {
            let bad = |_: OsString| {
                NoDestination::configuration(format!("the variable {name} is no UTF-8"))
            };
            any(name).map(OsString::into_string).transpose().map_err(bad)
        };
        Ok(Self {
            url: text(URL_VARIABLE)?,
            context: text(CONTEXT_VARIABLE)?,
            contexts: any(CONTEXTS_VARIABLE).map(PathBuf::from),
            token: text(TOKEN_VARIABLE)?,
            tls: TlsFiles::of_process(),
        })
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const FILE: &str = "
current: staging
contexts:
  staging: {url: 'http://127.0.0.1:1', cacert: of-staging.pem}
  prod: {url: 'http://127.0.0.1:2', token: of-prod, cert: of-prod.pem}
";

    /// Writes the file of contexts for one test.
    fn file(name: &str, mode: u32) -> PathBuf {
        let name = format!("processpype-contexts-{}-{name}.yaml", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, FILE).expect("a file");
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&path, mode).expect("a mode");
        path
    }

    /// Says whom flags and variables find: address, token, and where the address is from.
    #[track_caller]
    fn check(flags: [Option<&str>; 2], variables: [Option<&str>; 3], expected: [&str; 3]) {
        let path = file(&format!("{flags:?}{variables:?}").replace(['/', '"'], ""), 0o600);
        let [url, context] = flags;
        let connect = ConnectArgs {
            url: url.map(|url| url.parse().expect("an address")),
            context: context.map(str::to_owned),
            contexts: Some(path.clone()),
            ..ConnectArgs::default()
        };
        let [url, context, token] = variables.map(|text| text.map(str::to_owned));
        let variables = Variables { url, context, token, ..Variables::default() };
        let session = Session { connect: &connect, json: false, own: None };
        let found = session.find(variables).expect("a destination");
        let token = match &found.token {
            Token::Named { token, .. } => token.expose().as_str(),
            Token::Found => "-",
        };
        let from = found.from.split(" of ").next().unwrap_or_default();
        assert_eq!([&*found.target.to_string(), token, from], expected);
        let _ = std::fs::remove_file(path);
    }

    #[test]
    fn the_nearer_wins() {
        let none = [None; 3];
        check([None, None], none, ["http://127.0.0.1:1", "-", "context `staging`"]);
        check([None, Some("prod")], none, ["http://127.0.0.1:2", "of-prod", "context `prod`"]);
        let all = [Some("http://h:3"), Some("prod"), Some("of-env")];
        check([None, None], all, ["http://h:3", "of-env", "PROCESSPYPE_URL"]);
        check(
            [None, None],
            [None, Some("prod"), None],
            ["http://127.0.0.1:2", "of-prod", "context `prod`"],
        );
        check(
            [None, None],
            [None, Some("prod"), Some("of-env")],
            ["http://127.0.0.1:2", "of-env", "context `prod`"],
        );
        check([None, Some("prod")], all, ["http://127.0.0.1:2", "of-prod", "context `prod`"]);
        check([Some("h:4"), None], all, ["http://h:4", "of-env", "--url"]);
        check(
            [Some("h:4"), Some("prod")],
            none,
            ["http://h:4", "of-prod", "--url, context `prod`"],
        );
        // A context that merely is the current one does not send its token elsewhere.
        check([Some("h:4"), None], none, ["http://h:4", "-", "--url"]);
    }

    /// Says which certificate and authority flags, variables and contexts find.
    #[track_caller]
    fn check_tls(flags: [&str; 3], variables: [&str; 2], expected: [&str; 2]) {
        let path = file(&format!("tls{flags:?}{variables:?}").replace(['/', '"'], ""), 0o600);
        let named = |name: &str| (!name.is_empty()).then(|| PathBuf::from(name));
        let tls = |[cacert, cert]: [&str; 2]| TlsFiles {
            cacert: named(cacert),
            cert: named(cert),
            key: None,
        };
        let connect = ConnectArgs {
            context: named(flags[0]).map(|_| flags[0].to_owned()),
            contexts: Some(path.clone()),
            tls: tls([flags[1], flags[2]]),
            ..ConnectArgs::default()
        };
        let variables = Variables { tls: tls(variables), ..Variables::default() };
        let session = Session { connect: &connect, json: false, own: None };
        let found = session.find(variables).expect("a destination").tls;
        assert_eq!(found, tls(expected));
        let _ = std::fs::remove_file(path);
    }

    #[test]
    fn files_of_tls_are_those_of_the_nearest() {
        check_tls(["", "", ""], ["", ""], ["of-staging.pem", ""]);
        check_tls(["", "", ""], ["of-env.pem", "me.pem"], ["of-env.pem", "me.pem"]);
        check_tls(["prod", "", ""], ["of-env.pem", "me.pem"], ["of-env.pem", "of-prod.pem"]);
        check_tls(["prod", "flag.pem", "you.pem"], ["x", "y"], ["flag.pem", "you.pem"]);
    }

    #[test]
    fn an_application_asks_itself_unless_told_otherwise() {
        let path = file("own", 0o600);
        let connect = ConnectArgs { contexts: Some(path.clone()), ..ConnectArgs::default() };
        let own = || Ok(Target::of_server("h", 5, ""));
        let session = Session { connect: &connect, json: false, own: Some(&own) };
        let found = session.find(Variables::default()).expect("itself");
        assert_eq!(found.target.to_string(), "http://h:5", "not the current context");
        let prod = Variables { context: Some("prod".to_owned()), ..Variables::default() };
        let found = session.find(prod).expect("prod");
        assert_eq!(found.target.to_string(), "http://127.0.0.1:2");
        let _ = std::fs::remove_file(path);
    }

    #[test]
    fn a_file_that_others_can_change_says_nothing() {
        for (mode, word, context) in [(0o666, "go-w", "staging"), (0o644, "600", "prod")] {
            let path = file(context, mode);
            let connect = ConnectArgs {
                context: Some(context.to_owned()),
                contexts: Some(path.clone()),
                ..ConnectArgs::default()
            };
            let session = Session { connect: &connect, json: false, own: None };
            let refused = session.find(Variables::default()).expect_err("a refusal");
            assert_eq!(refused.exit, ClientExit::Misconfigured);
            assert!(refused.text.contains(&format!("chmod {word}")), "{refused:?}");
            let _ = std::fs::remove_file(path);
        }
    }
}
