//! The live view of a program that was built without it.

use crate::error::ClientError;
use crate::exit::ClientExit;
use crate::look::Asking;
use crate::paths::SNAPSHOT;
use crate::print::{remark, say_raw};

/// Says where the view is; with `--json`, what a look brings.
pub(crate) async fn top(asking: &Asking) -> Result<ClientExit, ClientError> {
    if asking.json {
        say_raw(&asking.client.get(SNAPSHOT).await?.text);
        return Ok(ClientExit::Done);
    }
    remark(&without(&asking.client.url()));
    Ok(ClientExit::Usage)
}

fn without(url: &str) -> String {
    format!(
        "error: this program was built without the feature `top`\n  = help: `processpype top \
         --url {url}` shows it, or build the application with that feature"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::Destination;
    use crate::http::Client;
    use crate::tls_files::TlsFiles;
    use crate::token::Token;

    #[tokio::test]
    async fn a_view_that_is_not_there_is_a_wrong_command_and_says_who_has_it() {
        let target: crate::Target = "http://127.0.0.1:1".parse().expect("an address");
        let (from, tls) = ("--url".to_owned(), TlsFiles::default());
        let destination = Destination { target, from, token: Token::Found, tls };
        let client = Client::new(destination);
        // Nobody is asked: nobody listens there.
        let exit = top(&Asking { client, json: false }).await.expect("it says so");
        assert_eq!(exit, ClientExit::Usage);
        let told = without("http://127.0.0.1:1");
        assert!(told.starts_with("error: this program was built without the feature `top`\n"));
        assert!(told.contains("`processpype top --url http://127.0.0.1:1` shows it"), "{told}");
    }
}
