//! The verbs about contexts: they ask no application.

use std::path::{Path, PathBuf};

use clap::{ArgMatches, Command};
use serde::Serialize;

use super::{Contexts, Entry, edit};
use crate::argument::{place, required, text, verb};
use crate::exit::ClientExit;
use crate::print::{BOLD, remark, say, width};
use crate::private;
use crate::view::table::{Cell, table};

/// What can be done with contexts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContextVerb {
    /// List the contexts; the current one is marked.
    List,
    /// Make a context the current one.
    Use {
        /// The context.
        name: String,
    },
    /// Show a context, or the current one.
    Show {
        /// The context.
        name: Option<String>,
    },
}

/// A context as it may be shown.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    name: &'a str,
    current: bool,
    url: &'a str,
    /// Where its token is, never the token: `file`, `inline` or `none`.
    token: &'static str,
    token_file: Option<&'a Path>,
    cacert: Option<&'a Path>,
    cert: Option<&'a Path>,
    key: Option<&'a Path>,
}

/// Lists, shows or chooses contexts of the file that was named, or of the user's own.
///
/// ```
/// use std::path::Path;
///
/// use processpype_cli::{ClientExit, ContextVerb, context};
///
/// let exit = context(&ContextVerb::List, Some(Path::new("/does/not/exist.yaml")), true);
/// assert_eq!(exit, ClientExit::Misconfigured);
/// ```
#[must_use]
pub fn context(verb: &ContextVerb, file: Option<&Path>, json: bool) -> ClientExit {
    let named = file.map(PathBuf::from).or_else(|| {
        std::env::var_os(super::CONTEXTS_VARIABLE).filter(|it| !it.is_empty()).map(PathBuf::from)
    });
    let done = Contexts::read(named.as_deref()).and_then(|contexts| match verb {
        ContextVerb::List => Ok(contexts.list(json)),
        ContextVerb::Show { name } => contexts.show(name.as_deref(), json),
        ContextVerb::Use { name } => contexts.make_current(name, json),
    });
    match done {
        Ok(text) => {
            say(&text);
            ClientExit::Done
        }
        Err(text) => {
            remark(&format!("error: {text}"));
            ClientExit::Misconfigured
        }
    }
}

// === impl ContextVerb ===

impl ContextVerb {
    /// Returns what can be done as commands of [`clap`].
    #[must_use]
    pub fn commands() -> Vec<Command> {
        let name = || place("name", "NAME", "The context");
        vec![
            verb("list", "List the contexts; the current one is marked"),
            verb("use", "Make a context the current one").arg(name().required(true)),
            verb("show", "Show a context, or the current one").arg(name()),
        ]
    }

    /// Reads what was written for the command of this name. `None` if it is none of
    /// [`commands`](Self::commands).
    ///
    /// # Panics
    ///
    /// If another command was read than the one that has this name there.
    #[must_use]
    pub fn read(name: &str, written: &mut ArgMatches) -> Option<Self> {
        match name {
            "list" => Some(Self::List),
            "use" => Some(Self::Use { name: required(text(written, "name")) }),
            "show" => Some(Self::Show { name: text(written, "name") }),
            _ => None,
        }
    }
}

// === impl Contexts ===

impl Contexts {
    fn shown<'a>(&'a self, name: &'a str, entry: &'a Entry) -> Shown<'a> {
        let token = match entry {
            Entry { token: Some(_), .. } => "inline",
            Entry { token_file: Some(_), .. } => "file",
            _ => "none",
        };
        Shown {
            name,
            current: self.current() == Some(name),
            url: &entry.url,
            token,
            token_file: entry.token_file.as_deref(),
            cacert: entry.cacert.as_deref(),
            cert: entry.cert.as_deref(),
            key: entry.key.as_deref(),
        }
    }

    fn list(&self, json: bool) -> String {
        let all = self.all.iter().map(|(name, entry)| self.shown(name, entry));
        if json {
            return serde_json::to_string(&all.collect::<Vec<_>>()).unwrap_or_default();
        }
        if self.all.is_empty() {
            return format!("there are no contexts in {}", self.path.display());
        }
        let row = |it: Shown<'_>| {
            let mark = if it.current { "*" } else { "" };
            vec![Cell::from(mark), it.name.into(), it.token.into(), it.url.into()]
        };
        table(&["", "NAME", "TOKEN", "URL"], &all.map(row).collect::<Vec<_>>(), width())
    }

    fn show(&self, name: Option<&str>, json: bool) -> Result<String, String> {
        let name = name.or(self.current()).ok_or("no context is the current one")?;
        let shown = self.shown(name, self.entry(name)?);
        if json {
            return Ok(serde_json::to_string(&shown).unwrap_or_default());
        }
        let token = match (shown.token, shown.token_file) {
            (_, Some(path)) => format!("in {}", path.display()),
            ("inline", _) => "in the file of contexts".to_owned(),
            _ => "none".to_owned(),
        };
        let current = if shown.current { ", the current one" } else { "" };
        let (url, file) = (shown.url, self.path.display());
        let files = [("cacert", shown.cacert), ("cert", shown.cert), ("key", shown.key)];
        let line = |(word, path): (&str, Option<&Path>)| {
            path.map(|path| format!("\n  {word:<10} {}", path.display()))
        };
        let files: String = files.into_iter().filter_map(line).collect();
        Ok(format!(
            "{BOLD}{name}{BOLD:#}{current}\n  url        {url}\n  token      {token}{files}\n  \
             file       {file}"
        ))
    }

    fn make_current(&self, name: &str, json: bool) -> Result<String, String> {
        let entry = self.entry(name)?;
        let cannot = |why: String| {
            let path = self.path.display();
            format!("{path} cannot be changed: {why}\n  = help: write `current: {name}` in it")
        };
        let read = private::open(&self.path)
            .and_then(|file| private::text(file, super::FILE_MAX))
            .map_err(|error| cannot(error.to_string()))?;
        let text = edit::with_current(&read, name);
        let after = Self::parse(self.path.clone(), &text, None);
        let after = after.map_err(|_| cannot("it is not written line by line".to_owned()))?;
        edit::replace(&self.path, &text).map_err(|error| cannot(error.to_string()))?;
        if json {
            return Ok(serde_json::to_string(&after.shown(name, entry)).unwrap_or_default());
        }
        Ok(format!("{name} is the current context: {}", entry.url))
    }
}
