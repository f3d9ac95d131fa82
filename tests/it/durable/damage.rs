//! A medium that changes what it was given.

use std::io;

use durable::{Disk, Log, Opened, HEAD, PAYLOAD_MAX};
use socketman_lab::disk::{Call, Chooser, Error, Fault, SimDisk, When};
use socketman_lab::schedules::{seeds, Schedules};

use super::log_content::{self, Record, NAME};
use super::log_model::record;

/// A log of payloads, synced.
fn log_of(payloads: &[Vec<u8>]) -> SimDisk {
    let mut disk = SimDisk::new();
    let (mut log, _) = Log::open(&mut disk, NAME, &mut |_, _| {}).unwrap();
    for payload in payloads {
        log.append(&mut disk, payload).unwrap();
    }
    log.sync(&mut disk).unwrap();
    disk
}

fn open(disk: &mut dyn Disk) -> io::Result<(Log, Opened, Vec<Record>)> {
    let found = log_content::open(disk)?;
    Ok((found.log, found.opened, found.records))
}

fn numbered(payloads: &[Vec<u8>]) -> Vec<Record> {
    (1..).zip(payloads.iter().cloned()).collect()
}

#[test]
fn damage_in_one_record_costs_that_record_and_is_counted() {
    let payloads: Vec<Vec<u8>> = (1..=9).map(|n| vec![n; 10 * usize::from(n)]).collect();
    let whole = log_of(&payloads).content(NAME).unwrap();
    let mut start = HEAD;
    for (n, payload) in payloads.iter().enumerate().take(8) {
        let end = start + HEAD + payload.len();
        for at in start..end {
            let mut disk = log_of(&payloads);
            disk.damage(NAME, |bytes| bytes[at] ^= 0x10);
            let (mut log, opened, records) = open(&mut disk).unwrap();
            let mut expected = numbered(&payloads);
            expected.remove(n);
            assert_eq!(records, expected, "byte {at}");
            let damaged = (end - start) as u64;
            // What is missing before the first is not known, as bytes only.
            let lost = if n == 0 { 0 } else { 1 };
            let found = (opened.lost, opened.damaged, opened.cut);
            assert_eq!(found.1..=found.2, damaged..=0, "byte {at}");
            assert!(
                found.0 == lost || n == 0 && found.0 == 1,
                "byte {at}: {opened:?}"
            );
            assert_eq!(log.append(&mut disk, b"next").unwrap(), 10);
        }
        start = end;
    }
    assert_eq!(start + HEAD + 90, whole.len());
}

#[test]
fn any_part_overwritten_with_anything_costs_what_it_touches_and_no_more() {
    let mut schedules = Schedules::of("log, damage");
    for seed in seeds() {
        let mut chooser = Chooser::seeded(seed);
        let payloads: Vec<Vec<u8>> = (0..20).map(|n| vec![n; 1 + chooser.choose(50)]).collect();
        let mut disk = log_of(&payloads);
        let size = disk.size(NAME).unwrap() as usize;
        let from = chooser.choose(size);
        let to = from + 1 + chooser.choose((size - from).min(300));
        let to = to.min(size);
        let kind = chooser.choose(4);
        disk.damage(NAME, |bytes| match kind {
            0 => bytes[from..to].fill(0),
            1 => bytes[from..to].fill(0xFF),
            2 => bytes[from..to].fill_with(|| chooser.choose(256) as u8),
            _ => bytes.truncate(from),
        });
        let (log, opened, records) = open(&mut disk).unwrap();
        let end = if kind == 3 { size } else { to };
        let mut at = HEAD;
        let mut expected = numbered(&payloads);
        expected.retain(|(_, payload)| {
            let start = at;
            at += HEAD + payload.len();
            at <= from || start >= end
        });
        // Bytes may have been overwritten with what they were.
        assert!(expected.iter().all(|record| records.contains(record)));
        assert!(records.iter().all(|r| numbered(&payloads).contains(r)));
        assert!(records.is_sorted_by(|a, b| a.0 < b.0));
        let missing = payloads.len() - records.len();
        assert!(opened.lost <= missing as u64);
        assert!(missing == 0 || opened.damaged + opened.cut > 0 || kind == 3);
        let last = records.last().map_or(0, |(sequence, _)| *sequence);
        assert_eq!(log.next_sequence(), last + 1);
        schedules.add(1);
    }
    schedules.report();
}

/// The bytes of records that this very log could have from `first` on.
fn forged(disk: &SimDisk, first: u64) -> Vec<u8> {
    let mut fork = disk.crash(&mut Chooser::seeded(0));
    let (mut log, ..) = open(&mut fork).unwrap();
    let mut start = 0;
    while log.next_sequence() < first + 3 {
        if log.next_sequence() == first {
            start = log.size() as usize;
        }
        log.append(&mut fork, b"!").unwrap();
    }
    fork.content(NAME).unwrap()[start..].to_vec()
}

#[test]
fn records_inside_a_payload_are_never_taken_for_records() {
    let mut disk = log_of(&[b"one".to_vec()]);
    let hostile = [vec![9], forged(&disk, 3), vec![0; 40]].concat();
    let payloads = [b"one".to_vec(), hostile, b"three".to_vec()];
    let (mut log, ..) = open(&mut disk).unwrap();
    for payload in &payloads[1..] {
        log.append(&mut disk, payload).unwrap();
    }
    log.sync(&mut disk).unwrap();
    let start = HEAD + HEAD + 3;
    let size = disk.size(NAME).unwrap() as usize;
    let end = size - HEAD - 5;
    // Torn at any byte.
    for len in start..end {
        let mut torn = disk.crash(&mut Chooser::seeded(0));
        torn.damage(NAME, |bytes| bytes.truncate(len));
        assert_eq!(open(&mut torn).unwrap().2, numbered(&payloads[..1]));
    }
    // Its payload damaged.
    for at in start + HEAD..end {
        let mut damaged = disk.crash(&mut Chooser::seeded(0));
        damaged.damage(NAME, |bytes| bytes[at] ^= 1);
        let (_, opened, records) = open(&mut damaged).unwrap();
        assert_eq!(records, [(1, b"one".to_vec()), (3, b"three".to_vec())]);
        assert_eq!((opened.lost, opened.cut), (1, 0));
    }
    assert_eq!(open(&mut disk).unwrap().2, numbered(&payloads));
}

#[test]
fn records_of_another_log_inside_a_payload_whose_head_is_lost_are_never_taken_for_records() {
    let hostile = [vec![9], record(2), record(3), record(4), vec![0; 40]].concat();
    let payloads = [b"one".to_vec(), hostile.clone(), b"three".to_vec()];
    let start = HEAD + HEAD + 3;
    // From its head alone to all that is before the records inside.
    for len in 1..=HEAD + 1 {
        let mut disk = log_of(&payloads);
        disk.damage(NAME, |bytes| bytes[start..start + len].fill(0xA5));
        let (_, opened, records) = open(&mut disk).unwrap();
        assert_eq!(records, [(1, b"one".to_vec()), (3, b"three".to_vec())]);
        let damaged = (HEAD + hostile.len()) as u64;
        assert_eq!((opened.lost, opened.damaged), (1, damaged), "{len} bytes");
    }
}

#[test]
fn what_a_failed_sync_has_lost_is_told_when_it_is_made_good() {
    let payloads: Vec<Vec<u8>> = (1..=4).map(|n| vec![n; 10]).collect();
    for lost in 2..=4u64 {
        let mut disk = log_of(&payloads[..1]);
        let (mut log, ..) = open(&mut disk).unwrap();
        for payload in &payloads[1..] {
            log.append(&mut disk, payload).unwrap();
        }
        disk.set_fault(Some(Fault {
            error: Error::Io,
            when: When::Every(Call::Sync),
        }));
        assert!(log.sync(&mut disk).is_err());
        disk.set_fault(None);
        // The kernel has dropped the page that it could not write.
        let record = HEAD + 10;
        let start = HEAD + (lost as usize - 1) * record;
        disk.damage(NAME, |bytes| bytes[start..start + record].fill(0));
        let error = log.sync(&mut disk).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "record {lost}");
        let next = log.append(&mut disk, b"next").unwrap();
        log.sync(&mut disk).unwrap();
        let mut expected = numbered(&payloads);
        expected.remove(lost as usize - 1);
        assert_eq!(next, if lost == 4 { 4 } else { 5 });
        expected.push((next, b"next".to_vec()));
        let mut left = disk.crash(&mut Chooser::seeded(0));
        assert_eq!(open(&mut left).unwrap().2, expected);
    }
}

/// Notes the largest read.
struct Watched {
    disk: SimDisk,
    largest: usize,
}

impl Disk for Watched {
    durable::pass_on!(self => self.disk; list size create append truncate rename remove sync sync_names);

    fn read(&mut self, name: &str, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.largest = self.largest.max(buf.len());
        self.disk.read(name, offset, buf)
    }
}

#[test]
fn a_log_of_any_length_and_in_any_state_opens_with_64_kib() {
    let payloads: Vec<Vec<u8>> = (0..120)
        .map(|n| vec![n; [PAYLOAD_MAX, 1, 40_000, 100][usize::from(n % 4)]])
        .collect();
    for (from, to) in [(0, 0), (50_000, 51_000), (1_000_000, 2_000_000)] {
        let disk = log_of(&payloads);
        disk.damage(NAME, |bytes| bytes[from..to].fill(0));
        let mut watched = Watched { disk, largest: 0 };
        assert!(watched.size(NAME).unwrap() > 3_000_000);
        let (mut count, mut bytes) = (0, 0);
        let (mut log, opened) = Log::open(&mut watched, NAME, &mut |_, payload| {
            count += 1;
            bytes += payload.len() as u64;
        })
        .unwrap();
        assert_eq!((opened.records, opened.cut), (count, 0));
        assert_eq!(count + opened.lost, 120);
        let heads = (count + 1) * HEAD as u64;
        assert_eq!(bytes + heads + opened.damaged, log.size());
        log.append(&mut watched, &[7; PAYLOAD_MAX]).unwrap();
        log.sync(&mut watched).unwrap();
        assert!(watched.largest <= 64 << 10, "{} bytes", watched.largest);
    }
}

#[test]
fn what_is_no_record_of_a_log_is_refused_and_changes_nothing() {
    let mut disk = log_of(&[b"one".to_vec()]);
    let (mut log, _, _) = open(&mut disk).unwrap();
    for payload in [vec![], vec![0; PAYLOAD_MAX + 1]] {
        let error = log.append(&mut disk, &payload).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let mut payloads = [b"two".to_vec(), payload].into_iter();
        let error = log.replace(&mut disk, &mut payloads).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
    assert_eq!(disk.list().unwrap(), [NAME]);
    assert_eq!(open(&mut disk).unwrap().2, [(1, b"one".to_vec())]);
}

#[test]
fn a_log_that_cannot_be_read_is_an_error_and_is_left_as_it_is() {
    let mut disk = log_of(&[b"one".to_vec()]);
    for call in [Call::Size, Call::Read] {
        disk.set_fault(Some(Fault {
            error: Error::Io,
            when: When::Every(call),
        }));
        assert!(open(&mut disk).is_err());
        disk.set_fault(None);
        assert_eq!(open(&mut disk).unwrap().2, [(1, b"one".to_vec())]);
    }
}
