//! From a path to the endpoint that it is for.
//!
//! # Invariants
//!
//! 1. A path is what it is: no redirects, no slashes added, removed or joined. What stands for a
//!    placeholder is not empty. A path of the framework ends without a slash; `/services/{name}/`
//!    is the root of the service's own routes.
//! 2. Words win over placeholders, and `{*path}`, which takes all that is left, is the last choice.
//! 3. The path is compared as it came; only what stands for placeholders is decoded.

use percent_encoding::percent_decode_str;
use processpype_api::{ENDPOINTS, Endpoint, EndpointId};

/// The path of a service's own root route, beside [`EndpointId::ServiceRoute`].
const SERVICE_ROOT: &str = "/services/{name}/";

/// What stands for the placeholders of a path, decoded; nothing where that is no UTF-8.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Params(Vec<(&'static str, String)>);

/// Finds the first endpoint of the path.
pub(crate) fn find(path: &str, prefix: &str) -> Option<(&'static Endpoint, Params)> {
    let below = path.strip_prefix(prefix).and_then(|below| match below {
        "" if !prefix.is_empty() => Some("/"),
        below => below.starts_with('/').then_some(below),
    });
    let mut last = None;
    for endpoint in ENDPOINTS {
        let Some(path) = (if endpoint.is_prefixed { below } else { Some(path) }) else { continue };
        match params(endpoint.path, path) {
            Some(params) if endpoint.id != EndpointId::ServiceRoute => {
                return Some((endpoint, Params::decoded(&params)));
            }
            None if endpoint.id != EndpointId::ServiceRoute => {}
            found => last = Some(endpoint).zip(found.or_else(|| params(SERVICE_ROOT, path))),
        }
    }
    last.map(|(endpoint, params)| (endpoint, Params::decoded(&params)))
}

/// Returns what stands for the placeholders of `pattern` in `path`, if the path is of that kind.
fn params<'p>(pattern: &'static str, path: &'p str) -> Option<Vec<(&'static str, &'p str)>> {
    let (mut pattern, mut path) = (pattern, path);
    let mut params = Vec::new();
    loop {
        (pattern, path) = (pattern.strip_prefix('/')?, path.strip_prefix('/')?);
        if let Some(name) = placeholder(pattern, "{*") {
            params.push((name, path));
            return (!path.is_empty()).then_some(params);
        }
        let (word, said) = (first(pattern), first(path));
        match placeholder(word, "{") {
            Some(name) if !said.is_empty() => params.push((name, said)),
            None if word == said => {}
            _ => return None,
        }
        (pattern, path) = (&pattern[word.len()..], &path[said.len()..]);
        if pattern.is_empty() && path.is_empty() {
            return Some(params);
        }
    }
}

/// What stands before the next slash.
fn first(path: &str) -> &str {
    path.split('/').next().unwrap_or_default()
}

fn placeholder(word: &'static str, begin: &str) -> Option<&'static str> {
    word.strip_prefix(begin)?.strip_suffix('}')
}

// === impl Params ===

impl Params {
    /// If one of them is no UTF-8, there are none.
    fn decoded(raw: &[(&'static str, &str)]) -> Self {
        let decoded = |(name, text): &(&'static str, &str)| {
            let text = percent_decode_str(text).decode_utf8().ok()?;
            Some((*name, text.into_owned()))
        };
        Self(raw.iter().map(decoded).collect::<Option<_>>().unwrap_or_default())
    }

    /// Returns the parameter, or nothing if it is not there or no UTF-8.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The path that was found, with what stands for its placeholders; empty = nothing was.
    #[track_caller]
    fn check(path: &str, prefix: &str, expected: &str, params: &[(&str, &str)]) {
        let found = find(path, prefix);
        assert_eq!(found.as_ref().map_or("", |(endpoint, _)| endpoint.path), expected, "{path}");
        let found = found.map(|(_, params)| params.0).unwrap_or_default();
        let found: Vec<_> = found.iter().map(|(name, text)| (*name, text.as_str())).collect();
        assert_eq!(found, params, "{path}");
    }

    #[test]
    fn every_endpoint_is_found_by_its_path() {
        for prefix in ["", "/api", "/api/v1"] {
            for endpoint in ENDPOINTS {
                let (path, pattern) = (endpoint.full_path(prefix), endpoint.path);
                let path = path.replace("{name}", "web").replace("{id}", "7");
                let path = path.replace("{*path}", "a/b");
                let (found, _) = find(&path, prefix).expect("it is there");
                assert_eq!(found.path, pattern, "{path}");
                let first = ENDPOINTS.iter().find(|it| it.path == pattern).map(|it| it.id);
                assert_eq!(Some(found.id), first, "the first one of {path}");
            }
        }
    }

    #[test]
    fn words_win_over_placeholders() {
        const OWN: &str = "/services/{name}/{*path}";
        check("/services/a/start", "", "/services/{name}/start", &[("name", "a")]);
        check("/services/a/started", "", OWN, &[("name", "a"), ("path", "started")]);
        check("/services/a/start/", "", OWN, &[("name", "a"), ("path", "start/")]);
        check("/services/a/%73tart", "", OWN, &[("name", "a"), ("path", "start")]);
        check("/services/a/-/why", "", "/services/{name}/-/why", &[("name", "a")]);
        check("/services/a/-/what", "", OWN, &[("name", "a"), ("path", "-/what")]);
        check("/services/a/-", "", OWN, &[("name", "a"), ("path", "-")]);
        check("/services/a/", "", OWN, &[("name", "a")]);
        check("/services/a//", "", OWN, &[("name", "a"), ("path", "/")]);
        check("/services/a", "", "/services/{name}", &[("name", "a")]);
    }

    #[test]
    fn a_path_is_what_it_is() {
        for path in ["", "*", "//", "/services/", "/services//", "/services//start", "/plan/"] {
            check(path, "", "", &[]);
        }
        for path in ["/operations/", "/operations/1/2", "/Plan", "/pl%61n", "plan", "/nothing"] {
            check(path, "", "", &[]);
        }
        check("/", "", "/", &[]);
        check("/operations/a%2Fb", "", "/operations/{id}", &[("id", "a/b")]);
        check("/operations/%ff", "", "/operations/{id}", &[]);
    }

    #[test]
    fn a_prefix_moves_what_it_moves() {
        for path in ["/api", "/api/"] {
            check(path, "/api", "/", &[]);
        }
        check("/api/plan", "/api", "/plan", &[]);
        check("/api/services/a/", "/api", "/services/{name}/{*path}", &[("name", "a")]);
        check("/health/live", "/api", "/health/live", &[]);
        for path in ["/", "/plan", "/apiplan", "/api/health/live", "/api/api", "/ap"] {
            check(path, "/api", "", &[]);
        }
    }
}
