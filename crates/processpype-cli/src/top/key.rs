//! What a key means, as a table.
//!
//! # Invariants
//!
//! 1. The help of the view and the manual name every key of this table.

pub(super) use crossterm::event::KeyEvent as Key;
use crossterm::event::{KeyCode, KeyEventKind, KeyModifiers};

use super::model::{Mode, Pane, Verb};

/// What somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intent {
    Quit,
    Suspend,
    Redraw,
    /// Select another row, so many further down.
    Move(isize),
    Page(isize),
    /// Select the last row, or the first.
    End(bool),
    /// Move the lower pane, so many lines away from where it begins.
    Scroll(isize),
    Show(Pane),
    /// Show events: of all, and of the selected one when all are shown.
    Events,
    Order,
    Help,
    /// Back to the table.
    Back,
    Filter,
    Type(char),
    Erase,
    Unfilter,
    Command(Verb),
    Yes,
}

/// The keys, for people.
pub(super) const KEYS: [(&str, &str); 15] = [
    ("up down k j", "select a service; PgUp PgDn Home End further"),
    ("Enter", "all that is known of it"),
    ("w", "why it is as it is, and what can be done"),
    ("e", "events of all; again: of the selected one"),
    ("l", "its log"),
    ("[ ]", "move the lower pane"),
    ("s", "start it"),
    ("x", "stop it (asks)"),
    ("r", "restart it (asks)"),
    ("/", "filter by name, state or group; Esc: all"),
    ("o", "order: name, trouble, last change, generation"),
    ("?", "this help"),
    ("Ctrl-L", "draw anew"),
    ("Ctrl-Z", "to the shell; `fg` comes back"),
    ("q Ctrl-C", "quit; the application goes on"),
];

/// Says what a key means.
pub(super) fn intent(mode: &Mode, key: Key) -> Option<Intent> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Some(Intent::Quit),
            KeyCode::Char('z') => Some(Intent::Suspend),
            KeyCode::Char('l') => Some(Intent::Redraw),
            _ => None,
        };
    }
    match mode {
        Mode::Table => table(key.code),
        Mode::Filter => filter(key.code),
        Mode::Confirm(_) => match key.code {
            KeyCode::Char('y' | 'Y') => Some(Intent::Yes),
            _ => Some(Intent::Back),
        },
        Mode::Help => match key.code {
            KeyCode::Char('q') => Some(Intent::Quit),
            _ => Some(Intent::Back),
        },
    }
}

fn table(code: KeyCode) -> Option<Intent> {
    let intent = match code {
        KeyCode::Up | KeyCode::Char('k') => Intent::Move(-1),
        KeyCode::Down | KeyCode::Char('j') => Intent::Move(1),
        KeyCode::PageUp => Intent::Page(-1),
        KeyCode::PageDown => Intent::Page(1),
        KeyCode::Home | KeyCode::Char('g') => Intent::End(false),
        KeyCode::End | KeyCode::Char('G') => Intent::End(true),
        KeyCode::Char('[') => Intent::Scroll(-1),
        KeyCode::Char(']') => Intent::Scroll(1),
        KeyCode::Enter => Intent::Show(Pane::Detail),
        KeyCode::Char('w') => Intent::Show(Pane::Why),
        KeyCode::Char('l') => Intent::Show(Pane::Logs),
        KeyCode::Char('e') => Intent::Events,
        KeyCode::Char('s') => Intent::Command(Verb::Start),
        KeyCode::Char('x') => Intent::Command(Verb::Stop),
        KeyCode::Char('r') => Intent::Command(Verb::Restart),
        KeyCode::Char('o') => Intent::Order,
        KeyCode::Char('/') => Intent::Filter,
        KeyCode::Char('?' | 'h') => Intent::Help,
        KeyCode::Char('q') => Intent::Quit,
        KeyCode::Esc => Intent::Unfilter,
        _ => return None,
    };
    Some(intent)
}

fn filter(code: KeyCode) -> Option<Intent> {
    match code {
        KeyCode::Char(letter) => Some(Intent::Type(letter)),
        KeyCode::Backspace => Some(Intent::Erase),
        KeyCode::Enter => Some(Intent::Back),
        KeyCode::Esc => Some(Intent::Unfilter),
        _ => None,
    }
}
