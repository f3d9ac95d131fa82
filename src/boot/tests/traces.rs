//! Traces that are not what they should be.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Instant;

use rustix::fs::{mknodat, FileType, Mode, CWD};

use super::device::Device;
use crate::boot::evidence::Evidence;

const PSTORE: &str = "/sys/fs/pstore";

fn look(device: &Device) -> Evidence {
    let begun = Instant::now();
    let found = Evidence::look(device.root(), None);
    assert!(begun.elapsed().as_secs() < 20, "it waits for somebody");
    found
}

#[test]
fn without_pstore_and_watchdogs_there_is_nothing() {
    let device = Device::new();
    let found = look(&device);
    assert_eq!(found.release.as_deref(), Some("24.10.1 r1"));
    let nothing = Evidence {
        release: found.release.clone(),
        ..Evidence::default()
    };
    assert_eq!(found, nothing);
}

#[test]
fn a_full_pstore_is_looked_at_up_to_a_bound() {
    let device = Device::new();
    for n in 0..500 {
        let record = format!("Panic#{n} Part1\nwords of {n}\n");
        device.write(&format!("{PSTORE}/dmesg-ramoops-{n:03}"), record);
    }
    let found = look(&device);
    assert_eq!(found.panics.len(), 64);
}

#[test]
fn fifos_links_directories_and_huge_files_hold_nobody_up() {
    let device = Device::new();
    let mode = Mode::RUSR | Mode::WUSR;
    let fifo = device.path(&format!("{PSTORE}/dmesg-ramoops-0"));
    mknodat(CWD, &fifo, FileType::Fifo, mode, 0).unwrap();
    let console = device.path(&format!("{PSTORE}/console-ramoops-0"));
    mknodat(CWD, &console, FileType::Fifo, mode, 0).unwrap();
    fs::create_dir(device.path(&format!("{PSTORE}/dmesg-ramoops-1"))).unwrap();
    symlink(
        "/dev/zero",
        device.path(&format!("{PSTORE}/dmesg-ramoops-2")),
    )
    .unwrap();
    let huge = device.path(&format!("{PSTORE}/dmesg-ramoops-3"));
    fs::File::create(&huge).unwrap().set_len(1 << 40).unwrap();
    let bootstatus = device.path("/sys/class/watchdog/watchdog0/bootstatus");
    mknodat(CWD, &bootstatus, FileType::Fifo, mode, 0).unwrap();
    let found = look(&device);
    assert_eq!(found.panics.len(), 1, "the huge one, which has no words");
    assert_eq!(found.panics[0].text, None);
    assert!(!found.watchdog && found.console.is_none());
}

#[test]
fn hostile_bytes_are_words_or_nothing() {
    let device = Device::new();
    let hostile: [&[u8]; 6] = [
        b"",
        b"\0\0\0\0",
        b"Panic#99999999999999999999 Part1\n\xff\xfe\x80\n",
        b"Panic#1 Part-5\n\x1b[2J\n",
        b"\xc3\x28 no head at all",
        b"Panic#4294967295 Part4294967295\nx",
    ];
    for (n, bytes) in hostile.iter().enumerate() {
        device.write(&format!("{PSTORE}/dmesg-x-{n}"), bytes);
    }
    device.write(&format!("{PSTORE}/console-x"), [0xff; 100]);
    for text in ["x", "-1", "99999999999", "0x", "\u{663}"] {
        device.write("/sys/class/watchdog/w/bootstatus", text);
        assert!(!look(&device).watchdog, "{text}");
    }
    let found = look(&device);
    assert_eq!(found.panics.len(), hostile.len());
    assert!(found.console.unwrap().chars().all(|c| c == '\u{fffd}'));
}

#[test]
fn a_release_is_read_however_it_is_quoted_and_only_if_it_is_plain() {
    let device = Device::new();
    for (text, expected) in [
        ("DISTRIB_RELEASE=\"23.05\"\n", Some("23.05")),
        ("DISTRIB_REVISION=r7\nDISTRIB_RELEASE=x\n", Some("x r7")),
        ("DISTRIB_RELEASE=''\n", None),
        ("DISTRIB_RELEASE='\u{1b}[2J'\n", None),
        ("", None),
    ] {
        device.write("/etc/openwrt_release", text);
        assert_eq!(look(&device).release.as_deref(), expected, "{text:?}");
    }
}
