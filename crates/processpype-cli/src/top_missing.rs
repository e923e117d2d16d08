//! The live view of a program that was built without it.

use crate::error::ClientError;
use crate::exit::ClientExit;
use crate::look::{Asking, SNAPSHOT};
use crate::print::{remark, say_raw};

/// Says where the view is; with `--json`, what a look brings.
pub(crate) async fn top(asking: &Asking) -> Result<ClientExit, ClientError> {
    if asking.json {
        say_raw(&asking.client.get(SNAPSHOT).await?.text);
        return Ok(ClientExit::Done);
    }
    let url = asking.client.url();
    remark(&format!(
        "error: this program was built without the feature `top`\n  = help: `processpype top \
         --url {url}` shows it, or build the application with that feature"
    ));
    Ok(ClientExit::Usage)
}
