//! The one change that the program makes in the file of contexts: who is current.
//!
//! # Invariants
//!
//! 1. Nothing else in the file changes: comments and order stay.
//! 2. The file is whole at every moment: its successor gets its name by a rename.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

/// Returns the text with another current context.
pub(super) fn with_current(text: &str, name: &str) -> String {
    let line = format!("current: {name}");
    let is_current = |line: &&str| line.starts_with("current:");
    if text.lines().any(|it| is_current(&it)) {
        let lines = text.lines().map(|it| if is_current(&it) { &line } else { it });
        return lines.map(|line| format!("{line}\n")).collect();
    }
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{end}{line}\n")
}

/// Replaces the file that a path leads to, with the same permissions.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    // A link stays a link.
    let path = fs::canonicalize(path)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
        file.set_permissions(fs::metadata(&path)?.permissions())?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, &path)
    };
    write().inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_changes() {
        for (before, after) in [
            ("# mine\ncurrent: a # why\ncontexts:\n", "# mine\ncurrent: b\ncontexts:\n"),
            ("contexts: {}\n", "contexts: {}\ncurrent: b\n"),
            ("contexts: {}", "contexts: {}\ncurrent: b\n"),
            ("contexts:\n  current: {url: x}\n", "contexts:\n  current: {url: x}\ncurrent: b\n"),
        ] {
            assert_eq!(with_current(before, "b"), after);
        }
    }
}
