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
    let why = "this program was built without the feature `tls`".to_owned();
    Err(ClientError::Untrusted { url: target.to_string(), why })
}
