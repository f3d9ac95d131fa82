//! Radios and their networks, as netifd has them configured.

use crate::collect::sources::reply::Place::{Bool, Digits, Field as Any, Str, Text};
use crate::collect::sources::reply::{cut, Field, Fields, List, MAX_ENTRIES};
use crate::mac::Mac;

/// A radio of `network.wireless status`.
///
/// The reply is full of keys; only what is named here is ever read out of it.
#[derive(Debug, Default)]
pub(crate) struct Radio {
    pub(crate) name: String,
    pub(crate) band: Option<String>,
    /// `None` for "auto".
    pub(crate) channel: Option<u32>,
    /// netifd has set it up.
    up: Option<bool>,
    pub(crate) vifs: Vec<Vif>,
}

/// A network of a radio, as configured.
#[derive(Debug, Default)]
pub(crate) struct Vif {
    /// Absent until it is set up; old releases tell it of the first network of a radio only.
    pub(crate) ifname: Option<String>,
    pub(crate) ssid: Option<String>,
    mode: Option<String>,
    /// The logical interfaces its stations are in.
    pub(crate) networks: Vec<String>,
    pub(crate) vlans: Vec<Vlan>,
    /// The stations that the configuration puts into a VLAN.
    pub(crate) assigned: Vec<(Mac, u32)>,
}

/// A VLAN of a network, as configured.
#[derive(Debug, Default)]
pub(crate) struct Vlan {
    /// Its network device.
    pub(crate) ifname: Option<String>,
    pub(crate) vid: Option<u32>,
    /// The logical interfaces its stations are in.
    pub(crate) networks: Vec<String>,
}

/// The highest channel of 2.4 GHz.
const TWO_MAX: u32 = 14;

/// The band in the configuration of a radio; of one that has no such option, as netifd derives it: from that of 19.07,
/// or else from the channel.
pub(crate) fn band(config: Field<'_>) -> Option<String> {
    let (mut band, mut mode, mut channel) = (None, None, None);
    config.fields().read(&mut [
        ("band", Text(&mut band)),
        ("hwmode", Str(&mut mode)),
        ("channel", Digits(&mut channel)),
    ]);
    band.or_else(|| {
        let band = match mode.unwrap_or_default().trim_start_matches("11") {
            "b" | "g" => "2g",
            "a" => "5g",
            "ad" => "60g",
            // A link of several radios (MLO) has no channel of its own.
            _ => match channel? {
                0 => return None,
                1..=TWO_MAX => "2g",
                _ => "5g",
            },
        };
        Some(band.to_owned())
    })
}

impl Radio {
    /// The radios of `network.wireless status`; `None` if none of them is a table.
    pub(crate) fn read_all(reply: Fields<'_>) -> Option<List<Self>> {
        let mut empty = true;
        let radios = reply.list(|name, radio| {
            empty = false;
            let name = cut(String::from_utf8_lossy(name).into_owned());
            Some(Radio::read(name, radio.table()?))
        });
        (empty || !radios.items.is_empty()).then_some(radios)
    }

    fn read(name: String, fields: Fields<'_>) -> Self {
        let mut radio = Radio {
            name,
            ..Radio::default()
        };
        let (mut config, mut vifs) = (Field::default(), Field::default());
        fields.read(&mut [
            ("up", Bool(&mut radio.up)),
            ("config", Any(&mut config)),
            ("interfaces", Any(&mut vifs)),
        ]);
        radio.band = band(config);
        config
            .fields()
            .read(&mut [("channel", Digits(&mut radio.channel))]);
        let vifs = vifs.fields();
        radio.vifs = vifs.list(|_, vif| Some(Vif::read(vif.fields()))).items;
        radio
    }

    /// False if netifd says that no access point is set up on it.
    pub(crate) fn may_have_ap(&self) -> bool {
        let is_ap = |vif: &Vif| vif.mode.as_deref().is_none_or(|mode| mode == "ap");
        self.up != Some(false) && self.vifs.iter().any(is_ap)
    }
}

impl Vif {
    fn read(fields: Fields<'_>) -> Self {
        let mut vif = Vif::default();
        let (mut config, mut networks) = (Field::default(), Field::default());
        let (mut vlans, mut stations) = (Field::default(), Field::default());
        fields.read(&mut [
            ("ifname", Text(&mut vif.ifname)),
            ("config", Any(&mut config)),
            ("vlans", Any(&mut vlans)),
            ("stations", Any(&mut stations)),
        ]);
        config.fields().read(&mut [
            ("ssid", Text(&mut vif.ssid)),
            ("mode", Text(&mut vif.mode)),
            ("network", Any(&mut networks)),
        ]);
        vif.networks = owned(networks);
        let vlans = vlans.fields();
        vif.vlans = vlans.list(|_, vlan| Some(Vlan::read(vlan.fields()))).items;
        for (_, station) in stations.fields().take(MAX_ENTRIES) {
            assigned(station, &mut vif.assigned);
        }
        vif
    }
}

impl Vlan {
    fn read(fields: Fields<'_>) -> Self {
        let mut vlan = Vlan::default();
        let (mut config, mut networks) = (Field::default(), Field::default());
        let mut vid = Field::default();
        fields.read(&mut [
            ("ifname", Text(&mut vlan.ifname)),
            ("config", Any(&mut config)),
        ]);
        config
            .fields()
            .read(&mut [("vid", Any(&mut vid)), ("network", Any(&mut networks))]);
        vlan.vid = number(vid);
        vlan.networks = owned(networks);
        vlan
    }
}

/// Adds the stations that one section `wifi-station` names, with their VLAN.
fn assigned(station: Field<'_>, stations: &mut Vec<(Mac, u32)>) {
    let (mut macs, mut vid) = (Field::default(), Field::default());
    let config = station.fields().named(b"config").unwrap_or_default();
    config
        .fields()
        .read(&mut [("mac", Any(&mut macs)), ("vid", Any(&mut vid))]);
    if let Some(vid) = number(vid) {
        let macs = macs.words().filter_map(Mac::parse);
        stations.extend(macs.map(|mac| (mac, vid)));
    }
}

fn owned(list: Field<'_>) -> Vec<String> {
    list.words().map(|word| cut(word.to_owned())).collect()
}

/// The one number of an option that may be a list.
fn number(field: Field<'_>) -> Option<u32> {
    field.each().next()?.digits()
}
