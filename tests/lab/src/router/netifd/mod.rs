//! netifd: what it makes of its configuration, of orders, and of what happens at the cable's other end.
//! Pure: what is to be done in the kernel and told on the bus comes out as [`Effects`].
//!
//! A reload reads the file and touches the interfaces whose sections differ in something it looks at;
//! those that somebody took down stay down. A restart takes everything down and, as a new process, brings
//! up what the file says. A file that is not there fails a reload, which then changes nothing; after a
//! restart there are no interfaces.

mod addresses;
mod dump;
mod package;

use std::collections::BTreeMap;

use crate::site::WAN;

pub(in crate::router) use package::Package;
pub use package::{Change, Network, Section};

/// The state of the cable's other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uplink {
    pub carrier: bool,
    /// A DHCP server gives a lease.
    pub lease: bool,
}

/// The work to do.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Commands of `ip`, in their order.
    pub ip: Vec<String>,
    /// Interfaces that came up (true) or went down.
    pub events: Vec<(String, bool)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Down,
    /// Waits for a lease.
    Pending,
    Up,
}

/// An interface, configured or up.
#[derive(Debug, Clone)]
struct Interface {
    section: Section,
    autostart: bool,
    state: State,
    /// It uses its device.
    claims: bool,
    /// When it came up, s since boot.
    since: u32,
    /// Additions to the kernel: addresses with their prefix, and words of `ip route`.
    addresses: Vec<String>,
    routes: Vec<String>,
}

/// The daemon.
#[derive(Debug)]
pub struct Netifd {
    interfaces: BTreeMap<String, Interface>,
    network: Network,
    uplink: Uplink,
    effects: Effects,
    /// s since boot.
    now: u32,
}

impl Netifd {
    /// A netifd that has read nothing yet.
    pub fn new(uplink: Uplink) -> Self {
        Netifd {
            interfaces: BTreeMap::new(),
            network: Network::default(),
            uplink,
            effects: Effects::default(),
            now: 0,
        }
    }

    /// Sets the time, s since boot.
    pub fn tick(&mut self, now: u32) {
        self.now = now;
    }

    /// The work that came up since the last call.
    pub fn effects(&mut self) -> Effects {
        std::mem::take(&mut self.effects)
    }

    /// The names of the interfaces, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.interfaces.keys().map(String::as_str)
    }

    /// A new process reads its configuration; `None` if there is no file.
    pub fn start(&mut self, network: Option<Network>) {
        self.interfaces.clear();
        // Devices that the process before made are still there.
        self.apply(network.unwrap_or_default());
    }

    /// The first half of a restart.
    pub fn stop(&mut self) {
        for name in self.all() {
            self.take_down(&name);
        }
    }

    /// Reads the configuration again. Returns false if there is no file, and changes nothing then.
    pub fn reload(&mut self, network: Option<Network>) -> bool {
        match network {
            Some(network) => {
                self.apply(network);
                true
            }
            None => false,
        }
    }

    fn apply(&mut self, new: Network) {
        let old = std::mem::replace(&mut self.network, new.clone());
        for name in self.all() {
            match new.interfaces.get(&name) {
                None => {
                    self.take_down(&name);
                    self.interfaces.remove(&name);
                }
                Some(section) => {
                    let routes = new.routes_of(&name).eq(old.routes_of(&name));
                    self.change(&name, section, routes);
                }
            }
        }
        for bridge in old.bridges.difference(&new.bridges) {
            self.effects.ip.push(format!("link del {bridge}"));
        }
        for bridge in new.bridges.difference(&old.bridges) {
            self.effects
                .ip
                .push(format!("link add {bridge} type bridge"));
        }
        for (name, section) in &new.interfaces {
            let fresh = Interface {
                section: section.clone(),
                autostart: section.auto,
                state: State::Down,
                claims: false,
                since: 0,
                addresses: Vec::new(),
                routes: Vec::new(),
            };
            self.interfaces.entry(name.clone()).or_insert(fresh);
        }
        self.start_pending();
    }

    /// Gives an interface another section; `routes` says that its routes in the file are the same.
    fn change(&mut self, name: &str, section: &Section, routes: bool) {
        let Some(interface) = self.interfaces.get_mut(name) else {
            return;
        };
        let change = match interface.section.change_to(section) {
            Change::Nothing if !routes => Change::Addresses,
            change => change,
        };
        if interface.section.auto != section.auto {
            interface.autostart = section.auto;
        }
        if change == Change::Restart {
            self.take_down(name);
        }
        if let Some(interface) = self.interfaces.get_mut(name) {
            interface.section = section.clone();
            if change == Change::Addresses && interface.state == State::Up {
                self.remove_addresses(name);
                self.add_addresses(name);
            }
        }
    }

    fn all(&self) -> Vec<String> {
        self.interfaces.keys().cloned().collect()
    }

    fn start_pending(&mut self) {
        for name in self.all() {
            if self.interfaces[&name].autostart {
                self.set_up(&name);
            }
        }
    }

    /// `up`; false if there is no such interface.
    pub fn up(&mut self, name: &str) -> bool {
        let Some(interface) = self.interfaces.get_mut(name) else {
            return false;
        };
        interface.autostart = true;
        self.set_up(name);
        true
    }

    /// `down`; false if there is no such interface. It stays down until `up`.
    pub fn down(&mut self, name: &str) -> bool {
        let Some(interface) = self.interfaces.get_mut(name) else {
            return false;
        };
        interface.autostart = false;
        self.take_down(name);
        true
    }

    /// `renew`; false if there is no such interface. The client asks for its lease again; an address or a
    /// route that netifd has set already is not set again.
    pub fn renew(&mut self, name: &str) -> bool {
        let Some(interface) = self.interfaces.get(name) else {
            return false;
        };
        if interface.state == State::Pending && self.has_lease(interface) {
            self.bring_up(name);
        }
        true
    }

    /// The other end of the cable does something else.
    pub fn uplink(&mut self, uplink: Uplink) {
        self.uplink = uplink;
        for name in self.all() {
            let interface = &self.interfaces[&name];
            if interface.section.device.as_deref() != Some(WAN) {
                continue;
            }
            let leased = self.has_lease(interface);
            match interface.state {
                State::Up | State::Pending if !uplink.carrier => {
                    self.lose(&name, State::Down);
                }
                State::Up if !leased => self.lose(&name, State::Pending),
                State::Pending if leased => self.bring_up(&name),
                State::Down if uplink.carrier && interface.autostart => self.set_up(&name),
                _ => {}
            }
        }
    }

    /// The lease or the link is gone; the device stays.
    fn lose(&mut self, name: &str, state: State) {
        self.remove_addresses(name);
        if let Some(interface) = self.interfaces.get_mut(name) {
            if interface.state == State::Up {
                self.effects.events.push((name.to_owned(), false));
            }
            interface.state = state;
        }
    }

    fn has_lease(&self, interface: &Interface) -> bool {
        let on_cable = interface.section.device.as_deref() == Some(WAN);
        match interface.section.proto.as_str() {
            "dhcp" => on_cable && self.uplink.carrier && self.uplink.lease,
            _ => true,
        }
    }

    /// The device of an interface, if there is one of that name.
    fn device<'a>(&self, interface: &'a Interface) -> Option<&'a str> {
        let device = interface.section.device.as_deref()?;
        let is_there = device == "lo" || device == WAN || self.network.bridges.contains(device);
        is_there.then_some(device)
    }

    fn set_up(&mut self, name: &str) {
        let interface = &self.interfaces[name];
        if interface.state != State::Down {
            return;
        }
        let Some(device) = self.device(interface).map(str::to_owned) else {
            return;
        };
        if !matches!(interface.section.proto.as_str(), "none" | "static" | "dhcp") {
            return;
        }
        let leased = self.has_lease(interface);
        self.effects.ip.push(format!("link set {device} up"));
        if let Some(interface) = self.interfaces.get_mut(name) {
            interface.claims = true;
        }
        if device == WAN && !self.uplink.carrier {
            return;
        }
        match leased {
            true => self.bring_up(name),
            false => {
                if let Some(interface) = self.interfaces.get_mut(name) {
                    interface.state = State::Pending;
                }
            }
        }
    }

    fn bring_up(&mut self, name: &str) {
        let now = self.now;
        if let Some(interface) = self.interfaces.get_mut(name) {
            interface.state = State::Up;
            interface.since = now;
            self.add_addresses(name);
            self.effects.events.push((name.to_owned(), true));
        }
    }

    fn take_down(&mut self, name: &str) {
        self.lose(name, State::Down);
        let Some(interface) = self.interfaces.get_mut(name) else {
            return;
        };
        if !std::mem::take(&mut interface.claims) {
            return;
        }
        let device = interface.section.device.clone();
        let mut others = self.interfaces.values();
        let used = others.any(|other| other.claims && other.section.device == device);
        // The loopback device is up whatever netifd does, or the device could not talk to itself.
        if let Some(device) = device.filter(|device| !used && device != "lo") {
            self.effects.ip.push(format!("link set {device} down"));
        }
    }
}

#[cfg(test)]
mod tests;
