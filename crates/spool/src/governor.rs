//! The budget of writes to flash, and how fine it lets the archive be.

/// A day, s.
const DAY: u64 = 86_400;

/// The first part of an outage, which is kept finer, s.
const FINE: u64 = 6 * 3600;

/// Steps between one a minute and one an hour, s. Each divides the next.
const GRIDS: [u64; 6] = [60, 300, 600, 1200, 1800, 3600];

/// The daily budget of flash. Days are counted from the boot, which no clock can change.
#[derive(Debug, Clone)]
pub(crate) struct Governor {
    pub(super) budget: u64,
    day: u64,
    /// Bytes written when the day began.
    before: u64,
    written: u64,
}

impl Governor {
    /// A budget of `budget` bytes, of which `written` were used up before this run.
    pub(crate) fn new(budget: u64, written: u64) -> Self {
        Governor {
            budget,
            day: 0,
            before: 0,
            written,
        }
    }

    /// At `mono` seconds after the boot, `written` bytes have been written in all.
    pub(crate) fn saw(&mut self, mono: u64, written: u64) {
        let day = mono / DAY;
        if day != self.day {
            (self.day, self.before) = (day, self.written);
        }
        self.written = self.written.max(written);
    }

    /// Bytes written today.
    pub(crate) fn today(&self) -> u64 {
        self.written - self.before
    }

    /// Bytes that may still be written today.
    pub(crate) fn left(&self) -> u64 {
        self.budget.saturating_sub(self.today())
    }

    /// Distance of the reports of `cost` bytes to keep, s, in an outage that has lasted `outage`
    /// s, so that the day's budget lasts; `None` if there is nothing left of it.
    pub(crate) fn grid(&self, mono: u64, outage: u64, cost: u64) -> Option<u64> {
        let fine = if outage < FINE { 60 } else { 300 };
        let rest_of_day = DAY - mono % DAY;
        // A fifth is for rewritten files.
        let left = self.left() / 5 * 4;
        let fits = |grid: &&u64| (rest_of_day.div_ceil(**grid)).saturating_mul(cost) <= left;
        let grids = GRIDS.iter().filter(|grid| **grid >= fine);
        match grids.clone().find(fits) {
            Some(grid) => Some(*grid),
            None => (cost <= left).then_some(GRIDS[GRIDS.len() - 1]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn an_outage_begins_fine_and_goes_on_coarser() {
        let governor = Governor::new(64 * MIB, 0);
        assert_eq!(governor.grid(0, 0, 1000), Some(60));
        assert_eq!(governor.grid(0, FINE - 1, 1000), Some(60));
        assert_eq!(governor.grid(0, FINE, 1000), Some(300));
    }

    #[test]
    fn the_less_is_left_of_a_day_the_coarser_it_gets() {
        let mut governor = Governor::new(MIB, 0);
        assert_eq!(governor.grid(0, FINE, 1300), Some(300));
        governor.saw(3600, MIB / 2);
        assert_eq!(governor.left(), MIB / 2);
        assert_eq!(governor.grid(3600, FINE, 3000), Some(600));
        // Late in the day there is less to come.
        assert_eq!(governor.grid(DAY / 2, FINE, 2700), Some(300));
        governor.saw(DAY - 10, MIB - 5000);
        assert_eq!(governor.grid(DAY - 10, FINE, 3000), Some(300));
        assert_eq!(governor.grid(DAY - 10, FINE, 4001), None);
        governor.saw(DAY + 1, MIB - 4000);
        assert_eq!(governor.today(), 1000, "a new day");
    }

    #[test]
    fn what_an_earlier_run_wrote_counts() {
        let governor = Governor::new(MIB, MIB - 10);
        assert_eq!(governor.today(), MIB - 10);
        assert_eq!(governor.grid(0, 0, 100), None);
    }
}
