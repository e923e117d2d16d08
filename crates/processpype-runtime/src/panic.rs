//! Containment of panics in user code.
//!
//! A panic in a hook, a child or a handler is caught where it is polled and becomes an error with
//! its message. Where and with which backtrace it happened is known only to the panic hook: under
//! `.main()` that hook calls [`record`], and the catcher takes the record of its own thread.
//!
//! # Invariants
//!
//! 1. Every place that calls or polls user code does so inside [`contain`] or [`contained`]. What
//!    user code hands over is user code, too: the text of its errors, and whatever is dropped.
//! 2. Thread-locals are looked at with `try_with` alone, so that a panic while a thread ends is
//!    safe.
//! 3. A value that was being changed when its code panicked is not used again, but for locks that
//!    ignore poison on purpose; that is what makes `AssertUnwindSafe` true here.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

thread_local! {
    /// What the hook saw of the panic that this thread is unwinding from.
    static SEEN: RefCell<Option<PanicSite>> = const { RefCell::new(None) };
    /// How many containments this thread is in.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// The longest panic message kept, in bytes.
const MESSAGE_MAX: usize = 4096;

/// Where a panic happened; made by a panic hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PanicSite {
    /// `file:line:column`.
    pub location: String,
    /// The backtrace, if `RUST_BACKTRACE` asks for one.
    pub backtrace: Option<String>,
}

/// A contained panic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Panicked {
    /// The panic's message.
    pub message: String,
    /// Where it happened, if a hook recorded it.
    pub site: Option<PanicSite>,
}

/// Records where this thread panics. For the panic hook that `.main()` installs.
///
/// Called from within a panic: it allocates nothing and cannot panic.
pub fn record(site: PanicSite) {
    // A hook must not panic: if the slot is gone or borrowed, the site stays unknown.
    let _ = SEEN.try_with(|seen| seen.try_borrow_mut().map(|mut seen| *seen = Some(site)));
}

/// Returns whether a panic of this thread, now, would be contained. For the panic hook.
///
/// A hook that sees `true` leaves the telling to the supervisor, which knows the service.
#[must_use]
pub fn is_contained() -> bool {
    DEPTH.try_with(Cell::get).unwrap_or(0) > 0
}

/// Calls `f` and returns its value, or the panic it ended with.
///
/// Whoever calls it tells of the panic: a hook that asks [`is_contained`] leaves it to them.
///
/// ```
/// let panicked = processpype_runtime::contain(|| panic!("no more")).map(|(): ()| ());
/// assert_eq!(panicked.expect_err("it panicked").message, "no more");
/// ```
///
/// # Errors
///
/// Returns [`Panicked`] if `f` panics; where that was is known if a hook has called
/// [`record_panic`](crate::record_panic).
pub fn contain<T>(f: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch(f).map_err(Panicked::of)
}

/// Calls `f` and returns its value, or what it panicked with.
fn catch<T>(f: impl FnOnce() -> T) -> std::thread::Result<T> {
    go_deeper(1);
    let outcome = catch_unwind(AssertUnwindSafe(f));
    go_deeper(-1);
    outcome
}

// What follows is the same for all types, so that no type brings a copy of it.

fn go_deeper(by: i32) {
    let _ = DEPTH.try_with(|depth| depth.set(depth.get().saturating_add_signed(by)));
}

fn tell(panicked: &Panicked) {
    tracing::error!(target: "processpype", "a value {panicked}, while it was dropped");
}

/// Drops a value of user code. A panic in its `Drop` is logged, and goes no further.
pub(crate) fn drop_contained<T>(value: T) {
    if let Err(panicked) = contain(move || drop(value)) {
        tell(&panicked);
    }
}

/// A value of user code that is kept. A panic in its `Drop` is logged, and goes no further,
/// whoever drops it.
#[derive(Clone)]
pub(crate) struct Fragile<T>(Option<T>);

/// A future whose panics become values: in its polls, and when it is dropped at its end.
///
/// # Cancel safety
///
/// Dropping drops the future within; a panic in that is logged. [`cut`](Self::cut) returns it.
pub(crate) struct Contained<F>(Option<F>);

/// Contains a future that is not boxed yet.
pub(crate) fn contained<F: Future>(future: F) -> Contained<Pin<Box<F>>> {
    Contained::new(Box::pin(future))
}

// === impl Fragile ===

impl<T> From<T> for Fragile<T> {
    fn from(value: T) -> Self {
        Self(Some(value))
    }
}

impl<T> Deref for Fragile<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("it is taken by drop only")
    }
}

impl<T> Drop for Fragile<T> {
    fn drop(&mut self) {
        drop_contained(self.0.take());
    }
}

impl<T: std::fmt::Debug> std::fmt::Debug for Fragile<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (**self).fmt(f)
    }
}

// === impl Contained ===

impl<F: Future + Unpin> Contained<F> {
    pub(crate) fn new(future: F) -> Self {
        Self(Some(future))
    }

    /// Makes a future and polls it, both contained.
    pub(crate) fn begin(
        make: impl FnOnce() -> F,
        cx: &mut Context<'_>,
    ) -> (Self, Poll<Result<F::Output, Panicked>>) {
        let mut contained = Self(None);
        let place = &mut contained.0;
        let outcome = contain(|| Pin::new(place.insert(make())).poll(cx));
        let outcome = contained.ended(outcome);
        (contained, outcome)
    }

    /// Drops the future if it is over.
    fn ended(
        &mut self,
        outcome: Result<Poll<F::Output>, Panicked>,
    ) -> Poll<Result<F::Output, Panicked>> {
        let outcome = match outcome {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(value)) => Ok(value),
            Err(panicked) => Err(panicked),
        };
        // The first panic counts.
        Poll::Ready(match (outcome, self.drop_future()) {
            (Ok(value), Err(panicked)) => {
                drop_contained(value);
                Err(panicked)
            }
            (outcome, _) => outcome,
        })
    }

    /// Drops the future before its end, and returns the panic that this caused.
    pub(crate) fn cut(mut self) -> Option<Panicked> {
        self.drop_future().err()
    }

    fn drop_future(&mut self) -> Result<(), Panicked> {
        let future = self.0.take();
        contain(move || drop(future))
    }
}

impl<F: Future + Unpin> Future for Contained<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.0 else { return Poll::Pending };
        let outcome = contain(|| Pin::new(future).poll(cx));
        self.ended(outcome)
    }
}

impl<F> Drop for Contained<F> {
    fn drop(&mut self) {
        drop_contained(self.0.take());
    }
}

// === impl Panicked ===

impl Panicked {
    /// What is told of a panic. The value that it had is dropped here.
    ///
    /// If that panics, too, its own value is never dropped: who knows where that would end.
    #[cold]
    fn of(payload: Box<dyn Any + Send>) -> Self {
        let panicked = Self::from_payload(payload.as_ref());
        if let Err(again) = catch(move || drop(payload)) {
            let later = Self::from_payload(again.as_ref());
            std::mem::forget(again);
            tracing::error!(
                target: "processpype",
                "the value of a panic {later}, while it was dropped"
            );
        }
        panicked
    }

    /// Writes what is told at the end of a text.
    pub(crate) fn write_to(&self, text: &mut String) {
        text.extend(self.parts());
    }

    /// What is told, in pieces.
    fn parts(&self) -> [&str; 4] {
        let (at, site) = self.site.as_ref().map_or(("", ""), |site| (", at ", &*site.location));
        ["panicked: ", &self.message, at, site]
    }

    fn from_payload(payload: &(dyn Any + Send)) -> Self {
        let text = (payload.downcast_ref::<&str>().copied())
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("panicked with a value that is no text");
        let mut end = text.len().min(MESSAGE_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let site = SEEN.try_with(RefCell::take).ok().flatten();
        Self { message: text[..end].to_owned(), site }
    }
}

impl std::fmt::Display for Panicked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.parts().iter().try_for_each(|part| f.write_str(part))
    }
}

impl std::error::Error for Panicked {}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// A future that panics when it is dropped.
    struct Sore(Poll<()>);

    impl Future for Sore {
        type Output = ();

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            self.0
        }
    }

    impl Drop for Sore {
        fn drop(&mut self) {
            std::panic::panic_any("dropped");
        }
    }

    /// Polls it once, and drops it.
    #[track_caller]
    fn check(future: impl Future<Output = ()>, expected: Poll<Result<(), &str>>) {
        let mut contained = contained(future);
        let polled = Pin::new(&mut contained).poll(&mut Context::from_waker(Waker::noop()));
        let polled = polled.map_err(|panicked| panicked.message);
        assert_eq!(polled, expected.map_err(str::to_owned));
        drop(contained);
        assert!(!is_contained());
    }

    #[test]
    fn a_panic_is_a_value_and_goes_no_further() {
        check(async {}, Poll::Ready(Ok(())));
        check(std::future::pending(), Poll::Pending);
        check(async { std::panic::panic_any("polled") }, Poll::Ready(Err("polled")));
        check(Sore(Poll::Ready(())), Poll::Ready(Err("dropped")));
        check(Sore(Poll::Pending), Poll::Pending);
    }

    #[test]
    fn a_panic_is_told_with_its_place_if_that_is_known() {
        let mut panicked = Panicked { message: "no more".to_owned(), site: None };
        assert_eq!(panicked.to_string(), "panicked: no more");
        let location = "src/lib.rs:1:2".to_owned();
        panicked.site = Some(PanicSite { location, backtrace: None });
        assert_eq!(panicked.to_string(), "panicked: no more, at src/lib.rs:1:2");
    }

    #[test]
    fn the_value_of_a_panic_may_panic_when_it_is_dropped() {
        let told = contain(|| std::panic::panic_any(Sore(Poll::Pending))).map_err(|it| it.message);
        assert_eq!(told, Err::<(), _>("panicked with a value that is no text".to_owned()));
        assert!(!is_contained());
    }
}
