//! Our own settings, which a job of any type may change.
//!
//! While a job runs the last good copies stay as they are. A job that has left the two files as they were is
//! done with a look at their times. Otherwise what they say now is on trial: it stays if everything in it that
//! guards can be used and the broker is still there, and becomes the last good copy; or the copies are put back.

#[cfg(test)]
mod tests;

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use durable::{replace, Directory, Disk};
use tokio::sync::watch;

use super::desk::put;
use super::folder::{self, Access};
use super::json::{Json, CONFLICT};
use super::snapshot::Saved;
use crate::config::strict::Strict;
use crate::config::{Files, GoodCopy, Loaded};
use crate::process::file::read_small;
use crate::tasks::Waiting;

/// Marks of a file that change whenever it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Marks {
    inode: u64,
    size: u64,
    changed: (i64, i64),
    access: Access,
}

impl Marks {
    fn of(found: &Metadata) -> Self {
        Marks {
            inode: found.ino(),
            size: found.len(),
            changed: (found.ctime(), found.ctime_nsec()),
            access: Access {
                mode: found.mode() & 0o7777,
                uid: found.uid(),
                gid: found.gid(),
            },
        }
    }
}

/// A settings file at the start of a job; `None` if it was not there.
type Seen = (PathBuf, Option<Marks>);

fn look(path: &Path) -> Seen {
    let found = path.metadata().ok();
    (path.to_owned(), found.as_ref().map(Marks::of))
}

#[derive(Debug)]
struct State {
    /// Jobs that run.
    jobs: u32,
    /// As they were: the UCI package, config.json, and the file that replaces the package. `None` if an earlier
    /// agent has seen the start; then they are compared with the last good copies.
    before: Option<Vec<Seen>>,
    /// config.json, if an earlier agent has seen that it was not there at the start.
    added: Option<PathBuf>,
    /// The broker was connected when a job started.
    connected: bool,
    /// No job of an earlier agent has changed the settings, which was learned while others ran.
    is_free: bool,
}

/// The settings under the jobs that run.
#[derive(Debug)]
pub(super) struct Own {
    state: Mutex<State>,
    /// Where a file in place of the UCI package would be.
    replacing: PathBuf,
    held: watch::Sender<bool>,
}

impl Own {
    /// With `held` true, a job of an earlier agent may have changed the settings.
    pub(super) fn new(held: watch::Sender<bool>, replacing: PathBuf) -> Self {
        let jobs = u32::from(*held.borrow());
        Own {
            state: Mutex::new(State {
                jobs,
                before: None,
                added: None,
                connected: jobs > 0,
                is_free: false,
            }),
            replacing,
            held,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seen(&self, files: &Files) -> Vec<Seen> {
        let files = [&files.uci, &files.json, &self.replacing];
        files.map(|path| look(path)).into()
    }

    /// A job starts, while the broker is `connected` or not.
    pub(super) fn starts(&self, files: &Files, connected: bool) {
        let mut state = self.state();
        if state.jobs == 0 {
            state.before = Some(self.seen(files));
            state.connected = false;
        }
        state.jobs += 1;
        state.connected |= connected;
        drop(state);
        self.held
            .send_if_modified(|held| !std::mem::replace(held, true));
    }

    /// A job has ended, and what it did is decided.
    pub(super) fn ends(&self) {
        let mut state = self.state();
        state.jobs = state.jobs.saturating_sub(1);
        if state.jobs == 1 && state.is_free {
            (state.jobs, state.is_free) = (0, false);
        }
        let is_free = state.jobs == 0;
        drop(state);
        if is_free {
            self.held
                .send_if_modified(|held| std::mem::replace(held, false));
        }
    }

    /// True if a job of an earlier agent may have changed the settings.
    pub(super) fn is_inherited(&self) -> bool {
        let state = self.state();
        state.jobs > 0 && state.before.is_none()
    }

    /// The settings are decided: later jobs are judged by their changes from here on.
    pub(super) fn is_decided(&self, files: &Files) {
        let inherited = self.is_inherited();
        let mut state = self.state();
        (state.before, state.is_free) = (Some(self.seen(files)), false);
        state.added = None;
        drop(state);
        if inherited {
            self.ends();
        }
    }

    /// No job of an earlier agent has changed the settings, after all. While others run, it counts when they have ended.
    pub(super) fn is_free(&self, files: &Files) {
        if !self.is_inherited() {
            return;
        }
        let mut state = self.state();
        state.is_free = state.jobs > 1;
        if !state.is_free {
            drop(state);
            self.is_decided(files);
        }
    }

    /// A job of an earlier agent started while there was no config.json at `path`.
    pub(super) fn is_added(&self, path: &Path) {
        self.state().added = Some(path.to_owned());
    }

    /// True if the broker was connected before.
    pub(super) fn was_connected(&self) -> bool {
        self.state().connected
    }

    /// Have the settings changed since the job started?
    pub(super) fn have_changed(&self, loaded: &Loaded) -> bool {
        let state = self.state();
        let same = |before: &Vec<Seen>| before.iter().all(|seen| look(&seen.0) == *seen);
        if state.before.as_ref().is_some_and(same) {
            return false;
        }
        if state.added.as_ref().is_some_and(|added| added.exists()) {
            return true;
        }
        let copies = loaded.good_copies();
        if let Some(before) = &state.before {
            // A file that has no copy, or that came or went, is another one.
            let is_copied = |path: &Path| copies.iter().flatten().any(|copy| copy.of == path);
            let is_other = |(path, marks): &Seen| match is_copied(path) {
                true => false,
                false => look(path).1 != *marks,
            };
            if before.iter().any(is_other) {
                return true;
            }
        }
        copies.iter().flatten().any(GoodCopy::differs) || !loaded.is_usable()
    }

    /// Puts the last good copies back, and takes files away that were not there. Options that `loaded`, which the job has
    /// left, holds stricter stay so.
    ///
    /// # Errors
    ///
    /// The disk does not let it, or nobody is `waiting` any more.
    pub(super) fn put_back(&self, loaded: &Loaded, waiting: &Waiting) -> io::Result<()> {
        let (before, added) = {
            let state = self.state();
            (
                state.before.clone().unwrap_or_default(),
                state.added.clone(),
            )
        };
        let absent = before.iter().filter(|(_, marks)| marks.is_none());
        let absent: Vec<&Path> = absent
            .map(|(path, _)| &**path)
            .chain(added.as_deref())
            .collect();
        // That of a file which an earlier agent's job has added says what the file says.
        let is_of_before = |copy: &GoodCopy| added.as_ref() != Some(&copy.of);
        let copies = loaded.good_copies().map(|copy| copy.filter(is_of_before));
        let uci = match &copies[0] {
            Some(copy) => Some(copy.bytes.to_vec()),
            None if absent.contains(&&*loaded.files.uci) => None,
            // It never could be used, and stays.
            None => read_small(&loaded.files.uci, uci::MAX_FILE).ok(),
        };
        // Before it could be looser.
        Strict::left_in(loaded)?.keep(&loaded.files, uci.as_deref())?;
        for copy in copies.iter().flatten() {
            let seen = before.iter().find(|(path, _)| *path == copy.of);
            let access = seen.and_then(|(_, marks)| Some((*marks)?.access));
            write(copy, access, waiting)?;
        }
        // Files that were not there have no copy.
        for path in absent {
            let is_copied = copies.iter().flatten().any(|copy| copy.of == path);
            if !is_copied && path.exists() {
                remove(path, waiting)?;
            }
        }
        Ok(())
    }

    /// Puts `json` back, which the undo of a network job owes, from the copy that `loaded` has. What somebody has made of it
    /// since the command ended is kept in the directory `conflicts`.
    ///
    /// # Errors
    ///
    /// The disk does not let it, or nobody is `waiting` any more.
    pub(super) fn put_json_back(
        &self,
        loaded: &Loaded,
        json: &Json,
        conflicts: &Path,
        waiting: &Waiting,
    ) -> io::Result<JsonBack> {
        let path = Path::new(&json.path);
        let [_, copy] = loaded.good_copies();
        let copy = copy.filter(|copy| json.was_there && copy.of == path);
        if json.was_there && copy.is_none() {
            // As long as the package of the job names another one.
            return Err(io::Error::other("settings are in another config.json"));
        }
        let wanted = copy.as_ref().map(|copy| &copy.bytes[..]);
        let now = json.read();
        if now.as_ref().is_ok_and(|now| now.as_deref() == wanted) {
            return Ok(JsonBack::default());
        }
        let edited = json.edited();
        if let Some(edited) = &edited {
            replace(&mut Directory::open(conflicts)?, CONFLICT, edited)?;
        }
        let uci = read_small(&loaded.files.uci, uci::MAX_FILE).ok();
        Strict::left_in(loaded)?.keep(&loaded.files, uci.as_deref())?;
        match &copy {
            Some(copy) => write(copy, None, waiting)?,
            None => remove(path, waiting)?,
        }
        Ok(JsonBack {
            is_late: true,
            is_conflict: edited.is_some(),
        })
    }
}

/// The outcome for config.json, which was owed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct JsonBack {
    /// It was put back only now.
    pub(super) is_late: bool,
    /// Somebody had changed it.
    pub(super) is_conflict: bool,
}

/// Puts a copy in the place of its file.
fn write(copy: &GoodCopy, access: Option<Access>, waiting: &Waiting) -> io::Result<()> {
    let access = access.unwrap_or(Access {
        mode: 0o600,
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
    });
    let saved = Saved {
        access,
        bytes: copy.bytes.to_vec(),
    };
    change(&copy.of, waiting, |dir, name| put(dir, name, &saved))
}

fn remove(path: &Path, waiting: &Waiting) -> io::Result<()> {
    change(path, waiting, |dir, name| dir.remove(name))
}

/// Changes a file for certain, unless nobody waits for that any more: then it may be somebody else's by now.
fn change(
    path: &Path,
    waiting: &Waiting,
    change: impl FnOnce(&mut Directory, &str) -> io::Result<()>,
) -> io::Result<()> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidFilename.into());
    };
    let name = name.to_str().ok_or(io::ErrorKind::InvalidFilename)?;
    std::fs::create_dir_all(dir)?;
    let mut dir = folder::open(dir)?;
    if !waiting.is_on() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    change(&mut dir, name)?;
    dir.sync_names()
}
