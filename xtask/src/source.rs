//! One Rust file, read for the rules.
//!
//! # Invariants
//!
//! 1. A line is *test* if it lies in an item under `#[cfg(test)]`, in a `#[test]` function, or in a
//!    file that only tests see. Budgets of code leave test lines out.
//! 2. A function's length is from its `fn` line to its closing brace: docs and attributes are free.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Block, Item, ItemFn, ItemMod, Meta, Signature};

use crate::tokens::{Token, flatten};

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Code that others link.
    Library,
    /// Code of a program: an example, a binary, the tidy test.
    Program,
    /// Code that only tests see.
    Test,
}

/// A function with a body.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) length: usize,
}

/// A `mod name;` line.
#[derive(Clone, Debug)]
pub(crate) struct Module {
    /// Inline modules around the line, then its own name.
    pub(crate) names: Vec<String>,
    pub(crate) path: Option<String>,
    pub(crate) test: bool,
}

/// One parsed file.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) place: Place,
    pub(crate) tokens: Vec<Token>,
    pub(crate) functions: Vec<Function>,
    pub(crate) modules: Vec<Module>,
    pub(crate) has_doc: bool,
    tests: Vec<RangeInclusive<usize>>,
}

// === impl Source ===

impl Source {
    pub(crate) fn parse(path: &str, text: &str, place: Place) -> syn::Result<Self> {
        let file = syn::parse_file(text)?;
        let mut facts = Facts::default();
        facts.visit_file(&file);
        Ok(Self {
            path: path.to_owned(),
            text: text.to_owned(),
            place: if is_test(&file.attrs) { Place::Test } else { place },
            tokens: flatten(text.parse()?),
            functions: facts.functions,
            modules: facts.modules,
            has_doc: file.attrs.iter().any(|attribute| attribute.path().is_ident("doc")),
            tests: facts.tests,
        })
    }

    pub(crate) fn is_test(&self, line: usize) -> bool {
        self.place == Place::Test || self.tests.iter().any(|range| range.contains(&line))
    }

    /// Functions that are not tests and not in tests.
    pub(crate) fn code_functions(&self) -> impl Iterator<Item = &Function> {
        self.functions.iter().filter(|function| !self.is_test(function.line))
    }

    /// Number of lines outside tests, blank ones and comments included.
    pub(crate) fn length(&self) -> usize {
        (1..=self.text.lines().count()).filter(|line| !self.is_test(*line)).count()
    }

    /// Number of lines of `///` and `//!` outside tests.
    pub(crate) fn doc_lines(&self) -> usize {
        self.doc_line_numbers().filter(|line| !self.is_test(*line)).count()
    }

    /// Number of lines outside tests with at least one token on them.
    pub(crate) fn code_lines(&self) -> usize {
        let docs: BTreeSet<usize> = self.doc_line_numbers().collect();
        let touched: BTreeSet<usize> =
            self.tokens.iter().flat_map(|token| token.line..=token.last_line).collect();
        touched.difference(&docs).filter(|line| !self.is_test(**line)).count()
    }

    fn doc_line_numbers(&self) -> impl Iterator<Item = usize> {
        let is_doc = |line: &str| line.starts_with("///") || line.starts_with("//!");
        let numbered = self.text.lines().enumerate();
        numbered.filter(move |(_, line)| is_doc(line.trim_start())).map(|(index, _)| index + 1)
    }
}

/// Collects what the rules need, in one walk over the syntax tree.
#[derive(Default)]
struct Facts {
    functions: Vec<Function>,
    modules: Vec<Module>,
    tests: Vec<RangeInclusive<usize>>,
    /// Inline modules around the current item.
    inside: Vec<String>,
    /// Depth of the current item in test modules.
    test_depth: usize,
}

// === impl Facts ===

impl Facts {
    fn function(&mut self, signature: &Signature, block: &Block) {
        let line = signature.span().start().line;
        let length = block.brace_token.span.close().end().line - line + 1;
        self.functions.push(Function { name: signature.ident.to_string(), line, length });
    }

    fn test_item(&mut self, attributes: &[Attribute], item: &impl Spanned) {
        if is_test(attributes) {
            self.tests.push(item.span().start().line..=item.span().end().line);
        }
    }
}

impl<'ast> Visit<'ast> for Facts {
    fn visit_item(&mut self, item: &'ast Item) {
        self.test_item(attributes_of(item), item);
        visit::visit_item(self, item);
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.test_item(&item.attrs, item);
        self.function(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let test = usize::from(is_test(&item.attrs));
        self.inside.push(item.ident.to_string());
        self.test_depth += test;
        if item.content.is_none() {
            let (names, path) = (self.inside.clone(), path_of(&item.attrs));
            self.modules.push(Module { names, path, test: self.test_depth > 0 });
        }
        visit::visit_item_mod(self, item);
        self.test_depth -= test;
        self.inside.pop();
    }
}

/// Whether an item is compiled for tests only: `#[test]`, `#[x::test]`, `#[cfg(test)]`,
/// `#[cfg(all(test, …))]`.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let last = attribute.path().segments.last().map(|segment| segment.ident.to_string());
        last.as_deref() == Some("test") || is_test_cfg(&attribute.meta)
    })
}

fn is_test_cfg(meta: &Meta) -> bool {
    let Meta::List(list) = meta else { return false };
    let words: Vec<String> = flatten(list.tokens.clone()).into_iter().map(|t| t.text).collect();
    let first: Vec<&str> = words.iter().map(String::as_str).take(3).collect();
    list.path.is_ident("cfg") && matches!(first[..], ["test"] | ["all", "(", "test"])
}

/// The file that `#[path = "…"]` names.
fn path_of(attributes: &[Attribute]) -> Option<String> {
    let metas = attributes.iter().map(|attribute| &attribute.meta);
    metas.filter(|meta| meta.path().is_ident("path")).find_map(|meta| match meta {
        Meta::NameValue(pair) => match &pair.value {
            syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    })
}

fn attributes_of(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Source {
        Source::parse("crates/x/src/a.rs", text, Place::Library).expect("the test's code is Rust")
    }

    #[test]
    fn tests_are_no_part_of_the_length() {
        let source =
            parse("//! Doc.\n\nfn a() {}\n\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n");
        assert_eq!(source.length(), 4);
        assert_eq!(source.code_functions().count(), 1);
        assert_eq!(source.functions.len(), 2);
    }

    #[test]
    fn test_attributes_mark_a_test() {
        let is_test = |text: &str| parse(text).is_test(1);
        assert!(is_test("#[test]\nfn a() {}"));
        assert!(is_test("#[tokio::test(start_paused = true)]\nasync fn a() {}"));
        assert!(is_test("#[cfg(all(test, unix))]\nuse a::b;"));
        assert!(is_test("#![cfg(test)]\nfn a() {}"));
        assert!(!is_test("#[cfg(any(test, feature = \"testing\"))]\nfn a() {}"));
        assert!(!is_test("#[cfg(not(test))]\nfn a() {}"));
    }

    #[test]
    fn docs_and_attributes_do_not_count_as_length_of_a_function() {
        let source = parse("/// Long\n/// text.\n#[inline]\npub fn a(\n) -> u8 {\n    1\n}\n");
        assert_eq!((source.functions[0].line, source.functions[0].length), (4, 4));
    }

    #[test]
    fn code_lines_are_lines_with_tokens() {
        let source = parse(
            "//! Doc.\n\n// Why.\n/* block\n*/\n/// Docs.\nfn a() {\n\
             // why\n\n    b(\"x\n    y\");\n}\n",
        );
        assert_eq!(source.doc_lines(), 2);
        assert_eq!(source.code_lines(), 4);
    }

    #[test]
    fn modules_know_their_surroundings() {
        let source = parse("mod a { #[cfg(test)] mod b; }\n#[path = \"z.rs\"] mod c;");
        let found: Vec<_> =
            source.modules.iter().map(|m| (m.names.join("/"), m.path.clone(), m.test)).collect();
        let expected = [("a/b".into(), None, true), ("c".into(), Some("z.rs".into()), false)];
        assert_eq!(found, expected);
    }
}
