//! The kinds of arguments that verbs are made of, and how what was written for them is read.
//!
//! All verbs share these few functions, so that a program holds each once.

use std::path::PathBuf;

use clap::builder::{NonEmptyStringValueParser, PossibleValue, PossibleValuesParser};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use processpype_config::HumanDuration;

/// A word that an argument may be, what it means, and what it is in code.
pub(crate) type Word<T> = (&'static str, &'static str, T);

pub(crate) fn verb(name: &'static str, about: &'static str) -> Command {
    Command::new(name).about(about)
}

/// An argument that is known by its place.
pub(crate) fn place(id: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(id).value_name(value).help(help)
}

pub(crate) fn flag(id: &'static str, help: &'static str) -> Arg {
    Arg::new(id).long(id).help(help).action(ArgAction::SetTrue)
}

/// An argument that is known by its name, with a value.
pub(crate) fn option(id: &'static str, value: &'static str, help: &'static str) -> Arg {
    place(id, value, help).long(id)
}

pub(crate) fn file_option(id: &'static str, help: &'static str) -> Arg {
    option(id, "FILE", help).value_parser(value_parser!(PathBuf))
}

pub(crate) fn duration_option(id: &'static str, help: &'static str) -> Arg {
    option(id, "DURATION", help).value_parser(value_parser!(HumanDuration))
}

/// The service that nearly every verb is about.
pub(crate) fn service() -> Arg {
    name("The service")
}

/// The name of a service: `""` is what a variable of a script gives that is not set.
pub(crate) fn name(help: &'static str) -> Arg {
    place("name", "NAME", help).value_parser(NonEmptyStringValueParser::new())
}

pub(crate) fn reason(help: &'static str) -> Arg {
    option("reason", "TEXT", help)
}

pub(crate) fn words<T>(words: &[Word<T>]) -> PossibleValuesParser {
    let value = |(word, help, _): &Word<T>| PossibleValue::new(*word).help(*help);
    PossibleValuesParser::new(words.iter().map(value).collect::<Vec<_>>())
}

pub(crate) fn is_set(written: &ArgMatches, id: &str) -> bool {
    written.get_flag(id)
}

pub(crate) fn text(written: &mut ArgMatches, id: &str) -> Option<String> {
    written.remove_one(id)
}

/// Every value of an argument that may be repeated.
pub(crate) fn texts(written: &mut ArgMatches, id: &str) -> Vec<String> {
    written.remove_many(id).map(Iterator::collect).unwrap_or_default()
}

pub(crate) fn path(written: &mut ArgMatches, id: &str) -> Option<PathBuf> {
    written.remove_one(id)
}

pub(crate) fn duration(written: &mut ArgMatches, id: &str) -> Option<HumanDuration> {
    written.remove_one(id)
}

pub(crate) fn word<T: Copy>(written: &mut ArgMatches, id: &str, words: &[Word<T>]) -> Option<T> {
    let text = text(written, id)?;
    words.iter().find(|(word, ..)| *word == text).map(|(.., value)| *value)
}

/// What is there because clap refuses a line without it, or has a default for it.
pub(crate) fn required<T>(value: Option<T>) -> T {
    value.expect("clap sees to it that it is there")
}
