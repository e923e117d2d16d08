//! Errors of services, and what of them may be shown.
//!
//! # Invariants
//!
//! 1. The source chain is kept for the log; [`Error::public_message`] alone may leave the process.
//! 2. [`Error`] does not implement [`std::error::Error`], so that every such error converts with
//!    `?`.
//!
//! # Why two texts
//!
//! An error's text is written for whoever reads the log: it names files, queries, sometimes data.
//! An API that answers with it leaks. So the way of least effort, `?`, gives an error with *no*
//! public text, and a client reads "the log has the details"; saying something to a client is a
//! decision and is written down, with [`Error::public`].

use std::fmt::{self, Write as _};
use std::sync::OnceLock;

use processpype_core::{ServiceName, ServiceState};

use crate::clock::Timestamp;

/// The result of service code: success, or an [`Error`].
///
/// `Result` alone is what hooks return; `Result<Self>` what a fallible constructor does.
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// An error of a service: opaque, with its source chain, and a text that may be shown.
///
/// Every [`std::error::Error`], `anyhow::Error`, `String` and `&str` converts with `?`. What
/// converts this way is for the log; what HTTP may show is said with [`Error::public`].
///
/// ```
/// # use processpype_runtime as processpype;
/// use processpype::{Error, Result};
///
/// fn parse(text: &str) -> Result<u16> {
///     Ok(text.parse::<u16>()?)
/// }
///
/// assert_eq!(parse("x").unwrap_err().public_message(), None);
/// assert_eq!(Error::public("the mailbox is full").public_message(), Some("the mailbox is full"));
/// ```
///
/// # Compared with others
///
/// Like `anyhow::Error` it takes everything and keeps the chain. Unlike it, it knows which text may
/// be shown, and which unavailable provider is to blame. Use an error type of your own inside a
/// service wherever its code decides by the kind of failure, and this one where nothing is left to
/// decide.
///
/// It does not implement [`std::error::Error`] (nor does `anyhow::Error`), so it does not convert
/// into `Box<dyn Error>` with `?`: let `main` and tests return [`Result`].
pub struct Error {
    public: Option<String>,
    source: Option<Source>,
}

/// A provider cannot be used now. Returned by [`Dep::get`](crate::Dep::get).
///
/// Passed on with `?`, it makes the end of a service one of kind `dependency`.
///
/// ```
/// # use processpype_runtime as processpype;
/// use processpype::{Dep, Error};
///
/// struct Db;
///
/// let error: Error = Dep::<Db>::unavailable().get().map(drop).unwrap_err().into();
/// let unavailable = error.unavailable().unwrap();
/// assert_eq!(unavailable.state.as_str(), "stopped");
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Unavailable {
    /// The provider.
    pub service: ServiceName,
    /// Its state when it was asked for.
    pub state: ServiceState,
    /// When its next generation comes at the earliest, if that is known.
    pub retry_at: Option<Timestamp>,
    /// Whether it is a `oneshot` that has done its work: then it is there for the order alone.
    pub completed: bool,
    /// Made when somebody asks for it.
    again: OnceLock<Box<Again>>,
}

/// An [`Unavailable`] once more, as its own source.
///
/// `anyhow::Error`, boxed, and `std::io::Error::other` hide the error that they hold and show its
/// sources alone. This is the one they show.
#[derive(Clone, Debug)]
struct Again(Unavailable);

// === impl Error ===

impl Error {
    /// Makes an error whose text may be shown to clients of the API.
    ///
    /// Say what failed in the words of the client's world, and add the cause with
    /// [`with_source`](Self::with_source).
    ///
    /// ```
    /// # use processpype_runtime as processpype;
    /// use processpype::Error;
    ///
    /// let cause = std::io::Error::other("/var/lib/app/mail.db is locked");
    /// let error = Error::public("mail cannot be stored now").with_source(cause);
    /// assert_eq!(error.to_string(), "mail cannot be stored now");
    /// assert_eq!(error.chain(), "mail cannot be stored now: /var/lib/app/mail.db is locked");
    /// ```
    ///
    /// At most [`TEXT_MAX`](crate::TEXT_MAX) bytes are shown.
    #[must_use]
    pub fn public(text: impl Into<String>) -> Self {
        Self { public: Some(text.into()), source: None }
    }

    /// Adds the error that caused this one; it is for the log only.
    ///
    /// A source that was there is replaced.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Returns the text that may be shown, if there is one.
    ///
    /// `None` for everything that came by `?` or `into`.
    #[must_use]
    pub fn public_message(&self) -> Option<&str> {
        self.public.as_deref()
    }

    /// Returns the error that this one was made from.
    ///
    /// Not the trait's method, since this is no [`std::error::Error`], but used like it: to look
    /// for a cause with `downcast_ref`.
    #[must_use]
    pub fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }

    /// Returns the unavailable provider that caused this error, if one did.
    ///
    /// The whole chain of sources is searched, and `anyhow::Error` and `std::io::Error::other` are
    /// seen through. An error type that does not implement `source` hides what it wraps: then the
    /// end counts as an ordinary failure.
    #[must_use]
    pub fn unavailable(&self) -> Option<&Unavailable> {
        std::iter::successors(self.source(), |error| error.source()).find_map(|error| {
            let again = || error.downcast_ref::<Again>().map(|Again(unavailable)| unavailable);
            error.downcast_ref::<Unavailable>().or_else(again)
        })
    }

    /// Returns the whole story on one line, for the log: never for a client.
    ///
    /// A source that its parent has printed already is not said again. One that fails to print
    /// itself, which `to_string` takes for a panic, is told as far as it could: this is asked when
    /// something has gone wrong already.
    #[must_use]
    pub fn chain(&self) -> String {
        self.chain_after(String::new())
    }

    /// The same, after what `text` says.
    pub(crate) fn chain_after(&self, mut text: String) -> String {
        let sources = std::iter::successors(self.source(), |error| error.source());
        let sources = sources.map(|source| source as &dyn fmt::Display);
        let public = self.public.iter().map(|public| public as &dyn fmt::Display);
        let mut last = None;
        for part in public.chain(sources) {
            let end = text.len();
            text.push_str(if last.is_some() { ": " } else { "" });
            let begin = text.len();
            // One that fails to print itself has said what it could.
            let _ = write!(text, "{part}");
            // Many errors print their source themselves; say it once.
            if last.is_some_and(|last: usize| text[last..end].ends_with(&text[begin..])) {
                text.truncate(end);
            } else {
                last = Some(begin);
            }
        }
        text
    }
}

impl<E: Into<Source>> From<E> for Error {
    fn from(source: E) -> Self {
        Self { public: None, source: Some(source.into()) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.public, &self.source) {
            (Some(text), _) => f.write_str(text),
            (None, Some(source)) => source.fmt(f),
            (None, None) => f.write_str("unknown error"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.chain())
    }
}

// === impl Unavailable ===

impl Unavailable {
    pub(crate) fn new(
        service: ServiceName,
        state: ServiceState,
        retry_at: Option<Timestamp>,
    ) -> Self {
        Self { service, state, retry_at, completed: false, again: OnceLock::new() }
    }

    /// The same of a provider that has or has not done its work.
    pub(crate) fn completed(self, completed: bool) -> Self {
        Self { completed, ..self }
    }
}

impl PartialEq for Unavailable {
    fn eq(&self, other: &Self) -> bool {
        let told = |it: &Self| (it.state, it.retry_at, it.completed);
        self.service == other.service && told(self) == told(other)
    }
}

impl Eq for Unavailable {}

impl fmt::Debug for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, state, retry_at, completed, again: _ } = self;
        f.debug_struct("Unavailable")
            .field("service", service)
            .field("state", state)
            .field("retry_at", retry_at)
            .field("completed", completed)
            .finish()
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            ServiceState::Error => "in error",
            other => other.as_str(),
        };
        if self.completed {
            return write!(
                f,
                "service `{}` is unavailable: it has completed, and a `oneshot` has no instance \
                 then; who needs its order alone says `depends_on`",
                self.service
            );
        }
        write!(f, "service `{}` is unavailable: it is {state}", self.service)
    }
}

impl std::error::Error for Unavailable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let again = || {
            let Self { service, state, retry_at, completed, again: _ } = self;
            Box::new(Again(Self::new(service.clone(), *state, *retry_at).completed(*completed)))
        };
        Some(self.again.get_or_init(again).as_ref())
    }
}

// === impl Again ===

impl fmt::Display for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Again {}

#[cfg(test)]
mod tests {
    use super::*;

    fn unavailable() -> Unavailable {
        let service = ServiceName::new("db").expect("a valid name");
        Unavailable::new(service, ServiceState::Stopped, None)
    }

    #[test]
    fn an_unavailable_provider_is_found_through_other_errors() {
        #[track_caller]
        fn check(error: impl Into<Error>) {
            assert_eq!(error.into().unavailable(), Some(&unavailable()));
        }
        check(unavailable());
        check(Error::public("no data now").with_source(unavailable()));
        check(std::io::Error::other(unavailable()));
        check(anyhow::Error::new(unavailable()));
        check(anyhow::Error::new(unavailable()).context("no report"));
        check(anyhow::Error::new(std::io::Error::other(unavailable())));
        assert!(Error::from(anyhow::anyhow!("{}", unavailable())).unavailable().is_none());
    }

    #[test]
    fn an_unavailable_provider_is_told_once() {
        let told = unavailable().to_string();
        assert_eq!(Error::from(unavailable()).chain(), told);
        assert_eq!(Error::from(anyhow::Error::new(unavailable())).chain(), told);
        let error = Error::public("no data now").with_source(unavailable());
        assert_eq!(error.chain(), format!("no data now: {told}"));
    }

    #[test]
    fn an_unavailable_provider_is_told_in_plain_words() {
        let failed = Unavailable::new(unavailable().service, ServiceState::Error, None);
        assert_eq!(failed.to_string(), "service `db` is unavailable: it is in error");
        assert_eq!(unavailable().to_string(), "service `db` is unavailable: it is stopped");
    }

    #[test]
    fn texts_convert_and_the_chain_is_kept() {
        let error: Error = "plain".into();
        assert_eq!(error.to_string(), "plain");
        let error = Error::public("cannot save").with_source("disk is full");
        assert_eq!(error.to_string(), "cannot save");
        assert_eq!(error.chain(), "cannot save: disk is full");
    }

    #[test]
    fn an_error_that_cannot_print_itself_is_told_as_far_as_it_can() {
        #[derive(Debug)]
        struct Mute;

        impl fmt::Display for Mute {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("so far")?;
                Err(fmt::Error)
            }
        }

        impl std::error::Error for Mute {}

        assert_eq!(Error::public("no report").with_source(Mute).chain(), "no report: so far");
    }

    #[test]
    fn a_source_that_its_parent_tells_is_said_once() {
        #[derive(Debug)]
        struct Telling(std::fmt::Error);

        impl fmt::Display for Telling {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "cannot write: {}", self.0)
            }
        }

        impl std::error::Error for Telling {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(&self.0)
            }
        }

        let told = format!("cannot write: {}", std::fmt::Error);
        let error: Error = Telling(std::fmt::Error).into();
        assert_eq!(error.chain(), told);
        let error = Error::public("no report").with_source(Telling(std::fmt::Error));
        assert_eq!(error.chain_after("run: ".to_owned()), format!("run: no report: {told}"));
    }
}
