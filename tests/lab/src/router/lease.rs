//! Leases of DHCP, and the file dnsmasq keeps of them.

use std::fmt::Write;

use super::ap::Network;
use super::station::Mac;

/// Duration of a lease, s: dnsmasq's default on OpenWrt.
pub(super) const LEASE_TIME: u64 = 12 * 3600;

/// An IPv4 lease, with the IPv6 address of the same station where it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub mac: Mac,
    /// Seconds since the epoch; 0 = never.
    pub expires: u64,
    pub network: Network,
    /// Last number of the address; beyond 253 it is counted on in 10.x.0.0/16.
    pub host: u16,
    pub name: Option<String>,
    /// Hexadecimal with colons; `None` if the station sent none.
    pub client_id: Option<String>,
    pub ipv6: bool,
}

impl Lease {
    pub fn ip(&self) -> String {
        let net = self.network.subnet();
        match u8::try_from(self.host) {
            Ok(host) if host < 254 => format!("192.168.{net}.{host}"),
            _ => format!("10.{net}.{}.{}", self.host >> 8, self.host & 0xff),
        }
    }

    /// The global and the local IPv6 address.
    pub fn ip6(&self) -> [String; 2] {
        [
            format!("2001:db8:100::{:x}", self.host),
            format!("fd5a:3c1e:7b42::{:x}", self.host),
        ]
    }

    /// The DHCPv6 id, hexadecimal: link layer with time.
    pub fn duid6(&self) -> String {
        let plain: String = self.mac.to_string().replace(':', "");
        format!("000100012a334455{plain}")
    }

    /// Seconds left at `now`; `None` for a lease without end, 0 for one that is over.
    pub fn left(&self, now: u64) -> Option<u64> {
        (self.expires != 0).then(|| self.expires.saturating_sub(now))
    }
}

/// The text of /tmp/dhcp.leases.
pub(super) fn file(leases: &[Lease]) -> String {
    leases.iter().fold(String::new(), |mut text, lease| {
        let name = lease.name.as_deref().unwrap_or("*");
        let id = lease.client_id.as_deref().unwrap_or("*");
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{} {} {} {name} {id}",
            lease.expires,
            lease.mac,
            lease.ip()
        );
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_the_form_dnsmasq_writes() {
        let lease = Lease {
            mac: Mac([0xda, 0x5b, 0x0e, 0x4c, 0x99, 0x17]),
            expires: 1_751_490_877,
            network: Network::Lan,
            host: 174,
            name: None,
            client_id: Some("01:da:5b:0e:4c:99:17".into()),
            ipv6: false,
        };
        let line = file(std::slice::from_ref(&lease));
        let real = include_str!("../../../data/samples/dhcp.leases");
        assert_eq!(Some(line.trim_end()), real.lines().nth(1));
    }

    #[test]
    fn addresses_do_not_run_out_or_repeat() {
        let mut lease = Lease {
            mac: Mac([0; 6]),
            expires: 0,
            network: Network::Guest,
            host: 0,
            name: None,
            client_id: None,
            ipv6: false,
        };
        let ips: std::collections::HashSet<_> = (10..5000)
            .map(|host| {
                lease.host = host;
                lease.ip()
            })
            .collect();
        assert_eq!(ips.len(), 4990);
    }
}
