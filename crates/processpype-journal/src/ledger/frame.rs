//! One record as one line that can be checked: a JSON object whose last member is its checksum.
//!
//! # Invariants
//!
//! 1. A line that was cut, anywhere, or changed in one bit does not check.
//! 2. A line is JSON: what reads JSON lines reads a ledger.

/// What stands between a record and its checksum.
const SEAM: &str = ",\"crc\":\"";

/// What stands after the checksum.
const END: &str = "\"}";

/// The digits of a checksum.
const DIGITS: usize = 8;

/// Returns the line of a record: a JSON object with at least one member, on one line.
pub(super) fn seal(record: &str) -> String {
    let body = record.strip_suffix('}').unwrap_or(record);
    format!("{body}{SEAM}{:08x}{END}\n", crc32(body.as_bytes()))
}

/// Returns the record of a line without its newline; `None` if it does not check.
pub(super) fn unseal(line: &[u8]) -> Option<String> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix(END)?;
    let (rest, digits) = line.split_at_checked(line.len().checked_sub(DIGITS)?)?;
    let body = rest.strip_suffix(SEAM)?;
    let is_lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let sum = u32::from_str_radix(digits, 16).ok().filter(|_| digits.bytes().all(is_lower))?;
    (sum == crc32(body.as_bytes())).then(|| format!("{body}}}"))
}

/// CRC-32 as in gzip and PNG (ISO 3309, reflected polynomial 0xEDB88320), bit by bit: a line has a
/// few hundred bytes, and a table would be longer than what it saves.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32| if sum & 1 == 1 { (sum >> 1) ^ 0xEDB8_8320 } else { sum >> 1 };
    !bytes.iter().fold(!0, |sum, &byte| (0..8).fold(sum ^ u32::from(byte), |sum, _| step(sum)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_gzip() {
        assert_eq!(crc32(b""), 0);
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b"The quick brown fox jumps over the lazy dog"), 0x414F_A339);
    }

    #[test]
    fn a_line_is_json_and_gives_its_record_back() {
        let line = seal(r#"{"seq":7,"message":"ä \"x\""}"#);
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&json["seq"], json["crc"].as_str().map(str::len)), (&7.into(), Some(8)));
        let line = line.strip_suffix('\n').unwrap();
        assert_eq!(unseal(line.as_bytes()).unwrap(), r#"{"seq":7,"message":"ä \"x\""}"#);
    }

    #[test]
    fn no_cut_and_no_flipped_bit_goes_unseen() {
        let line = seal(r#"{"seq":7,"cause":"closed"}"#);
        let line = line.trim_end().as_bytes();
        for cut in 0..line.len() {
            assert_eq!(unseal(&line[..cut]), None, "cut at {cut}");
        }
        for bit in 0..line.len() * 8 {
            let mut changed = line.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unseal(&changed), None, "bit {bit}");
        }
    }
}
