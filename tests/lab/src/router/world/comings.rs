//! Stations come and go, and hostapd and dnsmasq tell of it.

use ubus::blobmsg::Value;

use super::super::ap::{APS, VLAN_ID};
use super::super::lease::{Lease, LEASE_TIME};
use super::super::members::{push, table};
use super::super::station::{Mac, Station};
use super::{place, News, World};

/// The first stations: MAC, name, access point, on its VLAN. The rest is made up.
const REGULARS: [([u8; 6], Option<&str>, usize, bool); 6] = [
    (
        [0x3c, 0x22, 0xfb, 0x10, 0x20, 0x31],
        Some("anna-macbook"),
        2,
        false,
    ),
    (
        [0xb8, 0x27, 0xeb, 0x42, 0x7f, 0x90],
        Some("raspberrypi"),
        0,
        false,
    ),
    (
        [0x8c, 0x85, 0x90, 0x77, 0x66, 0x55],
        Some("Galaxy-S21"),
        3,
        false,
    ),
    (
        [0x24, 0x6f, 0x28, 0xaa, 0xbb, 0xcc],
        Some("esp-sensor-1"),
        0,
        true,
    ),
    ([0xda, 0x5b, 0x0e, 0x4c, 0x99, 0x17], None, 2, false),
    // dnsmasq would drop such a name; other servers pass it on.
    (
        [0x9e, 0x31, 0x7a, 0x04, 0x5d, 0x66],
        Some("<img/src=x>"),
        1,
        false,
    ),
];

/// Names of later stations, which nobody should believe; without spaces, at which the file of
/// leases would end.
const HOSTILE: [&str; 3] = ["<svg/onload=alert(1)>", "مكتب-الاستقبال", "📱\"'`&lt;%s"];

impl World {
    /// Brings a station into the world, associated; its index.
    pub(super) fn born_station(&mut self) -> usize {
        let number = self.born;
        self.born += 1;
        let station = match REGULARS.get(number) {
            Some((mac, name, ap, on_vlan)) => {
                let mut station = Station::new(Mac(*mac), *ap, &APS[*ap], &mut self.rng);
                station.name = name.map(str::to_owned);
                station.on_vlan = *on_vlan;
                station
            }
            None => {
                let ap = number % APS.len();
                let mut mac: [u8; 6] = std::array::from_fn(|_| self.rng.u8(..));
                // Locally administered, no group, and never the same twice.
                mac[0] = mac[0] & 0xf0 | 0x02;
                mac[4..].copy_from_slice(&(number as u16).to_be_bytes());
                let mut station = Station::new(Mac(mac), ap, &APS[ap], &mut self.rng);
                let hostile = HOSTILE.get(number - REGULARS.len());
                station.name = match hostile {
                    Some(name) => Some((*name).to_owned()),
                    None => (number % 5 != 4).then(|| format!("phone-{number}")),
                };
                station.on_vlan = APS[ap].vlan.is_some() && number.is_multiple_of(8);
                station
            }
        };
        let (_, network) = place(&station);
        let now = self.now();
        self.leases.push(Lease {
            mac: station.mac,
            // One of them has its address for ever.
            expires: if number == 1 {
                0
            } else {
                now + LEASE_TIME - self.rng.u64(0..3600)
            },
            network,
            host: (number + 20) as u16,
            name: station.name.clone(),
            client_id: (number % 7 != 3).then(|| format!("01:{}", station.mac)),
            ipv6: station.ipv6,
        });
        let aid = self.aid();
        self.stations.push(station);
        let index = self.stations.len() - 1;
        self.stations[index].associate(aid);
        index
    }

    pub(super) fn join(&mut self, mut station: Station, news: &mut Vec<News>) {
        station.associate(self.aid());
        self.stations.push(station);
        self.announce(self.stations.len() - 1, news);
    }

    /// Messages of hostapd and dnsmasq when a station comes.
    pub(super) fn announce(&mut self, index: usize, news: &mut Vec<News>) {
        self.joins += 1;
        let station = &self.stations[index];
        let (mac, ap) = (station.mac, &APS[station.ap]);
        for kind in ["auth", "assoc"] {
            news.push(hostapd(
                station.ap,
                kind,
                table! {
                    "address": mac.to_string(), "ifname": ap.ifname, "target": ap.bssid,
                    "signal": station.signal, "freq": ap.freq,
                },
            ));
        }
        let mut data = table! { "address": mac.to_string() };
        if station.on_vlan {
            push(&mut data, "vlan", VLAN_ID);
        }
        push(&mut data, "ifname", ap.ifname);
        push(
            &mut data,
            "auth-alg",
            if station.on_vlan { "open" } else { "sae" },
        );
        news.push(hostapd(station.ap, "sta-authorized", data));
        self.acknowledge(mac, news);
    }

    pub(super) fn acknowledge(&mut self, mac: Mac, news: &mut Vec<News>) {
        let now = self.now();
        let Some(lease) = self.leases.iter_mut().find(|lease| lease.mac == mac) else {
            return;
        };
        if lease.expires != 0 {
            lease.expires = now + LEASE_TIME;
        }
        self.acks += 1;
        let mut data = table! { "mac": mac.to_string(), "ip": lease.ip() };
        if let Some(name) = &lease.name {
            push(&mut data, "name", name.as_str());
        }
        push(&mut data, "interface", lease.network.bridge());
        news.push(News {
            object: "dnsmasq".to_owned(),
            kind: "dhcp.ack",
            data,
        });
    }

    /// A station goes; hostapd often says so twice.
    pub(super) fn leave(&mut self, index: usize, back: Option<u64>, news: &mut Vec<News>) {
        self.leaves += 1;
        let station = self.stations.remove(index);
        let first = *self
            .rng
            .choice(&["disassoc", "deauth", "inactive-deauth"])
            .expect("there are three");
        for kind in [first, "disassoc"] {
            news.push(hostapd(
                station.ap,
                kind,
                table! {
                    "address": station.mac.to_string(), "ifname": APS[station.ap].ifname,
                },
            ));
        }
        self.away.push((station, back));
    }
}

fn hostapd(ap: usize, kind: &'static str, data: Value) -> News {
    News {
        object: format!("hostapd.{}", APS[ap].ifname),
        kind,
        data,
    }
}
