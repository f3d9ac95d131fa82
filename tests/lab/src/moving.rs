//! An access point whose stations move: reports as the agent collects them, without a device.

use socketman::collect::{
    Airtime, ChannelUse, Counters, Device, Dfs, Interface, Radio, Report, Source, Ssid, Station,
    Traffic,
};
use socketman::mac::Mac;

/// Rates of stations, kbit/s: what 802.11ac and ax give at 80 MHz, a few of them.
const RATES: [u32; 8] = [
    286_700, 324_500, 390_000, 433_300, 520_000, 650_000, 780_000, 866_700,
];

/// An access point with two networks.
#[derive(Debug)]
pub struct MovingAp {
    stations: Vec<Moving>,
    wan: [u64; 2],
    rng: fastrand::Rng,
    /// Seconds since the boot.
    uptime: u64,
}

#[derive(Debug)]
struct Moving {
    mac: Mac,
    since: u64,
    /// Mbit/s it uses when it does, and whether it does.
    appetite: f64,
    is_busy: bool,
    bytes: [u64; 2],
    packets: [u64; 2],
    retries: u64,
    failed: u64,
    signal: i32,
    average: i32,
    rates: [u32; 2],
    /// us on the air, from it and to it.
    airtime: [u64; 2],
}

impl MovingAp {
    /// A world with `stations` stations; the same `seed` moves them in the same way.
    pub fn new(stations: usize, seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let stations = (0..stations)
            .map(|_| Moving {
                mac: mac(&mut rng),
                since: rng.u64(..3600),
                appetite: 0.02 + 8.0 * rng.f64().powi(4),
                is_busy: rng.bool(),
                bytes: [rng.u64(..1 << 32), rng.u64(..1 << 34)],
                packets: [rng.u64(..1 << 22), rng.u64(..1 << 24)],
                retries: rng.u64(..50_000),
                failed: rng.u64(..500),
                signal: -40 - rng.i32(..45),
                average: -40 - rng.i32(..45),
                rates: [RATES[rng.usize(..8)], RATES[rng.usize(..8)]],
                airtime: [rng.u64(..1 << 32), rng.u64(..1 << 34)],
            })
            .collect();
        MovingAp {
            stations,
            wan: [1 << 33, 1 << 35],
            rng,
            uptime: 4000,
        }
    }

    /// Its report `seconds` after the last one.
    pub fn report(&mut self, seconds: u64) -> Report {
        self.uptime += seconds;
        let rng = &mut self.rng;
        let mut sum = [0, 0];
        for station in &mut self.stations {
            let moved = station.step(seconds, rng);
            sum = [sum[0] + moved[0], sum[1] + moved[1]];
        }
        self.wan = [self.wan[0] + sum[0], self.wan[1] + sum[1]];
        let stations: Vec<Station> = self
            .stations
            .iter()
            .enumerate()
            .map(|(at, station)| station.shown(at, self.uptime, &mut self.rng))
            .collect();
        Report {
            ssids: Some((0..2).map(|at| ssid(at, stations.len() / 2)).collect()),
            survey: None,
            stations: Some(stations),
            dhcp: None,
            device: self.device(),
            interfaces: Some(vec![self.interface("br-lan"), self.interface("wan")]),
            radios: Some(vec![radio("radio0", "2g", 6), radio("radio1", "5g", 36)]),
            mesh: None,
            events: Vec::new(),
        }
    }

    fn device(&mut self) -> Device {
        Device {
            firmware: Some("24.10.2".into()),
            wan_name: Some("wan".into()),
            machine_type: Some("GL.iNet GL-MT3000".into()),
            smv: "0.1.0".into(),
            mac: "94-83-C4-A1-B2-00".into(),
            tx_bytes: Some(self.wan[0]),
            rx_bytes: Some(self.wan[1]),
            uptime: Some(self.uptime),
            load_1: Some(f64::from(self.rng.u32(..80)) / 100.0),
            load_5: Some(0.21),
            load_15: Some(0.18),
            total_ram: Some(504_811_520),
            free_ram: Some(331_000_000 + self.rng.u64(..800) * 4096),
            procs: Some(self.rng.u64(120..150)),
            status: Some(9),
            connected: Some(self.stations.len()),
            hostname: Some("harbour-ap-3".into()),
            kernel: Some("6.6.93".into()),
            ..Device::default()
        }
    }

    fn interface(&self, name: &str) -> Interface {
        Interface {
            name: name.into(),
            up: Some(true),
            carrier: Some(true),
            mtu: Some(1500),
            counters: Counters {
                rx_bytes: Some(self.wan[1]),
                tx_bytes: Some(self.wan[0]),
                rx_packets: Some(self.wan[1] / 1100),
                tx_packets: Some(self.wan[0] / 300),
                rx_errors: Some(0),
                tx_errors: Some(0),
                rx_dropped: Some(0),
                tx_dropped: Some(0),
            },
            ..Interface::default()
        }
    }
}

fn mac(rng: &mut fastrand::Rng) -> Mac {
    let [a, b, c] = [rng.u8(..), rng.u8(..), rng.u8(..)];
    Mac::parse(&format!("8c:85:90:{a:02x}:{b:02x}:{c:02x}")).expect("it is a MAC")
}

fn radio(name: &str, band: &str, channel: u32) -> Radio {
    Radio {
        name: name.into(),
        band: Some(band.into()),
        channel: Some(channel),
        up: Some(true),
        verdict: Some("ok"),
        channel_use: Some(ChannelUse {
            utilization: Some(108),
            busy: 151_020_551,
            time: 355_997_340,
        }),
        dfs: (band == "5g").then(Dfs::default),
    }
}

fn ssid(at: usize, clients: usize) -> Ssid {
    Ssid {
        interface: format!("phy{at}-ap0"),
        channel: Some([6, 36][at]),
        noise: Some(-92),
        frequency: Some([2437, 5180][at]),
        ssid: Some("Harbour Cafe".into()),
        tx_power: Some(20),
        band: Some(["2g", "5g"][at].into()),
        radio: Some(format!("radio{at}")),
        clients: Some(clients),
        ..Ssid::default()
    }
}

impl Moving {
    /// Lives on; returns the bytes it sent and got.
    fn step(&mut self, seconds: u64, rng: &mut fastrand::Rng) -> [u64; 2] {
        if rng.u8(..8) == 0 {
            self.is_busy = !self.is_busy;
        }
        // One that is idle still says a word now and then.
        let words = match rng.u8(..3) {
            0 => rng.u64(..2000),
            _ => 0,
        };
        let used = match self.is_busy {
            true => (self.appetite * rng.f64() * seconds as f64 * 125_000.0) as u64,
            false => 0,
        };
        let moved = [used / 12 + words, used + words];
        for (bytes, moved) in self.bytes.iter_mut().zip(moved) {
            *bytes += moved;
        }
        let rates = [self.rates[1], self.rates[0]];
        for ((airtime, moved), rate) in self.airtime.iter_mut().zip(moved).zip(rates) {
            // A third of the time is preambles, acknowledgements and gaps.
            *airtime += moved * 12_000 / u64::from(rate);
        }
        self.packets[0] += moved[0].div_ceil(190);
        self.packets[1] += moved[1].div_ceil(1150);
        self.retries += moved[1] / 40_000;
        self.failed += u64::from(rng.u16(..400) == 0);
        self.signal = (self.signal + rng.i32(-1..=1)).clamp(-88, -35);
        self.average += (self.signal - self.average).signum();
        if self.is_busy && rng.u8(..3) == 0 {
            self.rates = [RATES[rng.usize(..8)], RATES[rng.usize(..8)]];
        }
        moved
    }

    fn shown(&self, at: usize, uptime: u64, rng: &mut fastrand::Rng) -> Station {
        let idle = match self.is_busy {
            true => rng.u64(..5) * 10,
            false => rng.u64(..1500) * 10,
        };
        Station {
            interface: Some(format!("phy{}-ap0", at % 2)),
            ssid: Some("Harbour Cafe".into()),
            mac: self.mac,
            inactive_time: Some(idle),
            traffic: Traffic {
                rx_packets: Some(self.packets[0]),
                tx_packets: Some(self.packets[1]),
                rx_bytes: Some(self.bytes[0]),
                tx_bytes: Some(self.bytes[1]),
                tx_retries: Some(self.retries),
                tx_failed: Some(self.failed),
            },
            signal: Some(self.signal),
            signal_avg: Some(self.average),
            tx_bitrate: Some(self.rates[0]),
            rx_bitrate: Some(self.rates[1]),
            authorized: Some(true),
            authenticated: Some(true),
            associated: Some(true),
            wmm: Some(true),
            mfp: Some(false),
            tdls: Some(false),
            preamble: Some(1),
            conn_time: Some(uptime - self.since.min(uptime)),
            expected_tput: None,
            mcs: None,
            airtime: Some(Airtime {
                rx: self.airtime[0] / 1000,
                tx: self.airtime[1] / 1000,
            }),
            rrm: Some([115, 0, 0, 0, 0]),
            wnm: Some(true),
            ip: Some([192, 168, 8, (10 + at % 240) as u8].into()),
            ip6: None,
            name: Some(format!("device-{at}")),
            vlan: None,
            source: Source::Hostapd,
        }
    }
}
