//! The networks of others: one scan by each radio, every `survey_interval`.
//!
//! A scan takes seconds, disturbs the clients of its radio, and rpcd answers nothing else
//! meanwhile. So a radio scans between two reports, one radio at a time, and the result stands in
//! one report, the next after the last radio.

use std::cmp::Reverse;
use std::time::Duration;

use log::debug;
use tokio::time::Instant;
use ubus::blob::Writer;
use ubus::{Client, Error};

use super::reply::Place::{Bool, Dbm, Field as Any, Mac, Text, U32};
use super::reply::{Field, Fields, List};
use super::report::{Neighbour, Ssid};
use crate::sorted;

/// Longest scan of one radio: less than lies between two reports.
const SCAN_WITHIN: Duration = Duration::from_secs(10);

/// Networks kept of one survey.
const MAX_NEIGHBOURS: usize = 512;

/// A radio that scans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// A network device of it.
    pub(super) device: String,
    pub(super) band: Option<String>,
}

/// A survey under way, or the wait for the next.
#[derive(Debug)]
pub(super) struct Survey {
    interval: Duration,
    due: Instant,
    /// The radios that have still to scan.
    radios: Vec<Place>,
    found: Vec<(Instant, Neighbour)>,
    /// Scans that failed.
    failed: Vec<String>,
    under_way: bool,
}

impl Survey {
    /// The first survey is due at once.
    pub(super) fn every(interval: Duration) -> Self {
        Survey {
            interval,
            due: Instant::now(),
            radios: Vec::new(),
            found: Vec::new(),
            failed: Vec::new(),
            under_way: false,
        }
    }

    /// Lets the next radio scan if a survey is due or under way; `ssids` are the networks there are.
    pub(super) async fn step(&mut self, client: &Client, ssids: &[Ssid]) {
        if !self.under_way && self.due <= Instant::now() {
            self.begin(ssids);
        }
        let Some(Place { device, band }) = self.radios.pop() else {
            return;
        };
        let mut args = Writer::new();
        args.string(b"device", device.as_bytes());
        let args = args.into_bytes();
        let reply = client.call_raw("iwinfo", "scan", args, SCAN_WITHIN).await;
        let read = reply.and_then(|data| read(data.first().ok_or(Error::NoData)?, band.as_deref()));
        match read {
            Ok(mut found) => {
                let room = MAX_NEIGHBOURS.saturating_sub(self.found.len());
                let left_out = found.left_out() + found.items.len().saturating_sub(room);
                if left_out > 0 {
                    // The nearest are of most use.
                    sorted::by_key(&mut found.items, |one| Reverse(one.signal));
                    self.failed
                        .push(format!("{left_out} rows of iwinfo scan {device}"));
                }
                let now = Instant::now();
                let found = found.items.into_iter().map(|one| (now, one));
                self.found.extend(found.take(room));
            }
            Err(error) => {
                debug!("iwinfo scan {device}: {error}");
                self.failed.push(format!("iwinfo scan {device}"));
            }
        }
    }

    fn begin(&mut self, ssids: &[Ssid]) {
        self.radios = places(ssids);
        // They are taken from the end.
        self.radios.reverse();
        self.under_way = !self.radios.is_empty();
        // Wi-Fi that is not up yet is waited for.
        if self.under_way {
            self.due = (self.due + self.interval).max(Instant::now());
        }
    }

    /// The survey, once, when its last radio has scanned; and the scans that failed.
    pub(super) fn take(&mut self) -> Option<(Vec<Neighbour>, Vec<String>)> {
        if !self.under_way || !self.radios.is_empty() {
            return None;
        }
        self.under_way = false;
        let found = std::mem::take(&mut self.found).into_iter();
        let found = found.map(|(at, neighbour)| Neighbour {
            last_seen: u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX),
            ..neighbour
        });
        Some((found.collect(), std::mem::take(&mut self.failed)))
    }
}

/// A network of each radio.
pub(super) fn places(ssids: &[Ssid]) -> Vec<Place> {
    let (mut seen, mut places) = (Vec::new(), Vec::new());
    for ssid in ssids {
        // Without a radio's name each network counts as one.
        let radio = ssid.radio.as_deref().unwrap_or(&ssid.interface);
        if !seen.contains(&radio) {
            seen.push(radio);
            places.push(Place {
                device: ssid.interface.clone(),
                band: ssid.band.clone(),
            });
        }
    }
    places
}

/// Reply of `iwinfo scan` by a radio of that band.
pub(super) fn read(reply: &[u8], band: Option<&str>) -> Result<List<Neighbour>, Error> {
    let results = Fields::of(reply).named(b"results");
    let results = results.and_then(Field::array);
    let results = results.ok_or_else(|| Error::Decode("no list of results".to_owned()))?;
    Ok(results.list(|_, one| neighbour(one.table()?, band)))
}

fn neighbour(result: Fields<'_>, of_radio: Option<&str>) -> Option<Neighbour> {
    let (mut mac, mut channel, mut ssid) = (None, None, None);
    let mut encryption = Field::default();
    let (mut signal, mut quality, mut quality_max) = (None, None, None);
    let (mut frequency, mut band) = (None, None);
    result.read(&mut [
        ("bssid", Mac(&mut mac)),
        ("channel", U32(&mut channel)),
        ("ssid", Text(&mut ssid)),
        ("encryption", Any(&mut encryption)),
        ("signal", Dbm(&mut signal)),
        ("quality", U32(&mut quality)),
        ("quality_max", U32(&mut quality_max)),
        ("mhz", U32(&mut frequency)),
        ("band", U32(&mut band)),
    ]);
    Some(Neighbour {
        mac: mac?,
        channel,
        ssid,
        encryption: encryption.table().map(words),
        signal,
        // They say how good the signal is, and nothing without one.
        quality: quality.filter(|_| signal.is_some()),
        quality_max: quality_max.filter(|_| signal.is_some()),
        frequency: frequency
            .filter(|mhz| *mhz > 0)
            .or_else(|| mhz(band.or_else(|| likely_band(of_radio?, channel?)), channel?)),
        last_seen: 0,
    })
}

/// The band of a channel that is not told with it: where the numbers of two bands are the same, that
/// of the radio that scanned.
fn likely_band(of_radio: &str, channel: u32) -> Option<u32> {
    match of_radio {
        // Of those of 5 GHz, the lower ones are never numbers of 6 GHz.
        "6g" if (36..=144).contains(&channel) && channel.is_multiple_of(4) => Some(5),
        "6g" => Some(6),
        "60g" => Some(60),
        _ => None,
    }
}

/// The frequency of a channel; releases before 23.05 tell only that, some of them with the band.
fn mhz(band: Option<u32>, channel: u32) -> Option<u32> {
    match (band, channel) {
        (Some(6), 1..=233) => Some(5950 + 5 * channel),
        (Some(60), 1..=6) => Some(56_160 + 2160 * channel),
        (Some(2) | None, 14) => Some(2484),
        (Some(2) | None, 1..=13) => Some(2407 + 5 * channel),
        (Some(5) | None, 32..=196) => Some(5000 + 5 * channel),
        _ => None,
    }
}

/// Encryption as people read it: `none`, `WEP Open System (WEP-40, WEP-104)`, `WPA2 PSK (CCMP)`,
/// `WPA2/WPA3 PSK/SAE (CCMP)`.
fn words(encryption: Fields<'_>) -> String {
    let upper = |field: Field<'_>| {
        let list = field.fields().list(|_, one| one.text());
        list.items.join("\n").to_uppercase()
    };
    let mut enabled = None;
    let (mut wpa, mut wep) = (Field::default(), Field::default());
    let (mut suites, mut ciphers) = (Field::default(), Field::default());
    encryption.read(&mut [
        ("enabled", Bool(&mut enabled)),
        ("wpa", Any(&mut wpa)),
        ("wep", Any(&mut wep)),
        ("authentication", Any(&mut suites)),
        ("ciphers", Any(&mut ciphers)),
    ]);
    if enabled != Some(true) {
        return "none".to_owned();
    }
    let scheme = match wep.is_there() {
        true => {
            let wep = upper(wep);
            match (wep.contains("OPEN"), wep.contains("SHARED")) {
                (true, true) => "WEP Open/Shared".to_owned(),
                (false, true) => "WEP Shared Auth".to_owned(),
                _ => "WEP Open System".to_owned(),
            }
        }
        false => {
            let versions = wpa.fields().list(|_, version| {
                Some(match version.u32()? {
                    1 => "WPA".to_owned(),
                    n => format!("WPA{n}"),
                })
            });
            let versions = versions.items.join("/");
            let suites = match upper(suites).as_str() {
                "" => "NONE".to_owned(),
                some => some.replace('\n', "/"),
            };
            format!("{versions} {suites}").trim_start().to_owned()
        }
    };
    let ciphers = match upper(ciphers).as_str() {
        "" => "NONE".to_owned(),
        some => some.replace('\n', ", "),
    };
    super::reply::cut(format!("{scheme} ({ciphers})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::tests::samples::{json, value};

    fn in_words(encryption: &str) -> String {
        words(Fields::of(&json(encryption).to_members()))
    }

    #[test]
    fn encryption_reads_as_collectors_know_it() {
        for (encryption, expected) in [
            (r#"{"enabled":false}"#, "none"),
            ("{}", "none"),
            (
                r#"{"enabled":true,"wpa":[2],"authentication":["psk"],"ciphers":["ccmp"]}"#,
                "WPA2 PSK (CCMP)",
            ),
            (
                r#"{"enabled":true,"wpa":[1,2],"authentication":["psk","802.1x"],"ciphers":["tkip","ccmp"]}"#,
                "WPA/WPA2 PSK/802.1X (TKIP, CCMP)",
            ),
            (
                r#"{"enabled":true,"wpa":[2,3],"authentication":["psk","sae"],"ciphers":["ccmp"]}"#,
                "WPA2/WPA3 PSK/SAE (CCMP)",
            ),
            (
                r#"{"enabled":true,"wep":["open","shared"],"ciphers":["wep-40","wep-104"]}"#,
                "WEP Open/Shared (WEP-40, WEP-104)",
            ),
            (
                r#"{"enabled":true,"wep":["shared"],"ciphers":[]}"#,
                "WEP Shared Auth (NONE)",
            ),
        ] {
            assert_eq!(in_words(encryption), expected);
        }
    }

    #[test]
    fn a_channel_has_its_frequency_in_releases_that_do_not_tell_it() {
        assert_eq!(mhz(None, 6), Some(2437));
        assert_eq!(mhz(None, 14), Some(2484));
        assert_eq!(mhz(None, 149), Some(5745));
        assert_eq!(mhz(Some(6), 5), Some(5975));
        assert_eq!(mhz(Some(5), 36), Some(5180));
        assert_eq!(mhz(Some(60), 2), Some(60_480));
        assert_eq!(mhz(Some(2), 36), None);
        assert_eq!(mhz(None, 250), None);
        assert_eq!(mhz(None, 0), None);
    }

    #[test]
    fn a_scan_is_read_with_hidden_and_open_networks() {
        let found = read(&value("iwinfo__scan.phy0-ap0.json").to_members(), None).unwrap();
        let found = found.items;
        let shown = serde_json::to_string(&found[2]).unwrap();
        assert_eq!(
            shown,
            r#"{"mac":"12:56:8E:90:AA:01","channel":11,"encryption":"none","signal":-88,"quality":22,"quality_max":70,"frequency":2462,"last_seen":0}"#
        );
        assert_eq!(found.len(), 4);
        assert_eq!(
            found[3].encryption.as_deref(),
            Some("WEP Open System (WEP-40, WEP-104)")
        );
        assert!(read(&json(r#"{"results":7}"#).to_members(), None).is_err());
        let strange = json(r#"{"results":[5,{},{"bssid":"x"},{"bssid":"12:56:8E:90:AA:01"}]}"#);
        let strange = read(&strange.to_members(), None).unwrap();
        assert_eq!((strange.items.len(), strange.unread), (1, 3));
    }
}
