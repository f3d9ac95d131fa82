//! Network devices, as netifd knows them.

use super::network::Dump;
use crate::collect::report::{Counters, Interface};
use crate::collect::sources::reply::{cut, mbits, Fields};

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

/// One device of `network.device status`; `None` for the loopback and what is not there.
pub(crate) fn device_of(name: String, status: Fields<'_>) -> Option<Interface> {
    let mut device = Interface {
        name,
        ..Interface::default()
    };
    for (key, field) in status {
        match key {
            b"present" if field.bool() == Some(false) => return None,
            b"up" => device.up = field.bool(),
            b"carrier" => device.carrier = field.bool(),
            b"speed" => device.speed = field.str().and_then(speed),
            b"mtu" => device.mtu = field.u32(),
            b"macaddr" => device.mac = field.mac(),
            b"statistics" => device.counters = counters(field.fields()),
            _ => {}
        }
    }
    (device.name != "lo").then_some(device)
}

fn counters(statistics: Fields<'_>) -> Counters {
    let mut counters = Counters::default();
    for (name, field) in statistics {
        let counter = match name {
            b"rx_bytes" => &mut counters.rx_bytes,
            b"tx_bytes" => &mut counters.tx_bytes,
            b"rx_packets" => &mut counters.rx_packets,
            b"tx_packets" => &mut counters.tx_packets,
            b"rx_errors" => &mut counters.rx_errors,
            b"tx_errors" => &mut counters.tx_errors,
            b"rx_dropped" => &mut counters.rx_dropped,
            b"tx_dropped" => &mut counters.tx_dropped,
            _ => continue,
        };
        *counter = field.u64();
    }
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
