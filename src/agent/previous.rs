//! Directories with the state of earlier agents.
//!
//! A job or a person may give the agent another `state_dir`, and restart agent or device before everything is there. The
//! journal of a trial lies in an old directory then, and so may a ledger of jobs, whose disk hangs or has failed. So each
//! agent notes these directories in one that no setting moves: its own before there is a ledger in it, and each of the
//! others until there is neither in it.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use durable::{read_whole, replace, Directory, Disk};

use crate::guard;
use crate::jobs::Whereabouts;

/// The note: paths, the newest first, with a zero byte between them. It does not exist while all state is in its place.
const FILE: &str = "state_dir";

/// Longest note, bytes.
const LEN_MAX: u64 = 4 * 4096;

/// The note in the directory that no setting moves.
#[derive(Debug)]
pub(super) struct Note {
    home: PathBuf,
    /// Two disks may have news at a time.
    turn: Mutex<()>,
}

impl Note {
    /// The note in `home`, where the agent has its state if no option says otherwise.
    pub(super) fn new(home: &Path) -> Self {
        Note {
            home: home.to_owned(),
            turn: Mutex::default(),
        }
    }

    /// The directories that are noted, but for `state_dir` and those that are gone.
    pub(super) fn others(&self, state_dir: &Path) -> Vec<PathBuf> {
        let mut noted = self.noted().unwrap_or_else(|error| {
            self.failed(&error);
            vec![self.home.clone()]
        });
        noted.retain(|dir| dir != state_dir && dir.is_absolute() && dir.is_dir());
        noted
    }

    /// Notes these directories, and no others.
    pub(super) fn write(&self, dirs: &[&Path]) {
        let mut noted: Vec<PathBuf> = Vec::new();
        for dir in dirs {
            if !noted.iter().any(|known| known == dir) {
                noted.push(dir.to_path_buf());
            }
        }
        self.change(&mut |dirs| dirs.clone_from(&noted));
    }

    fn change(&self, change: &mut dyn FnMut(&mut Vec<PathBuf>)) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.try_change(change) {
            self.failed(&error);
        }
    }

    fn try_change(&self, change: &mut dyn FnMut(&mut Vec<PathBuf>)) -> io::Result<()> {
        let mut noted = self.noted()?;
        let before = noted.clone();
        change(&mut noted);
        if noted == before {
            return Ok(());
        }
        let mut dir = Directory::open(&self.home)?;
        if noted == [self.home.as_path()] {
            dir.remove(FILE)?;
            return dir.sync_names();
        }
        let paths: Vec<&[u8]> = noted.iter().map(|dir| dir.as_os_str().as_bytes()).collect();
        replace(&mut dir, FILE, &paths.join(&0))
    }

    /// The directories that are noted.
    fn noted(&self) -> io::Result<Vec<PathBuf>> {
        if !self.home.exists() {
            return Ok(vec![self.home.clone()]);
        }
        match read_whole(&mut Directory::open(&self.home)?, FILE, LEN_MAX) {
            Ok(bytes) => {
                let paths = bytes.split(|byte| *byte == 0);
                Ok(paths.map(|path| OsStr::from_bytes(path).into()).collect())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(vec![self.home.clone()]),
            Err(error) => Err(error),
        }
    }

    fn failed(&self, error: &io::Error) {
        log::warn!("{}/{FILE}: {error}", self.home.display());
    }
}

impl Whereabouts for Note {
    fn begins(&self, dir: &Path) {
        self.change(&mut |noted| {
            if !noted.iter().any(|known| known == dir) {
                noted.insert(0, dir.to_path_buf());
            }
        });
    }

    fn is_gone(&self, dir: &Path) {
        if !guard::may_have_trial(dir) {
            self.change(&mut |noted| noted.retain(|known| known != dir));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn directories_are_noted_from_before_there_is_a_ledger_until_there_is_none() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let (home, moved, next) = (at("home"), at("moved"), at("next"));
        let note = Note::new(&home);
        assert!(note.others(&home).is_empty());
        note.write(&[&home]);
        assert!(!home.exists(), "nothing to note");
        for dir in [&home, &moved, &next] {
            Directory::open(dir).unwrap();
        }
        assert!(note.others(&home).is_empty());
        assert_eq!(note.others(&moved), [home.as_path()]);

        note.begins(&moved);
        note.begins(&moved);
        assert_eq!(note.others(&next), [moved.as_path(), &home]);
        assert_eq!(note.others(&home), [moved.as_path()]);
        fs::create_dir(home.join("guard")).unwrap();
        fs::write(home.join("guard/journal"), "a trial").unwrap();
        note.is_gone(&home);
        assert_eq!(
            note.others(&next),
            [moved.as_path(), &home],
            "its trial is there"
        );
        fs::remove_file(home.join("guard/journal")).unwrap();
        note.is_gone(&home);
        assert_eq!(note.others(&next), [moved.as_path()]);
        assert!(note.others(&moved).is_empty());
        note.begins(&home);
        note.is_gone(&moved);
        assert!(!home.join(FILE).exists(), "all state is in its place");

        note.write(&[&next, &moved, &next]);
        fs::remove_dir(&moved).unwrap();
        assert_eq!(note.others(&home), [next.as_path()], "the other is gone");
    }

    #[test]
    fn the_note_of_an_agent_that_knew_one_directory_is_read_and_rubbish_leads_nowhere() {
        let root = tempfile::tempdir().unwrap();
        let (home, moved) = (root.path().join("home"), root.path().join("moved"));
        for dir in [&home, &moved] {
            Directory::open(dir).unwrap();
        }
        let note = Note::new(&home);
        let write = |bytes: &[u8]| {
            let mut dir = Directory::open(&home).unwrap();
            replace(&mut dir, FILE, bytes).unwrap();
        };
        write(moved.as_os_str().as_bytes());
        assert_eq!(note.others(&home), [moved.as_path()]);
        for text in ["relative", "", "/does\0not", "\0\0"] {
            write(text.as_bytes());
            assert!(note.others(&moved).is_empty(), "{text:?}");
        }
    }
}
