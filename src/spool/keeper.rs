//! The spool with its clock, or what is kept until it opens.

use std::collections::VecDeque;

use super::batch::BatchId;
use super::gap::{Gap, Reason};
use super::handle::{Settings, Settled};
use super::spool::{Bounds, Builder, Spool};
use super::{Batch, Facts, SpoolError};
use crate::clock::Reading;
use crate::durable::Directory;

/// Reports kept, not yet built, while the directory cannot be opened: 16 min at the usual pace.
const UNOPENED_MAX: usize = 64;

pub(super) type Build = Box<Builder<'static>>;

pub(super) struct Keeper {
    settings: Settings,
    spool: Option<Spool>,
    waiting: VecDeque<(Build, Reading)>,
    /// Reports that `waiting` had no room for, and when the first and the last were taken.
    overflown: u64,
    between: Option<(u64, u64)>,
    error: Option<String>,
}

impl Keeper {
    pub(super) fn new(settings: Settings) -> Self {
        let mut keeper = Keeper {
            settings,
            spool: None,
            waiting: VecDeque::new(),
            overflown: 0,
            between: None,
            error: None,
        };
        keeper.open();
        keeper
    }

    fn on_disk(&mut self) -> Result<Spool, SpoolError> {
        let Settings {
            dir,
            boot_id,
            max,
            flash,
            ..
        } = &self.settings;
        let bounds = Bounds {
            ram: *max,
            flash: flash.as_ref().map_or(0, |flash| flash.max),
            flash_daily: flash.as_ref().map_or(0, |flash| flash.daily),
        };
        let failed = |path: &std::path::Path, source| SpoolError::Directory {
            path: path.to_path_buf(),
            source,
        };
        let ram = Directory::open(dir).map_err(|error| failed(dir, error))?;
        // What is on flash has to be known before anything else is sent; but not at any price.
        let patient = self.waiting.len() < UNOPENED_MAX / 4;
        let flash = flash.as_ref().filter(|_| patient);
        let on_flash = flash.map(|flash| {
            Directory::open(&flash.dir).map_err(|error| failed(&flash.dir, error).to_string())
        });
        let (on_flash, unsafe_flash) = match on_flash {
            Some(Ok(directory)) => (Some(directory), None),
            Some(Err(why)) => (None, Some(why)),
            None => (None, None),
        };
        if let Some(why) = unsafe_flash {
            log::error!("{why}; reports are kept in RAM only");
            self.error = Some(why);
        }
        Spool::on(ram, on_flash, boot_id, bounds)
    }

    /// The spool, if it can be opened; what waited for that goes in first.
    fn open(&mut self) -> Option<&mut Spool> {
        if self.spool.is_none() {
            self.error = None;
            match self.on_disk() {
                Ok(mut spool) => {
                    let (from, to) = self.between.take().unzip();
                    spool.lose(Gap {
                        from,
                        to,
                        count: Some(std::mem::take(&mut self.overflown)),
                        reason: Reason::Full,
                    });
                    for (build, at) in self.waiting.drain(..) {
                        if let Err(error) = spool.append(&build, at) {
                            log::error!("{error}");
                        }
                    }
                    self.spool = Some(spool);
                }
                Err(error) => {
                    let text = error.to_string();
                    if self.error.as_ref() != Some(&text) {
                        log::error!("{text}; reports are kept in memory");
                    }
                    self.error = Some(text);
                }
            }
        }
        self.spool.as_mut()
    }

    pub(super) fn append(&mut self, build: Build) -> Result<(), SpoolError> {
        let now = self.settings.clock.read();
        if let Some(spool) = self.open() {
            return spool.append(&build, now);
        }
        if self.waiting.len() == UNOPENED_MAX {
            if let Some((_, at)) = self.waiting.pop_front() {
                let from = self.between.map_or(at.epoch, |(from, _)| from);
                self.between = Some((from, at.epoch));
                self.overflown += 1;
            }
        }
        self.waiting.push_back((build, now));
        Ok(())
    }

    /// Asks the spool for a batch.
    pub(super) fn with(
        &mut self,
        ask: impl FnOnce(&mut Spool, Reading) -> Option<Batch>,
    ) -> Option<Batch> {
        let now = self.settings.clock.read();
        self.open().and_then(|spool| ask(spool, now))
    }

    pub(super) fn settle(&mut self, id: BatchId, how: Settled) {
        let now = self.settings.clock.read();
        let Some(spool) = &mut self.spool else {
            return;
        };
        match how {
            Settled::Delivered => spool.delivered(id, now),
            Settled::KeptBack => spool.kept_back(id, now),
            Settled::GivenUp => spool.given_up(id),
            Settled::Refused => spool.refused(id),
        }
    }

    pub(super) fn server_date(&mut self, date: u64) {
        self.settings.clock.answered(date);
    }

    /// Leaves everything where it survives.
    pub(super) fn close(&mut self) {
        let now = self.settings.clock.read();
        if let Some(spool) = &mut self.spool {
            spool.close(now);
        }
    }

    pub(super) fn facts(&self) -> Facts {
        let facts = match &self.spool {
            Some(spool) => spool.facts(),
            None => Facts {
                reports: self.waiting.len() as u64,
                oldest: self.waiting.front().map(|(_, at)| at.epoch),
                dropped: self.overflown,
                ..Facts::default()
            },
        };
        let last_error = facts.last_error.or_else(|| self.error.clone());
        Facts {
            last_error,
            ..facts
        }
    }
}
