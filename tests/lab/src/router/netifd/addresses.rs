//! Addresses, routes and resolvers of an interface, as netifd sets them.

use std::net::IpAddr;

use super::package::prefix;
use super::{Netifd, Section, State};
use crate::site::{GATEWAY, LEASED, PREFIX};

impl Netifd {
    pub(super) fn add_addresses(&mut self, name: &str) {
        let Some(interface) = self.interfaces.get(name) else {
            return;
        };
        let Some(device) = self.device(interface).map(str::to_owned) else {
            return;
        };
        let (addresses, mut routes) = interface.section.addresses(&device);
        for route in self.network.routes_of(name) {
            let via = route.gateway.iter().map(|via| format!(" via {via}"));
            let metric = route.metric.iter().map(|n| format!(" metric {n}"));
            let words: String = via.chain(metric).collect();
            routes.push(format!("{} dev {device} proto static{words}", route.target));
        }
        // The loopback device has its own from the kernel.
        if device != "lo" {
            let add = |address: &String| match address.contains(':') {
                true => format!("addr replace {address} dev {device} nodad"),
                false => format!("addr replace {address} dev {device}"),
            };
            self.effects.ip.extend(addresses.iter().map(add));
        }
        let add = routes.iter().map(|route| format!("route replace {route}"));
        self.effects.ip.extend(add);
        if let Some(interface) = self.interfaces.get_mut(name) {
            interface.addresses = addresses;
            interface.routes = routes;
        }
    }

    pub(super) fn remove_addresses(&mut self, name: &str) {
        let Some(interface) = self.interfaces.get_mut(name) else {
            return;
        };
        let device = interface.section.device.clone().unwrap_or_default();
        let routes = std::mem::take(&mut interface.routes);
        let addresses = std::mem::take(&mut interface.addresses);
        let routes = routes.iter().map(|route| format!("route del {route}"));
        self.effects.ip.extend(routes);
        if device != "lo" {
            let del = |address: &String| format!("addr del {address} dev {device}");
            self.effects.ip.extend(addresses.iter().map(del));
        }
    }

    /// The servers of resolv.conf.auto.
    pub fn servers(&self) -> Vec<IpAddr> {
        let up = self.interfaces.values().filter(|i| i.state == State::Up);
        up.flat_map(|interface| interface.section.servers())
            .collect()
    }
}

impl Section {
    /// The addresses with their prefixes, and the words of the default routes.
    fn addresses(&self, device: &str) -> (Vec<String>, Vec<String>) {
        let dhcp = self.proto == "dhcp";
        let mut addresses = Vec::new();
        let mut gateways = Vec::new();
        if dhcp {
            addresses.push(format!("{LEASED}/{PREFIX}"));
            gateways.push(GATEWAY.to_string());
        }
        if self.proto == "static" {
            let prefix = self.word("netmask").and_then(prefix);
            let prefix = prefix.unwrap_or(32);
            addresses.extend(self.words("ipaddr").map(|word| match word.contains('/') {
                true => word.to_owned(),
                false => format!("{word}/{prefix}"),
            }));
            addresses.extend(self.words("ip6addr").map(str::to_owned));
            gateways.extend(self.words("gateway").map(str::to_owned));
            gateways.extend(self.words("ip6gw").map(str::to_owned));
        }
        let metric = self.word("metric").map(|n| format!(" metric {n}"));
        let metric = metric.unwrap_or_default();
        let routes = gateways
            .iter()
            .filter(|_| self.is_on("defaultroute"))
            .map(|via| format!("default via {via} dev {device} proto static{metric}"));
        (addresses, routes.collect())
    }

    pub(super) fn servers(&self) -> Vec<IpAddr> {
        let own = self.words("dns").filter_map(|word| word.parse().ok());
        let mut servers: Vec<IpAddr> = own.collect();
        if self.proto == "dhcp" && self.is_on("peerdns") {
            servers.push(GATEWAY.into());
        }
        servers
    }
}
