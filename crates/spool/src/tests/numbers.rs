//! Records with right checksums and any numbers, and segments that ended the agent.

use std::error::Error;
use std::fs;
use std::path::Path;

use durable::PAYLOAD_MAX;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::corrections::HOLD;
use crate::deflate::Packer;
use crate::notes::{Anchor, Notes};
use crate::record::{self, NUMBER_MAX};
use crate::{Crashes, Handling};

const SMALL: Bounds = Bounds {
    ram: 16 << 10,
    flash: 16 << 10,
    flash_daily: 1 << 20,
};

/// Numbers near all bounds, and any others.
fn number() -> impl Strategy<Value = u64> {
    let bounds = vec![0, 1 << 31, 1 << 32, NUMBER_MAX, 1 << 63, u64::MAX];
    let near = (prop::sample::select(bounds), 0..3_u64, any::<bool>());
    prop_oneof![
        3 => near.prop_map(|(bound, off, above)| match above {
            true => bound.saturating_add(off),
            false => bound.saturating_sub(off),
        }),
        3 => 0..20_u64,
        1 => any::<u64>(),
    ]
}

fn known() -> impl Strategy<Value = Option<u64>> {
    prop::option::of(number())
}

fn gap() -> impl Strategy<Value = Gap> {
    let reasons = vec![Reason::Full, Reason::Power, Reason::Damaged];
    let reason = prop::sample::select(reasons);
    (known(), known(), known(), reason).prop_map(|(from, to, count, reason)| Gap {
        from,
        to,
        count,
        reason,
    })
}

fn anchor() -> impl Strategy<Value = Anchor> {
    (number(), number(), number()).prop_map(|(first, last, base)| Anchor { first, last, base })
}

/// The payload of a record.
fn record() -> impl Strategy<Value = Vec<u8>> {
    let numbers = (number(), number(), number(), number(), number());
    let report = (numbers, any::<bool>(), any::<bool>(), gap());
    let report = report.prop_map(|((seq, at, mono, declared, since), synced, right, gap)| {
        let line = json!({"device": {"created_at": at, "boot_id": "b", "seq": seq}, "gaps": [gap]});
        let line = format!("{line}\n").into_bytes();
        let head = Head {
            seq,
            at,
            mono: mono as u32,
            clock: if synced {
                Certainty::Ok
            } else {
                Certainty::Unsynced
            },
            declared,
            plain: if right {
                line.len() as u32
            } else {
                mono as u32
            },
            crc: crc32fast::hash(&line),
            since,
        };
        record::report(&head, &Packer::new().pack(&line))
    });
    let notes = (
        number(),
        number(),
        number(),
        prop::collection::vec(anchor(), 0..4),
    );
    let notes = notes.prop_map(|(next_seq, declared, fixed, anchors)| {
        record::notes(&Notes {
            next_seq,
            declared,
            fixed,
            anchors,
        })
    });
    let part = prop_oneof![Just(PAYLOAD_MAX - 1), 0..9_usize];
    prop_oneof![
        4 => report,
        2 => notes,
        1 => (number(), gap()).prop_map(|(id, gap)| record::lost(id, &gap)),
        1 => (number(), number()).prop_map(|(first, last)| record::sent(first, last)),
        1 => part.prop_map(|len| record::part(&vec![0; len])),
        1 => prop::collection::vec(any::<u8>(), 1..60),
    ]
}

/// A file with an ordinal, of this boot or another.
fn file() -> impl Strategy<Value = (String, Vec<Vec<u8>>)> {
    let high = vec![999_999_999_999_999, 9_999_999_999_999_999];
    let ordinal = prop_oneof![4 => 1..4_u64, 1 => prop::sample::select(high)];
    let name = (ordinal, prop::sample::select(vec![BOOT, "another", "b"]));
    let name = name.prop_map(|(ordinal, boot)| format!("{ordinal:016}.{boot}.reports"));
    (name, prop::collection::vec(record(), 0..6))
}

fn open(dir: &Path) -> Spool {
    let ram = Directory::open(&dir.join("ram")).unwrap();
    let flash = Directory::open(&dir.join("flash")).unwrap();
    Spool::on(ram, Some(flash), BOOT, SMALL).unwrap()
}

/// Delivers everything, lines of any content.
fn deliver_any(spool: &mut Spool, mut now: Reading) {
    for _ in 0..1000 {
        match spool.next_batch(1000, now) {
            Some(batch) => spool.delivered(batch.id, now),
            None if spool.facts().reports == 0 => return,
            // It may wait for the time, so long and no longer.
            None => now.mono += HOLD,
        }
    }
    panic!("it does not end: {:?}", spool.facts());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn records_with_any_numbers_are_read_thinned_and_delivered_and_what_is_new_arrives(
        ram in prop::collection::vec(file(), 0..4),
        flash in prop::collection::vec(file(), 0..4),
    ) {
        let tmp = tempfile::tempdir().unwrap();
        write(&tmp.path().join("ram"), ram);
        write(&tmp.path().join("flash"), flash);
        let mut spool = open(tmp.path());
        // The clock is right after a while, deliveries fail, room runs out, flash gets its part.
        for n in 0..30 {
            let now = Reading { synced: n > 9, ..after(n * 60) };
            spool.append(&report(1000), now).unwrap();
            if let Some(batch) = spool.next_batch(1000, now) {
                let _any = batch.lines();
                spool.halve(batch.id, now);
                spool.kept_back(batch.id, now);
            }
        }
        spool.close(after(2000));
        drop(spool);
        let mut spool = open(tmp.path());
        deliver_any(&mut spool, after(3000));
        spool.append(&report(9), after(3001)).unwrap();
        drop(spool);
        let mut spool = open(tmp.path());
        deliver_any(&mut spool, after(4000));
        drop(spool);
        assert_eq!(open(tmp.path()).facts().reports, 0);
    }
}

/// Found by an attack: each start aborted, for ever.
#[test]
fn a_report_that_declares_every_loss_does_not_hide_those_to_come() {
    for declared in [u64::MAX, NUMBER_MAX + 1] {
        let tmp = tempfile::tempdir().unwrap();
        let line = b"{}\n";
        let head = Head {
            at: 5,
            mono: 5,
            declared,
            ..head(line)
        };
        let record = record::report(&head, &Packer::new().pack(line));
        let stray = record::lost(u64::MAX, &Gap::one(Some(5), Reason::Thinned));
        let name = "0000000000000001.another.reports".to_owned();
        write(&tmp.path().join("flash"), vec![(name, vec![record, stray])]);
        for _ in 0..2 {
            // What it says itself comes once, however often the agent starts before that.
            drop(open(tmp.path()));
        }
        let mut spool = open(tmp.path());
        assert_eq!(spool.facts().reports, 1);
        let batch = spool.next_batch(1000, after(1)).unwrap();
        spool.delivered(batch.id, after(1));
        spool.append(&report(0), after(2)).unwrap();
        let all = deliver_all(&mut spool, after(3));
        assert_eq!(super::declared(&all, Reason::Thinned), 1, "{all:?}");
    }
}

/// Found by an attack: a file says that the last number was given out.
#[test]
fn reports_beyond_the_last_number_arrive_or_are_declared() {
    let tmp = tempfile::tempdir().unwrap();
    let notes = record::notes(&Notes {
        next_seq: NUMBER_MAX,
        ..Notes::default()
    });
    let name = format!("0000000000000001.{BOOT}.reports");
    write(&tmp.path().join("flash"), vec![(name, vec![notes])]);
    let mut spool = open(tmp.path());
    for n in 0..3 {
        spool.append(&report(0), after(n)).unwrap();
    }
    let all = deliver_all(&mut spool, after(3));
    assert_eq!(seqs(&all), [NUMBER_MAX, NUMBER_MAX + 1, NUMBER_MAX + 2]);
    for n in 4..6 {
        spool.append(&report(0), after(n)).unwrap();
    }
    drop(spool);
    let mut spool = open(tmp.path());
    spool.append(&report(0), after(6)).unwrap();
    let all = deliver_all(&mut spool, after(7));
    assert_eq!((all.len(), super::declared(&all, Reason::Damaged)), (1, 2));
}

#[test]
fn a_segment_with_the_highest_ordinal_hides_neither_itself_nor_those_begun_after_it() {
    for ordinal in [
        999_999_999_999_999_u64,
        1_000_000_000_000_000,
        9_999_999_999_999_999,
    ] {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("spool");
        let mut spool = Spool::open(&dir, "an-earlier-boot", LARGE).unwrap();
        spool.append(&report(9), after(1)).unwrap();
        drop(spool);
        let before = dir.join("0000000000000001.an-earlier-boot.reports");
        let high = dir.join(format!("{ordinal:016}.an-earlier-boot.reports"));
        fs::rename(before, high).unwrap();
        for n in 1..4 {
            let mut spool = Spool::open(&dir, BOOT, LARGE).unwrap();
            spool.append(&report(9), after(n)).unwrap();
        }
        let mut spool = Spool::open(&dir, BOOT, LARGE).unwrap();
        let all = deliver_all(&mut spool, after(9));
        assert_eq!(seqs(&all), [1, 1, 2, 3], "{ordinal}");
        assert_eq!(all[0].boot_id, "an-earlier-boot");
    }
}

/// The process has ended too often while this was handled.
#[derive(Debug)]
struct Ended {
    kind: &'static str,
    name: String,
}

impl Ended {
    fn by(kind: &'static str, name: &str) -> Arc<dyn Crashes> {
        let name = name.to_owned();
        Arc::new(Ended { kind, name })
    }
}

impl Crashes for Ended {
    fn handle(&self, kind: &str, bytes: &[u8]) -> Result<Handling, Box<dyn Error + Send + Sync>> {
        match kind == self.kind && bytes == self.name.as_bytes() {
            true => Err("too often".into()),
            false => ().handle(kind, bytes),
        }
    }
}

fn no_crashes() -> Arc<dyn Crashes> {
    Arc::new(())
}

fn open_after(crashes: &Arc<dyn Crashes>, dir: &Path) -> Spool {
    let dir = Directory::open(dir).unwrap();
    Spool::after(crashes, dir, None, BOOT, LARGE).unwrap()
}

#[test]
fn a_segment_that_ended_the_agent_twice_is_set_aside_and_declared() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("spool");
    let mut spool = Spool::open(&dir, "an-earlier-boot", LARGE).unwrap();
    spool.append(&report(9), after(1)).unwrap();
    drop(spool);
    let mut spool = Spool::open(&dir, BOOT, LARGE).unwrap();
    spool.append(&report(9), after(2)).unwrap();
    drop(spool);
    let name = "0000000000000001.an-earlier-boot.reports";
    assert!(dir.join(name).exists());
    let crashes = Ended::by("segment", name);
    // Killed before it could say so, it says so later.
    drop(open_after(&crashes, &dir));
    let mut spool = open_after(&no_crashes(), &dir);
    assert!(dir.join("0000000000000001.an-earlier-boot.aside").exists());
    spool.append(&report(9), after(3)).unwrap();
    let all = deliver_all(&mut spool, after(4));
    assert_eq!(seqs(&all), [1, 2]);
    let gaps: Vec<_> = all.iter().flat_map(|report| &report.gaps).collect();
    let unknown = |gap: &&&Gap| gap.reason == Reason::Damaged && gap.count.is_none();
    assert_eq!(gaps.iter().filter(unknown).count(), 1, "{gaps:?}");
}

#[test]
fn seqs_of_a_segment_set_aside_do_not_come_again() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("spool");
    let mut spool = Spool::open(&dir, BOOT, LARGE).unwrap();
    spool.append(&report(9), after(1)).unwrap();
    drop(spool);
    let name = format!("0000000000000001.{BOOT}.reports");
    let mut spool = open_after(&Ended::by("segment", &name), &dir);
    spool.append(&report(9), after(2)).unwrap();
    let all = deliver_all(&mut spool, after(3));
    assert!(all.len() == 1 && all[0].seq > 1, "{all:?}");
}

#[test]
fn a_report_that_ended_the_agent_twice_is_left_out_and_counted() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("spool");
    let mut spool = Spool::open(&dir, BOOT, LARGE).unwrap();
    for n in 1..=5 {
        spool.append(&report(300), after(n)).unwrap();
    }
    drop(spool);
    let name = format!("0000000000000001.{BOOT}.reports 3");
    let mut spool = open_after(&Ended::by("report", &name), &dir);
    let mut all = deliver_all(&mut spool, after(9));
    spool.append(&report(0), after(10)).unwrap();
    all.extend(deliver_all(&mut spool, after(11)));
    let missing = declared(&all, Reason::Damaged);
    assert!(missing >= 1 && all.len() as u64 + missing == 6, "{all:?}");
    assert!(fs::read_dir(&dir).unwrap().count() > 0);
}
