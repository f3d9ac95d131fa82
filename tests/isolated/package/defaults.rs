//! The script that runs once, at the first boot or when the package is installed.

use std::path::PathBuf;

use super::build;
use super::device::{write_with_mode, Device};

const SETTINGS: &str = r#"{"mqtt_host": "broker.example.net", "token": "t0ken"}"#;

/// A device with the script, which has not run yet.
fn device() -> Device {
    let device = Device::new();
    let script = build::agent()
        .file("/etc/uci-defaults/80_socketman")
        .clone();
    write_with_mode(&device.path("/tmp/defaults"), &script.bytes, script.mode);
    device
}

/// Runs it: at a first boot, and as an installation does.
fn run(device: &Device) {
    let output = device.try_sh("/tmp/defaults && (. /tmp/defaults)", &[]);
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn our_own_files_are_hidden_from_others_and_nothing_else_is_touched() {
    let device = device();
    device.write("/etc/config/socketman", "config socketman 'main'\n");
    device.write("/etc/socketman/config.json", SETTINGS);
    // Another program's file may look like the original's; taking it over is for a person to ask.
    device.write("/etc/config.json", SETTINGS);
    device.write("/etc/socketman.json", SETTINGS);
    device.write("/etc/board.json", "{}");
    let before = device.snapshot("/etc");
    run(&device);
    for ours in ["/etc/socketman/config.json", "/etc/config/socketman"] {
        assert_eq!(device.mode(ours), 0o600, "{ours}");
    }
    let ours = ["etc/socketman/config.json", "etc/config/socketman"].map(|path| device.path(path));
    let others = |snapshot: Vec<(PathBuf, u32, Vec<u8>)>| -> Vec<_> {
        let others = snapshot.into_iter();
        others.filter(|(path, ..)| !ours.contains(path)).collect()
    };
    assert_eq!(others(device.snapshot("/etc")), others(before));
    assert_eq!(device.read("/etc/mac"), None);
}

#[test]
fn our_directory_is_made_for_us_alone() {
    let device = device();
    run(&device);
    assert_eq!(device.mode("/etc/socketman"), 0o700);
    assert_eq!(device.read("/etc/socketman/config.json"), None);
    assert_eq!(device.read("/etc/mac"), None);
}

#[test]
fn a_file_in_the_way_of_our_directory_stays_and_the_log_says_what_to_do() {
    let device = device();
    device.write("/etc/socketman", SETTINGS);
    run(&device);
    assert_eq!(device.read("/etc/socketman").unwrap(), SETTINGS);
    let log = device.read("/tmp/log").unwrap();
    assert!(
        log.contains("socketman import /etc/socketman.json"),
        "{log}"
    );
}

#[test]
fn running_again_changes_nothing() {
    let device = device();
    device.write("/etc/config.json", SETTINGS);
    device.write("/etc/config/socketman", "config socketman 'main'\n");
    run(&device);
    let once = device.snapshot("/etc");
    run(&device);
    assert_eq!(device.snapshot("/etc"), once);
}
