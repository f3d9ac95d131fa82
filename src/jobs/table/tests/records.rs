//! Records, read back as they were written.

use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

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
fn the_jobs_that_a_whole_table_accepts_are_its_last_records() {
    let mut desk = Desk::new(Bounds::default());
    desk.accept("old").unwrap();
    desk.run("ended", 1);
    for (id, start) in [
        ("waits", None),
        ("starts", Some(START)),
        ("cancelled", None),
    ] {
        let accepted = desk.table.accept(Source::Mqtt, job(id), true, start, at(0));
        if id == "cancelled" {
            desk.table.finish(accepted.unwrap(), printed(0), at(0));
        }
    }
    let batch = desk.table.take_snapshot(at(0)).unwrap();
    let (certain, new) = batch
        .records
        .split_at(batch.records.len() - batch.uncertain);
    let table = |records: &[Record]| Table::read(Bounds::default(), records.to_vec());
    let (certain, new) = (table(certain), table(new));
    for id in ["old", "ended", "waits", "starts", "cancelled"] {
        let is_old = id == "old" || id == "ended";
        assert_eq!(certain.known(Source::Mqtt, id).is_some(), is_old, "{id}");
        assert_eq!(new.known(Source::Mqtt, id).is_some(), !is_old, "{id}");
    }
}

#[test]
fn a_start_that_is_not_certain_stands_behind_what_is_in_a_whole_table() {
    let mut desk = Desk::new(Bounds::default());
    let (waits, cancelled) = (desk.accept("waits").unwrap(), desk.accept("gone").unwrap());
    for number in [waits, cancelled] {
        desk.table.start(number, START);
    }
    desk.table.finish(cancelled, printed(0), at(0));
    let new = desk
        .table
        .accept(Source::Mqtt, job("new"), true, Some(START), at(0));
    new.unwrap();
    let batch = desk.table.take_snapshot(at(0)).unwrap();
    let (certain, _) = batch
        .records
        .split_at(batch.records.len() - batch.uncertain);
    let mut desk = Desk::new(Bounds::default());
    for (records, ready, started) in [(certain, true, 0), (&batch.records, false, 2)] {
        desk.disk = records.to_vec();
        let table = Table::read(Bounds::default(), desk.disk.clone());
        assert_eq!(table.started().count(), started);
        desk = desk.next(BOOT);
        let waiting = desk.table.ready(true).map(|job| job.job.msg.clone());
        assert_eq!(waiting.as_deref() == Some("echo waits"), ready);
        assert!(desk.table.known(Source::Mqtt, "gone").is_some());
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

#[test]
fn a_record_is_read_back_whatever_the_length_of_its_texts() {
    let long = |bytes: usize| "é".repeat(bytes);
    let outcome = Outcome {
        stdout: long(1 << 20),
        stderr: format!("x{}", long(1 << 20)),
        ..Outcome::without_command(End::Processed, "", Some(format!("x{}", long(5000))))
    };
    let mut job = job("a");
    job.type_name = long(300);
    job.device = Some(long(300));
    job.sig = Some(long(300));
    let mut entry = Entry::new(Key::new(Source::Mqtt, "a"), Source::Mqtt, true, job);
    let about = Arc::make_mut(&mut entry.about);
    about.command = long(5000);
    let (key, source) = (entry.key, entry.source);
    let (outcome, reported) = (Arc::new(outcome), None);
    for record in [
        entry.accepted(None).unwrap(),
        Record::Finished {
            key,
            outcome: Arc::clone(&outcome),
            reported,
        },
        Record::Kept {
            key,
            source,
            about: entry.about,
            outcome,
            reported,
        },
    ] {
        let bytes = record.encode();
        let read = Record::decode(&bytes).expect("it is a record");
        assert_eq!(read.encode(), bytes);
        if let Record::Finished { outcome, .. } = read {
            let reason = outcome.reason.as_deref().unwrap();
            assert_eq!(reason, format!("x{}", long(2047)), "cut before a character");
        }
    }
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
