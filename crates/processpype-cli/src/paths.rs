//! Paths of the control API, as a client writes them.

/// Where the application and all its services are.
pub(crate) const SNAPSHOT: &str = "/";

/// Returns the path of a service; what is no name is escaped, so that it stays one segment.
pub(crate) fn service(name: &str) -> String {
    format!("/services/{}", escape(name))
}

/// Escapes all but unreserved characters (RFC 3986, section 2.3).
pub(crate) fn escape(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let escaped = text.bytes().map(|byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    escaped.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_segment() {
        assert_eq!(service("api"), "/services/api");
        assert_eq!(service("a/b c?d"), "/services/a%2Fb%20c%3Fd");
        assert_eq!(service("é"), "/services/%C3%A9");
    }
}
