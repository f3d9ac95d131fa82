//! Where the guard keeps its files, and how an earlier agent left them.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use durable::{Directory, Disk};

use super::desk::{Desk, JOURNAL};
use super::folder;
use super::journal::{Journal, Phase};
use super::place::Place;
use crate::tasks::aside;
use crate::terminal::safe;

/// Longest wait for the disk; flash that erases blocks takes seconds.
const DISK_WITHIN: Duration = Duration::from_secs(60);

/// The directories of trials.
#[derive(Debug, Clone)]
pub(super) struct Places {
    state_dir: PathBuf,
    config: PathBuf,
}

impl Places {
    fn desk(&self) -> io::Result<Desk> {
        let own = Directory::open(&self.state_dir.join("guard"))?;
        std::fs::create_dir_all(&self.config)?;
        let config = folder::open(&self.config)?;
        let conflict = self.state_dir.join("conflict");
        let conflicts =
            move || -> io::Result<Box<dyn Disk>> { Ok(Box::new(Directory::open(&conflict)?)) };
        Ok(Desk::new(
            Box::new(own),
            Box::new(config),
            Box::new(conflicts),
        ))
    }

    /// Does `work` on a thread of its own, so that nothing else waits for flash.
    pub(super) async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Desk) -> T + Send + 'static,
    ) -> io::Result<T> {
        let places = self.clone();
        let work = move || places.desk().map(|mut desk| work(&mut desk));
        let done = aside("guard", Some(DISK_WITHIN), work).await;
        done.map_err(io::Error::other)?
    }
}

/// A trial that an earlier agent may have left, looked for before anything else.
#[derive(Debug)]
pub struct Found {
    pub(super) places: Places,
    /// This device now.
    pub(super) place: Place,
    /// The trial to decide, or to report.
    pub(super) journal: Option<Journal>,
    /// An undo was finished: the settings are others than before.
    pub has_undone: bool,
}

/// Looks for a journal in `before`, the state directory of the agent before, if that is another one; else in
/// `state_dir`. Finishes an undo that was cut short. `config` is /etc/config, `root` the prefix of other paths, `boot` the
/// kernel's id of this boot. Waits for the disk.
pub fn find(
    state_dir: &Path,
    before: Option<&Path>,
    config: &Path,
    root: &Path,
    boot: &str,
) -> Found {
    let has_journal = |dir: &&Path| dir.join("guard").join(JOURNAL).exists();
    let state_dir = before.filter(has_journal).unwrap_or(state_dir);
    let mut found = Found {
        places: Places {
            state_dir: state_dir.to_owned(),
            config: config.to_owned(),
        },
        place: Place::look(root, boot),
        journal: None,
        has_undone: false,
    };
    if !state_dir.join("guard").exists() {
        return found;
    }
    match found.places.desk().and_then(|mut desk| {
        let journal = desk.open()?;
        Ok((desk, journal))
    }) {
        Ok((mut desk, Some(journal))) => found.take(&mut desk, journal),
        Ok((_, None)) => {}
        Err(error) => log::error!("guard: {error}: nothing is undone"),
    }
    found
}

impl Found {
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
                    let undone = desk.undo(&mut journal);
                    undone.map(|undone| super::add_undone(&mut journal, &undone))
                }
                // The command has ended with the boot it ran in.
                Phase::Armed if journal.place.boot != self.place.boot => {
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

    /// True if something is to be decided yet.
    pub fn is_open(&self) -> bool {
        let journal = self.journal.as_ref();
        journal.is_some_and(|journal| !journal.is_decided())
    }
}

/// The reason of a trial that nobody decides.
pub(super) const FIRMWARE_CHANGED: &str = "firmware changed";
