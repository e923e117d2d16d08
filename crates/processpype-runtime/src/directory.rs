//! Who is there: for readers a list that is replaced whole, for the loop one place for each id.
//!
//! # Invariants
//!
//! 1. A [`Directory`] never changes. When a service joins or leaves, another one takes its place,
//!    so a reader waits for nobody and sees either all of a change or nothing of it.
//! 2. It is in the order of names, and so is its layout, whose ids are its own: they are places in
//!    this order, and not the ids that the loop knows.
//! 3. In [`Places`] a place is empty from the moment a service has left until one joins in it.

mod at_hand;

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::ops::{Index, IndexMut};
use std::sync::Arc;

use foldhash::fast::FixedState;

use crate::cell::Cell;
use crate::layout::Layout;

pub(crate) use self::at_hand::AtHand;

/// Every service, as readers find it.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    cells: Arc<Cells>,
    layout: Arc<Layout>,
}

/// What is known of every service, in the order of names and by name.
///
/// Apart from the layout, which holds what services are made by: whoever keeps these for a while
/// keeps nothing that is the user's.
#[derive(Debug, Default)]
pub(crate) struct Cells {
    all: Box<[Arc<Cell>]>,
    by_name: HashSet<ByName, FixedState>,
}

/// A cell, which is found by the name in it.
#[derive(Debug)]
struct ByName(Arc<Cell>);

/// What the loop keeps for each service, by its id.
#[derive(Debug)]
pub(crate) struct Places<T>(Vec<Option<T>>);

// === impl Directory ===

impl Directory {
    /// Makes the directory of `cells`; they and `layout` are in the order of names.
    pub(crate) fn new(cells: impl Into<Box<[Arc<Cell>]>>, layout: Layout) -> Self {
        let cells = cells.into();
        debug_assert!(cells.is_sorted_by(|one, other| one.name() < other.name()));
        #[expect(clippy::mutable_key_type, reason = "a cell's name never changes")]
        let by_name = cells.iter().map(|cell| ByName(Arc::clone(cell))).collect();
        Self { cells: Arc::new(Cells { all: cells, by_name }), layout: Arc::new(layout) }
    }

    pub(crate) fn cells(&self) -> &Arc<Cells> {
        &self.cells
    }

    /// Returns where a service stands in the order of names.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.cells.all.binary_search_by(|cell| cell.name().as_str().cmp(name)).ok()
    }

    pub(crate) fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }
}

// === impl Cells ===

impl Cells {
    /// Every service, in the order of names.
    pub(crate) fn all(&self) -> &[Arc<Cell>] {
        &self.all
    }

    #[inline]
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Cell>> {
        self.by_name.get(name).map(|found| &found.0)
    }
}

// === impl ByName ===

impl Borrow<str> for ByName {
    fn borrow(&self) -> &str {
        self.0.name().as_str()
    }
}

impl Hash for ByName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.name().as_str().hash(state);
    }
}

impl PartialEq for ByName {
    fn eq(&self, other: &Self) -> bool {
        self.0.name() == other.0.name()
    }
}

impl Eq for ByName {}

// === impl Places ===

impl<T> Places<T> {
    /// Makes a place for each of `all`, in their order.
    pub(crate) fn new(all: impl IntoIterator<Item = T>) -> Self {
        let all = all.into_iter();
        // Collecting would keep the far larger room of what they are made from.
        let mut places = Vec::with_capacity(all.size_hint().0);
        places.extend(all.map(Some));
        Self(places)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn get(&self, place: usize) -> Option<&T> {
        self.0.get(place)?.as_ref()
    }

    /// Puts something in an empty place, or in the next one.
    pub(crate) fn seat(&mut self, place: usize, value: T) {
        if place == self.0.len() {
            self.0.push(None);
        }
        self.0[place] = Some(value);
    }

    pub(crate) fn vacate(&mut self, place: usize) -> Option<T> {
        self.0[place].take()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten()
    }
}

impl<T> Default for Places<T> {
    /// Nobody.
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Index<usize> for Places<T> {
    type Output = T;

    fn index(&self, place: usize) -> &T {
        self.0[place].as_ref().expect("the machine speaks of no service that has left")
    }
}

impl<T> IndexMut<usize> for Places<T> {
    fn index_mut(&mut self, place: usize) -> &mut T {
        self.0[place].as_mut().expect("the machine speaks of no service that has left")
    }
}
