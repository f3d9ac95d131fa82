//! A record on flash that most devices never have, or seldom write: the thread that writes it starts with a write.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use durable::{Cell, Directory, Handle, Latest};

/// Longest wait for the disk.
const WITHIN: Duration = Duration::from_secs(60);

/// A [`Cell`] of a directory.
#[derive(Debug)]
pub struct Kept {
    directory: PathBuf,
    name: &'static str,
    thread: Option<Handle<Latest>>,
}

impl Kept {
    /// The cell of this name. Nothing is read or made yet.
    pub fn of(directory: &Path, name: &'static str) -> Self {
        Kept {
            directory: directory.to_owned(),
            name,
            thread: None,
        }
    }

    /// The cell's file.
    pub fn path(&self) -> PathBuf {
        self.directory.join(self.name)
    }

    /// The bytes that were kept; `None` if there is no such file, and nothing is made then.
    ///
    /// # Errors
    ///
    /// The directory or the file cannot be read, or the file is not one of a cell; in words.
    pub fn read(&self) -> Result<Option<Vec<u8>>, String> {
        let is_there = self.path().try_exists();
        if !is_there.map_err(|error| error.to_string())? {
            return Ok(None);
        }
        let mut directory = Directory::open(&self.directory).map_err(|error| error.to_string())?;
        let read = Cell::new(self.name).read(&mut directory);
        read.map_err(|error| error.to_string())
    }

    /// The thread that writes the cell, which starts if it does not run. Needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// The directory cannot be used, or there is no room for a thread.
    pub fn writer(&mut self) -> io::Result<Writer> {
        if let Some(thread) = &self.thread {
            return Ok(Writer(thread.clone()));
        }
        let thread = Latest::start(self.directory.clone(), self.name)?;
        Ok(Writer(self.thread.insert(thread).clone()))
    }

    #[cfg(test)]
    pub(crate) fn is_writing(&self) -> bool {
        self.thread.is_some()
    }

    /// Lets the thread end, until the next write.
    pub fn rest(&mut self) {
        self.thread = None;
    }
}

/// The thread that writes a cell.
#[derive(Debug)]
pub struct Writer(Handle<Latest>);

impl Writer {
    /// Replaces the bytes; done when they are certain to survive a power cut.
    ///
    /// # Errors
    ///
    /// The disk did not take them, or not in time; in words.
    pub async fn write(&self, bytes: Vec<u8>) -> Result<(), String> {
        let answer = self.0.ask(bytes, WITHIN).await;
        let answer = answer.map_err(|error| error.to_string())?;
        answer.synced.map_err(|error| error.to_string())
    }
}
