//! The service as the init script describes it to procd.

use super::build;
use super::device::{write_with_mode, Device};

/// The description of the service for an agent whose JSON settings are in this file.
fn started(json: &str) -> Vec<String> {
    let watched = format!("'file' '/etc/config/socketman' '{json}'");
    [
        "'service' 'socketman'",
        "'instance'",
        "'command' '/usr/sbin/socketman' 'agent'",
        &watched,
        "'reload_signal' 'HUP'",
        "'respawn' '3600' '5' '0'",
        "'term_timeout' '10'",
        "'stdout' '1'",
        "'stderr' '1'",
        "'run'",
        "'reload-when' 'socketman'",
        "'end'",
    ]
    .map(str::to_owned)
    .into()
}

/// The service without an instance: procd ends one that runs, and goes on looking for changes.
const OFF: [&str; 3] = [
    "'service' 'socketman'",
    "'reload-when' 'socketman'",
    "'end'",
];

/// A device with the init script, and these settings.
fn device(settings: &str) -> Device {
    let device = Device::new();
    let script = build::agent().file("/etc/init.d/socketman").clone();
    let path = device.path("/etc/init.d/socketman");
    write_with_mode(&path, &script.bytes, script.mode);
    device.write("/etc/config/socketman", settings);
    device
}

fn with_options(options: &str) -> String {
    format!("config socketman 'main'\n{options}")
}

#[test]
fn with_the_settings_of_the_package_nothing_is_started() {
    let ipk = build::agent();
    let settings = &ipk.file("/etc/config/socketman").bytes;
    let device = device(std::str::from_utf8(settings).unwrap());
    device.sh("/etc/init.d/socketman start");
    assert_eq!(device.procd(), OFF);
}

#[test]
fn nothing_is_started_unless_it_is_enabled() {
    for options in ["", "\toption enabled '0'\n", "\toption enabled 'perhaps'\n"] {
        let device = device(&with_options(options));
        device.sh("/etc/init.d/socketman boot");
        assert_eq!(device.procd(), OFF, "{options}");
    }
}

#[test]
fn enabled_the_agent_is_started_with_what_procd_needs_to_keep_and_to_tell_it() {
    for options in ["\toption enabled '1'\n", "\toption enabled 'yes'\n"] {
        let device = device(&with_options(options));
        device.sh("/etc/init.d/socketman boot");
        assert_eq!(device.procd(), started("/etc/socketman/config.json"));
    }
}

#[test]
fn a_file_of_settings_that_lies_elsewhere_is_watched_and_the_command_stays() {
    let options = "\toption enabled '1'\n\toption config '/mnt/usb stick/agent.json'\n";
    let device = device(&with_options(options));
    device.sh("/etc/init.d/socketman start");
    assert_eq!(device.procd(), started("/mnt/usb stick/agent.json"));
}

#[test]
fn a_reload_tells_procd_the_same_so_that_it_sends_the_signal() {
    let device = device(&with_options("\toption enabled '1'\n"));
    device.sh("/etc/init.d/socketman start");
    let first = device.procd();
    device.sh("/etc/init.d/socketman reload");
    assert_eq!(device.procd(), first);

    device.write(
        "/etc/config/socketman",
        &with_options("\toption enabled '0'\n"),
    );
    device.sh("/etc/init.d/socketman reload");
    assert_eq!(device.procd(), OFF);
}

#[test]
fn it_starts_before_the_network_is_up_and_stops_before_it_is_gone_and_when_told() {
    let device = device(&with_options("\toption enabled '1'\n"));
    device.sh("/etc/init.d/socketman enable");
    // netifd has K90.
    assert_eq!(device.sh("ls /etc/rc.d"), "K10socketman\nS20socketman\n");
    device.sh("/etc/init.d/socketman stop");
    assert_eq!(device.procd(), ["'stop' 'socketman'"]);
}

#[test]
fn without_settings_nothing_is_started() {
    let device = device("");
    device.sh("rm /etc/config/socketman");
    // The real one says so on standard error too, and goes on.
    device.try_sh("/etc/init.d/socketman start", &[]);
    assert!(!device.procd().iter().any(|call| call == "'instance'"));
}

/// The agent's copy of settings that were good.
fn remember(device: &Device, file: &str, options: &str) {
    let copy = format!("{} {file}\n{}", file.len(), with_options(options));
    device.write("/etc/socketman/state/config.uci", &copy);
}

const SETTINGS: &str = "/etc/config/socketman";

const ON: &str = "\toption enabled '1'\n\toption config '/mnt/agent.json'\n";

/// Files that a power cut or an editor left, without the option that starts the agent.
const BROKEN: [&str; 5] = [
    "",
    "config socketman 'ma",
    "confg socketman 'main'\n\toption enabled '1'\n",
    "config socketman 'main'\n\toption topic 'x\n\toption enabled '1'\n",
    "config socketman 'main'\n\topt",
];

#[test]
fn settings_that_cannot_be_read_start_the_agent_if_their_last_good_copy_does() {
    for settings in BROKEN {
        let device = device(settings);
        remember(&device, SETTINGS, ON);
        device.sh("/etc/init.d/socketman boot");
        assert_eq!(device.procd(), started("/mnt/agent.json"), "{settings:?}");
        assert_eq!(
            device.sh("ls -A /tmp"),
            "log\nprocd\n",
            "a copy holds secrets"
        );
        let said = device.read("/tmp/log").unwrap();
        assert!(said.contains("its last good copy counts"), "{said}");
    }
}

#[test]
fn settings_that_break_do_not_end_the_agent_at_a_reload() {
    let device = device(&with_options(ON));
    device.sh("/etc/init.d/socketman start");
    let first = device.procd();
    remember(&device, SETTINGS, ON);
    device.write(SETTINGS, BROKEN[3]);
    device.sh("/etc/init.d/socketman reload");
    assert_eq!(device.procd(), first);
}

#[test]
fn the_last_good_copy_starts_nothing_if_it_is_off_or_of_another_file_or_none() {
    for settings in BROKEN {
        let device = device(settings);
        device.sh("/etc/init.d/socketman boot");
        assert_eq!(device.procd(), OFF, "no copy: {settings:?}");
        let is_empty = settings.is_empty();
        assert_eq!(device.read("/tmp/log").is_none(), is_empty, "{settings:?}");
        remember(&device, SETTINGS, "\toption enabled '0'\n");
        device.sh("/etc/init.d/socketman boot");
        assert_eq!(device.procd(), OFF, "off: {settings:?}");
        remember(&device, "/var/run/uci/socketman", ON);
        device.sh("/etc/init.d/socketman boot");
        assert_eq!(device.procd(), OFF, "of another file: {settings:?}");
    }
}

#[test]
fn what_a_file_of_settings_says_itself_precedes_its_last_good_copy() {
    let switched_off = with_options("\toption enabled '0'\n\toptoin topic 'x'\n");
    for settings in [switched_off, with_options("\toption topic 'x'\n")] {
        let device = device(&settings);
        remember(&device, SETTINGS, ON);
        device.sh("/etc/init.d/socketman boot");
        assert_eq!(device.procd(), OFF, "{settings}");
    }
}

#[test]
fn the_last_good_copy_of_settings_that_were_removed_starts_nothing() {
    let device = device("");
    remember(&device, SETTINGS, ON);
    device.sh("rm /etc/config/socketman");
    device.try_sh("/etc/init.d/socketman start", &[]);
    assert!(!device.procd().iter().any(|call| call == "'instance'"));
}

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// A device in this boot, with a state directory.
fn booted(settings: &str, state: &str) -> Device {
    let device = device(settings);
    device.write(BOOT_ID, "3c1f7e0e-4a7e-4c56-9d0e-2f6f0b8f1a11\n");
    device.sh(&format!("mkdir -p {state} && chmod 700 {state}"));
    device
}

#[test]
fn an_orderly_shutdown_ends_the_agent_and_is_noted_where_the_next_one_looks() {
    let json = "\toption config '/mnt/agent.json'\n";
    let own = "\toption state_dir '/mnt/state'\n";
    for (options, state) in [
        ("", "/etc/socketman/state"),
        (own, "/mnt/state"),
        (json, "/mnt/json state"),
    ] {
        let device = booted(&with_options(options), &format!("'{state}'"));
        device.write(
            "/mnt/agent.json",
            "{\n  \"state_dir\": \"/mnt/json state\"\n}\n",
        );
        device.write("/etc/socketman/config.json", "{}");
        device.sh("/etc/init.d/socketman shutdown");
        assert_eq!(device.procd(), ["'stop' 'socketman'"]);
        let note = format!("{state}/shutdown");
        assert_eq!(device.read(&note), device.read(BOOT_ID), "{state}");
        assert_eq!(device.mode(&note), 0o600, "{state}");
    }
}

#[test]
fn a_device_on_which_the_agent_never_ran_shuts_down_without_a_note() {
    let device = device(&with_options(""));
    device.write(BOOT_ID, "x\n");
    device.sh("/etc/init.d/socketman shutdown");
    assert_eq!(device.procd(), ["'stop' 'socketman'"]);
    assert_eq!(device.read("/etc/socketman/state/shutdown"), None);
}
