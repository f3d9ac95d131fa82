//! config.json under a network job.
//!
//! It lies outside /etc/config, so that no snapshot has it. An undo puts its last good copy back, or takes away the file that
//! the command has added. What the disk does not let through is owed: the next agent tries it again. The digest of the file as
//! the command left it tells what somebody else has made of it since.

use std::fmt;
use std::io;
use std::path::Path;

use super::picture::Digest;
use crate::config::json::MAX_FILE;
use crate::config::Loaded;
use crate::process::file::read_small;

/// The name of what somebody else has made of it, among the conflicts.
pub(super) const CONFLICT: &str = "config.json";

/// The file at the end of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Nobody has seen that.
    Unseen,
    Gone,
    File(Digest),
}

/// The file in a trial. `Display` is its line in the journal: `THERE OWED LEFT PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json {
    /// The name of the file, one line.
    pub path: String,
    /// It was there when the command began.
    pub was_there: bool,
    pub left: Left,
    /// The undo has not put it back yet.
    pub is_owed: bool,
}

impl Json {
    /// The file before the command. `None` if a journal cannot have its name.
    pub(super) fn before(path: &Path) -> Option<Self> {
        let name = path.to_str().filter(|name| is_line(name))?;
        Some(Json {
            path: name.to_owned(),
            // A file that cannot be looked at is not taken away.
            was_there: path.try_exists().unwrap_or(true),
            left: Left::Unseen,
            is_owed: false,
        })
    }

    /// The command has ended. Waits for the disk.
    pub(super) fn see(&mut self) {
        self.left = match self.read() {
            Ok(Some(bytes)) => Left::File(Digest::of(&bytes)),
            Ok(None) => Left::Gone,
            Err(_) => Left::Unseen,
        };
    }

    /// Its bytes now; `None` if it is not there.
    pub(super) fn read(&self) -> io::Result<Option<Vec<u8>>> {
        match read_small(Path::new(&self.path), MAX_FILE) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// Can an undo put it back from the copies of `loaded`, or take it away? One that never could be used has no copy.
    pub(super) fn goes_back(&self, loaded: &Loaded) -> bool {
        let [_, copy] = loaded.good_copies();
        !self.was_there || copy.is_some_and(|copy| copy.of == Path::new(&self.path))
    }

    /// Its bytes, if somebody has changed it since the command ended.
    pub(super) fn edited(&self) -> Option<Vec<u8>> {
        let now = self.read().ok().flatten()?;
        let is_edited = match self.left {
            Left::Unseen => false,
            Left::Gone => true,
            Left::File(digest) => digest != Digest::of(&now),
        };
        is_edited.then_some(now)
    }

    pub(super) fn parse(line: &str) -> Option<Self> {
        let mut words = line.splitn(4, ' ');
        Some(Json {
            was_there: words.next()? == "1",
            is_owed: words.next()? == "1",
            left: match words.next()? {
                "?" => Left::Unseen,
                "-" => Left::Gone,
                digest => Left::File(Digest::parse(digest)?),
            },
            path: words.next()?.to_owned(),
        })
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = (u8::from(self.was_there), u8::from(self.is_owed));
        write!(f, "{} {} ", flags.0, flags.1)?;
        match self.left {
            Left::Unseen => f.write_str("?")?,
            Left::Gone => f.write_str("-")?,
            Left::File(digest) => digest.fmt(f)?,
        }
        write!(f, " {}", self.path)
    }
}

/// No longer than the kernel's paths, and without the ends of lines.
fn is_line(name: &str) -> bool {
    name.len() <= 4096 && !name.contains(char::is_control)
}
