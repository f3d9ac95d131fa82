//! `/etc/config/network` as netifd reads it.

use std::collections::{BTreeMap, BTreeSet};

use uci::{ParseError, Reason, Section as UciSection};

/// A package of UCI.
pub(in crate::router) type Package = uci::Package;

/// The contents of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    pub interfaces: BTreeMap<String, Section>,
    /// Devices that netifd makes.
    pub bridges: BTreeSet<String>,
    pub routes: Vec<Route>,
}

/// An interface of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    pub device: Option<String>,
    pub proto: String,
    pub auto: bool,
    options: BTreeMap<String, Vec<String>>,
}

/// A route of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub interface: String,
    pub target: String,
    pub gateway: Option<String>,
    pub metric: Option<String>,
}

/// The meaning of another section of the same name for an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Nothing that netifd looks at.
    Nothing,
    /// Its addresses and routes are set again; it stays up.
    Addresses,
    /// It goes down and comes up.
    Restart,
}

/// Options of every interface that change its routes alone.
const OF_ADDRESSES: [&str; 4] = ["metric", "defaultroute", "ip4table", "ip6table"];

/// Options of every interface, or of its device, for which it is restarted.
const OF_INTERFACES: [&str; 4] = ["device", "proto", "zone", "mtu"];

/// Options of the protocols; of another, everything is one.
const STATIC: [&str; 7] = [
    "ipaddr",
    "ip6addr",
    "netmask",
    "broadcast",
    "gateway",
    "ip6gw",
    "ip6prefix",
];
const DHCP: [&str; 12] = [
    "ipaddr",
    "netmask",
    "hostname",
    "clientid",
    "vendorid",
    "broadcast",
    "norelease",
    "reqopts",
    "defaultreqopts",
    "sendopts",
    "customroutes",
    "classlessroute",
];
const NONE: [&str; 0] = [];

impl Network {
    /// Reads the file. netifd asks libuci not to be strict: a line that it does not understand is
    /// skipped, a quotation that does not end reaches to the end of the file.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut text = bytes.to_vec();
        // Each round takes at least one line away.
        let package = loop {
            match Package::parse(&text) {
                Ok(package) => break package,
                Err(error) if !skip(&mut text, &error) => return Network::default(),
                Err(_) => {}
            }
        };
        Network::of(&package)
    }

    fn of(package: &Package) -> Self {
        let mut network = Network::default();
        for section in package.sections() {
            match &*section.kind {
                "interface" if !is_on(text(section, "disabled").as_deref()) => {
                    let read = Section::read(section);
                    network.interfaces.insert(section.id.to_string(), read);
                }
                "device" if text(section, "type").as_deref() == Some("bridge") => {
                    network.bridges.extend(text(section, "name"));
                }
                "route" => network.routes.extend(route(section)),
                _ => {}
            }
        }
        network
    }

    /// The routes of an interface.
    pub fn routes_of<'a>(&'a self, interface: &'a str) -> impl Iterator<Item = &'a Route> {
        self.routes
            .iter()
            .filter(move |route| route.interface == interface)
    }
}

/// Empties the lines of the refused command; false if it has no lines.
fn skip(text: &mut [u8], error: &ParseError) -> bool {
    let starts = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    let mut starts = std::iter::once(0).chain(starts.map(|(at, _)| at + 1));
    let Some(start) = starts.nth(error.line.saturating_sub(1)) else {
        return false;
    };
    let open = matches!(
        error.reason,
        Reason::OpenSingleQuote | Reason::OpenDoubleQuote
    );
    let length = match open {
        true => text.len() - start,
        false => {
            let lines = error.lines_read.saturating_sub(error.line).max(1);
            let ends = text[start..].iter().enumerate();
            let mut ends = ends.filter(|(_, byte)| **byte == b'\n');
            ends.nth(lines - 1).map_or(text.len() - start, |(at, _)| at)
        }
    };
    let blank = text[start..start + length].iter().all(|byte| *byte == b' ');
    for byte in &mut text[start..start + length] {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
    length > 0 && !blank
}

fn text(section: &UciSection, name: &str) -> Option<String> {
    let value = section.option(name)?;
    Some(String::from_utf8_lossy(value).into_owned())
}

fn is_on(text: Option<&str>) -> bool {
    matches!(text, Some("1" | "true" | "yes" | "on" | "enabled"))
}

fn route(section: &UciSection) -> Option<Route> {
    let target = text(section, "target")?;
    let target = match text(section, "netmask").as_deref().and_then(prefix) {
        Some(prefix) if !target.contains('/') => format!("{target}/{prefix}"),
        _ => target,
    };
    Some(Route {
        interface: text(section, "interface")?,
        target,
        gateway: text(section, "gateway"),
        metric: text(section, "metric"),
    })
}

/// The length of a netmask.
pub(super) fn prefix(netmask: &str) -> Option<u8> {
    let mask: std::net::Ipv4Addr = netmask.parse().ok()?;
    Some(u32::from(mask).leading_ones() as u8)
}

impl Section {
    fn read(section: &UciSection) -> Self {
        let options = section.options().iter().map(|entry| {
            let items = entry.value.items();
            let items = items.map(|item| String::from_utf8_lossy(item).into_owned());
            (entry.name.to_string(), items.collect())
        });
        let proto = text(section, "proto").unwrap_or_else(|| "none".to_owned());
        Section {
            device: text(section, "device"),
            proto,
            auto: text(section, "auto").is_none_or(|auto| is_on(Some(&auto))),
            options: options.collect(),
        }
    }

    /// Every word of an option, which may be a list.
    pub fn words<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let items = self.options.get(name).into_iter().flatten();
        items.flat_map(|item| item.split_whitespace())
    }

    pub fn word(&self, name: &str) -> Option<&str> {
        self.words(name).next()
    }

    /// A switch that is on unless the file says otherwise.
    pub fn is_on(&self, name: &str) -> bool {
        self.word(name).is_none_or(|word| is_on(Some(word)))
    }

    /// The meaning of `new` in its place.
    pub fn change_to(&self, new: &Section) -> Change {
        let differs = |name: &str| self.options.get(name) != new.options.get(name);
        let own: &[&str] = match self.proto.as_str() {
            "static" => &STATIC,
            "dhcp" => &DHCP,
            _ => &NONE,
        };
        if OF_INTERFACES.iter().chain(own).any(|name| differs(name)) {
            return Change::Restart;
        }
        // Off, it goes down; on, it comes up as it is.
        if self.auto && !new.auto {
            return Change::Restart;
        }
        match OF_ADDRESSES.iter().any(|name| differs(name)) {
            true => Change::Addresses,
            false => Change::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "config interface 'lan'\n\toption device 'br-lan'\n\toption proto 'static'\n\t\
        list ipaddr '192.168.8.1/24'\n\nconfig interface 'wan'\n\toption device 'eth0'\n\toption proto 'dhcp'\n";

    fn read(text: &str) -> Network {
        Network::parse(text.as_bytes())
    }

    #[test]
    fn a_line_that_cannot_be_read_is_skipped() {
        let good = read(FILE);
        assert_eq!(good.interfaces.len(), 2);
        for line in ["option", "frobnicate a b", "config", "option a b c"] {
            let broken = FILE.replace(
                "config interface 'wan'",
                &format!("{line}\nconfig interface 'wan'"),
            );
            assert_eq!(read(&broken), good, "{line}");
        }
        // Its options become those of the section before.
        let lost = read(&FILE.replace("config interface 'wan'", "config interface 'wan' x"));
        assert_eq!(lost.interfaces.len(), 1);
        assert_eq!(lost.interfaces["lan"].device.as_deref(), Some("eth0"));
    }

    #[test]
    fn a_quotation_without_an_end_takes_the_rest_of_the_file() {
        let lost = read(&FILE.replace("interface 'wan'", "interface 'wan"));
        let names: Vec<_> = lost.interfaces.keys().collect();
        assert_eq!(names, ["lan"]);
        assert_eq!(read("'"), Network::default());
    }

    #[test]
    fn only_what_netifd_looks_at_is_a_change() {
        let old = read(FILE);
        for (option, change) in [
            ("option comment 'x'", Change::Nothing),
            ("option dns '9.9.9.9'", Change::Nothing),
            ("option metric '5'", Change::Addresses),
            ("option hostname 'x'", Change::Restart),
            ("option auto '0'", Change::Restart),
            ("option auto '1'", Change::Nothing),
        ] {
            let new = read(&format!("{FILE}\t{option}\n"));
            let [old, new] = [&old, &new].map(|network| &network.interfaces["wan"]);
            assert_eq!(old.change_to(new), change, "{option}");
        }
    }

    #[test]
    fn an_interface_that_is_disabled_is_not_there() {
        let network = read(&format!("{FILE}\toption disabled '1'\n"));
        assert!(!network.interfaces.contains_key("wan"));
    }
}
