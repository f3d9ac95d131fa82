//! A disk in memory, on which nothing fails.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use durable::Disk;

/// Files by name. Its clones are the same one.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory(Rc<RefCell<BTreeMap<String, Vec<u8>>>>);

impl Memory {
    /// The bytes of a file; empty if it does not exist.
    pub(super) fn bytes(&self, name: &str) -> Vec<u8> {
        self.0.borrow().get(name).cloned().unwrap_or_default()
    }

    /// A file with these bytes, in place of an older one.
    pub(super) fn put(&self, name: &str, bytes: Vec<u8>) {
        self.0.borrow_mut().insert(name.to_owned(), bytes);
    }

    fn with<T>(&self, name: &str, act: impl FnOnce(&mut Vec<u8>) -> T) -> io::Result<T> {
        match self.0.borrow_mut().get_mut(name) {
            Some(file) => Ok(act(file)),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Disk for Memory {
    fn list(&mut self) -> io::Result<Vec<String>> {
        Ok(self.0.borrow().keys().cloned().collect())
    }

    fn size(&mut self, name: &str) -> io::Result<u64> {
        self.with(name, |file| file.len() as u64)
    }

    fn read(&mut self, name: &str, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.with(name, |file| {
            let from = usize::try_from(offset)
                .unwrap_or(usize::MAX)
                .min(file.len());
            let len = buf.len().min(file.len() - from);
            buf[..len].copy_from_slice(&file[from..from + len]);
            len
        })
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        let taken = self.0.borrow().contains_key(name);
        match taken {
            true => Err(io::ErrorKind::AlreadyExists.into()),
            false => {
                self.put(name, Vec::new());
                Ok(())
            }
        }
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<usize> {
        self.with(name, |file| file.extend_from_slice(bytes))?;
        Ok(bytes.len())
    }

    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()> {
        self.with(name, |file| {
            file.truncate(usize::try_from(len).unwrap_or(usize::MAX))
        })
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let file = self.with(from, std::mem::take)?;
        self.0.borrow_mut().remove(from);
        self.put(to, file);
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.with(name, |_| ())?;
        self.0.borrow_mut().remove(name);
        Ok(())
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.with(name, |_| ())
    }

    fn sync_names(&mut self) -> io::Result<()> {
        Ok(())
    }
}
