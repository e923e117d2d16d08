//! Who may call the control plane, and from where: the sections `server.auth` and
//! `server.listeners`.
//!
//! # Invariants
//!
//! 1. A listener that the control plane would refuse is refused by `check` already, with the same
//!    words.
//! 2. Neither a token nor its hash is shown: both are secrets to the configuration, and problems
//!    speak of tokens by their place in the list.

#[cfg(test)]
use std::collections::BTreeSet;

use processpype_config::{Document, Report, Secret, Section};
use processpype_control::{
    Ask, CertificateRule, InvalidListener, ListenAddress, Listener, Proofs, SettingsError,
    Surfaces, Token, check_host,
};
use processpype_core::Role;
use schemars::{Schema, json_schema};
use serde::Deserialize;

use crate::mint::MINTED;
use crate::settings::times;
use crate::settings::{PREFIX_PATTERN, ServerSection};
use crate::tls::{self, CertificateSection, TlsSection};

/// The most tokens: every request with one is compared with all.
/// The schema holds it, and is made from it.
#[cfg(test)]
pub(crate) const TOKENS_MAX: usize = 256;

/// The most listeners.
pub(crate) const LISTENERS_MAX: usize = 16;

/// Who may prove to be whom.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct AuthSection {
    /// The tokens that clients send as `Authorization: Bearer TOKEN`. Each has a `name`, which
    /// stands in events as `token:NAME`; a `role` (`viewer` looks, `operator` also starts and
    /// stops, `admin` may everything); and either `sha256`, the hash of the token in hexadecimal
    /// digits, or `token`, the token itself, as `${secret://…}` or `${VAR}`. A token has at least
    /// 22 characters of chance: `openssl rand -hex 32` makes one.
    #[cfg_attr(
        test,
        schemars(
            extend("x-expected" = "a list of maps with `name`, `role` and `sha256` or `token`")
        )
    )]
    #[cfg_attr(test, schemars(length(max = TOKENS_MAX)))]
    pub(crate) tokens: Vec<TokenSection>,
    /// Whom certificates of clients stand for, where a listener has `tls` with `client_ca`. Each
    /// has a `name`, which stands in events as `certificate:NAME`; a `role`; and one of
    /// `common_name`, `dns`, `uri` and `sha256` (over the certificate, in hexadecimal digits), or
    /// none of them for every certificate that the authority has issued. The first that matches
    /// counts.
    #[cfg_attr(
        test,
        schemars(extend("x-expected" = "a list of maps with `name`, `role` and what to look for"))
    )]
    #[cfg_attr(test, schemars(length(max = tls::CERTIFICATES_MAX)))]
    pub(crate) certificates: Vec<CertificateSection>,
}

/// A token, and whom it stands for.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct TokenSection {
    /// Whose it is; the actor of what is done with it is `token:` and this.
    #[cfg_attr(test, schemars(length(max = processpype_control::TOKEN_NAME_MAX)))]
    name: String,
    /// What it allows.
    role: RoleWord,
    /// The SHA-256 of the token, in hexadecimal digits.
    sha256: Option<Secret<String>>,
    /// The token.
    token: Option<Secret<String>>,
}

/// What a token allows; each role includes the ones before it.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RoleWord {
    /// Looks, and changes nothing.
    Viewer,
    /// Also starts, stops and restarts.
    Operator,
    /// May everything.
    Admin,
}

/// One place to listen at.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ListenerSection {
    /// An address and a port, such as `127.0.0.1:8080`, or `unix:` and the path of a socket.
    address: String,
    /// What it shows. Default: everything.
    #[cfg_attr(test, schemars(with = "Option<BTreeSet<SurfaceWord>>"))]
    expose: Option<Vec<SurfaceWord>>,
    /// Whom it asks for a token. Default: `loopback-open` on loopback, `required` elsewhere.
    auth: Option<AskWord>,
    /// TLS, if it is spoken here.
    tls: Option<TlsSection>,
}

/// Something that a listener shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
enum SurfaceWord {
    /// Status, commands, events, documentation.
    Control,
    /// The services' own routes.
    Services,
    /// The probes.
    Probes,
    /// The metrics.
    Metrics,
}

/// Whom a listener asks for a token.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
enum AskWord {
    /// Everybody; over a Unix socket, everybody but its owner and root.
    Required,
    /// Everybody, but for status, start, stop and restart; on loopback only.
    LoopbackOpen,
    /// Nobody.
    None,
}

/// What the control plane is told of both sections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access {
    pub(crate) listeners: Vec<Listener>,
    pub(crate) tokens: Vec<Token>,
    pub(crate) certificates: Vec<CertificateRule>,
}

/// Reads both sections; every problem is given to `problem`.
pub(crate) fn read(
    document: &Document,
    server: &ServerSection,
    mut problem: impl FnMut(Report),
) -> Access {
    let section = document.section(&["server"]);
    for report in too_long(server, &section) {
        problem(report);
    }
    for key in server.limits.zero_times() {
        let said = section.get("limits").get(key);
        let text = "no client could ever be in time";
        problem(
            said.problem(text).help("remove it for the default, or write such as `30s`").into(),
        );
    }
    place(&section, &mut problem);
    let tokens = tokens(&server.auth, &section, &mut problem);
    let rules = section.get("auth").get("certificates");
    let certificates = tls::certificates(&server.auth.certificates, &rules, &mut problem);
    let proofs = Proofs { tokens: !tokens.is_empty(), certificates: !certificates.is_empty() };
    let listeners = match server.listeners.is_empty() {
        true => short_form(server, proofs, &section, &mut problem),
        false => listeners(server, proofs, &section, &mut problem),
    };
    Access { listeners, tokens, certificates }
}

/// Returns every time of the section that is longer than any may be.
fn too_long(server: &ServerSection, section: &Section) -> impl Iterator<Item = Report> {
    let times = [
        ("drain_delay", Some(server.drain_delay)),
        ("platform_stop_timeout", server.platform_stop_timeout),
        ("platform_start_timeout", server.platform_start_timeout),
    ];
    let own = times::check(section, &times).err();
    let limits = times::check(&section.get("limits"), &server.limits.times()).err();
    own.into_iter().chain(limits)
}

/// Checks host and prefix by themselves, whatever else is wrong in the section. What does not even
/// fit the schema is told already.
fn place(section: &Section, problem: &mut impl FnMut(Report)) {
    if let Some((section, host)) = written(section, "host", any_text)
        && let Err(wrong) = check_host(&host)
    {
        problem(section.problem(wrong.to_string()).help(wrong.help()).into());
    }
    if let Some((section, prefix)) = written(section, "api_prefix", prefix_text)
        && let Err(wrong) = SettingsError::check_prefix(&prefix)
    {
        let text = format!("paths cannot be moved there: {}", wrong.fault());
        problem(section.problem(text).help("write it like `/api/v1`").into());
    }
}

/// Reads one text of a section, if it is there and can be read.
fn written(section: &Section, key: &str, schema: fn() -> Schema) -> Option<(Section, String)> {
    let section = section.get(key);
    let read = section.exists().then(|| section.read_by(schema, &mut Vec::new()).ok()).flatten()?;
    Some((section, read))
}

fn any_text() -> Schema {
    json_schema!({ "type": "string" })
}

fn prefix_text() -> Schema {
    json_schema!({ "type": "string", "pattern": PREFIX_PATTERN })
}

// === tokens ===

fn tokens(auth: &AuthSection, server: &Section, problem: &mut impl FnMut(Report)) -> Vec<Token> {
    let section = server.get("auth").get("tokens");
    let mut tokens: Vec<Token> = Vec::new();
    for (at, written) in auth.tokens.iter().enumerate() {
        match token(written, &tokens) {
            Ok(token) => tokens.push(token),
            Err(text) => {
                let section = section.item(at);
                problem(section.problem(format!("token {}: {text}", at + 1)).into());
            }
        }
    }
    tokens
}

fn token(written: &TokenSection, others: &[Token]) -> Result<Token, String> {
    let TokenSection { name, role, .. } = written;
    let role = Role::from(*role);
    let made = match (&written.sha256, &written.token) {
        (Some(hash), None) => Token::hashed(name, role, hash.expose()),
        (None, Some(text)) => Token::new(name, role, text.expose()),
        (Some(_), Some(_)) => return Err("it has both `sha256` and `token`; keep one".to_owned()),
        (None, None) => return Err("it has neither `sha256` nor `token`".to_owned()),
    };
    let token = made.map_err(|error| error.to_string())?;
    if token.name() == MINTED {
        return Err(format!("the name `{MINTED}` is for the token that every start makes"));
    }
    for (at, other) in others.iter().enumerate() {
        if other.name() == token.name() {
            return Err(format!("it has the name of token {}", at + 1));
        }
        // One of the two would never be found.
        if other.is_same_secret(&token) {
            return Err(format!("it is the same secret as token {}", at + 1));
        }
    }
    Ok(token)
}

impl From<RoleWord> for Role {
    fn from(word: RoleWord) -> Self {
        match word {
            RoleWord::Viewer => Self::Viewer,
            RoleWord::Operator => Self::Operator,
            RoleWord::Admin => Self::Admin,
        }
    }
}

// === listeners ===

/// `host` and `port`: one listener that shows everything.
fn short_form(
    server: &ServerSection,
    proofs: Proofs,
    section: &Section,
    problem: &mut impl FnMut(Report),
) -> Vec<Listener> {
    let (host, port) = (server.host.clone(), server.port);
    let mut listener = Listener::at(ListenAddress::Tcp { host, port });
    let at = section.get("tls");
    listener.tls = server.tls.as_ref().map(|written| tls::tls(written, &at, problem));
    if let Err(reason) = listener.check(proofs) {
        problem(refused(&section.get("host"), &listener, reason));
    }
    vec![listener]
}

fn listeners(
    server: &ServerSection,
    proofs: Proofs,
    section: &Section,
    problem: &mut impl FnMut(Report),
) -> Vec<Listener> {
    for key in ["host", "port", "tls"].map(|key| section.get(key)).iter().filter(|key| key.exists())
    {
        let text = "it says where to listen, and so does `server.listeners`";
        problem(key.problem(text).help("remove it, or write it as a listener").into());
    }
    let list = section.get("listeners");
    if server.listeners.len() > LISTENERS_MAX {
        let told = list.problem(format!("at most {LISTENERS_MAX} listeners fit"));
        problem(told.help("remove those that are not needed").into());
    }
    let mut found: Vec<Listener> = Vec::new();
    for (at, written) in server.listeners.iter().enumerate() {
        let section = list.item(at);
        let place = section.get("address");
        let address = match written.address.parse::<ListenAddress>() {
            Ok(address) => address,
            Err(error) => {
                let told = place.problem(format!("it is no address to listen at: {}", error.why()));
                problem(told.help(format!("{error}")).into());
                continue;
            }
        };
        let mut listener = written.at(address);
        let at = section.get("tls");
        listener.tls = written.tls.as_ref().map(|written| tls::tls(written, &at, problem));
        if let Err(reason) = listener.check(proofs) {
            problem(refused(&place, &listener, reason));
        }
        let is_fixed = !matches!(listener.address, ListenAddress::Tcp { port: 0, .. });
        if is_fixed && found.iter().any(|other| other.address == listener.address) {
            let told = place.problem("it is the address of a listener before");
            problem(told.help("write another one, or remove one of the two").into());
        }
        found.push(listener);
    }
    found
}

fn refused(section: &Section, listener: &Listener, reason: InvalidListener) -> Report {
    let address = match &listener.address {
        // The port says nothing about who can reach it.
        ListenAddress::Tcp { host, .. } if section.path() == "server.host" => host.clone(),
        address => address.to_string(),
    };
    let text = format!("the control plane refuses to listen on {address}: {reason}");
    section.problem(text).help(reason.help()).into()
}

// === impl ListenerSection ===

impl ListenerSection {
    /// Returns where it shows the control API, and whether it speaks TLS; none if it does not.
    pub(crate) fn control_place(&self) -> Option<(ListenAddress, bool)> {
        let shows = |expose: &Vec<SurfaceWord>| expose.contains(&SurfaceWord::Control);
        let address = self.address.parse().ok()?;
        self.expose.as_ref().is_none_or(shows).then_some((address, self.tls.is_some()))
    }

    fn at(&self, address: ListenAddress) -> Listener {
        let mut listener = Listener::at(address);
        if let Some(expose) = &self.expose {
            listener.expose = Surfaces {
                control: expose.contains(&SurfaceWord::Control),
                services: expose.contains(&SurfaceWord::Services),
                probes: expose.contains(&SurfaceWord::Probes),
                metrics: expose.contains(&SurfaceWord::Metrics),
            };
        }
        match self.auth {
            Some(AskWord::Required) => listener.ask = Ask::Required,
            Some(AskWord::LoopbackOpen) => listener.ask = Ask::LoopbackOpen,
            Some(AskWord::None) => listener.ask = Ask::Nobody,
            // Probes tell nobody anything, so there is nothing to ask for.
            None if listener.expose == Surfaces::PROBES => listener.ask = Ask::Nobody,
            None => {}
        }
        listener
    }
}
