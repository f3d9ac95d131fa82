//! A cell that a thread of its own writes: of values that wait together, the newest.

use std::io;
use std::path::PathBuf;

use super::thread::Handle;
use super::{Cell, CellError, Directory, RealDisk, Store};

/// The cell `name` in a directory, which is opened again for each write.
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn the_newest_value_is_in_the_cell_when_it_is_answered() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("own");
        let latest = Latest::start(path.clone(), "floor").unwrap();
        for value in [&b"first"[..], b"second"] {
            let answer = latest.ask(value.to_vec(), Duration::from_secs(60)).await;
            answer.unwrap().synced.unwrap();
            let mut directory = Directory::open(&path).unwrap();
            let read = Cell::new("floor").read(&mut directory).unwrap();
            assert_eq!(read.as_deref(), Some(value));
        }
        let long = vec![0; super::super::VALUE_MAX + 1];
        let answer = latest.ask(long, Duration::from_secs(60)).await.unwrap();
        assert_eq!(
            answer.synced.unwrap_err().to_string(),
            "is longer than a cell holds"
        );
    }
}
