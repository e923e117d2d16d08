//! Who may talk to the control plane at all: checks on every request, before any routing.
//!
//! A server on loopback can be reached by every page that a browser on the machine shows: by DNS
//! rebinding (the page's own name comes to mean 127.0.0.1), which the `Host` check ends, and by
//! plain cross-site requests, which the checks of `Origin` and `Sec-Fetch-Site` end. There is no
//! CORS.
//!
//! # Invariants
//!
//! 1. The checks do not depend on method or path: reading is guarded like writing.
//! 2. A request without a `Host` is refused; an absolute address counts as a second `Host`.
//! 3. A body comes in chunks or has a length; no other transfer coding is passed on as if it were
//!    the body. A head that says both is refused: two programs on the way may take different words.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::http::header::{CONTENT_LENGTH, HOST, ORIGIN, TRANSFER_ENCODING};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use processpype_api::{Code, Problem};
use processpype_core::each;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The hosts that this server answers for, and the longest address.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    hosts: Vec<String>,
    uri_bytes: usize,
}

/// Which of the headers that are checked there are, found in one pass.
#[derive(Default)]
struct Said<'a> {
    host: Option<&'a HeaderValue>,
    has_more_hosts: bool,
    has_origin: bool,
    has_coding: bool,
    has_length: bool,
    has_site: bool,
}

/// Whether a request is about no path, but the server: `OPTIONS *`.
pub(crate) fn is_asterisk(uri: &Uri) -> bool {
    uri.path() == "*"
}

// === impl Guard ===

impl Guard {
    pub(crate) fn new(hosts: &[String], uri_bytes: usize) -> Self {
        Self { hosts: each(hosts, |host| host.to_ascii_lowercase()), uri_bytes }
    }

    /// Lets the request pass, or says why not. Where no browser can come from, the names in `Host`
    /// do not matter.
    pub(crate) fn check(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        is_for_browsers: bool,
    ) -> Result<(), Problem> {
        let length = uri.path_and_query().map_or(0, |target| target.as_str().len());
        if length > self.uri_bytes {
            let detail = format!("the address has {length} bytes, at most {} fit", self.uri_bytes);
            return Err(Problem::new(Code::UriTooLong, detail));
        }
        if *method == Method::CONNECT {
            return Err(malformed("this server is no proxy"));
        }
        let is_about_server = *method == Method::OPTIONS && is_asterisk(uri);
        if !uri.path().starts_with('/') && !is_about_server {
            return Err(malformed("the address has no path"));
        }
        if !matches!(uri.scheme_str(), None | Some("http" | "https")) {
            return Err(malformed("the address has a scheme that this server does not speak"));
        }
        let said = Said::of(headers);
        if said.has_coding {
            transfer_coding(headers, said.has_length)?;
        }
        if uri.authority().is_some() || said.has_origin || !said.names_this_machine() {
            let host = self.host(uri, headers, is_for_browsers)?;
            origin(headers, &host)?;
        }
        if said.has_site { fetch_site(headers) } else { Ok(()) }
    }

    /// Returns the authority that the client meant, if this server answers for it.
    fn host(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        is_for_browsers: bool,
    ) -> Result<Authority, Problem> {
        let mut values = headers.get_all(HOST).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(malformed("a request has exactly one `Host` header"));
        };
        let parsed = value.to_str().ok().and_then(|text| text.parse::<Authority>().ok());
        let Some(host) = parsed.filter(is_plain) else {
            return Err(malformed("the `Host` header is no host"));
        };
        let meant = uri.authority().unwrap_or(&host);
        if !is_plain(meant) {
            return Err(malformed("the address names no plain host"));
        }
        let is_ours = |host: &Authority| !is_for_browsers || self.is_ours(host.host());
        if is_ours(meant) && is_ours(&host) {
            Ok(meant.clone())
        } else {
            let help =
                "use an IP address or `localhost`, or list the name in `server.allowed_hosts`";
            Err(Problem::new(Code::UnknownHost, "this server does not answer for that host")
                .help(help))
        }
    }

    fn is_ours(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        bare.map_or_else(|| host.parse::<Ipv4Addr>().is_ok(), |v6| v6.parse::<Ipv6Addr>().is_ok())
            || host == "localhost"
            || self.hosts.contains(&host)
    }
}

// === impl Said ===

impl<'a> Said<'a> {
    fn of(headers: &'a HeaderMap) -> Self {
        let mut said = Self::default();
        for (name, value) in headers {
            match *name {
                HOST if said.host.is_none() => said.host = Some(value),
                HOST => said.has_more_hosts = true,
                ORIGIN => said.has_origin = true,
                TRANSFER_ENCODING => said.has_coding = true,
                CONTENT_LENGTH => said.has_length = true,
                _ => said.has_site |= *name == SEC_FETCH_SITE,
            }
        }
        said
    }

    /// Whether the one `Host` is an IPv4 address or `localhost`, perhaps with a port: what most
    /// clients send is known without looking at it as an authority.
    fn names_this_machine(&self) -> bool {
        let (Some(value), false) = (self.host, self.has_more_hosts) else { return false };
        let bytes = value.as_bytes();
        let end = bytes.iter().position(|byte| *byte == b':').unwrap_or(bytes.len());
        let (host, port) = bytes.split_at(end);
        let is_port = port.get(1..).is_none_or(is_port);
        is_port && (host == b"localhost" || is_ipv4(host))
    }
}

/// Whether these are the digits of a port.
fn is_port(digits: &[u8]) -> bool {
    digits.len() <= 5 && number(digits).is_some_and(|port| port <= u32::from(u16::MAX))
}

/// Whether this is an IPv4 address as it is usually written.
fn is_ipv4(text: &[u8]) -> bool {
    let (mut dots, mut octet) = (0, None);
    for byte in text {
        octet = match (*byte, octet) {
            (digit @ b'0'..=b'9', None) => Some(u32::from(digit - b'0')),
            // A zero in front may mean another base.
            (b'0'..=b'9', Some(0)) => return false,
            (digit @ b'0'..=b'9', Some(octet)) => Some(octet * 10 + u32::from(digit - b'0')),
            (b'.', Some(_)) => None,
            _ => return false,
        };
        if octet.is_some_and(|octet| octet > 255) {
            return false;
        }
        dots += u32::from(*byte == b'.');
    }
    dots == 3 && octet.is_some()
}

/// The number of at most five digits.
fn number(digits: &[u8]) -> Option<u32> {
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| u32::from(byte - b'0'));
    let number = digits.iter().try_fold(0, |number, byte| Some(number * 10 + digit(byte)?));
    number.filter(|_| !digits.is_empty())
}

/// Whether this is a host, perhaps with a port, and nothing else.
fn is_plain(authority: &Authority) -> bool {
    match authority.as_str().strip_prefix(authority.host()) {
        Some("" | ":") => true,
        // The library takes `+80` for a port.
        Some(port) => {
            port[1..].bytes().all(|digit| digit.is_ascii_digit()) && authority.port_u16().is_some()
        }
        // A user stands before the host.
        None => false,
    }
}

/// hyper decodes `chunked` and would leave what else is named to whoever reads the body.
fn transfer_coding(headers: &HeaderMap, has_length: bool) -> Result<(), Problem> {
    if has_length {
        let detail = "a request has either `Content-Length` or `Transfer-Encoding`, not both";
        return Err(malformed(detail));
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let first_is_chunked =
        codings.next().is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    if first_is_chunked && codings.next().is_none() {
        Ok(())
    } else {
        Err(malformed("`chunked` is the only transfer coding that this server knows"))
    }
}

/// A browser names the page that a request comes from: it must be one of ours.
fn origin(headers: &HeaderMap, host: &Authority) -> Result<(), Problem> {
    for origin in headers.get_all(ORIGIN) {
        let parsed = origin.to_str().ok().and_then(|text| text.parse::<Uri>().ok());
        let is_same = parsed.is_some_and(|uri| is_same_origin(&uri, host));
        if !is_same {
            return Err(cross_origin());
        }
    }
    Ok(())
}

fn is_same_origin(origin: &Uri, host: &Authority) -> bool {
    let default_port = match origin.scheme_str() {
        Some("http") => 80,
        Some("https") => 443,
        _ => return false,
    };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(default_port);
    origin.authority().is_some_and(|authority| {
        is_plain(authority)
            && authority.host().eq_ignore_ascii_case(host.host())
            && port(authority) == port(host)
    })
}

/// Newer browsers say it outright; `none` means that a person typed the address.
fn fetch_site(headers: &HeaderMap) -> Result<(), Problem> {
    let mut sites = headers.get_all(SEC_FETCH_SITE).iter();
    if sites.all(|site| site == "same-origin" || site == "none") {
        Ok(())
    } else {
        Err(cross_origin())
    }
}

fn malformed(detail: &str) -> Problem {
    Problem::new(Code::MalformedRequest, detail)
}

fn cross_origin() -> Problem {
    Problem::new(Code::CrossOrigin, "a page of another site may not call this server")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(target: &str, headers: &[(&'static str, &str)], expected: Option<Code>) {
        let guard = Guard::new(&["Box.Example".to_owned()], 64);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().expect("a header value"));
        }
        let uri = target.parse().expect("a target");
        let result = guard.check(&Method::GET, &uri, &map, true);
        assert_eq!(
            result.map_err(|problem| problem.code()).err(),
            expected,
            "{target} {headers:?}"
        );
    }

    #[test]
    fn hosts() {
        let ours = [
            "127.0.0.1",
            "127.0.0.1:8080",
            "10.1.2.3:80",
            "[::1]",
            "[::1]:8080",
            "localhost",
            "LOCALHOST:1",
            "localhost.",
            "127.0.0.1:",
            "localhost:000080",
            "box.example",
            "BOX.example.:8080",
        ];
        for host in ours {
            check("/", &[("host", host)], None);
        }
        let others = [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "box.example.evil",
            "notlocalhost",
            "0x7f.1",
            "2130706433",
            "[127.0.0.1]",
            "[localhost]",
            "localhost..",
            "foo.localhost",
        ];
        for host in others {
            check("/", &[("host", host)], Some(Code::UnknownHost));
        }
        let none = [
            "",
            "a b",
            "user@localhost",
            "localhost/x",
            "localhost:port",
            "localhost:99999",
            "localhost:+80",
            "127.0.0.1:+80",
            "[::1]:+80",
            "box.example:-1",
            "localhost:65536",
            "localhost:80:80",
            "localhost@evil.example",
        ];
        for host in none {
            check("/", &[("host", host)], Some(Code::MalformedRequest));
        }
    }

    #[test]
    fn an_address_is_what_the_standard_library_takes_for_one() {
        for text in [
            "",
            ".",
            "...",
            "0.0.0.0",
            "255.255.255.255",
            "1.2.3.4",
            "256.1.1.1",
            "1.2.3",
            "1.2.3.",
            ".1.2.3",
            "1.2.3.4.5",
            "01.2.3.4",
            "00.0.0.0",
            "1.2.3.0004",
            "1. 2.3.4",
            "+1.2.3.4",
            "a.b.c.d",
            "1.2.3.4a",
        ] {
            assert_eq!(is_ipv4(text.as_bytes()), text.parse::<Ipv4Addr>().is_ok(), "{text}");
        }
    }

    #[test]
    fn exactly_one_host() {
        check("/", &[], Some(Code::MalformedRequest));
        check("/", &[("host", "localhost"), ("host", "localhost")], Some(Code::MalformedRequest));
    }

    #[test]
    fn an_absolute_address_is_a_host_too() {
        check("http://localhost/", &[("host", "localhost")], None);
        check("http://evil.example/", &[("host", "localhost")], Some(Code::UnknownHost));
        check("http://localhost/", &[("host", "evil.example")], Some(Code::UnknownHost));
        check("http://localhost/", &[], Some(Code::MalformedRequest));
        for target in ["http://user@localhost/", "http://localhost:port/", "ftp://localhost/"] {
            check(target, &[("host", "localhost")], Some(Code::MalformedRequest));
        }
    }

    #[test]
    fn transfer_codings() {
        let host = ("host", "localhost");
        check("/", &[host, ("transfer-encoding", "Chunked")], None);
        for other in ["gzip, chunked", "chunked, chunked", "identity", ""] {
            check("/", &[host, ("transfer-encoding", other)], Some(Code::MalformedRequest));
        }
        let both = [host, ("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")];
        check("/", &both, Some(Code::MalformedRequest));
        check("/", &[host, ("content-length", "1")], None);
        let both = [host, ("content-length", "1"), ("transfer-encoding", "chunked")];
        check("/", &both, Some(Code::MalformedRequest));
    }

    #[test]
    fn origins() {
        let from = |origin, expected| {
            check("/", &[("host", "localhost:8080"), ("origin", origin)], expected);
        };
        from("http://localhost:8080", None);
        from("http://LOCALHOST:8080", None);
        from("https://localhost:8080", None);
        for origin in [
            "null",
            "http://localhost",
            "http://localhost:8081",
            "http://127.0.0.1:8080",
            "http://evil.example",
            "chrome-extension://localhost:8080",
            "",
            "http://localhost:8080.evil",
            "http://user@localhost:8080",
            "http://localhost:+8080",
        ] {
            from(origin, Some(Code::CrossOrigin));
        }
        let host = ("host", "localhost");
        check("/", &[host, ("origin", "http://localhost:80")], None);
        check("/", &[host, ("origin", "https://localhost")], None);
        let both = [host, ("origin", "http://localhost"), ("origin", "null")];
        check("/", &both, Some(Code::CrossOrigin));
    }

    #[test]
    fn fetch_sites() {
        let site = |site, expected| {
            check("/", &[("host", "localhost"), ("sec-fetch-site", site)], expected);
        };
        site("same-origin", None);
        site("none", None);
        for bad in ["cross-site", "same-site", "", "none, cross-site"] {
            site(bad, Some(Code::CrossOrigin));
        }
    }

    #[test]
    fn addresses() {
        let host = [("host", "localhost")];
        check(&format!("/{}", "a".repeat(63)), &host, None);
        check(&format!("/{}", "a".repeat(64)), &host, Some(Code::UriTooLong));
        check("*", &host, Some(Code::MalformedRequest));
    }
}
