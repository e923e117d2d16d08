//! Layered configuration with located errors.

mod duration;
pub mod limits;
mod loader;
mod nearest;
mod origin;
mod render;
mod report;
mod secret;
mod section;

pub use duration::{HumanDuration, InvalidDuration};
pub use loader::{Format, Loader};
pub use nearest::nearest;
pub use origin::Origin;
pub use report::{Problem, Report};
pub use secret::Secret;
pub use section::{Document, Effective, Section, read_json};
