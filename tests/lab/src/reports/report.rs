//! Reports as they are made, and as a server reads them.

use std::io::Read;

use serde::Deserialize;
use serde_json::{json, Value};
use spool::{Batch, Gap, Stamp};

use super::ledger::Id;

/// A pad that is longer cannot be packed into much less.
const REGULAR_MAX: usize = 10_000;

/// A report, taken by the clock of its stamp.
pub fn line(stamp: &Stamp<'_>, pad: usize) -> Vec<u8> {
    let mut noise = fastrand::Rng::with_seed(stamp.seq);
    let pad: String = (0..pad as u64)
        .map(|n| match pad <= REGULAR_MAX {
            true => char::from(b'a' + (stamp.seq * 7919 + n * n * 31 + n * stamp.seq) as u8 % 26),
            false => noise.alphanumeric(),
        })
        .collect();
    let mut report = json!({
        "device": {
            "boot_id": stamp.boot_id,
            "seq": stamp.seq,
            "created_at": stamp.created_at,
            "clock": stamp.clock.word(),
        },
        "events": [{"at": stamp.created_at - 3}],
        "pad": pad,
    });
    if !stamp.gaps.is_empty() {
        report["gaps"] = json!(stamp.gaps);
    }
    serde_json::to_vec(&report).expect("a report is JSON")
}

/// The lines read by a server that stops at the end of the first gzip member.
pub fn lines(batch: &Batch) -> Vec<Vec<u8>> {
    let mut text = Vec::new();
    let mut member = flate2::bufread::GzDecoder::new(&batch.body[..]);
    let read = member.read_to_end(&mut text);
    read.expect("a body is a gzip member");
    assert!(member.into_inner().is_empty(), "a second member");
    let text = text.strip_suffix(b"\n").expect("whole lines");
    let lines: Vec<Vec<u8>> = text.split(|&byte| byte == b'\n').map(Vec::from).collect();
    assert_eq!(lines.len() as u64, batch.reports);
    lines
}

/// The report that a line holds.
pub fn id(line: &[u8]) -> Id {
    let report: Value = serde_json::from_slice(line).expect("a line is JSON");
    let device = &report["device"];
    let boot = device["boot_id"].as_str();
    let boot = boot.and_then(|boot| boot.strip_prefix("boot-")?.parse().ok());
    let boot = boot.expect("boots have numbers");
    (
        boot,
        device["seq"].as_u64().expect("a report has its number"),
    )
}

/// When a report was taken, seconds since the epoch, and what it declares.
pub fn time_and_gaps(line: &[u8]) -> (u64, Vec<Gap>) {
    let mut report: Value = serde_json::from_slice(line).expect("a line is JSON");
    let at = report["device"]["created_at"].as_u64();
    let gaps = report["gaps"].take();
    let gaps = Option::<Vec<Gap>>::deserialize(gaps).expect("gaps are gaps");
    (at.expect("a report has its time"), gaps.unwrap_or_default())
}
