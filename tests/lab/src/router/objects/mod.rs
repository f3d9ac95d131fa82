//! The objects of the router: what they are called, what they offer, what they answer. Pure.

mod dhcp;
mod hostapd;
mod iwinfo;
mod network;
mod system;
mod uci;

use ubus::blobmsg::Value;
use ubus::{Method, Status};

use super::ap::APS;
use super::world::World;

pub(crate) use self::uci::DHCP_FILE;
pub(super) use network::radio_status;
pub use network::SECRETS;
pub(super) use system::board;

/// The answer of a method: data and success, success alone, or a status.
pub type Reply = Result<Option<Value>, Status>;

/// The objects that exist only where rpcd runs.
pub(super) const RPCD: [&str; 3] = ["iwinfo", "luci-rpc", "uci"];

/// Path and methods of every object, with the interfaces of the sample.
pub fn catalogue() -> Vec<(String, Vec<Method>)> {
    catalogue_of(None)
}

/// The same with these interfaces, if they are known.
pub(super) fn catalogue_of(interfaces: Option<Vec<String>>) -> Vec<(String, Vec<Method>)> {
    let mut objects: Vec<(String, Vec<Method>)> = vec![
        ("dhcp".into(), dhcp::odhcpd_methods()),
        ("dnsmasq".into(), dhcp::dnsmasq_methods()),
        // As far as the agent is concerned, it only has to be there.
        ("hostapd".into(), Vec::new()),
        ("iwinfo".into(), iwinfo::methods()),
        ("luci-rpc".into(), dhcp::luci_methods()),
        ("network".into(), network::methods()),
        ("network.device".into(), network::device_methods()),
        ("network.interface".into(), network::interface_methods()),
        ("network.wireless".into(), network::wireless_methods()),
        ("service".into(), system::service_methods()),
        ("system".into(), system::methods()),
        ("uci".into(), uci::methods()),
    ];
    objects.extend(
        APS.iter()
            .map(|ap| (format!("hostapd.{}", ap.ifname), hostapd::methods())),
    );
    let interfaces = interfaces.unwrap_or_else(|| network::interfaces().collect());
    objects.extend(interfaces.into_iter().map(|name| {
        (
            format!("network.interface.{name}"),
            network::one_interface_methods(),
        )
    }));
    objects.sort_by(|a, b| a.0.cmp(&b.0));
    objects
}

/// An interface of the sample.
pub(super) fn is_sampled(interface: &str) -> bool {
    network::interfaces().any(|name| name == interface)
}

/// Answers one call. `args` is the table the caller sent.
pub fn answer(world: &World, path: &str, method: &str, args: &Value) -> Reply {
    match path {
        "dhcp" => dhcp::odhcpd(world, method),
        "dnsmasq" => dhcp::dnsmasq(world, method),
        "iwinfo" => iwinfo::answer(world, method, args),
        "luci-rpc" => dhcp::luci(world, method, args),
        "network" => network::daemon(method),
        "network.device" => network::device(world, method, args),
        "network.interface" => network::interface(world, method, args),
        "hostapd" => Err(Status::METHOD_NOT_FOUND),
        "network.wireless" => network::wireless(world, method),
        "service" => system::service(method),
        "system" => system::answer(world, method),
        "uci" => uci::answer(world, method, args),
        _ => {
            if let Some(ifname) = path.strip_prefix("hostapd.") {
                let ap = APS.iter().position(|ap| ap.ifname == ifname);
                hostapd::answer(world, ap.ok_or(Status::NOT_FOUND)?, method)
            } else if let Some(name) = path.strip_prefix("network.interface.") {
                network::one_interface(world, name, method)
            } else {
                Err(Status::NOT_FOUND)
            }
        }
    }
}

/// A text argument, if there is one.
fn text<'v>(args: &'v Value, name: &str) -> Option<&'v str> {
    args.get(name)?.as_str()
}

#[cfg(test)]
mod tests;
