//! What other parts ask the kernel about the way out.

use std::net::IpAddr;
use std::path::Path;

use super::files::Files;
use super::proc_net::Network;

/// A default route, of IPv4 or IPv6; of any table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Way {
    /// Absent for a route of IPv4 outside the main table: /proc does not tell its device.
    pub(crate) device: Option<String>,
    /// Absent on a point-to-point link, too.
    pub(crate) gateway: Option<IpAddr>,
    pub(crate) v6: bool,
}

/// Reads the default routes below `root`, the one that counts first: those of IPv4 before those of
/// IPv6, each family by its metric.
pub(crate) fn ways(root: &Path) -> Vec<Way> {
    let files = Files::below(root);
    let network = Network::of(&files);
    let ways = network.ways().into_iter();
    let mut ways: Vec<Way> = ways
        .map(|(device, gateway)| Way {
            device: Some(device),
            gateway: Some(gateway).filter(|one| !one.is_unspecified()),
            v6: gateway.is_ipv6(),
        })
        .collect();
    if ways.is_empty() && network.has_default_v4() {
        ways.push(Way::default());
    }
    ways
}

/// Whether `device` has a link; `None` while it is down, and without such a device.
pub(crate) fn carrier(root: &Path, device: &str) -> Option<bool> {
    Network::of(&Files::below(root)).carrier(device)
}

/// Whether `device` has an address of IPv4, or one of IPv6 that is not link-local.
pub(crate) fn has_address(root: &Path, device: &str) -> bool {
    Network::of(&Files::below(root)).has_address(device)
}

/// The kernel's number of `device`.
pub(crate) fn index(root: &Path, device: &str) -> Option<u32> {
    Files::below(root).number(&format!("sys/class/net/{device}/ifindex"))
}
