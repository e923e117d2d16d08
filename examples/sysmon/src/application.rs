//! The application as a value: which services it has, and where its configuration is.
//! The order of the services is not written anywhere: it follows from their constructors.

use std::path::{Path, PathBuf};

use processpype::Application;

use crate::{Api, Collector, Retention, Store};

/// The name of the configuration file.
const FILE: &str = "sysmon.yaml";

/// Returns the application, not yet started.
pub fn application() -> Application {
    Application::new()
        .default_config(default_config())
        .service(Store::new)
        .service(Collector::new)
        .service(Retention::new)
        .service(Api::new)
}

/// The file in the working directory, or else the one beside this program's source.
fn default_config() -> PathBuf {
    let here = Path::new(FILE);
    if here.is_file() {
        here.to_path_buf()
    } else {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE)
    }
}
