//! A machine monitor of four services: the main example of Processpype.
//!
//! `collector` samples the machine, `store` keeps the samples on disk, `api` answers for them,
//! `retention` forgets the old ones. What needs no framework is in modules of its own and tested
//! alone; the services are thin.

mod answer;
mod application;
mod archive;
mod clock;
mod history;
mod metric;
mod problem;
mod sample;
mod sampler;
#[cfg(test)]
mod scratch;
mod services;
mod settings;

pub use answer::{HistoryAnswer, LatestAnswer};
pub use application::application;
pub use archive::{Archive, ArchiveError, Latest};
pub use clock::Time;
pub use history::{BadQuery, Downsampler, HistoryQuery, Point, Window};
pub use metric::{Metric, UnknownMetric};
pub use problem::Problem;
pub use sample::Sample;
pub use sampler::{MIN_INTERVAL, Sampler, SamplerOptions};
pub use services::{Api, Collector, Retention, Store};
pub use settings::{Between, CollectorConfig, OutOfRange, RetentionConfig, StoreConfig};
