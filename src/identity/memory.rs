//! The identity that was chosen once, and the hardware it was chosen on.
//!
//! In the file `keep/identity` of `state_dir`, a [`Cell`] that holds JSON:
//! `{"mac": "AA-BB-CC-DD-EE-FF", "hardware": ["AA:BB:CC:DD:EE:FF", …]}`. sysupgrade keeps the
//! directory.

use std::io;
use std::path::{Path, PathBuf};

use durable::{Cell, CellError};
use serde::Serialize;
use thiserror::Error;

use crate::keep;
use crate::mac::Mac;
use crate::written::{text, texts, Fields};

use super::Identity;

/// The cell in [`keep`].
const NAME: &str = "identity";

/// Most addresses that are remembered; no board has as many.
const MACS_MAX: usize = 256;

/// Why nothing could be remembered, or recalled.
#[derive(Debug, Error)]
pub(super) enum MemoryError {
    #[error("is damaged")]
    Damaged,
    #[error("cannot be used: {0}")]
    Io(#[from] io::Error),
}

impl From<CellError> for MemoryError {
    fn from(error: CellError) -> Self {
        match error {
            CellError::Disk { source, .. } => MemoryError::Io(source),
            _ => MemoryError::Damaged,
        }
    }
}

/// An identity with the hardware it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remembered {
    pub(super) identity: Identity,
    /// Every permanent address that was ever seen with it.
    pub(super) hardware: Vec<Mac>,
}

#[derive(Serialize)]
struct Written {
    mac: String,
    hardware: Vec<String>,
}

impl Remembered {
    /// Does it belong to another board than the one with the addresses `present`? Only if that has
    /// addresses, and none of them is known.
    pub(super) fn is_of_another(&self, present: &[Mac]) -> bool {
        !self.hardware.is_empty()
            && !present.is_empty()
            && !present.iter().any(|mac| self.hardware.contains(mac))
    }

    /// Adds addresses; true if one was new.
    pub(super) fn learn(&mut self, present: &[Mac]) -> bool {
        let before = self.hardware.len();
        for mac in present {
            if !self.hardware.contains(mac) && self.hardware.len() < MACS_MAX {
                self.hardware.push(*mac);
            }
        }
        self.hardware.len() > before
    }

    fn encode(&self) -> Vec<u8> {
        let written = Written {
            mac: self.identity.to_string(),
            hardware: self.hardware.iter().map(Mac::to_string).collect(),
        };
        serde_json::to_vec(&written).expect("strings always encode")
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::parse(bytes)?;
        let hardware = fields.required("hardware", texts)?;
        let hardware = hardware.iter().take(MACS_MAX);
        Some(Remembered {
            identity: fields.required("mac", text)?.parse().ok()?,
            hardware: hardware.map(|mac| Mac::parse(mac)).collect::<Option<_>>()?,
        })
    }
}

/// The place of the memory.
#[derive(Debug)]
pub(super) struct Memory {
    state_dir: PathBuf,
}

impl Memory {
    pub(super) fn of(state_dir: &Path) -> Self {
        Memory {
            state_dir: state_dir.to_owned(),
        }
    }

    pub(super) fn path(&self) -> PathBuf {
        keep::path(&self.state_dir).join(NAME)
    }

    /// The remembered identity, if there is one.
    pub(super) fn recall(&self) -> Result<Option<Remembered>, MemoryError> {
        if !keep::path(&self.state_dir).exists() {
            return Ok(None);
        }
        let mut directory = keep::open(&self.state_dir)?;
        match Cell::new(NAME).read(&mut directory)? {
            Some(bytes) => match Remembered::decode(&bytes) {
                Some(remembered) => Ok(Some(remembered)),
                None => Err(MemoryError::Damaged),
            },
            None => Ok(None),
        }
    }

    /// Remembers it in the place of what was remembered before. It survives a power cut.
    pub(super) fn remember(&self, remembered: &Remembered) -> Result<(), MemoryError> {
        let mut directory = keep::open(&self.state_dir)?;
        Ok(Cell::new(NAME).write(&mut directory, &remembered.encode())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn macs(texts: &[&str]) -> Vec<Mac> {
        texts.iter().filter_map(|text| Mac::parse(text)).collect()
    }

    fn remembered(hardware: &[&str]) -> Remembered {
        Remembered {
            identity: "94-83-c4-00-00-01".parse().unwrap(),
            hardware: macs(hardware),
        }
    }

    #[test]
    fn what_is_remembered_is_recalled_with_its_spelling() {
        let tmp = tempfile::tempdir().unwrap();
        let memory = Memory::of(&tmp.path().join("state"));
        assert_eq!(memory.recall().unwrap(), None);
        let written = remembered(&["9483c4000001", "9483c4000002"]);
        memory.remember(&written).unwrap();
        assert_eq!(memory.recall().unwrap(), Some(written));
        assert!(memory.path().ends_with("state/keep/identity"));
    }

    #[test]
    fn a_board_is_another_only_if_none_of_its_addresses_is_known_and_it_has_some() {
        let known = remembered(&["9483c4000001", "9483c4000002"]);
        assert!(known.is_of_another(&macs(&["9483c4000003"])));
        assert!(!known.is_of_another(&macs(&["9483c4000003", "9483c4000002"])));
        assert!(!known.is_of_another(&[]), "drivers that are missing");
        assert!(!remembered(&[]).is_of_another(&macs(&["9483c4000003"])));
    }

    #[test]
    fn text_that_is_no_memory_is_damage() {
        for text in [
            "",
            "{}",
            r#"{"mac": "x", "hardware": []}"#,
            r#"{"mac": "9483c4000001", "hardware": ["x"]}"#,
        ] {
            assert_eq!(Remembered::decode(text.as_bytes()), None, "{text}");
        }
    }
}
