//! Paths as they are printed, read again.
//!
//! # Invariant
//!
//! What [`show::join`](crate::show::join) has put together comes apart into the same keys.

/// Returns the keys of a path as it is printed: `a.b[0]."odd key"`.
pub(crate) fn keys_of(path: &str) -> Vec<String> {
    let mut keys = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        rest = rest.strip_prefix('.').unwrap_or(rest);
        let (key, length) = match rest.as_bytes().first() {
            Some(b'"') => quoted(rest),
            Some(b'[') => {
                let end = rest.find(']').unwrap_or(rest.len());
                (rest[1..end].to_owned(), (end + 1).min(rest.len()))
            }
            _ => {
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                (rest[..end].to_owned(), end)
            }
        };
        keys.push(key);
        rest = &rest[length..];
    }
    keys
}

/// Returns a key in quotes, as `{:?}` writes it, and its length there.
fn quoted(text: &str) -> (String, usize) {
    let mut key = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (key, at + 1),
            '\\' => match chars.next().map_or('\\', |(_, c)| c) {
                'n' => key.push('\n'),
                't' => key.push('\t'),
                'r' => key.push('\r'),
                '0' => key.push('\0'),
                'u' => {
                    let digits = chars.by_ref().map(|(_, c)| c).skip(1).take_while(|c| *c != '}');
                    let code = u32::from_str_radix(&digits.collect::<String>(), 16).ok();
                    key.extend(code.and_then(char::from_u32));
                }
                c => key.push(c),
            },
            c => key.push(c),
        }
    }
    (key, text.len())
}

#[cfg(test)]
mod tests {
    use super::keys_of;
    use crate::show::join;

    #[test]
    fn a_printed_path_can_be_read_again() {
        for keys in [&["a"][..], &["a", "b-c", "d_1"], &["", "x"], &["a.b", "c\"d", "e\\f", "\n"]] {
            let path = keys.iter().fold(String::new(), |path, key| join(&path, key));
            assert_eq!(keys_of(&path), keys, "{path}");
        }
        assert_eq!(keys_of("a[0].b[12]"), ["a", "0", "b", "12"]);
        assert_eq!(keys_of("a.\"\u{1f}x\""), ["a", "\u{1f}x"]);
        assert!(keys_of("").is_empty());
    }
}
