//! Events: pages of what happened, and a stream of what happens; and how any stream is followed.
//!
//! # Invariants
//!
//! 1. A stream that breaks, is silent or is refused for a while goes on where it broke, at most
//!    [`TRIES_MAX`] times in a row without one, from [`TRY_AGAIN`] to [`TRY_AGAIN_MAX`] apart. The
//!    first one too, once the application has answered anything; else it is opened as anything is
//!    read.
//! 2. Numbers belong to one process: where another one answers, or may, its stream is read from its
//!    beginning. Which one it is, is asked before the first number is read, and again as long as it
//!    is not known.
//! 3. What was lost is said, on standard error.
//! 4. When standard output takes nothing more, following ends.

use std::time::Duration;

use processpype_api::{Event, EventPage, Info, Lagged, Timestamp};
use tokio::time::sleep;

use crate::error::ClientError;
use crate::exit::ClientExit;
use crate::http::{Client, Stream};
use crate::json;
use crate::look::Asking;
use crate::paths::escape;
use crate::print::{is_over, remark, say, say_raw};
use crate::sse::{MESSAGE_MAX, Message, Parser};
use crate::verb::EventsArgs;
use crate::view;

/// How many events are asked for at once: what the application gives at most.
const PAGE: usize = 1000;

/// How long a stream may be silent: three of the heartbeats that keep it alive.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(45);

/// Before a broken stream is tried again for the first time; then twice as long each time.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// The longest pause between two tries, also where the application asks for more.
const TRY_AGAIN_MAX: Duration = Duration::from_secs(8);

/// How often a broken stream is tried again in a row.
const TRIES_MAX: u32 = 60;

pub(crate) async fn events(asking: &Asking, args: &EventsArgs) -> Result<ClientExit, ClientError> {
    if args.follow { follow(asking, args).await } else { pages(asking, args).await }
}

/// Prints what is held, page by page, up to what was newest when it began.
async fn pages(asking: &Asking, args: &EventsArgs) -> Result<ClientExit, ClientError> {
    let mut after = args.after.unwrap_or(0);
    let mut end = None;
    loop {
        let path = format!("/events?after={after}&limit={PAGE}{}", filters(args));
        let answer = asking.client.get(&path).await?;
        let page: EventPage = answer.read()?;
        if asking.json {
            say_raw(&answer.text);
        } else {
            tell_lost(page.lost, "events");
            page.events.iter().for_each(|event| say(&view::event(event)));
        }
        let end = *end.get_or_insert(page.last);
        if page.next >= end || page.next <= after || is_over() {
            return Ok(ClientExit::Done);
        }
        after = page.next;
    }
}

/// Prints what happens until the application closes.
async fn follow(asking: &Asking, args: &EventsArgs) -> Result<ClientExit, ClientError> {
    let show = |data: &str| json::read(data).map(|event: Event| view::event(&event));
    let mut follower = Follower::of(asking, "events", show).await;
    // A place to go on from is there before the first event is.
    let newest = asking.client.get("/events?limit=1").await.and_then(|page| page.read());
    match (args.after, newest.map(|page: EventPage| page.last)) {
        // A place beyond the newest is one of an earlier process, as it is for pages.
        (Some(after), Ok(newest)) => follower.goes_on(if after > newest { 0 } else { after }),
        // What is wrong there is told by the stream.
        (Some(after), Err(_)) => follower.last = after,
        (None, newest) => follower.goes_on(newest?),
    }
    let path = format!("/events/stream?after={}{}", follower.last, filters(args));
    follower.follow(&path).await
}

fn filters(args: &EventsArgs) -> String {
    let filter = |name: &str, value: &Option<String>| {
        value.as_ref().map_or(String::new(), |value| format!("&{name}={}", escape(value)))
    };
    format!("{}{}", filter("service", &args.service), filter("kind", &args.kind))
}

/// Says how many of what is asked for are gone.
pub(crate) fn tell_lost(lost: u64, unit: &str) {
    if lost > 0 {
        remark(&format!("{lost} {unit} are no longer held"));
    }
}

/// Reads one stream after the other.
pub(crate) struct Follower<'a> {
    asking: &'a Asking,
    /// The place where to go on.
    last: u64,
    /// What the stream is made of, in the plural.
    unit: &'static str,
    /// Shows the data of one message.
    show: fn(&str) -> Result<String, serde_json::Error>,
    /// The process whose stream it is: when it began; none if that is not known.
    process: Option<Timestamp>,
    /// The application has answered something.
    is_there: bool,
    /// A stream was open.
    has_read: bool,
}

/// Returns when the process that answers began; none if it does not say so.
async fn process(client: &Client) -> Result<Option<Timestamp>, ClientError> {
    match client.get("/info").await {
        Ok(answer) => Ok(answer.read::<Info>().ok().map(|info| info.started_at)),
        Err(error) if error.may_pass() => Err(error),
        Err(_) => Ok(None),
    }
}

// === impl Follower ===

impl<'a> Follower<'a> {
    /// Makes the one that begins at the beginning.
    pub(crate) async fn of(
        asking: &'a Asking,
        unit: &'static str,
        show: fn(&str) -> Result<String, serde_json::Error>,
    ) -> Self {
        // What is wrong there is told by the stream.
        let process = process(&asking.client).await.unwrap_or_default();
        let is_there = process.is_some();
        Self { asking, last: 0, unit, show, process, is_there, has_read: false }
    }

    /// Lets it go on at `last`, as the application has just told.
    pub(crate) fn goes_on(&mut self, last: u64) {
        (self.last, self.is_there) = (last, true);
    }

    /// Prints what the stream at `path` brings, until the application closes.
    pub(crate) async fn follow(mut self, path: &str) -> Result<ClientExit, ClientError> {
        let mut stream = self.first(path).await?;
        loop {
            self.has_read = true;
            match self.read(&mut stream).await {
                Ok(()) => return Ok(ClientExit::Done),
                Err(error) => remark(&format!("connection lost: {error}; trying again")),
            }
            stream = self.again(path, None).await?;
        }
    }

    /// Opens the first stream, with patience if the application is known to be there.
    async fn first(&mut self, path: &str) -> Result<Stream, ClientError> {
        if self.process.is_none() {
            self.process = process(&self.asking.client).await.unwrap_or_default();
        }
        match self.asking.client.first_stream(path).await {
            Err(error) if self.is_there && error.may_pass() => {
                remark(&format!("no connection: {error}; trying again"));
                self.again(path, error.retry_after()).await
            }
            stream => stream,
        }
    }

    /// Reads until the application closes, or nobody reads what is printed.
    async fn read(&mut self, stream: &mut Stream) -> Result<(), ClientError> {
        let mut parser = Parser::default();
        while let Some(piece) = stream.piece(SILENCE_MAX).await? {
            let messages = parser.push(&piece).map_err(|_| ClientError::TooLong {
                url: self.asking.client.url(),
                limit: MESSAGE_MAX,
            })?;
            for message in messages {
                if self.take(&message)? || is_over() {
                    return Ok(());
                }
            }
        }
        Err(ClientError::Unreadable {
            url: self.asking.client.url(),
            why: "the stream ended before the application closed".to_owned(),
        })
    }

    /// Takes one message; returns whether it is the last. One that was taken before is passed over.
    fn take(&mut self, message: &Message) -> Result<bool, ClientError> {
        if message.event.is_empty() && message.id.is_some_and(|id| id <= self.last) {
            return Ok(false);
        }
        self.last = message.id.unwrap_or(self.last);
        match message.event.as_str() {
            "closing" => {
                remark("the application has closed");
                return Ok(true);
            }
            "lagged" => {
                let lagged: Result<Lagged, _> = json::read_as_it_is(&message.data);
                tell_lost(lagged.map_err(|error| self.unreadable(&error))?.lost, self.unit);
            }
            "" if message.data.is_empty() => {}
            "" if self.asking.json => say_raw(&message.data),
            "" => say(&(self.show)(&message.data).map_err(|error| self.unreadable(&error))?),
            // What a newer version may add is not for this one.
            _ => {}
        }
        Ok(false)
    }

    fn unreadable(&self, error: &serde_json::Error) -> ClientError {
        ClientError::Unreadable { url: self.asking.client.url(), why: error.to_string() }
    }

    /// Connects again, with patience; `asked` is how long the application asks to wait.
    async fn again(
        &mut self,
        path: &str,
        mut asked: Option<Duration>,
    ) -> Result<Stream, ClientError> {
        let (mut tries, mut pause) = (0, TRY_AGAIN);
        loop {
            // Who is asked to wait longer does so, within bounds.
            sleep(pause.max(asked.unwrap_or_default()).min(TRY_AGAIN_MAX)).await;
            tries += 1;
            match self.open(path).await {
                Ok(stream) => return Ok(stream),
                Err(error) if tries == TRIES_MAX || !error.may_pass() => return Err(error),
                Err(error) => asked = error.retry_after(),
            }
            pause = (pause * 2).min(TRY_AGAIN_MAX);
        }
    }

    /// Opens the stream where it broke, or, of another process, at its beginning.
    async fn open(&mut self, path: &str) -> Result<Stream, ClientError> {
        let client = self.asking.client.renewed();
        let now = process(&client).await?;
        let is_other = match (self.process, now) {
            (Some(was), Some(now)) => was != now,
            // Told twice is better than passed over.
            (None, Some(_)) => self.has_read,
            (_, None) => false,
        };
        let last = if is_other { 0 } else { self.last };
        let stream = client.stream(path, Some(last)).await?;
        let whose = if self.process.is_some() { "another" } else { "perhaps another" };
        let unit = self.unit;
        if is_other {
            let told = format!("{whose} process answers: its {unit} follow, from its beginning");
            remark(&told);
        } else {
            remark("connected again");
        }
        (self.last, self.process) = (last, now.or(self.process));
        Ok(stream)
    }
}
