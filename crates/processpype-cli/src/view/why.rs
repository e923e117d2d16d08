//! A chain of causes, and what can be done.

use processpype_api::{Action, Why};

use super::Paper;
use crate::print::{BOLD, style_of};

/// Shows the chain as a ladder, and what can be done below it.
pub(crate) fn why(why: &Why, _: Paper) -> String {
    let mut lines = Vec::new();
    for step in &why.steps {
        let style = style_of(step.state);
        let (name, text) = (&step.service, &step.text);
        let indent = if step.depth == 0 { String::new() } else { indent(step.depth) };
        lines.push(format!("{indent}{style}{name}{style:#}: {text}"));
    }
    if why.truncated {
        lines.push("  … and more".to_owned());
    }
    if !why.actions.is_empty() {
        lines.push(format!("{BOLD}what can be done{BOLD:#}"));
        lines.extend(why.actions.iter().map(action));
    }
    lines.join("\n")
}

fn indent(depth: u32) -> String {
    let spaces = usize::try_from(depth.saturating_sub(1)).unwrap_or(0) * 2;
    format!("{:spaces$}└ ", "")
}

/// Shows an action as the command that does it.
fn action(action: &Action) -> String {
    let Action { verb, service, path, text, .. } = action;
    let what = match path {
        Some(path) => format!("{verb} {service}{}", flags(path)),
        None => format!("{verb} ({service})"),
    };
    format!("  {what:<30} {text}")
}

/// Returns the parameters of a path as flags.
fn flags(path: &str) -> String {
    let query = path.split_once('?').map_or("", |(_, query)| query);
    let set = query.split('&').filter_map(|pair| pair.strip_suffix("=true"));
    set.map(|name| format!(" --{}", name.replace('_', "-"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_flags() {
        assert_eq!(flags("/services/db/start"), "");
        assert_eq!(
            flags("/services/db/start?with_dependencies=true&force=true&wait=1s"),
            " --with-dependencies --force"
        );
    }
}
