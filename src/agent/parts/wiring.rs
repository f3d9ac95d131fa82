//! State shared by all the functions that start parts.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Device;
use crate::actions::{self, Actions};
use crate::agent::past::Past;
use crate::collect::{DeviceEvents, History, Report};
use crate::config;
use crate::config::reload::{self, renewed, Same, Start, Work};
use crate::health::radio::Restarted;
use crate::process::clock::ServerDate;
use crate::process::shutdown::Shutdown;
use crate::process::starts::Hold;
use crate::status::Board;
use crate::tasks::spawn_among;
use crate::{boot, collect, guard, health, http, jobs, lookup, mqtt, provision, recovery, upgrade};

/// The newest facts of the parts: who tells them has a clone, who hears them subscribes.
pub(super) struct Facts {
    pub(super) collect: watch::Sender<collect::Facts>,
    pub(super) newest: watch::Sender<Option<Arc<Report>>>,
    pub(super) history: watch::Sender<History>,
    pub(super) boot: watch::Sender<boot::Facts>,
    /// The spool has the report that tells of the boot.
    pub(super) kept: watch::Sender<bool>,
    pub(super) api: watch::Sender<http::Facts>,
    pub(super) mqtt: watch::Sender<mqtt::Facts>,
    pub(super) rest: watch::Sender<Option<http::Facts>>,
    pub(super) dates: watch::Sender<Option<ServerDate>>,
    pub(super) health: watch::Sender<health::Facts>,
    pub(super) code: watch::Sender<Option<u8>>,
    pub(super) radios: watch::Sender<health::radio::Facts>,
    /// The radios as they stand in reports.
    pub(super) reported: watch::Sender<Option<Vec<collect::Radio>>>,
    pub(super) restarts: watch::Sender<Vec<Restarted>>,
    pub(super) recovery: watch::Sender<recovery::Facts>,
    pub(super) guard: watch::Sender<guard::Facts>,
    /// True while a change is on trial or being undone: nobody else heals the network then.
    pub(super) armed: watch::Sender<bool>,
    pub(super) upgrade: watch::Sender<upgrade::Facts>,
    /// True while the device is flashed or a package is installed.
    pub(super) busy: watch::Sender<bool>,
    /// True while the device has to prove after an upgrade that it lives.
    pub(super) proving: watch::Sender<bool>,
    pub(super) provision: watch::Sender<provision::Facts>,
    /// True while settings of the init server have to prove themselves.
    pub(super) trial: watch::Sender<bool>,
}

impl Facts {
    fn new(now: &reload::Current, is_armed: bool) -> Self {
        let every = now.loaded.config.pace.of(collect::history::EVERY);
        Facts {
            collect: watch::Sender::default(),
            newest: watch::Sender::default(),
            history: watch::Sender::new(History::new(every)),
            boot: watch::Sender::default(),
            kept: watch::Sender::default(),
            api: watch::Sender::default(),
            mqtt: watch::Sender::default(),
            rest: watch::Sender::default(),
            dates: watch::Sender::default(),
            health: watch::Sender::default(),
            code: watch::Sender::default(),
            radios: watch::Sender::default(),
            reported: watch::Sender::default(),
            restarts: watch::Sender::default(),
            recovery: watch::Sender::default(),
            guard: watch::Sender::default(),
            armed: watch::Sender::new(is_armed),
            upgrade: watch::Sender::default(),
            busy: watch::Sender::default(),
            proving: watch::Sender::default(),
            provision: watch::Sender::default(),
            trial: watch::Sender::default(),
        }
    }
}

/// The settings that parts follow while they run, each part its own.
pub(super) struct Followed {
    pub(super) debug: watch::Receiver<bool>,
    pub(super) api_commands: watch::Receiver<bool>,
    pub(super) jobs: watch::Receiver<jobs::Settings>,
    pub(super) upgrade: watch::Receiver<upgrade::Settings>,
    pub(super) recovery: watch::Receiver<config::Recovery>,
    pub(super) radios: watch::Receiver<health::radio::Settings>,
    pub(super) log_size: watch::Receiver<Option<usize>>,
}

impl Followed {
    fn of(reloading: &mut reload::Part) -> Self {
        Followed {
            debug: reloading.follow(|config| config.debug),
            api_commands: reloading.follow(|config| config.api.commands),
            jobs: reloading.follow(|config| config.into()),
            upgrade: reloading.follow(|config| config.into()),
            recovery: reloading.follow(|config| config.recovery.clone()),
            radios: reloading.follow(|config| config.into()),
            log_size: reloading.follow(|config| boot::log_size(&config.spool)),
        }
    }
}

/// The things that parts are made of, and the tasks they have become.
pub(super) struct Wiring<'a> {
    pub(super) device: Device,
    pub(super) past: &'a Past,
    pub(super) client: ubus::Client,
    pub(super) settings: reload::Handle,
    pub(super) followed: Followed,
    pub(super) current: watch::Receiver<Arc<reload::Current>>,
    pub(super) now: Arc<reload::Current>,
    /// For everything but the broker link, which has a resolver of its own.
    pub(super) resolver: lookup::Resolver,
    pub(super) hold: Hold,
    pub(super) events: DeviceEvents,
    pub(super) acting: Arc<dyn Actions>,
    pub(super) system_log: boot::SystemLog,
    pub(super) dates: http::Dates,
    pub(super) commands: http::Commands,
    pub(super) facts: Facts,
    pub(super) first: JoinSet<()>,
    pub(super) ends: Shutdown,
    pub(super) broker: JoinSet<()>,
    pub(super) broker_ends: Shutdown,
}

impl<'a> Wiring<'a> {
    pub(super) fn new(
        device: Device,
        past: &'a Past,
        client: ubus::Client,
        (reloading, settings): (&mut reload::Part, reload::Handle),
        commands: http::Commands,
        is_armed: bool,
        (ends, broker_ends): (Shutdown, Shutdown),
    ) -> Self {
        let current = settings.current();
        let now = current.borrow().clone();
        let config = &now.loaded.config;
        let records = boot::Records::new(
            &config.state_dir,
            &device.root,
            &device.boot_id,
            config.pace,
        );
        let facts = Facts::new(&now, is_armed);
        let followed = Followed::of(reloading);
        Wiring {
            acting: Arc::new(actions::Device::new(client.clone(), &device.root)),
            system_log: boot::SystemLog {
                client: client.clone(),
                size: followed.log_size.clone(),
                records,
            },
            device,
            past,
            client,
            settings,
            followed,
            current,
            now,
            resolver: lookup::Resolver::system("lookup"),
            hold: past.starts.hold(),
            events: DeviceEvents::default(),
            dates: http::Dates::new(facts.dates.clone()),
            commands,
            facts,
            first: JoinSet::new(),
            ends,
            broker: JoinSet::new(),
            broker_ends,
        }
    }

    pub(super) fn reboot(&self, last_look: Option<boot::LastLook>) -> boot::Reboot {
        let (log, acting) = (self.system_log.clone(), Arc::clone(&self.acting));
        boot::reboot(log.records.clone(), acting, log, last_look)
    }

    /// A part that restarts when its settings are no longer the `same`.
    pub(super) fn renewed(&self, same: Same, start: Start) -> Work {
        let (current, ends) = (self.current.clone(), self.ends.clone());
        Box::pin(renewed(current, same, ends, (), start))
    }

    /// Does `work` once broker and API may be reached, unless the agent ends before.
    pub(super) fn held(&mut self, work: Work) {
        let (hold, mut ends) = (self.hold, self.ends.clone());
        spawn_among(&mut self.first, async move {
            if hold.over(&mut ends).await {
                work.await;
            }
        });
    }

    /// Has `supply` published. What one publisher has not brought out goes to the next; what the last
    /// leaves is lost with the process.
    pub(super) fn published<T: Send + 'static>(&mut self, same: Same, supply: T, start: Start<T>) {
        let (hold, current) = (self.hold, self.current.clone());
        let mut ends = self.broker_ends.clone();
        spawn_among(&mut self.broker, async move {
            if hold.over(&mut ends).await {
                drop(renewed(current, same, ends, supply, start).await);
            }
        });
    }

    /// The board, but for the parts that have handles of their own.
    pub(super) fn board(&self, spool: &spool::Handle, jobs: &jobs::Handle) -> Board {
        Board {
            started: Instant::now(),
            starts: Arc::clone(&self.past.starts),
            settings: self.current.clone(),
            collect: self.facts.collect.subscribe(),
            health: self.facts.health.subscribe(),
            mqtt: self.facts.mqtt.subscribe(),
            api: self.facts.api.subscribe(),
            rest: self.facts.rest.subscribe(),
            spool: spool.facts(),
            jobs: jobs.facts(),
            recovery: self.facts.recovery.subscribe(),
            boot: self.facts.boot.subscribe(),
            guard: self.facts.guard.subscribe(),
            radios: self.facts.radios.subscribe(),
            provision: self.facts.provision.subscribe(),
            upgrade: self.facts.upgrade.subscribe(),
        }
    }
}
