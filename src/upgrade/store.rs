//! The record on its disk, and what goes along with it.
//!
//! ```text
//!  state_dir/upgrade/   record      of a package: a Cell, see Record
//!                       alive       the new agent's word that it lives: a Cell, see Alive
//!                       undo.ipk    the package before (undo.apk)
//!                       watcher     locked by the process that installs
//!  state_dir/keep/      upgrade     of an image: a Cell; sysupgrade keeps it
//!                       upgrade-jobs   the ledger of jobs, which the image would lose
//! ```
//!
//! | a power cut leaves | the next agent |
//! |---|---|
//! | no record | the job is INTERRUPTED: nothing was begun |
//! | flashing | looks at the release that runs, and waits for a sign of life |
//! | ready | INTERRUPTED |
//! | installing | goes back to the package before, for nobody knows how far the new one came |
//! | trial | waits for the sign of life, counting from zero |
//! | undoing | installs the package before once more |
//! | a decided one | tells the outcome; the record goes when that is in the ledger |

use durable::{read_whole, replace, Cell, CellError, Disk};
use serde::Serialize;

use super::record::Record;
use crate::written::{text, Fields};

/// Why a record is not read or written.
pub use durable::CellError as Error;

/// The cell of a package, in state_dir/upgrade.
pub const RECORD: &str = "record";

/// The cell of an image, in state_dir/keep.
pub const KEPT: &str = "upgrade";

/// The copy of the ledger, in state_dir/keep.
pub const LEDGER: &str = "upgrade-jobs";

/// The ledger itself, in state_dir.
pub const JOBS: &str = "jobs";

const ALIVE: &str = "alive";

/// Largest ledger that goes along with an image, bytes.
const LEDGER_MAX: u64 = 8 << 20;

/// The new agent's word that it lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alive {
    /// Of the record that it read.
    pub key: String,
    /// SHA-256 of its program, in hex.
    pub program: String,
    pub version: String,
}

/// The record in the cell `name`, if it exists. A damaged one counts as missing, for nothing can be reported of it.
///
/// # Errors
///
/// A disk that does not read or sync.
pub fn read(disk: &mut dyn Disk, name: &str) -> Result<Option<Record>, CellError> {
    let bytes = match Cell::new(name).read(disk) {
        Err(CellError::Damaged(name)) => {
            log::warn!("upgrade: {name} is damaged; what became of the upgrade is not known");
            None
        }
        read => read?,
    };
    let Some(bytes) = bytes else {
        return Ok(None);
    };
    // One that only a kill let us see may still be lost.
    disk.sync_names().map_err(|source| CellError::Disk {
        name: name.to_owned(),
        source,
    })?;
    Ok(Record::decode(&bytes))
}

/// Writes a record. When this returns it survives a power cut.
///
/// # Errors
///
/// A disk that does not write.
pub fn write(disk: &mut dyn Disk, name: &str, record: &Record) -> Result<(), CellError> {
    Cell::new(name).write(disk, &record.encode())
}

/// Writes that this agent lives.
///
/// # Errors
///
/// A disk that does not write.
pub fn write_alive(disk: &mut dyn Disk, alive: &Alive) -> Result<(), CellError> {
    let bytes = serde_json::to_vec(alive).unwrap_or_default();
    Cell::new(ALIVE).write(disk, &bytes)
}

/// The word of the new agent, if there is one that can be read.
pub fn read_alive(disk: &mut dyn Disk) -> Option<Alive> {
    let bytes = Cell::new(ALIVE).read(disk).ok()??;
    let mut fields = Fields::parse(&bytes)?;
    Some(Alive {
        key: fields.required("key", text)?,
        program: fields.required("program", text)?,
        version: fields.required("version", text)?,
    })
}

/// Takes away everything that an upgrade left in its directory, its record last.
///
/// # Errors
///
/// A disk that does not.
pub fn clear(disk: &mut dyn Disk, record: &str, others: &[&str]) -> std::io::Result<()> {
    let mut names = disk.list()?;
    names.retain(|name| others.iter().any(|other| name.starts_with(other)));
    // With its record a cut in between finds the way here again.
    let (mut names, last): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| name != record);
    names.extend(last);
    for name in &names {
        disk.remove(name)?;
    }
    match names.is_empty() {
        true => Ok(()),
        false => disk.sync_names(),
    }
}

/// Files of an upgrade in state_dir/upgrade.
pub const FILES: &[&str] = &[ALIVE, "undo", RECORD];

/// Files of an upgrade in state_dir/keep.
pub const KEPT_FILES: &[&str] = &[KEPT];

/// Has the ledger of `state` go along with an image.
///
/// # Errors
///
/// A disk without room, or a ledger that is too long.
pub fn keep_ledger(state: &mut dyn Disk, keep: &mut dyn Disk) -> std::io::Result<()> {
    match read_whole(state, JOBS, LEDGER_MAX) {
        Ok(ledger) => replace(keep, LEDGER, &ledger),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Puts the ledger that came along with an image in its place, unless there is one.
///
/// # Errors
///
/// A disk that does not read or write.
pub fn bring_ledger_back(state: &mut dyn Disk, keep: &mut dyn Disk) -> std::io::Result<()> {
    if state.list()?.iter().any(|name| name == JOBS) {
        return Ok(());
    }
    match read_whole(keep, LEDGER, LEDGER_MAX) {
        Ok(ledger) => replace(state, JOBS, &ledger),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
