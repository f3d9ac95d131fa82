//! Judgements of findings, beside the table of faults.

use super::super::facts::Verdict;
use super::super::verdict::{code, is_degraded, Judgement};
use super::*;

#[test]
fn a_check_that_is_switched_off_counts_as_the_other_does() {
    let no_health = Findings::without_health_check;
    let no_web = Findings::without_web_check;
    for (found, expected) in [
        (no_health(fine()), 9),
        (no_health(fine().web_fails()), 1),
        (no_web(fine()), 9),
        (no_web(fine().connection_fails()), 1),
        (no_web(fine().lookup_ends(Resolved::Dead)), 1),
        (no_web(no_health(fine())), 9),
        (no_web(no_health(fine().without_route())), 0),
    ] {
        assert_eq!(code(&found), expected, "{found:?}");
    }
}

#[test]
fn what_works_slowly_or_in_part_is_degraded() {
    assert!(!is_degraded(&fine()));
    assert!(is_degraded(&fine().web_fails()));
    assert!(is_degraded(
        &fine().and(|found| found.lookup.as_mut().unwrap().ms = 2001)
    ));
}

#[test]
fn addresses_that_nobody_in_the_world_has_are_false() {
    let judged = |address: &str| {
        let found = fine().resolves_to(address).web_fails();
        Judgement::of(&found, false).verdict
    };
    for address in [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.1.1",
        "172.16.0.1",
        "192.0.0.1",
        "192.168.0.1",
        "198.18.0.1",
        "203.0.113.9",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fd00::1",
        "2001:db8::1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
    ] {
        assert_eq!(judged(address), Verdict::DnsHijacked, "{address}");
    }
    for address in [
        "1.1.1.1",
        "100.63.0.1",
        "100.128.0.1",
        "172.32.0.1",
        "192.0.1.1",
        "198.17.0.1",
        "223.255.0.1",
        "2606:4700:4700::1111",
        "64:ff9b::101:101",
    ] {
        assert_eq!(judged(address), Verdict::Ok, "{address}");
    }
}

#[test]
fn one_true_answer_among_false_ones_is_no_hijack() {
    let found = fine().web_fails().and(|found| {
        let lookup = found.lookup.as_mut().unwrap();
        lookup.addresses.push("fd00:64::1.1.1.1".parse().unwrap());
    });
    assert_eq!(Judgement::of(&found, false).verdict, Verdict::Ok);
}
