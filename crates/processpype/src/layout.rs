//! Who is there and who needs whom: [`Manager::layout`], and the plan that follows from it.
//!
//! ```
//! use processpype::layout::Layout;
//! use processpype::{Application, Dep, Service, testing};
//!
//! struct Store;
//! impl Service for Store {}
//! struct Reader;
//! impl Service for Reader {}
//!
//! fn needs(layout: &Layout) -> Vec<String> {
//!     let edge = |edge: &processpype::layout::NamedEdge| {
//!         format!("{} needs {}", layout.name(edge.dependent), layout.name(edge.provider))
//!     };
//!     layout.edges.iter().map(edge).collect()
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> processpype::Result {
//! let app = Application::new().service(|| Store).service(|_: Dep<Store>| Reader);
//! let app = testing::start(app).await?;
//! assert_eq!(needs(&app.manager().layout()), ["reader needs store"]);
//! # app.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! [`Manager::layout`]: crate::Manager::layout

pub use processpype_core::{Plan, Timing};
pub use processpype_runtime::{EdgeOrigin, LaidOut, Layout, NamedEdge, NamedGroup};
