//! Where the guard keeps its files, and how an earlier agent left them.

#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use durable::{Directory, Disk};
use tokio::sync::oneshot;

use super::desk::{ArmError, Desk, Hold, JOURNAL};
use super::folder;
use super::journal::{Journal, Phase};
use super::place::Place;
use crate::tasks::InTurn;
use crate::terminal::safe;

/// Longest wait for the disk; flash that erases blocks takes seconds.
pub(super) const DISK_WITHIN: Duration = Duration::from_secs(60);

type Work<T> = Box<dyn FnOnce() -> T + Send>;

/// Work with the journal.
pub(super) type WithJournal<T> = Box<dyn FnOnce(&mut Desk, &mut Journal) -> io::Result<T> + Send>;

/// Work for the disk that may be late.
pub(super) type Doing<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// The directories of trials.
#[derive(Clone)]
pub(super) struct Places {
    state_dir: PathBuf,
    config: PathBuf,
    disk: InTurn,
    /// For our options as they are in force.
    hold: Hold,
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Places")
            .field("state_dir", &self.state_dir)
            .finish_non_exhaustive()
    }
}

impl Places {
    fn desk(&self) -> io::Result<Desk> {
        let own = Directory::open(&self.state_dir.join("guard"))?;
        std::fs::create_dir_all(&self.config)?;
        let config = folder::open(&self.config)?;
        let conflict = self.conflicts();
        let conflicts =
            move || -> io::Result<Box<dyn Disk>> { Ok(Box::new(Directory::open(&conflict)?)) };
        Ok(Desk::new(
            Box::new(own),
            Box::new(config),
            Box::new(conflicts),
            Arc::clone(&self.hold),
        ))
    }

    /// The directory of files that somebody changed after a command.
    pub(super) fn conflicts(&self) -> PathBuf {
        self.state_dir.join("conflict")
    }

    /// Has `hold` asked before our package is put back from here on.
    pub(super) fn holds_by(&mut self, hold: Hold) {
        self.hold = hold;
    }

    /// Does `work` on a thread of its own, so that nothing else waits for flash, after all work before it.
    ///
    /// # Errors
    ///
    /// A disk that does not answer in time: the work is still done if it has begun.
    pub(super) async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Desk) -> T + Send + 'static,
    ) -> io::Result<T> {
        let places = self.clone();
        let work = move || places.desk().map(|mut desk| work(&mut desk));
        self.aside(work).await?
    }

    /// Does `work` that needs no directory of trials in the same turn.
    ///
    /// # Errors
    ///
    /// A disk that does not answer in time: the work is still done if it has begun.
    pub(super) async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        self.in_turn(Box::new(work)).await
    }

    /// Compiled once for each outcome.
    fn in_turn<T: Send + 'static>(&self, work: Work<T>) -> Doing<'_, T> {
        Box::pin(async move {
            let done = self.disk.aside("guard", DISK_WITHIN, work).await;
            done.map_err(io::Error::other)
        })
    }

    /// Completes when no work is late. Cancel safe.
    pub(super) async fn caught_up(&self) {
        self.disk.caught_up().await;
    }

    /// Saves every file and arms `journal`.
    ///
    /// # Errors
    ///
    /// The errors of [`Desk::arm`], and a disk that does not answer in time: it is not armed later either.
    pub(super) async fn arm(&self, mut journal: Journal) -> Result<Journal, ArmError> {
        let (told, mut heard) = oneshot::channel();
        let done = self.on_disk(move |desk| {
            let armed = desk.arm(&mut journal).map(|()| journal);
            // The job was refused meanwhile.
            if let Err(Ok(_)) = told.send(armed) {
                if let Err(error) = desk.forget() {
                    log::error!("guard: the journal of a job that was refused stays: {error}");
                }
            }
        });
        let done = done.await;
        // From here on it is too late.
        heard.close();
        heard.try_recv().unwrap_or_else(|_| {
            let late = done.err().map(|error| error.to_string());
            Err(ArmError::Disk(late.unwrap_or_default()))
        })
    }
}

/// A trial that an earlier agent may have left, looked for before anything else.
#[derive(Debug, Clone)]
pub struct Found {
    pub(super) places: Places,
    /// This device now.
    pub(super) place: Place,
    /// The trial to decide, or to report.
    pub(super) journal: Option<Journal>,
    /// An undo was finished: the settings are others than before.
    pub has_undone: bool,
    /// The disk could not be read.
    pub(super) is_unread: bool,
    /// The last good copies of the settings stay as they are for that alone.
    pub(super) holds: bool,
}

/// Is there a journal in the state directory `dir`? A disk that does not say may have it. Waits for the disk.
pub fn may_have_trial(dir: &Path) -> bool {
    let found = dir.join("guard").join(JOURNAL).try_exists();
    found.unwrap_or(true)
}

/// Looks for a journal in `before`, the other directories in which earlier agents had their state; else in `state_dir`.
/// Finishes an undo that was cut short. `config` is /etc/config, `root` the prefix of other paths, `boot` the kernel's id
/// of this boot, `hold` for our options as they are now. Waits for the disk.
pub fn find(
    state_dir: &Path,
    before: &[PathBuf],
    config: &Path,
    root: &Path,
    boot: &str,
    hold: Hold,
) -> Found {
    let before = before.iter().find(|dir| may_have_trial(dir));
    let state_dir = before.map_or(state_dir, PathBuf::as_path);
    let mut found = Found {
        places: Places {
            state_dir: state_dir.to_owned(),
            config: config.to_owned(),
            disk: InTurn::default(),
            hold,
        },
        place: Place::look(root, boot),
        journal: None,
        has_undone: false,
        is_unread: false,
        holds: false,
    };
    if let Err(error) = found.look() {
        log::error!("guard: {error}: nothing is undone");
        found.is_unread = true;
    }
    found
}

impl Found {
    fn look(&mut self) -> io::Result<()> {
        // A disk that does not say whether there is one may have it.
        if self.places.state_dir.join("guard").try_exists()? {
            let mut desk = self.places.desk()?;
            self.look_on(&mut desk)?;
        }
        Ok(())
    }

    fn look_on(&mut self, desk: &mut Desk) -> io::Result<()> {
        if let Some(journal) = desk.open()? {
            self.take(desk, journal);
        }
        Ok(())
    }

    /// Looks once more, beside the rest.
    pub(super) async fn look_again(&self) -> io::Result<Found> {
        let mut found = self.clone();
        let look = move |desk: &mut Desk| {
            found.look_on(desk)?;
            found.is_unread = false;
            Ok(found)
        };
        self.places.on_disk(look).await?
    }

    fn take(&mut self, desk: &mut Desk, mut journal: Journal) {
        let id = safe(&journal.id);
        let noted = if journal.is_decided() {
            Ok(())
        } else if self.place.is_other_firmware(&journal.place) {
            log::warn!("guard: firmware changed since job '{id}': nothing is undone");
            journal.reason = Some(FIRMWARE_CHANGED.to_owned());
            desk.decide(&mut journal, false)
        } else {
            let phase = journal.phase;
            log::warn!("guard: an earlier agent left job '{id}' on trial ({phase:?})");
            match phase {
                Phase::Undoing => {
                    self.has_undone = true;
                    journal.back = Some(self.place.boot.clone());
                    super::undo(desk, &mut journal);
                    Ok(())
                }
                // The device was rebooted though files were not back.
                Phase::Rebooting if journal.back.is_none() => {
                    self.has_undone = true;
                    journal.back = Some(self.place.boot.clone());
                    super::undo(desk, &mut journal);
                    if journal.phase == Phase::Undone {
                        super::add_reason(&mut journal, super::PUT_BACK_LATER);
                        Ok(())
                    } else {
                        // The device does not reboot for it again.
                        (journal.phase, journal.back) = (Phase::Rebooting, None);
                        desk.note(&journal)
                    }
                }
                // The command has ended with the boot it ran in.
                Phase::Armed if journal.has_booted(&self.place.boot) => {
                    journal.see_json();
                    desk.changed_until_now(&mut journal)
                }
                _ => Ok(()),
            }
        };
        if let Err(error) = noted {
            log::error!("guard: {error}");
        }
        self.journal = Some(journal);
    }

    /// The directory in which this agent keeps its trials.
    pub fn state_dir(&self) -> &Path {
        &self.places.state_dir
    }

    /// Are the last good copies of the settings to stay as they are? They are if a job `is_left` that may have changed
    /// the settings, if something is to be decided yet, and while nobody knows.
    pub fn holds(&mut self, is_left: bool) -> bool {
        self.holds = self.is_unread && !is_left;
        is_left || self.is_unread || self.is_open()
    }

    /// True if something is to be decided yet.
    pub fn is_open(&self) -> bool {
        let journal = self.journal.as_ref();
        journal.is_some_and(|journal| !journal.is_decided())
    }
}

/// The reason of a trial that nobody decides.
pub(super) const FIRMWARE_CHANGED: &str = "firmware changed";
