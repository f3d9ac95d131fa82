//! The bounds of a table, and the time as it counts.

/// The bounds of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Ids of the broker.
    pub broker: usize,
    /// Ids of the bus.
    pub bus: usize,
    /// Time for which an id is kept after its result was taken, s.
    pub keep: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            broker: 10_000,
            bus: 1_000,
            keep: 24 * 3600,
        }
    }
}

/// The time, as the table needs it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Now {
    /// Seconds for which agents have run on this device, all of them together.
    pub age: u32,
    /// A second since the epoch that has certainly passed, even if the clock is wrong.
    pub floor: u64,
}
