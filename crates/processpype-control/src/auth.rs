//! Tokens: who may prove to be whom.
//!
//! # Invariants
//!
//! 1. A token's text is not kept: what stays in memory is its SHA-256.
//! 2. How long a comparison takes depends on how many tokens there are, and on nothing in them.
//! 3. Neither text nor hash can be printed.
//!
//! # Why SHA-256, without salt and stretching
//!
//! Argon2 and its like make it expensive to guess what a person can remember. A token is made by a
//! machine, of at least 128 bits of chance: guessing it is hopeless already, and a hash that takes
//! 50 ms would let anybody keep the control plane busy by sending rubbish. (GitHub and HashiCorp's
//! Vault keep their tokens the same way.) Texts that are too short to be such a token are refused.

use std::fmt;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use hmac_sha256::Hash as Sha256;
use processpype_api::TOKEN_LENGTH_MAX;
use processpype_core::Role;
use subtle::ConstantTimeEq;

/// The fewest characters of a token: 128 bits in base 64 have 22.
pub const TOKEN_LENGTH_MIN: usize = 22;

/// The most characters of a token's name.
pub const TOKEN_NAME_MAX: usize = 64;

/// Bytes of chance in a token that is made here.
const MADE_BYTES: usize = 32;

/// Who a token stands for, and what to compare it with.
///
/// ```
/// use processpype_control::Token;
/// use processpype_core::Role;
///
/// let token = Token::new("ci", Role::Operator, "correct-horse-battery-staple")?;
/// assert_eq!((token.name(), token.role()), ("ci", Role::Operator));
/// // printf %s correct-horse-battery-staple | sha256sum
/// let hash = "87cbebfeebc05f7c54ac9336c4b4bbec831227a641951a4bde7edd56020f8590";
/// assert!(Token::hashed("ci", Role::Operator, hash).is_ok());
/// # Ok::<(), processpype_control::InvalidToken>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    name: String,
    role: Role,
    hash: [u8; 32],
}

/// Why something is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidToken {
    /// Its name is no name.
    Name,
    /// Its text is too short or too long.
    Length,
    /// Its text has a character that no header can carry there.
    Character,
    /// Its hash is not 64 hexadecimal digits.
    Hash,
    /// The system gives no chance to make one of.
    NoChance,
}

/// The credential of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Credential<'a> {
    /// There is none.
    None,
    /// One of the tokens.
    Token(&'a Token),
    /// Something that is none of the tokens: a wrong one, or what is meant for somebody else.
    Unknown,
}

// === impl Token ===

impl Token {
    /// Makes one of the text that clients send.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with name or text.
    pub fn new(name: &str, role: Role, text: &str) -> Result<Self, InvalidToken> {
        if !(TOKEN_LENGTH_MIN..=TOKEN_LENGTH_MAX).contains(&text.len()) {
            return Err(InvalidToken::Length);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidToken::Character);
        }
        Self::of(name, role, hash(text.as_bytes()))
    }

    /// Makes one of the SHA-256 of that text, as `sha256sum` writes it.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with name or hash.
    pub fn hashed(name: &str, role: Role, hex: &str) -> Result<Self, InvalidToken> {
        Self::of(name, role, unhex(hex).ok_or(InvalidToken::Hash)?)
    }

    /// Makes a new one of chance, and the text that clients send.
    pub(crate) fn make(name: &str, role: Role) -> Result<(Self, String), InvalidToken> {
        let mut chance = [0; MADE_BYTES];
        getrandom::fill(&mut chance).map_err(|_| InvalidToken::NoChance)?;
        let text: String = chance.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok((Self::new(name, role, &text)?, text))
    }

    fn of(name: &str, role: Role, hash: [u8; 32]) -> Result<Self, InvalidToken> {
        if !is_name(name) {
            return Err(InvalidToken::Name);
        }
        Ok(Self { name: name.to_owned(), role, hash })
    }

    /// Returns whose it is: the actor of what is done with it is `token:` and this.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns what it allows.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// Returns whether both are the same secret.
    #[must_use]
    pub fn is_same_secret(&self, other: &Self) -> bool {
        self.hash.ct_eq(&other.hash).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("name", &self.name)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// Returns whether somebody can be called that in events.
pub(crate) fn is_name(name: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !name.is_empty() && name.len() <= TOKEN_NAME_MAX && name.chars().all(is_word)
}

fn hash(text: &[u8]) -> [u8; 32] {
    Sha256::hash(text)
}

pub(crate) fn unhex(hex: &str) -> Option<[u8; 32]> {
    if hex.len() != 64 || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(bytes)
}

// === impl Credential ===

impl<'a> Credential<'a> {
    /// Reads `Authorization: Bearer …` (RFC 6750).
    ///
    /// `None` if there is more than one such header: which one counts would depend on who reads it.
    pub(crate) fn of(headers: &HeaderMap, tokens: &'a [Token]) -> Option<Self> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let Some(value) = values.next() else { return Some(Self::None) };
        if values.next().is_some() {
            return None;
        }
        let token = bearer(value.as_bytes()).and_then(|text| find(tokens, text));
        Some(token.map_or(Self::Unknown, Self::Token))
    }
}

/// The name of the scheme has no case; the token has.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked("bearer ".len())?;
    let text = rest.trim_ascii();
    let is_bearer = scheme.eq_ignore_ascii_case(b"bearer ");
    (is_bearer && !text.is_empty() && text.len() <= TOKEN_LENGTH_MAX).then_some(text)
}

/// Looks at every token, also after the right one.
fn find<'a>(tokens: &'a [Token], text: &[u8]) -> Option<&'a Token> {
    let hash = hash(text);
    let mut found = None;
    for token in tokens {
        if bool::from(token.hash.ct_eq(&hash)) {
            found = Some(token);
        }
    }
    found
}

// === impl InvalidToken ===

impl fmt::Display for InvalidToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => write!(
                f,
                "a token's name has at most {TOKEN_NAME_MAX} letters, digits, `-`, `_` and `.`"
            ),
            Self::Length => write!(
                f,
                "a token has from {TOKEN_LENGTH_MIN} to {TOKEN_LENGTH_MAX} characters; make one \
                 with `openssl rand -hex 32`"
            ),
            Self::Character => f.write_str(
                "a token has no spaces and only characters of ASCII; make one with \
                 `openssl rand -hex 32`",
            ),
            Self::Hash => f.write_str(
                "a hash has 64 hexadecimal digits; make it with `printf %s TOKEN | sha256sum`",
            ),
            Self::NoChance => f.write_str("the system gives no random numbers"),
        }
    }
}

impl std::error::Error for InvalidToken {}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "correct-horse-battery-staple";

    fn tokens() -> Vec<Token> {
        let other = Token::new("other", Role::Viewer, "another-token-of-some-length");
        vec![
            Token::new("ci", Role::Operator, TEXT).expect("a good token"),
            other.expect("a good token"),
        ]
    }

    #[track_caller]
    fn check(values: &[&str], expected: Option<Result<&str, bool>>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, value.parse().expect("a header value"));
        }
        let tokens = tokens();
        let found = Credential::of(&headers, &tokens).map(|credential| match credential {
            Credential::Token(token) => Ok(token.name()),
            Credential::Unknown => Err(true),
            Credential::None => Err(false),
        });
        assert_eq!(found, expected, "{values:?}");
    }

    #[test]
    fn credentials() {
        let (right, wrong) = (Some(Ok("ci")), Some(Err(true)));
        check(&[], Some(Err(false)));
        for scheme in ["Bearer", "bearer", "BEARER"] {
            check(&[&format!("{scheme} {TEXT}")], right);
            check(&[&format!("{scheme}   {TEXT} ")], right);
        }
        check(&["Bearer another-token-of-some-length"], Some(Ok("other")));
        let cut = &TEXT[..TEXT.len() - 1];
        let long = "x".repeat(TOKEN_LENGTH_MAX + 1);
        for text in [cut, &format!("{TEXT}x"), &TEXT.to_uppercase(), "", &long, "x"] {
            check(&[&format!("Bearer {text}")], wrong);
        }
        for value in ["Bearer", "", TEXT, &format!("Basic {TEXT}"), &format!("Bearer\t{TEXT}")] {
            check(&[value], wrong);
        }
        let both = format!("Bearer {TEXT}");
        check(&[&both, &both], None);
        check(&[&both, "Bearer x"], None);
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let new = |name: &str, text: &str| Token::new(name, Role::Viewer, text).err();
        assert_eq!(new("ci", &"x".repeat(TOKEN_LENGTH_MIN)), None);
        assert_eq!(new("ci", &"x".repeat(TOKEN_LENGTH_MIN - 1)), Some(InvalidToken::Length));
        assert_eq!(new("ci", &"x".repeat(TOKEN_LENGTH_MAX + 1)), Some(InvalidToken::Length));
        assert_eq!(new("ci", &" ".repeat(30)), Some(InvalidToken::Character));
        assert_eq!(new("ci", &"ä".repeat(30)), Some(InvalidToken::Character));
        for name in ["", "a b", "a\nb", "ä", &"n".repeat(TOKEN_NAME_MAX + 1)] {
            assert_eq!(new(name, TEXT), Some(InvalidToken::Name), "{name}");
        }
        for hash in ["", "00", &"g".repeat(64), &"0".repeat(63), &"ä".repeat(32)] {
            let made = Token::hashed("ci", Role::Viewer, hash);
            assert_eq!(made.err(), Some(InvalidToken::Hash), "{hash}");
        }
    }

    #[test]
    fn a_hash_is_the_same_as_its_text() {
        let hex: String = hash(TEXT.as_bytes()).iter().map(|byte| format!("{byte:02X}")).collect();
        let hashed = Token::hashed("ci", Role::Operator, &hex).expect("a good hash");
        assert_eq!(hashed, tokens()[0]);
        assert_eq!(format!("{hashed:?}"), "Token { name: \"ci\", role: Operator, .. }");
    }

    #[test]
    fn what_is_almost_the_same_is_another_token() {
        for at in [0, 1, 31] {
            let mut almost = hash(TEXT.as_bytes());
            almost[at] ^= 1;
            let token = Token { name: "ci".to_owned(), role: Role::Admin, hash: almost };
            assert_eq!(find(&[token], TEXT.as_bytes()), None, "byte {at}");
        }
    }

    #[test]
    fn what_is_too_long_is_not_even_hashed() {
        let long = "x".repeat(TOKEN_LENGTH_MAX + 1);
        let hash = hash(long.as_bytes());
        let tokens = [Token { name: "ci".to_owned(), role: Role::Admin, hash }];
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, format!("Bearer {long}").parse().expect("a value"));
        assert_eq!(Credential::of(&headers, &tokens), Some(Credential::Unknown));
    }

    #[test]
    fn no_two_made_tokens_are_equal() {
        let make = || Token::make("local", Role::Admin).expect("chance");
        let ((one, text), (other, _)) = (make(), make());
        assert!(!one.is_same_secret(&other) && text.len() == 2 * MADE_BYTES);
        assert_eq!(Token::new("local", Role::Admin, &text), Ok(one));
    }
}
