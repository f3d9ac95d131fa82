//! The interface that was taken down and has to come up again, even if the agent dies.
//!
//! netifd leaves an interface down that was taken down by hand. The name is noted in a file in RAM first:
//! a reboot, which brings interfaces up by itself, forgets it.

use std::io;

use durable::{read_whole, replace, Directory};

const FILE: &str = "interface-down";

/// Longest name that is read, bytes.
const NAME_MAX: u64 = 256;

/// The note; without its directory nothing is noted.
#[derive(Debug)]
pub(super) struct Lowered {
    dir: Option<Directory>,
    name: Option<String>,
}

impl Lowered {
    /// The note in `dir`, and what an earlier agent left in it.
    pub(super) fn open(dir: io::Result<Directory>) -> Self {
        let dir = dir.map_err(|error| log::warn!("{}: {error}", crate::process::starts::DIR));
        let mut dir = dir.ok();
        let found = dir.as_mut().map(|dir| read_whole(dir, FILE, NAME_MAX));
        let name = match found {
            Some(Ok(bytes)) => String::from_utf8(bytes).ok(),
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => {
                log::warn!("{}/{FILE}: {error}", crate::process::starts::DIR);
                None
            }
            Some(Err(_)) | None => None,
        };
        Lowered {
            dir,
            name: name.filter(|name| !name.is_empty()),
        }
    }

    /// The interface that has to come up.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Notes that `name` goes down.
    ///
    /// # Errors
    ///
    /// A note that cannot be written: then it had better stay up.
    pub(super) fn goes_down(&mut self, name: &str) -> io::Result<()> {
        let dir = self.dir.as_mut();
        let dir = dir.ok_or_else(|| io::Error::other("has no directory"))?;
        replace(dir, FILE, name.as_bytes())?;
        self.name = Some(name.to_owned());
        Ok(())
    }

    /// Notes that the interface is up again, or will come up by itself.
    pub(super) fn is_up(&mut self) {
        self.name = None;
        let removed = self
            .dir
            .as_mut()
            .map(|dir| durable::Disk::remove(dir, FILE));
        match removed {
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => {
                log::warn!("{}/{FILE}: {error}", crate::process::starts::DIR);
            }
            Some(Ok(()) | Err(_)) | None => {}
        }
    }
}
