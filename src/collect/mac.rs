//! The 48 bits that name a station.

use std::fmt;

use serde::{Serialize, Serializer};

/// A MAC address; written in upper case with colons, as every report has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac([u8; 6]);

impl Mac {
    /// Reads six bytes in hex of either case, separated by `:` or `-`.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 17 {
            return None;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
        let mut mac = [0; 6];
        for (at, byte) in mac.iter_mut().enumerate() {
            *byte = digit(bytes[at * 3])? << 4 | digit(bytes[at * 3 + 1])?;
            if at < 5 && !matches!(bytes[at * 3 + 2], b':' | b'-') {
                return None;
            }
        }
        Some(Mac(mac))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02X}:{b:02X}:{c:02X}:{d:02X}:{e:02X}:{g:02X}")
    }
}

impl Serialize for Mac {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        let mut text = [b':'; 17];
        for (at, byte) in self.0.iter().enumerate() {
            text[at * 3] = DIGITS[usize::from(byte >> 4)];
            text[at * 3 + 1] = DIGITS[usize::from(byte & 15)];
        }
        serializer.serialize_str(std::str::from_utf8(&text).expect("hex digits are ASCII"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_either_case_is_written_in_upper_case_with_colons() {
        for text in [
            "3c:22:fb:10:20:31",
            "3C:22:FB:10:20:31",
            "3c-22-fb-10-20-31",
        ] {
            let mac = Mac::parse(text).unwrap();
            assert_eq!(mac.to_string(), "3C:22:FB:10:20:31");
            assert_eq!(
                serde_json::to_string(&mac).unwrap(),
                r#""3C:22:FB:10:20:31""#
            );
        }
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        for text in [
            "",
            "3c22fb102031",
            "3c:22:fb:10:20",
            "3c:22:fb:10:20:3g",
            "3c:22:fb:10:20:31:",
            "3c.22.fb.10.20.31",
            "éc:22:fb:10:20:3",
            "+c:22:fb:10:20:31",
        ] {
            assert_eq!(Mac::parse(text), None, "{text}");
        }
    }
}
