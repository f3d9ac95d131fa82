//! Is there a default route, and if not, what is missing?

use std::net::IpAddr;
use std::path::Path;

use serde::Serialize;

use crate::collect::kernel;

/// The way out, as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Route {
    /// There is a default route, of IPv4 or IPv6, in any table.
    pub found: bool,
    /// The device it goes by, or went by; `None` without a route until netifd has an interface for it, and, where
    /// the kernel cannot be asked, for a route of IPv4 outside the main table: /proc does not tell its device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    /// True if the device, and the one it lies on, has a link; absent while it is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carrier: Option<bool>,
    /// True if it has an address that is not link-local.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<bool>,
}

/// The way out there was last, or that netifd means to have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Last {
    pub(crate) device: Option<String>,
    /// The device it lies on, if that is another one: `eth1` below `pppoe-wan`.
    pub(crate) base: Option<String>,
    /// netifd's word about its link, where the kernel says nothing.
    pub(crate) carrier: Option<bool>,
}

impl Route {
    /// Reads /proc and /sys below `root`. Without a route, the device of `last` is looked at.
    pub(crate) fn look(root: &Path, last: &Last) -> Self {
        let ways = kernel::ways(root);
        let found = !ways.is_empty();
        let (device, gateway) = match ways.into_iter().next() {
            Some(way) => (way.device, way.gateway),
            None => (last.device.clone().or_else(|| last.base.clone()), None),
        };
        let base = last.base.as_deref().filter(|_| device == last.device);
        // The device below has the cable.
        let below = base.and_then(|base| kernel::carrier(root, base));
        let own = device
            .as_deref()
            .and_then(|device| kernel::carrier(root, device));
        let carrier = match (own, below) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (own, below) => own.or(below),
        };
        // netifd counts where the kernel knows no such device.
        let is_known = |device: &String| kernel::index(root, device).is_some();
        let of_netifd = last
            .carrier
            .filter(|_| device == last.device && !device.as_ref().is_some_and(is_known));
        Route {
            found,
            carrier: carrier.or(of_netifd),
            address: device
                .as_deref()
                .map(|device| kernel::has_address(root, device)),
            device,
            gateway,
        }
    }

    /// The part that is lost of the way there was; `None` if nothing is. `remains` says whether the kernel still
    /// has its default route.
    pub(crate) fn lost(&self, before: &Route, remains: bool) -> Option<String> {
        if before.found && !self.found {
            return Some("the default route is gone".to_owned());
        }
        let device = before.device.as_deref()?;
        if before.found && !remains {
            return Some(format!("{device} has lost its default route"));
        }
        if self.device.as_deref() != Some(device) {
            return None;
        }
        if before.carrier == Some(true) && self.carrier != Some(true) {
            return Some(match self.carrier {
                Some(_) => format!("{device} has lost its link"),
                None => format!("{device} is down"),
            });
        }
        let lost = before.address == Some(true) && self.address == Some(false);
        lost.then(|| format!("{device} has lost its address"))
    }

    /// Something of the way came back.
    pub(crate) fn is_better_than(&self, before: &Route) -> bool {
        let better = |now: Option<bool>, before: Option<bool>| now == Some(true) && now != before;
        self.found && !before.found
            || better(self.carrier, before.carrier)
            || better(self.address, before.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route() -> Route {
        Route {
            found: true,
            device: Some("wan".into()),
            gateway: None,
            carrier: Some(true),
            address: Some(true),
        }
    }

    fn lost(change: impl FnOnce(&mut Route), remains: bool) -> Option<String> {
        let mut now = route();
        change(&mut now);
        now.lost(&route(), remains)
    }

    #[test]
    fn link_address_and_route_are_each_missed_and_another_way_that_comes_is_no_loss() {
        assert_eq!(lost(|_| {}, true), None);
        let told = lost(|now| now.found = false, false).unwrap();
        assert_eq!(told, "the default route is gone");
        let told = lost(|now| now.carrier = Some(false), true).unwrap();
        assert_eq!(told, "wan has lost its link");
        let told = lost(|now| now.carrier = None, true).unwrap();
        assert_eq!(told, "wan is down");
        let told = lost(|now| now.address = Some(false), true).unwrap();
        assert_eq!(told, "wan has lost its address");
        let other = |now: &mut Route| now.device = Some("wwan0".into());
        assert_eq!(lost(other, true), None);
        let told = lost(other, false).unwrap();
        assert_eq!(told, "wan has lost its default route");
        // That of IPv4; the one of IPv6 is left.
        let told = lost(|_| {}, false).unwrap();
        assert_eq!(told, "wan has lost its default route");
    }

    #[test]
    fn what_comes_back_is_seen_and_what_was_never_there_is_not_missed() {
        let none = Route::default();
        assert!(route().is_better_than(&none) && !none.is_better_than(&route()));
        assert!(!route().is_better_than(&route()));
        assert_eq!(none.lost(&none, false), None);
        assert_eq!(route().lost(&none, false), None);
    }
}
