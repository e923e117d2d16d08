//! YAML: the one file that knows the YAML parser.
//!
//! # Invariants
//!
//! 1. Depth, nodes (aliases expanded) and aliases are bounded, see [`limits`](crate::limits).
//! 2. Keys are text and differ; there is one document; tags are refused. Each is a located problem.
//! 3. After a syntax error nothing of the file is used, for half a file is worse than none.
//!
//! # Why a parser of events
//!
//! A parser that builds values has decided what `1.10` is and forgotten where it stood. One that
//! gives events leaves both to us, and everything can be bounded while the text is read, not after.
//!
//! # Aliases and merge keys
//!
//! An alias (`*name`) shares the node that its anchor named. It counts as many values and as many
//! levels as that has, so a "billion laughs" file reaches the bound on nodes after a few lines,
//! having cost nothing. Own keys win over merged ones (`<<`), and earlier merged maps over later
//! ones, as YAML 1.1 has it; YAML 1.2 dropped merge keys, but every file in the field has them.
//!
//! # After a syntax error
//!
//! Nothing is kept, and nothing else is told about the file: after a lost quote, everything that
//! follows would be wrong for a reason that is not in it. [`marks`] does use what came before the
//! error, to know which keys may be shown.

mod cause;
mod explain;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput};

use self::explain::{NESTED, syntax, tag};
use crate::collect::Problems;
use crate::limits::{INDEX_FROM_KEYS, MAX_ALIASES, MAX_DEPTH, MAX_NODES};
use crate::map::{Entry, Index, Value};
use crate::marks::{Marking, Marks};
use crate::node::{Kind, Node, Style};
use crate::report::Problem;
use crate::show::names_a_secret;
use crate::source::{self, At, Source};

/// What to do about a second merge key.
const ONE_MERGE: &str = "write one, with a list: `<<: [*a, *b]`; of two maps that have the same \
    key, the earlier one wins";

/// Reads a text into a tree; `None` if it holds no document or cannot be used.
///
/// `source` says where the values come from; `text` is what to parse.
pub(crate) fn read(source: &Arc<Source>, text: &str, problems: &mut Problems) -> Option<Node> {
    let mut reader = Reader {
        source,
        parser: Parser::new_from_str(text),
        problems,
        anchors: HashMap::new(),
        entries: Vec::new(),
        items: Vec::new(),
        nodes: 0,
        aliases: 0,
    };
    match reader.document() {
        Ok(node) => node,
        Err(stop) => {
            reader.problems.push(*stop);
            None
        }
    }
}

/// Finds the keys and values of a text, as far as the parser understands it.
///
/// A word is a key only if a map expects one and a colon follows it. Where the text ends early,
/// what was seen until then counts, and the rest is unknown.
pub(crate) fn marks(text: &str) -> Marks {
    let (mut marking, mut until) = (Marking::default(), 0);
    for event in events(text) {
        let Ok((event, span)) = event else { return marking.finish(until) };
        let range = bytes(span);
        until = until.max(range.end);
        match event {
            Event::SequenceEnd | Event::MappingEnd => marking.end(range.end),
            Event::Scalar(..) | Event::Alias(_) => {
                // `{hunter2}` has a key without a colon, which may well be a value.
                let has_colon = text[range.end..].trim_start().starts_with(':');
                match event {
                    Event::Scalar(name, ..) if has_colon && marking.takes_key() => {
                        marking.key(text, range, &name);
                    }
                    _ => marking.value(range),
                }
            }
            Event::MappingStart(..) => marking.begin(range.start, true),
            Event::SequenceStart(..) => marking.begin(range.start, false),
            _ => {}
        }
    }
    marking.finish(text.len())
}

/// What the parser tells of a text, by one code for all who do not read a configuration: the parser
/// is compiled into whoever asks it otherwise.
fn events(text: &str) -> Box<dyn Iterator<Item = Told<'_>> + '_> {
    Box::new(Parser::new_from_str(text))
}

/// An event with its place, or why there is none.
type Told<'a> = Result<(Event<'a>, Span), ScanError>;

/// The problem after which a text is not read on.
type Stop = Box<Problem>;

/// The state of reading one text.
///
/// Problems that do not end the reading, such as a duplicate key, go straight into `problems`.
struct Reader<'a> {
    source: &'a Arc<Source>,
    parser: Parser<'a, StrInput<'a>>,
    problems: &'a mut Problems,
    anchors: HashMap<usize, Anchored>,
    /// What the open maps have, one map's entries behind those of the map around it.
    entries: Vec<Entry>,
    /// What the open lists have, in the same way.
    items: Vec<Node>,
    nodes: usize,
    aliases: usize,
}

/// A node that aliases may name.
///
/// How much it weighs is known once; each alias to it counts as much.
struct Anchored {
    node: Node,
    nodes: usize,
    depth: usize,
}

// === impl Reader ===

impl<'a> Reader<'a> {
    /// The one document of a stream. A file without any is none, which is an empty map to the
    /// loader.
    fn document(&mut self) -> Result<Option<Node>, Stop> {
        let mut found = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(found),
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) if found.is_some() => {
                    let help = "keep one document per file; further files can be profile files";
                    return Err(stop(
                        self.problem(span, "a second document begins here").help(help),
                    ));
                }
                Event::DocumentStart(..) => {}
                event => found = Some(self.node(event, span, 0)?),
            }
        }
    }

    /// The next event; the end of the text is the end of the stream.
    fn next(&mut self) -> Result<(Event<'a>, Span), Stop> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(stop(syntax(self.source, &error))),
            None => Ok((Event::StreamEnd, Span::empty(Marker::new(0, 1, 0)))),
        }
    }

    /// A value with everything below it.
    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Stop> {
        self.count(1, depth, span)?;
        if event.tag().is_some() {
            // The tag is not named: a password may begin with `!`.
            let span = span.tag_span().unwrap_or(span);
            let at = self.at(span);
            self.problems.push(tag(&at));
        }
        let (before, anchor) = (self.nodes, event.anchor_id().unwrap_or(0));
        let node = match event {
            Event::Scalar(text, style, ..) => self.scalar(&text, style, span),
            Event::SequenceStart(..) => self.seq(span, depth)?,
            Event::MappingStart(..) => self.mapping(span, depth)?,
            Event::Alias(id) => return self.alias(id, span, depth),
            _ => return Err(stop(self.problem(span, "a value was expected here"))),
        };
        if anchor != 0 {
            let nodes = self.nodes - before + 1;
            let depth = height_of(&node);
            self.anchors.insert(anchor, Anchored { node: node.clone(), nodes, depth });
        }
        Ok(node)
    }

    fn scalar(&self, text: &str, style: ScalarStyle, span: Span) -> Node {
        let style = if style == ScalarStyle::Plain { Style::Plain } else { Style::Quoted };
        Node::scalar(text, style, self.at(span))
    }

    fn seq(&mut self, span: Span, depth: usize) -> Result<Node, Stop> {
        let (at, first) = (self.at(span), self.items.len());
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => break,
                (event, span) => {
                    let item = self.node(event, span, depth + 1)?;
                    self.items.push(item);
                }
            }
        }
        Ok(Node::seq(self.items.drain(first..).collect(), at))
    }

    /// A map. Merged entries are kept apart until its end, since own keys that come later still
    /// win.
    fn mapping(&mut self, span: Span, depth: usize) -> Result<Node, Stop> {
        let at = self.at(span);
        let mut building = Building::from(self.entries.len());
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let is_merge = matches!(&event, Event::Scalar(t, ScalarStyle::Plain, ..) if t == "<<");
            let key = self.key(event, span, depth)?;
            let (event, value_span) = self.next()?;
            let before = self.problems.count();
            let node = self.node(event, value_span, depth + 1)?;
            if self.problems.count() > before && key.as_deref().is_some_and(names_a_secret) {
                self.problems.hide_from(before);
            }
            if is_merge {
                self.merge_key(&node, (&self.at(span), &self.at(value_span)), &mut building);
            } else if let Some(key) = key {
                self.entry(&key, span, node, &mut building);
            }
        }
        Ok(Node::map(building.finish(&mut self.entries), at))
    }

    /// Reads a key; `None` if it is not text, which is then a problem.
    ///
    /// An alias as a key works if it names a text.
    fn key(
        &mut self,
        event: Event<'a>,
        span: Span,
        depth: usize,
    ) -> Result<Option<Cow<'a, str>>, Stop> {
        match event {
            // Nearly every key; no node is made for it.
            Event::Scalar(text, _, 0, None) if !matches!(&*text, "" | "~") => {
                self.count(1, depth + 1, span)?;
                return Ok(Some(text));
            }
            _ => {}
        }
        match self.node(event, span, depth + 1)?.kind() {
            Kind::Scalar(text, style) if style != Style::Plain || !matches!(text, "" | "~") => {
                Ok(Some(Cow::Owned(text.to_owned())))
            }
            Kind::Scalar(..) | Kind::Seq(_) | Kind::Map(_) => {
                let problem = explain::key(&self.at(span));
                self.problems.push(problem);
                Ok(None)
            }
        }
    }

    /// Takes an own key; a second one of the same name is a problem that says where the first one
    /// is.
    fn entry(&mut self, key: &str, span: Span, node: Node, building: &mut Building) {
        let key_at = self.at(span);
        match building.find(key, &self.entries) {
            None => building.push(Entry::new(key, key_at.span(), false, node), &mut self.entries),
            Some(first) => {
                let first = first.key_at();
                self.problems.push_with(|| key_at.spot().duplicate(key, first));
            }
        }
    }

    /// Takes the entries of `<<: *name` or `<<: [*a, *b]`.
    ///
    /// What comes in knows the place of the `<<` that brought it, for the notes of problems.
    /// A second `<<` is a second key of one name: which of the two wins, programs do not agree on.
    fn merge_key(&mut self, node: &Node, (key_at, at): (&At, &At), building: &mut Building) {
        if let Some(first) = building.merge_at.replace(key_at.span()) {
            let problem = key_at.spot().duplicate("<<", key_at.beside(first));
            self.problems.push(problem.help(ONE_MERGE));
            return;
        }
        let maps = match node.kind() {
            Kind::Seq(items) => items,
            Kind::Map(_) | Kind::Scalar(..) => std::slice::from_ref(node),
        };
        for map in maps {
            let Some(map) = map.as_map() else {
                let problem = at
                    .problem("a merge key takes a map, or a list of maps", false)
                    .help("write `<<: *name`, where `&name` stands at a map");
                self.problems.push(problem);
                return;
            };
            let used = |entry: &Entry| entry.with(entry.node.used(at.clone()));
            building.merged.extend(map.entries().iter().map(used));
        }
    }

    /// The node that an anchor named, used here. An anchor is known only once its value is
    /// complete, so a value that contains itself cannot be made.
    fn alias(&mut self, id: usize, span: Span, depth: usize) -> Result<Node, Stop> {
        self.aliases += 1;
        if self.aliases > MAX_ALIASES {
            return Err(stop(self.problem(span, format!("more than {MAX_ALIASES} aliases"))));
        }
        let Some(anchored) = self.anchors.get(&id) else {
            return Err(stop(
                self.problem(span, "an alias must not stand inside the value that it names"),
            ));
        };
        let (nodes, deepest) = (anchored.nodes, depth + anchored.depth);
        let node = anchored.node.used(self.at(span));
        self.count(nodes, deepest, span)?;
        Ok(node)
    }

    /// Counts values before they are kept, so that a bound is never passed, only reached.
    fn count(&mut self, nodes: usize, depth: usize, span: Span) -> Result<(), Stop> {
        self.nodes = self.nodes.saturating_add(nodes);
        if depth > MAX_DEPTH {
            let message = format!("nested more than {MAX_DEPTH} levels deep");
            return Err(stop(self.problem(span, message).help(NESTED)));
        }
        if self.nodes > MAX_NODES {
            let message = format!("more than {MAX_NODES} values after aliases are expanded");
            return Err(stop(self.problem(span, message)));
        }
        Ok(())
    }

    fn at(&self, span: Span) -> At {
        At::new(self.source, bytes(span))
    }

    fn problem(&self, span: Span, message: impl Into<String>) -> Problem {
        self.at(span).problem(message, false)
    }
}

/// A map while it is read.
///
/// Own and merged entries are kept apart until the map ends.
struct Building {
    /// Where the own entries begin among all that are open.
    first: usize,
    /// Of the own entries, once they are many.
    index: Option<Index>,
    merged: Vec<Entry>,
    /// Where the merge key stands.
    merge_at: Option<source::Span>,
}

// === impl Building ===

impl Building {
    const fn from(first: usize) -> Self {
        Self { first, index: None, merged: Vec::new(), merge_at: None }
    }

    /// The own entry with `key`.
    fn find<'e>(&self, key: &str, all: &'e [Entry]) -> Option<&'e Entry> {
        let own = &all[self.first..];
        match &self.index {
            Some(index) => index.find(key, own).map(|at| &own[at]),
            None => own.iter().find(|entry| entry.has_key(key)),
        }
    }

    /// Takes an entry whose key is not there yet.
    fn push(&mut self, entry: Entry, all: &mut Vec<Entry>) {
        all.push(entry);
        let own = &all[self.first..];
        match &mut self.index {
            Some(index) => index.push(own),
            None if own.len() > INDEX_FROM_KEYS => self.index = Some(Index::of(own)),
            None => {}
        }
    }

    /// Own keys win over merged ones, and earlier merged ones over later.
    fn finish(mut self, all: &mut Vec<Entry>) -> Value {
        for entry in std::mem::take(&mut self.merged) {
            if self.find(entry.key(), all).is_none() {
                self.push(entry, all);
            }
        }
        Value::new(all.drain(self.first..), self.index)
    }
}

fn stop(problem: Problem) -> Stop {
    Box::new(problem)
}

/// Where the parser tells no bytes, the beginning of the text.
fn bytes(span: Span) -> std::ops::Range<usize> {
    span.byte_range().unwrap_or(0..0)
}

/// Levels below a node; only used for anchored ones, and depth is bounded.
fn height_of(node: &Node) -> usize {
    match node.kind() {
        Kind::Scalar(..) => 1,
        Kind::Seq(items) => 1 + items.iter().map(height_of).max().unwrap_or(0),
        Kind::Map(map) => 1 + map.entries().iter().map(|e| height_of(&e.node)).max().unwrap_or(0),
    }
}
