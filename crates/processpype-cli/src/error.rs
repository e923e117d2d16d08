//! What goes wrong between a client and an application, with what to do about it.
//!
//! # Invariants
//!
//! 1. Every error has a remedy, and exactly one exit code.

use std::fmt;
use std::io;
use std::time::Duration;

use processpype_api::{Answered, Fields};
use processpype_config::HumanDuration;
use serde_json::Value;

use crate::clean::cleaned;
use crate::elsewhere::leads_to_help;
use crate::exit::ClientExit;
use crate::target::URL_VARIABLE;
use crate::tls_files::{CACERT_VARIABLE, CERT_VARIABLE, KEY_VARIABLE};
use crate::token::TOKEN_VARIABLE;

/// Why a verb has no answer.
#[derive(Debug)]
pub(crate) enum ClientError {
    /// Nothing accepts a connection.
    Unreachable { url: String, source: io::Error },
    /// No answer came in time.
    Late { url: String, waited: Duration },
    /// The connection broke.
    Broken { url: String, source: hyper::Error },
    /// What was answered cannot be read as HTTP/1.1: whatever listens speaks something else, or
    /// speaks it wrongly.
    NoHttp { url: String, why: String },
    /// No TLS came about: one of the two does not believe the other, or does not speak it.
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "without TLS none is tried"))]
    Untrusted { url: String, why: String },
    /// This program speaks no TLS.
    #[cfg_attr(all(feature = "tls", not(test)), expect(dead_code, reason = "it is built in"))]
    NoTls { url: String },
    /// A file for TLS cannot be used.
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "without TLS none is read"))]
    Files { why: String },
    /// The file with the section of a service cannot be read.
    Section { why: String },
    /// The answer is longer than the limit.
    TooLong { url: String, limit: usize },
    /// The answer is none of a Processpype application.
    Unreadable { url: String, why: String },
    /// Whatever answers says that it fails, and not why.
    Unexplained {
        url: String,
        status: u16,
        /// What answers, if that says who it is.
        stranger: Option<String>,
        /// The address that it names instead of an answer.
        leads_to: Option<String>,
        retry_after: Option<Duration>,
    },
    /// The application answered with a problem.
    Problem(Box<Told>),
}

/// A problem as a client reads it: codes that it does not know are texts to it as well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) title: String,
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) detail: String,
    pub(crate) help: Option<String>,
    pub(crate) errors: Vec<Fault>,
    /// The answer as it came.
    pub(crate) raw: String,
    /// After how long it asks to be asked again.
    pub(crate) retry_after: Option<Duration>,
    /// Where the token that it was shown is from.
    pub(crate) token_from: Option<String>,
}

/// One mistake in a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) path: String,
    /// It may have several lines, such as those of a cycle.
    pub(crate) message: String,
    /// It may have lines to write below the first.
    pub(crate) help: Option<String>,
    /// The words that would be right, if they are few.
    pub(crate) valid: Vec<String>,
    /// Where it stands: a place in a file, a variable, the request's body.
    pub(crate) origin: Option<String>,
    /// The line where it stands and the mark below it.
    pub(crate) excerpt: Vec<String>,
    /// Why it is so.
    pub(crate) notes: Vec<String>,
}

/// What the API calls a parameter, and the command line a flag.
const FLAGS: [(&str, &str); 4] = [
    ("?with_dependencies=true", "--with-dependencies"),
    ("?with_dependents=true", "--with-dependents"),
    ("?cascade=true", "--cascade"),
    ("?force=true", "--force"),
];

/// What an answer is refused for that is right but for a word that this program does not know.
const NEWER_WORD: &str = "unknown variant `";

/// Too many requests, a gateway without an answer, unavailable, a gateway that waited too long.
const PASSING: [u16; 4] = [429, 502, 503, 504];

// === impl Told ===

impl Answered for Told {
    fn read(json: Value) -> serde_json::Result<Self> {
        let mut fields = Fields::of(json, "struct Told")?;
        Ok(Self {
            title: fields.take_or("title", String::new())?,
            status: fields.take_or("status", 0)?,
            code: fields.take_or("code", String::new())?,
            detail: fields.take_or("detail", String::new())?,
            help: fields.take("help")?,
            errors: fields.take_or("errors", Vec::new())?,
            ..Self::default()
        })
    }
}

impl Told {
    /// Escapes the line feeds of every text but the messages of what is wrong and what to write
    /// instead: whoever shows those indents their lines, so that none is taken for another text.
    pub(crate) fn with_lines_only_in_messages(self) -> Self {
        let Self { title, code, detail, help, errors, .. } = self;
        let (title, code, detail) = (cleaned(title), cleaned(code), cleaned(detail));
        let help = help.map(cleaned);
        let errors = errors.into_iter().map(Fault::with_lines_only_in_message).collect();
        Self { title, code, detail, help, errors, ..self }
    }
}

// === impl Fault ===

impl Answered for Fault {
    fn read(json: Value) -> serde_json::Result<Self> {
        let mut fields = Fields::of(json, "struct Fault")?;
        Ok(Self {
            path: fields.take_or("path", String::new())?,
            message: fields.take_or("message", String::new())?,
            help: fields.take("help")?,
            valid: fields.take_or("valid", Vec::new())?,
            origin: fields.take("origin")?,
            excerpt: fields.take_or("excerpt", Vec::new())?,
            notes: fields.take_or("notes", Vec::new())?,
        })
    }
}

impl Fault {
    fn with_lines_only_in_message(self) -> Self {
        let Self { path, message, help, valid, origin, excerpt, notes } = self;
        let all = |texts: Vec<String>| texts.into_iter().map(cleaned);
        Self {
            path: cleaned(path),
            message,
            help,
            valid: all(valid).collect(),
            origin: origin.map(cleaned),
            excerpt: all(excerpt).filter(|line| is_in_frame(line)).collect(),
            notes: all(notes).collect(),
        }
    }

    /// Whether it is a mistake in the request. What is wrong elsewhere, such as in the files that
    /// a reload has read, says where, or is about no single value.
    pub(crate) fn is_of_request(&self) -> bool {
        match &self.origin {
            Some(origin) => origin.starts_with("request body"),
            None => !self.path.is_empty(),
        }
    }
}

/// Whether a line is one of an excerpt: a number or none, and a bar. Others could be taken for the
/// text of another error.
fn is_in_frame(line: &str) -> bool {
    let number = |c: char| c == ' ' || c.is_ascii_digit();
    line.trim_start_matches(number).starts_with('|')
}

// === impl ClientError ===

impl ClientError {
    pub(crate) fn exit(&self) -> ClientExit {
        match self {
            Self::Unreachable { .. }
            | Self::Late { .. }
            | Self::Broken { .. }
            | Self::Untrusted { .. }
            | Self::NoTls { .. } => ClientExit::Unreachable,
            Self::Files { .. } | Self::Section { .. } => ClientExit::Usage,
            Self::TooLong { .. }
            | Self::NoHttp { .. }
            | Self::Unreadable { .. }
            | Self::Unexplained { .. } => ClientExit::Unreadable,
            Self::Problem(_) => ClientExit::Refused,
        }
    }

    /// Returns whether the same request may succeed a little later.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Late { .. } | Self::Broken { .. } => true,
            Self::Unexplained { status, .. } => PASSING.contains(status),
            Self::Problem(told) => PASSING.contains(&told.status),
            Self::Untrusted { .. }
            | Self::NoHttp { .. }
            | Self::NoTls { .. }
            | Self::Files { .. }
            | Self::Section { .. }
            | Self::TooLong { .. }
            | Self::Unreadable { .. } => false,
        }
    }

    /// Returns after how long to ask again, if the answer says so.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unexplained { retry_after, .. } => *retry_after,
            Self::Problem(told) => told.retry_after,
            _ => None,
        }
    }

    /// Says what to do.
    pub(crate) fn help(&self) -> Option<String> {
        let later = self.retry_after().map(|time| {
            let time = HumanDuration::from(time);
            format!("try again in {time}: it asks for that")
        });
        match (self.remedy(), later) {
            (Some(remedy), Some(later)) => Some(format!("{remedy}; {later}")),
            (remedy, later) => remedy.or(later),
        }
    }

    fn remedy(&self) -> Option<String> {
        match self {
            Self::Unreachable { url, source } if is_for_others(url, source) => Some(
                "only the user whose application it is may open its socket, and root: ask as one \
                 of them"
                    .to_owned(),
            ),
            Self::Unreachable { .. } => Some(format!(
                "is the application running, and listening there? name another address with --url \
                 or {URL_VARIABLE}"
            )),
            Self::Late { .. } => Some(
                "try again; if it stays so, the process itself hangs, and its log says more; or \
                 another program listens there"
                    .to_owned(),
            ),
            Self::Broken { url, .. } if url.starts_with("https:") => Some(format!(
                "does it want to see a certificate? --cert and --key, or {CERT_VARIABLE} and \
                 {KEY_VARIABLE}, name the files of yours"
            )),
            Self::Broken { .. } => Some(
                "did the application end meanwhile, or have others at your address all \
                 connections that it gives to one client (server.limits.connections_per_peer)? \
                 its log says which; is it the right port? where TLS is spoken, write https://"
                    .to_owned(),
            ),
            Self::NoHttp { url, .. } if url.starts_with("http:") => Some(format!(
                "is it the right port? where TLS is spoken, write https://; name another address \
                 with --url or {URL_VARIABLE}"
            )),
            Self::NoHttp { .. } => Some(format!(
                "is it the right address? name another one with --url or {URL_VARIABLE}"
            )),
            Self::Untrusted { .. } => Some(format!(
                "--cacert or {CACERT_VARIABLE} names the file of the authority that has issued \
                 its certificate; where no TLS is spoken, write http://"
            )),
            Self::NoTls { url } => Some(format!(
                "`processpype --url {url}` speaks it, or build the application with the feature \
                 `tls` of `processpype`"
            )),
            Self::Files { .. } => Some(format!(
                "--cacert, --cert and --key, the variables {CACERT_VARIABLE}, {CERT_VARIABLE} and \
                 {KEY_VARIABLE}, or a context name PEM files that can be read"
            )),
            Self::Section { .. } => Some(
                "--section names a file that can be read, with a map of keys; `-` = standard input"
                    .to_owned(),
            ),
            Self::Unreadable { why, .. } if why.contains(NEWER_WORD) => Some(format!(
                "the application may be newer than this program, which is {}: ask with the \
                 application's own command line, or with --json, which shows the answer as it came",
                env!("CARGO_PKG_VERSION")
            )),
            Self::Unexplained { leads_to: Some(place), .. } => Some(leads_to_help(place)),
            Self::TooLong { .. } | Self::Unreadable { .. } | Self::Unexplained { .. } => {
                Some(format!(
                    "is it the right address, and an application of this version? name another \
                     one with --url or {URL_VARIABLE}"
                ))
            }
            Self::Problem(told) if told.code == "unauthenticated" => {
                Some(token_help(told.token_from.as_deref()))
            }
            Self::Problem(told) => told.help.as_deref().map(with_flags),
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { url, source } => write!(f, "nothing answers at {url}: {source}"),
            Self::Late { url, waited } => {
                let waited = HumanDuration::from(*waited);
                write!(f, "{url} did not answer within {waited}")
            }
            Self::Broken { url, source } => write!(f, "the connection to {url} broke: {source}"),
            Self::NoHttp { url, why } => {
                write!(f, "what listens at {url} does not answer in HTTP/1.1: {why}")
            }
            Self::Untrusted { url, why } => write!(f, "no TLS with {url}: {why}"),
            Self::NoTls { url } => {
                write!(f, "no TLS with {url}: this program was built without the feature `tls`")
            }
            Self::Files { why } => f.write_str(why),
            Self::Section { why } => write!(f, "the section cannot be read: {why}"),
            Self::TooLong { url, limit } => {
                write!(f, "the answer of {url} is longer than {limit} bytes")
            }
            Self::Unreadable { url, why } => {
                write!(f, "{url} is not answered as a Processpype application does: {why}")
            }
            Self::Unexplained { url, status, stranger, leads_to, .. } => {
                let who = stranger.as_deref().unwrap_or("it");
                write!(
                    f,
                    "{url} is not answered as a Processpype application does: {who} says {status}, \
                     and "
                )?;
                match leads_to {
                    Some(place) => write!(f, "that it is at {place}"),
                    None => f.write_str("not why"),
                }
            }
            Self::Problem(told) => write!(f, "{}: {}", told.title, told.detail),
        }
    }
}

/// Whether somebody answers at a socket, but not everybody.
fn is_for_others(url: &str, why: &io::Error) -> bool {
    url.starts_with("unix:") && why.kind() == io::ErrorKind::PermissionDenied
}

/// Says what to do about a token that is missing or wrong.
fn token_help(from: Option<&str>) -> String {
    match from {
        None => format!(
            "put a token into {TOKEN_VARIABLE}; without it, the one that the application has made \
             is found only on its own machine and by its own user"
        ),
        Some(from) => format!(
            "the token that was shown is from {from}: look whether that is of the application \
             that runs there, and put one that it knows into {TOKEN_VARIABLE}; its log says where \
             it has left one"
        ),
    }
}

/// Writes parameters as flags, where a text for HTTP names them, and a path as the verb.
fn with_flags(text: &str) -> String {
    if text.ends_with("/services lists the names") {
        return "`services` lists the names".to_owned();
    }
    FLAGS.iter().fold(text.to_owned(), |text, (parameter, flag)| text.replace(parameter, flag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_become_flags() {
        let text = "start `db`, or pass ?with_dependencies=true";
        assert_eq!(with_flags(text), "start `db`, or pass --with-dependencies");
        assert_eq!(with_flags("GET /api/services lists the names"), "`services` lists the names");
    }

    #[test]
    fn a_problem_of_a_newer_version_is_read() {
        let json = r#"{"title":"New","status":499,"code":"brand-new","detail":"d","more":[1]}"#;
        let told: Told = crate::json::read(json).expect("it can be read");
        assert_eq!((told.code.as_str(), told.status), ("brand-new", 499));
        let error = ClientError::Problem(Box::new(told));
        assert_eq!((error.to_string().as_str(), error.exit()), ("New: d", ClientExit::Refused));
    }

    #[test]
    fn who_shows_a_wrong_token_is_told_where_it_is_from() {
        let told = Told {
            code: "unauthenticated".to_owned(),
            token_from: Some("the file /run/shop-1.token".to_owned()),
            ..Told::default()
        };
        let help = ClientError::Problem(Box::new(told)).help();
        let help = help.expect("there is one");
        assert!(help.contains("/run/shop-1.token") && help.contains("PROCESSPYPE_TOKEN"), "{help}");
    }

    #[test]
    fn who_is_not_known_is_told_where_to_put_a_token() {
        let told = Told { code: "unauthenticated".to_owned(), ..Told::default() };
        let help = ClientError::Problem(Box::new(told)).help();
        assert!(help.is_some_and(|help| help.contains("PROCESSPYPE_TOKEN")));
    }
    #[test]
    fn a_socket_of_somebody_else_is_told_from_one_that_nobody_answers() {
        let help = |url: &str, kind: io::ErrorKind| {
            let error = ClientError::Unreachable { url: url.to_owned(), source: kind.into() };
            error.help().unwrap_or_default()
        };
        let denied = io::ErrorKind::PermissionDenied;
        assert!(help("unix:/run/shop.sock", denied).contains("and root"));
        for (url, kind) in [("unix:/run/a", io::ErrorKind::NotFound), ("http://a:1", denied)] {
            assert!(help(url, kind).contains("is the application running"), "{url}");
        }
    }
}
