//! The imaginary router itself: time, stations, leases, counters. No I/O and no clock of its own;
//! the same seed and the same steps always give the same world.

mod comings;
mod radios;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use ubus::blobmsg::Value;

use super::ap::{Network, APS, VLAN_ID};
use super::facts::{Facts, NetdevFacts, StationFacts};
use super::lease::{Lease, LEASE_TIME};
use super::netdev::Netdevs;
use super::radio::{Radio, RADIOS};
use super::station::{Mac, Station};

/// The router's own address, that of its device towards the internet.
pub const ROUTER_MAC: &str = "94:83:c4:a1:b2:00";

/// The router's name.
pub const HOSTNAME: &str = "harbour-gw";

/// Uptime when the story begins with a boot, s.
const JUST_BOOTED: u64 = 20;

/// Uptime when the story begins, s.
const UPTIME: u64 = 356_412;

/// Time that passes in the world in one step, ms.
const STEP: u32 = 1000;

/// Associated with the guest network, but without its password.
const STRANGER: [u8; 6] = [0x5e, 0x0f, 0xa3, 0x22, 0x81, 0xc4];

/// A notification to send out.
#[derive(Debug, Clone, PartialEq)]
pub struct News {
    /// The object that notifies.
    pub object: String,
    pub kind: &'static str,
    pub data: Value,
}

/// The state of the router.
#[derive(Debug, Clone)]
pub struct World {
    rng: fastrand::Rng,
    /// Seconds since the epoch when the story began.
    epoch: u64,
    /// Uptime then, s.
    uptime_before: u64,
    /// Since then, ms.
    elapsed: u64,
    /// The rest of the last step, ms.
    rest: u64,
    pub stations: Vec<Station>,
    /// Stations that left, and when they come back by themselves (elapsed ms).
    away: Vec<(Station, Option<u64>)>,
    /// The number of stations ever made.
    born: usize,
    next_aid: u32,
    /// Departures per minute that nobody ordered.
    churn: u32,
    pub leases: Vec<Lease>,
    pub devices: Netdevs,
    pub radios: [Radio; RADIOS.len()],
    pub boot_id: String,
    /// DHCP acknowledgements since boot.
    pub acks: u32,
    joins: u32,
    leaves: u32,
    /// Logical interfaces that somebody took down.
    pub downs: BTreeSet<String>,
}

impl World {
    /// A router with that many authorized stations, at `epoch` seconds since 1970.
    pub fn new(stations: usize, seed: u64, epoch: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let boot_id = uuid(&mut rng);
        let mut world = World {
            rng,
            epoch,
            uptime_before: UPTIME,
            elapsed: 0,
            rest: 0,
            stations: Vec::new(),
            away: Vec::new(),
            born: 0,
            next_aid: 1,
            churn: 2,
            leases: vec![
                wired(
                    [0xf0, 0x18, 0x98, 0x0d, 0x3e, 0x21],
                    133,
                    "old-laptop",
                    epoch.saturating_sub(15),
                ),
                wired([0x00, 0x11, 0x32, 0x9c, 0x4d, 0x5e], 10, "nas", 0),
            ],
            devices: Netdevs::default(),
            radios: Default::default(),
            boot_id,
            acks: 412,
            joins: 0,
            leaves: 0,
            downs: BTreeSet::new(),
        };
        for _ in 0..stations {
            world.born_station();
        }
        // They have been here for a while.
        for station in &mut world.stations {
            for _ in 0..world.rng.u32(1..600) {
                station.advance(STEP, &mut world.rng);
            }
            station.connected = world.rng.u64(1..UPTIME) * 1000;
        }
        if stations > 0 {
            let mut stranger = Station::new(Mac(STRANGER), 3, &APS[3], &mut world.rng);
            stranger.authorized = false;
            stranger.associate(world.aid());
            world.stations.push(stranger);
        }
        world
    }

    /// The router of this seed after `number` boots: with 0 it runs for days already.
    pub fn booted(stations: usize, seed: u64, epoch: u64, number: u32) -> Self {
        let mut world = World::new(stations, seed, epoch);
        if number == 0 {
            return world;
        }
        let seed = seed ^ (u64::from(number) << 32);
        world.boot_id = uuid(&mut fastrand::Rng::with_seed(seed));
        world.uptime_before = JUST_BOOTED;
        world.acks = 0;
        for station in &mut world.stations {
            station.connected = station.connected.min(JUST_BOOTED * 1000);
        }
        world
    }

    /// Seconds since the epoch.
    pub fn now(&self) -> u64 {
        self.epoch + self.elapsed / 1000
    }

    /// ms since boot.
    pub fn uptime_ms(&self) -> u64 {
        self.uptime_before * 1000 + self.elapsed
    }

    /// Seconds since boot.
    pub fn uptime(&self) -> u32 {
        (self.uptime_ms() / 1000) as u32
    }

    /// Load over 1, 5 and 15 minutes, times 65536.
    pub fn load(&self) -> [u32; 3] {
        let busy = self.authorized() as u32 * 600;
        let wave = (self.elapsed / 1000 % 60) as u32 * 20;
        [4512 + busy + wave, 7808 + busy, 6688 + busy]
    }

    /// Total and free RAM, bytes.
    pub fn memory(&self) -> (u64, u64) {
        let wave = self.elapsed / 1000 % 97 * 4096;
        let used = self.stations.len() as u64 * 16_384;
        (508_329_984, 267_386_880 - wave - used.min(200_000_000))
    }

    /// The number of stations that are usable clients.
    pub fn authorized(&self) -> usize {
        self.stations.iter().filter(|s| s.authorized).count()
    }

    /// Stations that leave per minute by themselves; each returns after a while. At most 60.
    pub fn set_churn(&mut self, per_minute: u32) {
        self.churn = per_minute.min(60);
    }

    /// Makes it exactly `count` authorized stations.
    pub fn set_stations(&mut self, count: usize) -> Vec<News> {
        let mut news = Vec::new();
        for (_, back) in &mut self.away {
            *back = None;
        }
        while self.authorized() > count {
            let last = self.stations.iter().rposition(|s| s.authorized);
            self.leave(last.expect("there are more than count"), None, &mut news);
        }
        while self.authorized() < count {
            match self.away.pop() {
                Some((station, _)) => self.join(station, &mut news),
                None => {
                    let station = self.born_station();
                    self.announce(station, &mut news);
                }
            }
        }
        news
    }

    /// Lets time pass, in steps of a second; what is left of one counts for the next time.
    pub fn advance(&mut self, time: Duration) -> Vec<News> {
        let mut news = Vec::new();
        self.rest += u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        while self.rest >= u64::from(STEP) {
            self.rest -= u64::from(STEP);
            self.step(&mut news);
        }
        news
    }

    /// All there is to know, for comparison with what was observed.
    pub fn facts(&self) -> Facts {
        Facts {
            now: self.now(),
            uptime: self.uptime(),
            boot_id: self.boot_id.clone(),
            joins: self.joins,
            leaves: self.leaves,
            stations: self
                .stations
                .iter()
                .map(|s| self.station_facts(s))
                .collect(),
            devices: self.devices.iter().map(NetdevFacts::of).collect(),
            radios: self.radio_facts(),
        }
    }

    /// The lease of a station.
    pub fn lease(&self, mac: Mac) -> Option<&Lease> {
        self.leases.iter().find(|lease| lease.mac == mac)
    }

    fn station_facts(&self, station: &Station) -> StationFacts {
        let ap = &APS[station.ap];
        let lease = self.lease(station.mac);
        StationFacts {
            mac: station.mac,
            interface: ap.ifname.to_owned(),
            ssid: ap.ssid.to_vec(),
            vlan: station.on_vlan.then_some(VLAN_ID),
            authorized: station.authorized,
            signal: station.signal,
            rx: station.rx,
            tx: station.tx,
            name: station.name.clone(),
            ip: lease.map(Lease::ip),
            ip6: lease
                .filter(|lease| lease.ipv6)
                .map(|lease| lease.ip6()[0].clone()),
        }
    }

    fn step(&mut self, news: &mut Vec<News>) {
        self.elapsed += u64::from(STEP);
        for station in &mut self.stations {
            let moved = station.advance(STEP, &mut self.rng);
            let ap = &APS[station.ap];
            let (device, network) = place(station);
            self.devices.pass(
                device.unwrap_or(ap.ifname),
                network.bridge(),
                moved.rx,
                moved.tx,
            );
        }
        self.devices.murmur(STEP, &mut self.rng);
        self.renew(news);
        self.step_radios(news);
        while let Some(at) = self.away.iter().position(|(station, back)| {
            back.is_some_and(|back| back <= self.elapsed) && self.is_on_air(station.ap)
        }) {
            let (station, _) = self.away.remove(at);
            self.join(station, news);
        }
        if self.rng.u32(0..60) < self.churn {
            let who = self.rng.usize(..self.stations.len().max(1));
            if self.stations.get(who).is_some_and(|s| s.authorized) {
                let back = self.elapsed + self.rng.u64(10..90) * 1000;
                self.leave(who, Some(back), news);
            }
        }
    }

    /// Stations renew at half of the lease's time.
    fn renew(&mut self, news: &mut Vec<News>) {
        let now = self.now();
        let due: Vec<Mac> = self
            .stations
            .iter()
            .filter(|s| s.authorized)
            .filter_map(|s| self.lease(s.mac))
            .filter(|lease| lease.left(now).is_some_and(|left| left < LEASE_TIME / 2))
            .map(|lease| lease.mac)
            .collect();
        for mac in due {
            self.acknowledge(mac, news);
        }
    }

    fn aid(&mut self) -> u32 {
        let aid = self.next_aid;
        self.next_aid = aid % 2007 + 1;
        aid
    }
}

/// The VLAN device a station sits on, if it does, and its network.
pub(super) fn place(station: &Station) -> (Option<&'static str>, Network) {
    let ap = &APS[station.ap];
    match ap.vlan.filter(|_| station.on_vlan) {
        Some(device) => (Some(device), Network::Iot),
        None => (None, ap.network),
    }
}

fn wired(mac: [u8; 6], host: u16, name: &str, expires: u64) -> Lease {
    let mac = Mac(mac);
    Lease {
        mac,
        expires,
        network: Network::Lan,
        host,
        name: Some(name.to_owned()),
        client_id: Some(format!("01:{mac}")),
        ipv6: false,
    }
}

fn uuid(rng: &mut fastrand::Rng) -> String {
    let n = rng.u128(..);
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        n as u32,
        (n >> 32) as u16,
        (n >> 48) & 0xfff,
        (n >> 60) & 0x3fff | 0x8000,
        (n >> 80) & 0xffff_ffff_ffff
    )
}
