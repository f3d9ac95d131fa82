//! Events of the device itself, from the parts that know them to the next report.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::collect::Event;

/// Events that wait for a report; of more, the newest.
const MAX: usize = 64;

/// Takes events for the next report; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct DeviceEvents(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Event>,
    lost: u64,
}

impl DeviceEvents {
    /// Adds an event to the next report. `kind` is `health`, `radio`, `recovery`, `guard` or `boot`.
    pub fn tell(&self, event: Event) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.events.len() == MAX {
            waiting.events.pop_front();
            waiting.lost += 1;
        }
        waiting.events.push_back(event);
    }

    /// The events that wait, for tests of their sources.
    #[cfg(test)]
    pub(crate) fn take_all(&self) -> (Vec<Event>, u64) {
        self.take()
    }

    /// Hands the events over in their order, with the number of those that did not fit.
    pub(crate) fn take(&self) -> (Vec<Event>, u64) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = std::mem::take(&mut waiting.lost);
        (waiting.events.drain(..).collect(), lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_more_events_than_a_report_takes_the_newest_stay_and_the_others_are_counted() {
        let events = DeviceEvents::default();
        for at in 0..MAX as u64 + 3 {
            let kind = "health";
            events.clone().tell(Event {
                at,
                kind,
                ..Event::default()
            });
        }
        let (taken, lost) = events.take();
        let times: Vec<u64> = taken.iter().map(|event| event.at).collect();
        assert_eq!(times, (3..MAX as u64 + 3).collect::<Vec<_>>());
        assert_eq!(lost, 3);
        assert_eq!(events.take(), (Vec::new(), 0));
    }
}
