//! The register without a disk: its pages are there at once, or lost.

use super::*;
use crate::jobs::message::Job;
use crate::jobs::table::tests::at;
use crate::jobs::table::{self, Effect, Full, Known, Number, Record, Start};

const START: Start = Start {
    at: 7,
    boot: [1; 16],
};

/// Few enough to fill.
const BOUNDS: Bounds = Bounds {
    broker: 4,
    bus: 2,
    keep: 100,
};

fn job(id: &str, expires: Option<u64>) -> Job {
    Job {
        expires,
        sig: expires.map(|_| "by somebody".to_owned()),
        ..table::tests::job(id)
    }
}

fn exit(code: i32) -> Outcome {
    Outcome {
        exit_code: Some(code),
        success: code == 0,
        ..Outcome::without_command(End::Processed, "", None)
    }
}

/// A table and everything that ledger and register have.
struct Desk {
    table: Table,
    ledger: Vec<Record>,
    register: Vec<Vec<u8>>,
    /// Pages so far.
    pages: usize,
}

impl Desk {
    fn new(bounds: Bounds) -> Self {
        Desk {
            table: Table::new(bounds),
            ledger: Vec::new(),
            register: Vec::new(),
            pages: 0,
        }
    }

    /// Writes everything; returns how many pages that took.
    fn write(&mut self, age: u32) -> usize {
        let before = self.pages;
        while let Some(batch) = self.table.take_batch(at(age)) {
            if batch.replaces {
                self.ledger.clear();
            }
            self.ledger.extend(batch.records);
            self.table.written();
            let Some(page) = batch.page else {
                continue;
            };
            self.pages += 1;
            if page.replaces {
                self.register.clear();
            }
            self.register.extend(page.records());
        }
        while self.table.poll().is_some() {}
        self.pages - before
    }

    fn accept(&mut self, source: Source, job: Job, age: u32) -> Result<Number, Full> {
        let start = Some(START);
        let accepted = self.table.accept(source, job, true, start, at(age));
        self.write(age);
        accepted
    }

    fn run(&mut self, source: Source, job: Job, age: u32, code: i32) {
        let number = self.accept(source, job, age).unwrap();
        self.table.finish(number, exit(code), at(age));
        self.write(age);
        self.table.reported(number, at(age));
        self.write(age);
    }

    fn recalled(&self) -> Recalled {
        let mut recalled = Recalled::new(self.table.bounds);
        for record in &self.register {
            recalled.read(record);
        }
        recalled
    }

    /// The next agent, and whether its register told it anything new.
    fn next(mut self) -> (Self, bool) {
        self.table = Table::read(self.table.bounds, self.ledger.clone());
        let is_new = self.table.recall(&self.recalled());
        let age = self.table.began();
        self.table.go_on([2; 16], at(age), &|_| false);
        (self, is_new)
    }

    /// The next agent after an upgrade.
    fn upgraded(mut self) -> Self {
        self.ledger.clear();
        self.next().0
    }

    fn outcome(&self, source: Source, id: &str) -> Option<Outcome> {
        match self.table.known(source, id)? {
            Known::Finished(outcome) => Some(Outcome::clone(&outcome)),
            Known::Unfinished(_) => panic!("{id} is there as a job"),
        }
    }
}

#[test]
fn a_job_costs_one_page_which_takes_the_ends_of_others_along() {
    let mut desk = Desk::new(Bounds::default());
    let accept = |desk: &mut Desk, id: &str, start| {
        let accepted = desk
            .table
            .accept(Source::Mqtt, job(id, None), true, start, at(1));
        (accepted.unwrap(), desk.write(1))
    };
    let (waits, pages) = accept(&mut desk, "waits", None);
    assert_eq!(pages, 0, "it may still be taken for new");
    let (runs, pages) = accept(&mut desk, "runs", Some(START));
    assert_eq!(pages, 1);
    desk.table.finish(runs, exit(3), at(1));
    assert_eq!(desk.write(1), 0);
    desk.table.reported(runs, at(1));
    assert_eq!(desk.write(1), 0);
    desk.table.start(waits, START);
    assert_eq!((desk.write(1), desk.register.len()), (1, 2));
    let (cancelled, pages) = accept(&mut desk, "cancelled", None);
    assert_eq!(pages, 0);
    desk.table.finish(cancelled, exit(0), at(1));
    assert_eq!(desk.write(1), 1, "nobody else would bring it");
    let desk = desk.upgraded();
    assert_eq!(
        desk.outcome(Source::Mqtt, "runs").unwrap().exit_code,
        Some(3)
    );
    let interrupted = desk.outcome(Source::Mqtt, "waits").unwrap();
    assert_eq!(interrupted.end, End::Interrupted);
    assert!(desk.outcome(Source::Mqtt, "cancelled").is_some());
}

#[test]
fn the_floor_comes_with_the_job_or_alone_and_is_the_greater_of_both_afterwards() {
    let mut desk = Desk::new(Bounds::default());
    desk.table.time(Now { age: 1, floor: 50 });
    desk.accept(Source::Mqtt, job("a", Some(90)), 1).unwrap();
    assert_eq!(desk.pages, 1);
    desk.table.time(Now { age: 2, floor: 60 });
    assert_eq!(desk.write(2), 1);
    let older = desk.register.first().cloned();
    let desk = desk.upgraded();
    assert_eq!((desk.table.floor(), desk.table.began()), (60, 2));

    let mut desk = Desk::new(Bounds::default());
    desk.table.time(Now { age: 9, floor: 70 });
    desk.write(9);
    desk.register = older.into_iter().collect();
    let (desk, _) = desk.next();
    assert_eq!(desk.table.floor(), 70);
}

#[test]
fn no_job_comes_out_of_it_and_both_sources_keep_their_own_ids() {
    let mut desk = Desk::new(Bounds::default());
    desk.accept(Source::Mqtt, job("runs", None), 1).unwrap();
    let waits = job("waits", None);
    let accepted = desk.table.accept(Source::Mqtt, waits, true, None, at(1));
    accepted.unwrap();
    desk.write(1);
    desk.run(Source::Ubus, job("local", None), 1, 4);
    desk.table.take_snapshot(at(1)).unwrap();
    desk.table.failed();
    desk.write(1);
    let mut desk = desk.upgraded();
    assert_eq!((desk.table.queued(), desk.table.running()), (0, 0));
    assert_eq!(desk.table.poll(), None::<Effect>);
    assert!(desk.table.known(Source::Mqtt, "waits").is_none());
    assert!(desk.table.known(Source::Mqtt, "local").is_none());
    assert_eq!(
        desk.outcome(Source::Ubus, "local").unwrap().exit_code,
        Some(4)
    );
    let runs = desk.outcome(Source::Mqtt, "runs").unwrap();
    assert_eq!(runs.end, End::Interrupted);
    assert!(runs.reason.is_some());
}

#[test]
fn a_register_that_lacks_something_is_written_as_a_whole_and_one_that_does_not_is_left_alone() {
    let mut desk = Desk::new(Bounds::default());
    for id in ["a", "b"] {
        desk.run(Source::Mqtt, job(id, None), 1, 0);
    }
    let (mut desk, is_new) = desk.next();
    assert!(!is_new);
    assert_eq!(desk.write(1), 0);
    desk.register.pop();
    let (mut desk, is_new) = desk.next();
    assert!(!is_new);
    assert_eq!((desk.write(1), desk.register.len()), (1, 1));
    desk.register[0].pop();
    let (mut desk, _) = desk.next();
    assert_eq!(desk.write(1), 1, "damaged");
    let mut desk = desk.upgraded();
    assert!(desk.outcome(Source::Mqtt, "a").is_some());
    assert_eq!(
        desk.write(1),
        0,
        "the ledger is not there, the register is whole"
    );
}

#[test]
fn a_batch_that_fails_is_made_up_for_and_a_register_that_fails_is_left_alone_until_it_is_tried_again(
) {
    let mut desk = Desk::new(Bounds::default());
    let start = Some(START);
    let refused = desk
        .table
        .accept(Source::Mqtt, job("a", None), true, start, at(1));
    refused.unwrap();
    assert!(desk.table.take_batch(at(1)).unwrap().page.is_some());
    desk.table.failed();
    desk.accept(Source::Mqtt, job("b", None), 1).unwrap();
    desk.table.register_failed();
    let pages = desk.pages;
    desk.accept(Source::Mqtt, job("c", None), 1).unwrap();
    assert_eq!(desk.pages, pages);
    desk.table.register_again();
    assert_eq!(desk.write(1), 1);
    let desk = desk.upgraded();
    assert!(
        desk.table.known(Source::Mqtt, "a").is_none(),
        "it was refused"
    );
    for id in ["b", "c"] {
        assert!(desk.outcome(Source::Mqtt, id).is_some());
    }
}

#[test]
fn after_an_upgrade_an_id_is_as_old_as_its_page() {
    let mut desk = Desk::new(BOUNDS);
    for n in 0..4_u32 {
        desk.run(Source::Mqtt, job(&n.to_string(), None), 1000 + n, 0);
    }
    let mut desk = desk.upgraded();
    // Each end came with the page of the next start.
    assert_eq!(desk.table.began(), 1003);
    assert_eq!(desk.accept(Source::Mqtt, job("new", None), 1100), Err(Full));
    desk.accept(Source::Mqtt, job("new", None), 1101).unwrap();
    assert!(desk.table.known(Source::Mqtt, "0").is_none());
    assert!(desk.table.known(Source::Mqtt, "1").is_some());
}

#[test]
fn ids_of_a_device_that_ran_longer_do_not_make_its_own_ones_older() {
    let mut other = Desk::new(BOUNDS);
    other.run(Source::Mqtt, job("other", None), 5000, 0);
    let mut desk = Desk::new(BOUNDS);
    desk.run(Source::Mqtt, job("own", None), 10, 0);
    desk.register = other.register;
    let (mut desk, is_new) = desk.next();
    assert!(is_new);
    desk.accept(Source::Mqtt, job("1", None), 5050).unwrap();
    desk.accept(Source::Mqtt, job("2", None), 5050).unwrap();
    assert_eq!(desk.accept(Source::Mqtt, job("3", None), 5099), Err(Full));
}

#[test]
fn a_table_that_is_full_takes_what_may_not_go_and_comes_back_to_its_bound() {
    let mut backup = Desk::new(BOUNDS);
    backup.run(Source::Mqtt, job("old", None), 1, 0);
    backup.run(Source::Mqtt, job("signed", Some(900)), 1, 0);
    backup.run(Source::Mqtt, job("young", None), 150, 0);
    let mut desk = Desk::new(BOUNDS);
    for n in 0..4 {
        desk.run(Source::Mqtt, job(&n.to_string(), None), 150, 0);
    }
    desk.register = backup.register;
    let (mut desk, _) = desk.next();
    let knows = |desk: &Desk, id| desk.table.known(Source::Mqtt, id).is_some();
    assert!(knows(&desk, "signed") && knows(&desk, "young") && !knows(&desk, "old"));
    assert_eq!(desk.table.ids(Source::Mqtt), 6);
    assert_eq!(desk.accept(Source::Mqtt, job("new", None), 151), Err(Full));
    // Those of the table itself are kept with their outcomes, and go when others have taken that place.
    let number = desk
        .table
        .accept(Source::Mqtt, job("new", None), true, None, at(250));
    assert_eq!(number, Err(Full));
    assert!(
        knows(&desk, "signed"),
        "as long as the floor is below its end"
    );
}

#[test]
fn of_ids_that_find_no_room_the_newest_are_taken() {
    let mut recalled = Recalled::new(BOUNDS);
    let page = Page {
        replaces: true,
        age: 1000,
        floor: 0,
        ids: by_source((0..6).map(|n| {
            let id = Id::new(Key(n), 10 * n as u32, 0, &exit(0));
            (Source::Mqtt, id)
        })),
    };
    page.records().for_each(|record| recalled.read(&record));
    let mut table = Table::new(BOUNDS);
    assert!(table.recall(&recalled));
    let keys: Vec<u64> = table.broker.iter().map(|id| id.key.0).collect();
    assert_eq!(keys, [2, 3, 4, 5]);
    assert!(!table.recall(&recalled), "nothing is new");
}

#[test]
fn hostile_records_are_bounded_and_counted() {
    let mut recalled = Recalled::new(BOUNDS);
    let page = Page {
        replaces: true,
        age: 1,
        floor: 2,
        ids: by_source((0..5000_u64).map(|n| {
            let id = Id::new(Key(n), 1, 0, &exit(0));
            (
                if n % 2 == 0 {
                    Source::Mqtt
                } else {
                    Source::Ubus
                },
                id,
            )
        })),
    };
    for record in page.records() {
        recalled.read(&record);
    }
    assert_eq!((recalled.broker.len(), recalled.bus.len()), (8, 4));
    assert!(recalled.damaged > 0);
    let mut table = Table::new(BOUNDS);
    table.recall(&recalled);
    assert!(table.all_ids() <= 12);
}

proptest::proptest! {
    #[test]
    fn bytes_by_chance_are_read_without_harm(
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
        small in proptest::collection::vec(0u8..6, 0..200),
    ) {
        let mut recalled = Recalled::new(BOUNDS);
        recalled.read(&bytes);
        recalled.read(&small);
        let mut table = Table::new(BOUNDS);
        table.recall(&recalled);
        table.go_on([0; 16], at(table.began()), &|_| false);
        proptest::prop_assert!(table.all_ids() <= 12);
    }
}
