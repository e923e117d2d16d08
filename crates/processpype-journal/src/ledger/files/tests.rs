//! A reader beside a writer that rotates: the test says which of them takes the next step.

use std::collections::VecDeque;
use std::io::Write as _;

use proptest::prelude::*;

use super::*;
use crate::ledger::frame::seal;
use crate::ledger::scan::Scan;

/// What the writer does between two looks at the file system.
#[derive(Clone, Debug)]
enum Step {
    Append,
    Move(PathBuf, PathBuf),
    Create,
}

/// A ledger that is written in single steps.
struct Writer {
    folder: PathBuf,
    path: PathBuf,
    keep: u32,
    /// How many records a file holds.
    size: u64,
    file: File,
    written: u64,
    steps: VecDeque<Step>,
}

impl Writer {
    fn new(name: &str, keep: u32, size: u64) -> Self {
        let folder = std::env::temp_dir().join(format!("files-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("events.jsonl");
        let file = File::create(&path).unwrap();
        Self { folder, path, keep, size, file, written: 0, steps: VecDeque::new() }
    }

    fn step(&mut self) {
        if self.steps.is_empty() {
            self.steps.push_back(Step::Append);
            if self.written > 0 && self.written.is_multiple_of(self.size) {
                let moves = moves(&self.path, self.keep).into_iter();
                let moves = moves.map(|(from, to)| Step::Move(from, to));
                self.steps = moves.chain([Step::Create, Step::Append]).collect();
            }
        }
        match self.steps.pop_front().unwrap() {
            Step::Append => {
                self.written += 1;
                let line = seal(&format!("{{\"run\":1,\"seq\":{}}}", self.written));
                self.file.write_all(line.as_bytes()).unwrap();
            }
            Step::Move(from, to) => fs::rename(from, to).unwrap(),
            Step::Create => self.file = File::create_new(&self.path).unwrap(),
        }
    }

    /// The process ends in the middle of a rotation, and the next one begins.
    fn restart(&mut self) {
        self.steps.clear();
        self.file = fs::OpenOptions::new().append(true).create(true).open(&self.path).unwrap();
        // It notices at its next record that the file is full.
        if self.written.is_multiple_of(self.size) && self.path.metadata().unwrap().len() > 0 {
            let moves = moves(&self.path, self.keep).into_iter();
            self.steps = moves.map(|(from, to)| Step::Move(from, to)).collect();
            self.steps.push_back(Step::Create);
        }
    }

    /// Every record that is on the disk, by all names, in no order.
    fn kept(&self) -> Vec<u64> {
        let files = fs::read_dir(&self.folder).unwrap();
        files.flat_map(|file| numbers(&File::open(file.unwrap().path()).unwrap())).collect()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn numbers(file: &File) -> Vec<u64> {
    let mut numbers = Vec::new();
    Scan::each(file, |record| {
        let json: serde_json::Value = serde_json::from_str(record).unwrap();
        numbers.push(json["seq"].as_u64().unwrap());
    })
    .unwrap();
    numbers
}

/// Reads as [`crate::Ledger::read`] does, while the writer takes `schedule[n]` steps before the
/// reader's n-th.
#[track_caller]
fn check(writer: &mut Writer, schedule: &[u8]) {
    let before = writer.kept();
    let mut schedule = schedule.iter();
    let files = watched(&writer.path.clone(), || {
        (0..schedule.next().copied().unwrap_or(0)).for_each(|_| writer.step());
    });
    let read: Vec<u64> = files.unwrap().iter().rev().flat_map(|(_, file)| numbers(file)).collect();
    let after = writer.kept();
    assert!(read.windows(2).all(|pair| pair[0] + 1 == pair[1]), "in order, each once: {read:?}");
    let missing: Vec<_> =
        before.iter().filter(|it| after.contains(it) && !read.contains(it)).collect();
    assert!(missing.is_empty(), "{missing:?} stood there all the time, and not in {read:?}");
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 96,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_rotation_beside_a_reader_hides_nothing_and_shows_nothing_twice(
        keep in 1_u32..5,
        size in 1_u64..3,
        began in 0_usize..40,
        restarts in any::<bool>(),
        schedule in prop::collection::vec(0_u8..6, 0..40),
    ) {
        let mut writer = Writer::new("beside", keep, size);
        (0..began).for_each(|_| writer.step());
        if restarts {
            writer.restart();
        }
        check(&mut writer, &schedule);
    }
}

#[test]
fn a_reader_that_never_finds_them_still_gives_up() {
    let mut writer = Writer::new("busy", 2, 1);
    let error = watched(&writer.path.clone(), || (0..5).for_each(|_| writer.step())).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
}

#[test]
fn a_gap_is_filled_and_nothing_behind_it_moves() {
    let mut writer = Writer::new("gap", 4, 1);
    while writer.written < 4 {
        writer.step();
    }
    fs::remove_file(numbered(&writer.path, 2)).unwrap();
    assert_eq!(
        standing(&writer.path).unwrap().iter().map(|it| it.0).collect::<Vec<_>>(),
        [0, 1, 3]
    );
    while writer.written < 5 {
        writer.step();
    }
    assert_eq!(
        standing(&writer.path)
            .unwrap()
            .iter()
            .rev()
            .flat_map(|it| numbers(&it.1))
            .collect::<Vec<_>>(),
        [1, 3, 4, 5]
    );
}
