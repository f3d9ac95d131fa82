//! The spool with its clock, or what is kept until it opens.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use durable::Directory;

use super::aside::ReportId;
use super::batch::BatchId;
use super::gap::{Gap, Reason};
use super::handle::{Place, Settings, Settled};
use super::moving::Moving;
use super::name::Name;
use super::spool::{Bounds, Builder, Spool};
use super::{Batch, Facts, SpoolError};
use crate::Reading;

/// Reports kept, not yet built, while the directory cannot be opened: 16 min at the usual pace.
const UNOPENED_MAX: usize = 64;

pub(super) type Build = Box<Builder<'static>>;

pub(super) struct Keeper {
    settings: Settings,
    spool: Option<Spool>,
    /// The directory that is in use in the place of flash until it is empty.
    leaving: Option<PathBuf>,
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
            leaving: None,
            waiting: VecDeque::new(),
            overflown: 0,
            between: None,
            error: None,
        };
        keeper.open();
        keeper
    }

    /// True if the spool may wait for flash.
    pub(super) fn is_on_flash(&self) -> bool {
        self.settings.place.flash.is_some() || self.leaving.is_some()
    }

    fn on_disk(&mut self) -> Result<Spool, SpoolError> {
        let Settings {
            boot_id,
            place,
            crashes,
            ..
        } = &self.settings;
        let ram = open(&place.dir)?;
        // What is on flash has to be known before anything else is sent; but not at any price.
        let patient = self.waiting.len() < UNOPENED_MAX / 4;
        let left = place.first_left().filter(|_| patient);
        let (left, in_left) = match left.as_deref().map(open).transpose() {
            Ok(directory) => (left, directory),
            Err(error) => {
                log::error!("{error}; the reports in it are not delivered");
                self.error = Some(error.to_string());
                (None, None)
            }
        };
        let in_flash = place.flash_dir().filter(|_| patient && left.is_none());
        let in_flash = match in_flash.map(open).transpose() {
            Ok(directory) => directory,
            Err(error) => {
                log::error!("{error}; reports are kept in RAM only");
                self.error = Some(error.to_string());
                None
            }
        };
        self.leaving = left;
        let on_flash = in_left.or(in_flash);
        let bounds = place.bounds(self.leaving.is_some());
        Spool::after(crashes, ram, on_flash, boot_id, bounds)
    }

    /// Turns to the next directory when nothing waits any more in the one that is left.
    fn leave(&mut self) {
        let is_empty = |spool: &Spool| {
            let archive = spool.stores.archive.as_ref();
            archive.is_none_or(|archive| archive.store.segments.is_empty())
        };
        let (Some(dir), Some(spool)) = (&self.leaving, &mut self.spool) else {
            return;
        };
        spool.flush();
        if !is_empty(spool) || !spool.pending.is_empty() {
            return;
        }
        log::info!("spool: everything in {} is delivered", dir.display());
        match self.on_disk() {
            Ok(mut next) => {
                if let Some(old) = &mut self.spool {
                    next.inherit(old, false, false);
                }
                self.spool = Some(next);
            }
            // The next batch that is delivered tries it again.
            Err(error) => self.error = Some(error.to_string()),
        }
    }

    /// The spool, if it can be opened; what waited for that goes in first.
    fn open(&mut self) -> Option<&mut Spool> {
        if self.spool.is_none() {
            self.error = None;
            match self.on_disk() {
                Ok(mut spool) => {
                    let (from, to) = self.between.take().unzip();
                    spool.losses.lose(Gap {
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

    /// Has the spool at another place from now on, if it can be there.
    pub(super) fn settle(&mut self, place: Place) {
        // What was wrong with another place counts no longer.
        self.error = None;
        let before = std::mem::replace(&mut self.settings.place, place);
        let Some(mut old) = self.spool.take() else {
            // What waits for a directory goes to this one.
            return;
        };
        match self.moved(&before, &mut old) {
            Ok(spool) => self.spool = Some(spool.unwrap_or(old)),
            Err(reason) => {
                let text = format!("{reason}; {} stays in use", before.dir.display());
                log::error!("{text}");
                self.error = Some(text);
                self.settings.place = before;
                self.spool = Some(old);
            }
        }
    }

    /// The spool at the place that is wanted, with everything of `old`; none if that is there.
    fn moved(&mut self, before: &Place, old: &mut Spool) -> Result<Option<Spool>, SpoolError> {
        let Settings {
            boot_id,
            place,
            crashes,
            ..
        } = &self.settings;
        let left = self.leaving.as_deref();
        let from = left.or(before.flash_dir()).map(Path::to_owned);
        // What flash has is delivered, even if nothing more is to get there.
        let stays = || from.clone().filter(|_| old.stores.archive.is_some());
        let to = left.or(place.flash_dir()).map(Path::to_owned);
        let to = to.or_else(stays);
        let same_flash = from == to;
        if before.dir == place.dir && same_flash {
            old.bound(place.bounds(left.is_some()));
            return Ok(None);
        }
        let mut ram = Moving::new(before.dir != place.dir, &place.dir)?;
        let mut flash = match &to {
            Some(dir) => Some(Moving::new(from.is_some() && !same_flash, dir)?),
            None => None,
        };
        let spool = old.copy_to(&mut ram, flash.as_mut()).and_then(|()| {
            let on_flash = flash.as_ref().map(|flash| flash.to.clone());
            let bounds = place.bounds(left.is_some());
            Spool::after(crashes, ram.to.clone(), on_flash, boot_id, bounds)
        });
        match spool {
            Ok(mut spool) => {
                log::info!("spool: moved to {}", place.dir.display());
                spool.inherit(old, ram.moves, flash.is_some_and(|flash| flash.moves));
                Ok(Some(spool))
            }
            Err(error) => {
                ram.give_up();
                flash.iter_mut().for_each(Moving::give_up);
                Err(error)
            }
        }
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

    pub(super) fn settled(&mut self, id: BatchId, how: Settled) {
        let now = self.settings.clock.read();
        let Some(spool) = &mut self.spool else {
            return;
        };
        match how {
            Settled::Delivered => spool.delivered(id, now),
            Settled::KeptBack => spool.kept_back(id, now),
            Settled::SetAside => spool.set_aside(id),
            Settled::GivenUp => spool.given_up(id),
            Settled::Refused => spool.refused(id),
        }
        self.leave();
    }

    pub(super) fn take_back(&mut self, reports: &[ReportId]) {
        let now = self.settings.clock.read();
        if let Some(spool) = &mut self.spool {
            spool.take_back(reports, now);
        }
    }

    pub(super) fn take_back_all(&mut self) {
        if let Some(spool) = &mut self.spool {
            spool.take_back_all();
        }
    }

    pub(super) fn server_date(&mut self, date: u64) {
        self.settings.clock.answered(date);
    }

    pub(super) fn wants_date(&mut self) -> bool {
        self.settings.clock.wants_answer() && self.facts().reports > 0
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

impl Place {
    fn flash_dir(&self) -> Option<&Path> {
        self.flash.as_ref().map(|flash| flash.dir.as_path())
    }

    /// The first directory that is left and has reports.
    fn first_left(&self) -> Option<PathBuf> {
        let has_reports = |dir: &&PathBuf| {
            let names = fs::read_dir(dir).into_iter().flatten().flatten();
            let mut names = names.filter_map(|entry| entry.file_name().into_string().ok());
            names.any(|name| Name::parse(&name).is_some())
        };
        self.left.iter().find(has_reports).cloned()
    }

    /// The bounds here; a directory that is being left loses nothing and gets nothing.
    fn bounds(&self, leaving: bool) -> Bounds {
        let flash = self.flash.as_ref().filter(|_| !leaving);
        Bounds {
            ram: self.max,
            flash: flash.map_or(if leaving { u64::MAX } else { 0 }, |flash| flash.max),
            flash_daily: flash.map_or(0, |flash| flash.daily),
        }
    }
}

pub(super) fn open(dir: &Path) -> Result<Directory, SpoolError> {
    Directory::open(dir).map_err(|source| SpoolError::Directory {
        path: dir.to_path_buf(),
        source,
    })
}
