//! Does a radio carry the uplink?

use std::fs;
use std::path::Path;

use crate::health::radio::{Mode, Vif};
use crate::health::Uplink;
use crate::process::file::under;

/// Levels of devices on top of each other, and devices in all, that are followed.
const DEPTH_MAX: usize = 8;
const DEVICES_MAX: usize = 64;

/// The network devices that the uplink's device stands on, itself included.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Below {
    pub devices: Vec<String>,
    /// At least one of them is hardware: a tunnel has none below it that the kernel tells of.
    pub hardware: bool,
}

impl Below {
    /// Follows /sys/class/net below `root`, from `device` downwards.
    pub fn read(root: &Path, device: &str) -> Self {
        let mut below = Below {
            devices: vec![device.to_owned()],
            hardware: false,
        };
        let mut from = 0;
        for _ in 0..DEPTH_MAX {
            let level: Vec<String> = below.devices[from..].to_vec();
            from = below.devices.len();
            for device in level {
                below.add_lower(root, &device);
            }
        }
        below
    }

    fn add_lower(&mut self, root: &Path, device: &str) {
        // Names come from outside; those of devices have no slash.
        if device.contains('/') || device.starts_with('.') {
            return;
        }
        let path = under(root, Path::new(&format!("/sys/class/net/{device}")));
        self.hardware |= path.join("device").exists();
        let Ok(entries) = fs::read_dir(path) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let lower = name.to_str().and_then(|name| name.strip_prefix("lower_"));
            let Some(lower) = lower else {
                continue;
            };
            if self.devices.len() < DEVICES_MAX && self.devices.iter().all(|known| known != lower) {
                self.devices.push(lower.to_owned());
            }
        }
    }
}

/// Does a radio with these interfaces carry the uplink, or may it?
///
/// An access point in the bridge of the uplink has the stations behind it, not the world. A client or mesh
/// interface may have the world behind it unless the uplink is known to go another way.
pub fn bears(vifs: &[Vif], uplink: Option<&Uplink>, below: Option<&Below>) -> bool {
    let is_client = |vif: &&Vif| vif.mode != Mode::Ap;
    let (Some(uplink), Some(below)) = (uplink, below) else {
        return vifs.iter().any(|vif| is_client(&vif));
    };
    let device = uplink.device.as_deref().unwrap_or_default();
    // A station in 4-address mode has a device of its own, such as phy0-ap0.sta1.
    let direct = |vif: &Vif| {
        let ifname = vif.ifname.as_deref();
        ifname.is_some_and(|ifname| device == ifname || device.split('.').next() == Some(ifname))
    };
    let by_client = |vif: &Vif| {
        let ifname = vif.ifname.as_ref();
        !below.hardware
            || vif.networks.contains(&uplink.interface)
            || ifname.is_some_and(|ifname| below.devices.contains(ifname))
    };
    vifs.iter()
        .any(|vif| direct(vif) || (is_client(&vif) && by_client(vif)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vif(mode: Mode, ifname: &str, network: &str) -> Vif {
        Vif {
            mode,
            ifname: (!ifname.is_empty()).then(|| ifname.to_owned()),
            networks: vec![network.to_owned()],
        }
    }

    fn uplink(interface: &str, device: &str) -> Uplink {
        Uplink {
            interface: interface.into(),
            device: Some(device.into()),
            ..Uplink::default()
        }
    }

    fn below(devices: &[&str], hardware: bool) -> Below {
        Below {
            devices: devices.iter().map(|name| (*name).to_owned()).collect(),
            hardware,
        }
    }

    #[test]
    fn an_access_point_in_the_bridge_of_the_uplink_does_not_carry_it() {
        let ap = [vif(Mode::Ap, "phy0-ap0", "lan")];
        let devices = below(&["br-lan", "eth0", "phy0-ap0"], true);
        assert!(!bears(&ap, Some(&uplink("lan", "br-lan")), Some(&devices)));
        assert!(!bears(&ap, None, None));
        let direct = uplink("wan", "phy0-ap0.sta1");
        assert!(bears(
            &ap,
            Some(&direct),
            Some(&below(&["phy0-ap0.sta1"], true))
        ));
    }

    #[test]
    fn a_client_carries_it_unless_it_is_known_to_go_another_way() {
        let both = [
            vif(Mode::Ap, "phy0-ap0", "lan"),
            vif(Mode::Client, "phy0-sta0", "wwan"),
        ];
        let by_wire = below(&["eth0"], true);
        assert!(bears(&both, None, None));
        assert!(!bears(&both, Some(&uplink("wan", "eth0")), Some(&by_wire)));
        let by_client = below(&["phy0-sta0"], true);
        assert!(bears(
            &both,
            Some(&uplink("wwan", "phy0-sta0")),
            Some(&by_client)
        ));
        // Without a device, as while it fails, the network tells.
        let failed = [vif(Mode::Client, "", "wwan")];
        assert!(bears(
            &failed,
            Some(&uplink("wwan", "phy0-sta0")),
            Some(&by_client)
        ));
        // In a bridge, below a VLAN of it.
        let vlan = below(&["br-lan.10", "br-lan", "phy0-sta0", "eth0"], true);
        assert!(bears(
            &both,
            Some(&uplink("mgmt", "br-lan.10")),
            Some(&vlan)
        ));
        // A tunnel goes nobody knows where.
        let tunnel = below(&["wg0"], false);
        assert!(bears(&both, Some(&uplink("vpn", "wg0")), Some(&tunnel)));
    }

    #[test]
    fn devices_are_followed_downwards_and_circles_end() {
        let root = tempfile::tempdir().unwrap();
        let net = root.path().join("sys/class/net");
        for dir in [
            "br-lan.10/lower_br-lan",
            "br-lan/lower_eth0",
            "eth0/device",
            "eth0/lower_br-lan",
        ] {
            fs::create_dir_all(net.join(dir)).unwrap();
        }
        let found = Below::read(root.path(), "br-lan.10");
        assert_eq!(found, below(&["br-lan.10", "br-lan", "eth0"], true));
        let none = Below::read(root.path(), "../../etc");
        assert_eq!(none, below(&["../../etc"], false));
    }
}
