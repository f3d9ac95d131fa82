//! The name under which the ledger remembers a job.

use std::fmt;

use ring::digest::{digest, SHA256};

use super::super::source::Source;

/// The first 64 bits of a SHA-256 over source and id: 8 bytes, however long the id is. Two ids that share
/// a key would count as one job, and the later one would not run; nobody finds an id for a given key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub(super) u64);

impl Key {
    /// The key of a job. Broker and bus have separate spaces of ids.
    pub fn new(source: Source, id: &str) -> Self {
        let mut text = Vec::with_capacity(1 + id.len());
        text.push(source.number());
        text.extend_from_slice(id.as_bytes());
        let hash = digest(&SHA256, &text);
        let first = hash.as_ref().first_chunk().copied();
        Key(u64::from_be_bytes(first.unwrap_or_default()))
    }
}

impl fmt::Display for Key {
    /// 16 hex digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_id_of_broker_and_bus_has_two_keys_which_never_change() {
        // printf mop_42 | sha256sum
        let broker = Key::new(Source::Mqtt, "op_42").to_string();
        assert_eq!(broker, "63f7f2ef43cc92ee");
        let bus = Key::new(Source::Ubus, "op_42").to_string();
        assert_eq!(bus, "e35aa1007e2b7415");
    }
}
