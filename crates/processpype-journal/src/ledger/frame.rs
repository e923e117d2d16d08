//! One record as one line that can be checked: a JSON object whose last member is its checksum.
//!
//! # Invariants
//!
//! 1. A line that was cut, anywhere, or changed in one bit does not check.
//! 2. A line is JSON: what reads JSON lines reads a ledger.

use std::str;

/// What stands between a record and its checksum.
const SEAM: &str = ",\"crc\":\"";

/// What stands after the checksum.
const END: &str = "\"}";

/// The digits of a checksum.
const DIGITS: usize = 8;

/// How many bytes a line is longer than its record, with its newline.
pub(super) const OVERHEAD: usize = SEAM.len() + DIGITS + 2;

/// How many bytes of a text are summed at once.
const STRIDE: usize = 8;

/// What each byte adds to a checksum, by how many bytes come after it in its stride.
///
/// A static and not a constant: a constant would be copied to wherever it is looked at.
static TABLES: [[u32; 256]; STRIDE] = tables();

/// Returns the line of a record: a JSON object with at least one member, on one line.
pub(super) fn seal(record: &str) -> String {
    let body = record.strip_suffix('}').unwrap_or(record);
    format!("{body}{SEAM}{:08x}{END}\n", crc32(body.as_bytes()))
}

/// Returns the record of a line without its newline, in its place; `None` if it does not check.
pub(super) fn unseal(line: &mut [u8]) -> Option<&str> {
    let body = checked(line)?;
    line[body] = b'}';
    str::from_utf8(&line[..=body]).ok()
}

/// Returns how long the part of a line is that its checksum covers.
fn checked(line: &[u8]) -> Option<usize> {
    let line = line.strip_suffix(END.as_bytes())?;
    let (rest, digits) = line.split_at_checked(line.len().checked_sub(DIGITS)?)?;
    let body = rest.strip_suffix(SEAM.as_bytes())?;
    let is_lower = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    let digits = str::from_utf8(digits).ok().filter(|_| digits.iter().all(is_lower))?;
    (u32::from_str_radix(digits, 16).ok()? == crc32(body)).then_some(body.len())
}

/// CRC-32 as in gzip and PNG (ISO 3309, reflected polynomial 0xEDB88320), eight bytes at a time
/// ("slicing-by-8", Kounavis and Berry 2005): a start reads the whole file.
fn crc32(bytes: &[u8]) -> u32 {
    let (strides, rest) = bytes.as_chunks::<STRIDE>();
    let sum = strides.iter().fold(!0, |sum: u32, stride| {
        let mixed = u64::from_le_bytes(*stride) ^ u64::from(sum);
        let added = mixed.to_le_bytes().into_iter().zip(TABLES.iter().rev());
        added.fold(0, |sum, (byte, table)| sum ^ table[usize::from(byte)])
    });
    let step = |sum: u32, byte: &u8| (sum >> 8) ^ TABLES[0][(sum as u8 ^ byte) as usize];
    !rest.iter().fold(sum, step)
}

const fn tables() -> [[u32; 256]; STRIDE] {
    let mut tables = [[0; 256]; STRIDE];
    let mut byte = 0;
    while byte < 256 {
        let (mut sum, mut bit) = (byte as u32, 0);
        while bit < 8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0xEDB8_8320 } else { sum >> 1 };
            bit += 1;
        }
        tables[0][byte] = sum;
        byte += 1;
    }
    let mut table = 1;
    while table < STRIDE {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[table - 1][byte];
            tables[table][byte] = (before >> 8) ^ tables[0][(before & 0xFF) as usize];
            byte += 1;
        }
        table += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The checksum as it is defined, bit by bit.
    fn defined(bytes: &[u8]) -> u32 {
        let step = |sum: u32| if sum & 1 == 1 { (sum >> 1) ^ 0xEDB8_8320 } else { sum >> 1 };
        !bytes.iter().fold(!0, |sum, &byte| (0..8).fold(sum ^ u32::from(byte), |sum, _| step(sum)))
    }

    #[test]
    fn the_checksum_is_that_of_gzip() {
        assert_eq!(crc32(b""), 0);
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b"The quick brown fox jumps over the lazy dog"), 0x414F_A339);
    }

    #[test]
    fn the_tables_sum_as_it_is_defined() {
        let bytes: Vec<u8> =
            (0..=1024_u32).map(|at| (at.wrapping_mul(0x9E37_79B9) >> 24) as u8).collect();
        for length in 0..bytes.len() {
            assert_eq!(crc32(&bytes[..length]), defined(&bytes[..length]), "{length} bytes");
        }
    }

    #[test]
    fn a_line_is_json_and_gives_its_record_back() {
        let record = r#"{"seq":7,"message":"ä \"x\""}"#;
        let line = seal(record);
        assert_eq!(line.len(), record.len() + OVERHEAD);
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&json["seq"], json["crc"].as_str().map(str::len)), (&7.into(), Some(8)));
        let mut line = line.into_bytes();
        line.pop();
        assert_eq!(unseal(&mut line).unwrap(), record);
    }

    #[test]
    fn no_cut_and_no_flipped_bit_goes_unseen() {
        let line = seal(r#"{"seq":7,"cause":"closed"}"#);
        let line = line.trim_end().as_bytes();
        for cut in 0..line.len() {
            assert_eq!(unseal(&mut line[..cut].to_vec()), None, "cut at {cut}");
        }
        for bit in 0..line.len() * 8 {
            let mut changed = line.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unseal(&mut changed), None, "bit {bit}");
        }
    }
}
