//! The identity of routers that change their uplink, their disk or their hardware.

use std::fs::{self, Permissions};
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;

/// The files of a device.
pub(super) struct Device {
    root: TempDir,
    /// Option `mac`.
    mac: String,
    /// Option `mac_file`.
    mac_file: PathBuf,
    state_dir: PathBuf,
}

impl Device {
    pub(super) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let (mac_file, state_dir) = (
            root.path().join("etc/mac"),
            root.path().join("etc/socketman/state"),
        );
        Device {
            root,
            mac: String::new(),
            mac_file,
            state_dir,
        }
    }

    /// A router with a switch, as it is without any uplink.
    fn router() -> Self {
        let device = Device::new();
        device.interface("eth0", "94:83:c4:a1:b2:10");
        device.interface("lan1", "94:83:c4:a1:b2:12");
        let bridge = device.interface("br-lan", "94:83:c4:a1:b2:10");
        fs::remove_dir(bridge.join("device")).unwrap();
        device
    }

    pub(super) fn root(&self) -> &Path {
        self.root.path()
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        self.write_bytes(path, text.as_bytes());
    }

    pub(super) fn write_bytes(&self, path: &str, bytes: &[u8]) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// A wired interface with a permanent address.
    pub(super) fn interface(&self, name: &str, address: &str) -> PathBuf {
        let sys = format!("sys/class/net/{name}");
        self.write(&format!("{sys}/address"), &format!("{address}\n"));
        self.write(&format!("{sys}/type"), "1\n");
        self.write(&format!("{sys}/addr_assign_type"), "0\n");
        fs::create_dir_all(self.path(&sys).join("device")).unwrap();
        self.path(&sys)
    }

    /// A network card plugged in by USB.
    fn usb(&self, name: &str, address: &str) {
        let path = self.interface(name, address);
        symlink("../../../../bus/usb", path.join("device/subsystem")).unwrap();
    }

    /// A radio on the board.
    fn radio(&self, address: &str) {
        let path = "sys/class/ieee80211/phy0/macaddress";
        self.write(path, &format!("{address}\n"));
    }

    fn remove_interfaces(&self) {
        fs::remove_dir_all(self.path("sys/class/net")).unwrap();
    }

    fn memory(&self) -> PathBuf {
        self.state_dir.join("keep/identity")
    }

    fn start(&self) -> Chosen {
        choose(&self.mac, &self.mac_file, &self.state_dir, self.root())
    }

    /// The identity at a start without a warning.
    fn identity(&self) -> (String, Source) {
        let chosen = self.start();
        assert_eq!(chosen.warnings, [], "{:?}", chosen.identity);
        (chosen.identity.to_string(), chosen.source)
    }

    /// Identity, source and the only warning of a start.
    fn warned(&self) -> (String, Source, String) {
        let chosen = self.start();
        let [warning] = &chosen.warnings[..] else {
            panic!("{chosen:?}");
        };
        let identity = chosen.identity.to_string();
        (identity, chosen.source, warning.to_string())
    }
}

/// Name of an uplink, and what it brings to the router's interfaces.
type Uplink<'a> = (&'a str, &'a dyn Fn(&Device));

fn card(name: &str) -> Source {
    Source::Card(name.into())
}

#[test]
fn one_router_has_one_identity_whatever_its_uplink_and_whenever_it_starts() {
    let uplinks: [Uplink<'_>; 4] = [
        ("DHCP", &|device| {
            device.interface("wan", "94:83:c4:a1:b2:11");
        }),
        ("PPPoE", &|device| {
            device.interface("wan", "94:83:c4:a1:b2:11");
            let ppp = device.interface("pppoe-wan", "00:00:00:00:00:00");
            fs::write(ppp.join("type"), "512\n").unwrap();
        }),
        ("at boot, WAN not up", &|_| {}),
        ("failed over to LTE", &|device| {
            let modem = device.interface("wwan0", "0a:1b:2c:3d:4e:5f");
            fs::write(modem.join("addr_assign_type"), "1\n").unwrap();
        }),
    ];
    let one = "94-83-C4-A1-B2-10";
    for (name, up) in uplinks {
        let fresh = Device::router();
        up(&fresh);
        assert_eq!(fresh.identity(), (one.into(), card("eth0")), "{name}");
    }
    // The same one through all of it, in any order of its interfaces.
    let kept = Device::router();
    kept.identity();
    for (name, up) in uplinks {
        up(&kept);
        assert_eq!(kept.identity(), (one.into(), Source::Remembered), "{name}");
    }
    kept.interface("aaa0", "94:83:c4:a1:b2:09");
    assert_eq!(kept.identity().0, one);
}

#[test]
fn what_was_configured_comes_before_what_is_remembered_and_that_before_the_hardware() {
    let mut device = Device::router();
    assert_eq!(device.identity().1, card("eth0"));
    assert_eq!(device.identity().1, Source::Remembered);
    device.write("etc/mac", "aa:bb:cc:dd:ee:03 \r\nsecond line\n");
    assert_eq!(
        device.identity(),
        ("aa:bb:cc:dd:ee:03".into(), Source::File)
    );
    device.mac = "aabbccddee04 ".into();
    assert_eq!(device.identity(), ("aabbccddee04".into(), Source::Option));
    device.mac.clear();
    fs::remove_file(&device.mac_file).unwrap();
    let own = ("94-83-C4-A1-B2-10".into(), Source::Remembered);
    assert_eq!(device.identity(), own);
}

#[test]
fn the_label_comes_before_the_interfaces() {
    let device = Device::router();
    let board = r#"{"system": {"label_macaddr": "94:83:c4:a1:b2:0f"}}"#;
    device.write("etc/board.json", board);
    let label = "94-83-C4-A1-B2-0F";
    assert_eq!(device.identity(), (label.into(), Source::Label));
    fs::remove_file(device.path("etc/board.json")).unwrap();
    assert_eq!(device.identity(), (label.into(), Source::Remembered));
}

#[test]
fn a_mac_file_that_is_garbage_huge_or_no_file_is_passed_over_with_a_warning() {
    let device = Device::router();
    device.identity();
    let passed_over = || {
        let (identity, source, warning) = device.warned();
        assert_eq!(source, Source::Remembered, "{identity}");
        assert!(warning.contains("/etc/mac: "), "{warning}");
        assert!(
            warning.ends_with("; it does not name the device"),
            "{warning}"
        );
    };
    for garbage in [
        &b""[..],
        b"\n",
        b"DNE\n",
        b"\xff\xfe",
        b"02:00:00:00:00",
        &[b'x'; 9999],
    ] {
        device.write_bytes("etc/mac", garbage);
        passed_over();
    }
    fs::remove_file(&device.mac_file).unwrap();
    fs::create_dir(&device.mac_file).unwrap();
    passed_over();
}

#[test]
fn a_backup_restored_on_other_hardware_is_another_device_unless_it_was_configured() {
    let mut device = Device::router();
    device.write(
        "etc/board.json",
        r#"{"system": {"label_macaddr": "94:83:c4:a1:b2:0f"}}"#,
    );
    assert_eq!(device.identity().0, "94-83-C4-A1-B2-0F");
    device.remove_interfaces();
    device.interface("eth0", "94:83:c4:00:00:01");
    device.mac = "94-83-c4-a1-b2-0f".into();
    assert_eq!(device.identity().0, "94-83-c4-a1-b2-0f");
    device.mac.clear();
    // The copied label is not its own.
    let (identity, source, warning) = device.warned();
    assert_eq!((&*identity, source), ("94-83-C4-00-00-01", card("eth0")));
    let told = "94-83-C4-A1-B2-0F was chosen on other hardware";
    assert!(warning.contains(told), "{warning}");
    assert_eq!(device.identity(), (identity, Source::Remembered));
}

#[test]
fn an_exchanged_card_or_a_missing_driver_makes_no_other_device() {
    let device = Device::router();
    let own = || device.identity().0;
    assert_eq!(own(), "94-83-C4-A1-B2-10");
    device.interface("eth1", "94:83:c4:00:00:01");
    assert_eq!(own(), "94-83-C4-A1-B2-10");
    // The one that came is known by now; those that were there first go.
    device.remove_interfaces();
    assert_eq!(own(), "94-83-C4-A1-B2-10");
    device.interface("eth1", "94:83:c4:00:00:01");
    assert_eq!(own(), "94-83-C4-A1-B2-10");
}

#[test]
fn a_card_by_usb_that_named_the_device_still_does_when_other_cards_come() {
    // The wired interface of a Raspberry Pi 3, whose radio waits for its driver.
    let device = Device::new();
    device.usb("eth0", "b8:27:eb:00:00:01");
    let own = "B8-27-EB-00-00-01";
    assert_eq!(device.identity(), (own.into(), card("eth0")));
    device.radio("b8:27:eb:00:00:02");
    let remembered = (own.into(), Source::Remembered);
    assert_eq!(device.identity(), remembered);
    // The radio is known by now.
    device.remove_interfaces();
    assert_eq!(device.identity(), remembered);
    // Where something else than a card named it, too.
    let device = Device::new();
    let board = r#"{"system": {"label_macaddr": "94:83:c4:a1:b2:0f"}}"#;
    device.write("etc/board.json", board);
    device.usb("eth0", "b8:27:eb:00:00:01");
    let label = device.identity().0;
    assert_eq!(label, "94-83-C4-A1-B2-0F");
    device.interface("eth1", "94:83:c4:a1:b2:10");
    assert_eq!(device.identity(), (label, Source::Remembered));
}

#[test]
fn a_card_by_usb_beside_the_boards_own_makes_no_other_device_and_names_none() {
    let (eth0, stick) = ("94:83:c4:a1:b2:10", "b8:27:eb:00:00:01");
    let device = Device::router();
    device.usb("eth1", stick);
    let own = device.identity().0;
    assert_eq!(own, "94-83-C4-A1-B2-10");
    let memory = fs::read(device.memory()).unwrap();
    // The driver of the board's cards is missing, twice.
    for _ in 0..2 {
        device.remove_interfaces();
        device.usb("eth1", stick);
        assert_eq!(device.identity().0, own);
    }
    device.interface("eth0", eth0);
    assert_eq!(device.identity().0, own);
    let after = fs::read(device.memory()).unwrap();
    // A backup of it, and the stick, in another router.
    for memory in [memory, after] {
        let other = Device::new();
        other.interface("eth0", "94:83:c4:00:00:01");
        other.usb("eth1", stick);
        let kept = other.memory();
        assert_eq!(other.identity().0, "94-83-C4-00-00-01");
        fs::write(&kept, memory).unwrap();
        let (identity, source, warning) = other.warned();
        assert_eq!((&*identity, source), ("94-83-C4-00-00-01", card("eth0")));
        assert!(warning.contains("chosen on other hardware"), "{warning}");
    }
    // The stick alone, in a router that knows itself.
    let other = Device::new();
    other.interface("eth0", "94:83:c4:00:00:01");
    let known = other.identity().0;
    other.usb("eth1", stick);
    assert_eq!(other.identity(), (known, Source::Remembered));
}

#[test]
fn a_board_without_permanent_address_makes_one_up_and_keeps_it() {
    let device = Device::new();
    let random = device.interface("eth0", "94:83:c4:00:00:01");
    fs::write(random.join("addr_assign_type"), "1\n").unwrap();
    let chosen = device.start();
    assert_eq!(
        (&chosen.source, &chosen.warnings[..]),
        (&Source::Made, &[][..])
    );
    assert!(chosen.identity.mac().is_local());
    let made = chosen.identity.to_string();
    assert_eq!(device.identity(), (made.clone(), Source::Remembered));
    // A driver that comes later changes nothing either.
    device.interface("eth1", "94:83:c4:00:00:02");
    assert_eq!(device.identity(), (made, Source::Remembered));
}

#[test]
fn a_damaged_memory_is_replaced_with_a_warning() {
    let device = Device::router();
    device.identity();
    let whole = fs::read(device.memory()).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for damaged in [&b""[..], b"garbage", &whole[..whole.len() - 1], &flipped] {
        fs::write(device.memory(), damaged).unwrap();
        let (identity, source, warning) = device.warned();
        assert_eq!((&*identity, source), ("94-83-C4-A1-B2-10", card("eth0")));
        let told = "keep/identity: is damaged; the device's identity is chosen anew";
        assert!(warning.ends_with(told), "{warning}");
        assert_eq!(device.identity().1, Source::Remembered);
    }
}

#[test]
fn a_state_dir_that_cannot_be_used_costs_the_memory_and_not_the_identity() {
    let elsewhere = tempfile::tempdir().unwrap();
    let spoilt: [&dyn Fn(&Path); 3] = [
        &|state| fs::write(state, "a file").unwrap(),
        &|state| {
            fs::create_dir_all(state.join("keep")).unwrap();
            fs::set_permissions(state.join("keep"), Permissions::from_mode(0o777)).unwrap();
        },
        &|state| {
            fs::create_dir_all(state).unwrap();
            symlink(elsewhere.path(), state.join("keep")).unwrap();
        },
    ];
    for spoil in spoilt {
        let device = Device::router();
        let state = &device.state_dir;
        fs::create_dir_all(state.parent().unwrap()).unwrap();
        spoil(state);
        for _ in 0..2 {
            let (identity, source, warning) = device.warned();
            assert_eq!((&*identity, source), ("94-83-C4-A1-B2-10", card("eth0")));
            assert!(
                warning.contains("keep/identity: cannot be used: "),
                "{warning}"
            );
        }
    }
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}

#[test]
fn the_spelling_is_kept_and_makes_no_other_device() {
    for text in ["AA:bb:CC:00:11:22", "aabbcc001122", "aa-bb-cc-00-11-22 "] {
        let identity: Identity = text.parse().unwrap();
        assert_eq!(identity.to_string(), text.trim());
        assert_eq!(identity.digits(), "aabbcc001122");
        for same in [
            "AA-BB-CC-00-11-22",
            "aabbcc001122",
            "AA-bb:cc:00:11:22",
            "aabb.cc00.1122",
        ] {
            assert!(identity.is(same), "{same}");
        }
        assert!(!identity.is("aabbcc001123") && !identity.is(""));
    }
    assert_eq!("aa:bb".parse::<Identity>(), Err(NotMac));
}

#[test]
fn an_address_of_the_hardware_is_spelt_as_the_original_did() {
    let mac = Mac::parse("94:83:c4:a1:b2:10").unwrap();
    assert_eq!(Identity::from(mac).as_str(), "94-83-C4-A1-B2-10");
}
