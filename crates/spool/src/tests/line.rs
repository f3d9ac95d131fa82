//! A report as tests make it. Those of the desk have this file, too.

use serde_json::json;

use super::Stamp;

/// A report's line with `pad` bytes that cannot be packed into much less.
pub(crate) fn line(stamp: &Stamp<'_>, pad: usize) -> Vec<u8> {
    let mut noise = fastrand::Rng::with_seed(stamp.seq);
    let pad: String = (0..pad).map(|_| noise.alphanumeric()).collect();
    let mut report = json!({
        "device": {
            "created_at": stamp.created_at,
            "boot_id": stamp.boot_id,
            "seq": stamp.seq,
            "clock": stamp.clock.word(),
        },
        "pad": pad,
    });
    if !stamp.gaps.is_empty() {
        report["gaps"] = json!(stamp.gaps);
    }
    serde_json::to_vec(&report).unwrap()
}
