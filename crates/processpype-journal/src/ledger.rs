//! A file of records that is only ever appended to, and that knows when its end is torn.
//!
//! For what must be readable after the process was killed: each record is a line of JSON with a
//! checksum. What was synced before a crash is there after it; what was not may be cut, and the cut
//! is found and told when the file is opened again.
//!
//! # Invariants
//!
//! 1. A record is whole or it is not there: what a failed or interrupted write left is cut before
//!    the next record is written.
//! 2. Whole records are never cut, also not behind damaged ones.
//! 3. A file that is no ledger is not written to.
//! 4. The file is at most `max_size` bytes long, but for a single record that is longer; of older
//!    ones, `file.1` to `file.n`, at most `keep` are there. A device or a pipe stays where it is.
//! 5. One process writes: the file is locked for as long as it is open. Reading takes no lock that
//!    would keep a writer out for longer than a glance.

mod files;
mod frame;
mod scan;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use files::{moves, numbered, standing};
use scan::Scan;

/// How long a record may be, in bytes: [`Ledger::append`] takes no longer one, and a reader counts
/// a line that is longer as damaged.
pub const RECORD_MAX: usize = 1024 * 1024;

/// How every record begins that [`Ledger::append`] takes.
const BEGINNING: &[u8] = b"{\"run\":";

/// An open ledger.
///
/// ```
/// use processpype_journal::Ledger;
///
/// let directory = std::env::temp_dir().join(format!("ledger-{}", std::process::id()));
/// std::fs::create_dir_all(&directory)?;
/// let path = directory.join("events.jsonl");
/// let (mut ledger, _) = Ledger::open(&path, 1024, 2)?;
/// ledger.append(r#"{"run":1,"cause":"closed"}"#)?;
/// ledger.sync()?;
/// drop(ledger);
///
/// let (_ledger, found) = Ledger::open(&path, 1024, 2)?;
/// assert_eq!(found.last.as_deref(), Some(r#"{"run":1,"cause":"closed"}"#));
/// assert_eq!(found.torn, 0);
/// # std::fs::remove_dir_all(&directory)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    max_size: u64,
    keep: u32,
    file: File,
    /// Where the last whole record ends.
    size: u64,
    /// Something may stand behind it.
    is_torn: bool,
    is_dirty: bool,
    /// The file was put aside, and there is no new one yet.
    is_aside: bool,
}

/// What was found in a ledger when it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// The last whole record, also if it is in the file before.
    pub last: Option<String>,
    /// How many bytes of a torn end were cut.
    pub torn: u64,
    /// How many damaged lines stand between whole ones.
    pub damaged: u64,
}

// === impl Ledger ===

impl Ledger {
    /// Opens or makes the ledger at `path`, and cuts what is torn.
    ///
    /// `keep` files are kept beside it; 0 counts as 1.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be opened, read or cut, if another process has it open, or if it
    /// has a content that is no ledger's.
    pub fn open(path: &Path, max_size: u64, keep: u32) -> io::Result<(Self, Found)> {
        let file = lock(path)?;
        // A device has no content that could be looked at.
        let is_file = file.metadata()?.is_file();
        let scan = if is_file { Scan::of(&file)? } else { Scan::default() };
        scan.check()?;
        let torn = scan.length - scan.good;
        if torn > 0 {
            file.set_len(scan.good)?;
            file.sync_data()?;
        }
        let before = || Ledger::records(&numbered(path, 1)).ok()?.pop();
        let last = scan.last.or_else(before);
        let found = Found { last, torn, damaged: scan.damaged };
        let (path, keep) = (path.to_owned(), keep.max(1));
        // Nor is it ever full: nobody wants `/dev/null` or a pipe put aside.
        let max_size = if is_file { max_size } else { u64::MAX };
        let size = scan.good;
        Ok((
            Self {
                path,
                max_size,
                keep,
                file,
                size,
                is_torn: false,
                is_dirty: torn > 0,
                is_aside: false,
            },
            found,
        ))
    }

    /// Returns every whole record of a file, oldest first, without changing it.
    ///
    /// For the file of a process that has ended, or still writes.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read.
    pub fn records(path: &Path) -> io::Result<Vec<String>> {
        let mut records = Vec::new();
        Scan::each(&File::open(path)?, |record| records.push(record.to_owned()))?;
        Ok(records)
    }

    /// Gives every whole record to `found`, oldest first, those of older files before, and changes
    /// nothing.
    ///
    /// For the file of a process that has ended, or still writes: then what looks torn may be a
    /// record on its way. If it rotates meanwhile, each record is given once nevertheless.
    ///
    /// # Errors
    ///
    /// Fails if no file is there, one cannot be read, the newest has a content that is no ledger's,
    /// or they are rotated faster than they can be opened.
    pub fn read(path: &Path, mut found: impl FnMut(&str)) -> io::Result<Found> {
        let files = standing(path)?;
        if files.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "there is no such file"));
        }
        let (mut last, mut torn, mut damaged) = (None, 0, 0);
        for (number, file) in files.iter().rev() {
            // A device has no content that could be looked at, and some have no end.
            if !file.metadata()?.is_file() {
                continue;
            }
            let scan = Scan::each(file, &mut found)?;
            damaged += scan.damaged;
            if *number == 0 {
                scan.check()?;
                torn = scan.length - scan.good;
            }
            last = scan.last.or(last);
        }
        Ok(Found { last, torn, damaged })
    }

    /// Says whether a process has the ledger open for writing.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be opened, or the system does not know.
    pub fn is_open(path: &Path) -> io::Result<bool> {
        match File::open(path)?.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(fs::TryLockError::WouldBlock) => Ok(true),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    /// Writes a record: a JSON object on one line that begins with `{"run":`, of at most
    /// [`RECORD_MAX`] bytes.
    ///
    /// It survives the end of the process from then on, and of the machine once [`sync`] returned.
    ///
    /// [`sync`]: Self::sync
    ///
    /// # Errors
    ///
    /// Fails if it cannot be written whole, or is no record ([`io::ErrorKind::InvalidInput`]); then
    /// it is not there, and the next try begins anew.
    pub fn append(&mut self, record: &str) -> io::Result<()> {
        let is_record = record.as_bytes().starts_with(BEGINNING) && record.ends_with('}');
        if !is_record || record.contains('\n') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no record"));
        }
        if record.len() > RECORD_MAX {
            let text = format!("it has {} bytes, and a record at most {RECORD_MAX}", record.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        self.mend()?;
        let line = frame::seal(record);
        let length = line.len() as u64;
        if self.size > 0 && self.size + length > self.max_size {
            self.rotate()?;
        }
        self.is_torn = true;
        self.file.write_all(line.as_bytes())?;
        (self.is_torn, self.is_dirty) = (false, true);
        self.size += length;
        Ok(())
    }

    /// Waits until every record is on the disk.
    ///
    /// # Errors
    ///
    /// Fails if the system cannot promise that.
    pub fn sync(&mut self) -> io::Result<()> {
        if self.is_dirty {
            self.file.sync_data()?;
            self.is_dirty = false;
        }
        Ok(())
    }

    /// Cuts what a failed write left.
    fn mend(&mut self) -> io::Result<()> {
        if self.is_torn {
            self.file.set_len(self.size)?;
            self.is_torn = false;
        }
        Ok(())
    }

    /// Makes the file the first of the older ones.
    fn put_aside(&self) -> io::Result<()> {
        moves(&self.path, self.keep).iter().try_for_each(|(from, to)| fs::rename(from, to))
    }

    /// Begins a new file. What was done of it is not done again if the rest fails and it is tried
    /// later: the older files would go one after the other.
    fn rotate(&mut self) -> io::Result<()> {
        self.sync()?;
        // Somebody else may have moved it: then there is nothing to put aside.
        if !self.is_aside && self.path.exists() {
            self.put_aside()?;
            self.is_aside = true;
        }
        self.file = lock(&self.path)?;
        (self.is_aside, self.size) = (false, 0);
        // The names are part of the disk's content too; not every file system can promise that.
        if let Some(directory) = self.path.parent().and_then(|path| File::open(path).ok()) {
            let _ = directory.sync_all();
        }
        Ok(())
    }
}

impl Drop for Ledger {
    /// Gives the file back by itself: a process that somebody is just starting has a copy of it for
    /// a moment, which would keep the next one out.
    fn drop(&mut self) {
        // Then it is given back when it is closed.
        let _ = self.file.unlock();
    }
}

/// Opens a file for appending, alone.
fn lock(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => {
            let kind = io::ErrorKind::ResourceBusy;
            Err(io::Error::new(kind, "another process writes to it"))
        }
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_failed_write_left_is_cut_before_the_next_record() {
        let path = std::env::temp_dir().join(format!("ledger-half-{}", std::process::id()));
        let _ = fs::remove_file(&path);
        let (mut ledger, _) = Ledger::open(&path, u64::MAX, 1).unwrap();
        let records = [r#"{"run":1,"seq":1}"#, r#"{"run":1,"seq":2}"#];
        ledger.append(records[0]).unwrap();
        // As far as a write comes on a disk that is full.
        ledger.is_torn = true;
        ledger.file.write_all(&frame::seal(records[1]).as_bytes()[..9]).unwrap();
        ledger.append(records[1]).unwrap();
        assert!(!ledger.is_torn);
        drop(ledger);
        let found = Ledger::read(&path, |_| {}).unwrap();
        assert_eq!((found.torn, found.damaged), (0, 0));
        assert_eq!(Ledger::records(&path).unwrap(), records);
        fs::remove_file(&path).unwrap();
    }

    /// As a process that is being started holds one, between its `fork` and its `exec`.
    #[test]
    fn a_copy_of_the_file_keeps_nobody_out() {
        let path = std::env::temp_dir().join(format!("ledger-copy-{}", std::process::id()));
        let (ledger, _) = Ledger::open(&path, u64::MAX, 1).unwrap();
        let copy = ledger.file.try_clone().unwrap();
        assert!(Ledger::open(&path, u64::MAX, 1).is_err(), "it is written to");
        drop(ledger);
        assert!(Ledger::open(&path, u64::MAX, 1).is_ok(), "nobody writes to it any more");
        drop(copy);
        fs::remove_file(&path).unwrap();
    }
}
