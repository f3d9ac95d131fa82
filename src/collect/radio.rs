//! Radios and their networks, as netifd has them configured.

use super::reply::{cut, Field, Fields};
use crate::mac::Mac;

/// One radio of `network.wireless status`.
///
/// The reply is full of keys; only what is named here is ever read out of it.
#[derive(Debug, Default)]
pub(super) struct Radio {
    pub(super) name: String,
    pub(super) band: Option<String>,
    /// `None` for "auto".
    pub(super) channel: Option<u32>,
    pub(super) vifs: Vec<Vif>,
}

/// A network of a radio, as configured.
#[derive(Debug, Default)]
pub(super) struct Vif {
    /// Absent until it is set up.
    pub(super) ifname: Option<String>,
    pub(super) ssid: Option<String>,
    /// Its VLANs, each with a network device of its own and a number.
    pub(super) vlans: Vec<(String, Option<u32>)>,
    /// The stations that the configuration puts into a VLAN.
    pub(super) assigned: Vec<(Mac, u32)>,
}

impl Radio {
    /// The radios of `network.wireless status`; `None` if none of them is a table.
    pub(super) fn read_all(reply: Fields<'_>) -> Option<Vec<Self>> {
        let mut empty = true;
        let radios = reply.list(|name, radio| {
            empty = false;
            let name = cut(String::from_utf8_lossy(name).into_owned());
            Some(Radio::read(name, radio.table()?))
        });
        (empty || !radios.items.is_empty()).then_some(radios.items)
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
        fn config(of: Field<'_>) -> Option<Fields<'_>> {
            of.fields().named(b"config").map(Field::fields)
        }

        let mut vif = Vif::default();
        for (name, field) in fields {
            match name {
                b"ifname" => vif.ifname = field.text(),
                b"config" => vif.ssid = field.fields().named(b"ssid").and_then(Field::text),
                b"vlans" => {
                    let vlans = field.fields().list(|_, vlan| {
                        let ifname = vlan.fields().named(b"ifname")?.text()?;
                        let vid = config(vlan).and_then(|config| config.named(b"vid")?.digits());
                        Some((ifname, vid))
                    });
                    vif.vlans = vlans.items;
                }
                b"stations" => {
                    let assigned = field.fields().list(|_, station| {
                        let config = config(station)?;
                        let mac = config.clone().named(b"mac")?.str().and_then(Mac::parse)?;
                        Some((mac, config.named(b"vid")?.digits()?))
                    });
                    vif.assigned = assigned.items;
                }
                _ => {}
            }
        }
        vif
    }
}
