//! Faults of the way out.

/// A fault of the WAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WanFault {
    /// The other end of the cable is dead.
    Carrier,
    /// The provider takes the lease back and gives none.
    Dhcp,
    /// The gateway's address is gone: it answers neither ARP nor anything else.
    Gateway,
    /// The resolver takes questions and never answers.
    Dns,
    /// The resolver says of every name that it is the gateway.
    Hijack,
    /// The page of the web check is redirected to a login; nothing else passes.
    Portal,
    /// The gateway and its resolver answer, nothing beyond them does.
    Dark,
}

impl WanFault {
    pub const ALL: [WanFault; 7] = [
        WanFault::Carrier,
        WanFault::Dhcp,
        WanFault::Gateway,
        WanFault::Dns,
        WanFault::Hijack,
        WanFault::Portal,
        WanFault::Dark,
    ];

    /// The word that orders it.
    pub fn name(self) -> &'static str {
        match self {
            WanFault::Carrier => "carrier",
            WanFault::Dhcp => "dhcp",
            WanFault::Gateway => "gateway",
            WanFault::Dns => "dns",
            WanFault::Hijack => "hijack",
            WanFault::Portal => "portal",
            WanFault::Dark => "dark",
        }
    }

    /// The fault that this word orders.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == word)
    }

    /// Its effect, in words.
    pub fn meaning(self) -> &'static str {
        match self {
            WanFault::Carrier => "no carrier",
            WanFault::Dhcp => "no lease: the address and the route are gone",
            WanFault::Gateway => "the gateway does not answer ARP",
            WanFault::Dns => "the resolver is silent",
            WanFault::Hijack => "the resolver answers every name with the gateway's address",
            WanFault::Portal => "the web check is redirected, nothing else passes",
            WanFault::Dark => "the gateway answers, nothing beyond it",
        }
    }
}
