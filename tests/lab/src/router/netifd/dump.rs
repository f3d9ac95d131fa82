//! An interface as `network.interface` shows it.

use ubus::blobmsg::Value;

use super::{Interface, Netifd, State};
use crate::router::members::{push, set, table};
use crate::site::{GATEWAY, PREFIX};

impl Netifd {
    /// `dump`.
    pub fn dump(&self) -> Value {
        let entries: Vec<Value> = self
            .interfaces
            .iter()
            .map(|(name, interface)| {
                let mut entry = table! { "interface": name.as_str() };
                if let (Value::Table(entry), Value::Table(status)) =
                    (&mut entry, self.show(interface))
                {
                    entry.extend(status);
                }
                entry
            })
            .collect();
        table! { "interface": entries }
    }

    /// `status` of one.
    pub fn status(&self, name: &str) -> Option<Value> {
        let interface = self.interfaces.get(name)?;
        Some(self.show(interface))
    }

    fn show(&self, interface: &Interface) -> Value {
        let up = interface.state == State::Up;
        let device = self.device(interface);
        let mut status = table! {
            "up": up,
            "pending": interface.state == State::Pending,
            "available": device.is_some(),
            "autostart": interface.autostart,
            "dynamic": false,
        };
        if let (true, Some(device)) = (up, device) {
            push(
                &mut status,
                "uptime",
                self.now.saturating_sub(interface.since),
            );
            push(&mut status, "l3_device", device);
        }
        push(&mut status, "proto", interface.section.proto.as_str());
        if let Some(device) = device {
            push(&mut status, "device", device);
        }
        let mut data = table! {};
        if up {
            self.show_addresses(interface, &mut status);
            if interface.section.proto == "dhcp" {
                data = table! { "dhcpserver": GATEWAY.to_string(), "leasetime": 7200u32 };
            }
        }
        push(&mut status, "data", data);
        if device.is_none() {
            let error = table! { "subsystem": "interface", "code": "NO_DEVICE" };
            push(&mut status, "errors", vec![error]);
        }
        status
    }

    fn show_addresses(&self, interface: &Interface, status: &mut Value) {
        let section = &interface.section;
        let metric = section.word("metric").and_then(|n| n.parse().ok());
        push(status, "metric", metric.unwrap_or(0u32));
        push(status, "dns_metric", 0u32);
        push(status, "delegation", true);
        let split = |address: &String| {
            let (address, mask) = address.split_once('/')?;
            let mask: u32 = mask.parse().ok()?;
            Some(table! { "address": address, "mask": mask })
        };
        let (v6, v4): (Vec<&String>, Vec<&String>) =
            interface.addresses.iter().partition(|a| a.contains(':'));
        let shown = |list: Vec<&String>| list.into_iter().filter_map(split).collect::<Vec<_>>();
        push(status, "ipv4-address", shown(v4));
        push(status, "ipv6-address", shown(v6));
        for empty in ["ipv6-prefix", "ipv6-prefix-assignment"] {
            push(status, empty, Vec::<Value>::new());
        }
        let routes = interface.routes.iter().filter_map(|route| {
            let mut words = route.split(' ');
            let target = words.next()?;
            let via = words.clone().skip_while(|word| *word != "via").nth(1);
            let (target, mask) = match (target, via) {
                ("default", Some(via)) if via.contains(':') => ("::", 0),
                ("default", _) => ("0.0.0.0", 0),
                (target, _) => {
                    let (target, mask) = target.split_once('/').unwrap_or((target, "32"));
                    (target, mask.parse().unwrap_or(32u32))
                }
            };
            let nexthop = via.unwrap_or("0.0.0.0");
            let mut shown = table! { "target": target, "mask": mask, "nexthop": nexthop };
            let source = interface.addresses.iter().find(|a| !a.contains(':'));
            if let Some(source) =
                source.and_then(|source| source.strip_suffix(&format!("/{PREFIX}")))
            {
                push(&mut shown, "source", format!("{source}/32"));
            }
            Some(shown)
        });
        push(status, "route", routes.collect::<Vec<_>>());
        let servers: Vec<String> = section.servers().iter().map(ToString::to_string).collect();
        push(status, "dns-server", servers);
        for empty in ["dns-search", "neighbors"] {
            push(status, empty, Vec::<Value>::new());
        }
        let mut inactive = table! {};
        for list in [
            "ipv4-address",
            "ipv6-address",
            "route",
            "dns-server",
            "dns-search",
            "neighbors",
        ] {
            set(&mut inactive, list, Vec::<Value>::new());
        }
        push(status, "inactive", inactive);
    }
}
