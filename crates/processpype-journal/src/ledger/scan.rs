//! One look through a file, from its beginning to its end.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};

use super::{BEGINNING, RECORD_MAX, frame};

/// How long a line may be, in bytes; a longer one counts as damaged.
const LINE_MAX: u64 = (RECORD_MAX + frame::OVERHEAD) as u64;

/// What one look through a file found.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) last: Option<String>,
    /// Where the last whole record ends.
    pub(super) good: u64,
    pub(super) length: u64,
    lines: u64,
    whole: u64,
    pub(super) damaged: u64,
    /// The first bytes, if no whole record has been found.
    beginning: Vec<u8>,
}

// === impl Scan ===

impl Scan {
    pub(super) fn of(file: &File) -> io::Result<Self> {
        Self::each(file, |_| {})
    }

    pub(super) fn each(file: &File, mut found: impl FnMut(&str)) -> io::Result<Self> {
        let mut scan = Self::default();
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = reader.by_ref().take(LINE_MAX).read_until(b'\n', &mut line)?;
            if read == 0 {
                return Ok(scan);
            }
            scan.length += read as u64;
            if read as u64 == LINE_MAX && !line.ends_with(b"\n") {
                scan.length += reader.skip_until(b'\n')? as u64;
                // Nobody has written half of it: it is no torn end.
                line.push(b'\n');
            }
            scan.take(&mut line, &mut found);
        }
    }

    fn take(&mut self, line: &mut Vec<u8>, found: &mut impl FnMut(&str)) {
        self.lines += 1;
        if line.pop_if(|byte| *byte == b'\n').is_none() {
            // Without its newline it may go on, and is no record.
            return self.keep_beginning(line);
        }
        let Some(record) = frame::unseal(line) else {
            line.push(b'\n');
            return self.keep_beginning(line);
        };
        found(record);
        self.whole += 1;
        // What was not whole before a whole one was no torn end.
        self.damaged = self.lines - self.whole;
        self.good = self.length;
        let last = self.last.get_or_insert_default();
        last.clear();
        last.push_str(record);
    }

    fn keep_beginning(&mut self, line: &[u8]) {
        if self.last.is_none() && self.beginning.is_empty() {
            self.beginning = line.to_owned();
        }
    }

    /// Fails if this is no ledger: it has a content, and neither a record nor the beginning of one.
    pub(super) fn check(&self) -> io::Result<()> {
        let begins = |text: &[u8]| {
            let common = text.len().min(BEGINNING.len());
            self.lines == 1 && !text.ends_with(b"\n") && text[..common] == BEGINNING[..common]
        };
        if self.length == 0 || self.last.is_some() || begins(&self.beginning) {
            return Ok(());
        }
        let text = "it has a content that is no event journal; nothing was written to it";
        Err(io::Error::new(io::ErrorKind::InvalidData, text))
    }
}
