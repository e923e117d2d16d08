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
//!    ones, `file.1` to `file.n`, at most `keep` are there.
//! 5. One process writes: the file is locked for as long as it is open. Reading takes no lock that
//!    would keep a writer out for longer than a glance.

mod frame;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// How long a line may be, in bytes; a longer one counts as damaged.
const LINE_BYTES: u64 = 1024 * 1024;

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

/// What one look through a file found.
#[derive(Debug, Default)]
struct Scan {
    last: Option<String>,
    /// Where the last whole record ends.
    good: u64,
    length: u64,
    lines: u64,
    whole: u64,
    damaged: u64,
    /// The first bytes, if no whole record has been found.
    beginning: Vec<u8>,
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
    /// record on its way.
    ///
    /// # Errors
    ///
    /// Fails if the file is not there, cannot be read, or has a content that is no ledger's.
    pub fn read(path: &Path, mut found: impl FnMut(&str)) -> io::Result<Found> {
        let newest = File::open(path)?;
        let older = (1..).map(|number| numbered(path, number)).take_while(|path| path.exists());
        let mut damaged = 0;
        for path in older.collect::<Vec<_>>().iter().rev() {
            let scan = Scan::each(&File::open(path)?, &mut found)?;
            damaged += scan.damaged;
        }
        let scan = Scan::each(&newest, &mut found)?;
        scan.check()?;
        damaged += scan.damaged;
        Ok(Found { last: scan.last, torn: scan.length - scan.good, damaged })
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

    /// Writes a record: a JSON object on one line that begins with `{"run":`.
    ///
    /// It survives the end of the process from then on, and of the machine once [`sync`] returned.
    ///
    /// [`sync`]: Self::sync
    ///
    /// # Errors
    ///
    /// Fails if it cannot be written whole; then it is not there, and the next try begins anew.
    pub fn append(&mut self, record: &str) -> io::Result<()> {
        let is_record = record.as_bytes().starts_with(BEGINNING) && record.ends_with('}');
        if !is_record || record.contains('\n') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no record"));
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
        for number in (1..self.keep).rev() {
            let older = numbered(&self.path, number);
            if older.exists() {
                fs::rename(&older, numbered(&self.path, number + 1))?;
            }
        }
        fs::rename(&self.path, numbered(&self.path, 1))
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

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

// === impl Scan ===

impl Scan {
    fn of(file: &File) -> io::Result<Self> {
        Self::each(file, |_| {})
    }

    fn each(file: &File, mut found: impl FnMut(&str)) -> io::Result<Self> {
        let mut scan = Self::default();
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = reader.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line)?;
            if read == 0 {
                return Ok(scan);
            }
            scan.length += read as u64;
            scan.lines += 1;
            let record = line.strip_suffix(b"\n").and_then(frame::unseal);
            match record {
                Some(record) => {
                    found(&record);
                    scan.whole += 1;
                    // What was not whole before a whole one was no torn end.
                    scan.damaged = scan.lines - scan.whole;
                    scan.good = scan.length;
                    scan.last = Some(record);
                }
                None if scan.last.is_none() && scan.beginning.is_empty() => {
                    scan.beginning.clone_from(&line);
                }
                None => {}
            }
        }
    }

    fn check(&self) -> io::Result<()> {
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
