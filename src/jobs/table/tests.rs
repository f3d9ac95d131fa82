//! The table without a disk: batches are written or fail at once.

use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::jobs::message::Kind;
use crate::jobs::outcome::End;

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

fn at(age: u32) -> Now {
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

#[test]
fn nothing_follows_from_a_step_before_it_is_certain() {
    let mut desk = Desk::new(Bounds::default());
    let table = &mut desk.table;
    let number = table.accept(Source::Mqtt, job("a"), true, Some(START), at(0));
    let number = number.unwrap();
    let batch = table.take_batch(at(0)).unwrap();
    assert_eq!((batch.records.len(), batch.urgent), (1, true));
    assert!(table.poll().is_none() && table.take_batch(at(0)).is_none());
    table.written();
    assert_eq!(table.poll(), Some(Effect::Accepted(number)));
    assert_eq!(table.poll(), Some(Effect::Run(number)));
    assert_eq!(table.take_command(number).as_deref(), Some("echo a"));
    table.finish(number, printed(3), at(0));
    let unfinished = table.known(Source::Mqtt, "a");
    assert!(matches!(unfinished, Some(Known::Unfinished(n)) if n == number));
    assert!(table.poll().is_none());
    assert_eq!(desk.write(), [Effect::Ended(number)]);
    assert_eq!(desk.finished("a").stdout, "xxx");
}

#[test]
fn a_second_outcome_is_ignored() {
    let mut desk = Desk::new(Bounds::default());
    let number = desk.run("a", 1);
    desk.table.finish(number, printed(2), at(0));
    assert_eq!(desk.write(), []);
    assert_eq!(desk.finished("a").stdout, "x");
}

#[test]
fn the_whole_outcome_is_kept_until_reported_then_its_beginning() {
    let mut desk = Desk::new(Bounds::default());
    let number = desk.run("a", 10_000);
    let mut desk = desk.next(BOOT);
    assert_eq!(desk.finished("a").stdout.len(), 10_000);
    let numbers: Vec<_> = std::iter::from_fn(|| desk.table.poll()).collect();
    assert_eq!(numbers, [Effect::Ended(number)]);
    desk.table.reported(number, at(5));
    desk.write();
    let brief = desk.finished("a");
    assert_eq!((brief.stdout.len(), brief.truncated), (BRIEF, true));
    assert_eq!(desk.next(BOOT).finished("a").stdout.len(), BRIEF);
}

#[test]
fn a_full_table_takes_an_id_again_a_day_after_a_report() {
    let bounds = Bounds {
        broker: KEPT + 1,
        bus: 2,
        keep: 100,
    };
    let mut desk = Desk::new(bounds);
    for n in 0..=KEPT {
        let number = desk.run(&n.to_string(), 0);
        desk.table.reported(number, at(n as u32));
        desk.write();
    }
    let mut desk = desk.next(BOOT);
    let accept = |desk: &mut Desk, id: &str, age| {
        let accepted = desk
            .table
            .accept(Source::Mqtt, job(id), true, None, at(age));
        desk.write();
        accepted
    };
    assert_eq!(accept(&mut desk, "new", 99), Err(Full));
    // The bus has room of its own.
    let local = desk
        .table
        .accept(Source::Ubus, job("new"), true, None, at(99));
    assert!(local.is_ok());
    accept(&mut desk, "new", 100).unwrap();
    assert!(desk.table.known(Source::Mqtt, "0").is_none());
    assert!(desk.table.known(Source::Mqtt, "1").is_some());
    assert_eq!(desk.table.ids(Source::Mqtt), KEPT + 1);
}

#[test]
fn unreported_output_is_bounded_and_says_what_it_lost() {
    let mut desk = Desk::new(Bounds::default());
    let first = desk.run("a", UNREPORTED_MAX - 10);
    assert!(!desk.finished("a").truncated);
    desk.run("b", 100);
    let second = desk.finished("b");
    assert_eq!((second.stdout.len(), second.truncated), (10, true));
    desk.table.reported(first, at(0));
    desk.run("c", 1000);
    assert!(!desk.finished("c").truncated);
}

#[test]
fn ten_thousand_outcomes_do_not_fill_the_memory() {
    let mut desk = Desk::new(Bounds::default());
    for n in 0..10_000 {
        let number = desk.run(&n.to_string(), BRIEF);
        desk.table.reported(number, at(0));
        desk.write();
        desk.disk.clear();
        assert!(desk.table.kept_bytes <= KEPT_BYTES && desk.table.jobs.len() <= KEPT);
    }
    assert_eq!(desk.table.unreported_bytes, 0);
    let oldest = desk.finished("0");
    assert!(oldest.success && oldest.truncated && oldest.stdout.is_empty());
    assert_eq!(desk.finished("9999").stdout.len(), BRIEF);
    assert!(desk.accept("one more").is_err());
}

#[test]
fn a_disk_that_fails_refuses_jobs_defers_starts_and_publishes_outcomes() {
    let mut desk = Desk::new(Bounds::default());
    let (runs, waits) = (desk.accept("runs").unwrap(), desk.accept("waits").unwrap());
    desk.table.start(runs, START);
    desk.write();
    desk.table.finish(runs, printed(1), at(0));
    desk.table.start(waits, START);
    let new = desk
        .table
        .accept(Source::Mqtt, job("new"), true, None, at(0));
    let new = new.unwrap();
    assert_eq!(desk.fail(), [Effect::Ended(runs), Effect::Refused(new)]);
    assert!(desk.table.is_failing());
    assert!(desk.table.known(Source::Mqtt, "new").is_none());
    let ready = |desk: &Desk, has_disk| desk.table.ready(has_disk).map(|ready| ready.number);
    assert_eq!(
        (ready(&desk, true), ready(&desk, false)),
        (Some(waits), None)
    );
    // One that is not recorded passes those that wait for the disk.
    let local = desk
        .table
        .accept(Source::Ubus, job("local"), false, None, at(0));
    let local = local.unwrap();
    assert_eq!(
        (ready(&desk, true), ready(&desk, false)),
        (Some(waits), Some(local))
    );
    desk.table.start(local, START);
    let effects: Vec<_> = std::iter::from_fn(|| desk.table.poll()).collect();
    assert_eq!(effects, [Effect::Accepted(local), Effect::Run(local)]);
    desk.table.finish(local, printed(0), at(0));
    assert_eq!(desk.table.poll(), Some(Effect::Ended(local)));
    // Everything is written again, and what was refused is not among it.
    desk.table.start(waits, START);
    assert_eq!(desk.write(), [Effect::Run(waits)]);
    assert!(!desk.table.is_failing());
    let desk = desk.next([2; 16]);
    assert!(desk.table.known(Source::Mqtt, "new").is_none());
    assert_eq!(desk.finished("runs").stdout, "x");
    let waited = desk.table.known(Source::Mqtt, "waits");
    assert!(matches!(waited, Some(Known::Unfinished(_))), "{waited:?}");
}

#[test]
fn a_job_cancelled_before_it_is_recorded_never_runs() {
    let mut desk = Desk::new(Bounds::default());
    let table = &mut desk.table;
    let start = Some(START);
    let number = table.accept(Source::Mqtt, job("a"), true, start, at(0));
    let number = number.unwrap();
    table.finish(number, printed(0), at(0));
    let effects = desk.write();
    assert_eq!(effects, [Effect::Accepted(number), Effect::Ended(number)]);
    assert_eq!((desk.table.running(), desk.table.queued()), (0, 0));
}

#[test]
fn a_reboot_is_reported_by_the_agent_of_the_next_boot() {
    for (boot, end) in [(BOOT, End::Interrupted), ([2; 16], End::Processed)] {
        let mut desk = Desk::new(Bounds::default());
        let mut reboot = job("a");
        (reboot.kind, reboot.type_name) = (Kind::Reboot, "reboot".into());
        let start = Some(START);
        let accepted = desk.table.accept(Source::Mqtt, reboot, true, start, at(0));
        accepted.unwrap();
        desk.write();
        let mut desk = desk.next(boot);
        desk.write();
        let outcome = desk.finished("a");
        assert_eq!((outcome.end, outcome.success), (end, end == End::Processed));
        assert_eq!(outcome.type_name, "reboot");
    }
}

#[test]
fn records_of_a_job_whose_acceptance_is_lost_keep_its_id_from_running() {
    let key = Key::new(Source::Mqtt, "a");
    let outcome = Arc::new(printed(1));
    let reported = None;
    for record in [
        Record::Started { key, start: START },
        Record::Finished {
            key,
            outcome,
            reported,
        },
        Record::Reported { key, age: 3 },
    ] {
        let table = Table::read(Bounds::default(), [record]);
        let Some(Known::Finished(outcome)) = table.known(Source::Mqtt, "a") else {
            panic!("it is not known");
        };
        assert_eq!(outcome.end, End::Interrupted);
    }
}

#[test]
fn a_table_written_as_a_whole_is_the_same_when_it_is_read() {
    let mut desk = Desk::new(Bounds::default());
    for n in 0..KEPT + 100 {
        let number = desk.run(&n.to_string(), n);
        desk.table.reported(number, at(n as u32));
    }
    desk.run("finished", 100);
    let running = desk.accept("running").unwrap();
    desk.table.start(running, START);
    desk.write();
    desk.table.take_command(running);
    desk.accept("queued").unwrap();
    desk.table.time(Now { age: 9, floor: 99 });
    desk.write();
    let batch = desk.table.take_snapshot(at(1000)).unwrap();
    assert!(batch.replaces);
    let records = batch.records.iter();
    let read = records.map(|record| Record::decode(&record.encode()).unwrap());
    let mut again = Table::read(Bounds::default(), read);
    assert_eq!((again.began(), again.floor()), (1000, 99));
    assert_eq!(again.all_ids(), desk.table.all_ids());
    for id in ["0", "99", "100", "220", "finished"] {
        let Some(Known::Finished(outcome)) = again.known(Source::Mqtt, id) else {
            panic!("{id}");
        };
        assert_eq!(outcome, desk.finished(id), "{id}");
    }
    again.go_on(BOOT, at(1000), &|_| false);
    assert_eq!((again.queued(), again.running()), (1, 0));
    assert_eq!(again.ready(true).unwrap().job.msg, "echo queued");
}

#[test]
fn an_outcome_that_is_recorded_twice_counts_once() {
    let (key, source) = (Key::new(Source::Mqtt, "a"), Source::Mqtt);
    let outcome = Arc::new(printed(BRIEF));
    let accepted = Record::Accepted {
        key,
        source,
        start: Some(START),
        job: Box::new(job("a")),
    };
    let finished = Record::Finished {
        key,
        outcome,
        reported: Some(1),
    };
    // More than are kept of all jobs together.
    let ends = std::iter::repeat_n(finished, 2 * KEPT_BYTES / BRIEF);
    let mut table = Table::read(Bounds::default(), std::iter::once(accepted).chain(ends));
    assert_eq!((table.kept.len(), table.kept_bytes), (1, BRIEF));
    assert_eq!(table.take_snapshot(at(2)).unwrap().records.len(), 2);
}

/// A record as an agent writes it, with texts and numbers of any kind.
fn record() -> impl Strategy<Value = Record> {
    let text = || prop_oneof![Just(String::new()), "[ -~é\n]{1,20}"];
    let source = prop_oneof![Just(Source::Mqtt), Just(Source::Ubus)];
    let start = (any::<u64>(), any::<[u8; 16]>()).prop_map(|(at, boot)| Start { at, boot });
    let numbers = any::<(Option<u64>, Option<u64>, Option<u64>)>();
    let flags = any::<(bool, bool, bool, bool)>();
    let codes = any::<(Option<i32>, Option<i32>, Option<u32>)>();
    let end = prop_oneof![
        Just(End::Processed),
        Just(End::Rejected),
        Just(End::Interrupted)
    ];
    let texts = (
        text(),
        text(),
        text(),
        option::of(text()),
        option::of(text()),
    );
    // Few keys, so that records are about the same jobs.
    let parts = (
        0..7,
        0..6_u64,
        source,
        option::of(start),
        texts,
        numbers,
        flags,
        codes,
        end,
    );
    parts.prop_map(
        |(kind, key, source, start, texts, numbers, flags, codes, end)| {
            let key = Key(key);
            let (id, msg, type_name, device, sig) = texts;
            let (timeout, timestamp, expires) = numbers;
            let (detach, live, success, rolled_back) = flags;
            let (exit_code, signal, reported) = codes;
            let outcome = Arc::new(Outcome {
                success,
                rolled_back,
                exit_code,
                signal,
                duration: timestamp.map(Duration::from_millis),
                truncated: live,
                stdout: msg.clone(),
                stderr: type_name.clone(),
                ..Outcome::without_command(end, "", device.clone())
            });
            let about = About {
                id: id.as_str().into(),
                type_name: type_name.clone(),
                command: msg.clone(),
                started: timestamp,
                expires: reported.unwrap_or(0),
            };
            let started = Start { at: 1, boot: BOOT };
            match kind {
                0 => Record::Accepted {
                    key,
                    source,
                    start,
                    job: Box::new(Job {
                        id,
                        msg,
                        kind: Kind::of(&type_name),
                        type_name,
                        timeout: timeout.map(Duration::from_secs),
                        timestamp,
                        expires,
                        device,
                        detach,
                        live,
                        sig,
                    }),
                },
                1 => Record::Started {
                    key,
                    start: start.unwrap_or(started),
                },
                2 => Record::Finished {
                    key,
                    outcome,
                    reported,
                },
                3 => Record::Reported {
                    key,
                    age: reported.unwrap_or(0),
                },
                4 => Record::Kept {
                    key,
                    source,
                    about: Arc::new(about),
                    outcome,
                    reported,
                },
                5 => {
                    let id = Id::new(key, 1, about.expires, &outcome);
                    Record::Ids(source, Ids::of([id].into_iter()))
                }
                _ => Record::Time {
                    age: about.expires,
                    floor: timestamp.unwrap_or(0),
                },
            }
        },
    )
}

proptest! {
    #[test]
    fn every_record_reads_back_as_it_was_written(record in record()) {
        prop_assert_eq!(Record::decode(&record.encode()), Some(record));
    }

    /// After any history a snapshot holds all that is known, and writing it again changes nothing.
    #[test]
    fn a_table_that_was_written_as_a_whole_is_the_same_table(records in vec(record(), 0..30)) {
        let bounds = Bounds { broker: 4, bus: 2, keep: 100 };
        let mut table = Table::read(bounds, records);
        let once = table.take_snapshot(at(9)).unwrap().records;
        let mut again = Table::read(bounds, once.clone());
        // An outcome of the bus counts as taken once it is written, and moves to those that were reported.
        let sorted = |records: &[Record]| {
            let mut bytes: Vec<_> = records.iter().map(Record::encode).collect();
            bytes.sort();
            bytes
        };
        prop_assert_eq!(sorted(&again.take_snapshot(at(9)).unwrap().records), sorted(&once));
        prop_assert_eq!(again.all_ids(), table.all_ids());
        for key in (0..6).map(Key) {
            let known = |table: &Table| table.keys.contains_key(&key)
                || table.broker.get(key).is_some() || table.bus.get(key).is_some();
            prop_assert_eq!(known(&again), known(&table), "{:?}", key);
        }
    }

    #[test]
    fn bytes_that_are_no_record_are_not_read_as_one(
        kind in prop::sample::select(b"asfrkit".to_vec()),
        bytes in vec(0u8..4, 0..120),
    ) {
        let bytes = [&[kind][..], &bytes].concat();
        if let Some(record) = Record::decode(&bytes) {
            prop_assert_eq!(record.encode(), bytes);
        }
    }
}
