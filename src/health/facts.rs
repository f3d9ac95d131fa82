//! Facts of health, as `status.health` shows them.

use serde::{Serialize, Serializer};

use super::probe::Findings;
use crate::http::{Answer, Endpoint};

/// The fault between the device and the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing that keeps the device from its work.
    Ok,
    /// The device that had the default route has no link.
    NoCarrier,
    /// The interface has a link and no address.
    NoAddress,
    /// There is no default route.
    NoRoute,
    /// The gateway answers neither ARP nor neighbour discovery.
    GatewayDead,
    /// The resolver is silent or fails.
    DnsDead,
    /// The resolver answers with an address that nobody in the world has.
    DnsHijacked,
    /// Somebody else answers in place of the web server.
    CaptivePortal,
    /// Names resolve, and nothing beyond answers.
    NoInternet,
    /// The world answers, our broker or our API does not.
    ServerUnreachable,
}

impl Verdict {
    /// The verdict's name in `status` and in events.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::NoCarrier => "no_carrier",
            Verdict::NoAddress => "no_address",
            Verdict::NoRoute => "no_route",
            Verdict::GatewayDead => "gateway_dead",
            Verdict::DnsDead => "dns_dead",
            Verdict::DnsHijacked => "dns_hijacked",
            Verdict::CaptivePortal => "captive_portal",
            Verdict::NoInternet => "no_internet",
            Verdict::ServerUnreachable => "server_unreachable",
        }
    }

    /// The verdict in words.
    pub fn words(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::NoCarrier => "the uplink has no carrier",
            Verdict::NoAddress => "the uplink has no address",
            Verdict::NoRoute => "there is no default route",
            Verdict::GatewayDead => "the gateway does not answer",
            Verdict::DnsDead => "the resolver does not answer",
            Verdict::DnsHijacked => "the resolver gives false addresses",
            Verdict::CaptivePortal => "a captive portal answers for the web",
            Verdict::NoInternet => "nothing beyond the gateway answers",
            Verdict::ServerUnreachable => "the world answers, broker or API does not",
        }
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Proof of life: evidence without a probe that the device reaches its servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    /// A session with the broker.
    Broker,
    /// The API has accepted something within two heartbeats, and no request has failed since.
    Api,
}

/// A server of the operator's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Server {
    /// `None` until that is known.
    pub reached: Option<bool>,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Why the verdict is what it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Evidence {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    /// The newest probe is worse than the verdict; the next one decides.
    #[serde(skip_serializing_if = "is_false")]
    pub doubt: bool,
    /// A check failed or was slow, though the device works.
    #[serde(skip_serializing_if = "is_false")]
    pub degraded: bool,
    /// The part of the way out that was lost; until a byte of broker or API arrives, their proof does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
    /// The broker; absent if none is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broker: Option<Server>,
    /// The API; absent if none is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<Server>,
    /// Why broker or API cannot be reached, while there is no proof.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The newest probe; absent without a probe since the proof came, or went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<Findings>,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// netifd's interface behind the default route.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Uplink {
    /// Name in UCI of the interface that owns, or last owned, the default route.
    pub interface: String,
    /// The network device the route goes by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// There may be another way out: a default route of the same family by another device, or mwan3 is on the bus.
    #[serde(skip_serializing_if = "is_false")]
    pub shared: bool,
}

impl Facts {
    /// The answer of `server`, of which nothing counts while a captive portal may have given it: a portal
    /// answers for everybody, but not over TLS that was verified.
    pub fn believed(&self, answer: Answer, server: &Endpoint) -> Answer {
        match self.verdict == Some(Verdict::CaptivePortal) && !server.is_verified() {
            true => answer.under_a_portal(),
            false => answer,
        }
    }

    /// The code of the newest probe alone, without other proofs that the device is alive.
    pub fn probed_code(&self) -> Option<u8> {
        self.evidence.probe.as_ref().map(super::verdict::code)
    }
}

/// The health of the device.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Facts {
    /// 0 no route, 1 a route only, 4 and the health check, 6 and the web check, 9 all; `None` until it
    /// is known.
    pub code: Option<u8>,
    /// `None` until it is known.
    pub verdict: Option<Verdict>,
    /// Since when the verdict holds, seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// When it is probed next, seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_probe: Option<u64>,
    pub evidence: Evidence,
    /// `None` until netifd has told of a default route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uplink: Option<Uplink>,
    /// mwan3 is on the bus, and looks after every way out, also before there was one.
    #[serde(skip)]
    pub mwan3: bool,
    /// Our own resolver does not answer on loopback.
    #[serde(skip_serializing_if = "is_false")]
    pub own_resolver_dead: bool,
    /// Probes that have ended; wraps.
    #[serde(skip)]
    pub(super) probes: u32,
}
