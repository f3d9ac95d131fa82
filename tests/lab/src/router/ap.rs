//! The access points and networks of the router, as far as they never change.

/// Radio band.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Band {
    Two,
    Five,
}

/// An access point.
#[derive(Debug, PartialEq, Eq)]
pub struct Ap {
    pub ifname: &'static str,
    pub phy: &'static str,
    pub radio: &'static str,
    pub band: Band,
    /// Not text: any bytes, up to 32.
    pub ssid: &'static [u8],
    pub bssid: &'static str,
    /// MHz
    pub freq: u32,
    pub channel: u32,
    pub center: u32,
    pub op_class: u32,
    pub bss_color: i32,
    /// dBm
    pub noise: i32,
    pub tx_power: u32,
    pub network: Network,
    /// The network device of its VLAN, if it has one.
    pub vlan: Option<&'static str>,
}

/// The number of the VLAN behind `phy0-ap0-iot`.
pub(super) const VLAN_ID: u32 = 30;

/// Where stations get their addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    Lan,
    Guest,
    Iot,
}

impl Network {
    pub fn bridge(self) -> &'static str {
        match self {
            Network::Lan => "br-lan",
            Network::Guest => "br-guest",
            Network::Iot => "br-iot",
        }
    }

    /// Third number of its addresses, 192.168.x.0/24.
    pub fn subnet(self) -> u8 {
        match self {
            Network::Lan => 8,
            Network::Guest => 9,
            Network::Iot => 30,
        }
    }
}

/// All access points. Two of them have names as an attacker or a careless neighbour picks them.
pub const APS: [Ap; 4] = [
    Ap {
        ifname: "phy0-ap0",
        phy: "phy0",
        radio: "radio0",
        band: Band::Two,
        ssid: b"Harbour Cafe",
        bssid: "94:83:c4:a1:b2:02",
        freq: 2437,
        channel: 6,
        center: 6,
        op_class: 81,
        bss_color: 12,
        noise: -95,
        tx_power: 20,
        network: Network::Lan,
        vlan: Some("phy0-ap0-iot"),
    },
    Ap {
        ifname: "phy0-ap1",
        phy: "phy0",
        radio: "radio0",
        band: Band::Two,
        ssid: b"Caf\xe9 \xf0\x9f\xff",
        bssid: "96:83:c4:a1:b2:02",
        freq: 2437,
        channel: 6,
        center: 6,
        op_class: 81,
        bss_color: 12,
        noise: -95,
        tx_power: 20,
        network: Network::Lan,
        vlan: None,
    },
    Ap {
        ifname: "phy1-ap0",
        phy: "phy1",
        radio: "radio1",
        band: Band::Five,
        ssid: b"Harbour Cafe",
        bssid: "94:83:c4:a1:b2:03",
        freq: 5180,
        channel: 36,
        center: 42,
        op_class: 128,
        bss_color: 37,
        noise: -92,
        tx_power: 23,
        network: Network::Lan,
        vlan: None,
    },
    Ap {
        ifname: "phy1-ap1",
        phy: "phy1",
        radio: "radio1",
        band: Band::Five,
        ssid: b"<img src=x onerror=alert(1)>",
        bssid: "96:83:c4:a1:b2:03",
        freq: 5180,
        channel: 36,
        center: 42,
        op_class: 128,
        bss_color: 37,
        noise: -92,
        tx_power: 23,
        network: Network::Guest,
        vlan: None,
    },
];

/// The access point whose network device, or whose VLAN's, is `ifname`; true for the VLAN's.
pub(super) fn by_device(ifname: &str) -> Option<(usize, bool)> {
    APS.iter().enumerate().find_map(|(index, ap)| {
        if ap.ifname == ifname {
            Some((index, false))
        } else if ap.vlan == Some(ifname) {
            Some((index, true))
        } else {
            None
        }
    })
}
