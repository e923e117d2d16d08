//! Ledgers on a real disk: torn at every byte, damaged, rotated, full, locked.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use processpype_journal::{Found, Ledger, RECORD_MAX};

/// A directory that goes with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ledger-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("events.jsonl")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn record(number: u64) -> String {
    format!("{{\"run\":1,\"seq\":{number}}}")
}

fn write(path: &Path, numbers: std::ops::RangeInclusive<u64>, max_size: u64, keep: u32) {
    let (mut ledger, _) = Ledger::open(path, max_size, keep).unwrap();
    for number in numbers {
        ledger.append(&record(number)).unwrap();
    }
    ledger.sync().unwrap();
}

fn reopened(path: &Path) -> Found {
    Ledger::open(path, u64::MAX, 1).unwrap().1
}

#[test]
fn an_end_torn_at_any_byte_is_cut_and_told() {
    let scratch = Scratch::new("torn");
    let path = scratch.file();
    write(&path, 1..=2, u64::MAX, 1);
    let whole = fs::read(&path).unwrap();
    let first = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for cut in 0..=whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let good = if cut == whole.len() {
            cut
        } else if cut >= first {
            first
        } else {
            0
        };
        let found = reopened(&path);
        let last = [(whole.len(), 2), (first, 1)].into_iter().find(|(end, _)| good >= *end);
        assert_eq!(found.last, last.map(|(_, number)| record(number)), "cut at {cut}");
        assert_eq!((found.torn, found.damaged), ((cut - good) as u64, 0), "cut at {cut}");
        // What follows stands on a line of its own.
        write(&path, 9..=9, u64::MAX, 1);
        assert_eq!(Ledger::records(&path).unwrap().last(), Some(&record(9)), "cut at {cut}");
    }
}

#[test]
fn whole_records_behind_damaged_ones_stay() {
    let scratch = Scratch::new("damaged");
    let path = scratch.file();
    write(&path, 1..=4, u64::MAX, 1);
    let mut bytes = fs::read(&path).unwrap();
    let line = bytes.len() / 4;
    bytes[line + 3] ^= 1;
    bytes.extend_from_slice(b"\0\0\0\n\0\0");
    fs::write(&path, &bytes).unwrap();
    let found = reopened(&path);
    assert_eq!((found.damaged, found.torn, found.last), (1, 6, Some(record(4))));
    assert_eq!(Ledger::records(&path).unwrap(), [record(1), record(3), record(4)]);
}

#[test]
fn a_file_of_somebody_else_is_left_alone() {
    let scratch = Scratch::new("foreign");
    for content in ["precious\n", "{\"run\":1}\n", "{\"a\":1}", "x"] {
        fs::write(scratch.file(), content).unwrap();
        let error = Ledger::open(&scratch.file(), 99, 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{content}");
        assert_eq!(fs::read_to_string(scratch.file()).unwrap(), content);
    }
}

#[test]
fn it_rotates_by_size_and_keeps_so_many() {
    let scratch = Scratch::new("rotated");
    let path = scratch.file();
    let line = {
        write(&path, 1..=1, u64::MAX, 1);
        fs::metadata(&path).unwrap().len()
    };
    write(&path, 2..=9, 2 * line, 2);
    let numbers = |suffix: &str| {
        let path = PathBuf::from(format!("{}{suffix}", path.display()));
        Ledger::records(&path).map(|records| records.len()).ok()
    };
    assert_eq!(
        [numbers(""), numbers(".1"), numbers(".2"), numbers(".3")],
        [Some(1), Some(2), Some(2), None]
    );
    // A process that died just after it had rotated.
    fs::write(&path, "").unwrap();
    assert_eq!(reopened(&path).last, Some(record(8)));
}

#[test]
fn older_files_stay_where_it_cannot_rotate_or_somebody_else_has() {
    let scratch = Scratch::new("moved");
    let path = scratch.file();
    let numbered = |number: u32| PathBuf::from(format!("{}.{number}", path.display()));
    let line = {
        write(&path, 1..=1, u64::MAX, 1);
        fs::metadata(&path).unwrap().len()
    };
    write(&path, 2..=4, 2 * line, 4);
    let (mut ledger, _) = Ledger::open(&path, 2 * line, 4).unwrap();
    // Its folder is away, and comes back.
    let (folder, away) = (path.parent().unwrap(), path.parent().unwrap().with_extension("away"));
    fs::rename(folder, &away).unwrap();
    for _ in 0..5 {
        ledger.append(&record(5)).unwrap_err();
    }
    fs::rename(&away, folder).unwrap();
    ledger.append(&record(5)).unwrap();
    // Somebody takes the file itself.
    fs::rename(&path, path.with_extension("taken")).unwrap();
    ledger.append(&record(6)).unwrap();
    ledger.append(&record(7)).unwrap();
    assert_eq!(Ledger::records(&path).unwrap(), [record(7)]);
    assert_eq!(Ledger::records(&numbered(1)).unwrap(), [record(3), record(4)]);
    assert_eq!(Ledger::records(&numbered(2)).unwrap(), [record(1), record(2)]);
    assert!(!numbered(3).exists());
}

/// Every record that a reader is given, and what it found.
#[track_caller]
fn read(path: &Path) -> (Vec<String>, Found) {
    let mut records = Vec::new();
    let found = Ledger::read(path, |record| records.push(record.to_owned())).unwrap();
    (records, found)
}

#[test]
fn a_reader_is_given_older_files_first_and_told_what_is_wrong() {
    let scratch = Scratch::new("read");
    let path = scratch.file();
    let missing = Ledger::read(&path, |record| panic!("{record}")).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    write(&path, 1..=1, u64::MAX, 1);
    let line = usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
    write(&path, 2..=6, 2 * line as u64, 4);
    let all: Vec<String> = (1..=6).map(record).collect();
    assert_eq!(read(&path).0, all);

    // Damaged: the first record of the oldest file and of the newest, whose end is torn too.
    for suffix in ["", ".2"] {
        let path = PathBuf::from(format!("{}{suffix}", path.display()));
        let mut bytes = fs::read(&path).unwrap();
        bytes[3] ^= 1;
        fs::write(&path, &bytes).unwrap();
    }
    let torn = &fs::read(&path).unwrap()[..2 * line - 4];
    fs::write(&path, torn).unwrap();
    // The newest has no whole record left, and is no ledger.
    let error = Ledger::read(&path, |_| {}).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    fs::write(&path, &torn[line..]).unwrap();
    let (records, found) = read(&path);
    assert_eq!(records, [record(2), record(3), record(4)]);
    assert_eq!((found.torn, found.damaged), (line as u64 - 4, 1));
    assert_eq!(found.last, Some(record(4)), "it is in the file before");
}

#[test]
fn it_is_known_whether_a_process_writes() {
    let scratch = Scratch::new("open");
    let path = scratch.file();
    assert_eq!(Ledger::is_open(&path).unwrap_err().kind(), ErrorKind::NotFound);
    let (ledger, _) = Ledger::open(&path, 99, 1).unwrap();
    assert!(Ledger::is_open(&path).unwrap());
    drop(ledger);
    assert!(!Ledger::is_open(&path).unwrap());
}

#[test]
fn one_process_writes() {
    let scratch = Scratch::new("locked");
    let _first = Ledger::open(&scratch.file(), 99, 1).unwrap();
    let error = Ledger::open(&scratch.file(), 99, 1).unwrap_err();
    assert!(error.to_string().contains("another process"), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_each_time() {
    let (mut ledger, found) = Ledger::open(Path::new("/dev/full"), 99, 1).unwrap();
    assert_eq!(found, Found::default());
    let first = ledger.append(&record(1)).unwrap_err();
    assert_eq!(first.kind(), ErrorKind::StorageFull);
    ledger.append(&record(1)).unwrap_err();
    // It has no end that a reader could reach.
    let found = Ledger::read(Path::new("/dev/full"), |record| panic!("{record}")).unwrap();
    assert_eq!(found, Found::default());
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_no_file_is_never_put_aside() {
    use std::os::unix::fs::FileTypeExt as _;

    let scratch = Scratch::new("pipe");
    let path = scratch.file();
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    let (mut ledger, _) = Ledger::open(&path, 1, 1).unwrap();
    for number in 1..=3 {
        ledger.append(&record(number)).unwrap();
    }
    assert!(fs::metadata(&path).unwrap().file_type().is_fifo());
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 1, "it stands alone");
}

#[test]
fn what_is_no_record_is_not_written() {
    let scratch = Scratch::new("records");
    let (mut ledger, _) = Ledger::open(&scratch.file(), 99, 1).unwrap();
    for text in ["", "{}", "{\"a\":1}", "{\"run\":1}\n", "{\"run\":1"] {
        assert_eq!(ledger.append(text).unwrap_err().kind(), ErrorKind::InvalidInput, "{text}");
    }
    assert_eq!(fs::metadata(scratch.file()).unwrap().len(), 0);
}

/// A record of so many bytes.
fn long(bytes: usize) -> String {
    let frame = "{\"run\":1,\"text\":\"\"}".len();
    format!("{{\"run\":1,\"text\":\"{}\"}}", "x".repeat(bytes - frame))
}

#[test]
fn the_longest_record_is_read_again_and_a_longer_one_is_not_written() {
    let scratch = Scratch::new("longest");
    let (mut ledger, _) = Ledger::open(&scratch.file(), u64::MAX, 1).unwrap();
    let error = ledger.append(&long(RECORD_MAX + 1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("1048577 bytes"), "{error}");
    // The first and the last record of a file decide whether it is one, and where it ends.
    ledger.append(&long(RECORD_MAX)).unwrap();
    drop(ledger);
    let found = reopened(&scratch.file());
    assert_eq!((found.last, found.torn, found.damaged), (Some(long(RECORD_MAX)), 0, 0));
}

#[test]
fn a_line_that_is_too_long_is_one_damaged_line() {
    let scratch = Scratch::new("overlong");
    write(&scratch.file(), 1..=2, u64::MAX, 1);
    let whole = fs::read_to_string(scratch.file()).unwrap();
    let (first, second) = whole.split_once('\n').unwrap();
    let overlong = long(5 * RECORD_MAX);
    fs::write(scratch.file(), format!("{first}\n{overlong}\n{second}")).unwrap();
    assert_eq!(reopened(&scratch.file()).damaged, 1);
    assert_eq!(Ledger::records(&scratch.file()).unwrap(), [record(1), record(2)]);
    // Alone, it is nothing that a ledger has written.
    fs::write(scratch.file(), &overlong).unwrap();
    let error = Ledger::open(&scratch.file(), 99, 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert_eq!(fs::metadata(scratch.file()).unwrap().len(), overlong.len() as u64);
}
