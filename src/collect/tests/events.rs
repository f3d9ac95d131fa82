//! Notifications in, events out.

use ubus::blobmsg::Value;
use ubus::Notice;

use super::super::events::event_log::{Log, MAX_EVENTS};
use super::super::sources::question::Question::Clients;
use super::samples::{data, json, Router, NOW};
use crate::collect::Event;

fn notice(path: &str, kind: &str, data: &Value) -> Notice {
    Notice::Notification {
        path: path.to_owned(),
        kind: kind.to_owned(),
        data: data.to_members().into(),
    }
}

/// hostapd tells this of a station on phy1-ap0.
fn hostapd(log: &mut Log, kind: &str, mac: &str, at: u64) {
    let data = json(&format!(r#"{{"address":"{mac}"}}"#));
    log.hear(notice("hostapd.phy1-ap0", kind, &data), at);
}

/// Kinds, in order, with the reasons for leaving.
fn kinds(log: &mut Log) -> Vec<String> {
    let kinds = log.take(NOW).into_iter();
    let shown = |event: Event| match event.reason {
        Some(reason) => format!("{} {reason}", event.kind),
        None => event.kind.to_owned(),
    };
    kinds.map(shown).collect()
}

const LAPTOP: &str = "3c:22:fb:10:20:31";

#[test]
fn every_notification_there_is_comes_to_its_event_or_to_none() {
    let file = std::fs::read_to_string(data("samples/events.jsonl")).unwrap();
    let mut log = Log::default();
    let mut events = Vec::new();
    for (at, line) in file.lines().enumerate() {
        let sample: Value = serde_json::from_str(line).unwrap();
        let text = |name| sample.get(name).and_then(Value::as_str).unwrap_or_default();
        let data = sample.get("data").unwrap();
        log.hear(notice(text("object"), text("type"), data), NOW + at as u64);
        for event in log.take(NOW) {
            events.push(format!("{at}: {}", serde_json::to_string(&event).unwrap()));
        }
    }
    assert_eq!(
        events,
        [
            r#"3: {"at":1751450003,"type":"join","interface":"phy1-ap0","mac":"3C:22:FB:10:20:31","auth":"sae"}"#,
            r#"4: {"at":1751450004,"type":"join","interface":"phy0-ap0","mac":"24:6F:28:AA:BB:CC","vlan":30,"auth":"open"}"#,
            r#"5: {"at":1751450005,"type":"leave","interface":"phy1-ap0","mac":"3C:22:FB:10:20:31","reason":"disassoc"}"#,
            r#"9: {"at":1751450009,"type":"key-mismatch","interface":"phy1-ap1","mac":"5E:0F:A3:22:81:C4"}"#,
            r#"10: {"at":1751450010,"type":"channel_switch","interface":"phy1-ap0","frequency":5220}"#,
            r#"12: {"at":1751450012,"type":"key-mismatch","interface":"phy1-ap1","mac":"5E:0F:A3:22:81:C4"}"#,
            r#"14: {"at":1751450014,"type":"radar","interface":"phy1-ap0","frequency":5260}"#,
            r#"31: {"at":1751450031,"type":"lease","interface":"br-guest","mac":"8C:85:90:77:66:55","ip":"192.168.9.104","name":"Galaxy-S21"}"#,
            r#"32: {"at":1751450032,"type":"release","interface":"br-lan","mac":"F0:18:98:0D:3E:21","ip":"192.168.8.133"}"#,
        ]
    );
}

#[test]
fn what_stations_say_of_roaming_is_told() {
    let mut log = Log::default();
    let say = |log: &mut Log, kind: &str, data: Value| {
        log.hear(notice("hostapd.phy1-ap0", kind, &data), NOW);
        let event = log.take(NOW).pop().unwrap();
        serde_json::to_string(&event).unwrap()
    };
    let head = |kind: &str| {
        format!(r#"{{"at":{NOW},"type":"{kind}","interface":"phy1-ap0","mac":"3C:22:FB:10:20:31""#)
    };
    let query =
        r#"{"address":"3c:22:fb:10:20:31","dialog-token":1,"reason":16,"candidate-list":""}"#;
    assert_eq!(
        say(&mut log, "bss-transition-query", json(query)),
        format!(r#"{},"query_reason":16}}"#, head("btm_query"))
    );
    // Before 2026 the status code is one byte, which tools show as a bool.
    let byte = Value::Table(vec![
        (b"address".to_vec(), Value::string(LAPTOP)),
        (b"status-code".to_vec(), Value::Int8(7)),
        (b"target-bssid".to_vec(), Value::string("00:00:00:00:00:00")),
    ]);
    assert_eq!(
        say(&mut log, "bss-transition-response", byte),
        format!(r#"{},"status":7}}"#, head("btm_response"))
    );
    let accepted =
        r#"{"address":"3c:22:fb:10:20:31","status-code":0,"target-bssid":"94:83:c4:a1:b2:02"}"#;
    assert_eq!(
        say(&mut log, "bss-transition-response", json(accepted)),
        format!(
            r#"{},"bssid":"94:83:C4:A1:B2:02","status":0}}"#,
            head("btm_response")
        )
    );
    let beacon = |rcpi: u32| {
        json(&format!(
            r#"{{"address":"3c:22:fb:10:20:31","op-class":81,"channel":6,"rcpi":{rcpi},"bssid":"94:83:c4:a1:b2:02"}}"#
        ))
    };
    let heard = format!(
        r#"{},"bssid":"94:83:C4:A1:B2:02","channel":6"#,
        head("beacon_report")
    );
    assert_eq!(
        say(&mut log, "beacon-report", beacon(90)),
        format!(r#"{heard},"signal":-65}}"#)
    );
    // 255 is unknown.
    assert_eq!(
        say(&mut log, "beacon-report", beacon(255)),
        format!("{heard}}}")
    );
}

#[test]
fn a_station_that_reassociates_leaves_first_and_leaving_twice_is_leaving_once() {
    let mut log = Log::default();
    for kind in ["auth", "assoc", "sta-authorized"] {
        hostapd(&mut log, kind, LAPTOP, NOW);
    }
    for kind in ["auth", "disassoc", "assoc", "sta-authorized"] {
        hostapd(&mut log, kind, LAPTOP, NOW);
    }
    for kind in ["inactive-deauth", "disassoc", "deauth"] {
        hostapd(&mut log, kind, LAPTOP, NOW);
    }
    assert_eq!(
        kinds(&mut log),
        ["join", "leave disassoc", "join", "leave inactive-deauth"]
    );
}

#[test]
fn a_station_with_a_wrong_password_neither_joins_nor_leaves() {
    let mut log = Log::default();
    for kind in ["auth", "assoc", "key-mismatch", "deauth", "disassoc"] {
        hostapd(&mut log, kind, LAPTOP, NOW);
    }
    assert_eq!(kinds(&mut log), ["key-mismatch"]);
}

#[test]
fn before_23_05_a_station_has_joined_when_it_is_authorized_after_associating() {
    let clients = |authorized: bool| {
        let clients = format!(
            r#"{{"freq":5180,"clients":{{"{LAPTOP}":{{"assoc":true,"authorized":{authorized}}}}}}}"#
        );
        Router::bare().with(Clients("phy1-ap0".into()), json(&clients))
    };
    let collect = |log: &mut Log, authorized: bool| {
        let router = clients(authorized);
        router.collect_from(&router.raw(), log).0.events
    };
    let mut log = Log::default();
    hostapd(&mut log, "assoc", LAPTOP, NOW - 7);
    assert_eq!(collect(&mut log, false), []);
    let events = collect(&mut log, true);
    assert_eq!(
        (events.len(), events[0].kind, events[0].at),
        (1, "join", NOW - 7)
    );
    assert_eq!(collect(&mut log, true), []);

    // What a newer release tells in the same moment is the same join.
    hostapd(&mut log, "deauth", LAPTOP, NOW);
    hostapd(&mut log, "assoc", LAPTOP, NOW);
    assert_eq!(collect(&mut log, true).len(), 2);
    hostapd(&mut log, "sta-authorized", LAPTOP, NOW);
    assert_eq!(kinds(&mut log), [""; 0]);

    // Forgotten after a while.
    hostapd(&mut log, "assoc", "02:00:00:00:00:01", NOW - 1000);
    collect(&mut log, true);
    hostapd(&mut log, "deauth", "02:00:00:00:00:01", NOW);
    assert_eq!(kinds(&mut log), ["leave deauth"]);
}

#[test]
fn a_lease_is_news_when_its_address_is_and_a_renewal_is_none() {
    let mut log = Log::default();
    let mut tell = |path: &str, kind: &str, data: &str| {
        log.hear(notice(path, kind, &json(data)), NOW);
        kinds(&mut log)
    };
    let lease = r#"{"mac":"8c:85:90:77:66:55","ip":"192.168.9.104"}"#;
    assert_eq!(tell("dnsmasq", "dhcp.ack", lease), ["lease"]);
    assert_eq!(tell("dnsmasq", "dhcp.ack", lease), [""; 0]);
    let other = r#"{"mac":"8c:85:90:77:66:55","ip":"192.168.9.105"}"#;
    assert_eq!(tell("dnsmasq", "dhcp.ack", other), ["lease"]);
    assert_eq!(tell("dnsmasq", "dhcp.release", other), ["release"]);
    assert_eq!(tell("dnsmasq", "dhcp.ack", other), ["lease"]);
    // odhcpd from 25.12 on.
    let v25 = r#"{"interface":"br-lan","ipv4":"192.168.8.7","mac":"02:00:00:00:00:01"}"#;
    assert_eq!(tell("dhcp", "dhcp.lease4", v25), ["lease"]);
    assert_eq!(tell("dhcp", "dhcp.expire4", v25), ["expire"]);
    assert_eq!(tell("dhcp", "dhcp.lease4", r#"{"mac":"x"}"#), [""; 0]);
}

#[test]
fn of_more_events_than_fit_the_newest_are_kept_and_the_others_counted() {
    let mut log = Log::default();
    for n in 0..MAX_EVENTS + 40 {
        let mac = format!("02:00:00:00:{:02x}:{:02x}", n / 256, n % 256);
        hostapd(&mut log, "key-mismatch", &mac, NOW + n as u64);
    }
    log.hear(Notice::Lost { count: 3 }, NOW);
    let events = log.take(NOW);
    assert_eq!(events.len(), MAX_EVENTS + 1);
    assert_eq!((events[0].kind, events[0].count), ("lost", Some(43)));
    assert_eq!(events[1].at, NOW + 40);
    assert_eq!(log.take(NOW), []);
}

#[test]
fn after_a_loss_or_a_restart_of_hostapd_nothing_counts_as_said_before() {
    let mut log = Log::default();
    hostapd(&mut log, "sta-authorized", LAPTOP, NOW);
    log.hear(Notice::Lost { count: 1 }, NOW);
    hostapd(&mut log, "sta-authorized", LAPTOP, NOW);
    assert_eq!(kinds(&mut log), ["lost", "join", "join"]);

    let path = "hostapd.phy1-ap0".to_owned();
    log.hear(Notice::Gone { path: path.clone() }, NOW);
    log.hear(Notice::Subscribed { path }, NOW);
    hostapd(&mut log, "sta-authorized", LAPTOP, NOW);
    assert_eq!(kinds(&mut log), ["join"]);
}

#[test]
fn the_vlan_that_hostapd_told_is_that_of_the_station() {
    let router = Router::v24_10().without_rpcd();
    let router =
        router.without(|asked| *asked == super::super::sources::question::Question::Radios);
    let mut log = Log::default();
    let told = json(r#"{"address":"24:6f:28:aa:bb:cc","vlan":30,"auth-alg":"open"}"#);
    log.hear(notice("hostapd.phy0-ap0", "sta-authorized", &told), NOW);
    let (report, _) = router.collect_from(&router.raw(), &mut log);
    let stations = report.stations.unwrap();
    let vlans: Vec<(String, u32)> = stations
        .iter()
        .filter_map(|station| Some((station.mac.to_string(), station.vlan?)))
        .collect();
    assert_eq!(vlans, [("24:6F:28:AA:BB:CC".to_owned(), 30)]);
}
