//! The choice of the identity.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use crate::mac::Mac;
use crate::process::file::read_small;

use super::hardware::Hardware;
use super::memory::{Memory, MemoryError, Remembered};
use super::Identity;

/// Largest mac_file, bytes.
const MAX_FILE: u64 = 4096;

/// The identity of this device, its source, and what an operator should know of the choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    pub identity: Identity,
    pub source: Source,
    pub warnings: Vec<Warning>,
}

/// A file that could not be used for the choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    pub file: PathBuf,
    pub reason: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.reason)
    }
}

/// Where an identity was found, best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Option `mac`.
    Option,
    /// Option `mac_file`.
    File,
    /// Chosen at an earlier start.
    Remembered,
    /// The board's label.
    Label,
    /// The network interface or radio of this name.
    Card(String),
    /// Made up: nothing here has an address from its maker.
    Made,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Option => f.write_str("option mac"),
            Source::File => f.write_str("mac_file"),
            Source::Remembered => f.write_str("remembered"),
            Source::Label => f.write_str("the board's label"),
            Source::Card(name) => write!(f, "the address of {name}"),
            Source::Made => {
                f.write_str("made up, as no network card has an address from its maker")
            }
        }
    }
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Chooses the identity: `mac` as configured, else the first line of `mac_file`, else what `state_dir` remembers,
/// else an address of the hardware below `root`, else a made-up one. The last two are remembered.
///
/// Nothing stops it: a file that cannot be used is a warning.
pub fn choose(mac: &str, mac_file: &Path, state_dir: &Path, root: &Path) -> Chosen {
    let mut warnings = Vec::new();
    let (identity, source) = match configured(mac, mac_file, &mut warnings) {
        Some(configured) => configured,
        None => own(&Memory::of(state_dir), root, &mut warnings),
    };
    Chosen {
        identity,
        source,
        warnings,
    }
}

fn configured(mac: &str, path: &Path, warnings: &mut Vec<Warning>) -> Option<(Identity, Source)> {
    if let Ok(identity) = mac.parse() {
        return Some((identity, Source::Option));
    }
    let reason = match read_small(path, MAX_FILE) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            match text.lines().next().unwrap_or_default().parse() {
                Ok(identity) => return Some((identity, Source::File)),
                Err(_) => "the first line is not a MAC address".to_owned(),
            }
        }
        Err(error) if error.is_absent() => return None,
        Err(error) => error.to_string(),
    };
    warnings.push(warning(
        path,
        format!("{reason}; it does not name the device"),
    ));
    None
}

/// The identity this device has by itself.
fn own(memory: &Memory, root: &Path, warnings: &mut Vec<Warning>) -> (Identity, Source) {
    let hardware = Hardware::look(root);
    let mut warn = |reason| warnings.push(warning(&memory.path(), reason));
    let recalled = memory.recall();
    // A file that the disk does not give may be whole at the next start.
    let writable = !matches!(recalled, Err(MemoryError::Io(_)));
    let mut before = None;
    match recalled {
        Ok(Some(known)) if known.is_of_another(&hardware) => before = Some(known.identity),
        Ok(Some(mut known)) => {
            if known.learn(&hardware) {
                if let Err(error) = memory.remember(&known) {
                    warn(format!(
                        "{error}; an address of the hardware is not remembered"
                    ));
                }
            }
            return (known.identity, Source::Remembered);
        }
        Ok(None) => {}
        Err(ref error) => warn(format!("{error}; the device's identity is chosen anew")),
    }
    let (identity, source) = of_hardware(&hardware, before.as_ref().map(Identity::mac));
    if let Some(before) = before {
        warn(format!(
            "{before} was chosen on other hardware (a restored backup, a copied disk?); this device is \
             {identity} from now on; set option mac to keep the old identity"
        ));
    }
    if writable {
        let remembered = Remembered::new(identity.clone(), &hardware);
        if let Err(error) = memory.remember(&remembered) {
            let then = match source {
                Source::Made => "is another after each start; set option mac",
                _ => "is not remembered",
            };
            warn(format!("{error}; the device's identity {identity} {then}"));
        }
    }
    (identity, source)
}

/// The address that stands for the hardware. `before` names other hardware: a label that says the same
/// was copied from there.
fn of_hardware(hardware: &Hardware, before: Option<Mac>) -> (Identity, Source) {
    let noted = hardware.noted_label.filter(|mac| Some(*mac) != before);
    if let Some(label) = hardware.label.or(noted) {
        return (label.into(), Source::Label);
    }
    match hardware.cards.first() {
        Some((name, mac)) => ((*mac).into(), Source::Card(name.clone())),
        None => (Mac::random_local().into(), Source::Made),
    }
}

fn warning(path: &Path, reason: String) -> Warning {
    Warning {
        file: path.to_owned(),
        reason,
    }
}
