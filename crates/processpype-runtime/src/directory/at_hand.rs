//! The directory that holds, whose cells each thread that looks keeps at hand.
//!
//! # Invariants
//!
//! 1. Whoever looks after a directory was shown sees that one or a later one.
//! 2. A look waits for nobody and, while nobody joins or leaves, writes nothing that threads share;
//!    but a thread's first look takes a lock, for the number by which its cells are found.
//! 3. A thread that ends, whose own things are dropped one after the other, may look all the same:
//!    it keeps nothing then.
//!
//! # What it costs
//!
//! Holding a swapped pointer for the time of a look takes two atomic writes, which were a third of
//! all that reading a status took. So each thread keeps the cells that it saw last, and compares
//! one address. A thread that never looks again keeps older ones until the application is gone: at
//! most one list for each thread that has ever looked, whose cells are shared with the newest.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use thread_local::ThreadLocal;

use super::{Cells, Directory};

thread_local! {
    /// Whether this thread ends, and its number may have been given back. It has nothing to drop,
    /// so it can be asked to the last.
    static ENDS: Cell<bool> = const { Cell::new(false) };
    /// Made after the thread has its number, and so dropped before that is given back.
    static MARK: Mark = const { Mark };
}

/// Notes, when it is dropped, that its thread ends.
struct Mark;

impl Drop for Mark {
    fn drop(&mut self) {
        ENDS.set(true);
    }
}

/// The directory of now, for many who look and one who replaces it.
#[derive(Debug)]
pub(crate) struct AtHand {
    newest: ArcSwap<Directory>,
    /// Where the newest cells are: whoever keeps others has to look at the directory.
    address: AtomicUsize,
    seen: ThreadLocal<RefCell<Arc<Cells>>>,
}

// === impl AtHand ===

impl AtHand {
    pub(crate) fn new(directory: Arc<Directory>) -> Self {
        let address = AtomicUsize::new(address(directory.cells()));
        Self { newest: ArcSwap::new(directory), address, seen: ThreadLocal::new() }
    }

    /// Shows another directory from now on.
    pub(crate) fn show(&self, directory: Directory) {
        // First, so that nobody who has seen the directory believes that the older cells hold.
        self.address.store(address(directory.cells()), Ordering::Release);
        self.newest.store(Arc::new(directory));
    }

    /// Looks at the cells of now.
    #[inline]
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Cells) -> T) -> T {
        if ENDS.get() {
            return look(&self.cells());
        }
        let seen = self.seen.get_or(|| RefCell::new(self.cells()));
        // Each time: what stands under a thread's number may be from one before it.
        MARK.with(|_| ());
        match seen.try_borrow_mut() {
            Ok(mut seen) => {
                // What is kept is alive, so nothing else can have its address.
                if address(&seen) != self.address.load(Ordering::Acquire) {
                    *seen = self.cells();
                }
                look(&seen)
            }
            // A look within a look.
            Err(_) => look(&self.cells()),
        }
    }

    /// The directory of now, to keep.
    pub(crate) fn get(&self) -> Arc<Directory> {
        self.newest.load_full()
    }

    #[cold]
    fn cells(&self) -> Arc<Cells> {
        Arc::clone(self.newest.load().cells())
    }
}

fn address(cells: &Arc<Cells>) -> usize {
    Arc::as_ptr(cells).addr()
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use processpype_core::ServiceName;

    use super::*;
    use crate::cell::Cell;
    use crate::layout::Layout;

    fn of(name: &str) -> Directory {
        let name = ServiceName::new(name).expect("a name");
        Directory::new([Cell::detached(name)], Layout::default())
    }

    fn names(cells: &Cells) -> Vec<String> {
        cells.all().iter().map(|cell| cell.name().to_string()).collect()
    }

    #[test]
    fn every_thread_sees_what_was_shown_before_it_looked() {
        let at_hand = AtHand::new(Arc::new(of("first")));
        let look = || at_hand.look(names);
        let turn = Barrier::new(2);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                let before = look();
                turn.wait();
                turn.wait();
                (before, look())
            });
            assert_eq!(look(), ["first"]);
            turn.wait();
            at_hand.show(of("second"));
            turn.wait();
            assert_eq!(look(), ["second"]);
            let (before, after) = other.join().expect("no panic");
            assert_eq!((before, after), (vec!["first".into()], vec!["second".into()]));
        });
    }

    #[test]
    fn what_a_thread_drops_at_its_end_may_look() {
        struct Late(Arc<AtHand>, std::sync::mpsc::Sender<Vec<String>>);

        impl Drop for Late {
            fn drop(&mut self) {
                self.1.send(self.0.look(names)).expect("somebody waits for it");
            }
        }

        thread_local! {
            static LATE: RefCell<Option<Late>> = const { RefCell::new(None) };
        }
        let at_hand = Arc::new(AtHand::new(Arc::new(of("first"))));
        let (told, names_seen) = std::sync::mpsc::channel();
        // The second one may have the number of the first, and find its cells.
        for _ in 0..2 {
            let (at_hand, told) = (Arc::clone(&at_hand), told.clone());
            let thread = std::thread::spawn(move || {
                // Before the first look, and so dropped after all that this makes.
                LATE.set(Some(Late(Arc::clone(&at_hand), told)));
                at_hand.look(|_| ());
            });
            thread.join().expect("it ends");
            assert_eq!(names_seen.recv(), Ok(vec!["first".to_owned()]));
        }
    }

    #[test]
    fn a_look_within_a_look_sees_what_was_shown_meanwhile() {
        let at_hand = AtHand::new(Arc::new(of("first")));
        at_hand.look(|outer| {
            at_hand.show(of("second"));
            assert_eq!(names(outer), ["first"]);
            assert_eq!(at_hand.look(names), ["second"]);
        });
        assert_eq!(at_hand.look(names), ["second"]);
    }

    #[test]
    fn a_thread_that_looks_again_gives_the_older_cells_up() {
        let at_hand = AtHand::new(Arc::new(of("first")));
        let first = Arc::downgrade(at_hand.get().cells());
        at_hand.look(|_| ());
        at_hand.show(of("second"));
        assert_eq!(first.strong_count(), 1);
        at_hand.look(|_| ());
        assert_eq!(first.strong_count(), 0);
    }
}
