//! A real process that speaks TLS, asked by a real command line: whom they believe, and who they
//! are.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair,
};
use serde_json::Value;

use crate::harness::{Playground, Printed, eventually, run_in};

static PLACES: AtomicU64 = AtomicU64::new(0);

/// A directory with certificates, removed at its end.
struct Place(PathBuf);

/// Signs certificates; its own is in `ca`.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    ca: PathBuf,
}

// === impl Place ===

impl Place {
    fn new() -> Self {
        let name = format!("tls-{}-{}", std::process::id(), PLACES.fetch_add(1, Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn authority(&self, name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let ca = self.write(&format!("{name}.ca"), &pem);
        Authority { issuer: Issuer::new(params, key), ca }
    }

    /// Has a certificate made for the server, and puts it where the server looks.
    fn serve(&self, authority: &Authority) {
        let (certificate, key) = authority.issue("shop", "localhost", &[]);
        self.write("tls.crt", &certificate);
        self.write("tls.key", &key);
    }

    /// Starts a playground that speaks TLS.
    fn start(&self, more: &str) -> Playground {
        let (certificate, key) = (self.path("tls.crt"), self.path("tls.key"));
        let text = format!(
            "server:
  tls: {{certificate: {certificate}, key: {key}, reload: 1s{more}}}
  auth: {{certificates: [{{name: ci, role: operator, common_name: ci}}]}}
services: {{hello: {{kind: hello}}}}"
        );
        Playground::start(&text)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

// === impl Authority ===

impl Authority {
    /// Returns a certificate and its key, as PEM.
    fn issue(&self, name: &str, dns: &str, usages: &[ExtendedKeyUsagePurpose]) -> (String, String) {
        let mut params = CertificateParams::new(vec![dns.to_owned()]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = usages.to_vec();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        (certificate, key.serialize_pem())
    }

    fn ca(&self) -> &str {
        self.ca.to_str().unwrap()
    }
}

/// Asks the playground over TLS, as a user of its machine would.
fn ask(app: &Playground, arguments: &[&str]) -> Printed {
    let url = format!("https://localhost:{}", app.address.port());
    run_in(&[arguments, &["--url", &url]].concat(), &[app.at_home()])
}

/// Checks that no TLS came about, and that what to do is said.
#[track_caller]
fn check_refused(printed: &Printed, help: &str) {
    assert_eq!(printed.code, Some(69), "{printed:?}");
    assert!(printed.stderr.contains(help), "no `{help}` in {printed:?}");
}

#[test]
fn an_authority_is_believed_where_it_is_named() {
    let place = Place::new();
    let (known, stranger) = (place.authority("known"), place.authority("stranger"));
    place.serve(&known);
    let app = place.start("");
    let named = ask(&app, &["services", "--cacert", known.ca()]);
    assert_eq!(named.code, Some(0), "{named:?}");
    assert!(named.stdout.contains("hello"), "{named:?}");
    // What needs a token finds the one of this machine.
    assert_eq!(ask(&app, &["events", "--cacert", known.ca()]).code, Some(0));
    check_refused(&ask(&app, &["services"]), "--cacert or PROCESSPYPE_CACERT names the file");
    check_refused(&ask(&app, &["services", "--cacert", stranger.ca()]), "no TLS with https://");
    let missing = ask(&app, &["services", "--cacert", &place.path("missing")]);
    assert_eq!(missing.code, Some(64), "{missing:?}");
    assert!(missing.stderr.contains("missing"), "{missing:?}");

    // The application's own command line reads in its file that it speaks TLS. The certificate is
    // for a name, and the default of `host` is an address.
    let own = ["services", "--config", app.file.to_str().unwrap()];
    let port = format!("server.port={}", app.address.port());
    let own = [&own[..], &["--set", &port, "--set", "server.host=localhost"]].concat();
    let own = run_in(&own, &[app.at_home(), ("PROCESSPYPE_CACERT", known.ca())]);
    assert_eq!(own.code, Some(0), "{own:?}");

    let url = format!("https://localhost:{}", app.address.port());
    let contexts = format!("contexts: {{shop: {{url: '{url}', cacert: '{}'}}}}", known.ca());
    let contexts = place.write("contexts.yaml", &contexts);
    let words = ["services", "--context", "shop", "--contexts", contexts.to_str().unwrap()];
    let variables = [app.at_home(), ("PROCESSPYPE_CACERT", stranger.ca())];
    let context = run_in(&words, &variables);
    assert_eq!(context.code, Some(0), "a context that is named goes before: {context:?}");
    app.terminate().check(0);
}

#[test]
fn new_certificates_are_taken_broken_ones_are_not_and_both_are_told() {
    let place = Place::new();
    let (old, new) = (place.authority("old"), place.authority("new"));
    place.serve(&old);
    let app = place.start("");
    let causes = |authority: &Authority| -> Option<Vec<String>> {
        let words = ["events", "--kind", "application", "--json", "--cacert", authority.ca()];
        let printed = ask(&app, &words);
        let page: Value = serde_json::from_str(&printed.stdout).ok()?;
        let events = page["events"].as_array()?;
        Some(events.iter().map(|event| event["cause"].as_str().unwrap().to_owned()).collect())
    };
    let is_told = |authority: &Authority, cause: &str| {
        eventually(cause, || causes(authority)?.iter().any(|it| it == cause).then_some(()));
    };
    place.write("tls.crt", "rubbish");
    is_told(&old, "certificate-refused");
    place.serve(&new);
    is_told(&new, "certificate-reloaded");
    check_refused(&ask(&app, &["services", "--cacert", old.ca()]), "no TLS with");
    let metrics = ask(&app, &["metrics", "--cacert", new.ca()]);
    let expiry = "processpype_tls_certificate_expiry_timestamp_seconds";
    assert!(metrics.stdout.contains(expiry), "{metrics:?}");
    app.terminate().check(0);
}

#[test]
fn a_certificate_is_who_acts_and_nobody_comes_in_without_one() {
    let place = Place::new();
    let (known, people) = (place.authority("known"), place.authority("people"));
    place.serve(&known);
    let app = place.start(&format!(", client_ca: {}", people.ca()));
    let usage = [ExtendedKeyUsagePurpose::ClientAuth];
    let (certificate, key) = people.issue("ci", "ci.shop", &usage);
    let [cert, key] = [("ci.crt", &certificate), ("ci.key", &key)]
        .map(|(name, text)| place.write(name, text).to_str().unwrap().to_owned());
    let both = certificate + &std::fs::read_to_string(&key).unwrap();
    let both = place.write("ci.pem", &both).to_str().unwrap().to_owned();
    let (certificate, other_key) = known.issue("ci", "ci.shop", &usage);
    let stranger = place.write("stranger.pem", &(certificate + &other_key));
    let stranger = stranger.to_str().unwrap();

    // Without the token of this machine, which would go before a certificate.
    let url = format!("https://localhost:{}", app.address.port());
    let common = ["--url", &url, "--cacert", known.ca()];
    let elsewhere = [("XDG_RUNTIME_DIR", place.0.to_str().unwrap())];
    let ask = |arguments: &[&str]| run_in(&[arguments, &common].concat(), &elsewhere);
    let stop = ["stop", "hello"];
    let stopped = ask(&[&stop[..], &["--cert", &cert, "--key", &key]].concat());
    assert_eq!(stopped.code, Some(0), "{stopped:?}");
    let events = ask(&["events", "--json", "--cert", &both]);
    assert_eq!(events.code, Some(0), "{events:?}");
    let page: Value = serde_json::from_str(&events.stdout).unwrap();
    let mut told = page["events"].as_array().unwrap().iter();
    assert!(told.any(|event| event["actor"] == "certificate:ci"), "{page}");

    check_refused(&ask(&stop), "--cert and --key");
    check_refused(&ask(&[&stop[..], &["--cert", stranger]].concat()), "--cert and --key");
    let alone = ask(&[&stop[..], &["--key", &key]].concat());
    assert_eq!(alone.code, Some(64), "{alone:?}");
    app.terminate().check(0);
}
