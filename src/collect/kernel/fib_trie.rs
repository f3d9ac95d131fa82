//! /proc/net/fib_trie: the routes of IPv4 of every table, without their devices.
//!
//! ```text
//! Id 10:                              a table: Main, Local, or its number
//!   |-- 0.0.0.0                       a network
//!      /0 universe UNICAST            its length, scope and type
//! Main:
//!   +-- 0.0.0.0/0 3 0 5               an inner node
//! ```

use std::net::Ipv4Addr;

/// Own addresses that are kept, and tables with half a default route.
const MAX_ADDRESSES: usize = 1024;
const MAX_TABLES: usize = 64;

/// A route as the file has it.
struct Leaf<'a> {
    network: Ipv4Addr,
    /// `/0 universe UNICAST`
    words: &'a str,
}

impl Leaf<'_> {
    fn is(&self, network: Ipv4Addr, length: &str, kind: &str) -> bool {
        let mut words = self.words.split_ascii_whitespace();
        self.network == network && words.next() == Some(length) && words.nth(1) == Some(kind)
    }
}

/// The result of the lines read so far.
#[derive(Debug, Default)]
pub(crate) struct Trie {
    table: String,
    leaf: Option<Ipv4Addr>,
    local: Vec<Ipv4Addr>,
    default: bool,
    /// The tables that have one half of a default route or the other.
    halves: [Vec<String>; 2],
}

impl Trie {
    pub(crate) fn line(&mut self, line: &str) {
        let words = line.trim_start();
        if let Some(network) = words.strip_prefix("|-- ") {
            self.leaf = network.trim().parse().ok();
        } else if words.starts_with('/') {
            if let Some(network) = self.leaf {
                self.route(network, words);
            }
        } else if !words.starts_with("+--") {
            self.table.clear();
            self.table.push_str(words);
        }
    }

    fn route(&mut self, network: Ipv4Addr, words: &str) {
        const UPPER: Ipv4Addr = Ipv4Addr::new(128, 0, 0, 0);
        const LOWER: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
        let leaf = Leaf { network, words };
        if words.starts_with("/32 host LOCAL") {
            // Each stands there twice.
            if self.local.len() < MAX_ADDRESSES && !self.local.contains(&network) {
                self.local.push(network);
            }
        }
        self.default |= leaf.is(LOWER, "/0", "UNICAST");
        for (half, of) in self.halves.iter_mut().zip([LOWER, UPPER]) {
            if leaf.is(of, "/1", "UNICAST") && half.len() < MAX_TABLES {
                half.push(self.table.clone());
            }
        }
    }

    /// This device's own addresses: those marked "host LOCAL".
    pub(crate) fn local(&self) -> &[Ipv4Addr] {
        &self.local
    }

    /// True if one of the tables has a default route, or both halves of it, that leads somewhere.
    pub(crate) fn has_default(&self) -> bool {
        let [lower, upper] = &self.halves;
        self.default || lower.iter().any(|table| upper.contains(table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(trie: &str) -> Trie {
        let mut read = Trie::default();
        trie.lines().for_each(|line| read.line(line));
        read
    }

    fn has_default(trie: &str) -> bool {
        read(trie).has_default()
    }

    const LOCAL: &str = "Local:\n  +-- 0.0.0.0/0 2 0 2\n     +-- 127.0.0.0/8 2 0 2\n        |-- 127.0.0.0\n           \
                         /8 host LOCAL\n        |-- 127.0.0.1\n           /32 host LOCAL\n     +-- 192.0.2.0/24 2 0 2\n        \
                         |-- 192.0.2.2\n           /32 host LOCAL\n        |-- 192.0.2.255\n           /32 link BROADCAST\n";

    fn main(routes: &str) -> String {
        format!("Main:\n  +-- 0.0.0.0/0 3 0 5\n{routes}     |-- 192.0.2.0\n        /24 link UNICAST\n{LOCAL}")
    }

    #[test]
    fn a_default_route_counts_in_whatever_table_it_is() {
        let default = "  |-- 0.0.0.0\n     /0 universe UNICAST\n";
        assert!(!has_default(&main("")));
        assert!(has_default(&main(default)));
        assert!(has_default(&format!("Id 10:\n{default}{}", main(""))));
        assert!(has_default(&format!("{}Id 200:\n{default}", main(""))));
    }

    #[test]
    fn a_default_route_that_leads_nowhere_does_not_count() {
        for kind in ["UNREACHABLE", "BLACKHOLE", "PROHIBIT", "THROW"] {
            let trie = format!("Id 30:\n  |-- 0.0.0.0\n     /0 universe {kind}\n");
            assert!(!has_default(&trie), "{kind}");
        }
    }

    #[test]
    fn two_halves_count_if_they_are_in_one_table() {
        let lower = "     |-- 0.0.0.0\n        /1 link UNICAST\n";
        let upper = "     |-- 128.0.0.0\n        /1 link UNICAST\n";
        assert!(has_default(&main(&format!("{lower}{upper}"))));
        assert!(has_default(&format!("Id 7:\n{lower}{upper}{}", main(""))));
        assert!(!has_default(&main(lower)));
        assert!(!has_default(&main(upper)));
        assert!(!has_default(&format!("Id 7:\n{lower}{}", main(upper))));
    }

    #[test]
    fn our_own_addresses_are_listed_once() {
        let trie = format!("{LOCAL}{LOCAL}");
        let expected: [Ipv4Addr; 2] = [[127, 0, 0, 1].into(), [192, 0, 2, 2].into()];
        assert_eq!(read(&trie).local(), expected);
    }

    #[test]
    fn other_text_is_no_route() {
        for text in [
            "",
            "/0 universe UNICAST",
            "|-- x\n/0 universe UNICAST",
            "|-- 0.0.0.0\n/0",
            "\u{feff}+--",
        ] {
            assert!(!has_default(text), "{text}");
        }
    }
}
