//! A row for each fault: the findings and their verdict.

use super::super::facts::Verdict;
use super::super::verdict::Judgement;
use super::*;

struct Row {
    fault: &'static str,
    found: Findings,
    server_fails: bool,
    code: u8,
    verdict: Verdict,
}

fn row(fault: &'static str, found: Findings, code: u8, verdict: Verdict) -> Row {
    Row {
        fault,
        found,
        server_fails: false,
        code,
        verdict,
    }
}

fn rows() -> Vec<Row> {
    use Resolved::{Dead, Found, NoSuchName};
    use WebResult::{Failed, Foreign};
    let unlinked = |found: Findings| found.and(|found| found.route.carrier = Some(false));
    let unaddressed = |found: Findings| found.and(|found| found.route.address = Some(false));
    vec![
        row("none", fine(), 9, Verdict::Ok),
        row(
            "the web check alone fails",
            fine().web_fails(),
            4,
            Verdict::Ok,
        ),
        row(
            "the health check alone fails",
            fine().connection_fails(),
            6,
            Verdict::Ok,
        ),
        row(
            "no link",
            unaddressed(unlinked(fine().without_route())),
            0,
            Verdict::NoCarrier,
        ),
        row(
            "no link, but the kernel keeps the route",
            unlinked(fine().resolver_dies()),
            1,
            Verdict::NoCarrier,
        ),
        row(
            "link, no address",
            unaddressed(fine().without_route()),
            0,
            Verdict::NoAddress,
        ),
        row(
            "address, no default route",
            fine()
                .without_route()
                .and(|found| found.route.address = Some(true)),
            0,
            Verdict::NoRoute,
        ),
        row(
            "no default route since the start",
            fine()
                .without_route()
                .and(|found| (found.route.device, found.route.carrier) = (None, None)),
            0,
            Verdict::NoRoute,
        ),
        row(
            "gateway silent",
            fine().resolver_dies().gateway_answers(Answers::No),
            1,
            Verdict::GatewayDead,
        ),
        row(
            "gateway silent, names come from a cache",
            fine()
                .connection_fails()
                .web_fails()
                .gateway_answers(Answers::No),
            1,
            Verdict::GatewayDead,
        ),
        row(
            "gateway that answers nothing of ours, the world does",
            fine().gateway_answers(Answers::No),
            9,
            Verdict::Ok,
        ),
        row(
            "gateway of which nothing is known",
            fine()
                .connection_fails()
                .web_fails()
                .gateway_answers(Answers::Unknown),
            1,
            Verdict::NoInternet,
        ),
        row(
            "one of two gateways silent, nothing answers",
            fine()
                .connection_fails()
                .web_fails()
                .gateway_answers(Answers::No)
                .and(|found| found.gateways.extend(fine().gateways)),
            1,
            Verdict::NoInternet,
        ),
        row(
            "gateway silent, a page of somebody comes",
            fine()
                .connection_fails()
                .web_ends(Foreign, Found)
                .web_resolves_to("8.8.4.4")
                .gateway_answers(Answers::No),
            1,
            Verdict::DnsHijacked,
        ),
        row(
            "every name server silent",
            fine()
                .resolver_dies()
                .name_servers(&[(true, Dead), (false, Dead)]),
            1,
            Verdict::DnsDead,
        ),
        row(
            "our own resolver silent, the provider's answers us alone",
            fine()
                .resolver_dies()
                .name_servers(&[(true, Dead), (false, Found)]),
            1,
            Verdict::DnsDead,
        ),
        row(
            "one of two name servers silent, the C library too slow for the other",
            fine()
                .resolver_dies()
                .name_servers(&[(true, Dead), (true, NoSuchName)]),
            1,
            Verdict::NoInternet,
        ),
        row(
            "resolver silent",
            fine().resolver_dies(),
            1,
            Verdict::DnsDead,
        ),
        row(
            "resolver silent, an address answers",
            fine()
                .web_ends(Failed, Dead)
                .and(|found| found.lookup = None),
            4,
            Verdict::DnsDead,
        ),
        row(
            "resolver silent for one name only",
            fine().lookup_ends(Dead).web_ends(WebResult::Ok, Found),
            6,
            Verdict::Ok,
        ),
        row(
            "answer private",
            fine().resolves_to("10.0.0.1").web_fails(),
            1,
            Verdict::DnsHijacked,
        ),
        row(
            "answer reserved",
            fine()
                .resolves_to("198.18.0.7")
                .connection_fails()
                .web_fails(),
            1,
            Verdict::DnsHijacked,
        ),
        row(
            "answer the gateway's",
            fine().resolves_to("8.8.4.4").web_fails(),
            1,
            Verdict::DnsHijacked,
        ),
        row(
            "answer private, the page behind it foreign",
            fine().resolves_to("192.168.1.1").web_ends(Foreign, Found),
            1,
            Verdict::DnsHijacked,
        ),
        row(
            "answer private, the right page comes all the same",
            fine().resolves_to("192.168.1.1"),
            6,
            Verdict::Ok,
        ),
        row(
            "answers private, and the right page comes from there",
            fine()
                .resolves_to("192.168.1.1")
                .web_resolves_to("192.168.1.1"),
            1,
            Verdict::DnsHijacked,
        ),
        row(
            "the name of the web check is blocked, the connection true",
            fine().web_resolves_to("0.0.0.0").web_fails(),
            4,
            Verdict::Ok,
        ),
        row(
            "the name of the web check leads to a page of the gateway, the connection is true",
            fine().web_resolves_to("8.8.4.4").web_ends(Foreign, Found),
            4,
            Verdict::DnsHijacked,
        ),
        row(
            "web check answered with another page",
            fine().web_ends(Foreign, Found),
            4,
            Verdict::CaptivePortal,
        ),
        row(
            "web check answered with another page, nothing else answers",
            fine().connection_fails().web_ends(Foreign, Found),
            1,
            Verdict::CaptivePortal,
        ),
        row(
            "nothing beyond the gateway",
            fine().connection_fails().web_fails(),
            1,
            Verdict::NoInternet,
        ),
        row(
            "a gateway whose resolver knows no name while it is offline",
            fine().lookup_ends(NoSuchName).web_ends(Failed, NoSuchName),
            1,
            Verdict::NoInternet,
        ),
        row(
            "a host of our own network accepts, no web check",
            fine()
                .of_our_choice()
                .resolves_to("10.9.9.9")
                .without_web_check(),
            9,
            Verdict::Ok,
        ),
        row(
            "a host of our own network accepts, the page of the world does not come",
            fine()
                .of_our_choice()
                .resolves_to("10.9.9.9")
                .web_resolves_to("10.9.9.9")
                .web_fails(),
            4,
            Verdict::Ok,
        ),
        row(
            "a host of our own network does not accept, no web check",
            fine()
                .of_our_choice()
                .resolves_to("10.9.9.9")
                .connection_fails()
                .without_web_check(),
            1,
            Verdict::DnsHijacked,
        ),
        row(
            "the right page comes from our own network, no health check",
            fine()
                .of_our_choice()
                .web_resolves_to("10.9.9.9")
                .without_health_check(),
            9,
            Verdict::Ok,
        ),
        row(
            "a page of our own network is another one, no health check",
            fine()
                .of_our_choice()
                .web_resolves_to("10.9.9.9")
                .web_ends(Foreign, Found)
                .without_health_check(),
            1,
            Verdict::CaptivePortal,
        ),
        row(
            "no default route in the tables, the world answers",
            fine().with_no_route_in_the_tables(),
            9,
            Verdict::Ok,
        ),
        row(
            "no default route in the tables, the page comes",
            fine().with_no_route_in_the_tables().connection_fails(),
            6,
            Verdict::Ok,
        ),
        row(
            "no default route in the tables, a portal answers",
            fine()
                .with_no_route_in_the_tables()
                .connection_fails()
                .web_ends(Foreign, Found),
            1,
            Verdict::CaptivePortal,
        ),
        row(
            "no default route, our own resolver answers with itself",
            fine()
                .with_no_route_in_the_tables()
                .resolves_to("192.168.1.1")
                .web_resolves_to("192.168.1.1")
                .web_ends(Foreign, Found),
            0,
            Verdict::NoRoute,
        ),
        row(
            "the device of one route has no link, the world answers by another",
            unlinked(fine()),
            9,
            Verdict::Ok,
        ),
        row(
            "all checks off, a route",
            fine().without_health_check().without_web_check(),
            9,
            Verdict::Ok,
        ),
        row(
            "all checks off, a route by a device without a link",
            unlinked(fine().without_health_check().without_web_check()),
            1,
            Verdict::NoCarrier,
        ),
        row(
            "all checks off, no route",
            fine()
                .without_route()
                .without_health_check()
                .without_web_check(),
            0,
            Verdict::NoRoute,
        ),
        Row {
            server_fails: true,
            ..row(
                "world fine without a default route in the tables, server not",
                fine().with_no_route_in_the_tables(),
                9,
                Verdict::ServerUnreachable,
            )
        },
        Row {
            server_fails: true,
            ..row(
                "world fine, server not",
                fine(),
                9,
                Verdict::ServerUnreachable,
            )
        },
        Row {
            server_fails: true,
            ..row(
                "nothing reachable, the server neither",
                fine().connection_fails().web_fails(),
                1,
                Verdict::NoInternet,
            )
        },
    ]
}

#[test]
fn each_fault_has_its_verdict_and_its_code() {
    for row in rows() {
        let judged = Judgement::of(&row.found, row.server_fails);
        assert_eq!(
            (judged.code, judged.verdict),
            (row.code, row.verdict),
            "{}",
            row.fault
        );
    }
}
