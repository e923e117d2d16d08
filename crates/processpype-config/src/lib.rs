#![doc = include_str!("../README.md")]
#![doc = ""]
//! # Invariants
//!
//! 1. Every value knows its origin; every problem says where, what, and what would be right.
//! 2. No problem, no `Debug` and no effective configuration shows a value unless its schema is
//!    known and it is no secret.
//! 3. One mistake gives one problem; one read gives all problems.
//! 4. Everything is bounded, see [`limits`].

mod check;
mod choose;
mod describe;
mod duration;
mod effective;
mod interpolate;
mod json;
pub mod limits;
mod loader;
mod nearest;
mod node;
mod origin;
mod overlay;
mod render;
mod report;
mod rules;
mod secret;
mod secrets;
mod section;
mod show;
mod source;
mod toml_tree;
mod typed;
mod types;
mod yaml;

pub use duration::{HumanDuration, InvalidDuration};
pub use effective::Effective;
pub use loader::{Format, Loader};
pub use nearest::nearest;
pub use origin::Origin;
pub use report::{Problem, Report};
pub use secret::Secret;
pub use secrets::{BackendConfig, SecretsConfig};
pub use section::{Document, Section, read_json};
