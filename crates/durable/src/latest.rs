//! A cell that a thread of its own writes: of values that wait together, the newest.

use std::io;
use std::path::PathBuf;

use super::thread::Handle;
use super::{Cell, CellError, Directory, RealDisk, Store};

/// The cell `name` in a directory, which is opened anew for each write.
#[derive(Debug)]
pub struct Latest {
    directory: PathBuf,
    name: &'static str,
    next: Option<Vec<u8>>,
}

impl Latest {
    /// Starts the thread, which has the cell's name.
    ///
    /// # Errors
    ///
    /// A system that has no room for one more thread.
    pub fn start(directory: PathBuf, name: &'static str) -> io::Result<Handle<Latest>> {
        let latest = Latest {
            directory,
            name,
            next: None,
        };
        let (_, thread) = RealDisk::start(name, latest)?;
        Ok(thread)
    }
}

impl Store for Latest {
    type Request = Vec<u8>;
    type Reply = ();

    fn handle(&mut self, bytes: Vec<u8>) {
        self.next = Some(bytes);
    }

    fn commit(&mut self) -> io::Result<()> {
        let Some(bytes) = self.next.take() else {
            return Ok(());
        };
        let mut directory = Directory::open(&self.directory)?;
        let written = Cell::new(self.name).write(&mut directory, &bytes);
        written.map_err(|error| match error {
            CellError::Disk { source, .. } => source,
            damaged @ CellError::Damaged(_) => io::Error::other(damaged.to_string()),
        })
    }
}
