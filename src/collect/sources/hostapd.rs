//! hostapd: its networks, and who is connected to them.

use super::reply::Place::{Bool, Dbm, Field as Any, Mac as Address, Str, Text, U32, U64, U8};
use super::reply::{Field, Fields, List};
use crate::collect::report::{ChannelUse, Dfs, OnAir};
use crate::mac::Mac;

/// An object `hostapd.<name>`.
#[derive(Debug, Default)]
pub(crate) struct Ap {
    pub(crate) name: String,
    pub(crate) status: Option<Status>,
    pub(crate) clients: Option<Clients>,
    /// It was there a moment ago.
    pub(crate) gone: bool,
}

/// Reply of `hostapd.* get_status`.
#[derive(Debug, Default)]
pub(crate) struct Status {
    /// 802.1X on Ethernet, which has the same objects; told in newer releases.
    pub(crate) wired: bool,
    /// It is set up and not on the air.
    pub(crate) off: bool,
    pub(crate) bssid: Option<Mac>,
    pub(crate) ssid: Option<String>,
    pub(crate) freq: Option<u32>,
    pub(crate) channel: Option<u32>,
    pub(crate) phy: Option<String>,
    pub(crate) on_air: OnAir,
}

/// No rate of 802.11be is above this, kbit/s.
const MAX_KBITS: u64 = 46_200_000;

/// No rate of 802.11 is below this, kbit/s.
const MIN_KBITS: u64 = 1_000;

/// Reply of `hostapd.* get_clients`.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    pub(crate) freq: Option<u32>,
    pub(crate) clients: List<(Mac, Client)>,
}

/// A station of hostapd.
#[derive(Debug, Default)]
pub(crate) struct Client {
    pub(crate) auth: Option<bool>,
    pub(crate) assoc: Option<bool>,
    pub(crate) authorized: Option<bool>,
    pub(crate) wmm: Option<bool>,
    pub(crate) mfp: Option<bool>,
    /// Enabled capabilities of radio measurement (802.11k), five bytes.
    pub(crate) rrm: Option<[u8; 5]>,
    /// It understands BSS transition requests (802.11v).
    pub(crate) wnm: Option<bool>,
    // From here on: from the driver, and absent while it does not know the station.
    pub(crate) bytes: Both,
    pub(crate) packets: Both,
    /// us on the air.
    pub(crate) airtime: Both,
    /// kbit/s, or a hundred times that; see [`Clients::rate_unit`].
    pub(crate) rate: Both,
    pub(crate) signal: Option<i32>,
}

/// A number for each direction; `rx` is from the station.
#[derive(Debug, Default)]
pub(crate) struct Both {
    pub(crate) rx: Option<u64>,
    pub(crate) tx: Option<u64>,
}

impl Ap {
    pub(crate) fn named(name: String) -> Self {
        Ap {
            name,
            ..Ap::default()
        }
    }

    /// Nothing is known of it.
    pub(crate) fn is_silent(&self) -> bool {
        self.status.is_none() && self.clients.is_none()
    }

    /// 802.1X on Ethernet has no frequency and no network name.
    pub(crate) fn is_wired(&self) -> bool {
        let Some(status) = &self.status else {
            return self.clients.as_ref().is_some_and(|of| of.freq().is_none());
        };
        status.wired || (status.freq.is_none() && status.ssid.is_none() && status.bssid.is_none())
    }
}

impl Status {
    /// `None` if nothing of it is as expected.
    pub(crate) fn read(reply: Fields<'_>) -> Option<Self> {
        let mut status = Status::default();
        let (mut driver, mut state) = (None, None);
        let (mut airtime, mut dfs) = (Field::default(), Field::default());
        reply.read(&mut [
            ("driver", Str(&mut driver)),
            ("status", Str(&mut state)),
            ("bssid", Address(&mut status.bssid)),
            ("ssid", Text(&mut status.ssid)),
            ("freq", U32(&mut status.freq)),
            ("channel", U32(&mut status.channel)),
            ("phy", Text(&mut status.phy)),
            ("airtime", Any(&mut airtime)),
            ("dfs", Any(&mut dfs)),
        ]);
        status.wired = driver == Some("wired");
        status.off = matches!(state, Some("DISABLED" | "UNINITIALIZED"));
        status.on_air.channel_use = channel_use(airtime.fields());
        status.on_air.dfs = dfs_of(dfs.fields());
        let known = state.is_some() || status.bssid.is_some() || status.ssid.is_some();
        (known || status.freq.is_some()).then_some(status)
    }
}

impl Clients {
    /// `None` if there is no table of clients in it.
    pub(crate) fn read(reply: Fields<'_>) -> Option<Self> {
        let (mut freq, mut clients) = (None, Field::default());
        reply.read(&mut [("freq", U32(&mut freq)), ("clients", Any(&mut clients))]);
        let clients = clients.table()?.list(|mac, client| {
            let mac = Mac::parse(std::str::from_utf8(mac).ok()?)?;
            mac.is_individual().then_some(())?;
            Some((mac, Client::read(client.table()?)))
        });
        Some(Clients { freq, clients })
    }

    pub(crate) fn freq(&self) -> Option<u32> {
        self.freq
    }

    /// Divisor that turns the rates of this reply into kbit/s: 1, or 100 from 23.05 on.
    ///
    /// It is one for the whole reply, so a rate that is impossible in one unit decides; else
    /// `multiplied` does, which is what the system's release is known for.
    pub(crate) fn rate_unit(&self, multiplied: bool) -> u64 {
        let mut by_release = match multiplied {
            true => 100,
            false => 1,
        };
        for (_, client) in &self.clients.items {
            for rate in [client.rate.rx, client.rate.tx] {
                match rate {
                    Some(rate) if rate > MAX_KBITS => return 100,
                    Some(rate) if rate > 0 && rate / 100 < MIN_KBITS => by_release = 1,
                    _ => {}
                }
            }
        }
        by_release
    }
}

impl Client {
    fn read(fields: Fields<'_>) -> Self {
        let mut client = Client::default();
        let (mut rrm, mut capabilities) = (Field::default(), Field::default());
        let (mut airtime, mut bytes) = (Field::default(), Field::default());
        let (mut packets, mut rate) = (Field::default(), Field::default());
        fields.read(&mut [
            ("auth", Bool(&mut client.auth)),
            ("assoc", Bool(&mut client.assoc)),
            ("authorized", Bool(&mut client.authorized)),
            ("wmm", Bool(&mut client.wmm)),
            ("mfp", Bool(&mut client.mfp)),
            ("rrm", Any(&mut rrm)),
            ("extended_capabilities", Any(&mut capabilities)),
            ("airtime", Any(&mut airtime)),
            ("bytes", Any(&mut bytes)),
            ("packets", Any(&mut packets)),
            ("rate", Any(&mut rate)),
            ("signal", Dbm(&mut client.signal)),
        ]);
        let rrm = rrm.fields().list(|_, byte| byte.u32()?.try_into().ok());
        client.rrm = rrm.items.try_into().ok();
        client.wnm = bss_transition(capabilities.fields());
        client.airtime = Both::read(airtime);
        client.bytes = Both::read(bytes);
        client.packets = Both::read(packets);
        client.rate = Both::read(rate);
        client
    }
}

/// `None` without both of its times.
fn channel_use(airtime: Fields<'_>) -> Option<ChannelUse> {
    let (mut time, mut busy, mut utilization) = (None, None, None);
    airtime.read(&mut [
        ("time", U64(&mut time)),
        ("time_busy", U64(&mut busy)),
        ("utilization", U8(&mut utilization)),
    ]);
    Some(ChannelUse {
        utilization,
        busy: busy?,
        time: time?,
    })
}

fn dfs_of(dfs: Fields<'_>) -> Option<Dfs> {
    let (mut active, mut left) = (None, None);
    dfs.read(&mut [
        ("cac_active", Bool(&mut active)),
        ("cac_seconds_left", U32(&mut left)),
    ]);
    Some(Dfs {
        cac_active: active?,
        cac_seconds_left: left?,
    })
}

/// Bit 19 of the extended capabilities; `None` if the station told none.
fn bss_transition(mut bytes: Fields<'_>) -> Option<bool> {
    let (_, first) = bytes.next()?;
    first.u32()?;
    let third = bytes.nth(1).and_then(|(_, byte)| byte.u32());
    Some(third.is_some_and(|byte| byte & 0b1000 != 0))
}

impl Both {
    fn read(table: Field<'_>) -> Self {
        let mut both = Both::default();
        let fields = table.fields();
        fields.read(&mut [("rx", U64(&mut both.rx)), ("tx", U64(&mut both.tx))]);
        both
    }
}
