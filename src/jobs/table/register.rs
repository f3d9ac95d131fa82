//! The register: the ids and the clock floor that outlive the ledger.
//!
//! ```text
//!  page  age u32, floor u64, entry …
//!  entry source u8, key u64, age u32, expires u32, verdict u8, exit u8
//! ```
//!
//! It knows nothing but which ids may not run again, how their jobs ended, and which time has passed for
//! certain. No job can be read out of it, so that no copy of it, however old, makes anything run. Of two entries of an
//! id the later one holds.
//!
//! A page is written with the batch in which a job starts, or in which one ends that never started; ends of
//! jobs and the floor go with the next of them, with the hourly record of the time or with the end of the agent.
//! A job costs one page at most. The page of a batch that replaces the ledger replaces the register.

use std::iter;

use super::codec::{Reader, Writer};
use super::entry::{Entry, Phase};
use super::id::{Id, Verdict};
use super::seen::{Ids, Seen};
use super::{Bounds, Key, Now, Source, Table};
use crate::jobs::outcome::{End, Outcome};
use crate::sorted;

/// Ids in one record of the register: few, so that its bytes take little memory on their way.
const PIECE: usize = 128;

/// A write of the register.
#[derive(Debug)]
pub struct Page {
    /// In the place of everything that was written before.
    pub replaces: bool,
    age: u32,
    floor: u64,
    ids: Vec<(Source, Ids)>,
}

impl Page {
    /// The records that make it up; one unless it has more than 128 ids.
    pub fn records(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        let head = || {
            let mut to = Writer::default();
            to.u32(self.age).u64(self.floor);
            to
        };
        let mut ids = self
            .ids
            .iter()
            .flat_map(|(source, ids)| ids.iter().map(|id| (*source, id)))
            .peekable();
        let mut is_first = true;
        iter::from_fn(move || {
            if !std::mem::take(&mut is_first) {
                ids.peek()?;
            }
            let mut to = head();
            for (source, id) in ids.by_ref().take(PIECE) {
                let exit = u8::try_from(id.exit).unwrap_or(u8::MAX);
                to.u8(source.number()).u64(id.key.0).u32(id.age);
                to.u32(id.expires).u8(id.verdict.number()).u8(exit);
            }
            Some(to.0)
        })
    }
}

/// The knowledge of a register that was read.
#[derive(Debug)]
pub struct Recalled {
    age: u32,
    floor: u64,
    broker: Seen,
    bus: Seen,
    /// Records that could not be read, or for which there is no room.
    pub damaged: u64,
}

impl Recalled {
    /// Nothing yet. It takes twice the ids of a table: those of a copy may come on top of the table's own.
    pub fn new(bounds: Bounds) -> Self {
        Recalled {
            age: 0,
            floor: 0,
            broker: Seen::of_at_most(2 * bounds.broker),
            bus: Seen::of_at_most(2 * bounds.bus),
            damaged: 0,
        }
    }

    /// Reads a record.
    pub fn read(&mut self, record: &[u8]) {
        if self.read_whole(record).is_none() {
            self.damaged += 1;
        }
    }

    /// `None` if some of the record is not what was written, or finds no room.
    fn read_whole(&mut self, record: &[u8]) -> Option<()> {
        let mut from = Reader(record);
        let (age, floor) = (from.u32()?, from.u64()?);
        self.age = self.age.max(age);
        self.floor = self.floor.max(floor);
        while !from.is_empty() {
            let source = Source::of_number(from.u8()?)?;
            let id = Id {
                key: from.u64().map(Key)?,
                age: from.u32()?,
                expires: from.u32()?,
                verdict: Verdict::of_number(from.u8()?)?,
                exit: i32::from(from.u8()?),
            };
            self.age = self.age.max(id.age);
            self.seen(source).put(id)?;
        }
        Some(())
    }

    fn seen(&mut self, source: Source) -> &mut Seen {
        match source {
            Source::Mqtt => &mut self.broker,
            Source::Ubus => &mut self.bus,
        }
    }

    fn knows(&self, source: Source, key: Key) -> bool {
        let seen = match source {
            Source::Mqtt => &self.broker,
            Source::Ubus => &self.bus,
        };
        seen.get(key).is_some()
    }
}

/// The part of a table that is on its way to the register.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    ids: Vec<(Source, Id)>,
    /// Something among it has to be in the register before it takes effect.
    due: bool,
    /// The time was recorded.
    time: bool,
    state: State,
}

/// The register compared with the table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// It has everything but what is outgoing.
    #[default]
    Current,
    /// It lacks something, and has to be written as a whole.
    Lacking,
    /// It could not be written, and is left alone until it is tried again.
    Failing,
}

impl Outgoing {
    pub(super) fn started(&mut self, entry: &Entry) {
        self.add(entry.source, entry.interrupted(0));
        self.due = true;
    }

    /// The job of `entry` is about to finish.
    pub(super) fn finishes(&mut self, entry: &Entry, outcome: &Outcome) {
        let id = Id::new(entry.key, 0, entry.about.expires, outcome);
        self.add(entry.source, id);
        self.due |= matches!(entry.phase, Phase::Accepted);
    }

    fn add(&mut self, source: Source, id: Id) {
        if self.state == State::Current {
            self.ids.push((source, id));
        }
    }

    pub(super) fn time(&mut self) {
        self.time = true;
    }

    /// True if a page has to be written though the ledger has nothing to write.
    pub(super) fn is_due(&self) -> bool {
        self.state == State::Lacking || self.is_waiting()
    }

    /// True if something waits for a page that may not wait for the next agent.
    pub(super) fn is_waiting(&self) -> bool {
        self.state == State::Current && self.due
    }

    /// A batch did not come to the disk: a later page makes up for what went with it.
    pub(super) fn lost(&mut self) {
        if self.state == State::Current {
            *self = Outgoing::of(State::Lacking);
        }
    }

    fn of(state: State) -> Self {
        Outgoing {
            state,
            ..Outgoing::default()
        }
    }
}

impl Entry {
    /// Its id, should nothing more be known of it than that it has started.
    fn interrupted(&self, age: u32) -> Id {
        let cut = Outcome::without_command(End::Interrupted, "", None);
        Id::new(self.key, age, self.about.expires, &cut)
    }

    /// Its id, if it may not run again.
    fn id(&self, now: Now) -> Option<Id> {
        let id = |age, outcome: &Outcome| Id::new(self.key, age, self.about.expires, outcome);
        match &self.phase {
            Phase::Accepted => None,
            Phase::Started(_) => Some(self.interrupted(now.age)),
            Phase::Finished(outcome) => Some(id(now.age, outcome)),
            Phase::Reported(outcome, age) => Some(id(*age, outcome)),
        }
    }
}

impl Table {
    /// The page that goes with a batch, if one is due.
    pub(super) fn page(&mut self, now: Now, replaces: bool, is_time_alone: bool) -> Option<Page> {
        let register = &mut self.register;
        let is_whole = match register.state {
            State::Failing => return None,
            State::Lacking => true,
            State::Current => replaces,
        };
        let has_time = std::mem::take(&mut register.time);
        let is_due = is_whole || register.due || has_time && is_time_alone;
        if !is_due {
            return None;
        }
        let Outgoing { ids, .. } = std::mem::take(register);
        let ids = match is_whole {
            true => self.all_that_may_not_run(now),
            false => by_source(ids.into_iter().map(|(source, mut id)| {
                id.age = now.age;
                (source, id)
            })),
        };
        Some(Page {
            replaces: is_whole,
            age: now.age,
            floor: self.floor,
            ids,
        })
    }

    /// Every id that may not run again.
    fn all_that_may_not_run(&mut self, now: Now) -> Vec<(Source, Ids)> {
        let recorded = self.jobs.values().filter(|entry| entry.recorded);
        let mut all = by_source(recorded.filter_map(|entry| Some((entry.source, entry.id(now)?))));
        let seen = [
            (Source::Mqtt, &mut self.broker),
            (Source::Ubus, &mut self.bus),
        ];
        for (source, seen) in seen {
            all.extend(seen.pieces(PIECE).map(|ids| (source, ids)));
        }
        all
    }

    /// Takes over what the register knows and the ledger does not: its ids may not run again, and the floor is
    /// the greater of both. True if that was anything, so that the ledger has to be written.
    pub fn recall(&mut self, recalled: &Recalled) -> bool {
        if !self.is_all_in(recalled) {
            self.register_again();
        }
        let has_risen = recalled.floor > self.floor;
        self.floor = self.floor.max(recalled.floor);
        self.live_until(recalled.age);
        let mut new = 0;
        for (source, seen) in [
            (Source::Mqtt, &recalled.broker),
            (Source::Ubus, &recalled.bus),
        ] {
            new += self.recall_ids(source, seen);
        }
        has_risen || new > 0
    }

    /// Counts on from `age`, if that is later. Ids stay as old as they were.
    fn live_until(&mut self, age: u32) {
        let by = age.saturating_sub(self.began);
        if by == 0 {
            return;
        }
        self.began = age;
        self.broker.shift(by);
        self.bus.shift(by);
        for entry in self.jobs.values_mut() {
            if let Phase::Reported(_, age) = &mut entry.phase {
                *age = age.saturating_add(by);
            }
        }
    }

    /// Takes over ids that are not known; returns how many they were. Of those that may go, the newest are taken,
    /// as far as there is room.
    fn recall_ids(&mut self, source: Source, ids: &Seen) -> usize {
        let (age, keep, floor) = (self.began, self.bounds.keep, self.floor);
        let mut new: Vec<Id> = ids
            .iter()
            .filter(|id| !self.is_known(source, id.key))
            .collect();
        sorted::by_key(&mut new, |id| {
            (id.may_go(age, keep, floor), u32::MAX - id.age)
        });
        let mut taken = 0;
        for id in new {
            let has_room = self.ids(source) < self.max(source);
            if has_room || !id.may_go(age, keep, floor) {
                self.seen(source).insert(id);
                taken += 1;
            }
        }
        taken
    }

    fn is_known(&self, source: Source, key: Key) -> bool {
        let seen = match source {
            Source::Mqtt => &self.broker,
            Source::Ubus => &self.bus,
        };
        self.keys.contains_key(&key) || seen.get(key).is_some()
    }

    fn is_all_in(&self, recalled: &Recalled) -> bool {
        let of = |source, seen: &Seen| seen.iter().all(|id| recalled.knows(source, id.key));
        let mut recorded = self.jobs.values().filter(|entry| entry.recorded);
        let now = Now::default();
        self.floor <= recalled.floor
            && recalled.damaged == 0
            && of(Source::Mqtt, &self.broker)
            && of(Source::Ubus, &self.bus)
            && recorded
                .all(|entry| entry.id(now).is_none() || recalled.knows(entry.source, entry.key))
    }

    /// The register did not take a page, or cannot be opened. Nothing more goes to it before
    /// [`Table::register_again`].
    pub fn register_failed(&mut self) {
        self.register = Outgoing::of(State::Failing);
    }

    /// The register is tried again, with all there is for it.
    pub fn register_again(&mut self) {
        self.register = Outgoing::of(State::Lacking);
    }

    /// Releases everything that waits for the register.
    pub fn flush_register(&mut self) {
        self.register.due |= !self.register.ids.is_empty();
    }
}

/// Ids by their source.
fn by_source(ids: impl Iterator<Item = (Source, Id)>) -> Vec<(Source, Ids)> {
    let (broker, bus): (Vec<_>, Vec<_>) = ids.partition(|(source, _)| *source == Source::Mqtt);
    let ids = |of: Vec<(Source, Id)>| Ids::of(of.into_iter().map(|(_, id)| id));
    vec![(Source::Mqtt, ids(broker)), (Source::Ubus, ids(bus))]
}

#[cfg(test)]
mod tests;
