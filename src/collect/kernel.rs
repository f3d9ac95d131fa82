//! What other parts ask the kernel about the way out.

use std::net::IpAddr;
use std::path::Path;

use super::files::Files;
use super::proc_net::Network;

/// A default route, of IPv4 or else of IPv6; of any table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Uplink {
    /// Absent for a route of IPv4 outside the main table: /proc does not tell its device.
    pub(crate) device: Option<String>,
    /// Absent on a point-to-point link, too.
    pub(crate) gateway: Option<IpAddr>,
}

/// Reads the routes below `root`; `None` without a default route.
pub(crate) fn uplink(root: &Path) -> Option<Uplink> {
    let files = Files::below(root);
    let network = Network::of(&files);
    match network.wan() {
        Some(wan) => Some(Uplink {
            device: Some(wan.device),
            gateway: wan.gateway,
        }),
        None => network.has_default_v4().then_some(Uplink {
            device: None,
            gateway: None,
        }),
    }
}

/// Whether `device` has a link; `None` while it is down, and without such a device.
pub(crate) fn carrier(root: &Path, device: &str) -> Option<bool> {
    Network::of(&Files::below(root)).carrier(device)
}

/// Whether `device` has an address of IPv4, or one of IPv6 that is not link-local.
pub(crate) fn has_address(root: &Path, device: &str) -> bool {
    Network::of(&Files::below(root)).has_address(device)
}
