//! Our own settings, which a job of any type may change.
//!
//! While a job runs the last good copies stay as they are. A job that has left the two files as they were is
//! done with a look at their times. Otherwise what they say now is on trial: it stays if everything in it that
//! guards can be used and the broker is still there, and becomes the last good copy; or the copies are put back.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use durable::Disk;
use tokio::sync::watch;

use super::desk::put;
use super::folder::{self, Access};
use super::snapshot::Saved;
use crate::config::strict::Strict;
use crate::config::{Files, GoodCopy, Loaded};
use crate::process::file::read_small;

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

    /// Puts the last good copies back. Options that `loaded`, which the job has left, holds stricter stay so.
    pub(super) fn put_back(&self, loaded: &Loaded) -> io::Result<()> {
        let copies = loaded.good_copies();
        let before = self.state().before.clone().unwrap_or_default();
        let goes = |file: &Path| {
            before
                .iter()
                .any(|(path, marks)| path == file && marks.is_none())
        };
        let bytes = |copy: &Option<GoodCopy>, file: &Path| match copy {
            Some(copy) => Some(copy.bytes.to_vec()),
            None if goes(file) => None,
            // It never could be used, and stays.
            None => read_small(file, uci::MAX_FILE).ok(),
        };
        let uci = bytes(&copies[0], &loaded.files.uci);
        let json = bytes(&copies[1], &loaded.files.json);
        // Before it could be looser.
        let strict = Strict::of(&loaded.config);
        strict.keep(&loaded.files, uci.as_deref(), json.as_deref())?;
        for copy in copies.iter().flatten() {
            let seen = before.iter().find(|(path, _)| *path == copy.of);
            let access = seen.and_then(|(_, marks)| Some((*marks)?.access));
            write(copy, access)?;
        }
        // Files that were not there have no copy.
        for (path, marks) in &before {
            let is_copied = copies.iter().flatten().any(|copy| copy.of == *path);
            if marks.is_none() && !is_copied && path.exists() {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// Puts config.json back, which is in no snapshot, from the copy that `loaded` has; true if it was another one.
    pub(super) fn put_json_back(&self, loaded: &Loaded) -> io::Result<bool> {
        let [_, copy] = loaded.good_copies();
        let Some(copy) = copy.filter(GoodCopy::differs) else {
            return Ok(false);
        };
        let uci = read_small(&loaded.files.uci, uci::MAX_FILE).ok();
        let strict = Strict::of(&loaded.config);
        strict.keep(&loaded.files, uci.as_deref(), Some(&copy.bytes))?;
        write(&copy, None)?;
        Ok(true)
    }
}

/// Puts a copy in the place of its file.
fn write(copy: &GoodCopy, access: Option<Access>) -> io::Result<()> {
    let (Some(dir), Some(name)) = (copy.of.parent(), copy.of.file_name()) else {
        return Err(io::ErrorKind::InvalidFilename.into());
    };
    let name = name.to_str().ok_or(io::ErrorKind::InvalidFilename)?;
    let access = access.unwrap_or(Access {
        mode: 0o600,
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
    });
    let saved = Saved {
        access,
        bytes: copy.bytes.to_vec(),
    };
    std::fs::create_dir_all(dir)?;
    let mut dir = folder::open(dir)?;
    put(&mut dir, name, &saved)?;
    dir.sync_names()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Inputs;
    use crate::tls::CHECKS;

    #[test]
    fn settings_that_no_earlier_job_has_changed_are_free_when_the_last_job_has_ended() {
        let tmp = tempfile::tempdir().unwrap();
        let inputs = Inputs::below(tmp.path(), CHECKS);
        let files = inputs.load(None).files;
        let (held, is_held) = watch::channel(true);
        let own = Own::new(held, tmp.path().join("replacing"));
        own.starts(&files, false);
        own.is_free(&files);
        assert!(*is_held.borrow());
        own.ends();
        assert!(!*is_held.borrow() && !own.is_inherited());
        own.starts(&files, false);
        assert!(*is_held.borrow());
        own.ends();
        assert!(!*is_held.borrow());
    }

    #[test]
    fn config_json_is_put_back_where_the_agent_before_could_not_and_loosens_nothing() {
        let tmp = tempfile::tempdir().unwrap();
        let inputs = Inputs::below(tmp.path(), CHECKS);
        let files = inputs.load(None).files;
        let write = |text: &str| {
            let copy = GoodCopy {
                of: files.json.clone(),
                bytes: text.as_bytes().into(),
            };
            super::write(&copy, None).unwrap();
        };
        write(r#"{"insecure": 1}"#);
        let before = inputs.load(None);
        let own = Own::new(watch::channel(true).0, tmp.path().join("replacing"));
        assert!(!own.put_json_back(&before).unwrap());
        write(r#"{"insecure": 0}"#);
        let job = inputs.load(Some(&before)).with_copies_of(&before);
        assert!(own.put_json_back(&job).unwrap());
        assert_eq!(
            std::fs::read_to_string(&files.json).unwrap(),
            r#"{"insecure": 1}"#
        );
        assert_eq!(inputs.load(Some(&before)).tightened, ["insecure"]);
    }

    #[test]
    fn an_undo_beside_a_file_that_never_could_be_used_loosens_nothing() {
        let tmp = tempfile::tempdir().unwrap();
        let inputs = Inputs::below(tmp.path(), CHECKS);
        let files = inputs.load(None).files;
        let write = |path: &Path, text: &str| {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let copy = GoodCopy {
                of: path.to_owned(),
                bytes: text.as_bytes().into(),
            };
            super::write(&copy, None).unwrap();
        };
        let uci = "config socketman 'main'\n\toption cacrt '/missing.pem'\n";
        write(&files.uci, uci);
        write(&files.json, r#"{"insecure": 1}"#);
        let before = inputs.load(None);
        assert!(before.good_copies()[0].is_none());
        let own = Own::new(watch::channel(false).0, tmp.path().join("replacing"));
        own.starts(&files, false);
        write(&files.json, r#"{"insecure": 0}"#);
        let after = inputs.load(Some(&before)).with_copies_of(&before);
        assert!(own.have_changed(&after) && !after.is_usable());
        own.put_back(&after).unwrap();
        let now = inputs.load(Some(&before));
        assert_eq!(std::fs::read_to_string(&files.uci).unwrap(), uci);
        assert_eq!(
            std::fs::read_to_string(&files.json).unwrap(),
            r#"{"insecure": 1}"#
        );
        assert!(now.tightened.contains(&"insecure"), "{:?}", now.tightened);
    }
}
