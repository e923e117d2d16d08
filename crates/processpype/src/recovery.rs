//! What follows a failure: a restart, or the end, of the service or of the application.
//!
//! # Invariants
//!
//! 1. What code says here is the least that counts: the service's section in the file, then the
//!    section `defaults`, lie over it, key by key.

use processpype_core::{EdgePolicy, RestartOptions, RestartPolicy};

use crate::application::Application;

impl Application {
    /// Says after which ends the service registered last is started again. Default: on failure.
    ///
    /// ```
    /// use std::time::Duration;
    /// use processpype::testing::{self, Act, Probe, Script};
    /// use processpype::{Application, RestartPolicy, ServiceState};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> processpype::Result {
    /// let run = Act::Fail(Duration::from_secs(5));
    /// let probe = Probe::new(vec![Script { run, ..Script::default() }]);
    /// let app = Application::new().service(probe.service()).named("report");
    /// let app = testing::start(app.restart(RestartPolicy::Never)).await?;
    /// app.wait("report", ServiceState::Error).await?;
    /// assert!(app.manager().status("report").unwrap().restart.is_none(), "that was all");
    /// # app.stop().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn restart(self, policy: RestartPolicy) -> Self {
        self.last("restart", |declared| declared.options.restart.policy = policy)
    }

    /// Says all about the restarts of the service registered last: policy, backoff, limit, reset.
    ///
    /// ```
    /// use processpype::{Application, RestartLimit, RestartOptions, Service};
    ///
    /// struct Poller;
    /// impl Service for Poller {}
    ///
    /// let options = RestartOptions { limit: RestartLimit::NONE, ..RestartOptions::default() };
    /// let app = Application::new().service(|| Poller).restart_options(options);
    /// assert!(app.check().is_ok());
    /// ```
    pub fn restart_options(self, options: RestartOptions) -> Self {
        self.last("restart_options", |declared| declared.options.restart = options)
    }

    /// Says what the service registered last asks of its edge to `provider`. Default: hold.
    ///
    /// An edge comes from a [`Dep`](crate::Dep) argument or [`depends_on`](Self::depends_on); this
    /// only says what follows from it. See [`EdgePolicy`].
    ///
    /// ```
    /// use processpype::{Application, Dep, EdgePolicy, Service};
    ///
    /// struct Db;
    /// impl Service for Db {}
    ///
    /// struct Cache { db: Dep<Db> }
    /// impl Service for Cache {}
    ///
    /// let cache = |db: Dep<Db>| Cache { db };
    /// let app = Application::new().service(|| Db).service(cache);
    /// assert!(app.edge("db", EdgePolicy::Restart).check().is_ok());
    /// ```
    pub fn edge(self, provider: &str, policy: EdgePolicy) -> Self {
        let choice = (provider.to_owned(), policy);
        self.last("edge", |declared| declared.edges.push(choice))
    }

    /// Says that the application closes when the service registered last is given up.
    ///
    /// Given up is what failed and is not restarted: by its policy, or because it is exhausted.
    ///
    /// Default: false. The word and the meaning are OTP's. Mark what the process is useless
    /// without: then the platform restarts the process, and the exit code says why
    /// ([`FailedAtStart`](crate::Exit::FailedAtStart), [`FailedLater`](crate::Exit::FailedLater)).
    ///
    /// ```
    /// use processpype::testing::{self, Act, Probe, Script};
    /// use processpype::{Application, CloseCause, RestartPolicy};
    /// # use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> processpype::Result {
    /// let run = Act::Fail(Duration::from_secs(5));
    /// let probe = Probe::new(vec![Script { run, ..Script::default() }]);
    /// let app = Application::new().service(probe.service()).named("db");
    /// let app = app.significant().restart(RestartPolicy::Never);
    /// let closed = testing::start(app).await?.closed().await;
    /// assert!(matches!(closed.cause, CloseCause::Significant(_)));
    /// assert_eq!(closed.significant.unwrap().as_str(), "db");
    /// # Ok(())
    /// # }
    /// ```
    pub fn significant(self) -> Self {
        self.last("significant", |declared| declared.options.significant = true)
    }
}
