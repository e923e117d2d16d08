//! Every bound of this crate, with a name.
//!
//! # Invariant
//!
//! Nothing that comes from a file, a variable, a flag or a request is read, kept or printed without
//! one of these limits. They are constants, not settings: they stand far above any configuration
//! that people write, and only stop mistakes and attacks.
//!
//! # Where each is held
//!
//! | bound | by | past it |
//! |---|---|---|
//! | bytes of a file or body | `loader`, `section` | refused, unread beyond it |
//! | depth, nodes, aliases | `yaml`, `toml_tree` | the file is refused |
//! | steps of a check | `check` | the section is refused |
//! | bytes of a resolved value | `interpolate`, `secrets` | the value is refused |
//! | problems kept, printed, listed | `report`, `render` | the rest is counted |
//! | characters shown | `show`, `source` | cut |

/// Bytes of one configuration file, or of one text handed to the loader.
pub const MAX_FILE_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of one HTTP body that [`read_json`](crate::read_json) accepts.
///
/// Smaller than a file: a body comes from whoever can reach the port.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Levels of nested maps and lists, aliases included.
///
/// The readers and the walk are recursive; this is what keeps them on the stack.
pub const MAX_DEPTH: usize = 64;

/// Values in one file after its aliases are expanded (the "billion laughs" bound).
///
/// An alias counts as many values as what it names has, though it shares them in memory.
pub const MAX_NODES: usize = 1_000_000;

/// Uses of aliases (`*name`) and merge keys (`<<`) in one file.
///
/// Counted beside the nodes, since an alias to an empty map weighs little and still takes time.
pub const MAX_ALIASES: usize = 10_000;

/// Problems that one report keeps; the others are only counted.
///
/// Whoever has a hundred mistakes has one: the wrong file.
pub const MAX_PROBLEMS: usize = 100;

/// Problems that one report prints in full; the others are only counted.
pub const MAX_PRINTED: usize = 50;

/// Keys or variants that one problem lists as valid.
///
/// The JSON form of a problem has all of them.
pub const MAX_LISTED: usize = 24;

/// Characters of a value that a problem shows.
///
/// Enough to recognise it; the place says where the rest is.
pub const MAX_SHOWN_CHARS: usize = 80;

/// Characters of a source line that a problem shows.
///
/// Cut around the mark, which is always in it.
pub const MAX_LINE_CHARS: usize = 160;

/// Steps that checking one section against its schema may take.
///
/// Untagged enums try their variants one by one, so nested ones could take exponential time.
pub const MAX_STEPS: usize = 1_000_000;

/// Bytes of one value after `${…}` is resolved.
///
/// A few references to long variables could multiply; this is checked after each.
pub const MAX_RESOLVED_BYTES: usize = 1024 * 1024;

/// Maps with more keys than this get an index, so that a lookup never gets slow.
///
/// Sections that people write stay below it, and cost neither a table nor a hash.
pub const INDEX_FROM_KEYS: usize = 16;

/// Lists of keys by which a document remembers to have split sections.
///
/// More of them work as well, and cost an allocation for each split.
pub const MAX_SPLITS: usize = 16;
