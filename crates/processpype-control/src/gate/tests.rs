//! The whole decision: every listener, every caller, everything that can be reached.

use super::*;
use crate::auth::Token;
use crate::certificate::Whose;

const HERE: Peer = Peer::Address(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));
const OWNER: u32 = 1000;

const ENDPOINTS: [Need; 8] = [
    Need::Endpoint(Access::Probe),
    Need::Endpoint(Access::Loopback(Role::Viewer)),
    Need::Endpoint(Access::Loopback(Role::Operator)),
    Need::Endpoint(Access::Role(Role::Viewer)),
    Need::Endpoint(Access::Role(Role::Operator)),
    Need::Endpoint(Access::Role(Role::Admin)),
    Need::Endpoint(Access::Service),
    Need::Endpoint(Access::Metrics),
];

const ROUTES: [Need; 3] = [
    Need::Routes(RouteAccess::Public),
    Need::Routes(RouteAccess::Unsaid),
    Need::Routes(RouteAccess::Role(Role::Admin)),
];

/// One letter for each need: `+` may, `?` unknown, `!` wrong, `-` too small, `.` not here.
fn letters(gate: Gate, peer: Peer, credential: &Credential<'_>) -> String {
    let caller = Caller::new(visitor(gate, peer), credential, &[]);
    let letter = |need: &Need| match caller.decide(*need) {
        Ok(()) => '+',
        Err(Refusal::Unknown(_)) => '?',
        Err(Refusal::Wrong(_)) => '!',
        Err(Refusal::TooSmall(_)) => '-',
        Err(Refusal::NotHere) => '.',
    };
    let of = |needs: &[Need]| needs.iter().map(letter).collect::<String>();
    format!("{} {}", of(&ENDPOINTS), of(&ROUTES))
}

/// What callers may, in the order: none, wrong, viewer, operator, admin.
#[track_caller]
fn check(ask: Ask, reach: Reach, peer: Peer, expected: [&str; 5]) {
    let gate = Gate { expose: Surfaces::ALL, ask, reach };
    let tokens = [Role::Viewer, Role::Operator, Role::Admin].map(|role| {
        Token::new(role.as_str(), role, "a-token-that-is-long-enough").expect("a good token")
    });
    let [viewer, operator, admin] = &tokens;
    let credentials = [
        Credential::None,
        Credential::Unknown,
        Credential::Token(viewer),
        Credential::Token(operator),
        Credential::Token(admin),
    ];
    let found = credentials.map(|credential| letters(gate, peer, &credential));
    assert_eq!(found, expected, "{gate:?} {peer:?}");
}

#[test]
fn loopback_has_its_open_list() {
    check(
        Ask::LoopbackOpen,
        Reach::Loopback,
        HERE,
        ["+++????? ++?", "!!!!!!!! ++!", "++++---+ ++-", "+++++-++ ++-", "++++++++ +++"],
    );
}

#[test]
fn others_are_asked() {
    let asked = ["+??????? +??", "!!!!!!!! +!!", "++-+---+ +--", "+++++-++ ++-", "++++++++ +++"];
    check(Ask::Required, Reach::Network, HERE, asked);
    check(Ask::Required, Reach::Loopback, HERE, asked);
    let metrics = ["+??????+ +??", "!!!!!!!! +!!", "++-+---+ +--", "+++++-++ ++-", "++++++++ +++"];
    check(Ask::Nobody, Reach::Network, HERE, metrics);
    // What may never be built is closed all the same.
    check(Ask::LoopbackOpen, Reach::Network, HERE, asked);
}

#[test]
fn a_loud_override_opens_loopback() {
    let open = ["++++++++ +++", "!!!!!!!! +!!", "++-+---+ +--", "+++++-++ ++-", "++++++++ +++"];
    check(Ask::Nobody, Reach::Loopback, HERE, open);
}

#[test]
fn the_kernel_answers_for_the_owner_of_a_socket() {
    let reach = Reach::Unix { owner: OWNER };
    let open = ["++++++++ +++", "!!!!!!!! +!!", "++-+---+ +--", "+++++-++ ++-", "++++++++ +++"];
    for user in [OWNER, ROOT] {
        check(Ask::Required, reach, Peer::User(Some(user)), open);
    }
    let asked = ["+??????? +??", "!!!!!!!! +!!", "++-+---+ +--", "+++++-++ ++-", "++++++++ +++"];
    for user in [None, Some(OWNER + 1)] {
        check(Ask::Required, reach, Peer::User(user), asked);
    }
}

#[test]
fn what_is_not_exposed_is_not_there() {
    let only = |expose: Surfaces| {
        let gate = Gate { expose, ask: Ask::LoopbackOpen, reach: Reach::Loopback };
        letters(gate, HERE, &Credential::None)
    };
    assert_eq!(only(Surfaces::PROBES), "+....... ...");
    assert_eq!(only(Surfaces { services: true, ..Surfaces::NONE }), "......?. ++?");
    assert_eq!(only(Surfaces { control: true, ..Surfaces::NONE }), ".++???.. ...");
    assert_eq!(only(Surfaces { metrics: true, ..Surfaces::NONE }), ".......? ...");
}

#[test]
fn a_request_from_nowhere_may_nothing() {
    let Visitor { gate, peer, .. } = Visitor::NOBODY;
    assert_eq!(letters(gate, peer, &Credential::None), "........ ...");
}

#[test]
fn the_actor_comes_from_the_credential() {
    let gate = Gate { expose: Surfaces::ALL, ask: Ask::Required, reach: Reach::Network };
    let token = Token::new("ci", Role::Viewer, "a-token-that-is-long-enough").expect("good");
    let actor = |peer, credential: &Credential<'_>| {
        Caller::new(visitor(gate, peer), credential, &[]).actor().to_string()
    };
    assert_eq!(actor(HERE, &Credential::None), "anonymous");
    assert_eq!(actor(HERE, &Credential::Unknown), "anonymous");
    assert_eq!(actor(HERE, &Credential::Token(&token)), "token:ci");
    assert_eq!(actor(Peer::User(Some(7)), &Credential::None), "user:7");
    assert_eq!(actor(Peer::User(Some(7)), &Credential::Token(&token)), "token:ci");
}

#[test]
fn detail_is_for_who_could_ask_for_it() {
    let detail = |expose, ask, reach| {
        let gate = Gate { expose, ask, reach };
        Caller::new(visitor(gate, HERE), &Credential::None, &[]).may_see_detail()
    };
    assert!(detail(Surfaces::ALL, Ask::LoopbackOpen, Reach::Loopback));
    assert!(!detail(Surfaces::PROBES, Ask::LoopbackOpen, Reach::Loopback));
    assert!(!detail(Surfaces::ALL, Ask::Required, Reach::Network));
    assert!(!detail(Surfaces::PROBES, Ask::Nobody, Reach::Network));
}

fn visitor(gate: Gate, peer: Peer) -> Visitor {
    Visitor { gate, peer, certificate: None }
}

#[test]
fn a_certificate_is_somebody_unless_a_token_is_shown() {
    let rule = |name, role| CertificateRule::new(name, role, Whose::Anybody).expect("good");
    let rules = [rule("ops", Role::Operator), rule("eyes", Role::Viewer)];
    let token = Token::new("ci", Role::Viewer, "a-token-of-the-gates-tests").expect("good");
    let check = |gate, certificate, credential: &Credential<'_>, expected| {
        let visitor = Visitor { gate, peer: HERE, certificate };
        let caller = Caller::new(visitor, credential, &rules);
        assert_eq!((&*caller.actor(), caller.role), expected);
    };
    let far = Gate { expose: Surfaces::ALL, ask: Ask::Required, reach: Reach::Network };
    check(far, None, &Credential::None, ("anonymous", None));
    check(far, Some(0), &Credential::None, ("certificate:ops", Some(Role::Operator)));
    check(far, Some(1), &Credential::None, ("certificate:eyes", Some(Role::Viewer)));
    check(far, Some(9), &Credential::None, ("anonymous", None));
    check(far, Some(0), &Credential::Token(&token), ("token:ci", Some(Role::Viewer)));
    // A wrong token is not helped by a right certificate.
    check(far, Some(0), &Credential::Unknown, ("anonymous", None));
    let open = Gate { ask: Ask::Nobody, reach: Reach::Loopback, ..far };
    check(open, Some(1), &Credential::None, ("certificate:eyes", Some(Role::Admin)));
}

#[test]
fn a_request_of_nobody_may_do_nothing() {
    let visitor = Visitor::of(&Request::new(axum::body::Body::empty()));
    let caller = Caller::new(visitor, &Credential::None, &[]);
    assert!(ENDPOINTS.iter().chain(&ROUTES).all(|need| !caller.is_allowed(*need)));
}

#[test]
fn each_user_has_limits_of_its_own() {
    let gate = Gate { expose: Surfaces::ALL, ask: Ask::Required, reach: Reach::Loopback };
    let client = |peer| visitor(gate, peer).client();
    assert_eq!(client(Peer::User(Some(7))), Some(Client::User(7)));
    assert_eq!(client(Peer::User(None)), Some(Client::Rest));
    assert_eq!(client(Peer::Program), None);
}

#[test]
fn who_comes_back_when_told_to_is_not_too_early() {
    let told = [0, 1, 999, 1000, 1001].map(|ms| seconds(Duration::from_millis(ms)));
    assert_eq!(told, [0, 1, 1, 1, 2]);
}
