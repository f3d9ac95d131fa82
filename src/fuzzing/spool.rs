//! Segments of the spool: records with right checksums in files of any order, and damage.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use durable::{Disk, Log, PAYLOAD_MAX};
use serde_json::Value;
use spool::{Bounds, Spool, Stamp};

use super::data;
use super::memory::Memory;
use super::pieces::{join, pieces};
use crate::process::clock::Reading;

const BOOT: &str = "this";

const BOUNDS: Bounds = Bounds {
    ram: 8 << 20,
    flash: 8 << 20,
    flash_daily: 8 << 20,
};

/// Bits of a piece's kind: its file is on flash; of another boot; the next one of its row; its bytes are put there
/// without a record around them; they are repeated until they fill a record, as all but the last of a long report do.
const FLASH: u8 = 1;
const EARLIER: u8 = 2;
const NEXT: u8 = 4;
const RAW: u8 = 8;
const LONG: u8 = 32;

/// The last number of a report that is read. A file by somebody else may say that so many were given out; those of ours that
/// follow arrive, but not after a restart, which declares them lost.
const LAST: u64 = 1 << 53;

/// Pieces of an input that are made long.
const LONG_MAX: usize = 3;

fn after(seconds: u64, synced: bool) -> Reading {
    Reading {
        epoch: 1_780_000_000 + seconds,
        mono: seconds,
        synced,
    }
}

fn report(stamp: &Stamp<'_>) -> Vec<u8> {
    let gaps = serde_json::to_string(stamp.gaps).expect("gaps are JSON");
    let (boot, seq, at) = (stamp.boot_id, stamp.seq, stamp.created_at);
    format!(r#"{{"device":{{"created_at":{at},"boot_id":"{boot}","seq":{seq}}},"gaps":{gaps}}}"#)
        .into_bytes()
}

/// A report that no input has: the `number`th of ours.
fn our_report(number: u64) -> impl Fn(&Stamp<'_>) -> Vec<u8> + Send {
    move |stamp| {
        let mut line = report(stamp);
        line.pop();
        line.extend(format!(r#","ours":{number}}}"#).into_bytes());
        line
    }
}

/// The records of a file.
fn records(mut disk: Memory, name: &str) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    let visit = &mut |_, payload: &[u8]| records.push(payload.to_vec());
    Log::open(&mut disk, name, visit).expect("memory can be read");
    records
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    // What an earlier version left.
    for (name, bytes) in data::files("spool", ".reports") {
        let disk = Memory::default();
        disk.put(&name, bytes);
        let all = records(disk, &name);
        let pieces: Vec<_> = all.into_iter().map(|record| (EARLIER, record)).collect();
        seeds.push(join(&pieces));
    }
    // What this one leaves: some that arrived, a report of an unknown time, and what was copied to flash.
    let (ram, flash) = (Memory::default(), Memory::default());
    let mut spool =
        Spool::on(ram.clone(), Some(flash.clone()), BOOT, BOUNDS).expect("an empty spool opens");
    for n in 0..6 {
        spool
            .append(&report, after(n, n > 1))
            .expect("memory takes a report");
    }
    if let Some(batch) = spool.next_batch(200, after(7, true)) {
        spool.delivered(batch.id, after(7, true));
        spool.kept_back(batch.id, after(8, true));
    }
    if let Some(batch) = spool.next_batch(200, after(9, true)) {
        spool.kept_back(batch.id, after(10, true));
    }
    spool.tick(after(5000, true));
    for (kind, mut disk) in [(0, ram), (FLASH, flash)] {
        for name in disk.list().expect("memory can be read") {
            let all = records(disk.clone(), &name);
            let pieces: Vec<_> = all.into_iter().map(|record| (kind, record)).collect();
            seeds.push(join(&pieces));
        }
    }
    let mut both = seeds.concat();
    both.extend(join(&[(EARLIER | NEXT, b"x".to_vec()), (RAW, vec![0; 30])]));
    seeds.push(both);
    // Something that no report can be read behind: half a block, and half a report.
    let mut disk = Memory::default();
    let mut spool =
        Spool::on(disk.clone(), None::<Memory>, BOOT, BOUNDS).expect("an empty spool opens");
    spool
        .append(&report, after(0, true))
        .expect("memory takes a report");
    let name = disk.list().expect("memory can be read").pop();
    let all = records(disk, &name.unwrap_or_default());
    let mut pieces: Vec<_> = all.into_iter().map(|record| (0, record)).collect();
    let whole = pieces.clone();
    if let Some((_, last)) = pieces.last_mut() {
        last.truncate(last.len() - 2);
    }
    seeds.push(join(&pieces));
    seeds.push([join(&whole), join(&[(LONG, b"p".to_vec())])].concat());
    // Reports of an unknown time that no correction is for, one of them taken while the other is held.
    let mut notes = b"n".to_vec();
    notes.extend(
        [1_u64, 0, 0, 50, 60, 0]
            .into_iter()
            .flat_map(u64::to_be_bytes),
    );
    let head = |seq: u64, mono: u32| {
        let mut record = b"r\x01".to_vec();
        record.extend([seq, 0].into_iter().flat_map(u64::to_be_bytes));
        record.extend(mono.to_be_bytes());
        record.extend([0; 24]);
        (0, record)
    };
    seeds.push(join(&[(0, notes), head(1, 100), head(2, 1000)]));
    seeds
}

/// The files that an input describes, on RAM and on flash.
fn disks(input: &[u8]) -> (Memory, Memory) {
    let mut disks = [Memory::default(), Memory::default()];
    let mut ordinals = [1_u64; 4];
    let mut logs = HashMap::new();
    let mut long = 0;
    for (kind, piece) in pieces(input).take(200) {
        let ordinal = &mut ordinals[usize::from(kind % 4)];
        *ordinal += u64::from(kind & NEXT != 0);
        let boot = if kind & EARLIER == 0 { BOOT } else { "earlier" };
        // Those of the earlier boot come first.
        let number = *ordinal + if kind & EARLIER == 0 { 1000 } else { 0 };
        let name = format!("{number:016}.{boot}.reports");
        let place = usize::from(kind & FLASH);
        let disk = &mut disks[place];
        if kind & RAW != 0 {
            let bytes = [disk.bytes(&name), piece.to_vec()].concat();
            disk.put(&name, bytes);
            // The log goes on behind it as one that is opened.
            logs.remove(&(place, name));
            continue;
        }
        let log = logs.entry((place, name.clone())).or_insert_with(|| {
            let opened = Log::open(disk, name.as_str(), &mut |_, _| {});
            opened.expect("memory can be read").0
        });
        if !piece.is_empty() {
            let mut record = piece[..piece.len().min(PAYLOAD_MAX)].to_vec();
            if kind & LONG != 0 && long < LONG_MAX {
                long += 1;
                record = piece.iter().copied().cycle().take(PAYLOAD_MAX).collect();
            }
            log.append(disk, &record).expect("memory takes a record");
        }
    }
    let [ram, flash] = disks;
    (ram, flash)
}

pub(super) fn run(input: &[u8]) {
    let (ram, flash) = disks(input);
    let with_flash = input.first().is_some_and(|byte| byte & 16 == 0);
    let open = || {
        let flash = with_flash.then(|| flash.clone());
        Spool::on(ram.clone(), flash, BOOT, BOUNDS).expect("whatever is there, the spool opens")
    };
    let mut spool = open();
    let found = spool.facts();
    let is_beyond = AtomicBool::new(false);
    for n in 0..2 {
        let noted = |stamp: &Stamp<'_>| {
            is_beyond.store(stamp.seq > LAST, Ordering::Relaxed);
            our_report(n)(stamp)
        };
        let kept = spool.append(&noted, after(100 + n, true));
        assert!(kept.is_ok(), "{kept:?}");
    }
    let facts = spool.facts();
    assert_eq!(facts.last_error, None, "memory does not fail");
    assert!(facts.bytes <= BOUNDS.ram);
    let lost_before = facts.thinned + facts.dropped;
    drop(spool);
    if is_beyond.into_inner() {
        return;
    }

    // A restart finds all of it again.
    let has_twins = has_twins(&ram, &flash);
    let mut spool = open();
    let again = spool.facts();
    assert_eq!(
        again.reports, facts.reports,
        "{found:?}, {facts:?}, {again:?}"
    );
    let lost_at_start = again.thinned + again.dropped;

    // Everything leaves, for a server that refuses what it cannot unpack and then takes less at a time: our own
    // reports among it, once, whole, and in their order. A report of an unknown time is held until 10 min after it was
    // taken, and others behind it.
    let mut left = Left::default();
    let mut now = 200;
    for _ in 0..again.reports + 2 {
        left.take_all(&mut spool, after(now, true), 4 * again.reports);
        now += 600;
    }
    let facts = spool.facts();
    assert_eq!(facts.reports, 0, "nothing is held for ever");
    assert_eq!(left.ours, [0, 1], "what was kept arrives");

    // Each of those that were there has left or is lost, and those that are lost are declared.
    let lost = facts.thinned + facts.dropped;
    let accounted = left.reports + (lost - lost_at_start);
    assert!(accounted <= again.reports, "{accounted} of {again:?}");
    assert!(
        has_twins || accounted == again.reports,
        "{accounted} of {again:?}"
    );
    let last = spool.append(&our_report(2), after(now, true));
    assert!(last.is_ok(), "{last:?}");
    left.take_all(&mut spool, after(now, true), 4);
    assert_eq!(left.ours, [0, 1, 2], "what comes last arrives");
    let all = lost_before + lost;
    assert!(left.declared >= all, "{} of {all} declared", left.declared);
    drop(spool);
    assert_eq!(open().facts().reports, 0, "what has left stays away");
}

/// Reports that left.
#[derive(Default)]
struct Left {
    reports: u64,
    /// Numbers of ours.
    ours: Vec<u64>,
    /// The sum of what ours declare.
    declared: u64,
}

impl Left {
    fn take_all(&mut self, spool: &mut Spool<Memory, Memory>, now: Reading, batches_max: u64) {
        let mut batches = 0;
        while let Some(mut batch) = spool.next_batch(64 << 10, now) {
            batches += 1;
            assert!(batches <= batches_max, "a report does not leave twice");
            let lines = loop {
                match batch.lines() {
                    Ok(lines) => break lines,
                    Err(_) if batch.reports == 1 => break Vec::new(),
                    Err(_) => match spool.halve(batch.id, now) {
                        Some(half) => batch = half,
                        // The spool has found out that it is damaged.
                        None => break Vec::new(),
                    },
                }
            };
            for line in lines.split_inclusive(|byte| *byte == b'\n') {
                if let Some((number, declared)) = ours(line) {
                    self.ours.push(number);
                    self.declared = self.declared.saturating_add(declared);
                }
            }
            let before = spool.facts().reports;
            spool.delivered(batch.id, now);
            self.reports += before - spool.facts().reports;
        }
    }
}

/// True if two records name the same report: the queue counts it twice, and it leaves once. A copy on flash is counted with its
/// report, unless the files of either are out of order, as ours never are.
fn has_twins(ram: &Memory, flash: &Memory) -> bool {
    let [ram, flash] = [ram, flash].map(named);
    let is_twice = |ids: &[(String, u64)]| ids.iter().collect::<HashSet<_>>().len() < ids.len();
    let rises = |ids: &[(String, u64)]| {
        let mut last = HashMap::new();
        ids.iter()
            .all(|(boot, seq)| last.insert(boot, seq).is_none_or(|last| last < seq))
    };
    let is_copied = || ram.iter().any(|id| flash.contains(id));
    is_twice(&ram) || is_twice(&flash) || is_copied() && !(rises(&ram) && rises(&flash))
}

/// Boot and number of each report on a disk, as its files follow each other.
fn named(disk: &Memory) -> Vec<(String, u64)> {
    let mut names = disk.clone().list().expect("memory can be read");
    names.sort_unstable();
    let reports = names.iter().flat_map(|name| {
        let boot = name.split('.').nth(1).unwrap_or_default();
        records(disk.clone(), name)
            .into_iter()
            .filter_map(move |record| {
                let seq = record
                    .strip_prefix(b"r")?
                    .get(1..)?
                    .first_chunk()
                    .copied()?;
                Some((boot.to_owned(), u64::from_be_bytes(seq)))
            })
    });
    reports.collect()
}

/// The number of a report of ours, by its line, and how many it declares missing.
fn ours(line: &[u8]) -> Option<(u64, u64)> {
    let line: Value = serde_json::from_slice(line).ok()?;
    let gaps = line["gaps"].as_array().into_iter().flatten();
    let declared = gaps.filter_map(|gap| gap["count"].as_u64());
    Some((
        line["ours"].as_u64()?,
        declared.fold(0, u64::saturating_add),
    ))
}
