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
//! hostapd says most things twice, and that a station leaves even when it only reassociates: a second
//! leave, or a second join, of one station in one network is none.

use std::collections::{HashMap, VecDeque};
use std::net::Ipv4Addr;

use ubus::Notice;

use crate::collect::report::{Event, Station};
use crate::collect::sources::dhcp::leases::host_name;
use crate::collect::sources::reply::Place::{Field as Any, Mac as Address, Text, U32, V4};
use crate::collect::sources::reply::{Field, Fields};
use crate::mac::Mac;

/// Events kept for one report; of more, the newest.
pub(crate) const MAX_EVENTS: usize = 256;

/// Stations whose state is remembered, to tell news from repetition.
const MAX_KNOWN: usize = 4096;

/// An association that is not known to be authorized is forgotten after so many seconds.
const UNDECIDED: u64 = 300;

/// The kinds of notifications of a station that leaves; they stand in the event as its reason.
const LEAVES: [&str; 4] = ["disassoc", "deauth", "local-deauth", "inactive-deauth"];

/// The events since the last report, and what tells news from repetition.
#[derive(Debug, Default)]
pub(crate) struct Log {
    events: VecDeque<Event>,
    /// Events that did not fit, and notices that did not reach us.
    lost: u64,
    /// True if a station was last seen coming to a network, false if leaving it.
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
        // The second names are those of odhcpd from 25.12 on.
        let (mut mac, mut v4, mut frequency) = (None, None, None);
        let (mut name, mut host) = (Field::default(), Field::default());
        fields.read(&mut [
            ("address", Address(&mut told.mac)),
            ("mac", Address(&mut mac)),
            ("ip", V4(&mut told.ip)),
            ("ipv4", V4(&mut v4)),
            ("name", Any(&mut name)),
            ("hostname", Any(&mut host)),
            ("interface", Text(&mut told.interface)),
            ("vlan", U32(&mut told.vlan)),
            ("auth-alg", Text(&mut told.auth)),
            ("freq", U32(&mut told.frequency)),
            ("frequency", U32(&mut frequency)),
            ("bssid", Address(&mut told.bssid)),
            ("target-bssid", Address(&mut told.target)),
            ("channel", U32(&mut told.channel)),
            ("rcpi", U32(&mut told.rcpi)),
            ("reason", U32(&mut told.reason)),
            ("status-code", U32(&mut told.status)),
        ]);
        told.mac = told.mac.or(mac);
        told.ip = told.ip.or(v4);
        told.name = host_name(name).or_else(|| host_name(host));
        told.frequency = told.frequency.or(frequency);
        told.channel = told.channel.filter(|channel| *channel > 0);
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
        let mut event = Event {
            at,
            interface: Some(network.to_owned()),
            mac: told.mac,
            ..Event::default()
        };
        let of = told.mac.map(|mac| (mac, network.to_owned()));
        event.kind = match (kind, of) {
            ("assoc", Some(of)) if self.undecided.len() < MAX_KNOWN => {
                self.undecided.insert(of, at);
                return;
            }
            ("sta-authorized", Some(of)) => {
                self.keep_vlan(&of, told.vlan);
                (event.vlan, event.auth) = (told.vlan, told.auth);
                if !self.joins(of) {
                    return;
                }
                "join"
            }
            ("disassoc" | "deauth" | "local-deauth" | "inactive-deauth", Some(of)) => {
                event.reason = LEAVES.into_iter().find(|reason| *reason == kind);
                if !self.leaves(of) {
                    return;
                }
                "leave"
            }
            ("key-mismatch", Some(_)) => "key-mismatch",
            ("channel-switch", _) => {
                event.frequency = told.frequency;
                "channel_switch"
            }
            ("radar-detected", _) => {
                event.frequency = told.frequency;
                "radar"
            }
            ("bss-transition-query", Some(_)) => {
                event.query_reason = told.reason;
                "btm_query"
            }
            ("bss-transition-response", Some(_)) => {
                (event.status, event.bssid) = (told.status, told.target);
                "btm_response"
            }
            ("beacon-report", Some(_)) => {
                (event.bssid, event.channel) = (told.bssid, told.channel);
                event.signal = told.rcpi.and_then(dbm_of_rcpi);
                "beacon_report"
            }
            // Probes and other frames of any device in range.
            _ => return,
        };
        self.add(event);
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
        self.add(Event {
            at,
            kind,
            interface: told.interface,
            mac: Some(mac),
            ip: told.ip,
            name: told.name,
            ..Event::default()
        });
    }

    fn keep_vlan(&mut self, of: &(Mac, String), vlan: Option<u32>) {
        let Some(vlan) = vlan else {
            self.vlans.remove(of);
            return;
        };
        if self.vlans.len() >= MAX_KNOWN && !self.vlans.contains_key(of) {
            self.vlans.clear();
        }
        self.vlans.insert(of.clone(), vlan);
    }

    /// True unless the station was there already.
    fn joins(&mut self, of: (Mac, String)) -> bool {
        self.undecided.remove(&of);
        self.changed(of, true) != Some(true)
    }

    /// True unless the station had left already, or never came.
    fn leaves(&mut self, of: (Mac, String)) -> bool {
        // hostapd prunes the association of a station that roamed, after it has come elsewhere.
        self.vlans.remove(&of);
        // A station that was not let in does not leave.
        let refused = self.undecided.remove(&of).is_some();
        match self.changed(of, false) {
            Some(joined) => joined,
            None => !refused,
        }
    }

    /// Remembers whether a station is there; returns what was known before.
    fn changed(&mut self, of: (Mac, String), joined: bool) -> Option<bool> {
        if self.joined.len() >= MAX_KNOWN && !self.joined.contains_key(&of) {
            self.joined.clear();
        }
        self.joined.insert(of, joined)
    }

    fn add(&mut self, event: Event) {
        if self.events.len() == MAX_EVENTS {
            self.events.pop_front();
            self.lost += 1;
        }
        self.events.push_back(event);
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
                if self.joins(of) {
                    self.add(Event {
                        at,
                        kind: "join",
                        interface: Some(interface.clone()),
                        mac: Some(station.mac),
                        ..Event::default()
                    });
                }
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
