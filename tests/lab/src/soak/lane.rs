//! A lane of faults at a moment.

use fastrand::Rng;
use tokio::time::Instant;

use super::fault::{Fault, LANES};

/// A lane: the faults to come, the one that is there, and when that ends or the next one comes.
pub(super) struct Lane {
    pub(super) faults: Vec<Fault>,
    pub(super) present: Option<Fault>,
    pub(super) until: Instant,
}

impl Lane {
    /// Has each fault `passes` times.
    pub(super) fn new(faults: &[Fault], passes: u32, rng: &mut Rng) -> Self {
        Lane {
            faults: (0..passes)
                .flat_map(|_| Lane::shuffled(faults, rng))
                .collect(),
            present: None,
            until: Instant::now(),
        }
    }

    /// The faults in another order, those of a short lane as often as it takes to last as long as the others.
    pub(super) fn shuffled(faults: &[Fault], rng: &mut Rng) -> Vec<Fault> {
        let longest = LANES.iter().map(|faults| faults.len()).max().unwrap_or(0);
        let mut faults = faults.repeat(longest / faults.len());
        rng.shuffle(&mut faults);
        faults
    }

    pub(super) fn is_over(&self) -> bool {
        self.faults.is_empty() && self.present.is_none()
    }
}
