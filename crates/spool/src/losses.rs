//! Losses, and where they are kept until a report has declared them.
//!
//! A loss that is written into a segment has an id, and every report says up to which id it declares them. One
//! that is written nowhere yet is owed by the next report.

use durable::Disk;

use super::gap::{Gap, Gaps, Reason};
use super::record::ALL_SAFE;
use super::stores::Stores;

/// The losses of a spool.
#[derive(Debug)]
pub(super) struct Losses {
    /// Id of the next loss that is written down.
    pub(super) next_id: u64,
    /// Losses up to this id are declared by a report that is kept, on disk or pending.
    pub(super) promised: u64,
    /// Lost, written down nowhere, and declared by no line yet.
    pub(super) owed: Gaps,
    /// A power cut now loses nothing that is older, seconds since the epoch.
    pub(super) since: u64,
    /// Reports lost because there was room for fewer in that time only.
    pub(super) thinned: u64,
    /// Reports lost for any other reason.
    pub(super) dropped: u64,
}

impl Default for Losses {
    fn default() -> Self {
        Losses {
            next_id: 1,
            promised: 0,
            owed: Gaps::default(),
            since: ALL_SAFE,
            thinned: 0,
            dropped: 0,
        }
    }
}

impl Losses {
    /// A power cut would lose what was taken at `at`, or nobody knows when.
    pub(super) fn doubt(&mut self, at: Option<u64>) {
        self.since = self.since.min(at.unwrap_or(0));
    }

    /// Counts reports as lost.
    pub(super) fn count(&mut self, gap: &Gap) {
        let counter = match gap.reason {
            Reason::Thinned => &mut self.thinned,
            _ => &mut self.dropped,
        };
        *counter = counter.saturating_add(gap.count.unwrap_or(0));
    }

    /// Counts reports as lost and declares them in the next line.
    pub(super) fn lose(&mut self, gap: Gap) {
        self.count(&gap);
        self.owed.add(gap);
    }

    /// All that the next report has to declare.
    pub(super) fn gaps<R: Disk, F: Disk>(&self, stores: &Stores<R, F>) -> Gaps {
        let mut gaps = self.owed.clone();
        let written = stores.ram.owed(self.promised).map(|(_, gap)| gap.clone());
        gaps.extend(written);
        if let Some(archive) = &stores.archive {
            let written = archive.store.owed(self.promised);
            gaps.extend(written.map(|(_, gap)| gap.clone()));
        }
        gaps
    }
}
