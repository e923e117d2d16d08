//! The text of one field's value: user code runs here, and may do anything.
//!
//! # Invariants
//!
//! 1. A panic in a user's `Debug` or `Display` ends here; the line is written without the value.
//! 2. A value is cut after [`MAX_VALUE_BYTES`], and formatting stops there.
//! 3. What leaves this module is scrubbed, and never holds a secret cut in two.

use std::{
    fmt::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind},
};

use crate::redact::Needles;

/// Longer values are cut after this many bytes, counted before the format escapes them.
///
/// What was cut ends with `… (cut)`. Formatting stops at the limit, so that a value that never ends
/// costs no more than one that is just too long.
pub const MAX_VALUE_BYTES: usize = 16 * 1024;
/// How many causes of an error are written after it.
const MAX_ERROR_CAUSES: usize = 16;
/// What a value that was cut ends with.
const CUT: &str = "… (cut)";
/// What is written for a value whose formatting panicked.
const PANICKED: &str = "<panicked while formatting>";
/// What follows a value whose formatting gave up.
const FAILED: &str = "<formatting failed>";

/// A buffer in which values become text, one after the other.
#[derive(Debug, Default)]
pub(crate) struct ValueText {
    /// As user code wrote it.
    raw: String,
    /// Without secrets.
    clean: String,
}

/// A text that stops at a limit.
struct Limited<'a> {
    out: &'a mut String,
    limit: usize,
    full: bool,
}

// === impl ValueText ===

impl ValueText {
    /// Formats a value; returns its text, and whether something in it was masked.
    pub(crate) fn format(
        &mut self,
        needles: &Needles,
        format: impl FnOnce(&mut dyn Write) -> fmt::Result,
    ) -> (&str, bool) {
        self.raw.clear();
        // A secret that begins before the limit must be seen whole.
        let limit = MAX_VALUE_BYTES + needles.longest();
        let mut limited = Limited { out: &mut self.raw, limit, full: false };
        let outcome = catch_unwind(AssertUnwindSafe(|| format(&mut limited)));
        let mut full = limited.full;
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(fmt::Error)) if full => {}
            Ok(Err(fmt::Error)) => self.raw.push_str(FAILED),
            Err(payload) => {
                // Dropping the payload is user code too, and could panic again.
                std::mem::forget(payload);
                full = false;
                self.raw.clear();
                self.raw.push_str(PANICKED);
            }
        }
        self.finish(needles, full)
    }

    /// Cuts and scrubs what was formatted; `full` if formatting was stopped.
    fn finish(&mut self, needles: &Needles, full: bool) -> (&str, bool) {
        let limit = self.raw.floor_char_boundary(MAX_VALUE_BYTES);
        let cut = full || self.raw.len() > MAX_VALUE_BYTES;
        if needles.is_empty() {
            self.raw.truncate(limit);
            if cut {
                self.raw.push_str(CUT);
            }
            return (&self.raw, false);
        }
        self.clean.clear();
        let masked = needles.scrub(&self.raw, limit, &mut self.clean);
        if cut {
            self.clean.push_str(CUT);
        }
        (&self.clean, masked)
    }
}

/// Writes an error and its causes, `what: because: because`.
pub(crate) fn write_error(
    out: &mut dyn Write,
    error: &(dyn std::error::Error + 'static),
) -> fmt::Result {
    write!(out, "{error}")?;
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    for cause in causes.take(MAX_ERROR_CAUSES) {
        write!(out, ": {cause}")?;
    }
    Ok(())
}

// === impl Limited ===

impl Write for Limited<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.limit.saturating_sub(self.out.len());
        if text.len() <= room {
            self.out.push_str(text);
            return Ok(());
        }
        self.out.push_str(&text[..text.floor_char_boundary(room)]);
        self.full = true;
        // Nobody reads the rest; a value that never ends, ends here.
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Redactor;

    #[track_caller]
    fn check(format: impl FnOnce(&mut dyn Write) -> fmt::Result, expected: &str) {
        let mut text = ValueText::default();
        let redactor = Redactor::default();
        assert_eq!(text.format(&redactor.needles(), format).0, expected);
    }

    #[test]
    fn a_value_is_what_its_display_says() {
        check(|out| write!(out, "{}-{:?}", 1, "a\n"), "1-\"a\\n\"");
        check(|_| Ok(()), "");
    }

    #[test]
    fn a_panic_or_a_failure_costs_only_the_value() {
        check(|_| panic!("in Debug"), PANICKED);
        check(
            |out| {
                out.write_str("half")?;
                Err(fmt::Error)
            },
            "half<formatting failed>",
        );
    }

    #[test]
    fn an_endless_value_ends() {
        let endless = |out: &mut dyn Write| loop {
            out.write_str("é€")?;
        };
        let mut text = ValueText::default();
        let (text, _) = text.format(&Redactor::default().needles(), endless);
        assert!(text.len() <= MAX_VALUE_BYTES + CUT.len());
        assert!(text.ends_with(CUT));
    }

    #[test]
    fn a_value_that_just_fits_is_not_cut() {
        let fits = "x".repeat(MAX_VALUE_BYTES);
        check(|out| out.write_str(&fits), &fits);
        check(|out| write!(out, "{fits}y"), &format!("{fits}{CUT}"));
    }

    #[test]
    fn an_error_shows_so_many_causes_and_no_more() {
        #[derive(Debug)]
        struct Chain;
        impl fmt::Display for Chain {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("again")
            }
        }
        impl std::error::Error for Chain {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(self)
            }
        }
        check(|out| write_error(out, &Chain), &["again"; 1 + MAX_ERROR_CAUSES].join(": "));
    }

    #[test]
    fn a_secret_across_the_cut_does_not_show() {
        let redactor = Redactor::default();
        redactor.add("zzzzzzzz").unwrap();
        for before in MAX_VALUE_BYTES - 9..=MAX_VALUE_BYTES + 1 {
            let long = format!("{}zzzzzzzz tail", "x".repeat(before));
            let mut text = ValueText::default();
            let (text, _) = text.format(&redactor.needles(), |out| out.write_str(&long));
            assert!(!text.contains('z'), "{before}");
            assert!(text.ends_with(CUT), "{before}");
        }
    }

    #[test]
    fn errors_show_their_causes() {
        #[derive(Debug)]
        struct Outer(std::num::ParseIntError);
        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("cannot read the port")
            }
        }
        impl std::error::Error for Outer {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(&self.0)
            }
        }
        let error = Outer("x".parse::<u16>().unwrap_err());
        check(
            |out| write_error(out, &error),
            "cannot read the port: invalid digit found in string",
        );
    }
}
