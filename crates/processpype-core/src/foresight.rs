//! What a command would do, found by doing it to a copy.
//!
//! # Invariants
//!
//! 1. The machine that is asked about stays as it is: everything happens in copies of it.
//! 2. What is foreseen is what comes if all goes well: every start succeeds and is ready, every
//!    stop succeeds, and nobody gives another command. A restart in backoff is not waited for.
//! 3. What would happen anyway is not told: a second copy, without the command, shows what that is.
//!
//! That a copy answers like the original is what a pure machine is good for: there is no second
//! set of rules that could differ from what the command then really does.

use std::collections::VecDeque;

use crate::exit::Exit;
use crate::graph::ServiceId;
use crate::machine::{Action, Machine, OperationId, Outcome, Report, Timer, Verb};
use crate::state::{Generation, ServiceState};

/// How many reports of each service are played through at most: a start and a stop, and as many
/// again for those that were on their way.
const REPORTS_PER_SERVICE: usize = 8;

/// The operation that is never given.
const NOBODY: OperationId = OperationId(u64::MAX);

/// What a command would do if all goes well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foresight {
    /// How the operation would end; `None` if it would wait for something that does not come by
    /// itself.
    pub outcome: Option<Outcome>,
    /// What would stop and start because of it, in this order.
    pub steps: Vec<Step>,
    /// What the service would wait for in the end.
    pub waiting_on: Vec<ServiceId>,
    /// The operations whose place it would take.
    pub supersedes: Vec<OperationId>,
}

/// One thing that would happen to one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Its generation would be asked to stop.
    Stop(ServiceId),
    /// A new generation would begin.
    Start(ServiceId),
}

/// A copy of the machine in which everything goes well.
struct Play {
    machine: Machine,
    actions: Vec<Action>,
    reports: VecDeque<(ServiceId, Generation, Report)>,
    steps: Vec<Step>,
    ended: Vec<(OperationId, Outcome)>,
}

// === impl Machine ===

impl Machine {
    /// Returns what a command would do, without doing it.
    ///
    /// ```
    /// use processpype_core::{
    ///     Edge, Graph, Machine, Outcome, Report, ServiceId, Step, Traits, Verb,
    /// };
    ///
    /// let (db, api) = (ServiceId(0), ServiceId(1));
    /// let graph = Graph::new(2, [Edge { dependent: api, provider: db }])?;
    /// let mut machine = Machine::new(graph, vec![Traits::default(); 2], 8);
    /// let mut actions = Vec::new();
    /// machine.boot(&mut actions);
    /// for id in [db, api] {
    ///     let started = Report::Started { ready: true };
    ///     machine.report(id, machine.generation(id), started, &mut actions);
    /// }
    /// let foreseen = machine.foresee(db, Verb::Stop { cascade: true });
    /// assert_eq!(foreseen.steps, [Step::Stop(api), Step::Stop(db)]);
    /// assert_eq!(foreseen.outcome, Some(Outcome::Done { changed: true }));
    /// # Ok::<(), processpype_core::Cycle>(())
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if `id` is not a service of the graph.
    #[must_use]
    pub fn foresee(&self, id: ServiceId, verb: Verb) -> Foresight {
        let mut anyway = Play::of(self);
        anyway.go_on();
        let mut with = Play::of(self);
        with.machine.command(NOBODY, id, verb, &mut with.actions);
        let at_once: Vec<_> = with.actions.iter().filter_map(superseded).collect();
        with.go_on();
        let outcome = with.ended.iter().find(|(of, _)| *of == NOBODY).map(|(_, outcome)| *outcome);
        Foresight {
            outcome,
            steps: without(with.steps, anyway.steps),
            waiting_on: with.machine.waiting_on(id).collect(),
            supersedes: at_once,
        }
    }
}

fn superseded(action: &Action) -> Option<OperationId> {
    match action {
        Action::Finish(operation, Outcome::Superseded) => Some(*operation),
        _ => None,
    }
}

/// Takes out of `steps` what happens anyway, each as often as it does.
fn without(steps: Vec<Step>, mut anyway: Vec<Step>) -> Vec<Step> {
    let is_new = |step: &Step| match anyway.iter().position(|other| other == step) {
        Some(place) => {
            anyway.swap_remove(place);
            false
        }
        None => true,
    };
    steps.into_iter().filter(is_new).collect()
}

// === impl Play ===

impl Play {
    fn of(machine: &Machine) -> Self {
        let reports = machine.graph().services().filter_map(|id| {
            let report = match machine.state(id) {
                ServiceState::Starting => Report::Started { ready: true },
                ServiceState::Stopping => Report::Gone(Exit::Stopped),
                ServiceState::Stopped | ServiceState::Running | ServiceState::Error => return None,
            };
            Some((id, machine.generation(id), report))
        });
        Self {
            machine: machine.clone(),
            actions: Vec::new(),
            reports: reports.collect(),
            steps: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// Lets every generation do what it was asked to, until nothing is left to do.
    fn go_on(&mut self) {
        let most = self.machine.graph().len() * REPORTS_PER_SERVICE;
        self.carry_out();
        for _ in 0..most {
            let Some((id, generation, report)) = self.reports.pop_front() else { return };
            self.machine.report(id, generation, report, &mut self.actions);
            self.carry_out();
        }
    }

    fn carry_out(&mut self) {
        for action in self.actions.drain(..) {
            let next = match action {
                Action::Spawn(id, generation) => {
                    self.steps.push(Step::Start(id));
                    (id, generation, Report::Started { ready: true })
                }
                Action::Stop(id, generation) => {
                    self.steps.push(Step::Stop(id));
                    (id, generation, Report::Gone(Exit::Stopped))
                }
                Action::Spread(id, generation) => (id, generation, Report::Elapsed(Timer::Restart)),
                Action::Finish(operation, outcome) => {
                    self.ended.push((operation, outcome));
                    continue;
                }
                _ => continue,
            };
            self.reports.push_back(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Edge, Graph};
    use crate::machine::{Refusal, Traits};

    const DB: ServiceId = ServiceId(0);
    const API: ServiceId = ServiceId(1);
    const WEB: ServiceId = ServiceId(2);
    const START: Verb = Verb::Start { with_dependencies: false, force: false };
    const STOP: Verb = Verb::Stop { cascade: false };

    /// `web` needs `api`, which needs `db`; all run, or nothing was ever started.
    fn chain(runs: bool) -> Machine {
        let edge = |dependent, provider| Edge { dependent, provider };
        let graph = Graph::new(3, [edge(API, DB), edge(WEB, API)]).expect("no cycle");
        let traits = Traits { autostart: runs, ..Traits::default() };
        let mut machine = Machine::new(graph, vec![traits; 3], 8);
        machine.boot(&mut Vec::new());
        settle(&machine)
    }

    fn settle(machine: &Machine) -> Machine {
        let mut play = Play::of(machine);
        play.go_on();
        play.machine
    }

    fn given(mut machine: Machine, id: ServiceId, verb: Verb) -> Machine {
        machine.command(OperationId(1), id, verb, &mut Vec::new());
        machine
    }

    #[track_caller]
    fn check(
        machine: &Machine,
        (id, verb): (ServiceId, Verb),
        outcome: Option<Outcome>,
        steps: &[Step],
    ) {
        let before = machine.clone();
        let foreseen = machine.foresee(id, verb);
        assert_eq!((foreseen.outcome, foreseen.steps.as_slice()), (outcome, steps));
        assert_eq!(*machine, before);
    }

    #[test]
    fn order_and_extent_are_those_of_the_command() {
        use Step::{Start, Stop};
        let (done, same) = (Outcome::Done { changed: true }, Outcome::Done { changed: false });
        let (up, down) = (chain(true), chain(false));
        check(&up, (API, STOP), Some(done), &[Stop(API)]);
        let cascade = Verb::Stop { cascade: true };
        check(&up, (DB, cascade), Some(done), &[Stop(WEB), Stop(API), Stop(DB)]);
        check(&up, (DB, START), Some(same), &[]);
        let restart = Verb::Restart { with_dependents: true };
        check(&up, (API, restart), Some(done), &[Stop(WEB), Stop(API), Start(API), Start(WEB)]);
        check(&down, (WEB, START), Some(done), &[Start(DB), Start(API), Start(WEB)]);
        check(&down, (WEB, STOP), Some(same), &[]);
    }

    #[test]
    fn what_happens_anyway_is_not_told() {
        use Step::{Start, Stop};
        let starting = given(chain(false), DB, START);
        check(&starting, (API, START), Some(Outcome::Done { changed: true }), &[Start(API)]);
        // The stop takes the start's place.
        check(&starting, (DB, STOP), Some(Outcome::Done { changed: true }), &[Stop(DB)]);
        assert_eq!(starting.foresee(DB, STOP).supersedes, [OperationId(1)]);
    }

    #[test]
    fn refusals_and_waits_are_foreseen() {
        let held = settle(&given(chain(true), DB, Verb::Stop { cascade: true }));
        let refused = Some(Outcome::Refused(Refusal::ProviderStopped(DB)));
        check(&held, (API, START), refused, &[]);
        let mut failing = chain(true);
        let failed = Exit::Failed(crate::exit::ErrorKind::Failed);
        failing.report(DB, Generation(1), Report::Gone(failed), &mut Vec::new());
        let restart = Verb::Restart { with_dependents: false };
        check(&failing, (API, restart), None, &[Step::Stop(API)]);
        assert_eq!(failing.foresee(API, restart).waiting_on, [DB]);
    }
}
