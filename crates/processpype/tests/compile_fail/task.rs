//! A task that gives no result.

use processpype::{Application, Context};

fn main() {
    let _ = Application::new().task("heartbeat", async |cx: Context| cx.stopping().await);
}
