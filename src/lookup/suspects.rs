//! Addresses that have failed: the next attempt tries them last.

use super::Address;
use crate::sorted;
use std::collections::VecDeque;

/// Addresses remembered; a server has eight at most.
const MAX: usize = 16;

/// The addresses that failed, the latest failure last.
///
/// A failure is anything that kept an address from showing that it works, at any step: TCP, TLS, HTTP or
/// MQTT. An address that works is forgotten here.
#[derive(Debug, Clone, Default)]
pub struct Suspects(VecDeque<Address>);

impl Suspects {
    /// Puts those that failed behind the others, the one that failed last at the end.
    pub fn sort(&self, addresses: &mut [Address]) {
        // Stable: otherwise the order is the resolver's.
        sorted::by_key(addresses, |address| {
            self.position(*address).map_or(0, |at| at + 1)
        });
    }

    /// `address` did not work.
    pub fn failed(&mut self, address: Address) {
        self.worked(address);
        if self.0.len() >= MAX {
            self.0.pop_front();
        }
        self.0.push_back(address);
    }

    /// `address` works.
    pub fn worked(&mut self, address: Address) {
        self.0.retain(|known| *known != address);
    }

    fn position(&self, address: Address) -> Option<usize> {
        self.0.iter().position(|known| *known == address)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn address(last: u8) -> Address {
        IpAddr::from([192, 0, 2, last]).into()
    }

    fn sorted(suspects: &Suspects) -> Vec<u8> {
        let mut all = [1, 2, 3].map(address);
        suspects.sort(&mut all);
        let last = |address: &Address| match address.ip() {
            IpAddr::V4(v4) => v4.octets()[3],
            IpAddr::V6(_) => 0,
        };
        all.iter().map(last).collect()
    }

    #[test]
    fn every_address_has_its_turn_however_many_fail() {
        let mut suspects = Suspects::default();
        assert_eq!(sorted(&suspects), [1, 2, 3]);
        suspects.failed(address(1));
        assert_eq!(sorted(&suspects), [2, 3, 1]);
        suspects.failed(address(2));
        assert_eq!(sorted(&suspects), [3, 1, 2]);
        suspects.failed(address(3));
        assert_eq!(sorted(&suspects), [1, 2, 3]);
        suspects.failed(address(1));
        assert_eq!(sorted(&suspects), [2, 3, 1]);
        suspects.worked(address(1));
        assert_eq!(sorted(&suspects), [1, 2, 3]);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut suspects = Suspects::default();
        for last in 0..=255 {
            suspects.failed(address(last));
        }
        assert_eq!(suspects.0.len(), MAX);
        assert_eq!(suspects.0.back(), Some(&address(255)));
    }
}
