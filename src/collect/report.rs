//! The report: one JSON line per collection.
//!
//! Keys, their order and their types are those that collectors know. Absent is absent: a value
//! nobody knew is left out, never 0 and never null.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::mac::Mac;

/// What is known of a report only when it is kept.
///
/// (`boot_id`, `seq`) names it for ever.
#[derive(Debug, Clone, Copy)]
pub struct Stamp<'a, G> {
    pub boot_id: &'a str,
    pub seq: u64,
    /// Seconds since the epoch.
    pub created_at: u64,
    /// `ok` or `unsynced`: whether anybody knew the time.
    pub clock: &'a str,
    /// What is missing before it; left out when empty.
    pub gaps: &'a [G],
}

/// What one collection found.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Report {
    /// `None` if Wi-Fi is not collected or nobody could say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssids: Option<Vec<Ssid>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stations: Option<Vec<Station>>,
    /// `None` if there is no lease file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dhcp: Option<Vec<Lease>>,
    pub device: Device,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interfaces: Option<Vec<Interface>>,
}

/// A Wi-Fi network of this device, or the one it is a client of.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Ssid {
    pub interface: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<u32>,
    /// dBm; iwinfo info "noise".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise: Option<i32>,
    /// MHz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency: Option<u32>,
    /// dBm, mean over its stations; iwinfo info "signal".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Of `quality_max`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<u32>,
    /// kbit/s, mean over its stations; iwinfo info "bitrate".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bitrate: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality_max: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bssid: Option<Mac>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssid: Option<String>,
    /// dBm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx_power: Option<i32>,
    /// `2g`, `5g`, `6g` or `60g`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub band: Option<String>,
    /// The section of /etc/config/wireless, or the kernel's name of the radio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub radio: Option<String>,
    /// Authorized stations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clients: Option<usize>,
}

/// Who told of a station.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    Hostapd,
    Iwinfo,
    /// Only a lease is known: the station may be gone.
    Dhcp,
}

/// A station: a client of one of our Wi-Fi networks, or the holder of a lease.
///
/// `rx` is what came from the station, `tx` what went to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Station {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssid: Option<String>,
    pub mac: Mac,
    /// ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inactive_time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rx_packets: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx_packets: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rx_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx_retries: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx_failed: Option<u64>,
    /// dBm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// dBm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal_avg: Option<i32>,
    /// kbit/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx_bitrate: Option<u32>,
    /// kbit/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rx_bitrate: Option<u32>,
    /// False while the key handshake is under way or failed: not a usable client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorized: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authenticated: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub associated: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wmm: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mfp: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tdls: Option<bool>,
    /// 1 = short, 2 = long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preamble: Option<u8>,
    /// s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conn_time: Option<u64>,
    /// kbit/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_tput: Option<u32>,
    /// Of the last frame to the station.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcs: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip6: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u32>,
    pub source: Source,
}

/// A lease of the DHCP server that has not expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lease {
    /// As the server's file has it, which is what the report always carried: lower case.
    pub mac: String,
    pub ip: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Seconds since the epoch; `None` = never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
}

/// The device as a whole. Has no `boot_id` and `seq`: those belong to the line, see
/// [`Report::to_line`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Device {
    pub firmware: Option<String>,
    /// Network device of the default route.
    pub wan_name: Option<String>,
    pub wan_gateway: Option<String>,
    pub wan_ip: Option<String>,
    pub machine_type: Option<String>,
    /// Version of the agent.
    pub smv: String,
    pub mac: String,
    /// Bytes sent on `wan_name`.
    pub tx_bytes: Option<u64>,
    /// Bytes received on `wan_name`.
    pub rx_bytes: Option<u64>,
    /// s.
    pub uptime: Option<u64>,
    pub load_1: Option<f64>,
    pub load_5: Option<f64>,
    pub load_15: Option<f64>,
    /// Bytes.
    pub total_ram: Option<u64>,
    /// Bytes.
    pub free_ram: Option<u64>,
    /// Processes and threads, as the kernel counts them.
    pub procs: Option<u64>,
    /// The code of health: 0, 1, 4, 6 or 9; `None` until it is known.
    pub status: Option<u8>,
    /// Authorized stations; `None` if Wi-Fi could not be asked.
    pub connected: Option<usize>,
    /// Seconds since the epoch by the system clock.
    pub created_at: u64,
    pub hostname: Option<String>,
    pub wan_ip6: Option<String>,
    pub target: Option<String>,
    pub kernel: Option<String>,
}

/// A network device.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Interface {
    pub name: String,
    /// Switched on, which does not mean that there is a link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up: Option<bool>,
    /// There is a link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carrier: Option<bool>,
    /// Mbit/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    #[serde(flatten)]
    pub counters: Counters,
    /// Its first IPv4 address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// Its first public IPv6 address, or else its first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip6: Option<String>,
}

/// The kernel's counters of a network device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counters {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rx_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rx_packets: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx_packets: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rx_errors: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx_errors: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rx_dropped: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx_dropped: Option<u64>,
}

impl Report {
    /// The report as the line that is kept and delivered, without its end of line.
    ///
    /// Every other line has its parts and its stations in the opposite order: so a station's numbers
    /// of one line and the next are near each other, and both are packed into less.
    pub fn to_line<G: Serialize>(&self, stamp: &Stamp<'_, G>) -> Vec<u8> {
        struct Stamped<'a, G>(&'a Device, &'a Stamp<'a, G>);

        impl<G> Serialize for Stamped<'_, G> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let stamp = self.1;
                let known = (stamp.boot_id, stamp.seq, stamp.created_at, stamp.clock);
                self.0.write(Some(known), serializer)
            }
        }

        /// A list, the last first.
        struct Backwards<'a, T>(&'a [T]);

        impl<T: Serialize> Serialize for Backwards<'_, T> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_seq(self.0.iter().rev())
            }
        }

        #[derive(Serialize)]
        struct Forth<'a, G> {
            #[serde(skip_serializing_if = "Option::is_none")]
            ssids: &'a Option<Vec<Ssid>>,
            device: Stamped<'a, G>,
            #[serde(skip_serializing_if = "Option::is_none")]
            interfaces: &'a Option<Vec<Interface>>,
            #[serde(skip_serializing_if = "<[G]>::is_empty")]
            gaps: &'a [G],
            #[serde(skip_serializing_if = "Option::is_none")]
            dhcp: &'a Option<Vec<Lease>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            stations: &'a Option<Vec<Station>>,
        }

        #[derive(Serialize)]
        struct Back<'a, G> {
            #[serde(skip_serializing_if = "Option::is_none")]
            stations: Option<Backwards<'a, Station>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            dhcp: Option<Backwards<'a, Lease>>,
            #[serde(skip_serializing_if = "<[G]>::is_empty")]
            gaps: &'a [G],
            #[serde(skip_serializing_if = "Option::is_none")]
            interfaces: &'a Option<Vec<Interface>>,
            device: Stamped<'a, G>,
            #[serde(skip_serializing_if = "Option::is_none")]
            ssids: &'a Option<Vec<Ssid>>,
        }

        let stations = self.stations.as_ref().map_or(0, Vec::len);
        let mut line = Vec::with_capacity(2048 + 640 * stations);
        let device = Stamped(&self.device, stamp);
        let written = match stamp.seq.is_multiple_of(2) {
            true => serde_json::to_writer(
                &mut line,
                &Back {
                    stations: self.stations.as_deref().map(Backwards),
                    dhcp: self.dhcp.as_deref().map(Backwards),
                    gaps: stamp.gaps,
                    interfaces: &self.interfaces,
                    device,
                    ssids: &self.ssids,
                },
            ),
            false => serde_json::to_writer(
                &mut line,
                &Forth {
                    ssids: &self.ssids,
                    device,
                    interfaces: &self.interfaces,
                    gaps: stamp.gaps,
                    dhcp: &self.dhcp,
                    stations: &self.stations,
                },
            ),
        };
        written.expect("memory takes every byte, and every key of a report is a string");
        line
    }
}

impl Device {
    fn write<S: Serializer>(
        &self,
        stamp: Option<(&str, u64, u64, &str)>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        fn known<M: SerializeMap, T: Serialize>(
            map: &mut M,
            key: &'static str,
            value: &Option<T>,
        ) -> Result<(), M::Error> {
            match value {
                Some(value) => map.serialize_entry(key, value),
                None => Ok(()),
            }
        }

        let mut map = serializer.serialize_map(None)?;
        known(&mut map, "firmware", &self.firmware)?;
        known(&mut map, "wan_name", &self.wan_name)?;
        known(&mut map, "wan_gateway", &self.wan_gateway)?;
        known(&mut map, "wan_ip", &self.wan_ip)?;
        known(&mut map, "machine_type", &self.machine_type)?;
        map.serialize_entry("smv", &self.smv)?;
        map.serialize_entry("mac", &self.mac)?;
        known(&mut map, "tx_bytes", &self.tx_bytes)?;
        known(&mut map, "rx_bytes", &self.rx_bytes)?;
        known(&mut map, "uptime", &self.uptime)?;
        known(&mut map, "load_1", &self.load_1)?;
        known(&mut map, "load_5", &self.load_5)?;
        known(&mut map, "load_15", &self.load_15)?;
        known(&mut map, "total_ram", &self.total_ram)?;
        known(&mut map, "free_ram", &self.free_ram)?;
        known(&mut map, "procs", &self.procs)?;
        map.serialize_entry("v", "4")?;
        known(&mut map, "status", &self.status)?;
        known(&mut map, "connected", &self.connected)?;
        let created_at = stamp.map_or(self.created_at, |(.., created_at, _)| created_at);
        map.serialize_entry("created_at", &created_at)?;
        known(&mut map, "hostname", &self.hostname)?;
        if let Some((boot_id, seq, _, clock)) = stamp {
            map.serialize_entry("boot_id", boot_id)?;
            map.serialize_entry("seq", &seq)?;
            map.serialize_entry("clock", clock)?;
        }
        known(&mut map, "wan_ip6", &self.wan_ip6)?;
        known(&mut map, "target", &self.target)?;
        known(&mut map, "kernel", &self.kernel)?;
        map.end()
    }
}

impl Serialize for Device {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.write(None, serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_carries_its_identity_and_gaps_and_no_end_of_line() {
        let report = Report {
            device: Device {
                smv: "1\n2".into(),
                hostname: Some("h".into()),
                kernel: Some("6.6".into()),
                created_at: 7,
                ..Device::default()
            },
            ..Report::default()
        };
        let line = |seq, gaps: &[&str]| {
            let stamp = Stamp {
                boot_id: "b-1",
                seq,
                created_at: 9,
                clock: "ok",
                gaps,
            };
            String::from_utf8(report.to_line(&stamp)).unwrap()
        };
        assert_eq!(
            line(5, &[]),
            r#"{"device":{"smv":"1\n2","mac":"","v":"4","created_at":9,"hostname":"h","boot_id":"b-1","seq":5,"clock":"ok","kernel":"6.6"}}"#
        );
        assert!(line(5, &["g"]).ends_with(r#""kernel":"6.6"},"gaps":["g"]}"#));
        assert!(line(6, &["g"]).starts_with(r#"{"gaps":["g"],"device":{"smv""#));
    }

    #[test]
    fn the_report_itself_has_no_identity_yet() {
        assert_eq!(
            serde_json::to_string(&Report::default()).unwrap(),
            r#"{"device":{"smv":"","mac":"","v":"4","created_at":0}}"#
        );
    }
}
