//! The cell of the ledger, on a thread of its own that starts with a write, and ends with one that has succeeded: most
//! devices never have one.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use durable::{Cell, Directory, Handle, Latest};

use super::ledger::{Boot, Ledger};

/// The cell, a file of `state_dir`.
pub const NAME: &str = "radios";

/// Longest wait for the disk.
const WITHIN: Duration = Duration::from_secs(60);

/// Where the ledger is kept.
#[derive(Debug)]
pub(super) struct Keeper {
    directory: PathBuf,
    thread: Option<Handle<Latest>>,
}

impl Keeper {
    pub(super) fn of(state_dir: &Path) -> Self {
        Keeper {
            directory: state_dir.to_owned(),
            thread: None,
        }
    }

    /// The ledger that was kept, and how long agents have run; an empty one if no ledger can be
    /// read.
    pub(super) fn read(&self, boot: Boot<'_>) -> (Ledger, Duration) {
        let path = self.directory.join(NAME);
        if !path.exists() {
            return (Ledger::default(), Duration::ZERO);
        }
        let read = Directory::open(&self.directory)
            .map_err(|error| error.to_string())
            .and_then(|mut directory| {
                let read = Cell::new(NAME).read(&mut directory);
                read.map_err(|error| error.to_string())
            })
            .and_then(|bytes| {
                let ledger = Ledger::decode(&bytes.unwrap_or_default(), boot);
                ledger.ok_or("is no ledger".to_owned())
            });
        read.unwrap_or_else(|error| {
            log::warn!(
                "{}: {error}; restarts of radios are counted from 0",
                path.display()
            );
            (Ledger::default(), Duration::ZERO)
        })
    }

    /// Replaces the ledger; true when it is certain to survive a power cut.
    pub(super) async fn write(&mut self, bytes: Vec<u8>) -> bool {
        let path = self.directory.join(NAME);
        let failed = match self.thread() {
            Ok(thread) => match thread.ask(bytes, WITHIN).await {
                Ok(answer) => answer.synced.err().map(|error| error.to_string()),
                Err(error) => Some(error.to_string()),
            },
            Err(error) => Some(error.to_string()),
        };
        match &failed {
            Some(error) => log::warn!("{}: not written: {error}", path.display()),
            // It ends until the next write, which may be months away.
            None => self.thread = None,
        }
        failed.is_none()
    }

    fn thread(&mut self) -> io::Result<Handle<Latest>> {
        if let Some(thread) = &self.thread {
            return Ok(thread.clone());
        }
        let thread = Latest::start(self.directory.clone(), NAME)?;
        Ok(self.thread.insert(thread).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_write_that_has_succeeded_leaves_no_thread() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let mut keeper = Keeper::of(&state);
        assert!(keeper.write(b"first".to_vec()).await);
        assert!(keeper.thread.is_none());
        assert!(keeper.write(b"second".to_vec()).await);
        let mut directory = Directory::open(&state).unwrap();
        let read = Cell::new(NAME).read(&mut directory).unwrap();
        assert_eq!(read.as_deref(), Some(&b"second"[..]));
        // After a failure the same one is asked again.
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let mut keeper = Keeper::of(&file);
        assert!(!keeper.write(b"third".to_vec()).await);
        assert!(keeper.thread.is_some());
    }
}
