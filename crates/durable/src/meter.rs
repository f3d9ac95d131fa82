//! Counts the bytes written to flash.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::disk::Disk;

/// Writes to a disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes appended, those of files that are gone again too.
    pub bytes: u64,
    /// Syncs of files and of names.
    pub syncs: u64,
}

/// Counts the writes of every [`Metered`] disk it was given to; its clones are the same meter.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Mutex<Usage>>);

impl Meter {
    /// A meter that has counted nothing.
    pub fn new() -> Self {
        Meter::default()
    }

    /// Writes since the meter was made.
    pub fn total(&self) -> Usage {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, bytes: usize, syncs: u64) {
        // Held for two additions, never while a disk is waited for.
        let mut usage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        usage.bytes = usage.bytes.saturating_add(bytes as u64);
        usage.syncs = usage.syncs.saturating_add(syncs);
    }
}

/// The writes of a day, out of a total that is asked for several times a day.
#[derive(Debug, Clone, Copy, Default)]
pub struct Daily {
    day: u64,
    /// The total when the day began.
    before: Usage,
    /// The total that was seen last.
    seen: Usage,
}

impl Daily {
    /// The part of `total` that was written on `day`, a number that changes at the turn of the day. Writes
    /// between the last call of a day and the first of the next count for the next.
    pub fn of(&mut self, day: u64, total: Usage) -> Usage {
        if day != self.day {
            self.day = day;
            self.before = self.seen;
        }
        self.seen = total;
        Usage {
            bytes: total.bytes.saturating_sub(self.before.bytes),
            syncs: total.syncs.saturating_sub(self.before.syncs),
        }
    }
}

/// A disk whose writes are counted.
#[derive(Debug)]
pub struct Metered<D> {
    disk: D,
    meter: Meter,
}

impl<D: Disk> Metered<D> {
    /// A disk whose writes `meter` counts.
    pub fn new(disk: D, meter: Meter) -> Self {
        Metered { disk, meter }
    }
}

impl<D: Disk> Disk for Metered<D> {
    crate::pass_on!(self => self.disk; list size read create truncate rename remove);

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.disk.append(name, bytes)?;
        self.meter.count(taken, 0);
        Ok(taken)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        // One that fails has worn the flash as well.
        self.meter.count(0, 1);
        self.disk.sync(name)
    }

    fn sync_names(&mut self) -> io::Result<()> {
        self.meter.count(0, 1);
        self.disk.sync_names()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{replace, Directory};
    use super::*;

    #[test]
    fn every_byte_and_every_sync_is_counted_once() {
        let tmp = tempfile::tempdir().unwrap();
        let meter = Meter::new();
        let dir = Directory::open(&tmp.path().join("own")).unwrap();
        let mut disk = Metered::new(dir, meter.clone());
        replace(&mut disk, "value", b"twelve bytes").unwrap();
        assert_eq!(
            meter.total(),
            Usage {
                bytes: 12,
                syncs: 2
            }
        );
        assert!(disk.append("other", b"nowhere").is_err());
        assert!(disk.sync("other").is_err());
        assert_eq!(
            meter.total(),
            Usage {
                bytes: 12,
                syncs: 3
            }
        );
    }

    #[test]
    fn a_metered_disk_does_what_the_disk_does() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = Directory::open(&tmp.path().join("own")).unwrap();
        let mut disk = Metered::new(dir.clone(), Meter::new());
        disk.create("one").unwrap();
        assert_eq!(disk.append("one", b"12345").unwrap(), 5);
        let mut read = [0; 4];
        assert_eq!(disk.read("one", 2, &mut read).unwrap(), 3);
        assert_eq!(&read[..3], b"345");
        disk.truncate("one", 3).unwrap();
        assert_eq!(disk.size("one").unwrap(), 3);
        disk.rename("one", "two").unwrap();
        assert_eq!(disk.list().unwrap(), ["two"]);
        disk.remove("two").unwrap();
        assert_eq!(dir.clone().list().unwrap(), [""; 0]);
    }

    #[test]
    fn a_new_day_begins_with_what_the_old_one_had_not_seen() {
        let usage = |bytes, syncs| Usage { bytes, syncs };
        let mut daily = Daily::default();
        assert_eq!(daily.of(0, usage(10, 1)), usage(10, 1));
        assert_eq!(daily.of(0, usage(30, 2)), usage(30, 2));
        assert_eq!(daily.of(1, usage(35, 2)), usage(5, 0));
        assert_eq!(daily.of(1, usage(40, 3)), usage(10, 1));
        assert_eq!(daily.of(9, usage(40, 3)), usage(0, 0));
    }
}
