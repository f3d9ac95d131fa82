//! Logs: whole records, and what a medium makes of them.

use durable::{Cell, CellError, Log, Opened, HEAD};

use super::memory::Memory;
use super::pieces::{join, pieces};

const FILE: &str = "log";

/// Kinds of pieces: a record with right checksums; bytes without; damage to what stands there already, as offset
/// and bytes; a cut to an offset; a copy of what stands there; an end to which the log is opened and goes on.
const RECORD: u8 = 0;
const BYTES: u8 = 1;
const DAMAGE: u8 = 2;
const CUT: u8 = 3;
const AGAIN: u8 = 4;
const OPEN: u8 = 5;
const KINDS: u8 = 6;

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let record = |byte: u8| (RECORD, vec![byte; usize::from(byte)]);
    let rows: [Vec<(u8, Vec<u8>)>; 6] = [
        vec![record(1), record(30), record(200)],
        vec![record(9), (BYTES, vec![0; 100]), record(9)],
        vec![record(9), record(9), record(9), (DAMAGE, vec![0, 60, 7])],
        vec![
            record(9),
            record(9),
            (CUT, vec![0, 70]),
            (OPEN, vec![]),
            record(3),
        ],
        vec![record(9), (AGAIN, vec![]), record(9)],
        vec![(BYTES, b"not a log".to_vec())],
    ];
    rows.iter().map(|pieces| join(pieces)).collect()
}

pub(super) fn run(input: &[u8]) {
    let mut disk = Memory::default();
    let (mut log, _) = Log::open(&mut disk, FILE, &mut |_, _| {}).expect("no file is an empty log");
    let mut is_untouched = true;
    let mut written: Vec<(u64, Vec<u8>)> = Vec::new();
    for (kind, piece) in pieces(input).take(64) {
        let mut bytes = disk.bytes(FILE);
        let at = |length: usize| match piece {
            [high, low, ..] => usize::from(u16::from_be_bytes([*high, *low])).min(length),
            _ => 0,
        };
        match kind % KINDS {
            RECORD => {
                if let Ok(sequence) = log.append(&mut disk, piece) {
                    written.push((sequence, piece.to_vec()));
                } else {
                    assert!(piece.is_empty(), "a disk that works takes a record");
                }
                continue;
            }
            BYTES => bytes.extend_from_slice(piece),
            DAMAGE => {
                let at = at(bytes.len());
                let places = bytes[at..].iter_mut().zip(piece.iter().skip(2));
                places.for_each(|(byte, other)| *byte ^= other);
            }
            CUT => {
                let at = at(bytes.len());
                bytes.truncate(at);
            }
            AGAIN => bytes.extend_from_within(..bytes.len().min(1 << 16)),
            _ => {
                let (found, records) = read(&mut disk);
                if is_untouched {
                    assert_eq!(records, written, "what is written reads back");
                    assert_eq!((found.lost, found.damaged, found.cut), (0, 0, 0));
                }
            }
        }
        if kind % KINDS != OPEN {
            is_untouched = false;
            disk.put(FILE, bytes);
        }
        (log, _) = Log::open(&mut disk, FILE, &mut |_, _| {}).expect("memory can be read");
    }
    let (found, records) = read(&mut disk);
    if is_untouched {
        assert_eq!(records, written, "what is written reads back");
    }
    let size = disk.bytes(FILE).len() as u64;
    let whole: u64 = records
        .iter()
        .map(|(_, record)| (HEAD + record.len()) as u64)
        .sum();
    assert_eq!(found.records, records.len() as u64);
    assert!(whole + found.damaged <= size, "{found:?} of {size}");
    assert!(records.is_sorted_by(|a, b| a.0 < b.0), "sequences rise");

    // What was found stays, and the log goes on.
    let (mut log, _) = Log::open(&mut disk, FILE, &mut |_, _| {}).expect("memory can be read");
    let sequence = log
        .append(&mut disk, b"ours")
        .expect("memory takes a record");
    log.sync(&mut disk).expect("memory can be synced");
    let (again, more) = read(&mut disk);
    let (last, before) = more.split_last().expect("a record was added");
    assert_eq!(
        (last, before),
        (&(sequence, b"ours".to_vec()), &records[..])
    );
    assert_eq!(
        (again.lost, again.damaged, again.cut),
        (found.lost, found.damaged, 0)
    );
    let mut payloads = more.iter().map(|(_, payload)| payload.clone());
    log.replace(&mut disk, &mut payloads)
        .expect("memory takes a file");
    let (found, copied) = read(&mut disk);
    assert!(copied
        .iter()
        .map(|(_, payload)| payload)
        .eq(more.iter().map(|(_, payload)| payload)));
    assert_eq!((found.lost, found.damaged, found.cut), (0, 0, 0));
}

fn read(disk: &mut Memory) -> (Opened, Vec<(u64, Vec<u8>)>) {
    let mut records = Vec::new();
    let visit = &mut |sequence: u64, payload: &[u8]| records.push((sequence, payload.to_vec()));
    let (_, found) = Log::open(disk, FILE, visit).expect("memory can be read");
    (found, records)
}

pub(super) fn cell_seeds() -> Vec<Vec<u8>> {
    let mut disk = Memory::default();
    let cell = Cell::new(FILE);
    cell.write(&mut disk, b"value")
        .expect("memory takes a value");
    vec![disk.bytes(FILE), Vec::new(), vec![1; 9]]
}

/// The bytes of a cell: what is read is what was written, and what is damaged can be replaced.
pub(super) fn run_cell(input: &[u8]) {
    let mut disk = Memory::default();
    disk.put(FILE, input.to_vec());
    let cell = Cell::new(FILE);
    match cell.read(&mut disk) {
        Ok(value) => {
            let value = value.expect("there is a file");
            cell.write(&mut disk, &value).expect("memory takes a value");
            assert_eq!(disk.bytes(FILE), input, "a value has one form");
        }
        Err(error) => assert!(matches!(error, CellError::Damaged(_)), "{error}"),
    }
    let value = &input[..input.len().min(durable::VALUE_MAX)];
    cell.write(&mut disk, value).expect("memory takes a value");
    let read = cell.read(&mut disk).expect("a value was written");
    assert_eq!(read.as_deref(), Some(value), "what is written reads back");
}
