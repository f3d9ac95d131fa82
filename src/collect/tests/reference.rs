//! docs/report.md and the report have the same keys.

use std::collections::BTreeSet;

use spool::{Gap, Reason, Stamp};

use super::samples::{data, NOW};
use super::stamp;
use crate::collect::{
    Airtime, ChannelUse, Counters, Device, Dfs, Event, Interface, Lease, Neighbour, Peer, Radio,
    Report, Source, Ssid, Station, Traffic,
};
use crate::mac::Mac;

const TRAFFIC: Traffic = Traffic {
    rx_packets: Some(1),
    tx_packets: Some(1),
    rx_bytes: Some(1),
    tx_bytes: Some(1),
    tx_retries: Some(1),
    tx_failed: Some(1),
};

/// A report in which nothing is absent. A new field makes this fail to compile.
fn full() -> Report {
    let mac = Mac::parse("02:00:00:00:00:01").unwrap();
    let text = || Some("x".to_owned());
    let (ip, ip6) = ("192.0.2.1".parse().ok(), "2001:db8::1".parse().ok());
    Report {
        ssids: Some(vec![Ssid {
            interface: "phy0-ap0".into(),
            channel: Some(1),
            noise: Some(1),
            frequency: Some(1),
            signal: Some(1),
            quality: Some(1),
            bitrate: Some(1),
            quality_max: Some(1),
            bssid: Some(mac),
            ssid: text(),
            tx_power: Some(1),
            band: text(),
            radio: text(),
            clients: Some(1),
        }]),
        survey: Some(vec![Neighbour {
            mac,
            channel: Some(1),
            ssid: text(),
            encryption: text(),
            signal: Some(1),
            quality: Some(1),
            quality_max: Some(1),
            frequency: Some(1),
            last_seen: 1,
        }]),
        stations: Some(vec![Station {
            interface: text(),
            ssid: text(),
            mac,
            inactive_time: Some(1),
            traffic: TRAFFIC,
            signal: Some(1),
            signal_avg: Some(1),
            tx_bitrate: Some(1),
            rx_bitrate: Some(1),
            authorized: Some(true),
            authenticated: Some(true),
            associated: Some(true),
            wmm: Some(true),
            mfp: Some(true),
            tdls: Some(true),
            preamble: Some(1),
            conn_time: Some(1),
            expected_tput: Some(1),
            mcs: Some(1),
            airtime: Some(Airtime { rx: 1, tx: 1 }),
            rrm: Some([1; 5]),
            wnm: Some(true),
            ip,
            ip6,
            name: text(),
            vlan: Some(1),
            source: Source::Hostapd,
        }]),
        dhcp: Some(vec![Lease {
            mac,
            ip: ip.unwrap(),
            name: text(),
            expires: Some(1),
        }]),
        device: Device {
            firmware: text(),
            wan_name: text(),
            wan_gateway: "192.0.2.1".parse().ok(),
            wan_ip: ip,
            machine_type: text(),
            smv: "1".into(),
            mac: "x".into(),
            tx_bytes: Some(1),
            rx_bytes: Some(1),
            uptime: Some(1),
            load_1: Some(1.0),
            load_5: Some(1.0),
            load_15: Some(1.0),
            total_ram: Some(1),
            free_ram: Some(1),
            procs: Some(1),
            status: Some(9),
            connected: Some(1),
            created_at: NOW,
            hostname: text(),
            wan_ip6: ip6,
            target: text(),
            kernel: text(),
        },
        interfaces: Some(vec![Interface {
            name: "eth0".into(),
            up: Some(true),
            carrier: Some(true),
            speed: Some(1),
            mtu: Some(1),
            mac: Some(mac),
            counters: Counters {
                rx_bytes: Some(1),
                tx_bytes: Some(1),
                rx_packets: Some(1),
                tx_packets: Some(1),
                rx_errors: Some(1),
                tx_errors: Some(1),
                rx_dropped: Some(1),
                tx_dropped: Some(1),
            },
            ip,
            ip6,
        }]),
        radios: Some(vec![Radio {
            name: "radio0".into(),
            band: text(),
            channel: Some(1),
            up: Some(true),
            verdict: Some("ok"),
            channel_use: Some(ChannelUse {
                utilization: Some(1),
                busy: 1,
                time: 1,
            }),
            dfs: Some(Dfs {
                cac_active: true,
                cac_seconds_left: 1,
            }),
        }]),
        mesh: Some(vec![Peer {
            interface: "mesh0".into(),
            mac,
            plink: text(),
            inactive_time: Some(1),
            conn_time: Some(1),
            signal: Some(1),
            signal_avg: Some(1),
            traffic: TRAFFIC,
            rx_bitrate: Some(1),
            tx_bitrate: Some(1),
            expected_tput: Some(1),
        }]),
        events: vec![Event {
            at: NOW,
            kind: "join",
            interface: text(),
            mac: Some(mac),
            reason: Some("deauth"),
            vlan: Some(1),
            auth: text(),
            ip,
            name: text(),
            frequency: Some(1),
            bssid: Some(mac),
            channel: Some(1),
            signal: Some(1),
            query_reason: Some(1),
            status: Some(1),
            code: Some(1),
            verdict: Some("ok"),
            radio: text(),
            step: Some("renew"),
            why: text(),
            cause: Some("power"),
            detail: text(),
            count: Some(1),
        }],
    }
}

/// Every key of a line, written as the reference has it: `ssids[].channel`.
fn keys(line: &[u8]) -> BTreeSet<String> {
    fn walk(value: &serde_json::Value, at: &str, keys: &mut BTreeSet<String>) {
        match value {
            serde_json::Value::Object(members) => {
                for (name, value) in members {
                    let key = format!("{at}{name}");
                    walk(value, &format!("{key}."), keys);
                    keys.insert(key);
                }
            }
            serde_json::Value::Array(items) => {
                let at = format!("{}[].", at.trim_end_matches('.'));
                items.iter().for_each(|item| walk(item, &at, keys));
            }
            _ => {}
        }
    }
    let mut keys = BTreeSet::new();
    walk(&serde_json::from_slice(line).unwrap(), "", &mut keys);
    keys
}

#[test]
fn the_reference_explains_every_key_of_the_report_and_no_other() {
    let gap = Gap {
        from: Some(1),
        to: Some(2),
        count: Some(3),
        reason: Reason::Full,
    };
    let stamp = Stamp {
        gaps: &[gap],
        ..stamp("b", 1)
    };
    let line = full().to_line(&stamp);
    let reference = std::fs::read_to_string(data("../../docs/report.md")).unwrap();
    let rows = reference
        .lines()
        .skip_while(|line| !line.starts_with("|---"));
    let rows = rows.skip(1).take_while(|line| line.starts_with('|'));
    let mut explained = Vec::new();
    for row in rows {
        let cells = row
            .strip_prefix("| ")
            .and_then(|row| row.strip_suffix(" |"));
        let cells: Vec<&str> = cells.unwrap_or_default().split(" | ").collect();
        // Key, type and unit, source and meaning.
        assert_eq!(cells.len(), 3, "{row}");
        assert!(cells.iter().all(|cell| !cell.trim().is_empty()), "{row}");
        explained.push(cells[0]);
    }
    let once: BTreeSet<String> = explained.iter().map(|key| (*key).to_owned()).collect();
    assert_eq!(once.len(), explained.len(), "a key stands twice");
    assert_eq!(once, keys(&line));
}
