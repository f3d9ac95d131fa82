//! Replies changed at random: nothing panics, and what another reply said stands.

use fastrand::Rng;

use super::samples::{Asked, Router};
use crate::collect::Report;
use crate::ubus::blobmsg::Value;

const ROUNDS: usize = 2000;

/// Replaces a few of the values inside by ones of another type, repeats, drops or renames them.
fn mutate(value: &mut Value, rng: &mut Rng, odds: usize) {
    let any = |rng: &mut Rng| match rng.u8(..12) {
        0 => Value::Unspec,
        1 => Value::Array(vec![
            Value::Int32(1),
            Value::string("x"),
            Value::Table(vec![]),
        ]),
        2 => Value::Table(vec![(b"address".to_vec(), Value::Int8(3))]),
        3 => Value::String((0..rng.usize(..600)).map(|_| rng.u8(1..)).collect()),
        4 => Value::Int64(rng.i64(..)),
        5 => Value::Int32(rng.i32(..)),
        6 => Value::Int16(rng.i16(..)),
        7 => Value::Int8(rng.u8(..)),
        8 => Value::Double(f64::from_bits(rng.u64(..))),
        9 => Value::Int64(i64::MIN),
        10 => Value::Int32(0),
        _ => Value::string("0.0.0.0"),
    };
    if rng.usize(..odds) == 0 {
        *value = any(rng);
        return;
    }
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(|item| mutate(item, rng, odds));
            if rng.usize(..odds) == 0 {
                let item = any(rng);
                items.insert(rng.usize(..=items.len()), item);
            }
        }
        Value::Table(members) => {
            members
                .iter_mut()
                .for_each(|(_, inner)| mutate(inner, rng, odds));
            if rng.usize(..odds) == 0 && !members.is_empty() {
                let at = rng.usize(..members.len());
                match rng.u8(..4) {
                    0 => drop(members.remove(at)),
                    1 => members.push(members[at].clone()),
                    2 => members[at].0 = vec![0xff; rng.usize(..400)],
                    _ => members[at].0.clear(),
                }
            }
        }
        _ => {}
    }
}

/// What a reply of this kind cannot touch has to be as without the mutation.
fn the_rest_stands(asked: &Asked, changed: &Report, report: &Report) {
    let wifi = |report: &Report| (report.ssids.clone(), report.stations.clone());
    let network = |report: &Report| {
        let device = &report.device;
        let wan = (
            device.wan_name.clone(),
            device.wan_ip.clone(),
            device.rx_bytes,
        );
        (report.interfaces.clone(), wan)
    };
    let system = |report: &Report| {
        let device = &report.device;
        (
            device.hostname.clone(),
            device.uptime,
            device.load_1,
            device.total_ram,
        )
    };
    assert_eq!(changed.dhcp, report.dhcp);
    assert_eq!(changed.device.created_at, report.device.created_at);
    match asked {
        Asked::Info | Asked::Board => {
            // The release may change the unit of hostapd's rates, but iwinfo's come first.
            assert_eq!(wifi(changed), wifi(report));
            assert_eq!(network(changed), network(report));
        }
        Asked::Dump | Asked::Devices => {
            assert_eq!(wifi(changed), wifi(report));
            assert_eq!(system(changed), system(report));
        }
        _ => {
            assert_eq!(network(changed), network(report));
            assert_eq!(system(changed), system(report));
        }
    }
}

#[test]
fn mutated_replies_never_panic_and_leave_the_rest_of_the_report_alone() {
    let router = Router::v24_10();
    let report = router.report();
    let mut different = 0;
    for seed in 0..ROUNDS {
        let mut rng = Rng::with_seed(seed as u64);
        let mut mutated = router.clone();
        let at = rng.usize(..mutated.replies.len());
        let (asked, value) = &mut mutated.replies[at];
        let odds = rng.usize(3..60);
        mutate(value, &mut rng, odds);
        let asked = asked.clone();
        let (changed, _) = mutated.collect();
        the_rest_stands(&asked, &changed, &report);
        let line = changed.to_line(&stamp::<()>("b", 1, &[]));
        assert!(!line.contains(&b'\n'));
        serde_json::from_slice::<serde_json::Value>(&line).unwrap();
        different += usize::from(changed != report);
    }
    // The mutations do reach what is read.
    assert!(different > ROUNDS / 3, "{different}");
}

#[test]
fn bytes_changed_on_the_wire_never_panic() {
    let intact = Router::v24_10();
    let replies: Vec<Vec<u8>> = intact
        .replies
        .iter()
        .map(|(_, value)| value.to_members())
        .collect();
    let mut read = 0;
    for seed in 0..ROUNDS {
        let mut rng = Rng::with_seed(seed as u64);
        let mut router = intact.clone();
        let at = rng.usize(..replies.len());
        let mut bytes = replies[at].clone();
        for _ in 0..rng.usize(1..4) {
            let byte = rng.usize(..bytes.len());
            bytes[byte] = rng.u8(..);
        }
        if let Ok(value) = Value::from_members(&bytes) {
            read += 1;
            router.replies[at].1 = value;
        }
        router.collect();
    }
    assert!(read > ROUNDS / 10, "{read}");
}
