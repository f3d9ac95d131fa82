//! The name by which broker and API know this device.
//!
//! * [`choose`](choose()): option `mac`, else `mac_file`, else what is remembered, else the hardware's own
//! * `hardware`: the MAC addresses that the makers of board and network cards gave them
//! * `memory`: what was chosen, and the hardware it was chosen on, in `state_dir/keep`

mod choose;
mod hardware;
mod memory;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::mac::Mac;

pub use choose::{choose, Chosen, Source, Warning};

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

/// The permanent MAC addresses of the hardware below `root`, sorted; none where it has none, or they cannot be
/// read.
pub fn hardware_macs(root: &std::path::Path) -> Vec<Mac> {
    hardware::Hardware::look(root).macs()
}
