//! `iwinfo`, from rpcd: radios and stations as the driver sees them.

use ubus::blobmsg::{Type, Value};
use ubus::{Method, Status};

use super::{text, Reply};
use crate::router::ap::{self, Ap, Band, APS};
use crate::router::members::{items_mut, push, sample, set, table};
use crate::router::station::{Standard, Station, Traffic};
use crate::router::world::World;

const INFO: [&str; 2] = [
    include_str!("../../../../data/samples/iwinfo__info.phy0-ap0.json"),
    include_str!("../../../../data/samples/iwinfo__info.phy1-ap0.json"),
];

const SCAN: [&str; 2] = [
    include_str!("../../../../data/samples/iwinfo__scan.phy0-ap0.json"),
    include_str!("../../../../data/samples/iwinfo__scan.phy1-ap0.json"),
];

const SURVEY: [&str; 2] = [
    include_str!("../../../../data/samples/iwinfo__survey.phy0-ap0.json"),
    include_str!("../../../../data/samples/iwinfo__survey.json"),
];

pub(super) fn methods() -> Vec<Method> {
    let device = [("device", Type::String)];
    vec![
        Method::new("devices", &[]),
        Method::new("info", &device),
        Method::new("scan", &device),
        Method::new(
            "assoclist",
            &[("device", Type::String), ("mac", Type::String)],
        ),
        Method::new("survey", &device),
    ]
}

pub(super) fn answer(world: &World, method: &str, args: &Value) -> Reply {
    let answer: fn(&World, usize, bool, &Value) -> Reply = match method {
        "devices" => return Ok(Some(devices())),
        "info" => info,
        "scan" => |_, ap, _, _| Ok(Some(scan(&APS[ap]))),
        "assoclist" => assoclist,
        "survey" => |world, ap, _, _| Ok(Some(survey(world, &APS[ap]))),
        _ => return Err(Status::METHOD_NOT_FOUND),
    };
    let device = text(args, "device").ok_or(Status::INVALID_ARGUMENT)?;
    let (ap, vlan) = ap::by_device(device).ok_or(Status::NOT_FOUND)?;
    answer(world, ap, vlan, args)
}

fn of_band<'s>(samples: &[&'s str; 2], band: Band) -> &'s str {
    match band {
        Band::Two => samples[0],
        Band::Five => samples[1],
    }
}

fn devices() -> Value {
    let devices = APS
        .iter()
        .flat_map(|ap| std::iter::once(ap.ifname).chain(ap.vlan));
    table! { "devices": devices.collect::<Vec<_>>() }
}

/// The stations on a device; those on the VLAN are not on the access point's own.
fn on(world: &World, ap: usize, vlan: bool) -> impl Iterator<Item = &Station> {
    let stations = world.stations.iter();
    stations.filter(move |s| s.ap == ap && s.on_vlan == vlan)
}

fn info(world: &World, index: usize, vlan: bool, _: &Value) -> Reply {
    let ap = &APS[index];
    let Value::Table(members) = sample(of_band(&INFO, ap.band)) else {
        return Err(Status::UNKNOWN_ERROR);
    };
    let stations: Vec<&Station> = on(world, index, vlan).filter(|s| s.authorized).collect();
    let count = stations.len() as i32;
    let mean = |of: fn(&Station) -> i32| stations.iter().map(|s| of(s)).sum::<i32>() / count;
    let mut info = Value::Table(Vec::new());
    for (name, value) in members {
        let name = String::from_utf8_lossy(&name);
        match name.as_ref() {
            // Nobody there, nothing to average.
            "quality" | "signal" | "bitrate" if stations.is_empty() => {}
            "quality" => push(&mut info, &name, (mean(|s| s.signal) + 110).clamp(0, 70)),
            "signal" => push(&mut info, &name, mean(|s| s.signal)),
            "bitrate" => push(&mut info, &name, mean(|s| s.tx_rate() as i32)),
            "ssid" => push(&mut info, &name, ap.ssid),
            "bssid" => push(&mut info, &name, ap.bssid.to_uppercase()),
            "mode" if vlan => push(&mut info, &name, "Master (VLAN)"),
            "noise" => push(&mut info, &name, ap.noise),
            _ => push(&mut info, &name, value),
        }
    }
    Ok(Some(info))
}

fn assoclist(world: &World, index: usize, vlan: bool, args: &Value) -> Reply {
    let mut stations = on(world, index, vlan);
    let noise = APS[index].noise;
    match text(args, "mac") {
        Some(mac) => stations
            .find(|s| s.mac.to_string().eq_ignore_ascii_case(mac))
            .map(|s| Some(entry(s, noise)))
            .ok_or(Status::NOT_FOUND),
        None => {
            let results: Vec<Value> = stations.map(|s| entry(s, noise)).collect();
            Ok(Some(table! { "results": results }))
        }
    }
}

fn entry(station: &Station, noise: i32) -> Value {
    let mut entry = table! {
        "mac": station.mac.upper(),
        "signal": station.signal,
        "signal_avg": station.signal_avg,
        "noise": noise,
        "inactive": station.inactive,
        "connected_time": (station.connected / 1000) as u32,
        "thr": if station.standard == Standard::Legacy { 0 } else { station.tx_rate() / 2 },
        "authorized": station.authorized,
        "authenticated": true,
        "preamble": "short",
        "wme": true,
        "mfp": matches!(station.standard, Standard::Vht | Standard::He) && station.authorized,
        "tdls": false,
        "mesh llid": 0u16,
        "mesh plid": 0u16,
        "mesh plink": "",
        "mesh local PS": "",
        "mesh peer PS": "",
        "mesh non-peer PS": "",
    };
    let mut rx = table! { "drop_misc": 0u64 };
    direction(
        &mut rx,
        station,
        station.rx,
        station.rx_rate(),
        station.rx_mcs(),
    );
    push(&mut entry, "rx", rx);
    let mut tx = table! { "failed": station.failed, "retries": station.retries };
    direction(
        &mut tx,
        station,
        station.tx,
        station.tx_rate(),
        station.tx_mcs(),
    );
    push(&mut entry, "tx", tx);
    entry
}

/// Members of both directions; a frame is of one standard only.
fn direction(to: &mut Value, station: &Station, traffic: Traffic, rate: u32, mcs: u32) {
    let standard = station.standard;
    push(to, "packets", traffic.packets);
    push(to, "bytes", traffic.bytes);
    push(to, "ht", standard == Standard::Ht);
    push(to, "vht", standard == Standard::Vht);
    push(to, "he", standard == Standard::He);
    push(to, "eht", false);
    push(to, "mhz", standard.width());
    push(to, "rate", rate);
    match standard {
        Standard::Legacy => {}
        Standard::Ht => {
            push(to, "mcs", mcs);
            push(to, "40mhz", false);
            push(to, "short_gi", true);
        }
        Standard::Vht => {
            push(to, "mcs", mcs);
            push(to, "nss", 2u32);
            push(to, "short_gi", true);
        }
        Standard::He => {
            push(to, "mcs", mcs);
            push(to, "nss", 2u32);
            push(to, "he_gi", 0u32);
            push(to, "he_dcm", 0u32);
        }
    }
}

/// The neighbours: those of the sample, and one with a name as bad as ours.
fn scan(ap: &Ap) -> Value {
    let mut scan = sample(of_band(&SCAN, ap.band));
    if let Value::Table(members) = &mut scan {
        if let Some((_, Value::Array(results))) = members.first_mut() {
            let mut stranger = results.first().cloned().unwrap_or(Value::Unspec);
            set(&mut stranger, "ssid", b"\xff\xfe<b>net".as_slice());
            set(&mut stranger, "bssid", "66:66:66:00:00:01");
            results.push(stranger);
        }
    }
    scan
}

/// Times in ms; the noise is the byte as it is, -92 dBm being 164.
fn survey(world: &World, ap: &Ap) -> Value {
    let mut survey = sample(of_band(&SURVEY, ap.band));
    let active = world.uptime_ms() - 400_000;
    let results = match &mut survey {
        Value::Table(members) => members.first_mut().map(|(_, results)| results),
        _ => None,
    };
    for entry in results.into_iter().flat_map(items_mut) {
        let own = entry.get("mhz").and_then(Value::as_i64) == Some(i64::from(ap.freq));
        for (name, share) in [
            ("active_time", 100),
            ("busy_time", 21),
            ("busy_time_ext", 0),
            ("rx_time", 9),
            ("tx_time", 6),
        ] {
            let as_sampled = entry.get(name).and_then(Value::as_i64).unwrap_or(0) as u64;
            let time = if own {
                active / 100 * share
            } else {
                as_sampled
            };
            set(entry, name, time);
        }
    }
    survey
}
