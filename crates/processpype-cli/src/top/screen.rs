//! The terminal, taken and always given back.
//!
//! # Invariants
//!
//! 1. Whatever ends the view (a key, a signal, an error, a panic), the terminal is as it was.
//! 2. The terminal is asked nothing but its size: answers would have to be told from keys.

use std::io::{self, Stdout, Write as _, stdout};
use std::panic::PanicHookInfo;
use std::sync::Arc;

use crossterm::cursor::Show;
use crossterm::execute;
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode, size,
};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};

use super::draw::{Theme, draw};
use super::model::Model;

type Hook = dyn Fn(&PanicHookInfo<'_>) + Send + Sync;

/// The terminal while the view has it.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    size: (u16, u16),
    theme: Theme,
    /// What tells a panic elsewhere.
    hook: Arc<Hook>,
}

// === impl Screen ===

impl Screen {
    /// Takes the terminal.
    pub(super) fn open(theme: Theme) -> io::Result<Self> {
        let size = size()?;
        let terminal = empty(size)?;
        let hook: Arc<Hook> = Arc::from(std::panic::take_hook());
        let before = Arc::clone(&hook);
        // What a panic says must be seen, and with `panic = "abort"` nothing is dropped.
        std::panic::set_hook(Box::new(move |info| {
            give_back();
            before(info);
        }));
        let mut screen = Self { terminal, size, theme, hook };
        screen.take()?;
        Ok(screen)
    }

    /// Takes the terminal, at first or once more.
    pub(super) fn take(&mut self) -> io::Result<()> {
        enable_raw_mode()?;
        execute!(stdout(), EnterAlternateScreen)?;
        self.clear()
    }

    /// Draws what differs from what is there.
    pub(super) fn draw(&mut self, model: &Model) -> io::Result<()> {
        let (theme, size) = (self.theme, size()?);
        if self.size != size {
            self.size = size;
            self.clear()?;
        }
        self.terminal.draw(|frame| draw(model, theme, frame)).map(|_| ())
    }

    /// Forgets what is there, so that everything is drawn.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.terminal = empty(self.size)?;
        execute!(stdout(), Clear(ClearType::All))
    }

    /// Gives the terminal back for a while.
    pub(super) fn leave(&self) {
        give_back();
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
        // A hook cannot be set while a panic unwinds, and then its work is done.
        if !std::thread::panicking() {
            let hook = Arc::clone(&self.hook);
            std::panic::set_hook(Box::new(move |info| hook(info)));
        }
    }
}

/// Returns a terminal on which nothing is drawn yet. With a size of its own it never asks where the
/// cursor is.
fn empty((width, height): (u16, u16)) -> io::Result<Terminal<CrosstermBackend<Stdout>>> {
    let viewport = Viewport::Fixed(Rect::new(0, 0, width, height));
    Terminal::with_options(CrosstermBackend::new(stdout()), TerminalOptions { viewport })
}

/// Gives the terminal back. Doing it twice does no harm, and nothing can be done if it fails.
fn give_back() {
    let _ = disable_raw_mode();
    let _ = execute!(stdout(), LeaveAlternateScreen, Show);
    let _ = stdout().flush();
}
