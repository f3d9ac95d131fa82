//! The records of the job table, with right checksums.

use durable::{Log, PAYLOAD_MAX};

use super::memory::Memory;
use super::pieces::{join, pieces};
use crate::jobs::ledger::Store;
use crate::jobs::message;
use crate::jobs::outcome::{End, Outcome};
use crate::jobs::table::{Batch, Bounds, Effect, Key, Now, Record, Start, Table};
use crate::jobs::Source;

/// The log's name.
const FILE: &str = "jobs";

const BOUNDS: Bounds = Bounds {
    broker: 8,
    bus: 4,
    keep: 100,
};

const NOW: Now = Now { age: 50, floor: 60 };

const BOOT: [u8; 16] = [1; 16];

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let start = Start { at: 5, boot: BOOT };
    let mut records = Vec::new();
    for (number, payload) in [
        r#"{"id":"a","meta":{"msg":"uptime"}}"#,
        r#"{"id":"b","meta":{"type":"reboot"}}"#,
        r#"{"id":"c","expires":99,"sig":"x","device":"*","meta":{"msg":"x","detach":true,"live":true}}"#,
        r#"{"id":"d","meta":{"msg":"x","type":"network","timeout":9}}"#,
    ]
    .into_iter()
    .enumerate()
    {
        let job = message::parse(payload.as_bytes()).expect("a job");
        let source = [Source::Mqtt, Source::Ubus][number % 2];
        let key = Key::new(source, &job.id);
        let outcome = Outcome {
            exit_code: Some(1),
            stdout: "out".into(),
            ..Outcome::without_command(End::Processed, "", Some("why".into()))
        };
        records.push(Record::Accepted { key, source, start: None, job: Box::new(job) });
        records.push(Record::Started { key, start });
        records.push(Record::Finished { key, outcome: outcome.into(), reported: None });
        records.push(Record::Reported { key, age: 40 });
    }
    let mut table = Table::read(BOUNDS, records.clone());
    let whole = table
        .take_snapshot(NOW)
        .expect("nothing is with the disk")
        .records;
    let mut seeds = Vec::new();
    for records in [
        &records[..3],
        &records[4..6],
        &records[8..10],
        &records,
        &whole,
    ] {
        let pieces: Vec<_> = records.iter().map(|record| (0, record.encode())).collect();
        seeds.push(join(&pieces));
    }
    seeds
}

pub(super) fn run(input: &[u8]) {
    let mut disk = Memory::default();
    let (mut log, _) = Log::open(&mut disk, FILE, &mut |_, _| {}).expect("no file is an empty log");
    for (more, piece) in pieces(input).take(256) {
        // A record of the table in one of the log, or in several, if its kind says that more follows.
        let payload = [&[more], &piece[..piece.len().min(PAYLOAD_MAX - 1)]].concat();
        log.append(&mut disk, &payload)
            .expect("memory takes a record");
    }
    let (mut store, found) = Store::open(disk).expect("memory can be read");
    for record in &found.records {
        let again = Record::decode(&record.encode());
        assert_eq!(again.as_ref(), Some(record), "what is written reads back");
    }
    let batch = Batch {
        records: vec![Record::Time { age: 7, floor: 9 }],
        replaces: false,
        uncertain: 0,
        urgent: true,
        page: None,
    };
    store.write(&batch, true).expect("memory takes a batch");
    let (_, more) = Store::open(store.into_disk()).expect("memory can be read");
    let known = [found.records.as_slice(), &batch.records].concat();
    assert_eq!(more.records, known, "what is written behind it reads back");
    let mut table = Table::read(BOUNDS, found.records);
    let records = snapshot(&mut table);
    // A table that is written and read is the same.
    let mut again = Table::read(BOUNDS, records.clone());
    let again_records = snapshot(&mut again);
    assert_eq!(
        sorted(&again_records),
        sorted(&records),
        "a table reads back"
    );
    assert_eq!(
        (table.all_ids(), table.floor()),
        (again.all_ids(), again.floor())
    );
    go_on(table);
}

/// The bytes of records, in an order of their own: a job of the bus has its outcome taken by being written, and
/// moves to those that were reported.
fn sorted(records: &[Record]) -> Vec<Vec<u8>> {
    let mut bytes: Vec<_> = records.iter().map(Record::encode).collect();
    bytes.sort();
    bytes
}

fn snapshot(table: &mut Table) -> Vec<Record> {
    let batch = table.take_snapshot(NOW).expect("nothing is with the disk");
    table.written();
    while table.poll().is_some() {}
    batch.records
}

/// Goes on after a restart: no job runs twice, and all that are known come to an end.
fn go_on(mut table: Table) {
    let ids = table.all_ids();
    table.go_on(BOOT, NOW, &|key: Key| key == Key::new(Source::Mqtt, "d"));
    let mut steps = 0;
    loop {
        while let Some(effect) = table.poll() {
            steps += 1;
            if let Effect::Ended(number) = effect {
                assert!(table.outcome(number).is_some(), "an end has an outcome");
            }
        }
        let Some(batch) = table.take_batch(NOW) else {
            break;
        };
        for record in batch.records {
            // Not by their members: a type that is known from another record is not repeated.
            let bytes = record.encode();
            let again = Record::decode(&bytes).map(|record| record.encode());
            assert_eq!(again, Some(bytes), "what is written reads back");
        }
        table.written();
    }
    assert!(steps <= 4 * ids.max(1), "{steps} steps for {ids} jobs");
    assert_eq!(table.all_ids(), ids, "no id is forgotten");
}
