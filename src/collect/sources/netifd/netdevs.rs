//! Network devices, as netifd knows them.

use super::network::Dump;
use crate::collect::report::{Counters, Interface};
use crate::collect::sources::reply::Place::{Bool, Field as Any, Mac, Str, U32, U64};
use crate::collect::sources::reply::{cut, mbits, Field, Fields};

/// Reply of `network.device status` without a name.
#[derive(Debug, Default)]
pub(crate) struct Devices {
    interfaces: Vec<Interface>,
    /// Rows that are not among them.
    pub(crate) left_out: usize,
}

impl Devices {
    /// `None` if none of the devices is a table.
    pub(crate) fn read(reply: Fields<'_>) -> Option<Self> {
        let mut empty = true;
        let devices = reply.list(|name, device| {
            empty = false;
            let name = cut(String::from_utf8_lossy(name).into_owned());
            Some(device_of(name, device.table()?))
        });
        let readable = empty || !devices.items.is_empty();
        readable.then(|| Devices {
            left_out: devices.unread + devices.beyond,
            interfaces: devices.items.into_iter().flatten().collect(),
        })
    }

    /// The devices of the report: those present but the loopback, with their addresses.
    pub(crate) fn into_interfaces(self, dump: &Dump) -> Vec<Interface> {
        let mut interfaces = self.interfaces;
        for interface in &mut interfaces {
            (interface.ip, interface.ip6) = dump.addresses(&interface.name);
        }
        interfaces
    }
}

/// A device of `network.device status`; `None` for the loopback and absent devices.
pub(crate) fn device_of(name: String, status: Fields<'_>) -> Option<Interface> {
    let mut device = Interface {
        name,
        ..Interface::default()
    };
    let (mut present, mut shown_speed, mut statistics) = (None, None, Field::default());
    status.read(&mut [
        ("present", Bool(&mut present)),
        ("up", Bool(&mut device.up)),
        ("carrier", Bool(&mut device.carrier)),
        ("speed", Str(&mut shown_speed)),
        ("mtu", U32(&mut device.mtu)),
        ("macaddr", Mac(&mut device.mac)),
        ("statistics", Any(&mut statistics)),
    ]);
    device.speed = shown_speed.and_then(speed);
    device.counters = counters(statistics.fields());
    (present != Some(false) && device.name != "lo").then_some(device)
}

fn counters(statistics: Fields<'_>) -> Counters {
    let mut counters = Counters::default();
    statistics.read(&mut [
        ("rx_bytes", U64(&mut counters.rx_bytes)),
        ("tx_bytes", U64(&mut counters.tx_bytes)),
        ("rx_packets", U64(&mut counters.rx_packets)),
        ("tx_packets", U64(&mut counters.tx_packets)),
        ("rx_errors", U64(&mut counters.rx_errors)),
        ("tx_errors", U64(&mut counters.tx_errors)),
        ("rx_dropped", U64(&mut counters.rx_dropped)),
        ("tx_dropped", U64(&mut counters.tx_dropped)),
    ]);
    counters
}

/// Mbit/s of "1000F"; `None` for the "-1F" that older releases give without a link.
fn speed(text: &str) -> Option<u32> {
    let digits = text.trim_end_matches(['F', 'H']);
    mbits(digits.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_is_a_string_and_may_say_that_there_is_no_link() {
        assert_eq!(speed("1000F"), Some(1000));
        assert_eq!(speed("10H"), Some(10));
        assert_eq!(speed("-1F"), None);
        assert_eq!(speed("0F"), None);
        assert_eq!(speed("65535F"), None);
        assert_eq!(speed("F"), None);
        assert_eq!(speed("fast"), None);
    }
}
