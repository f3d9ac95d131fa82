//! The way to the world that is in force.
//!
//! The kernel knows it. netifd knows what it set up: of several default routes with one metric the kernel keeps the
//! last, others change routes as well, and rules decide between tables. Its plan counts only where the kernel can
//! neither be asked nor has files that tell.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::collect::kernel::proc_net::{Addresses, InForce, Network};
use crate::collect::sources::netifd::network::{Dump, Wan};

/// The way to the world: that of IPv4, else that of IPv6.
pub(super) fn wan(dump: &Dump, kernel: &Network<'_>, addresses: &Addresses) -> Option<Wan> {
    match (kernel.in_force(), addresses) {
        (Some(told), _) => told_by_kernel(told, dump, addresses),
        // It tells addresses, but no routes.
        (None, Addresses::Asked(_)) => dump.wan(true),
        (None, Addresses::Read { routes, .. }) => {
            let told = || kernel.wan(routes, addresses);
            if routes.ways().best().is_none() {
                return dump.wan(!routes.whole).or_else(told);
            }
            let wan = told()?;
            let (ip, ip6) = dump.addresses(&wan.device);
            Some(Wan {
                ip: ip.or(wan.ip),
                ip6: ip6.or(wan.ip6).or_else(|| dump.planned_ip6()),
                ..wan
            })
        }
    }
}

/// The way that the kernel tells, with the address that the world sees: of several on a device only the kernel knows
/// it.
fn told_by_kernel(told: InForce, dump: &Dump, addresses: &Addresses) -> Option<Wan> {
    let [v4, v6] = told;
    let way = v4.as_ref().or(v6.as_ref())?;
    let device = way.device.as_str();
    let (planned, planned6) = dump.addresses(device);
    let ours = v4.as_ref().and_then(|way| v4_of(way.source?));
    let ours6 = v6.as_ref().and_then(|way| v6_of(way.source?));
    let other6 = || addresses.v6_on(&v6.as_ref()?.device);
    Some(Wan {
        device: device.to_owned(),
        gateway: way.gateway,
        ip: ours.or_else(|| addresses.v4_on(device)).or(planned),
        ip6: ours6
            .or_else(other6)
            .or_else(|| addresses.v6_on(device))
            .or(planned6),
    })
}

fn v4_of(ip: IpAddr) -> Option<Ipv4Addr> {
    match ip {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    }
}

fn v6_of(ip: IpAddr) -> Option<Ipv6Addr> {
    match ip {
        IpAddr::V6(ip) if !ip.is_unicast_link_local() => Some(ip),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use ubus::blobmsg::Value;

    use super::*;
    use crate::collect::kernel::fib;
    use crate::collect::kernel::netlink::Own;
    use crate::collect::reply::Fields;

    fn dump(json: &str) -> Dump {
        let value: Value = serde_json::from_str(json).unwrap();
        Dump::read(Fields::of(&value.to_members())).unwrap()
    }

    fn case(name: &str) -> Dump {
        let path = format!("tests/data/cases/{name}/bus/network.interface__dump.json");
        dump(&std::fs::read_to_string(path).unwrap())
    }

    fn by(device: &str, gateway: &str, source: &str) -> Option<fib::InForce> {
        Some(fib::InForce {
            device: device.to_owned(),
            gateway: gateway.parse().ok(),
            source: source.parse().ok(),
        })
    }

    fn addresses(known: &[(&str, &str)]) -> Addresses {
        let mut names: Vec<&str> = known.iter().map(|(device, _)| *device).collect();
        names.dedup();
        let own = names.into_iter().map(|name| {
            let mut own = Own::default();
            for (_, ip) in known.iter().filter(|(device, _)| *device == name) {
                match ip.parse().unwrap() {
                    IpAddr::V4(ip) => own.v4 = Some(ip),
                    IpAddr::V6(ip) => own.v6 = Some(ip),
                }
            }
            (name.to_owned(), own)
        });
        Addresses::Asked(own.collect())
    }

    fn wan(told: InForce, dump: &Dump, known: &[(&str, &str)]) -> Option<Wan> {
        told_by_kernel(told, dump, &addresses(known))
    }

    fn ip(text: &str) -> Option<Ipv4Addr> {
        text.parse().ok()
    }

    #[test]
    fn of_two_wans_with_one_metric_the_kernel_says_which_is_in_force() {
        let dump = case("two-wans-without-metrics");
        assert_eq!(dump.wan(true).unwrap().device, "eth0");
        let told = [by("wwan0", "10.77.1.1", "10.77.1.2"), None];
        let found = wan(told, &dump, &[("eth0", "203.0.113.24")]).unwrap();
        assert_eq!(found.device, "wwan0");
        assert_eq!(found.gateway, "10.77.1.1".parse().ok());
        assert_eq!(found.ip, ip("10.77.1.2"));
    }

    #[test]
    fn a_planned_route_that_is_not_in_force_is_no_way_out() {
        let dump = case("default-route-in-a-table-of-its-own");
        assert!(dump.wan(true).is_some());
        assert_eq!(wan([None, None], &dump, &[("eth0", "203.0.113.24")]), None);
        // In a table that only forwarded packets are led to, so that no address of ours is tied to it.
        let told = [by("eth0", "203.0.113.1", ""), None];
        let found = wan(told, &dump, &[("eth0", "203.0.113.24")]).unwrap();
        assert_eq!(found.ip, ip("203.0.113.24"));
    }

    #[test]
    fn the_address_that_the_world_sees_is_the_kernels_choice_of_several() {
        let dump = dump(
            r#"{"interface":[{"interface":"wan","up":true,"l3_device":"eth1",
                "ipv4-address":[{"address":"10.0.0.7","mask":24},{"address":"203.0.113.24","mask":24}],
                "ipv6-address":[{"address":"fd00::7","mask":64}],
                "route":[{"target":"0.0.0.0","mask":0,"nexthop":"203.0.113.1"}]}]}"#,
        );
        let told = || [by("eth1", "203.0.113.1", "203.0.113.24"), None];
        let known = [("eth1", "10.0.0.7"), ("eth1", "2001:db8::7")];
        let found = wan(told(), &dump, &known).unwrap();
        assert_eq!(found.ip, ip("203.0.113.24"));
        assert_eq!(found.ip6, "2001:db8::7".parse().ok());
        // The way of IPv6 may be another one.
        let [v4, _] = told();
        let told = [v4, by("tun6", "fe80::1", "2001:db8:6::1")];
        assert_eq!(
            wan(told, &dump, &known).unwrap().ip6,
            "2001:db8:6::1".parse().ok()
        );
    }

    #[test]
    fn without_ipv4_the_way_of_ipv6_counts() {
        let told = [None, by("pppoe-wan", "", "2001:db8::9")];
        let found = wan(told, &Dump::default(), &[("pppoe-wan", "100.64.12.7")]).unwrap();
        assert_eq!((found.device.as_str(), found.gateway), ("pppoe-wan", None));
        assert_eq!(found.ip, ip("100.64.12.7"));
        assert_eq!(found.ip6, "2001:db8::9".parse().ok());
    }
}
