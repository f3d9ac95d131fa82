//! An address of a host, as a connection needs it.

use std::fmt;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::str::FromStr;

/// An IP address; of a link-local one also the interface that it belongs to, for without that nobody can be
/// reached there (RFC 4007).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address {
    ip: IpAddr,
    /// Index of the interface; 0 for an address that needs none.
    scope: u32,
}

impl Address {
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    pub fn is_ipv6(&self) -> bool {
        self.ip.is_ipv6()
    }

    /// A port there.
    pub fn at(&self, port: u16) -> SocketAddr {
        match self.ip {
            IpAddr::V4(ip) => (ip, port).into(),
            IpAddr::V6(ip) => SocketAddrV6::new(ip, port, 0, self.scope).into(),
        }
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        Address { ip, scope: 0 }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        let scope = match address {
            SocketAddr::V4(_) => 0,
            SocketAddr::V6(address) => address.scope_id(),
        };
        Address {
            ip: address.ip(),
            scope,
        }
    }
}

impl FromStr for Address {
    type Err = std::net::AddrParseError;

    /// Reads an address without an interface; names of those only the system can read.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<IpAddr>().map(Address::from)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ip.fmt(f)?;
        match self.scope {
            0 => Ok(()),
            scope => write!(f, "%{scope}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interface_of_a_link_local_address_is_kept() {
        let there: SocketAddr = "[fe80::1%3]:1883".parse().unwrap();
        let address = Address::from(there);
        assert_eq!(address.at(1883), there);
        assert_eq!(address.to_string(), "fe80::1%3");
        let elsewhere: SocketAddr = "[fe80::1%4]:1883".parse().unwrap();
        assert_ne!(address, Address::from(elsewhere));
        for plain in ["192.0.2.1", "2001:db8::1"] {
            let address: Address = plain.parse().unwrap();
            assert_eq!(address.to_string(), plain);
            assert_eq!(address.at(80).ip().to_string(), plain);
        }
    }
}
