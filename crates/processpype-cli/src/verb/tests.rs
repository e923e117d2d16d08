//! Whatever a verb takes is read, and stands where it belongs.

use clap::{Arg, ArgAction, Command};

use super::ClientVerb;

/// Returns a value that the argument takes, and that no default is.
fn value(argument: &Arg) -> &'static str {
    let named = argument.get_value_names().and_then(<[_]>::first).map(clap::builder::Str::as_str);
    match named {
        Some("DURATION") => "7s",
        Some("NUMBER" | "N") => "7",
        Some("LEVEL") => "warn",
        Some("FORMAT") => "dot",
        Some("KEY=VALUE") => "key=7",
        _ => "written",
    }
}

/// Returns what is read of a verb with these arguments. `None` if it does not take them.
fn read(verb: &Command, arguments: &[&str]) -> Option<String> {
    let program = Command::new("program").subcommand(verb.clone());
    let line = ["program", verb.get_name()].into_iter().chain(arguments.iter().copied());
    let mut written = program.try_get_matches_from(line).ok()?;
    let (name, mut written) = written.remove_subcommand()?;
    Some(format!("{:?}", ClientVerb::read(&name, &mut written).expect("it is known")))
}

#[test]
fn whatever_a_verb_takes_is_read() {
    for verb in ClientVerb::commands() {
        let (by_place, by_name): (Vec<_>, Vec<_>) =
            verb.get_arguments().partition(|argument| argument.is_positional());
        let places: Vec<&str> = by_place.iter().map(|argument| value(argument)).collect();
        let required = by_place.iter().filter(|argument| argument.is_required_set()).count();
        let all = read(&verb, &places).unwrap_or_else(|| panic!("{verb} takes {places:?}"));
        for argument in &by_place {
            let field = format!("{}: ", argument.get_id());
            assert!(all.contains(&field), "{field} of {all}");
        }
        for &argument in &by_name {
            let flag = format!("--{}", argument.get_long().expect("it has a name"));
            let mut option = vec![flag.as_str()];
            if !matches!(argument.get_action(), ArgAction::SetTrue) {
                option.push(value(argument));
            }
            let before = [&places[..required], &places];
            let differs = before.iter().any(|before| {
                let with = read(&verb, &[before, option.as_slice()].concat());
                with.is_some() && with != read(&verb, before)
            });
            assert!(differs, "{verb} {option:?}");
        }
    }
}

#[test]
fn values_stand_where_they_belong() {
    let line = |name: &str, arguments: &[&str]| {
        let all = ClientVerb::commands();
        let verb = all.iter().find(|verb| verb.get_name() == name).expect("there is such a verb");
        read(verb, arguments).expect("it takes that")
    };
    assert_eq!(
        line("register", &["ticker", "fast", "--group", "all", "--section", "-"]),
        "Register(RegisterArgs { kind: \"ticker\", name: \"fast\", section: Some(\"-\"), \
         group: Some(\"all\"), start: false, reason: None, wait: HumanDuration(10s), \
         dry_run: false })"
    );
    assert_eq!(
        line("level", &["web", "debug", "--for", "1m"]),
        "Level(LevelArgs { name: Some(\"web\"), level: Some(Debug), all: None, \
         time: Some(HumanDuration(60s)), reason: None, reset: false })"
    );
}
