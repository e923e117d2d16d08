//! What the live view knows: a value, changed by [`update`](super::update) alone.
//!
//! # Invariants
//!
//! 1. Nothing in it grows without a bound: events at most [`EVENTS_MAX`], a filter at most
//!    [`FILTER_MAX`] characters, lines of the lower pane at most [`LINES_MAX`].
//! 2. The selection is a name, so that it stays on its service when the order changes.

use std::collections::VecDeque;

use processpype_api::{ApplicationStatus, Event, ServiceState, ServiceStatus, Timestamp};

/// How many events are kept for the lower pane.
pub(super) const EVENTS_MAX: usize = 500;

/// The longest filter.
pub(super) const FILTER_MAX: usize = 60;

/// How many lines of the lower pane are kept.
pub(super) const LINES_MAX: usize = 2000;

/// Everything that is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Model {
    /// Where the application is.
    pub(super) url: String,
    /// What it said last.
    pub(super) application: ApplicationStatus,
    pub(super) link: Link,
    pub(super) stream: Stream,
    pub(super) clock: Clock,
    pub(super) poll: Poll,
    pub(super) selected: Option<String>,
    pub(super) order: Order,
    pub(super) filter: String,
    pub(super) mode: Mode,
    pub(super) pane: Pane,
    pub(super) text: PaneText,
    pub(super) events: VecDeque<Event>,
    /// How many events the application no longer held when they were asked for.
    pub(super) lost: u64,
    pub(super) note: Option<Note>,
    /// What was commanded and is not over.
    pub(super) commanding: Option<Command>,
}

/// Whether the application answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Up,
    /// It does not; the next try comes at this time of the view's own clock.
    Lost {
        why: String,
        tries: u32,
        next_at: u64,
    },
}

/// Whether events arrive as they happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    /// It is read, or about to be.
    Open,
    /// It broke; it is opened again at this time of the view's own clock.
    Broken { next_at: u64 },
    /// The application does not let this client read it; it is asked again at this time.
    Refused { why: String, next_at: u64 },
}

/// The two clocks: the view's own, in milliseconds since its begin, and the application's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Clock {
    pub(super) own: u64,
    /// What the application's clock is ahead of the view's own. The application tells whole
    /// seconds, rounded down: the highest that was seen is the nearest.
    ahead: u64,
}

/// When the application is asked again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Poll {
    pub(super) is_asking: bool,
    pub(super) last: u64,
    pub(super) next: u64,
}

/// How rows are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Order {
    #[default]
    Name,
    /// Who needs help first.
    Trouble,
    /// Who changed last first.
    Change,
    /// Who was started most often first.
    Generation,
}

/// What keys mean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Mode {
    #[default]
    Table,
    /// A filter is typed.
    Filter,
    /// A command waits for a yes.
    Confirm(Command),
    Help,
}

/// What is asked of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) verb: Verb,
    pub(super) service: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Start,
    Stop,
    Restart,
}

/// What the lower pane shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Pane {
    /// Why the selected service is as it is.
    #[default]
    Why,
    /// All that is known of the selected service.
    Detail,
    /// What happens in the application.
    Events,
    /// What happens to the selected service.
    OwnEvents,
    /// What the selected service logs.
    Logs,
}

/// What the application said for the lower pane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PaneText {
    /// What it is about: the pane and the service.
    pub(super) of: Option<(Pane, String)>,
    pub(super) lines: Vec<String>,
    /// How many lines are above what is shown.
    pub(super) scroll: usize,
    /// Whether it must be asked for.
    pub(super) is_due: bool,
    pub(super) is_asking: bool,
}

/// A line for the user, until a time of the view's own clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) text: String,
    pub(super) is_error: bool,
    pub(super) until: u64,
}

// === impl Model ===

impl Model {
    pub(super) fn new(url: String, application: ApplicationStatus) -> Self {
        let selected = application.services.keys().next().cloned();
        Self {
            url,
            application,
            link: Link::Up,
            stream: Stream::Open,
            clock: Clock::default(),
            poll: Poll::default(),
            selected,
            order: Order::default(),
            filter: String::new(),
            mode: Mode::default(),
            pane: Pane::default(),
            text: PaneText { is_due: true, ..PaneText::default() },
            events: VecDeque::new(),
            lost: 0,
            note: None,
            commanding: None,
        }
    }

    /// Returns the rows in their order: every service whose name, state or group has the filter.
    pub(super) fn rows(&self) -> Vec<&ServiceStatus> {
        let services = self.application.services.values();
        let mut rows: Vec<_> = services.filter(|it| matches(it, &self.filter)).collect();
        match self.order {
            Order::Name => {}
            Order::Trouble => rows.sort_by_key(|it| std::cmp::Reverse(trouble(it))),
            Order::Change => rows.sort_by_key(|it| std::cmp::Reverse(it.since)),
            Order::Generation => rows.sort_by_key(|it| std::cmp::Reverse(it.generation)),
        }
        rows
    }

    /// Returns the selected service, if it is among the rows.
    pub(super) fn selected(&self) -> Option<&ServiceStatus> {
        let name = self.selected.as_ref()?;
        self.application.services.get(name).filter(|it| matches(it, &self.filter))
    }

    /// Returns the time at the application.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.application()
    }
}

fn matches(it: &ServiceStatus, filter: &str) -> bool {
    let has = |text: &str| text.contains(filter);
    filter.is_empty()
        || has(&it.name)
        || has(it.state.as_str())
        || it.group.as_deref().is_some_and(has)
}

/// Says how much a service needs somebody: the more, the higher.
fn trouble(it: &ServiceStatus) -> u8 {
    match it.state {
        ServiceState::Error => 5,
        ServiceState::Running if it.degraded.is_some() || it.error.is_some() => 4,
        ServiceState::Running if !it.ready || !it.waiting_on.is_empty() => 3,
        ServiceState::Stopped if !it.waiting_on.is_empty() => 3,
        ServiceState::Starting | ServiceState::Stopping => 2,
        ServiceState::Stopped if it.enabled && !it.completed => 1,
        ServiceState::Running | ServiceState::Stopped => 0,
    }
}

// === impl Clock ===

impl Clock {
    /// Takes what the application says the time is, now.
    pub(super) fn learn(&mut self, application: Timestamp) {
        self.ahead = self.ahead.max(application.0.saturating_sub(self.own));
    }

    /// Forgets what the application said.
    pub(super) fn forget(&mut self) {
        self.ahead = 0;
    }

    fn application(self) -> Timestamp {
        Timestamp(self.own + self.ahead)
    }
}

// === impl Order ===

impl Order {
    pub(super) fn next(self) -> Self {
        match self {
            Self::Name => Self::Trouble,
            Self::Trouble => Self::Change,
            Self::Change => Self::Generation,
            Self::Generation => Self::Name,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Trouble => "trouble",
            Self::Change => "last change",
            Self::Generation => "generation",
        }
    }
}

// === impl Verb ===

impl Verb {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
        }
    }
}

// === impl Pane ===

impl Pane {
    /// Returns whether the newest line, the last one, is what is shown first.
    pub(super) fn is_tail(self) -> bool {
        matches!(self, Self::Events | Self::OwnEvents | Self::Logs)
    }

    /// Returns whether the application is asked for its text.
    pub(super) fn is_asked(self) -> bool {
        matches!(self, Self::Why | Self::Detail | Self::Logs)
    }
}
