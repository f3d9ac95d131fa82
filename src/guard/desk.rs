//! The durable steps of a trial: what is on flash before, between and after them.
//!
//! ```text
//!  state_dir/guard/reserve     64 KiB of noise, given up when room is needed to undo
//!  state_dir/guard/snapshot    the files as they were
//!  state_dir/guard/journal     how far the trial has come
//!  state_dir/conflict/NAME     a file that somebody changed after the command, before it was put back
//! ```
//!
//! | a power cut leaves | the next start |
//! |---|---|
//! | no journal | has nothing to decide: the command had not begun |
//! | armed, ended | tests the way out again |
//! | undoing | puts the files back, those that are back already too, and tells the services |
//! | undone, rebooting | tells the services, unless the device has booted since the files were put back |
//! | rebooting without `back` | puts the files back once more, and tells the services |
//! | kept, reverted | tells the outcome, which the ledger may not have |

#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use durable::{read_whole, replace, Cell, CellError, Disk};

use super::folder::Folder;
use super::journal::{left_as, Journal, Phase, Ran};
use super::picture::{changes, picture, print, Digest, Print};
use super::snapshot::{Saved, Snapshot, TakeError, ENCODED_MAX};
use crate::config::PACKAGE;

const RESERVE: &str = "reserve";
const SNAPSHOT: &str = "snapshot";
pub(super) const JOURNAL: &str = "journal";

/// Bytes that an undo has on a full disk.
const RESERVE_BYTES: u64 = 64 << 10;

/// Name of a file until it is whole.
const FRESH: &str = ".socketman-undo";

/// Largest file that is kept as a conflict, bytes.
const CONFLICT_MAX: u64 = 1 << 20;

/// Why a trial cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum ArmError {
    #[error(transparent)]
    Take(#[from] TakeError),
    #[error("no room to undo a network job: {0}")]
    Disk(String),
}

/// Opens the directory of conflicts, which is made only when there is one.
pub type Conflicts = Box<dyn FnMut() -> io::Result<Box<dyn Disk>> + Send>;

/// Has our options hold as strictly as they do, whatever these bytes say as our package. Called before they are put there.
pub type Hold = Arc<dyn Fn(Option<&[u8]>) -> io::Result<()> + Send + Sync>;

/// For tests that are not of settings.
#[cfg(test)]
pub(super) fn loosely() -> Hold {
    Arc::new(|_| Ok(()))
}

/// An undo that was carried out.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// Files that were put back or taken away.
    pub files: Vec<String>,
    /// Files that somebody else had changed meanwhile.
    pub conflicts: Vec<String>,
    /// Files that could not be put back, each with the reason.
    pub failed: Vec<String>,
}

/// The places of a trial.
pub struct Desk {
    own: Box<dyn Disk + Send>,
    config: Box<dyn Folder + Send>,
    conflicts: Conflicts,
    hold: Hold,
}

impl Desk {
    pub fn new(
        own: Box<dyn Disk + Send>,
        config: Box<dyn Folder + Send>,
        conflicts: Conflicts,
        hold: Hold,
    ) -> Self {
        Desk {
            own,
            config,
            conflicts,
            hold,
        }
    }

    /// The journal that an earlier agent left, if there is one. What this returns survives a power cut.
    ///
    /// # Errors
    ///
    /// A journal that cannot be read; one that is damaged or of another version, [`io::ErrorKind::InvalidData`].
    pub fn open(&mut self) -> io::Result<Option<Journal>> {
        let read = Cell::new(JOURNAL).read(&mut *self.own);
        let bytes = match read {
            Ok(None) => {
                // Of a trial that never began, or is over.
                remove_if_there(&mut *self.own, SNAPSHOT)?;
                return Ok(None);
            }
            Ok(Some(bytes)) => bytes,
            Err(CellError::Disk { source, .. }) => return Err(source),
            Err(damaged) => return Err(invalid(damaged.to_string())),
        };
        self.own.sync_names()?;
        let journal = Journal::decode(&bytes);
        journal
            .map(Some)
            .ok_or_else(|| invalid("journal is of another version".to_owned()))
    }

    /// Saves every file and arms `journal`. The command may start when this returns.
    ///
    /// # Errors
    ///
    /// Files that cannot be read or are too many, a disk without room: then nothing is armed.
    pub fn arm(&mut self, journal: &mut Journal) -> Result<(), ArmError> {
        let bytes = Snapshot::take(&mut *self.config)?.encode();
        let write = |own: &mut dyn Disk, journal: &mut Journal| -> io::Result<()> {
            remove_if_there(own, JOURNAL)?;
            reserve(own)?;
            replace(own, SNAPSHOT, &bytes)?;
            journal.snapshot = Digest::of(&bytes);
            let written = Cell::new(JOURNAL).write(own, &journal.encode());
            written.map_err(|error| io::Error::other(error.to_string()))
        };
        let written = write(&mut *self.own, journal);
        written.map_err(|error| {
            let reason = error.to_string();
            if let Err(error) = self.forget() {
                return ArmError::Disk(format!("{reason}; {error}"));
            }
            ArmError::Disk(reason)
        })
    }

    /// Notes in `journal` how the command ended and which files it changed, and makes both certain.
    ///
    /// # Errors
    ///
    /// A disk that does not take it: the next start then tests the way out as if the command had not ended.
    pub fn ended(&mut self, journal: &mut Journal, ran: Option<Ran>) -> io::Result<()> {
        let before = self.snapshot(journal)?.picture();
        journal.phase = Phase::Ended;
        journal.ran = ran;
        journal.changes = Some(changes(&before, &picture(&mut *self.config)?));
        // Programs leave that to the kernel.
        for name in journal.changes.iter().flat_map(|changes| changes.names()) {
            match self.config.sync(name) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    log::warn!("/etc/config/{name}: {error}");
                }
                _ => {}
            }
        }
        self.config.sync_names()?;
        self.note(journal)
    }

    /// Writes the journal. On a full disk it takes the room that is kept for that.
    pub fn note(&mut self, journal: &Journal) -> io::Result<()> {
        let bytes = journal.encode();
        let write = |own: &mut dyn Disk| {
            let written = Cell::new(JOURNAL).write(own, &bytes);
            written.map_err(|error| io::Error::other(error.to_string()))
        };
        write(&mut *self.own).or_else(|_| {
            self.give_up_reserve()?;
            write(&mut *self.own)
        })
    }

    fn give_up_reserve(&mut self) -> io::Result<()> {
        remove_if_there(&mut *self.own, RESERVE)
    }

    fn snapshot(&mut self, journal: &Journal) -> io::Result<Snapshot> {
        let bytes = read_whole(&mut *self.own, SNAPSHOT, ENCODED_MAX)?;
        let whole = (Digest::of(&bytes) == journal.snapshot).then(|| Snapshot::decode(&bytes));
        whole
            .flatten()
            .ok_or_else(|| io::Error::other("the snapshot is damaged"))
    }

    /// Puts back every file that the command changed, and takes away those it added. May be called again
    /// after it was cut short, or while files are not back.
    ///
    /// # Errors
    ///
    /// A snapshot that cannot be read, files that cannot be listed. A single file that cannot be put back is
    /// in [`Undone::failed`].
    pub fn undo(&mut self, journal: &mut Journal) -> io::Result<Undone> {
        let snapshot = self.snapshot(journal)?;
        let before = snapshot.picture();
        let all = match &journal.changes {
            Some(all) => all.clone(),
            None => changes(&before, &picture(&mut *self.config)?),
        };
        journal.changes = Some(all.clone());
        journal.phase = Phase::Undoing;
        if let Err(error) = self.note(journal) {
            log::warn!("guard: the journal: {error}");
        }
        // Of an undo that was cut short.
        remove_if_there(&mut *self.config, FRESH)?;
        // Files that go make room for others.
        let (added, there): (Vec<_>, Vec<_>) =
            all.names().partition(|name| snapshot.0.get(name).is_none());
        let mut undone = Undone::default();
        for name in added.into_iter().chain(there) {
            let saved = snapshot.0.get(name);
            let before = Wanted {
                print: before.get(name).copied(),
                saved: saved.and_then(Option::as_ref),
            };
            let left = left_as(&all, name);
            let back = match self.put_back(name, &before, left) {
                Err(error) if error.kind() == io::ErrorKind::StorageFull => self
                    .give_up_reserve()
                    .and_then(|()| self.put_back(name, &before, left)),
                back => back,
            };
            match back {
                Ok(is_conflict) => {
                    undone.files.push(name.clone());
                    undone.conflicts.extend(is_conflict.then(|| name.clone()));
                }
                Err(error) => undone.failed.push(format!("{name}: {error}")),
            }
        }
        self.config.sync_names()?;
        if undone.failed.is_empty() {
            journal.phase = Phase::Undone;
            if let Err(error) = self.note(journal) {
                log::warn!("guard: the journal: {error}");
            }
        }
        Ok(undone)
    }

    /// Takes the file `name` as it is for what the command left: nobody else has changed it.
    pub fn left_as_it_is(&mut self, journal: &mut Journal, name: &str) -> io::Result<()> {
        let changes = journal.changes.as_mut();
        if let Some(changes) = changes.filter(|changes| changes.get(name).is_some()) {
            changes.insert(name.to_owned(), print(&mut *self.config, name)?);
        }
        Ok(())
    }

    /// Puts a file back; true if somebody had changed it after the command.
    fn put_back(
        &mut self,
        name: &str,
        wanted: &Wanted<'_>,
        left: Option<Option<Print>>,
    ) -> io::Result<bool> {
        let now = print(&mut *self.config, name)?;
        if now == wanted.print {
            // Somebody may have put it back without waiting for the medium.
            if wanted.saved.is_some() {
                self.config.sync(name)?;
            }
            return Ok(false);
        }
        let is_conflict = matches!(now, Some(Some(_))) && left != Some(now);
        if is_conflict {
            self.keep(name)?;
        }
        if name == PACKAGE {
            (self.hold)(wanted.saved.map(|saved| &saved.bytes[..]))?;
        }
        match (wanted.print, wanted.saved) {
            (None, _) => self.config.remove(name)?,
            (Some(_), Some(saved)) => put(&mut *self.config, name, saved)?,
            (Some(_), None) => return Err(io::Error::other("was no file and is one now")),
        }
        Ok(is_conflict)
    }

    /// Keeps a file as somebody left it after the command.
    fn keep(&mut self, name: &str) -> io::Result<()> {
        let bytes = read_whole(&mut *self.config, name, CONFLICT_MAX)?;
        self.keep_conflict(name, &bytes)
    }

    /// Keeps what somebody has made of a file since the command ended.
    pub fn keep_conflict(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut conflicts = (self.conflicts)()?;
        replace(&mut *conflicts, name, bytes)
    }

    /// Keeps the file `name` if somebody has changed it since the command ended, and says whether.
    pub fn keep_if_edited(&mut self, journal: &Journal, name: &str) -> io::Result<bool> {
        let Some(changes) = &journal.changes else {
            // Nobody knows what the command did.
            return Ok(false);
        };
        let before = self.snapshot(journal)?.picture().get(name).copied();
        let left = left_as(changes, name).unwrap_or(before);
        let now = print(&mut *self.config, name)?;
        let is_edited = matches!(now, Some(Some(_))) && now != left && now != before;
        if is_edited {
            self.keep(name)?;
        }
        Ok(is_edited)
    }

    /// Ends the trial: the change stays, or is undone.
    pub fn decide(&mut self, journal: &mut Journal, undone: bool) -> io::Result<()> {
        journal.be_decided(undone);
        self.note(journal)
    }

    /// Removes journal and snapshot: the outcome is recorded elsewhere.
    pub fn forget(&mut self) -> io::Result<()> {
        for name in [JOURNAL, SNAPSHOT] {
            remove_if_there(&mut *self.own, name)?;
            // In this order.
            self.own.sync_names()?;
        }
        Ok(())
    }

    /// Files that the command had changed so far, when nobody saw its end.
    pub fn changed_until_now(&mut self, journal: &mut Journal) -> io::Result<()> {
        let before = self.snapshot(journal)?.picture();
        journal.changes = Some(changes(&before, &picture(&mut *self.config)?));
        self.note(journal)
    }
}

/// A file as it has to be again.
struct Wanted<'a> {
    print: Option<Print>,
    saved: Option<&'a Saved>,
}

/// Puts a file in place, whole, with its mode and owner.
pub(super) fn put(config: &mut dyn Folder, name: &str, saved: &Saved) -> io::Result<()> {
    remove_if_there(config, FRESH)?;
    let mut write = || {
        config.create_as(FRESH, saved.access)?;
        let mut rest = &saved.bytes[..];
        while !rest.is_empty() {
            match config.append(FRESH, rest)? {
                0 => return Err(io::ErrorKind::StorageFull.into()),
                taken => rest = &rest[taken..],
            }
        }
        config.sync(FRESH)?;
        config.rename(FRESH, name)
    };
    let written = write();
    if written.is_err() {
        // The first error is the one to tell.
        let _ = config.remove(FRESH);
    }
    written
}

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn remove_if_there(disk: &mut (impl Disk + ?Sized), name: &str) -> io::Result<()> {
    match disk.remove(name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes the reserve, if it is not there. Noise, for file systems that compress.
fn reserve(own: &mut dyn Disk) -> io::Result<()> {
    match own.size(RESERVE) {
        Ok(RESERVE_BYTES) => return Ok(()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut noise = vec![0; RESERVE_BYTES as usize];
    fastrand::fill(&mut noise);
    replace(own, RESERVE, &noise)
}
