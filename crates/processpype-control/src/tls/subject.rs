//! What a certificate says: whose it is, and when it holds.

use hmac_sha256::Hash as Sha256;
use processpype_runtime::Timestamp;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::der::oid::db::rfc4519::COMMON_NAME;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::{DirectoryString, GeneralName};
use x509_cert::time::Time;

use crate::certificate::Subject;

/// When a certificate holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
}

/// Reads when a certificate holds; `None` if it is none.
pub(super) fn validity(der: &[u8]) -> Option<Validity> {
    let certificate = Certificate::from_der(der).ok()?;
    let validity = certificate.tbs_certificate().validity();
    let at = |time: Time| {
        Timestamp(u64::try_from(time.to_unix_duration().as_millis()).unwrap_or(u64::MAX))
    };
    Some(Validity { from: at(validity.not_before), until: at(validity.not_after) })
}

/// Reads whose a certificate is. What cannot be read is not there, so that no rule can match it.
pub(super) fn subject(der: &[u8]) -> Subject {
    let mut subject = Subject { sha256: Sha256::hash(der), ..Subject::default() };
    let Ok(certificate) = Certificate::from_der(der) else { return subject };
    let certificate = certificate.tbs_certificate();
    let common_names = certificate.subject().iter().filter(|it| it.oid == COMMON_NAME);
    subject.common_names = common_names
        .map(|it| DirectoryString::try_from(&it.value).map(String::from).unwrap_or_default())
        .collect();
    if let Ok(Some((_, names))) = certificate.get_extension::<SubjectAltName>() {
        for name in names.0 {
            match name {
                GeneralName::DnsName(name) => subject.dns.push(name.to_string()),
                GeneralName::UniformResourceIdentifier(uri) => subject.uris.push(uri.to_string()),
                _ => {}
            }
        }
    }
    subject
}
