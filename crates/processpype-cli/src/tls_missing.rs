//! TLS of a program that was built without it.

use tokio::net::TcpStream;

use crate::error::ClientError;
use crate::reach::Socket;
use crate::target::Target;
use crate::tls_files::TlsFiles;

/// Says that it cannot be spoken.
pub(crate) async fn secure(
    _: TcpStream,
    target: &Target,
    _: &str,
    _: &TlsFiles,
) -> Result<Socket, ClientError> {
    Err(ClientError::NoTls { url: target.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::ClientExit;

    #[tokio::test]
    async fn an_address_with_tls_is_refused_with_what_has_it() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let socket = TcpStream::connect(("127.0.0.1", port)).await.expect("it listens");
        let target: Target = format!("https://127.0.0.1:{port}").parse().expect("an address");
        let secured = secure(socket, &target, "127.0.0.1", &TlsFiles::default()).await;
        let Err(error) = secured else { panic!("there is none") };
        let told = "this program was built without the feature `tls`";
        assert_eq!(error.to_string(), format!("no TLS with {target}: {told}"));
        let help = error.help().expect("a remedy");
        assert!(help.starts_with(&format!("`processpype --url {target}` speaks it")), "{help}");
        assert_eq!((error.exit(), error.may_pass()), (ClientExit::Unreachable, false));
    }
}
