//! What is said of an answer that is no application's: who gives it, and where it leads.
//!
//! # Invariants
//!
//! 1. An address that an answer names is shown without what may be a secret, cut, and not gone to.
//! 2. It is offered as a part of a command line only as a whole, if this program takes it and no
//!    shell finds anything in it to do.

use hyper::Response;
use hyper::header::{CONTENT_TYPE, LOCATION, SERVER};

use crate::clean::cleaned;
use crate::target::{Target, URL_VARIABLE};

/// How much is shown of the name of another program, in characters.
const STRANGER_MAX: usize = 80;

/// How much is shown of the address that an answer leads to, in characters.
const PLACE_MAX: usize = 200;

/// What stands in an offered address beside letters and digits: nothing that a shell interprets.
const PLAIN: &str = ":/.-_%";

/// Says what answers, if its answer says that it is another program: one with a name, which ours
/// has not, or one that answers with a page.
pub(crate) fn stranger<T>(response: &Response<T>) -> Option<String> {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let shown = |text: &str| cleaned(text.chars().take(STRANGER_MAX).collect());
    let name = header(SERVER).map(|name| format!("`{}`", shown(name)));
    let page = header(CONTENT_TYPE).filter(|media| media.starts_with("text/html"));
    name.or_else(|| page.map(|_| "a web page".to_owned()))
}

/// Where another address is named instead of an answer: without what was asked for there, and
/// without what may be a secret, as the user in front of a host or the words behind a `?`. One that
/// was cut ends with `…`.
pub(crate) fn leads_to<T>(response: &Response<T>, path: &str) -> Option<String> {
    let place = response.headers().get(LOCATION).filter(|_| response.status().is_redirection())?;
    let place = place.to_str().ok()?.split(['?', '#']).next()?;
    let asked = path.split('?').next().unwrap_or_default();
    let place = place.strip_suffix(asked).filter(|it| !it.is_empty()).unwrap_or(place);
    let place = without_user(place);
    let mut letters = place.chars();
    let mut shown = cleaned(letters.by_ref().take(PLACE_MAX).collect());
    if letters.next().is_some() {
        shown.push('…');
    }
    (!shown.is_empty()).then_some(shown)
}

/// Takes the user away from in front of the host, which stands behind the scheme or, where that is
/// to stay the same, at the begin.
fn without_user(place: &str) -> String {
    let begin = match place.find("://") {
        Some(at) => at + "://".len(),
        None if place.starts_with("//") => "//".len(),
        None => return place.to_owned(),
    };
    let (scheme, rest) = place.split_at(begin);
    let (host, below) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let host = host.rsplit('@').next().unwrap_or_default();
    format!("{scheme}{host}{below}")
}

/// Says what to do where another address is named. It is not gone to: a token that was named goes
/// nowhere but where it was told to go.
pub(crate) fn leads_to_help(place: &str) -> String {
    match is_offered(place) {
        true => format!(
            "name that address, if you trust it: `--url {place}`, or {URL_VARIABLE}; it is not \
             followed by itself, so that no token goes where nobody sent it"
        ),
        false => format!(
            "is it the right address, and no other program's? name another one with --url or \
             {URL_VARIABLE}"
        ),
    }
}

/// Whether an address may be taken over into a command line as it stands.
fn is_offered(place: &str) -> bool {
    (place.starts_with("http://") || place.starts_with("https://"))
        && place.chars().all(|c| c.is_ascii_alphanumeric() || PLAIN.contains(c))
        && place.parse::<Target>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(location: &str, expected: &str, is_offered: bool) {
        let response = Response::builder().status(302).header(LOCATION, location);
        let response = response.body(()).expect("an answer");
        let place = leads_to(&response, "/").expect("a place");
        assert_eq!(place, expected);
        let help = leads_to_help(&place);
        assert_eq!(help.contains(&format!("`--url {place}`")), is_offered, "{help}");
        assert_eq!(help.contains(&*place), is_offered, "{help}");
    }

    #[test]
    fn no_user_of_an_address_is_shown() {
        check("https://me:pw@shop:8443/api", "https://shop:8443/api", true);
        check("https://me:p@w@shop", "https://shop", true);
        check("//me:pw@shop/api", "//shop/api", false);
        check("//me:pw@shop", "//shop", false);
        check("/of/@me", "/of/@me", false);
    }

    #[test]
    fn only_what_can_be_taken_over_as_it_is_is_offered() {
        check("http://shop-1.example.org:80/a_b/%20", "http://shop-1.example.org:80/a_b/%20", true);
        for place in [
            "ftp://shop",
            "unix:///run/shop.sock",
            "http://shop:99999",
            "http://shop/$(id)",
            "http://shop/`id`",
            "http://shop/a;id",
            "http://shop/a|id",
            "http://shop/a&id",
            "http://shop/'a",
            "http://shop/a b",
            "http://shop/*",
            "http://[::1]:80",
        ] {
            check(place, place, false);
        }
        let (head, whole) = ("http://shop/", "a".repeat(PLACE_MAX - "http://shop/".len()));
        check(&format!("{head}{whole}"), &format!("{head}{whole}"), true);
        check(&format!("{head}{whole}a"), &format!("{head}{whole}…"), false);
    }
}
