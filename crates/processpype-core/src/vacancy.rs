//! Which place and which numbers a service gets that joins a running application.
//!
//! # Invariants
//!
//! 1. As long as a name is remembered, its place is given to nobody else, so that a service that is
//!    registered anew goes on counting its generations where it ended: no number is given twice for
//!    one name.
//! 2. At most [`NAMES_REMEMBERED`] names are remembered. The place of the one that is forgotten is
//!    given away, and from then on every name that is not remembered begins at the highest number
//!    that was forgotten: the first invariant holds without any memory of it.

use std::collections::VecDeque;

use crate::graph::ServiceId;
use crate::name::ServiceName;
use crate::state::Generation;

/// How many names of services that have left are remembered, each with its place.
pub(crate) const NAMES_REMEMBERED: usize = 1024;

/// The places that services have left.
///
/// ```
/// use processpype_core::{Generation, ServiceId, ServiceName, Vacancies};
///
/// let mut vacancies = Vacancies::default();
/// let [one, other] = ["one", "other"].map(|name| ServiceName::new(name).unwrap());
/// vacancies.left(one.clone(), ServiceId(0), Generation(3));
/// assert_eq!(vacancies.place(&other, 5), (ServiceId(5), Generation(0)), "the next place");
/// assert_eq!(vacancies.place(&one, 6).0, ServiceId(0), "where it has been");
/// ```
#[derive(Clone, Debug)]
pub struct Vacancies {
    /// Oldest first.
    left: VecDeque<(ServiceName, ServiceId, Generation)>,
    remembered: usize,
    /// The highest number of a name that was forgotten.
    floor: Generation,
}

// === impl Vacancies ===

impl Default for Vacancies {
    fn default() -> Self {
        Self::remembering(NAMES_REMEMBERED)
    }
}

impl Vacancies {
    fn remembering(remembered: usize) -> Self {
        Self { left: VecDeque::new(), remembered, floor: Generation(0) }
    }

    /// Notes that a service has left its place; `last` is the number of its last generation.
    pub fn left(&mut self, name: ServiceName, place: ServiceId, last: Generation) {
        self.left.push_back((name, place, last));
    }

    /// Returns the place in which a service joins, and the number after which its generations
    /// count. `next` is the place after all that there are.
    ///
    /// Nothing is given away by asking: [`joined`](Self::joined) does that.
    #[must_use]
    pub fn place(&self, name: &ServiceName, next: u32) -> (ServiceId, Generation) {
        if let Some((_, place, last)) = self.left.iter().find(|(left, ..)| left == name) {
            return (*place, *last);
        }
        match self.left.front() {
            Some((_, place, last)) if self.left.len() >= self.remembered => {
                (*place, self.floor.max(*last))
            }
            _ => (ServiceId(next), self.floor),
        }
    }

    /// Notes that a service has joined in this place.
    pub fn joined(&mut self, name: &ServiceName, place: ServiceId) {
        let Some(at) = self.left.iter().position(|(_, left, _)| *left == place) else { return };
        if let Some((left, _, last)) = self.left.remove(at)
            && left != *name
        {
            self.floor = self.floor.max(last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> ServiceName {
        ServiceName::new(name).expect("a valid name")
    }

    /// Lets services join and leave, each with one more generation; returns place and number.
    fn pass(vacancies: &mut Vacancies, of: &str, next: &mut u32) -> (u32, u64) {
        let (place, after) = vacancies.place(&name(of), *next);
        *next = (*next).max(place.0 + 1);
        vacancies.joined(&name(of), place);
        let number = after.next();
        vacancies.left(name(of), place, number);
        (place.0, number.0)
    }

    #[test]
    fn a_name_comes_back_to_its_place_and_goes_on_counting() {
        let (mut vacancies, mut next) = (Vacancies::remembering(2), 0);
        let mut pass = |of| pass(&mut vacancies, of, &mut next);
        assert_eq!([pass("a"), pass("a"), pass("b"), pass("a")], [(0, 1), (0, 2), (1, 1), (0, 3)]);
    }

    #[test]
    fn places_are_bounded_and_no_number_is_given_twice_for_a_name() {
        let (mut vacancies, mut next) = (Vacancies::remembering(3), 0);
        let mut given = std::collections::HashSet::new();
        let mut chance = 7_u64;
        for _ in 0..1000 {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let of = format!("n{}", (chance >> 33) % 7);
            let (place, number) = pass(&mut vacancies, &of, &mut next);
            assert!(place < 3, "places are reused");
            assert!(given.insert((of, number)), "a number was given twice");
        }
    }
}
