//! Who asks, and whether they may: decided for every request, by its listener.
//!
//! # Invariants
//!
//! 1. What is not allowed is refused: a request without a [`Visitor`] comes from nowhere and may
//!    do nothing.
//! 2. The actor comes from the credential: a token, else a certificate that TLS has proved, else
//!    the kernel's word about the other end of a Unix socket. Nothing in path, query or body can
//!    change it.
//! 3. A wrong token is never taken for none where ours are asked for: what is open without a token
//!    is closed to a wrong one, so that a typing error does not go unnoticed.
//! 4. A right token is never locked out: only wrong ones are counted, and its commands have a limit
//!    of their own, of which nobody without it takes anything.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::HeaderMap;
use processpype_api::{Access, Code, Problem};
use processpype_core::Role;
use processpype_runtime::RouteAccess;

use crate::auth::Credential;
use crate::certificate::CertificateRule;
use crate::listener::{Ask, Surfaces};
use crate::rate::{Client, Rates};
use crate::server::Control;

/// Who gives commands where nobody is asked.
const ANONYMOUS: &str = "anonymous";

/// What stands in events before the name of a token.
const TOKEN: &str = "token:";

/// The system's own administrator.
const ROOT: u32 = 0;

/// Where a listener can be reached from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// No listener: the program itself calls the router.
    Program,
    /// This machine.
    Loopback,
    /// Other machines.
    Network,
    /// Whoever may open the socket's file; with the user whose it is.
    Unix {
        /// The user whose process this is.
        owner: u32,
    },
}

/// What one listener lets pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gate {
    pub(crate) expose: Surfaces,
    pub(crate) ask: Ask,
    pub(crate) reach: Reach,
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// The program itself.
    Program,
    /// An address.
    Address(IpAddr),
    /// A user of this machine, by the word of the kernel; `None` if it has none.
    User(Option<u32>),
}

/// A connection, as its requests see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Visitor {
    pub(crate) gate: Gate,
    pub(crate) peer: Peer,
    /// The place of the rule that the certificate of the client matches.
    pub(crate) certificate: Option<u16>,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    visitor: Visitor,
    /// What stands in events: `token:ci`, `certificate:ci`, `user:1000`; nobody is `anonymous`.
    actor: Option<Arc<str>>,
    pub(crate) role: Option<Role>,
    proof: Proof,
}

/// What a request says about who it is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    None,
    Token,
    Unknown,
}

/// What a request is about to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// An endpoint of the framework.
    Endpoint(Access),
    /// A service's own routes.
    Routes(RouteAccess),
}

/// Why a caller may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The listener does not have it.
    NotHere,
    /// It has no token, and one of this role is needed.
    Unknown(Role),
    /// Its token is wrong.
    Wrong(Role),
    /// Its role is smaller than this one.
    TooSmall(Role),
}

// === impl Gate ===

impl Gate {
    /// What nothing passes.
    const SHUT: Self = Self { expose: Surfaces::NONE, ask: Ask::Required, reach: Reach::Network };

    /// What passes who comes from elsewhere through a server that is not ours.
    pub(crate) const ELSEWHERE: Self =
        Self { expose: Surfaces::ALL, ask: Ask::Required, reach: Reach::Network };

    /// What the program itself passes.
    const PROGRAM: Self = Self { expose: Surfaces::ALL, ask: Ask::Nobody, reach: Reach::Program };

    /// Returns whether a browser could be talked into calling: not over a Unix socket.
    pub(crate) fn is_for_browsers(&self) -> bool {
        !matches!(self.reach, Reach::Unix { .. })
    }

    /// The role of whoever has no token.
    fn unasked(&self, peer: Peer) -> Option<Role> {
        match (self.reach, peer) {
            (Reach::Program, Peer::Program) => Some(Role::Admin),
            (Reach::Unix { owner }, Peer::User(Some(user))) if user == owner || user == ROOT => {
                Some(Role::Admin)
            }
            (Reach::Loopback | Reach::Unix { .. }, _) if self.ask == Ask::Nobody => {
                Some(Role::Admin)
            }
            _ => None,
        }
    }

    fn exposes(&self, need: Need) -> bool {
        match need {
            Need::Endpoint(Access::Probe) => self.expose.probes,
            Need::Endpoint(Access::Metrics) => self.expose.metrics,
            Need::Endpoint(Access::Loopback(_) | Access::Role(_)) => self.expose.control,
            Need::Endpoint(Access::Service) | Need::Routes(_) => self.expose.services,
        }
    }
}

// === impl Visitor ===

impl Visitor {
    pub(crate) const PROGRAM: Self =
        Self { gate: Gate::PROGRAM, peer: Peer::Program, certificate: None };

    const NOBODY: Self = Self { gate: Gate::SHUT, peer: Peer::User(None), certificate: None };

    /// Somebody at an address, at a listener with nothing set.
    pub(crate) fn at(address: IpAddr) -> Self {
        let (ask, reach) = match address.is_loopback() {
            true => (Ask::LoopbackOpen, Reach::Loopback),
            false => (Ask::Required, Reach::Network),
        };
        let gate = Gate { expose: Surfaces::ALL, ask, reach };
        Self { gate, peer: Peer::Address(address), certificate: None }
    }

    /// Returns who sent the request, by its connection.
    pub(crate) fn of(request: &Request) -> Self {
        request.extensions().get().copied().unwrap_or(Self::NOBODY)
    }

    /// Finds out who asks.
    pub(crate) fn caller(self, control: &Control, headers: &HeaderMap) -> Result<Caller, Problem> {
        let credential = Credential::of(headers, &control.settings.tokens).ok_or_else(|| {
            let detail = "a request has at most one `Authorization` header";
            Problem::new(Code::MalformedRequest, detail)
        })?;
        Ok(Caller::new(self, &credential, &control.settings.certificates))
    }

    /// Who it is by the connection alone: by its certificate, or the word of the kernel.
    fn by_connection(self, rules: &[CertificateRule]) -> (Option<Arc<str>>, Option<Role>) {
        let unasked = self.gate.unasked(self.peer);
        let rule = self.certificate.and_then(|at| rules.get(usize::from(at)));
        match (rule, self.peer) {
            // Where nobody is asked, a certificate makes nobody smaller.
            (Some(rule), _) => {
                let actor = format!("certificate:{}", rule.name());
                (Some(actor.into()), unasked.max(Some(rule.role())))
            }
            (None, Peer::User(Some(user))) => (Some(format!("user:{user}").into()), unasked),
            (None, _) => (None, unasked),
        }
    }

    /// Whose limits count; the program itself has none.
    pub(crate) fn client(self) -> Option<Client> {
        match self.peer {
            Peer::Program => None,
            Peer::Address(address) => Some(Client::of(address)),
            Peer::User(user) => Some(user.map_or(Client::Rest, Client::User)),
        }
    }
}

// === impl Caller ===

impl Caller {
    fn new(visitor: Visitor, credential: &Credential<'_>, rules: &[CertificateRule]) -> Self {
        let (actor, role, proof) = match credential {
            Credential::Token(token) => {
                let actor = format!("{TOKEN}{}", token.name());
                (Some(actor.into()), Some(token.role()), Proof::Token)
            }
            Credential::Unknown => (None, None, Proof::Unknown),
            Credential::None => {
                let (actor, role) = visitor.by_connection(rules);
                (actor, role, Proof::None)
            }
        };
        Self { visitor, actor, role, proof }
    }

    /// Returns what stands in events.
    fn actor(&self) -> Arc<str> {
        self.actor.clone().unwrap_or_else(|| ANONYMOUS.into())
    }

    /// Decides whether the caller may; and counts its wrong tokens.
    pub(crate) fn may(&self, control: &Control, need: Need) -> Result<(), Problem> {
        let refusal = match self.decide(need) {
            Ok(()) => return Ok(()),
            Err(refusal) => refusal,
        };
        if let Refusal::Wrong(_) = refusal {
            self.tried(control)?;
        }
        Err(refusal.problem(control.prefix(), self.visitor.gate.expose))
    }

    /// Counts a token that is wrong, wherever it matters whether it is: where it does not, at what
    /// is public, tokens of a service's own may travel.
    pub(crate) fn tried(&self, control: &Control) -> Result<(), Problem> {
        if self.proof == Proof::Unknown {
            limited(self.client(), &control.failures, "tokens that are wrong")?;
            tracing::warn!(peer = ?self.visitor.peer, "a request came with a wrong token");
        }
        Ok(())
    }

    /// Returns whether the caller may, for what does not depend on it alone.
    pub(crate) fn is_allowed(&self, need: Need) -> bool {
        self.decide(need).is_ok()
    }

    /// Takes one of the commands that it may give: by its credential, else by its address.
    pub(crate) fn commands(&self, control: &Control) -> Result<(), Problem> {
        let client = self.client().map(|client| self.named(control).unwrap_or(client));
        limited(client, &control.writes, "commands")
    }

    /// Who it is by the names of the configuration.
    fn named(&self, control: &Control) -> Option<Client> {
        match self.proof {
            Proof::None => self.visitor.certificate.map(Client::Certificate),
            Proof::Token => {
                let name = self.actor.as_deref()?.strip_prefix(TOKEN)?;
                let place = control.settings.tokens.iter().position(|it| it.name() == name);
                place.and_then(|place| u16::try_from(place).ok()).map(Client::Token)
            }
            Proof::Unknown => None,
        }
    }

    /// Whose limits count; the program itself has none.
    pub(crate) fn client(&self) -> Option<Client> {
        self.visitor.client()
    }

    /// The decision.
    fn decide(&self, need: Need) -> Result<(), Refusal> {
        let gate = &self.visitor.gate;
        if !gate.exposes(need) {
            return Err(Refusal::NotHere);
        }
        let is_open = gate.ask == Ask::LoopbackOpen && gate.reach == Reach::Loopback;
        match need {
            // Else the detail that only a right token shows would tell right from wrong, uncounted.
            Need::Endpoint(Access::Probe) if self.proof == Proof::Unknown => {
                Err(Refusal::Wrong(Role::Viewer))
            }
            Need::Endpoint(Access::Probe) | Need::Routes(RouteAccess::Public) => Ok(()),
            // Who opens a listener that asks nobody has said who may read them: everybody.
            Need::Endpoint(Access::Metrics) if gate.ask == Ask::Nobody => match self.proof {
                Proof::Unknown => Err(Refusal::Wrong(Role::Viewer)),
                Proof::None | Proof::Token => Ok(()),
            },
            Need::Endpoint(Access::Metrics) => self.has(Role::Viewer),
            Need::Endpoint(Access::Loopback(_)) if is_open && self.proof != Proof::Unknown => {
                Ok(())
            }
            Need::Endpoint(Access::Loopback(role) | Access::Role(role))
            | Need::Routes(RouteAccess::Role(role)) => self.has(role),
            Need::Routes(RouteAccess::Unsaid) if is_open => Ok(()),
            // Whatever else a service may say one day is closed until it is thought about.
            Need::Routes(_) | Need::Endpoint(Access::Service) => self.has(Role::Operator),
        }
    }

    fn has(&self, role: Role) -> Result<(), Refusal> {
        match (self.role, self.proof) {
            (Some(own), _) if own >= role => Ok(()),
            (Some(_), _) => Err(Refusal::TooSmall(role)),
            (None, Proof::Unknown) => Err(Refusal::Wrong(role)),
            (None, Proof::None | Proof::Token) => Err(Refusal::Unknown(role)),
        }
    }

    /// Returns whether probes may say more than yes or no: to whom could ask for the status too.
    pub(crate) fn may_see_detail(&self) -> bool {
        self.decide(Need::Endpoint(Access::Loopback(Role::Viewer))).is_ok()
    }

    /// Returns whether the request proved itself by a token of ours.
    pub(crate) fn has_token(&self) -> bool {
        self.proof == Proof::Token
    }
}

/// Takes one of what the client may do; `None` is the program itself.
fn limited(client: Option<Client>, rates: &Rates, what: &str) -> Result<(), Problem> {
    let Some(client) = client else { return Ok(()) };
    rates.take(client).map_err(|wait| {
        let detail = format!("this client sends too many {what}");
        Problem::new(Code::TooManyRequests, detail).retry_after(seconds(wait))
    })
}

fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

// === impl Refusal ===

impl Refusal {
    fn problem(self, prefix: &str, here: Surfaces) -> Problem {
        match self {
            Self::NotHere => crate::routes::unknown_path(prefix, here),
            Self::Unknown(role) => {
                let detail = format!("this needs a token of role {role}");
                Problem::new(Code::Unauthenticated, detail)
                    .help("send it as `Authorization: Bearer TOKEN`")
            }
            Self::Wrong(role) => {
                let detail = format!("the token is wrong; this needs one of role {role}");
                Problem::new(Code::Unauthenticated, detail)
                    .help("send it as `Authorization: Bearer TOKEN`")
            }
            Self::TooSmall(role) => {
                let detail = format!("this needs a token of role {role}");
                Problem::new(Code::Forbidden, detail)
            }
        }
    }
}

/// Returns who gave the command that a request is.
pub(crate) fn actor(request: &Request) -> Arc<str> {
    let caller = request.extensions().get::<Caller>();
    caller.map_or_else(|| ANONYMOUS.into(), Caller::actor)
}

#[cfg(test)]
mod tests;
