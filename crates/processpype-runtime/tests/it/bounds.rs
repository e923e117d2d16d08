//! Every queue and ring has a bound, and says so.

use processpype_core::Verb;
use processpype_runtime::{
    COMMANDS_PENDING, CommandError, Context, Launch, OPERATIONS_PENDING, Request, Result, Service,
};
use tokio::runtime::Handle;

use crate::harness::{blueprint, run, spec};

struct Plain;

impl Service for Plain {}

/// Never finishes its start.
struct Slow;

impl Service for Slow {
    async fn start(&self, _: &Context) -> Result {
        std::future::pending().await
    }
}

const START: Verb = Verb::Start { with_dependencies: false };

#[tokio::test(start_paused = true)]
async fn commands_on_the_way_are_bounded() {
    let plan = blueprint(vec![spec("plain", || Plain, &[])]);
    // Nobody takes the commands: the supervisor does not run.
    let (manager, supervisor) = plan.launch(Launch::on(Handle::current()));
    let ask = || {
        let manager = manager.clone();
        tokio::spawn(async move { manager.command("plain", START, Request::by("test")).await })
    };
    let waiting: Vec<_> = (0..COMMANDS_PENDING).map(|_| ask()).collect();
    tokio::task::yield_now().await;
    let refused = ask().await.expect("no panic").map(|_| ());
    assert_eq!(refused, Err(CommandError::Busy));
    // Closing gets through all the same, and whoever waits is told.
    manager.close();
    let closed = supervisor.run().await;
    assert_eq!(closed.stragglers, []);
    for waiting in waiting {
        let answer = waiting.await.expect("no panic");
        match answer {
            Ok(operation) => drop(operation.outcome().await),
            Err(error) => assert_eq!(error, CommandError::Closing),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn operations_that_wait_are_bounded() {
    let (manager, _closed) = run(vec![spec("slow", || Slow, &[])], &Handle::current());
    let mut operations = Vec::new();
    for _ in 0..OPERATIONS_PENDING {
        let operation = manager.command("slow", START, Request::by("test")).await;
        operations.push(operation.expect("there is room"));
    }
    let refused = manager.command("slow", START, Request::by("test")).await.map(|_| ());
    assert_eq!(refused, Err(CommandError::Busy));
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_is_full_tells_what_was_lost() {
    let mut launch = Launch::on(Handle::current());
    launch.events_kept = 8;
    let (manager, supervisor) = blueprint(vec![spec("plain", || Plain, &[])]).launch(launch);
    let _closed = tokio::spawn(supervisor.run());
    manager.settled().await;
    let mut slow = manager.subscribe(0);
    for _ in 0..5 {
        manager.restart("plain").await.expect("it restarts");
    }
    let page = manager.events(0, usize::MAX);
    assert_eq!(page.events.len(), 8);
    assert_eq!((page.lost, page.events[0].seq), (page.last - 8, page.last - 7));
    let page = slow.next(3).await;
    assert_eq!((page.lost, page.events.len()), (page.last - 8, 3));
    let page = slow.next(3).await;
    assert_eq!((page.lost, page.events[0].seq), (0, page.last - 4));
    assert!(manager.events(u64::MAX, 10).events.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_closed_application_takes_no_commands() {
    let (manager, closed) = run(vec![spec("plain", || Plain, &[])], &Handle::current());
    manager.settled().await;
    manager.close();
    closed.await.expect("no panic");
    assert_eq!(manager.start("plain").await, Err(CommandError::Closing));
    assert_eq!(manager.stop("plain").await, Err(CommandError::Closing));
    let unknown = manager.stop("nobody").await.map_err(|error| error.to_string());
    assert_eq!(unknown, Err("there is no service `nobody`".to_owned()));
}
