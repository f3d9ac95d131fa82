//! The broker: who connects when, and how each session ends.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::clock::Clock;

/// Between the connection and CONNACK, and between CONNACK and the end that a broker makes which kicks.
const LATENCY: Duration = Duration::from_millis(50);

/// A broker that is unwell from one moment to another.
#[derive(Debug, Clone)]
pub struct Broker {
    clock: Clock,
    /// Accepts, and ends the session at once, instead of being away.
    kicks: bool,
    unwell: (Duration, Duration),
    connections: Rc<RefCell<Vec<u64>>>,
    /// When each session began that no end of the broker followed.
    back: Rc<RefCell<Vec<Duration>>>,
}

impl Broker {
    /// Away, or kicking, between the two moments. Its sessions end at the first.
    pub fn new(clock: &Clock, kicks: bool, unwell: (Duration, Duration)) -> Self {
        Broker {
            clock: clock.clone(),
            kicks,
            unwell,
            connections: Rc::default(),
            back: Rc::default(),
        }
    }

    /// Connections that were tried, of each second since the clock began; those that were refused included.
    pub fn connections(&self) -> Vec<u64> {
        self.connections.borrow().clone()
    }

    /// The moments at which devices were back.
    pub fn back(&self) -> Vec<Duration> {
        self.back.borrow().clone()
    }

    fn is_unwell(&self) -> bool {
        let now = self.clock.now();
        self.unwell.0 <= now && now < self.unwell.1
    }

    /// Connects, and holds the session until the broker ends it. Returns for how long it held after the broker had accepted
    /// it; zero if it did not.
    pub async fn session(&self) -> Duration {
        let second = usize::try_from(self.clock.now().as_secs()).unwrap_or(usize::MAX);
        {
            let mut connections = self.connections.borrow_mut();
            if connections.len() <= second {
                connections.resize(second + 1, 0);
            }
            connections[second] += 1;
        }
        let (from, to) = self.unwell;
        if self.is_unwell() && !self.kicks {
            return Duration::ZERO;
        }
        self.clock.sleep(LATENCY).await;
        let accepted = self.clock.now();
        if self.is_unwell() {
            self.clock.sleep(LATENCY).await;
        } else {
            if accepted >= to {
                self.back.borrow_mut().push(accepted);
                return std::future::pending().await;
            }
            self.clock.until(from).await;
        }
        self.clock.now() - accepted
    }
}
