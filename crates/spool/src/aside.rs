//! Reports set aside: they stay where they are, and the others go on without them.
//!
//! Which they are is known in memory alone. After a restart they are back in their place in the queue,
//! and the server has to refuse them again.

use std::sync::Arc;

use durable::Disk;

use super::batch::{Batch, BatchId, Taken};
use super::spool::Spool;
use crate::Reading;

/// Names a report for as long as it exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportId {
    pub(super) boot: Arc<str>,
    pub(super) seq: u64,
}

impl ReportId {
    /// Names the report `seq` of a boot.
    pub fn new(boot: &str, seq: u64) -> Self {
        ReportId {
            boot: boot.into(),
            seq,
        }
    }

    /// Its number in its boot.
    pub fn seq(&self) -> u64 {
        self.seq
    }
}

/// The reports that the queue does without.
#[derive(Debug, Default)]
pub(super) struct Aside(Vec<ReportId>);

impl Aside {
    pub(super) fn holds(&self, boot: &str, seq: u64) -> bool {
        let mut all = self.0.iter();
        all.any(|report| report.seq == seq && *report.boot == *boot)
    }
}

impl<R: Disk, F: Disk> Spool<R, F> {
    /// The batch was refused: its reports stay, within the bounds like all others, and
    /// [`Spool::next_batch`] and [`Spool::newest`] leave them out until they are taken back.
    pub fn set_aside(&mut self, id: BatchId) {
        let Some(taken) = self.taken.take_if(|taken| taken.id == id) else {
            return;
        };
        self.forget_aside(&taken);
        let reports = self.named(&taken);
        self.aside.0.extend(reports);
    }

    /// Puts one report, set aside or not, into a batch of its own; `None` if it no longer waits.
    pub fn alone(&mut self, report: &ReportId, now: Reading) -> Option<Batch> {
        let batch = self.batch_of(report, now);
        if batch.is_none() && !self.waits(report) {
            // Thinned, or lost in another way; that is declared.
            self.aside.0.retain(|other| other != report);
        }
        batch
    }

    /// Puts reports that were set aside back in their place in the queue: nothing was accepted after
    /// they were refused.
    pub fn take_back(&mut self, reports: &[ReportId], now: Reading) {
        self.aside.0.retain(|report| !reports.contains(report));
        if !reports.is_empty() {
            self.offline_since.get_or_insert(now.mono);
        }
        self.tick(now);
    }

    /// Puts all reports back in their place in the queue.
    pub fn take_back_all(&mut self) {
        self.aside.0.clear();
    }

    /// The reports of a batch are set aside no longer: they leave the spool, or go back to their place.
    pub(super) fn forget_aside(&mut self, taken: &Taken) {
        let reports = self.named(taken);
        self.aside.0.retain(|report| !reports.contains(report));
    }

    fn named(&self, taken: &Taken) -> Vec<ReportId> {
        let reports = taken.reports();
        let named = reports.map(|(rank, seq)| ReportId {
            boot: self.stores.boots[rank].0.clone(),
            seq,
        });
        named.collect()
    }
}
