//! The same services with other crates that supervise.

use std::sync::Arc;
use std::time::Duration;

use kameo::actor::{Actor as KameoActor, ActorRef as KameoRef, Spawn as _, WeakActorRef};
use kameo::error::{ActorStopReason, Infallible};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use task_supervisor::{CancellationToken, SupervisedTask, SupervisorBuilder, TaskResult};
use tokio_graceful_shutdown::{SubsystemBuilder, SubsystemHandle, Toplevel};

use super::{Seen, Watch};
use crate::figure::Failure;
use crate::tally::Tally;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// Who counts the starts and the ends.
#[derive(Clone, Debug)]
struct Counts {
    up: Tally,
    down: Tally,
}

impl Counts {
    fn of(n: usize) -> Self {
        Self { up: Tally::of(n), down: Tally::of(n) }
    }
}

// === task-supervisor ===

#[derive(Clone)]
struct Task(Counts);

impl SupervisedTask for Task {
    async fn run(self, cancel: CancellationToken) -> TaskResult {
        self.0.up.add();
        cancel.cancelled().await;
        self.0.down.add();
        Ok(())
    }
}

pub(super) async fn task_supervisor(n: usize, mut watch: Watch) -> Result<Seen, Failure> {
    let counts = Counts::of(n);
    let mut builder = SupervisorBuilder::new();
    for index in 0..n {
        builder = builder.with_task(&format!("s{index}"), Task(counts.clone()));
    }
    watch.built();
    let handle = builder.spawn();
    counts.up.whole().await;
    watch.started();
    handle.shutdown().await.map_err(|error| error.to_string())?;
    watch.stopped(counts.down.counted(), n)
}

// === tokio-graceful-shutdown ===

pub(super) async fn graceful_shutdown(n: usize, mut watch: Watch) -> Result<Seen, Failure> {
    let counts = Counts::of(n);
    let (sender, receiver) = tokio::sync::oneshot::channel();
    watch.built();
    let own = counts.clone();
    let top = Toplevel::new(async move |top: &mut SubsystemHandle| {
        for index in 0..n {
            let counts = own.clone();
            let service = async move |handle: &mut SubsystemHandle| {
                counts.up.add();
                handle.on_shutdown_requested().await;
                counts.down.add();
                Ok::<(), Failure>(())
            };
            top.start(SubsystemBuilder::new(format!("s{index}"), service));
        }
        own.up.whole().await;
        watch.started();
        let _ = sender.send(watch);
        top.request_shutdown();
    });
    top.handle_shutdown_requests(PATIENCE).await.map_err(|error| error.to_string())?;
    receiver.await?.stopped(counts.down.counted(), n)
}

// === ractor ===

struct Root;

struct Child(Tally);

impl Actor for Root {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

impl Actor for Child {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn post_start(&self, _: ActorRef<()>, (): &mut ()) -> Result<(), ActorProcessingErr> {
        self.0.add();
        Ok(())
    }
}

pub(super) async fn ractor(n: usize, mut watch: Watch) -> Result<Seen, Failure> {
    let up = Tally::of(n);
    watch.built();
    let (root, joined) = Actor::spawn(Some("root".to_owned()), Root, ()).await?;
    let mut children = Vec::with_capacity(n);
    for index in 0..n {
        let child = Child(up.clone());
        let name = Some(format!("s{index}"));
        children.push(Actor::spawn_linked(name, child, (), root.get_cell()).await?);
    }
    up.whole().await;
    watch.started();
    // Each by its own handle: a root that stops kills those that have not stopped by then.
    children.iter().for_each(|(child, _)| child.stop(None));
    let mut ended = 0;
    for (_, child) in children {
        child.await?;
        ended += 1;
    }
    root.stop(None);
    joined.await?;
    watch.stopped(ended, n)
}

// === kameo ===

struct Supervisor;

impl KameoActor for Supervisor {
    type Args = ();
    type Error = Infallible;

    async fn on_start((): (), _: KameoRef<Self>) -> Result<Self, Infallible> {
        Ok(Self)
    }
}

#[derive(Clone)]
struct Worker(Arc<Counts>);

impl KameoActor for Worker {
    type Args = Self;
    type Error = Infallible;

    async fn on_start(args: Self, _: KameoRef<Self>) -> Result<Self, Infallible> {
        args.0.up.add();
        Ok(args)
    }

    async fn on_stop(
        &mut self,
        _: WeakActorRef<Self>,
        _: ActorStopReason,
    ) -> Result<(), Infallible> {
        self.0.down.add();
        Ok(())
    }
}

pub(super) async fn kameo(n: usize, mut watch: Watch) -> Result<Seen, Failure> {
    let counts = Arc::new(Counts::of(n));
    watch.built();
    let root = Supervisor::spawn(());
    let mut children = Vec::with_capacity(n);
    for _ in 0..n {
        children.push(Worker::supervise(&root, Worker(Arc::clone(&counts))).spawn().await);
    }
    counts.up.whole().await;
    watch.started();
    root.stop_gracefully().await.map_err(|error| format!("{error:?}"))?;
    for child in &children {
        // The supervisor may have ended it already.
        let _ = child.stop_gracefully().await;
    }
    for child in &children {
        child.wait_for_shutdown().await;
    }
    // Some are counted a moment after they are told to be down.
    let _ = tokio::time::timeout(PATIENCE, counts.down.whole()).await;
    watch.stopped(counts.down.counted(), n)
}
