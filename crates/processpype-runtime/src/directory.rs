//! Who is there: for readers a list that is replaced whole, for the loop one place for each id.
//!
//! # Invariants
//!
//! 1. A [`Directory`] never changes. When a service joins or leaves, another one takes its place,
//!    so a reader waits for nobody and sees either all of a change or nothing of it.
//! 2. It is in the order of names, and so is its layout, whose ids are its own: they are places in
//!    this order, and not the ids that the loop knows.
//! 3. In [`Places`] a place is empty from the moment a service has left until one joins in it.

use std::collections::HashMap;
use std::ops::{Index, IndexMut};
use std::sync::Arc;

use foldhash::fast::FixedState;
use processpype_core::ServiceName;

use crate::cell::Cell;
use crate::layout::Layout;

/// Every service, as readers find it.
#[derive(Debug)]
pub(crate) struct Directory {
    cells: Vec<Arc<Cell>>,
    by_name: HashMap<ServiceName, usize, FixedState>,
    layout: Arc<Layout>,
}

/// What the loop keeps for each service, by its id.
#[derive(Debug)]
pub(crate) struct Places<T>(Vec<Option<T>>);

// === impl Directory ===

impl Directory {
    /// Makes the directory of `cells`; `layout` is in the order of names.
    pub(crate) fn new(mut cells: Vec<Arc<Cell>>, layout: Layout) -> Self {
        cells.sort_by(|one, other| one.name().cmp(other.name()));
        let names = cells.iter().map(|cell| cell.name().clone());
        let by_name = names.enumerate().map(|(place, name)| (name, place)).collect();
        Self { cells, by_name, layout: Arc::new(layout) }
    }

    pub(crate) fn cells(&self) -> &[Arc<Cell>] {
        &self.cells
    }

    pub(crate) fn cell(&self, name: &str) -> Option<&Arc<Cell>> {
        self.cells.get(*self.by_name.get(name)?)
    }

    pub(crate) fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }
}

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
