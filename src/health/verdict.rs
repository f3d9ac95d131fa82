//! From what a probe found to a code and a verdict. Pure: no clock, no I/O.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::facts::Verdict;
use super::probe::{Findings, Resolved, WebResult};

/// A look-up, a connection or an answer that takes longer is slow, ms.
const SLOW_MS: u64 = 2000;

/// What one probe says, or a proof in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Judgement {
    pub(super) code: u8,
    pub(super) verdict: Verdict,
}

impl Judgement {
    /// What a proof of life says.
    pub(super) const ALIVE: Judgement = Judgement {
        code: 9,
        verdict: Verdict::Ok,
    };

    /// Judges a probe that was made without a proof of life. `server_fails` says that a broker or an
    /// API is configured and cannot be reached.
    pub(super) fn of(found: &Findings, server_fails: bool) -> Self {
        Judgement {
            code: code(found),
            verdict: verdict(found, server_fails),
        }
    }

    /// Neither check beyond the route succeeded.
    pub(super) fn is_offline(self) -> bool {
        self.code <= 1
    }

    /// How bad it is: 0 nothing, 1 online with a fault, 2 offline.
    pub(super) fn badness(self) -> u8 {
        match self.verdict {
            _ if self.is_offline() => 2,
            Verdict::Ok => 0,
            _ => 1,
        }
    }
}

/// The original's code: no route 0, a route 1, and then 3 for the health check (look-up and
/// connection) and 5 for the web check.
///
/// A check that is switched off counts as the other does, so that it neither hides an outage nor
/// makes one; with both off the route decides between 0 and 9.
pub(super) fn code(found: &Findings) -> u8 {
    if !found.route.found {
        return 0;
    }
    let health = found.health_check();
    let web = found.web_check();
    let passed = |check: Option<bool>, other: Option<bool>| check.or(other).unwrap_or(true);
    1 + 3 * u8::from(passed(health, web)) + 5 * u8::from(passed(web, health))
}

fn verdict(found: &Findings, server_fails: bool) -> Verdict {
    let route = &found.route;
    // The kernel keeps a route by a device that has lost its link.
    if code(found) <= 1 && route.carrier == Some(false) {
        return Verdict::NoCarrier;
    }
    if !route.found {
        return match route.address {
            Some(false) => Verdict::NoAddress,
            _ => Verdict::NoRoute,
        };
    }
    // A page that is right comes from the world, whatever one resolver says of one name.
    if found.web_check() != Some(true) && has_false_addresses(found) {
        return Verdict::DnsHijacked;
    }
    if found
        .web
        .as_ref()
        .is_some_and(|web| web.result == WebResult::Foreign)
    {
        return Verdict::CaptivePortal;
    }
    if is_resolver_dead(found) {
        return Verdict::DnsDead;
    }
    match code(found) {
        0 | 1 => Verdict::NoInternet,
        _ if server_fails => Verdict::ServerUnreachable,
        _ => Verdict::Ok,
    }
}

/// A look-up failed, and none was answered.
fn is_resolver_dead(found: &Findings) -> bool {
    let health = found.lookup.as_ref().map(|lookup| lookup.result);
    let web = found.web.as_ref().and_then(|web| web.lookup);
    let results = [health, web];
    let any = |result| results.contains(&Some(result));
    any(Resolved::Dead) && !any(Resolved::Found) && !any(Resolved::NoSuchName)
}

fn has_false_addresses(found: &Findings) -> bool {
    let Some(lookup) = &found.lookup else {
        return false;
    };
    // All of them: resolvers for IPv6-only networks add addresses of their own to true ones.
    let is_false = |address: &IpAddr| !is_public(*address) || found.route.gateway == Some(*address);
    !lookup.addresses.is_empty() && lookup.addresses.iter().all(is_false)
}

/// Something is slow, or a check failed.
pub(super) fn is_degraded(found: &Findings) -> bool {
    let slow = [
        found.lookup.as_ref().map(|lookup| lookup.ms),
        found.connect.as_ref().map(|connect| connect.ms),
        found.web.as_ref().map(|web| web.ms),
    ];
    code(found) != 9 || slow.into_iter().flatten().any(|ms| ms > SLOW_MS)
}

/// Can a server of the world have this address? By the registries of special addresses (RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    let special = v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_documentation()
        || a == 0
        // Between a provider and its customers.
        || (a == 100 && b & 0xc0 == 64)
        || (a == 192 && b == 0 && c == 0)
        // Benchmarks.
        || (a == 198 && b & 0xfe == 18)
        // Multicast and reserved.
        || a >= 224;
    !special
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    let segments = v6.segments();
    let embedded = match segments {
        // Mapped, and translated by NAT64.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
        }
        _ => None,
    };
    match embedded {
        Some(v4) => is_public_v4(v4),
        // Global unicast, without what is for documentation.
        None => segments[0] & 0xe000 == 0x2000 && segments[..2] != [0x2001, 0x0db8],
    }
}
