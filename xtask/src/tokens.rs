//! Rust as a flat list of tokens with lines: what the textual rules match on.
//!
//! # Invariants
//!
//! 1. `::` is one token and `'a` is one token; every other punctuation mark stands alone.
//! 2. A literal starts with a quote or a digit, so it never equals a name.
//! 3. Comments are not there; a doc comment is the attribute that the compiler makes of it.

use proc_macro2::{Delimiter, Group, Spacing, Span, TokenStream, TokenTree};

/// One token and the lines it covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
    pub(crate) last_line: usize,
}

/// Flattens `stream`, groups included.
pub(crate) fn flatten(stream: TokenStream) -> Vec<Token> {
    let mut flat = Flat::default();
    flat.stream(stream);
    flat.tokens
}

/// Returns the index of each place where `pattern` (words parted by spaces) begins.
pub(crate) fn find<'a>(tokens: &'a [Token], pattern: &str) -> impl Iterator<Item = usize> + 'a {
    let words: Vec<String> = pattern.split(' ').map(str::to_owned).collect();
    let width = words.len();
    let same = move |at: &usize| tokens[*at..*at + width].iter().map(|t| &t.text).eq(words.iter());
    (0..(tokens.len() + 1).saturating_sub(width)).filter(same)
}

#[derive(Default)]
struct Flat {
    tokens: Vec<Token>,
    /// Whether the next token belongs to the one before: the second `:` or the name after `'`.
    glued: bool,
}

// === impl Flat ===

impl Flat {
    fn stream(&mut self, stream: TokenStream) {
        stream.into_iter().for_each(|tree| self.tree(tree));
    }

    fn tree(&mut self, tree: TokenTree) {
        match tree {
            TokenTree::Group(group) => self.group(&group),
            TokenTree::Punct(punct) => {
                let joint = punct.spacing() == Spacing::Joint;
                let glue = joint && (punct.as_char() == '\'' || self.opens_path(punct.as_char()));
                self.push(&punct.to_string(), punct.span());
                self.glued = glue;
            }
            other => self.push(&other.to_string(), other.span()),
        }
    }

    /// Whether `mark` is the first of two colons, and not the second.
    fn opens_path(&self, mark: char) -> bool {
        mark == ':' && !self.glued
    }

    fn group(&mut self, group: &Group) {
        let (open, close) = match group.delimiter() {
            Delimiter::Parenthesis => ("(", ")"),
            Delimiter::Brace => ("{", "}"),
            Delimiter::Bracket => ("[", "]"),
            Delimiter::None => return self.stream(group.stream()),
        };
        self.push(open, group.span_open());
        self.stream(group.stream());
        self.push(close, group.span_close());
    }

    fn push(&mut self, text: &str, span: Span) {
        let glued = std::mem::take(&mut self.glued);
        match self.tokens.last_mut() {
            Some(last) if glued && (text == ":" || last.text == "'") => last.text.push_str(text),
            _ => self.tokens.push(Token {
                text: text.to_owned(),
                line: span.start().line,
                last_line: span.end().line,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(code: &str, expected: &str) {
        let tokens = flatten(code.parse().expect("the test's code has balanced brackets"));
        let words: Vec<_> = tokens.iter().map(|token| token.text.as_str()).collect();
        assert_eq!(words.join(" "), expected);
    }

    #[test]
    fn paths_and_lifetimes_are_one_token() {
        check("a::b", "a :: b");
        check("x: &'static str", "x : & 'static str");
        check("f::<T>(a:b)", "f :: < T > ( a : b )");
    }

    #[test]
    fn comments_are_gone_and_strings_keep_their_quotes() {
        check("f(\"tokio::spawn\") // panic!()", "f ( \"tokio::spawn\" )");
    }

    #[test]
    fn find_gives_every_start() {
        let tokens = flatten("a::b; a::b; b".parse().expect("balanced"));
        assert_eq!(find(&tokens, "a :: b").collect::<Vec<_>>(), [0, 4]);
        assert_eq!(find(&tokens, "b").collect::<Vec<_>>(), [2, 6, 8]);
        assert_eq!(find(&tokens[..1], "a :: b").count(), 0);
    }
}
