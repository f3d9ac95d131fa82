//! Notifications into the events of a report. Pure.
//!
//! ```text
//! hostapd  sta-authorized ─► join            disassoc, deauth, … ─► leave
//!          assoc, then authorized in the next report ─► join     (before 23.05)
//! hostapd  bss-transition-query, -response ─► btm_query, btm_response    beacon-report ─► beacon_report
//! hostapd  radar-detected ─► radar           channel-switch ─► channel_switch
//! dnsmasq, odhcpd  dhcp.ack with a new address ─► lease    dhcp.release ─► release
//! ```
//!
//! hostapd says most things twice, and that a station leaves also when it only comes anew: a second
//! leave, or a second join, of one station in one network is none.

use std::collections::{HashMap, VecDeque};
use std::net::Ipv4Addr;

use crate::collect::report::{Event, Station};
use crate::collect::sources::dhcp::leases::host_name;
use crate::collect::sources::reply::Fields;
use crate::mac::Mac;
use crate::ubus::Notice;

/// Events kept for one report; of more, the newest.
pub(crate) const MAX_EVENTS: usize = 256;

/// Stations whose state is remembered, to tell news from repetition.
const MAX_KNOWN: usize = 4096;

/// An association that is not known to be authorized is forgotten after so many seconds.
const UNDECIDED: u64 = 300;

/// The events since the last report, and what tells news from repetition.
#[derive(Debug, Default)]
pub(crate) struct Log {
    events: VecDeque<Event>,
    /// Events that did not fit, and notices that did not reach us.
    lost: u64,
    /// Whether a station was last seen coming to a network or leaving it.
    joined: HashMap<(Mac, String), bool>,
    /// Associations that may still be refused, and since when.
    undecided: HashMap<(Mac, String), u64>,
    /// The addresses of stations, by the network device of the DHCP server.
    leased: HashMap<(Mac, Option<String>), Ipv4Addr>,
    /// The VLANs that hostapd said it put stations of a network into.
    vlans: HashMap<(Mac, String), u32>,
}

/// The members of a notification that any of them has a use for.
#[derive(Default)]
struct Told {
    mac: Option<Mac>,
    ip: Option<Ipv4Addr>,
    name: Option<String>,
    interface: Option<String>,
    vlan: Option<u32>,
    auth: Option<String>,
    frequency: Option<u32>,
    /// The name of an access point that was heard of or moved to.
    bssid: Option<Mac>,
    target: Option<Mac>,
    channel: Option<u32>,
    rcpi: Option<u32>,
    reason: Option<u32>,
    status: Option<u32>,
}

impl Told {
    fn read(fields: Fields<'_>) -> Self {
        let mut told = Told::default();
        for (name, field) in fields {
            match name {
                b"address" | b"mac" => told.mac = field.mac(),
                // The second names are those of odhcpd from 25.12 on.
                b"ip" | b"ipv4" => told.ip = field.parse(),
                b"name" | b"hostname" => told.name = host_name(field),
                b"interface" => told.interface = field.text(),
                b"vlan" => told.vlan = field.u32(),
                b"auth-alg" => told.auth = field.text(),
                b"freq" | b"frequency" => told.frequency = field.u32(),
                b"bssid" => told.bssid = field.mac(),
                b"target-bssid" => told.target = field.mac(),
                b"channel" => told.channel = field.u32().filter(|channel| *channel > 0),
                b"rcpi" => told.rcpi = field.u32(),
                b"reason" => told.reason = field.u32(),
                b"status-code" => told.status = field.u32(),
                _ => {}
            }
        }
        told
    }
}

/// A received channel power, in half dB above -110 dBm; the highest numbers mean unknown.
fn dbm_of_rcpi(rcpi: u32) -> Option<i32> {
    let half_db = i32::try_from(rcpi).ok().filter(|rcpi| *rcpi <= 220)?;
    Some(half_db / 2 - 110)
}

impl Log {
    /// Takes a notice in, heard at `at`, seconds since the epoch.
    pub(crate) fn hear(&mut self, notice: Notice, at: u64) {
        match notice {
            Notice::Subscribed { .. } => {}
            Notice::Notification { path, kind, data } => {
                let told = Told::read(Fields::of(&data));
                match path.strip_prefix("hostapd.") {
                    Some(network) => self.hostapd(network, &kind, told, at),
                    None => self.dhcp(&kind, told, at),
                }
            }
            // Its stations went with it, or come again with the next of its name.
            Notice::Gone { path } => {
                if let Some(gone) = path.strip_prefix("hostapd.") {
                    self.joined.retain(|(_, network), _| network != gone);
                    self.undecided.retain(|(_, network), _| network != gone);
                    self.vlans.retain(|(_, network), _| network != gone);
                }
            }
            Notice::Lost { count } => {
                self.lost += u64::from(count);
                // Whether the next is a repetition, nobody knows.
                self.joined.clear();
            }
        }
    }

    fn hostapd(&mut self, network: &str, kind: &str, told: Told, at: u64) {
        let event = Event {
            at,
            interface: Some(network.to_owned()),
            mac: told.mac,
            ..Event::default()
        };
        let of = told.mac.map(|mac| (mac, network.to_owned()));
        match (kind, of) {
            ("assoc", Some(of)) if self.undecided.len() < MAX_KNOWN => {
                self.undecided.insert(of, at);
            }
            ("sta-authorized", Some(of)) => {
                match told.vlan {
                    Some(vlan) => {
                        if self.vlans.len() >= MAX_KNOWN && !self.vlans.contains_key(&of) {
                            self.vlans.clear();
                        }
                        self.vlans.insert(of.clone(), vlan)
                    }
                    None => self.vlans.remove(&of),
                };
                self.join(
                    of,
                    Event {
                        vlan: told.vlan,
                        auth: told.auth,
                        ..event
                    },
                );
            }
            ("disassoc", Some(of)) => self.leave(of, "disassoc", event),
            ("deauth", Some(of)) => self.leave(of, "deauth", event),
            ("local-deauth", Some(of)) => self.leave(of, "local-deauth", event),
            ("inactive-deauth", Some(of)) => self.leave(of, "inactive-deauth", event),
            ("key-mismatch", Some(_)) => self.add("key-mismatch", event),
            ("channel-switch", _) => self.add_frequency("channel_switch", told.frequency, event),
            ("radar-detected", _) => self.add_frequency("radar", told.frequency, event),
            ("bss-transition-query", Some(_)) => {
                let query_reason = told.reason;
                self.add(
                    "btm_query",
                    Event {
                        query_reason,
                        ..event
                    },
                );
            }
            ("bss-transition-response", Some(_)) => {
                let (status, bssid) = (told.status, told.target);
                self.add(
                    "btm_response",
                    Event {
                        status,
                        bssid,
                        ..event
                    },
                );
            }
            ("beacon-report", Some(_)) => self.add(
                "beacon_report",
                Event {
                    bssid: told.bssid,
                    channel: told.channel,
                    signal: told.rcpi.and_then(dbm_of_rcpi),
                    ..event
                },
            ),
            // Probes and other frames of whoever is in range.
            _ => {}
        }
    }

    fn dhcp(&mut self, kind: &str, told: Told, at: u64) {
        let Some(mac) = told.mac else {
            return;
        };
        let kind = match kind {
            "dhcp.ack" | "dhcp.lease4" => "lease",
            "dhcp.release" | "dhcp.release4" => "release",
            "dhcp.expire4" => "expire",
            _ => return,
        };
        let of = (mac, told.interface.clone());
        match (kind, told.ip) {
            ("lease", Some(ip)) => {
                // Renewed.
                if self.leased.get(&of) == Some(&ip) {
                    return;
                }
                if self.leased.len() >= MAX_KNOWN {
                    self.leased.clear();
                }
                self.leased.insert(of, ip);
            }
            _ => drop(self.leased.remove(&of)),
        }
        self.add(
            kind,
            Event {
                at,
                interface: told.interface,
                mac: Some(mac),
                ip: told.ip,
                name: told.name,
                ..Event::default()
            },
        );
    }

    fn join(&mut self, of: (Mac, String), event: Event) {
        self.undecided.remove(&of);
        if self.changed(of, true) != Some(true) {
            self.add("join", event);
        }
    }

    fn leave(&mut self, of: (Mac, String), reason: &'static str, event: Event) {
        // hostapd prunes the association of a station that roamed, after it has come elsewhere.
        self.vlans.remove(&of);
        // Whoever was not let in does not leave.
        let refused = self.undecided.remove(&of).is_some();
        match self.changed(of, false) {
            Some(false) => {}
            None if refused => {}
            _ => {
                let reason = Some(reason);
                self.add("leave", Event { reason, ..event });
            }
        }
    }

    /// Remembers whether a station is there; returns what was known before.
    fn changed(&mut self, of: (Mac, String), joined: bool) -> Option<bool> {
        if self.joined.len() >= MAX_KNOWN && !self.joined.contains_key(&of) {
            self.joined.clear();
        }
        self.joined.insert(of, joined)
    }

    fn add_frequency(&mut self, kind: &'static str, frequency: Option<u32>, event: Event) {
        self.add(kind, Event { frequency, ..event });
    }

    fn add(&mut self, kind: &'static str, event: Event) {
        if self.events.len() == MAX_EVENTS {
            self.events.pop_front();
            self.lost += 1;
        }
        self.events.push_back(Event { kind, ..event });
    }

    /// The VLAN that hostapd said it put a station of a network into.
    pub(crate) fn vlan(&self, mac: Mac, network: &str) -> Option<u32> {
        if self.vlans.is_empty() {
            return None;
        }
        self.vlans.get(&(mac, network.to_owned())).copied()
    }

    /// Lets associations count whose stations are authorized by now; releases before 23.05 do not
    /// tell when that happens.
    pub(crate) fn settle(&mut self, stations: &[Station], now: u64) {
        if self.undecided.is_empty() {
            return;
        }
        for station in stations {
            let (Some(true), Some(interface)) = (station.authorized, &station.interface) else {
                continue;
            };
            let of = (station.mac, interface.clone());
            if let Some(at) = self.undecided.get(&of).copied() {
                let event = Event {
                    at,
                    interface: Some(interface.clone()),
                    mac: Some(station.mac),
                    ..Event::default()
                };
                self.join(of, event);
            }
        }
        self.undecided
            .retain(|_, at| now.abs_diff(*at) <= UNDECIDED);
    }

    /// Hands the events over, in the order they were heard; what was lost is said first.
    pub(crate) fn take(&mut self, now: u64) -> Vec<Event> {
        let mut events = Vec::with_capacity(self.events.len() + 1);
        let count = std::mem::take(&mut self.lost);
        if count > 0 {
            events.push(Event {
                at: now,
                kind: "lost",
                count: Some(count),
                ..Event::default()
            });
        }
        events.extend(self.events.drain(..));
        events
    }
}
