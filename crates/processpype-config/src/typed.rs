//! The tree after its types were decided, and serde's view of it.
//!
//! # Invariants
//!
//! 1. The schema has decided already what each scalar is, so that values which serde buffers
//!    (`flatten`, tagged and untagged enums) are right too, and so are the errors' places.
//! 2. serde runs only on what the schema accepted; its errors come from hand-written
//!    `Deserialize` implementations and are located as exactly as possible.
//!
//! # Needle search
//!
//! serde's errors have no place. `invalid value: string "x", expected a weekday` comes out of a
//! hand-written `Deserialize`, perhaps below `flatten`, where serde has copied everything into a
//! buffer and our deserializer is long out of sight. But the error tells the value it disliked. So:
//!
//! 1. [`de::Error::invalid_value`] and `invalid_type` keep that value as the *needle*.
//! 2. On its way out the error passes each of our deserializers. The first one that sees it without
//!    a place looks for the needle among the scalars below its own value ([`Typed::locate`]).
//! 3. Found once: that is the place. Found several times: all are told as candidates ("it may be
//!    the value at …"). Not found, or no needle: the place is the value that this deserializer
//!    stands for, which is the innermost one that serde asked for.
//! 4. From there on the error is *located* and only collects keys on its way out.
//!
//! The search runs on errors alone, once for each error, and costs one walk over a part of one
//! section.
//!
//! # What must not leak
//!
//! The text of such an error is made by the user's code and may quote any value. Every scalar that
//! a report may not show is taken out of the text before it becomes a problem ([`Typed::hidden`]).

mod access;

use std::borrow::Cow;
use std::fmt;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{self, Deserializer, Unexpected, Visitor};

use crate::masked::MASK;
use crate::node::Node;
use crate::show;
use crate::source::Spot;
use crate::types::Scalar;

use self::access::{Entries, Items};

/// Bytes from which on a value is worth hiding; shorter ones would tear every message apart.
const MIN_HIDDEN: usize = 3;

/// A value whose type is decided.
///
/// Made by the walk of `check`, beside its problems; read by serde if there were none.
#[derive(Debug)]
pub(crate) struct Typed<'a> {
    pub(crate) node: &'a Node,
    /// The place of the key that holds it, for values that are maps or lists.
    pub(crate) key_at: Option<Spot<'a>>,
    /// Whether a report may show it.
    pub(crate) show: bool,
    /// Whether its key may be a secret: it is below one, and no schema names it.
    pub(crate) private: bool,
    pub(crate) value: Value<'a>,
}

/// The three shapes.
///
/// Keys and texts borrow from the file unless something was put in or spelt anew.
pub(crate) enum Value<'a> {
    Scalar(Cow<'a, str>, Scalar<'a>),
    Seq(Vec<Typed<'a>>),
    Map(Vec<(Cow<'a, str>, Typed<'a>)>),
}

/// What a `Deserialize` implementation said, and about which value.
///
/// Not the report's: [`Typed::located`] and then `section` turn it into a problem.
#[derive(Debug)]
pub(crate) struct Error {
    pub(crate) message: String,
    /// The keys from the outside in, once known.
    pub(crate) path: Vec<String>,
    /// Where below `path` the value may stand, if it stands at several places.
    pub(crate) candidates: Vec<Vec<String>>,
    /// The text of the value that was refused, if serde told it.
    needle: Option<String>,
    located: bool,
}

// === impl Typed ===

impl<'a> Typed<'a> {
    /// A value that a report may not show.
    pub(crate) const fn of(node: &'a Node, key_at: Option<Spot<'a>>, value: Value<'a>) -> Self {
        Self { node, key_at, show: false, private: false, value }
    }

    /// The best place to point at.
    pub(crate) fn place(&self) -> Spot<'a> {
        match (&self.value, self.key_at) {
            (Value::Seq(_) | Value::Map(_), Some(at)) => at,
            (Value::Scalar(..) | Value::Seq(_) | Value::Map(_), _) => self.node.at.spot(),
        }
    }

    /// Follows a path as far as it goes.
    ///
    /// The value at the path's end, or the last one on the way that exists.
    pub(crate) fn follow(&self, path: &[String]) -> &Self {
        let Some((key, rest)) = path.split_first() else { return self };
        self.child(key).map_or(self, |child| child.follow(rest))
    }

    /// The path of what is `keys` further down, as it may be shown.
    pub(crate) fn path_to(&self, keys: &[String], path: String) -> String {
        let Some((key, rest)) = keys.split_first() else { return path };
        match self.child(key) {
            Some(child) => {
                let told = if child.private { MASK } else { key };
                child.path_to(rest, show::join(&path, told))
            }
            None => keys.iter().fold(path, |path, key| show::join(&path, key)),
        }
    }

    fn child(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(k, _)| k == key).map(|(_, child)| child),
            Value::Seq(items) => key.parse::<usize>().ok().and_then(|at| items.get(at)),
            Value::Scalar(..) => None,
        }
    }

    /// The paths of the scalars that read `needle`.
    fn find(&self, needle: &str, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
        match &self.value {
            Value::Scalar(text, _) if text == needle => found.push(path.clone()),
            Value::Scalar(..) => {}
            Value::Seq(items) => {
                for (at, item) in items.iter().enumerate() {
                    path.push(at.to_string());
                    item.find(needle, path, found);
                    path.pop();
                }
            }
            Value::Map(entries) => {
                for (key, child) in entries {
                    path.push(key.to_string());
                    child.find(needle, path, found);
                    path.pop();
                }
            }
        }
    }

    /// The values that a report must not show, longest first.
    ///
    /// Longest first, so that a value which contains another one is taken out whole.
    pub(crate) fn hidden(&self) -> Vec<&str> {
        let mut hidden = Vec::new();
        self.collect_hidden(&mut hidden);
        processpype_core::sort_by(&mut hidden, |one, other| other.len().cmp(&one.len()));
        hidden
    }

    fn collect_hidden<'s>(&'s self, hidden: &mut Vec<&'s str>) {
        match &self.value {
            Value::Scalar(text, _) if !self.show && text.len() >= MIN_HIDDEN => hidden.push(text),
            Value::Scalar(..) => {}
            Value::Seq(items) => items.iter().for_each(|item| item.collect_hidden(hidden)),
            Value::Map(entries) => {
                for (key, value) in entries {
                    hidden
                        .extend((value.private && key.len() >= MIN_HIDDEN).then_some(key.as_ref()));
                    value.collect_hidden(hidden);
                }
            }
        }
    }

    /// Gives an error from below this value its place, unless it has one.
    ///
    /// Only the innermost deserializer may decide: further out the needle would be found in more
    /// places.
    fn locate(&self, mut error: Error) -> Error {
        if error.located {
            return error;
        }
        error.located = true;
        if let Some(needle) = &error.needle {
            let mut found = Vec::new();
            self.find(needle, &mut Vec::new(), &mut found);
            match found.as_slice() {
                // Kept from the inside out while the error travels.
                [path] => error.path = path.iter().rev().cloned().collect(),
                _ => error.candidates = found,
            }
        }
        error
    }

    /// Locates an error that came out of this whole tree.
    pub(crate) fn located(&self, error: Error) -> Error {
        let mut error = self.locate(error);
        error.path.reverse();
        error
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("···")
    }
}

// === impl Error ===

impl Error {
    fn below(mut self, key: impl Into<String>) -> Self {
        self.path.push(key.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            message: message.to_string(),
            path: Vec::new(),
            candidates: Vec::new(),
            needle: None,
            located: false,
        }
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self { needle: needle(unexpected), ..Self::custom(format!("expected {expected}")) }
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }
}

/// The refused value as it would stand in the tree; what is no scalar cannot be looked for.
fn needle(unexpected: Unexpected<'_>) -> Option<String> {
    match unexpected {
        Unexpected::Str(text) => Some(text.to_owned()),
        Unexpected::Unsigned(number) => Some(number.to_string()),
        Unexpected::Signed(number) => Some(number.to_string()),
        Unexpected::Float(number) => Some(number.to_string()),
        Unexpected::Bool(flag) => Some(flag.to_string()),
        Unexpected::Char(c) => Some(c.to_string()),
        _ => None,
    }
}

/// A deserializer of one value.
///
/// It gives serde what the schema decided, whatever serde asks for, with two exceptions: text where
/// text is asked for, and a float from a whole number. The schema left these open or they lose
/// nothing.
#[derive(Clone, Copy)]
pub(crate) struct De<'t, 'a>(pub(crate) &'t Typed<'a>);

// === impl De ===

impl De<'_, '_> {
    /// What the schema decided.
    fn any<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.0.value {
            Value::Scalar(_, scalar) => match scalar {
                Scalar::Null => visitor.visit_unit(),
                Scalar::Bool(flag) => visitor.visit_bool(*flag),
                Scalar::Whole(number) => whole(*number, visitor),
                Scalar::Huge(number) => visitor.visit_u128(*number),
                Scalar::Float(number) => visitor.visit_f64(*number),
                Scalar::Text(text) => visitor.visit_str(text),
            },
            Value::Seq(items) => visitor.visit_seq(Items::of(items)),
            Value::Map(entries) => visitor.visit_map(Entries::of(entries)),
        }
    }

    /// Text for a target that wants text, also where the schema left the type open.
    ///
    /// A number that the schema took for "anything" is text again, exactly as it was written.
    fn text<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.0.value {
            Value::Scalar(text, scalar) if *scalar != Scalar::Null => visitor.visit_str(text),
            _ => self.any(visitor),
        }
    }

    /// A whole number is a number too: `timeout: 5` fits an `f64`.
    fn float<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.0.value {
            #[expect(clippy::cast_precision_loss, reason = "a float was asked for")]
            Value::Scalar(_, Scalar::Whole(number)) => visitor.visit_f64(*number as f64),
            _ => self.any(visitor),
        }
    }

    /// The error for a value that cannot be what is asked for.
    fn refused(self, expected: &dyn de::Expected) -> Error {
        let unexpected = match &self.0.value {
            Value::Scalar(_, Scalar::Null) => Unexpected::Unit,
            Value::Scalar(text, _) => Unexpected::Str(text),
            Value::Seq(_) => Unexpected::Seq,
            Value::Map(_) => Unexpected::Map,
        };
        de::Error::invalid_type(unexpected, expected)
    }

    /// Gives an error its place, unless it has one.
    fn placed<T>(self, read: Result<T, Error>) -> Result<T, Error> {
        match read {
            Ok(read) => Ok(read),
            Err(error) => Err(self.0.locate(error)),
        }
    }

    /// Null, in whatever way it was written.
    fn is_nothing(self) -> bool {
        matches!(&self.0.value, Value::Scalar(_, Scalar::Null))
    }
}

/// In the smallest of serde's integers that holds it, since most visitors know no other.
fn whole<'de, V: Visitor<'de>>(number: i128, visitor: V) -> Result<V::Value, Error> {
    if let Ok(number) = u64::try_from(number) {
        visitor.visit_u64(number)
    } else if let Ok(number) = i64::try_from(number) {
        visitor.visit_i64(number)
    } else {
        visitor.visit_i128(number)
    }
}

macro_rules! forward {
    ($($method:ident => $to:ident),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.placed(self.$to(visitor))
        }
    )*};
}

impl<'de> Deserializer<'de> for De<'_, '_> {
    type Error = Error;

    forward! {
        deserialize_any => any, deserialize_bool => any,
        deserialize_i8 => any, deserialize_i16 => any, deserialize_i32 => any,
        deserialize_i64 => any, deserialize_i128 => any,
        deserialize_u8 => any, deserialize_u16 => any, deserialize_u32 => any,
        deserialize_u64 => any, deserialize_u128 => any,
        deserialize_f32 => float, deserialize_f64 => float,
        deserialize_char => text, deserialize_str => text, deserialize_string => text,
        deserialize_bytes => text, deserialize_byte_buf => text,
        deserialize_seq => any, deserialize_map => any,
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.placed(if self.is_nothing() { visitor.visit_none() } else { visitor.visit_some(self) })
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.placed(visitor.visit_newtype_struct(self))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    /// From a map alone: the code for everything else that serde could give a struct would be made
    /// for each type, and the schema has let only maps through.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.placed(match &self.0.value {
            Value::Map(entries) => visitor.visit_map(Entries::of(entries)),
            Value::Scalar(..) | Value::Seq(_) => Err(self.refused(&visitor)),
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.placed(match &self.0.value {
            Value::Scalar(text, _) => {
                let name: StrDeserializer<'_, Error> = StrDeserializer::new(text);
                visitor.visit_enum(name)
            }
            Value::Map(entries) if entries.len() == 1 => {
                visitor.visit_enum(MapAccessDeserializer::new(Entries::of(entries)))
            }
            Value::Map(_) | Value::Seq(_) => Err(self.refused(&visitor)),
        })
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }
}
