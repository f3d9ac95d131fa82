//! Replies changed at random: nothing panics, and what another reply said stands.

use fastrand::Rng;
use ubus::blobmsg::Value;
use ubus::Notice;

use super::super::events::event_log::Log;
use super::super::sources::question::Question;
use super::super::survey;
use super::samples::{data, value, Router, NOW};
use super::stamp;
use crate::collect::Report;

/// Replies with other values in them, replies with other bytes, and notifications and scans of
/// either kind: 10,000 in all.
const VALUES: u64 = 5000;
const BYTES: u64 = 4000;
const TOLD: u64 = 1000;

/// Replaces a few of the values inside by ones of another type, repeats, drops or renames them.
pub(super) fn mutate(value: &mut Value, rng: &mut Rng, odds: usize) {
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

/// Everything that a reply of this kind cannot touch has to be as without the mutation.
fn the_rest_stands(asked: &Question, changed: &Report, report: &Report) {
    let whose = matches!(asked, Question::Dump | Question::Board);
    let wifi = |report: &Report| {
        let mut stations = report.stations.clone();
        // Which addresses and names are this device's own, and which network they are in, these say.
        for station in stations.iter_mut().flatten().filter(|_| whose) {
            (station.ip, station.ip6, station.name) = (None, None, None);
        }
        (report.ssids.clone(), stations)
    };
    let network = |report: &Report| {
        let device = &report.device;
        let wan = (device.wan_name.clone(), device.wan_ip, device.rx_bytes);
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
    assert_eq!(changed.device.created_at, report.device.created_at);
    let is_lease = matches!(asked, Question::Leases4 | Question::LuciLeases);
    assert!(is_lease || changed.dhcp == report.dhcp);
    match asked {
        Question::Info | Question::Board => {
            // The release may change the unit of hostapd's rates, but iwinfo's come first.
            assert_eq!(wifi(changed), wifi(report));
            assert_eq!(network(changed), network(report));
        }
        Question::Dump | Question::Devices => {
            assert_eq!(wifi(changed), wifi(report));
            assert_eq!(system(changed), system(report));
        }
        _ => {
            assert_eq!(network(changed), network(report));
            assert_eq!(system(changed), system(report));
        }
    }
}

/// There is a report, and its line can be sent.
fn is_a_line(report: &Report) {
    let line = report.to_line(&stamp("b", 1));
    assert!(!line.contains(&b'\n'));
    serde_json::from_slice::<serde_json::Value>(&line).unwrap();
}

pub(super) fn other_bytes(bytes: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if bytes.is_empty() {
        return vec![rng.u8(..); rng.usize(..9)];
    }
    for _ in 0..rng.usize(1..4) {
        let at = rng.usize(..bytes.len());
        bytes[at] = rng.u8(..);
    }
    if rng.u8(..8) == 0 {
        bytes.truncate(rng.usize(..bytes.len()));
    }
    bytes
}

#[test]
fn mutated_replies_never_panic_and_leave_the_rest_of_the_report_alone() {
    let router = Router::v24_10();
    let report = router.report();
    let intact = router.raw();
    let mut different = 0;
    for seed in 0..VALUES {
        let mut rng = Rng::with_seed(seed);
        let at = rng.usize(..intact.len());
        let (asked, reply) = &intact[at];
        let mut value = Value::from_members(reply).unwrap();
        let odds = rng.usize(3..60);
        mutate(&mut value, &mut rng, odds);
        let mut mutated = intact.clone();
        mutated[at].1 = value.to_members().into();
        let (changed, facts) = router.collect_from(&mutated, &mut Log::default());
        the_rest_stands(asked, &changed, &report);
        is_a_line(&changed);
        // A source that answered none of its calls is listed as missing.
        let silent = matches!(value, Value::Table(ref members) if members.is_empty());
        let told = facts.sources.missing.contains(&asked.source());
        let may_be_empty = matches!(
            asked,
            Question::Devices | Question::Radios | Question::Hints
        );
        assert!(!silent || told || may_be_empty, "{asked:?}: {facts:?}");
        different += u32::from(changed != report || !facts.sources.missing.is_empty());
    }
    println!("{VALUES} replies with other values, {different} of them made a difference");
    // The mutations do reach what is read.
    assert!(u64::from(different) > VALUES / 3, "{different}");
}

#[test]
fn bytes_changed_on_the_wire_never_panic_and_lose_no_report() {
    let router = Router::v24_10();
    let report = router.report();
    let intact = router.raw();
    let mut different = 0;
    for seed in 0..BYTES {
        let mut rng = Rng::with_seed(seed);
        let at = rng.usize(..intact.len());
        let mut mutated = intact.clone();
        mutated[at].1 = other_bytes(&intact[at].1, &mut rng).into();
        let (changed, _) = router.collect_from(&mutated, &mut Log::default());
        the_rest_stands(&intact[at].0, &changed, &report);
        is_a_line(&changed);
        different += u32::from(changed != report);
    }
    println!("{BYTES} replies with other bytes, {different} of them made a difference");
    assert!(u64::from(different) > BYTES / 10, "{different}");
}

#[test]
fn mutated_notifications_and_scans_never_panic() {
    let events = std::fs::read_to_string(data("samples/events.jsonl")).unwrap();
    let events: Vec<Value> = events
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let router = Router::v24_10();
    let raw = router.raw();
    let scan = value("iwinfo__scan.phy0-ap0.json");
    let mut log = Log::default();
    let (mut heard, mut found) = (0, 0);
    for seed in 0..TOLD {
        let mut rng = Rng::with_seed(seed);
        let event = &events[rng.usize(..events.len())];
        let text = |name| event.get(name).and_then(Value::as_str).unwrap_or_default();
        let mut data = event.get("data").unwrap().clone();
        let odds = rng.usize(3..60);
        mutate(&mut data, &mut rng, odds);
        let data = match rng.bool() {
            true => data.to_members(),
            false => other_bytes(&event.get("data").unwrap().to_members(), &mut rng),
        };
        let notice = Notice::Notification {
            path: text("object").to_owned(),
            kind: text("type").to_owned(),
            data: data.into(),
        };
        log.hear(notice, NOW + rng.u64(..99));
        let mut scan = scan.clone();
        mutate(&mut scan, &mut rng, odds);
        let scan = match rng.bool() {
            true => scan.to_members(),
            false => other_bytes(&scan.to_members(), &mut rng),
        };
        found += survey::read(&scan, Some("6g")).map_or(0, |found| found.items.len());
        if seed % 100 == 99 {
            let (report, _) = router.collect_from(&raw, &mut log);
            heard += report.events.len();
            is_a_line(&report);
        }
    }
    println!("{TOLD} notifications and scans, {heard} events and {found} networks came of them");
    assert!(heard > 100 && found > 1000, "{heard}, {found}");
}
