//! The four services. Each is thin: what it does is in the modules beside, what keeps it alive
//! is the framework's.

mod api;
mod collector;
mod retention;
mod store;

pub use api::Api;
pub use collector::Collector;
pub use retention::Retention;
pub use store::Store;
