//! Every state that a crash may leave comes up, and synced data never disappears.

use std::collections::BTreeSet;
use std::io;

use durable::{Disk, Usage};

use super::*;

type Outcomes = BTreeSet<Vec<(String, Vec<u8>)>>;

/// Everything a power cut may leave, and that it is as much as the disk says.
fn outcomes(disk: &SimDisk) -> Outcomes {
    let mut all = Outcomes::new();
    let crashes = Chooser::all(|chooser| {
        let mut left = disk.crash(chooser);
        assert_eq!(left.outcomes(), 1, "what is on the medium stays");
        let names = left.list().unwrap();
        let file = |name: String| (name.clone(), left.content(&name).unwrap());
        all.insert(names.into_iter().map(file).collect());
    });
    assert_eq!(crashes, disk.outcomes());
    all
}

/// The possible remains of the only file.
fn contents(disk: &SimDisk) -> BTreeSet<Vec<u8>> {
    let files = outcomes(disk).into_iter().map(|mut files| {
        assert_eq!(files.len(), 1);
        files.remove(0).1
    });
    files.collect()
}

/// A disk on whose medium there are these files.
fn disk(files: &[(&str, &str)]) -> SimDisk {
    let mut disk = SimDisk::new();
    for (name, bytes) in files {
        disk.create(name).unwrap();
        disk.append(name, bytes.as_bytes()).unwrap();
        disk.sync(name).unwrap();
    }
    disk.sync_names().unwrap();
    disk
}

fn set<const N: usize>(outcomes: [&str; N]) -> BTreeSet<Vec<u8>> {
    outcomes.map(|bytes| bytes.as_bytes().to_vec()).into()
}

fn names<const N: usize>(outcomes: [&[&str]; N]) -> BTreeSet<Vec<String>> {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    outcomes.map(owned).into()
}

fn names_left(disk: &SimDisk) -> BTreeSet<Vec<String>> {
    let only_names = |files: Vec<(String, _)>| files.into_iter().map(|(name, _)| name).collect();
    outcomes(disk).into_iter().map(only_names).collect()
}

#[test]
fn every_row_of_answers_is_given_once() {
    let mut rows = Vec::new();
    let runs = Chooser::all(|chooser| {
        let first = chooser.choose(3);
        let second = if first == 1 { chooser.choose(2) } else { 9 };
        rows.push((first, second, chooser.choose(1)));
    });
    assert_eq!(rows, [(0, 9, 0), (1, 0, 0), (1, 1, 0), (2, 9, 0)]);
    assert_eq!(runs, 4);
    let drawn = |seed| {
        let mut chooser = Chooser::seeded(seed);
        (0..20).map(|_| chooser.choose(10)).collect::<Vec<_>>()
    };
    assert_eq!(drawn(1), drawn(1));
    assert_ne!(drawn(1), drawn(2));
}

#[test]
fn bytes_not_synced_are_lost_torn_anywhere_zeros_or_late() {
    let mut disk = disk(&[("a", "12")]);
    disk.append("a", b"34").unwrap();
    disk.append("a", b"5").unwrap();
    assert_eq!(
        contents(&disk),
        set([
            "12",
            "123",
            "1234",
            "12345",
            "12\0\0\0",
            "123\0\0",
            "1234\0",
            "12\x0045",
            "12\0\x005"
        ])
    );
    disk.sync("a").unwrap();
    assert_eq!(contents(&disk), set(["12345"]));
}

#[test]
fn a_cut_not_synced_has_happened_or_not_whatever_was_written_after_it() {
    let mut disk = disk(&[("a", "1234")]);
    disk.truncate("a", 1).unwrap();
    assert_eq!(contents(&disk), set(["1", "1234"]));
    disk.append("a", b"xy").unwrap();
    assert_eq!(
        contents(&disk),
        set(["1", "1x", "1xy", "1\0\0", "1x\0", "1\0y", "1234", "1x34", "1xy4"])
    );
    disk.sync("a").unwrap();
    assert_eq!(contents(&disk), set(["1xy"]));
}

#[test]
fn files_are_torn_independently_of_each_other() {
    let mut disk = disk(&[("a", ""), ("b", "")]);
    disk.append("a", b"1").unwrap();
    disk.append("b", b"2").unwrap();
    let mut expected = Outcomes::new();
    for a in ["", "1", "\0"] {
        for b in ["", "2", "\0"] {
            let file = |name: &str, bytes: &str| (name.to_owned(), bytes.as_bytes().to_vec());
            expected.insert(vec![file("a", a), file("b", b)]);
        }
    }
    assert_eq!(outcomes(&disk), expected);
}

#[test]
fn names_change_independently_and_a_rename_is_before_or_after() {
    let mut disk = disk(&[("a", "a"), ("b", "b")]);
    disk.create("c").unwrap();
    disk.remove("a").unwrap();
    assert_eq!(
        names_left(&disk),
        names([&["a", "b"], &["b"], &["a", "b", "c"], &["b", "c"]])
    );
    disk.rename("b", "c").unwrap();
    let left = outcomes(&disk);
    assert!(left.iter().flatten().all(|(name, bytes)| {
        // The renamed file has its own bytes under either name, and is never gone.
        name != "b" || bytes == b"b"
    }));
    assert!(left
        .iter()
        .all(|files| files.iter().any(|(_, bytes)| bytes == b"b")));
    // It cannot have happened before the file it replaces was there.
    assert_eq!(left.len(), 6);
    disk.sync_names().unwrap();
    assert_eq!(names_left(&disk), names([&["c"]]));
}

#[test]
fn syncing_a_file_does_not_sync_its_name_nor_the_other_way_round() {
    let mut disk = SimDisk::new();
    disk.create("a").unwrap();
    disk.append("a", b"1").unwrap();
    disk.sync("a").unwrap();
    assert_eq!(names_left(&disk), names([&[], &["a"]]));
    disk.sync_names().unwrap();
    disk.append("a", b"2").unwrap();
    disk.sync_names().unwrap();
    assert_eq!(contents(&disk), set(["1", "12", "1\0"]));
}

#[test]
fn a_removed_file_comes_back_with_what_was_synced_of_it() {
    let mut disk = disk(&[("a", "1")]);
    disk.append("a", b"2").unwrap();
    disk.sync("a").unwrap();
    disk.remove("a").unwrap();
    disk.create("a").unwrap();
    let a = |bytes: &str| vec![("a".to_owned(), bytes.as_bytes().to_vec())];
    assert_eq!(outcomes(&disk), [a("12"), vec![], a("")].into());
}

#[test]
fn bytes_whose_sync_failed_stay_doubtful_after_one_that_succeeds() {
    let mut disk = disk(&[("a", "1")]);
    disk.append("a", b"2").unwrap();
    disk.set_fault(Some(Fault {
        error: Error::Io,
        when: When::Every(Call::Sync),
    }));
    assert!(disk.sync("a").is_err());
    assert!(disk.is_doubtful());
    disk.set_fault(None);
    disk.append("a", b"3").unwrap();
    disk.sync("a").unwrap();
    assert_eq!(contents(&disk), set(["123", "1\x003"]));
    disk.truncate("a", 1).unwrap();
    disk.append("a", b"23").unwrap();
    disk.sync("a").unwrap();
    assert_eq!(contents(&disk), set(["123"]), "written again");
    assert!(!disk.is_doubtful());
}

#[test]
fn a_fault_hits_the_calls_it_names_and_changes_nothing() {
    let disk = disk(&[("a", "1")]);
    let eio = |when| {
        Some(Fault {
            error: Error::Io,
            when,
        })
    };
    let mut calls = disk.clone();
    let start = disk.calls();
    disk.set_fault(eio(When::At(start + 1)));
    let took: Vec<bool> = (0..3).map(|_| calls.append("a", b"x").is_ok()).collect();
    assert_eq!(took, [true, false, true]);
    disk.set_fault(eio(When::From(start + 4)));
    let took: Vec<bool> = (0..3).map(|_| calls.append("a", b"y").is_ok()).collect();
    assert_eq!(took, [true, false, false]);
    disk.set_fault(eio(When::Every(Call::Rename)));
    assert!(calls.rename("a", "b").is_err());
    calls.append("a", b"z").unwrap();
    assert_eq!(disk.content("a").unwrap(), b"1xxyz");
    assert_eq!(disk.calls(), start + 8);

    disk.cut_power_at(disk.calls());
    assert!(!disk.is_dead());
    assert!(calls.sync("a").is_err() && calls.list().is_err());
    assert!(disk.is_dead());
    assert_eq!(contents(&disk).len(), 12, "nothing was synced any more");
}

#[test]
fn a_full_disk_takes_what_fits_and_then_nothing_until_there_is_room() {
    let mut disk = disk(&[("a", "12345"), ("b", "")]);
    disk.set_capacity(Some(8));
    assert_eq!(disk.append("b", b"6789").unwrap(), 3);
    let error = disk.append("b", b"9").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    disk.truncate("a", 4).unwrap();
    assert_eq!(disk.append("b", b"9").unwrap(), 1);
    disk.remove("a").unwrap();
    assert_eq!(disk.append("b", b"0123").unwrap(), 4);
    assert_eq!(disk.content("b").unwrap(), b"67890123");
}

#[test]
fn the_calls_say_what_a_real_directory_says() {
    let mut disk = disk(&[("a", "123")]);
    for error in [
        disk.size("b").unwrap_err(),
        disk.read("b", 0, &mut [0]).unwrap_err(),
        disk.append("b", b"1").unwrap_err(),
        disk.truncate("b", 0).unwrap_err(),
        disk.rename("b", "c").unwrap_err(),
        disk.remove("b").unwrap_err(),
        disk.sync("b").unwrap_err(),
    ] {
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
    let error = disk.create("a").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    let mut buf = [0; 2];
    assert_eq!(disk.read("a", 2, &mut buf).unwrap(), 1);
    assert_eq!(disk.read("a", 9, &mut buf).unwrap(), 0);
    assert_eq!(disk.size("a").unwrap(), 3);
    assert_eq!(disk.written(), Usage { bytes: 3, syncs: 2 });
}
