//! From the record to the outcome: what an agent does with an upgrade that has passed the point of no return.

use std::io;
use std::path::Path;
use std::time::Duration;

use durable::Directory;
use tokio::time::{sleep, Instant};

use super::handle::Shared;
use super::places::on_disk;
use super::record::{Event, Phase, Record};
use super::store::{self, Alive};
use super::watcher;
use crate::guard::decide::{Needs, Next, Trial};
use crate::jobs::{Doing, Hold};
use crate::terminal::safe;

/// Longest wait for the restart that sysupgrade brings.
pub(super) const RESTART_WITHIN: Duration = Duration::from_secs(600);

/// Between two looks at what the watcher has written.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// A watcher that is about to begin, or to be replaced by the next, may not have the lock.
const UNWATCHED: u32 = 6;

/// Watchers that are started at most for one upgrade by one agent.
const WATCHERS: u32 = 3;

/// A new agent looks for its proof of life as long as somebody may wait for it.
const LOOKS_FOR: Duration = Duration::from_secs(24 * 3600);

impl Shared {
    /// Goes on with the upgrade of an earlier agent.
    pub(super) async fn go_on(&self, record: Record) {
        let record = match record.is_image() {
            _ if record.phase.is_decided() => record,
            true => self.after_flash(record).await,
            false => self.follow(record, true).await,
        };
        log::info!(
            "upgrade: job '{}': {:?}{}",
            safe(&record.id),
            record.phase,
            record
                .reason
                .as_deref()
                .map(|why| format!(": {}", safe(why)))
                .unwrap_or_default()
        );
        self.set_free();
        self.decided.send_replace(Some(record));
    }

    /// The device has booted after sysupgrade, or not.
    async fn after_flash(&self, mut record: Record) -> Record {
        let pace = self.settings().pace;
        if record.phase == Phase::Flashing {
            let event = if record.boot == self.boot {
                // An agent that was restarted while sysupgrade was at work.
                self.part.busy.send_replace(true);
                self.hold.send_replace(Hold::Starts);
                self.tell(Phase::Flashing.name(), &record.id);
                sleep(pace.of(RESTART_WITHIN)).await;
                Event::Stuck(not_restarted())
            } else {
                Event::Booted(self.release.clone())
            };
            self.part.busy.send_replace(false);
            self.hold.send_replace(Hold::Nothing);
            record = self.step(record, event).await;
        }
        if record.phase == Phase::Trial {
            let within = self.settings().rollback_timeout;
            self.tell(record.phase.name(), &record.id);
            let event = match self.prove(record.needs(), within).await {
                true => Event::Alive,
                false => Event::Late(self.not_alive(within)),
            };
            record = self.step(record, event).await;
        }
        record
    }

    fn not_alive(&self, within: Duration) -> String {
        let verdict = self.part.witnesses.verdict();
        let verdict = verdict.map(|verdict| format!(": {}", verdict.words()));
        format!(
            "release {} runs and gave no proof of life within {} s{}",
            self.release,
            within.as_secs(),
            verdict.unwrap_or_default()
        )
    }

    /// The record after `event`, on flash if that can be written.
    async fn step(&self, record: Record, event: Event) -> Record {
        let record = record.after(event);
        let (places, written) = (self.places.clone(), record.clone());
        if let Err(error) = on_disk(move || places.write(&written)).await {
            // The next agent decides it again.
            log::warn!("upgrade: its record is not written: {error}");
        }
        record
    }

    /// Waits for evidence, newer than this moment, that the device reaches what it `needs` to; false without any
    /// in time.
    async fn prove(&self, needs: Needs, within: Duration) -> bool {
        let pace = self.settings().pace;
        self.part.trial.send_replace(true);
        let mut witnesses = self.part.witnesses.clone();
        let trial = Trial::verify(needs, within, pace, Instant::now());
        let next = Box::pin(witnesses.next(&trial, needs, pace)).await;
        self.part.trial.send_replace(false);
        next == Next::Keep
    }

    /// Follows what the watcher does until it is decided. A new agent also `proves` that it lives.
    pub(super) async fn follow(&self, mut record: Record, proves: bool) -> Record {
        let mut proof: Option<Doing<bool>> = None;
        if proves {
            let needs = record.needs();
            let (pace, witnesses) = (self.settings().pace, self.part.witnesses.clone());
            self.part.trial.send_replace(true);
            proof = Some(Box::pin(async move {
                let mut witnesses = witnesses;
                let trial = Trial::verify(needs, LOOKS_FOR, pace, Instant::now());
                witnesses.next(&trial, needs, pace).await == Next::Keep
            }));
        }
        let (mut unwatched, mut watchers) = (0, 0);
        loop {
            tokio::select! {
                alive = proven(&mut proof) => {
                    proof = None;
                    self.part.trial.send_replace(false);
                    if alive {
                        self.tell_alive(&record).await;
                    }
                }
                () = sleep(LOOK_AGAIN) => {}
            }
            let own = self.places.own();
            let directory = match Directory::open(&own) {
                Ok(directory) => directory,
                Err(error) => {
                    log::warn!("{}: {error}", own.display());
                    continue;
                }
            };
            let was_watched = watcher::is_watched(&directory);
            match self.places.of_package() {
                Ok(Some(now)) => record = now,
                Ok(None) => {}
                Err(error) => log::warn!("{}: {error}", own.display()),
            }
            if record.phase.is_decided() {
                return record;
            }
            if self.part.facts.borrow().state != record.phase.name() {
                self.tell(record.phase.name(), &record.id);
            }
            unwatched = if was_watched { 0 } else { unwatched + 1 };
            if unwatched < UNWATCHED {
                continue;
            }
            unwatched = 0;
            watchers += 1;
            if let Err(error) = self.watch_again(watchers > WATCHERS).await {
                log::warn!("upgrade: no watcher: {error}");
                if watchers > WATCHERS {
                    record.phase = Phase::Failed;
                    let why = format!("nobody saw the installation through: {error}");
                    record.reason = Some(why);
                    let (places, written) = (self.places.clone(), record.clone());
                    // In RAM it is decided all the same.
                    let _ = on_disk(move || places.write(&written)).await;
                    return record;
                }
            }
        }
    }

    /// Starts a watcher in the place of one that is gone.
    async fn watch_again(&self, too_often: bool) -> Result<(), String> {
        if too_often {
            return Err("the watchers end before it is decided".to_owned());
        }
        log::warn!("upgrade: the watcher is gone; another one goes on");
        let places = self.places.clone();
        let copied = on_disk(move || watcher::copy_program(&Directory::open(&places.ram())?));
        let started = watcher::start(&copied.await?, watcher::RESUME, &self.places.own());
        started.map_err(|error| error.to_string())
    }

    /// Leaves word for the watcher that this agent lives.
    async fn tell_alive(&self, record: &Record) {
        let (own, key) = (self.places.own(), record.key.clone());
        let tell = move || {
            let alive = Alive {
                key,
                program: watcher::hash_of(Path::new("/proc/self/exe"))?,
                version: env!("CARGO_PKG_VERSION").to_owned(),
            };
            store::write_alive(&mut Directory::open(&own)?, &alive).map_err(io::Error::other)
        };
        match on_disk(tell).await {
            Ok(()) => log::info!("upgrade: this agent lives, by what it reaches"),
            Err(error) => log::warn!("upgrade: that this agent lives is not noted: {error}"),
        }
    }
}

pub(super) fn not_restarted() -> String {
    let s = RESTART_WITHIN.as_secs();
    format!("sysupgrade began, and the device did not restart within {s} s")
}

async fn proven(proof: &mut Option<Doing<bool>>) -> bool {
    match proof {
        Some(proof) => proof.await,
        None => std::future::pending().await,
    }
}
