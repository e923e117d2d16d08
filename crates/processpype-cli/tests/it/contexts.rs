//! Contexts, as the program `processpype` knows them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::{Ran, answer, run_with, serve};

const TOKEN: &str = "correct-horse-battery-staple";

/// A user's own directory, removed at the end.
struct Home(PathBuf);

impl Home {
    fn new(name: &str) -> Self {
        let place = format!("contexts-{}-{name}", std::process::id());
        let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(place);
        let _ = std::fs::remove_dir_all(&place);
        std::fs::create_dir_all(place.join("processpype")).unwrap();
        Self(place)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join("processpype").join(name)
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        std::fs::write(self.file(name), text).unwrap();
        std::fs::set_permissions(self.file(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Runs the program; whatever it says, the token is not in it.
    #[track_caller]
    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        let home = [("XDG_CONFIG_HOME", self.0.to_str().unwrap())];
        let ran = run_with(arguments, &[&home, variables].concat());
        assert!(!format!("{}{}", ran.out, ran.err).contains(TOKEN), "{ran:?}");
        ran
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn path(file: &Path) -> &str {
    file.to_str().unwrap()
}

fn problem() -> Vec<u8> {
    let body = r#"{"title":"t","status":404,"code":"unknown-service","detail":"d"}"#;
    answer("404 Not Found", "application/problem+json", body)
}

#[test]
fn a_context_says_where_and_with_which_token() {
    let (url, serving) = serve(vec![problem(), problem(), problem(), problem()]);
    let home = Home::new("ask");
    let contexts = format!(
        "# mine\ncontexts:\n  prod: {{url: '{url}', token: {TOKEN}}}\n  far:\n    url: {url}\n    \
         token_file: {}\n",
        path(&home.file("far.token"))
    );
    home.write("contexts.yaml", &contexts, 0o600);
    home.write("far.token", "of-far\n", 0o600);
    assert_eq!(home.run(&["why", "a", "--context", "prod"], &[]).code, Some(1));
    assert_eq!(home.run(&["why", "a"], &[("PROCESSPYPE_CONTEXT", "far")]).code, Some(1));
    let variables = [("PROCESSPYPE_CONTEXT", "far"), ("PROCESSPYPE_TOKEN", "of-env")];
    assert_eq!(home.run(&["why", "a"], &variables).code, Some(1));
    let used = home.run(&["context", "use", "prod"], &[]);
    assert_eq!(
        (used.code, &*used.out),
        (Some(0), &*format!("prod is the current context: {url}\n"))
    );
    assert_eq!(home.run(&["why", "a"], &[]).code, Some(1));
    let heads = serving.join().unwrap();
    for (head, token) in heads.iter().zip([TOKEN, "of-far", "of-env", TOKEN]) {
        assert!(head.contains(&format!("authorization: Bearer {token}\r\n")), "{token}: {head}");
    }
    let text = std::fs::read_to_string(home.file("contexts.yaml")).unwrap();
    assert_eq!(text, format!("{contexts}current: prod\n"), "comments and order stay");
    let mode = home.file("contexts.yaml").metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
}

#[test]
fn contexts_are_listed_and_shown_without_tokens() {
    let home = Home::new("list");
    assert!(home.run(&["context", "list"], &[]).out.starts_with("there are no contexts in "));
    let text = format!(
        "current: prod\ncontexts:\n  prod: {{url: 'http://shop:1', token: {TOKEN}}}\n  here: \
         {{url: '127.0.0.1:8080'}}\n"
    );
    home.write("contexts.yaml", &text, 0o600);
    let list = home.run(&["context", "list"], &[]);
    let expected =
        "   NAME  TOKEN   URL\n   here  none    127.0.0.1:8080\n*  prod  inline  http://shop:1\n";
    assert_eq!((list.code, list.out.as_str()), (Some(0), expected), "{list:?}");
    let shown = home.run(&["context", "show"], &[]);
    assert!(
        shown.out.starts_with("prod, the current one\n  url        http://shop:1\n"),
        "{shown:?}"
    );
    for arguments in
        [&["context", "list"][..], &["context", "show", "here"], &["context", "use", "here"]]
    {
        let ran = home.run(&[arguments, &["--json"]].concat(), &[]);
        assert!(ran.out.contains(r#""name":"here","current":"#), "{ran:?}");
        assert!(ran.out.contains(r#""token":"none""#), "{ran:?}");
    }
}

#[test]
fn what_cannot_be_trusted_or_read_is_refused_with_the_remedy() {
    let home = Home::new("refuse");
    let file = home.file("contexts.yaml");
    let text = format!("contexts: {{prod: {{url: 'http://shop:1', token: {TOKEN}}}}}");
    for (mode, remedy) in [(0o644, "chmod 600"), (0o660, "chmod go-w"), (0o602, "chmod go-w")] {
        home.write("contexts.yaml", &text, mode);
        let ran = home.run(&["status", "--context", "prod"], &[]);
        assert_eq!(ran.code, Some(78), "{ran:?}");
        assert!(ran.err.contains(&format!("{remedy} {}", path(&file))), "{ran:?}");
    }
    home.write("contexts.yaml", &text.replace(&format!("token: {TOKEN}"), "token_file: t"), 0o600);
    let ran = home.run(&["status", "--context", "prod"], &[]);
    assert!(ran.err.contains("the token file of context `prod` t cannot be read"), "{ran:?}");
    home.write("contexts.yaml", &text.replace("token:", "tokn:"), 0o600);
    let ran = home.run(&["status", "--context", "prod"], &[]);
    assert_eq!(ran.code, Some(78), "{ran:?}");
    assert!(ran.err.contains("contexts.yaml:1:41") && ran.err.contains("token"), "{ran:?}");
    let ran = home.run(&["status", "--contexts", "nowhere.yaml"], &[]);
    assert_eq!(ran.code, Some(78), "{ran:?}");
    let text = format!("{{{text}}}");
    home.write("contexts.yaml", &text, 0o600);
    let ran = home.run(&["context", "use", "prd"], &[]);
    assert!(ran.err.contains("there are: prod"), "{ran:?}");
    // A file in one line is not edited by lines.
    let ran = home.run(&["context", "use", "prod"], &[]);
    assert!(ran.err.contains("write `current: prod` in it"), "{ran:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}
