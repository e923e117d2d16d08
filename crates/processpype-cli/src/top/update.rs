//! How the view changes: a pure function of what it knows and of what has come.
//!
//! # Invariants
//!
//! 1. Requests have a bounded rate: one look at a time, at least [`SOON`] apart; one question of
//!    the lower pane and one command at a time.
//! 2. No command but `start` is given without a yes.
//! 3. Whatever goes wrong is shown, and all but a refusal is tried again.

use processpype_api::{ApplicationStatus, Event, Timestamp};

use super::key::{self, Intent, Key};
use super::model::{
    Command, EVENTS_MAX, FILTER_MAX, LINES_MAX, Link, Mode, Model, Note, Pane, Stream, Verb,
};

/// Between two looks when nothing is heard, in milliseconds.
const REST: u64 = 1000;

/// Between two looks when events arrive.
const SOON: u64 = 200;

/// Before a lost application is asked again: at first, and at most.
const AGAIN_FIRST: u64 = 1000;

/// After how long a refused stream is asked for again: the next process may have another token.
const AGAIN_REFUSED: u64 = 5000;
const AGAIN_MAX: u64 = 8000;

/// How long a note stands.
const NOTE_TIME: u64 = 8000;

/// How far a page key moves.
const PAGE: usize = 10;

/// What has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    Key(Key),
    /// The view's own clock, in milliseconds since its begin.
    Tick(u64),
    /// The terminal has another size, or was away.
    Resized,
    /// The application was looked at.
    Looked(Result<Look, Trouble>),
    Event(Box<Event>),
    /// Events that are no longer held.
    Lagged(u64),
    /// The application closes.
    Closing,
    /// No more events come.
    Ended(Trouble),
    /// What the application said for the lower pane.
    Text {
        of: (Pane, String),
        lines: Result<Vec<String>, Trouble>,
    },
    /// A command is over.
    Done(Result<String, Trouble>),
    /// Somebody wants the view to end.
    Quit,
    /// Somebody wants the view to give the terminal away.
    Suspend,
}

/// What a look brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// None = it is what it was.
    pub(super) application: Option<ApplicationStatus>,
    pub(super) now: Option<Timestamp>,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) text: String,
    /// Whether asking again will bring the same: the application has said no.
    pub(super) is_refusal: bool,
}

/// What is to be done at the edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Look at the application.
    Look,
    /// Hear its events, from where it was left.
    Listen,
    /// Ask for the text of the lower pane.
    Read(Pane, String),
    /// Give a command.
    Give(Command),
    /// Draw anew what may have been overwritten.
    Redraw,
    /// Give the terminal away until the process goes on.
    Suspend,
    /// End.
    Quit,
}

/// Returns what is to be done first.
pub(super) fn begin() -> Vec<Effect> {
    vec![Effect::Look, Effect::Listen]
}

/// Returns the view after `message`, and what is to be done.
pub(super) fn update(mut model: Model, message: Message) -> (Model, Vec<Effect>) {
    let mut effects = Vec::new();
    match message {
        Message::Key(key) => pressed(&mut model, key, &mut effects),
        Message::Tick(own) => tick(&mut model, own, &mut effects),
        Message::Resized => {}
        Message::Looked(Ok(look)) => looked(&mut model, look, &mut effects),
        Message::Looked(Err(trouble)) => lost(&mut model, trouble),
        Message::Event(event) => happened(&mut model, *event),
        Message::Lagged(lost) => model.lost += lost,
        Message::Closing => model.say("the application is closing", true),
        Message::Ended(trouble) => ended(&mut model, trouble),
        Message::Text { of, lines } => read(&mut model, of, lines),
        Message::Done(outcome) => done(&mut model, outcome),
        Message::Quit => effects.push(Effect::Quit),
        Message::Suspend => effects.push(Effect::Suspend),
    }
    (model, effects)
}

// === Time and the application ===

fn tick(model: &mut Model, own: u64, effects: &mut Vec<Effect>) {
    let is_next_second = own / 1000 != model.clock.own / 1000;
    model.clock.own = own;
    model.note.take_if(|note| note.until <= own);
    let is_due = match model.link {
        Link::Up => own >= model.poll.next,
        Link::Lost { next_at, .. } => own >= next_at,
    };
    if is_due && !model.poll.is_asking {
        model.poll.is_asking = true;
        model.poll.last = own;
        effects.push(Effect::Look);
    }
    if model.link != Link::Up {
        return;
    }
    if matches!(model.stream, Stream::Broken { next_at } | Stream::Refused { next_at, .. }
        if own >= next_at)
    {
        model.stream = Stream::Open;
        effects.push(Effect::Listen);
    }
    // What a chain of causes says of time, and a log, go on by themselves.
    model.text.is_due |= is_next_second && matches!(model.pane, Pane::Why | Pane::Logs);
    ask_pane(model, effects);
}

fn ask_pane(model: &mut Model, effects: &mut Vec<Effect>) {
    let is_wanted = model.pane.is_asked() && model.text.is_due && !model.text.is_asking;
    if let (true, Some(service)) = (is_wanted, model.selected()) {
        let service = service.name.clone();
        effects.push(Effect::Read(model.pane, service));
        model.text.is_due = false;
        model.text.is_asking = true;
    }
}

fn looked(model: &mut Model, look: Look, effects: &mut Vec<Effect>) {
    model.poll.is_asking = false;
    model.poll.next = model.clock.own + REST;
    if model.link != Link::Up {
        // It may be another process, with another clock.
        model.clock.forget();
        model.link = Link::Up;
        model.say("connected again", false);
        if model.stream != Stream::Open {
            model.stream = Stream::Open;
            effects.push(Effect::Listen);
        }
        model.text.is_due = true;
    }
    look.now.into_iter().for_each(|now| model.clock.learn(now));
    if let Some(application) = look.application {
        model.application = application;
        model.text.is_due = true;
        model.keep_selection();
    }
}

fn lost(model: &mut Model, trouble: Trouble) {
    model.poll.is_asking = false;
    let before = match model.link {
        Link::Up => 0,
        Link::Lost { tries, .. } => tries,
    };
    let wait = AGAIN_FIRST.saturating_mul(1 << before.min(10)).min(AGAIN_MAX);
    let (why, next_at) = (trouble.text, model.clock.own + wait);
    model.link = Link::Lost { why, tries: before + 1, next_at };
}

fn happened(model: &mut Model, event: Event) {
    model.clock.learn(event.time);
    if model.events.len() == EVENTS_MAX {
        model.events.pop_front();
    }
    model.events.push_back(event);
    model.look_soon();
}

fn ended(model: &mut Model, trouble: Trouble) {
    model.stream = if trouble.is_refusal {
        Stream::Refused { why: trouble.text, next_at: model.clock.own + AGAIN_REFUSED }
    } else {
        Stream::Broken { next_at: model.clock.own + AGAIN_FIRST }
    };
    model.look_soon();
}

fn read(model: &mut Model, of: (Pane, String), lines: Result<Vec<String>, Trouble>) {
    model.text.is_asking = false;
    let is_wanted = model.pane == of.0 && model.selected.as_deref() == Some(&of.1);
    if !is_wanted {
        model.text.is_due = true;
        return;
    }
    if model.text.of.as_ref() != Some(&of) {
        model.text.scroll = 0;
    }
    model.text.of = Some(of);
    model.text.lines = lines.unwrap_or_else(|trouble| vec![trouble.text]);
    let surplus = model.text.lines.len().saturating_sub(LINES_MAX);
    model.text.lines.drain(..surplus);
}

fn done(model: &mut Model, outcome: Result<String, Trouble>) {
    model.commanding = None;
    match outcome {
        Ok(text) => model.say(&text, false),
        Err(trouble) => model.say(&trouble.text, true),
    }
    model.look_soon();
}

// === Keys ===

fn pressed(model: &mut Model, key: Key, effects: &mut Vec<Effect>) {
    let Some(intent) = key::intent(&model.mode, key) else { return };
    match intent {
        Intent::Quit => effects.push(Effect::Quit),
        Intent::Suspend => effects.push(Effect::Suspend),
        Intent::Redraw => effects.push(Effect::Redraw),
        Intent::Move(by) => model.step(by),
        Intent::Page(by) => model.step(by.saturating_mul(PAGE as isize)),
        Intent::End(is_last) => model.step(if is_last { isize::MAX } else { isize::MIN }),
        Intent::Scroll(by) => model.scroll(by),
        Intent::Show(pane) => model.show(pane),
        Intent::Events => {
            let own = model.pane == Pane::Events;
            model.show(if own { Pane::OwnEvents } else { Pane::Events });
        }
        Intent::Order => {
            model.order = model.order.next();
            model.say(&format!("ordered by {}", model.order.word()), false);
        }
        Intent::Help => model.mode = Mode::Help,
        Intent::Back => model.mode = Mode::Table,
        Intent::Filter => model.mode = Mode::Filter,
        Intent::Type(letter) if model.filter.chars().count() < FILTER_MAX => {
            model.filter.push(letter);
            model.keep_selection();
        }
        Intent::Type(_) => {}
        Intent::Erase => {
            model.filter.pop();
            model.keep_selection();
        }
        Intent::Unfilter => {
            model.filter.clear();
            model.mode = Mode::Table;
            model.keep_selection();
        }
        Intent::Command(verb) => command(model, verb, effects),
        Intent::Yes => {
            if let Mode::Confirm(command) = std::mem::take(&mut model.mode) {
                give(model, command, effects);
            }
        }
    }
}

fn command(model: &mut Model, verb: Verb, effects: &mut Vec<Effect>) {
    let Some(service) = model.selected().map(|it| it.name.clone()) else { return };
    let command = Command { verb, service };
    match verb {
        Verb::Start => give(model, command, effects),
        Verb::Stop | Verb::Restart => model.mode = Mode::Confirm(command),
    }
}

fn give(model: &mut Model, command: Command, effects: &mut Vec<Effect>) {
    if let Some(Command { verb, service }) = &model.commanding {
        let text = format!("`{} {service}` is not over yet", verb.word());
        return model.say(&text, true);
    }
    model.note = None;
    model.commanding = Some(command.clone());
    effects.push(Effect::Give(command));
}

// === impl Model ===

impl Model {
    fn say(&mut self, text: &str, is_error: bool) {
        let until = self.clock.own + NOTE_TIME;
        self.note = Some(Note { text: text.to_owned(), is_error, until });
    }

    fn look_soon(&mut self) {
        let soon = (self.poll.last + SOON).max(self.clock.own);
        self.poll.next = self.poll.next.min(soon);
    }

    fn show(&mut self, pane: Pane) {
        self.pane = pane;
        self.text.is_due = true;
        self.text.scroll = 0;
    }

    /// Moves the selection by this many rows, as far as there are some.
    fn step(&mut self, by: isize) {
        let rows = self.rows();
        let at = rows.iter().position(|it| Some(&it.name) == self.selected.as_ref());
        let last = rows.len().saturating_sub(1);
        let to = at.unwrap_or(0).saturating_add_signed(by).min(last);
        let name = rows.get(to).map(|it| it.name.clone());
        self.select(name);
    }

    fn scroll(&mut self, by: isize) {
        // What ends with the newest line begins at its end.
        let by = if self.pane.is_tail() { -by } else { by };
        let lines = if self.pane.is_asked() { self.text.lines.len() } else { self.events.len() };
        self.text.scroll = self.text.scroll.saturating_add_signed(by).min(lines);
    }

    /// Selects the first row if the selected one is gone.
    fn keep_selection(&mut self) {
        if self.selected().is_none() {
            let name = self.rows().first().map(|it| it.name.clone());
            self.select(name);
        }
    }

    fn select(&mut self, name: Option<String>) {
        if self.selected != name {
            self.selected = name;
            self.text.is_due = true;
            self.text.scroll = 0;
        }
    }
}
