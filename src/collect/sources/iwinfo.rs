//! iwinfo: what the driver knows of each network device and of the stations on it.

use super::reply::Place::{Bool, Dbm, Field as Any, Mac as Address, Str, Text, I32, U32, U64, U8};
use super::reply::{Field, Fields, List};
use crate::collect::report::ChannelUse;
use crate::mac::Mac;

/// A network device as iwinfo knows it.
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
        reply.read(&mut [
            ("phy", Text(&mut info.phy)),
            ("ssid", Text(&mut info.ssid)),
            ("bssid", Address(&mut info.bssid)),
            ("mode", Text(&mut info.mode)),
            ("channel", U32(&mut info.channel)),
            ("frequency", U32(&mut info.frequency)),
            ("txpower", I32(&mut info.txpower)),
            ("quality", U32(&mut info.quality)),
            ("quality_max", U32(&mut info.quality_max)),
            ("signal", I32(&mut info.signal)),
            ("noise", I32(&mut info.noise)),
            ("bitrate", U32(&mut info.bitrate)),
        ]);
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
            channel.table()?.read(&mut [
                ("mhz", U32(&mut mhz)),
                ("busy_time", U64(&mut busy)),
                ("active_time", U64(&mut time)),
            ]);
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
        let mut preamble = None;
        let (mut rx, mut tx) = (Field::default(), Field::default());
        fields.read(&mut [
            ("mac", Address(&mut mac)),
            ("signal", Dbm(&mut assoc.signal)),
            ("signal_avg", Dbm(&mut assoc.signal_avg)),
            ("inactive", U64(&mut assoc.inactive)),
            ("connected_time", U64(&mut assoc.connected_time)),
            ("thr", U32(&mut assoc.thr)),
            ("authorized", Bool(&mut assoc.authorized)),
            ("authenticated", Bool(&mut assoc.authenticated)),
            ("preamble", Str(&mut preamble)),
            ("wme", Bool(&mut assoc.wme)),
            ("mfp", Bool(&mut assoc.mfp)),
            ("tdls", Bool(&mut assoc.tdls)),
            ("mesh plink", Text(&mut assoc.plink)),
            ("rx", Any(&mut rx)),
            ("tx", Any(&mut tx)),
        ]);
        assoc.preamble = match preamble {
            Some("short") => Some(1),
            Some("long") => Some(2),
            _ => None,
        };
        assoc.rx = Direction::read(rx.fields());
        assoc.tx = Direction::read(tx.fields());
        Some((mac?, assoc))
    }
}

impl Direction {
    fn read(fields: Fields<'_>) -> Self {
        let mut direction = Direction::default();
        fields.read(&mut [
            ("packets", U64(&mut direction.packets)),
            ("bytes", U64(&mut direction.bytes)),
            ("failed", U64(&mut direction.failed)),
            ("retries", U64(&mut direction.retries)),
            ("rate", U32(&mut direction.rate)),
            ("mcs", U8(&mut direction.mcs)),
        ]);
        direction
    }
}
