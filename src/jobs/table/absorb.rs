//! The jobs of a ledger that was left, in the one that is in use.

use std::sync::Arc;

use super::entry::{Entry, Phase};
use super::id::Id;
use super::record::Record;
use super::{Effect, Number, Source, Table};
use crate::jobs::outcome::{End, Outcome};

/// The reason in the result of a job that is not run.
const LEFT: &str = "the job waited in a record of jobs that was left, and was not run";

impl Table {
    /// Takes over the ids of another table, none of which may run again, and the results that nobody has. A job that it
    /// has waiting or started, unknown here, is interrupted: whether another agent has gone on with it cannot be known.
    ///
    /// The other table has numbers of its own: see [`Table::read_beside`].
    pub fn absorb(&mut self, mut other: Table) {
        self.next = self.next.max(other.next);
        for (number, entry) in other.jobs {
            let seen = self.seen(entry.source).get(entry.key);
            if seen.is_none() && !self.keys.contains_key(&entry.key) {
                self.absorb_job(number, entry, other.began);
            }
        }
        let seen = [
            (Source::Mqtt, &mut other.broker),
            (Source::Ubus, &mut other.bus),
        ];
        for (source, seen) in seen {
            for ids in seen.pieces(Record::IDS) {
                for id in ids.iter() {
                    if !self.keys.contains_key(&id.key) {
                        self.seen(source).insert(id);
                    }
                }
            }
        }
        self.floor = self.floor.max(other.floor);
    }

    fn absorb_job(&mut self, number: Number, mut entry: Entry, began: u32) {
        let outcome = match &entry.phase {
            Phase::Reported(outcome, age) => {
                let id = Id::new(entry.key, *age, entry.about.expires, outcome);
                return self.seen(entry.source).insert(id);
            }
            Phase::Finished(outcome) => Arc::clone(outcome),
            Phase::Accepted | Phase::Started(_) => {
                let name = &entry.about.type_name;
                let reason = Some(LEFT.to_owned());
                Arc::new(Outcome::without_command(End::Interrupted, name, reason))
            }
        };
        let has_room = self.ids(entry.source) < self.max(entry.source);
        if entry.source == Source::Ubus || !has_room {
            // A caller on the bus has gone with the agent it asked.
            let id = Id::new(entry.key, began, entry.about.expires, &outcome);
            return self.seen(entry.source).insert(id);
        }
        self.unreported_bytes += outcome.output_len();
        self.rooms.of(entry.source).recorded += 1;
        entry.job = None;
        entry.phase = Phase::Finished(outcome);
        self.keys.insert(entry.key, number);
        self.jobs.insert(number, entry);
        self.effects.push_back(Effect::Ended(number));
    }
}
