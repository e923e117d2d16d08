//! The verbs that ask a running application: where that is.
//!
//! # Invariants
//!
//! 1. Of the application's own configuration only its address is read: the one that runs may be in
//!    order when the file is not.

use processpype_cli::Target;

use crate::application::Application;
use crate::settings::ServerSection;
use crate::setup::load;

/// Returns where this application listens, as its own configuration says.
pub(super) fn target(application: &Application) -> Result<Target, String> {
    let read = || {
        let document = load(&application.sources)?;
        document.root().get("server").read::<ServerSection>()
    };
    let ServerSection { host, port, api_prefix, .. } =
        read().map_err(|report| report.to_string())?;
    if port == 0 {
        return Err("`server.port` is 0: the running application took a free one, which its log \
                    names"
            .to_owned());
    }
    Ok(Target::of_server(&host, port, &api_prefix))
}
