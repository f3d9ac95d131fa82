//! Moving to other directories, with everything that waits.

use std::io;
use std::path::Path;

use durable::{Directory, Disk};

use super::keeper::open;
use super::name::Name;
use super::spool::{Bounds, Spool};
use super::store::Store;
use super::SpoolError;

/// Bytes that are copied together.
const PIECE: usize = 16 << 10;

/// A directory that the files of a store are copied to, if it `moves`, or stay in.
#[derive(Debug)]
pub(super) struct Moving {
    pub(super) moves: bool,
    pub(super) to: Directory,
    made: Vec<String>,
}

impl Moving {
    /// # Errors
    ///
    /// A directory that is not safely ours, or that others' reports are in: their numbers mean
    /// something else.
    pub(super) fn new(moves: bool, dir: &Path) -> Result<Self, SpoolError> {
        let mut to = open(dir)?;
        let names = to.list().map_err(SpoolError::List)?;
        if moves && names.iter().any(|name| Name::parse(name).is_some()) {
            return Err(SpoolError::Occupied(dir.to_path_buf()));
        }
        Ok(Moving {
            moves,
            to,
            made: Vec::new(),
        })
    }

    /// Takes away what was copied.
    pub(super) fn give_up(&mut self) {
        for name in self.made.drain(..) {
            // What stays is in a directory that is not used.
            let _ = self.to.remove(&name);
        }
    }

    fn copy<D: Disk>(&mut self, store: &mut Store<D>) -> io::Result<()> {
        if !self.moves {
            return Ok(());
        }
        let mut piece = vec![0; PIECE];
        for (name, size) in store.files() {
            self.to.create(&name)?;
            self.made.push(name.clone());
            let mut at = 0;
            while at < size {
                let len = piece.len().min((size - at) as usize);
                let len = store.read(&name, at, &mut piece[..len])?;
                if len == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                let taken = self.to.append(&name, &piece[..len])?;
                if taken < len {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                at += len as u64;
            }
            self.to.sync(&name)?;
        }
        self.to.sync_names()
    }
}

impl Spool {
    /// Copies everything that is kept.
    ///
    /// # Errors
    ///
    /// Reports wait for a disk that does not take them, or what is kept cannot be copied.
    pub(super) fn copy_to(
        &mut self,
        ram: &mut Moving,
        flash: Option<&mut Moving>,
    ) -> Result<(), SpoolError> {
        self.flush();
        if !self.pending.is_empty() {
            return Err(SpoolError::Waiting);
        }
        ram.copy(&mut self.stores.ram).map_err(SpoolError::Copy)?;
        match (&mut self.stores.archive, flash) {
            (Some(archive), Some(flash)) => {
                flash.copy(&mut archive.store).map_err(SpoolError::Copy)
            }
            _ => Ok(()),
        }
    }

    /// Goes on where `old` stood, whose files are no longer needed where they were moved from.
    pub(super) fn inherit(&mut self, old: &mut Spool, ram_moved: bool, flash_moved: bool) {
        self.losses
            .owed
            .extend(std::mem::take(&mut old.losses.owed).into_vec());
        // Ids of batches that were given out before name nothing here.
        self.batches = old.batches;
        self.offline_since = old.offline_since;
        self.aside = std::mem::take(&mut old.aside);
        self.losses.thinned = old.losses.thinned;
        self.losses.dropped = old.losses.dropped;
        if ram_moved {
            old.stores.ram.discard();
        }
        if let Some(archive) = old.stores.archive.as_mut().filter(|_| flash_moved) {
            archive.store.discard();
        }
    }

    /// Holds it to other bounds from now on.
    pub(super) fn bound(&mut self, bounds: Bounds) {
        self.bounds = bounds;
        if let Some(archive) = &mut self.stores.archive {
            archive.bound(bounds);
        }
        self.make_room();
    }
}
