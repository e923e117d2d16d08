//! What the supervisor keeps of a service's status: as little as there is to say.
//!
//! # Invariants
//!
//! 1. What few services have is in one box, which is there only while something is in it.
//! 2. A [`Status`] is made of it for who reads: nothing here is shown otherwise.
//! 3. Equal facts give equal statuses: what is written nowhere is the default of its field.
//!
//! # What costs at each change
//!
//! A service in a crash loop changes four times for each generation, and each change asks whether
//! anything that is shown is other than it was. So what can be known without a list is known
//! without one: who may start waits for nobody. What is told twice at one time is one value, and
//! who is remembered takes the place of who is not any more.
//!
//! # Why not the status itself
//!
//! A status has a field for everything that can be said of a service, so that a reader finds it
//! without asking further: 216 bytes, of which a service that was started once and runs fills
//! forty. What is kept for each of a hundred thousand services is another question than how one of
//! them is shown, so the two are different types, and [`Facts::status`] is the one way from one to
//! the other.

use std::collections::BTreeMap;
use std::sync::Arc;

use processpype_core::{Desired, ErrorKind, Generation, ServiceName, ServiceState};

use crate::clock::Timestamp;
use crate::status::{Acted, ErrorInfo, HISTORY_KEPT, Past, RestartInfo, Status};

/// What is known of one service, apart from what never changes. See [`Status`] for the fields.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) state: ServiceState,
    pub(crate) ready: bool,
    pub(crate) desired: Desired,
    pub(crate) enabled: bool,
    pub(crate) is_configured: bool,
    pub(crate) completed: bool,
    pub(crate) generation: Generation,
    pub(crate) since: Timestamp,
    /// Generations that have ended, the newest first.
    history: Option<Box<Ended>>,
    rare: Option<Box<Rare>>,
}

/// One generation that has ended, and those before it.
///
/// A list, because who has never ended needs no room for it but a pointer.
#[derive(Debug)]
struct Ended {
    past: Past,
    older: Option<Box<Self>>,
}

/// What few services have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rare {
    waiting_on: Vec<ServiceName>,
    pub(crate) restart: Option<RestartInfo>,
    pub(crate) error: Option<Arc<ErrorInfo>>,
    pub(crate) last_error: Option<Arc<ErrorInfo>>,
    pub(crate) degraded: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) acted: Option<Arc<Acted>>,
}

// === impl Facts ===

impl Facts {
    /// Those of a service that has never been started.
    pub(crate) fn initial(now: Timestamp) -> Self {
        Self {
            state: ServiceState::Stopped,
            ready: false,
            desired: Desired::Stopped,
            enabled: true,
            is_configured: true,
            completed: false,
            generation: Generation(0),
            since: now,
            history: None,
            rare: None,
        }
    }

    /// What few services have, if this one has any of it.
    pub(crate) fn rare(&self) -> Option<&Rare> {
        self.rare.as_deref()
    }

    /// Changes what few services have.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Rare)) {
        let mut rare = self.rare.take().unwrap_or_default();
        change(&mut rare);
        self.rare = Some(rare).filter(|rare| !rare.is_empty());
    }

    /// Takes over for whom it waits, and by what it comes back; returns whether it is anything new.
    ///
    /// The list is gone through once, and of one that has become another one only what differs is
    /// written: a service with many providers has one less at a time until it starts.
    pub(crate) fn expect<'a, I: Iterator<Item = &'a ServiceName>>(
        &mut self,
        waiting_on: I,
        restart: Option<RestartInfo>,
    ) -> bool {
        let Some(rare) = &mut self.rare else {
            let mut rare = Rare { restart, ..Rare::default() };
            let is_other = rare.wait_for(waiting_on) || restart.is_some();
            self.rare = is_other.then(|| Box::new(rare));
            return is_other;
        };
        let is_other = rare.wait_for(waiting_on) || rare.restart != restart;
        rare.restart = restart;
        if rare.is_empty() {
            self.rare = None;
        }
        is_other
    }

    /// The same of one that waits for nobody, as nearly all do: no list is gone through.
    pub(crate) fn expect_nobody(&mut self, restart: Option<RestartInfo>) -> bool {
        let is_known = match &self.rare {
            Some(rare) => rare.restart == restart && rare.waiting_on.is_empty(),
            None => restart.is_none(),
        };
        if !is_known {
            self.change(|rare| {
                rare.restart = restart;
                rare.waiting_on.clear();
            });
        }
        !is_known
    }

    /// It has failed, and if `is_so`, that is what is wrong with it.
    ///
    /// An end tells its failure twice, when it begins and when it is over: mostly at one time, and
    /// then it is the same.
    pub(crate) fn fail(&mut self, kind: ErrorKind, text: &str, at: Timestamp, is_so: bool) {
        self.change(|rare| {
            let is_same = |it: &mut Arc<ErrorInfo>| (it.kind, it.at) == (kind, at);
            let known = rare.last_error.take_if(is_same).filter(|it| it.message == text);
            let message = || text.to_owned();
            let info =
                known.unwrap_or_else(|| Arc::new(ErrorInfo { message: message(), kind, at }));
            if is_so {
                rare.error = Some(Arc::clone(&info));
            }
            rare.last_error = Some(info);
        });
    }

    /// Nothing is wrong with it, and it has said nothing.
    pub(crate) fn clear(&mut self) {
        if self.rare.is_some() {
            self.change(|rare| {
                (rare.error, rare.degraded) = (None, None);
                rare.metadata.clear();
            });
        }
    }

    /// It works no less well than it should, and if `is_well`, nothing is wrong with it.
    pub(crate) fn recover(&mut self, is_well: bool) {
        if self.rare.is_some() {
            self.change(|rare| {
                rare.degraded = None;
                rare.error.take_if(|_| is_well);
            });
        }
    }

    /// Adds a generation that has ended to those that are remembered.
    ///
    /// The oldest one goes when there are [`HISTORY_KEPT`]: the new one is written in its place.
    pub(crate) fn remember(&mut self, past: Past) {
        let mut newest = match self.take_oldest() {
            Some(mut place) => {
                place.past = past;
                place
            }
            None => Box::new(Ended { past, older: None }),
        };
        newest.older = self.history.take();
        self.history = Some(newest);
    }

    /// Takes out the oldest one, if there is no room for another one.
    ///
    /// The list is walked to find it, ten steps at most, once for each end.
    fn take_oldest(&mut self) -> Option<Box<Ended>> {
        let mut rest = &mut self.history;
        for _ in 1..HISTORY_KEPT {
            rest = &mut rest.as_mut()?.older;
        }
        rest.take()
    }

    /// The generations that are remembered, the newest last.
    fn history(&self) -> Vec<Past> {
        let newest = self.history.as_deref();
        let all = std::iter::successors(newest, |ended| ended.older.as_deref());
        let mut history: Vec<Past> = all.map(|ended| ended.past.clone()).collect();
        history.reverse();
        history
    }

    /// Everything, as it is shown.
    pub(crate) fn status(
        &self,
        name: ServiceName,
        kind: Arc<str>,
        group: Option<Arc<str>>,
    ) -> Status {
        let Rare { waiting_on, restart, error, last_error, degraded, metadata, acted } =
            self.rare.as_deref().cloned().unwrap_or_default();
        Status {
            name,
            kind,
            state: self.state,
            ready: self.ready,
            generation: self.generation,
            since: self.since,
            desired: self.desired,
            enabled: self.enabled,
            is_configured: self.is_configured,
            completed: self.completed,
            group,
            waiting_on,
            restart,
            error,
            last_error,
            degraded,
            metadata,
            acted,
            history: self.history(),
        }
    }
}

// === impl Rare ===

impl Rare {
    /// Becomes the list of these, in their order; returns whether it was another one.
    ///
    /// What stays stays where it is. In the worst case, an order that is turned round, it takes a
    /// step for each pair; the order of providers does not change.
    fn wait_for<'a, I: Iterator<Item = &'a ServiceName>>(&mut self, missed: I) -> bool {
        let (list, mut kept, mut is_other) = (&mut self.waiting_on, 0, false);
        // Who is missed is found by looking at others, which is quicker from within.
        missed.for_each(|name| {
            let known = list[kept..].iter().position(|known| known == name);
            is_other |= known != Some(0);
            match known {
                Some(0) => {}
                Some(gone) => drop(list.drain(kept..kept + gone)),
                None => list.insert(kept, name.clone()),
            }
            kept += 1;
        });
        is_other |= list.len() > kept;
        list.truncate(kept);
        is_other
    }

    fn is_empty(&self) -> bool {
        let Self { waiting_on, restart, error, last_error, degraded, metadata, acted } = self;
        waiting_on.is_empty()
            && restart.is_none()
            && error.is_none()
            && last_error.is_none()
            && degraded.is_none()
            && metadata.is_empty()
            && acted.is_none()
    }
}

#[cfg(test)]
mod tests {
    use processpype_core::Exit;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_few_have_takes_no_room_once_it_is_gone() {
        let mut facts = Facts::initial(Timestamp(1));
        facts.change(|rare| rare.degraded = Some("slow".into()));
        assert!(facts.rare().is_some());
        facts.recover(false);
        assert!(facts.rare().is_none());
        facts.clear();
        facts.change(|_| {});
        assert!(facts.rare().is_none());
    }

    proptest! {
        #[test]
        fn a_list_becomes_the_other_one(lists in vec(vec(0_usize..8, 0..8), 1..6)) {
            let names: Vec<ServiceName> =
                (0..8).map(|i| ServiceName::new(&format!("s{i}")).unwrap()).collect();
            let mut facts = Facts::initial(Timestamp(1));
            let mut before = Vec::new();
            for mut list in lists {
                let mut seen = std::collections::HashSet::new();
                list.retain(|id| seen.insert(*id));
                let waiting_on = || list.iter().map(|place| &names[*place]);
                let is_new = facts.expect(waiting_on(), None);
                prop_assert_eq!(is_new, list != before);
                let status = facts.status(names[0].clone(), "test".into(), None);
                prop_assert!(status.waiting_on.iter().eq(waiting_on()));
                prop_assert_eq!(facts.rare().is_some(), !list.is_empty());
                before = list;
            }
            prop_assert_eq!(facts.expect_nobody(None), !before.is_empty());
            prop_assert!(facts.rare().is_none());
        }
    }

    #[test]
    fn the_last_generations_are_remembered_the_newest_last() {
        let mut facts = Facts::initial(Timestamp(1));
        let numbers = |facts: &Facts| -> Vec<u64> {
            facts.history().iter().map(|past| past.generation.0).collect()
        };
        let kept = HISTORY_KEPT as u64;
        for number in 1..=kept + 2 {
            let (generation, now) = (Generation(number), Timestamp(number));
            let exit = Exit::Completed;
            facts.remember(Past { generation, exit, started: now, ended: now });
            let first = (number + 1).saturating_sub(kept).max(1);
            assert_eq!(numbers(&facts), (first..=number).collect::<Vec<u64>>());
        }
    }

    #[test]
    fn a_failure_that_is_told_twice_at_one_time_is_the_same() {
        let mut facts = Facts::initial(Timestamp(1));
        let mut fail = |text, at, is_so| {
            facts.fail(ErrorKind::Failed, text, Timestamp(at), is_so);
            let rare = facts.rare().cloned().expect("it has failed");
            (rare.error, rare.last_error.expect("it has failed"))
        };
        let (none, first) = fail("run", 2, false);
        let (error, again) = fail("run", 2, true);
        assert!(none.is_none() && Arc::ptr_eq(&first, &again));
        assert_eq!(error.as_ref(), Some(&first));
        for (text, at) in [("stop", 2), ("stop", 3)] {
            let (error, last) = fail(text, at, true);
            assert_eq!((&*last.message, last.at), (text, Timestamp(at)));
            assert_eq!(error.as_ref(), Some(&last));
        }
    }

    #[test]
    fn there_are_as_many_as_services_so_they_are_small() {
        assert!(size_of::<Facts>() <= 40, "{}", size_of::<Facts>());
    }
}
