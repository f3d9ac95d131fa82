//! A change on trial: evidence is gathered until it is decided.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, sleep_until, timeout, Instant};

use super::decide::{Evidence, Needs, Next, Trial};
use crate::process::clock::Pace;
use crate::process::facts::changed;
use crate::tasks::spawn;
use crate::{health, http, mqtt, upload};

/// Between the end of a probe and the next.
const PROBE_AGAIN: Duration = Duration::from_secs(5);

/// Longest wait for the outcome of a delivery, which nobody needs.
const DELIVERY: Duration = Duration::from_secs(60);

/// The parts that know of the way out.
#[derive(Clone)]
pub struct Witnesses {
    pub mqtt: watch::Receiver<mqtt::Facts>,
    pub api: watch::Receiver<http::Facts>,
    pub health: health::Handle,
    pub deliveries: upload::Handle,
}

/// A probe under way, with the time before which it did not begin.
type Probing = Pin<Box<dyn Future<Output = (Option<Instant>, Option<u8>)> + Send>>;

impl Witnesses {
    /// The reach of the device now.
    pub async fn reached(&self) -> Needs {
        let broker = self.mqtt.borrow().connected;
        let known = self.health.facts().borrow().code;
        let code = match known {
            Some(code) => Some(code),
            None => self.health.probe().await.and_then(|facts| facts.code),
        };
        Needs {
            code: code.unwrap_or(0),
            broker,
        }
    }

    /// The newest verdict on the way out.
    pub fn verdict(&self) -> Option<health::Verdict> {
        self.health.facts().borrow().verdict
    }

    /// Waits until there is something to do.
    pub async fn next(&mut self, trial: &Trial, needs: Needs, pace: Pace) -> Next {
        let mut probe = None;
        let mut probing: Option<Probing> = None;
        let mut is_first = true;
        loop {
            let now = Instant::now();
            let mqtt = {
                let facts = self.mqtt.borrow_and_update();
                facts.answered.filter(|_| facts.connected)
            };
            let api = self.api.borrow_and_update().accepted;
            let evidence = Evidence {
                broker: mqtt,
                api,
                probe,
            };
            let until = match trial.next(&evidence, now) {
                Next::Wait(until) => until,
                next => return next,
            };
            let counts = now >= trial.since();
            if counts && !needs.broker && probing.is_none() {
                probing = Some(self.probe(std::mem::take(&mut is_first), pace));
            }
            tokio::select! {
                () = sleep_until(until) => {}
                () = sleep_until(trial.since()), if !counts => {}
                () = changed(&mut self.mqtt) => {}
                () = changed(&mut self.api) => {}
                found = ended(&mut probing) => {
                    if let (Some(began), Some(code)) = found {
                        probe = Some((began, code));
                    }
                }
            }
        }
    }

    /// Probes, and has the API asked. The `first` probe may have been under way, so that it proves nothing.
    fn probe(&self, first: bool, pace: Pace) -> Probing {
        let (health, deliveries) = (self.health.clone(), self.deliveries.clone());
        Box::pin(async move {
            if !first {
                sleep(pace.of(PROBE_AGAIN)).await;
            }
            let began = Instant::now();
            if first {
                // Its result shows in the facts of the API.
                spawn(async move { drop(timeout(DELIVERY, deliveries.deliver()).await) });
            }
            let found = health.probe().await;
            let began = Some(began).filter(|_| !first);
            (began, found.and_then(|facts| facts.probed_code()))
        })
    }
}

async fn ended(probing: &mut Option<Probing>) -> (Option<Instant>, Option<u8>) {
    match probing {
        Some(probe) => {
            let found = probe.await;
            *probing = None;
            found
        }
        None => std::future::pending().await,
    }
}
