//! The device's reach, and the parts that mend it: health, recovery, radios, first contact.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::wiring::Wiring;
use crate::agent::contact;
use crate::config::reload::{same, Start};
use crate::process::ask::asks;
use crate::process::starts;
use crate::tasks::spawn_among;
use crate::{collect, health, jobs, provision, recovery, upload};

impl Wiring<'_> {
    /// mqtt, upload, world ─► health ─► collect, upload, recovery
    pub(super) fn health(&mut self) -> health::Handle {
        let (handle, asks) = asks(self.facts.health.subscribe());
        let part = health::Part {
            settings: (&*self.now.loaded.config).into(),
            root: self.device.root.clone(),
            resolver: self.resolver.clone(),
            mqtt: self.facts.mqtt.subscribe(),
            api: self.facts.api.subscribe(),
            facts: self.facts.health.clone(),
            code: self.facts.code.clone(),
            events: self.events.clone(),
            client: self.client.clone(),
            asks,
            known: Arc::default(),
        };
        let start: Start = Box::new(move |now, (), ends| {
            let part = health::Part {
                settings: (&*now.loaded.config).into(),
                ..part.clone()
            };
            Box::pin(health::run(part, ends))
        });
        let watching = self.renewed(same::<health::Settings>, start);
        spawn_among(&mut self.first, watching);
        handle
    }

    /// True while a network change is on trial or the device is being upgraded: nobody heals the network then.
    pub(super) fn is_busy(&self) -> watch::Receiver<bool> {
        let (armed, busy) = (self.facts.armed.subscribe(), self.facts.busy.subscribe());
        contact::either(armed, busy, self.ends.clone())
    }

    /// health, guard ─► recovery ─► the device
    pub(super) fn recovery(&mut self, guarded: watch::Receiver<bool>) {
        let (settings, known) = (&self.followed.recovery, self.facts.health.subscribe());
        let last_look = recovery::last_look(settings.clone(), known.clone(), guarded.clone());
        let part = recovery::Part {
            settings: settings.clone(),
            pace: self.now.loaded.config.pace,
            health: known,
            guarded,
            hold: self.hold,
            actions: Arc::clone(&self.acting),
            reboot: self.reboot(Some(last_look)),
            records: self.system_log.records.clone(),
            notes: starts::directory(&self.device.root),
            events: self.events.clone(),
            facts: self.facts.recovery.clone(),
        };
        spawn_among(&mut self.first, recovery::run(part, self.ends.clone()));
    }

    /// device ─► health::radio ─► recovery::radio ─► device
    pub(super) fn radios(
        &mut self,
        guarded: watch::Receiver<bool>,
        answers: mpsc::Receiver<collect::Answers>,
    ) {
        let (radios, asks) = asks(self.facts.radios.subscribe());
        let part = health::radio::Part {
            settings: self.followed.radios.clone(),
            pace: self.now.loaded.config.pace,
            client: self.client.clone(),
            root: self.device.root.clone(),
            restarts: self.facts.restarts.subscribe(),
            facts: self.facts.radios.clone(),
            answers,
            reported: self.facts.reported.clone(),
            events: self.events.clone(),
            asks,
        };
        spawn_among(&mut self.first, health::radio::run(part, self.ends.clone()));
        let part = recovery::radio::Part {
            settings: self.followed.recovery.clone(),
            pace: self.now.loaded.config.pace,
            state_dir: self.now.loaded.config.state_dir.clone(),
            actions: Arc::clone(&self.acting),
            root: self.device.root.clone(),
            boot_id: self.device.boot_id.clone(),
            clock: self.device.clock.clone(),
            radios,
            health: self.facts.health.subscribe(),
            armed: guarded,
            events: self.events.clone(),
            restarts: self.facts.restarts.clone(),
        };
        spawn_among(
            &mut self.first,
            recovery::radio::run(part, self.ends.clone()),
        );
    }

    /// settings, mqtt, upload, rest ─► first contact ─► settings, mqtt, upload, jobs; no settings while jobs hold them.
    pub(super) fn first_contact(
        &mut self,
        jobs: &jobs::Handle,
        deliveries: &upload::Handle,
        held: watch::Receiver<bool>,
    ) {
        let (told, heard) = contact::way(&self.current);
        let known = contact::Known {
            current: self.current.clone(),
            mqtt: self.facts.mqtt.subscribe(),
            api: self.facts.api.subscribe(),
            rest: self.facts.rest.subscribe(),
            newest: self.facts.newest.subscribe(),
        };
        let telling = contact::tell(known, told, self.ends.clone());
        spawn_among(&mut self.first, telling);
        let (on_trial, pace) = (self.facts.trial.subscribe(), self.now.loaded.config.pace);
        let hurry = contact::hurry(on_trial, deliveries.clone(), pace, self.ends.clone());
        spawn_among(&mut self.first, hurry);
        let state_dir = &self.now.loaded.config.state_dir;
        let part = provision::once::Part {
            settings: heard.settings.clone(),
            facts: self.facts.provision.subscribe(),
            resolver: self.resolver.clone(),
            state_dir: state_dir.clone(),
            run: contact::running(jobs.clone(), &self.device.boot_id),
            boot_id: self.device.boot_id.clone(),
        };
        spawn_among(
            &mut self.first,
            provision::once::run(part, self.ends.clone()),
        );
        let part = provision::Part {
            settings: heard.settings,
            reload: contact::reading(self.settings.clone()),
            state_dir: state_dir.clone(),
            root: self.device.root.clone(),
            resolver: self.resolver.clone(),
            about: heard.about,
            reach: heard.reach,
            held,
            trial: self.facts.trial.clone(),
            facts: self.facts.provision.clone(),
        };
        let provisioning = Box::pin(provision::run(part, self.ends.clone()));
        self.held(provisioning);
    }
}
