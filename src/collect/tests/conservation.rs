//! No row vanishes without being counted: what came in is reported or is counted as left out.

use fastrand::Rng;
use ubus::blobmsg::Value;

use super::super::events::event_log::Log;
use super::super::sources::dhcp::leases::Leases;
use super::super::sources::question::Question::{
    self, Assoclist, Clients, Devices, Leases4, Leases6, LuciLeases,
};
use super::super::sources::reply::Fields;
use super::super::survey;
use super::mutations::{mutate, other_bytes};
use super::samples::{data, value, Router, NOW};
use crate::collect::{Facts, Report};

/// Replies with other values in them, with hostapd and without, and lists of each of four kinds: 10,000 in all.
const VALUES: u64 = 2500;
const LISTS: u64 = 1250;

/// The last member of that name, as a reply is read.
fn last<'a>(table: &'a Value, name: &str) -> Option<&'a Value> {
    let Value::Table(members) = table else {
        return None;
    };
    let mut named = members.iter().rev();
    named
        .find(|(of, _)| of == name.as_bytes())
        .map(|(_, value)| value)
}

/// The first member of that name.
fn first<'a>(table: &'a Value, name: &str) -> Option<&'a Value> {
    let Value::Table(members) = table else {
        return None;
    };
    let mut named = members.iter();
    named
        .find(|(of, _)| of == name.as_bytes())
        .map(|(_, value)| value)
}

/// The number of rows of a source that are reported as left out.
fn left_out(facts: &Facts, asked: &Question) -> usize {
    let end = format!(" rows of {}", asked.source());
    let lines = facts.sources.missing.iter();
    let counts = lines.filter_map(|line| line.strip_suffix(&end)?.parse::<usize>().ok());
    counts.sum()
}

fn is_missing(facts: &Facts, asked: &Question) -> bool {
    facts.sources.missing.contains(&asked.source())
}

fn stations_of(report: &Report, names: &[&str]) -> usize {
    let stations = report.stations.iter().flatten();
    let of = stations.filter(|of| names.contains(&of.interface.as_deref().unwrap_or_default()));
    of.count()
}

/// Checks one mutated reply; returns its rows.
fn check(asked: &Question, value: &Value, report: &Report, facts: &Facts) -> usize {
    match asked {
        Clients(name) => {
            let Some(Value::Table(clients)) = last(value, "clients") else {
                assert!(is_missing(facts, asked), "{asked:?} {facts:?}");
                return 0;
            };
            let known = stations_of(report, &[name]) + left_out(facts, asked);
            assert_eq!(known, clients.len(), "{asked:?} {facts:?}");
            clients.len()
        }
        Devices => {
            let Value::Table(devices) = value else {
                return 0;
            };
            if is_missing(facts, asked) {
                return 0;
            }
            let away = devices.iter().filter(|(name, device)| {
                let Value::Table(members) = device else {
                    return false;
                };
                let absent = members
                    .iter()
                    .any(|(key, present)| key == b"present" && matches!(present, Value::Int8(0)));
                absent || name == b"lo"
            });
            let shown = report.interfaces.as_ref().map_or(0, Vec::len);
            let known = shown + away.count() + left_out(facts, asked);
            assert_eq!(known, devices.len(), "{facts:?}");
            devices.len()
        }
        _ => 0,
    }
}

#[test]
fn rows_of_hostapd_and_of_netifd_are_reported_or_counted() {
    let router = Router::v24_10();
    let intact = router.raw();
    let with_rows: Vec<usize> = (0..intact.len())
        .filter(|at| matches!(intact[*at].0, Clients(_) | Devices))
        .collect();
    let mut rows = 0;
    for seed in 0..VALUES {
        let mut rng = Rng::with_seed(seed);
        let at = with_rows[rng.usize(..with_rows.len())];
        let mut value = Value::from_members(&intact[at].1).unwrap();
        let odds = rng.usize(3..60);
        mutate(&mut value, &mut rng, odds);
        let mut mutated = intact.clone();
        mutated[at].1 = value.to_members().into();
        let (report, facts) = router.collect_from(&mutated, &mut Log::default());
        rows += check(&intact[at].0, &value, &report, &facts);
    }
    crate::told::line(format_args!(
        "collect: {VALUES} replies with {rows} rows: every row is reported or counted"
    ));
    assert!(rows > 5000, "{rows}");
}

#[test]
fn without_hostapd_rows_of_iwinfo_are_reported_or_counted() {
    let router = Router::v24_10().without_hostapd();
    let intact = router.raw();
    let with_rows: Vec<usize> = (0..intact.len())
        .filter(|at| matches!(intact[*at].0, Assoclist(_)))
        .collect();
    let mut rows = 0;
    for seed in 0..VALUES {
        let mut rng = Rng::with_seed(seed);
        let mut mutated = intact.clone();
        let changed = with_rows[rng.usize(..with_rows.len())];
        let mut value = Value::from_members(&intact[changed].1).unwrap();
        let odds = rng.usize(3..60);
        mutate(&mut value, &mut rng, odds);
        mutated[changed].1 = value.to_members().into();
        let (report, facts) = router.collect_from(&mutated, &mut Log::default());
        let (mut told, mut counted) = (0, 0);
        for at in &with_rows {
            let value = match *at == changed {
                true => value.clone(),
                false => Value::from_members(&intact[*at].1).unwrap(),
            };
            match first(&value, "results") {
                Some(Value::Array(stations)) => told += stations.len(),
                _ => assert!(is_missing(&facts, &intact[*at].0)),
            }
            counted += left_out(&facts, &intact[*at].0);
        }
        let shown = report.stations.as_ref().map_or(0, Vec::len);
        assert_eq!(shown + counted, told, "{seed} {facts:?}");
        rows += told;
    }
    crate::told::line(format_args!(
        "collect: {VALUES} lists of iwinfo with {rows} rows: every row is reported or counted"
    ));
}

#[test]
fn leases_and_networks_found_are_read_or_counted() {
    let luci = value("luci-rpc__getDHCPLeases.json");
    let v4 = value("variants/dhcp__ipv4leases.odhcpd-maindhcp.24.10.json");
    let v6 = value("dhcp__ipv6leases.json");
    let scan = value("iwinfo__scan.phy0-ap0.json");
    let file = std::fs::read(data("samples/dhcp.leases.with-ipv6")).unwrap();
    let mut rows = 0;
    for seed in 0..LISTS {
        let mut rng = Rng::with_seed(seed);
        let odds = rng.usize(3..60);
        let mut changed = |value: &Value| {
            let mut value = value.clone();
            mutate(&mut value, &mut rng, odds);
            value
        };
        let value = changed(&luci);
        if let Some(leases) = Leases::of_luci(Fields::of(&value.to_members()), NOW) {
            let Value::Table(members) = &value else {
                panic!("{value:?}");
            };
            let lists = members
                .iter()
                .filter(|(name, _)| matches!(name.as_slice(), b"dhcp_leases" | b"dhcp6_leases"));
            let lengths = lists.map(|(_, list)| match list {
                Value::Array(list) => list.len(),
                _ => 0,
            });
            let told: usize = lengths.sum();
            assert_eq!(leases.rows + leases.left_out, told, "{LuciLeases:?} {seed}");
            rows += told;
        }
        for (asked, value) in [(Leases4, changed(&v4)), (Leases6, changed(&v6))] {
            let members = value.to_members();
            let leases = match asked {
                Leases4 => Leases::of_odhcpd_v4(Fields::of(&members), NOW),
                _ => Leases::of_odhcpd_v6(Fields::of(&members)),
            };
            let Some(leases) = leases else { continue };
            let Some(Value::Table(devices)) = first(&value, "device") else {
                panic!("{value:?}");
            };
            let lists = devices.iter().filter_map(|(_, of)| match of {
                Value::Table(_) => first(of, "leases"),
                _ => None,
            });
            let lengths = lists.map(|list| match list {
                Value::Array(list) => list.len(),
                Value::Table(list) => list.len(),
                _ => 0,
            });
            let told: usize = lengths.sum();
            // An interface that is a list instead of a table may have a row of its own.
            if devices.iter().all(|(_, of)| matches!(of, Value::Table(_))) {
                assert_eq!(leases.rows + leases.left_out, told, "{asked:?} {seed}");
            }
            rows += told;
        }
        let value = changed(&scan);
        if let Ok(found) = survey::read(&value.to_members(), None) {
            let Some(Value::Array(told)) = first(&value, "results") else {
                panic!("{value:?}");
            };
            assert_eq!(found.items.len() + found.left_out(), told.len());
            rows += told.len();
        }
        let file = other_bytes(&file, &mut rng);
        let leases = Leases::of_file(&file, NOW);
        let lines = file.split_inclusive(|byte| *byte == b'\n').count();
        assert_eq!(leases.rows + leases.left_out, lines);
        rows += lines;
    }
    crate::told::line(format_args!(
        "collect: {LISTS} of each list with {rows} rows: every row is read or counted"
    ));
}
