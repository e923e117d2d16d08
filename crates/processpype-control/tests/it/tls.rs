//! TLS over real sockets: good clients, bad ones, and certificates that come and go.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use processpype_control::{
    CertificateRule, ClientAuth, ControlSettings, Listener, Running, Tls, TlsKey, Token, Whose,
};
use processpype_core::Role;
use processpype_runtime::{Manager, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tracing_subscriber::layer::{Context as LayerContext, SubscriberExt as _};
use tracing_subscriber::{Layer, Registry};

use crate::fixture::{App, settings};

const PATIENCE: Duration = Duration::from_secs(10);
const TOKEN: &str = "the-token-of-the-tests-about-tls";

/// What the fixture's clock shows, or near it.
const NOW: Timestamp = Timestamp(1_795_000_000_000);

static PLACES: AtomicU64 = AtomicU64::new(0);

/// A directory with certificates, removed at its end.
struct Place(PathBuf);

/// An authority that signs certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key, as PEM.
struct Issued {
    certificate: String,
    key: String,
    /// Until when it holds, in seconds since 1970.
    until: i64,
}

// === certificates ===

impl Place {
    fn new() -> Self {
        let number = PLACES.fetch_add(1, Ordering::Relaxed);
        let name = format!("processpype-tls-{}-{number}", std::process::id());
        let place = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&place).expect("a directory");
        Self(place)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("a file");
        path
    }

    /// Puts a file in place of another in one step: nobody reads half of it.
    fn replace(&self, name: &str, text: &str) {
        let whole = self.write("next", text);
        std::fs::rename(whole, self.0.join(name)).expect("it is replaced");
    }

    /// Writes a certificate of a server, and returns where.
    fn tls(&self, issued: &Issued) -> Tls {
        let certificate = self.write("tls.crt", &issued.certificate);
        Tls::new(certificate, self.write("tls.key", &issued.key))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("good names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn issue(&self, params: &CertificateParams) -> Issued {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate").pem();
        let until = params.not_after.unix_timestamp();
        Issued { certificate, key: key.serialize_pem(), until }
    }

    fn server(&self) -> Issued {
        self.issue(&named("shop", &["localhost"]))
    }

    fn client(&self, name: &str, dns: &str) -> Issued {
        let mut params = named(name, &[dns]);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(&params)
    }
}

fn named(name: &str, dns: &[&str]) -> CertificateParams {
    let dns: Vec<String> = dns.iter().map(|&dns| dns.to_owned()).collect();
    let mut params = CertificateParams::new(dns).expect("good names");
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

// === talking ===

async fn serve(tls: Tls, change: impl FnOnce(&mut ControlSettings)) -> Running {
    managed(tls, change).await.1
}

async fn managed(tls: Tls, change: impl FnOnce(&mut ControlSettings)) -> (Manager, Running) {
    let mut settings = settings();
    let listener = Listener::at("127.0.0.1:0".parse().expect("an address"));
    settings.listeners = vec![Listener { tls: Some(tls), ..listener }];
    settings.tokens = vec![Token::new("it", Role::Admin, TOKEN).expect("a good token")];
    change(&mut settings);
    let (manager, bound) = App::start_with(settings).await.bind().await;
    (manager, bound.serve())
}

/// Waits until certificates have been refused so often.
async fn refused(manager: &Manager, times: usize) {
    let told = || {
        let events = manager.events(0, usize::MAX).events;
        events.iter().filter(|event| event.cause == "certificate-refused").count()
    };
    let wait = async {
        while told() < times {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{} refused, not {times}", told()));
}

async fn plain(running: &Running) -> TcpStream {
    TcpStream::connect(running.address().expect("an address")).await.expect("a connection")
}

fn trusting(authority: &Authority, own: Option<&Issued>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(authority.pem.as_bytes()).expect("PEM");
    roots.add(root).expect("a root");
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().expect("versions");
    let builder = builder.with_root_certificates(roots);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let chain =
                vec![CertificateDer::from_pem_slice(own.certificate.as_bytes()).expect("PEM")];
            let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).expect("PEM");
            builder.with_client_auth_cert(chain, key).expect("a pair")
        }
    };
    TlsConnector::from(Arc::new(config))
}

/// Asks once over TLS; an error of any kind is an error.
async fn ask(running: &Running, tls: &TlsConnector, head: &str) -> Result<String, std::io::Error> {
    let asking = async {
        let name = ServerName::try_from("localhost").expect("a name");
        let mut stream = tls.connect(name, plain(running).await).await?;
        let request = format!("{head}\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    timeout(PATIENCE, asking).await.expect("an end")
}

const LIVE: &str = "GET /health/live HTTP/1.1";

#[tokio::test]
async fn it_answers_over_tls_and_only_so() {
    let (place, authority) = (Place::new(), Authority::new("root"));
    let running = serve(place.tls(&authority.server()), |_| {}).await;
    let trusting_it = trusting(&authority, None);
    let answer = ask(&running, &trusting_it, LIVE).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let other = trusting(&Authority::new("other"), None);
    ask(&running, &other, LIVE).await.expect_err("an unknown authority");
    let mut stream = plain(&running).await;
    let request = format!("{LIVE}\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("an end").expect("text");
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("https://"), "{answer}");
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_cut_and_holds_up_nobody() {
    let (place, authority) = (Place::new(), Authority::new("root"));
    let running = serve(place.tls(&authority.server()), |settings| {
        settings.limits.handshake_time = Duration::from_millis(200);
    })
    .await;
    // Nothing; the beginning of a record; a record that never ends; rubbish after a good start.
    let beginnings: [&[u8]; 4] =
        [&[], &[22], &[22, 3, 1, 0x40, 0], &[22, 3, 1, 0, 5, 9, 9, 9, 9, 9]];
    for bytes in beginnings {
        let mut stream = plain(&running).await;
        stream.write_all(bytes).await.expect("sent");
        let mut rest = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        let _ = read.unwrap_or_else(|_| panic!("{bytes:?} was not cut"));
        assert!(!rest.windows(4).any(|four| four == b"HTTP"), "{rest:?}");
    }
    let answer = ask(&running, &trusting(&authority, None), LIVE).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn handshakes_count_as_connections_and_give_up_their_place() {
    let (place, authority) = (Place::new(), Authority::new("root"));
    let running = serve(place.tls(&authority.server()), |settings| {
        settings.limits.connections = 2;
        settings.limits.handshake_time = Duration::from_secs(600);
    })
    .await;
    let _half = [plain(&running).await, plain(&running).await];
    let answer = ask(&running, &trusting(&authority, None), LIVE).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn certificates_of_clients_are_people() {
    let (place, authority) = (Place::new(), Authority::new("root"));
    let people = Authority::new("people");
    for client_auth in [ClientAuth::Required, ClientAuth::Optional] {
        let mut tls = place.tls(&authority.server());
        tls.client_ca = Some(place.write("clients.crt", &people.pem));
        tls.client_auth = client_auth;
        let running = serve(tls, |settings| {
            let rule = |name, role, whose| CertificateRule::new(name, role, whose).expect("good");
            settings.certificates = vec![
                rule("ci", Role::Operator, Whose::CommonName("ci".to_owned())),
                rule("eyes", Role::Viewer, Whose::Dns("eyes.shop".to_owned())),
            ];
        })
        .await;
        let ci = trusting(&authority, Some(&people.client("ci", "x.shop")));
        let eyes = trusting(&authority, Some(&people.client("somebody", "Eyes.shop")));
        let nobody = trusting(&authority, Some(&people.client("nobody", "nobody.shop")));
        let stranger = Authority::new("people");
        let stranger = trusting(&authority, Some(&stranger.client("ci", "x.shop")));
        let bare = trusting(&authority, None);

        let (events, stop) = ("GET /events HTTP/1.1", "POST /services/idle/stop HTTP/1.1");
        let status = async |tls: &TlsConnector, head: &str| {
            let answer = ask(&running, tls, head).await.map_err(|_| ())?;
            answer.split(' ').nth(1).and_then(|code| code.parse::<u16>().ok()).ok_or(())
        };
        assert_eq!(status(&ci, events).await, Ok(200));
        assert_eq!(status(&ci, stop).await, Ok(200));
        assert_eq!(status(&eyes, events).await, Ok(200));
        assert_eq!(status(&nobody, events).await, Ok(401));
        assert_eq!(status(&stranger, events).await, Err(()), "another authority of that name");
        let without = if client_auth == ClientAuth::Required { Err(()) } else { Ok(401) };
        assert_eq!(status(&bare, events).await, without);
        let told = ask(&running, &ci, &format!("{events}\r\nX: y")).await.expect("an answer");
        assert!(told.contains("\"actor\":\"certificate:ci\""), "{told}");
        let token = format!("{events}\r\nAuthorization: Bearer {TOKEN}");
        assert_eq!(status(&nobody, &token).await, Ok(200), "a token is one too");
        let wrong = format!("{events}\r\nAuthorization: Bearer {TOKEN}x");
        assert_eq!(status(&ci, &wrong).await, Ok(401), "a wrong one is not helped");
    }
}

#[tokio::test]
async fn new_certificates_are_taken_and_broken_ones_are_not() {
    let (place, old) = (Place::new(), Authority::new("old"));
    let mut tls = place.tls(&old.server());
    tls.reload = Duration::from_millis(20);
    let (manager, running) = managed(tls, |_| {}).await;
    let believes =
        async |authority: &Authority| ask(&running, &trusting(authority, None), LIVE).await.is_ok();
    assert!(believes(&old).await);
    // A connection that is open stays as it is.
    let name = ServerName::try_from("localhost").expect("a name");
    let open = trusting(&old, None).connect(name, plain(&running).await).await;
    let mut open = open.expect("a connection");

    let new = Authority::new("new");
    let issued = new.server();
    // Half of it, rubbish, nothing at all, a key that is not its own: the old one goes on. Each is
    // one change, which is refused once when it has been seen.
    let other = new.server();
    place.replace("tls.key", &issued.key);
    refused(&manager, 1).await;
    for (certificate, times) in
        [&issued.certificate[..200], "rubbish", "", &other.certificate].into_iter().zip(2..)
    {
        place.replace("tls.crt", certificate);
        refused(&manager, times).await;
        assert!(believes(&old).await && !believes(&new).await, "after {times} refusals");
    }
    std::fs::remove_file(place.0.join("tls.crt")).expect("it is there");
    refused(&manager, 6).await;
    assert!(believes(&old).await);
    let mut expired = named("shop", &["localhost"]);
    expired.not_after = date_time_ymd(2026, 1, 1);
    let expired = new.issue(&expired);
    // As long as there is no certificate, nothing about a key is told.
    place.replace("tls.key", &expired.key);
    place.replace("tls.crt", &expired.certificate);
    refused(&manager, 7).await;
    assert!(believes(&old).await);

    check_refused(&running, &trusting(&old, None)).await;

    place.tls(&issued);
    let renewed = async { while !believes(&new).await {} };
    timeout(PATIENCE, renewed).await.expect("the new one is taken");
    assert!(!believes(&old).await, "the old one is gone");
    open.write_all(format!("{LIVE}\r\nHost: localhost\r\n\r\n").as_bytes()).await.expect("open");
    let mut answer = [0; 12];
    open.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200");
    check_told(&running, &trusting(&new, None), issued.until).await;
}

/// Panics when it hears of the first new certificate, as any code could.
struct Startled(AtomicU64);

impl<S: tracing::Subscriber> Layer<S> for Startled {
    fn on_event(&self, event: &tracing::Event<'_>, _: LayerContext<'_, S>) {
        let is_it = event.metadata().target().ends_with("tls::acceptor");
        assert!(!is_it || self.0.fetch_add(1, Ordering::Relaxed) > 0, "a bug");
    }
}

#[tokio::test]
async fn certificates_are_renewed_in_spite_of_a_panic() {
    std::mem::forget(tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default()));
    let startled = Registry::default().with(Startled(AtomicU64::new(0)));
    let _guard = tracing::subscriber::set_default(startled);
    let (place, authority) = (Place::new(), Authority::new("root"));
    let mut tls = place.tls(&authority.server());
    tls.reload = Duration::from_millis(20);
    let (manager, running) = managed(tls, |_| {}).await;
    let (first, second) = (Authority::new("first"), Authority::new("second"));
    let told = |cause: &str| {
        let events = manager.events(0, usize::MAX).events;
        events.iter().filter(|event| event.cause == cause).count()
    };
    place.tls(&first.server());
    let panicked = async {
        while told("renewal-panicked") == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, panicked).await.expect("it is told");
    place.tls(&second.server());
    let trusted = trusting(&second, None);
    let renewed = async { while ask(&running, &trusted, LIVE).await.is_err() {} };
    timeout(PATIENCE, renewed).await.expect("it goes on");
    assert_eq!(told("renewal-panicked"), 1);
}

/// Asks for something, and returns the body of the answer.
async fn read(running: &Running, tls: &TlsConnector, path: &str) -> String {
    let head = format!("GET {path} HTTP/1.1\r\nAuthorization: Bearer {TOKEN}");
    let answer = ask(running, tls, &head).await.expect("an answer");
    answer.split_once("\r\n\r\n").expect("a head").1.to_owned()
}

/// Checks that the doctor and the metrics tell of a certificate that is refused.
async fn check_refused(running: &Running, tls: &TlsConnector) {
    let found = read(running, tls, "/diagnosis").await;
    let found: serde_json::Value = serde_json::from_str(&found).expect("JSON");
    let found = &found["application"];
    assert_eq!((found[0]["code"].as_str(), found[1].as_str()), (Some("certificate-refused"), None));
    let message = found[0]["message"].as_str().expect("a text");
    assert!(message.contains("tls.crt expired at 2026-01-01"), "{message}");
    let metrics = read(running, tls, "/metrics").await;
    assert!(metrics.contains("certificate_refused{listener=\"https://127.0.0.1:"), "{metrics}");
    let line = metrics.lines().find(|line| line.contains("certificate_refused{"));
    assert!(line.is_some_and(|line| line.ends_with("} 1")), "{line:?}");
}

/// Checks what events and metrics say about certificates that came: one was taken, others were not.
async fn check_told(running: &Running, tls: &TlsConnector, until: i64) {
    let read = async |path: &str| read(running, tls, path).await;
    let page: serde_json::Value =
        serde_json::from_str(&read("/events?kind=application").await).expect("JSON");
    let events = page["events"].as_array().expect("a list");
    let texts = |cause: &str| -> Vec<&str> {
        let told = events.iter().filter(|event| event["cause"] == cause);
        told.filter_map(|event| event["message"].as_str()).collect()
    };
    let reloaded = texts("certificate-reloaded");
    assert!(reloaded.len() == 1 && reloaded[0].contains("tls.crt, until "), "{reloaded:?}");
    let refused = texts("certificate-refused");
    assert!(refused.iter().any(|text| text.contains("is not the key of the")), "{refused:?}");
    assert!(refused.iter().all(|text| text.starts_with("the old one stays in use, until ")));
    let line = format!(
        "processpype_tls_certificate_expiry_timestamp_seconds{{listener=\"https://{}\"}} {until}\n",
        running.address().expect("an address")
    );
    let metrics = read("/metrics").await;
    assert!(metrics.contains(&line), "no {line} in {metrics}");
    let line = metrics.lines().find(|line| line.contains("certificate_refused{"));
    assert!(line.is_some_and(|line| line.ends_with("} 0")), "{line:?}");
}

#[test]
fn what_is_wrong_with_files_is_told() {
    #[track_caller]
    fn check(tls: &Tls, key: TlsKey, words: &str) {
        let error = tls.check(NOW).expect_err("it is wrong");
        assert_eq!(error.key(), key, "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(!error.help().is_empty());
        assert!(!format!("{error} {error:?}").contains("PRIVATE"), "{error:?}");
    }
    let (place, authority) = (Place::new(), Authority::new("root"));
    let (one, other) = (authority.server(), authority.server());
    let good = place.tls(&one);
    good.check(NOW).expect("it is good");

    let missing = Tls::new(place.0.join("missing"), &good.key);
    check(&missing, TlsKey::Certificate, "missing");
    check(&Tls::new(&place.0, &good.key), TlsKey::Certificate, "cannot read");
    let missing = Tls::new(&good.certificate, place.0.join("missing"));
    check(&missing, TlsKey::Key, "missing");
    let swapped = Tls::new(&good.key, &good.certificate);
    check(&swapped, TlsKey::Certificate, "no certificate");
    let twice = Tls::new(&good.certificate, &good.certificate);
    check(&twice, TlsKey::Key, "no private key");
    let mismatch = Tls::new(&good.certificate, place.write("other.key", &other.key));
    check(&mismatch, TlsKey::Key, "not the key");
    let rubbish = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let rubbish = Tls::new(place.write("rubbish.crt", rubbish), &good.key);
    check(&rubbish, TlsKey::Certificate, "cannot be used");
    let huge = Tls::new(place.write("huge.crt", &"x".repeat(1024 * 1024 + 1)), &good.key);
    check(&huge, TlsKey::Certificate, "more than");
    for (from, until, words) in [
        (date_time_ymd(2020, 1, 1), date_time_ymd(2026, 11, 17), "expired at 2026-11-17"),
        (date_time_ymd(2027, 1, 1), date_time_ymd(2028, 1, 1), "not valid before 2027-01-01"),
    ] {
        let mut params = named("shop", &["localhost"]);
        (params.not_before, params.not_after) = (from, until);
        check(&place.tls(&authority.issue(&params)), TlsKey::Certificate, words);
    }
    let mut tls = place.tls(&one);
    tls.client_ca = Some(place.write("ca.crt", "rubbish"));
    check(&tls, TlsKey::ClientCa, "no certificate");
}
