//! How long and wide code may be, and where it may panic.

use crate::source::{Function, Place, Source};
use crate::violation::{Rule, Violation};
use crate::workspace::{Crate, Workspace};

/// Lines of one function, from `fn` to the closing brace.
pub(crate) const FUNCTION_LINES: usize = 70;

/// Lines of the function in the middle, when a crate's functions stand in order of length.
pub(crate) const MEDIAN_LINES: usize = 8;

/// Lines of one file, its tests left out.
pub(crate) const FILE_LINES: usize = 500;

/// Lines of a `lib.rs`, its tests left out.
pub(crate) const LIB_LINES: usize = 150;

/// Characters in one line.
pub(crate) const LINE_COLUMNS: usize = 100;

/// What library code does not do; it returns an error, or says with `expect` why it cannot happen.
const PANICS: &[&str] = &[". unwrap (", "panic !", "todo !", "unimplemented !", "dbg !"];

pub(crate) fn check(workspace: &Workspace) -> Vec<Violation> {
    let medians = workspace.crates.iter().filter_map(check_median);
    let files = workspace.sources().flat_map(|(_, source)| check_source(source));
    medians.chain(files).collect()
}

/// Lengths of the functions that are no tests, in order.
pub(crate) fn lengths(of: &Crate) -> Vec<usize> {
    let functions = of.sources.iter().flat_map(Source::code_functions);
    let mut lengths: Vec<usize> = functions.map(|function| function.length).collect();
    lengths.sort_unstable();
    lengths
}

fn check_median(of: &Crate) -> Option<Violation> {
    let lengths = lengths(of);
    let median = *lengths.get(lengths.len() / 2)?;
    (median > MEDIAN_LINES).then(|| {
        let message = format!("the median function has {median} lines; {MEDIAN_LINES} is the most");
        Violation::new(Rule::MedianLength, of.manifest.directory(), of.name(), message)
    })
}

fn check_source(source: &Source) -> Vec<Violation> {
    let functions = source.functions.iter().filter_map(|function| check_function(source, function));
    functions
        .chain(check_length(source))
        .chain(check_width(source))
        .chain(check_panics(source))
        .collect()
}

fn check_function(source: &Source, function: &Function) -> Option<Violation> {
    let Function { name, line, length } = function;
    (*length > FUNCTION_LINES).then(|| {
        let message = format!("`{name}` has {length} lines; {FUNCTION_LINES} is the most");
        Violation::new(Rule::FunctionLength, &source.path, name, message).at(*line)
    })
}

fn check_length(source: &Source) -> Option<Violation> {
    let budget = if source.path.ends_with("/src/lib.rs") { LIB_LINES } else { FILE_LINES };
    let length = source.length();
    (length > budget).then(|| {
        let message =
            format!("{length} lines without tests; {budget} is the most: one subject per file");
        Violation::new(Rule::FileLength, &source.path, "", message)
    })
}

fn check_width(source: &Source) -> Vec<Violation> {
    let numbered = source.text.lines().enumerate().map(|(index, text)| (index + 1, text));
    let wide = numbered.filter(|(_, text)| text.chars().count() > LINE_COLUMNS && !is_link(text));
    let message = format!("wider than {LINE_COLUMNS} columns");
    wide.map(|(line, _)| {
        Violation::new(Rule::LineWidth, &source.path, "", message.as_str()).at(line)
    })
    .collect()
}

/// Whether a line is a comment with an address, which cannot be broken.
fn is_link(text: &str) -> bool {
    text.trim_start().starts_with("//") && text.contains("://")
}

fn check_panics(source: &Source) -> Vec<Violation> {
    if source.place != Place::Library {
        return Vec::new();
    }
    let hits = PANICS.iter().flat_map(|pattern| {
        let starts = crate::tokens::find(&source.tokens, pattern);
        starts.map(|at| (source.tokens[at].line, pattern.replace(' ', "")))
    });
    let code = hits.filter(|(line, _)| !source.is_test(*line));
    code.map(|(line, what)| {
        let message = format!("`{what}` in library code: return an error");
        Violation::new(Rule::Panic, &source.path, &what, message).at(line)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    fn found(file: &str, code: &str) -> Vec<(Rule, usize, String)> {
        let path = format!("crates/x/{file}");
        let manifest = ("crates/x/Cargo.toml", "[package]\nname = \"x\"");
        let tree = Tree::from_files([manifest, (path.as_str(), code)]);
        let (workspace, unread) = Workspace::new(&tree);
        assert_eq!(unread, []);
        super::check(&workspace).into_iter().map(|v| (v.rule, v.line, v.item)).collect()
    }

    #[track_caller]
    fn check(file: &str, code: &str, expected: &[(Rule, usize, &str)]) {
        let own = |(rule, line, item): &(Rule, usize, &str)| (*rule, *line, (*item).to_owned());
        assert_eq!(found(file, code), expected.iter().map(own).collect::<Vec<_>>());
    }

    fn function(lines: usize) -> String {
        format!("fn f() {{\n{}}}\n", "    g();\n".repeat(lines - 2))
    }

    #[test]
    fn a_long_function_is_caught() {
        let short = "fn s() {}\n".repeat(2);
        check("src/a.rs", &format!("{short}{}", function(FUNCTION_LINES)), &[]);
        let long = format!("{short}{}", function(FUNCTION_LINES + 1));
        check("src/a.rs", &long, &[(Rule::FunctionLength, 3, "f")]);
        check("tests/it/a.rs", &long, &[(Rule::FunctionLength, 3, "f")]);
    }

    #[test]
    fn a_crate_of_long_functions_is_caught() {
        check("src/a.rs", &function(MEDIAN_LINES), &[]);
        check("src/a.rs", &function(MEDIAN_LINES + 1), &[(Rule::MedianLength, 0, "x")]);
    }

    #[test]
    fn a_long_file_is_caught_and_its_tests_do_not_count() {
        let full = "use a::b;\n".repeat(FILE_LINES);
        let tests = "#[cfg(test)]\nmod tests {\n    use a::b;\n}\n";
        check("src/a.rs", &format!("{full}{tests}"), &[]);
        check("src/a.rs", &format!("{full}use a::b;\n"), &[(Rule::FileLength, 0, "")]);
        check("tests/it/a.rs", &full.repeat(2), &[]);
    }

    #[test]
    fn a_long_lib_is_caught() {
        check("src/lib.rs", &"use a::b;\n".repeat(LIB_LINES), &[]);
        let long = "use a::b;\n".repeat(LIB_LINES + 1);
        check("src/lib.rs", &long, &[(Rule::FileLength, 0, "")]);
    }

    #[test]
    fn a_wide_line_is_caught_and_columns_are_characters() {
        let comment = |columns: usize| format!("\n//{}", "ä".repeat(columns - 2));
        check("src/a.rs", &comment(LINE_COLUMNS), &[]);
        check("src/a.rs", &comment(LINE_COLUMNS + 1), &[(Rule::LineWidth, 2, "")]);
        check("src/a.rs", &format!("// https://a/{}", "b".repeat(LINE_COLUMNS)), &[]);
    }

    #[test]
    fn a_panic_in_a_library_is_caught() {
        let panic = |item| vec![(Rule::Panic, 1, item)];
        check("src/a.rs", "fn f() { a.unwrap(); }", &panic(".unwrap("));
        check("src/a.rs", "fn f() { panic!(\"b\"); }", &panic("panic!"));
        check("src/a.rs", "fn f() { todo!() }", &panic("todo!"));
        check("src/a.rs", "fn f() { dbg!(1); }", &panic("dbg!"));
        check("src/a.rs", "fn f() { a.expect(\"why\"); \"panic!()\"; }", &[]);
        check("src/a.rs", "#[test] fn f() { a.unwrap(); }", &[]);
        check("src/main.rs", "fn f() { panic!(); }", &[]);
        check("tests/it/a.rs", "fn f() { panic!(); }", &[]);
    }
}
