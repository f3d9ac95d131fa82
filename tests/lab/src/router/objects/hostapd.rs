//! `hostapd.<ifname>`: one object for each access point.

use ubus::blobmsg::Value;
use ubus::{Method, Status};

use super::Reply;
use crate::router::ap::{Band, APS};
use crate::router::members::{push, table};
use crate::router::station::{Standard, Station};
use crate::router::world::World;

pub(super) fn methods() -> Vec<Method> {
    ["get_clients", "get_status", "get_features"]
        .map(|name| Method::new(name, &[]))
        .into()
}

pub(super) fn answer(world: &World, ap: usize, method: &str) -> Reply {
    Ok(Some(match method {
        "get_clients" => clients(world, ap),
        "get_status" => status(world, ap),
        "get_features" => table! {
            "ht_supported": true, "vht_supported": APS[ap].band == Band::Five,
        },
        _ => return Err(Status::METHOD_NOT_FOUND),
    }))
}

fn clients(world: &World, ap: usize) -> Value {
    let clients = world.stations.iter().filter(|s| s.ap == ap);
    table! {
        "freq": APS[ap].freq,
        "clients": Value::Table(
            clients.map(|s| (s.mac.to_string().into_bytes(), client(s))).collect(),
        ),
    }
}

fn client(station: &Station) -> Value {
    let newer = matches!(station.standard, Standard::Vht | Standard::He);
    let mut client = table! {
        "auth": true,
        "assoc": true,
        "authorized": station.authorized,
        "preauth": false,
        "wds": false,
        "wmm": true,
        "ht": station.standard != Standard::Legacy,
        "vht": newer,
        "he": station.standard == Standard::He,
        "wps": false,
        "mfp": newer && station.authorized,
        "mbo": false,
        "rrm": if newer { vec![115u32, 0, 16, 0, 4] } else { vec![0; 5] },
        "extended_capabilities": if newer { vec![4u32, 0, 72, 128, 1, 64, 0, 64] } else { vec![] },
        "aid": station.aid,
    };
    // While the handshake is not through, hostapd cannot read the station from the kernel.
    if station.authorized {
        let both = |rx: u64, tx: u64| table! { "rx": rx, "tx": tx };
        push(
            &mut client,
            "bytes",
            both(station.rx.bytes, station.tx.bytes),
        );
        push(
            &mut client,
            "airtime",
            both(station.rx.airtime, station.tx.airtime),
        );
        push(
            &mut client,
            "packets",
            table! { "rx": station.rx.packets, "tx": station.tx.packets },
        );
        // Since 23.05 in units of 10 bit/s, whatever its documentation says.
        push(
            &mut client,
            "rate",
            table! { "rx": station.rx_rate() * 100, "tx": station.tx_rate() * 100 },
        );
        push(&mut client, "signal", station.signal);
    }
    let capabilities = if newer {
        table! { "vht": table! {
            "su_beamformee": true,
            "mu_beamformee": false,
            "mcs_map": table! { "rx": mcs_map(), "tx": mcs_map() },
        } }
    } else {
        table! {}
    };
    push(&mut client, "capabilities", capabilities);
    client
}

/// Two streams of MCS 0 to 9.
fn mcs_map() -> Value {
    table! {
        "1ss": 9i16, "2ss": 9i16, "3ss": -1i16, "4ss": -1i16,
        "5ss": -1i16, "6ss": -1i16, "7ss": -1i16, "8ss": -1i16,
    }
}

fn status(world: &World, ap: usize) -> Value {
    let radio = world.radio_of(ap);
    let left = radio.cac_left(world.elapsed());
    let ap = &APS[ap];
    let time = world.uptime_ms().saturating_sub(400_000);
    let (busy, utilization) = match ap.band {
        Band::Two => (time / 100 * 42, 108u16),
        Band::Five => (time / 100 * 8, 21),
    };
    table! {
        "status": radio.word(),
        "bssid": ap.bssid,
        "ssid": ap.ssid,
        "freq": ap.freq,
        "channel": ap.channel,
        "op_class": ap.op_class,
        "beacon_interval": 100u32,
        "bss_color": ap.bss_color,
        "phy": ap.phy,
        "rrm": table! { "neighbor_report_tx": 0u64 },
        "wnm": table! {
            "bss_transition_query_rx": 2u64,
            "bss_transition_request_tx": 0u64,
            "bss_transition_response_rx": 0u64,
        },
        "airtime": table! { "time": time, "time_busy": busy, "utilization": utilization },
        "dfs": table! {
            "cac_seconds": if left > 0 { 60u32 } else { 0 },
            "cac_active": left > 0,
            "cac_seconds_left": left,
        },
    }
}
