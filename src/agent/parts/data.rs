//! From the device to the API, and to the shell: settings, collection, spool, delivery, the bus object.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::wiring::Wiring;
use crate::agent::reports::{keep, keep_spool_settled, spool_place};
use crate::config::reload;
use crate::config::reload::{same, Since, Start, Work};
use crate::process::ask::asks;
use crate::process::logging;
use crate::tasks::{spawn, spawn_among};
use crate::{boot, bus, collect, health, jobs, upload};

/// Longest wait of the first collection for the reason of the boot, which belongs into its report.
const BOOT_KNOWN_WITHIN: Duration = Duration::from_secs(5);

/// Reports on their way from collection to the spool.
const REPORTS: usize = 4;

impl Wiring<'_> {
    /// files ─► settings ─► every part
    pub(super) fn settings(&mut self, reloading: reload::Part) {
        spawn_among(&mut self.first, reloading.run(self.ends.clone()));
        spawn_among(&mut self.first, log_in_detail(self.followed.debug.clone()));
    }

    /// The spool, and the task it ends with.
    pub(super) fn spool(&mut self) -> (spool::Handle, JoinHandle<()>) {
        let (spool, inbox) = spool::Handle::new();
        let place = spool::Settings {
            boot_id: self.device.boot_id.clone(),
            clock: Box::new(self.device.clock.clone()),
            crashes: Arc::new(self.past.crashes.clone()),
            place: spool_place(&self.now.loaded.config.spool),
        };
        let task = spawn(spool::run(place, inbox));
        let (since, current) = (Since::from(&*self.now), self.current.clone());
        let settling = keep_spool_settled(since, current, spool.clone(), self.ends.clone());
        spawn_among(&mut self.first, settling);
        (spool, task)
    }

    /// device ─► collect ─► spool, and health::radio; begins with the work that this returns.
    pub(super) fn collect(
        &mut self,
        spool: &spool::Handle,
        answers: mpsc::Sender<collect::Answers>,
    ) -> Work {
        let (reports, collected) = mpsc::channel(REPORTS);
        let kept = self.facts.kept.clone();
        spawn_among(&mut self.first, keep(collected, spool.clone(), kept));
        let part = collect::Part {
            settings: (&*self.now.loaded.config).into(),
            client: self.client.clone(),
            root: self.device.root.clone(),
            uci: self.device.uci.clone(),
            mac: self.now.mac.clone(),
            health: self.facts.code.subscribe(),
            radios: self.facts.reported.subscribe(),
            answers,
            events: self.events.clone(),
            reports,
            facts: self.facts.collect.clone(),
            newest: self.facts.newest.clone(),
            history: self.facts.history.clone(),
        };
        let start: Start = Box::new(move |now, (), ends| {
            let part = collect::Part {
                settings: (&*now.loaded.config).into(),
                mac: now.mac.clone(),
                ..part.clone()
            };
            Box::pin(collect::run(part, ends))
        });
        self.renewed(same::<collect::Settings>, start)
    }

    /// the boot before ─► boot ─► collect; every reboot ─► boot ─► procd
    pub(super) fn boot(&mut self, collecting: Work) {
        let (ready, mut boot_ready) = watch::channel(false);
        let part = boot::Part {
            log: self.system_log.clone(),
            pace: self.now.loaded.config.pace,
            code: self.facts.code.subscribe(),
            events: self.events.clone(),
            facts: self.facts.boot.clone(),
            ready,
            kept: self.facts.kept.subscribe(),
        };
        spawn_among(&mut self.first, boot::run(part, self.ends.clone()));
        spawn_among(&mut self.first, async move {
            // Known or not, reports are taken then.
            let _ = timeout(BOOT_KNOWN_WITHIN, boot_ready.wait_for(|ready| *ready)).await;
            collecting.await;
        });
    }

    /// spool ─► upload ─► API
    pub(super) fn upload(&mut self, spool: &spool::Handle) -> upload::Handle {
        let (deliveries, asks) = asks(self.facts.api.subscribe());
        let part = upload::Part {
            settings: (&*self.now.loaded.config).into(),
            mac: self.now.mac.clone(),
            spool: spool.clone(),
            resolver: self.resolver.clone(),
            health: self.facts.health.subscribe(),
            dates: self.dates.clone(),
            commands: self.commands.clone(),
            facts: self.facts.api.clone(),
            asks,
        };
        let start: Start = Box::new(move |now, (), ends| {
            let part = upload::Part {
                settings: (&*now.loaded.config).into(),
                mac: now.mac.clone(),
                ..part.clone()
            };
            Box::pin(upload::run(part, ends))
        });
        let delivering = self.renewed(same::<upload::Settings>, start);
        self.held(delivering);
        deliveries
    }

    /// every part ─► status ─► api ─► shell, LuCI
    pub(super) fn bus(
        &mut self,
        spool: &spool::Handle,
        jobs: jobs::Handle,
        health: health::Handle,
        deliveries: upload::Handle,
    ) {
        let sources = bus::Sources {
            board: self.board(spool, &jobs),
            newest: self.facts.newest.subscribe(),
            history: self.facts.history.subscribe(),
            health,
            deliveries,
            jobs,
            settings: self.settings.clone(),
        };
        let answering = bus::run(self.client.clone(), sources, self.ends.clone());
        spawn_among(&mut self.first, answering);
    }
}

/// Logs in detail while option `debug` is set, until nobody reads settings any more.
async fn log_in_detail(mut debug: watch::Receiver<bool>) {
    loop {
        logging::set_debug(*debug.borrow_and_update());
        if debug.changed().await.is_err() {
            return;
        }
    }
}
