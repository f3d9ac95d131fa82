//! Each option alone, and all at once.

use std::path::Path;
use std::time::Duration;

use super::cases::CASES;
use super::*;
use crate::config::options::find;

#[test]
fn every_option_has_its_cases_in_the_order_of_the_table() {
    let names: Vec<_> = OPTIONS.iter().map(|row| row.name).collect();
    let cases: Vec<_> = CASES.iter().map(|case| case.option).collect();
    assert_eq!(names, cases);
}

#[test]
fn names_and_flags_of_the_table_are_unique() {
    let mut keys: Vec<_> = OPTIONS
        .iter()
        .flat_map(|row| row.aliases.iter().chain([&row.name]))
        .collect();
    let total = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), total);
}

#[test]
fn a_right_value_reaches_its_field_alone() {
    for case in CASES {
        for (json, holds) in case.right {
            let loaded = load_json(&format!("{{\"{}\": {json}}}", case.option));
            let name = case.option;
            assert_eq!(loaded.errors, [], "{name}: {json}");
            assert!(holds(&loaded.config), "{name}: {json}");
            // With its default put back, nothing else differs.
            let mut config = (*loaded.config).clone();
            let row = find(name).unwrap();
            let warnings: Vec<_> = loaded.warnings.iter().map(|w| w.reason.as_str()).collect();
            assert!(warnings.is_empty(), "{name}: {json}: {warnings:?}");
            config.reset(row, Path::new("/root-of-test"));
            config.upload.heartbeat = defaults().upload.heartbeat;
            config.broker.port = defaults().broker.port;
            config.jobs.from_web = defaults().jobs.from_web;
            assert_eq!(config, defaults(), "{name}: {json}");
            let set: Vec<_> = loaded
                .options
                .iter()
                .filter(|chosen| chosen.source == Source::File)
                .map(|chosen| chosen.row.name)
                .collect();
            assert_eq!(set, [name]);
        }
    }
}

#[test]
fn a_wrong_value_is_reported_with_line_and_reason_and_leaves_the_default_or_the_strictest() {
    for case in CASES {
        for (json, reason) in case.wrong {
            let text = format!("{{\n\n  \"{}\":\n {json}}}", case.option);
            let (loaded, file) = load_bytes(&Settings::default(), text.as_bytes());
            let expected = Problem {
                option: Some(case.option.into()),
                source: file,
                line: Some(4),
                reason: told(case.option, reason),
            };
            assert_eq!(loaded.errors, [expected], "{json}");
            assert_held(&loaded, defaults(), &[case.option]);
            let unset = |chosen: &Chosen| chosen.is_closed() || chosen.source == Source::Default;
            assert!(loaded.options.iter().all(unset));
            assert!(!shown(&loaded).contains("hunter2"), "{json}");
        }
    }
}

#[test]
fn all_options_wrong_at_once_are_one_error_each_and_every_way_is_closed() {
    let pairs: Vec<_> = CASES
        .iter()
        .map(|case| format!("\"{}\": {}", case.option, case.wrong[0].0))
        .collect();
    let loaded = load_json(&format!("{{{}}}", pairs.join(",\n")));
    let found: Vec<_> = loaded
        .errors
        .iter()
        .map(|e| {
            (
                e.option.as_deref().unwrap(),
                e.line.unwrap(),
                e.reason.clone(),
            )
        })
        .collect();
    let expected: Vec<_> = CASES
        .iter()
        .zip(1..)
        .map(|(case, line)| (case.option, line, told(case.option, case.wrong[0].1)))
        .collect();
    assert_eq!(found, expected);
    assert_held(&loaded, defaults(), &guards());
}

#[test]
fn a_wrong_option_does_not_touch_the_ones_beside_it() {
    let loaded = load_json(r#"{"username": null, "port": "8443", "monitor": "x", "topic": "t"}"#);
    let bad: Vec<_> = loaded.errors.iter().map(|e| e.option.as_deref()).collect();
    assert_eq!(bad, [Some("username"), Some("monitor")]);
    assert_eq!(loaded.config.broker.port, 8443);
    assert_eq!(loaded.config.broker.topic, "t");
    assert_eq!(loaded.config.collect.monitor, Duration::from_secs(15));
}

#[test]
fn the_port_follows_tls_unless_it_is_given() {
    for (json, port) in [
        ("{}", 1883),
        (r#"{"tls": 1}"#, 8883),
        (r#"{"tls": 1, "port": 1883}"#, 1883),
        (r#"{"tls": "true", "port": "x"}"#, 8883),
        (r#"{"port": 8883}"#, 8883),
    ] {
        assert_eq!(load_json(json).config.broker.port, port, "{json}");
    }
}

#[test]
fn a_reboot_comes_no_sooner_than_after_five_minutes_and_the_change_is_said() {
    for (asked, seconds) in [(0, 0), (1, 300), (299, 300), (300, 300), (900, 900)] {
        let loaded = load_json(&format!("{{\"reboot\": {asked}}}"));
        assert_eq!(loaded.config.recovery.reboot.as_secs(), seconds);
        let reason = format!("{asked} s is too soon, 300 s is used");
        let said = loaded.warnings.iter().any(|w| w.reason == reason);
        assert_eq!(said, asked != seconds, "{asked}");
    }
}

#[test]
fn where_signatures_are_asked_for_unsigned_ways_in_are_closed() {
    let key = "A".repeat(43) + "=";
    let loaded = load_json(&format!(
        "{{\"job_pubkey\": \"{key}\", \"api_commands\": 1}}"
    ));
    assert!(!loaded.config.jobs.from_web && !loaded.config.api.commands);
    // What nobody set needs no word.
    let said: Vec<_> = loaded.warnings.iter().map(Problem::to_string).collect();
    let closed = said
        .iter()
        .filter(|w| w.ends_with("is off while job_pubkey is set"));
    assert_eq!(closed.count(), 1, "{said:?}");
    assert!(said[0].contains("'api_commands'"), "{said:?}");
}
