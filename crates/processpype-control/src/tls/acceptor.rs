//! What speaks TLS with the clients of one listener, and takes new certificates while it does.
//!
//! # Invariants
//!
//! 1. There is always a certificate: new files that are wrong change nothing. That is told once, in
//!    the log and as an event; so is a certificate that was taken. Metrics and the doctor tell it
//!    for as long as it is so.
//! 2. A handshake sees one whole set of files, never the certificate of one with the key of
//!    another.
//! 3. Files that are settled are looked at again when they change, or when the time comes of a
//!    certificate that was not valid yet.
//! 4. Whoever does not begin with TLS is told so in plain text, and gets nothing else.

use std::io;
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use processpype_runtime::{Manager, Timestamp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_rustls::TlsAcceptor;

use super::material::{Material, Spoken};
use super::subject::subject;
use super::{Refused, Tls, TlsError, TlsFault, told};
use crate::certificate::{CertificateRule, first_match};

/// A connection over TLS.
pub(crate) type TlsStream = tokio_rustls::server::TlsStream<TcpStream>;

/// The first byte of TLS: a record of the handshake (RFC 8446, 5.1).
const HANDSHAKE: u8 = 22;

/// How much of a request in plain text is read before the connection is closed, in bytes: a server
/// that closes on unread bytes may take its answer with it.
const TURNED_AWAY_MAX: u64 = 64 * 1024;

/// What a client is told that does not speak TLS.
const SPEAK_TLS: &str = concat!(
    "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\n",
    "content-length: 140\r\nconnection: close\r\n\r\n",
    r#"{"title":"Malformed request","status":400,"code":"malformed-request","#,
    r#""detail":"this listener speaks TLS","help":"ask with https:// instead"}"#,
);

/// What speaks TLS at one listener.
#[derive(Debug)]
pub(crate) struct Acceptor {
    tls: Tls,
    rules: Vec<CertificateRule>,
    spoken: ArcSwap<Spoken>,
    /// What tells the files in use from others.
    digest: [u8; 32],
    /// The newest files, if they are not in use.
    refused: ArcSwapOption<Refused>,
}

/// The files as they were looked at last.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// They are in use, or were refused, which was told.
    Settled([u8; 32]),
    /// They are refused until this time, which was told: the certificate is not valid before.
    Early([u8; 32], Timestamp),
    /// They were wrong once. They may just be being written: what they are next time counts.
    Doubtful(Option<[u8; 32]>),
    /// They cannot be read, which was told.
    Unreadable,
}

/// What came of a look.
#[derive(Debug)]
enum Look {
    Same,
    Renewed(Spoken),
    Refused(TlsError),
}

// === impl Acceptor ===

impl Acceptor {
    /// Reads the files.
    pub(crate) fn open(
        tls: &Tls,
        rules: Vec<CertificateRule>,
        now: Timestamp,
    ) -> Result<Self, TlsError> {
        let material = Material::read(tls)?;
        let spoken = ArcSwap::from_pointee(material.speak(tls, now)?);
        let refused = ArcSwapOption::empty();
        Ok(Self { tls: tls.clone(), rules, spoken, digest: material.digest(), refused })
    }

    /// Speaks with a client until both know how to go on; returns the place of the rule that its
    /// certificate matches.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the connection.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<(TlsStream, Option<u16>)> {
        let mut first = [0];
        if stream.peek(&mut first).await? == 1 && first[0] != HANDSHAKE {
            return Err(turn_away(stream).await);
        }
        let config = Arc::clone(&self.spoken.load().config);
        let stream = TlsAcceptor::from(config).accept(stream).await?;
        let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let rule = certificate.and_then(|der| first_match(&self.rules, &subject(der)));
        Ok((stream, rule))
    }

    /// Returns until when the certificate in use holds.
    pub(crate) fn expires(&self) -> Timestamp {
        self.spoken.load().validity.until
    }

    /// Returns why the newest files are not in use.
    pub(crate) fn refused(&self) -> Option<Arc<Refused>> {
        self.refused.load_full()
    }

    /// Looks for new files again and again, and takes them. Never returns.
    ///
    /// After a panic it may be begun anew: what is told then of files that are known is true still.
    pub(crate) async fn renew_forever(&self, manager: &Manager) {
        let reporter = manager.reporter();
        let mut looks = interval_at(Instant::now() + self.tls.reload, self.tls.reload);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen = Seen::Settled(self.digest);
        loop {
            looks.tick().await;
            let tls = self.tls.clone();
            // A file may block.
            let read = tokio::task::spawn_blocking(move || Material::read(&tls)).await;
            let read = match read {
                Ok(read) => read,
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => continue,
            };
            match self.look(read, &mut seen, manager.wall_time()) {
                Look::Same => {}
                Look::Renewed(spoken) => {
                    reporter.note("certificate-reloaded", &self.renewed(spoken));
                }
                Look::Refused(error) => {
                    reporter.note("certificate-refused", &self.refuse(&error));
                }
            }
        }
    }

    /// Takes new files, and returns what an event says of it.
    fn renewed(&self, spoken: Spoken) -> String {
        let (at, until) = (self.tls.certificate.display(), told(spoken.validity.until));
        self.spoken.store(Arc::new(spoken));
        self.refused.store(None);
        tracing::info!(%until, "new certificate of {at}");
        format!("new certificate of {at}, until {until}")
    }

    /// Tells of files that are not taken, and returns what an event says of it.
    fn refuse(&self, error: &TlsError) -> String {
        let (until, help) = (told(self.expires()), error.help());
        tracing::error!(help, %until, "the old certificate stays in use: {error}");
        let why = format!("the old one stays in use, until {until}: {error}");
        self.refused.store(Some(Arc::new(Refused { why: why.clone(), help })));
        why
    }

    /// Decides what the files mean, as they are now.
    fn look(&self, read: Result<Material, TlsError>, seen: &mut Seen, now: Timestamp) -> Look {
        let digest = read.as_ref().ok().map(Material::digest);
        let is_same = match &*seen {
            Seen::Settled(old) => digest == Some(*old),
            Seen::Early(old, from) => digest == Some(*old) && now < *from,
            Seen::Doubtful(_) | Seen::Unreadable => false,
        };
        if is_same {
            return Look::Same;
        }
        let error = match (read.and_then(|material| material.speak(&self.tls, now)), digest) {
            (Ok(spoken), Some(digest)) => {
                *seen = Seen::Settled(digest);
                return Look::Renewed(spoken);
            }
            (Err(error), _) => error,
            (Ok(_), None) => return Look::Same,
        };
        match seen {
            Seen::Doubtful(doubted) if *doubted == digest => {
                *seen = match (digest, error.fault()) {
                    (None, _) => Seen::Unreadable,
                    (Some(digest), TlsFault::NotYetValid(from)) => Seen::Early(digest, *from),
                    (Some(digest), _) => Seen::Settled(digest),
                };
                Look::Refused(error)
            }
            Seen::Unreadable if digest.is_none() => Look::Same,
            Seen::Settled(_) | Seen::Early(..) | Seen::Doubtful(_) | Seen::Unreadable => {
                *seen = Seen::Doubtful(digest);
                Look::Same
            }
        }
    }
}

/// Says that this is the wrong language.
async fn turn_away(mut stream: TcpStream) -> io::Error {
    let told = async {
        stream.write_all(SPEAK_TLS.as_bytes()).await?;
        stream.shutdown().await?;
        let mut rest = stream.take(TURNED_AWAY_MAX);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
    };
    let _ = told.await;
    io::Error::new(io::ErrorKind::InvalidData, "the client does not speak TLS")
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    /// Makes files of which the certificate holds from that year on.
    fn files(folder: &std::path::Path, year: i32) -> Tls {
        let names = vec!["localhost".to_owned()];
        let mut params = CertificateParams::new(names).expect("good names");
        params.not_before = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        let (at, at_key) = (folder.join("tls.crt"), folder.join("tls.key"));
        std::fs::write(&at, certificate.pem()).expect("a file");
        std::fs::write(&at_key, key.serialize_pem()).expect("a file");
        Tls::new(at, at_key)
    }

    #[test]
    fn a_certificate_is_taken_when_its_time_comes() {
        let folder = format!("processpype-early-{}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        std::fs::create_dir_all(&folder).expect("a directory");
        let (now, then) = (Timestamp(1_795_000_000_000), Timestamp(1_861_920_000_000));
        let acceptor = Acceptor::open(&files(&folder, 2025), Vec::new(), now).expect("it is good");
        let mut seen = Seen::Settled(acceptor.digest);
        let tls = files(&folder, 2029);
        let mut look = |now| acceptor.look(Material::read(&tls), &mut seen, now);
        assert!(matches!(look(now), Look::Same), "it may just be being written");
        let Look::Refused(error) = look(now) else { panic!("it is too early") };
        assert!(acceptor.refuse(&error).contains("is not valid before 2029-01-01"), "{error}");
        assert!(matches!(look(Timestamp(then.0 - 1)), Look::Same), "it is told once");
        assert!(acceptor.refused().expect("it is").help.contains("Once its time has come"));
        let Look::Renewed(spoken) = look(then) else { panic!("its time has come") };
        acceptor.renewed(spoken);
        assert_eq!(acceptor.refused(), None);
        assert!(matches!(look(then), Look::Same), "it is in use");
        std::fs::remove_dir_all(&folder).expect("it is there");
    }

    #[test]
    fn the_answer_in_plain_text_has_its_length() {
        let (head, body) = SPEAK_TLS.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{}", body.len());
        serde_json::from_str::<serde_json::Value>(body).expect("JSON");
    }
}
