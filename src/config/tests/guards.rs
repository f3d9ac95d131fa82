//! Options that guard a way into the device: whatever stands in their place, the way stays closed, or
//! their last good value holds.
//!
//! The cases are made from the table: an option that guards is in them by being there.

use std::fs;
use std::path::{Path, PathBuf};

use ::uci::Directories;
use serde_json::{json, Value};

use super::pem_files::{CA, KEY};
use super::*;
use crate::config::reload::Facts;
use crate::process::crash::Crashes;
use crate::process::file::under;

/// A public key.
const PUBLIC: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// A device's files in a directory of their own.
struct Device(tempfile::TempDir);

impl Device {
    fn new() -> Self {
        let device = Device(tempfile::tempdir().unwrap());
        fs::create_dir_all(device.path("/etc/config")).unwrap();
        fs::create_dir_all(device.path("/etc/socketman")).unwrap();
        for (name, bytes) in [
            ("ca.pem", CA),
            ("key.pem", KEY),
            ("empty.pem", ""),
            ("text.pem", "hello"),
        ] {
            write_private(&device.path("/etc").join(name), bytes);
        }
        device
    }

    fn path(&self, path: &str) -> PathBuf {
        under(self.0.path(), Path::new(path))
    }

    fn json(&self, text: &str) {
        write_private(&self.path(DEFAULT_FILE), text);
    }

    fn uci(&self, package: &[u8]) {
        write_private(&self.path("/etc/config/socketman"), package);
    }

    fn inputs(&self, line: &[(&str, &str)]) -> Inputs {
        Inputs {
            command_line: settings(line),
            file: None,
            uci: Directories::of(self.0.path(), None),
            root: self.0.path().to_owned(),
            pace: Pace::REAL,
            checks: crate::tls::CHECKS,
            crashes: Crashes::default(),
        }
    }

    /// Gives `source` this value of the option, and the one it does not go without.
    fn write(&self, source: Source, row: &Row, value: &Value) {
        match source {
            Source::File => {
                let mut values = json!({ row.name: value, "topic": "t" });
                if let Some((name, file)) = partner(row) {
                    values[name] = json!(file);
                }
                self.json(&values.to_string());
            }
            Source::Uci => self.write_uci(row, &uci_of(row, value).unwrap_or_default()),
            other => panic!("{other:?} is no file"),
        }
    }

    /// The same in UCI, with this command.
    fn write_uci(&self, row: &Row, command: &[u8]) {
        let partner = partner(row).map(|(name, file)| format!("\toption {name} {file}\n"));
        let partner = partner.unwrap_or_default();
        self.uci(&main_of(&[partner.as_bytes(), command].concat()));
    }

    /// Reads everything as an agent that starts, and keeps copies.
    fn start(&self) -> Loaded {
        let loaded = self.inputs(&[]).load(None);
        assert_eq!(loaded.keep_good_copies(), []);
        loaded
    }
}

/// An option without which that of `row` says nothing, and a value that can be used.
fn partner(row: &Row) -> Option<(&'static str, &'static str)> {
    match row.guard {
        Some(Guard::Link(Pem::Certificate)) => Some(("tls_key", "/etc/key.pem")),
        Some(Guard::Link(Pem::Key)) => Some(("tls_cert", "/etc/ca.pem")),
        _ => None,
    }
}

fn main_of(options: &[u8]) -> Vec<u8> {
    [
        b"config socketman 'main'\n\toption topic t\n" as &[u8],
        options,
    ]
    .concat()
}

/// A value as a command of UCI, which has no other types than text and list of texts.
fn uci_of(row: &Row, value: &Value) -> Option<Vec<u8>> {
    let name = row.name;
    let command = match value {
        Value::String(text) if text.is_empty() || text.contains(['\0', '\n']) => return None,
        Value::String(text) => format!("\toption {name} '{text}'\n"),
        Value::Number(number) => format!("\toption {name} {number}\n"),
        Value::Array(items) if !items.is_empty() => {
            let item = |item: &Value| Some(format!("\tlist {name} '{}'\n", item.as_str()?));
            items.iter().map(item).collect::<Option<String>>()?
        }
        _ => return None,
    };
    Some(command.into_bytes())
}

/// Values that no option that guards can use: wrong types, wrong syntax, too much, and of files those that are
/// not there or hold something else.
fn unusable(row: &Row) -> Vec<Value> {
    let long = "x".repeat(MAX_VALUE + 1);
    let mut values = vec![
        json!(null),
        json!({}),
        json!({ "a": 1 }),
        json!([1]),
        json!([null]),
        json!(["", "x"]),
        json!(7),
        json!(-1),
        json!(2.5),
        json!(long),
        json!("ture"),
        json!("a\u{7}b"),
        json!("0 1"),
    ];
    match row.kind {
        Kind::Bool(_) => values.extend([json!(""), json!([]), json!("2"), json!("01"), json!("y")]),
        Kind::OptionalPath(_) | Kind::SecretPath(_) => values.extend([
            json!(true),
            json!([]),
            json!(["/etc/ca.pem"]),
            json!("etc/ca.pem"),
            json!("/etc/../etc/ca.pem"),
            json!(format!("/{long}")),
            json!("/etc/missing.pem"),
            json!("/etc"),
            json!("/etc/empty.pem"),
            json!("/etc/text.pem"),
            json!(match row.guard {
                Some(Guard::Link(Pem::Key)) => "/etc/ca.pem",
                _ => "/etc/key.pem",
            }),
        ]),
        Kind::Keys(_) => values.extend([
            json!(false),
            json!("oops"),
            json!([PUBLIC, "oops"]),
            json!([PUBLIC, ""]),
            json!([""]),
            json!([PUBLIC, 1]),
            json!(vec![PUBLIC; 17]),
            json!(&PUBLIC[1..]),
            json!(format!("{PUBLIC}{PUBLIC}")),
        ]),
        _ => panic!(
            "no unusable values are known for the kind of '{}'",
            row.name
        ),
    }
    values
}

/// A value that can be used, and that opens the way as far as one does.
fn usable(row: &Row) -> Value {
    match row.guard {
        Some(Guard::Value("0")) => json!("1"),
        Some(Guard::Value(_)) => json!("0"),
        Some(Guard::Link(Pem::Key)) => json!("/etc/key.pem"),
        Some(Guard::Link(_)) => json!("/etc/ca.pem"),
        Some(Guard::Jobs) => json!(PUBLIC),
        None => panic!("'{}' guards nothing", row.name),
    }
}

fn chosen<'a>(loaded: &'a Loaded, row: &Row) -> &'a Chosen {
    let mut options = loaded.options.iter();
    options.find(|chosen| chosen.row.name == row.name).unwrap()
}

/// Asserts that the way of `row` is closed, and that log, status and `check` say so.
fn assert_closed(loaded: &Loaded, row: &Row, case: &str) {
    let (config, closed) = (&loaded.config, &loaded.config.closed);
    match row.guard.unwrap() {
        Guard::Value(strictest) => assert_eq!(chosen(loaded, row).shown(), strictest, "{case}"),
        Guard::Link(_) => assert!(closed.link().unwrap().contains(row.name), "{case}"),
        Guard::Jobs => {
            assert!(closed.jobs().unwrap().contains(row.name), "{case}");
            assert!(!config.jobs.from_web && !config.api.commands, "{case}");
        }
    }
    assert!(chosen(loaded, row).is_closed(), "{case}");
    // `check`, `status` and the log have it from here.
    let errors = Facts::found(loaded, crate::tls::CHECKS).errors;
    let error = errors
        .iter()
        .find(|error| error.option.as_deref() == Some(row.name));
    let error = error.unwrap_or_else(|| panic!("{case}: {errors:?}"));
    let effect = row.guard.unwrap().effect();
    assert!(
        error.reason.ends_with(&format!("; {effect}")),
        "{case}: {error}"
    );
}

/// Asserts that the value of `row` in `good` holds, and that log, status and `check` say so.
fn assert_holds(loaded: &Loaded, good: &Loaded, row: &Row, source: Source, case: &str) {
    assert!(chosen(loaded, row).is_same(chosen(good, row)), "{case}");
    assert_eq!(chosen(loaded, row).source, source, "{case}");
    assert_eq!(loaded.config.closed, good.config.closed, "{case}");
    let errors = Facts::found(loaded, crate::tls::CHECKS).errors;
    let error = errors
        .iter()
        .find(|error| error.option.as_deref() == Some(row.name));
    let said = error.is_some_and(|error| {
        error
            .reason
            .ends_with("; until this is mended its last good value holds")
    });
    assert!(said, "{case}: {errors:?}");
}

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
            for way in [closed.link(), closed.jobs(), closed.provisioning()] {
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
