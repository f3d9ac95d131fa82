//! hostapd: its networks, and who is connected to them.

use super::reply::{dbm, Fields, List};
use crate::collect::report::{ChannelUse, Dfs, OnAir};
use crate::mac::Mac;

/// One object `hostapd.<name>`.
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
        let mut known = false;
        for (name, field) in reply {
            match name {
                b"driver" => status.wired = field.str() == Some("wired"),
                b"status" => {
                    known |= field.str().is_some();
                    status.off = matches!(field.str(), Some("DISABLED" | "UNINITIALIZED"));
                }
                b"bssid" => status.bssid = field.mac(),
                b"ssid" => status.ssid = field.text(),
                b"freq" => status.freq = field.u32(),
                b"channel" => status.channel = field.u32(),
                b"phy" => status.phy = field.text(),
                b"airtime" => status.on_air.channel_use = channel_use(field.fields()),
                b"dfs" => status.on_air.dfs = dfs(field.fields()),
                _ => {}
            }
        }
        let known = known || status.bssid.is_some() || status.ssid.is_some();
        (known || status.freq.is_some()).then_some(status)
    }
}

impl Clients {
    /// `None` if there is no table of clients in it.
    pub(crate) fn read(reply: Fields<'_>) -> Option<Self> {
        let mut freq = None;
        let mut clients = None;
        for (name, field) in reply {
            match name {
                b"freq" => freq = field.u32(),
                b"clients" => {
                    clients = field.table().map(|clients| {
                        clients.list(|mac, client| {
                            let mac = Mac::parse(std::str::from_utf8(mac).ok()?)?;
                            mac.is_individual().then_some(())?;
                            Some((mac, Client::read(client.table()?)))
                        })
                    });
                }
                _ => {}
            }
        }
        clients.map(|clients| Clients { freq, clients })
    }

    pub(crate) fn freq(&self) -> Option<u32> {
        self.freq
    }

    /// What the rates of this reply are divided by to have kbit/s: 1, or 100 from 23.05 on.
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
        for (name, field) in fields {
            match name {
                b"auth" => client.auth = field.bool(),
                b"assoc" => client.assoc = field.bool(),
                b"authorized" => client.authorized = field.bool(),
                b"wmm" => client.wmm = field.bool(),
                b"mfp" => client.mfp = field.bool(),
                b"rrm" => {
                    let bytes = field.fields().list(|_, byte| byte.u32()?.try_into().ok());
                    client.rrm = bytes.items.try_into().ok();
                }
                b"extended_capabilities" => client.wnm = bss_transition(field.fields()),
                b"airtime" => client.airtime = Both::read(field.fields()),
                b"bytes" => client.bytes = Both::read(field.fields()),
                b"packets" => client.packets = Both::read(field.fields()),
                b"rate" => client.rate = Both::read(field.fields()),
                b"signal" => client.signal = dbm(field.i32()),
                _ => {}
            }
        }
        client
    }
}

/// `None` without both of its times.
fn channel_use(airtime: Fields<'_>) -> Option<ChannelUse> {
    let (mut time, mut busy, mut utilization) = (None, None, None);
    for (name, field) in airtime {
        match name {
            b"time" => time = field.u64(),
            b"time_busy" => busy = field.u64(),
            b"utilization" => utilization = field.u32().and_then(|of| of.try_into().ok()),
            _ => {}
        }
    }
    Some(ChannelUse {
        utilization,
        busy: busy?,
        time: time?,
    })
}

fn dfs(dfs: Fields<'_>) -> Option<Dfs> {
    let (mut active, mut left) = (None, None);
    for (name, field) in dfs {
        match name {
            b"cac_active" => active = field.bool(),
            b"cac_seconds_left" => left = field.u32(),
            _ => {}
        }
    }
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
    fn read(fields: Fields<'_>) -> Self {
        let mut both = Both::default();
        for (name, field) in fields {
            match name {
                b"rx" => both.rx = field.u64(),
                b"tx" => both.tx = field.u64(),
                _ => {}
            }
        }
        both
    }
}
