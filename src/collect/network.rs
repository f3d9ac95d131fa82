//! Network devices and the way to the world, as netifd knows them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Deserialize;

use super::reply::{lenient, text, List, Table};
use super::report::{Counters, Device, Interface};
use crate::mac::Mac;

/// The kernel's main routing table.
const MAIN_TABLE: u64 = 254;

/// Reply of `network.interface dump`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Dump {
    #[serde(default)]
    interface: List<Logical>,
}

/// One logical interface; most of it is there only while it is up.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Logical {
    #[serde(default, deserialize_with = "lenient")]
    up: Option<bool>,
    #[serde(default, deserialize_with = "text", rename = "l3_device")]
    l3_device: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    metric: Option<u64>,
    #[serde(default)]
    ipv4_address: List<Address>,
    #[serde(default)]
    ipv6_address: List<Address>,
    #[serde(default)]
    ipv6_prefix_assignment: List<Assignment>,
    #[serde(default)]
    route: List<Route>,
}

#[derive(Debug, Deserialize)]
struct Address {
    #[serde(default, deserialize_with = "text")]
    address: Option<String>,
}

/// A part of a delegated prefix, and the address we took in it.
#[derive(Debug, Deserialize)]
struct Assignment {
    #[serde(default, rename = "local-address", deserialize_with = "lenient")]
    local: Option<Address>,
}

#[derive(Debug, Deserialize)]
struct Route {
    #[serde(default, deserialize_with = "text")]
    target: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    mask: Option<u32>,
    #[serde(default, deserialize_with = "text")]
    nexthop: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    metric: Option<u64>,
    /// Absent = the main one.
    #[serde(default, deserialize_with = "lenient")]
    table: Option<u64>,
    /// "unreachable" and the like; absent = unicast.
    #[serde(default, rename = "type", deserialize_with = "text")]
    kind: Option<String>,
}

/// Reply of `network.device status` without a name.
pub(super) type Devices = Table<DeviceStatus>;

/// One network device.
#[derive(Debug, Deserialize)]
pub(super) struct DeviceStatus {
    #[serde(default, deserialize_with = "lenient")]
    present: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    up: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    carrier: Option<bool>,
    /// Mbit/s and the duplex, "1000F"; "-1F" or absent without a link.
    #[serde(default, deserialize_with = "text")]
    speed: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    mtu: Option<u32>,
    #[serde(default, deserialize_with = "text")]
    macaddr: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    statistics: Option<Statistics>,
}

#[derive(Debug, Deserialize)]
struct Statistics {
    #[serde(default, deserialize_with = "lenient")]
    rx_bytes: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    tx_bytes: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    rx_packets: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    tx_packets: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    rx_errors: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    tx_errors: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    rx_dropped: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    tx_dropped: Option<u64>,
}

/// The way to the world.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Wan {
    pub(super) device: String,
    /// Absent on a point-to-point link.
    pub(super) gateway: Option<IpAddr>,
    pub(super) ip: Option<Ipv4Addr>,
    pub(super) ip6: Option<Ipv6Addr>,
}

impl Route {
    /// The gateway and the metric, if this is a default route for traffic in general.
    fn default_for(&self, v6: bool, metric: Option<u64>) -> Option<(u64, Option<IpAddr>)> {
        let target: IpAddr = self.target.as_deref()?.parse().ok()?;
        let general = self.mask == Some(0)
            && target.is_unspecified()
            && target.is_ipv6() == v6
            && self.table.is_none_or(|table| table == MAIN_TABLE)
            && self.kind.as_deref().is_none_or(|kind| kind == "unicast");
        let gateway = self.nexthop.as_deref().and_then(|hop| hop.parse().ok());
        general.then(|| {
            let gateway = gateway.filter(|hop: &IpAddr| !hop.is_unspecified());
            (self.metric.or(metric).unwrap_or(0), gateway)
        })
    }
}

impl Logical {
    fn is_up(&self) -> bool {
        self.up != Some(false)
    }

    fn first_v4(&self) -> Option<Ipv4Addr> {
        self.ipv4_address.items.iter().find_map(Address::parse)
    }

    fn v6(&self) -> impl Iterator<Item = Ipv6Addr> + '_ {
        let own = self.ipv6_address.items.iter();
        let assigned = self.ipv6_prefix_assignment.items.iter();
        own.chain(assigned.filter_map(|part| part.local.as_ref()))
            .filter_map(Address::parse)
    }
}

impl Address {
    fn parse<T: std::str::FromStr>(&self) -> Option<T> {
        self.address.as_deref()?.parse().ok()
    }
}

/// Keeps the address that is better to reach the device by: a public one, else the first.
pub(super) fn better_v6(known: &mut Option<Ipv6Addr>, other: Ipv6Addr) {
    let public = |address: &Ipv6Addr| address.segments()[0] & 0xe000 == 0x2000;
    match known {
        Some(known) if public(known) || !public(&other) => {}
        _ => *known = Some(other),
    }
}

impl Dump {
    /// Who owns the default route of a family, with the lowest metric.
    fn owner(&self, v6: bool) -> Option<(&Logical, &str, Option<IpAddr>)> {
        self.interface
            .items
            .iter()
            .filter(|logical| logical.is_up())
            .filter_map(|logical| {
                let device = logical.l3_device.as_deref()?;
                let routes = logical.route.items.iter();
                routes
                    .filter_map(|route| route.default_for(v6, logical.metric))
                    .min_by_key(|(metric, _)| *metric)
                    .map(|(metric, gateway)| (metric, (logical, device, gateway)))
            })
            .min_by_key(|(metric, _)| *metric)
            .map(|(_, owner)| owner)
    }

    /// The interface that owns the default route of IPv4, else that of IPv6.
    pub(super) fn wan(&self) -> Option<Wan> {
        let v6 = self.owner(true);
        let (logical, device, gateway) = self.owner(false).or(v6)?;
        let on_device = |name: &str| self.addresses().get(name).copied();
        let (ip, ip6) = on_device(device).unwrap_or_default();
        Some(Wan {
            device: device.to_owned(),
            gateway,
            ip: logical.first_v4().or(ip),
            ip6: ip6.or_else(|| on_device(v6?.1)?.1),
        })
    }

    /// The addresses of each network device, over all its logical interfaces.
    fn addresses(&self) -> HashMap<&str, (Option<Ipv4Addr>, Option<Ipv6Addr>)> {
        let mut addresses: HashMap<&str, (Option<Ipv4Addr>, Option<Ipv6Addr>)> = HashMap::new();
        for logical in self.interface.items.iter().filter(|one| one.is_up()) {
            let Some(device) = logical.l3_device.as_deref() else {
                continue;
            };
            let known = addresses.entry(device).or_default();
            known.0 = known.0.or_else(|| logical.first_v4());
            logical.v6().for_each(|ip6| better_v6(&mut known.1, ip6));
        }
        addresses
    }
}

/// The devices of the report: those present but the loopback, with their addresses.
pub(super) fn interfaces(devices: Devices, dump: &Dump) -> Vec<Interface> {
    let addresses = dump.addresses();
    devices
        .members
        .into_iter()
        .filter(|(name, status)| name != "lo" && status.present != Some(false))
        .map(|(name, status)| {
            let (ip, ip6) = addresses.get(name.as_str()).copied().unwrap_or_default();
            let counters = status
                .statistics
                .map_or_else(Counters::default, |of| Counters {
                    rx_bytes: of.rx_bytes,
                    tx_bytes: of.tx_bytes,
                    rx_packets: of.rx_packets,
                    tx_packets: of.tx_packets,
                    rx_errors: of.rx_errors,
                    tx_errors: of.tx_errors,
                    rx_dropped: of.rx_dropped,
                    tx_dropped: of.tx_dropped,
                });
            Interface {
                up: status.up,
                carrier: status.carrier,
                speed: status.speed.as_deref().and_then(speed),
                mtu: status.mtu,
                mac: status.macaddr.as_deref().and_then(Mac::parse),
                counters,
                ip: ip.map(|ip| ip.to_string()),
                ip6: ip6.map(|ip6| ip6.to_string()),
                name,
            }
        })
        .collect()
}

/// Mbit/s of "1000F"; `None` for the "-1F" that older releases give without a link.
fn speed(text: &str) -> Option<u32> {
    let digits = text.trim_end_matches(['F', 'H']);
    digits.parse().ok().filter(|speed| *speed > 0)
}

/// Fills in the way to the world, and the counters of its device as far as `interfaces` has them.
pub(super) fn fill(device: &mut Device, wan: Wan, interfaces: &[Interface]) {
    let named = interfaces.iter().find(|one| one.name == wan.device);
    if let Some(Interface { counters, .. }) = named {
        (device.tx_bytes, device.rx_bytes) = (counters.tx_bytes, counters.rx_bytes);
    }
    device.wan_gateway = wan.gateway.map(|gateway| gateway.to_string());
    device.wan_ip = wan.ip.map(|ip| ip.to_string());
    device.wan_ip6 = wan.ip6.map(|ip6| ip6.to_string());
    device.wan_name = Some(wan.device);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ubus::blobmsg::Value;
    use crate::ubus::from_members;

    fn dump(json: &str) -> Dump {
        let value: Value = serde_json::from_str(json).unwrap();
        from_members(&value.to_members()).unwrap()
    }

    fn wan(interfaces: &str) -> Option<Wan> {
        dump(&format!(r#"{{"interface":[{interfaces}]}}"#)).wan()
    }

    #[test]
    fn speed_is_a_string_and_may_say_that_there_is_no_link() {
        assert_eq!(speed("1000F"), Some(1000));
        assert_eq!(speed("10H"), Some(10));
        assert_eq!(speed("-1F"), None);
        assert_eq!(speed("0F"), None);
        assert_eq!(speed("F"), None);
        assert_eq!(speed("fast"), None);
    }

    #[test]
    fn the_default_route_with_the_lowest_metric_is_the_way_to_the_world() {
        let found = wan(
            r#"{"up":true,"l3_device":"wwan0","metric":20,"route":[{"target":"0.0.0.0","mask":0,"nexthop":"10.0.0.1"}]},
               {"up":true,"l3_device":"eth1","metric":10,"ipv4-address":[{"address":"192.0.2.7"}],
                "route":[{"target":"0.0.0.0","mask":0,"nexthop":"192.0.2.1"}]},
               {"up":true,"l3_device":"eth2","route":[{"target":"0.0.0.0","mask":0,"nexthop":"10.2.0.1","table":100}]},
               {"up":true,"l3_device":"eth3","route":[{"target":"0.0.0.0","mask":0,"type":"unreachable"}]},
               {"up":false,"l3_device":"eth4","route":[{"target":"0.0.0.0","mask":0,"nexthop":"10.4.0.1"}]}"#,
        );
        let expected = Wan {
            device: "eth1".into(),
            gateway: "192.0.2.1".parse().ok(),
            ip: "192.0.2.7".parse().ok(),
            ip6: None,
        };
        assert_eq!(found, Some(expected));
    }

    #[test]
    fn without_ipv4_the_default_route_of_ipv6_counts() {
        let found = wan(
            r#"{"up":true,"l3_device":"eth0","ipv6-address":[{"address":"fd00::1"},{"address":"2001:DB8:0:0::2"}],
                "route":[{"target":"::","mask":0,"nexthop":"fe80::1","metric":512}]}"#,
        )
        .unwrap();
        assert_eq!(found.gateway, "fe80::1".parse().ok());
        assert_eq!(found.ip6.unwrap().to_string(), "2001:db8::2");
        assert_eq!(found.ip, None);
    }

    #[test]
    fn a_point_to_point_link_has_no_gateway() {
        let found = wan(
            r#"{"up":true,"l3_device":"pppoe-wan","route":[{"target":"0.0.0.0","mask":0,"nexthop":"0.0.0.0"}]}"#,
        )
        .unwrap();
        assert_eq!((found.device.as_str(), found.gateway), ("pppoe-wan", None));
    }

    #[test]
    fn no_default_route_is_no_way_to_the_world() {
        assert_eq!(wan(r#"{"up":true,"l3_device":"br-lan"}"#), None);
        assert_eq!(
            wan(r#"{"up":false,"errors":[{"code":"NO_DEVICE"}]}, 5, "x", null"#),
            None
        );
    }
}
