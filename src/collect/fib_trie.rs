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

/// A route as the file has it.
struct Leaf<'a> {
    table: &'a str,
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

fn leaves(trie: &str) -> impl Iterator<Item = Leaf<'_>> {
    let (mut table, mut leaf) = ("", None);
    trie.lines().filter_map(move |line| {
        let words = line.trim_start();
        if let Some(network) = words.strip_prefix("|-- ") {
            leaf = network.trim().parse().ok();
        } else if words.starts_with('/') {
            let network = leaf?;
            return Some(Leaf {
                table,
                network,
                words,
            });
        } else if !words.starts_with("+--") {
            table = words;
        }
        None
    })
}

/// This device's own addresses: those marked "host LOCAL".
pub(super) fn local(trie: &str) -> Vec<Ipv4Addr> {
    let mut local = Vec::new();
    for leaf in leaves(trie) {
        if leaf.words.starts_with("/32 host LOCAL") && !local.contains(&leaf.network) {
            local.push(leaf.network);
        }
    }
    local
}

/// True if one of the tables has a default route, or both halves of it, that leads somewhere.
pub(super) fn has_default(trie: &str) -> bool {
    const UPPER: Ipv4Addr = Ipv4Addr::new(128, 0, 0, 0);
    let lower = Ipv4Addr::UNSPECIFIED;
    let mut halves = (None, None);
    for leaf in leaves(trie) {
        if leaf.is(lower, "/0", "UNICAST") {
            return true;
        }
        if leaf.is(lower, "/1", "UNICAST") {
            halves.0 = Some(leaf.table);
        }
        if leaf.is(UPPER, "/1", "UNICAST") {
            halves.1 = Some(leaf.table);
        }
        if halves.0.is_some() && halves.0 == halves.1 {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(local(&trie), expected);
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
