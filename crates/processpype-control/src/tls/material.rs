//! From files to what rustls takes, with every check in between.
//!
//! # Invariants
//!
//! 1. What comes out can be used: the key is the certificate's, and the certificate holds now.
//! 2. Nothing global is installed: the provider of cryptography is named here.
//! 3. A client that comes back begins anew: nothing is resumed, so that a certificate which is no
//!    longer believed opens nothing.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use hmac_sha256::Hash as Sha256;
use processpype_runtime::Timestamp;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{Error, RootCertStore, ServerConfig};

use super::subject::{Validity, validity};
use super::{ClientAuth, Tls, TlsError, TlsFault, TlsKey};

/// The most bytes of one file: some hundred certificates.
const FILE_MAX: u64 = 1024 * 1024;

/// The only protocol above TLS that is spoken here.
const ALPN: &[u8] = b"http/1.1";

/// What stands in the files of a listener.
#[derive(Debug)]
pub(super) struct Material {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

/// What a listener speaks TLS with.
#[derive(Clone, Debug)]
pub(super) struct Spoken {
    pub(super) config: Arc<ServerConfig>,
    pub(super) validity: Validity,
}

pub(crate) fn check(tls: &Tls, now: Timestamp) -> Result<(), TlsError> {
    Material::read(tls)?.speak(tls, now).map(drop)
}

// === impl Material ===

impl Material {
    /// Reads the files. It blocks.
    pub(super) fn read(tls: &Tls) -> Result<Self, TlsError> {
        let client_ca = tls.client_ca.as_ref().map(|path| read(TlsKey::ClientCa, path));
        Ok(Self {
            certificate: read(TlsKey::Certificate, &tls.certificate)?,
            key: read(TlsKey::Key, &tls.key)?,
            client_ca: client_ca.transpose()?,
        })
    }

    /// Returns what tells these files from others.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for file in [Some(&self.certificate), Some(&self.key), self.client_ca.as_ref()] {
            digest.update(Sha256::hash(file.map_or(&[][..], Vec::as_slice)));
        }
        digest.finalize()
    }

    /// Makes of them what a listener speaks TLS with.
    pub(super) fn speak(&self, tls: &Tls, now: Timestamp) -> Result<Spoken, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let chain = certificates(TlsKey::Certificate, &tls.certificate, &self.certificate)?;
        let validity = holds(&tls.certificate, &chain[0], now)?;
        let certified = self.certified(tls, chain, &provider)?;
        let verifier = self.verifier(tls, &provider)?;
        let broken = |error: Error| {
            let fault = TlsFault::Malformed(error.to_string());
            TlsError::new(TlsKey::Certificate, &tls.certificate, fault)
        };
        let builder = ServerConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().map_err(broken)?;
        let builder = match verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let resolver = SingleCertAndKey::from(certified);
        let mut config = builder.with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Spoken { config: Arc::new(config), validity })
    }

    fn certified(
        &self,
        tls: &Tls,
        chain: Vec<CertificateDer<'static>>,
        provider: &CryptoProvider,
    ) -> Result<CertifiedKey, TlsError> {
        let fault = |fault| TlsError::new(TlsKey::Key, &tls.key, fault);
        // What is wrong with a key is not repeated: the text might hold a part of it.
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| fault(TlsFault::NoKey))?;
        let key = provider.key_provider.load_private_key(key);
        let certified = CertifiedKey::new(chain, key.map_err(|_| fault(TlsFault::NoKey))?);
        match certified.keys_match() {
            Ok(()) => Ok(certified),
            Err(Error::InconsistentKeys(_)) => Err(fault(TlsFault::Mismatch)),
            Err(error) => {
                let broken = TlsFault::Malformed(error.to_string());
                Err(TlsError::new(TlsKey::Certificate, &tls.certificate, broken))
            }
        }
    }

    fn verifier(
        &self,
        tls: &Tls,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
        let (Some(path), Some(pem)) = (&tls.client_ca, &self.client_ca) else { return Ok(None) };
        let broken = |why: String| TlsError::new(TlsKey::ClientCa, path, TlsFault::Malformed(why));
        let mut roots = RootCertStore::empty();
        for certificate in certificates(TlsKey::ClientCa, path, pem)? {
            roots.add(certificate).map_err(|error| broken(error.to_string()))?;
        }
        let provider = Arc::clone(provider);
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let builder = match tls.client_auth {
            ClientAuth::Required => builder,
            ClientAuth::Optional => builder.allow_unauthenticated(),
        };
        builder.build().map(Some).map_err(|error| broken(error.to_string()))
    }
}

fn read(key: TlsKey, path: &Path) -> Result<Vec<u8>, TlsError> {
    let fault = |fault| TlsError::new(key, path, fault);
    let unreadable = |error| fault(TlsFault::Unreadable(error));
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_MAX { Err(fault(TlsFault::TooLong(FILE_MAX))) } else { Ok(bytes) }
}

/// Reads at least one certificate.
fn certificates(
    key: TlsKey,
    path: &Path,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        Ok(_) => Err(TlsError::new(key, path, TlsFault::NoCertificate)),
        Err(_) => {
            let why = "it is no PEM file".to_owned();
            Err(TlsError::new(key, path, TlsFault::Malformed(why)))
        }
    }
}

fn holds(path: &Path, der: &[u8], now: Timestamp) -> Result<Validity, TlsError> {
    let fault = |fault| TlsError::new(TlsKey::Certificate, path, fault);
    let unreadable = || fault(TlsFault::Malformed("its first certificate is none".to_owned()));
    let validity = validity(der).ok_or_else(unreadable)?;
    if now > validity.until {
        Err(fault(TlsFault::Expired(validity.until)))
    } else if now < validity.from {
        Err(fault(TlsFault::NotYetValid(validity.from)))
    } else {
        Ok(validity)
    }
}
