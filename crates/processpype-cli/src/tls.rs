//! TLS with an application: whom to believe, and who to be.
//!
//! # Invariants
//!
//! 1. Nothing switches the check of the server off.
//! 2. Nothing global is installed: the provider of cryptography is named here.

use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::error::ClientError;
use crate::reach::Socket;
use crate::target::{Place, Target};
use crate::tls_files::TlsFiles;

/// The only protocol above TLS that is spoken here.
const ALPN: &[u8] = b"http/1.1";

/// Speaks TLS over a connection.
pub(crate) async fn secure(
    socket: TcpStream,
    target: &Target,
    host: &str,
    named: &TlsFiles,
) -> Result<Socket, ClientError> {
    let config = config(named)?;
    let name = ServerName::try_from(Place::bare(host).to_owned());
    let name = name.map_err(|_| files("the address has no name that a certificate could have"))?;
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, socket).await;
    let untrusted = |why: std::io::Error| ClientError::Untrusted {
        url: target.to_string(),
        why: why.to_string(),
    };
    Ok(Box::new(connecting.map_err(untrusted)?))
}

fn config(named: &TlsFiles) -> Result<ClientConfig, ClientError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| files(&error.to_string()))?;
    let builder = builder.with_root_certificates(roots(named.cacert.as_deref())?);
    let mut config = match (named.cert.as_deref(), named.key.as_deref()) {
        (None, None) => builder.with_no_client_auth(),
        (Some(cert), key) => {
            // As with curl, both may stand in one file.
            let key = key.unwrap_or(cert);
            let pair = builder.with_client_auth_cert(certificates(cert)?, private_key(key)?);
            pair.map_err(|error| files(&format!("{}: {error}", cert.display())))?
        }
        (None, Some(_)) => return Err(files("there is a key, and no certificate to go with it")),
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

/// Whom to believe: the authorities in a file, else those of the system.
fn roots(cacert: Option<&Path>) -> Result<RootCertStore, ClientError> {
    let mut roots = RootCertStore::empty();
    match cacert {
        Some(path) => {
            for certificate in certificates(path)? {
                let added = roots.add(certificate);
                added.map_err(|error| files(&format!("{}: {error}", path.display())))?;
            }
        }
        // What of the system's cannot be read is not believed; an empty store believes nobody.
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let all = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let all: Vec<_> = all.map_err(|error| files(&format!("{}: {error}", path.display())))?;
    if all.is_empty() {
        return Err(files(&format!("{} has no certificate in it", path.display())));
    }
    Ok(all)
}

/// What is wrong with a key is not repeated: the text might hold a part of it.
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, ClientError> {
    PrivateKeyDer::from_pem_file(path)
        .map_err(|_| files(&format!("{} has no private key that can be read", path.display())))
}

fn files(why: &str) -> ClientError {
    ClientError::Files { why: why.to_owned() }
}
