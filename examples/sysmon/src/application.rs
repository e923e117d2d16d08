//! The application as a value: which services it has, and where its configuration is.
//! The order of the services is not written anywhere: it follows from their constructors.

use std::path::{Path, PathBuf};

use processpype::Application;

use crate::{Api, Collector, Retention, Store};

/// The name of the configuration file.
const FILE: &str = "sysmon.yaml";

/// Returns the application, not yet started.
pub fn application() -> Application {
    let app = Application::new()
        .title("sysmon")
        .version(env!("CARGO_PKG_VERSION"))
        .service(Store::new)
        .service(Collector::new)
        .service(Retention::new)
        .service(Api::new);
    match default_config() {
        Some(file) => app.default_config(file),
        None => app,
    }
}

/// The file in the working directory, or else the one beside this program's source.
///
/// A program that was carried elsewhere has neither; every key has a default then.
fn default_config() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    [PathBuf::from(FILE), beside].into_iter().find(|file| file.is_file())
}
