//! The room that jobs take, counted for each source by itself.

use crate::jobs::source::Source;

/// All waiting jobs of the broker together, with everything they hold, bytes.
pub(super) const BROKER_QUEUE_MAX: usize = 4 << 20;

/// The same of the bus.
pub(super) const BUS_QUEUE_MAX: usize = 2 << 20;

/// The room that jobs of one source take.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// Jobs in the table that are recorded.
    pub(super) recorded: usize,
    /// Jobs that are not recorded and not reported.
    pub(super) loose: usize,
    /// Bytes held by jobs that were not started.
    pub(super) queued: usize,
}

/// Neither source can use up the room of the other.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    pub(super) broker: Room,
    pub(super) bus: Room,
}

impl Rooms {
    pub(super) fn of(&mut self, source: Source) -> &mut Room {
        match source {
            Source::Mqtt => &mut self.broker,
            Source::Ubus => &mut self.bus,
        }
    }

    /// True if `held` bytes more may wait.
    pub(super) fn has_queue_for(&mut self, source: Source, held: usize) -> bool {
        let max = match source {
            Source::Mqtt => BROKER_QUEUE_MAX,
            Source::Ubus => BUS_QUEUE_MAX,
        };
        self.of(source).queued + held <= max
    }
}
