//! Query strings, read strictly: every parameter is known, stands once, and is used.
//!
//! # Invariants
//!
//! 1. All mistakes of a query are told at once, but no more than [`FAULTS_MAX`]: an answer is not
//!    much longer than what was asked.

use std::time::Duration;

use axum::http::Uri;
use processpype_api::{Code, Fault, Problem};
use processpype_config::{HumanDuration, nearest};
use processpype_core::each;

use crate::settings::Limits;

/// How many mistakes of one query are told.
const FAULTS_MAX: usize = 16;

/// The parameters of one request, taken out one by one.
#[derive(Debug)]
pub(crate) struct Query {
    left: Vec<(String, String)>,
    known: Vec<&'static str>,
    faults: Vec<Fault>,
}

// === impl Query ===

impl Query {
    pub(crate) fn of(uri: &Uri) -> Self {
        // Whatever it is, it can be read so: what is no text becomes replacement characters.
        let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        Self { left: pairs.into_owned().collect(), known: Vec::new(), faults: Vec::new() }
    }

    /// Takes the text of `name`.
    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        let mut found = None;
        for (_, value) in self.left.extract_if(.., |(key, _)| key == name) {
            if found.replace(value).is_some() {
                self.faults.push(Fault::new(name, "it stands more than once"));
            }
        }
        found
    }

    /// Takes a `true` or `false`; absent = `false`.
    pub(crate) fn flag(&mut self, name: &'static str) -> bool {
        match self.text(name).as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => {
                self.choose(name, "it is neither", &["true", "false"]);
                false
            }
        }
    }

    /// Takes one of these words, and returns its place; absent = the first.
    pub(crate) fn one_of(&mut self, name: &'static str, words: &[&str]) -> usize {
        let Some(text) = self.text(name) else { return 0 };
        words.iter().position(|word| *word == text).unwrap_or_else(|| {
            self.choose(name, "it is none of them", words);
            0
        })
    }

    /// Takes one of these words; absent = none. A wrong one is told with the nearest.
    pub(crate) fn word(
        &mut self,
        name: &'static str,
        words: &[&'static str],
    ) -> Option<&'static str> {
        let text = self.text(name)?;
        let found = words.iter().copied().find(|word| *word == text);
        if found.is_none() {
            let help = did_you_mean(&text, words.iter().copied());
            let valid = each(words, |&word| word.to_owned());
            self.fault(Fault { help, valid, ..Fault::new(name, "it is none of them") });
        }
        found
    }

    /// Takes a whole number from `least` to `most`.
    pub(crate) fn count(&mut self, name: &'static str, least: u64, most: u64, absent: u64) -> u64 {
        let Some(text) = self.text(name) else { return absent };
        match text.parse() {
            Ok(number) if (least..=most).contains(&number) => number,
            _ => {
                let message = match most {
                    u64::MAX => format!("it is not a whole number from {least}"),
                    _ => format!("it is not a whole number from {least} to {most}"),
                };
                self.faults.push(Fault::new(name, message));
                absent
            }
        }
    }

    /// Takes a whole number, if there is one.
    pub(crate) fn number(&mut self, name: &'static str) -> Option<u64> {
        let text = self.text(name)?;
        let number = text.parse().ok();
        if number.is_none() {
            self.faults.push(Fault::new(name, "it is not a whole number from 0"));
        }
        number
    }

    /// Takes a duration such as `10m`, if there is one.
    pub(crate) fn span(&mut self, name: &'static str) -> Option<Duration> {
        let text = self.text(name)?;
        let span = text.parse::<HumanDuration>().ok().map(|span| *span);
        if span.is_none() {
            self.choose(name, "it is not a duration", &["30s", "10m", "2h"]);
        }
        span
    }

    /// Takes a duration such as `10s`, or `0`.
    pub(crate) fn wait(
        &mut self,
        name: &'static str,
        absent: Duration,
        most: Duration,
    ) -> Duration {
        let Some(text) = self.text(name) else { return absent };
        match text.parse::<HumanDuration>() {
            Ok(wait) if *wait <= most => *wait,
            _ => {
                let most = HumanDuration::from(most);
                let message = format!("it is not a duration of at most {most}");
                self.choose(name, &message, &["0", "500ms", "10s"]);
                absent
            }
        }
    }

    /// Takes how long the effect of an order is waited for.
    pub(crate) fn patience(&mut self, limits: &Limits) -> Duration {
        self.wait("wait", limits.default_wait, limits.max_wait)
    }

    /// Takes the place and the size of a page: at most `most`, `absent` unless it is said.
    pub(crate) fn page(&mut self, most: usize, absent: usize) -> (u64, u64) {
        let after = self.count("after", 0, u64::MAX, 0);
        (after, self.count("limit", 1, most as u64, absent as u64))
    }

    /// Adds a mistake that only the caller can see.
    pub(crate) fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Adds the mistake that a word is none of the valid ones.
    pub(crate) fn choose(&mut self, name: &str, message: &str, valid: &[&str]) {
        let valid = each(valid, |&one| one.to_owned());
        self.fault(Fault { valid, ..Fault::new(name, message) });
    }

    fn unknown(&self, name: &str) -> Fault {
        let help = did_you_mean(name, self.known.iter().copied());
        let valid = each(&self.known, |&known| known.to_owned());
        Fault { help, valid, ..Fault::new(name, "there is no such parameter here") }
    }

    /// Ends the reading: nothing may be left.
    pub(crate) fn finish(mut self) -> Result<(), Problem> {
        let count = self.faults.len() + self.left.len();
        let room = FAULTS_MAX.saturating_sub(self.faults.len());
        let unknown = self.left.iter().take(room).map(|(name, _)| self.unknown(name));
        self.faults.extend(unknown.collect::<Vec<_>>());
        self.faults.truncate(FAULTS_MAX);
        let detail = match count {
            0 => return Ok(()),
            1..=FAULTS_MAX => "the query has mistakes; `errors` lists them".to_owned(),
            _ => format!("the query has {count} mistakes; `errors` lists {FAULTS_MAX} of them"),
        };
        Err(Problem::new(Code::InvalidQuery, detail).errors(self.faults))
    }
}

/// Names the nearest of the known words, if one is near.
pub(crate) fn did_you_mean<'a>(
    word: &'a str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    nearest(word, known).map(|near| format!("did you mean `{near}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `?f=flag&n=0..=9&w=wait`, and returns what was read or the paths of the faults.
    #[track_caller]
    fn check(text: &str, expected: Result<(bool, u64, u64), &[&str]>) {
        let uri: Uri = format!("/x{text}").parse().expect("an address");
        let mut query = Query::of(&uri);
        let read = (
            query.flag("flag"),
            query.count("number", 0, 9, 7),
            query.wait("wait", Duration::from_secs(1), Duration::from_secs(5)).as_millis() as u64,
        );
        let expected = expected.map_err(|paths| paths.iter().map(|&p| p.to_owned()).collect());
        let faults: Vec<String> = query.faults.iter().map(|fault| fault.path.clone()).collect();
        let unknown = query.left.iter().map(|(name, _)| name.clone());
        let told: Vec<String> = faults.into_iter().chain(unknown).collect();
        assert_eq!(query.finish().map(|()| read).map_err(|_| told), expected, "{text}");
    }

    #[test]
    fn good_queries() {
        check("", Ok((false, 7, 1000)));
        check("?", Ok((false, 7, 1000)));
        check("?flag=true&number=0&wait=0", Ok((true, 0, 0)));
        check("?fl%61g=true&wait=5s", Ok((true, 7, 5000)));
        check("?flag=false&wait=1500ms", Ok((false, 7, 1500)));
    }

    #[test]
    fn bad_queries() {
        check("?flag=yes", Err(&["flag"]));
        check("?flag", Err(&["flag"]));
        check("?number=10&wait=6s", Err(&["number", "wait"]));
        check("?number=-1", Err(&["number"]));
        check("?wait=5", Err(&["wait"]));
        check("?flag=true&flag=true", Err(&["flag"]));
        check("?flg=true&x=1", Err(&["flg", "x"]));
    }

    #[test]
    fn of_very_many_mistakes_some_are_told() {
        let told = |text: &str| {
            let mut query = Query::of(&format!("/x?{text}").parse().expect("an address"));
            query.flag("flag");
            let problem = query.finish().expect_err("mistakes");
            let json = serde_json::to_value(&problem).expect("plain values");
            (json["errors"].as_array().map(Vec::len), json["detail"].to_string())
        };
        let (count, detail) = told(&"a&".repeat(3000));
        assert_eq!(count, Some(FAULTS_MAX));
        assert!(detail.contains("has 3000 mistakes"), "{detail}");
        assert_eq!(told(&"flag=true&".repeat(3000)).0, Some(FAULTS_MAX));
        assert_eq!(told(&"a&".repeat(FAULTS_MAX)).1, told("a").1);
    }

    #[test]
    fn an_unknown_parameter_is_told_with_the_nearest() {
        let mut query = Query::of(&Uri::from_static("/x?cascde=true"));
        query.flag("cascade");
        let problem = query.finish().expect_err("an unknown parameter");
        let json = serde_json::to_value(&problem).expect("plain values");
        assert_eq!(json["errors"][0]["help"], "did you mean `cascade`?");
        assert_eq!(json["errors"][0]["valid"], serde_json::json!(["cascade"]));
    }
}
