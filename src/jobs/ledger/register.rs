//! The register on a disk: the log `ids` in `state_dir`/keep, beside the ledger `jobs` in `state_dir`.
//!
//! # Constraints
//!
//! sysupgrade and backups keep nothing of `state_dir` but its directory keep. So the ledger is gone after an
//! upgrade, and a signed job that ran before it and has not expired could run once more; an upgrade that is itself a
//! job, whose acknowledgement got lost on the way, would begin again for ever. The ledger itself cannot lie there: a
//! backup restored a month later would run what was waiting when it was made.
//!
//! The register holds no jobs, only which ids may not run again ([`crate::jobs::table::Page`]). The ledger stays the truth. It is written and
//! synced first; then the page goes to the register, without a sync; then the job starts. sysupgrade reads
//! files as they are in the page cache, and what power cuts may do to the register is made up for by the ledger. So a
//! job costs one short write more, and no sync.
//!
//! # What is left
//!
//! | | ledger | register | the next agent |
//! |---|---|---|---|
//! | power cut before the start was synced | has no start | has no start | as without a register |
//! | power cut after it | has the start | has it, lacks it or is torn | believes the ledger, and rewrites the register |
//! | kill between the two writes | has the start | lacks it | the same; the job had not begun |
//! | upgrade with settings | is gone | has every start | takes ids and floor over, and writes the ledger: a job that comes again is answered INTERRUPTED, or as it ended |
//! | restored backup | stays, or is gone | is an older copy | takes over what the ledger lacks; the register gets what the copy lacks |
//! | the same on another device | has other ids | has those of the other one | remembers both; an id says nothing but that it may not run |
//!
//! An id is in the register and not in the ledger only if the ledger was lost or has forgotten it, for it comes to the
//! ledger first. The register is written as a whole, and synced, when it lacks something at the start, and whenever the ledger is
//! written as a whole: that bounds it, for its pages are shorter than the records of the ledger they go with.
//!
//! A register that cannot be written stops no job. A job is as safe from power cuts as before, and the device may be one
//! that only a job can mend. `jobs.kept` in `status` is false then, the log has said why, and it is tried again.

use std::io;

use durable::{Disk, Log};

use crate::jobs::table::{Bounds, Page, Recalled};

/// Name of the log.
const FILE: &str = "ids";

/// More bytes than a register ever has.
const SIZE_MAX: u64 = 4 << 20;

/// The log of ids on a disk.
#[derive(Debug)]
pub struct Register<D> {
    disk: D,
    log: Log,
}

impl<D: Disk> Register<D> {
    /// Opens the log and reads what is in it.
    ///
    /// # Errors
    ///
    /// A disk that does not read, or a log longer than any that was written.
    pub fn open(mut disk: D) -> io::Result<(Self, Recalled)> {
        match disk.size(FILE) {
            Ok(size) if size > SIZE_MAX => {
                let why = format!("{FILE}: {size} bytes are more than it ever had; remove it");
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(_) | Err(_) => {}
        }
        let mut recalled = Recalled::new(Bounds::default());
        let mut visit = |_, payload: &[u8]| recalled.read(payload);
        let (log, opened) = Log::open(&mut disk, FILE, &mut visit)?;
        recalled.damaged += opened.lost + u64::from(opened.damaged > 0);
        Ok((Register { disk, log }, recalled))
    }

    /// Writes a page, which readers of the file see at once. Only one that replaces all others is certain to
    /// survive a power cut.
    ///
    /// # Errors
    ///
    /// A disk that does not take it: some of its records may be there.
    pub fn write(&mut self, page: &Page) -> io::Result<()> {
        if page.replaces {
            return self.log.replace(&mut self.disk, &mut page.records());
        }
        for record in page.records() {
            self.log.append(&mut self.disk, &record)?;
        }
        Ok(())
    }
}
