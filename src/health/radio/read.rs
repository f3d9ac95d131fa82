//! Reads the replies of the bus that a look is made of.
//!
//! `network.wireless status` is full of keys; only what is named here is ever read out of it.

use super::sight::{Configured, Mode, Status, Vif};
use super::verdict::State;
use crate::collect::netifd::radio::band;
use crate::collect::reply::{cut, Field, Fields};

/// Interfaces of a radio, and networks of an interface, that are read.
const LIST_MAX: usize = 64;

/// The radios of `network.wireless status`; `None` if it is something else.
///
/// A link of several radios (MLO) is listed like a radio, without a band of its own: it is none.
pub(super) fn radios(reply: &[u8]) -> Option<Vec<Configured>> {
    let mut empty = true;
    let radios = Fields::of(reply).list(|name, radio| {
        empty = false;
        let name = cut(String::from_utf8_lossy(name).into_owned());
        Some(radio_of(name, radio.table()?))
    });
    let mut radios = radios.items;
    if radios.iter().any(|radio| radio.band.is_some()) {
        radios.retain(|radio| radio.band.is_some());
    }
    (empty || !radios.is_empty()).then_some(radios)
}

fn radio_of(name: String, fields: Fields<'_>) -> Configured {
    let mut radio = Configured {
        name,
        ..Configured::default()
    };
    for (name, field) in fields {
        match name {
            b"up" => radio.up = field.bool(),
            b"autostart" => radio.autostart = field.bool(),
            b"disabled" => radio.disabled = field.bool(),
            b"retry_setup_failed" => radio.failed = field.bool(),
            b"config" => {
                radio.band = band(field);
                for (name, field) in field.fields() {
                    match name {
                        b"type" => radio.kind = field.text(),
                        b"channel" => radio.channel = field.digits().filter(|number| *number > 0),
                        b"htmode" => {
                            let width = |text: &str| text.ends_with("160") || text.ends_with("320");
                            radio.wide = field.str().is_some_and(width);
                        }
                        _ => {}
                    }
                }
            }
            b"interfaces" => {
                let vifs = field.fields().take(LIST_MAX);
                radio.vifs = vifs.map(|(_, vif)| vif_of(vif.fields())).collect();
            }
            _ => {}
        }
    }
    radio
}

fn vif_of(fields: Fields<'_>) -> Vif {
    let mut vif = Vif {
        mode: Mode::Other,
        ifname: None,
        networks: Vec::new(),
    };
    for (name, field) in fields {
        match name {
            b"ifname" => vif.ifname = field.text(),
            b"config" => {
                for (name, field) in field.fields() {
                    match name {
                        b"mode" => vif.mode = field.str().map_or(Mode::Other, Mode::read),
                        b"network" => vif.networks = words(field),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    vif
}

/// A list of texts, or a text with words.
fn words(field: Field<'_>) -> Vec<String> {
    match field.array() {
        Some(list) => list
            .filter_map(|(_, word)| word.text())
            .take(LIST_MAX)
            .collect(),
        None => {
            let text = field.text().unwrap_or_default();
            let words = text.split_whitespace().take(LIST_MAX);
            words.map(str::to_owned).collect()
        }
    }
}

/// The reply of `hostapd.NAME get_status`; `None` if it is something else.
pub(super) fn status(reply: &[u8]) -> Option<Status> {
    let mut status = Status::default();
    let mut said = false;
    for (name, field) in Fields::of(reply) {
        match name {
            b"status" => {
                said = field.str().is_some();
                status.state = field.str().and_then(State::read);
            }
            b"channel" => status.channel = field.u32().filter(|number| *number > 0),
            b"dfs" => {
                for (name, field) in field.fields() {
                    match name {
                        b"cac_active" => status.cac_active = field.bool().unwrap_or(false),
                        b"cac_seconds_left" => status.cac_left = field.u32().unwrap_or(0),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    said.then_some(status)
}

/// The networks of `network.interface dump` that were taken down by hand or are not started by themselves;
/// `None` if it is something else.
pub(super) fn closed(reply: &[u8]) -> Option<Vec<String>> {
    let list = Fields::of(reply).named(b"interface")?.array()?;
    let closed = list.list(|_, entry| {
        let mut name = None;
        let mut autostart = true;
        for (key, field) in entry.fields() {
            match key {
                b"interface" => name = field.text(),
                b"autostart" => autostart = field.bool().unwrap_or(true),
                _ => {}
            }
        }
        name.filter(|_| !autostart)
    });
    Some(closed.items)
}

#[cfg(test)]
mod tests {
    use ubus::blobmsg::Value;

    use super::super::verdict::Silence;
    use super::*;

    fn members(json: &str) -> Vec<u8> {
        serde_json::from_str::<Value>(json).unwrap().to_members()
    }

    fn sample(name: &str) -> Vec<u8> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/samples/");
        members(&std::fs::read_to_string(format!("{path}{name}.json")).unwrap())
    }

    #[test]
    fn both_shapes_of_netifds_status_say_the_same() {
        for name in [
            "network.wireless__status",
            "variants/network.wireless__status.25.12",
        ] {
            let radios = radios(&sample(name)).unwrap();
            let names: Vec<&str> = radios.iter().map(|radio| radio.name.as_str()).collect();
            assert_eq!(names, ["radio0", "radio1"], "{name}");
            let radio = &radios[1];
            assert_eq!(radio.band.as_deref(), Some("5g"));
            assert_eq!((radio.channel, radio.wide), (Some(36), false));
            let flags = (radio.up, radio.autostart, radio.disabled, radio.failed);
            assert_eq!(flags, (Some(true), Some(true), Some(false), Some(false)));
            let vifs: Vec<_> = radio.of(Mode::Ap).collect();
            assert_eq!(vifs[1].ifname.as_deref(), Some("phy1-ap1"));
            assert_eq!(vifs[1].networks, ["guest"]);
        }
    }

    #[test]
    fn a_radio_without_a_band_has_that_of_its_hwmode_and_a_link_of_radios_is_none() {
        let reply = members(
            r#"{"radio0":{"config":{"hwmode":"11g","channel":"auto"}},"radio1":{"config":{"band":"5g","hwmode":"11g"}},
                "radio2":{"config":{"hwmode":"11a","channel":"auto"}},"radio3":{"config":{"hwmode":"11ad"}},
                "radio4":{"config":{"channel":"36"}},"radio5":{"config":{"hwmode":"11n","channel":11}},
                "mld0":{"config":{}},"mld1":{"config":{"hwmode":"11be"}}}"#,
        );
        let radios = radios(&reply).unwrap();
        let shown = radios.iter().map(|radio| {
            let band = radio.band.as_deref().unwrap();
            (radio.name.as_str(), band, radio.silence())
        });
        let shown: Vec<_> = shown.collect();
        let expected = [
            ("radio0", "2g", Silence::Scan),
            ("radio1", "5g", Silence::Weather),
            ("radio2", "5g", Silence::Weather),
            ("radio3", "60g", Silence::Scan),
            ("radio4", "5g", Silence::Short),
            ("radio5", "2g", Silence::Short),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn strange_members_cost_only_themselves_and_a_strange_reply_is_none() {
        let reply = members(
            r#"{"radio0":{"up":1,"autostart":true,"config":{"channel":"auto","htmode":7,"network":[]},
                "interfaces":[{"config":{"mode":"sta","network":"wan wan6"}},5,{"ifname":3}]}}"#,
        );
        let radios_found = radios(&reply).unwrap();
        let radio = &radios_found[0];
        assert_eq!(
            (radio.up, radio.autostart, radio.disabled),
            (None, Some(true), None)
        );
        assert_eq!(radio.channel, None);
        assert_eq!(radio.vifs[0].mode, Mode::Client);
        assert_eq!(radio.vifs[0].networks, ["wan", "wan6"]);
        assert_eq!(radio.vifs.len(), 3);
        assert_eq!(radios(&members(r#"{"radio0":1}"#)), None);
        assert_eq!(radios(&members("{}")), Some(Vec::new()));
        assert_eq!(status(&members(r#"{"status":5}"#)), None);
        let unknown = status(&members(r#"{"status":"DREAMING"}"#)).unwrap();
        assert_eq!(unknown.state, None);
    }

    #[test]
    fn hostapds_status_and_closed_networks_are_read() {
        let reply = members(
            r#"{"status":"DFS","channel":100,"dfs":{"cac_seconds":60,"cac_active":true,"cac_seconds_left":42}}"#,
        );
        let status = status(&reply).unwrap();
        assert_eq!(status.state, Some(State::Dfs));
        // JSON has no INT8 and no INT32 of its own: the sample's types decide.
        assert_eq!((status.channel, status.cac_left), (Some(100), 42));
        let reply = members(
            r#"{"interface":[{"interface":"lan","autostart":true},{"interface":"guest","autostart":false},{}]}"#,
        );
        assert_eq!(closed(&reply).unwrap(), ["guest"]);
        assert_eq!(closed(&members("{}")), None);
    }
}
