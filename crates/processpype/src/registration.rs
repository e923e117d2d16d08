//! Services that join while the application runs: [`Manager::register`].
//!
//! They are checked as at the start, and stay until they are deregistered or the process ends. Of a
//! type at hand a [`Spec`] is made with [`Kind::of`]; of a kind that the application knows by name,
//! with a section like one of the file's, by [`Manager::create`].
//!
//! ```
//! use std::sync::Arc;
//! use processpype::config::Layer;
//! use processpype::registration::{Kind, Registration, Spec, Wish};
//! use processpype::{Application, Config, Dep, Request, Service, testing};
//! use schemars::JsonSchema;
//! use serde::Deserialize;
//!
//! #[derive(Deserialize, JsonSchema)]
//! struct TickerConfig { step: u64 }
//!
//! struct Ticker { step: u64 }
//! impl Ticker { fn new(config: Config<TickerConfig>) -> Self { Self { step: config.step } } }
//! impl Service for Ticker {}
//! # fn step(ticker: &Ticker) -> u64 { ticker.step }
//!
//! struct Watcher;
//! impl Service for Watcher {}
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let app = testing::start(Application::new().kind("ticker", Ticker::new).creatable()).await?;
//! let manager = app.manager();
//! let by = || Request::by("scaler").because("more work");
//!
//! // Of a kind, by its name.
//! let section = Layer::from_json(br#"{"step": 2}"#)?;
//! let wish = Wish::of("fast".parse()?, "ticker").with_section(section);
//! let spec = manager.create(&wish).await?;
//! let registered = manager.register(Registration::of(spec).started(), by()).await?;
//! registered.start.expect("it was asked for").outcome().await?;
//!
//! // Of a type, with a handle to the first.
//! let kind = Arc::new(Kind::of(|_: Dep<Ticker>| Watcher));
//! let registration = Registration::of(Spec::new("watcher".parse()?, kind));
//! let foreseen = manager.preview_registration(registration.clone()).await?;
//! assert!(foreseen.result.is_some_and(|result| result.is_ok()));
//! manager.register(registration.started(), by()).await?;
//! app.wait("watcher", processpype::ServiceState::Running).await?;
//!
//! assert!(manager.deregister("fast").await.is_err(), "`watcher` needs it");
//! manager.deregister("watcher").await?;
//! manager.deregister("fast").await?;
//! assert!(manager.names().is_empty());
//! # app.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! [`Manager::register`]: crate::Manager::register
//! [`Manager::create`]: crate::Manager::create

pub use processpype_runtime::{
    Choice, ConfigType, CreateError, EdgeChoice, HangLimit, InvalidHangLimit, Kind, Options,
    REGISTERED_MAX, RegisterError, Registered, Registration, Spec, Wish,
};
