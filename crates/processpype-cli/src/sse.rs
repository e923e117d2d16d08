//! Server-sent events, taken apart.
//!
//! # Invariants
//!
//! 1. What is not a whole message stays here until its end comes; a message has at most
//!    [`MESSAGE_MAX`] bytes, and a longer one ends the stream.
//!
//! The format is that of the HTML standard, section 9.2, as far as the control plane uses it: lines
//! end with a line feed.

/// The longest message: an event's text is bounded to a small part of it.
pub(crate) const MESSAGE_MAX: usize = 1024 * 1024;

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// Its place, if it says one.
    pub(crate) id: Option<u64>,
    /// What sort it is; empty for an event of the journal.
    pub(crate) event: String,
    pub(crate) data: String,
}

/// The message has no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Endless;

/// Takes bytes and gives messages.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    rest: Vec<u8>,
}

// === impl Parser ===

impl Parser {
    /// Returns the messages that are whole now.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Message>, Endless> {
        self.rest.extend_from_slice(bytes);
        let mut messages = Vec::new();
        let mut begin = 0;
        while let Some(end) = self.rest[begin..].windows(2).position(|pair| pair == b"\n\n") {
            let text = String::from_utf8_lossy(&self.rest[begin..begin + end]);
            messages.extend(message(&text));
            begin += end + 2;
        }
        self.rest.drain(..begin);
        if self.rest.len() > MESSAGE_MAX { Err(Endless) } else { Ok(messages) }
    }
}

/// Reads one message; comments alone are none.
fn message(text: &str) -> Option<Message> {
    let mut message = Message::default();
    let mut lines = Vec::new();
    for (field, value) in text.lines().filter_map(|line| line.split_once(':')) {
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => message.id = value.parse().ok(),
            "event" => value.clone_into(&mut message.event),
            "data" => lines.push(value),
            _ => {}
        }
    }
    message.data = lines.join("\n");
    let is_empty = message.id.is_none() && message.data.is_empty();
    (!is_empty).then_some(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pieces: &[&str], expected: &[(Option<u64>, &str, &str)]) {
        let mut parser = Parser::default();
        let mut found = Vec::new();
        for piece in pieces {
            found.extend(parser.push(piece.as_bytes()).expect("it has an end"));
        }
        let found: Vec<_> =
            found.iter().map(|it| (it.id, it.event.as_str(), it.data.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn messages_come_in_any_pieces() {
        let text = "retry: 1000\n: hello\n\nid: 1\ndata: {\"a\":1}\n\nevent: lagged\ndata: {}\n\n";
        let expected = [(Some(1), "", "{\"a\":1}"), (None, "lagged", "{}")];
        check(&[text], &expected);
        for cut in 0..text.len() {
            check(&[&text[..cut], &text[cut..]], &expected);
        }
    }

    #[test]
    fn a_place_without_an_event_counts() {
        check(&["id: 7\n\n: still here\n\n"], &[(Some(7), "", "")]);
        check(&["data: a\ndata: b\n\n"], &[(None, "", "a\nb")]);
    }

    #[test]
    fn a_message_without_end_ends_the_stream() {
        let mut parser = Parser::default();
        let piece = vec![b'x'; MESSAGE_MAX];
        assert_eq!(parser.push(&piece), Ok(Vec::new()));
        assert_eq!(parser.push(&piece), Err(Endless));
    }
}
