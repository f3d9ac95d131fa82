//! Questions of other parts to the kernel about the way out.

pub(crate) mod fib;
pub(crate) mod fib_trie;
pub(crate) mod files;
pub(crate) mod netlink;
pub(crate) mod proc_net;
pub(crate) mod routes;

use std::net::IpAddr;
use std::path::Path;

use files::Files;
use proc_net::Network;

/// A default route, of IPv4 or IPv6; of any table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Way {
    /// Absent for a route of IPv4 outside the main table where the kernel cannot be asked: /proc does not tell it.
    pub(crate) device: Option<String>,
    /// Absent on a point-to-point link, too.
    pub(crate) gateway: Option<IpAddr>,
    pub(crate) v6: bool,
}

/// The default routes, the one that counts first: those of IPv4 before those of IPv6, each family by its metric,
/// but the one in force before others. Read below `root` where the kernel cannot be asked.
pub(crate) fn ways(root: &Path) -> Vec<Way> {
    let files = Files::below(root);
    let network = Network::of(&files);
    let ways = network.ways().into_iter();
    let mut ways: Vec<Way> = ways
        .map(|(v6, way)| Way {
            gateway: way.gateway(),
            device: Some(way.device),
            v6,
        })
        .collect();
    if ways.is_empty() && !files.is_this_machine() && network.has_default_v4() {
        ways.push(Way::default());
    }
    ways
}

/// True if `device` has a link; `None` while it is down, and without such a device.
pub(crate) fn carrier(root: &Path, device: &str) -> Option<bool> {
    Network::of(&Files::below(root)).carrier(device)
}

/// True if `device` has an address of IPv4, or one of IPv6 that is not link-local.
pub(crate) fn has_address(root: &Path, device: &str) -> bool {
    Network::of(&Files::below(root)).has_address(device)
}

/// The kernel's number of `device`.
pub(crate) fn index(root: &Path, device: &str) -> Option<u32> {
    Files::below(root).number(&format!("sys/class/net/{device}/ifindex"))
}
