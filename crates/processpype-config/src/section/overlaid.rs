//! Sections that lie over each other, and what differs between two of them.
//!
//! # Invariants
//!
//! 1. What lies over keeps its origins, and knows what it overrides.

use std::borrow::Cow;

use schemars::Schema;

use super::Section;
use crate::difference::{self, Difference};
use crate::node::Node;
use crate::rules::Rules;

// === impl Section ===

impl Section {
    /// Lays `self` over `below`, as a higher layer lies over a lower one; origins are kept.
    ///
    /// The result has the path of `self`. An empty section (`counter:`) hides nothing.
    ///
    /// # Example
    ///
    /// ```
    /// # mod processpype { pub use processpype_config as config; }
    /// use processpype::config::{Format, Loader};
    ///
    /// let text = "defaults: {stop_timeout: 10s}\nservices: {counter: {step: 1}}";
    /// let document = Loader::new().text("app.yaml", Format::Yaml, text).load()?;
    /// let counter = document.section(&["services", "counter"]);
    /// let merged = counter.over(&document.section(&["defaults"]));
    /// assert_eq!(merged.keys().len(), 2);
    /// assert_eq!(merged.path(), "services.counter");
    /// # Ok::<(), processpype_config::Report>(())
    /// ```
    #[must_use]
    pub fn over(&self, below: &Self) -> Self {
        self.with(match (self.own_node(), below.own_node()) {
            (Some(high), Some(low)) if high.is_null() && low.as_map().is_some() => {
                Some(low.into_owned())
            }
            (Some(high), Some(low)) => Some(high.over(&low)),
            (high, low) => high.or(low).map(Cow::into_owned),
        })
    }

    /// Lays a tree over this section.
    pub(crate) fn laid_over(&self, high: &Node) -> Self {
        let low = self.own_node();
        self.with(Some(low.map_or_else(|| high.clone(), |low| high.over(&low))))
    }

    /// Whether `other` says the same, wherever it says it; the order of keys does not count.
    ///
    /// What `${…}` stands for is not looked at. `name: a` and `name: "a"` count as different: for
    /// some types they are.
    #[must_use]
    pub fn says_what(&self, other: &Self) -> bool {
        match (self.own_node(), other.own_node()) {
            (Some(one), Some(other)) => one.says_what(&other),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    /// Lists what `newer` says otherwise: value by value, with the places of both.
    ///
    /// A value is shown only where the schema knows it and it is no secret; a secret that has
    /// changed is listed as `***` on both sides. Defaults of the schema count as values, so that
    /// what is written for the first time shows what held before.
    ///
    /// ```
    /// # mod processpype { pub use processpype_config as config; }
    /// use processpype::config::{Format, Loader};
    /// use schemars::{JsonSchema, schema_for};
    ///
    /// #[derive(JsonSchema)]
    /// #[allow(dead_code)]
    /// struct Db { port: u16, password: String }
    ///
    /// let load = |text| Loader::new().text("app.yaml", Format::Yaml, text).load();
    /// let before = load("db: {port: 1, password: x}")?.section(&["db"]);
    /// let after = load("db: {port: 2, password: y}")?.section(&["db"]);
    /// let all = before.differences(&after, &schema_for!(Db));
    /// assert_eq!(all[0].to_string(), "db.port: 1 -> 2 (app.yaml:1:12)");
    /// assert_eq!(all[1].to_string(), "db.password: *** -> *** (app.yaml:1:25)");
    /// # Ok::<(), processpype_config::Report>(())
    /// ```
    #[must_use]
    pub fn differences(&self, newer: &Self, schema: &Schema) -> Vec<Difference> {
        let rules = Rules::new(schema.as_value());
        let path = self.path();
        let (old, new) = (self.own_node(), newer.own_node());
        difference::between(&rules, old.as_deref(), new.as_deref(), &path)
    }
}
