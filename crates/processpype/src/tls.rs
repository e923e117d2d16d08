//! TLS in the file: `tls` of a listener, and `server.auth.certificates`.
//!
//! # Invariants
//!
//! 1. The files are read and held against each other while the configuration is checked, so that
//!    `check` finds what a start would.

use std::path::PathBuf;

use processpype_config::{HumanDuration, Report, Section};
use processpype_control::{CertificateRule, ClientAuth, TLS_RELOAD, Tls, TlsKey, Whose};
use processpype_core::Role;
use processpype_runtime::{Clock, Timestamp};
use serde::Deserialize;

use crate::access::RoleWord;
use crate::settings::times;

/// The most rules about certificates: each certificate is held against all.
/// The schema holds it, and is made from it.
#[cfg(test)]
pub(crate) const CERTIFICATES_MAX: usize = 256;

/// The shortest time between two looks at the files, in seconds.
const RELOAD_MIN: u64 = 1;

/// TLS of a listener. Needs the feature `tls`.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct TlsSection {
    /// The PEM file with the certificate, followed by those that lead to a root.
    certificate: PathBuf,
    /// The PEM file with its private key.
    key: PathBuf,
    /// The PEM file with the authorities whose certificates of clients are believed. Without it
    /// clients are not asked for one.
    client_ca: Option<PathBuf>,
    /// What becomes of a client without a certificate. Default: `required`.
    client_auth: Option<ClientAuthWord>,
    /// How often to look for new files. Default: 30s.
    reload: Option<HumanDuration>,
}

/// What becomes of a client that shows no certificate.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
enum ClientAuthWord {
    /// It is not let in.
    Required,
    /// It may show a token instead.
    Optional,
}

/// A certificate of a client, and whom it stands for.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct CertificateSection {
    /// Whose it is; the actor of what is done with it is `certificate:` and this.
    #[cfg_attr(test, schemars(length(max = processpype_control::TOKEN_NAME_MAX)))]
    name: String,
    /// What it allows.
    role: RoleWord,
    /// The only common name in its subject.
    common_name: Option<String>,
    /// One of its alternative names, as a DNS name.
    dns: Option<String>,
    /// One of its alternative names, as a URI.
    uri: Option<String>,
    /// The SHA-256 over it.
    sha256: Option<String>,
}

/// Reads what a listener says about TLS; checks the files.
pub(crate) fn tls(
    written: &TlsSection,
    section: &Section,
    problem: &mut impl FnMut(Report),
) -> Tls {
    let mut tls = Tls::new(&written.certificate, &written.key);
    tls.client_ca.clone_from(&written.client_ca);
    tls.client_auth = match written.client_auth {
        Some(ClientAuthWord::Required) | None => ClientAuth::Required,
        Some(ClientAuthWord::Optional) => ClientAuth::Optional,
    };
    tls.reload = written.reload.map_or(TLS_RELOAD, Into::into);
    if written.client_auth.is_some() && written.client_ca.is_none() {
        let told = section.get("client_auth").problem("no client can be believed");
        problem(told.help("name the file of an authority in `client_ca`").into());
    }
    times::check(section, &[("reload", written.reload)]).unwrap_or_else(&mut *problem);
    if tls.reload.as_secs() < RELOAD_MIN {
        let told = section.get("reload").problem("the files would be read all the time");
        problem(told.help("write `1s` or more").into());
    }
    if let Err(error) = tls.check(now()) {
        let at = match error.key() {
            TlsKey::Certificate => section.get("certificate"),
            TlsKey::Key => section.get("key"),
            TlsKey::ClientCa => section.get("client_ca"),
            _ => section.clone(),
        };
        problem(at.problem(error.to_string()).help(error.help()).into());
    }
    tls
}

/// Reads the rules about certificates.
pub(crate) fn certificates(
    written: &[CertificateSection],
    section: &Section,
    problem: &mut impl FnMut(Report),
) -> Vec<CertificateRule> {
    let mut rules: Vec<CertificateRule> = Vec::new();
    for (at, written) in written.iter().enumerate() {
        match written.rule() {
            Ok(rule) => rules.push(rule),
            Err(why) => {
                let told = section.item(at).problem(format!("certificate {}: {why}", at + 1));
                problem(told.into());
            }
        }
    }
    rules
}

fn now() -> Timestamp {
    Clock::system().now()
}

// === impl CertificateSection ===

impl CertificateSection {
    fn rule(&self) -> Result<CertificateRule, String> {
        let said = [
            self.common_name.clone().map(Whose::CommonName),
            self.dns.clone().map(Whose::Dns),
            self.uri.clone().map(Whose::Uri),
            self.sha256.clone().map(Whose::Sha256),
        ];
        let mut said = said.into_iter().flatten();
        let whose = said.next().unwrap_or(Whose::Anybody);
        if said.next().is_some() {
            return Err("keep one of `common_name`, `dns`, `uri` and `sha256`".to_owned());
        }
        let rule = CertificateRule::new(&self.name, Role::from(self.role), whose);
        rule.map_err(|error| error.to_string())
    }
}
