//! How the view looks: a pure function of what it knows.
//!
//! # Invariants
//!
//! 1. Colour only repeats what a word says, and there is none where it is not wanted.
//! 2. Whatever the size, the last line says what can be done or what is wrong.

mod pane;
mod table;

use processpype_api::ServiceState;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::key::KEYS;
use super::model::{Link, Mode, Model};

/// Below this height there is no lower pane.
const PANE_FROM: u16 = 10;

/// What the keys do, in short; the end is cut where it does not fit.
const HINTS: [(&str, &str); 10] = [
    ("q", "quit"),
    ("?", "help"),
    ("s", "start"),
    ("x", "stop"),
    ("r", "restart"),
    ("w", "why"),
    ("e", "events"),
    ("l", "log"),
    ("/", "filter"),
    ("o", "order"),
];

/// What colours there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Theme {
    pub(super) has_colour: bool,
}

/// Draws everything.
pub(super) fn draw(model: &Model, theme: Theme, frame: &mut Frame<'_>) {
    let area = frame.area();
    let [mut body, last] = cut_off_end(area, 1);
    let heads = head(model, theme);
    for line in heads {
        let [place, rest] = cut_off(body, 1);
        frame.render_widget(line, place);
        body = rest;
    }
    if model.mode == Mode::Help {
        frame.render_widget(help(), body);
    } else if area.height < PANE_FROM {
        table::draw(model, theme, frame, body);
    } else {
        let rows = u16::try_from(model.rows().len()).unwrap_or(u16::MAX);
        let height = rows.saturating_add(1).min(body.height * 3 / 5).max(3);
        let [upper, lower] = cut_off(body, height);
        table::draw(model, theme, frame, upper);
        pane::draw(model, theme, frame, lower);
    }
    frame.render_widget(foot(model, theme), last);
}

/// Says what the application is, and whether it still answers.
fn head(model: &Model, theme: Theme) -> Vec<Line<'static>> {
    let application = &model.application;
    let state = application.state.as_str();
    let (all, shown) = (application.services.len(), model.rows().len());
    let missing =
        application.services.values().filter(|it| crate::view::status::is_missing(it)).count();
    let missing = if missing == 0 { String::new() } else { format!(", {missing} not ready") };
    let shown = if shown == all { String::new() } else { format!(", {shown} shown") };
    let plural = if all == 1 { "" } else { "s" };
    let text = format!(
        " {} ({}): {state}, {all} service{plural}{missing}{shown}",
        application.version, application.environment
    );
    let title = Span::styled(application.title.clone(), Modifier::BOLD);
    let first = Line::from(vec![title, Span::raw(text), Span::raw(format!("  {}", model.url))]);
    let mut lines = vec![first];
    if let Link::Lost { why, next_at, .. } = &model.link {
        let left = next_at.saturating_sub(model.clock.own).div_ceil(1000);
        let when = if model.poll.is_asking {
            "trying again".to_owned()
        } else {
            format!("next try in {left} s")
        };
        lines.push(Line::styled(format!("connection lost, {when}: {why}"), theme.error()));
    }
    lines
}

/// Asks, tells, or says what can be done.
fn foot(model: &Model, theme: Theme) -> Line<'static> {
    match &model.mode {
        Mode::Confirm(command) => {
            let text =
                format!("{} {}? y = yes, any other key = no", command.verb.word(), command.service);
            return Line::styled(text, theme.warning());
        }
        Mode::Filter => {
            return Line::raw(format!("/{}_  Enter keeps it, Esc shows all", model.filter));
        }
        Mode::Help => return Line::raw("any key goes back, q quits"),
        Mode::Table => {}
    }
    if let Some(note) = &model.note {
        let style = if note.is_error { theme.error() } else { Style::new() };
        return Line::styled(note.text.clone(), style);
    }
    if let Some(command) = &model.commanding {
        return Line::raw(format!("{} {} ...", command.verb.word(), command.service));
    }
    let filter = if model.filter.is_empty() {
        String::new()
    } else {
        format!("filter `{}`, Esc shows all  ", model.filter)
    };
    let hint = |(key, text): &(&'static str, &'static str)| {
        [Span::styled(*key, Modifier::BOLD), Span::raw(format!(" {text} "))]
    };
    std::iter::once(Span::raw(filter)).chain(HINTS.iter().flat_map(hint)).collect()
}

fn help() -> Paragraph<'static> {
    let key = |(keys, text): &(&str, &'static str)| {
        Line::from(vec![Span::styled(format!("  {keys:<12}"), Modifier::BOLD), Span::raw(*text)])
    };
    Paragraph::new(KEYS.iter().map(key).collect::<Vec<_>>())
}

/// Cuts so many lines off the begin.
fn cut_off(area: Rect, height: u16) -> [Rect; 2] {
    let height = height.min(area.height);
    let begin = Rect { height, ..area };
    [begin, Rect { y: area.y + height, height: area.height - height, ..area }]
}

/// Cuts so many lines off the end.
fn cut_off_end(area: Rect, height: u16) -> [Rect; 2] {
    cut_off(area, area.height.saturating_sub(height))
}

// === impl Theme ===

impl Theme {
    fn error(self) -> Style {
        self.colour(Color::Red).add_modifier(Modifier::BOLD)
    }

    fn warning(self) -> Style {
        self.colour(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    fn state(self, state: ServiceState) -> Style {
        match state {
            ServiceState::Running => self.colour(Color::Green),
            ServiceState::Starting | ServiceState::Stopping => self.colour(Color::Yellow),
            ServiceState::Error => self.colour(Color::Red),
            ServiceState::Stopped => Style::new().add_modifier(Modifier::DIM),
        }
    }

    fn colour(self, colour: Color) -> Style {
        if self.has_colour { Style::new().fg(colour) } else { Style::new() }
    }
}
