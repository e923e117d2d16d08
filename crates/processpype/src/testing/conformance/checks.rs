//! The checks, one function each.
//!
//! # Invariants
//!
//! 1. A check tells only of its own rules; what an earlier one has told already is not told again
//!    under another name.

use processpype_core::{ErrorKind, EventKind, Exit, ServiceState};
use processpype_runtime::Watch;

use super::report::{Check, ConformanceReport};
use super::subject::{Facts, MOMENT, Subject, tasks};
use super::{CONFORMANCE_AWAITS, CONFORMANCE_RESTARTS, Conformance};
use crate::application::Application;

/// A check of one service under way.
struct Suite<'a, F> {
    asked: &'a Conformance<F>,
    facts: Facts,
    report: ConformanceReport,
}

/// Makes every check.
pub(super) async fn check<F: Fn() -> Application>(asked: &Conformance<F>) -> ConformanceReport {
    let mut report = ConformanceReport::new(&asked.service);
    let facts = match Facts::of((asked.application)(), &asked.service) {
        Ok(Some(facts)) => facts,
        Ok(None) => {
            report.add(Check::Starts, "the application has no service of this name");
            return without_start(report);
        }
        Err(error) => {
            report.add(Check::Starts, format!("the application is not valid: {error}"));
            return without_start(report);
        }
    };
    let mut suite = Suite { asked, facts, report };
    suite.starts().await;
    if !suite.report.is_clean() {
        return without_start(suite.report);
    }
    suite.routes_answer().await;
    suite.stays_up().await;
    suite.stops().await;
    suite.restarts().await;
    suite.cancelled_start().await;
    suite.provider_loss().await;
    suite.report
}

fn without_start(mut report: ConformanceReport) -> ConformanceReport {
    Check::ALL.iter().skip(1).for_each(|check| report.skip(*check));
    report
}

// === impl Suite ===

impl<F: Fn() -> Application> Suite<'_, F> {
    fn begin(&self, watch: Option<Watch>) -> Subject {
        let app = (self.asked.application)();
        Subject::begin(app, &self.asked.service, &self.facts, watch)
            .expect("the same function made a valid application before")
    }

    async fn starts(&mut self) {
        let subject = self.begin(None);
        if !subject.ready().await {
            self.report.add(Check::Starts, format!("it did not become ready: {}", subject.story()));
        }
        subject.end().await;
    }

    async fn routes_answer(&mut self) {
        if self.asked.routes.is_empty() {
            return self.report.skip(Check::RoutesAnswer);
        }
        let subject = self.begin(None);
        subject.ready().await;
        for route in &self.asked.routes {
            let path = format!("/services/{}{route}", self.asked.service);
            let status = subject.app.get(&path).await.status();
            if status == 404 || status >= 500 {
                let what = format!("it is ready, and `GET {path}` is answered with {status}");
                self.report.add(Check::RoutesAnswer, what);
            }
        }
        subject.end().await;
    }

    async fn stays_up(&mut self) {
        if self.facts.oneshot {
            return self.report.skip(Check::StaysUp);
        }
        let subject = self.begin(None);
        subject.ready().await;
        let ended = subject.until_ended(self.asked.watched).await;
        if ended {
            self.report.add(Check::StaysUp, format!("it ended unasked: {}", subject.story()));
        }
        subject.end().await;
    }

    /// One stop tells of four rules; it is asked for twice at once, as impatient operators do.
    async fn stops(&mut self) {
        let subject = self.begin(Some(Watch::default()));
        subject.ready().await;
        let (first, second) = tokio::join!(subject.stop(), subject.stop());
        let forced = matches!(subject.exit(), Some((_, Exit::Aborted))) || !(first && second);
        let limit = self.facts.stop_timeout;
        if subject.watch.run_was_cut() {
            let what =
                format!("`run` had not ended within its share of `stop_timeout` ({limit:?})");
            self.report.add(Check::RunEnds, what);
        }
        if subject.watch.stop_was_cut() {
            let what = format!("`stop` had not ended within `stop_timeout` ({limit:?})");
            self.report.add(Check::StopsInTime, what);
        }
        if forced && !subject.watch.run_was_cut() && !subject.watch.stop_was_cut() {
            let what = format!(
                "its children had not ended within their share of `stop_timeout` ({limit:?})"
            );
            self.report.add(Check::ChildrenEnd, what);
        }
        if let Some(error) = &subject.status().last_error {
            let what = format!("its stop failed: {}", subject.told(error));
            self.report.add(Check::StopsCleanly, what);
        }
        subject.end().await;
    }

    async fn restarts(&mut self) {
        let before = tasks();
        // Not watched: an instance has then no owner but the supervisor.
        let subject = self.begin(None);
        subject.ready().await;
        let first = tasks();
        for number in 1..=CONFORMANCE_RESTARTS {
            if !(subject.restart().await && subject.ready().await) {
                let what = format!("restart {number} failed: {}", subject.story());
                self.report.add(Check::Restarts, what);
                break;
            }
        }
        tokio::time::sleep(MOMENT).await;
        let last = tasks();
        self.instances_end(&subject);
        subject.end().await;
        let left = tasks().saturating_sub(before);
        if left > 0 {
            let what = format!(
                "{left} tasks were left after {CONFORMANCE_RESTARTS} restarts and the end of the \
                 application; {first} lived after the first start, {last} after the last"
            );
            self.report.add(Check::TasksEnd, what);
        }
    }

    fn instances_end(&mut self, subject: &Subject) {
        let leaks = subject.events(EventKind::InstanceLeaked);
        let own = leaks.iter().filter(|event| {
            event.service.as_ref().is_some_and(|name| name.as_str() == self.asked.service)
        });
        let count = own.count();
        if count > 0 {
            let what = format!(
                "after {count} of {CONFORMANCE_RESTARTS} restarts somebody still held the instance \
                 of the generation before"
            );
            self.report.add(Check::InstancesEnd, what);
        }
    }

    async fn cancelled_start(&mut self) {
        for awaits in 0..CONFORMANCE_AWAITS {
            let before = tasks();
            let subject = self.begin(Some(Watch::holding_at(awaits)));
            if !subject.held().await {
                return subject.end().await;
            }
            self.cancel_here(&subject, awaits).await;
            subject.end().await;
            if tasks() > before && !self.report.has(Check::TasksEnd) {
                let left = tasks() - before;
                let what = format!("stopped at {}, it left {left} tasks", place(awaits));
                self.report.add(Check::CancelledStart, what);
            }
        }
    }

    async fn cancel_here(&mut self, subject: &Subject, awaits: u32) {
        let place = place(awaits);
        let stopped = subject.stop().await;
        let forced = matches!(subject.exit(), Some((_, Exit::Aborted)));
        if (!stopped || forced) && !self.stops_badly() {
            let what = format!("stopped at {place}, it had to be ended by force");
            self.report.add(Check::CancelledStart, what);
        }
        if let Some(error) = &subject.status().last_error
            && !self.report.has(Check::StopsCleanly)
        {
            let what = format!("stopped at {place}, it failed: {}", subject.told(error));
            self.report.add(Check::CancelledStart, what);
        }
        subject.watch.release();
        let again = subject.start().await && subject.ready().await;
        if !again && !self.report.has(Check::Restarts) {
            let story = subject.story();
            let what = format!("stopped at {place}, it does not start again: {story}");
            self.report.add(Check::CancelledStart, what);
        }
    }

    /// Whether a plain stop has been told of already.
    fn stops_badly(&self) -> bool {
        let checks = [Check::RunEnds, Check::ChildrenEnd, Check::StopsInTime];
        checks.into_iter().any(|check| self.report.has(check))
    }

    async fn provider_loss(&mut self) {
        if self.facts.providers.is_empty() {
            return self.report.skip(Check::ProviderLoss);
        }
        for provider in self.facts.providers.clone() {
            self.loss_while_running(&provider).await;
            for awaits in 0..CONFORMANCE_AWAITS {
                let subject = self.begin(Some(Watch::holding_at(awaits)));
                if !subject.held().await {
                    subject.end().await;
                    break;
                }
                let moment = format!("`{provider}` stopped while it was at {}", place(awaits));
                self.lose(&subject, &provider, &moment).await;
                subject.end().await;
            }
        }
    }

    async fn loss_while_running(&mut self, provider: &str) {
        let subject = self.begin(None);
        subject.ready().await;
        self.lose(&subject, provider, &format!("`{provider}` stopped while it ran")).await;
        let restart = subject.manager().restart(provider);
        let restarted = subject.within(restart).await && subject.ready_at_last().await;
        if restarted {
            self.judge_loss(&subject, provider, &format!("`{provider}` was restarted"));
        } else {
            let story = subject.story();
            let what = format!("`{provider}` was restarted, and it is not ready again: {story}");
            self.report.add(Check::ProviderLoss, what);
        }
        subject.end().await;
    }

    /// Takes a provider away, lets the service notice, and gives the provider back.
    async fn lose(&mut self, subject: &Subject, provider: &str, moment: &str) {
        if !subject.within(subject.manager().stop(provider)).await {
            return;
        }
        subject.watch.release();
        // It may go on, or end for want of its provider; it does not have to.
        subject.until_ended(self.asked.watched).await;
        self.judge_loss(subject, provider, moment);
        let back = subject.within(subject.manager().start(provider)).await;
        if back && !subject.ready_at_last().await {
            let story = subject.story();
            let what = format!("{moment} and was started again, and it is not ready: {story}");
            self.report.add(Check::ProviderLoss, what);
        }
    }

    fn judge_loss(&mut self, subject: &Subject, provider: &str, moment: &str) {
        let past = subject.status().history.clone();
        let kinds = past.iter().filter_map(|past| past.exit.error());
        let wrong = kinds.into_iter().find(|kind| *kind != ErrorKind::Dependency);
        if let Some(kind) = wrong
            && !self.report.has(Check::StaysUp)
        {
            // The text is that of the last error, which may be a later one.
            let story = Some(subject.story()).filter(|story| story.starts_with(kind.as_str()));
            let story = story.unwrap_or_else(|| kind.as_str().to_owned());
            let what = format!("{moment}, and it failed: {story}");
            self.report.add(Check::ProviderLoss, what);
        }
        let leaks = subject.events(EventKind::InstanceLeaked);
        let of_provider = |name: &processpype_core::ServiceName| name.as_str() == provider;
        if leaks.iter().any(|event| event.service.as_ref().is_some_and(of_provider)) {
            let what = format!("{moment}, and it still holds an instance of it");
            self.report.add(Check::ProviderLoss, what);
        }
    }
}

// === impl Subject ===

impl Subject {
    /// Waits until the service is held; false if it comes to run, or fails, before.
    async fn held(&self) -> bool {
        tokio::select! {
            biased;
            () = self.watch.held() => true,
            _ = self.ready() => false,
        }
    }

    /// Watches the service for a time; returns whether a generation ended.
    async fn until_ended(&self, time: std::time::Duration) -> bool {
        let generation = self.status().generation;
        let ended = async {
            loop {
                let seen = self.manager().version();
                let status = self.status();
                let is_other = status.generation != generation;
                let runs = matches!(status.state, ServiceState::Starting | ServiceState::Running);
                if is_other || !runs {
                    return;
                }
                if self.manager().changed(seen).await == seen {
                    // The application has ended, and the service with it.
                    return;
                }
            }
        };
        tokio::time::timeout(time, ended).await.is_ok()
    }
}

/// The n-th await, in words.
fn place(awaits: u32) -> String {
    format!("await {} of constructor and `start`", awaits + 1)
}
