//! Mistakes in the section `secrets`, and those who refer to it.

use processpype_config::{Document, Format, Loader, Report, SecretsConfig};

fn load(text: &str) -> Document {
    let variables = [("TOKEN".to_owned(), "abc".to_owned())];
    let loader = Loader::new().text("app.yaml", Format::Yaml, text).environment(variables);
    loader.load().unwrap_or_else(|report| panic!("{report}"))
}

fn texts(report: &Report) -> Vec<String> {
    report.problems().iter().map(ToString::to_string).collect()
}

/// What is wrong with a section of three references, and what with `secrets`.
fn problems(secrets: &str) -> (Vec<String>, Vec<String>) {
    let references =
        "[\"${secret://good:TOKEN}\", \"${secret://bad:TOKEN}\", \"${secret://bad:A}\"]";
    let document = load(&format!("secrets: {secrets}\nwords: {references}\n"));
    let words = document.section(&["words"]).read::<Vec<String>>();
    let declared = document.section(&["secrets"]).read::<SecretsConfig>();
    (
        words.map_or_else(|report| texts(&report), |_| Vec::new()),
        declared.map_or_else(|report| texts(&report), |_| Vec::new()),
    )
}

#[test]
fn a_wrong_declaration_leaves_the_others_alone() {
    let (words, declared) = problems("{backends: {good: {kind: env}, bad: {kind: fil, path: /x}}}");
    assert_eq!(declared.len(), 1, "{declared:#?}");
    assert!(declared[0].contains("did you mean `file`?"), "{}", declared[0]);
    assert_eq!(words, declared, "the declaration is the whole story, and told once");
    let document =
        load("secrets: {backends: {good: {kind: env}, bad: {}}}\nword: ${secret://good:TOKEN}");
    assert_eq!(document.section(&["word"]).read::<String>().unwrap(), "abc");
}

#[test]
fn a_backend_that_a_wrong_section_hides_is_not_called_unknown() {
    let (words, declared) = problems("{backend: {good: {kind: env}, bad: {kind: env}}}");
    assert_eq!(words, declared);
    assert!(words.len() == 1 && words[0].contains("did you mean `backends`?"), "{words:#?}");
}

#[test]
fn a_backend_that_nobody_declared_is_unknown_to_each_who_refers_to_it() {
    let (words, declared) = problems("{backends: {good: {kind: env}}}");
    assert!(declared.is_empty(), "{declared:#?}");
    assert_eq!(words.len(), 2, "{words:#?}");
    assert!(words[0].contains("no secret backend `bad`"), "{}", words[0]);
}
