//! From what a probe found to a code and a verdict. Pure: no clock, no I/O.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::facts::Verdict;
use super::probe::{Answers, Connect, Findings, Resolved, WebResult};

/// A look-up, a connection or an answer that takes longer is slow, ms.
const SLOW_MS: u64 = 2000;

/// Judgement of one probe, or of a proof in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Judgement {
    pub(super) code: u8,
    pub(super) verdict: Verdict,
}

impl Judgement {
    /// Judgement of a proof of life.
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

    /// Severity: 0 healthy, 1 online with a fault, 2 offline.
    pub(super) fn badness(self) -> u8 {
        match self.verdict {
            _ if self.is_offline() => 2,
            Verdict::Ok => 0,
            _ => 1,
        }
    }
}

/// The checks beyond the route; `None` for one that is switched off.
#[derive(Debug, Clone, Copy)]
struct Checks {
    /// Look-up and connection succeeded.
    health: Option<bool>,
    /// The right page came.
    web: Option<bool>,
}

impl Checks {
    fn of(found: &Findings) -> Self {
        let health = match (&found.lookup, &found.connect) {
            (None, None) => None,
            (_, connect) => Some(
                connect.as_ref().is_some_and(Connect::succeeded) && !is_health_name_false(found),
            ),
        };
        let web = found.web.as_ref().map(|web| web.result == WebResult::Ok);
        Checks {
            health,
            web: web.map(|ok| ok && !is_web_name_false(found)),
        }
    }

    fn all_off(self) -> bool {
        self.health.is_none() && self.web.is_none()
    }
}

/// The original's code: no route 0, a route 1, and then 3 for the health check (look-up and
/// connection) and 5 for the web check.
///
/// A server that was reached, by any way, needs no route in a table. A check that is switched off counts
/// as the other does, so that it neither hides an outage nor makes one; with both off the route
/// decides between 0, 1 (by a device without a link) and 9.
pub(super) fn code(found: &Findings) -> u8 {
    let checks = Checks::of(found);
    let passed = |check: Option<bool>, other: Option<bool>| match checks.all_off() {
        true => found.route.found && found.route.carrier != Some(false),
        false => check.or(other) == Some(true),
    };
    let health = passed(checks.health, checks.web);
    let web = passed(checks.web, checks.health);
    match health || web || found.route.found || is_page_from_beyond(found) {
        true => 1 + 3 * u8::from(health) + 5 * u8::from(web),
        false => 0,
    }
}

/// Another's page came from an address of the world: some way leads at least to a portal.
fn is_page_from_beyond(found: &Findings) -> bool {
    is_web_foreign(found) && !is_web_name_false(found)
}

fn verdict(found: &Findings, server_fails: bool) -> Verdict {
    let route = &found.route;
    let checks = Checks::of(found);
    let code = code(found);
    let is_page_foreign = is_web_foreign(found);
    // Nobody answered: what keeps packets from leaving comes first. The kernel keeps a route by a
    // device that has lost its link.
    if code <= 1 && !is_page_from_beyond(found) {
        if route.carrier == Some(false) {
            return Verdict::NoCarrier;
        }
        if !route.found {
            return match route.address {
                Some(false) => Verdict::NoAddress,
                _ => Verdict::NoRoute,
            };
        }
        // Every answer, but for those from loopback, comes by a gateway.
        if !is_page_foreign && are_gateways_dead(found) {
            return Verdict::GatewayDead;
        }
    }
    // A page that is right comes from the world, whatever one resolver says of one name; and so does
    // a connection, unless the page is another's.
    let is_health_hijacked = is_health_name_false(found) && checks.web != Some(true);
    let is_web_hijacked =
        is_web_name_false(found) && (checks.health != Some(true) || is_page_foreign);
    if is_health_hijacked || is_web_hijacked {
        return Verdict::DnsHijacked;
    }
    if is_page_foreign {
        return Verdict::CaptivePortal;
    }
    if code < 6 && is_resolver_dead(found) {
        return Verdict::DnsDead;
    }
    match code {
        0 | 1 => Verdict::NoInternet,
        _ if server_fails => Verdict::ServerUnreachable,
        _ => Verdict::Ok,
    }
}

fn is_web_foreign(found: &Findings) -> bool {
    let web = found.web.as_ref();
    web.is_some_and(|web| web.result == WebResult::Foreign)
}

/// There are gateways, and none of them answers.
fn are_gateways_dead(found: &Findings) -> bool {
    let mut gateways = found.gateways.iter().peekable();
    gateways.peek().is_some() && gateways.all(|gateway| gateway.answers == Answers::No)
}

/// A look-up failed, and none was answered. Of the name servers, those the C library asks count: what the
/// others answer reaches nobody while our own resolver is dead.
fn is_resolver_dead(found: &Findings) -> bool {
    let health = found.lookup.as_ref().map(|lookup| lookup.result);
    let web = found.web.as_ref().and_then(|web| web.lookup);
    let servers = found.resolvers.iter().filter(|server| server.system);
    let servers = servers.map(|server| server.result);
    let results: Vec<Resolved> = health.into_iter().chain(web).chain(servers).collect();
    let any = |result| results.contains(&result);
    any(Resolved::Dead) && !any(Resolved::Found) && !any(Resolved::NoSuchName)
}

/// Our own resolver is configured on loopback and answers nothing, not even what it knows alone.
pub(super) fn is_own_resolver_dead(found: &Findings) -> bool {
    let own = found.resolvers.iter();
    let own = own.filter(|server| server.address.is_loopback());
    let mut own = own.filter(|server| server.system).peekable();
    own.peek().is_some() && own.all(|server| server.own_dead)
}

/// The name of the health check has addresses that it cannot have.
///
/// A host of the operator's own network has a private address by right, so for a name that somebody
/// chose it is suspicious only while nobody accepts there. The default is a name of the world's.
fn is_health_name_false(found: &Findings) -> bool {
    let Some(lookup) = &found.lookup else {
        return false;
    };
    let accepted = found.connect.as_ref().is_some_and(Connect::succeeded);
    (found.public.health || !accepted) && are_false(&lookup.addresses, found)
}

/// The same of the web check, where an answer of any kind is a connection that was accepted.
fn is_web_name_false(found: &Findings) -> bool {
    let Some(web) = &found.web else {
        return false;
    };
    (found.public.web || web.status.is_none()) && are_false(&web.addresses, found)
}

/// All of them: resolvers for IPv6-only networks add addresses of their own to true ones.
fn are_false(addresses: &[IpAddr], found: &Findings) -> bool {
    let is_false = |address: &IpAddr| !is_public(*address) || found.route.gateway == Some(*address);
    !addresses.is_empty() && addresses.iter().all(is_false)
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
