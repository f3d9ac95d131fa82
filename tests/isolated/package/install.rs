//! A package's life on a device: installed, used, upgraded, removed.

use std::fs;

use super::build;
use super::device::Device;
use super::ipk::Ipk;
use super::opkg::{install, remove};

/// Files that every device has.
const INSTALLED: [&str; 2] = ["libc", "ca-bundle"];

const SETTINGS: &str = "/etc/config/socketman";

/// The package as a later version of it could be: with other settings, and one file less.
fn next_version() -> Ipk {
    let mut ipk = build::agent();
    for entry in &mut ipk.data {
        if entry.path == "./etc/config/socketman" {
            entry.bytes.extend(b"\n\t# something new\n");
        }
        if entry.path == "./usr/sbin/socketman" {
            entry.bytes = b"the next version".to_vec();
        }
    }
    ipk.data
        .retain(|entry| !entry.path.ends_with("80_socketman"));
    ipk
}

fn installed() -> Device {
    let device = Device::new();
    install(&device, &build::agent(), &INSTALLED).unwrap();
    device
}

#[test]
fn installed_everything_is_in_its_place_and_nothing_runs_yet() {
    let device = installed();
    let ipk = build::agent();
    for entry in ipk.data.iter().filter(|entry| !entry.is_dir) {
        let path = &entry.path[1..];
        if path == "/etc/uci-defaults/80_socketman" {
            // It has run.
            assert!(!device.path(path).exists());
            continue;
        }
        assert_eq!(fs::read(device.path(path)).unwrap(), entry.bytes, "{path}");
        assert_eq!(device.mode(path), entry.mode, "{path}");
    }
    assert_eq!(device.mode("/etc/socketman"), 0o700);
    assert_eq!(device.sh("ls /etc/rc.d"), "K10socketman\nS20socketman\n");
    let told = device.procd();
    assert_eq!(told[0], "'service' 'socketman'");
    assert!(!told.iter().any(|call| call == "'instance'"), "{told:?}");
}

#[test]
fn a_device_that_cannot_use_it_refuses_it() {
    let device = Device::new();
    let ipk = build::agent();
    let refused = install(&device, &ipk, &["libc"]).unwrap_err();
    assert_eq!(refused, "ca-bundle is not installed");
    let mut foreign = ipk;
    for entry in &mut foreign.control {
        if entry.path == "./control" {
            let text = String::from_utf8(entry.bytes.clone()).unwrap();
            entry.bytes = text.replace("x86_64", "mips_24kc").into_bytes();
        }
    }
    let refused = install(&device, &foreign, &INSTALLED).unwrap_err();
    assert_eq!(refused, "architecture mips_24kc");
    assert!(!device.path("/usr/sbin/socketman").exists());
}

#[test]
fn an_upgrade_keeps_changed_settings_state_and_queue_and_starts_the_new_agent() {
    let device = installed();
    let mine = "config socketman 'main'\n\toption enabled '1'\n";
    device.write(SETTINGS, mine);
    let ours = [
        ("/etc/socketman/config.json", "{\"topic\": \"fleet\"}"),
        ("/etc/socketman/state/keep/ids", "what was run"),
        ("/var/run/socketman/spool/1", "what waits"),
    ];
    for (path, text) in ours {
        device.write(path, text);
    }
    device.procd();

    let next = next_version();
    install(&device, &next, &INSTALLED).unwrap();
    assert_eq!(device.read(SETTINGS).unwrap(), mine);
    let beside = device.read("/etc/config/socketman-opkg").unwrap();
    assert_eq!(beside.as_bytes(), next.file(SETTINGS).bytes);
    for (path, text) in ours {
        assert_eq!(device.read(path).as_deref(), Some(text), "{path}");
    }
    assert_eq!(
        device.read("/usr/sbin/socketman").unwrap(),
        "the next version"
    );
    let told = device.procd();
    assert_eq!(
        told[..3],
        ["'stop' 'socketman'", "'service' 'socketman'", "'instance'"]
    );
}

#[test]
fn an_upgrade_brings_new_settings_where_nobody_changed_the_old_ones() {
    let device = installed();
    let next = next_version();
    install(&device, &next, &INSTALLED).unwrap();
    assert_eq!(
        fs::read(device.path(SETTINGS)).unwrap(),
        next.file(SETTINGS).bytes
    );
    assert!(!device.path("/etc/config/socketman-opkg").exists());
}

#[test]
fn a_service_that_somebody_disabled_stays_disabled_after_an_upgrade() {
    let device = installed();
    device.sh("/etc/init.d/socketman disable");
    install(&device, &next_version(), &INSTALLED).unwrap();
    assert_eq!(device.sh("ls /etc/rc.d"), "");
}

#[test]
fn removed_it_is_stopped_and_gone_and_what_was_set_stays() {
    let device = installed();
    device.write(SETTINGS, "config socketman 'main'\n\toption enabled '1'\n");
    device.write("/etc/socketman/config.json", "{}");
    device.procd();
    remove(&device, "socketman");
    assert_eq!(device.procd(), ["'stop' 'socketman'"]);
    assert_eq!(device.sh("ls /etc/rc.d"), "");
    for gone in [
        "/usr/sbin/socketman",
        "/etc/init.d/socketman",
        "/lib/upgrade/keep.d/socketman",
    ] {
        assert!(!device.path(gone).exists(), "{gone}");
    }
    assert!(device.path(SETTINGS).exists());
    assert!(device.path("/etc/socketman/config.json").exists());

    let device = installed();
    remove(&device, "socketman");
    assert!(!device.path(SETTINGS).exists());
}
