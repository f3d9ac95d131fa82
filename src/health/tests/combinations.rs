//! Every combination of what a probe can find: code and verdict are of one mind.

use std::net::IpAddr;

use super::super::facts::Verdict;
use super::super::verdict::Judgement;
use super::*;

/// Every combination of what the parts of a probe can find.
fn all_findings() -> Vec<Findings> {
    use Resolved::{Dead, NoSuchName};
    type Change = fn(Findings) -> Findings;
    let routes: [Change; 4] = [
        |found| found,
        |found| found.and(|found| found.route.carrier = Some(false)),
        Findings::with_no_route_in_the_tables,
        |found| {
            let found = found.with_no_route_in_the_tables();
            found.and(|found| found.route.address = Some(false))
        },
    ];
    let healths: [Change; 7] = [
        |found| found,
        Findings::connection_fails,
        |found| found.resolves_to("10.0.0.1"),
        |found| found.resolves_to("10.0.0.1").connection_fails(),
        |found| found.lookup_ends(Dead),
        |found| found.lookup_ends(NoSuchName),
        Findings::without_health_check,
    ];
    let webs: [Change; 8] = [
        |found| found,
        |found| found.web_resolves_to("10.0.0.1"),
        Findings::web_fails,
        |found| found.web_resolves_to("10.0.0.1").web_fails(),
        |found| found.web_ends(WebResult::Foreign, Resolved::Found),
        |found| {
            let found = found.web_resolves_to("10.0.0.1");
            found.web_ends(WebResult::Foreign, Resolved::Found)
        },
        |found| found.web_ends(WebResult::Failed, Dead),
        Findings::without_web_check,
    ];
    let names: [Change; 4] = [
        |found| found,
        Findings::of_our_choice,
        |found| found.gateway_answers(Answers::No),
        |found| found.name_servers(&[(true, Dead)]),
    ];
    let mut all = Vec::new();
    for route in routes {
        for health in healths {
            for web in webs {
                all.extend(names.map(|name| name(web(health(route(fine()))))));
            }
        }
    }
    all
}

#[test]
fn code_and_verdict_never_contradict_each_other() {
    use Verdict::*;
    let false_one = |address: &IpAddr| address.to_string() == "10.0.0.1";
    for found in all_findings() {
        let public = found.public;
        let connected = found
            .connect
            .as_ref()
            .is_some_and(|one| one.error.is_none());
        let private = found
            .lookup
            .as_ref()
            .is_some_and(|one| one.addresses.iter().all(false_one));
        let reached_host = connected && !(public.health && private);
        let reached_page = found.web.as_ref().is_some_and(|web| {
            let private = web.addresses.iter().all(false_one);
            web.result == WebResult::Ok && !(public.web && private)
        });
        let reached = reached_host || reached_page;
        let all_off = found.connect.is_none() && found.lookup.is_none() && found.web.is_none();
        for server_fails in [false, true] {
            let judged = Judgement::of(&found, server_fails);
            let context = format!("{judged:?} server_fails {server_fails} {found:#?}");
            // What was reached outranks every sign that it cannot be.
            assert!(!reached || !judged.is_offline(), "{context}");
            assert!(reached || all_off || judged.is_offline(), "{context}");
            assert!([0, 1, 4, 6, 9].contains(&judged.code), "{context}");
            assert!(judged.code != 0 || !found.route.found, "{context}");
            let expected: &[Verdict] = match judged.code {
                0 => &[NoCarrier, NoAddress, NoRoute],
                1 => &[
                    NoCarrier,
                    GatewayDead,
                    DnsDead,
                    DnsHijacked,
                    CaptivePortal,
                    NoInternet,
                ],
                4 if server_fails => &[ServerUnreachable, DnsDead, DnsHijacked, CaptivePortal],
                4 => &[Ok, DnsDead, DnsHijacked, CaptivePortal],
                _ if server_fails => &[ServerUnreachable],
                _ => &[Ok],
            };
            assert!(expected.contains(&judged.verdict), "{context}");
        }
    }
}
