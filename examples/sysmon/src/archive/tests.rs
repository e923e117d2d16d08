//! The archive on a real disk: what is kept, what is forgotten, what is refused.
//! Every test has a directory of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use super::*;
use crate::Window;
use crate::scratch::Scratch;

/// Where the child process of the kill test writes.
const CHILD_DIRECTORY: &str = "SYSMON_TEST_CHILD_DIRECTORY";

fn sample(millis: u64, cpu: f64) -> Sample {
    let mut sample = Sample::new(Time::from_millis(millis));
    sample.push(Metric::Cpu, cpu);
    sample.push(Metric::Memory, 50.0);
    sample.push(Metric::CpuCore(1), cpu);
    sample
}

fn open(scratch: &Scratch) -> Archive {
    Archive::open(scratch.path()).expect("the archive opens")
}

/// An archive with samples of cpu = 1, 2, 3, … at these times.
fn filled(scratch: &Scratch, times: &[u64]) -> Archive {
    let archive = open(scratch);
    for (time, cpu) in times.iter().zip(1_u32..) {
        archive.append(&sample(*time, f64::from(cpu))).expect("append");
    }
    archive
}

/// The time and mean of the points of `metric` in `from..=to`.
fn history(archive: &Archive, metric: Metric, from: u64, to: u64) -> Vec<(u64, f64)> {
    let window = Window { from: Time::from_millis(from), to: Time::from_millis(to) };
    let points = archive.history(metric, Downsampler::new(window, 1000)).expect("history");
    points.iter().map(|point| (point.time.as_millis(), point.mean)).collect()
}

#[track_caller]
fn check_refused(result: Result<Archive, ArchiveError>, parts: &[&str]) {
    let text = result.expect_err("it opened").to_string();
    for part in parts {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}

#[test]
fn a_new_archive_is_empty() {
    let scratch = Scratch::new("empty");
    let archive = open(&scratch);
    assert_eq!(archive.latest(Time::MAX).expect("latest"), Latest::default());
    assert_eq!(history(&archive, Metric::Cpu, 0, 1_000), []);
    assert_eq!(archive.delete_before(Time::MAX, 10).expect("delete"), 0);
}

#[test]
fn reopening_keeps_every_sample() {
    let scratch = Scratch::new("reopen");
    filled(&scratch, &[10, 20, 30]).close().expect("close");
    let archive = open(&scratch);
    assert_eq!(history(&archive, Metric::Cpu, 0, 100), [(10, 1.0), (20, 2.0), (30, 3.0)]);
    assert_eq!(archive.append(&sample(40, 4.0)).expect("append"), 4);
}

#[test]
fn ranges_include_both_ends_and_no_other_metric() {
    let scratch = Scratch::new("ranges");
    let archive = filled(&scratch, &[10, 20, 30, 40]);
    assert_eq!(history(&archive, Metric::Cpu, 20, 30), [(20, 2.0), (30, 3.0)]);
    assert_eq!(history(&archive, Metric::CpuCore(1), 40, 90), [(40, 4.0)]);
    assert_eq!(history(&archive, Metric::Load1, 0, 90), []);
    assert_eq!(history(&archive, Metric::Cpu, 30, 20), []);
}

#[test]
fn latest_is_the_newest_that_is_not_in_the_future() {
    let scratch = Scratch::new("latest");
    let archive = filled(&scratch, &[10, 20, 30]);
    let latest = archive.latest(Time::from_millis(25)).expect("latest");
    let at = Time::from_millis(20);
    assert_eq!(latest.committed, 3);
    assert_eq!(
        latest.readings,
        [(Metric::Cpu, at, 2.0), (Metric::CpuCore(1), at, 2.0), (Metric::Memory, at, 50.0)]
    );
}

#[test]
fn a_second_sample_of_a_millisecond_replaces_the_first() {
    let scratch = Scratch::new("twice");
    let archive = filled(&scratch, &[10, 10]);
    assert_eq!(history(&archive, Metric::Cpu, 0, 100), [(10, 2.0)]);
}

#[test]
fn deletion_is_bounded_and_spares_the_young() {
    let scratch = Scratch::new("delete");
    let archive = filled(&scratch, &[10, 20, 30, 40]);
    let cutoff = Time::from_millis(30);
    // Two samples of three values are old.
    let deleted: Vec<_> =
        (0..4).map(|_| archive.delete_before(cutoff, 4).expect("delete")).collect();
    assert_eq!(deleted, [4, 2, 0, 0]);
    for metric in [Metric::Cpu, Metric::CpuCore(1)] {
        assert_eq!(history(&archive, metric, 0, 100), [(30, 3.0), (40, 4.0)]);
    }
    assert_eq!(archive.latest(Time::MAX).expect("latest").committed, 4);
}

#[test]
fn a_second_user_is_refused_until_the_first_has_closed() {
    let scratch = Scratch::new("in-use");
    let archive = open(&scratch);
    check_refused(Archive::open(scratch.path()), &["sysmon.redb", "in use", "`data_dir`"]);
    archive.close().expect("close");
    open(&scratch);
}

#[test]
fn closing_frees_the_file_although_a_handle_is_kept() {
    let scratch = Scratch::new("stashed");
    let stashed = Arc::new(open(&scratch));
    Arc::clone(&stashed).close().expect("close");
    stashed.close().expect("closing twice");
    let successor = open(&scratch);
    let error = stashed.append(&sample(1, 1.0)).expect_err("the stashed archive is closed");
    assert!(matches!(error, ArchiveError::Closed { .. }), "{error}");
    assert_eq!(successor.append(&sample(1, 1.0)).expect("append"), 1);
}

#[test]
fn closing_waits_for_the_calls_in_progress() {
    let scratch = Scratch::new("closing");
    let archive = Arc::new(open(&scratch));
    let writer = std::thread::spawn({
        let archive = Arc::clone(&archive);
        move || (0..).find_map(|time| archive.append(&sample(time, 1.0)).err().map(|e| (time, e)))
    });
    while archive.latest(Time::MAX).expect("latest").committed == 0 {
        std::thread::yield_now();
    }
    archive.close().expect("close");
    let (appended, error) = writer.join().expect("no panic").expect("the writer was refused");
    assert!(matches!(error, ArchiveError::Closed { .. }), "{error}");
    assert_eq!(open(&scratch).latest(Time::MAX).expect("latest").committed, appended);
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let scratch = Scratch::new("garbage");
    let path = scratch.path().join(FILE);
    for content in [b"time,cpu\n".repeat(3), vec![0; 8_192], b"x".repeat(100_000)] {
        fs::write(&path, &content).expect("write");
        check_refused(Archive::open(scratch.path()), &["sysmon.redb", "not a database", "move it"]);
        assert_eq!(fs::read(&path).expect("read"), content, "a refused file is left alone");
    }
}

#[test]
fn a_damaged_file_is_refused() {
    let scratch = Scratch::new("damaged");
    filled(&scratch, &(0..200).collect::<Vec<_>>()).close().expect("close");
    let path = scratch.path().join(FILE);
    let whole = fs::read(&path).expect("read");
    fs::write(&path, &whole[..whole.len() / 2]).expect("write");
    check_refused(Archive::open(scratch.path()), &["sysmon.redb", "damaged", "`data_dir`"]);
    let mut overwritten = whole;
    let from = overwritten.len().min(4_096);
    overwritten[from..].fill(0xa5);
    fs::write(&path, overwritten).expect("write");
    check_refused(Archive::open(scratch.path()), &["sysmon.redb", "damaged", "`data_dir`"]);
}

#[test]
fn another_format_is_refused() {
    let scratch = Scratch::new("format");
    let database = Database::create(scratch.path().join(FILE)).expect("create");
    let write = database.begin_write().expect("write");
    write.open_table(META).expect("table").insert(META_FORMAT, 9).expect("insert");
    write.commit().expect("commit");
    drop(database);
    check_refused(Archive::open(scratch.path()), &["format 9", "writes 1", "`data_dir`"]);
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let scratch = Scratch::new("directory");
    let file = scratch.path().join("file");
    fs::write(&file, "").expect("write");
    check_refused(Archive::open(&file.join("data")), &["cannot make", "file/data", "`data_dir`"]);
}

/// Not a test: the writer that the next test kills.
#[test]
#[ignore = "started by `killing_the_writer_loses_no_committed_sample`"]
fn child_that_writes_until_killed() {
    let Some(directory) = std::env::var_os(CHILD_DIRECTORY) else { return };
    let archive = Archive::open(Path::new(&directory)).expect("open");
    let first = archive.latest(Time::MAX).expect("latest").committed;
    for time in first.. {
        let committed = archive.append(&sample(time, 1.0)).expect("append");
        println!("committed {committed}");
    }
}

fn spawn_writer(scratch: &Scratch) -> Child {
    Command::new(std::env::current_exe().expect("the test knows its program"))
        .args(["--ignored", "--exact", "--nocapture", "--test-threads=1"])
        .arg("archive::tests::child_that_writes_until_killed")
        .env(CHILD_DIRECTORY, scratch.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the writer starts")
}

/// Lets the writer commit `more` samples, kills it, and returns the last number it told.
fn kill_while_writing(scratch: &Scratch, more: usize) -> u64 {
    let mut writer = spawn_writer(scratch);
    let output = writer.stdout.take().expect("piped");
    let mut told = BufReader::new(output)
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| line.rsplit_once("committed ")?.1.parse::<u64>().ok());
    let reached = told.nth(more).expect("the writer writes");
    writer.kill().expect("kill -9");
    writer.wait().expect("wait");
    told.last().unwrap_or(reached)
}

#[test]
fn killing_the_writer_loses_no_committed_sample() {
    let scratch = Scratch::new("kill");
    for more in [0, 1, 20, 50] {
        let told = kill_while_writing(&scratch, more);
        let archive = open(&scratch);
        let committed = archive.latest(Time::MAX).expect("latest").committed;
        // The last commit may be done and not yet told.
        assert!((told..=told + 1).contains(&committed), "told {told}, found {committed}");
        let whole = Window { from: Time::MIN, to: Time::from_millis(committed) };
        let points = archive.history(Metric::Cpu, Downsampler::new(whole, 1)).expect("history");
        assert_eq!(points.iter().map(|point| point.samples).sum::<u64>(), committed);
        archive.close().expect("close");
    }
}
