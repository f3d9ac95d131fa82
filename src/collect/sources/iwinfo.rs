//! iwinfo: what the driver knows of each network device and of the stations on it.

use super::reply::{dbm, Fields, List};
use crate::collect::report::ChannelUse;
use crate::mac::Mac;

/// One network device, as iwinfo knows it.
#[derive(Debug, Default)]
pub(crate) struct Netdev {
    pub(crate) name: String,
    pub(crate) info: Option<Info>,
    pub(crate) stations: Option<Assoclist>,
    /// Use of the channels; asked only where hostapd does not tell.
    pub(crate) survey: Vec<Channel>,
}

/// A channel of `iwinfo survey`.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) mhz: u32,
    pub(crate) channel_use: ChannelUse,
}

/// Reply of `iwinfo info`.
#[derive(Debug, Default)]
pub(crate) struct Info {
    pub(crate) phy: Option<String>,
    pub(crate) ssid: Option<String>,
    pub(crate) bssid: Option<Mac>,
    /// "Master", "Master (VLAN)", "Client", "Mesh Point", "Monitor", …
    pub(crate) mode: Option<String>,
    pub(crate) channel: Option<u32>,
    pub(crate) frequency: Option<u32>,
    pub(crate) txpower: Option<i32>,
    pub(crate) quality: Option<u32>,
    pub(crate) quality_max: Option<u32>,
    pub(crate) signal: Option<i32>,
    pub(crate) noise: Option<i32>,
    pub(crate) bitrate: Option<u32>,
}

/// Reply of `iwinfo assoclist`.
#[derive(Debug, Default)]
pub(crate) struct Assoclist(pub(crate) List<(Mac, Assoc)>);

/// A station of iwinfo.
#[derive(Debug, Default)]
pub(crate) struct Assoc {
    pub(crate) signal: Option<i32>,
    pub(crate) signal_avg: Option<i32>,
    /// ms.
    pub(crate) inactive: Option<u64>,
    /// s.
    pub(crate) connected_time: Option<u64>,
    /// kbit/s; 0 = unknown.
    pub(crate) thr: Option<u32>,
    pub(crate) authorized: Option<bool>,
    pub(crate) authenticated: Option<bool>,
    /// 1 = short, 2 = long.
    pub(crate) preamble: Option<u8>,
    pub(crate) wme: Option<bool>,
    pub(crate) mfp: Option<bool>,
    pub(crate) tdls: Option<bool>,
    /// State of the link to a peer of a mesh.
    pub(crate) plink: Option<String>,
    pub(crate) rx: Direction,
    pub(crate) tx: Direction,
}

#[derive(Debug, Default)]
pub(crate) struct Direction {
    pub(crate) packets: Option<u64>,
    pub(crate) bytes: Option<u64>,
    pub(crate) failed: Option<u64>,
    pub(crate) retries: Option<u64>,
    /// kbit/s, in every release.
    pub(crate) rate: Option<u32>,
    pub(crate) mcs: Option<u8>,
}

impl Netdev {
    pub(crate) fn named(name: String) -> Self {
        Netdev {
            name,
            ..Netdev::default()
        }
    }

    pub(crate) fn mode(&self) -> Option<&str> {
        self.info.as_ref()?.mode.as_deref()
    }

    /// It lists stations, and nothing says that they are no clients of ours.
    pub(crate) fn may_have_clients(&self) -> bool {
        let listed = self
            .stations
            .as_ref()
            .is_some_and(|list| !list.0.items.is_empty());
        listed && self.mode().is_none_or(|mode| mode.starts_with("Master"))
    }
}

impl Info {
    /// `None` if nothing of it is as expected.
    pub(crate) fn read(reply: Fields<'_>) -> Option<Self> {
        let mut info = Info::default();
        for (name, field) in reply {
            match name {
                b"phy" => info.phy = field.text(),
                b"ssid" => info.ssid = field.text(),
                b"bssid" => info.bssid = field.mac(),
                b"mode" => info.mode = field.text(),
                b"channel" => info.channel = field.u32(),
                b"frequency" => info.frequency = field.u32(),
                b"txpower" => info.txpower = field.i32(),
                b"quality" => info.quality = field.u32(),
                b"quality_max" => info.quality_max = field.u32(),
                b"signal" => info.signal = field.i32(),
                b"noise" => info.noise = field.i32(),
                b"bitrate" => info.bitrate = field.u32(),
                _ => {}
            }
        }
        let known = info.phy.is_some() || info.mode.is_some() || info.ssid.is_some();
        known.then_some(info)
    }
}

impl Channel {
    /// The channels with both times; others were listened to for a scan only.
    pub(crate) fn read_all(reply: Fields<'_>) -> Option<Vec<Self>> {
        let results = reply.named(b"results")?.array()?;
        let channels = results.list(|_, channel| {
            let (mut mhz, mut busy, mut time) = (None, None, None);
            for (name, field) in channel.table()? {
                match name {
                    b"mhz" => mhz = field.u32(),
                    b"busy_time" => busy = field.u64(),
                    b"active_time" => time = field.u64(),
                    _ => {}
                }
            }
            let channel_use = ChannelUse {
                utilization: None,
                busy: busy?,
                time: time?,
            };
            Some(Channel {
                mhz: mhz?,
                channel_use,
            })
        });
        Some(channels.items)
    }
}

impl Assoclist {
    /// `None` if there is no list in it.
    pub(crate) fn read(reply: Fields<'_>) -> Option<Self> {
        let results = reply.named(b"results")?.array()?;
        Some(Assoclist(
            results.list(|_, station| Assoc::read(station.table()?)),
        ))
    }
}

impl Assoc {
    fn read(fields: Fields<'_>) -> Option<(Mac, Self)> {
        let mut assoc = Assoc::default();
        let mut mac = None;
        for (name, field) in fields {
            match name {
                b"mac" => mac = field.mac(),
                b"signal" => assoc.signal = dbm(field.i32()),
                b"signal_avg" => assoc.signal_avg = dbm(field.i32()),
                b"inactive" => assoc.inactive = field.u64(),
                b"connected_time" => assoc.connected_time = field.u64(),
                b"thr" => assoc.thr = field.u32(),
                b"authorized" => assoc.authorized = field.bool(),
                b"authenticated" => assoc.authenticated = field.bool(),
                b"preamble" => {
                    assoc.preamble = match field.str() {
                        Some("short") => Some(1),
                        Some("long") => Some(2),
                        _ => None,
                    };
                }
                b"wme" => assoc.wme = field.bool(),
                b"mfp" => assoc.mfp = field.bool(),
                b"tdls" => assoc.tdls = field.bool(),
                b"mesh plink" => assoc.plink = field.text(),
                b"rx" => assoc.rx = Direction::read(field.fields()),
                b"tx" => assoc.tx = Direction::read(field.fields()),
                _ => {}
            }
        }
        Some((mac?, assoc))
    }
}

impl Direction {
    fn read(fields: Fields<'_>) -> Self {
        let mut direction = Direction::default();
        for (name, field) in fields {
            match name {
                b"packets" => direction.packets = field.u64(),
                b"bytes" => direction.bytes = field.u64(),
                b"failed" => direction.failed = field.u64(),
                b"retries" => direction.retries = field.u64(),
                b"rate" => direction.rate = field.u32(),
                b"mcs" => direction.mcs = field.u32().and_then(|mcs| mcs.try_into().ok()),
                _ => {}
            }
        }
        direction
    }
}
