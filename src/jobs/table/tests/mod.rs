//! The table without a disk: batches are written or fail at once.

mod absorb;
mod counts;
mod failing;
mod records;
mod rooms;
mod steps;

use std::sync::Arc;

use super::*;
use crate::jobs::message::{Job, Kind};
use crate::jobs::outcome::{End, Outcome};

const BOOT: [u8; 16] = [1; 16];

const START: Start = Start { at: 7, boot: BOOT };

pub(super) fn job(id: &str) -> Job {
    Job {
        id: id.into(),
        msg: format!("echo {id}"),
        kind: Kind::Shell,
        type_name: String::new(),
        timeout: None,
        timestamp: None,
        expires: None,
        device: None,
        detach: false,
        live: false,
        sig: None,
    }
}

fn printed(bytes: usize) -> Outcome {
    Outcome {
        stdout: "x".repeat(bytes),
        ..Outcome::without_command(End::Processed, "", None)
    }
}

pub(super) fn at(age: u32) -> Now {
    Now { age, floor: 0 }
}

/// A table and everything its disk has.
struct Desk {
    table: Table,
    disk: Vec<Record>,
}

impl Desk {
    fn new(bounds: Bounds) -> Self {
        Desk {
            table: Table::new(bounds),
            disk: Vec::new(),
        }
    }

    /// Writes everything; returns what there is to do then.
    fn write(&mut self) -> Vec<Effect> {
        while let Some(batch) = self.table.take_batch(at(0)) {
            if batch.replaces {
                self.disk.clear();
            }
            for record in batch.records {
                let bytes = record.encode();
                let read = Record::decode(&bytes).map(|read| read.encode());
                assert_eq!(read.as_ref(), Some(&bytes), "{record:?}");
                for len in 0..bytes.len() {
                    assert_eq!(Record::decode(&bytes[..len]), None, "{record:?}");
                }
                self.disk.push(record);
            }
            self.table.written();
        }
        std::iter::from_fn(|| self.table.poll()).collect()
    }

    fn fail(&mut self) -> Vec<Effect> {
        assert!(self.table.take_batch(at(0)).is_some());
        self.table.failed();
        std::iter::from_fn(|| self.table.poll()).collect()
    }

    fn accept(&mut self, id: &str) -> Result<Number, Full> {
        let accepted = self.table.accept(Source::Mqtt, job(id), true, None, at(0));
        self.write();
        accepted
    }

    fn run(&mut self, id: &str, bytes: usize) -> Number {
        let number = self.accept(id).unwrap();
        self.table.start(number, START);
        assert_eq!(self.write(), [Effect::Run(number)]);
        self.table.finish(number, printed(bytes), at(0));
        assert_eq!(self.write(), [Effect::Ended(number)]);
        number
    }

    /// The table of the next agent.
    fn next(mut self, boot: [u8; 16]) -> Self {
        self.table = Table::read(self.table.bounds, self.disk.clone());
        self.table.go_on(boot, at(self.table.began()), &|_| false);
        self
    }

    fn finished(&self, id: &str) -> Arc<Outcome> {
        match self.table.known(Source::Mqtt, id) {
            Some(Known::Finished(outcome)) => outcome,
            other => panic!("{id}: {other:?}"),
        }
    }
}
