//! The API: what it answers, and what it has to bear.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use socketman::http::{Answer, Body, HttpError, Trouble};
use socketman::upload::{LinkError, Way};
use tokio::time::Instant;

use super::clock::Clock;

/// Its host.
const HOST: &str = "api";

/// Between a request and its answer.
const LATENCY: Duration = Duration::from_millis(100);

/// Its state at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It takes everything.
    Well,
    /// Nobody reaches it.
    Away,
    /// It answers 503, and asks for a pause if it has one.
    Busy(Option<Duration>),
    /// It answers this status to everything.
    Refuses(u16),
}

/// An API that is unwell from one moment to another, as one device reaches it.
#[derive(Debug, Clone)]
pub struct Api {
    clock: Clock,
    health: Health,
    /// From when to when.
    unwell: (Duration, Duration),
    load: Rc<RefCell<Load>>,
    /// When it first took something of this device after it was well again.
    back: Rc<RefCell<Vec<Duration>>>,
    is_back: bool,
}

/// Requests, and bytes in them, of each second since the clock began.
#[derive(Debug, Clone, Default)]
pub struct Load {
    pub requests: Vec<u64>,
    pub bytes: Vec<u64>,
}

impl Api {
    /// In `health` between the two moments, and well before and after.
    pub fn new(clock: &Clock, health: Health, unwell: (Duration, Duration)) -> Self {
        Api {
            clock: clock.clone(),
            health,
            unwell,
            load: Rc::default(),
            back: Rc::default(),
            is_back: false,
        }
    }

    /// The load it had to bear.
    pub fn load(&self) -> Load {
        self.load.borrow().clone()
    }

    /// The moments at which devices were back.
    pub fn back(&self) -> Vec<Duration> {
        self.back.borrow().clone()
    }

    fn health(&self) -> Health {
        let now = self.clock.now();
        match self.unwell.0 <= now && now < self.unwell.1 {
            true => self.health,
            false => Health::Well,
        }
    }

    fn took(&mut self) {
        if !self.is_back && self.clock.now() >= self.unwell.1 {
            self.is_back = true;
            self.back.borrow_mut().push(self.clock.now());
        }
    }
}

impl Load {
    fn add(&mut self, at: Duration, bytes: usize) {
        let second = usize::try_from(at.as_secs()).unwrap_or(usize::MAX);
        if self.requests.len() <= second {
            self.requests.resize(second + 1, 0);
            self.bytes.resize(second + 1, 0);
        }
        self.requests[second] += 1;
        self.bytes[second] += bytes as u64;
    }
}

impl Way for Api {
    fn begin(&mut self) {}

    async fn post(&mut self, body: Body, _within: Duration) -> Result<String, LinkError> {
        let health = self.health();
        if health == Health::Away {
            return Err(LinkError::Http(HttpError::Request {
                host: HOST.to_owned(),
                trouble: Trouble::NoConnection,
            }));
        }
        self.load
            .borrow_mut()
            .add(self.clock.now(), body.bytes.len());
        self.clock.sleep(LATENCY).await;
        let answer = match health {
            Health::Away | Health::Well => {
                self.took();
                return Ok(HOST.to_owned());
            }
            Health::Busy(retry_after) => Answer::Busy {
                status: 503,
                retry_after,
            },
            Health::Refuses(status) => Answer::Refused { status },
        };
        Err(LinkError::NotAccepted {
            host: HOST.to_owned(),
            answer,
            verified: true,
        })
    }

    async fn ask_date(&mut self) -> Result<bool, LinkError> {
        Ok(false)
    }

    fn take_date(&mut self) -> Option<u64> {
        None
    }

    fn now(&self) -> Instant {
        self.clock.instant()
    }

    async fn pause(&self, wait: Duration) {
        self.clock.sleep(wait).await;
    }
}
