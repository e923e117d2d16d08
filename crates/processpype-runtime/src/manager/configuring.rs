//! Changing configuration while the application runs: checked here, taken over by the supervisor.
//!
//! # Invariants
//!
//! 1. What is checked may read files, and so runs on a thread that may block, never in the loop.
//! 2. Between a check and its acceptance nothing else may have changed: the supervisor sends back
//!    what was checked against an older book, and it is checked again, at most
//!    [`CONFIGURE_TRIES`] times.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::pin::pin;
use std::sync::Arc;

use processpype_config::{Difference, Effective, Layer, Origin};
use processpype_core::{Desired, ServiceName, each};
use tokio::sync::{OwnedSemaphorePermit, SemaphorePermit, oneshot};
use tokio::time::timeout;

use super::{CHECK_TIME, Manager};
use crate::bell::Ring as _;
use crate::cell::Cell;
use crate::configuration::{
    CONFIGURE_TRIES, ConfigBook, ConfigChange, ConfigEffect, ConfigPreview, ConfigureError,
    Configured, Configurer, Hidden, LayerChange, Loaded, Next, ReloadPreview, ServicePreview,
    goes_on_after_stop, next,
};
use crate::operation::{CommandError, Operation};
use crate::order::Order;
use crate::request::Request;
use crate::supervisor::{ChangeOrder, ReloadOrder, Reloading};

/// How many differences the event about a change names.
const TOLD: usize = 20;

// === impl Manager ===

impl Manager {
    /// Returns the configuration that holds.
    ///
    /// A snapshot; it does not change. Values are read with their types, and may be secret: what
    /// may be shown is [`config`](Self::config).
    #[must_use]
    pub fn config_book(&self) -> Arc<ConfigBook> {
        self.shared.config.load_full()
    }

    /// Lists what holds for a service: every value with its origin, secrets masked, defaults too.
    ///
    /// `None` if there is no such service.
    #[must_use]
    pub fn config(&self, name: &str) -> Option<Vec<Effective>> {
        let cell = self.cell(name)?;
        let configurer = self.shared.configurer.as_ref()?;
        Some(configurer.effective(&self.config_book(), cell.name()))
    }

    /// Changes what came over the API for a service, and what follows from that: a generation that
    /// runs is asked to take it over ([`Service::reconfigure`](crate::Service::reconfigure)), or
    /// restarted; one that does not run starts with it next time, or now if the change says so
    /// ([`ConfigChange::started`]).
    ///
    /// It lies over files, variables and flags, survives restarts and reloads, and ends with the
    /// process. `${…}` in it is text. If a generation fails to take it over or to start with it,
    /// the old configuration holds again ([`CommandError::RolledBack`]).
    ///
    /// # Errors
    ///
    /// Returns [`ConfigureError`] with every problem at once if it is not valid; nothing has
    /// changed then.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, it may or may not have been accepted.
    pub async fn configure(
        &self,
        name: &str,
        change: ConfigChange,
        by: Request,
    ) -> Result<Operation, ConfigureError> {
        // One is checked at a time: it would only be checked anew.
        let _turn = self.check_turn().await?;
        for _ in 0..CONFIGURE_TRIES {
            let mut prepared = self.prepare(name, &change.layer, &by).await?;
            self.hide(Arc::make_mut(&mut prepared.new))?;
            let order = self.change_order(&prepared, &change, &by);
            let (accepted, answer) = oneshot::channel();
            match self.ask(Order::Change(Box::new(order), accepted), answer).await {
                Err(CommandError::Moved) => {}
                result => return Ok(result?),
            }
        }
        Err(CommandError::Moved.into())
    }

    /// Returns what [`configure`](Self::configure) would change, without changing anything.
    ///
    /// What it answers holds for this moment: a change that is given afterwards is checked anew.
    ///
    /// # Errors
    ///
    /// As [`configure`](Self::configure).
    ///
    /// # Cancel safety
    ///
    /// Safe: asking changes nothing.
    pub async fn preview_configure(
        &self,
        name: &str,
        change: ConfigChange,
        by: Request,
    ) -> Result<ConfigPreview, ConfigureError> {
        let prepared = self.prepare(name, &change.layer, &by).await?;
        let generation = prepared.cell.generation();
        if by.expects.as_ref().is_some_and(|expected| !expected.contains(&generation)) {
            return Err(CommandError::Stale { generation }.into());
        }
        let (state, comes) = (prepared.cell.state(), comes(&prepared.cell));
        let starts = change.starts || goes_on_after_stop(state, comes);
        let effect = foreseen(next(&prepared.now, &prepared.new, state, starts, comes));
        Ok(ConfigPreview { differences: prepared.differences, effect })
    }

    /// Loads the layers of the configuration again, and takes over what differs: all of it, or, if
    /// anything is wrong, nothing.
    ///
    /// Only services whose own section differs are touched, each as by
    /// [`configure`](Self::configure). Those that the files do not name any more leave first, and
    /// once they have left those join that the files name anew: [`Reloading::leaving`] and
    /// [`Reloading::joining`]. While any are on their
    /// way, another reload waits. What cannot change while the process runs is listed in
    /// [`Reloading::fixed`].
    ///
    /// # Errors
    ///
    /// Returns [`ConfigureError::Refused`] with every problem at once, or
    /// [`CommandError::Unjoinable`] if the files are right, and somebody new in them does not fit
    /// to those who are there; nothing has changed then, and an event says so.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, it may or may not have been accepted.
    pub async fn reload(&self, by: Request) -> Result<Reloading, ConfigureError> {
        for _ in 0..CONFIGURE_TRIES {
            let turn = match self.turn(&by).await? {
                Turn::Own(turn) => turn,
                Turn::Told(before) => return Ok(before),
            };
            let _turn = self.check_turn().await?;
            // Before the files are read: they may say something else by now.
            if let Some(before) = self.told_of_reload(&by).await? {
                return Ok(before);
            }
            let (book, mut loaded) = match self.load().await {
                Ok(loaded) => loaded,
                Err(ConfigureError::Refused(refused)) => {
                    // Nobody may be there to note it; then nobody reads it either.
                    let order = Order::ReloadRefused(by, refused.summary().into());
                    let _ = self.give::<CommandError>(order);
                    return Err(ConfigureError::Refused(refused));
                }
                Err(error) => return Err(error),
            };
            let _all = self.hide_all(&mut loaded)?;
            let order = self.reload_order(&book, loaded, turn, &by);
            let what = Arc::clone(&order.told);
            let (accepted, answer) = oneshot::channel();
            match self.ask(Order::Reload(Box::new(order), accepted), answer).await {
                Err(CommandError::Moved) => {}
                Ok(reloading) => {
                    let (differences, fixed) = Arc::unwrap_or_clone(what);
                    return Ok(Reloading { differences, fixed, ..reloading });
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(CommandError::Moved.into())
    }

    /// Makes what the supervisor can take over of what is in the files.
    fn reload_order(
        &self,
        book: &ConfigBook,
        loaded: Loaded,
        turn: Option<OwnedSemaphorePermit>,
        by: &Request,
    ) -> ReloadOrder {
        let Loaded {
            document, services, differences, joining, leaving, away, fixed, secrets, ..
        } = loaded;
        let id = |name: &ServiceName| Some(self.cell(name.as_str())?.id());
        ReloadOrder {
            document,
            secrets,
            services: self.reloaded(services, &differences),
            leaving: leaving.iter().filter_map(id).collect(),
            joining,
            away,
            turn,
            basis: book.revision,
            differs: !differences.is_empty(),
            fixed: first_of(each(&fixed, |it| it.path.as_str())),
            told: Arc::new((differences, fixed)),
            by: by.clone(),
        }
    }

    /// Waits until nobody is on the way by an earlier reload: who leaves by it may be back in the
    /// files.
    ///
    /// A repetition does not wait: what came of the first one is known once that is accepted, and
    /// who waits already looks again then.
    async fn turn(&self, by: &Request) -> Result<Turn, CommandError> {
        let mut turn = pin!(Arc::clone(&self.shared.turnover).acquire_owned());
        loop {
            let revision = || self.shared.config.load().revision;
            let seen = revision();
            if let Some(before) = self.told_of_reload(by).await? {
                return Ok(Turn::Told(before));
            }
            tokio::select! {
                biased;
                turn = &mut turn => return Ok(Turn::Own(turn.ok())),
                () = self.shared.changed.until(|_| (revision() != seen).then_some(())) => {}
            }
        }
    }

    /// Returns what came of the reload that was given before under the same key, if there is one.
    async fn told_of_reload(&self, by: &Request) -> Result<Option<Reloading>, CommandError> {
        if by.key.is_none() {
            return Ok(None);
        }
        let (sender, answer) = oneshot::channel();
        self.ask(Order::Reloaded(by.clone(), sender), answer).await
    }

    /// Returns what [`reload`](Self::reload) would change, without changing anything.
    ///
    /// It is refused for what the reload would be refused for, by the same check, and as that it
    /// waits while services of an earlier one are on their way.
    ///
    /// Nothing is reserved: files, services and configuration may have changed by the time of the
    /// reload, which is checked anew. Secrets are not hidden for it; a reload may still be refused
    /// if there is no room for more of those.
    ///
    /// # Errors
    ///
    /// As [`reload`](Self::reload).
    ///
    /// # Cancel safety
    ///
    /// Safe: asking changes nothing.
    pub async fn preview_reload(&self) -> Result<ReloadPreview, ConfigureError> {
        for attempt in 0..CONFIGURE_TRIES {
            drop(self.shared.turnover.acquire().await);
            // Changes that were quicker once wait while it looks again.
            let _still = match attempt {
                0 => None,
                _ => self.shared.configuring.acquire().await.ok(),
            };
            let (book, loaded) = self.load().await?;
            let (joining, leaving) = (loaded.joining.iter(), loaded.leaving.clone());
            let joining = joining.map(|(spec, _)| spec.name.clone()).collect();
            let services = self.preview_services(&book, &loaded);
            let order = self.reload_order(&book, loaded, None, &Request::by("code"));
            let what = Arc::clone(&order.told);
            let (sender, answer) = oneshot::channel();
            match self.ask(Order::ForeseeReload(Box::new(order), sender), answer).await {
                Err(CommandError::Moved) => {}
                Ok(()) => {
                    let (differences, fixed) = Arc::unwrap_or_clone(what);
                    return Ok(ReloadPreview { services, joining, leaving, differences, fixed });
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(CommandError::Moved.into())
    }

    fn preview_services(&self, book: &ConfigBook, loaded: &Loaded) -> Vec<ServicePreview> {
        let preview = |(name, new): &(ServiceName, Configured)| {
            let now = book.service(name.as_str())?;
            let cell = self.cell(name.as_str())?;
            let (state, comes) = (cell.state(), comes(&cell));
            let differs = !new.is_same(now);
            let starts = goes_on_after_stop(state, comes);
            let effect = foreseen(next(now, new, state, starts, comes));
            differs.then(|| ServicePreview { service: name.clone(), effect })
        };
        loaded.services.iter().filter_map(preview).collect()
    }

    /// Waits for the turn to check, for as long as one check may take.
    async fn check_turn(&self) -> Result<SemaphorePermit<'_>, CommandError> {
        match timeout(CHECK_TIME, self.shared.configuring.acquire()).await {
            Ok(turn) => turn.map_err(|_| CommandError::Closing),
            Err(_) => Err(CommandError::CheckHangs),
        }
    }

    /// Checks a change against what holds, on a thread that may block.
    ///
    /// Twice: as it came, so that a problem has its place in the body, and with its origin, as it
    /// will hold.
    async fn prepare(
        &self,
        name: &str,
        change: &LayerChange,
        by: &Request,
    ) -> Result<Prepared, ConfigureError> {
        let cell = self.known(name)?;
        let name = cell.name().clone();
        let (change, origin) = (change.clone(), Origin::api(&*by.actor));
        self.aside(move |configurer, book| {
            let now = Arc::clone(book.service(name.as_str()).ok_or(CommandError::Moved)?);
            let layer = match &change {
                LayerChange::Put(layer) => layer.clone(),
                LayerChange::Patch(patch) => now.layer().patched(patch),
                LayerChange::Remove => Layer::default(),
            };
            let invalid = ConfigureError::Invalid;
            // First as it came, so that a problem has its place in the body.
            configurer.check(&book, &name, &layer).map_err(invalid)?;
            let new = configurer.check(&book, &name, &layer.attributed(&origin));
            let new = Arc::new(new.map_err(invalid)?);
            let differences = configurer.differences(&book, &name, &new);
            Ok(Prepared { cell, now, new, basis: book.revision, differences })
        })
        .await
    }

    fn hide(&self, new: &mut Configured) -> Result<(), ConfigureError> {
        new.hide_by(self.shared.configurer.as_deref()).map_err(ConfigureError::Invalid)
    }

    /// Hides all that was loaded, and lets each service have what hides its own.
    ///
    /// What it returns hides all of them at one time, which is refused as a whole, and costs as
    /// much as for one: it is needed until each has its own.
    fn hide_all(&self, loaded: &mut Loaded) -> Result<Option<Hidden>, ConfigureError> {
        let Some(configurer) = self.shared.configurer.as_deref() else { return Ok(None) };
        let invalid = ConfigureError::Invalid;
        let changed = loaded.services.iter().map(|(_, new)| new);
        let mut all: Vec<String> = Vec::new();
        for new in changed.chain(loaded.joining.iter().map(|(_, new)| new)) {
            all.extend_from_slice(new.unhidden_secrets());
        }
        all.extend_from_slice(loaded.secrets.unhidden());
        let hidden = configurer.hide(&all).map_err(invalid)?;
        loaded.secrets.hide_by(Some(configurer)).map_err(invalid)?;
        for (_, new) in &mut loaded.services {
            self.hide(new)?;
        }
        for (_, new) in &mut loaded.joining {
            self.hide(new)?;
        }
        Ok(Some(hidden))
    }

    async fn load(&self) -> Result<(Arc<ConfigBook>, Loaded), ConfigureError> {
        self.aside(|configurer, book| match configurer.load(&book) {
            Ok(loaded) => Ok((book, loaded)),
            Err(refused) => Err(ConfigureError::Refused(refused)),
        })
        .await
    }

    /// Runs what may block on a thread that may.
    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Configurer, Arc<ConfigBook>) -> Result<T, ConfigureError>
        + Send
        + 'static,
    ) -> Result<T, ConfigureError> {
        let Some(configurer) = self.shared.configurer.clone() else {
            return Err(CommandError::NotConfigurable.into());
        };
        let book = self.config_book();
        let done = self.shared.aside.run(move || work(&*configurer, book)).await;
        done.map_err(CommandError::from)?
    }

    /// Makes the order that the supervisor takes over, with what it is called in the journal.
    fn change_order(
        &self,
        prepared: &Prepared,
        change: &ConfigChange,
        by: &Request,
    ) -> ChangeOrder {
        let ConfigChange { layer, starts } = change;
        let word = match layer {
            LayerChange::Put(_) => "put-config",
            LayerChange::Patch(_) if *starts => "configure-and-start",
            LayerChange::Patch(_) => "configure",
            LayerChange::Remove => "remove-config",
        };
        ChangeOrder {
            service: prepared.cell.id(),
            word,
            new: Arc::clone(&prepared.new),
            basis: prepared.basis,
            starts: *starts,
            by: by.clone(),
            print: print(change),
            told: told(&prepared.differences).into(),
        }
    }

    /// Gives each service of a reload its id, and the text of its event.
    fn reloaded(
        &self,
        services: Vec<(ServiceName, Configured)>,
        differences: &[Difference],
    ) -> Vec<(processpype_core::ServiceId, Arc<Configured>, Arc<str>)> {
        let with_id = |(name, new): (ServiceName, Configured)| {
            let id = self.cell(name.as_str())?.id();
            let path = format!("services.{name}");
            let own = differences.iter().filter(|it| {
                let rest = it.path.strip_prefix(&path);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            });
            Some((id, Arc::new(new), told(own).into()))
        };
        services.into_iter().filter_map(with_id).collect()
    }
}

/// Whether a reload has its turn, or is a repetition.
enum Turn {
    /// The permit, while the application lasts.
    Own(Option<OwnedSemaphorePermit>),
    Told(Reloading),
}

/// A change that has been checked.
struct Prepared {
    cell: Arc<Cell>,
    now: Arc<Configured>,
    new: Arc<Configured>,
    /// The revision of the book that it was checked against.
    basis: u64,
    differences: Vec<Difference>,
}

/// Whether a service is meant to run: it does, or waits for that.
fn comes(cell: &Cell) -> bool {
    cell.look(|facts| facts.desired == Desired::Running && !facts.completed)
}

/// What can be said beforehand of a step: `None` = the service itself decides.
fn foreseen(next: Next) -> Option<ConfigEffect> {
    match next {
        Next::Nothing(effect) => Some(effect),
        Next::Offer => None,
        Next::Restart => Some(ConfigEffect::Restarted),
        Next::Start => Some(ConfigEffect::Started),
        Next::Stop => Some(ConfigEffect::Stopped),
    }
}

/// What was asked for, as a number: the same request has the same.
fn print(ConfigChange { layer, starts }: &ConfigChange) -> u64 {
    let mut hasher = DefaultHasher::new();
    (layer, starts).hash(&mut hasher);
    hasher.finish()
}

/// Names what differs, without values: enough to know what to look at.
fn told<'a, I: IntoIterator<Item = &'a Difference>>(differences: I) -> String {
    first_of(differences.into_iter().map(|it| it.path.as_str()).collect())
}

/// Names the first [`TOLD`] of them, and says how many more there are.
fn first_of(mut paths: Vec<&str>) -> String {
    let more = paths.len().saturating_sub(TOLD);
    paths.truncate(TOLD);
    let paths = paths.join(", ");
    if more == 0 { paths } else { format!("{paths} and {more} more") }
}
