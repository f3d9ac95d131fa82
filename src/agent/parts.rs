//! The parts, in the order the data flows: how they are started, renewed and ended.
//!
//! A part that is made from options is started with [`renewed`], which makes it anew when one of them
//! changes. One that may not stop for that follows the settings by itself.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{timeout, timeout_at, Instant as Deadline};
use uci::Directories;

use super::commands;
use super::contact;
use super::past::Past;
use super::reports::{keep, keep_spool_settled, spool_place};
use super::END_WITHIN;
use crate::actions::{self, Actions};
use crate::clock::Clock;
use crate::reload::{self, renewed, Start, Work};
use crate::shutdown::{shutdown, Shutdown, Trigger};
use crate::starts::Hold;
use crate::status::Board;
use crate::tasks::{spawn, spawn_among};
use crate::{api, boot, collect, guard, health, http, jobs, logging, lookup, mqtt, provision};
use crate::{recovery, rest, starts, upgrade, upload};

/// What running jobs get of [`END_WITHIN`] to end by themselves.
const JOBS_GRACE: Duration = Duration::from_secs(2);

/// Longest wait of the first collection for the reason of the boot, which belongs into its report.
const BOOT_KNOWN_WITHIN: Duration = Duration::from_secs(5);

/// Reports on their way from collection to the spool.
const REPORTS: usize = 4;

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
        reloading: reload::Part,
        settings: reload::Handle,
        client: ubus::Client,
        device: Device,
        past: &Past,
        (found, copies_held): (guard::Found, watch::Sender<bool>),
        upgraded: upgrade::Found,
    ) -> Self {
        let (end_first, ends) = shutdown();
        let (end_broker, broker_ends) = shutdown();
        let hold = past.starts.hold();
        let mut first = JoinSet::new();
        let mut broker = JoinSet::new();

        // files ─► settings ─► every part
        spawn_among(&mut first, reloading.run(ends.clone()));
        spawn_among(&mut first, logging::follow(settings.config()));
        let current = settings.current();
        let now = current.borrow().clone();

        // device ─► collect ─► spool ─► upload
        let boot_id = device.boot_id;
        let (spool, inbox) = spool::Handle::new();
        let place = spool::Settings {
            boot_id: boot_id.clone(),
            clock: Box::new(device.clock.clone()),
            crashes: Arc::new(past.crashes.clone()),
            place: spool_place(&now.loaded.config),
        };
        let spool_task = spawn(spool::run(place, inbox));
        let settling =
            keep_spool_settled(now.clone(), current.clone(), spool.clone(), ends.clone());
        spawn_among(&mut first, settling);
        let (reports, collected) = mpsc::channel(REPORTS);
        let (told, boot_told) = watch::channel(false);
        spawn_among(&mut first, keep(collected, spool.clone(), told));
        let (code, code_known) = watch::channel(None);
        let events = collect::DeviceEvents::default();
        let (facts, collect_known) = watch::channel(collect::Facts::default());
        let (reported, radios_reported) = watch::channel(None);
        let (answers, answered) = mpsc::channel(1);
        let (newest, newest_known) = watch::channel(None);
        let every = now.loaded.config.pace.of(collect::history::EVERY);
        let (history, history_known) = watch::channel(collect::History::new(every));
        let (bus, health) = (client.clone(), code_known.clone());
        let (root, uci) = (device.root.clone(), device.uci.clone());
        let device_uci = device.uci.clone();
        let to_report = events.clone();
        let collecting: Start = Box::new(move |now, (), ends| {
            let part = collect::Part {
                config: now.loaded.config.clone(),
                client: bus.clone(),
                root: root.clone(),
                uci: uci.clone(),
                mac: now.mac.clone(),
                health: health.clone(),
                radios: radios_reported.clone(),
                answers: answers.clone(),
                events: to_report.clone(),
                reports: reports.clone(),
                facts: facts.clone(),
                newest: newest.clone(),
                history: history.clone(),
            };
            Box::pin(collect::run(part, ends))
        });
        let ending = ends.clone();
        let collecting = renewed(current.clone(), collect::OPTIONS, ending, (), collecting);

        // the boot before ─► boot ─► collect; whoever reboots ─► boot ─► procd
        let state_dir = &now.loaded.config.state_dir;
        let pace = now.loaded.config.pace;
        let records = boot::Records::new(state_dir, &device.root, &boot_id, pace);
        let system_log = boot::SystemLog {
            client: client.clone(),
            config: settings.config(),
            records: records.clone(),
        };
        let (facts, boot_known) = watch::channel(boot::Facts::default());
        let (ready, mut boot_ready) = watch::channel(false);
        let booted = boot::Part {
            log: system_log.clone(),
            code: code_known.clone(),
            events: events.clone(),
            facts,
            ready,
            kept: boot_told,
        };
        spawn_among(&mut first, boot::run(booted, ends.clone()));
        spawn_among(&mut first, async move {
            // Known or not, reports are taken then.
            let _ = timeout(BOOT_KNOWN_WITHIN, boot_ready.wait_for(|ready| *ready)).await;
            collecting.await;
        });
        let acting: Arc<dyn Actions> = Arc::new(actions::Device::new(client.clone(), &device.root));
        let reboot = || boot::reboot(records.clone(), Arc::clone(&acting), system_log.clone());
        // upload, rest ─what time it is, commands─► jobs
        let (dates, dates_known) = watch::channel(None);
        let dates = http::Dates::new(dates);
        let (commands, commanded) = mpsc::channel(commands::WAITING);
        let commands = http::Commands::new(commands);
        let job_clock = device.clock.clone();
        let clock_of_radios = device.clock.clone();
        let root_of_radios = device.root.clone();
        // For everything but the broker link, which has a resolver of its own.
        let resolver = lookup::Resolver::system("lookup");
        let (facts, upload_known) = watch::channel(http::Facts::default());
        let (health_facts, health_known) = watch::channel(health::Facts::default());
        let (deliveries, asks) = upload::asks(upload_known.clone());
        let (queue, health) = (spool.clone(), health_known.clone());
        let (names, times) = (resolver.clone(), dates.clone());
        let to_run = commands.clone();
        let uploading: Start = Box::new(move |now, (), ends| {
            let part = upload::Part {
                config: now.loaded.config.clone(),
                mac: now.mac.clone(),
                spool: queue.clone(),
                resolver: names.clone(),
                health: health.clone(),
                dates: times.clone(),
                commands: to_run.clone(),
                facts: facts.clone(),
                asks: asks.clone(),
            };
            Box::pin(upload::run(part, ends))
        });
        let ending = ends.clone();
        let delivery = renewed(current.clone(), upload::OPTIONS, ending, (), uploading);
        spawn_among(&mut first, held(hold, ends.clone(), Box::pin(delivery)));

        // broker ─► mqtt ─► jobs ─► replies ─► mqtt
        let (mqtt_facts, mqtt_known) = watch::channel(mqtt::Facts::default());
        // True while a change is on trial or being undone: nobody else heals the network then.
        let (armed, is_armed) = watch::channel(found.is_open());
        let around = guard::Surroundings {
            settings: settings.clone(),
            mqtt: mqtt_known.clone(),
            held: copies_held,
            uci: device_uci,
        };
        let (guarding, inbox) = guard::new(found, around);
        // jobs ─► upgrade ─► sysupgrade, opkg, apk; mqtt, upload, health ─► upgrade
        let (health, asks) = health::asks(health_known.clone());
        let (facts, upgrade_known) = watch::channel(upgrade::Facts::default());
        let (busy, is_busy) = watch::channel(false);
        let (proving, is_proving) = watch::channel(false);
        let part = upgrade::Part {
            config: settings.config(),
            mac: settings.mac(),
            uci: device.uci.clone(),
            client: client.clone(),
            resolver: resolver.clone(),
            witnesses: guard::Witnesses {
                mqtt: mqtt_known.clone(),
                api: upload_known.clone(),
                health: health.clone(),
                deliveries: deliveries.clone(),
            },
            guarded: is_armed.clone(),
            facts,
            busy,
            trial: proving,
            ends: ends.clone(),
        };
        let upgrading = upgrade::new(part, upgraded);
        // Nobody heals the network while it is changed, nor while the device is.
        let is_busy = contact::either(is_armed.clone(), is_busy, ends.clone());
        let (jobs_part, jobs, outlets) = jobs::new(settings.config(), settings.mac());
        let mut jobs_end = ends.clone();
        let jobs_part = jobs_part
            .on(jobs::Setting::new(&boot_id, reboot()))
            .with_crashes(past.crashes.clone())
            .coming_from(past.ledger.clone())
            .with_time(job_clock, dates_known)
            .watched_by(Arc::new(guarding))
            .upgraded_by(Arc::new(upgrading));
        spawn_among(
            &mut first,
            jobs_part.run(async move { jobs_end.requested().await }, JOBS_GRACE),
        );
        let facts = mqtt_facts;
        let (running, config) = (jobs.clone(), settings.config());
        spawn_among(
            &mut first,
            commands::run(commanded, running, config, ends.clone()),
        );
        let taker = jobs.clone();
        let linking: Start<mqtt::Supply> = Box::new(move |now, supply, mut ends| {
            let (config, mac) = (now.loaded.config.clone(), now.mac.clone());
            let ended = async move { ends.requested().await };
            let (jobs, facts) = (taker.clone(), facts.clone());
            Box::pin(mqtt::run(config, mac, jobs, supply, facts, ended))
        });
        let publishing = Publishing {
            current: current.clone(),
            hold,
            ends: broker_ends,
        };
        let (trial, on_trial) = watch::channel(false);
        let supply = mqtt::Supply::new(outlets.broker, outlets.live)
            .remembering(&now.loaded.config.state_dir)
            .hurried_by(contact::either(
                contact::either(is_armed.clone(), is_proving, ends.clone()),
                on_trial.clone(),
                ends.clone(),
            ));
        spawn_among(
            &mut broker,
            publishing.clone().run(mqtt::OPTIONS, supply, linking),
        );

        // health, guard ─► recovery ─► the device
        let (facts, recovery_known) = watch::channel(recovery::Facts::default());
        let recovering = recovery::Part {
            config: settings.config(),
            health: health_known.clone(),
            guarded: is_busy.clone(),
            hold,
            actions: Arc::clone(&acting),
            reboot: reboot(),
            records: records.clone(),
            notes: starts::directory(&device.root),
            events: events.clone(),
            facts,
        };
        spawn_among(&mut first, recovery::run(recovering, ends.clone()));

        // mqtt, upload, world ─► health ─► collect, upload, recovery
        let facts = health_facts;
        let (mqtt, api) = (mqtt_known.clone(), upload_known.clone());
        let (names, bus) = (resolver.clone(), client.clone());
        let (root, to_report) = (device.root.clone(), events.clone());
        let watching: Start = Box::new(move |now, (), ends| {
            let part = health::Part {
                config: now.loaded.config.clone(),
                root: root.clone(),
                resolver: names.clone(),
                mqtt: mqtt.clone(),
                api: api.clone(),
                facts: facts.clone(),
                code: code.clone(),
                events: to_report.clone(),
                client: bus.clone(),
                asks: asks.clone(),
            };
            Box::pin(health::run(part, ends))
        });
        let ending = ends.clone();
        spawn_among(
            &mut first,
            renewed(current.clone(), health::OPTIONS, ending, (), watching),
        );

        // jobs ─► guard ◄─ mqtt, upload, health
        let (facts, guard_known) = watch::channel(guard::Facts::default());
        let part = guard::Part {
            settings: settings.clone(),
            mqtt: mqtt_known.clone(),
            api: upload_known.clone(),
            health: health.clone(),
            deliveries: deliveries.clone(),
            client: client.clone(),
            reboot: reboot(),
            actions: Arc::clone(&acting),
            hold,
            events: events.clone(),
            facts,
            armed,
        };
        spawn_among(&mut first, guard::run(part, inbox, ends.clone()));

        // device ─► health::radio ─► recovery::radio ─► device
        let (facts, radios_known) = watch::channel(health::radio::Facts::default());
        let (radios, radio_asks) = health::radio::asks(radios_known.clone());
        let (restarts, restarts_known) = watch::channel(Vec::new());
        let part = health::radio::Part {
            config: settings.config(),
            client: client.clone(),
            root: root_of_radios.clone(),
            restarts: restarts_known,
            facts,
            answers: answered,
            reported,
            events: events.clone(),
            asks: radio_asks,
        };
        spawn_among(&mut first, health::radio::run(part, ends.clone()));
        let part = recovery::radio::Part {
            config: settings.config(),
            actions: acting,
            root: root_of_radios,
            boot_id: boot_id.clone(),
            clock: clock_of_radios,
            radios,
            health: health_known.clone(),
            armed: is_busy,
            events,
            restarts,
        };
        spawn_among(&mut first, recovery::radio::run(part, ends.clone()));

        // jobs ─► results ─► rest, instead of mqtt
        let (facts, rest_known) = watch::channel(None);
        let names = resolver.clone();
        let reporting: Start<jobs::Replies> = Box::new(move |now, replies, mut ends| {
            let part = rest::Part {
                config: now.loaded.config.clone(),
                mac: now.mac.clone(),
                resolver: resolver.clone(),
                replies,
                dates: dates.clone(),
                commands: commands.clone(),
                facts: facts.clone(),
                health: code_known.clone(),
            };
            Box::pin(rest::run(part, async move { ends.requested().await }))
        });
        spawn_among(
            &mut broker,
            publishing.run(rest::OPTIONS, outlets.api, reporting),
        );

        // settings, mqtt, upload, rest ─► first contact ─► settings, mqtt, upload, jobs
        let (told, heard) = contact::way(&current);
        let root = device.root.clone();
        let known = contact::Known {
            current: current.clone(),
            mqtt: mqtt_known.clone(),
            api: upload_known.clone(),
            rest: rest_known.clone(),
            newest: newest_known.clone(),
        };
        spawn_among(&mut first, contact::tell(known, told, ends.clone()));
        let pace = now.loaded.config.pace;
        let hurry = contact::hurry(on_trial, deliveries.clone(), pace, ends.clone());
        spawn_among(&mut first, hurry);
        let (facts, provision_known) = watch::channel(provision::Facts::default());
        let state_dir = now.loaded.config.state_dir.clone();
        let part = provision::once::Part {
            settings: heard.settings.clone(),
            facts: provision_known.clone(),
            resolver: names.clone(),
            state_dir: state_dir.clone(),
            run: contact::running(jobs.clone(), &boot_id),
            boot_id,
        };
        spawn_among(&mut first, provision::once::run(part, ends.clone()));
        let part = provision::Part {
            settings: heard.settings,
            reload: contact::reading(settings.clone()),
            state_dir,
            root,
            resolver: names,
            about: heard.about,
            reach: heard.reach,
            trial,
            facts,
        };
        let provisioning = Box::pin(provision::run(part, ends.clone()));
        spawn_among(&mut first, held(hold, ends.clone(), provisioning));

        // every part ─► board ─► bus
        let sources = api::Sources {
            board: Board {
                started: Instant::now(),
                starts: Arc::clone(&past.starts),
                settings: current,
                collect: collect_known,
                health: health_known,
                mqtt: mqtt_known,
                api: upload_known,
                rest: rest_known,
                spool: spool.facts(),
                jobs: jobs.facts(),
                recovery: recovery_known,
                boot: boot_known,
                guard: guard_known,
                radios: radios_known,
                provision: provision_known,
                upgrade: upgrade_known,
            },
            newest: newest_known,
            history: history_known,
            health,
            deliveries,
            jobs,
            settings,
        };
        spawn_among(&mut first, api::run(client, sources, ends));
        Parts {
            first,
            end_first,
            broker,
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

/// Does `work` once broker and API may be reached, unless the agent ends before.
async fn held(hold: Hold, mut ends: Shutdown, work: Work) {
    if hold.over(&mut ends).await {
        work.await;
    }
}

/// What everybody who publishes replies follows.
#[derive(Clone)]
struct Publishing {
    current: watch::Receiver<Arc<reload::Current>>,
    hold: Hold,
    ends: Shutdown,
}

impl Publishing {
    /// Has `supply` published. What one publisher has not brought out goes to the next; what the last
    /// leaves is lost with the process.
    async fn run<T>(self, options: &'static [&'static str], supply: T, start: Start<T>) {
        let Publishing {
            current,
            hold,
            mut ends,
        } = self;
        if hold.over(&mut ends).await {
            drop(renewed(current, options, ends, supply, start).await);
        }
    }
}
