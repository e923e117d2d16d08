//! Applications of this framework, made and run in this process.

use std::sync::{Arc, LazyLock};

use processpype_config::{Document, Format, Loader, Section};
use processpype_core::{RestartRate, ServiceName, ServiceState};
use processpype_runtime::{
    Assembly, Blueprint, Closed, EdgeOrigin, Kind, Launch, Manager, Options, Spec,
};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::figure::Failure;

/// Where the supervisor runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Where {
    /// On the runtime of the services: embedded.
    Beside,
    /// On a thread of its own, as under `.main()`.
    OwnThread,
}

/// An application that runs.
#[derive(Debug)]
pub(crate) struct Launched {
    pub(crate) manager: Manager,
    closed: oneshot::Receiver<Closed>,
}

/// What the instances of a kind share, as they do when the roof makes them.
struct Alike {
    kind_name: Arc<str>,
    options: Arc<Options>,
}

static LIKE_ALL: LazyLock<Alike> =
    LazyLock::new(|| Alike { kind_name: "bench".into(), options: Arc::default() });

/// A service as the file would make it.
pub(crate) fn spec(name: &str, kind: &Arc<Kind>, section: Section) -> Result<Spec, Failure> {
    let Alike { kind_name, options } = &*LIKE_ALL;
    let (kind_name, kind, options) = (Arc::clone(kind_name), Arc::clone(kind), Arc::clone(options));
    Ok(Spec::from_parts(ServiceName::new(name)?, kind_name, kind, section, options))
}

/// Adds providers to a service.
pub(crate) fn after(mut spec: Spec, providers: impl IntoIterator<Item = String>) -> Spec {
    spec.depends_on = providers.into_iter().map(|name| (name, EdgeOrigin::Code)).collect();
    spec
}

/// A file with one field for each of `n` services.
pub(crate) fn document(n: usize) -> Result<Document, Failure> {
    let mut text = String::from("services:\n");
    for index in 0..n {
        text.push_str(&format!("  s{index}: {{step: {index}}}\n"));
    }
    // Checked text is what is measured here, not its parsing, whose limits are for hostile files.
    let loader = Loader::new().text("bench.yaml", Format::Yaml, text).environment([]);
    loader.load().map_err(|report| report.to_string().into())
}

pub(crate) fn blueprint(specs: Vec<Spec>) -> Result<Blueprint, Failure> {
    let assembly = Assembly { specs, ..Assembly::default() };
    assembly.check().map_err(|error| error.to_string().into())
}

/// Runs an application. Restarts are as quick as they can be set.
pub(crate) fn run(blueprint: Blueprint, supervisor: Where) -> Result<Launched, Failure> {
    let mut launch = Launch::on(Handle::current());
    launch.restart_rate = RestartRate::new(10_000.0, 100_000)?;
    let (sender, closed) = oneshot::channel();
    let manager = match supervisor {
        Where::Beside => {
            let (manager, supervisor) = blueprint.launch(launch);
            tokio::spawn(async move { sender.send(supervisor.run().await) });
            manager
        }
        Where::OwnThread => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let entered = runtime.enter();
            let (manager, supervisor) = blueprint.launch(launch);
            drop(entered);
            std::thread::Builder::new().spawn(move || {
                let _ = sender.send(runtime.block_on(supervisor.run()));
            })?;
            manager
        }
    };
    Ok(Launched { manager, closed })
}

// === impl Launched ===

impl Launched {
    /// Fails unless all `n` services run.
    ///
    /// It asks for states alone: a status that was looked at once is kept for the next who looks,
    /// and no peer is asked for anything of the kind.
    pub(crate) fn verify_running(&self, n: usize) -> Result<(), Failure> {
        match count(&self.manager, ServiceState::Running) {
            all if all == n => Ok(()),
            some => Err(format!("{some} of {n} services run").into()),
        }
    }

    /// Closes the application, until whoever asked for it is told that it has ended.
    ///
    /// Fails if anything was ended by force. The handle, and with it what readers can still see of
    /// each service, is given back: looking at it and freeing it is not part of the end.
    pub(crate) async fn close(self) -> Result<Manager, Failure> {
        self.manager.close();
        let closed = self.closed.await?;
        match closed.stragglers.is_empty() {
            true => Ok(self.manager),
            false => Err("not every service has stopped by itself".into()),
        }
    }
}

/// Returns how many services are in a state.
pub(crate) fn count(manager: &Manager, state: ServiceState) -> usize {
    let is_in = |name: &&ServiceName| manager.state(name.as_str()) == Some(state);
    manager.names().iter().filter(is_in).count()
}
