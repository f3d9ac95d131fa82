//! Logical interfaces and the way to the world, as netifd knows them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::reply::{Field, Fields, MAX_ENTRIES};
use super::report::{Device, Interface};

/// The kernel's main routing table.
const MAIN_TABLE: u64 = 254;

/// Reply of `network.interface dump`.
#[derive(Debug, Default)]
pub(super) struct Dump {
    interface: Vec<Logical>,
}

/// One logical interface; most of it is there only while it is up.
#[derive(Debug, Default)]
struct Logical {
    up: Option<bool>,
    l3_device: Option<String>,
    metric: Option<u64>,
    v4: Option<Ipv4Addr>,
    /// Of the interface itself, then those it took in prefixes delegated to it.
    v6: Vec<Ipv6Addr>,
    /// Default routes for traffic in general.
    routes: Vec<Route>,
}

/// A default route.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) v6: bool,
    /// Absent on a point-to-point link.
    gateway: Option<IpAddr>,
    pub(super) metric: Option<u64>,
    /// Of the main table.
    main: bool,
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
    /// `None` for a route to some network, of a table of its own, or one that leads nowhere.
    fn read(route: Fields<'_>) -> Option<Self> {
        Self::of_any_table(route).filter(|route| route.main)
    }

    /// `None` for a route to some network, or one that leads nowhere.
    pub(super) fn of_any_table(route: Fields<'_>) -> Option<Self> {
        let (mut target, mut mask, mut hop) = (None::<IpAddr>, None, None::<IpAddr>);
        let (mut metric, mut main, mut leads) = (None, true, true);
        for (name, field) in route {
            match name {
                b"target" => target = field.parse(),
                b"mask" => mask = field.u32(),
                b"nexthop" => hop = field.parse(),
                b"metric" => metric = field.u64(),
                // Absent = the main one.
                b"table" => main &= field.u64().is_none_or(|table| table == MAIN_TABLE),
                // "unreachable" and the like; absent = unicast.
                b"type" => leads &= field.str().is_none_or(|kind| kind == "unicast"),
                _ => {}
            }
        }
        let target = target.filter(|target| target.is_unspecified() && leads)?;
        (mask == Some(0)).then(|| Route {
            v6: target.is_ipv6(),
            gateway: hop.filter(|hop| !hop.is_unspecified()),
            metric,
            main,
        })
    }
}

/// The addresses in a list of tables.
fn addresses<T: std::str::FromStr>(list: Field<'_>) -> impl Iterator<Item = T> + '_ {
    list.fields()
        .take(MAX_ENTRIES)
        .filter_map(|(_, one)| one.fields().named(b"address")?.parse())
}

impl Logical {
    fn read(interface: Fields<'_>) -> Self {
        let mut logical = Logical::default();
        let mut assigned = Vec::new();
        for (name, field) in interface {
            match name {
                b"up" => logical.up = field.bool(),
                b"l3_device" => logical.l3_device = field.text(),
                b"metric" => logical.metric = field.u64(),
                b"ipv4-address" => logical.v4 = addresses(field).next(),
                b"ipv6-address" => logical.v6 = addresses(field).collect(),
                b"ipv6-prefix-assignment" => {
                    let parts = field.fields().take(MAX_ENTRIES);
                    let local = parts.filter_map(|(_, part)| part.fields().named(b"local-address"));
                    assigned = local
                        .filter_map(|local| local.fields().named(b"address")?.parse())
                        .collect();
                }
                b"route" => {
                    let routes = field.fields();
                    logical.routes = routes.list(|_, route| Route::read(route.fields())).items;
                }
                _ => {}
            }
        }
        logical.v6.append(&mut assigned);
        logical
    }

    fn is_up(&self) -> bool {
        self.up != Some(false)
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
    /// `None` if there is no list of interfaces in it.
    pub(super) fn read(reply: Fields<'_>) -> Option<Self> {
        let interfaces = reply.named(b"interface")?.array()?;
        let interfaces = interfaces.list(|_, one| Some(Logical::read(one.table()?)));
        Some(Dump {
            interface: interfaces.items,
        })
    }

    /// Who owns the default route of a family, with the lowest metric.
    fn owner(&self, v6: bool) -> Option<(&Logical, &str, Option<IpAddr>)> {
        let up = self.interface.iter().filter(|logical| logical.is_up());
        up.filter_map(|logical| {
            let device = logical.l3_device.as_deref()?;
            let metric = |route: &Route| route.metric.or(logical.metric).unwrap_or(0);
            let routes = logical.routes.iter().filter(|route| route.v6 == v6);
            let best = routes.min_by_key(|route| metric(route))?;
            Some((metric(best), (logical, device, best.gateway)))
        })
        .min_by_key(|(metric, _)| *metric)
        .map(|(_, owner)| owner)
    }

    /// The interface that owns the default route of IPv4, else that of IPv6.
    pub(super) fn wan(&self) -> Option<Wan> {
        let v6 = self.owner(true);
        let (logical, device, gateway) = self.owner(false).or(v6)?;
        let (ip, ip6) = self.addresses(device);
        Some(Wan {
            device: device.to_owned(),
            gateway,
            ip: logical.v4.or(ip),
            ip6: ip6.or_else(|| self.addresses(v6?.1).1),
        })
    }

    /// The addresses of a network device, over all its logical interfaces.
    pub(super) fn addresses(&self, device: &str) -> (Option<Ipv4Addr>, Option<Ipv6Addr>) {
        let mut known = (None, None);
        for logical in self.interface.iter().filter(|one| one.is_up()) {
            if logical.l3_device.as_deref() == Some(device) {
                known.0 = known.0.or(logical.v4);
                let v6 = logical.v6.iter();
                v6.for_each(|ip6| better_v6(&mut known.1, *ip6));
            }
        }
        known
    }
}

/// Fills in the way to the world, and the counters of its device as far as `interfaces` has them.
pub(super) fn fill(device: &mut Device, wan: Wan, interfaces: &[Interface]) {
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
    use super::*;
    use crate::ubus::blobmsg::Value;

    fn dump(json: &str) -> Dump {
        let value: Value = serde_json::from_str(json).unwrap();
        Dump::read(Fields::of(&value.to_members())).unwrap()
    }

    fn wan(interfaces: &str) -> Option<Wan> {
        dump(&format!(r#"{{"interface":[{interfaces}]}}"#)).wan()
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
