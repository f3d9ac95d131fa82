use std::collections::HashSet;

use super::super::netdev::WAN;
use super::*;

const EPOCH: u64 = 1_751_450_000;

fn kinds(news: &[News]) -> Vec<&str> {
    news.iter().map(|n| n.kind).collect()
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let play = |seed| {
        let mut world = World::new(20, seed, EPOCH);
        let mut news = world.advance(Duration::from_secs(300));
        news.extend(world.set_stations(25));
        (news, world.facts())
    };
    assert_eq!(play(7), play(7));
    assert_ne!(play(7), play(8));
}

#[test]
fn time_in_pieces_is_time_in_one() {
    let mut pieces = World::new(5, 1, EPOCH);
    let mut whole = World::new(5, 1, EPOCH);
    for _ in 0..400 {
        pieces.advance(Duration::from_millis(150));
    }
    whole.advance(Duration::from_secs(60));
    assert_eq!(pieces.facts(), whole.facts());
}

#[test]
fn stations_spread_over_all_access_points_and_have_addresses_of_their_own() {
    let world = World::new(600, 3, EPOCH);
    let facts = world.facts();
    assert_eq!(facts.authorized(), 600);
    for ap in &APS {
        assert!(facts.stations.iter().any(|s| s.interface == ap.ifname));
    }
    let macs: HashSet<_> = facts.stations.iter().map(|s| s.mac).collect();
    assert_eq!(macs.len(), facts.stations.len());
    let ips: HashSet<_> = facts.stations.iter().filter_map(|s| s.ip.clone()).collect();
    assert_eq!(ips.len(), 600);
}

#[test]
fn counters_of_whoever_stays_only_rise() {
    let mut world = World::new(12, 4, EPOCH);
    world.set_churn(0);
    let mut last = world.facts();
    for _ in 0..20 {
        world.advance(Duration::from_secs(30));
        let facts = world.facts();
        for (now, then) in facts.stations.iter().zip(&last.stations) {
            assert_eq!(now.mac, then.mac);
            assert!(!now.authorized || now.tx.bytes > then.tx.bytes);
        }
        for (now, then) in facts.devices.iter().zip(&last.devices) {
            assert!(now.rx_bytes >= then.rx_bytes, "{}", now.name);
        }
        assert!(facts.device(WAN).unwrap().rx_bytes > last.device(WAN).unwrap().rx_bytes);
        last = facts;
    }
}

#[test]
fn what_the_stations_receive_is_what_their_access_points_sent() {
    let mut world = World::new(12, 4, EPOCH);
    world.set_churn(0);
    let before = world.facts();
    world.advance(Duration::from_secs(100));
    let after = world.facts();
    let stations = |facts: &Facts| -> u64 { facts.stations.iter().map(|s| s.tx.bytes).sum() };
    let radios = |facts: &Facts| -> u64 {
        let radios = facts.devices.iter().filter(|d| d.name.starts_with("phy"));
        radios.map(|d| d.tx_bytes).sum()
    };
    assert_eq!(
        stations(&after) - stations(&before),
        radios(&after) - radios(&before)
    );
}

#[test]
fn ordered_comings_and_goings_are_exact_and_announced() {
    let mut world = World::new(3, 5, EPOCH);
    let come = world.set_stations(4);
    assert_eq!(
        kinds(&come),
        ["auth", "assoc", "sta-authorized", "dhcp.ack"]
    );
    assert_eq!(world.authorized(), 4);
    let go = world.set_stations(2);
    assert_eq!(go.len(), 4);
    assert_eq!(go[1].kind, "disassoc");
    assert_eq!((world.facts().joins, world.facts().leaves), (1, 2));
    assert_eq!(world.set_stations(2), []);
}

#[test]
fn who_comes_back_counts_from_zero_and_keeps_name_and_address() {
    let mut world = World::new(3, 5, EPOCH);
    let before = world.facts();
    world.set_stations(2);
    world.set_stations(3);
    let after = world.facts();
    assert_eq!(before.macs(), after.macs());
    for then in before.stations.iter().filter(|s| s.authorized) {
        let now = after.station(&then.mac.to_string()).unwrap();
        assert_eq!((&now.ip, &now.name), (&then.ip, &then.name));
    }
    assert!(after
        .stations
        .iter()
        .any(|s| s.authorized && s.tx.bytes == 0));
}

#[test]
fn stations_leave_and_return_by_themselves() {
    let mut world = World::new(10, 6, EPOCH);
    world.set_churn(30);
    let news = world.advance(Duration::from_secs(600));
    let facts = world.facts();
    assert!(facts.joins > 20 && facts.leaves > 20, "{facts:?}");
    let authorized = kinds(&news)
        .iter()
        .filter(|k| **k == "sta-authorized")
        .count();
    assert_eq!(authorized as u32, facts.joins);
    world.set_churn(0);
    world.advance(Duration::from_secs(120));
    assert_eq!(world.authorized(), 10);
}

#[test]
fn leases_are_renewed_before_they_end() {
    let mut world = World::new(4, 9, EPOCH);
    world.set_churn(0);
    let news = world.advance(Duration::from_secs(LEASE_TIME));
    assert!(kinds(&news).contains(&"dhcp.ack"));
    let now = world.now();
    for station in world.facts().stations.iter().filter(|s| s.authorized) {
        let lease = world.lease(station.mac).unwrap();
        assert!(lease.expires == 0 || lease.expires > now + LEASE_TIME / 3);
    }
}

#[test]
fn nobody_is_nobody() {
    let mut world = World::new(0, 1, EPOCH);
    world.advance(Duration::from_secs(60));
    assert_eq!(world.facts().stations, []);
}
