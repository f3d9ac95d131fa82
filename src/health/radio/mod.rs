//! Radios: is each of them on the air, and if not, why?
//!
//! ```text
//!  network.wireless status ──┐
//!  hostapd.* get_status      ├─ Sight ─► Tracker: how long already? ─► Evidence ─► judge ─► Facts
//!  which objects there are ──┘            ▲                                                  │
//!  notifications: radar ──────────────────┘      status, reports, events, recovery ◄─────────┘
//! ```
//!
//! * [`sight`](Sight): what one look shows; `look` asks for it and `read` understands the replies
//! * [`tracker`](Tracker): remembers since when, and when radar was heard. Pure
//! * [`verdict`](judge): from evidence with ages to a verdict. Pure
//!
//! A look is made with the answers of each collection, after 20 s without one, and a second after hostapd or netifd said that
//! something changed. Answers that were asked for before what was heard last are no look. A source that does not answer makes the verdict `unknown`.
//!
//! Netifd, in 24.10 (C) and 25.12 (ucode) alike: `down` of a radio clears `autostart` and
//! `retry_setup_failed` and tears it down; `up` sets `autostart` and starts what is down. `up` of a radio that
//! is up, or is being set up, changes nothing; in 24.10 `up` of one that has failed does not either. A radio
//! fails after four attempts.

mod facts;
mod look;
mod read;
mod sight;
#[cfg(test)]
mod tests;
mod tracker;
mod verdict;
mod watcher;

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{sleep_until, Instant};

use crate::collect::{self, DeviceEvents};
use crate::config::Config;
use crate::process::ask::{Asker, Asks};
use crate::process::clock::Pace;
use crate::process::facts::changed;
use crate::process::shutdown::Shutdown;
use look::Eye;
use ubus::{Client, Notice, Subscription};
use watcher::Watcher;

pub use facts::{Facts, RadioFacts, Restarted};
pub use sight::{Ap, Configured, Mode, Sight, Status, Vif};
pub use tracker::{Change, Radio, Tracker};
pub use verdict::{judge, Evidence, Hostapd, Judgement, Limits, Netifd, Silence, State, Verdict};

/// Settings that the task follows while it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Wi-Fi is looked at.
    pub scan: bool,
    /// Between two reports, whose answers are looked at.
    pub monitor: Duration,
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        Settings {
            scan: config.collect.scan,
            monitor: config.collect.monitor,
        }
    }
}

/// The belongings of the task that watches over radios.
#[derive(Debug)]
pub struct Part {
    pub settings: watch::Receiver<Settings>,
    pub pace: Pace,
    pub client: Client,
    /// Prefix of /sys.
    pub root: PathBuf,
    /// The radios that recovery has restarted.
    pub restarts: watch::Receiver<Vec<Restarted>>,
    pub facts: watch::Sender<Facts>,
    /// The answers of each collection.
    pub answers: mpsc::Receiver<collect::Answers>,
    /// For the reports.
    pub reported: watch::Sender<Option<Vec<collect::Radio>>>,
    pub events: DeviceEvents,
    /// From [`asks`](crate::process::ask::asks).
    pub asks: Asks,
}

/// Asks for a look.
pub type Handle = Asker<Facts>;

impl Handle {
    /// Has a look made now and returns the facts after it. `None` if the task has ended.
    pub async fn look(&self) -> Option<Facts> {
        // The first answer may be that of a look that was under way.
        self.ask(|facts| facts.looks).await?;
        self.ask(|facts| facts.looks).await
    }
}

/// Watches over the radios until `shutdown`.
pub async fn run(part: Part, shutdown: Shutdown) {
    shutdown.cut_short(vec![Box::pin(part.watch())]).await;
}

impl Part {
    /// Watches while option `scan` has the agent look at Wi-Fi at all.
    async fn watch(mut self) {
        let mut wifi = self.settings.clone();
        loop {
            if wifi.wait_for(|settings| settings.scan).await.is_err() {
                return;
            }
            tokio::select! {
                () = self.watch_wifi() => return,
                _ = wifi.wait_for(|settings| !settings.scan) => {}
            }
            self.reported.send_replace(None);
            self.facts.send_modify(|facts| {
                facts.radios.clear();
                facts.complete = false;
            });
        }
    }

    async fn watch_wifi(&mut self) {
        let mut hostapd = subscribe(&self.client, "hostapd.*").await;
        let mut netifd = subscribe(&self.client, "network.wireless").await;
        let mut watcher = Watcher::new(self);
        let mut eye = Eye {
            client: self.client.clone(),
            root: self.root.clone(),
            answers: None,
        };
        // A look without a bus says nothing of radios.
        drop(eye.client.connected(look::ALL_WITHIN).await);
        loop {
            tokio::select! {
                () = sleep_until(watcher.due) => self.look(&mut watcher, &eye).await,
                Some(answers) = self.answers.recv() => {
                    if watcher.may_judge_by(&answers) {
                        eye.answers = Some(answers);
                        self.look(&mut watcher, &eye).await;
                        eye.answers = None;
                    }
                }
                () = self.asks.asked() => watcher.due = Instant::now(),
                notice = next(&mut hostapd) => watcher.hear(&notice),
                notice = next(&mut netifd) => watcher.hear(&notice),
                () = changed(&mut self.restarts) => {
                    watcher.restarted(&self.restarts.borrow_and_update());
                    watcher.known = Instant::now();
                    watcher.due = watcher.known;
                }
            }
        }
    }
}

impl Part {
    async fn look(&mut self, watcher: &mut Watcher, eye: &Eye) {
        watcher.known = Instant::now();
        let sight = eye.look().await;
        watcher.restarted(&self.restarts.borrow_and_update());
        let monitor = self.settings.borrow().monitor;
        watcher.see(&sight, monitor);
    }
}

async fn subscribe(client: &Client, pattern: &str) -> Option<Subscription> {
    let subscribed = client.subscribe(pattern).await;
    subscribed
        .inspect_err(|error| log::warn!("{pattern}: no notifications: {error}"))
        .ok()
}

/// The next notice; never, once there will be none.
async fn next(subscription: &mut Option<Subscription>) -> Notice {
    if let Some(open) = subscription {
        if let Some(notice) = open.next().await {
            return notice;
        }
        *subscription = None;
    }
    std::future::pending().await
}
