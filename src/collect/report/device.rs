//! The device as a whole.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use spool::Stamp;

use super::known;

/// The device as a whole. Has no `boot_id` and `seq`: those belong to the line, see
/// [`Report::to_line`](super::Report::to_line).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Device {
    pub firmware: Option<String>,
    /// Network device of the default route.
    pub wan_name: Option<String>,
    /// `None` on a point-to-point link.
    pub wan_gateway: Option<IpAddr>,
    pub wan_ip: Option<Ipv4Addr>,
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
    /// Seconds since the epoch by the system clock; in a line, that of its stamp.
    pub created_at: u64,
    pub hostname: Option<String>,
    /// Of `wan_name`, or else of the device that owns the default route of IPv6.
    pub wan_ip6: Option<Ipv6Addr>,
    pub target: Option<String>,
    pub kernel: Option<String>,
}

/// A device with the stamp of its line, if it has one yet.
pub(super) struct Stamped<'a>(pub(super) &'a Device, pub(super) Option<&'a Stamp<'a>>);

impl Serialize for Stamped<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Stamped(device, stamp) = self;
        let mut map = serializer.serialize_map(None)?;
        known(&mut map, "firmware", &device.firmware)?;
        known(&mut map, "wan_name", &device.wan_name)?;
        known(&mut map, "wan_gateway", &device.wan_gateway)?;
        known(&mut map, "wan_ip", &device.wan_ip)?;
        known(&mut map, "machine_type", &device.machine_type)?;
        map.serialize_entry("smv", &device.smv)?;
        map.serialize_entry("mac", &device.mac)?;
        known(&mut map, "tx_bytes", &device.tx_bytes)?;
        known(&mut map, "rx_bytes", &device.rx_bytes)?;
        known(&mut map, "uptime", &device.uptime)?;
        known(&mut map, "load_1", &device.load_1)?;
        known(&mut map, "load_5", &device.load_5)?;
        known(&mut map, "load_15", &device.load_15)?;
        known(&mut map, "total_ram", &device.total_ram)?;
        known(&mut map, "free_ram", &device.free_ram)?;
        known(&mut map, "procs", &device.procs)?;
        map.serialize_entry("v", "4")?;
        known(&mut map, "status", &device.status)?;
        known(&mut map, "connected", &device.connected)?;
        let created_at = stamp.map_or(device.created_at, |stamp| stamp.created_at);
        map.serialize_entry("created_at", &created_at)?;
        known(&mut map, "hostname", &device.hostname)?;
        if let Some(stamp) = stamp {
            map.serialize_entry("boot_id", stamp.boot_id)?;
            map.serialize_entry("seq", &stamp.seq)?;
            map.serialize_entry("clock", stamp.clock.word())?;
        }
        known(&mut map, "wan_ip6", &device.wan_ip6)?;
        known(&mut map, "target", &device.target)?;
        known(&mut map, "kernel", &device.kernel)?;
        map.end()
    }
}

impl Serialize for Device {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Stamped(self, None).serialize(serializer)
    }
}
