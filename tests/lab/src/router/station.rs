//! A station: its identity, how well it hears its access point, and its traffic.

use std::fmt;

use super::ap::{Ap, Band};

/// A hardware address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// `3C:22:FB:10:20:31`, as iwinfo and luci-rpc write it.
    pub fn upper(self) -> String {
        self.to_string().to_uppercase()
    }
}

/// Lower case, as hostapd and dnsmasq write it.
impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// The newest standard a station and its access point share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standard {
    /// 802.11g
    Legacy,
    /// 802.11n, one stream, 20 MHz
    Ht,
    /// 802.11ac, two streams, 80 MHz
    Vht,
    /// 802.11ax, two streams, 80 MHz
    He,
}

impl Standard {
    /// Rates by MCS, kbit/s.
    fn rates(self) -> &'static [u32] {
        match self {
            Standard::Legacy => &[1000, 2000, 5500, 11_000, 24_000, 36_000, 48_000, 54_000],
            Standard::Ht => &[7200, 14_400, 21_700, 28_900, 43_300, 57_800, 65_000, 72_200],
            Standard::Vht => &[
                65_000, 130_000, 195_000, 260_000, 390_000, 520_000, 585_000, 650_000, 780_000,
                866_700,
            ],
            Standard::He => &[
                72_000, 144_100, 216_200, 288_200, 432_300, 576_400, 648_500, 720_500, 864_700,
                960_700, 1_080_900, 1_200_900,
            ],
        }
    }

    /// Channel width, MHz.
    pub fn width(self) -> u32 {
        match self {
            Standard::Legacy | Standard::Ht => 20,
            Standard::Vht | Standard::He => 80,
        }
    }
}

/// Traffic in one direction since the station associated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    pub bytes: u64,
    /// Wraps, as the driver's counter does.
    pub packets: u32,
    /// µs
    pub airtime: u64,
}

impl Traffic {
    fn add(&mut self, bytes: u64, rate: u32) {
        self.bytes += bytes;
        self.packets = self.packets.wrapping_add(packets(bytes) as u32);
        self.airtime += bytes * 8_000 / u64::from(rate);
    }
}

/// The number of packets that carry so many bytes, in this world.
pub(super) fn packets(bytes: u64) -> u64 {
    bytes.div_ceil(900)
}

/// Traffic of one step, bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// From the station.
    pub rx: u64,
    /// To the station.
    pub tx: u64,
}

/// A station, associated or remembered.
#[derive(Debug, Clone, PartialEq)]
pub struct Station {
    pub mac: Mac,
    /// Host name it asks for addresses with.
    pub name: Option<String>,
    /// Index of its access point.
    pub ap: usize,
    /// Sits on the access point's VLAN instead of its main network.
    pub on_vlan: bool,
    pub standard: Standard,
    /// Has an address by DHCPv6 too.
    pub ipv6: bool,
    /// False while the handshake failed: not a usable client.
    pub authorized: bool,
    pub aid: u32,
    /// dBm
    pub signal: i32,
    pub signal_avg: i32,
    /// Since its last frame, ms.
    pub inactive: u32,
    /// Since it associated, ms.
    pub connected: u64,
    /// From and to the station.
    pub rx: Traffic,
    pub tx: Traffic,
    pub retries: u32,
    pub failed: u32,
    /// Bytes per second it likes to receive; it sends an eighth of it.
    appetite: u32,
}

impl Station {
    /// A station that has just associated.
    pub fn new(mac: Mac, ap: usize, at: &Ap, rng: &mut fastrand::Rng) -> Self {
        let standard = match (at.band, rng.u8(0..4)) {
            (Band::Two, 0) => Standard::Legacy,
            (Band::Two, _) => Standard::Ht,
            (Band::Five, 0..=1) => Standard::Vht,
            (Band::Five, _) => Standard::He,
        };
        let signal = rng.i32(-80..=-40);
        Station {
            mac,
            name: None,
            ap,
            on_vlan: false,
            standard,
            ipv6: rng.u8(0..4) == 0,
            authorized: true,
            aid: 0,
            signal,
            signal_avg: signal,
            inactive: 0,
            connected: 0,
            rx: Traffic::default(),
            tx: Traffic::default(),
            retries: 0,
            failed: 0,
            appetite: rng.u32(2_000..400_000),
        }
    }

    /// Starts over at its access point: the driver counts from zero for every association.
    pub fn associate(&mut self, aid: u32) {
        self.aid = aid;
        self.inactive = 0;
        self.connected = 0;
        self.rx = Traffic::default();
        self.tx = Traffic::default();
        self.retries = 0;
        self.failed = 0;
    }

    /// Lives for `ms`; what it moved in that time.
    pub fn advance(&mut self, ms: u32, rng: &mut fastrand::Rng) -> Moved {
        self.connected += u64::from(ms);
        self.signal = (self.signal + rng.i32(-2..=2)).clamp(-90, -35);
        self.signal_avg = (self.signal_avg * 7 + self.signal) / 8;
        if !self.authorized || rng.u8(0..10) < 3 {
            self.inactive = self.inactive.saturating_add(ms);
            return Moved::default();
        }
        self.inactive = rng.u32(0..ms.max(1));
        let tx = u64::from(self.appetite) * u64::from(ms) * rng.u64(50..=150) / 100_000;
        let moved = Moved { rx: tx / 8, tx };
        self.rx.add(moved.rx, self.rx_rate());
        self.tx.add(moved.tx, self.tx_rate());
        self.retries = self.retries.wrapping_add((packets(tx) / 40) as u32);
        self.failed = self.failed.wrapping_add(u32::from(rng.u8(..) == 0));
        moved
    }

    /// MCS of what is sent to it; follows the signal.
    pub fn tx_mcs(&self) -> u32 {
        let best = self.standard.rates().len() as i32 - 1;
        ((self.signal + 92) / 4).clamp(0, best) as u32
    }

    /// MCS of what it sends: stations shout less loud than access points.
    pub fn rx_mcs(&self) -> u32 {
        self.tx_mcs().saturating_sub(1)
    }

    /// kbit/s
    pub fn tx_rate(&self) -> u32 {
        self.standard.rates()[self.tx_mcs() as usize]
    }

    /// kbit/s
    pub fn rx_rate(&self) -> u32 {
        self.standard.rates()[self.rx_mcs() as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::super::ap::APS;
    use super::*;

    #[test]
    fn a_mac_has_both_spellings() {
        let mac = Mac([0x3c, 0x22, 0xfb, 0x10, 0x20, 0x31]);
        assert_eq!(mac.to_string(), "3c:22:fb:10:20:31");
        assert_eq!(mac.upper(), "3C:22:FB:10:20:31");
    }

    #[test]
    fn every_signal_gives_a_rate_and_a_better_one_no_lower_rate() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut station = Station::new(Mac([2; 6]), 0, &APS[0], &mut rng);
        for standard in [Standard::Legacy, Standard::Ht, Standard::Vht, Standard::He] {
            station.standard = standard;
            let mut last = 0;
            for signal in -120..=0 {
                station.signal = signal;
                assert!(station.tx_rate() >= last);
                assert!(station.rx_rate() <= station.tx_rate());
                last = station.tx_rate();
            }
        }
    }

    #[test]
    fn an_unauthorized_station_moves_nothing() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut station = Station::new(Mac([2; 6]), 0, &APS[0], &mut rng);
        station.authorized = false;
        for _ in 0..100 {
            assert_eq!(station.advance(1000, &mut rng), Moved::default());
        }
        assert_eq!(station.inactive, 100_000);
    }
}
