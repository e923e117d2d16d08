//! Effects on the application: every question of the view, as a future that ends in a message.
//!
//! # Invariants
//!
//! 1. Nothing is spawned: the view polls what it asks. There is one slot for each sort of question,
//!    so that at most four connections are open.
//! 2. Asking another question of a sort gives up the one before it.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use processpype_api::{Accepted, Commanded, Event, EventPage, Lagged, LogPage, ServiceDetail, Why};

use super::model::{Command, Pane};
use super::update::{Effect, Look, Message, Trouble};
use crate::act::told;
use crate::error::ClientError;
use crate::follow::SILENCE_MAX;
use crate::http::{Answer, Client, Stream};
use crate::json;
use crate::paths::{SNAPSHOT, service};
use crate::sse::{self, MESSAGE_MAX, Parser};
use crate::view::{self, Paper};

/// How many events of the past are shown at the begin.
const BACK: u64 = 100;

/// How many lines of a log are asked for.
const LOG_LINES: usize = 200;

/// How long a command is waited for.
const WAIT: Duration = Duration::from_secs(30);

/// Everything that is being asked.
pub(super) struct Feed {
    client: Client,
    /// What names the newest snapshot.
    tag: Option<String>,
    ear: Option<Box<Ear>>,
    looking: Slot<(Option<String>, Message)>,
    hearing: Slot<(Box<Ear>, Message)>,
    reading: Slot<Message>,
    giving: Slot<Message>,
}

type Slot<T> = Option<Pin<Box<dyn Future<Output = T>>>>;

/// Hears events, one stream after the other.
struct Ear {
    /// The newest event that was heard; none before the first stream.
    place: Option<u64>,
    open: Option<(Stream, Parser)>,
    heard: VecDeque<Message>,
}

// === impl Feed ===

impl Feed {
    /// Asks through `client`; `tag` names the snapshot that is there already.
    pub(super) fn new(client: Client, tag: Option<String>) -> Self {
        let ear = Box::new(Ear { place: None, open: None, heard: VecDeque::new() });
        Self {
            client,
            tag,
            ear: Some(ear),
            looking: None,
            hearing: None,
            reading: None,
            giving: None,
        }
    }

    /// Begins what an effect asks for; the others are not for the application.
    pub(super) fn begin(&mut self, effect: &Effect) {
        let client = self.client.clone();
        match effect {
            Effect::Look => self.looking = Some(Box::pin(look(client, self.tag.clone()))),
            Effect::Listen => {
                // The process may be another one since, with another token.
                self.client = self.client.renewed();
                let client = self.client.clone();
                if let Some(ear) = self.ear.take() {
                    self.hearing = Some(Box::pin(ear.next(client)));
                }
            }
            Effect::Read(pane, service) => {
                let (of, service) = ((*pane, service.clone()), service.clone());
                self.reading = Some(Box::pin(async move {
                    let lines = read(&client, of.0, &service).await.map_err(Trouble::from);
                    Message::Text { of, lines }
                }));
            }
            Effect::Give(command) => {
                let command = command.clone();
                self.giving = Some(Box::pin(async move {
                    Message::Done(give(&client, &command).await.map_err(Trouble::from))
                }));
            }
            Effect::Redraw | Effect::Suspend | Effect::Quit => {}
        }
    }

    /// Returns the next message. Dropping it loses nothing: what is asked stays in its slot.
    pub(super) async fn next(&mut self) -> Message {
        poll_fn(|cx| {
            if let Some((tag, message)) = poll(&mut self.looking, cx) {
                self.looked(tag, &message);
                return Poll::Ready(message);
            }
            if let Some((ear, message)) = poll(&mut self.hearing, cx) {
                self.hear(ear, &message);
                return Poll::Ready(message);
            }
            let message = poll(&mut self.reading, cx).or_else(|| poll(&mut self.giving, cx));
            message.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    fn looked(&mut self, tag: Option<String>, message: &Message) {
        match message {
            // The next process has another token, and may have the same tags.
            Message::Looked(Err(_)) => {
                self.tag = None;
                self.client = self.client.renewed();
            }
            _ => self.tag = tag,
        }
    }

    fn hear(&mut self, ear: Box<Ear>, message: &Message) {
        if matches!(message, Message::Ended(_)) {
            self.ear = Some(ear);
        } else {
            self.hearing = Some(Box::pin(ear.next(self.client.clone())));
        }
    }
}

/// Polls what is in a slot, and empties it with the outcome.
fn poll<T>(slot: &mut Slot<T>, cx: &mut std::task::Context<'_>) -> Option<T> {
    match slot.as_mut()?.as_mut().poll(cx) {
        Poll::Ready(outcome) => {
            *slot = None;
            Some(outcome)
        }
        Poll::Pending => None,
    }
}

async fn look(client: Client, tag: Option<String>) -> (Option<String>, Message) {
    let looked = async {
        let answer = client.get_unless(SNAPSHOT, tag.as_deref()).await?;
        let is_same = answer.status == 304;
        let application = if is_same { None } else { Some(answer.read()?) };
        let tag = if is_same { tag } else { answer.tag };
        Ok::<_, ClientError>((tag, Look { application, now: answer.now }))
    };
    match looked.await {
        Ok((tag, look)) => (tag, Message::Looked(Ok(look))),
        Err(error) => (None, Message::Looked(Err(Trouble::from(error)))),
    }
}

async fn read(client: &Client, pane: Pane, name: &str) -> Result<Vec<String>, ClientError> {
    let place = service(name);
    let text = match pane {
        Pane::Why => {
            let answer = client.get(&format!("{place}/-/why")).await?;
            view::why(&answer.read::<Why>()?, paper(&answer))
        }
        Pane::Detail | Pane::Events | Pane::OwnEvents => {
            let answer = client.get(&place).await?;
            view::service(&answer.read::<ServiceDetail>()?, paper(&answer))
        }
        Pane::Logs => match client.get(&format!("{place}/-/logs?limit={LOG_LINES}")).await {
            Ok(answer) => log(&answer.read_as_it_is()?),
            Err(ClientError::Problem(told)) if told.status == 404 => {
                "logs are not offered by this server".to_owned()
            }
            Err(error) => return Err(error),
        },
    };
    let plain = anstream::adapter::strip_str(&text).to_string();
    Ok(plain.lines().map(str::to_owned).collect())
}

fn log(page: &LogPage) -> String {
    let lines: Vec<String> = page.records.iter().map(view::log_line).collect();
    if lines.is_empty() { "it has logged nothing".to_owned() } else { lines.join("\n") }
}

fn paper(answer: &Answer) -> Paper {
    Paper { width: None, now: answer.now }
}

async fn give(client: &Client, command: &Command) -> Result<String, ClientError> {
    let (place, verb) = (service(&command.service), command.verb.word());
    let path = format!("{place}/{verb}?wait={}s", WAIT.as_secs());
    let answer = client.post(&path, String::new(), WAIT).await?;
    if answer.status != 202 {
        // One line: the rest stands in the table.
        return Ok(told(&answer.read::<Commanded>()?)
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned());
    }
    let accepted: Accepted = answer.read()?;
    let waiting = match &accepted.waiting_on[..] {
        [] => String::new(),
        names => format!(", waits for {}", names.join(", ")),
    };
    Ok(format!("{verb} {} goes on: it is {}{waiting}", command.service, accepted.state.as_str()))
}

// === impl Ear ===

impl Ear {
    /// Returns the next message, and the ear for the one after it.
    async fn next(mut self: Box<Self>, client: Client) -> (Box<Self>, Message) {
        loop {
            if let Some(message) = self.heard.pop_front() {
                return (self, message);
            }
            if let Err(error) = self.fill(&client).await {
                self.open = None;
                return (self, Message::Ended(Trouble::from(error)));
            }
        }
    }

    /// Waits for something to be heard; opens a stream if there is none.
    async fn fill(&mut self, client: &Client) -> Result<(), ClientError> {
        let broken = |why: &str| ClientError::Unreadable { url: client.url(), why: why.to_owned() };
        let Some((stream, parser)) = &mut self.open else { return self.connect(client).await };
        let Some(piece) = stream.piece(SILENCE_MAX).await? else {
            return Err(broken("the stream ended"));
        };
        let limit = MESSAGE_MAX;
        let messages =
            parser.push(&piece).map_err(|_| ClientError::TooLong { url: client.url(), limit })?;
        for message in messages {
            self.place = message.id.or(self.place);
            let heard = hear(&message).map_err(|error| broken(&error.to_string()))?;
            self.heard.extend(heard);
        }
        Ok(())
    }

    async fn connect(&mut self, client: &Client) -> Result<(), ClientError> {
        let last = client.get("/events?limit=1").await?.read::<EventPage>()?.last;
        // A lower number than before is that of another process.
        let place = self.place.filter(|place| *place <= last);
        let place = place.unwrap_or_else(|| last.saturating_sub(BACK));
        self.place = Some(place);
        let stream = client.stream(&format!("/events/stream?after={place}"), None).await?;
        self.open = Some((stream, Parser::default()));
        Ok(())
    }
}

fn hear(message: &sse::Message) -> Result<Option<Message>, serde_json::Error> {
    let data = &message.data;
    Ok(match message.event.as_str() {
        "closing" => Some(Message::Closing),
        "lagged" => Some(Message::Lagged(json::read_as_it_is::<Lagged>(data)?.lost)),
        "" if !data.is_empty() => Some(Message::Event(json::read_as_it_is::<Event>(data)?.into())),
        // What a newer version may add is not for this one.
        _ => None,
    })
}

// === impl Trouble ===

impl From<ClientError> for Trouble {
    fn from(error: ClientError) -> Self {
        let is_refusal = matches!(error, ClientError::Problem(_));
        let help = error.help().filter(|_| is_refusal);
        let help = help.map_or(String::new(), |help| format!("; {help}"));
        Self { text: format!("{error}{help}"), is_refusal }
    }
}
