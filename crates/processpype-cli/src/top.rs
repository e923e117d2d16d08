//! The live view: a table of services that follows the application, and keys to act on it.
//!
//! Built as in Elm: [`update`](update::update) and [`draw`](draw::draw) are pure, and everything
//! that asks, waits or writes is here, in [`feed`], [`screen`] and [`signals`].
//!
//! # Invariants
//!
//! 1. The first look is that of every other verb: what goes wrong there is told without a view.
//! 2. The application is never asked more often because of what is drawn or typed.

mod draw;
mod feed;
mod key;
mod model;
mod screen;
mod signals;
#[cfg(test)]
mod tests;
mod update;

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use crossterm::event::{Event, EventStream};
use futures_util::StreamExt as _;
use tokio::time::{Instant, MissedTickBehavior, interval};

use self::draw::Theme;
use self::feed::Feed;
use self::model::Model;
use self::screen::Screen;
use self::signals::Signals;
use self::update::{Effect, Message, begin, update};
use crate::error::ClientError;
use crate::exit::ClientExit;
use crate::look::Asking;
use crate::paths::SNAPSHOT;
use crate::print::{remark, say_raw};

/// Between two ticks of the view's own clock.
const TICK: Duration = Duration::from_millis(100);

/// Shows the application until somebody quits; with `--json`, what a look brings, once.
pub(crate) async fn top(asking: &Asking) -> Result<ClientExit, ClientError> {
    let answer = asking.client.get(SNAPSHOT).await?;
    if asking.json {
        say_raw(&answer.text);
        return Ok(ClientExit::Done);
    }
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        remark(
            "error: `top` needs a terminal\n  = help: `top --json` looks once; `status` and \
             `events -f` are for pipes",
        );
        return Ok(ClientExit::Usage);
    }
    let mut model = Model::new(asking.client.url(), answer.read()?);
    answer.now.into_iter().for_each(|now| model.clock.learn(now));
    let feed = Feed::new(asking.client.clone(), answer.tag.clone());
    match watch(model, feed).await {
        Ok(()) => Ok(ClientExit::Done),
        Err(error) => {
            remark(&format!("error: the terminal cannot be used: {error}"));
            Ok(ClientExit::Unreadable)
        }
    }
}

/// Follows the application until somebody quits.
async fn watch(mut model: Model, mut feed: Feed) -> io::Result<()> {
    let mut signals = Signals::new()?;
    let colour = anstream::AutoStream::choice(&io::stdout());
    let theme = Theme { has_colour: colour != anstream::ColorChoice::Never };
    let mut screen = Screen::open(theme)?;
    let (mut keys, begun) = (EventStream::new(), Instant::now());
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut effects = begin();
    loop {
        for effect in std::mem::take(&mut effects) {
            match effect {
                Effect::Quit => return Ok(()),
                Effect::Redraw => screen.clear()?,
                Effect::Suspend => {
                    screen.leave();
                    signals::sleep()?;
                    screen.take()?;
                }
                effect => feed.begin(&effect),
            }
        }
        screen.draw(&model)?;
        let second = model.clock.own / 1000;
        // A tick that changes nothing but the clock is not drawn.
        let mut is_quiet = true;
        while is_quiet {
            let message = tokio::select! {
                key = keys.next() => pressed(key.transpose()?.as_ref()),
                message = feed.next() => message,
                message = signals.next() => message,
                now = ticks.tick() => Message::Tick(since(begun, now)),
            };
            is_quiet = matches!(message, Message::Tick(now) if now / 1000 == second);
            (model, effects) = update(model, message);
            is_quiet &= effects.is_empty();
        }
    }
}

fn pressed(event: Option<&Event>) -> Message {
    match event {
        Some(Event::Key(key)) => Message::Key(*key),
        Some(_) => Message::Resized,
        // The terminal is gone.
        None => Message::Quit,
    }
}

fn since(begun: Instant, now: Instant) -> u64 {
    u64::try_from(now.saturating_duration_since(begun).as_millis()).unwrap_or(u64::MAX)
}
