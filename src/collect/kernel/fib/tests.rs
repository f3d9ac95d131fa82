//! Routes as the kernel tells them.

use super::super::netlink::attribute;
use super::*;

/// A route of IPv4 in a table, of a type, by a device, with more attributes.
fn route(target: [u8; 4], length: u8, table: u8, kind: u8, more: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = vec![2, length, 0, 0, table, 3, 0, kind, 0, 0, 0, 0];
    if length > 0 {
        body.extend(attribute(TARGET, &target));
    }
    for (kind, value) in more {
        body.extend(attribute(*kind, value));
    }
    body
}

const BY_7: (u16, &[u8]) = (DEVICE, &7u32.to_ne_bytes());

#[test]
fn table_metric_device_and_gateway_of_a_route_are_read() {
    let metric = 20u32.to_ne_bytes();
    let table = 1000u32.to_ne_bytes();
    let attributes: [(u16, &[u8]); 4] = [
        BY_7,
        (GATEWAY, &[192, 0, 2, 1]),
        (METRIC, &metric),
        (TABLE, &table),
    ];
    let found = entry(&route([0; 4], 0, 252, UNICAST, &attributes)).unwrap();
    assert_eq!((found.index, found.metric, found.table), (7, 20, 1000));
    assert_eq!(found.hop, IpAddr::from([192, 0, 2, 1]));
    let plain = entry(&route([0; 4], 0, 10, UNICAST, &[BY_7])).unwrap();
    assert!(plain.hop.is_unspecified());
    assert_eq!((plain.table, plain.metric), (10, 0));
}

#[test]
fn a_gateway_of_the_other_family_and_the_first_living_one_of_several_count() {
    let mut via = 10u16.to_ne_bytes().to_vec();
    via.extend("fe80::1".parse::<Ipv6Addr>().unwrap().octets());
    let found = entry(&route([0; 4], 0, 254, UNICAST, &[BY_7, (VIA, &via)])).unwrap();
    assert_eq!(found.hop, "fe80::1".parse::<IpAddr>().unwrap());
    let hop = |flags: u8, index: u32, gateway: [u8; 4]| {
        let mut bytes = 16u16.to_ne_bytes().to_vec();
        bytes.extend([flags, 0]);
        bytes.extend(index.to_ne_bytes());
        bytes.extend(attribute(GATEWAY, &gateway));
        bytes
    };
    let several = [hop(1, 3, [10, 0, 0, 1]), hop(0, 4, [10, 0, 0, 2])].concat();
    let found = entry(&route([0; 4], 0, 254, UNICAST, &[(MULTIPATH, &several)])).unwrap();
    assert_eq!((found.index, found.hop), (4, IpAddr::from([10, 0, 0, 2])));
}

#[test]
fn routes_that_lead_nowhere_are_none() {
    for kind in [2, 6, 7, 8, 9] {
        assert_eq!(entry(&route([0; 4], 0, 254, kind, &[BY_7])), None, "{kind}");
    }
    assert_eq!(entry(&route([0; 4], 0, 254, UNICAST, &[])), None);
    let mut dead = route([0; 4], 0, 254, UNICAST, &[BY_7]);
    dead[8..12].copy_from_slice(&DEAD.to_ne_bytes());
    assert_eq!(entry(&dead), None);
}

#[test]
fn two_halves_count_where_there_is_no_whole_and_only_in_one_table() {
    let half = |target, table| entry(&route(target, 1, table, UNICAST, &[BY_7])).unwrap();
    let (lower, upper) = ([0; 4], [128, 0, 0, 0]);
    let defaults = |entries: Vec<Entry>| {
        let mut wanted = Wanted::default();
        entries.into_iter().for_each(|entry| wanted.take(entry));
        wanted.defaults().len()
    };
    assert_eq!(defaults(vec![half(lower, 9), half(upper, 9)]), 1);
    assert_eq!(defaults(vec![half(lower, 9), half(upper, 8)]), 0);
    assert_eq!(defaults(vec![half(upper, 9)]), 0);
    let whole = entry(&route([0; 4], 0, 10, UNICAST, &[BY_7])).unwrap();
    let all = vec![half(lower, 9), half(upper, 9), whole.clone(), whole];
    assert_eq!(defaults(all), 2);
    let network = entry(&route([10, 0, 0, 0], 8, 254, UNICAST, &[BY_7])).unwrap();
    assert_eq!(defaults(vec![network]), 0);
}

#[test]
fn bytes_at_random_never_panic() {
    let mut rng = fastrand::Rng::with_seed(3);
    let hop = [12, 0, 0, 0, 7, 0, 0, 0, 4, 0, 5, 0];
    for _ in 0..20_000 {
        let mut body = route([0; 4], 1, 254, UNICAST, &[BY_7, (MULTIPATH, &hop)]);
        for _ in 0..3 {
            let at = rng.usize(..body.len());
            body[at] = rng.u8(..);
        }
        body.truncate(rng.usize(..=body.len()));
        entry(&body);
    }
}

#[test]
fn the_kernel_and_a_connected_socket_agree_on_the_way_out_of_this_machine() {
    for v6 in [false, true] {
        let (ways, way) = (ways(v6).unwrap(), in_force(v6).unwrap());
        let best = ways.best().map(|way| way.device.as_str());
        assert_eq!(best, way.as_ref().map(|way| way.device.as_str()));
        if let Some(source) = way.and_then(|way| way.source) {
            assert_eq!((source.is_ipv6(), Some(source)), (v6, our_address(v6)));
        }
    }
}
