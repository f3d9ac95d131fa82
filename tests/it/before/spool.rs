//! A spool in RAM and on flash: two boots, a clock that was wrong, losses of every kind, reports that wait.

use std::path::Path;

use durable::Directory;
use spool::{Bounds, Reading, Spool, Stamp};

use super::{assert_same, kept, lay};

/// Small, so that there are many segments.
const BOUNDS: Bounds = Bounds {
    ram: 12_000,
    flash: 6_000,
    flash_daily: 64 << 10,
};

/// The time of the first boot.
const START: u64 = 1_780_000_000;

/// A report with `pad` characters that hardly pack.
fn report(pad: usize) -> impl Fn(&Stamp<'_>) -> Vec<u8> + Send {
    move |stamp| {
        let mut noise = stamp.seq;
        let pad: String = (0..pad)
            .map(|_| {
                noise = noise
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                char::from(b'0' + (noise >> 59) as u8)
            })
            .collect();
        let (boot, seq, at) = (stamp.boot_id, stamp.seq, stamp.created_at);
        let clock = stamp.clock.word();
        let mut line = format!(
            r#"{{"device":{{"created_at":{at},"boot_id":"{boot}","seq":{seq},"clock":"{clock}"}},"pad":"{pad}""#
        );
        if !stamp.gaps.is_empty() {
            line += r#","gaps":"#;
            line += &serde_json::to_string(stamp.gaps).unwrap();
        }
        line += "}";
        line.into_bytes()
    }
}

fn open(dir: &Path, boot: &str) -> Spool {
    let ram = Directory::open(&dir.join("ram")).unwrap();
    let flash = Directory::open(&dir.join("flash")).unwrap();
    Spool::on(ram, Some(flash), boot, BOUNDS).unwrap()
}

/// `mono` seconds after the boot at `booted`, by a clock that is right.
fn right(booted: u64, mono: u64) -> Reading {
    Reading {
        epoch: booted + mono,
        mono,
        synced: true,
    }
}

fn live(dir: &Path) {
    let mut spool = open(dir, "boot-1");
    // Nobody knows the time, and the clock is a day behind.
    for mono in [20, 40, 60, 80, 100] {
        let wrong = Reading {
            synced: false,
            ..right(START - 86_400, mono)
        };
        spool.append(&report(80), wrong).unwrap();
    }
    // Then the time is known, and nobody is there: half an hour, in which room runs out.
    for mono in (120..1_920).step_by(30) {
        let now = right(START, mono);
        spool.append(&report(180), now).unwrap();
        if let Some(batch) = spool.next_batch(3_000, now) {
            spool.kept_back(batch.id, now);
        }
    }
    // One batch arrives, of the next the server takes half, one it never takes, one is given up.
    let now = right(START, 1_930);
    let batch = spool.next_batch(1_500, now).unwrap();
    spool.delivered(batch.id, now);
    let batch = spool.next_batch(1_500, now).unwrap();
    let half = spool.halve(batch.id, now).unwrap();
    spool.delivered(half.id, now);
    let batch = spool.next_batch(600, now).unwrap();
    spool.refused(batch.id);
    let batch = spool.next_batch(300, now).unwrap();
    spool.given_up(batch.id);
    spool.append(&report(40), right(START, 1_940)).unwrap();
    let huge = spool.append(&report(20_000), right(START, 1_945));
    assert!(huge.is_err(), "it does not fit");
    spool.append(&report(40), right(START, 1_950)).unwrap();
    drop(spool);

    // The next boot does not know the time either, and ends with a loss that no report declares yet.
    let mut spool = open(dir, "boot-2");
    for mono in [30, 60] {
        let unsure = Reading {
            synced: false,
            ..right(START + 2_000, mono)
        };
        spool.append(&report(60), unsure).unwrap();
    }
    let now = right(START + 2_500, 90);
    spool.append(&report(60), now).unwrap();
    let batch = spool.next_batch(700, now).unwrap();
    spool.refused(batch.id);
}

/// Everything that a server gets of it in the third boot: gzip, one member a batch.
fn drain(dir: &Path) -> (Vec<u8>, String) {
    let mut spool = open(dir, "boot-3");
    let now = right(START + 3_000, 30);
    spool.append(&report(0), now).unwrap();
    let (mut packed, mut plain) = (Vec::new(), Vec::new());
    while let Some(batch) = spool.next_batch(2_000, now) {
        packed.extend_from_slice(&batch.body);
        plain.extend(batch.lines().unwrap());
        spool.delivered(batch.id, now);
    }
    assert_eq!(spool.facts().reports, 0);
    (packed, String::from_utf8(plain).unwrap())
}

#[test]
fn a_spool_of_the_version_before_is_delivered_to_the_byte() {
    let tmp = tempfile::tempdir().unwrap();
    lay("spool", tmp.path());
    let (packed, plain) = drain(tmp.path());
    let before = std::fs::read(kept("delivered.gz")).unwrap();
    assert!(packed == before, "the batches are others:\n{plain}");

    let has = |words: &str| plain.contains(words);
    for boot in ["boot-1", "boot-2", "boot-3"] {
        assert!(has(&format!(r#""boot_id":"{boot}""#)), "{boot}:\n{plain}");
    }
    for reason in ["thinned", "refused", "unsent", "full"] {
        assert!(
            has(&format!(r#""reason":"{reason}""#)),
            "{reason}:\n{plain}"
        );
    }
    for clock in ["ok", "restamped"] {
        assert!(has(&format!(r#""clock":"{clock}""#)), "{clock}:\n{plain}");
    }
}

#[test]
fn a_spool_is_written_as_the_version_before_wrote_it() {
    let tmp = tempfile::tempdir().unwrap();
    live(tmp.path());
    assert_same(tmp.path(), "spool");
}
