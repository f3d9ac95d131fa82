//! A directory on a disk that loses its power with others, whose files have modes.

use std::io;

use durable::Disk;
use socketman::guard::folder::{Access, Folder};

use crate::powered::Powered;

/// Bytes before those of a file that hold its mode and owner: they are lost and torn as the others are.
const HEAD: usize = 12;

/// A directory with modes and owners.
#[derive(Debug, Clone)]
pub(super) struct SimFolder(pub(super) Powered);

impl SimFolder {
    fn head(access: Access) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        let words = [access.mode, access.uid, access.gid];
        for (bytes, word) in head.chunks_mut(4).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        head
    }
}

impl Disk for SimFolder {
    durable::pass_on!(self => self.0; list append rename remove sync sync_names);

    fn size(&mut self, name: &str) -> io::Result<u64> {
        Ok(self.0.size(name)?.saturating_sub(HEAD as u64))
    }

    fn read(&mut self, name: &str, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(name, offset + HEAD as u64, buf)
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        let access = Access {
            mode: 0o600,
            uid: 0,
            gid: 0,
        };
        self.create_as(name, access)
    }

    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()> {
        self.0.truncate(name, len + HEAD as u64)
    }
}

impl Folder for SimFolder {
    fn access(&mut self, name: &str) -> io::Result<Option<Access>> {
        let mut head = [0; HEAD];
        self.0.read(name, 0, &mut head)?;
        let word =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        Ok(Some(Access {
            mode: word(0),
            uid: word(4),
            gid: word(8),
        }))
    }

    fn create_as(&mut self, name: &str, access: Access) -> io::Result<()> {
        self.0.create(name)?;
        let taken = self.0.append(name, &SimFolder::head(access))?;
        assert_eq!(taken, HEAD);
        Ok(())
    }
}
