//! From the broker to the device, and back: jobs, the guard over them, upgrades, and where their outcomes go.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::wiring::Wiring;
use crate::agent::{commands, contact};
use crate::config::reload::{same, Start};
use crate::http::ApiCommand;
use crate::tasks::spawn_among;
use crate::{guard, health, jobs, mqtt, rest, upgrade, upload};

/// The part of the time to end in which running jobs may end by themselves.
const JOBS_GRACE: Duration = Duration::from_secs(2);

impl Wiring<'_> {
    /// jobs ─► guard ◄─ mqtt, upload, health; `held` holds copies of settings while it says so.
    pub(super) fn guard(
        &mut self,
        found: guard::Found,
        held: watch::Sender<bool>,
        health: &health::Handle,
        deliveries: &upload::Handle,
    ) -> guard::Handle {
        let around = guard::Surroundings {
            settings: self.settings.clone(),
            mqtt: self.facts.mqtt.subscribe(),
            held,
            uci: self.device.uci.clone(),
        };
        let (handle, inbox) = guard::new(found, around);
        let part = guard::Part {
            settings: self.settings.clone(),
            mqtt: self.facts.mqtt.subscribe(),
            api: self.facts.api.subscribe(),
            health: health.clone(),
            deliveries: deliveries.clone(),
            client: self.client.clone(),
            reboot: self.reboot(None),
            actions: Arc::clone(&self.acting),
            hold: self.hold,
            events: self.events.clone(),
            facts: self.facts.guard.clone(),
            armed: self.facts.armed.clone(),
        };
        spawn_among(&mut self.first, guard::run(part, inbox, self.ends.clone()));
        handle
    }

    /// jobs ─► upgrade ─► sysupgrade, opkg, apk; mqtt, upload, health ─► upgrade
    pub(super) fn upgrade(
        &self,
        found: upgrade::Found,
        health: &health::Handle,
        deliveries: &upload::Handle,
    ) -> upgrade::Handle {
        let part = upgrade::Part {
            settings: self.followed.upgrade.clone(),
            mac: self.settings.mac(),
            uci: self.device.uci.clone(),
            client: self.client.clone(),
            resolver: self.resolver.clone(),
            witnesses: guard::Witnesses {
                mqtt: self.facts.mqtt.subscribe(),
                api: self.facts.api.subscribe(),
                health: health.clone(),
                deliveries: deliveries.clone(),
            },
            guarded: self.facts.armed.subscribe(),
            facts: self.facts.upgrade.clone(),
            busy: self.facts.busy.clone(),
            trial: self.facts.proving.clone(),
            ends: self.ends.clone(),
        };
        upgrade::new(part, found)
    }

    /// mqtt, `commanded` by the API ─► jobs ─► replies
    pub(super) fn jobs(
        &mut self,
        guard: guard::Handle,
        upgrade: upgrade::Handle,
        commanded: mpsc::Receiver<ApiCommand>,
    ) -> (jobs::Handle, jobs::Outlets) {
        let (part, jobs, outlets) = jobs::new(self.followed.jobs.clone(), self.settings.mac());
        let part = part
            .on(jobs::Setting::new(&self.device.boot_id, self.reboot(None)))
            .with_crashes(self.past.crashes.clone())
            .coming_from(self.past.ledger.clone(), self.past.stale.clone())
            .noted_by(self.past.note.clone())
            .with_time(self.device.clock.clone(), self.facts.dates.subscribe())
            .watched_by(Arc::new(guard))
            .upgraded_by(Arc::new(upgrade));
        let mut ends = self.ends.clone();
        let running = part.run(async move { ends.requested().await }, JOBS_GRACE);
        spawn_among(&mut self.first, running);
        let is_allowed = self.followed.api_commands.clone();
        let commanding = commands::run(commanded, jobs.clone(), is_allowed, self.ends.clone());
        spawn_among(&mut self.first, commanding);
        (jobs, outlets)
    }

    /// broker ─► mqtt ─► jobs ─► replies ─► mqtt
    pub(super) fn mqtt(
        &mut self,
        jobs: &jobs::Handle,
        replies: jobs::Replies,
        live: jobs::LiveOutput,
    ) {
        let either = |a, b| contact::either(a, b, self.ends.clone());
        let (armed, proving) = (self.facts.armed.subscribe(), self.facts.proving.subscribe());
        let hurried = either(either(armed, proving), self.facts.trial.subscribe());
        let supply = mqtt::Supply::new(replies, live)
            .remembering(&self.now.loaded.config.state_dir)
            .hurried_by(hurried);
        let (jobs, facts) = (jobs.clone(), self.facts.mqtt.clone());
        let start: Start<mqtt::Supply> = Box::new(move |now, supply, mut ends| {
            let (settings, mac) = ((&*now.loaded.config).into(), now.mac.clone());
            let ended = async move { ends.requested().await };
            let (jobs, facts) = (jobs.clone(), facts.clone());
            Box::pin(mqtt::run(settings, mac, jobs, supply, facts, ended))
        });
        self.published(same::<mqtt::Settings>, supply, start);
    }

    /// jobs ─► results ─► rest, instead of mqtt
    pub(super) fn rest(&mut self, results: jobs::Replies) {
        let (resolver, dates) = (self.resolver.clone(), self.dates.clone());
        let (commands, facts) = (self.commands.clone(), self.facts.rest.clone());
        let health = self.facts.health.subscribe();
        let start: Start<jobs::Replies> = Box::new(move |now, replies, mut ends| {
            let part = rest::Part {
                settings: (&*now.loaded.config).into(),
                mac: now.mac.clone(),
                resolver: resolver.clone(),
                replies,
                dates: dates.clone(),
                commands: commands.clone(),
                facts: facts.clone(),
                health: health.clone(),
            };
            Box::pin(rest::run(part, async move { ends.requested().await }))
        });
        self.published(same::<rest::Settings>, results, start);
    }
}
