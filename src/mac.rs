//! The 48 bits that name a network card.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};

use serde::{Serialize, Serializer};

/// A MAC address; written in upper case with colons, as every report has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac([u8; 6]);

impl Mac {
    /// Reads twelve hex digits of either case, with one kind of `:` or `-` between pairs, or none.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let step = match bytes.len() {
            12 => 2,
            17 if matches!(bytes[2], b':' | b'-') => 3,
            _ => return None,
        };
        let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
        let mut mac = [0; 6];
        for (pair, byte) in bytes.chunks(step).zip(&mut mac) {
            if pair.get(2).is_some_and(|separator| *separator != bytes[2]) {
                return None;
            }
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Mac(mac))
    }

    /// Could it be the address of one device: neither zero nor a group's?
    pub fn is_individual(&self) -> bool {
        self.0[0] & 1 == 0 && self.0 != [0; 6]
    }

    /// Was it made up locally, rather than given to one device by its maker?
    pub fn is_local(&self) -> bool {
        self.0[0] & 2 != 0
    }

    /// Could it be the address a maker gave to one device?
    pub fn is_makers(&self) -> bool {
        self.is_individual() && !self.is_local()
    }

    /// A random address of the kind that is made up locally.
    pub fn random_local() -> Self {
        // Its keys are the kernel's randomness; a seed from the clock would be the same on two devices that
        // boot alike.
        let random = RandomState::new().build_hasher().finish();
        let [a, b, c, d, e, f, ..] = random.to_be_bytes();
        Mac([a & 0xfc | 2, b, c, d, e, f])
    }

    /// The twelve hex digits, in lower case.
    pub fn digits(&self) -> String {
        let [a, b, c, d, e, f] = self.0;
        format!("{a:02x}{b:02x}{c:02x}{d:02x}{e:02x}{f:02x}")
    }

    /// With `-` instead of colons.
    pub fn dashed(&self) -> String {
        self.to_string().replace(':', "-")
    }
}

impl From<[u8; 6]> for Mac {
    fn from(bytes: [u8; 6]) -> Self {
        Mac(bytes)
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
    fn an_address_is_written_in_upper_case_with_colons_however_it_was_spelt() {
        for text in [
            "3c:22:fb:10:20:31",
            "3C:22:FB:10:20:31",
            "3c-22-fb-10-20-31",
            "3c22fb102031",
        ] {
            let mac = Mac::parse(text).unwrap();
            assert_eq!(mac.to_string(), "3C:22:FB:10:20:31");
            assert_eq!(mac.dashed(), "3C-22-FB-10-20-31");
            assert_eq!(mac.digits(), "3c22fb102031");
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
            "3c22fb10203",
            "3c22fb10203g",
            "3c:22:fb:10:20",
            "3c:22:fb:10:20:3g",
            "3c:22:fb:10:20:31:",
            "3c:22-fb:10:20:31",
            "3c.22.fb.10.20.31",
            "éc:22:fb:10:20:3",
            "éc22fb10203",
            "+c:22:fb:10:20:31",
        ] {
            assert_eq!(Mac::parse(text), None, "{text}");
        }
    }

    #[test]
    fn zero_and_the_addresses_of_groups_are_nobodys() {
        let individual = |text| Mac::parse(text).unwrap().is_individual();
        assert!(individual("02:00:00:00:00:01"));
        assert!(!individual("00:00:00:00:00:00"));
        assert!(!individual("ff:ff:ff:ff:ff:ff"));
        assert!(!individual("01:00:5e:00:00:01"));
    }

    #[test]
    fn a_random_address_is_a_local_one_of_one_device_and_never_the_same() {
        let (one, other) = (Mac::random_local(), Mac::random_local());
        assert!(one.is_individual() && one.is_local() && !one.is_makers());
        assert_ne!(one, other);
        assert!(Mac::parse("3c:22:fb:10:20:31").unwrap().is_makers());
    }
}
