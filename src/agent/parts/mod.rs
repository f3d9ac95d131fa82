//! The parts: how they are started, renewed and ended.
//!
//! [`Wiring`] has one function for each arrow of ARCHITECTURE.md's picture, in the order the data
//! flows. A part that is made from options is started with [`renewed`](crate::config::reload::renewed), which restarts it when
//! its settings change. One that may not stop for that has a watch of them, see [`Followed`](wiring::Followed).

mod data;
mod orders;
mod reach;
mod wiring;

use std::path::PathBuf;

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{timeout_at, Instant as Deadline};
use uci::Directories;

use super::commands;
use super::past::Past;
use super::END_WITHIN;
use crate::config::reload;
use crate::process::clock::Clock;
use crate::process::shutdown::{shutdown, Trigger};
use crate::{guard, http, upgrade};

use wiring::Wiring;

/// The device the parts work on.
pub(super) struct Device {
    /// Prefix of every path that is read.
    pub(super) root: PathBuf,
    pub(super) uci: Directories,
    /// The kernel's id of this boot.
    pub(super) boot_id: String,
    pub(super) clock: Clock,
}

/// The running parts, by when they have to end.
pub(super) struct Parts {
    /// Everything that may stop at once: settings, collection, delivery, the bus object, jobs.
    first: JoinSet<()>,
    end_first: Trigger,
    /// The broker link and the API's results: they take the last outcomes of jobs with them.
    broker: JoinSet<()>,
    end_broker: Trigger,
    /// Ends when nobody has anything for it any more.
    spool: JoinHandle<()>,
}

impl Parts {
    pub(super) fn start(
        mut reloading: reload::Part,
        settings: reload::Handle,
        client: ubus::Client,
        device: Device,
        past: &Past,
        (found, copies_held): (guard::Found, watch::Sender<bool>),
        upgraded: upgrade::Found,
    ) -> Self {
        let (end_first, ends) = shutdown();
        let (end_broker, broker_ends) = shutdown();
        let (commands, commanded) = mpsc::channel(commands::WAITING);
        let commands = http::Commands::new(commands);
        let both_end = (ends, broker_ends);
        let is_armed = found.is_open();
        let settings = (&mut reloading, settings);
        let mut wiring = Wiring::new(device, past, client, settings, commands, is_armed, both_end);

        wiring.settings(reloading);
        let (spool, spool_task) = wiring.spool();
        let (answers, answered) = mpsc::channel(1);
        let collecting = wiring.collect(&spool, answers);
        wiring.boot(collecting);
        let deliveries = wiring.upload(&spool);
        let health = wiring.health();
        let held = copies_held.subscribe();
        let guard = wiring.guard(found, copies_held, &health, &deliveries);
        let upgrade = wiring.upgrade(upgraded, &health, &deliveries);
        let (jobs, outlets) = wiring.jobs(guard, upgrade, commanded);
        wiring.mqtt(&jobs, outlets.broker, outlets.live);
        wiring.rest(outlets.api);
        let guarded = wiring.is_busy();
        wiring.recovery(guarded.clone());
        wiring.radios(guarded, answered);
        wiring.first_contact(&jobs, &deliveries, held);
        wiring.bus(&spool, jobs, health, deliveries);
        Parts {
            first: wiring.first,
            end_first,
            broker: wiring.broker,
            end_broker,
            spool: spool_task,
        }
    }

    /// Ends the parts in order; what does not end in time is left behind, and said.
    pub(super) async fn end(mut self) {
        let now = Deadline::now();
        self.end_first.fire();
        if timeout_at(now + END_WITHIN * 3 / 5, ended(&mut self.first))
            .await
            .is_err()
        {
            log::warn!("{} parts did not end in time", self.first.len());
        }
        self.end_broker.fire();
        if timeout_at(now + END_WITHIN * 9 / 10, ended(&mut self.broker))
            .await
            .is_err()
        {
            log::warn!("the broker link did not end in time");
        }
        if timeout_at(now + END_WITHIN, self.spool).await.is_err() {
            log::warn!("the spool did not end in time");
        }
    }
}

async fn ended(parts: &mut JoinSet<()>) {
    while let Some(part) = parts.join_next().await {
        if let Err(error) = part {
            log::error!("a part ended badly: {error}");
        }
    }
}
