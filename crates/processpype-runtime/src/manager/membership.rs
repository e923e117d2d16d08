//! Letting services join a running application, and leave it.

use processpype_core::Verb;
use tokio::sync::oneshot;

use super::Manager;
use crate::blueprint::Spec;
use crate::newcomer::{
    Accepted, CreateError, Joining, RegisterError, Registered, Registration, Wish,
};
use crate::operation::{CommandError, CommandPreview, Done};
use crate::order::Order;
use crate::request::Request;

// === impl Manager ===

impl Manager {
    /// Lets a service join the running application, and starts it if that is asked for.
    ///
    /// It is checked as at the start: its configuration, its providers, its edges. Its handles are
    /// bound here, and those of others do not change: it is in the [`Deps`](crate::Deps) of those
    /// alone that join after it. It stays until it is deregistered or the process ends; the next
    /// start knows nothing of it.
    ///
    /// A name that was there before starts with an empty history, but its generations count on from
    /// where they ended.
    ///
    /// ```
    /// use std::sync::Arc;
    /// # mod processpype {
    /// #     pub use processpype_runtime::*;
    /// #     pub use processpype_runtime as registration;
    /// # }
    /// # use processpype_runtime::{Assembly, Launch};
    /// use processpype::registration::{Kind, Registration, Spec};
    /// use processpype::{Request, Service};
    ///
    /// struct Ticker;
    /// impl Service for Ticker {}
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let launch = Launch::on(tokio::runtime::Handle::current());
    /// # let (manager, supervisor) = Assembly::default().check()?.launch(launch);
    /// # let supervisor = tokio::spawn(supervisor.run());
    /// let spec = Spec::new("fast".parse()?, Arc::new(Kind::of(|| Ticker)));
    /// let by = Request::by("code");
    /// let registered = manager.register(Registration::of(spec).started(), by).await?;
    /// registered.start.expect("it was asked for").outcome().await?;
    /// assert!(manager.status("fast").unwrap().ready);
    /// manager.deregister("fast").await?;
    /// assert!(manager.status("fast").is_none());
    /// # manager.close();
    /// # supervisor.await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`RegisterError`], and has changed nothing, if it cannot join or its start would be
    /// refused; also if its secrets cannot be hidden, since there are too many already.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the service may or may not have joined.
    pub async fn register(
        &self,
        registration: Registration,
        by: Request,
    ) -> Result<Registered, RegisterError> {
        let (sender, answer) = oneshot::channel();
        self.join(registration, by, Accepted::Registered(sender)).await?;
        answer.await.unwrap_or(Err(RegisterError::Closing))
    }

    /// Returns what a registration would do if all goes well, without doing it.
    ///
    /// # Errors
    ///
    /// As [`register`](Self::register).
    ///
    /// # Cancel safety
    ///
    /// Safe: asking changes nothing.
    pub async fn preview_registration(
        &self,
        registration: Registration,
    ) -> Result<CommandPreview, RegisterError> {
        let (sender, answer) = oneshot::channel();
        self.join(registration, Request::by("code"), Accepted::Foreseen(sender)).await?;
        answer.await.unwrap_or(Err(RegisterError::Closing))
    }

    async fn join(
        &self,
        mut registration: Registration,
        by: Request,
        accepted: Accepted,
    ) -> Result<(), RegisterError> {
        registration.spec.joined.get_or_insert_default();
        let mut registration = self.checked(registration).await?;
        if let Accepted::Registered(_) = &accepted {
            let configurer = self.shared.configurer.as_deref();
            registration.spec.secrets.hide_by(configurer).map_err(RegisterError::Config)?;
        }
        self.give(Order::Register(Box::new(Joining { registration, by, accepted })))
    }

    /// Checks the configuration, and notes its secrets. How a type is read is code of the user.
    async fn checked(&self, mut registration: Registration) -> Result<Registration, RegisterError> {
        let has_type = !registration.spec.kind.config_types().is_empty();
        let check = move || {
            let checked = registration.spec.check_config();
            checked.map(|()| registration).map_err(RegisterError::Config)
        };
        match has_type {
            true => self.shared.aside.run(check).await?,
            false => check(),
        }
    }

    /// Makes what can be registered of a kind that the application knows by name.
    ///
    /// # Errors
    ///
    /// Says which kinds there are, or everything that is wrong with the section.
    ///
    /// # Cancel safety
    ///
    /// Safe: making one changes nothing.
    pub async fn create(&self, wish: &Wish) -> Result<Spec, CreateError> {
        let Some(creator) = self.shared.creator.clone() else {
            return Err(CreateError::UnknownKind { creatable: Vec::new() });
        };
        let (book, wish) = (self.config_book(), wish.clone());
        self.shared.aside.run(move || creator.create(book.document(), &wish)).await?
    }

    /// Lists the kinds of which services can be made while the application runs.
    #[must_use]
    pub fn creatable(&self) -> Vec<String> {
        self.shared.creator.as_ref().map_or_else(Vec::new, |creator| creator.creatable())
    }

    /// Stops a service, if it runs, and takes it out of the application with its routes.
    ///
    /// It takes as long as a stop. Requests in flight finish as they do when it is stopped. To take
    /// out those that depend on it as well, give the command `Verb::Deregister { cascade: true }`.
    ///
    /// # Errors
    ///
    /// Says why it has not left: with [`CommandError::Needed`] if others have an edge to it,
    /// optional ones included, for their handles are bound to it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not cancel the command.
    pub async fn deregister(&self, name: &str) -> Result<Done, CommandError> {
        let verb = Verb::Deregister { cascade: false };
        self.command(name, verb, Request::by("code")).await?.outcome().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::blueprint::Assembly;
    use crate::kind::Kind;
    use crate::service::Service;
    use crate::supervisor::Launch;

    struct Plain;

    impl Service for Plain {}

    #[tokio::test(start_paused = true)]
    #[expect(clippy::disallowed_methods, reason = "the loop of a test runs beside it")]
    async fn nothing_keeps_what_readers_saw_of_a_service() {
        let launch = Launch::on(tokio::runtime::Handle::current());
        let blueprint = Assembly::default().check().expect("nothing can be wrong");
        let (manager, supervisor) = blueprint.launch(launch);
        tokio::spawn(supervisor.run());
        for _ in 0..3 {
            let name = "plain".parse().expect("a name");
            let spec = Spec::new(name, Arc::new(Kind::of(|| Plain)));
            let registration = Registration::of(spec).started();
            let registered = manager.register(registration, Request::by("test")).await;
            let start = registered.expect("it joins").start.expect("it was asked for");
            start.outcome().await.expect("it starts");
            let cell = Arc::downgrade(&manager.cell("plain").expect("it is there"));
            manager.deregister("plain").await.expect("it leaves");
            // Let the loop end its turn.
            assert!(manager.deregister("plain").await.is_err());
            tokio::task::yield_now().await;
            assert_eq!(cell.strong_count(), 0);
        }
    }
}
