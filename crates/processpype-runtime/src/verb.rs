//! What a command asks for, as users say it.

/// What a command asks for; see [`Manager::command`](crate::Manager::command).
///
/// ```
/// # use processpype_runtime as processpype;
/// use processpype::Verb;
///
/// // Also the providers that an operator stopped.
/// let start = Verb::start().with_dependencies();
/// // Those that need it first.
/// let stop = Verb::stop().cascade();
/// assert_ne!(start, stop);
/// ```
///
/// A choice that a verb does not have changes nothing. Opaque, so that verbs can get more of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "a verb does nothing until it is given to `Manager::command`"]
pub struct Verb(processpype_core::Verb);

// === impl Verb ===

impl Verb {
    /// Run the service, and the providers that were never started.
    pub const fn start() -> Self {
        Self(processpype_core::Verb::Start { with_dependencies: false, force: false })
    }

    /// Stop the service and keep it stopped.
    pub const fn stop() -> Self {
        Self(processpype_core::Verb::Stop { cascade: false })
    }

    /// Stop the service, if it runs, and start a new generation.
    pub const fn restart() -> Self {
        Self(processpype_core::Verb::Restart { with_dependents: false })
    }

    /// Stop the service, if it runs, and take it out of the application.
    pub const fn deregister() -> Self {
        Self(processpype_core::Verb::Deregister { cascade: false })
    }

    /// Returns the verb as a word, such as `start`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0.as_str()
    }

    /// Of a start: also start providers that an operator stopped, or that failed.
    pub const fn with_dependencies(mut self) -> Self {
        if let processpype_core::Verb::Start { with_dependencies, .. } = &mut self.0 {
            *with_dependencies = true;
        }
        self
    }

    /// Of a start: also start past an orphan of the last generation, which may still run. The one
    /// way to two generations at a time.
    pub const fn force(mut self) -> Self {
        if let processpype_core::Verb::Start { force, .. } = &mut self.0 {
            *force = true;
        }
        self
    }

    /// Of a stop: stop those that need the service first. When it is deregistered: they leave too.
    pub const fn cascade(mut self) -> Self {
        if let processpype_core::Verb::Stop { cascade }
        | processpype_core::Verb::Deregister { cascade } = &mut self.0
        {
            *cascade = true;
        }
        self
    }

    /// Of a restart: also restart those that live and need the service, in order.
    pub const fn with_dependents(mut self) -> Self {
        if let processpype_core::Verb::Restart { with_dependents } = &mut self.0 {
            *with_dependents = true;
        }
        self
    }
}

impl From<processpype_core::Verb> for Verb {
    fn from(verb: processpype_core::Verb) -> Self {
        Self(verb)
    }
}

impl From<Verb> for processpype_core::Verb {
    fn from(verb: Verb) -> Self {
        verb.0
    }
}
