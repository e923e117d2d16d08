//! A bug of the supervisor itself: it panics, and nobody is left waiting.

use std::time::Duration;

use processpype_core::{OperationId, ServiceState, Verb};
use processpype_runtime::{
    CommandError, Context, Launch, OperationState, Request, Result, Scrub, Service,
};
use tokio::time::timeout;

use crate::harness::{Threads, blueprint, spec};

/// Long before this everything here is over.
const SOON: Duration = Duration::from_secs(20);

struct Lasting;
impl Service for Lasting {}

/// Never starts, and so keeps whoever starts it waiting.
struct Slow;
impl Service for Slow {
    async fn start(&self, cx: &Context) -> Result {
        cx.stopping().await;
        Ok(())
    }
}

struct Fails;
impl Service for Fails {
    async fn run(&self, _: &Context) -> Result {
        Err(std::io::Error::other("no more").into())
    }
}

#[tokio::test]
async fn a_supervisor_that_panics_leaves_nobody_waiting() {
    let threads = Threads::new();
    let by_hand = |mut spec: processpype_runtime::Spec| {
        let mut options = processpype_runtime::Options::clone(&spec.options);
        options.autostart = false;
        spec.options = std::sync::Arc::new(options);
        spec
    };
    let specs = vec![
        spec("lasting", || Lasting, &[]),
        by_hand(spec("slow", || Slow, &[])),
        by_hand(spec("fails", || Fails, &[])),
    ];
    let mut launch = Launch::on(threads.handle().clone());
    launch.scrub = Scrub::new(|_| panic!("a bug"));
    let (manager, supervisor) = blueprint(specs).launch(launch);
    let supervisor = tokio::spawn(supervisor.run());
    timeout(SOON, manager.settled()).await.expect("it settles");
    let start = Verb::Start { with_dependencies: false, force: false };
    let waits = manager.command("slow", start, Request::by("test")).await.expect("it is taken");
    let version = manager.version();
    let looks = manager.clone();
    let reached = tokio::spawn(async move { looks.reached("slow", ServiceState::Running).await });

    let _ = manager.command("fails", start, Request::by("test")).await;
    let ended = timeout(SOON, supervisor).await.expect("it ends");
    assert!(ended.expect_err("it panicked").is_panic());

    assert_eq!(manager.application_state(), ServiceState::Stopped, "not ready, and no more alive");
    timeout(SOON, manager.changed(version)).await.expect("views look again");
    let last = manager.version();
    assert_eq!(timeout(SOON, manager.changed(last)).await, Ok(last), "and once only");
    let outcome = timeout(SOON, waits.outcome()).await.expect("clients are told");
    assert_eq!(outcome.expect_err("nobody starts it"), CommandError::Lost);
    let operations = manager.operations(OperationId(0));
    let states: Vec<OperationState> = operations.iter().map(|status| status.state()).collect();
    assert_eq!(states, [OperationState::Failed, OperationState::Done], "none goes on");
    let reached = timeout(SOON, reached).await.expect("who waits for a state is woken");
    assert!(!reached.expect("it looks"), "it will not come");
    let reached = timeout(SOON, manager.reached("lasting", ServiceState::Stopped)).await;
    assert_eq!(reached, Ok(false), "nothing changes any more");
    let refused = timeout(SOON, manager.stop("lasting")).await.expect("and refused");
    assert_eq!(refused.expect_err("nobody stops it"), CommandError::Closing);
    let routes = manager.mounted("lasting").expect("it is known");
    assert!(routes.is_err(), "its generation is cut off");
}
