//! The rules for reboots by recovery and guard: one in an outage, three in 24 h. Pure.

use serde::Serialize;
use serde_json::Value;

use crate::written::{flag, list, number, Fields};

/// Reboots in [`DAY`].
pub const REBOOTS: usize = 3;

/// The time in which they are counted, s.
pub const DAY: u32 = 86_400;

/// Why the device may not be rebooted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the device has been rebooted {REBOOTS} times within 24 h")]
    Budget,
    #[error("the device has been rebooted in this outage")]
    Outage,
}

/// The reboots that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
pub struct Counters {
    /// Age of each, s; less than [`DAY`].
    ages: [Option<u32>; REBOOTS],
    /// The outage for which the device was rebooted has not ended yet.
    outage: bool,
    /// True if that reboot is recorded and has not come yet.
    pending: bool,
}

impl Counters {
    /// All reboots were used up just now, for any outage.
    pub fn used_up() -> Self {
        Counters {
            ages: [Some(0); REBOOTS],
            ..Counters::default()
        }
    }

    pub(super) fn read(value: Value) -> Option<Self> {
        let mut fields = Fields::of(value)?;
        let age = |age: Value| match age {
            Value::Null => Some(None),
            age => number(age).map(Some),
        };
        let ages = fields.maybe("ages", |ages| list(ages, age))?;
        Some(Counters {
            ages: match ages {
                Some(ages) => ages.try_into().ok()?,
                None => [None; REBOOTS],
            },
            outage: fields.maybe("outage", flag)?.unwrap_or_default(),
            pending: fields.maybe("pending", flag)?.unwrap_or_default(),
        })
    }

    /// Time passes.
    pub fn pass(&mut self, seconds: u32) {
        for age in &mut self.ages {
            *age = age
                .map(|age| age.saturating_add(seconds))
                .filter(|age| *age < DAY);
        }
    }

    /// The device has booted.
    pub fn booted(&mut self) {
        self.pending = false;
    }

    /// The device is online.
    pub fn online(&mut self) {
        (self.outage, self.pending) = (false, false);
    }

    /// Reboots that count.
    pub fn used(&self) -> usize {
        self.ages.iter().flatten().count()
    }

    /// A reboot is recorded for an outage that goes on.
    pub fn is_in_outage(&self) -> bool {
        self.outage
    }

    /// This outage has had its reboot.
    pub fn has_rebooted(&self) -> bool {
        self.outage && !self.pending
    }

    /// The reboot of this outage is recorded and has not come yet.
    #[cfg(test)]
    pub fn is_pending(&self) -> bool {
        self.pending
    }

    /// Counts a reboot, for the ladder if `for_outage`, else for the guard. One that has not come yet
    /// counts from now on, and not twice.
    ///
    /// # Errors
    ///
    /// The reboot may not be: nothing changes.
    pub fn reboot(&mut self, for_outage: bool) -> Result<(), Refusal> {
        if self.pending {
            // The newest, unless it was asked for more than a day ago: then there is no other either.
            crate::sorted::sort(&mut self.ages);
            let newest = self.ages.iter().position(Option::is_some).unwrap_or(0);
            self.ages[newest] = Some(0);
            return Ok(());
        }
        if for_outage && self.outage {
            return Err(Refusal::Outage);
        }
        let free = self.ages.iter_mut().find(|age| age.is_none());
        *free.ok_or(Refusal::Budget)? = Some(0);
        (self.outage, self.pending) = (true, true);
        crate::sorted::sort(&mut self.ages);
        Ok(())
    }
}
