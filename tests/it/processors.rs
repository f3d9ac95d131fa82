//! Faults that show on other processors only: 32 bits, big-endian, no 64-bit atomics. The builds for
//! them are tried by tests/package/cross; this finds the usual slips on every run.

use std::fs;
use std::path::PathBuf;

use crate::project;

/// Casts to `usize` that are bounded, or cut nothing off: file, code, why.
const BOUNDED: &[(&str, &str, &str)] = &[
    ("bus/state.rs", "args.offset as usize", "of 32 bits"),
    (
        "bus/state.rs",
        "limit as usize",
        "of 32 bits, and a page at most",
    ),
    ("cli/view.rs", "At::$field as usize", "an index of a member"),
    ("config/json.rs", "as_ptr() as usize", "addresses"),
    ("config/options.rs", "n as usize", "the row says the range"),
    ("uci/index.rs", "at as usize", "of 32 bits"),
    ("uci/index.rs", "self.0[found] as usize", "of 32 bits"),
    (
        "tls/x509.rs",
        "modulus[first].leading_zeros() as usize",
        "of a byte",
    ),
    ("jobs/run/output.rs", "stream as usize", "one of two"),
    (
        "spool/deflate.rs",
        "total_in() - read) as usize",
        "no more than the slice it was given",
    ),
    (
        "spool/deflate.rs",
        "total_out() - written) as usize",
        "no more than the slice it was given",
    ),
    (
        "durable/cell.rs",
        "u32::from_le_bytes([l0, l1, l2, l3]) as usize",
        "of 32 bits, and has to be the file's",
    ),
    (
        "durable/disk.rs",
        "size as usize",
        "refused above a maximum",
    ),
    (
        "durable/log.rs",
        "(end - at).min(PIECE as u64) as usize",
        "as it says",
    ),
    (
        "durable/record.rs",
        "u32::from_le_bytes([l0, l1, l2, l3]) as usize",
        "of 32 bits, refused above PAYLOAD_MAX",
    ),
    (
        "durable/scan.rs",
        "size.min(RECORD_MAX as u64) as usize",
        "as it says",
    ),
    (
        "durable/scan.rs",
        "(at - self.start) as usize",
        "at never goes back, logs are smaller than memory",
    ),
    (
        "process/file.rs",
        "max as usize",
        "only if there are more bytes in memory",
    ),
    ("guard/desk.rs", "RESERVE_BYTES as usize", "a constant"),
    ("process/logging.rs", "from_march as usize", "a month"),
    ("mqtt/topic.rs", "u16::MAX as usize", "a constant"),
    ("upgrade/tools.rs", "OUTPUT_MAX as usize", "a constant"),
    (
        "spool/batch/mod.rs",
        "max_bytes.min(self.bounds.ram / 4) as usize",
        "less than the store in memory",
    ),
    (
        "spool/batch/making.rs",
        "entries[pick.entry].packed as usize",
        "of 32 bits, bytes that were read",
    ),
    ("spool/moving.rs", "(size - at) as usize", "a piece at most"),
    (
        "spool/segment.rs",
        "self.packed as usize",
        "of 32 bits, bytes that were read",
    ),
    (
        "spool/store/lines.rs",
        "head.plain as usize",
        "of 32 bits, refused above LINE_MAX",
    ),
    (
        "spool/store/mod.rs",
        "head.plain as usize",
        "of 32 bits, refused above LINE_MAX",
    ),
    (
        "ubus/blob.rs",
        "(word & 0x00ff_ffff) as usize",
        "24 bits, and inside the message",
    ),
    (
        "ubus/message.rs",
        "(word & 0x00ff_ffff) as usize",
        "24 bits, refused above MAX_BLOB",
    ),
];

/// Every file of the agent and its crates but their tests: its path below src/, for a crate with the crate's
/// directory before it, and its text before the tests in it.
fn sources() -> Vec<(String, String)> {
    let mut open = vec![(project().join("src"), String::new())];
    for entry in fs::read_dir(project().join("crates")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        open.push((path.join("src"), format!("{name}/")));
    }
    let mut found = Vec::new();
    while let Some((dir, prefix)) = open.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            let name = path.file_stem().unwrap();
            if name == "tests" {
                continue;
            }
            if path.is_dir() {
                let name = path.file_name().unwrap().to_str().unwrap();
                open.push((path.clone(), format!("{prefix}{name}/")));
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
            let name = path.file_name().unwrap().to_str().unwrap();
            found.push((format!("{prefix}{name}"), code.to_owned()));
        }
    }
    assert!(found.len() > 50, "{}", found.len());
    found
}

/// Where this stands in our code: `file: line`.
fn lines_with(wanted: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (file, code) in sources() {
        let lines = code.lines().filter(|line| {
            let code = line.split("//").next().unwrap_or_default();
            wanted.iter().any(|wanted| code.contains(wanted))
        });
        found.extend(lines.map(|line| (file.clone(), line.trim().to_owned())));
    }
    found
}

#[test]
fn nothing_of_ours_needs_atomics_of_64_bits() {
    // 32-bit MIPS and PowerPC have none.
    let found = lines_with(&["AtomicU64", "AtomicI64"]);
    assert_eq!(found, []);
}

#[test]
fn nobody_asks_rustix_for_what_it_has_wrong_on_mips() {
    // Its `statfs` has 88 bytes without libc, where the kernel's has 96 and refuses any other; its `timespec` has 16 with
    // libc, where that of musl has 8.
    let words = [
        "statfs",
        "statvfs",
        "rustix::time",
        "clock_gettime",
        "Timespec",
        "utimens",
    ];
    let mut found = lines_with(&words);
    found.retain(|(file, line)| file != "kernel.rs" || !line.contains("libc::"));
    assert_eq!(found, []);
}

#[test]
fn bytes_from_outside_have_an_order_that_is_said() {
    let mut found = lines_with(&["_ne_bytes", "target_endian"]);
    // The kernel prints addresses there in the order of the machine.
    found.retain(|(file, line)| {
        file != "collect/kernel/routes.rs" || !line.contains("number.to_ne_bytes()")
    });
    // Netlink is spoken in the order of the machine.
    found.retain(|(file, _)| !file.ends_with("/netlink.rs") && file != "collect/kernel/fib.rs");
    assert_eq!(found, []);
}

#[test]
fn a_length_becomes_an_index_only_where_its_bound_is_known() {
    let found = lines_with(&["as usize"]);
    let is_it = |(file, code, _): &(&str, &str, &str), (at, line): &(String, String)| {
        file == at && line.contains(code)
    };
    let unknown: Vec<_> = found
        .iter()
        .filter(|line| !BOUNDED.iter().any(|bounded| is_it(bounded, line)))
        .collect();
    assert!(
        unknown.is_empty(),
        "use usize::try_from, or say in BOUNDED why it is bounded: {unknown:#?}"
    );
    let gone: Vec<_> = BOUNDED
        .iter()
        .filter(|bounded| !found.iter().any(|line| is_it(bounded, line)))
        .collect();
    assert!(gone.is_empty(), "BOUNDED has more than there is: {gone:#?}");
}
