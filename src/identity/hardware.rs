//! The MAC addresses that the makers of board and network cards gave them.

use std::fs;
use std::path::Path;

use crate::mac::Mac;
use crate::process::file::read_small;
use crate::process::file::under;
use crate::sorted;

/// Most entries of /sys/class/net and /sys/class/ieee80211 looked at.
const MAX_INTERFACES: usize = 1024;

/// Largest attribute of sysfs or of the device tree, bytes; a page is what sysfs gives at most.
const MAX_ATTRIBUTE: u64 = 4096;

/// Largest /etc/board.json, bytes.
const MAX_BOARD: u64 = 64 << 10;

/// ARPHRD_ETHER, as /sys/class/net/*/type writes it.
const ETHERNET: &str = "1";

/// NET_ADDR_PERM, as /sys/class/net/*/addr_assign_type writes it: neither random, nor taken from another
/// interface, nor set by a program.
const PERMANENT: &str = "0";

/// The addresses of this board.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Hardware {
    /// The one on the board's label, as its device tree has it.
    pub(super) label: Option<Mac>,
    /// The one on the label as /etc/board.json has it, a file that a copied disk brings along.
    pub(super) noted_label: Option<Mac>,
    /// Permanent addresses with their interface or radio, best first; of cards by USB only where there are no others.
    pub(super) cards: Vec<(String, Mac)>,
    /// Permanent addresses of cards by USB beside others.
    pub(super) plugged: Vec<Mac>,
}

impl Hardware {
    /// Looks below `root`. What is not there or cannot be read, which is common there, is passed over.
    pub(super) fn look(root: &Path) -> Self {
        let at = |path| under(root, Path::new(path));
        let mut found = interfaces(&at("/sys/class/net"));
        found.extend(radios(&at("/sys/class/ieee80211")));
        // What is plugged in by USB can go to another router tomorrow, and some modems have one address
        // for all that were ever made.
        let mut plugged = Vec::new();
        if found.iter().any(|card| !card.usb) {
            found.retain(|card| {
                plugged.extend(card.usb.then_some(card.mac));
                !card.usb
            });
        }
        sorted::by(&mut found, |a, b| {
            (a.radio, &a.name).cmp(&(b.radio, &b.name))
        });
        Hardware {
            label: label(&at("/proc/device-tree")),
            noted_label: noted_label(&at("/etc/board.json")),
            cards: found
                .into_iter()
                .map(|card| (card.name, card.mac))
                .collect(),
            plugged,
        }
    }

    /// Every address that tells this board from another; sorted.
    pub(super) fn macs(&self) -> Vec<Mac> {
        let cards = self.cards.iter().map(|(_, mac)| *mac);
        let mut macs: Vec<Mac> = self.label.into_iter().chain(cards).collect();
        sorted::sort(&mut macs);
        macs.dedup();
        macs
    }
}

/// An interface or a radio with a permanent address.
struct Card {
    radio: bool,
    usb: bool,
    name: String,
    mac: Mac,
}

fn interfaces(dir: &Path) -> Vec<Card> {
    let interface = |name: String| {
        let path = dir.join(&name);
        let is = |name: &str, value: &str| attribute(&path, name).as_deref() == Some(value);
        let device = path.join("device");
        let wireless = path.join("phy80211").exists() || path.join("wireless").exists();
        let permanent =
            !path.join("addr_assign_type").exists() || is("addr_assign_type", PERMANENT);
        if !is("type", ETHERNET) || !device.exists() || wireless || !permanent || is_modem(&path) {
            return None;
        }
        let mac = makers(&attribute(&path, "address")?)?;
        Some(Card {
            radio: false,
            usb: is_usb(&device),
            name,
            mac,
        })
    };
    names(dir).filter_map(interface).collect()
}

fn radios(dir: &Path) -> Vec<Card> {
    let radio = |name: String| {
        let path = dir.join(&name);
        let mac = makers(&attribute(&path, "macaddress")?)?;
        Some(Card {
            radio: true,
            usb: is_usb(&path.join("device")),
            name,
            mac,
        })
    };
    names(dir).filter_map(radio).collect()
}

fn names(dir: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    entries
        .take(MAX_INTERFACES)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
}

fn is_modem(interface: &Path) -> bool {
    attribute(interface, "uevent")
        .is_some_and(|text| text.lines().any(|line| line == "DEVTYPE=wwan"))
}

fn is_usb(device: &Path) -> bool {
    fs::read_link(device.join("subsystem")).is_ok_and(|subsystem| subsystem.ends_with("usb"))
}

/// `label-mac-device` is the node of the device whose address is printed on the label; the kernel of
/// OpenWrt writes the address into the node, wherever the driver found it.
fn label(tree: &Path) -> Option<Mac> {
    let node = attribute(&tree.join("aliases"), "label-mac-device")?;
    let node = node.trim_matches(['/', '\0']);
    if node.split('/').any(|part| part == "..") {
        return None;
    }
    let property = |name| {
        let bytes = read_small(&tree.join(node).join(name), MAX_ATTRIBUTE).ok()?;
        let mac = Mac::from(<[u8; 6]>::try_from(bytes.as_slice()).ok()?);
        mac.is_makers().then_some(mac)
    };
    property("mac-address").or_else(|| property("local-mac-address"))
}

fn noted_label(board: &Path) -> Option<Mac> {
    let bytes = read_small(board, MAX_BOARD).ok()?;
    let board: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    makers(board.get("system")?.get("label_macaddr")?.as_str()?)
}

fn makers(text: &str) -> Option<Mac> {
    Mac::parse(text.trim_ascii()).filter(Mac::is_makers)
}

fn attribute(dir: &Path, name: &str) -> Option<String> {
    let bytes = read_small(&dir.join(name), MAX_ATTRIBUTE).ok()?;
    Some(String::from_utf8(bytes).ok()?.trim_ascii().to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::tests::Device;
    use super::*;

    fn first(device: &Device) -> Option<String> {
        let hardware = Hardware::look(device.root());
        hardware.cards.first().map(|(name, _)| name.clone())
    }

    #[test]
    fn a_wired_interface_with_a_permanent_address_comes_first() {
        let device = Device::new();
        device.write("sys/class/ieee80211/phy0/macaddress", "94:83:c4:00:00:09\n");
        assert_eq!(first(&device).as_deref(), Some("phy0"));
        device.interface("wan", "94:83:c4:00:00:05");
        assert_eq!(first(&device).as_deref(), Some("wan"));
        device.interface("lan1", "94:83:c4:00:00:04");
        assert_eq!(first(&device).as_deref(), Some("lan1"));
        assert_eq!(Hardware::look(device.root()).macs().len(), 3);
    }

    #[test]
    fn passing_devices_and_addresses_that_change_are_never_asked() {
        let device = Device::new();
        let interface = |name: &str, address: &str| device.interface(name, address);
        let tunnel = interface("aaa0", "94:83:c4:00:00:01");
        fs::write(tunnel.join("type"), "65534\n").unwrap();
        let bridge = interface("br-lan", "94:83:c4:00:00:02");
        fs::remove_dir(bridge.join("device")).unwrap();
        for (name, kind) in [("eth1", "1"), ("eth2", "2"), ("eth3", "3")] {
            let path = interface(name, "94:83:c4:00:00:03");
            fs::write(path.join("addr_assign_type"), format!("{kind}\n")).unwrap();
        }
        let modem = interface("eth4", "94:83:c4:00:00:04");
        fs::write(modem.join("uevent"), "INTERFACE=eth4\nDEVTYPE=wwan\n").unwrap();
        let radio = interface("eth5", "94:83:c4:00:00:05");
        fs::create_dir(radio.join("phy80211")).unwrap();
        for (name, address) in [
            ("eth6", "02:00:00:00:00:01"),
            ("eth7", "00:00:00:00:00:00"),
            ("eth8", "ff:ff:ff:ff:ff:ff"),
            ("eth9", "01:00:5e:00:00:01"),
        ] {
            interface(name, address);
        }
        assert_eq!(Hardware::look(device.root()), Hardware::default());
    }

    #[test]
    fn a_card_plugged_in_by_usb_counts_only_where_there_is_no_other() {
        let device = Device::new();
        let usb = device.interface("eth0", "0c:5b:8f:27:9a:64");
        symlink("../../../../bus/usb", usb.join("device/subsystem")).unwrap();
        assert_eq!(first(&device).as_deref(), Some("eth0"));
        device.interface("eth1", "94:83:c4:00:00:04");
        assert_eq!(first(&device).as_deref(), Some("eth1"));
        let hardware = Hardware::look(device.root());
        assert_eq!((hardware.macs().len(), hardware.plugged.len()), (1, 1));
    }

    #[test]
    fn the_label_is_in_the_device_tree_or_in_the_boards_description() {
        let device = Device::new();
        let labels = || {
            let hardware = Hardware::look(device.root());
            (hardware.label, hardware.noted_label)
        };
        let alias = "proc/device-tree/aliases/label-mac-device";
        device.write(alias, "/soc/ethernet@1e100000\0");
        let node = "proc/device-tree/soc/ethernet@1e100000";
        device.write_bytes(
            &format!("{node}/local-mac-address"),
            b"\x94\x83\xc4\0\0\x07",
        );
        let mac = |text| Mac::parse(text);
        assert_eq!(labels(), (mac("9483c4000007"), None));
        device.write_bytes(&format!("{node}/mac-address"), b"\x94\x83\xc4\0\0\x08");
        assert_eq!(labels(), (mac("9483c4000008"), None));
        device.write(alias, "/../../etc\0");
        device.write_bytes("etc/mac-address", b"\x94\x83\xc4\0\0\x09");
        let board = r#"{"system": {"label_macaddr": "94:83:c4:00:00:0a"}}"#;
        device.write("etc/board.json", board);
        assert_eq!(labels(), (None, mac("9483c400000a")));
        for garbage in [
            "",
            "[]",
            r#"{"system": 1}"#,
            r#"{"system": {"label_macaddr": 1}}"#,
        ] {
            device.write("etc/board.json", garbage);
            assert_eq!(labels(), (None, None), "{garbage}");
        }
    }
}
