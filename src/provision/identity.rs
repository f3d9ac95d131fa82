//! The name by which broker and API know this device.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::mac::Mac;

/// The MAC address that names this device, spelt as it was configured: topics and reports have it so.
/// Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    text: Arc<str>,
    mac: Mac,
}

/// The text is not a MAC address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is not a MAC address")]
pub struct NotMac;

impl Identity {
    /// As configured.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The address, however it was spelt.
    pub fn mac(&self) -> Mac {
        self.mac
    }

    /// The twelve hex digits in lower case: the same for every spelling.
    pub fn digits(&self) -> String {
        self.mac.digits()
    }

    /// Is `text` this address? Operators' tools mix spellings more freely than settings may.
    pub fn is(&self, text: &str) -> bool {
        let text = text.trim_ascii();
        let digits: String = text.chars().filter(|c| !":-.".contains(*c)).collect();
        Mac::parse(&digits) == Some(self.mac)
    }
}

/// In the spelling the original used for the device's own address, `AA-BB-CC-DD-EE-FF`.
impl From<Mac> for Identity {
    fn from(mac: Mac) -> Self {
        Identity {
            text: mac.dashed().into(),
            mac,
        }
    }
}

/// Keeps the spelling, without spaces around it.
impl FromStr for Identity {
    type Err = NotMac;

    fn from_str(text: &str) -> Result<Self, NotMac> {
        let text = text.trim_ascii();
        let mac = Mac::parse(text).ok_or(NotMac)?;
        let text = text.into();
        Ok(Identity { text, mac })
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Identity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spelling_is_kept_and_makes_no_other_device() {
        for text in ["AA:bb:CC:00:11:22", "aabbcc001122", "aa-bb-cc-00-11-22 "] {
            let identity: Identity = text.parse().unwrap();
            assert_eq!(identity.to_string(), text.trim());
            assert_eq!(identity.digits(), "aabbcc001122");
            for same in [
                "AA-BB-CC-00-11-22",
                "aabbcc001122",
                "AA-bb:cc:00:11:22",
                "aabb.cc00.1122",
            ] {
                assert!(identity.is(same), "{same}");
            }
            assert!(!identity.is("aabbcc001123") && !identity.is(""));
        }
        assert_eq!("aa:bb".parse::<Identity>(), Err(NotMac));
    }

    #[test]
    fn an_address_of_the_hardware_is_spelt_as_the_original_did() {
        let mac = Mac::parse("94:83:c4:a1:b2:10").unwrap();
        assert_eq!(Identity::from(mac).as_str(), "94-83-C4-A1-B2-10");
    }
}
