//! Files kept back, so that an operator gets in when services have opened all that may be.
//!
//! # Invariants
//!
//! 1. One is given up for a connection that could not be accepted without, and taken back as soon
//!    as one can be had again: when that connection ends, at the latest.
//! 2. To keep none is no error: whoever has so few files needs them more.

use std::io;
use std::sync::{Mutex, PoisonError};

/// How many a listener of the control API keeps back: an operator who looks, one who commands, and
/// two of a platform that asks whether the process lives.
const SPARES: usize = 4;

#[cfg(unix)]
type Spare = std::os::unix::net::UnixDatagram;
#[cfg(not(unix))]
type Spare = std::convert::Infallible;

/// Files that are open for nothing but to be closed.
#[derive(Debug, Default)]
pub(crate) struct Spares {
    most: usize,
    kept: Mutex<Vec<Spare>>,
}

// === impl Spares ===

impl Spares {
    /// Keeps some back, or none.
    pub(crate) fn keep(are_kept: bool) -> Self {
        let spares = Self { most: if are_kept { SPARES } else { 0 }, kept: Mutex::default() };
        spares.fill();
        spares
    }

    /// Gives one up; `false` if there is none.
    pub(crate) fn give_up(&self) -> bool {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop().is_some()
    }

    /// Takes back what is missing, as far as it can be had.
    pub(crate) fn fill(&self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        while kept.len() < self.most
            && let Ok(spare) = open()
        {
            kept.push(spare);
        }
    }
}

/// A socket without a name: it needs one descriptor, and nothing else of the machine.
#[cfg(unix)]
fn open() -> io::Result<Spare> {
    Spare::unbound()
}

/// Nowhere else are descriptors so few.
#[cfg(not(unix))]
fn open() -> io::Result<Spare> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_up_is_taken_back() {
        let spares = Spares::keep(true);
        for _ in 0..2 {
            for _ in 0..SPARES {
                assert!(spares.give_up());
            }
            assert!(!spares.give_up());
            spares.fill();
        }
        assert!(!Spares::keep(false).give_up());
    }
}
