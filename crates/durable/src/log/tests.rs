//! Logs in a real directory, byte by byte. What kills, power cuts and faults leave of one is tried on simulated disks,
//! in `tests/it/durable`.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::super::record::{encode, Head, HEAD, RECORD_MAX};
use super::super::{Directory, Disk, Meter, Metered, Opened};
use super::{Log, PAYLOAD_MAX, PIECE};

/// A directory whose next sync of a file may fail, and which may not have much room.
struct Desk {
    disk: Directory,
    fails: bool,
    room: usize,
    _tmp: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let tmp = tempfile::tempdir().unwrap();
        Desk {
            disk: Directory::open(&tmp.path().join("logs")).unwrap(),
            fails: false,
            room: usize::MAX,
            _tmp: tmp,
        }
    }

    fn file(&self) -> PathBuf {
        self.disk.path().join("log")
    }

    /// Puts these bytes in the place of the log.
    fn lay(&mut self, bytes: &[u8]) {
        super::super::replace(&mut self.disk, "log", bytes).unwrap();
    }

    /// The log, with its records by sequence.
    fn open(&mut self) -> (Log, Opened, Vec<(u64, Vec<u8>)>) {
        let mut records = Vec::new();
        let mut visit = |sequence, payload: &[u8]| records.push((sequence, payload.to_vec()));
        let (log, opened) = Log::open(self, "log", &mut visit).unwrap();
        (log, opened, records)
    }
}

impl Disk for Desk {
    crate::pass_on!(self => self.disk; list size read create truncate rename remove sync_names);

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<usize> {
        let fits = &bytes[..bytes.len().min(self.room)];
        self.room -= fits.len();
        match fits.is_empty() {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => self.disk.append(name, fits),
        }
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        match std::mem::take(&mut self.fails) {
            true => Err(io::Error::other("no")),
            false => self.disk.sync(name),
        }
    }
}

/// Records of a file with the salt 7: each by its sequence, the mark with none.
fn file(records: &[(u64, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (sequence, payload) in records {
        encode(7, *sequence, payload, &mut bytes);
    }
    bytes
}

#[test]
fn a_file_begins_with_one_mark_and_the_mark_is_no_record() {
    let mut desk = Desk::new();
    let (mut log, opened, _) = desk.open();
    assert_eq!((opened, log.size()), (Opened::default(), 0));
    assert_eq!(log.append(&mut desk, b"one").unwrap(), 1);
    assert_eq!(log.append(&mut desk, b"second").unwrap(), 2);
    let bytes = fs::read(desk.file()).unwrap();
    assert_eq!(bytes.len(), 3 * HEAD + 9);
    assert_eq!(log.size(), bytes.len() as u64);
    let mark = Head::decode(&bytes).unwrap();
    assert_eq!((mark.length, mark.sequence), (0, 0));

    let (_, opened, records) = desk.open();
    assert_eq!(opened.records, 2);
    assert_eq!(records, [(1, b"one".to_vec()), (2, b"second".to_vec())]);

    let mut all = [b"third".to_vec()].into_iter();
    log.replace(&mut desk, &mut all).unwrap();
    assert_eq!(log.next_sequence(), 4);
    assert_eq!(log.size(), 2 * HEAD as u64 + 5);
    assert_eq!(desk.open().2, [(3, b"third".to_vec())]);
}

#[test]
fn a_record_that_is_damaged_costs_itself_and_is_counted() {
    let mut desk = Desk::new();
    let mut bytes = file(&[(0, b""), (1, b"one"), (2, b"second"), (3, b"third")]);
    // Within the payload of the second.
    bytes[3 * HEAD + 3 + 2] ^= 1;
    desk.lay(&bytes);
    let (log, opened, records) = desk.open();
    assert_eq!(records, [(1, b"one".to_vec()), (3, b"third".to_vec())]);
    let expected = Opened {
        records: 2,
        lost: 1,
        damaged: HEAD as u64 + 6,
        cut: 0,
    };
    assert_eq!(opened, expected);
    assert_eq!((log.next_sequence(), log.size()), (4, bytes.len() as u64));
}

#[test]
fn a_record_is_not_believed_for_which_too_many_are_missing() {
    let mut desk = Desk::new();
    let damaged = |next: u64| {
        let mut bytes = file(&[(0, b""), (1, b"one"), (2, b"x"), (next, b"third")]);
        bytes[2 * HEAD + 3] ^= 1;
        bytes
    };
    // Where one of a byte was there is room for one.
    for (next, lost, cut) in [(2, 0, 0), (3, 1, 0), (4, 0, 2 * HEAD as u64 + 6)] {
        desk.lay(&damaged(next));
        let (_, opened, _) = desk.open();
        assert_eq!((opened.lost, opened.cut), (lost, cut), "{next}");
    }
}

#[test]
fn a_log_longer_than_what_is_held_in_memory_is_read_to_its_end() {
    let mut desk = Desk::new();
    let (mut log, ..) = desk.open();
    let payload = |n: u64| vec![n as u8; [PAYLOAD_MAX, 1, 30_000, 700][n as usize % 4]];
    for n in 1..=12 {
        log.append(&mut desk, &payload(n)).unwrap();
    }
    assert!(log.size() > 4 * RECORD_MAX as u64);
    let (_, opened, records) = desk.open();
    assert_eq!((opened.records, opened.damaged, opened.cut), (12, 0, 0));
    for (n, (sequence, read)) in (1..).zip(records) {
        assert!(sequence == n && read == payload(n), "{n}");
    }
}

#[test]
fn the_salt_of_what_is_cut_off_is_not_taken_over() {
    let mut desk = Desk::new();
    let salt = |desk: &Desk| {
        let bytes = fs::read(desk.file()).unwrap();
        Head::decode(&bytes).unwrap().salt
    };
    let torn = file(&[(1, b"payload")]);
    desk.lay(&torn[..torn.len() - 3]);
    let (mut log, opened, _) = desk.open();
    assert_eq!(opened.cut, torn.len() as u64 - 3);
    log.append(&mut desk, b"ours").unwrap();
    assert_ne!(salt(&desk), 7, "anybody could have written it");

    desk.lay(&file(&[(0, b""), (1, b"payload")]));
    let (mut log, ..) = desk.open();
    log.append(&mut desk, b"ours").unwrap();
    assert_eq!(salt(&desk), 7);
    assert_eq!(desk.open().1.records, 2);
}

#[test]
fn after_a_sync_that_failed_the_next_one_writes_everything_again() {
    let mut desk = Desk::new();
    let (mut log, ..) = desk.open();
    log.append(&mut desk, b"one").unwrap();
    log.append(&mut desk, &[2; 50_000]).unwrap();
    desk.fails = true;
    assert!(log.sync(&mut desk).is_err());
    let before = fs::read(desk.file()).unwrap();
    let file = fs::File::open(desk.file()).unwrap();
    log.sync(&mut desk).unwrap();
    assert!(fs::read(desk.file()).unwrap() == before);
    let (old, new) = (file.metadata().unwrap(), desk.file().metadata().unwrap());
    let inode = std::os::unix::fs::MetadataExt::ino;
    assert_ne!(inode(&old), inode(&new), "it is another file");
    assert_eq!(log.append(&mut desk, b"third").unwrap(), 3);
    assert_eq!(desk.open().1.records, 3);
}

#[test]
fn records_that_belong_together_are_all_there_or_none_wherever_the_disk_is_full() {
    let together = || [&b"one"[..], b"second", b"third"].map(<[u8]>::to_vec);
    let whole = 3 * HEAD + 14;
    for begins in [true, false] {
        for room in 0..whole {
            let mut desk = Desk::new();
            let (mut log, ..) = desk.open();
            let mut expected = Vec::new();
            if !begins {
                log.append(&mut desk, b"before").unwrap();
                expected.push((1, b"before".to_vec()));
            }
            let size = log.size();
            desk.room = room;
            let refused = log.append_all(&mut desk, &mut together().into_iter());
            assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::StorageFull);
            assert_eq!(
                (log.size(), desk.open().2),
                (size, expected.clone()),
                "{room}"
            );

            desk.room = usize::MAX;
            log.append_all(&mut desk, &mut together().into_iter())
                .unwrap();
            let next = log.next_sequence() - 3;
            expected.extend((next..).zip(together()));
            assert_eq!(desk.open().2, expected, "{room}");
        }
    }
}

#[test]
fn a_log_that_lost_what_could_not_be_synced_goes_on_behind_what_is_left() {
    let one = (1, b"one".to_vec());
    let third = |sequence| (sequence, b"third".to_vec());
    for (left, expected) in [(0, vec![third(3)]), (2 * HEAD + 3, vec![one, third(2)])] {
        let mut desk = Desk::new();
        let (mut log, ..) = desk.open();
        log.append(&mut desk, b"one").unwrap();
        log.append(&mut desk, b"second").unwrap();
        desk.fails = true;
        assert!(log.sync(&mut desk).is_err());
        let mut bytes = fs::read(desk.file()).unwrap();
        bytes[left..].fill(0);
        fs::write(desk.file(), bytes).unwrap();
        let gone = log.sync(&mut desk).unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::InvalidData);
        log.append(&mut desk, b"third").unwrap();
        log.sync(&mut desk).unwrap();
        let (_, opened, records) = desk.open();
        assert_eq!(records, expected);
        assert_eq!((opened.damaged, opened.cut), (0, 0));
    }
}

#[test]
fn a_sync_makes_bytes_certain_and_the_name_once_for_each_file() {
    let desk = Desk::new();
    let meter = Meter::new();
    let mut disk = Metered::new(desk.disk.clone(), meter.clone());
    let mut syncs = {
        let mut before = 0;
        move || {
            let all = meter.total().syncs;
            std::mem::replace(&mut before, all).abs_diff(all)
        }
    };
    let (mut log, _) = Log::open(&mut disk, "log", &mut |_, _| {}).unwrap();
    log.sync(&mut disk).unwrap();
    assert_eq!(syncs(), 0, "there is no file");
    for expected in [2, 1] {
        log.append(&mut disk, b"payload").unwrap();
        assert_eq!(syncs(), 0);
        log.sync(&mut disk).unwrap();
        assert_eq!(syncs(), expected);
        log.sync(&mut disk).unwrap();
        assert_eq!(syncs(), 0, "everything is certain");
    }
    log.replace(&mut disk, &mut std::iter::empty()).unwrap();
    assert_eq!(syncs(), 2);
    // A kill may have come before either.
    let (mut log, _) = Log::open(&mut disk, "log", &mut |_, _| {}).unwrap();
    log.sync(&mut disk).unwrap();
    assert_eq!(syncs(), 2);
}

#[test]
fn a_log_in_the_place_of_another_goes_on_under_its_name() {
    let mut desk = Desk::new();
    let (mut old, ..) = desk.open();
    old.append(&mut desk, b"old").unwrap();
    let (mut log, _) = Log::open(&mut desk, "next", &mut |_, _| {}).unwrap();
    log.append(&mut desk, b"one").unwrap();
    log.take_place_of(&mut desk, "log").unwrap();
    log.append(&mut desk, b"second").unwrap();
    log.sync(&mut desk).unwrap();
    assert_eq!(desk.list().unwrap(), ["log"]);
    let (_, _, records) = desk.open();
    assert_eq!(records, [(1, b"one".to_vec()), (2, b"second".to_vec())]);
}

/// A disk that notes how many bytes it takes at once.
struct Pieces(Directory, Vec<usize>);

impl Disk for Pieces {
    crate::pass_on!(self => self.0; list size read create truncate rename remove sync sync_names);

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<usize> {
        self.1.push(bytes.len());
        self.0.append(name, bytes)
    }
}

#[test]
fn a_log_is_rewritten_in_pieces_that_take_little_memory() {
    let desk = Desk::new();
    let mut disk = Pieces(desk.disk.clone(), Vec::new());
    let (mut log, _) = Log::open(&mut disk, "log", &mut |_, _| {}).unwrap();
    log.replace(&mut disk, &mut (0..100).map(|_| vec![1; 1000]))
        .unwrap();
    let all = log.size() as usize;
    assert_eq!(disk.1.iter().sum::<usize>(), all);
    assert!(disk.1.iter().all(|len| *len <= PIECE), "{:?}", disk.1);
    assert!(disk.1.len() <= all / (PIECE - 1100) + 1, "{:?}", disk.1);
    // A record of more than a piece is one by itself.
    disk.1.clear();
    let payloads = [1, PAYLOAD_MAX, 1].map(|len| vec![1; len]);
    log.replace(&mut disk, &mut payloads.into_iter()).unwrap();
    let len = |payload: usize| HEAD + payload;
    assert_eq!(disk.1, [len(0) + len(1), len(PAYLOAD_MAX), len(1)]);
}
