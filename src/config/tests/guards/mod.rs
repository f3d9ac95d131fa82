//! Options that guard a way into the device: with any value in their place the way stays closed, or
//! their last good value holds.
//!
//! The cases are made from the table: an option that guards is in them by being there.

mod device;

use serde_json::{json, Value};

use device::*;

use super::*;

fn rows() -> impl Iterator<Item = &'static Row> {
    OPTIONS.iter().filter(|row| row.guard.is_some())
}

#[test]
fn the_options_that_guard_are_those_of_the_contract() {
    let names = [
        "tls",
        "cacrt",
        "tls_cert",
        "tls_key",
        "disable_mqtt",
        "insecure",
        "api_commands",
        "job_pubkey",
        "web_jobs",
    ];
    assert_eq!(guards(), names);
}

#[test]
fn at_a_start_without_a_copy_every_unusable_value_closes_its_way_over_every_other_source() {
    let mut cases = 0;
    for row in rows() {
        for value in unusable(row) {
            let device = Device::new();
            let case = format!("{}: {value:.60}", row.name);
            // config.json alone.
            device.write(Source::File, row, &value);
            assert_closed(&device.start(), row, &case);
            // UCI over a good config.json, at the first start and at the next ones.
            device.write(Source::File, row, &usable(row));
            if let Some(command) = uci_of(row, &value) {
                device.write_uci(row, &command);
                for _ in 0..2 {
                    assert_closed(&device.start(), row, &case);
                }
            }
            device.write(Source::Uci, row, &usable(row));
            // The command line over both.
            if let Some(text) = value.as_str() {
                let loaded = device.inputs(&[(row.name, text)]).load(None);
                assert_closed(&loaded, row, &case);
            }
            // A good value of a source that precedes counts, as it would alone.
            let good = device.start();
            device.write(Source::File, row, &value);
            let loaded = device.start();
            assert!(chosen(&loaded, row).is_same(chosen(&good, row)), "{case}");
            assert_eq!(chosen(&loaded, row).source, Source::Uci, "{case}");
            assert_eq!(loaded.errors.len(), 1, "{case}: {:?}", loaded.errors);
            cases += 1;
        }
    }
    assert!(cases > 100);
}

#[test]
fn text_that_is_no_text_in_uci_closes_the_way_too() {
    for row in rows() {
        let device = Device::new();
        device.write(Source::File, row, &usable(row));
        let keyword = match row.kind {
            Kind::Keys(_) => "list",
            _ => "option",
        };
        let mut package = format!("\t{keyword} {} '1", row.name).into_bytes();
        package.extend(b"\xff'\n");
        device.write_uci(row, &package);
        assert_closed(&device.start(), row, row.name);
    }
}

#[test]
fn with_a_copy_the_last_good_value_of_the_same_source_holds_running_or_restarted() {
    for row in rows() {
        for (source, copy) in [
            (Source::File, Source::FileCopy),
            (Source::Uci, Source::UciCopy),
        ] {
            let device = Device::new();
            device.json("{}");
            device.write(source, row, &usable(row));
            let good = device.start();
            for value in unusable(row) {
                let case = format!("{} in {source:?}: {value:.60}", row.name);
                if source == Source::Uci && uci_of(row, &value).is_none() {
                    continue;
                }
                device.write(source, row, &value);
                let running = device.inputs(&[]).load(Some(&good));
                assert_holds(&running, &good, row, copy, &case);
                let later = device.inputs(&[]).load(Some(&running));
                assert_holds(&later, &good, row, copy, &case);
                for _ in 0..2 {
                    assert_holds(&device.start(), &good, row, copy, &case);
                }
            }
            // Taking the option away is meant, and so is the copy that follows.
            device.write(source, row, &Value::Null);
            if source == Source::Uci {
                assert_eq!(chosen(&device.start(), row).source, Source::Default);
                device.write_uci(row, &uci_of(row, &json!("ture")).unwrap());
                assert_closed(&device.start(), row, "after it was taken away");
            }
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_itself_nor_by_a_copy_closes_every_way_whatever_precedes_it() {
    for broken_uci in [false, true] {
        for broken in ["", "{", "\0", "config x 'y"] {
            let device = Device::new();
            let mut values = json!({ "mqtt_host": "a.example" });
            let mut options = Vec::new();
            for row in rows() {
                values[row.name] = usable(row);
                options.extend(uci_of(row, &usable(row)).unwrap());
            }
            device.json(&values.to_string());
            device.uci(&main_of(&options));
            match broken_uci {
                true if broken.len() < 2 && broken != "\0" => continue,
                true => device.uci(broken.as_bytes()),
                false => device.json(broken),
            }
            let loaded = device.start();
            let closed = &loaded.config.closed;
            let file = match broken_uci {
                true => "/etc/config/socketman",
                false => DEFAULT_FILE,
            };
            for way in [closed.link(), closed.jobs(), loaded.unreadable.clone()] {
                assert!(way.unwrap().contains(file), "{broken}");
            }
            for row in rows() {
                if let Some(Guard::Value(strictest)) = row.guard {
                    assert_eq!(chosen(&loaded, row).shown(), strictest, "{}", row.name);
                }
            }
            assert_eq!(loaded.errors.len(), 1, "{:?}", loaded.errors);
            let said = loaded.errors[0].to_string();
            assert!(
                said.contains(file) && said.contains("until this is mended"),
                "{said}"
            );
        }
    }
}

#[test]
fn the_last_of_two_values_in_one_source_decides() {
    for (text, tls) in [
        (r#"{"tls": "ture", "tls": 0}"#, false),
        (r#"{"tls": 0, "tls": "ture"}"#, true),
    ] {
        let device = Device::new();
        device.json(text);
        assert_eq!(device.start().config.broker.tls, tls, "{text}");
    }
    let device = Device::new();
    device.json(&format!(
        r#"{{"job_pubkey": "{PUBLIC}", "job_pubkey": ["oops"]}}"#
    ));
    let loaded = device.start();
    assert!(loaded.config.closed.jobs().is_some() && loaded.config.jobs.pubkey.is_empty());
}

#[test]
fn a_value_that_guards_and_is_good_again_opens_the_way_again() {
    for row in rows() {
        let device = Device::new();
        device.write(Source::File, row, &json!({}));
        let before = device.start();
        assert_closed(&before, row, row.name);
        device.write(Source::File, row, &usable(row));
        let loaded = device.inputs(&[]).load(Some(&before));
        assert!(
            loaded.changed_since(&before).contains(&row.name),
            "{}",
            row.name
        );
        assert!(!loaded.config.closed.is_held(row.name));
        assert_eq!(chosen(&loaded, row).source, Source::File);
    }
}
