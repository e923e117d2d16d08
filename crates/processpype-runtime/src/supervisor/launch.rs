//! From a checked application to its supervisor: cells, wiring, queues.
//!
//! # Invariants
//!
//! 1. Everything that can fail has been checked: launching cannot.
//! 2. The queues are made here, with the bounds that their modules name.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use processpype_config::Document;
use processpype_core::{Generation, Machine, RestartRate, ServiceId, Vacancies, each};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::sendoff::Sendoff;
use super::{
    ASKS_AT_ONCE, Service, Supervisor, closing, membership, pausing, publish, recovery, turnover,
};
use crate::argument::{Need, Wiring};
use crate::blueprint::{Blueprint, STARTS_AT_ONCE, Spec};
use crate::cell::{Belonging, Cell};
use crate::chance::{Chance, random_seed};
use crate::clock::{Clock, HeldClock, Timestamp};
use crate::configuration::{ConfigBook, Configured, Configurer, Secrets};
use crate::directory::{Directory, Places};
use crate::group;
use crate::journal::{EVENTS_KEPT, Journal};
use crate::kind::Kind;
use crate::layout::Layout;
use crate::levels::LevelSwitch;
use crate::manager::{COMMANDS_PENDING, DRAIN_DELAY, Manager, Shared};
use crate::message::{Office, Reports};
use crate::newcomer::{Creator, REGISTERED_MAX};
use crate::recording::Recording;
use crate::scrub::Scrub;
use crate::stories::Stories;
use crate::timers::Timers;

/// Where and within which limits an application runs.
///
/// Made with [`Launch::on`] and changed field by field.
///
/// ```
/// use processpype_runtime::{Assembly, Launch};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), processpype_runtime::PlanError> {
/// let mut launch = Launch::on(tokio::runtime::Handle::current());
/// launch.closing_timeout = Duration::from_secs(5);
/// let (manager, supervisor) = Assembly::default().check()?.launch(launch);
/// manager.close();
/// let closed = supervisor.run().await;
/// assert!(closed.stragglers.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Launch {
    /// The runtime on which services run.
    pub services: Handle,
    /// The runtime on whose threads for blocking work configuration is checked: that of the
    /// services, unless they must not be able to take them all.
    pub checks: Handle,
    /// The clock of statuses and events.
    pub clock: Clock,
    /// How long closing may take, from the request to the last service gone or named as a
    /// straggler.
    pub closing_timeout: Duration,
    /// How long readiness fails before services are asked to stop.
    pub drain_delay: Duration,
    /// How many generations may be starting at once.
    pub starts_at_once: usize,
    /// How many failed services are started again in what time, over the whole application.
    pub restart_rate: RestartRate,
    /// How many events are kept in memory.
    pub events_kept: usize,
    /// What jitter is drawn from: the same seed, the same delays.
    pub seed: u64,
    /// What is taken out of every text that a service makes public.
    pub scrub: Scrub,
    /// What the layers of the configuration say.
    pub document: Document,
    /// What checks configuration while the application runs; without it none can be changed.
    pub configurer: Option<Arc<dyn Configurer>>,
    /// How levels of the log are changed, if the log is the application's.
    pub levels: LevelSwitch,
    /// Makes services of kinds for those who register over the API.
    pub creator: Option<Arc<dyn Creator>>,
    /// What is told of the previous run, by an event with the cause `unclean-end`, if that did not
    /// end as it should.
    pub unclean_end: Option<String>,
    /// The durable journal, if there is one.
    pub recording: Option<Recording>,
    /// What keeps the stories of failures, for a test.
    pub stories: Option<Stories>,
}

// === impl Launch ===

impl Launch {
    /// Makes the defaults: services on `services`, 25 s to close (Kubernetes kills after 30), a
    /// random seed.
    #[must_use]
    pub fn on(services: Handle) -> Self {
        Self {
            checks: services.clone(),
            services,
            clock: Clock::system(),
            closing_timeout: Duration::from_secs(25),
            drain_delay: DRAIN_DELAY,
            starts_at_once: STARTS_AT_ONCE,
            restart_rate: RestartRate::default(),
            events_kept: EVENTS_KEPT,
            seed: random_seed(),
            scrub: Scrub::default(),
            levels: LevelSwitch::default(),
            creator: None,
            document: Document::empty(),
            configurer: None,
            unclean_end: None,
            recording: None,
            stories: None,
        }
    }
}

// === impl Blueprint ===

impl Blueprint {
    /// Makes the supervisor and the handle of this application. Nothing runs before the supervisor
    /// does.
    ///
    /// The manager can be used at once; commands wait until the supervisor runs.
    #[must_use]
    pub fn launch(self, launch: Launch) -> (Manager, Supervisor) {
        let now = launch.clock.now();
        let cells = self.cells(now);
        let services = self.services(&cells, now);
        let layout = Layout::with(&self.specs, self.edges, self.groups.clone());
        let directory = Arc::new(Directory::new(cells.clone(), layout));
        let traits = each(&self.specs, |spec| spec.options.traits());
        let groups = group::for_machine(&self.groups, self.specs.len());
        let members = membership::Members {
            edges: None,
            groups: self.groups.clone(),
            shared: self.shared,
            vacancies: Vacancies::default(),
            most: self.specs.len() + REGISTERED_MAX,
            leaving: Vec::new(),
            sent_away: Arc::default(),
            rules_changed: false,
        };
        let machine = Machine::new(self.graph, traits, launch.starts_at_once)
            .with_groups(groups)
            .with_asks_at_once(ASKS_AT_ONCE);
        let (reports, messages) = Reports::channel(cells.len() + REGISTERED_MAX);
        let (sender, commands) = mpsc::channel(COMMANDS_PENDING);
        let journal = Arc::new(Journal::new(launch.events_kept));
        let book = first_book(&launch, Arc::clone(&directory), &services);
        let office = Office::new(launch.services.clone(), reports, launch.scrub.clone());
        let office = office.hiding_by(launch.configurer.clone()).telling(launch.stories.clone());
        let office = Arc::new(office);
        let shared = Arc::new(Shared::new(directory, journal, book, &launch, &office));
        shared.recording.store(launch.recording.clone().map(Arc::new));
        let supervisor = Supervisor {
            machine,
            shared: Arc::clone(&shared),
            clock: HeldClock::new(launch.clock),
            chance: Chance::new(launch.seed),
            pausing: pausing::Pausing::default(),
            turnstile: recovery::Turnstile::new(launch.restart_rate),
            launch,
            cells: Places::new(cells),
            services: Places::new(services),
            timers: Timers::default(),
            messages,
            commands,
            office,
            operations: HashMap::default(),
            next_operation: 1,
            keys: HashMap::new(),
            actions: Vec::new(),
            reloads: HashMap::new(),
            turnover: turnover::Turnover::default(),
            failed_changes: VecDeque::new(),
            groups: each(&self.groups, recovery::GroupBudget::new),
            given_up: VecDeque::new(),
            members,
            closing: closing::Closing::default(),
            has_new_traits: false,
            has_touched: false,
            last_told: 0,
            touched: Vec::new(),
            sendoff: Sendoff::default(),
            text: String::new(),
            is_taking: false,
        };
        (Manager::new(shared, sender), supervisor)
    }

    /// The cells of all services, none of which has been started.
    ///
    /// Those of one kind and group belong together.
    fn cells(&self, now: Timestamp) -> Vec<Arc<Cell>> {
        let mut alike: HashMap<[*const u8; 2], Arc<Belonging>> = HashMap::new();
        let cell = |(id, group): (ServiceId, Option<Arc<str>>)| {
            let spec = &self.specs[id.index()];
            let (kind, none) = (&spec.kind_name, std::ptr::null());
            let parts = [kind.as_ptr(), group.as_ref().map_or(none, |group| group.as_ptr())];
            let belonging = alike
                .entry(parts)
                .or_insert_with(|| Arc::new(Belonging { kind: Arc::clone(kind), group }));
            publish::new_cell(id, spec, Arc::clone(belonging), Generation(0), now)
        };
        self.graph.services().zip(self.group_names()).map(cell).collect()
    }

    /// What the loop keeps of each service. Those of one kind that needs nobody are made alike.
    fn services(&self, cells: &[Arc<Cell>], now: Timestamp) -> Vec<Service> {
        let mut alike: HashMap<*const Kind, Arc<Wiring>> = HashMap::new();
        let service = |(spec, id): (&Spec, ServiceId)| {
            let wiring = || Arc::new(self.wiring(id, cells));
            let wiring = match spec.kind.declaration.needs.as_slice() {
                [] => Arc::clone(alike.entry(Arc::as_ptr(&spec.kind)).or_insert_with(wiring)),
                _ => wiring(),
            };
            Service::new(Arc::new(Configured::of(spec)), wiring, now)
        };
        self.specs.iter().zip(self.graph.services()).map(service).collect()
    }

    /// The name of the group of each service.
    fn group_names(&self) -> Vec<Option<Arc<str>>> {
        let mut names = vec![None; self.specs.len()];
        for group in &self.groups {
            for member in &group.members {
                names[member.index()] = Some(Arc::clone(&group.name));
            }
        }
        names
    }

    fn wiring(&self, id: ServiceId, cells: &[Arc<Cell>]) -> Wiring {
        let kind = &self.specs[id.index()].kind;
        let bind = |(need, providers): (&Need, &Vec<ServiceId>)| {
            let face = |provider: &ServiceId| {
                let faces = &self.specs[provider.index()].kind.faces;
                let face = faces.iter().find(|face| face.type_id == need.type_id)?;
                Some((Arc::clone(&cells[provider.index()]), face.clone()))
            };
            providers.iter().filter_map(face).collect()
        };
        let bindings =
            kind.declaration.needs.iter().zip(&self.bindings[id.index()]).map(bind).collect();
        Wiring { kind: Arc::clone(kind), bindings, shared: self.shared.clone() }
    }
}

/// What is configured when an application starts.
fn first_book(launch: &Launch, directory: Arc<Directory>, services: &[Service]) -> ConfigBook {
    let services = each(services, |it| Arc::clone(&it.configured)).into();
    let (document, sent_away) = (launch.document.clone(), Arc::default());
    let secrets = Secrets::default();
    ConfigBook { revision: 1, document, secrets, directory, services, sent_away }
}
