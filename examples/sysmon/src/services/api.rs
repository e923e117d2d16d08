//! `api`: answers for the samples, below `/services/api`.
//!
//! | request | answer |
//! |---|---|
//! | `GET /latest` | the newest value of every metric, with its time |
//! | `GET /history?metric=cpu&minutes=5` | the values of a metric as points |

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::routing::get;
use processpype::{Dep, Error, Routes, Service};
use serde::Deserialize;

use crate::answer::{HistoryAnswer, LatestAnswer};
use crate::problem::Problem;
use crate::{HistoryQuery, Store, Time};

/// The service.
#[derive(Debug)]
pub struct Api {
    store: Dep<Store>,
}

/// The parameters of a history as they stand in the URL; a misspelt one is refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    metric: Option<String>,
    minutes: Option<String>,
    points: Option<String>,
}

// === impl Api ===

impl Api {
    /// Takes the store to read from.
    #[must_use]
    pub fn new(store: Dep<Store>) -> Self {
        Self { store }
    }

    async fn latest(State(api): State<Arc<Self>>) -> Result<LatestAnswer, Problem> {
        let store = api.store.get().map_err(|error| Problem::unavailable(&error))?;
        let latest = store.latest(Time::now()).await.map_err(|error| api.problem(&error))?;
        Ok(LatestAnswer::from(latest))
    }

    async fn history(
        State(api): State<Arc<Self>>,
        parameters: Result<Query<Parameters>, QueryRejection>,
    ) -> Result<HistoryAnswer, Problem> {
        let query = parameters?.0.check()?;
        let store = api.store.get().map_err(|error| Problem::unavailable(&error))?;
        let points = store.history(query, Time::now()).await;
        let points = points.map_err(|error| api.problem(&error))?;
        Ok(HistoryAnswer::new(query, &points))
    }

    /// A store that went away while it read is not there; one that stayed has failed.
    fn problem(&self, error: &Error) -> Problem {
        match self.store.get() {
            Ok(_) => Problem::internal(&error.chain()),
            Err(unavailable) => Problem::unavailable(&unavailable),
        }
    }
}

impl Service for Api {
    fn routes(self: Arc<Self>) -> Routes {
        Router::new()
            .route("/latest", get(Self::latest))
            .route("/history", get(Self::history))
            .with_state(self)
            .into()
    }
}

// === impl Parameters ===

impl Parameters {
    fn check(&self) -> Result<HistoryQuery, Problem> {
        let Self { metric, minutes, points } = self;
        Ok(HistoryQuery::parse(metric.as_deref(), minutes.as_deref(), points.as_deref())?)
    }
}
