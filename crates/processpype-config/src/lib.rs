#![doc = include_str!("../README.md")]
#![doc = ""]
//! # From text to type
//!
//! Text is kept as it was written until the target is known, and the target decides:
//!
//! | in the file | wanted | becomes |
//! |---|---|---|
//! | `1.10` | text | `"1.10"` |
//! | `1.10` | a number | `1.1` |
//! | `"80"` | a whole number | a problem: remove the quotes |
//! | `no` | text | `"no"` |
//! | `no` | true or false | a problem: write true or false |
//! | nothing, `~`, `null` | an optional value | `None` |
//! | nothing, `~`, `null` | a map | an empty map |
//! | nothing, `~`, `null` | anything else | a problem |
//!
//! Variables, flags and `${…}` carry text without a type, so `80` is fine there for both.
//!
//! # What a schema enforces
//!
//! `type`, `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum`, `multipleOf`, the ranges
//! of Rust's integers, `minLength`, `maxLength`, `pattern`, `items`, `prefixItems`, `minItems`,
//! `maxItems`, `uniqueItems`, `properties`, `patternProperties`, `additionalProperties`,
//! `unevaluatedProperties`, `required`, `minProperties`, `maxProperties`, `enum`, `const`, `$ref`,
//! `allOf`, `anyOf`, `oneOf`, and the formats `ip`, `ipv4`, `ipv6`. Two keywords are our own:
//! `x-secret` marks what is never shown, `x-expected` says in words what is valid.
//!
//! A schema that says `type: object` and names no properties takes no keys; a hand-written one for
//! a free map says `additionalProperties: true`. `#[serde(alias)]` does not reach the schema, so
//! an alias is an unknown key.
//!
//! # References
//!
//! In files and in `--set`, `${VAR}` is the variable, `${VAR:-default}` has a default for a
//! variable that is unset or empty, `${secret://backend:key}` asks a backend that
//! [`SecretsConfig`] declares, and `$${` is a literal `${`. They are resolved when a section is
//! read, and only in what is read; never in variables and never in request bodies.
//!
//! # Invariants
//!
//! 1. Every value knows its origin; every problem says where, what, and what would be right.
//! 2. No problem, no `Debug` and no effective configuration shows a value unless its schema is
//!    known and it is no secret.
//! 3. One mistake gives one problem; one read gives all problems.
//! 4. Everything is bounded, see [`limits`].
//!
//! # The way of a value
//!
//! ```text
//!  file ─▶ yaml · toml_tree · json ─┐
//!  variable, flag ──────▶ overlay ──┤
//!                                   ▼
//!                            node: one located tree
//!                                   │  Section::read
//!       rules: compiled schema ──▶ check ──▶ problems ──▶ render
//!                                   │ nothing found
//!                                   ▼
//!                            typed ──▶ serde ──▶ your type
//! ```
//!
//! Nothing is decided on the way down that the target knows better. See [`Loader`] for layers,
//! [`Section`] for reading, [`Problem`] for what a report has.
//!
//! # Several checks, one report
//!
//! A program has checks that no schema can say. They join the same report, with the same places:
//!
//! ```
//! use processpype_config::{Format, Loader, Report};
//!
//! let text = "pool:\n  min: 9\n  max: 3\n";
//! let document = Loader::new().text("app.yaml", Format::Yaml, text).load()?;
//! let pool = document.section(&["pool"]);
//! let (min, max) = (pool.get("min").read::<u32>()?, pool.get("max").read::<u32>()?);
//! let mut report: Option<Report> = pool.known_keys(&["min", "max"]).err();
//! if min > max {
//!     let problem = pool.get("min").problem("`min` is greater than `max`").help("swap them");
//!     report = Some(match report {
//!         Some(all) => all.merge(problem.into()),
//!         None => problem.into(),
//!     });
//! }
//! assert!(report.unwrap().to_string().contains("app.yaml:2:8"));
//! # Ok::<(), processpype_config::Report>(())
//! ```

mod check;
mod choose;
mod collect;
mod complain;
mod describe;
mod difference;
mod directory;
mod duration;
mod effective;
mod file;
mod interpolate;
mod json;
mod key;
mod known;
mod layer;
pub mod limits;
mod lines;
mod loader;
mod map;
mod marks;
mod masked;
mod nearest;
mod node;
mod origin;
mod overlay;
mod path;
mod pattern;
mod remedy;
mod render;
mod report;
mod room;
mod rules;
mod secret;
mod secrets;
mod section;
mod show;
mod source;
mod syntax;
mod toml_tree;
mod typed;
mod types;
mod whole;
mod yaml;

pub use difference::{Change, Difference, Side};
pub use directory::{configuration_directory, home_directory, runtime_directory};
pub use duration::{HumanDuration, InvalidDuration};
pub use effective::Effective;
pub use layer::Layer;
pub use loader::{Format, Loader};
pub use nearest::nearest;
pub use origin::Origin;
pub use overlay::Stray;
pub use report::{Problem, Report};
pub use room::{check_directory_room, check_file_room};
pub use secret::Secret;
pub use secrets::{BackendConfig, SecretsConfig};
pub use section::{Document, Section, read_json};
pub use whole::switch_of;
