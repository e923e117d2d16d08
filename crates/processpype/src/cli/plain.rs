//! The few words with which a platform starts an application, read without the tree of all verbs.
//!
//! # Invariants
//!
//! 1. What is taken here, the tree takes in the same way. Whatever is written otherwise, help,
//!    mistakes and what is written twice among it, is left to the tree.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use processpype_cli::{ColourArgs, ConnectArgs};

use super::args::{Arguments, AssignmentParser, OwnVerb, Verb};

/// The arguments, if they are nothing but `run` and then where configuration comes from, or only
/// the latter.
pub(super) fn read(written: &[OsString]) -> Option<Arguments> {
    let (_, mut words) = written.split_first()?;
    let mut arguments = nothing_written();
    if let Some((_, rest)) = words.split_first().filter(|(first, _)| *first == "run") {
        arguments.verb = Some(Verb::Own(OwnVerb::Run));
        words = rest;
    }
    let (pairs, []) = words.as_chunks::<2>() else { return None };
    for [name, value] in pairs {
        take(&mut arguments, name.to_str()?, value)?;
    }
    Some(arguments)
}

/// Takes one option, unless it is another one, is there already, or has a value that is not plain.
fn take(arguments: &mut Arguments, name: &str, value: &OsStr) -> Option<()> {
    let text = value.to_str().filter(|text| !text.is_empty() && !text.starts_with('-'))?;
    match name {
        "--config" | "-c" if arguments.config.is_none() => {
            arguments.config = Some(PathBuf::from(value));
        }
        "--profile" | "-p" if arguments.profile.is_none() => {
            arguments.profile = Some(text.to_owned());
        }
        "--set" | "-s" if AssignmentParser::fault(text).is_none() => {
            arguments.set.push(text.to_owned());
        }
        _ => return None,
    }
    Some(())
}

fn nothing_written() -> Arguments {
    Arguments {
        config: None,
        profile: None,
        set: Vec::new(),
        json: false,
        connect: ConnectArgs::default(),
        colour: ColourArgs::default(),
        verb: None,
    }
}
