//! The cell of the ledger, on a thread of its own that starts with a write, and ends with one that has succeeded: most
//! devices never have one.

use std::path::Path;
use std::time::Duration;

use super::ledger::{Boot, Ledger};
use crate::process::kept::Kept;

/// The cell, a file of `state_dir`.
pub const NAME: &str = "radios";

/// Where the ledger is kept.
#[derive(Debug)]
pub(super) struct Keeper(Kept);

impl Keeper {
    pub(super) fn of(state_dir: &Path) -> Self {
        Keeper(Kept::of(state_dir, NAME))
    }

    /// The ledger that was kept, and how long agents have run; an empty one if no ledger can be
    /// read.
    pub(super) fn read(&self, boot: Boot<'_>) -> (Ledger, Duration) {
        let read = self.0.read().and_then(|bytes| match bytes {
            Some(bytes) => Ledger::decode(&bytes, boot).ok_or("is no ledger".to_owned()),
            None => Ok(Default::default()),
        });
        read.unwrap_or_else(|error| {
            log::warn!(
                "{}: {error}; restarts of radios are counted from 0",
                self.0.path().display()
            );
            Default::default()
        })
    }

    /// Replaces the ledger; true when it is certain to survive a power cut.
    pub(super) async fn write(&mut self, bytes: Vec<u8>) -> bool {
        let written = match self.0.writer() {
            Ok(writer) => writer.write(bytes).await,
            Err(error) => Err(error.to_string()),
        };
        match &written {
            Err(error) => log::warn!("{}: not written: {error}", self.0.path().display()),
            // It ends until the next write, which may be months away.
            Ok(()) => self.0.rest(),
        }
        written.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use durable::{Cell, Directory};

    use super::*;

    #[tokio::test]
    async fn a_write_that_has_succeeded_leaves_no_thread() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let mut keeper = Keeper::of(&state);
        assert!(keeper.write(b"first".to_vec()).await);
        assert!(!keeper.0.is_writing());
        assert!(keeper.write(b"second".to_vec()).await);
        let mut directory = Directory::open(&state).unwrap();
        let read = Cell::new(NAME).read(&mut directory).unwrap();
        assert_eq!(read.as_deref(), Some(&b"second"[..]));
        // After a failure the same one is asked again.
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let mut keeper = Keeper::of(&file);
        assert!(!keeper.write(b"third".to_vec()).await);
        assert!(keeper.0.is_writing());
    }
}
