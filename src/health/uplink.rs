//! The uplink: the interface of netifd that the way out goes by. Pure.

use super::facts::Uplink;
use super::probe::Last;
use crate::collect::kernel::Way;
use crate::collect::netifd::Interface;

/// netifd's word, and others that look after the way out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Netifd {
    pub(super) interfaces: Vec<Interface>,
    /// mwan3 is on the bus.
    pub(super) mwan3: bool,
    /// True if the device of the way has a link.
    pub(super) carrier: Option<bool>,
}

impl Netifd {
    /// The interface that owns the kernel's default route: the first of `ways`. A VPN's device, and a route
    /// of a table that /proc does not tell, have no owner in netifd; then it is that of netifd's best
    /// default route.
    pub(super) fn owner(&self, ways: &[Way]) -> Option<&Interface> {
        let best = ways.first()?;
        let owners = || {
            let up = self.interfaces.iter().filter(|one| one.up);
            up.filter(|one| one.v4.is_some() || one.v6.is_some())
        };
        let of_device =
            || owners().filter(|one| one.l3_device.is_some() && one.l3_device == best.device);
        let family = |one: &&Interface| if best.v6 { one.v6 } else { one.v4 };
        let metric = |one: &&Interface| one.v4.or(one.v6);
        let with_family = of_device().find(|one| family(one).is_some());
        let owner = with_family.or_else(|| of_device().next());
        let lasting = owner.and_then(|one| self.lasting(one));
        lasting.or_else(|| owners().filter(|one| !one.dynamic).min_by_key(metric))
    }

    /// The interface of UCI that `one` is, or belongs to by its name: `wan6` of `wan6_4`, which would be gone for good
    /// after `down`.
    fn lasting<'a>(&'a self, one: &'a Interface) -> Option<&'a Interface> {
        if !one.dynamic {
            return Some(one);
        }
        let (name, _) = one.name.rsplit_once('_')?;
        let mut all = self.interfaces.iter();
        all.find(|of| of.name == name && !of.dynamic)
    }

    /// The uplink, as it is reported.
    pub(super) fn uplink(&self, ways: &[Way]) -> Option<Uplink> {
        let owner = self.owner(ways)?;
        let best = ways.first()?;
        // Two interfaces, one for each family, share a device and a fate; and a tunnel is no second way beside the
        // one of the other family that it lies on.
        let by = best.device.as_ref().or(owner.l3_device.as_ref());
        let other = |device: Option<&String>| device.is_some() && device != by;
        let mut of_kernel = ways.iter().filter(|way| way.v6 == best.v6);
        let of_netifd = self.interfaces.iter().filter(|one| one.up);
        let mut of_netifd = of_netifd.filter(|one| if best.v6 { one.v6 } else { one.v4 }.is_some());
        Some(Uplink {
            interface: owner.name.clone(),
            device: owner.l3_device.clone(),
            shared: self.mwan3
                || of_kernel.any(|way| other(way.device.as_ref()))
                || of_netifd.any(|one| other(one.l3_device.as_ref())),
        })
    }

    /// Where to look while there is no default route: at the interface of `known`, the uplink there was, or
    /// else at the one that netifd means to get it by.
    pub(super) fn last(&self, known: Option<&Uplink>) -> Last {
        let known_one = known.and_then(|known| {
            let mut all = self.interfaces.iter();
            all.find(|one| one.name == known.interface)
        });
        let meant = || {
            let all = self.interfaces.iter().filter(|one| one.autostart);
            let ranked = all.filter_map(|one| Some((rank(one)?, one)));
            ranked.min_by_key(|(rank, _)| *rank).map(|(_, one)| one)
        };
        let interface = match known {
            Some(_) => known_one,
            None => meant(),
        };
        // An alias of another interface, such as `@wan`, is no device.
        let base = interface.and_then(|one| one.device.clone());
        let base = base.filter(|device| !device.starts_with('@'));
        let device = interface.and_then(|one| one.l3_device.clone());
        Last {
            device: device
                .or_else(|| known.and_then(|known| known.device.clone()))
                .or_else(|| base.clone()),
            base,
            carrier: self.carrier,
        }
    }
}

/// The likelihood that netifd means to get the default route by this interface; `None` for a network of
/// the device's own.
fn rank(interface: &Interface) -> Option<u8> {
    match interface.proto.as_str() {
        "none" | "" => None,
        // One with a network behind it is up without a link, too.
        "static" => (!interface.up).then_some(2),
        "dhcpv6" => Some(1),
        _ => Some(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(name: &str, proto: &str, device: &str) -> Interface {
        Interface {
            name: name.into(),
            up: true,
            autostart: true,
            proto: proto.into(),
            device: Some(device.into()),
            l3_device: Some(device.into()),
            ..Interface::default()
        }
    }

    fn router() -> Netifd {
        let mut wan = interface("wan", "pppoe", "eth1");
        wan.l3_device = Some("pppoe-wan".into());
        wan.v4 = Some(0);
        let mut wan6 = interface("wan6", "dhcpv6", "pppoe-wan");
        wan6.v6 = Some(512);
        Netifd {
            interfaces: vec![interface("lan", "static", "br-lan"), wan6, wan],
            ..Netifd::default()
        }
    }

    fn way(device: &str, gateway: &str) -> Way {
        Way {
            device: Some(device.into()),
            gateway: gateway.parse().ok(),
            v6: gateway.contains(':'),
        }
    }

    fn told(netifd: &Netifd, ways: &[Way]) -> Option<(String, bool)> {
        let uplink = netifd.uplink(ways)?;
        Some((uplink.interface, uplink.shared))
    }

    #[test]
    fn the_owner_is_the_interface_of_the_kernels_device_and_of_the_routes_family() {
        let netifd = router();
        let alone = |name: &str| Some((name.to_owned(), false));
        let (v4, v6) = (way("pppoe-wan", ""), way("pppoe-wan", "fe80::1"));
        assert_eq!(told(&netifd, &[v4.clone(), v6.clone()]), alone("wan"));
        assert_eq!(told(&netifd, &[v6]), alone("wan6"));
        // Policy routing, whose device /proc does not tell.
        assert_eq!(told(&netifd, &[Way::default()]), alone("wan"));
        // A VPN in front of it: netifd's own route is another way that works.
        assert_eq!(
            told(&netifd, &[way("wg0", ""), v4]),
            Some(("wan".to_owned(), true))
        );
        assert_eq!(told(&netifd, &[]), None);
        let lan = Netifd {
            interfaces: vec![interface("lan", "static", "br-lan")],
            ..Netifd::default()
        };
        assert_eq!(told(&lan, &[way("br-lan", "192.0.2.1")]), None);
    }

    #[test]
    fn an_uplink_is_shared_with_another_default_route_and_with_mwan3() {
        let mut netifd = router();
        let ways = [way("pppoe-wan", ""), way("wwan0", "10.0.0.1")];
        assert_eq!(told(&netifd, &ways), Some(("wan".to_owned(), true)));
        netifd.mwan3 = true;
        assert_eq!(told(&netifd, &ways[..1]), Some(("wan".to_owned(), true)));
        let mut netifd = router();
        let mut backup = interface("wwan", "dhcp", "wwan0");
        backup.v4 = Some(20);
        netifd.interfaces.push(backup);
        assert_eq!(told(&netifd, &ways[..1]), Some(("wan".to_owned(), true)));
    }

    #[test]
    fn a_default_route_of_the_other_family_is_no_second_way_out() {
        // DS-Lite, MAP-E and 464XLAT carry IPv4 over the IPv6 of `wan6`.
        let mut wan6 = interface("wan6", "dhcpv6", "eth1");
        wan6.v6 = Some(0);
        let mut tunnel = interface("wan6_4", "dslite", "ds-wan6_4");
        (tunnel.v4, tunnel.dynamic) = (Some(0), true);
        let netifd = Netifd {
            interfaces: vec![interface("lan", "static", "br-lan"), tunnel, wan6],
            ..Netifd::default()
        };
        let ways = [way("ds-wan6_4", ""), way("eth1", "fe80::1")];
        // netifd would drop the tunnel for good if it were taken down.
        assert_eq!(told(&netifd, &ways), Some(("wan6".to_owned(), false)));
        assert_eq!(told(&netifd, &ways[1..]), Some(("wan6".to_owned(), false)));

        // 6in4 carries IPv6 over the IPv4 of `wan`.
        let mut netifd = router();
        let mut tunnel = interface("henet", "6in4", "6in4-henet");
        tunnel.v6 = Some(0);
        netifd.interfaces.push(tunnel);
        let ways = [way("pppoe-wan", ""), way("6in4-henet", "fe80::1")];
        assert_eq!(told(&netifd, &ways), Some(("wan".to_owned(), false)));
    }

    #[test]
    fn an_interface_that_a_program_made_without_one_to_its_name_is_no_uplink() {
        let mut tunnel = interface("wan_6", "dhcpv6", "pppoe-wan");
        (tunnel.v6, tunnel.dynamic) = (Some(0), true);
        let mut netifd = Netifd {
            interfaces: vec![tunnel],
            ..Netifd::default()
        };
        let ways = [way("pppoe-wan", "fe80::1")];
        assert_eq!(told(&netifd, &ways), None);
        netifd
            .interfaces
            .push(interface("wan", "pppoe", "pppoe-wan"));
        assert_eq!(told(&netifd, &ways), Some(("wan".to_owned(), false)));
    }

    #[test]
    fn without_a_route_the_device_of_the_last_owner_is_looked_at_and_the_one_below_it() {
        let mut netifd = router();
        let known = netifd.uplink(&[way("pppoe-wan", "")]).unwrap();
        let wan = &mut netifd.interfaces[2];
        (wan.up, wan.l3_device, wan.v4) = (false, None, None);
        let last = netifd.last(Some(&known));
        assert_eq!(last.device.as_deref(), Some("pppoe-wan"));
        assert_eq!(last.base.as_deref(), Some("eth1"));
    }

    #[test]
    fn a_device_that_never_had_a_route_looks_where_netifd_means_to_get_one() {
        let mut netifd = router();
        for one in &mut netifd.interfaces[1..] {
            (one.up, one.l3_device, one.v4, one.v6) = (false, None, None, None);
        }
        netifd.interfaces[1].device = Some("@wan".into());
        let last = netifd.last(None);
        assert_eq!(
            (last.device.as_deref(), last.base.as_deref()),
            (Some("eth1"), Some("eth1"))
        );
        // Somebody switched it off; what is left is no device.
        netifd.interfaces[2].autostart = false;
        assert_eq!(netifd.last(None), Last::default());
        assert_eq!(Netifd::default().last(None), Last::default());
    }
}
