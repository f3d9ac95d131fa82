//! What happens once, at the first boot or when the package is installed.

use super::build;
use super::device::{write_with_mode, Device};

const SETTINGS: &str = r#"{"mqtt_host": "broker.example.net", "token": "t0ken"}"#;

const BOARD: &str = r#"{
	"model": {
		"id": "glinet,gl-mt6000"
	},
	"network": {
		"lan": {
			"ports": [
				"lan1"
			],
			"device": "lan1",
			"protocol": "static"
		},
		"wan": {
			"device": "eth1",
			"protocol": "dhcp",
			"macaddr": "94:83:c4:a1:b2:c0"
		}
	}
}
"#;

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
fn settings_of_the_original_are_taken_over_once_and_hidden_from_others() {
    // Where its readme and its init script kept them.
    for old in ["/etc/config.json", "/etc/socketman"] {
        let device = device();
        device.write(old, SETTINGS);
        run(&device);
        let ours = "/etc/socketman/config.json";
        assert_eq!(device.read(ours).unwrap(), SETTINGS, "{old}");
        assert_eq!(device.mode(ours), 0o600);
        assert_eq!(device.mode("/etc/socketman"), 0o700);
        let aside = old.replace("/etc/socketman", "/etc/socketman.json");
        let aside = aside.replace(".json", ".json.imported");
        assert_eq!(device.read(&aside).unwrap(), SETTINGS);
        assert_eq!(device.mode(&aside), 0o600);
        assert!(device.read("/tmp/log").unwrap().contains("config.json now"));

        // Somebody does not want them any more.
        device.sh("rm /etc/socketman/config.json");
        run(&device);
        assert_eq!(device.read(ours), None, "{old}");
    }
}

#[test]
fn of_two_files_of_the_original_one_is_taken_over_and_both_are_put_aside() {
    let device = device();
    device.write("/etc/socketman", SETTINGS);
    device.write(
        "/etc/config.json",
        r#"{"stats_url": "http://old.example.net"}"#,
    );
    run(&device);
    let ours = "/etc/socketman/config.json";
    assert_eq!(device.read(ours).unwrap(), SETTINGS);
    for aside in ["/etc/socketman.json", "/etc/config.json"] {
        assert_eq!(device.read(aside), None);
        assert_eq!(device.mode(&format!("{aside}.imported")), 0o600);
    }

    device.sh("rm /etc/socketman/config.json");
    run(&device);
    assert_eq!(device.read(ours), None);
}

#[test]
fn a_file_that_is_in_the_way_of_our_directory_is_put_aside_and_hidden_from_others() {
    let device = device();
    device.write("/etc/socketman", "TOKEN=t0ken\n");
    run(&device);
    assert_eq!(device.read("/etc/socketman.json").unwrap(), "TOKEN=t0ken\n");
    assert_eq!(device.mode("/etc/socketman.json"), 0o600);
    assert_eq!(device.mode("/etc/socketman"), 0o700);
    assert_eq!(device.read("/etc/socketman/config.json"), None);
}

#[test]
fn settings_that_are_there_are_kept_and_what_is_not_the_originals_is_left_alone() {
    let device = device();
    device.write("/etc/socketman/config.json", "{}");
    device.write("/etc/config.json", SETTINGS);
    run(&device);
    assert_eq!(device.read("/etc/socketman/config.json").unwrap(), "{}");
    assert_eq!(device.mode("/etc/socketman/config.json"), 0o600);
    assert_eq!(device.read("/etc/config.json").unwrap(), SETTINGS);

    let device = self::device();
    device.write("/etc/config.json", r#"{"server": "of another program"}"#);
    run(&device);
    assert!(device.read("/etc/config.json").is_some());
    assert_eq!(device.read("/etc/socketman/config.json"), None);
}

#[test]
fn the_device_is_named_after_its_wan_device_or_the_one_it_has() {
    let without_wan = BOARD.replace("\"wan\"", "\"dsl\"");
    let without_address = BOARD.replace("macaddr", "label");
    let network = "config interface 'wan'\n\toption device 'eth7'\n";
    for (board, network, named, why) in [
        (BOARD, "", Some("94-83-C4-A1-B2-C0"), "the board knows"),
        (
            &without_address,
            "",
            Some("02-00-00-00-00-0E"),
            "its device",
        ),
        (
            &without_address,
            network,
            Some("02-00-00-00-00-07"),
            "the one in use",
        ),
        (
            &without_wan,
            "",
            Some("02-00-00-00-00-0A"),
            "no WAN: the LAN's",
        ),
        ("", "", None, "nothing is known"),
    ] {
        let device = device();
        if !board.is_empty() {
            device.write("/etc/board.json", board);
        }
        device.write("/etc/config/network", network);
        for (name, address) in [
            ("eth1", "02:00:00:00:00:0e"),
            ("eth7", "02:00:00:00:00:07"),
            ("lan1", "02:00:00:00:00:0a"),
        ] {
            let path = format!("/sys/class/net/{name}/address");
            device.write(&path, &format!("{address}\n"));
        }
        run(&device);
        let mac = device.read("/etc/mac");
        assert_eq!(mac.as_deref().map(str::trim_end), named, "{why}");
    }
}

#[test]
fn an_address_that_names_nothing_is_not_taken_and_a_name_that_is_there_stays() {
    let device = device();
    device.write("/etc/board.json", &BOARD.replace("macaddr", "label"));
    device.write("/sys/class/net/eth1/address", "00:00:00:00:00:00\n");
    run(&device);
    assert_eq!(device.read("/etc/mac"), None);

    device.write("/etc/mac", "ap-17's own\n");
    device.write("/etc/board.json", BOARD);
    run(&device);
    assert_eq!(device.read("/etc/mac").unwrap(), "ap-17's own\n");
}

#[test]
fn running_again_changes_nothing() {
    let device = device();
    device.write("/etc/config.json", SETTINGS);
    device.write("/etc/board.json", BOARD);
    device.write("/etc/config/socketman", "config socketman 'main'\n");
    run(&device);
    assert_eq!(device.mode("/etc/config/socketman"), 0o600);
    let once = device.snapshot("/etc");
    run(&device);
    assert_eq!(device.snapshot("/etc"), once);
}
