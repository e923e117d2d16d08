//! Every limit holds, and is told.

use processpype_config::{Format, Loader, Report, limits, read_json};

#[track_caller]
fn refused(text: &str) -> Report {
    Loader::new().text("c.yaml", Format::Yaml, text).load().unwrap_err()
}

#[track_caller]
fn check(report: &Report, expected: &str) {
    let text = report.to_string();
    assert!(text.contains(expected), "{text}");
}

#[test]
fn depth_in_every_notation() {
    let deep = "[".repeat(limits::MAX_DEPTH + 2) + &"]".repeat(limits::MAX_DEPTH + 2);
    check(&refused(&format!("a: {deep}")), "nested");
    check(&read_json::<serde_json::Value>(deep.as_bytes()).unwrap_err(), "nested");
    let toml = Loader::new().text("c.toml", Format::Toml, format!("a = {deep}"));
    assert_eq!(toml.load().unwrap_err().count(), 1);
    let blocks: String = (0..100).map(|at| " ".repeat(at) + "a:\n").collect();
    check(&refused(&blocks), "nested");
    let chain: String = (0..80).map(|at| format!("a{at}: &a{at} [*a{}]\n", at - 1)).collect();
    check(&refused(&chain.replace("[*a-1]", "[]")), "nested");
}

#[test]
fn aliases() {
    let many = format!("a: &a 1\nb: [{}]", "*a, ".repeat(limits::MAX_ALIASES + 1));
    check(&refused(&many), "aliases");
}

#[test]
fn bytes() {
    check(&refused(&" ".repeat(limits::MAX_FILE_BYTES + 1)), "larger than");
    let body = vec![b' '; limits::MAX_BODY_BYTES + 1];
    check(&read_json::<u8>(&body).unwrap_err(), "larger than");
}

#[test]
fn problems_that_are_kept_and_printed() {
    let total = limits::MAX_PROBLEMS + 7;
    let body = format!("[{}]", vec!["-1"; total].join(","));
    let report = read_json::<Vec<u8>>(body.as_bytes()).unwrap_err();
    assert_eq!((report.problems().len(), report.count()), (limits::MAX_PROBLEMS, total));
    check(&report, &format!("and {} more", total - limits::MAX_PRINTED));
    assert_eq!(report.to_string().matches("error:").count(), limits::MAX_PRINTED);
}

#[test]
fn long_lines_are_cut_around_the_mark() {
    let body = format!("[{} -1]", "1,".repeat(50_000));
    let report = read_json::<Vec<u8>>(body.as_bytes()).unwrap_err();
    let longest = report.to_string().lines().map(|line| line.chars().count()).max().unwrap();
    assert!(longest < 2 * limits::MAX_LINE_CHARS + 100, "{longest}");
    check(&report, "^^^ expected a whole number from 0 to 255");
}

#[test]
fn nested_untagged_enums_end() {
    #[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "only read")]
    enum Tree {
        A { left: Box<Tree> },
        B { left: Box<Tree>, other: u8 },
        C(u8),
    }
    let body = "{\"left\":".repeat(40) + "true" + &"}".repeat(40);
    let report = read_json::<Tree>(body.as_bytes()).unwrap_err();
    check(&report, "too many alternatives to check");
}

/// Not a clock but a count: what is not kept must not be made. With `nearest` and a source line for
/// each, this body took seconds.
#[test]
fn problems_past_the_bound_are_counted_cheaply() {
    let keys: Vec<String> = (0..40_000).map(|at| format!("\"interval_m{at}\":1")).collect();
    let report = read_json::<crate::types::Ticker>(format!("{{{}}}", keys.join(",")).as_bytes())
        .unwrap_err();
    assert_eq!(report.problems().len(), limits::MAX_PROBLEMS);
    assert!(report.count() > keys.len(), "{}", report.count());
}

/// Nobody writes to it: to open it would wait for ever, and so would the test.
#[test]
#[cfg(unix)]
fn a_named_pipe_is_not_waited_for() {
    let path = std::env::temp_dir().join(format!("processpype-pipe-{}.yaml", std::process::id()));
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success(), "{}", path.display());
    let report = Loader::new().file(&path).load().unwrap_err();
    std::fs::remove_file(&path).unwrap();
    check(&report, "the configuration file is a named pipe");
}

/// Checks that the largest number of a type is read, and that the next one is refused for that.
#[track_caller]
fn check_largest<T: serde::de::DeserializeOwned + schemars::JsonSchema>(largest: impl Into<i128>) {
    let largest: i128 = largest.into();
    assert!(read_json::<T>(largest.to_string().as_bytes()).is_ok(), "{largest}");
    let report = read_json::<T>((largest + 1).to_string().as_bytes()).err().expect("too large");
    check(&report, &format!("the value is greater than {largest}\n"));
}

#[test]
fn the_largest_number_of_each_type() {
    check_largest::<u8>(u8::MAX);
    check_largest::<u16>(u16::MAX);
    check_largest::<u32>(u32::MAX);
    check_largest::<u64>(u64::MAX);
    check_largest::<i8>(i8::MAX);
    check_largest::<i16>(i16::MAX);
    check_largest::<i32>(i32::MAX);
    check_largest::<i64>(i64::MAX);
}
