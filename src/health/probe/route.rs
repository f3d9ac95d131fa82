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
    /// The device it goes by, or went by; `None` if there has been none since the agent started, and
    /// for a route of IPv4 outside the main table, whose device /proc does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    /// Whether the device has a link; absent while it is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carrier: Option<bool>,
    /// Whether it has an address that is no link-local one; looked at only without a route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<bool>,
}

impl Route {
    /// Reads /proc and /sys below `root`. Without a route `last`, the device that had it last, is
    /// looked at.
    pub(super) fn look(root: &Path, last: Option<&str>) -> Self {
        let uplink = kernel::uplink(root);
        let found = uplink.is_some();
        let (device, gateway) = match uplink {
            Some(uplink) => (uplink.device, uplink.gateway),
            None => (last.map(str::to_owned), None),
        };
        let of_device = device.as_deref();
        Route {
            found,
            carrier: of_device.and_then(|device| kernel::carrier(root, device)),
            address: of_device
                .filter(|_| !found)
                .map(|device| kernel::has_address(root, device)),
            device,
            gateway,
        }
    }
}
