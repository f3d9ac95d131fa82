//! The identity that was chosen once, and the hardware it was chosen on.
//!
//! In the file `keep/identity` of `state_dir`, a [`Cell`] that holds JSON:
//! `{"mac": "AA-BB-CC-DD-EE-FF", "hardware": ["AA:BB:CC:DD:EE:FF", …], "plugged": […]}`. sysupgrade
//! keeps the directory.
//!
//! A card by USB beside the board's own may be in another router tomorrow, so there it says nothing. It is remembered
//! nevertheless: when the drivers of the others are missing, it still tells this board from another. A card by USB
//! that was the only one is the board's.

use std::io;
use std::path::{Path, PathBuf};

use durable::{Cell, CellError};
use serde::Serialize;
use thiserror::Error;

use crate::keep;
use crate::mac::Mac;
use crate::written::{text, texts, Fields};

use super::hardware::Hardware;
use super::Identity;

/// The cell in [`keep`].
const NAME: &str = "identity";

/// Most addresses of a list that are remembered; no board has as many.
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
    /// Every permanent address of the board that was ever seen with it.
    pub(super) hardware: Vec<Mac>,
    /// Addresses of cards on USB that were only seen beside others.
    pub(super) plugged: Vec<Mac>,
}

#[derive(Serialize)]
struct Written {
    mac: String,
    hardware: Vec<String>,
    plugged: Vec<String>,
}

impl Remembered {
    pub(super) fn new(identity: Identity, present: &Hardware) -> Self {
        let mut remembered = Remembered {
            identity,
            hardware: Vec::new(),
            plugged: Vec::new(),
        };
        remembered.learn(present);
        remembered
    }

    /// Does it belong to another board than the one with the addresses `present`? Only if that has
    /// addresses, and none of them is known.
    pub(super) fn is_of_another(&self, present: &Hardware) -> bool {
        let own = present.macs();
        let is_own = |mac: &Mac| self.hardware.contains(mac);
        !self.hardware.is_empty()
            && !own.is_empty()
            && !own
                .iter()
                .any(|mac| is_own(mac) || self.plugged.contains(mac))
            && !present.plugged.iter().any(is_own)
    }

    /// Adds addresses; true if one was new.
    pub(super) fn learn(&mut self, present: &Hardware) -> bool {
        let known = |of: &Self| of.hardware.len() + of.plugged.len();
        let before = known(self);
        for (macs, plugged) in [(&present.macs(), false), (&present.plugged, true)] {
            for mac in macs {
                if self.hardware.contains(mac) || self.plugged.contains(mac) {
                    continue;
                }
                let list = match plugged {
                    true => &mut self.plugged,
                    false => &mut self.hardware,
                };
                if list.len() < MACS_MAX {
                    list.push(*mac);
                }
            }
        }
        known(self) > before
    }

    fn encode(&self) -> Vec<u8> {
        let texts = |macs: &[Mac]| macs.iter().map(Mac::to_string).collect();
        let written = Written {
            mac: self.identity.to_string(),
            hardware: texts(&self.hardware),
            plugged: texts(&self.plugged),
        };
        serde_json::to_vec(&written).expect("strings always encode")
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::parse(bytes)?;
        let macs = |texts: Vec<String>| -> Option<Vec<Mac>> {
            let texts = texts.iter().take(MACS_MAX);
            texts.map(|mac| Mac::parse(mac)).collect()
        };
        Some(Remembered {
            identity: fields.required("mac", text)?.parse().ok()?,
            hardware: macs(fields.required("hardware", texts)?)?,
            // Earlier versions did not remember them.
            plugged: macs(fields.maybe("plugged", texts)?.unwrap_or_default())?,
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
        if !keep::path(&self.state_dir).try_exists()? {
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

    fn hardware(cards: &[&str], plugged: &[&str]) -> Hardware {
        let card = |mac| ("eth".to_owned(), mac);
        Hardware {
            cards: macs(cards).into_iter().map(card).collect(),
            plugged: macs(plugged),
            ..Hardware::default()
        }
    }

    fn remembered(cards: &[&str], plugged: &[&str]) -> Remembered {
        let identity = "94-83-c4-00-00-01".parse().unwrap();
        Remembered::new(identity, &hardware(cards, plugged))
    }

    #[test]
    fn what_is_remembered_is_recalled_with_its_spelling() {
        let tmp = tempfile::tempdir().unwrap();
        let memory = Memory::of(&tmp.path().join("state"));
        assert_eq!(memory.recall().unwrap(), None);
        let written = remembered(&["9483c4000001", "9483c4000002"], &["9483c4000003"]);
        memory.remember(&written).unwrap();
        assert_eq!(memory.recall().unwrap(), Some(written));
        assert!(memory.path().ends_with("state/keep/identity"));
    }

    #[test]
    fn an_identity_is_not_taken_for_none_where_the_disk_does_not_say() {
        let tmp = tempfile::tempdir().unwrap();
        let state = tmp.path().join("state");
        std::fs::write(&state, "a file in its place").unwrap();
        let recalled = Memory::of(&state).recall();
        assert!(matches!(recalled, Err(MemoryError::Io(_))), "{recalled:?}");
    }

    #[test]
    fn a_board_is_another_only_if_none_of_its_addresses_is_known_and_it_has_some() {
        let known = remembered(&["9483c4000001", "9483c4000002"], &[]);
        let other = |cards: &[&str]| known.is_of_another(&hardware(cards, &[]));
        assert!(other(&["9483c4000003"]));
        assert!(!other(&["9483c4000003", "9483c4000002"]));
        assert!(!other(&[]), "drivers that are missing");
        let nothing = remembered(&[], &[]);
        assert!(!nothing.is_of_another(&hardware(&["9483c4000003"], &[])));
    }

    #[test]
    fn a_memory_of_a_version_that_kept_no_plugged_cards_is_read() {
        let text = r#"{"mac": "94-83-c4-00-00-01", "hardware": ["94:83:C4:00:00:01"]}"#;
        let read = Remembered::decode(text.as_bytes());
        assert_eq!(read, Some(remembered(&["9483c4000001"], &[])));
    }

    #[test]
    fn text_that_is_no_memory_is_damage() {
        for text in [
            "",
            "{}",
            r#"{"mac": "x", "hardware": []}"#,
            r#"{"mac": "9483c4000001", "hardware": ["x"]}"#,
            r#"{"mac": "9483c4000001", "hardware": [], "plugged": 1}"#,
        ] {
            assert_eq!(Remembered::decode(text.as_bytes()), None, "{text}");
        }
    }
}
