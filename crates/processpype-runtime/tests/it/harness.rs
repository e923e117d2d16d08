//! An application without configuration, supervised by the test's own runtime.

use std::sync::Arc;
use std::time::Duration;

use processpype_config::Section;
use processpype_core::ServiceName;
use processpype_runtime::{
    Assembly, Blueprint, Closed, Constructor, EdgeOrigin, Kind, Launch, Manager, Options, Spec,
};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

/// Makes the spec of a service.
pub(crate) fn spec<M: 'static, C: Constructor<M>>(
    name: &str,
    constructor: C,
    depends_on: &[&str],
) -> Spec {
    let mut options = Options::default();
    options.stop_timeout = Duration::from_millis(200);
    let kind = Arc::new(Kind::of(constructor));
    let mut spec = Spec::new(ServiceName::new(name).expect("a valid name"), kind);
    spec.kind_name = name.into();
    spec.section = Section::empty(name);
    spec.options = Arc::new(options);
    spec.depends_on = depends_on.iter().map(|to| ((*to).to_owned(), EdgeOrigin::Code)).collect();
    spec
}

pub(crate) fn blueprint(specs: Vec<Spec>) -> Blueprint {
    Assembly { specs, ..Assembly::default() }.check().expect("the plan is good")
}

/// Runs an application whose services live on `services`.
pub(crate) fn run(specs: Vec<Spec>, services: &Handle) -> (Manager, JoinHandle<Closed>) {
    let (manager, supervisor) = blueprint(specs).launch(Launch::on(services.clone()));
    (manager, tokio::spawn(supervisor.run()))
}

/// Threads for services. Dropping it waits for none of them.
pub(crate) struct Threads(Option<Runtime>);

impl Threads {
    pub(crate) fn new() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(3).enable_all().build();
        Self(Some(runtime.expect("threads can be started")))
    }

    pub(crate) fn handle(&self) -> &Handle {
        self.0.as_ref().expect("it is taken by drop only").handle()
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
