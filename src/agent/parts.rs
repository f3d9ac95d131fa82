//! The parts, in the order the data flows: how they are started, renewed and ended.
//!
//! A part that is made from options is started with [`renewed`], which makes it anew when one of them
//! changes. One that may not stop for that follows the settings by itself.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{timeout_at, Instant as Deadline};

use super::END_WITHIN;
use crate::collect::Report;
use crate::reload::{self, renewed, until_due};
use crate::shutdown::{shutdown, Shutdown, Trigger};
use crate::status::Board;
use crate::{api, collect, jobs, mqtt, spool, ubus, upload};

/// What running jobs get of [`END_WITHIN`] to end by themselves.
const JOBS_GRACE: Duration = Duration::from_secs(2);

/// Reports on their way from collection to the spool.
const REPORTS: usize = 4;

/// The running parts, by when they have to end.
pub(super) struct Parts {
    /// Everything that may stop at once: settings, collection, delivery, the bus object, jobs.
    first: JoinSet<()>,
    end_first: Trigger,
    /// The broker link: it takes the last outcomes of jobs with it.
    broker: JoinSet<()>,
    end_broker: Trigger,
}

impl Parts {
    pub(super) fn start(
        reloading: reload::Part,
        settings: reload::Handle,
        client: ubus::Client,
        root: &Path,
        boot_id: String,
    ) -> Self {
        let (end_first, ends) = shutdown();
        let (end_broker, broker_ends) = shutdown();
        let mut first = JoinSet::new();
        let mut broker = JoinSet::new();

        // files ─► settings ─► every part
        first.spawn(reloading.run(ends.clone()));
        let current = settings.current();

        // device ─► collect ─► spool ─► upload
        let (spool, inbox) = spool::Handle::new();
        let config = current.borrow().loaded.config.clone();
        let place = spool::Settings {
            dir: config.spool_dir.clone(),
            boot_id,
            max: config.spool_max,
        };
        tokio::spawn(spool::run(place, inbox));
        first.spawn(keep_spool_settled(
            current.clone(),
            spool.clone(),
            ends.clone(),
        ));
        let (reports, collected) = mpsc::channel(REPORTS);
        let (facts, collect_known) = watch::channel(collect::Facts::default());
        let (newest, newest_known) = watch::channel(None);
        let (root, bus) = (root.to_owned(), client.clone());
        let collecting = move |now: Arc<reload::Current>, ends| -> reload::Work {
            let part = collect::Part {
                config: now.loaded.config.clone(),
                client: bus.clone(),
                root: root.clone(),
                mac: now.mac.clone(),
                reports: reports.clone(),
                facts: facts.clone(),
                newest: newest.clone(),
            };
            Box::pin(collect::run(part, ends))
        };
        let renewing = renewed(current.clone(), collect::OPTIONS, ends.clone(), collecting);
        first.spawn(renewing);
        first.spawn(keep(collected, spool.clone()));
        let (facts, upload_known) = watch::channel(upload::Facts::default());
        let queue = spool.clone();
        let uploading = move |now: Arc<reload::Current>, ends| -> reload::Work {
            let config = now.loaded.config.clone();
            let (mac, spool, facts) = (now.mac.clone(), queue.clone(), facts.clone());
            Box::pin(upload::run(config, mac, spool, facts, ends))
        };
        let renewing = renewed(current.clone(), upload::OPTIONS, ends.clone(), uploading);
        first.spawn(renewing);

        // broker ─► mqtt ─► jobs ─► replies ─► mqtt
        let (jobs_part, jobs, replies) = jobs::new(settings.config(), settings.mac());
        let mut jobs_end = ends.clone();
        first.spawn(jobs_part.run(async move { jobs_end.requested().await }, JOBS_GRACE));
        let (facts, mqtt_known) = watch::channel(mqtt::Facts::default());
        broker.spawn(keep_link(
            current.clone(),
            jobs.clone(),
            replies,
            facts,
            broker_ends,
        ));

        // every part ─► board ─► bus
        let sources = api::Sources {
            board: Board {
                started: Instant::now(),
                settings: current,
                collect: collect_known,
                mqtt: mqtt_known,
                api: upload_known,
                spool: spool.facts(),
                jobs: jobs.facts(),
            },
            newest: newest_known,
            jobs,
            settings,
        };
        first.spawn(api::run(client, sources, ends));
        Parts {
            first,
            end_first,
            broker,
            end_broker,
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
    }
}

async fn ended(parts: &mut JoinSet<()>) {
    while let Some(part) = parts.join_next().await {
        if let Err(error) = part {
            log::error!("a part ended badly: {error}");
        }
    }
}

/// Gives each report its place in the spool.
async fn keep(mut collected: mpsc::Receiver<Arc<Report>>, spool: spool::Handle) {
    while let Some(report) = collected.recv().await {
        let build =
            move |stamp: &spool::Stamp<'_>| report.to_line(stamp.boot_id, stamp.seq, stamp.gaps);
        match spool.append(build).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => log::error!("report not kept: {error}"),
            Err(stopped) => {
                log::error!("report not kept: {stopped}");
                return;
            }
        }
    }
}

/// Tells the spool where it is to be, and how large.
async fn keep_spool_settled(
    mut current: watch::Receiver<Arc<reload::Current>>,
    spool: spool::Handle,
    mut ends: Shutdown,
) {
    let mut now = current.borrow_and_update().clone();
    loop {
        tokio::select! {
            () = ends.requested() => return,
            () = until_due(&mut current, &now, spool::OPTIONS) => {}
        }
        now = current.borrow_and_update().clone();
        let config = &now.loaded.config;
        let moved = spool.settle(config.spool_dir.clone(), config.spool_max);
        if moved.await.is_err() {
            return;
        }
    }
}

/// Keeps the link to the broker. Replies that one link has not brought out go to the next.
async fn keep_link(
    mut current: watch::Receiver<Arc<reload::Current>>,
    jobs: jobs::Handle,
    mut replies: jobs::Replies,
    facts: watch::Sender<mqtt::Facts>,
    mut ends: Shutdown,
) {
    while !ends.is_requested() {
        let now = current.borrow_and_update().clone();
        let until = async {
            tokio::select! {
                () = ends.requested() => {}
                () = until_due(&mut current, &now, mqtt::OPTIONS) => {}
            }
        };
        let (config, mac) = (now.loaded.config.clone(), now.mac.clone());
        replies = mqtt::run(config, mac, jobs.clone(), replies, facts.clone(), until).await;
    }
}
