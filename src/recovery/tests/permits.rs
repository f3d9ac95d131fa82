//! The table of the verdicts.

use crate::boot::Budget;
use crate::config;
use crate::health::{self, Verdict};
use crate::recovery::ladder::{Permit, World};
use crate::recovery::sight::{permit, sight};

#[test]
fn each_verdict_permits_what_the_table_says() {
    for (verdict, expected) in [
        (Verdict::Ok, Permit::Nothing),
        (Verdict::NoCarrier, Permit::Nothing),
        (Verdict::NoAddress, Permit::All),
        (Verdict::NoRoute, Permit::All),
        (Verdict::GatewayDead, Permit::All),
        (Verdict::DnsDead, Permit::Names { own: false }),
        (Verdict::DnsHijacked, Permit::Nothing),
        (Verdict::CaptivePortal, Permit::Nothing),
        (Verdict::NoInternet, Permit::Nothing),
        (Verdict::ServerUnreachable, Permit::Nothing),
    ] {
        assert_eq!(permit(Some(verdict), false), expected, "{verdict:?}");
    }
    let own = permit(Some(Verdict::DnsDead), true);
    assert_eq!(own, Permit::Names { own: true });
    assert_eq!(permit(Some(Verdict::NoInternet), true), Permit::Nothing);
    assert_eq!(permit(None, true), Permit::Nothing);
}

#[test]
fn only_codes_0_and_1_are_offline_and_before_the_first_nobody_knows() {
    let settings = config::Recovery::default();
    let world = |code| {
        let mut health = health::Facts::default();
        health.code = code;
        sight(&health, &settings, Budget::default(), false, false).world
    };
    assert_eq!(world(None), World::Unknown);
    for (code, expected) in [
        (0, World::Offline),
        (1, World::Offline),
        (4, World::Online),
        (6, World::Online),
        (9, World::Online),
    ] {
        assert_eq!(world(Some(code)), expected, "{code}");
    }
}

#[test]
fn a_second_way_out_spares_the_ladder_unless_no_gateway_answers() {
    let settings = config::Recovery::default();
    let is_shared = |verdict, shared, mwan3| {
        let mut health = health::Facts::default();
        (health.verdict, health.mwan3) = (Some(verdict), mwan3);
        health.uplink = Some(health::Uplink {
            shared,
            ..health::Uplink::default()
        });
        sight(&health, &settings, Budget::default(), false, false).shared
    };
    assert!(is_shared(Verdict::DnsDead, true, false));
    assert!(!is_shared(Verdict::DnsDead, false, false));
    // The verdict is that none of the default routes works.
    assert!(!is_shared(Verdict::GatewayDead, true, false));
    assert!(is_shared(Verdict::GatewayDead, true, true));
}

#[test]
fn mwan3_spares_the_ladder_also_where_no_default_route_was_ever_seen() {
    let mut health = health::Facts::default();
    health.code = Some(0);
    for mwan3 in [false, true] {
        health.mwan3 = mwan3;
        for verdict in [Verdict::NoRoute, Verdict::NoAddress, Verdict::DnsDead] {
            health.verdict = Some(verdict);
            let settings = config::Recovery::default();
            let seen = sight(&health, &settings, Budget::default(), false, false);
            assert_eq!(seen.shared, mwan3, "{verdict:?}");
        }
    }
}

/// Row 42 of what broke the original: with 95 % of the RAM free it dropped the kernel's caches.
#[test]
fn no_code_of_the_agent_drops_the_kernels_caches() {
    let name = ["drop", "caches"].join("_");
    let mut open = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut files = 0;
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let text = std::fs::read_to_string(&path).unwrap();
                assert!(!text.contains(&name), "{}", path.display());
                files += 1;
            }
        }
    }
    assert!(files > 200, "{files}");
}
