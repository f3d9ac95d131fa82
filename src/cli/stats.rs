//! `socketman stats`: the newest report.

use std::io::Write;

use serde::Serialize;

use super::ask::{Agent, AskError};
use super::view::shown;
use super::words::{ago, bytes, count, safe, span};
use super::BusArgs;

#[derive(Serialize)]
struct Args {
    offset: u32,
}

shown! {
    struct View {
        radios: Vec<RadioView>,
        ssids: Vec<SsidView>,
        stations: Vec<StationView>,
        device: DeviceView,
        more: bool,
    }
}

shown! {
    struct DeviceView {
        machine_type: Option<String>,
        firmware: Option<String>,
        hostname: Option<String>,
        wan_name: Option<String>,
        wan_ip: Option<String>,
        rx_bytes: Option<u64>,
        tx_bytes: Option<u64>,
        uptime: Option<u64>,
        created_at: Option<u64>,
        load_1: Option<f64>,
    }
}

shown! {
    struct RadioView {
        name: String,
        band: Option<String>,
        channel: Option<u32>,
        airtime: AirtimeView,
    }
}

shown! {
    struct AirtimeView {
        utilization: Option<u32>,
    }
}

shown! {
    struct SsidView {
        interface: String,
        ssid: Option<String>,
        channel: Option<u32>,
        clients: Option<u64>,
    }
}

shown! {
    struct StationView {
        mac: String,
        interface: Option<String>,
        signal: Option<i32>,
        ip: Option<String>,
        name: Option<String>,
        rx_bytes: Option<u64>,
        tx_bytes: Option<u64>,
    }
}

/// Prints the newest report, for people all pages of it.
pub async fn run(json: bool, bus: &BusArgs) -> Result<(), AskError> {
    let agent = Agent::connect(bus).await?;
    if json {
        return agent.print_json("stats").await;
    }
    let mut view: View = agent.call("stats", &Args { offset: 0 }).await?;
    let mut more = view.more;
    while more {
        let offset = u32::try_from(view.stations.len()).unwrap_or(u32::MAX);
        let next: View = agent.call("stats", &Args { offset }).await?;
        // A page without stations is one of leases only.
        more = next.more && !next.stations.is_empty();
        view.stations.extend(next.stations);
    }
    std::io::stdout().write_all(view.text().as_bytes())?;
    Ok(())
}

impl View {
    fn text(&self) -> String {
        let device = &self.device;
        let known = |value: &Option<String>| safe(value.as_deref().unwrap_or("?"));
        let counted = |value: Option<u64>| value.map_or_else(|| "?".into(), bytes);
        let mut text = format!(
            "{} ({}, {}), up {}, load {}, collected {}\n",
            known(&device.hostname),
            known(&device.machine_type),
            known(&device.firmware),
            device.uptime.map_or_else(|| "?".into(), span),
            device
                .load_1
                .map_or_else(|| "?".into(), |load| format!("{load:.2}")),
            device.created_at.map_or_else(|| "?".into(), ago),
        );
        text += &format!(
            "wan {} {}, received {}, sent {}\n",
            known(&device.wan_name),
            known(&device.wan_ip),
            counted(device.rx_bytes),
            counted(device.tx_bytes),
        );
        for radio in &self.radios {
            let used = radio
                .airtime
                .utilization
                .map(|of| of.saturating_mul(100) / 255);
            text += &format!(
                "{:<14} {}, channel {}, {} in use\n",
                safe(&radio.name),
                known(&radio.band),
                radio
                    .channel
                    .map_or_else(|| "?".into(), |channel| channel.to_string()),
                used.map_or_else(|| "?".into(), |percent| format!("{percent} %")),
            );
        }
        for ssid in &self.ssids {
            text += &format!(
                "{:<14} {}, channel {}, {}\n",
                safe(&ssid.interface),
                known(&ssid.ssid),
                ssid.channel
                    .map_or_else(|| "?".into(), |channel| channel.to_string()),
                count(ssid.clients.unwrap_or(0), "station"),
            );
        }
        if !self.stations.is_empty() {
            text += &format!(
                "\n{:<17}  {:<14}  {:>6}  {:>10}  {:>10}  {:<15}  {}\n",
                "station", "interface", "signal", "received", "sent", "ip", "name"
            );
        }
        for station in &self.stations {
            text += format!(
                "{:<17}  {:<14}  {:>6}  {:>10}  {:>10}  {:<15}  {}",
                safe(&station.mac),
                station.interface.as_deref().map_or("-".into(), safe),
                station
                    .signal
                    .map_or_else(|| "-".into(), |signal| signal.to_string()),
                station.rx_bytes.map_or_else(|| "-".into(), bytes),
                station.tx_bytes.map_or_else(|| "-".into(), bytes),
                station.ip.as_deref().map_or("-".into(), safe),
                station.name.as_deref().map_or(String::new(), safe),
            )
            .trim_end();
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::{assert_harmless, HOSTILE};

    #[test]
    fn names_of_stations_and_networks_cannot_drive_the_terminal() {
        let hostile = || Some(HOSTILE.to_owned());
        let view = View {
            device: DeviceView {
                hostname: hostile(),
                machine_type: hostile(),
                firmware: hostile(),
                wan_name: hostile(),
                wan_ip: hostile(),
                ..DeviceView::default()
            },
            radios: vec![RadioView {
                name: HOSTILE.into(),
                band: hostile(),
                ..RadioView::default()
            }],
            ssids: vec![SsidView {
                interface: HOSTILE.into(),
                ssid: hostile(),
                ..SsidView::default()
            }],
            stations: vec![StationView {
                mac: HOSTILE.into(),
                interface: hostile(),
                ip: hostile(),
                name: hostile(),
                ..StationView::default()
            }],
            ..View::default()
        };
        assert_harmless(&view.text(), 13);
    }

    #[test]
    fn a_report_is_a_table_of_stations_and_unknowns_are_marked() {
        let view = View {
            radios: vec![RadioView {
                name: "radio0".into(),
                band: Some("2g".into()),
                channel: Some(6),
                airtime: AirtimeView {
                    utilization: Some(108),
                },
            }],
            stations: vec![StationView {
                mac: "3C:22:FB:10:20:31".into(),
                interface: Some("phy1-ap0".into()),
                signal: Some(-48),
                name: Some("anna\x1b".into()),
                ..StationView::default()
            }],
            ..View::default()
        };
        assert_eq!(
            view.text(),
            "? (?, ?), up ?, load ?, collected ?\n\
             wan ? ?, received ?, sent ?\n\
             radio0         2g, channel 6, 42 % in use\n\
             \n\
             station            interface       signal    received        sent  ip               name\n\
             3C:22:FB:10:20:31  phy1-ap0           -48           -           -  -                anna\\u{1b}\n"
        );
    }
}
