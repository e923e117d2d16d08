//! What ties services to others, compared.
//!
//! # Invariants
//!
//! 1. A tie that somebody chose, by `depends_on`, `uses` or `edges`, is never left out of sight.
//! 2. Who stands behind an argument by being there counts only as far as it has been there all the
//!    time: a handle is bound once, so nobody's changes when a service comes or goes.
//!
//! # Why it is asked
//!
//! A reload takes a section over where the plan is the same, and leaves a service as it is where it
//! is not. A service with `Deps<S>` would be left as it is with every instance that comes or goes,
//! though nothing in its own section says anything else.

use processpype_core::{ServiceName, each};

use super::Ties;

// === impl Ties ===

impl Ties {
    /// Whether both are the same but for services of which `comes_or_goes` is true that stand
    /// behind an argument: nobody chose them, they were or will be there.
    #[must_use]
    pub fn is_same_but_for(
        &self,
        other: &Self,
        comes_or_goes: impl Fn(&ServiceName) -> bool,
    ) -> bool {
        let lasting = |ties: &Self| {
            let behind = |name: &ServiceName| ties.arguments.iter().any(|all| all.contains(name));
            let goes = |name: &ServiceName| comes_or_goes(name) && behind(name);
            let needs = ties.needs.iter().filter(|(name, _)| !goes(name)).cloned();
            let argument = |all: &Vec<ServiceName>| {
                all.iter().filter(|name| !goes(name)).cloned().collect::<Vec<_>>()
            };
            let arguments = each(&ties.arguments, argument);
            (needs.collect::<Vec<_>>(), arguments)
        };
        lasting(self) == lasting(other)
    }
}
