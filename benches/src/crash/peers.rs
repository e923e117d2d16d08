//! The same crashes under other supervisors.

use std::time::Duration;

use kameo::actor::{Actor as KameoActor, ActorRef as KameoRef, Spawn as _};
use kameo::error::Infallible;
use kameo::message::{Context, Message};
use kameo::supervision::RestartPolicy;
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use task_supervisor::{CancellationToken, SupervisedTask, SupervisorBuilder, TaskResult};

use super::Crashes;
use crate::figure::Failure;

// === task-supervisor ===

#[derive(Clone)]
struct Task(Crashes);

impl SupervisedTask for Task {
    async fn run(self, cancel: CancellationToken) -> TaskResult {
        self.0.live(cancel.cancelled()).await
    }
}

pub(super) async fn task_supervisor(crashes: Crashes) -> Result<(), Failure> {
    let builder = SupervisorBuilder::new()
        .with_unlimited_restarts()
        .with_base_restart_delay(Duration::ZERO)
        .with_max_restart_delay(Duration::ZERO)
        .with_restart_jitter(0.0);
    let handle = builder.with_task("crasher", Task(crashes.clone())).spawn();
    crashes.done().await;
    handle.shutdown().await.map_err(|error| error.to_string().into())
}

// === ractor ===

struct Root(Crashes);

struct Child(Crashes);

impl Actor for Root {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, me: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Actor::spawn_linked(None, Child(self.0.clone()), (), me.get_cell()).await?;
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<()>,
        event: SupervisionEvent,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(..) = event {
            Actor::spawn_linked(None, Child(self.0.clone()), (), me.get_cell()).await?;
        }
        Ok(())
    }
}

impl Actor for Child {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, me: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        me.cast(())?;
        Ok(())
    }

    async fn handle(&self, _: ActorRef<()>, (): (), (): &mut ()) -> Result<(), ActorProcessingErr> {
        if self.0.is_back() { Ok(()) } else { self.0.crash() }
    }
}

pub(super) async fn ractor(crashes: Crashes) -> Result<(), Failure> {
    let (root, joined) = Actor::spawn(None, Root(crashes.clone()), ()).await?;
    crashes.done().await;
    root.stop(None);
    joined.await?;
    Ok(())
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
struct Worker(Crashes);

struct Go;

impl KameoActor for Worker {
    type Args = Self;
    type Error = Failure2;

    async fn on_start(args: Self, me: KameoRef<Self>) -> Result<Self, Failure2> {
        me.tell(Go).try_send().map_err(|error| Failure2(format!("{error:?}")))?;
        Ok(args)
    }
}

/// A failure that can be told to kameo.
#[derive(Debug)]
struct Failure2(#[allow(dead_code, reason = "it is printed by kameo")] String);

impl Message<Go> for Worker {
    type Reply = Result<(), Failure2>;

    async fn handle(&mut self, _: Go, _: &mut Context<Self, Self::Reply>) -> Self::Reply {
        if self.0.is_back() {
            return Ok(());
        }
        // An error of a message that nobody waits for ends the actor, as a panic does.
        self.0.crash().map_err(|error| Failure2(error.to_string()))
    }
}

pub(super) async fn kameo(crashes: Crashes) -> Result<(), Failure> {
    let root = Supervisor::spawn(());
    let worker = Worker(crashes.clone());
    let child = Worker::supervise(&root, worker)
        .restart_policy(RestartPolicy::Permanent)
        .restart_limit(u32::MAX, Duration::from_secs(1))
        .spawn()
        .await;
    crashes.done().await;
    root.kill();
    child.kill();
    Ok(())
}
