//! The way out is lost, in simulated time.

use std::time::Duration;

use tokio::time::{sleep, Instant};

use super::super::facts::{Uplink, Verdict};
use super::super::signs::Sign;
use super::super::uplink::Netifd;
use super::task::{start, PROBE};
use super::*;
use crate::collect;

#[tokio::test(start_paused = true)]
async fn a_lost_link_ends_the_proof_of_life_and_is_told_after_two_quick_probes() {
    let mut ward = start(fine());
    ward.connect().await;
    ward.world.send_replace(unlinked());
    ward.drain();
    ward.tree.carrier(false);
    let lost = Instant::now();
    ward.signs.send(Sign::Hint).await.unwrap();
    let facts = ward
        .facts_when(|facts| facts.evidence.proof.is_none())
        .await;
    assert_eq!(lost.elapsed(), Duration::ZERO);
    assert_eq!(
        facts.evidence.lost.as_deref(),
        Some("wan has lost its link")
    );
    assert_eq!(facts.verdict, Some(Verdict::Ok));
    let facts = ward
        .facts_when(|facts| facts.verdict == Some(Verdict::NoCarrier))
        .await;
    assert_eq!(facts.code, Some(1));
    // A probe, a second, a probe.
    assert_eq!(lost.elapsed(), PROBE + Duration::from_secs(1) + PROBE);
    let (first, second) = (ward.begun.recv().await, ward.begun.recv().await);
    assert!(first.unwrap().1.quick && second.unwrap().1.quick);
    let third = ward.begun.recv().await.unwrap();
    assert!(!third.1.quick);
    assert_eq!(third.0 - lost, 2 * PROBE + Duration::from_secs(1 + 10));
}

#[tokio::test(start_paused = true)]
async fn a_session_from_before_is_proof_again_with_the_first_byte_that_arrives() {
    let mut ward = start(fine());
    ward.connect().await;
    ward.tree.route(false);
    ward.signs.send(Sign::Hint).await.unwrap();
    ward.facts_when(|facts| facts.evidence.lost.is_some()).await;
    ward.tree.route(true);
    ward.signs.send(Sign::Hint).await.unwrap();
    let facts = ward.probed().await;
    assert_eq!((facts.evidence.proof, facts.evidence.lost), (None, None));
    assert_eq!(facts.evidence.broker.unwrap().reached, None);
    // The session is still there, which says nothing.
    ward.mqtt.send_modify(|facts| facts.skipped += 1);
    let facts = ward.probed().await;
    assert_eq!(facts.evidence.proof, None);
    ward.mqtt
        .send_modify(|facts| facts.arrived = Some(Instant::now()));
    let facts = ward
        .facts_when(|facts| facts.evidence.proof.is_some())
        .await;
    assert_eq!(facts.verdict, Some(Verdict::Ok));
    assert_eq!(facts.evidence.broker.unwrap().reached, Some(true));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_began_before_the_way_was_lost_is_given_up() {
    let mut ward = start(fine());
    let before = ward.begun().await;
    ward.world.send_replace(unlinked());
    sleep(PROBE / 2).await;
    ward.tree.carrier(false);
    ward.signs.send(Sign::Hint).await.unwrap();
    assert_eq!(ward.begun().await - before, PROBE / 2);
    // One that began after it is not, however many signs there are.
    for _ in 0..6 {
        sleep(PROBE / 8).await;
        ward.tree.carrier(true);
        ward.signs.send(Sign::Hint).await.unwrap();
        ward.tree.carrier(false);
        ward.signs.send(Sign::Hint).await.unwrap();
    }
    ward.probed().await;
    assert_eq!(before.elapsed(), PROBE / 2 + PROBE);
}

#[tokio::test(start_paused = true)]
async fn netifd_taking_the_uplink_down_is_a_sign_and_another_interface_is_none() {
    let mut ward = start(fine());
    ward.connect().await;
    let mut wan = collect::netifd::Interface {
        name: "wan".into(),
        up: true,
        autostart: true,
        proto: "dhcp".into(),
        device: Some("wan".into()),
        l3_device: Some("wan".into()),
        v4: Some(0),
        ..collect::netifd::Interface::default()
    };
    let netifd = |wan: &collect::netifd::Interface| {
        Sign::Netifd(Netifd {
            interfaces: vec![wan.clone()],
            ..Netifd::default()
        })
    };
    ward.signs.send(netifd(&wan)).await.unwrap();
    let facts = ward.facts_when(|facts| facts.uplink.is_some()).await;
    let expected = Uplink {
        interface: "wan".into(),
        device: Some("wan".into()),
        ..Uplink::default()
    };
    assert_eq!(facts.uplink.as_ref(), Some(&expected));
    ward.signs.send(Sign::Down("guest".into())).await.unwrap();
    ward.signs.send(Sign::Down("wan".into())).await.unwrap();
    let facts = ward.facts_when(|facts| facts.evidence.lost.is_some()).await;
    assert_eq!(
        facts.evidence.lost.as_deref(),
        Some("interface wan is down")
    );
    // Its owner is kept over the outage.
    ward.tree.route(false);
    (wan.up, wan.l3_device, wan.v4) = (false, None, None);
    ward.signs.send(netifd(&wan)).await.unwrap();
    let facts = ward.probed().await;
    assert_eq!(facts.uplink, Some(expected));
}

#[tokio::test(start_paused = true)]
async fn mwan3_is_known_while_no_default_route_has_an_owner() {
    let mut ward = start(fine().without_route());
    let netifd = |mwan3| {
        Sign::Netifd(Netifd {
            mwan3,
            ..Netifd::default()
        })
    };
    for route in [false, true] {
        ward.tree.route(route);
        for mwan3 in [true, false] {
            ward.signs.send(netifd(mwan3)).await.unwrap();
            let facts = ward.facts_when(|facts| facts.mwan3 == mwan3).await;
            assert_eq!(facts.uplink, None);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_part_that_follows_knows_that_the_way_is_lost() {
    let mut ward = start(fine());
    ward.connect().await;
    ward.world.send_replace(fine().without_route());
    ward.tree.route(false);
    ward.signs.send(Sign::Hint).await.unwrap();
    ward.facts_when(|facts| facts.evidence.lost.is_some()).await;
    let lost = Instant::now();
    ward.renew().await;
    // The session of before is still there, and is no proof.
    for _ in 0..2 {
        let facts = ward.probed().await;
        assert_eq!(facts.evidence.proof, None);
        let lost = facts.evidence.lost.as_deref();
        assert_eq!(lost, Some("the default route is gone"));
    }
    ward.facts_when(|facts| facts.verdict == Some(Verdict::NoRoute))
        .await;
    // The part that follows is as quick as the one before.
    assert_eq!(lost.elapsed(), 2 * PROBE + Duration::from_secs(1));
    ward.renew().await;
    ward.mqtt
        .send_modify(|facts| facts.arrived = Some(Instant::now()));
    ward.facts_when(|facts| facts.evidence.proof.is_some())
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_way_that_is_lost_between_two_parts_is_lost() {
    let mut ward = start(fine());
    ward.connect().await;
    ward.tree.route(false);
    ward.renew().await;
    let facts = ward.facts_when(|facts| facts.evidence.lost.is_some()).await;
    assert_eq!(facts.evidence.proof, None);
    ward.probed().await;
    ward.drain();
    ward.renew().await;
    // It is lost once.
    let begun = ward.begun.recv().await.unwrap();
    assert!(!begun.1.quick);
}

#[tokio::test(start_paused = true)]
async fn a_loss_that_is_seen_as_a_probe_begins_counts_before_its_sign_arrives() {
    let mut ward = start(fine());
    ward.connect().await;
    ward.drain();
    ward.world.send_replace(fine().without_route());
    ward.tree.route(false);
    let handle = ward.handle.clone();
    let asked = Instant::now();
    let asking = tokio::spawn(async move { handle.probe().await });
    let facts = ward.facts_when(|facts| facts.evidence.lost.is_some()).await;
    assert_eq!(facts.evidence.proof, None);
    let facts = ward
        .facts_when(|facts| facts.evidence.proof.is_none())
        .await;
    assert_eq!(facts.code, Some(9));
    assert!(ward.begun.recv().await.unwrap().1.quick);
    assert_eq!(asked.elapsed(), Duration::ZERO);
    ward.signs.send(Sign::Hint).await.unwrap();
    asking.await.unwrap();
    ward.facts_when(|facts| facts.verdict == Some(Verdict::NoRoute))
        .await;
    assert_eq!(asked.elapsed(), 2 * PROBE + Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_way_that_comes_back_is_probed_a_second_later() {
    let mut ward = start(fine().without_route());
    ward.tree.route(false);
    ward.probed().await;
    ward.probed().await;
    ward.world.send_replace(fine());
    ward.drain();
    ward.tree.route(true);
    let back = Instant::now();
    ward.signs.send(Sign::Hint).await.unwrap();
    assert_eq!(ward.begun().await - back, Duration::from_secs(1));
    assert_eq!(ward.probed().await.verdict, Some(Verdict::Ok));
}

#[tokio::test(start_paused = true)]
async fn a_second_loss_is_an_outage_of_its_own_however_soon_it_follows_the_first() {
    let mut ward = start(fine());
    ward.probed().await;
    for lasts in [40, 275] {
        ward.world.send_replace(fine().without_route());
        ward.tree.route(false);
        let lost = Instant::now();
        ward.signs.send(Sign::Hint).await.unwrap();
        ward.facts_when(|facts| facts.verdict == Some(Verdict::NoRoute))
            .await;
        assert_eq!(lost.elapsed(), 2 * PROBE + Duration::from_secs(1));
        sleep(Duration::from_secs(lasts)).await;
        ward.world.send_replace(fine());
        ward.tree.route(true);
        ward.signs.send(Sign::Hint).await.unwrap();
        ward.facts_when(|facts| facts.verdict == Some(Verdict::Ok))
            .await;
        sleep(Duration::from_secs(275)).await;
    }
    let (events, _) = ward.events.take();
    let told: Vec<_> = events.iter().filter_map(|one| one.verdict).collect();
    assert_eq!(told, ["ok", "no_route", "ok", "no_route", "ok"]);
}

#[tokio::test(start_paused = true)]
async fn each_change_of_the_verdict_goes_into_the_next_report() {
    let mut ward = start(fine());
    ward.probed().await;
    ward.world.send_replace(fine().resolver_dies());
    ward.facts_when(|facts| facts.verdict == Some(Verdict::DnsDead))
        .await;
    ward.connect().await;
    ward.facts_when(|facts| facts.verdict == Some(Verdict::Ok))
        .await;
    let (events, lost) = ward.events.take();
    let told: Vec<_> = events
        .into_iter()
        .map(|one| (one.kind, one.code, one.verdict, one.why.unwrap()))
        .collect();
    let event = |code, verdict, why: &str| ("health", Some(code), Some(verdict), why.to_owned());
    let expected = [
        event(9, "ok", "a check succeeded"),
        event(1, "dns_dead", "the resolver does not answer"),
        event(9, "ok", "connected to the broker"),
    ];
    assert_eq!((told.as_slice(), lost), (&expected[..], 0));
}

#[tokio::test(start_paused = true)]
async fn our_own_resolver_is_called_dead_after_two_probes_and_only_with_dns_dead() {
    let own = |dead: bool| {
        fine().resolver_dies().and(|found| {
            found.resolvers = vec![Server {
                address: "127.0.0.1".parse().unwrap(),
                system: true,
                ms: 1,
                result: Resolved::Dead,
                addresses: Vec::new(),
                error: None,
                own_dead: dead,
            }];
        })
    };
    let mut ward = start(fine());
    ward.probed().await;
    ward.world.send_replace(own(false));
    let facts = ward
        .facts_when(|facts| facts.verdict == Some(Verdict::DnsDead))
        .await;
    assert!(!facts.own_resolver_dead);
    ward.world.send_replace(own(true));
    let facts = ward.probed().await;
    assert!(!facts.own_resolver_dead);
    ward.facts_when(|facts| facts.own_resolver_dead).await;
    ward.world.send_replace(fine());
    let facts = ward
        .facts_when(|facts| facts.verdict == Some(Verdict::Ok))
        .await;
    assert!(!facts.own_resolver_dead);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_healthy_rounds_without_third_parties_and_pings_make_no_false_alarm() {
    const ROUNDS: u32 = 10_000;
    let mut ward = start(fine());
    ward.connect().await;
    let seed = 7;
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut offline, mut probes) = (0, 0);
    for _ in 0..ROUNDS {
        // ICMP is blocked, and so is everything that the checks ask for, in one way or another.
        let mut found = match random.u8(..4) {
            0 => fine().connection_fails().web_fails(),
            1 => fine().resolver_dies(),
            2 => fine()
                .resolves_to("10.0.0.1")
                .connection_fails()
                .web_ends(WebResult::Foreign, Resolved::Found),
            _ => fine().lookup_ends(Resolved::NoSuchName).web_fails(),
        };
        found.gateways[0].answers = match random.bool() {
            true => Answers::No,
            false => Answers::Unknown,
        };
        ward.world.send_replace(found);
        ward.mqtt
            .send_modify(|facts| facts.arrived = Some(Instant::now()));
        let facts = match random.bool() {
            true => ward.handle.probe().await.unwrap(),
            false => ward.probed().await,
        };
        probes += 1;
        let seen = (facts.code, facts.verdict);
        offline += u32::from(seen != (Some(9), Some(Verdict::Ok)));
    }
    crate::told::line(format_args!(
        "health: {ROUNDS} healthy rounds, {probes} probes, {offline} false alarms (seed {seed})"
    ));
    assert_eq!(offline, 0);
    let (events, _) = ward.events.take();
    assert!(events.len() <= 1, "{events:?}");
}

/// The cable is pulled: the kernel keeps the route.
fn unlinked() -> Findings {
    fine()
        .resolver_dies()
        .and(|found| found.route.carrier = Some(false))
}
