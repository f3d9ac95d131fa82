//! A log: records one behind the other, which nothing but damage to the medium takes away.
//!
//! A file begins with a mark, a record without payload: the sequences of the file count on from its
//! own, even when no record follows. The bytes of a record are drawn in [`record`].
//!
//! ```text
//!  append ──► file ──sync──► certain        replace ──► NAME.new ──sync, rename──► certain
//!              │
//!              └─ failed half way: cut off, at the latest before the next append
//! ```

#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, RandomState};
use std::io;

use super::disk::Disk;
use super::record::{self, PAYLOAD_MAX};
use super::replace::{append_whole, fresh, put, remove_if_there};
use super::scan::{scan, Opened};

/// Bytes that are copied or written together while a file is rewritten.
const PIECE: usize = 16 << 10;

/// An open log. It holds no file open and needs the same disk at every call.
#[derive(Debug)]
pub struct Log {
    name: String,
    /// Whole records.
    records: u64,
    /// Where the last whole record ends.
    end: u64,
    /// The sequence of the next record.
    next: u64,
    /// The salt that every head in the file has.
    salt: u32,
    /// There is a file.
    exists: bool,
    /// Something may lie behind `end` that has to be cut off.
    torn: bool,
    /// Records may be there that are not synced.
    unsynced: bool,
    /// The name may not be synced.
    unnamed: bool,
    /// A sync failed: records may never get to the medium unless they are written again.
    doubtful: bool,
}

/// An end that a log has had.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    records: u64,
    end: u64,
    next: u64,
}

impl Log {
    /// Opens the log in the file `name`, showing every record to `visit` with its sequence, in order.
    ///
    /// Holds 60 KiB in memory at most, however long the log is. A torn end is cut off, and damage in
    /// the middle costs the records it lies in. After a kill, records may be shown that a power cut
    /// would still take away: who acts on them calls [`Log::sync`] first.
    ///
    /// # Errors
    ///
    /// A disk that does not read. A file that is not there is an empty log and is made when something
    /// is appended.
    pub fn open(
        disk: &mut dyn Disk,
        name: impl Into<String>,
        visit: &mut dyn FnMut(u64, &[u8]),
    ) -> io::Result<(Log, Opened)> {
        let name = name.into();
        let found = match scan(disk, &name, visit) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            found => Some(found?),
        };
        let exists = found.is_some();
        let found = found.unwrap_or_default();
        // Whose is not known of what is cut off.
        let salt = found.salt.filter(|_| found.end > 0);
        let mut log = Log {
            name,
            records: found.opened.records,
            end: found.end,
            next: found.next.max(1),
            // Nobody can foretell a hash of theirs: their keys are random.
            salt: salt.unwrap_or_else(|| RandomState::new().hash_one(()) as u32),
            exists,
            torn: found.opened.cut > 0,
            unsynced: exists,
            unnamed: true,
            doubtful: false,
        };
        // Both can be done later; neither keeps anybody from reading.
        let _ = log.mend(disk);
        let _ = remove_if_there(disk, &fresh(&log.name));
        Ok((log, found.opened))
    }

    /// Bytes of the records and what belongs to them.
    pub fn size(&self) -> u64 {
        self.end
    }

    /// The sequence the next record will have: from 1, rising by 1, never the same twice once it was
    /// synced.
    pub fn next_sequence(&self) -> u64 {
        self.next
    }

    /// Adds a record and returns its sequence. It survives a kill now, and a power cut after the next
    /// [`Log::sync`].
    ///
    /// # Errors
    ///
    /// An empty payload or one longer than [`PAYLOAD_MAX`]; a disk that does not take it: then the
    /// log is what it was.
    pub fn append(&mut self, disk: &mut dyn Disk, payload: &[u8]) -> io::Result<u64> {
        check(payload)?;
        self.mend(disk)?;
        if !self.exists {
            disk.create(&self.name)?;
            self.exists = true;
        }
        let mut bytes = Vec::with_capacity(2 * record::HEAD + payload.len());
        if self.end == 0 {
            record::encode(self.salt, self.next - 1, &[], &mut bytes);
        }
        record::encode(self.salt, self.next, payload, &mut bytes);
        if let Err(error) = append_whole(disk, &self.name, &bytes) {
            self.torn = true;
            // If it cannot be cut off now, it is before the next append.
            let _ = self.mend(disk);
            return Err(error);
        }
        self.end += bytes.len() as u64;
        self.records += 1;
        self.next += 1;
        self.unsynced = true;
        Ok(self.next - 1)
    }

    /// Adds records that are of no use without each other. A kill may leave the first of them alone.
    ///
    /// # Errors
    ///
    /// As of [`Log::append`]: then the log has none of them.
    pub fn append_all(
        &mut self,
        disk: &mut dyn Disk,
        payloads: &mut dyn Iterator<Item = Vec<u8>>,
    ) -> io::Result<()> {
        let before = self.mark();
        for payload in payloads {
            if let Err(error) = self.append(disk, &payload) {
                self.go_back(disk, before);
                return Err(error);
            }
        }
        Ok(())
    }

    /// The end of the log as it is now.
    pub fn mark(&self) -> Mark {
        Mark {
            records: self.records,
            end: self.end,
            next: self.next,
        }
    }

    /// Takes back what was appended since `mark`, which is of this log since it was last replaced.
    pub fn go_back(&mut self, disk: &mut dyn Disk, mark: Mark) {
        // A sync that had to write everything again may have found less.
        if self.end <= mark.end {
            return;
        }
        (self.records, self.end, self.next) = (mark.records, mark.end, mark.next);
        self.torn = true;
        // As in `append`.
        let _ = self.mend(disk);
    }

    /// Waits until everything appended is certain to survive. Does nothing if it is already.
    ///
    /// # Errors
    ///
    /// A disk that does not sync: what was appended since the last sync stays in the log without that
    /// certainty, and the next call writes it again. A kill before that has happened takes away the
    /// knowledge, not the records. [`io::ErrorKind::InvalidData`] says that some of it is gone; the next
    /// record follows the last that is there.
    pub fn sync(&mut self, disk: &mut dyn Disk) -> io::Result<()> {
        if !self.exists {
            return Ok(());
        }
        if self.doubtful {
            return self.write_again(disk);
        }
        if self.unsynced {
            self.sync_bytes(disk)?;
            self.unsynced = false;
        }
        self.sync_name(disk)
    }

    /// Puts `payloads` in the place of all records, whole: after a power cut there are the records of
    /// before or these. Sequences go on. When this returns, it survives.
    ///
    /// # Errors
    ///
    /// A payload that [`Log::append`] would refuse; a disk that fails: then the log is the one of
    /// before, or the new one without certainty that it survives.
    pub fn replace(
        &mut self,
        disk: &mut dyn Disk,
        payloads: &mut dyn Iterator<Item = Vec<u8>>,
    ) -> io::Result<()> {
        let (mut end, mut next, salt) = (0, self.next, self.salt);
        put(disk, &self.name, &mut |disk, fresh| {
            let mut piece = Vec::with_capacity(PIECE);
            record::encode(salt, next - 1, &[], &mut piece);
            for payload in &mut *payloads {
                check(&payload)?;
                if piece.len() + record::HEAD + payload.len() > PIECE {
                    append_whole(disk, fresh, &piece)?;
                    end += piece.len() as u64;
                    piece.clear();
                }
                record::encode(salt, next, &payload, &mut piece);
                next += 1;
            }
            end += piece.len() as u64;
            append_whole(disk, fresh, &piece)
        })?;
        (self.records, self.end) = (next - self.next, end);
        self.next = next;
        self.took_place();
        self.sync_name(disk)
    }

    /// Gives the log the name `name`, in the place of what has it. Whether the old or the new file has
    /// that name after a power cut is certain only after the next [`Log::sync`].
    ///
    /// # Errors
    ///
    /// A disk that does not rename: then nothing has changed.
    pub fn take_place_of(&mut self, disk: &mut dyn Disk, name: &str) -> io::Result<()> {
        disk.rename(&self.name, name)?;
        name.clone_into(&mut self.name);
        self.unnamed = true;
        Ok(())
    }

    /// Cuts off what lies behind the last whole record. The cut is synced before anything else is
    /// written there: the first bytes of a new record, over one that lacked just those, would make the
    /// old one whole.
    fn mend(&mut self, disk: &mut dyn Disk) -> io::Result<()> {
        if !self.torn {
            return Ok(());
        }
        disk.truncate(&self.name, self.end)?;
        self.sync_bytes(disk)?;
        self.torn = false;
        Ok(())
    }

    fn sync_bytes(&mut self, disk: &mut dyn Disk) -> io::Result<()> {
        let synced = disk.sync(&self.name);
        self.doubtful |= synced.is_err();
        synced
    }

    fn sync_name(&mut self, disk: &mut dyn Disk) -> io::Result<()> {
        if self.unnamed {
            disk.sync_names()?;
            self.unnamed = false;
        }
        Ok(())
    }

    /// Copies the log to a new file. The kernel takes what it once failed to write for written, so
    /// another sync of the same file would prove nothing.
    fn write_again(&mut self, disk: &mut dyn Disk) -> io::Result<()> {
        let (name, end) = (self.name.clone(), self.end);
        put(disk, &name, &mut |disk, fresh| {
            let mut piece = vec![0; PIECE];
            let mut at = 0;
            while at < end {
                let len = (end - at).min(PIECE as u64) as usize;
                let len = disk.read(&name, at, &mut piece[..len])?;
                if len == 0 {
                    break;
                }
                append_whole(disk, fresh, &piece[..len])?;
                at += len as u64;
            }
            Ok(())
        })?;
        self.took_place();
        // Until it is known what was copied: what could not be written may not be there to be read.
        self.doubtful = true;
        let found = scan(disk, &self.name, &mut |_, _| {})?;
        self.doubtful = false;
        if (found.opened.records, found.end) == (self.records, self.end) {
            return self.sync_name(disk);
        }
        (self.records, self.end) = (found.opened.records, found.end);
        if found.end > 0 {
            // A record further on could not follow the last that is there. A file that starts over has a mark.
            self.next = found.next;
        }
        self.torn = found.opened.cut > 0;
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "records that could not be synced are gone",
        ))
    }

    /// A new file, synced but for its name, is the log.
    fn took_place(&mut self) {
        self.exists = true;
        self.torn = false;
        self.unsynced = false;
        self.unnamed = true;
        self.doubtful = false;
    }
}

fn check(payload: &[u8]) -> io::Result<()> {
    let why = match payload.len() {
        0 => "is an empty record",
        1..=PAYLOAD_MAX => return Ok(()),
        _ => "is longer than a record of a log",
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, why))
}
