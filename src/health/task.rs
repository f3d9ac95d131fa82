//! The loop that hears the other parts, the signs and the questions, and decides when to probe.

use std::future::Future;
use std::pin::Pin;

use tokio::sync::{mpsc, watch};
use tokio::time::{sleep_until, Instant};

use super::probe::{Findings, Task};
use super::proof::{self, Servers};
use super::signs::Sign;
use super::state::Health;
use super::Part;
use crate::process::facts::changed;

/// A probe under way.
pub(super) type Probe = Pin<Box<dyn Future<Output = Findings> + Send>>;

/// Begins a probe.
pub(super) type Begin = Box<dyn FnMut(Task) -> Probe + Send>;

impl Part {
    /// `device` gets the one whose link netifd is to tell.
    pub(super) async fn watch(
        self,
        mut begin: Begin,
        mut signs: mpsc::Receiver<Sign>,
        device: watch::Sender<Option<String>>,
    ) {
        let mut health = Health::new(&self, device);
        let Part {
            settings,
            mut mqtt,
            mut api,
            asks,
            ..
        } = self;
        let heartbeat = settings.pace.of(settings.heartbeat);
        let has_api = !settings.stats_url.is_empty();
        let mut under_way: Option<(Probe, bool)> = None;
        loop {
            let now = Instant::now();
            let (proof, servers) = {
                let (mqtt, api) = (mqtt.borrow_and_update(), api.borrow_and_update());
                let lost = health.lost();
                let proof = proof::proof(&mqtt, &api, heartbeat, lost, now);
                let api = has_api.then_some(&*api);
                (proof, Servers::of(&mqtt, api, health.offline(), lost))
            };
            health.learn(proof.map(|(proof, _)| proof), servers, now);
            if health.due() <= now && under_way.is_none() {
                let task = health.task();
                let quick = task.quick;
                under_way = Some((begin(task), quick));
                // The look before it may have ended the proof.
                continue;
            }
            let expires = proof.and_then(|(_, until)| until);
            tokio::select! {
                found = end(&mut under_way) => health.found(found),
                // An ask during a probe is answered by that one.
                () = asks.asked() => if under_way.is_none() {
                    health.probe_at(Instant::now());
                },
                () = changed(&mut mqtt) => {}
                () = changed(&mut api) => {}
                sign = heard(&mut signs) => if health.hears(sign) {
                    // One that takes its time began before the way was lost.
                    under_way.take_if(|(_, quick)| !*quick);
                },
                () = sleep_until(health.due()), if under_way.is_none() => {}
                () = sleep_until(expires.unwrap_or(now)), if expires.is_some() => {}
            }
        }
    }
}

/// Waits for the end of the probe under way, for ever without one.
async fn end(under_way: &mut Option<(Probe, bool)>) -> Findings {
    match under_way {
        Some((probe, _)) => {
            let found = probe.await;
            *under_way = None;
            found
        }
        None => std::future::pending().await,
    }
}

/// Waits for a sign; for ever if there will be none.
async fn heard(signs: &mut mpsc::Receiver<Sign>) -> Sign {
    match signs.recv().await {
        Some(sign) => sign,
        None => std::future::pending().await,
    }
}
