//! Facts about a boot that are kept beside its reports.

use super::record::{Certainty, Head};

/// Periods of a boot in which the clock was wrong and then set right; more are not restamped.
pub(crate) const ANCHORS_MAX: usize = 32;

/// When a clock that was wrong is known to have been wrong by how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Anchor {
    /// Seqs it is for.
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// Seconds since the epoch at the boot.
    pub(crate) base: u64,
}

impl Anchor {
    /// True if it tells when this report was taken.
    pub(crate) fn concerns(&self, head: &Head) -> bool {
        head.clock == Certainty::Unsynced && (self.first..=self.last).contains(&head.seq)
    }
}

/// Facts about a boot that are kept beside its reports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Notes {
    pub(crate) next_seq: u64,
    /// Every loss up to this id is declared by a report that was kept.
    pub(crate) declared: u64,
    /// Reports up to this seq were sent with the time they have.
    pub(crate) fixed: u64,
    pub(crate) anchors: Vec<Anchor>,
}

impl Notes {
    /// Takes over what `other` knows and this does not.
    pub(crate) fn join(&mut self, other: &Notes) {
        self.next_seq = self.next_seq.max(other.next_seq);
        self.declared = self.declared.max(other.declared);
        self.fixed = self.fixed.max(other.fixed);
        for anchor in &other.anchors {
            if !self.anchors.contains(anchor) {
                self.anchors.push(*anchor);
            }
        }
    }
}
