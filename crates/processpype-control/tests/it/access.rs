//! Who may do what, attacked over real sockets.
//!
//! An address of all interfaces stands for a listener that other machines can reach: who comes over
//! loopback to such a listener is asked like everybody else.

mod every;

use std::net::SocketAddr;
use std::time::Duration;

use processpype_control::{
    Ask, ControlSettings, ListenAddress, Listener, Rate, Running, Server, Surfaces,
    TOKEN_LENGTH_MAX, Token,
};
use processpype_core::{Role, ServiceState};
use processpype_runtime::Manager;
use processpype_telemetry::{Level, LogLine, LogQuery};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::fixture::{App, describe, logged, settings};

/// No test waits for longer.
const PATIENCE: Duration = Duration::from_secs(10);

const VIEWER: &str = "canary-token-of-the-viewer";
const OPERATOR: &str = "canary-token-of-the-operator";
const ADMIN: &str = "canary-token-of-the-admin";

const LOOPBACK: &str = "127.0.0.1:0";
const EVERYWHERE: &str = "0.0.0.0:0";

/// A guarded application that answers at one address.
struct Site {
    manager: Manager,
    /// Dropping it ends every connection.
    _running: Running,
    address: SocketAddr,
}

/// One answer, as it came.
struct Answer {
    status: u16,
    text: String,
}

fn tokens() -> Vec<Token> {
    let token = |name, role, text| Token::new(name, role, text).expect("a good token");
    vec![
        token("looker", Role::Viewer, VIEWER),
        token("ci", Role::Operator, OPERATOR),
        token("boss", Role::Admin, ADMIN),
    ]
}

fn listener(address: &str) -> Listener {
    Listener::at(address.parse().expect("an address"))
}

async fn exchange(mut socket: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> String {
    let all = async {
        let _ = socket.write_all(request.as_bytes()).await;
        let mut bytes = Vec::new();
        let _ = socket.read_to_end(&mut bytes).await;
        String::from_utf8_lossy(&bytes).into_owned()
    };
    timeout(PATIENCE, all).await.expect("the server closes the connection")
}

// === impl Site ===

impl Site {
    async fn at(address: &str) -> Self {
        Self::with(listener(address), |_| {}).await
    }

    async fn with(listener: Listener, change: impl FnOnce(&mut ControlSettings)) -> Self {
        let mut settings = settings();
        settings.tokens = tokens();
        settings.listeners = vec![listener];
        settings.limits.failures = Rate { burst: 1000, per_second: 1000 };
        change(&mut settings);
        let (manager, bound) = App::guarded(settings).await.bind().await;
        let running = bound.serve();
        let port = running.address().expect("an address").port();
        Self { manager, _running: running, address: SocketAddr::from(([127, 0, 0, 1], port)) }
    }

    async fn raw(&self, request: &str) -> Answer {
        let socket = TcpStream::connect(self.address).await.expect("a connection");
        Answer::of(exchange(socket, request).await)
    }

    /// Asks with these headers, each ended by a line break.
    async fn ask(&self, request: &str, headers: &str) -> Answer {
        let rest = format!("Host: localhost\r\nConnection: close\r\n{headers}\r\n");
        self.raw(&format!("{request} HTTP/1.1\r\n{rest}")).await
    }

    async fn status(&self, request: &str, token: Option<&str>) -> u16 {
        let header = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
        self.ask(request, &header.unwrap_or_default()).await.status
    }

    /// Checks the answers to nobody, and to a viewer, an operator and an admin.
    async fn check(&self, request: &str, expected: [u16; 4]) {
        let mut found = [0; 4];
        for (status, token) in
            found.iter_mut().zip([None, Some(VIEWER), Some(OPERATOR), Some(ADMIN)])
        {
            *status = self.status(request, token).await;
        }
        assert_eq!(found, expected, "{request}");
    }
}

// === impl Answer ===

impl Answer {
    fn of(text: String) -> Self {
        let status = text.split(' ').nth(1).and_then(|word| word.parse().ok());
        assert!(!text.contains("canary-token"), "a token is repeated: {text}");
        Self { status: status.unwrap_or_default(), text }
    }

    #[track_caller]
    fn says(&self, status: u16, words: &[&str]) {
        assert_eq!(self.status, status, "{}", self.text);
        for word in words {
            assert!(self.text.contains(word), "no `{word}`: {}", self.text);
        }
    }
}

#[tokio::test]
async fn on_loopback_the_list_is_open_and_nothing_else() {
    let site = Site::at(LOOPBACK).await;
    for open in ["GET /", "GET /services", "GET /services/unsaid", "GET /health/live", "GET /docs"]
    {
        site.check(open, [200; 4]).await;
    }
    for verb in ["start", "stop", "restart"] {
        site.check(&format!("POST /services/unsaid/{verb}"), [200; 4]).await;
    }
    site.check("GET /events", [401, 200, 200, 200]).await;
    site.check("HEAD /events", [401, 200, 200, 200]).await;
    site.check("OPTIONS /events", [401, 204, 204, 204]).await;
    site.check("POST /events", [401, 405, 405, 405]).await;
    site.check("GET /services/unsaid/credential", [200; 4]).await;
    site.check("GET /services/open/credential", [200; 4]).await;
    site.check("GET /services/closed/credential", [401, 403, 403, 200]).await;
}

#[tokio::test]
async fn from_elsewhere_everything_but_the_probes_is_asked_for() {
    let site = Site::at(EVERYWHERE).await;
    for read in ["GET /", "GET /services", "GET /services/x", "GET /openapi.json", "GET /docs"] {
        let there = if read.ends_with('x') { 404 } else { 200 };
        site.check(read, [401, there, there, there]).await;
    }
    site.check("GET /events", [401, 200, 200, 200]).await;
    site.check("POST /services/unsaid/restart", [401, 403, 200, 200]).await;
    site.check("POST /services/nobody/restart", [401, 403, 404, 404]).await;
    site.check("GET /health/live", [200; 4]).await;
    site.check("GET /services/unsaid/credential", [401, 403, 200, 200]).await;
    site.check("GET /services/open/credential", [200; 4]).await;
    site.check("GET /services/closed/credential", [401, 403, 403, 200]).await;
    site.check("GET /services/nobody/credential", [401, 403, 404, 404]).await;
    site.check("GET /services/unsaid/-/x", [401, 403, 404, 404]).await;
    // It may be public when it is there; why it is not is for those who may ask.
    let away = site.ask("GET /services/down/credential", "").await;
    away.says(503, &["service-unavailable"]);
    assert!(!away.text.contains("cellar"), "{}", away.text);
    let header = format!("Authorization: Bearer {OPERATOR}\r\n");
    site.ask("GET /services/down/credential", &header).await.says(503, &["cellar"]);
    // Two names for one thing, whatever the method.
    site.check("GET /services/unsaid/stop", [401, 403, 405, 405]).await;
    site.check("OPTIONS /services/unsaid/stop", [401, 403, 204, 204]).await;
    assert_eq!(site.manager.state("unsaid"), Some(ServiceState::Running));
}

#[tokio::test]
async fn what_is_no_token_of_ours_is_refused() {
    let site = Site::at(EVERYWHERE).await;
    let long = "x".repeat(TOKEN_LENGTH_MAX + 1);
    let (cut, more) = (&ADMIN[..ADMIN.len() - 1], format!("{ADMIN}x"));
    let upper = ADMIN.to_uppercase();
    for value in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        ADMIN,
        &format!("Bearer {cut}"),
        &format!("Bearer {more}"),
        &format!("Bearer {upper}"),
        &format!("Bearer {long}"),
        &format!("Bearer {ADMIN}, Bearer {VIEWER}"),
        &format!("Bearer {ADMIN} {ADMIN}"),
        &format!("Bearer \"{ADMIN}\""),
        &format!("Basic {ADMIN}"),
        &format!("Bearer\t{ADMIN}"),
        "Bearer \u{e4}",
    ] {
        let answer = site.ask("GET /events", &format!("Authorization: {value}\r\n")).await;
        let words = ["www-authenticate: Bearer", "unauthenticated", "role viewer"];
        answer.says(401, &words);
        // A wrong token is not taken for none.
        let probe = site.ask("GET /health/live", &format!("Authorization: {value}\r\n")).await;
        assert_eq!(probe.status, 401, "{value}");
    }
    for name in ["Authorization", "authorization", "AUTHORIZATION"] {
        for scheme in ["Bearer", "bearer", "BEARER"] {
            let header = format!("{name}: {scheme} {ADMIN}\r\n");
            assert_eq!(site.ask("GET /events", &header).await.status, 200, "{header}");
        }
    }
}

#[tokio::test]
async fn a_token_stands_in_one_header_and_nowhere_else() {
    let site = Site::at(LOOPBACK).await;
    let right = format!("Authorization: Bearer {ADMIN}\r\n");
    for two in [format!("{right}{right}"), format!("{right}Authorization: Bearer x\r\n")] {
        for path in ["/events", "/", "/services/open/credential"] {
            site.ask(&format!("GET {path}"), &two).await.says(400, &["malformed-request"]);
        }
    }
    for query in ["access_token", "token", "authorization"] {
        let request = format!("GET /events?{query}={ADMIN}");
        assert_eq!(site.ask(&request, "").await.status, 401, "{request}");
        site.ask(&request, &right).await.says(422, &["invalid-query"]);
    }
    for header in ["Proxy-Authorization", "X-Authorization", "Cookie", "X-Api-Key"] {
        let other = format!("{header}: Bearer {ADMIN}\r\n");
        assert_eq!(site.ask("GET /events", &other).await.status, 401, "{header}");
    }
    // Whom a request claims to come from is nothing.
    for claim in ["X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1", "Forwarded: for=127.0.0.1"]
    {
        let site = Site::at(EVERYWHERE).await;
        assert_eq!(site.ask("GET /", &format!("{claim}\r\n")).await.status, 401, "{claim}");
    }
}

#[tokio::test]
async fn no_spelling_of_a_path_gets_around_the_gate() {
    let paths = [
        "/%65vents",
        "/events/",
        "//events",
        "/./events",
        "/health/../events",
        "/health/live/../../events",
        "/health%2f..%2fevents",
        "/health/live/%2e%2e/%2e%2e/events",
        "/EVENTS",
        "/events;x=1",
        "/events%00",
        "/events%3f",
        "/\\events",
        "/services/open/../../events",
        "/services/open/credential/../../../events",
        "/services/open%2f..%2fclosed/credential",
        "/services/open/../closed/credential",
        "/services/open/..%2fclosed%2fcredential",
        "/services/closed%2fcredential",
        "/services/closed//credential",
        "/services/closed/./credential",
        "/services/%63losed/credential",
        "/services/closed/%63redential",
        "/services/%6fpen/-/config",
        "/services/ope%6e/-/why",
        "/operations/%31",
    ];
    for prefix in ["", "/api"] {
        let listeners = listener(EVERYWHERE);
        let site = Site::with(listeners, |settings| settings.api_prefix = prefix.to_owned()).await;
        for path in paths {
            for base in [prefix, ""] {
                let answer = site.ask(&format!("GET {base}{path}"), "").await;
                assert!((400..500).contains(&answer.status), "{base}{path}: {}", answer.text);
                assert!(!answer.text.contains("\"seq\""), "{base}{path}: {}", answer.text);
            }
        }
        for verb in ["%73top", "stop/", "stop%2f", "stop%00", "./stop", "STOP", "stop;", "%2e/stop"]
        {
            for name in ["open", "unsaid"] {
                let request = format!("POST {prefix}/services/{name}/{verb}");
                let answer = site.ask(&request, "Content-Length: 0\r\n").await;
                assert!((400..500).contains(&answer.status), "{request}: {}", answer.text);
                assert_eq!(site.manager.state(name), Some(ServiceState::Running), "{request}");
            }
        }
        // The absolute form of an address names the same thing.
        let get = format!("GET http://localhost{prefix}/events HTTP/1.1\r\nHost: localhost\r\n");
        assert_eq!(site.raw(&format!("{get}Connection: close\r\n\r\n")).await.status, 401);
    }
}

#[tokio::test]
async fn a_request_inside_another_is_asked_like_any_other() {
    let site = Site::at(EVERYWHERE).await;
    let inner = "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let length = inner.len();
    let post = "POST /services/unsaid/stop HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    for head in [
        format!("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inner}"),
        format!("Content-Length: {length}\r\nContent-Length: 0\r\n\r\n{inner}"),
        format!("Content-Length: +0\r\n\r\n{inner}"),
        format!("Content-Length: 0x0\r\n\r\n{inner}"),
        format!(
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n{inner}"
        ),
        format!("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{inner}"),
        format!("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{inner}"),
        format!("X: y\r\n Authorization: Bearer {ADMIN}\r\n\r\n{inner}"),
        format!("X: y\nAuthorization : Bearer {ADMIN}\r\n\r\n{inner}"),
        format!("X: y\rAuthorization: Bearer {ADMIN}\r\n\r\n{inner}"),
    ] {
        let answer = site.raw(&format!("{post}{head}")).await;
        assert!((400..500).contains(&answer.status), "{head}: {}", answer.text);
        assert!(!answer.text.contains("HTTP/1.1 200"), "{head}: {}", answer.text);
        assert_eq!(site.manager.state("unsaid"), Some(ServiceState::Running), "{head}");
    }
    // On one connection, the credential of a request is that request's alone.
    let with =
        format!("GET /events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADMIN}\r\n\r\n");
    let without = "GET /events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = site.raw(&format!("{with}{without}")).await;
    answer.says(200, &["HTTP/1.1 401"]);
}

#[tokio::test]
async fn a_browser_is_refused_whatever_it_knows() {
    let site = Site::at(LOOPBACK).await;
    let right = format!("Authorization: Bearer {ADMIN}\r\n");
    for header in ["Origin: null", "Origin: http://evil.example", "Sec-Fetch-Site: cross-site"] {
        site.ask("GET /events", &format!("{header}\r\n{right}")).await.says(403, &["cross-origin"]);
    }
    let rebound =
        format!("GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n{right}\r\n");
    site.raw(&rebound).await.says(421, &["unknown-host"]);
}

#[tokio::test]
async fn a_service_never_sees_our_tokens_and_keeps_its_own() {
    let site = Site::at(EVERYWHERE).await;
    let credential = async |header: &str| {
        let answer = site.ask("GET /services/open/credential", header).await;
        answer.text.rsplit("\r\n\r\n").next().unwrap_or_default().to_owned()
    };
    assert_eq!(credential("").await, "none");
    assert_eq!(credential(&format!("Authorization: Bearer {VIEWER}\r\n")).await, "none");
    assert_eq!(
        credential("Authorization: Bearer of-the-service\r\n").await,
        "Bearer of-the-service"
    );
    assert_eq!(credential("Authorization: Basic eDp5\r\n").await, "Basic eDp5");
}

#[tokio::test]
async fn what_is_done_is_done_by_whoever_has_proved_it() {
    let site = Site::at(LOOPBACK).await;
    let body = r#"{"reason":"token:boss"}"#;
    let head = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    let actor = async |header: &str| {
        let answer =
            site.ask("POST /services/unsaid/restart", &format!("{head}{header}\r\n{body}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let status = site.manager.status("unsaid").expect("it is there");
        status.acted.as_ref().expect("somebody acted").actor.to_string()
    };
    assert_eq!(actor("X-Actor: boss\r\n").await, "anonymous");
    assert_eq!(actor(&format!("Authorization: Bearer {OPERATOR}\r\n")).await, "token:ci");
}

#[tokio::test]
async fn probes_for_everybody_tell_nobody_anything() {
    let listener = Listener { expose: Surfaces::PROBES, ask: Ask::Nobody, ..listener(EVERYWHERE) };
    let site = Site::with(listener, |settings| settings.tokens.clear()).await;
    let ready = site.ask("GET /health/ready", "").await;
    ready.says(503, &["not-ready"]);
    for word in ["down", "cellar", "unready"] {
        assert!(!ready.text.contains(word), "{}", ready.text);
    }
    site.ask("GET /health/startup", "").await.says(200, &["started"]);
    for path in ["/", "/services", "/events", "/docs", "/openapi.json", "/services/open/credential"]
    {
        site.ask(&format!("GET {path}"), "").await.says(404, &["unknown-path"]);
    }
    site.ask("POST /services/open/stop", "Content-Length: 0\r\n")
        .await
        .says(404, &["unknown-path"]);
    let here = "this listener has /health/live, /health/ready, /health/startup only";
    for path in ["/healthz", "/services"] {
        let lost = site.ask(&format!("GET {path}"), "").await;
        lost.says(404, &[here]);
        assert!(!lost.text.contains("/docs lists"), "there is no page: {}", lost.text);
    }
    let own = Site::at(LOOPBACK).await.ask("GET /health/ready", "").await;
    own.says(503, &["down", "cellar"]);
}

#[tokio::test]
async fn a_listener_for_services_knows_no_commands() {
    let expose = Surfaces { services: true, ..Surfaces::NONE };
    let site = Site::with(Listener { expose, ask: Ask::Nobody, ..listener(EVERYWHERE) }, |_| {});
    let site = site.await;
    site.check("GET /services/open/credential", [200; 4]).await;
    site.check("GET /services/unsaid/credential", [401, 403, 200, 200]).await;
    for request in ["GET /", "GET /services", "GET /health/live", "POST /services/open/stop"] {
        site.check(request, [404; 4]).await;
    }
    site.check("OPTIONS /services/open/stop", [404; 4]).await;
    let lost = site.ask("GET /docs", "").await;
    lost.says(404, &["this listener has /services/NAME/… only"]);
}

#[tokio::test]
async fn commands_and_wrong_tokens_are_limited_client_by_client() {
    let site = Site::with(listener(LOOPBACK), |settings| {
        settings.limits.writes = Rate { burst: 2, per_second: 1 };
        settings.limits.failures = Rate { burst: 2, per_second: 1 };
    })
    .await;
    let stop = "POST /services/unsaid/stop";
    let wrong = "Authorization: Bearer wrong\r\n";
    for status in [200, 200] {
        assert_eq!(site.ask(stop, "").await.status, status);
        assert_eq!(site.ask("GET /events", wrong).await.status, 401);
    }
    site.ask(stop, "").await.says(429, &["too-many-requests", "retry-after: 1"]);
    site.ask("GET /events", wrong).await.says(429, &["too-many-requests", "retry-after: 1"]);
    // Who only looks, and who is right, is not held up by that.
    assert_eq!(site.ask("GET /", "").await.status, 200);
    assert_eq!(site.status("GET /events", Some(VIEWER)).await, 200);
}

/// What it is told depends on whether the token is right: that must not be tried for nothing.
#[tokio::test]
async fn wrong_tokens_are_limited_at_a_service_that_is_away_too() {
    let site = Site::with(listener(EVERYWHERE), |settings| {
        settings.limits.failures = Rate { burst: 2, per_second: 1 };
    })
    .await;
    let (away, wrong) = ("GET /services/down/credential", "Authorization: Bearer wrong\r\n");
    for _ in 0..2 {
        site.ask(away, wrong).await.says(503, &["service-unavailable", "retry-after: 10"]);
    }
    for path in [away, "GET /services/unsaid/credential", "GET /services/nobody/x", "GET /events"] {
        site.ask(path, wrong).await.says(429, &["too-many-requests", "retry-after: 1"]);
    }
    // Who has none tries none, and who is right is not held up.
    site.ask(away, "").await.says(503, &["service-unavailable"]);
    let right = format!("Authorization: Bearer {OPERATOR}\r\n");
    site.ask(away, &right).await.says(503, &["the cellar is flooded"]);
    // What is public is the service's own to ask, tokens of its own included.
    assert_eq!(site.ask("GET /services/open/credential", wrong).await.status, 200);
}

#[tokio::test]
async fn whoever_floods_without_a_token_takes_no_command_from_whoever_has_one() {
    let site = Site::with(listener(LOOPBACK), |settings| {
        settings.limits.writes = Rate { burst: 2, per_second: 1 };
    })
    .await;
    let flood = "POST /services/unsaid/start?dry_run=true";
    while site.ask(flood, "").await.status != 429 {}
    for token in [OPERATOR, ADMIN] {
        let right = format!("Authorization: Bearer {token}\r\n");
        for _ in 0..2 {
            let answer = site.ask("POST /services/unsaid/stop", &right).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
        // Each has as much, and no more.
        let answer = site.ask("POST /services/unsaid/stop", &right).await;
        answer.says(429, &["too-many-requests"]);
    }
}

#[tokio::test]
async fn control_is_not_opened_to_others_unasked() {
    let app = App::start().await;
    let bind = async |ask: Ask, tokens: Vec<Token>| {
        let mut settings = settings();
        settings.listeners = vec![Listener { ask, ..listener(EVERYWHERE) }];
        settings.tokens = tokens;
        Server::new(app.manager.clone(), settings, describe).expect("good settings").bind().await
    };
    let local = Token::new("local", Role::Admin, ADMIN).expect("a good token");
    for (ask, tokens, remedy) in [
        (Ask::Required, Vec::new(), "server.auth.tokens"),
        // The one that is made at every start is nobody's who comes from elsewhere.
        (Ask::Required, vec![local.clone()], "server.auth.tokens"),
        (Ask::Nobody, tokens(), "auth: required"),
        (Ask::LoopbackOpen, tokens(), "auth: required"),
    ] {
        let error = bind(ask, tokens).await.expect_err("it is refused");
        assert!(error.is_refused() && error.to_string().contains(remedy), "{error}");
    }
    assert!(bind(Ask::Required, tokens()).await.is_ok());
}

#[tokio::test]
async fn a_name_that_leads_to_others_is_refused_as_their_address_is() {
    let app = App::start().await;
    let bind = async |host: &str| {
        let address = ListenAddress::Tcp { host: host.to_owned(), port: 0 };
        let mut settings = settings();
        settings.listeners = vec![Listener { ask: Ask::LoopbackOpen, ..Listener::at(address) }];
        Server::new(app.manager.clone(), settings, describe).expect("good settings").bind().await
    };
    // The resolver of every system reads a number as an address, here that of all networks. It
    // stands for a name whose addresses nobody knows before they are looked up.
    let error = bind("0").await.expect_err("it is refused");
    assert!(error.is_refused() && error.to_string().contains("auth: required"), "{error}");
    assert!(bind("localhost").await.is_ok());
}

#[tokio::test]
async fn what_is_risky_is_logged() {
    let (_guard, handle, _) = logged();
    let logged = |words: &str| {
        let all = handle.logs().page(processpype_telemetry::Log::Whole, &LogQuery::default());
        let warns = |line: &&LogLine| line.level() == Level::Warn && line.json().contains(words);
        all.lines.iter().filter(warns).count()
    };
    let _site = Site::at(LOOPBACK).await;
    assert_eq!((logged("in plain text"), logged("everybody on this machine")), (0, 0));
    let open = Listener { ask: Ask::Nobody, ..listener(LOOPBACK) };
    let site = Site::with(open, |_| {}).await;
    assert_eq!((logged("in plain text"), logged("everybody on this machine")), (0, 1));
    let _everywhere = Site::at(EVERYWHERE).await;
    assert_eq!((logged("in plain text"), logged("everybody on this machine")), (1, 1));
    assert_eq!(logged("wrong token"), 0);
    site.ask("GET /events", "Authorization: Bearer wrong\r\n").await.says(401, &[]);
    assert_eq!(logged("wrong token"), 1);
}

#[tokio::test]
async fn a_start_that_is_not_over_tells_nobody_elsewhere_what_it_waits_for() {
    let app = App::starting();
    let asked = async |router: axum::Router| {
        let request = axum::http::Request::get("/health/startup").header("host", "localhost");
        let request = request.body(axum::body::Body::empty()).expect("a request");
        let answer = tower::ServiceExt::oneshot(router, request).await.expect("never fails");
        assert_eq!(answer.status(), 503);
        let body = http_body_util::BodyExt::collect(answer.into_body()).await.expect("whole");
        String::from_utf8(body.to_bytes().to_vec()).expect("text")
    };
    assert!(asked(app.router.clone()).await.contains("slow"));
    let far = app.server.router_from([192, 0, 2, 1].into());
    let told = asked(far).await;
    assert!(told.contains("not-started") && !told.contains("slow"), "{told}");
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
    use std::path::PathBuf;

    use tokio::net::UnixStream;

    use super::*;

    /// Tells a child where to serve.
    const CHILD: &str = "PROCESSPYPE_TEST_SOCKET";

    /// A path that no other test has.
    fn path(name: &str) -> PathBuf {
        let path = format!("processpype-it-{}-{name}.sock", std::process::id());
        let path = std::env::temp_dir().join(path);
        let _ = std::fs::remove_file(&path);
        path
    }

    async fn serve(path: &std::path::Path) -> Result<(Manager, Running), String> {
        let mut settings = settings();
        settings.listeners =
            vec![Listener { ask: Ask::Required, ..listener(&format!("unix:{}", path.display())) }];
        let app = App::guarded(settings).await;
        let bound = app.server.bind().await.map_err(|error| error.to_string())?;
        Ok((app.manager, bound.serve()))
    }

    async fn ask(path: &std::path::Path, request: &str) -> Answer {
        let socket = UnixStream::connect(path).await.expect("a connection");
        let rest = "HTTP/1.1\r\nHost: anything.example\r\nConnection: close\r\n\r\n";
        Answer::of(exchange(socket, &format!("{request} {rest}")).await)
    }

    #[tokio::test]
    async fn its_owner_is_an_admin() {
        let path = path("owner");
        let (manager, running) = serve(&path).await.expect("a free path");
        let file = std::fs::symlink_metadata(&path).expect("it is there");
        assert!(file.file_type().is_socket());
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
        assert_eq!(ask(&path, "GET /events").await.status, 200);
        assert_eq!(ask(&path, "GET /services/closed/credential").await.status, 200);
        assert_eq!(ask(&path, "POST /services/open/restart").await.status, 200);
        let status = manager.status("open").expect("it is there");
        let actor = status.acted.as_ref().expect("somebody acted").actor.to_string();
        assert_eq!(actor, format!("user:{}", file.uid()));
        running.stop(PATIENCE).await;
        assert!(!path.exists(), "it is removed at the end");
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_nothing_else() {
        let path = path("stale");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("a free path"));
        assert!(path.exists(), "it is stale");
        let (_, running) = serve(&path).await.expect("a stale socket is no hindrance");
        let error = serve(&path).await.expect_err("it is in use");
        assert!(error.contains("in use"), "{error}");
        assert_eq!(ask(&path, "GET /").await.status, 200, "the first one goes on");
        running.stop(PATIENCE).await;
        std::fs::write(&path, "precious").expect("writable");
        serve(&path).await.expect_err("it is no socket");
        assert_eq!(std::fs::read_to_string(&path).expect("it is there"), "precious");
        let link = super::unix::path("link");
        symlink(&path, &link).expect("a link");
        serve(&link).await.expect_err("a link is no socket");
        assert_eq!(std::fs::read_to_string(&path).expect("it is there"), "precious");
        let _ = (std::fs::remove_file(&link), std::fs::remove_file(&path));
    }

    /// What the test below runs as a process of its own: it serves at the path until it is killed.
    #[tokio::test]
    async fn a_process_that_is_killed() {
        let Some(path) = std::env::var_os(CHILD) else { return };
        let _serving = serve(&PathBuf::from(path)).await.expect("a free path");
        std::future::pending::<()>().await;
    }

    #[tokio::test]
    async fn what_a_killed_process_has_left_is_taken_over() {
        let path = path("killed");
        let mut command = std::process::Command::new(std::env::current_exe().expect("a path"));
        command.args(["--exact", "access::unix::a_process_that_is_killed"]).env(CHILD, &path);
        let mut child = command.stdout(std::process::Stdio::null()).spawn().expect("a process");
        let answers = async {
            while UnixStream::connect(&path).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, answers).await.expect("the child serves");
        let error = serve(&path).await.expect_err("it is in use");
        assert!(error.contains("another copy of this application"), "{error}");
        assert_eq!(ask(&path, "GET /").await.status, 200, "the child goes on");
        child.kill().expect("it is there");
        child.wait().expect("it was killed");
        assert!(path.exists(), "it could not remove it");
        let (_manager, running) = serve(&path).await.expect("nobody answers there");
        assert_eq!(ask(&path, "GET /").await.status, 200);
        running.stop(PATIENCE).await;
        assert!(!path.exists(), "it is removed at the end");
    }

    /// Somebody is there who does not accept: to ask must not wait for that.
    #[tokio::test]
    async fn a_socket_whose_queue_is_full_is_in_use() {
        let path = path("full");
        let _busy = std::os::unix::net::UnixListener::bind(&path).expect("a free path");
        let mut waiting = Vec::new();
        // `None`: there is no more room.
        while let Ok(Ok(stream)) =
            timeout(Duration::from_millis(200), UnixStream::connect(&path)).await
        {
            waiting.push(stream);
        }
        let asking = std::thread::spawn({
            let path = path.clone();
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime").block_on(async { serve(&path).await.err() })
            }
        });
        let ended = async {
            while !asking.is_finished() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, ended).await.expect("it does not wait");
        let error = asking.join().expect("no panic").expect("it is in use");
        assert!(error.contains("in use"), "{error}");
        std::fs::remove_file(&path).expect("it is there");
    }

    #[tokio::test]
    async fn a_path_that_cannot_be_is_told() {
        let nowhere = std::env::temp_dir().join("processpype-nowhere/x.sock");
        let error = serve(&nowhere).await.expect_err("there is no such directory");
        assert!(error.contains("server.listeners"), "{error}");
    }
}
