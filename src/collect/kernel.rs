//! What other parts ask the kernel about the way out.

use std::net::IpAddr;
use std::path::Path;

use super::files::Files;
use super::proc_net::Network;

/// The default route, of IPv4 or else of IPv6.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Uplink {
    pub(crate) device: String,
    /// Absent on a point-to-point link.
    pub(crate) gateway: Option<IpAddr>,
}

/// Reads the routes below `root`; `None` without a default route.
pub(crate) fn uplink(root: &Path) -> Option<Uplink> {
    let files = Files::below(root);
    let wan = Network::of(&files).wan()?;
    Some(Uplink {
        device: wan.device,
        gateway: wan.gateway,
    })
}

/// Whether `device` has a link; `None` while it is down, and without such a device.
pub(crate) fn carrier(root: &Path, device: &str) -> Option<bool> {
    Network::of(&Files::below(root)).carrier(device)
}

/// Whether `device` has an address of IPv4, or one of IPv6 that is not link-local.
pub(crate) fn has_address(root: &Path, device: &str) -> bool {
    Network::of(&Files::below(root)).has_address(device)
}
