//! Logical interfaces and the way to the world, as netifd knows them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::collect::report::{Device, Interface};
use crate::collect::sources::reply::Place::{Bool, Field as Any, Ip, Str, Text, U32, U64};
use crate::collect::sources::reply::{Field, Fields};

/// The kernel's main routing table.
const MAIN_TABLE: u64 = 254;

/// Reply of `network.interface dump`.
#[derive(Debug, Default)]
pub(crate) struct Dump {
    interface: Vec<Logical>,
    /// Rows that are not among them.
    pub(crate) left_out: usize,
}

/// A logical interface; most members are there only while it is up.
#[derive(Debug, Default)]
struct Logical {
    name: Option<String>,
    up: Option<bool>,
    l3_device: Option<String>,
    metric: Option<u64>,
    /// Its addresses; of IPv6 first those of the interface itself, then those it took in prefixes
    /// delegated to it.
    subnets: Vec<Subnet>,
    /// Default routes.
    routes: Vec<Route>,
}

/// A network this device is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subnet {
    /// Our address in it.
    ip: IpAddr,
    /// Of its prefix, bits.
    length: u32,
}

/// A default route.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) v6: bool,
    /// It is in the main table, where traffic in general looks first.
    main: bool,
    /// Absent on a point-to-point link.
    gateway: Option<IpAddr>,
    pub(crate) metric: Option<u64>,
}

/// The way to the world.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Wan {
    pub(crate) device: String,
    /// Absent on a point-to-point link.
    pub(crate) gateway: Option<IpAddr>,
    pub(crate) ip: Option<Ipv4Addr>,
    pub(crate) ip6: Option<Ipv6Addr>,
}

impl Route {
    /// The default routes in a list.
    pub(crate) fn read_all(list: Field<'_>) -> Vec<Self> {
        let list = list.fields();
        list.list(|_, route| Route::read(route.fields())).items
    }

    /// `None` for a route to some network, or one that leads nowhere.
    fn read(route: Fields<'_>) -> Option<Self> {
        let (mut target, mut mask, mut hop) = (None::<IpAddr>, None, None::<IpAddr>);
        let (mut metric, mut table, mut kind) = (None, None, None);
        route.read(&mut [
            ("target", Ip(&mut target)),
            ("mask", U32(&mut mask)),
            ("nexthop", Ip(&mut hop)),
            ("metric", U64(&mut metric)),
            ("table", U64(&mut table)),
            ("type", Str(&mut kind)),
        ]);
        // "unreachable" and the like; absent = unicast.
        let leads = kind.is_none_or(|kind| kind == "unicast");
        let target = target.filter(|target| target.is_unspecified() && leads)?;
        (mask == Some(0)).then(|| Route {
            v6: target.is_ipv6(),
            // Absent = the main one.
            main: table.is_none_or(|table| table == MAIN_TABLE),
            gateway: hop.filter(|hop| !hop.is_unspecified()),
            metric,
        })
    }
}

impl Subnet {
    /// `None` if there is no address in it.
    fn read(address: Fields<'_>) -> Option<Self> {
        let (mut ip, mut mask) = (None::<IpAddr>, None);
        address.read(&mut [("address", Ip(&mut ip)), ("mask", U32(&mut mask))]);
        let (ip, whole) = match ip? {
            ip @ IpAddr::V4(_) => (ip, 32),
            ip @ IpAddr::V6(_) => (ip, 128),
        };
        let length = mask.filter(|mask| *mask <= whole).unwrap_or(whole);
        Some(Subnet { ip, length })
    }

    /// Is it a network of the address's family that others can be in?
    pub(crate) fn is_of(&self, ip: IpAddr) -> bool {
        match self.ip {
            IpAddr::V4(_) => ip.is_ipv4() && self.length < 32,
            IpAddr::V6(ours) => ip.is_ipv6() && self.length < 128 && !ours.is_unicast_link_local(),
        }
    }

    pub(crate) fn contains(&self, other: IpAddr) -> bool {
        match (self.ip, other) {
            (IpAddr::V4(ip), IpAddr::V4(other)) => {
                (ip.to_bits() ^ other.to_bits()).leading_zeros() >= self.length
            }
            (IpAddr::V6(ip), IpAddr::V6(other)) => {
                (ip.to_bits() ^ other.to_bits()).leading_zeros() >= self.length
            }
            _ => false,
        }
    }

    fn v4(&self) -> Option<Ipv4Addr> {
        match self.ip {
            IpAddr::V4(ip) => Some(ip),
            IpAddr::V6(_) => None,
        }
    }

    fn v6(&self) -> Option<Ipv6Addr> {
        match self.ip {
            IpAddr::V4(_) => None,
            IpAddr::V6(ip) => Some(ip),
        }
    }
}

/// The addresses in a list of tables.
fn subnets(list: Field<'_>) -> Vec<Subnet> {
    let list = list.fields();
    list.list(|_, one| Subnet::read(one.fields())).items
}

impl Logical {
    fn read(interface: Fields<'_>) -> Self {
        let mut logical = Logical::default();
        let (mut v4, mut v6) = (Field::default(), Field::default());
        let (mut assigned, mut routes) = (Field::default(), Field::default());
        interface.read(&mut [
            ("interface", Text(&mut logical.name)),
            ("up", Bool(&mut logical.up)),
            ("l3_device", Text(&mut logical.l3_device)),
            ("metric", U64(&mut logical.metric)),
            ("ipv4-address", Any(&mut v4)),
            ("ipv6-address", Any(&mut v6)),
            ("ipv6-prefix-assignment", Any(&mut assigned)),
            ("route", Any(&mut routes)),
        ]);
        logical.subnets = subnets(v4);
        logical.subnets.append(&mut subnets(v6));
        let mut assigned = assigned.fields().list(|_, part| {
            let local = part.fields().named(b"local-address")?;
            Subnet::read(local.fields())
        });
        logical.subnets.append(&mut assigned.items);
        logical.routes = Route::read_all(routes);
        logical
    }

    fn is_up(&self) -> bool {
        self.up != Some(false)
    }

    fn v4(&self) -> Option<Ipv4Addr> {
        self.subnets.iter().find_map(Subnet::v4)
    }
}

/// Keeps the address that is better to reach the device by: a public one, else the first.
pub(crate) fn better_v6(known: &mut Option<Ipv6Addr>, other: Ipv6Addr) {
    let public = |address: &Ipv6Addr| address.segments()[0] & 0xe000 == 0x2000;
    match known {
        Some(known) if public(known) || !public(&other) => {}
        _ => *known = Some(other),
    }
}

impl Dump {
    /// `None` if there is no list of interfaces in it.
    pub(crate) fn read(reply: Fields<'_>) -> Option<Self> {
        let interfaces = reply.named(b"interface")?.array()?;
        let interfaces = interfaces.list(|_, one| Some(Logical::read(one.table()?)));
        Some(Dump {
            left_out: interfaces.left_out(),
            interface: interfaces.items,
        })
    }

    /// The address of IPv6 of the interface that is to own its default route.
    pub(crate) fn planned_ip6(&self) -> Option<Ipv6Addr> {
        let v6 = self.owner(true, true).or_else(|| self.owner(true, false));
        self.addresses(v6?.1).1
    }

    /// The interface that is to own the default route of a family, with the lowest metric; in the main table or in
    /// others.
    fn owner(&self, v6: bool, main: bool) -> Option<(&Logical, &str, Option<IpAddr>)> {
        let up = self.interface.iter().filter(|logical| logical.is_up());
        up.filter_map(|logical| {
            let device = logical.l3_device.as_deref()?;
            let metric = |route: &Route| route.metric.or(logical.metric).unwrap_or(0);
            let routes = logical.routes.iter();
            let routes = routes.filter(|route| (route.v6, route.main) == (v6, main));
            let best = routes.min_by_key(|route| metric(route))?;
            Some((metric(best), (logical, device, best.gateway)))
        })
        .min_by_key(|(metric, _)| *metric)
        .map(|(_, owner)| owner)
    }

    /// The interface that is to own the default route of IPv4, else that of IPv6; the main table
    /// comes before others, and does not count if it is known to have none in force.
    pub(crate) fn wan(&self, main_in_force: bool) -> Option<Wan> {
        let v6 = self.owner(true, true).or_else(|| self.owner(true, false));
        let main = self.owner(false, true).filter(|_| main_in_force);
        let v4 = main.or_else(|| self.owner(false, false));
        let (logical, device, gateway) = v4.or(v6)?;
        let (ip, ip6) = self.addresses(device);
        Some(Wan {
            device: device.to_owned(),
            gateway,
            ip: logical.v4().or(ip),
            ip6: ip6.or_else(|| self.planned_ip6()),
        })
    }

    /// The networks of logical interfaces, with those of others on the same network device.
    pub(crate) fn subnets<'a>(&'a self, names: &'a [String]) -> impl Iterator<Item = Subnet> + 'a {
        let up = || self.interface.iter().filter(|one| one.is_up());
        let named = move |of: &Logical| of.name.as_ref().is_some_and(|name| names.contains(name));
        let devices: Vec<&str> = up()
            .filter(|one| named(one))
            .filter_map(|one| one.l3_device.as_deref())
            .collect();
        let on = up().filter(move |one| {
            let device = one.l3_device.as_deref();
            device.is_some_and(|device| devices.contains(&device))
        });
        on.flat_map(|one| one.subnets.iter().copied())
    }

    /// Every network of this device.
    pub(crate) fn all_subnets(&self) -> impl Iterator<Item = Subnet> + '_ {
        let up = self.interface.iter().filter(|one| one.is_up());
        up.flat_map(|one| one.subnets.iter().copied())
    }

    /// Is this an address of this device?
    pub(crate) fn is_ours(&self, ip: IpAddr) -> bool {
        self.all_subnets().any(|subnet| subnet.ip == ip)
    }

    /// The addresses of a network device, over all its logical interfaces.
    pub(crate) fn addresses(&self, device: &str) -> (Option<Ipv4Addr>, Option<Ipv6Addr>) {
        let mut known = (None, None);
        for logical in self.interface.iter().filter(|one| one.is_up()) {
            if logical.l3_device.as_deref() == Some(device) {
                known.0 = known.0.or(logical.v4());
                let v6 = logical.subnets.iter().filter_map(Subnet::v6);
                v6.for_each(|ip6| better_v6(&mut known.1, ip6));
            }
        }
        known
    }
}

/// Takes back what is said of the way to the world.
pub(crate) fn clear(device: &mut Device) {
    (device.wan_name, device.wan_gateway) = (None, None);
    (device.wan_ip, device.wan_ip6) = (None, None);
    (device.tx_bytes, device.rx_bytes) = (None, None);
}

/// Fills in the way to the world, and the counters of its device as far as `interfaces` has them.
pub(crate) fn fill(device: &mut Device, wan: Wan, interfaces: &[Interface]) {
    let named = interfaces.iter().find(|one| one.name == wan.device);
    if let Some(Interface { counters, .. }) = named {
        (device.tx_bytes, device.rx_bytes) = (counters.tx_bytes, counters.rx_bytes);
    }
    device.wan_gateway = wan.gateway;
    device.wan_ip = wan.ip;
    device.wan_ip6 = wan.ip6;
    device.wan_name = Some(wan.device);
}

#[cfg(test)]
mod tests {
    use ubus::blobmsg::Value;

    use super::*;

    fn dump(json: &str) -> Dump {
        let value: Value = serde_json::from_str(json).unwrap();
        Dump::read(Fields::of(&value.to_members())).unwrap()
    }

    fn wan(interfaces: &str) -> Option<Wan> {
        dump(&format!(r#"{{"interface":[{interfaces}]}}"#)).wan(true)
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
