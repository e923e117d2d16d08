//! Secrets, taken out of lines before they are written.
//!
//! # Invariants
//!
//! 1. A value is scrubbed as text, before a format escapes it, so that no escape splits a secret.
//! 2. A secret is also looked for as `{:?}` and JSON would have written it, in any percent-encoding
//!    (RFC 3986, section 2.1), trimmed, and, when it has several lines, line by line.
//! 3. Secrets that overlap in a text are hidden as one stretch: no tail of either stays.
//! 4. Neither `Debug` nor any error of this module shows a secret.

mod book;
mod needles;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use processpype_core::SECRET_WORDS;

use crate::config::RedactionConfig;

pub use self::book::Hidden;
use self::book::Hiding;
pub(crate) use self::needles::Needles;

/// What is shown instead of a secret.
pub const MASK: &str = "***";
/// Secrets shorter than this many bytes are refused: scrubbing them would riddle every line.
pub const MIN_SECRET_BYTES: usize = 4;
/// Secrets longer than this many bytes are refused: a line is not kept in memory that long.
pub const MAX_SECRET_BYTES: usize = 16 * 1024;
/// How many secrets one application may have hidden at a time.
pub const MAX_SECRETS: usize = 1024;
/// Lines of a secret of several lines count as secrets themselves from this many bytes on.
const MIN_SECRET_LINE_BYTES: usize = 16;
/// The most texts that are looked for because of one secret: as it is, trimmed and line by line,
/// each as it is, as `{:?}` and as JSON write it. That it may be percent-encoded adds none.
const MAX_SECRET_FORMS: usize = 3 * (2 + MAX_SECRET_BYTES / (MIN_SECRET_LINE_BYTES + 1));

/// The secret values that no line may show; cheap to clone, every clone is the same.
///
/// Values come from whoever resolves secrets; the log itself never guesses one. A line is scrubbed
/// by the thread that logs it, so that a secret does not even reach the queue.
///
/// ```
/// use processpype_telemetry::Redactor;
///
/// let redactor = Redactor::default();
/// redactor.add("hunter2")?;
/// assert_eq!(redactor.scrub("the password is hunter2!"), "the password is ***!");
/// # Ok::<(), processpype_telemetry::Unredactable>(())
/// ```
#[derive(Clone, Default)]
pub struct Redactor(Arc<Hiding>);

/// Why a value cannot be scrubbed from the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Unredactable {
    /// It is shorter than [`MIN_SECRET_BYTES`].
    TooShort,
    /// It is longer than [`MAX_SECRET_BYTES`].
    TooLong,
    /// [`MAX_SECRETS`] are known already.
    TooMany,
}

/// Which field names are sensitive: those with a word that the configuration's reports know as a
/// secret's too, and what a configuration adds.
///
/// A word counts where it is a whole part of the name, in any case: `token` hides `token`,
/// `access_token`, `auth.token` and `x-token`, but not `tokens`.
///
/// ```
/// use processpype_telemetry::{RedactionConfig, SensitiveFields};
///
/// let sensitive = SensitiveFields::new(&RedactionConfig::default());
/// assert!(sensitive.hides("http.authorization"));
/// assert!(!sensitive.hides("http.route"));
/// ```
#[derive(Clone, Debug)]
pub struct SensitiveFields {
    /// Words in lower case, with `_` between their parts.
    words: Vec<String>,
    /// Whole names that are shown nevertheless, in the same form.
    except: Vec<String>,
}

// === impl Redactor ===

impl Redactor {
    /// Hides `secret` from every line that is formatted from now on, until the next
    /// [`replace`](Self::replace).
    ///
    /// # Errors
    ///
    /// [`Unredactable`] if the value is too short, too long, or one too many; then it is *not*
    /// hidden, and the caller should say so, without the value. One too many is the caller's to
    /// refuse; the others are [counted](Self::unhidden).
    pub fn add(&self, secret: &str) -> Result<(), Unredactable> {
        self.0.add(secret)
    }

    /// Hides exactly `secrets` from now on, and what others [hold](Self::hold); returns how many of
    /// them cannot be hidden.
    ///
    /// What was added or given here before is shown again.
    ///
    /// ```
    /// let redactor = processpype_telemetry::Redactor::default();
    /// let refused = redactor.replace(["long enough".to_owned(), "pin".to_owned()]);
    /// assert_eq!((refused, redactor.len()), (1, 1));
    /// ```
    pub fn replace<I: IntoIterator<Item = String>>(&self, secrets: I) -> usize {
        let secrets: BTreeSet<String> = secrets.into_iter().collect();
        self.0.replace(&Vec::from_iter(secrets))
    }

    /// Hides `secrets` for as long as what is returned is there.
    ///
    /// For a configuration, and whoever works by it: a secret is shown again when the last of those
    /// is gone that need it hidden. Those that are too short or too long are told by
    /// [`Hidden::unhidden`], and [counted](Self::unhidden) for as long.
    ///
    /// ```
    /// let redactor = processpype_telemetry::Redactor::default();
    /// let (old, new) = (["monkey12".to_owned()], ["hunter22".to_owned()]);
    /// let before = redactor.hold(&old)?;
    /// let after = redactor.hold(&new)?;
    /// assert_eq!(redactor.scrub("monkey12, hunter22"), "***, ***");
    /// drop(before);
    /// assert_eq!(redactor.scrub("monkey12, hunter22"), "monkey12, ***");
    /// # drop(after);
    /// # Ok::<(), processpype_telemetry::Unredactable>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Unredactable::TooMany`] if not all that can be hidden have room; none of them is, then.
    pub fn hold(&self, secrets: &[String]) -> Result<Hidden, Unredactable> {
        self.0.hold(secrets)
    }

    /// How many secrets there are that lines may show, by why that is; at most [`MAX_SECRETS`] are
    /// counted.
    ///
    /// ```
    /// use processpype_telemetry::{Redactor, Unredactable};
    ///
    /// let redactor = Redactor::default();
    /// assert_eq!(redactor.add("pin"), Err(Unredactable::TooShort));
    /// assert_eq!(redactor.unhidden(), [(Unredactable::TooShort, 1)]);
    /// ```
    pub fn unhidden(&self) -> Vec<(Unredactable, usize)> {
        self.0.unhidden()
    }

    /// How many secrets are hidden because somebody needs it.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no secret is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `text` with every secret in it shown as [`MASK`]; for sinks other than the log.
    ///
    /// Text is scrubbed before it is escaped for its sink.
    ///
    /// A secret is found as it is; as `{:?}` and `serde_json` write it; and percent-encoded,
    /// whichever characters are encoded, in upper or lower case, with `+` for a space or without:
    /// RFC 3986, `encodeURI`, `encodeURIComponent`, HTML forms and `curl` all write it so. It is
    /// *not* found in base64 or hexadecimal, encoded twice, with HTML entities, with escapes that
    /// JSON does not ask for (`\/`, `\u0041`), or in another letter case.
    ///
    /// ```
    /// let redactor = processpype_telemetry::Redactor::default();
    /// redactor.add("café au lait")?;
    /// assert_eq!(redactor.scrub("q=caf%c3%a9+au%20lait&page=2"), "q=***&page=2");
    /// # Ok::<(), processpype_telemetry::Unredactable>(())
    /// ```
    pub fn scrub(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        self.needles().scrub(text, text.len(), &mut out);
        out
    }

    /// The current search, for the lines of one event.
    pub(crate) fn needles(&self) -> arc_swap::Guard<Arc<Needles>> {
        self.0.needles.load()
    }
}

/// Two are the same if what one hides the other hides, now and later.
impl PartialEq for Redactor {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} secrets)", self.len())
    }
}

/// Whether `secret` can be hidden, if there is room.
fn admit(secret: &str) -> Result<(), Unredactable> {
    if secret.trim().len() < MIN_SECRET_BYTES {
        Err(Unredactable::TooShort)
    } else if secret.len() > MAX_SECRET_BYTES {
        Err(Unredactable::TooLong)
    } else {
        Ok(())
    }
}

// === impl Unredactable ===

impl fmt::Display for Unredactable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort => write!(
                f,
                "a secret of fewer than {MIN_SECRET_BYTES} bytes cannot be hidden from the log; \
                 choose a longer one"
            ),
            Self::TooLong => write!(
                f,
                "a secret of more than {MAX_SECRET_BYTES} bytes cannot be hidden from the log"
            ),
            Self::TooMany => {
                write!(f, "more than {MAX_SECRETS} secrets cannot be hidden from the log")
            }
        }
    }
}

impl std::error::Error for Unredactable {}

// === impl SensitiveFields ===

impl SensitiveFields {
    /// The default words and those of `config`.
    #[must_use]
    pub fn new(config: &RedactionConfig) -> Self {
        let own = config.fields.iter().map(String::as_str);
        let words = SECRET_WORDS.iter().copied().chain(own).map(normal);
        Self {
            words: words.filter(|word| !word.is_empty()).collect(),
            except: config.except.iter().map(|name| normal(name)).collect(),
        }
    }

    /// Whether the value of the field `name` is hidden.
    #[must_use]
    pub fn hides(&self, name: &str) -> bool {
        let name = normal(name);
        !self.except.contains(&name) && self.words.iter().any(|word| has_part(&name, word))
    }
}

/// A field's name in lower case, with `_` for every separator.
fn normal(name: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    name.chars().map(plain).collect()
}

/// Whether `word` is in `name`, between separators or ends.
///
/// Names are short and words are many, so nothing is prepared for looking through a name.
fn has_part(name: &str, word: &str) -> bool {
    let mut rest = name;
    loop {
        let after = rest.strip_prefix(word);
        if after.is_some_and(|after| after.is_empty() || after.starts_with('_')) {
            return true;
        }
        let Some((_, next)) = rest.split_once('_') else { return false };
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(secrets: &[&str], text: &str, expected: &str) {
        let redactor = Redactor::default();
        for secret in secrets {
            redactor.add(secret).unwrap();
        }
        assert_eq!(redactor.scrub(text), expected);
    }

    #[test]
    fn secrets_are_hidden_wherever_they_stand() {
        check(&[], "nothing to hide", "nothing to hide");
        check(&["hunter2"], "hunter2", "***");
        check(&["hunter2"], "ahunter2b hunter2", "a***b ***");
        check(&["hunter2"], "hunter hunter22", "hunter ***2");
        check(&["naïve-pässword"], "é naïve-pässword ü", "é *** ü");
    }

    #[test]
    fn the_longest_wins_and_overlaps_merge() {
        check(&["pass", "password1"], "password1 pass", "*** ***");
        check(&["abcdef", "defghi"], "xabcdefghix", "x***x");
        check(&["aaaa"], "aaaaaa", "***");
        check(&["abcdefgh", "cdef"], "abcdefghX", "***X");
    }

    #[test]
    fn written_forms_are_hidden_too() {
        let secret = "a\"b\nc\\d%é";
        check(&[secret], &format!("{secret:?}"), "\"***\"");
        check(&[secret], &serde_json::to_string(secret).unwrap(), "\"***\"");
        check(&[secret], "postgres://u:a%22b%0Ac%5Cd%25%C3%A9@host", "postgres://u:***@host");
        let control = "bell\u{7}ring";
        check(&[control], &serde_json::to_string(control).unwrap(), "\"***\"");
        check(&["from-a-file\n"], "got from-a-file.", "got ***.");
        let key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0\nAQEFAASCBKcwggSjAgEAAo\n";
        check(&[key], "line MIIEvQIBADANBgkqhkiG9w0 end", "line *** end");
    }

    #[test]
    fn a_limit_cuts_no_secret_in_two() {
        let redactor = Redactor::default();
        redactor.add("secret-value").unwrap();
        let needles = redactor.needles();
        for limit in 0.."0123 secret-value 6789 secret-value".len() {
            let mut out = String::new();
            needles.scrub("0123 secret-value 6789 secret-value", limit, &mut out);
            assert!(!out.contains('s'), "{limit}: {out}");
        }
    }

    #[test]
    fn what_cannot_be_hidden_is_refused() {
        let redactor = Redactor::default();
        assert_eq!(redactor.add("abc"), Err(Unredactable::TooShort));
        assert_eq!(redactor.add("  a  \n"), Err(Unredactable::TooShort));
        assert_eq!(redactor.add(&"x".repeat(MAX_SECRET_BYTES + 1)), Err(Unredactable::TooLong));
        let many = (0..=MAX_SECRETS).map(|n| format!("secret-{n}"));
        assert_eq!(redactor.unhidden(), [(Unredactable::TooShort, 2), (Unredactable::TooLong, 1)]);
        assert_eq!(redactor.replace(many), 1);
        assert_eq!(redactor.unhidden(), [(Unredactable::TooMany, 1)]);
        assert_eq!(redactor.add("one more"), Err(Unredactable::TooMany));
        assert_eq!(redactor.add("secret-7"), Ok(()), "it is hidden already");
        assert_eq!(redactor.replace(["only this".to_owned(), "only this".to_owned()]), 0);
        assert_eq!((redactor.len(), redactor.is_empty()), (1, false));
        assert_eq!(format!("{redactor:?}"), "Redactor(1 secrets)");
    }

    #[test]
    fn a_secret_is_hidden_for_as_long_as_anybody_needs_it() {
        let redactor = Redactor::default();
        let all = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let old = redactor.hold(&all(&["first-1", "shared-1", "pin"])).unwrap();
        assert_eq!(old.unhidden(), [Unredactable::TooShort]);
        let new = redactor.hold(&all(&["second-2", "shared-1", "pin"])).unwrap();
        assert_eq!(new.unhidden(), [], "it was told");
        redactor.replace(all(&["first-1"]));
        drop(old);
        assert_eq!(redactor.scrub("first-1 shared-1 second-2"), "*** *** ***");
        redactor.replace(Vec::new());
        assert_eq!(redactor.scrub("first-1 shared-1 second-2"), "first-1 *** ***");
        drop(new);
        assert!(redactor.is_empty() && redactor.unhidden().is_empty());
        assert_eq!(redactor.scrub("shared-1"), "shared-1");
    }

    #[test]
    fn what_was_added_stays_hidden_when_others_let_go_of_it() {
        let redactor = Redactor::default();
        let held = redactor.hold(&["shared-1".to_owned(), "pin".to_owned()]).unwrap();
        assert_eq!(redactor.add("shared-1"), Ok(()));
        assert_eq!(redactor.add("pin"), Err(Unredactable::TooShort));
        drop(held);
        let later = redactor.hold(&["another-2".to_owned()]).unwrap();
        assert_eq!(redactor.scrub("shared-1 another-2"), "*** ***");
        assert_eq!(redactor.unhidden(), [(Unredactable::TooShort, 1)]);
        drop(later);
        redactor.replace(Vec::new());
        assert!(redactor.is_empty() && redactor.unhidden().is_empty());
    }

    #[test]
    fn those_that_cannot_be_hidden_are_counted_up_to_a_bound() {
        let redactor = Redactor::default();
        let short = (0..=MAX_SECRETS).map(|n| format!("{n:x}"));
        assert_eq!(redactor.replace(short), MAX_SECRETS + 1);
        assert_eq!(redactor.unhidden(), [(Unredactable::TooShort, MAX_SECRETS)]);
    }

    #[test]
    fn who_is_refused_holds_nothing_and_those_who_are_gone_make_room() {
        let redactor = Redactor::default();
        let many =
            |from: usize, to: usize| (from..to).map(|n| format!("secret-{n}")).collect::<Vec<_>>();
        let most = redactor.hold(&many(1, MAX_SECRETS)).unwrap();
        let two = many(MAX_SECRETS, MAX_SECRETS + 2);
        assert_eq!(redactor.hold(&two).err(), Some(Unredactable::TooMany));
        assert_eq!(redactor.len(), MAX_SECRETS - 1);
        let one = redactor.hold(&[&two[..1], &two[..1]].concat()).unwrap();
        assert_eq!(redactor.len(), MAX_SECRETS, "what is named twice takes one place");
        assert_eq!(redactor.hold(&many(1, 9)).unwrap().unhidden(), [], "they are hidden already");
        drop(one);
        let other = redactor.hold(&two[1..]).unwrap();
        assert_eq!((redactor.len(), redactor.scrub(&two[1])), (MAX_SECRETS, MASK.into()));
        drop((most, other));
        assert_eq!((redactor.len(), redactor.scrub("secret-7")), (0, "secret-7".to_owned()));
        let mut last = redactor.hold(&many(0, 1)).unwrap();
        for n in 1..=3 * MAX_SECRETS {
            let next = redactor.hold(&many(n, n + 1)).unwrap();
            let both = format!("secret-{} secret-{n}", n - 1);
            assert_eq!((redactor.len(), redactor.scrub(&both)), (2, "*** ***".to_owned()));
            last = next;
        }
        assert_eq!((redactor.len(), redactor.scrub("secret-7")), (1, "secret-7".to_owned()));
        drop(last);
    }

    #[test]
    fn sensitive_names_are_known_by_their_parts() {
        let config = RedactionConfig {
            fields: vec!["PIN".to_owned(), String::new()],
            except: vec!["token-count".to_owned()],
        };
        let fields = SensitiveFields::new(&config);
        for name in SECRET_WORDS {
            assert!(fields.hides(name), "{name}");
        }
        for name in ["password", "db_password", "auth.Token", "x-api-key", "secret_name", "pin"] {
            assert!(fields.hides(name), "{name}");
        }
        for name in ["tokens", "token_count", "passwords", "pinned", "spin", "count", ""] {
            assert!(!fields.hides(name), "{name}");
        }
    }

    #[test]
    fn a_word_is_found_where_another_place_of_it_overlaps() {
        let config =
            RedactionConfig { fields: vec!["a.a".to_owned()], ..RedactionConfig::default() };
        let fields = SensitiveFields::new(&config);
        assert!(fields.hides("xa_a_a") && fields.hides("a-a.x"));
        assert!(!fields.hides("xa_ax") && !fields.hides("a"));
    }
}
