//! The table's records on flash, written by a thread of their own.
//!
//! [`Ledger`] is the jobs part's end of that thread: one batch is with the disk at a time, and what happens
//! meanwhile makes the next one, so that jobs that arrive together share a sync. [`Register`] is the copy of the ids that
//! outlives an upgrade.

mod register;
mod store;
mod thread;

use std::io;
use std::path::Path;

use durable::{Directory, Disk};

use crate::jobs::message::Kind;
use crate::jobs::table::{Bounds, Table};

pub use register::Register;
pub use store::{Found, Growth, Store};

pub(super) use thread::{remove, Ledger, OpenError, Opened, Registered, Wrote};

/// Remembers for the next agent which directories have ledgers. Waits for a disk.
pub trait Whereabouts: Send + Sync {
    /// There may be a ledger in `dir` from now on.
    fn begins(&self, dir: &Path);

    /// There is none in `dir` any more.
    fn is_gone(&self, dir: &Path);
}

/// Is there a ledger in `state_dir`?
pub fn has_ledger(state_dir: &Path) -> bool {
    state_dir.join(store::FILE).exists()
}

/// Removes the ledger in `left`, unless that is the directory `used` by another path. Waits for the disk.
fn remove_from(left: &Path, used: &Path) -> io::Result<()> {
    if !left.exists() || left.canonicalize()? == used.canonicalize()? {
        return Ok(());
    }
    let mut dir = Directory::open(left)?;
    match dir.remove(store::FILE) {
        // Nothing was ever recorded there.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => dir.sync_names(),
    }
}

/// Has an earlier agent left a command started, whose end it did not record? Waits for the disk; false if
/// there is no ledger in `state_dir`.
pub fn has_started_jobs(state_dir: &Path) -> bool {
    if !has_ledger(state_dir) {
        return false;
    }
    let opened = Directory::open(state_dir).and_then(Store::open);
    let Ok((_, found)) = opened else {
        // The jobs part says why.
        return false;
    };
    let table = Table::read(Bounds::default(), found.records);
    let mut kinds = table
        .started()
        .filter_map(|number| Some(table.job(number)?.kind));
    kinds.any(|kind| kind == Kind::Shell)
}
