//! Taking over what an earlier run left, however it ended.

use std::io;
use std::path::Path;

use super::gap::{Gap, Gaps, Reason};
use super::segment::{self, Name, Segment};
use super::store::Spool;
use super::SpoolError;
use crate::durable::{Directory, Disk};

impl Spool<Directory> {
    /// Opens the spool in `dir` for the boot `boot_id`, holding at most `max` bytes.
    ///
    /// # Errors
    ///
    /// A directory that is not safely ours ([`Directory::open`]) or cannot be read, a boot id that
    /// cannot stand in a file name.
    pub fn open(dir: &Path, boot_id: &str, max: u64) -> Result<Self, SpoolError> {
        let failed = |source| SpoolError::Directory {
            path: dir.to_path_buf(),
            source,
        };
        let disk = Directory::open(dir).map_err(failed)?;
        Spool::on(disk, boot_id, max)
    }
}

impl<D: Disk> Spool<D> {
    /// Opens the spool on `disk`: repairs it, finishes what was begun, and counts on.
    ///
    /// # Errors
    ///
    /// A disk that cannot be listed or takes no new file, a boot id that cannot stand in a file name.
    pub fn on(disk: D, boot_id: &str, max: u64) -> Result<Self, SpoolError> {
        if !segment::is_boot_id(boot_id) {
            return Err(SpoolError::BootId);
        }
        let mut spool = Spool {
            disk,
            boot_id: boot_id.to_owned(),
            max,
            apart: false,
            segments: Default::default(),
            next_ordinal: 1,
            next_seq: 1,
            pending: Default::default(),
            owed: Gaps::default(),
            taken: None,
            batches: 0,
            dropped: 0,
            last_error: None,
        };
        spool.load().map_err(SpoolError::List)?;
        spool.settle_dropped();
        spool.find_tail()?;
        Ok(spool)
    }

    /// Reads every segment; other files are none of ours and stay.
    fn load(&mut self) -> io::Result<()> {
        for file in self.disk.list()? {
            let Some(name) = Name::parse(&file) else {
                log::warn!("spool: ignoring {file:?}, which is not a segment");
                continue;
            };
            self.next_ordinal = self.next_ordinal.max(name.ordinal + 1);
            let content = match segment::read(&mut self.disk, &file) {
                Ok(content) => content,
                Err(error) => {
                    log::warn!("spool: ignoring segment {file}: {error}");
                    continue;
                }
            };
            let mut segment = Segment::scan(name, &content);
            if segment.torn {
                log::warn!("spool: cutting half a line off segment {file}");
                segment.torn = match self.disk.truncate(&file, segment.bytes) {
                    Ok(()) => false,
                    Err(error) => {
                        self.failed("repair", &segment.name, &error);
                        true
                    }
                };
                self.lose(Gap {
                    from: segment.to,
                    to: None,
                    count: 1,
                    reason: Reason::Damaged,
                });
            }
            self.segments.push_back(segment);
        }
        let segments = self.segments.make_contiguous();
        segments.sort_by_key(|segment| segment.name.ordinal);
        Ok(())
    }

    /// A segment that was being dropped goes if the report that declares it was written, and comes
    /// back if not.
    fn settle_dropped(&mut self) {
        let names: Vec<Name> = self
            .segments
            .iter()
            .map(|segment| segment.name.clone())
            .collect();
        for name in names {
            let Some(by) = &name.dropped_by else { continue };
            let declared = self.segments.iter().any(|segment| {
                segment.name.first.boot_id == by.boot_id && segment.next_seq() > by.seq
            });
            if declared {
                self.remove(&name);
                continue;
            }
            let own = Name {
                dropped_by: None,
                ..name.clone()
            };
            let Some(at) = self.segments.iter().position(|s| s.name == name) else {
                continue;
            };
            match self.disk.rename(&name.to_string(), &own.to_string()) {
                Ok(()) => self.segments[at].name = own,
                Err(error) => {
                    // It goes with the next report, so that report has to say it.
                    self.failed("bring back", &name, &error);
                    let lost = self.segments[at].gap(Reason::Full);
                    self.lose(lost);
                }
            }
        }
    }

    /// Counts on where this boot stopped, and leaves exactly one empty segment at most: the tail.
    fn find_tail(&mut self) -> Result<(), SpoolError> {
        let of_this_boot = |s: &&Segment| s.name.first.boot_id == self.boot_id;
        let known = self
            .segments
            .iter()
            .filter(of_this_boot)
            .map(Segment::next_seq);
        self.next_seq = known.max().unwrap_or(1);
        let fits = self.segments.back().is_some_and(|tail| {
            tail.name.first.boot_id == self.boot_id
                && tail.next_seq() == self.next_seq
                && tail.is_kept()
        });
        if !fits {
            self.roll(self.next_seq)
                .map_err(|(name, source)| SpoolError::Create {
                    name: name.to_string(),
                    source,
                })?;
        }
        let last = self.segments.len() - 1;
        let older = self.segments.iter().take(last);
        let empty: Vec<Name> = older
            .filter(|s| s.reports == 0)
            .map(|s| s.name.clone())
            .collect();
        empty.iter().for_each(|name| self.remove(name));
        Ok(())
    }
}
