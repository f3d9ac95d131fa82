//! Radios and their networks, as netifd has them configured.

use crate::collect::sources::reply::{cut, Field, Fields, List};
use crate::mac::Mac;

/// One radio of `network.wireless status`.
///
/// The reply is full of keys; only what is named here is ever read out of it.
#[derive(Debug, Default)]
pub(crate) struct Radio {
    pub(crate) name: String,
    pub(crate) band: Option<String>,
    /// `None` for "auto".
    pub(crate) channel: Option<u32>,
    pub(crate) vifs: Vec<Vif>,
}

/// A network of a radio, as configured.
#[derive(Debug, Default)]
pub(crate) struct Vif {
    /// Absent until it is set up; old releases tell it of the first network of a radio only.
    pub(crate) ifname: Option<String>,
    pub(crate) ssid: Option<String>,
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
        for (name, field) in fields {
            match name {
                b"config" => {
                    for (name, field) in field.fields() {
                        match name {
                            b"band" => radio.band = field.text(),
                            b"channel" => radio.channel = field.digits(),
                            _ => {}
                        }
                    }
                }
                b"interfaces" => {
                    let vifs = field.fields();
                    radio.vifs = vifs.list(|_, vif| Some(Vif::read(vif.fields()))).items;
                }
                _ => {}
            }
        }
        radio
    }
}

impl Vif {
    fn read(fields: Fields<'_>) -> Self {
        let mut vif = Vif::default();
        for (name, field) in fields {
            match name {
                b"ifname" => vif.ifname = field.text(),
                b"config" => {
                    for (name, field) in field.fields() {
                        match name {
                            b"ssid" => vif.ssid = field.text(),
                            b"network" => vif.networks = owned(field),
                            _ => {}
                        }
                    }
                }
                b"vlans" => {
                    let vlans = field.fields();
                    vif.vlans = vlans.list(|_, vlan| Some(Vlan::read(vlan.fields()))).items;
                }
                b"stations" => {
                    let stations = field.fields().list(|_, station| Some(assigned(station)));
                    vif.assigned = stations.items.into_iter().flatten().collect();
                }
                _ => {}
            }
        }
        vif
    }
}

impl Vlan {
    fn read(fields: Fields<'_>) -> Self {
        let mut vlan = Vlan::default();
        for (name, field) in fields {
            match name {
                b"ifname" => vlan.ifname = field.text(),
                b"config" => {
                    for (name, field) in field.fields() {
                        match name {
                            b"vid" => vlan.vid = number(field),
                            b"network" => vlan.networks = owned(field),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        vlan
    }
}

/// The stations that one section `wifi-station` names, with their VLAN.
fn assigned(station: Field<'_>) -> Vec<(Mac, u32)> {
    let (mut macs, mut vid) = (Vec::new(), None);
    let config = station.fields().named(b"config").map(Field::fields);
    for (name, field) in config.into_iter().flatten() {
        match name {
            b"mac" => macs = field.words().filter_map(Mac::parse).collect(),
            b"vid" => vid = number(field),
            _ => {}
        }
    }
    let vid = vid.into_iter().cycle();
    macs.into_iter().zip(vid).collect()
}

fn owned(list: Field<'_>) -> Vec<String> {
    list.words().map(|word| cut(word.to_owned())).collect()
}

/// The one number of an option that may be a list.
fn number(field: Field<'_>) -> Option<u32> {
    field.each().next()?.digits()
}
